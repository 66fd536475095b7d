"""Training on talks: windows of tokens, the words around them, and the model that comes of it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_corpus import smooth_clip

from ktube_motion.construct import BuildOptions, build_corpus, pair_sources
from ktube_motion.errors import ConfigError, CorpusError
from ktube_motion.features import feature_stats
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate
from ktube_motion.io import Corpus
from ktube_motion.samples import make_speaker
from ktube_motion.text import NUM_TIMES, estimate_words, word_track
from ktube_motion.training import TransformerTraining, train_transformer
from ktube_motion.training._speech import SpeechSet
from ktube_motion.types import Utterance, Word
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

WRITER = TransformerConfig(
    num_codes=8, width=32, num_layers=1, num_heads=4, text_dim=8, block_size=13, word_dim=8 + NUM_TIMES, word_past=2,
    word_ahead=3,
)  # fmt: skip
LOOP = {"steps": 6, "batch_size": 8, "learning_rate": 1e-3, "warmup": 2, "log_every": 1, "evaluate_every": 6,
        "save_every": 2, "tracker": None}  # fmt: skip


class Letters:
    """Counts letters: an encoder of texts and of words without a model."""

    dim, identity = 8, "letters"

    def encode(self, texts):
        return torch.tensor([[sum(ord(c) % 8 == k for c in text) for k in range(8)] for text in texts]).float()

    encode_words = encode


def spoken(start, text, length=0.4):
    words = tuple(Word(start + 0.5 * k, start + 0.5 * k + length, word) for k, word in enumerate(text.split()))
    return Utterance(start, words[-1].end, text, words)


TALK = [spoken(0.5, "오른손을 들어 보세요"), spoken(3.0, "이제 내려 주세요"), spoken(6.1, "네 좋아요")]
WHOLE = [Utterance(0, 0, "손을 든다"), Utterance(0, 0, "팔을 위로 든다")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    corpus, rng = Corpus.create(tmp_path_factory.mktemp("talks") / "K"), np.random.default_rng(0)
    for name, texts, frames in (("talk", TALK, 160), ("gesture", WHOLE, 36), ("held", TALK, 160)):
        corpus.add_clip(name, features=smooth_clip(frames, rng), texts=texts)
    corpus.write_splits({"train": ["talk", "gesture"], "val": ["held"]})
    corpus.write_stats(feature_stats([corpus.features(name) for name in corpus.names()]))
    return corpus


@pytest.fixture(scope="module")
def speech(corpus):
    tokens = {"talk": np.arange(40) % 8, "gesture": np.arange(9) % 8}
    return SpeechSet(corpus, tokens, Letters(), WRITER, tokens_per_second=5.0)


def rows_of(words, start, count):
    vectors = Letters().encode_words([word.text for word in words])
    rows = word_track(words, vectors, num_tokens=count, tokens_per_second=5.0, start=start)
    place = start + torch.arange(count)
    rows[(place < 0) | (place >= 40)] = 0  # nothing is known outside the clip
    return rows


def test_a_window_holds_the_words_around_it(speech):
    words = [word for text in TALK for word in text.words]
    batch = speech.batch([("talk", 0), ("talk", 14), ("talk", 30)])
    assert batch["lengths"].tolist() == [12, 12, 10]
    assert batch["tokens"][1].tolist() == [(14 + k) % 8 for k in range(12)]
    for rows, start in zip(batch["words"], (0, 14, 30), strict=True):
        torch.testing.assert_close(rows, rows_of(words, start - 2, 12 + 6))
    assert batch["texts"] == [None, None, None]  # no sentence fills a window through a talk


def test_a_clip_of_its_own_has_one_of_its_texts(speech):
    batch = speech.batch([("gesture", 0)] * 20, range(20))
    assert set(batch["texts"]) == {text.text for text in WHOLE}
    words = {text.text: estimate_words(text.text, 0.0, 1.8) for text in WHOLE}
    vectors = {text: Letters().encode_words([word.text for word in words[text]]) for text in words}
    for text, rows in zip(batch["texts"], batch["words"], strict=True):
        track = word_track(words[text], vectors[text], num_tokens=9, tokens_per_second=5.0)
        torch.testing.assert_close(rows[2:11], track)
        assert rows[:2].abs().sum() == rows[11:].abs().sum() == 0


def test_estimated_and_jittered_times(speech):
    given = speech.batch([("talk", 2)])["words"]
    (guessed,) = speech.batch([("talk", 2)], [0], estimated=1.0)["words"]
    words = [word for text in TALK for word in estimate_words(text.text, text.start, text.end)]
    torch.testing.assert_close(guessed, rows_of(words, 0, 18))
    shaken = [speech.batch([("talk", 2)], [seed], jitter=0.05)["words"] for seed in (1, 1, 2)]
    assert torch.equal(shaken[0], shaken[1])
    assert not torch.equal(shaken[0], shaken[2])
    assert 0 < (shaken[0] - given).abs().mean() < (guessed - given).abs().mean()


def test_windows_are_drawn_by_step_and_length(speech):
    drawn = [speech.draw(400, seed=0, step=step)[0] for step in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    names = [name for name, _ in drawn[0]]
    assert names.count("gesture") == pytest.approx(400 * 9 / 49, abs=30)
    starts = {start for name, start in drawn[0] if name == "talk"}
    assert starts == set(range(29))
    assert speech.windows() == [("talk", 0), ("talk", 12), ("talk", 24), ("talk", 36), ("gesture", 0)]


def test_no_words_at_all(corpus):
    with pytest.raises(CorpusError, match="No clip has words"):
        SpeechSet(corpus, {}, Letters(), WRITER, tokens_per_second=5.0)


@pytest.fixture(scope="module")
def tokenizer(corpus):
    torch.manual_seed(0)
    return MotionTokenizer(TokenizerConfig(width=16, code_dim=8, num_codes=8, depth=1), corpus.stats).eval()


def train(corpus, tokenizer, folder, **changes):
    config = TransformerTraining(**LOOP | changes, transformer=replace(WRITER, word_dim=0))
    return train_transformer(
        config, corpus, folder, tokenizer=tokenizer, text_encoder=Letters(), word_encoder=Letters(), progress=False
    )


def test_training_and_its_checkpoint(corpus, tokenizer, tmp_path):
    model = train(corpus, tokenizer, tmp_path / "a", steps=60)
    assert (model.config.word_dim, model.config.word_encoder) == (8 + NUM_TIMES, "letters")
    log = [line for line in (tmp_path / "a/log.jsonl").read_text().splitlines() if '"loss"' in line]
    losses = [float(line.split('"loss": ')[1].split(",")[0]) for line in log]
    assert np.mean(losses[-10:]) < np.mean(losses[:5])
    again = MotionTransformer.from_pretrained(tmp_path / "a/last")
    (written,) = generate(again, None, words=[rows_of(TALK[0].words, 0, 40)], seeds=[0])
    assert len(written) == 40


def test_what_was_stopped_goes_on_alike(corpus, tokenizer, tmp_path):
    whole = train(corpus, tokenizer, tmp_path / "whole", steps=6)
    train(corpus, tokenizer, tmp_path / "parts", steps=2)
    config = TransformerTraining(**LOOP, transformer=replace(WRITER, word_dim=0))
    parts = train_transformer(
        config, corpus, tmp_path / "parts", tokenizer=tokenizer, text_encoder=Letters(), word_encoder=Letters(),
        progress=False, resume=True,
    )  # fmt: skip
    for name, tensor in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[name], tensor), name


def test_no_evaluator_beside_words(corpus, tokenizer, tmp_path):
    with pytest.raises(ConfigError, match="neither evaluator nor augmentation"):
        train_transformer(
            TransformerTraining(**LOOP, transformer=WRITER), corpus, tmp_path, tokenizer=tokenizer,
            text_encoder=Letters(), word_encoder=Letters(), augmentation=object(),
        )  # fmt: skip


def test_a_corpus_of_talks(tmp_path):
    speaker = make_speaker(tmp_path, seed=3, num_utterances=5, transcript="TextGrid", name="talk")
    sources, _ = pair_sources(tmp_path, tmp_path)
    build_corpus(sources, tmp_path / "K", options=BuildOptions(talk_seconds=300.0), report=False, progress=False)
    corpus = Corpus(tmp_path / "K")
    assert corpus.names() == ["talk_000", "Mtalk_000"]
    texts = corpus.texts("talk_000")
    first = max(0.0, speaker.cues[0].start - 1.0)
    words = [word for cue in speaker.cues for word in cue.words]
    told = [word for text in texts for word in text.words]
    assert [word.text for word in told] == [word.text for word in words]
    assert {word.source for word in told} == {"given"}
    np.testing.assert_allclose([word.start for word in told], [word.start - first for word in words], atol=0.026)
    assert all(a.end <= b.start for a, b in pairwise(texts))
    frames = len(corpus.features("talk_000"))
    assert frames == pytest.approx(20 * (min(speaker.cues[-1].end + 1.0, speaker.truth.seconds) - first), abs=3)
    build_corpus(sources, tmp_path / "K", options=BuildOptions(talk_seconds=10.0), report=False, progress=False)
    assert len(Corpus(tmp_path / "K").names()) > 2
    with pytest.raises(ConfigError, match="talk_seconds"):
        BuildOptions(talk_seconds=5.0)
