"""Names that no file can have, wherever a path is given: told as every other mistake, by whatever takes a path."""

import sys
from argparse import Action
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus

from ktube_motion import construct, evaluation, evaluators, gpt, io, kinematics, pipeline, render, text, training, video
from ktube_motion.commands import COMMANDS, main, parser_of
from ktube_motion.errors import KtubeError
from ktube_motion.models import load_stats, load_torch_file
from ktube_motion.samples import make_speaker
from ktube_motion.types import Cue, PoseSequence, Utterance
from ktube_motion.vq import MotionTokenizer, TokenizerConfig, load_t2m_gpt_tokenizer

NAMES = {"long": "가" * 3000, "long folder": f"{'x' * 300}/y", "zero byte": "a\0b", "half a letter": "a\ud800b"}
SMALL = TokenizerConfig(width=8, code_dim=8, num_codes=8, depth=1)
ENCODER = text.EmbeddedTextEncoder()

READERS = {
    "corpus": lambda path: io.Corpus(path).names(), "people": io.list_people, "BVH": io.load_bvh,
    "poses": io.load_poses, "poses with their kind": io.read_poses, "transcript": io.load_transcript,
    "cues": io.read_cues, "transcript with its kind": io.read_transcript, "text lines": io.read_text_file,
    "body": kinematics.load_body, "statistics": lambda path: load_stats(Path(path), Path(path)),
    "weights": lambda path: load_torch_file(path, parts=("net",)), "model": MotionTokenizer.from_pretrained,
    "published tokenizer": load_t2m_gpt_tokenizer, "published transformer": gpt.load_t2m_gpt_transformer,
    "published evaluator": evaluators.load_t2m_evaluator, "wordings": text.TextAugmentation.from_table,
    "word vectors": text.WordVectorizer, "text encoder": text.load_text_encoder,
    "aligned encoder": evaluators.AlignedTextEncoder.from_pretrained,
    "pipeline": pipeline.UtteranceToMotion.from_pretrained,
    "changes": pipeline.read_changes, "talk": lambda path: pipeline.read_talk(Path(path)),
    "report": evaluation.Report.load, "check": construct.check_corpus, "curate": construct.curate,
    "sources": lambda path: construct.pair_sources(path, path), "folder of poses": construct.pose_sources,
    "table of sources": construct.read_sources, "gestures": lambda path: list(construct.read_gestures(path)),
    "videos": lambda path: construct.pair_videos(path, path), "sounds": lambda path: construct.find_audio([], path),
    "networks": video.find_models, "video": video.probe_video, "landmarks": video.read_landmarks,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", READERS)
def test_readers(kind, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (NAMES[name], Path(NAMES[name])):
        with pytest.raises(KtubeError):
            READERS[kind](path)


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    corpus = make_small_corpus(tmp_path_factory.mktemp("corpus") / "KTubeUM", splits=(3, 2, 0))
    motion = corpus.motion(corpus.names()[0])[:9]
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(SMALL, corpus.stats).eval()
    poses = PoseSequence(rotvecs=np.zeros((9, 55, 3)), transl=np.zeros((9, 3)), fps=30)
    report = evaluation.Report("tokenizer", {"real": {"fid": evaluation.Interval(1.0, 0.1, 2)}})
    trained = training.TokenizerTraining(steps=1, batch_size=2, tokenizer=SMALL, tracker=None)
    still, said = np.zeros((9, 263), np.float32), [Utterance(0, 0, "손")]
    return {
        "corpus": lambda path: io.Corpus.create(path),
        "clip": lambda path: corpus.add_clip(path, features=still, texts=said),
        "export": lambda path: io.export_corpus(corpus, path, progress=False),
        "poses": lambda path: io.save_poses(poses, path + ".npz"),
        "transcript": lambda path: io.save_transcript([Cue(0, 1, "안녕")], path + ".srt"),
        "text lines": lambda path: io.write_text_file(path, said),
        "model": tokenizer.save_pretrained,
        "text encoder": lambda path: text.save_text_encoder(ENCODER, path),
        "text cache": lambda path: text.CachedTextEncoder(ENCODER, folder=path).encode(["손"]),
        "report": report.save,
        "plot": lambda path: evaluation.plot_report(report.table, path + ".png"),
        "BVH": lambda path: render.save_bvh(motion, path + ".bvh"),
        "GLB": lambda path: render.save_glb(motion, path + ".glb"),
        "page": lambda path: render.save_html(motion, path + ".html"),
        "mp4": lambda path: render.save_skeleton_video(motion, path + ".mp4", size=(96, 96), progress=False),
        "frames": lambda path: render.save_skeleton_video(motion, path, size=(96, 96), progress=False),
        "tokens": lambda path: training.tokenize_corpus(corpus, tokenizer, corpus.names(), folder=path, progress=False),
        "known texts": lambda path: training.KnownTexts(ENCODER, folder=path).encode(["손"]),
        "training": lambda path: training.train_tokenizer(trained, corpus, path, progress=False),
        "speaker": lambda path: make_speaker(path, num_utterances=1),
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_writers(writers, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind, write in writers.items():
        print(kind)  # noqa: T201 (pytest shows the last one where it fails)
        with pytest.raises(KtubeError):
            write(NAMES[name])
    assert not [*tmp_path.rglob("*.*")]


def paths_of(command):
    """Give the options of a command that take a path or may be one."""
    named = ("root", "dir", "pth", "checkpoint", "encoder", "tokenizer", "pipeline", "table", "model")
    return [
        action for action in parser_of(command)._actions
        if action.type is Path or (action.nargs != 0 and any(part in action.dest for part in named))
    ]  # fmt: skip


def words_of(command: str, action: Action, path: str) -> list[str]:
    others = [other for other in parser_of(command)._actions if not other.option_strings and other.nargs != "?"]
    words = [path if other is action else "here.txt" for other in others]
    return [command, *words, *([action.option_strings[-1], path] if action.option_strings else [])]


@pytest.mark.parametrize("command", [name for names in COMMANDS.values() for name in names])
def test_commands(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StringIO())
    (tmp_path / "here.txt").write_text("x")
    for action in paths_of(command):
        if command == "quickstart" and action.dest != "output":
            continue  # the only one that begins without any file
        for name in ("long", "long folder", "zero byte"):
            assert main(words_of(command, action, NAMES[name])) in (1, 2), (action.dest, name)
            assert "error: " in capsys.readouterr().err


def test_export_to_one_file_whose_name_is_too_long(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.bvh").write_text("x")
    assert main(["export", "here.bvh", "--output", f"{NAMES['long']}.bvh"]) == 1
    assert "error: " in capsys.readouterr().err
