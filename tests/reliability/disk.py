"""A full disk at every place where something is written: `WriteError`, the old file as it was, no half of one."""

import logging
import os
import resource
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from small_corpus import make_small_corpus, smooth_clip
from test_training_loop import CONFIG, fit, task

from ktube_motion.construct import build_corpus, pair_sources, write_report, write_review
from ktube_motion.errors import KtubeError, WriteError
from ktube_motion.evaluation import Interval, Report, plot_report
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.features import features_to_joints
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io import Corpus, export_corpus, save_poses, save_transcript, write_text_file
from ktube_motion.io._executors import Here
from ktube_motion.io._files import atomic_folder, make_folder, save_array, write_json, write_text
from ktube_motion.io._word_times import write_words
from ktube_motion.models._torch_files import save_checked
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.render import save_bvh, save_glb, save_html, save_skeleton_video, save_usd, save_vrma
from ktube_motion.render._web import save_gallery
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import SMPL_22
from ktube_motion.text import CachedTextEncoder, EmbeddedTextEncoder, save_text_encoder
from ktube_motion.training import ClipTable, tokenize_corpus
from ktube_motion.types import Cue, FeatureStats, Motion, PoseSequence, Utterance, Word
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SMALL = FULL = 1  # times
LEFT = "writing", "ready", "replaced"

Writer = Callable[[Path, int], object]


def run(count: int) -> tuple[dict[str, int], list[str]]:
    """Fill the disk before each writer, so many times."""
    faults: list[str] = []
    refused = points = 0
    with _quiet(), tempfile.TemporaryDirectory() as other, _small_disk() as (place, full):
        writers = dict(_writers(Path(other)))
        for _ in range(count):
            for name, write in writers.items():
                points += 1
                refused += _fill(name, write, place / "out", full, faults)
    told = {"write points": points, "told as WriteError": refused, "lost or half files": len(faults)}
    return told | {
        f"times by a {'full file system' if full is _fill_up else 'limit on the size of files'}": count
    }, faults


def _fill(name: str, write: Writer, folder: Path, full: Callable, faults: list[str]) -> int:
    folder.mkdir()
    try:
        write(folder, 0)
        before = _contents(folder)
        with full(folder):
            try:
                write(folder, 1)
            except WriteError as error:
                told = 1 if "free there" in str(error) else faults.append(f"{name}: says nothing of the room") or 0
            except KtubeError as error:
                told = faults.append(f"{name}: {type(error).__name__}: {error}") or 0
            except Exception as error:  # noqa: BLE001 (that is what is looked for)
                told = faults.append(f"{name}: a raw {type(error).__name__}: {error}") or 0
            else:
                told = faults.append(f"{name}: nothing was refused") or 0
        after = _contents(folder)
        faults += [f"{name}: {path} is lost or changed" for path in before if after.get(path) != before[path]]
        faults += [f"{name}: {path} is left" for path in after if any(f".{left}-" in path for left in LEFT)]
        return told
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hear nothing of what readers and fits tell."""
    logging.disable()
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _small_disk() -> Iterator[tuple[Path, Callable]]:
    """Give a folder and what fills it: a file system of its own where that may be, else a limit for all files."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        mounted = subprocess.run(mount, capture_output=True).returncode == 0 if hasattr(os, "getuid") else False
        try:
            yield Path(folder), (_fill_up if mounted else _limited)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def _fill_up(folder: Path) -> Iterator[None]:
    filler = folder.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x")
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def _limited(folder: Path) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _writers(other: Path) -> Iterator[tuple[str, Writer]]:
    """Give each place where something is written: its name, and what writes the version `k` of it into a folder."""
    rng = np.random.default_rng(0)
    words = (Word(0.0, 0.5, "손을"), Word(0.5, 1.0, "든다"))
    said = [Utterance(0, 1, "손을 든다", words)]
    corpus = make_small_corpus(other / "corpus", splits=(4, 2, 0))
    features = smooth_clip(60, rng)
    motion = Motion(skeleton=SMPL_22, positions=features_to_joints(features, skeleton=SMPL_22), fps=20)
    poses = PoseSequence(rotvecs=np.zeros((9, 55, 3)), transl=np.zeros((9, 3)), fps=30)
    videos = other / "videos"
    make_speaker(videos, num_utterances=1)
    stats = FeatureStats(mean=np.zeros(263), std=np.ones(263))

    def tokenizer(k: int) -> MotionTokenizer:
        torch.manual_seed(k)
        return MotionTokenizer(TokenizerConfig(width=8, code_dim=8, num_codes=16, depth=1), stats).eval()

    def transformer(k: int) -> MotionTransformer:
        torch.manual_seed(k)
        tokens = {"tokenizer": tokenizer(k).fingerprint, "text_encoder": EmbeddedTextEncoder().identity}
        return MotionTransformer(
            TransformerConfig(num_codes=16, width=32, text_dim=512, num_layers=1, num_heads=2, block_size=13, **tokens)
        )

    def own_corpus(folder: Path) -> Corpus:
        return Corpus.create(folder / "K")

    def folder_of(f: Path, k: int) -> None:
        with atomic_folder(f / "a") as inner:
            (inner / "x.txt").write_text(str(k) * 1000)

    yield "text", lambda f, k: write_text(f / "a.txt", str(k) * 1000)
    yield "JSON", lambda f, k: write_json(f / "a.json", {"k": [k] * 1000})
    yield "array", lambda f, k: save_array(f / "a.npy", np.full(1000, k))
    yield "new folder", lambda f, k: write_text(make_folder(f / f"a{k}") / "b.txt", "x")
    yield "folder as a whole", folder_of
    yield "poses", lambda f, k: save_poses(poses, f / "a.npz")
    yield "text lines", lambda f, k: write_text_file(f / "a.txt", said * (k + 1))
    yield "transcript", lambda f, k: save_transcript([Cue(0, 1, "손을 든다")] * (k + 1), f / "a.srt")
    yield "word times", lambda f, k: write_words(f / "a.json", said * (k + 1))
    yield "clip", lambda f, k: own_corpus(f).add_clip("a", features=features + k, texts=said, joints=motion.positions)
    yield "splits", lambda f, k: own_corpus(f).write_splits({"train": ["a" * (k + 1)]})
    yield "statistics", lambda f, k: own_corpus(f).write_stats(FeatureStats(mean=np.full(263, k), std=np.ones(263)))
    yield "made-up speaker", lambda f, k: make_speaker(f, num_utterances=1, seed=k, name="s")
    yield (
        "build",
        lambda f, k: build_corpus(
            pair_sources(videos, videos, offset=0.1 * k)[0], f / "K", executor=Here(), progress=False
        ),
    )
    yield "shards", lambda f, k: export_corpus(corpus, f / f"shards{k}", progress=False)
    yield "report of a corpus", lambda f, k: _report(f, k, videos)
    yield "review of a corpus", lambda f, k: _report(f, k, videos, write_review)
    yield "BVH", lambda f, k: save_bvh(motion[: 20 + k], f / "a.bvh")
    yield "GLB", lambda f, k: save_glb(motion[: 20 + k], f / "a.glb")
    yield "VRMA", lambda f, k: save_vrma(motion[: 20 + k], f / "a.vrma")
    if find_spec("pxr"):
        yield "USD", lambda f, k: save_usd(motion[: 20 + k], f / "a.usda")
    yield "page", lambda f, k: save_html(motion[: 20 + k], f / "a.html")
    yield "gallery", lambda f, k: save_gallery(corpus, f / "a.html", split="train", max_clips=1 + k, progress=False)
    yield "mp4", lambda f, k: save_skeleton_video(motion[: 9 + k], f / "a.mp4", size=(96, 96), progress=False)
    yield "gif", lambda f, k: save_skeleton_video(motion[: 9 + k], f / "a.gif", size=(96, 96), progress=False)
    yield "PNG", lambda f, k: save_skeleton_video(motion[: 9 + k], f / "frames", size=(96, 96), progress=False)
    yield "plot", lambda f, k: plot_report(_results(k).table, f / "a.png")
    yield "report of an evaluation", lambda f, k: _results(k).save(f / "report")
    yield "tokenizer", lambda f, k: tokenizer(k).save_pretrained(f / "model")
    yield "transformer", lambda f, k: transformer(k).save_pretrained(f / "model")
    yield "evaluator", lambda f, k: _evaluator(k).save_pretrained(f / "model")
    yield (
        "pipeline",
        lambda f, k: UtteranceToMotion(tokenizer(k), transformer(k), EmbeddedTextEncoder()).save_pretrained(
            f / "model"
        ),
    )
    yield "text encoder", lambda f, k: save_text_encoder(EmbeddedTextEncoder(), f / f"encoder{k}")
    yield "text cache", lambda f, k: CachedTextEncoder(EmbeddedTextEncoder(), folder=f / "cache").encode([f"손 {k}"])
    yield "tokens", lambda f, k: tokenize_corpus(corpus, tokenizer(k), corpus.names(), folder=f, progress=False)
    yield "clips in one file", lambda f, k: ClipTable.from_corpus(corpus, corpus.names()[k:], file=f / "clips.npy")
    yield "checkpoint", lambda f, k: save_checked(f / "checkpoint.pt", {"a": torch.full((1000,), float(k))})
    yield "training", lambda f, k: fit(task(), CONFIG, f / f"training{k}", progress=False)


def _evaluator(k: int) -> MotionEvaluator:
    torch.manual_seed(k)
    return MotionEvaluator(EvaluatorConfig(width=8, embedding_size=8))


def _report(folder: Path, k: int, videos: Path, write: Callable[[Path], object] = write_report) -> None:
    if not k:
        build_corpus(pair_sources(videos, videos)[0], folder / "K", executor=Here(), report=False, progress=False)
    write(folder / "K")


def _results(k: int) -> Report:
    return Report("tokenizer", {"real": {"fid": Interval(float(k), 0.1, 2)}})
