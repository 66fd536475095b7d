"""Tokenizer, transformer and evaluator, trained on a small corpus."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus, smooth_clip

from ktube_motion.errors import CheckpointError, ConfigError, CorpusError, DataError
from ktube_motion.evaluation import EvaluationConfig
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.skeletons import KIT_21
from ktube_motion.training import (
    EvaluatorTraining,
    KnownTexts,
    TokenizerTraining,
    TransformerTraining,
    UtteranceSet,
    tokenize_corpus,
    train_evaluator,
    train_tokenizer,
    train_transformer,
)
from ktube_motion.training._tokenizer import _TokenizerTask, measure_tokenizer
from ktube_motion.training._transformer import _TransformerTask
from ktube_motion.types import Utterance
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

LOOP = {"steps": 6, "batch_size": 8, "learning_rate": 1e-3, "warmup": 2, "log_every": 1, "evaluate_every": 6,
        "save_every": 2, "tracker": None}  # fmt: skip
SMALL = TokenizerConfig(width=16, code_dim=8, num_codes=8, depth=1)
CHOOSING = EvaluationConfig.ktube(split="val", repeats=1, multimodality_texts=0)
TOKENIZER = TokenizerTraining(**LOOP, tokenizer=SMALL, window=32, evaluation=CHOOSING)
WRITER = TransformerConfig(width=32, num_layers=1, num_heads=4)
TRANSFORMER = TransformerTraining(**LOOP, transformer=WRITER, evaluation=CHOOSING)
JUDGE = EvaluatorTraining(**LOOP, evaluator=EvaluatorConfig(width=16, embedding_size=8))


class LetterEncoder:
    """Counts letters: a text encoder without a model, that counts its calls too."""

    dim, identity = 8, "letters"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return torch.tensor([[sum(ord(c) % 8 == k for c in text) for k in range(8)] for text in texts]).float()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_small_corpus(tmp_path_factory.mktemp("corpus") / "KTubeUM")


@pytest.fixture(scope="module")
def evaluator(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluator")
    return train_evaluator(JUDGE, corpus, output, text_encoder=LetterEncoder(), progress=False)


@pytest.fixture(scope="module")
def tokenizer(corpus, evaluator, tmp_path_factory):
    output = tmp_path_factory.mktemp("tokenizer")
    return train_tokenizer(TOKENIZER, corpus, output / "vq", evaluator=evaluator, progress=False)


def losses(folder):
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if "loss" in line]


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def test_evaluator_is_the_best_on_val(corpus, tmp_path):
    encoder = LetterEncoder()
    found = train_evaluator(JUDGE, corpus, tmp_path, text_encoder=encoder, progress=False)
    assert same(found, MotionEvaluator.from_pretrained(tmp_path / "best_top3"))
    assert found.config.text_encoder == "letters"
    assert len(encoder.asked) == len(set(encoder.asked))
    assert {"top1", "top3", "matching", "best_top3"} <= json.loads((tmp_path / "summary.json").read_text()).keys()


@pytest.mark.parametrize("loss", ["contrastive", "margin"])
def test_evaluator_learns(corpus, tmp_path, loss):
    config = replace(JUDGE, steps=30, loss=loss, evaluate_every=30, learning_rate=1e-2)
    train_evaluator(config, corpus, tmp_path, text_encoder=LetterEncoder(), progress=False)
    found = [line["loss"] for line in losses(tmp_path)]
    assert np.mean(found[-5:]) < 0.9 * np.mean(found[:5])


def test_evaluator_with_one_validation_clip(tmp_path):
    corpus = make_small_corpus(tmp_path / "corpus", splits=(5, 1, 0))
    with pytest.warns(UserWarning, match="one utterance"):
        train_evaluator(JUDGE, corpus, tmp_path / "e", text_encoder=LetterEncoder(), progress=False)
    with pytest.raises(ConfigError, match="two pairs"):
        replace(JUDGE, batch_size=1)


def test_tokenizer_learns_and_keeps_the_best(corpus, evaluator, tmp_path):
    kept = []
    config = replace(TOKENIZER, steps=30, evaluate_every=15, learning_rate=5e-3)
    found = train_tokenizer(
        config, corpus, tmp_path, evaluator=evaluator, progress=False, on_best=lambda names, model: kept.append(names)
    )
    values = [line["loss"] for line in losses(tmp_path)]
    assert np.mean(values[-10:]) < 0.95 * np.mean(values[:5])
    assert {"fid", "diversity_gap", "top1", "matching", "mpjpe_mm"} == set(kept[0])
    for name in kept[0]:
        assert isinstance(MotionTokenizer.from_pretrained(tmp_path / f"best_{name}"), MotionTokenizer)
    np.testing.assert_allclose(found.stats.mean, corpus.stats.mean)
    assert same(found, MotionTokenizer.from_pretrained(tmp_path / "last"))


@pytest.mark.parametrize("quantizer", ["ema_reset", "orig"])
def test_tokenizer_resumes_to_the_last_bit(corpus, tmp_path, quantizer):
    config = replace(TOKENIZER, tokenizer=replace(SMALL, quantizer=quantizer))
    whole = train_tokenizer(config, corpus, tmp_path / "whole", progress=False)
    train_tokenizer(replace(config, steps=4), corpus, tmp_path / "parts", progress=False)
    parts = train_tokenizer(config, corpus, tmp_path / "parts", resume=True, progress=False)
    assert same(whole, parts)  # running means of the codebook included
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def test_transformer_resumes_to_the_last_bit(corpus, tokenizer, evaluator, tmp_path):
    parts = {"tokenizer": tokenizer, "text_encoder": LetterEncoder(), "progress": False}
    whole = train_transformer(TRANSFORMER, corpus, tmp_path / "whole", evaluator=evaluator, **parts)
    train_transformer(replace(TRANSFORMER, steps=4), corpus, tmp_path / "parts", **parts)
    again = train_transformer(TRANSFORMER, corpus, tmp_path / "parts", resume=True, **parts)
    assert same(whole, again)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    for name in ("fid", "diversity_gap", "top1", "matching", "loss"):
        best = MotionTransformer.from_pretrained(tmp_path / "whole" / f"best_{name}")
        assert (best.config.tokenizer, best.config.text_encoder) == (tokenizer.fingerprint, "letters")


def test_transformer_learns(corpus, tokenizer, tmp_path):
    config = replace(TRANSFORMER, steps=40, evaluate_every=40, keep_probability=1.0, learning_rate=1e-2)
    train_transformer(config, corpus, tmp_path, tokenizer=tokenizer, text_encoder=LetterEncoder(), progress=False)
    found = [line["loss"] for line in losses(tmp_path)]
    assert np.mean(found[-5:]) < 0.9 * np.mean(found[:5])


def test_start_from_weights(corpus, tokenizer, tmp_path):
    config = replace(TOKENIZER, steps=1, learning_rate=1e-9)
    found = train_tokenizer(config, corpus, tmp_path / "a", start=tokenizer, progress=False)
    for name, value in found.encoder.state_dict().items():
        torch.testing.assert_close(value, tokenizer.encoder.state_dict()[name], atol=1e-6, rtol=0)
    wider = replace(config, tokenizer=replace(SMALL, width=24))
    with pytest.raises(CheckpointError, match="to start from"):
        train_tokenizer(wider, corpus, tmp_path / "b", start=tokenizer, progress=False)


def test_tokens_are_made_anew_for_another_tokenizer(corpus, tokenizer, tmp_path, monkeypatch):
    names, made = corpus.names("train"), []
    encode = MotionTokenizer.encode
    monkeypatch.setattr(MotionTokenizer, "encode", lambda self, x, **k: made.append(1) or encode(self, x, **k))
    how = {"folder": tmp_path, "progress": False}
    first = tokenize_corpus(corpus, tokenizer, names, **how)
    assert len(made) == len(names)
    again = tokenize_corpus(corpus, tokenizer, names, **how)
    assert len(made) == len(names)
    assert all(np.array_equal(first[name], again[name]) for name in names)
    tokenize_corpus(corpus, tokenizer, corpus.names("all"), **how)
    assert len(made) == len(corpus.names("all"))
    other = MotionTokenizer(SMALL, corpus.stats).eval()
    fresh = tokenize_corpus(corpus, other, names, **how)
    assert len(made) == len(corpus.names("all")) + len(names)
    assert any(not np.array_equal(first[name], fresh[name]) for name in names)


def test_clips_shorter_than_window_and_token_take_part(tmp_path, evaluator):
    corpus = make_small_corpus(tmp_path / "corpus", splits=(4, 2, 0), frames=(20, 30))
    for name, frames in (("짧은_3", 3), ("짧은_9", 9)):
        features = smooth_clip(frames, np.random.default_rng(frames))
        corpus.add_clip(name, features=features, texts=[Utterance(0, 0, "네")])
    corpus.write_splits({"train": [*corpus.names("train"), "짧은_3", "짧은_9"], "val": corpus.names("val"), "test": []})
    task = _TokenizerTask(replace(TOKENIZER, tokenizer=SMALL, batch_size=64), corpus, None)
    batch = task.batch(0, slice(0, 64))
    lengths = {name: len(corpus.features(name)) for name in corpus.names("train")}
    assert [min(lengths[name], 32) for name in batch["names"]] == batch["mask"].sum(1).tolist()
    assert {"짧은_3", "짧은_9"} & set(batch["names"])
    found = train_tokenizer(TOKENIZER, corpus, tmp_path / "vq", evaluator=evaluator, progress=False)
    tokens = tokenize_corpus(corpus, found, corpus.names("all"), progress=False)
    assert len(tokens["짧은_3"]) == 1
    assert len(tokens["짧은_9"]) == 3
    figures = measure_tokenizer(found, [corpus.features("짧은_3"), corpus.features("짧은_9")])
    assert np.isfinite(figures["mpjpe_mm"])
    with pytest.raises(CorpusError, match="nothing to measure"):
        measure_tokenizer(found, [corpus.features("짧은_3")])


def test_batches_of_the_transformer(corpus, tokenizer):
    config = replace(TRANSFORMER, transformer=replace(WRITER, num_codes=8, text_dim=8))
    task = _TransformerTask(config, corpus, tokenizer, LetterEncoder(), None, None, None, False)
    batch = task.batch(3, slice(0, 8))
    whole = [task.tokens[name] for name in batch["names"]]
    for row, length, full in zip(batch["tokens"], batch["lengths"].tolist(), whole, strict=True):
        kept = row[:length].tolist()
        assert kept in (full.tolist(), full[1:].tolist(), full[:-1].tolist())
        assert (row[length:] == 0).all()
    halves = task.batch(3, slice(0, 4)), task.batch(3, slice(4, 8))
    assert halves[0]["names"] + halves[1]["names"] == batch["names"]
    assert torch.equal(torch.cat([half["text"] for half in halves]), batch["text"])


def test_utterances_are_cut_by_their_times(tmp_path):
    corpus = make_small_corpus(tmp_path, splits=(2, 0, 0), frames=(60, 61))
    first, second = corpus.names("train")
    corpus.add_clip(first, features=corpus.features(first), texts=[Utterance(0, 1, "하나"), Utterance(1, 3, "둘")])
    (tmp_path / "texts" / f"{second}.txt").write_text("셋#셋/NUM#0#0\n고장난 줄\n", encoding="utf-8")
    samples = UtteranceSet.from_corpus(corpus, {first: 60, second: 60}, rate=20)
    assert list(zip(samples.starts, samples.stops, strict=True)) == [(0, 20), (20, 60), (0, 60)]
    assert samples.texts == (("하나",), ("둘",), ("셋",))
    assert samples.counts["malformed_lines"] == 1


def test_known_texts_are_read_once():
    encoder = LetterEncoder()
    known = KnownTexts(encoder)
    assert torch.equal(known.encode(["가", "나", "가"]), LetterEncoder().encode(["가", "나", "가"]))
    known.encode(["나", "다"])
    assert encoder.asked == ["가", "나", "다"]


def test_what_cannot_be_trained(corpus, tokenizer, evaluator, tmp_path):
    bare = make_small_corpus(tmp_path / "bare", splits=(4, 0, 0))
    with pytest.raises(CorpusError, match="no validation clips"):
        train_tokenizer(TOKENIZER, bare, tmp_path / "a", progress=False)
    one = make_small_corpus(tmp_path / "one", splits=(4, 1, 0))
    with pytest.raises(DataError, match="too few samples"):
        train_tokenizer(TOKENIZER, one, tmp_path / "b", evaluator=evaluator, progress=False)
    with pytest.raises(ConfigError, match="window"):
        train_tokenizer(replace(TOKENIZER, window=30), corpus, tmp_path / "c", progress=False)
    (tmp_path / "one" / "Std.npy").unlink()
    with pytest.raises(CorpusError, match="missing"):
        train_tokenizer(TOKENIZER, one, tmp_path / "d", progress=False)
    broken = corpus.features(corpus.names("train")[2]).copy()
    broken[5, 7] = np.nan
    np.save(tmp_path / "bare/new_joint_vecs" / f"{bare.names('train')[2]}.npy", broken)
    bare.write_splits({"train": bare.names()[:3], "val": bare.names()[3:], "test": []})
    with pytest.raises(DataError, match=r"1 of 3 clips.*말_002 \(NaN or infinity in 1 of"):
        train_tokenizer(TOKENIZER, Corpus(bare.root, strict=True), tmp_path / "e", progress=False)
    parts = {"text_encoder": LetterEncoder(), "progress": False}
    residual = MotionTokenizer(replace(SMALL, quantizer="residual", num_quantizers=2))
    with pytest.raises(CheckpointError, match="residual"):
        train_transformer(TRANSFORMER, corpus, tmp_path / "f", tokenizer=residual, **parts)
    kit = make_small_corpus(tmp_path / "kit", splits=(3, 2, 0), skeleton=KIT_21)
    with pytest.raises(CheckpointError, match="another data set"):
        train_transformer(TRANSFORMER, kit, tmp_path / "g", tokenizer=tokenizer, **parts)
    other = MotionTransformer(replace(WRITER, num_codes=99, text_dim=8))
    with pytest.raises(CheckpointError, match="to start from"):
        train_transformer(TRANSFORMER, corpus, tmp_path / "h", tokenizer=tokenizer, start=other, **parts)
    assert not any((tmp_path / letter / "checkpoint.pt").exists() for letter in "abcdefgh")
