"""Trainings and builds killed at random moments: gone on with, they leave the same bytes as one that was left alone."""

import logging
import os
import random
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from reliability.apart import run_apart
from small_corpus import make_small_corpus
from tqdm import tqdm

from ktube_motion.construct import build_corpus, pair_sources
from ktube_motion.gpt import TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.io._executors import Here
from ktube_motion.samples import make_speaker
from ktube_motion.text import EmbeddedTextEncoder, tag_korean
from ktube_motion.training import TokenizerTraining, TransformerTraining, train_tokenizer, train_transformer
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SMALL, FULL = 8, 200

SMALL_TOKENIZER = TokenizerConfig(width=8, code_dim=8, num_codes=16, depth=1)
LOOP: dict[str, Any] = {
    "steps": 12, "batch_size": 4, "warmup": 2, "milestones": (9,), "log_every": 2, "evaluate_every": 4,
    "save_every": 3, "tracker": None, "weight_average": 0.9,
}  # fmt: skip
TOKENIZER = TokenizerTraining(**LOOP, tokenizer=SMALL_TOKENIZER)
# Clips of 16 tokens come in windows of 8, as longer ones do.
TRANSFORMER = TransformerTraining(
    **LOOP, transformer=TransformerConfig(width=32, num_layers=1, num_heads=2, block_size=9)
)


def run(count: int) -> tuple[dict[str, int], list[str]]:
    """Kill so many processes, a third of them each of `_jobs`; in one of its own, which may fork."""
    return run_apart("kills", "kill", count, unit="kills")


def kill(count: int) -> tuple[dict[str, int], list[str]]:
    """Kill so many processes, a third of them each of `_jobs`."""
    torch.set_num_threads(1)
    logging.disable()
    warnings.simplefilter("ignore")
    tag_korean("안녕")  # loads the tagger once for all children
    faults: list[str] = []
    counts: dict[str, int] = {"kills": 0, "files compared": 0}
    with tempfile.TemporaryDirectory() as folder:
        jobs = _jobs(Path(folder))
        for number, (name, job) in enumerate(jobs.items()):
            share = (count + len(jobs) - 1 - number) // len(jobs)
            killed, ended, compared = _kill(job, Path(folder) / "runs" / name, share, faults)
            counts |= {f"{name} killed": killed, f"{name} gone on with to the end": ended}
            counts["kills"] += killed
            counts["files compared"] += compared
    return counts | {"differing files": len(faults)}, faults


def _jobs(folder: Path) -> dict[str, Callable[[Path], object]]:
    """Give what is to be killed, each with what it reads."""
    corpus = make_small_corpus(folder / "corpus", splits=(8, 2, 0), frames=(64, 65))
    videos, encoder = folder / "videos", EmbeddedTextEncoder()
    encoder.encode(["안녕하세요"])  # loads the model once for all children
    for seed in range(2):
        make_speaker(videos, seed=seed, num_utterances=1, name=f"video{seed}")
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(SMALL_TOKENIZER, corpus.stats).eval()
    again = {"resume": True, "progress": False}
    return {
        "tokenizer trainings": lambda output: train_tokenizer(TOKENIZER, Corpus(corpus.root), output, **again),
        "transformer trainings": lambda output: train_transformer(
            TRANSFORMER, Corpus(corpus.root), output, tokenizer=tokenizer, text_encoder=encoder,
            cache=output.parent / "cache", **again,
        ),
        "builds": lambda output: build_corpus(
            pair_sources(videos, videos)[0], output, executor=Here(), progress=False
        ),
    }  # fmt: skip


def _kill(job: Callable[[Path], object], folder: Path, count: int, faults: list[str]) -> tuple[int, int, int]:
    """Give how many were killed, how many runs went on to their end, and how many of their files were compared."""
    began = time.perf_counter()
    job(folder / "whole" / "out")
    seconds, expected = time.perf_counter() - began, _contents(folder / "whole")
    rng = random.Random()
    killed, ended, compared = 0, 0, 0
    bar = tqdm(total=count, desc=folder.name, unit="kill", disable=None)
    while killed < count:
        bar.update(killed - bar.n)
        output = folder / str(ended) / "out"  # the name stands in the reports
        for _ in range(rng.randrange(1, 6)):
            killed += _killed(job, output, rng.uniform(0, seconds))
        while _killed(job, output, 3600):
            pass
        found = _contents(output.parent)
        names = sorted(found.keys() | expected.keys())
        faults += [f"{folder.name}/{ended}/{name} differs" for name in names if found.get(name) != expected.get(name)]
        ended += 1
        compared += len(names)
        shutil.rmtree(output.parent)
    bar.close()
    return killed, ended, compared


def _killed(job: Callable[[Path], object], output: Path, wait: float) -> bool:
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
