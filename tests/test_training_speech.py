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
from ktube_motion.training._speech import SpeechSet, _carriers, _near, _recut, _scores
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


def with_strokes(corpus, *places):
    """Give the talk with strokes at some of its words, as if the hands had made them."""
    speech = SpeechSet(corpus, {"talk": np.arange(40) % 8}, Letters(), WRITER, tokens_per_second=5.0)
    (reading,) = speech.readings["talk"]
    plain = ~np.isin(np.arange(len(reading.given)), places)
    speech.readings["talk"] = [replace(reading, plain=plain, idle=plain)]
    speech._plain = reading.vectors[plain]
    return speech


def test_exchanged_words_are_those_without_a_stroke(corpus):
    speech = with_strokes(corpus, 1, 4)
    (whole,), seeds = speech.readings["talk"], range(8)
    speech.config = replace(WRITER, block_size=42)
    (given,) = speech.batch([("talk", 0)])["words"]
    said = speech.batch([("talk", 0)] * 8, seeds, exchanged=1.0)
    assert said["texts"] == [None] * 8
    kept = [round(2 + 5 * whole.given[place].start) for place in (1, 4)]
    for rows in said["words"]:
        assert torch.equal(rows[:, -NUM_TIMES:], given[:, -NUM_TIMES:])  # spoken when they were
        assert not torch.equal(rows, given)
        for row in kept:
            torch.testing.assert_close(rows[row + 1], given[row + 1])
    assert torch.equal(said["words"][3], speech.batch([("talk", 0)], [3], exchanged=1.0)["words"][0])


def test_in_another_rhythm_only_gesture_words_stay_where_they_are(corpus):
    speech = with_strokes(corpus, 1, 4)
    (reading,) = speech.readings["talk"]
    first = reading.given[0]
    seen, counts, rng = [], set(), np.random.default_rng(0)
    for _ in range(40):
        words, vectors = speech._reworded(reading, reading.given, 0.5, rng)
        assert len(words) == len(vectors)
        for place in (1, 4):
            (here,) = [k for k, word in enumerate(words) if word == reading.given[place]]
            assert torch.equal(vectors[here], reading.vectors[place])
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(words))  # in order, none over another
        before = [word for word in words if word.end <= reading.given[1].start]
        assert all(first.start <= word.start and word.end <= first.end + 1e-9 for word in before)
        counts.add(len(before))
        seen += [word.end - word.start for word in before]
    assert counts == {0, 1, 2}
    assert np.std(seen) > 0.03
    # Each vector is that of a word of the talk.
    assert {tuple(row) for row in vectors.tolist()} <= {tuple(row) for row in reading.vectors.tolist()}
    batch = speech.batch([("talk", 0)], [1], exchanged=0.5, rhythms=1.0)["words"]
    assert torch.equal(batch, speech.batch([("talk", 0)], [1], exchanged=0.5, rhythms=1.0)["words"])
    assert not torch.equal(batch[..., -NUM_TIMES:], speech.batch([("talk", 0)], [1], exchanged=0.5)["words"][..., -6:])


def test_a_stretch_is_cut_otherwise():
    rng = np.random.default_rng(0)
    cuts = [_recut(2.0, 5.0, 4, rng, silent=0.15) for _ in range(200)]
    assert {len(words) for words in cuts} >= {2, 3, 4, 5}
    assert min(words[0].start for words in cuts if words) == 2.0
    assert max(words[-1].end for words in cuts if words) == pytest.approx(5.0)
    assert all(a.end <= b.start + 1e-9 for words in cuts for a, b in pairwise(words))
    spoken = np.mean([sum(word.end - word.start for word in words) for words in cuts])
    assert spoken == pytest.approx(0.85 * 3.0, rel=0.05)


def test_the_word_that_carries_a_stroke_is_told_from_its_neighbours():
    sentences = ["정말 최고예요", "역시 최고예요", "정말 고마워요", "정말 늦었어요", "고작 최고예요"]
    talks = []
    for text in sentences:
        one = spoken(1.0, text)
        # 0.1 s before the second word's middle: near both.
        strokes = [1.35] if "최고예요" in text else []
        talks.append(([one], np.array(strokes)))
    scores = _scores(talks)
    assert scores["최고예요"] == pytest.approx(3 / 4)
    assert scores["정말"] == pytest.approx((1 + 0 + 0) / 4)
    assert scores["고작"] == pytest.approx(1 / 2)
    assert scores["고마워요"] == 0
    words = [(utterance.words, strokes) for (utterance,), strokes in talks]
    carried = [_carriers(said, [_near(word, strokes) for word in said], scores) for said, strokes in words]
    assert carried == [[False, True], [False, True], [False, False], [False, False], [False, True]]


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


def test_words_are_exchanged_in_training(corpus, tokenizer, tmp_path):
    ways = [{}, {"exchanged_words": 0.9}, {"exchanged_words": 0.9, "exchanged_rhythms": 1.0}]
    models = [train(corpus, tokenizer, tmp_path / str(k), **way) for k, way in enumerate(ways)]
    weights = [model.hearing.words.weight for model in models]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


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
    assert frames == pytest.approx(20 * (min(words[-1].end + 1.0, speaker.truth.seconds) - first), abs=3)
    build_corpus(sources, tmp_path / "K", options=BuildOptions(talk_seconds=10.0), report=False, progress=False)
    assert len(Corpus(tmp_path / "K").names()) > 2
    with pytest.raises(ConfigError, match="talk_seconds"):
        BuildOptions(talk_seconds=5.0)
