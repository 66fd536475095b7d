"""Spoiled files for every reader: what comes back is a value or a `KtubeError`, and nothing is written anywhere."""

import io
import json
import logging
import os
import pickle
import random
import resource
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from reliability.apart import run_apart
from small_corpus import make_small_corpus
from tqdm import tqdm

from ktube_motion.construct import build_corpus, check_corpus, curate, pair_sources, read_gestures, read_sources
from ktube_motion.errors import CorpusError, FormatError, KtubeError
from ktube_motion.evaluation import Interval, Report, corpus_labels, corpus_words
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.gpt import MotionTransformer, TransformerConfig, load_t2m_gpt_transformer
from ktube_motion.gpt import to_t2m_gpt_state_dict as transformer_state
from ktube_motion.io import Corpus, export_corpus, load_bvh, load_poses, load_transcript, read_text_file
from ktube_motion.io._executors import Here
from ktube_motion.io._experiments import check_experiment
from ktube_motion.io._word_times import write_words
from ktube_motion.live._lines import parse_line
from ktube_motion.models._torch_files import load_checked, save_checked
from ktube_motion.pipeline import read_changes
from ktube_motion.render import save_bvh
from ktube_motion.samples import Speaker, make_speaker
from ktube_motion.samples._files import TRANSCRIPTS
from ktube_motion.text import EmbeddedTextEncoder, WordVectorizer, load_text_encoder, save_text_encoder
from ktube_motion.training import ClipTable
from ktube_motion.types import Cue, Word
from ktube_motion.vq import MotionTokenizer, TokenizerConfig, load_t2m_gpt_tokenizer, to_t2m_gpt_state_dict

SMALL, FULL = 600, 100_000
MOST_MEMORY = 1024  # MiB above what an idle process with everything imported takes

Reader = Callable[[Path], object]
Seed = tuple[bytes, str, Reader]
WORDS = (Word(0.1, 0.4, "천천히"), Word(0.5, 0.9, "손을"), Word(0.9, 1.2, "든다"))
ODD = [
    b"\0",
    b"\xff\xfe",
    b"-1",
    b"1e999",
    b"NaN",
    b"99999999999999999999",
    b"[" * 5000,
    b'"',
    b"\n",
    b"../../x",
    b"-->",
]


def run(count: int) -> tuple[dict[str, int], list[str]]:
    """Read so many spoiled files, in a process of its own, whose memory is measured."""
    return run_apart("inputs", "read", count, unit="inputs")


def read(count: int) -> tuple[dict[str, int], list[str]]:
    """Read so many spoiled files."""
    warnings.simplefilter("ignore")
    logging.disable()  # what readers tell of poses
    torch.set_num_threads(1)
    seed = int.from_bytes(os.urandom(4), "little")
    rng, counts, faults = random.Random(seed), Counter(), Counter()
    with tempfile.TemporaryDirectory() as outside:
        os.chdir(outside)
        folder = Path(outside) / "in"
        seeds = list(_seeds(folder))
        for data, name, reader in seeds:  # all that is to be spoiled can be read as it is
            _write(folder / name, data)
            reader(folder / name)
        before, idle = _tree(Path(outside)), _memory()
        for number in tqdm(range(count), desc="inputs", disable=None):
            data, name, reader = seeds[number % len(seeds)]
            _write(folder / name, spoiled(data, rng))
            try:
                reader(folder / name)
                counts["read"] += 1
            except KtubeError:
                counts["refused"] += 1
            except Exception:  # noqa: BLE001 (that is what is looked for)
                last = traceback.extract_tb(sys.exc_info()[2])[-1]
                kind = sys.exc_info()[0].__name__
                faults[f"{name} (seed {seed}, input {number}): {kind} in {Path(last.filename).name}:{last.lineno}"] += 1
            _write(folder / name, data)
        grown, made = _memory() - idle, _tree(Path(outside)) - before
    told = {
        "inputs": count, "for readers": len(seeds), "read": counts["read"], "refused": counts["refused"],
        "tracebacks from inside": sum(faults.values()), "files outside": len(made), "MiB above idle": grown,
    }  # fmt: skip
    found = [*faults, *(f"{path} was made" for path in sorted(made))]
    return told, found + ([f"{grown} MiB above idle"] if grown > MOST_MEMORY else [])


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """Spoil a file in one of many ways."""
    place, kind = rng.randrange(max(len(data), 1)), rng.randrange(8)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + rng.randbytes(rng.randrange(1, 40)) + data[place:]
    if kind == 2:
        other = rng.randrange(max(len(data), 1))
        first, last = sorted((place, other))
        return data[:first] + data[last:]
    if kind == 3:
        return data[:place] + rng.choice(ODD) + data[place + rng.randrange(8) :]
    if kind == 4:
        lines = data.split(b"\n")
        rng.shuffle(lines)
        return b"\n".join(lines)
    if kind == 5:
        return data + data[place:]
    changed = bytearray(data)
    for _ in range(1 if kind == 6 else rng.randrange(2, 30)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _seeds(folder: Path) -> Iterator[Seed]:
    """Give whole files: bytes, name, and who reads it."""
    corpus = make_small_corpus(folder / "corpus", splits=(2, 1, 0))
    clip = corpus.names()[0]
    write_words(corpus.root / f"words/{clip}.json", [replace(line, words=WORDS) for line in corpus.texts(clip)])
    for name in (
        f"new_joint_vecs/{clip}.npy",
        f"texts/{clip}.txt",
        f"words/{clip}.json",
        "corpus.json",
        "train.txt",
        "Mean.npy",
    ):
        yield (corpus.root / name).read_bytes(), f"corpus/{name}", lambda _: _read_corpus(corpus.root)
    yield (corpus.root / f"texts/{clip}.txt").read_bytes(), "lines.txt", read_text_file
    export_corpus(corpus, folder / "shards", progress=False)
    for name in ("data/train-00000.arrow", "train.txt"):
        yield (folder / "shards" / name).read_bytes(), f"shards/{name}", lambda _: _read_corpus(folder / "shards")
    speaker = make_speaker(folder / "speaker", num_utterances=1)
    poses = next((folder / "speaker").glob("*.json")).read_bytes()
    yield poses, "poses.json", load_poses
    frames = {
        "global_orient": np.zeros((9, 3), "f4"),
        "body_pose": np.zeros((9, 63), "f4"),
        "transl": np.zeros((9, 3), "f4"),
    }
    archive = io.BytesIO()
    np.savez(archive, **frames, mocap_frame_rate=30.0)
    yield archive.getvalue(), "poses.npz", lambda path: load_poses(path, axes="y up")
    torch.save({name: torch.from_numpy(value) for name, value in frames.items()}, folder / "poses.pt")
    yield (folder / "poses.pt").read_bytes(), "poses.pt", lambda path: load_poses(path, axes="y up", fps=30)
    yield pickle.dumps(frames), "poses.pkl", lambda path: load_poses(path, axes="y up", fps=30)
    cues = [Cue(0.0, 1.5, "안녕하세요 여러분"), Cue(2.0, 4.0, "손을 들어 볼게요")]
    for suffix, write in TRANSCRIPTS.items():
        yield write(cues).encode(), f"words.{suffix}", load_transcript
    vtt = "WEBVTT\n\n00:00.000 --> 00:01.500\n안녕하세요\n\n00:02.000 --> 00:04.000\n손을\n"
    whisper = {"segments": [{"start": 0, "end": 1, "text": "손", "words": [{"word": "손", "start": 0, "end": 1}]}]}
    yield vtt.encode(), "a.vtt", load_transcript
    yield json.dumps(whisper).encode(), "a.json", load_transcript
    save_bvh(corpus.motion(clip)[:4], folder / "a.bvh")
    yield (folder / "a.bvh").read_bytes(), "b.bvh", load_bvh
    yield from _checkpoints(folder)
    yield from _others(folder, corpus, speaker)


def _others(folder: Path, corpus: Corpus, speaker: Speaker) -> Iterator[Seed]:
    """Give what commands write and read again, and what users write by hand."""
    built = folder / "built"
    build_corpus(pair_sources(folder / "speaker", folder / "speaker")[0], built, executor=Here(), progress=False)
    yield (built / "manifest.json").read_bytes(), "built/manifest.json", _read_manifest
    yield (
        b"poses,transcript,offset,fps,speaker\na.json,a.srt,-0.4,29.97,ha\nb.pkl,b.vtt,,,\n",
        "videos.csv",
        read_sources,
    )
    change = {"start": 1, "end": 2.5, "text": "왼손을 흔들어요"}
    edit = {"format": "ktube_motion edit", "version": 1, "changes": [change], "frames": 90, "fps": 20}
    yield json.dumps(edit).encode(), "edit.json", read_changes
    for line in ({"word": "손을", "start": 1.2, "end": 1.5}, {"text": "손을 들어 주세요.", "start": 1.2}):
        yield json.dumps(line).encode(), "line.json", lambda path: parse_line(path.read_text("utf-8", "replace"))
    gestures = folder / "gestures"
    gestures.mkdir()
    steps = np.zeros((30, 22, 3), np.int16)
    np.savez(gestures / "motions.npz", names=["wave"], lengths=[30], delta=steps, unit_m=0.001, fps=30)
    table = "name\tsplit\tcontent\tstyle\tutterance\nwave\ttrain\twave\tnormal\t손을 흔들어요.\n"
    (gestures / "utterances.tsv").write_text(table, encoding="utf-8")
    for name in ("motions.npz", "utterances.tsv"):
        yield (gestures / name).read_bytes(), f"gestures/{name}", lambda path: list(read_gestures(path.parent))
    Report("tokenizer", {"real": {"fid": Interval(1.0, 0.1, 2)}}).save(folder / "report")
    yield (folder / "report/report.json").read_bytes(), "report/report.json", lambda path: Report.load(path.parent)
    yield (
        b'{"steps": 10, "rate": 0.1}',
        "run.json",
        lambda path: check_experiment(path, {"steps": 10}, free=("rate",), resume=True),
    )
    words = ["unk", "sos", "eos", "wave"]
    glove = folder / "glove"
    glove.mkdir()
    np.save(glove / "our_vab_data.npy", np.eye(4, 300, dtype=np.float32))
    for name, value in (("words", words), ("idx", {word: row for row, word in enumerate(words)})):
        (glove / f"our_vab_{name}.pkl").write_bytes(pickle.dumps(value))
    for file in sorted(glove.iterdir()):
        yield file.read_bytes(), f"glove/{file.name}", lambda path: WordVectorizer(path.parent)
    ClipTable.from_corpus(corpus, corpus.names(), file=folder / "clips.npy")
    for name in ("clips.npy", "clips.json"):  # made again where damaged
        yield (
            (folder / name).read_bytes(),
            name,
            lambda path: ClipTable.from_corpus(corpus, corpus.names(), file=path.with_suffix(".npy")).gather(
                torch.tensor([0]), torch.tensor([0]), 8
            ),
        )
    save_text_encoder(EmbeddedTextEncoder(), folder / "encoder")
    yield (
        (folder / "encoder/text_encoder.json").read_bytes(),
        "encoder/text_encoder.json",
        lambda path: load_text_encoder(path.parent),
    )


def _read_manifest(path: Path) -> None:
    corpus = Corpus(path.parent)
    _ = check_corpus(path.parent, progress=False), corpus_labels(corpus), corpus_words(corpus)
    with suppress(CorpusError, FormatError):
        curate(path.parent, keep=lambda clip: False)


def _checkpoints(folder: Path) -> Iterator[Seed]:
    tokenizer = MotionTokenizer(TokenizerConfig(width=8, code_dim=8, num_codes=8, depth=1, down_t=1))
    transformer = MotionTransformer(TransformerConfig(num_codes=8, width=8, text_dim=8, num_layers=1, num_heads=2))
    for name, model in (("tokenizer", tokenizer), ("transformer", transformer)):
        model.save_pretrained(folder / name)
        for file in ("config.json", "model.safetensors"):
            kind = type(model)
            yield (
                (folder / name / file).read_bytes(),
                f"{name}/{file}",
                lambda p, kind=kind: kind.from_pretrained(p.parent),
            )
    for model in (MotionEvaluator(EvaluatorConfig(width=8, embedding_size=8)),):
        model.save_pretrained(folder / model.kind)
        for file in ("config.json", "model.safetensors"):
            yield (
                (folder / model.kind / file).read_bytes(),
                f"{model.kind}/{file}",
                lambda p: MotionEvaluator.from_pretrained(p.parent),
            )
    torch.save({"net": to_t2m_gpt_state_dict(tokenizer), "step": np.int64(3)}, folder / "net.pth")
    yield (folder / "net.pth").read_bytes(), "vq.pth", load_t2m_gpt_tokenizer
    torch.save(transformer_state(transformer), folder / "trans.pth")
    yield (folder / "trans.pth").read_bytes(), "gpt.pth", lambda path: load_t2m_gpt_transformer(path, heads=2)
    save_checked(folder / "checkpoint.pt", {"step": 3, "model": tokenizer.state_dict()})
    yield (folder / "checkpoint.pt").read_bytes(), "own.pt", load_checked


def _read_corpus(root: Path) -> None:
    corpus = Corpus(root)
    names = corpus.usable("train", spoken=True)
    _ = [(corpus.features(name), corpus.texts(name), corpus.motion(name)) for name in names]
    _ = corpus.stats, corpus.skeleton, corpus.fps, corpus.left_out()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a shard is mapped: what is written over it would change what was read
    path.write_bytes(data)


def _tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def _memory() -> int:
    """Give the most memory that this process has ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
