"""Texts in training: read once, worded otherwise, several vectors each; batches by length."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus

from ktube_motion.errors import CheckpointError, ConfigError
from ktube_motion.evaluators import AlignedTextEncoder, EvaluatorConfig, MotionEvaluator
from ktube_motion.gpt import TransformerConfig
from ktube_motion.text import EmbeddedTextEncoder, SequenceTextEncoder, TextAugmentation
from ktube_motion.training import (
    EvaluatorTraining,
    KnownTexts,
    TextVariants,
    TransformerTraining,
    train_evaluator,
    train_transformer,
)
from ktube_motion.training._datasets import indices_of_step
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

TRAINING = TransformerTraining(
    steps=6, batch_size=8, learning_rate=1e-3, warmup=2, log_every=1, evaluate_every=6, save_every=2, tracker=None,
    transformer=TransformerConfig(width=32, num_layers=1, num_heads=4, block_size=60, text_layers=1), text_variants=3,
)  # fmt: skip
RULES = TextAugmentation(ending=0, particle=0, order=0, missing=1)


class LetterEncoder:
    """Counts letters and remembers what it was asked."""

    dim, identity = 8, "letters"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return torch.tensor([[1 + sum(ord(c) % 8 == k for c in text) for k in range(8)] for text in texts]).float()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_small_corpus(tmp_path_factory.mktemp("corpus") / "KTubeUM")


@pytest.fixture(scope="module")
def tokenizer(corpus):
    torch.manual_seed(0)
    return MotionTokenizer(TokenizerConfig(width=16, code_dim=8, num_codes=8, depth=1), corpus.stats).eval()


def train(corpus, tokenizer, output, config=TRAINING, encoder=None, **options):
    encoder = encoder or SequenceTextEncoder(LetterEncoder(), length=5)
    return train_transformer(
        config, corpus, output, tokenizer=tokenizer, text_encoder=encoder, progress=False, **options
    )


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines() if '"loss"' in line]


def test_the_model_takes_what_the_encoder_gives(corpus, tokenizer, tmp_path):
    model = train(corpus, tokenizer, tmp_path / "a")
    assert (model.config.text_tokens, model.config.text_dim, model.config.text_encoder) == (5, 8, "letters+5")
    assert model.config.max_tokens == 55


def test_augmented_training_resumes_to_the_last_bit(corpus, tokenizer, tmp_path):
    whole = train(corpus, tokenizer, tmp_path / "whole", augmentation=RULES)
    train(corpus, tokenizer, tmp_path / "cut", replace(TRAINING, steps=4), augmentation=RULES)
    again = train(corpus, tokenizer, tmp_path / "cut", augmentation=RULES, resume=True)
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    with pytest.raises(ConfigError, match="augmentation"):
        train(corpus, tokenizer, tmp_path / "cut", resume=True)


def test_variants_are_trained_on_and_validation_stays_as_it_is(corpus, tokenizer, tmp_path):
    encoder = LetterEncoder()
    train(corpus, tokenizer, tmp_path / "a", encoder=encoder, augmentation=RULES)
    said = {text.text for name in corpus.names("train") for text in corpus.texts(name)}
    held = {text.text for name in corpus.names("val") for text in corpus.texts(name)}
    variants = set(TextVariants(RULES, said, 3).every_text())
    assert set(encoder.asked) == said | held | variants
    assert variants - said


def test_variants_do_not_depend_on_the_other_texts():
    texts = ["오른손을 높이 들어 주세요", "왼손을 살살 흔들어요"]
    both, one = (TextVariants(TextAugmentation(), some, 8).paraphrases for some in (texts, texts[1:]))
    assert both[texts[1]] == one[texts[1]]
    assert len(set(both[texts[0]])) > 1


def test_variants_are_drawn():
    variants = TextVariants(lambda text, rng: f"{text}{rng.integers(1000)}", ["손", "발"], 5)
    drawn = variants.draw(["손", "발"] * 200, np.random.default_rng(0))
    assert {*drawn[::2]} == {*variants.paraphrases["손"]} != {*drawn[1::2]}
    assert TextVariants(None, ["손"], 5).draw(["손", "발"], np.random.default_rng(0)) == ["손", "발"]


def test_known_sequences_are_the_encoders_own():
    encoder = SequenceTextEncoder(LetterEncoder(), length=6)
    known, texts = KnownTexts(encoder, ["손을 든다"]), ["손을 든다", "발", "하나 둘 셋 넷 다섯 여섯 일곱", "손을 든다"]
    assert torch.equal(known.encode(texts), encoder.encode(texts))
    assert known.length == 6
    assert known.vectors["발"].shape == (3, 8)


def test_an_evaluator_of_sequences_and_its_words(corpus, tokenizer, tmp_path):
    inner = SequenceTextEncoder(LetterEncoder(), length=5)
    config = EvaluatorTraining(
        steps=4, batch_size=8, tracker=None, text_variants=2, evaluator=EvaluatorConfig(width=16, embedding_size=8)
    )
    evaluator = train_evaluator(config, corpus, tmp_path / "e", text_encoder=inner, augmentation=RULES, progress=False)
    assert (evaluator.config.text_input, evaluator.config.text_encoder) == ("sequence", "letters+5")
    texts = ["오른손을 든다", "왼손", "왼손"]
    aligned = AlignedTextEncoder(evaluator)
    vectors = aligned.encode(texts)
    assert torch.equal(vectors[1], vectors[2])
    torch.testing.assert_close(aligned.encode(texts[1:2]), vectors[1:2])  # padding says nothing
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    again = AlignedTextEncoder.from_pretrained(tmp_path / "e" / "best_top3", text_encoder=inner)
    assert again.identity == aligned.identity != AlignedTextEncoder(MotionEvaluator(evaluator.config)).identity
    model = train(corpus, tokenizer, tmp_path / "t", encoder=aligned)
    assert (model.config.text_dim, model.config.text_encoder) == (8, aligned.identity)
    with pytest.raises(ConfigError, match="do not fit"):
        MotionEvaluator(EvaluatorConfig(width=16), text_encoder=inner)


def test_a_locked_motion_side_stays(corpus, tmp_path):
    encoder = LetterEncoder()
    config = EvaluatorTraining(
        steps=4, batch_size=8, tracker=None, log_every=1, evaluator=EvaluatorConfig(width=16, embedding_size=8)
    )
    first = train_evaluator(config, corpus, tmp_path / "a", text_encoder=encoder, progress=False)
    locked = replace(config, lock_motion=True, learning_rate=1e-2, steps=30, similarity=1.0)
    again = train_evaluator(locked, corpus, tmp_path / "b", text_encoder=encoder, start=first, progress=False)
    before, after = first.state_dict(), again.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"text_head", "log_temperature"}
    assert losses(tmp_path / "b")[-1] < losses(tmp_path / "b")[0]
    with pytest.warns(UserWarning, match="motions count as alike"):  # the motion side has hardly been trained
        train_evaluator(
            replace(locked, similarity=0.5), corpus, tmp_path / "d", text_encoder=encoder, start=first, progress=False
        )
    with pytest.raises(ConfigError, match="no motion side to lock"):
        train_evaluator(locked, corpus, tmp_path / "c", text_encoder=encoder)


@pytest.mark.parametrize(("count", "batch_size"), [(50, 8), (5, 8), (64, 4)])
def test_batches_by_length_hold_every_sample_once_an_epoch(count, batch_size):
    lengths = np.random.default_rng(0).integers(5, 50, size=count)
    options = {"seed": 3, "lengths": lengths}
    steps = 4 * count  # whole pools, whole epochs
    drawn = np.concatenate([indices_of_step(count, batch_size, step=k, **options) for k in range(steps)])
    assert (np.bincount(drawn, minlength=count) == 4 * batch_size).all()


def test_batches_by_length_have_less_padding_and_no_order():
    lengths = np.random.default_rng(0).integers(5, 50, size=1000)
    options = {"seed": 0, "batch_size": 32}
    longest = [
        np.mean([lengths[indices_of_step(1000, step=k, lengths=by, **options)].max() for k in range(100)])
        for by in (None, lengths)
    ]
    assert longest[1] < 0.75 * longest[0]
    first = [lengths[indices_of_step(1000, step=k, lengths=lengths, **options)].mean() for k in range(0, 400, 4)]
    assert np.std(first) > 5  # the short batches do not always come first


def test_an_aligned_encoder_is_loaded_with_what_reads_offline(tmp_path):
    sizes = EvaluatorConfig(width=16, embedding_size=8)
    for name, encoder in (("offline", EmbeddedTextEncoder()), ("letters", LetterEncoder())):
        MotionEvaluator(sizes, text_encoder=encoder).save_pretrained(tmp_path / name)
    loaded = AlignedTextEncoder.from_pretrained(tmp_path / "offline")
    known = AlignedTextEncoder.from_pretrained(tmp_path / "offline", text_encoder=EmbeddedTextEncoder())
    assert loaded.identity == known.identity
    assert torch.equal(loaded.encode(["손을 든다"]), known.encode(["손을 든다"]))
    with pytest.raises(CheckpointError, match="needs its text encoder"):
        AlignedTextEncoder.from_pretrained(tmp_path / "letters")
