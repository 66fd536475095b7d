"""Trainings as they are in life: bad clips, long clips, kills between two writes, two at once."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus
from test_training_loop import CONFIG, fit, task
from test_training_tasks import TOKENIZER, TRANSFORMER, LetterEncoder

from ktube_motion.errors import CheckpointError, ConfigError, CorpusError, DataError
from ktube_motion.gpt import MotionTransformer, TransformerConfig, transformer_loss
from ktube_motion.io import Corpus
from ktube_motion.training import UtteranceSet, train_tokenizer
from ktube_motion.training._transformer import _TransformerTask


class StoppedError(Exception):
    """Stands for a kill."""


def files(folder):
    """Give the bytes of all files; of the checkpoint its checksum, as a pickle of equal values may differ in bytes."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found | {"checkpoint.pt": torch.load(folder / "checkpoint.pt", weights_only=True)["checksum"]}


def spoil(corpus, name, how):
    path = corpus.root / "new_joint_vecs" / f"{name}.npy"
    clip = np.load(path)
    if how == "nan":
        clip[5, 7] = np.nan
        np.save(path, clip)
    elif how == "empty":
        np.save(path, clip[:0])
    elif how == "size":
        np.save(path, clip[:, :-1])
    else:
        path.write_bytes(path.read_bytes()[:-100])


# -- clips that no model can read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"),
    [("nan", "NaN or infinity in 1 of"), ("empty", "no frames"), ("size", "wrong size"), ("cut", "damaged")],
)
def test_bad_clips_are_named_at_once_and_left_out(tmp_path, how, told):
    corpus = make_small_corpus(tmp_path / "corpus", splits=(5, 3, 0))
    train, val = corpus.names("train"), corpus.names("val")
    for name in (train[1], train[3], val[0]):
        spoil(corpus, name, how)
    corpus = Corpus(corpus.root)
    with pytest.warns(UserWarning, match="are left out") as warned:
        train_tokenizer(replace(TOKENIZER, steps=2, evaluate_every=1), corpus, tmp_path / "out", progress=False)
    said = [str(warning.message) for warning in warned if "left out" in str(warning.message)]
    assert len(said) == 2  # one a split
    assert all(f"{name} (" in said[0] for name in (train[1], train[3]))
    assert told in said[0]
    assert val[0] in said[1]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["data/train_clips"], summary["data/val_clips"], summary["data/unusable_clips"]) == (3, 2, 3)
    assert set(corpus.unusable) == {train[1], train[3], val[0]}
    with pytest.raises(DataError, match=rf"2 of 5 clips of 'train'.*{train[1]}.*{train[3]}"):
        train_tokenizer(TOKENIZER, Corpus(corpus.root, strict=True), tmp_path / "strict", progress=False)


def test_all_that_is_missing_is_named_in_one_message(tmp_path):
    corpus = make_small_corpus(tmp_path / "corpus", splits=(3, 0, 0))
    (corpus.root / "Mean.npy").unlink()
    (corpus.root / "train.txt").unlink()
    with pytest.raises(CorpusError) as caught:
        train_tokenizer(TOKENIZER, Corpus(corpus.root), tmp_path / "out", progress=False)
    assert all(part in str(caught.value) for part in ("train.txt", "no validation clips", "Mean.npy", "mean-variance"))


# -- motions longer than the block ---------------------------------------------------------------------------------


def test_no_end_is_learned_at_a_cut():
    torch.manual_seed(0)
    model = MotionTransformer(
        TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4, dropout=0)
    )
    tokens, text = torch.randint(16, (2, 6)), torch.randn(2, 8)
    lengths, ends = torch.tensor([6, 6]), torch.tensor([True, False])
    logits = model(tokens, text).log_softmax(-1)
    right = logits[:, :6].gather(-1, tokens[..., None])[..., 0]
    expected = -(right[0].sum() + logits[0, 6, model.config.end_token]) / 7, -right[1].mean()
    found = transformer_loss(model, tokens, lengths, text, keep_probability=1.0, ends=ends)
    torch.testing.assert_close(found.loss, sum(expected) / 2)
    # Changing what the model thinks of the end changes nothing for the sample that is cut.
    cut = transformer_loss(model, tokens[1:], lengths[1:], text[1:], keep_probability=1.0, ends=ends[1:])
    torch.testing.assert_close(cut.loss, expected[1])
    every = transformer_loss(model, tokens, lengths, text, keep_probability=1.0)
    torch.testing.assert_close(
        every.loss, transformer_loss(model, tokens, lengths, text, keep_probability=1.0, ends=ends | True).loss
    )


def test_windows_hold_every_token_and_only_the_last_ends():
    whole = UtteranceSet(
        ("a", "b", "c", "d"), np.array([0, 3, 0, 0]), np.array([50, 120, 51, 7]), (("말",),) * 4, {"too_short": 2}
    )
    cut = whole.windows(50)
    found = list(zip(cut.clips, cut.starts.tolist(), cut.stops.tolist(), cut.ends.tolist(), strict=True))
    assert found == [
        ("a", 0, 50, True),
        ("b", 3, 53, False),
        ("b", 53, 103, False),
        ("b", 70, 120, True),
        ("c", 0, 50, False),
        ("c", 1, 51, True),
        ("d", 0, 7, True),
    ]
    assert cut.counts == {"too_short": 2, "cut_samples": 2, "windows": 5}
    assert whole.ends.all()


def test_a_long_clip_is_trained_on_whole(tmp_path):
    corpus = make_small_corpus(tmp_path / "corpus", splits=(2, 2, 0), frames=(300, 301))
    config = replace(TRANSFORMER, transformer=replace(TRANSFORMER.transformer, block_size=51, text_dim=8, num_codes=16))

    class Codes:
        frames_per_token, fingerprint = 4, "codes"
        config = type("Config", (), {"feature_size": 263, "num_codes": 16})

        def parameters(self):
            yield torch.zeros(1)

        def encode(self, features):
            return torch.arange(len(features) // 4) % 16

    made = _TransformerTask(config, corpus, Codes(), LetterEncoder(), None, None, None, False)
    assert made.counts["train_cut_samples"] == 2
    assert made.counts["train_windows"] == 4
    seen, ended = set(), []
    for step in range(40):
        batch = made.batch(step, slice(None))
        for row, length, ends in zip(batch["tokens"], batch["lengths"], batch["ends"], strict=True):
            seen |= set(row[:length].tolist())
            ended.append((bool(ends), int(row[length - 1])))
    assert seen == set(range(16))
    last = 74 % 16  # the token that the motion ends with
    assert {token for ends, token in ended if ends} <= {last, last - 1}  # T2M-GPT drops the last now and then
    assert {token for ends, token in ended if not ends} <= {49 % 16, 48 % 16}


# -- kills between two writes -----------------------------------------------------------------------------------------


def test_the_checkpoint_is_there_before_the_evaluation(tmp_path):
    def fail(model):
        raise DataError("a NaN clip")

    poisoned = task()
    poisoned.evaluate = fail
    with pytest.raises(DataError, match="NaN clip"):
        fit(poisoned, CONFIG, tmp_path, progress=False)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == CONFIG.evaluate_every


def test_killed_in_any_evaluation_the_files_are_the_same(tmp_path):
    fit(task(), CONFIG, tmp_path / "whole", progress=False)
    for number in range(1, 4):
        calls = []

        def stop(model, calls=calls, number=number, own=None):
            calls.append(1)
            if len(calls) == number:
                raise StoppedError
            return own(model)

        stopped = task()
        stopped.evaluate = lambda model, own=stopped.evaluate, stop=stop: stop(model, own=own)
        with pytest.raises(StoppedError):
            fit(stopped, CONFIG, tmp_path / str(number), progress=False)
        fit(task(), CONFIG, tmp_path / str(number), resume=True, progress=False)
        assert files(tmp_path / str(number)) == files(tmp_path / "whole")


def test_a_finished_run_resumed_says_the_same(tmp_path):
    first = fit(task(), CONFIG, tmp_path, progress=False)
    before = files(tmp_path)
    again = fit(task(), CONFIG, tmp_path, resume=True, progress=False)
    assert files(tmp_path) == before
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert {"error", "best_error"} <= json.loads(before["summary.json"]).keys()


def test_one_flipped_byte_of_a_checkpoint_is_found(tmp_path):
    fit(task(), CONFIG, tmp_path, progress=False)
    data, path = (tmp_path / "checkpoint.pt").read_bytes(), tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    weight = state["model"]["linear.weight"].numpy().tobytes()
    path.write_bytes(data.replace(weight, bytes([weight[0] ^ 1]) + weight[1:], 1))
    with pytest.raises(CheckpointError, match="damaged"):
        fit(task(), CONFIG, tmp_path, resume=True, progress=False)


# -- what killed trainings leave ---------------------------------------------------------------------------------------


def test_leftovers_are_swept_and_what_was_moved_aside_comes_back(tmp_path):
    fit(task(), replace(CONFIG, steps=8), tmp_path / "a", progress=False)
    whole = files(tmp_path / "a")
    (tmp_path / "a" / ".writing-x.pt").write_bytes(b"half")
    (tmp_path / "a" / ".writing-y").mkdir()
    (tmp_path / "a" / ".writing-y" / "model.safetensors").write_bytes(b"half")
    aside = tmp_path / "a" / ".replaced-z"
    aside.mkdir()
    os.replace(tmp_path / "a" / "best_error", aside / "best_error")  # killed between the two moves
    fit(task(), replace(CONFIG, steps=8), tmp_path / "a", resume=True, progress=False)
    assert files(tmp_path / "a") == whole
    assert not [*tmp_path.rglob(".writing-*"), *tmp_path.rglob(".replaced-*")]


def test_a_second_training_in_the_folder_is_refused(tmp_path):
    code = (
        "import sys; from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / ".in_use")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        (tmp_path / ".writing-other.pt").write_bytes(b"of the other process")
        with pytest.raises(ConfigError, match="Another process is at work"):
            fit(task(), CONFIG, tmp_path, resume=True, progress=False)
        assert (tmp_path / ".writing-other.pt").exists()
        holder.stdin.close()
    fit(task(), CONFIG, tmp_path, resume=True, progress=False)
    assert not (tmp_path / ".writing-other.pt").exists()
