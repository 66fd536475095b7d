"""The speaker in the wheel: small, offline, the same each time, and its card tells what was measured."""

import csv
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import ktube_motion
from ktube_motion.commands import main
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.samples import CONCEPTS, sentences
from ktube_motion.types import Word

HOME = Path(ktube_motion.__file__).parent / "pipeline/speakers/sample-speaker"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def speaker():
    return UtteranceToMotion.from_pretrained("sample-speaker")


def test_it_is_small_and_in_half_precision():
    from safetensors import safe_open

    assert sum(path.stat().st_size for path in HOME.rglob("*") if path.is_file()) < 12 * MEGABYTE
    for part in ("tokenizer", "transformer"):
        with safe_open(HOME / part / "model.safetensors", framework="pt") as file:
            kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (not a dict)
        assert kinds <= {"F16", "I64", "BOOL"}


def test_it_says_the_same_each_time(speaker):
    texts = ["여러분 안녕하세요.", "왼쪽을 보세요."]
    first, again = (speaker.generate(texts, seeds=[1, 2]) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.positions, other.positions)
    (drawn,) = speaker.generate(texts[:1], seeds=[3])
    assert not np.array_equal(drawn.positions, first[0].positions)
    assert np.isfinite(first[0].positions).all()


def test_it_waves_at_greetings_and_rests_at_plain_sentences_that_no_training_had(speaker):
    def raised(texts):
        motions = speaker.generate(texts, seeds=range(len(texts)))
        wrists = [motion.positions[:, [20, 21], 1] - motion.positions[:1, [20, 21], 1] for motion in motions]
        return np.array([rise.max() for rise in wrists])  # metres above where a hand was at first

    new = sentences(split="new")
    waved = raised([sentence.text for sentence in new if sentence.concepts == ("greeting",)])
    rested = raised([sentence.text for sentence in new if not sentence.marks])
    assert len(waved) >= 4
    assert len(rested) >= 10
    assert np.median(waved) > 0.4  # 0.6 when it was trained
    assert np.mean(rested < 0.1) >= 0.8  # nine of ten


def test_it_speaks_live(speaker):
    words = [Word(0.5 + 0.4 * k, 0.8 + 0.4 * k, text) for k, text in enumerate("여러분 모두 안녕하세요".split())]
    pieces = list(speaker.stream(iter(words), seconds=3.0, seed=0))
    assert sum(piece.num_frames for piece in pieces) == 60


def test_the_command_makes_a_gesture_in_an_empty_folder(tmp_path):
    began = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-m", "ktube_motion", "generate", "--say", "여러분 안녕하세요"], cwd=tmp_path,
        env=os.environ | {"PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1].endswith(f"s of motion in {'gesture.mp4'}")
    assert [path.name for path in tmp_path.iterdir()] == ["gesture.mp4"]
    assert (tmp_path / "gesture.mp4").stat().st_size > 5000
    assert time.perf_counter() - began < 90  # ten seconds on two processors that do nothing else


def test_without_the_render_extra_it_is_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "imageio_ffmpeg" else find_spec(name, *rest)
    )
    assert main(["generate", "--say", "여러분 안녕하세요"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == 'Videos need pip install "ktube_motion[render]": this is a page to turn and zoom instead.'
    assert [path.name for path in tmp_path.iterdir()] == ["gesture.html"]


def test_words_with_times_are_spoken(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("단어.json").write_text(
        '[{"text": "여러분", "start": 0.5, "end": 0.9}, {"text": "안녕하세요.", "start": 1.0, "end": 1.8}]',
        encoding="utf-8",
    )
    assert main(["generate", "--words", "단어.json", "--output", "a.npz"]) == 0
    assert "1.8 s of motion in a.npz" in capsys.readouterr().out
    Path("자막.srt").write_text("1\n00:00:00,500 --> 00:00:02,000\n여러분 안녕하세요.\n", encoding="utf-8")
    assert main(["generate", "--words", "자막.srt", "--output", "b.npz"]) == 1
    assert "does not say when each word is said" in capsys.readouterr().err
    assert main(["generate", "--words", "gone.json"]) == 1
    bad = {"out of order": (1.0, 1.8, 0.5, 0.9), "outside": (60.5, 60.9, 61.0, 61.8)}
    for times in bad.values():
        rows = [
            {"word": "여러분", "start": times[0], "end": times[1]},
            {"word": "안녕", "start": times[2], "end": times[3]},
        ]
        segment = {"start": 0.5, "end": 1.8, "text": "안녕 여러분", "words": rows}
        Path("나쁜.json").write_text(json.dumps({"segments": [segment]}), encoding="utf-8")
        assert main(["generate", "--words", "나쁜.json", "--output", "c.npz"]) == 1
        assert "does not say when each word is said" in capsys.readouterr().err


def test_the_card_tells_what_the_study_measured():
    card = (HOME / "README.md").read_text(encoding="utf-8")
    for name in ("talks", "everyday"):
        with open(HOME / f"{name}.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        assert rows
        for row in rows:
            assert f"| {' | '.join(row)} |" in card
    assert all(f"{concept} (" in card for concept in CONCEPTS)
