"""The studies run from end to end, on a few real gestures and for a few steps."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ktube_motion.errors import ConfigError, MissingDependencyError
from ktube_motion.gpt import TransformerConfig
from ktube_motion.samples import sentences
from ktube_motion.types import Word
from ktube_motion.video import find_models, read_frames

STUDIES = Path(__file__).parent.parent / "studies"


@pytest.fixture(scope="module")
def gestures(shared, tmp_path_factory):
    """A folder with every 30th clip."""
    folder = tmp_path_factory.mktemp("gestures")
    with np.load(shared / "data/gestures/motions.npz", allow_pickle=False) as data:
        lengths, names = data["lengths"], data["names"]
        ends, kept = np.cumsum(lengths), slice(None, None, 30)
        rows = np.concatenate([np.arange(end - n, end) for n, end in zip(lengths[kept], ends[kept], strict=True)])
        np.savez(
            folder / "motions.npz", names=names[kept], lengths=lengths[kept], delta=data["delta"][rows],
            unit_m=data["unit_m"], fps=data["fps"],
        )  # fmt: skip
    lines = (shared / "data/gestures/utterances.tsv").read_text(encoding="utf-8").splitlines()
    known = set(names[kept].tolist())
    table = [lines[0], *(line for line in lines[1:] if line.split("\t")[0] in known)]
    (folder / "utterances.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")
    return folder


def run(script, *arguments):
    found = subprocess.run(
        [sys.executable, STUDIES / script, *map(str, arguments)],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"}, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_studies_run(gestures, tmp_path):
    common = ("--gestures", gestures, "--steps", 4)
    tokenizers, wordings = tmp_path / "토크나이저", tmp_path / "말"
    ways = ("ours", "ours, residual")
    run(
        "compare_tokenizers.py", *common, "--output", tokenizers, "--width", 16, "--evaluator-steps", 3, "--only", *ways
    )
    rows = read(tokenizers / "tokenizers.csv")
    assert [row["tokenizer"] for row in rows] == list(ways)
    assert [row["bits/s"] for row in rows] == ["35", "140"]
    ways = ("sentence", "parts, paraphrases")
    shared = ("--variants", 2, "--tokenizers", tokenizers, "--output", wordings, "--only", *ways)
    run("compare_wordings.py", *common, *shared)
    rows = read(wordings / "wording.csv")
    assert [(row["way"], row["words"]) for row in rows] == [(w, x) for w in ways for x in ("known", "reworded")]
    assert all(0 <= float(row["action %"]) <= 100 for row in rows)
    spoken = ("--variants", 2, "--tokenizers", tokenizers, "--output", wordings, "--way", "sentence")
    run("measure_talks.py", *common, *spoken, "--talks", 1, "--clips", 1)
    assert [row["context"] for row in read(wordings / "talks.csv")] == ["0", "4", "8", "16", "32"]
    rows = read(wordings / "in_between.csv")
    assert float(rows[0]["pose error mm"]) == 0 < float(rows[1]["pose error mm"])
    assert (tokenizers / "tokenizers.png").stat().st_size > 5000 < (wordings / "wording.png").stat().st_size


SPOKEN = ("word times given", "only subtitle times", "subtitle times and sound")


@pytest.mark.parametrize(
    ("raised", "code"), [(ConfigError("No such way."), "error: No such way."), (KeyboardInterrupt("Saved."), 130)]
)
def test_studies_end_with_one_line(raised, code, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(STUDIES))
    study = pytest.importorskip("study")

    def main():
        raise raised

    with pytest.raises(SystemExit) as ended:
        study.run(main)
    assert ended.value.code == code
    assert capsys.readouterr().err == ("Saved.\n" if code == 130 else "")


def test_word_times_are_measured(tmp_path):
    run("time_words.py", "--talks", 1, "--output", tmp_path)
    rows = {row["way"]: float(row["median ms"]) for row in read(tmp_path / "time_words.csv")}
    heard = [off for way, off in rows.items() if way.startswith("aligned")]
    assert len(heard) == 3
    assert max(heard) < 40 < rows["estimate, subtitles ±0.3 s"] < rows["equal shares, subtitles ±0.3 s"]


def test_the_sample_speaker_is_trained_and_measured(tmp_path):
    table = tmp_path / "말.csv"
    table.write_text("Q,A\n여러분 안녕하세요,네\n오늘 비가 온대,우산 챙기세요\n왼쪽으로 가,네\n", encoding="utf-8")
    small = "--talks 2 --joined 2 --utterances 6 --measured 1 --tokenizer-steps 2 --share 0.001".split()
    run("train_sample_speaker.py", "--output", tmp_path, *small, "--stages", "--sentences", table)
    stages = [(row["after"], row["wordings"]) for row in read(tmp_path / "stages.csv")]
    named = ("stage 1: 1 steps", "stage 2: 5 steps", "stage 3: 10 steps", "no gesture 1.5 less likely")
    assert stages == [(stage, wordings) for stage in named for wordings in ("known", "new")]
    rows = read(tmp_path / "talks.csv")
    ways = ("real", "real in tokens", *SPOKEN, "another talk's motion")
    assert [row["talks"] for row in rows] == [f"{words} wordings, {way}" for words in ("known", "new") for way in ways]
    figures = {row["figure"]: row["value"] for row in read(tmp_path / "everyday.csv")}
    assert figures["sentences"] == "3"
    assert float(figures["sentences with a word that is like one that carries a gesture %"]) >= 33
    assert all(0 <= float(value) <= 100 for name, value in figures.items() if name.endswith("%"))


def test_timing_is_measured(tmp_path):
    spoken = ("--talks", 2, "--utterances", 6)
    run("measure_timing.py", "--output", tmp_path, *spoken, *"--measured 2 --steps 2 --codes 8 --width 48".split())
    rows = read(tmp_path / "timing.csv")
    ways = ("real", "real in tokens", *SPOKEN, "another talk's motion")
    assert [row["talks"] for row in rows] == [f"{words} wordings, {way}" for words in ("known", "new") for way in ways]
    real = [row for row in rows if row["talks"].endswith("real")]
    assert all(float(row["lag s, median"]) < 0.3 and float(row["no stroke %"]) < 20 for row in real)
    run("measure_timing.py", "--output", tmp_path, *spoken, "--measured", 2, "--speaker", "sample-speaker")
    rows = {row["talks"]: row for row in read(tmp_path / "timing.csv")}
    assert float(rows["known wordings, word times given"]["lag s, median"]) < 0.2  # as the speaker of the package is
    few = ("--steps", 2, "--utterances", 6)
    run("measure_speech.py", "--talks", tmp_path, "--output", tmp_path / "speech", *few)
    rows = read(tmp_path / "speech" / "speech.csv")
    ways = ("real", "reconstructed", "generated", "shuffled", "chance", "real, half a second late")
    assert [(row["talks"], row["motion"]) for row in rows] == [(name, way) for name in ("known", "new") for way in ways]
    late = [float(row["Stroke lag s, median ↓"]) for row in rows if row["motion"] == "real, half a second late"]
    assert all(0.3 < lag < 0.7 for lag in late)
    small = ("--speaker", "sample-speaker", "--measured", 2, *few)
    run("measure_speech.py", "--talks", tmp_path, "--output", tmp_path / "speaker", *small)
    rows = read(tmp_path / "speaker" / "speech.csv")
    assert [(row["talks"], row["motion"]) for row in rows] == [(name, way) for name in ("known", "new") for way in ways]
    told = {row["motion"]: row["Stroke lag s, median ↓"] for row in rows if row["talks"] == "known"}
    lag = {motion: float(value) for motion, value in told.items() if value}
    assert lag["real"] < 0.1 < lag["real, half a second late"]
    assert lag["generated"] < 0.2  # as the speaker of the package is
    small = (*spoken, *"--measured 1 --tokenizer-steps 2 --steps 2 --codes 8 --kinds 8 --width 48 --draws 1".split())
    run("compare_hearing.py", "--output", tmp_path, *small)
    rows = read(tmp_path / "hearing.csv")
    heard = ("added to the input", "attended to", "as kinds of strokes", "as labelled gestures")
    ways = ("real", "real in tokens", *heard)
    assert [(row["wordings"], row["words are"]) for row in rows] == [(x, way) for x in ("known", "new") for way in ways]


def test_the_judge_knows_gestures_of_people_it_never_saw(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(STUDIES))
    judging, timing = (pytest.importorskip(name) for name in ("gesture_judge", "measure_timing"))
    few = {"best", "clap", "greeting", "heart", "left", "question", "right", "stop", "up", "victory"}
    wordings = [one for one in sentences(split="train") if one.marks and set(one.concepts) <= few]
    known = timing.make_talks(tmp_path, "known", range(8), range(8), None, wordings, split_sizes=(1.0, 0.0, 0.0))
    judge, state = judging.Judge(*known), torch.random.get_rng_state()
    talks, marks = timing.make_talks(tmp_path, "strangers", (90, 91), (1090, 1091), None, wordings, mirror=False)
    real = {name: talks.features(name) for name in marks}
    lag, _, missing, right, stray = judge.measure(talks, marks, real)
    assert sum(map(len, marks.values())) > 40
    assert right > 95 > 5 > missing + stray
    assert lag < 0.1
    one, other = real
    frames = min(map(len, real.values()))
    another = {one: real[other][:frames], other: real[one][:frames]}
    assert judge.measure(talks, marks, another)[3] < 40
    still = {name: np.repeat(features[:1], len(features), 0) for name, features in real.items()}
    _, _, missing, right, stray = judge.measure(talks, marks, still)
    assert (missing, stray) == (100, 0)
    assert right < 40
    assert torch.equal(torch.random.get_rng_state(), state)  # what is drawn after it is not its business
    again = judging.Judge(*known).network.state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in judge.network.state_dict().items())


def test_words_are_attended_to_as_they_come(monkeypatch):
    """Read at once or token by token is the same, and no word counts that is not near a token."""
    monkeypatch.syspath_prepend(str(STUDIES))
    study = pytest.importorskip("compare_hearing")
    config = TransformerConfig(
        num_codes=16, width=48, text_dim=8, num_layers=1, num_heads=6, block_size=41, word_dim=2 * (4 + 3) + 1,
        word_past=20, word_ahead=12,
    )  # fmt: skip
    torch.manual_seed(0)
    model = study.AttendingTransformer(config).eval()
    words = [Word(0.5 * k, 0.5 * k + 0.4, "말") for k in range(14)]
    rows = study.word_slots(words, torch.randn(14, 4), num_tokens=73, tokens_per_second=10.0)[None]
    tokens, text = torch.randint(0, 16, (1, 40)), torch.randn(1, 8)
    with torch.inference_mode():
        whole = model(tokens, text, rows)
        logits, cache = model.start(tokens[:, :5], text, rows[:, : 33 + 5])
        torch.testing.assert_close(logits, whole[:, 5])
        for place in range(5, 40):
            logits = model.step(tokens[:, place], cache, rows[:, place + 1 : place + 34])
            torch.testing.assert_close(logits, whole[:, place + 1])
        other = rows.clone()
        other[:, 35, :4] += 1.0  # the word of 3.5 s: heard from token 3 (1.2 s before it) on
        changed = (model(tokens, text, other) - whole).abs().amax((0, 2)) > 1e-6
        assert changed.tolist() == [False] * 3 + [True] * 38


def test_unseen_gestures_are_measured(gestures, shared, tmp_path):
    names = ("ours", "augmented, 2 residual codes")
    run(
        "measure_unseen.py", "--gestures", gestures, "--bvh", shared / "data/bvh", "--output", tmp_path, "--steps", 2,
        "--width", 16, "--batch-size", 8, "--refine", 1, "--clips", 2, "--left-out", "waving", "--only", *names,
    )  # fmt: skip
    rows = read(tmp_path / "unseen.csv")
    assert [row["tokenizer"] for row in rows] == [f"{name}{end}" for name in names for end in ("", ", refined")]
    assert [row["bits/s"] for row in rows] == ["35", "35", "70", "70"]
    figures = [name for name in rows[0] if name.endswith("mm")]
    assert len(figures) == 6
    assert all(float(row[name]) > 0 for row in rows for name in figures)
    assert (tmp_path / "waving" / "augmented_2_residual_codes" / "last" / "config.json").exists()


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(STUDIES))
    return pytest.importorskip("measure_estimator")


def test_what_the_bench_calls_an_error(bench):
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.3, (6, 52, 3))
    truth[:, 16, 0], truth[:, 17, 0] = 0.2, -0.2
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    valid = np.array([True, True, True, True, False, True])
    found = bench.measure(1.1 * truth @ turn + 0.5, valid, truth)
    assert found["missed %"] == pytest.approx(100 / 6)
    assert found["PA whole"] == pytest.approx(0, abs=1e-6)
    assert found["PA arms and head"] == pytest.approx(0, abs=1e-6)
    assert found["arms and head"] > 10
    swapped = truth.copy()
    swapped[[1, 4]] *= (-1, 1, 1)  # the second is not valid
    assert bench.measure(swapped, valid, truth)["swapped"] == 1
    bent = truth.copy()
    bent[:, 22:37] += (0.03, 0.04, 0)
    bent[3, 22:37] += 1.0  # beyond the edge of the picture
    whole = {"left": np.array([True, True, True, False, True, True]), "right": np.ones(6, bool)}
    seen = {"left": valid, "right": np.zeros(6, bool)}
    fingers = bench.measure_fingers(bent, truth, seen, whole)
    assert fingers["fingers"] == pytest.approx(50)
    assert fingers["shape of fingers"] == pytest.approx(0, abs=1e-6)
    assert fingers["hands seen %"] == pytest.approx(100 * 4 / 11)


def test_a_film_of_another_size_is_made_anew(bench, tmp_path):
    scene = bench.SCENES["waist up"]
    made = [bench.make_film(tmp_path, "waist up", replace(scene, size=size), 0.2)
            for size in ((64, 48), (128, 96), (128, 96))]  # fmt: skip
    written = made[0].path.stat().st_mtime_ns
    assert next(read_frames(made[0].path, fps=bench.FPS, count=1)).shape == (96, 128, 3)
    bench.make_film(tmp_path, "waist up", replace(scene, size=(128, 96)), 0.2)
    assert made[0].path.stat().st_mtime_ns == written
    assert [len(one.joints) for one in made] == [4, 4, 4]


@pytest.fixture
def estimator():
    """Skip where the networks that look at videos are not installed."""
    pytest.importorskip("ai_edge_litert")
    try:
        find_models()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("estimator")
def test_an_estimator_is_measured(tmp_path):
    common = ("--output", tmp_path, "--seconds", 2.5, "--only", "four cuts")
    run("measure_estimator.py", *common)
    (row,) = read(tmp_path / "estimator.csv")
    assert (row["cuts"], row["false cuts"], row["swapped"]) == ("4 of 4", "0", "0")
    assert float(row["missed %"]) < 10
    assert float(row["PA arms and head"]) < 60
    run("measure_estimator.py", *common, "--poses", tmp_path / "poses")
    (again,) = read(tmp_path / "estimator.csv")
    assert again["PA arms and head"] == row["PA arms and head"]


@pytest.mark.usefixtures("estimator")
def test_corpora_of_films_and_of_true_poses_are_compared(tmp_path):
    sizes = ("--talks", 3, "--known", 1, "--known-films", 1, "--sentences", 1, "--fps", 8, "--quickstart")
    run("compare_corpora.py", "--output", tmp_path, *sizes)
    true, seen = read(tmp_path / "corpora.csv")
    assert (true["motion"], seen["motion"]) == ("true poses", "poses seen in the films")
    assert float(true["joints mm"]) == float(true["distance to true"]) == 0 < float(seen["joints mm"]) < 80
    assert 0 <= float(seen["the same, by who knows films"]) <= 100


def test_held_out_words_are_not_trained_on():
    def read_table(name):
        with open(STUDIES / name, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    def letters(text):
        return "".join(letter for letter in text if letter.isalnum())

    trained = {letters(row["wording"]) for row in read_table("paraphrases.tsv")}
    held = read_table("rewordings.tsv")
    assert not trained & {letters(row["wording"]) for row in held}
    assert {row["set"] for row in held} == {"choose", "test"}


def test_shards_study_runs(tmp_path):
    run(
        "measure_shards.py", "--clips", 400, "--frames", 2000, "--seconds", 0.1, "--window", 8, "--workers", 1,
        "--folder", tmp_path,
    )  # fmt: skip
    rows = read(tmp_path / "windows.csv")
    assert float(rows[0]["windows GB/s"]) > 0
    assert not (tmp_path / "shards").exists()


def test_figures_of_a_card_run_on_a_cpu(tmp_path):
    run("../benchmarks/gpu.py", "--small", "--eager", "--cpu", "--output", tmp_path)
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| tokenizer step, 8 x 32 frames, width 32, compiled | not run | --eager |" in table
    assert "| evaluator and metrics, 64 clips |" in table
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_live_is_measured():
    pytest.importorskip("pythonosc")
    found = subprocess.run(
        [sys.executable, STUDIES / "measure_live.py", "--minutes", "0.05"],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"}, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    figures = dict(line.rsplit(maxsplit=1) for line in found.stdout.splitlines() if line[:3] in ("pos", "tim", "fir"))
    assert float(figures["poses"]) > 90
    assert float(figures["time between poses, mean ms"]) == pytest.approx(1000 / 30, abs=2)
    assert float(figures["first word to first pose ms"]) > 0
