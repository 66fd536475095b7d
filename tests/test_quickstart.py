"""The README's main command, with a few steps of training: every file it promises is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ktube_motion import UtteranceToMotion
from ktube_motion.commands import parser_of
from ktube_motion.io import Corpus

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(*arguments, check=True):
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", EXAMPLES / "quickstart.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
        timeout=300,
        env={**os.environ, "PYTHONUTF8": "1"},
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    output = tmp_path_factory.mktemp("빠른 시작")
    result = run("--output", output, "--steps", 6, "--videos", 5, "--say", "안녕하세요!", "오른쪽을 보세요.")
    return output, result.stdout


def test_table_and_files(output):
    folder, printed = output
    for row in (
        "tokenizer MPJPE",
        "codes used",
        "real",
        "generated",
        "shuffled",
        "chance",
        "FID",
        "stroke lag",
        "0.5 s off",
        "seconds spent",
    ):
        assert row in printed
    assert (folder / "summary.txt").read_text(encoding="utf-8") in printed + "\n"
    for name in (
        "sample_speaker.mp4",
        "say_0.mp4",
        "say_1.html",
        "real_and_generated.mp4",
        "evaluation/generation/report.json",
    ):
        assert (folder / name).stat().st_size > 1000
    assert "오른쪽을 보세요." in (folder / "say_1.html").read_text(encoding="utf-8")


def test_one_page_joins_everything(output):
    folder, printed = output
    page = (folder / "index.html").read_text(encoding="utf-8")
    for part in ("안녕하세요!", "say_1.html", "real_and_generated.mp4", "KTubeUM/report.html", "tokenizer MPJPE",
                 "Evaluation of a generator", "ktube-motion generate --pipeline"):  # fmt: skip
        assert part in page, part
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert (folder / link).exists(), link
    for step in ("1 of 5", "5 of 5", "Look at ", "Next:\n  ktube-motion generate"):
        assert step in printed
    for line in re.findall(r"^  ktube-motion (.*?)   #", printed, re.MULTILINE):
        name, *words = shlex.split(line)
        assert words == ["--help"] or parser_of(name).parse_args(words).command == name


def test_what_it_leaves_can_be_used(output):
    folder, _ = output
    corpus = Corpus(folder / "KTubeUM")
    assert len(corpus.names("train")) > len(corpus.names("val")) > 0
    assert np.isfinite(corpus.features(corpus.names("val")[0])).all()
    (motion,) = UtteranceToMotion.from_pretrained(folder / "pipeline").generate(["네, 맞아요."], seconds=2)
    assert motion.positions.shape == (40, 22, 3)


def test_started_again_it_refuses_or_resumes(output):
    folder, _ = output
    options = ("--output", folder, "--steps", 6, "--videos", 5)
    again = run(*options, check=False)
    assert again.returncode != 0
    assert again.stderr.startswith("error: ")
    assert "--resume" in again.stderr
    assert "Traceback" not in again.stderr
    assert "tokenizer MPJPE" in run(*options, "--resume").stdout


def test_one_real_video_becomes_clips_and_pictures(shared, tmp_path):
    transcripts = tmp_path / "subtitles"
    transcripts.mkdir()
    (transcripts / "scott_noisy.srt").write_text(
        "1\n00:00:00,200 --> 00:00:04,000\n안녕하세요, 오늘은 제 이야기를 해 볼게요.\n\n"
        "2\n00:00:05,000 --> 00:00:09,500\n저는 어릴 때부터 음악을 정말 좋아했어요.\n",
        encoding="utf-8",
    )
    printed = run("--poses", shared / "data" / "pose_json", "--transcripts", transcripts, "--output", tmp_path / "out")
    assert "no partner" in printed.stdout  # scott_clean.json has no subtitle here
    assert len(Corpus(tmp_path / "out" / "KTubeUM").names()) == 2  # the talk and its mirrored twin
    assert (tmp_path / "out" / "scott_noisy_000.mp4").stat().st_size > 1000
