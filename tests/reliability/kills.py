"""Trainings and builds killed at random moments: gone on with, they leave the same bytes as one that was left alone."""

import logging
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from reliability.apart import run_apart
from small_corpus import make_small_corpus
from tqdm import tqdm

from ktube_motion.construct import build_corpus, pair_sources
from ktube_motion.io import Corpus
from ktube_motion.io._executors import Here
from ktube_motion.samples import make_speaker
from ktube_motion.text import tag_korean
from ktube_motion.training import TokenizerTraining, train_tokenizer
from ktube_motion.vq import TokenizerConfig

SMALL, FULL = 8, 200

CONFIG = TokenizerTraining(
    tokenizer=TokenizerConfig(width=8, code_dim=8, num_codes=16, depth=1), steps=12, batch_size=4, warmup=2,
    milestones=(9,), log_every=2, evaluate_every=4, save_every=3, tracker=None, weight_average=0.9,
)  # fmt: skip


def run(count: int) -> tuple[dict[str, int], list[str]]:
    """Kill so many processes, half of them trainings, half builds; in one of its own, which may fork."""
    return run_apart("kills", "kill", count, unit="kills")


def kill(count: int) -> tuple[dict[str, int], list[str]]:
    """Kill so many processes, half of them trainings, half builds."""
    torch.set_num_threads(1)
    logging.disable()
    warnings.simplefilter("ignore")
    tag_korean("안녕")  # loads the tagger once for all children
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_small_corpus(Path(folder) / "corpus", splits=(8, 2, 0), frames=(64, 65))
        videos = Path(folder) / "videos"
        for seed in range(2):
            make_speaker(videos, seed=seed, num_utterances=1, name=f"video{seed}")

        def train(output: Path) -> None:
            train_tokenizer(CONFIG, Corpus(corpus.root), output, resume=True, progress=False)

        def build(output: Path) -> None:
            build_corpus(pair_sources(videos, videos)[0], output, executor=Here(), progress=False)

        faults: list[str] = []
        trainings, ended = _kill(train, Path(folder) / "train", (count + 1) // 2, faults)
        builds, built = _kill(build, Path(folder) / "build", count // 2, faults)
    counts = {
        "trainings killed": trainings, "of runs gone on with to their end": ended, "builds killed": builds,
        "of builds gone on with to their end": built, "differing files": len(faults),
    }  # fmt: skip
    return counts, faults


def _kill(job: Callable[[Path], None], folder: Path, count: int, faults: list[str]) -> tuple[int, int]:
    began = time.perf_counter()
    job(folder / "whole" / "out")
    seconds, expected = time.perf_counter() - began, _contents(folder / "whole" / "out")
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    killed, ended = 0, 0
    bar = tqdm(total=count, desc=folder.name, unit="kill", disable=None)
    while killed < count:
        bar.update(killed - bar.n)
        output = folder / str(ended) / "out"  # the name stands in the reports
        for _ in range(int(rng.integers(1, 6))):
            killed += _killed(job, output, rng.uniform(0, seconds))
        while _killed(job, output, 3600):
            pass
        found = _contents(output)
        names = sorted(found.keys() | expected.keys())
        faults += [f"{output.parent.name}/{name} differs" for name in names if found.get(name) != expected.get(name)]
        ended += 1
        shutil.rmtree(output.parent)
    bar.close()
    return killed, ended


def _killed(job: Callable[[Path], None], output: Path, wait: float) -> bool:
    """Run a job in a child and kill it after a while; give whether it was still at work."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            job(output)
            code = 0
        finally:
            os._exit(code)
    ends = time.perf_counter() + wait
    while time.perf_counter() < ends:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            if status:
                raise RuntimeError(f"the job itself failed with {status}")
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _contents(folder: Path) -> dict[str, bytes | str]:
    """Give all files; of a checkpoint its checksum, and of an index what does not tell of the time."""
    found: dict[str, bytes | str] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.name == "checkpoint.pt":
            found[name] = torch.load(path, weights_only=True)["checksum"]
        elif path.is_file() and path.name != ".in_use":
            found[name] = path.read_bytes()
    return found
