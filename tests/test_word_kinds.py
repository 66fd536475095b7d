"""Words heard as kinds of gestures: learned from words alone, by labels or by how strokes look, and then kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_corpus import smooth_clip

from ktube_motion.errors import ConfigError, DataError
from ktube_motion.features import feature_stats
from ktube_motion.gpt import TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.text import NUM_TIMES
from ktube_motion.training import TransformerTraining, teach_words, train_transformer
from ktube_motion.training._speech import SpeechSet
from ktube_motion.training._word_kinds import _kinds_of_strokes, teach_kinds
from ktube_motion.types import Utterance, Word
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SMALL = TransformerConfig(width=32, num_layers=1, num_heads=4, block_size=13, word_past=2, word_ahead=3)
LOOP = {"steps": 4, "batch_size": 8, "learning_rate": 1e-3, "warmup": 2, "evaluate_every": 4, "save_every": 2,
        "tracker": None}  # fmt: skip
#: Words of two gestures, and words of none; the last of each row is in no talk of the training.
WAVE, POINT, PLAIN = ("가", "가요", "가서"), ("나", "나요", "나서"), ("다", "다요", "다서")


class Families:
    """Vectors of words by their first letter, with something of their own."""

    dim, identity = 16, "families"

    def encode(self, texts):
        return torch.stack([self._of(text) for text in texts])

    encode_words = encode

    def _of(self, text):
        own = torch.Generator().manual_seed(sum(map(ord, text)))
        family = torch.zeros(16)
        family["가나다".find(text[0])] = 1.0
        return torch.nn.functional.normalize(family + 0.1 * torch.randn(16, generator=own), dim=0)


def talk(rng, count=30):
    """Say words half a second apart; give the utterance, and the gestures on them."""
    every = [*WAVE[:2], *POINT[:2], *PLAIN[:2], *PLAIN[:2]]
    said = [every[place] for place in rng.integers(len(every), size=count)]
    words = tuple(Word(0.5 * k, 0.5 * k + 0.4, text) for k, text in enumerate(said))
    names = {"가": "wave", "나": "point"}
    marks = [(word.start, word.end, names[word.text[0]]) for word in words if word.text[0] in names]
    return Utterance(0.0, words[-1].end, " ".join(said), words), marks


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    corpus, rng = Corpus.create(tmp_path_factory.mktemp("kinds") / "K"), np.random.default_rng(0)
    gestures = {}
    for name in ("a", "b", "held"):
        utterance, gestures[name] = talk(rng)
        corpus.add_clip(name, features=smooth_clip(300, rng), texts=[utterance])
    corpus.write_splits({"train": ["a", "b"], "val": ["held"]})
    corpus.write_stats(feature_stats([corpus.features(name) for name in corpus.names()]))
    return corpus, gestures


@pytest.fixture(scope="module")
def tokenizer(talks):
    torch.manual_seed(0)
    return MotionTokenizer(TokenizerConfig(width=16, code_dim=8, num_codes=8, depth=1), talks[0].stats).eval()


ENCODER = Families()


def train(corpus, tokenizer, folder, *, kinds=0, words=ENCODER, **given):
    config = TransformerTraining(
        **LOOP | {"steps": given.pop("steps", 4)}, transformer=replace(SMALL, word_kinds=kinds)
    )
    return train_transformer(
        config, corpus, folder, tokenizer=tokenizer, text_encoder=Families(),
        word_encoder=words, progress=False, **given,
    )  # fmt: skip


def kind_of(model, *texts):
    vectors = torch.cat((Families().encode(texts), torch.zeros(1, Families.dim)))
    return model.hearing.kinds(vectors).argmax(1).tolist()


def test_words_never_heard_are_of_the_kind_of_those_like_them(talks, tokenizer, tmp_path):
    corpus, gestures = talks
    model = train(corpus, tokenizer, tmp_path, gestures=gestures)
    assert model.config.word_kinds == 3
    assert model.config.gestures == ("point", "wave")
    assert model.config.word_dim == Families.dim + NUM_TIMES
    # None is the first, the others are in the order of their names: point, wave. Silence, at last, calls for nothing.
    assert kind_of(model, WAVE[2], POINT[2], PLAIN[2]) == [2, 1, 0, 0]
    half = 0.3 * Families().encode(WAVE[2:])
    torch.testing.assert_close(model.hearing.kinds(half), model.hearing.kinds(half / 0.3))


def test_what_words_call_for_is_kept(talks, tokenizer, tmp_path):
    corpus, gestures = talks
    model = train(corpus, tokenizer, tmp_path / "a", gestures=gestures)
    other = train(corpus, tokenizer, tmp_path / "b", gestures=gestures, steps=8)
    further = train(corpus, tokenizer, tmp_path / "c", gestures=gestures, start=model)
    for name, weight in model.hearing.kinds.state_dict().items():
        assert torch.equal(weight, other.hearing.kinds.state_dict()[name]), name
        assert torch.equal(weight, further.hearing.kinds.state_dict()[name]), name
    assert not torch.equal(model.hearing.words.weight, further.hearing.words.weight)


#: Sentences whose words call for what others call for in the talks: "다" for waving, "가" for nothing.
OTHERWISE = [
    ("다 가  나", [("wave", 0, 1), ("point", 5, 6)]),
    ("다요 가요 나요", [("wave", 0, 2), ("point", 6, 8)]),
] * 4


def test_sentences_teach_what_words_call_for(talks, tokenizer, tmp_path):
    corpus, gestures = talks
    model = train(corpus, tokenizer, tmp_path / "a", gestures=gestures)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    teach_words(model, Families(), OTHERWISE, progress=False)
    assert kind_of(model, WAVE[2], POINT[2], PLAIN[2]) == [0, 1, 2, 0]
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) != name.startswith("hearing.kinds."), name
    again, eager = (train(corpus, tokenizer, tmp_path / "a", gestures=gestures, resume=True) for _ in range(2))
    teach_words(again, Families(), OTHERWISE, progress=False)
    teach_words(eager, Families(), OTHERWISE, eagerness=1.5, progress=False)
    assert torch.equal(again.hearing.kinds.out.bias, model.hearing.kinds.out.bias)
    apart = model.hearing.kinds.out.bias - eager.hearing.kinds.out.bias
    torch.testing.assert_close(apart, torch.tensor([1.5, 0.0, 0.0]))
    further = train(corpus, tokenizer, tmp_path / "b", kinds=3, start=model)
    assert further.config.gestures == ("point", "wave")
    assert kind_of(further, WAVE[2], POINT[2], PLAIN[2]) == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ([("가 나", [("dance", 0, 1)])], ConfigError, "knows no such gesture"),
        ([("가 나", [("wave", 2, 4)])], DataError, "outside its sentence"),
        ([("가 나", [("wave", 1, 1)])], DataError, "outside its sentence"),
        ([], DataError, "no sentence"),
        ([(" ", [])], DataError, "no sentence"),
    ],
)
def test_sentences_that_teach_nothing(talks, tokenizer, tmp_path, texts, error, message):
    corpus, gestures = talks
    model = train(corpus, tokenizer, tmp_path, gestures=gestures)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(error, match=message):
        teach_words(model, Families(), texts, progress=False)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_who_cannot_be_taught(talks, tokenizer, tmp_path):
    corpus, gestures = talks
    nameless = train(corpus, tokenizer, tmp_path / "a", kinds=4)
    plain = train(corpus, tokenizer, tmp_path / "b")
    for model in (nameless, plain):
        with pytest.raises(ConfigError, match="kinds of gestures that have names"):
            teach_words(model, Families(), OTHERWISE, progress=False)
    named = train(corpus, tokenizer, tmp_path / "c", gestures=gestures)
    other = Families()
    other.identity = "another"
    with pytest.raises(ConfigError, match="another word encoder"):
        teach_words(named, other, OTHERWISE, progress=False)
    others = {clip: [(*mark[:2], mark[2].upper()) for mark in marks] for clip, marks in gestures.items()}
    with pytest.raises(ConfigError, match="knows other gestures"):
        train(corpus, tokenizer, tmp_path / "d", gestures=others, start=named)
    with pytest.raises(ConfigError, match="vectors of another word encoder"):
        train(corpus, tokenizer, tmp_path / "d", gestures=gestures, start=named, words=other)
    for names in (("wave",), ("wave", "wave"), ("", "wave"), (1, 2)):
        with pytest.raises(ConfigError, match=r"[Nn]ame"):
            replace(named.config, gestures=names)
    named.save_pretrained(tmp_path / "saved")
    assert type(named).from_pretrained(tmp_path / "saved").config == named.config


def test_what_was_stopped_goes_on_alike(talks, tokenizer, tmp_path, monkeypatch):
    corpus, gestures = talks
    whole = train(corpus, tokenizer, tmp_path / "whole", gestures=gestures)
    train(corpus, tokenizer, tmp_path / "parts", gestures=gestures, steps=2)
    monkeypatch.setattr("ktube_motion.training._speaking.teach_kinds", None)  # what words call for is known already
    parts = train(corpus, tokenizer, tmp_path / "parts", gestures=gestures, resume=True)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, parts.state_dict()[name]), name


def test_kinds_of_strokes_need_no_labels(talks):
    """Two ways of moving that alternate, one on each family of words: found without being named."""
    corpus, _ = talks
    speech = SpeechSet(
        corpus, {"a": np.zeros(75, int), "b": np.zeros(75, int)}, Families(),
        replace(SMALL, word_dim=Families.dim + NUM_TIMES), tokens_per_second=5.0,
    )  # fmt: skip
    from ktube_motion.gpt import MotionTransformer

    looks, strokes = {"가": 0.0, "나": 5.0}, {}
    for name in ("a", "b"):
        (reading,) = speech.readings[name]
        moving = [k for k, word in enumerate(reading.given) if word.text[0] in looks]
        near = tuple(np.array([moving.index(k)] if k in moving else [], int) for k in range(len(reading.given)))
        idle = np.array([k not in moving for k in range(len(reading.given))])
        speech.readings[name] = [replace(reading, idle=idle, plain=idle, near=near)]
        strokes[name] = [looks[reading.given[k].text[0]] for k in moving]
    rng = np.random.default_rng(1)
    seen = {
        name: np.array(values)[:, None] + 0.1 * rng.normal(size=(len(values), 30)) for name, values in strokes.items()
    }
    kinds = _kinds_of_strokes(seen, 3, seed=0)
    for name, values in strokes.items():
        assert len({(kind, value) for kind, value in zip(kinds[name].tolist(), values, strict=True)}) == 2
    model = MotionTransformer(replace(SMALL, word_dim=Families.dim + NUM_TIMES, word_kinds=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ktube_motion.training._word_kinds._looks", lambda corpus, clip, strokes: seen[clip])
        teach_kinds(model.hearing.kinds, speech, corpus, progress=False)
    wave, point, plain, silence = kind_of(model, WAVE[2], POINT[2], PLAIN[2])
    assert (plain, silence) == (0, 0)
    assert {wave, point} == {1, 2}


def test_training_by_strokes_alone(talks, tokenizer, tmp_path):
    corpus, _ = talks
    model = train(corpus, tokenizer, tmp_path, kinds=4)
    assert model.hearing.kinds.out.weight.shape == (4, 32)


def test_what_cannot_be(talks, tokenizer, tmp_path):
    corpus, gestures = talks
    with pytest.raises(ConfigError, match="fewer strokes than kinds"):
        train(corpus, tokenizer, tmp_path / "a", kinds=5000)
    with pytest.raises(ConfigError, match="No clip of the training"):
        train(corpus, tokenizer, tmp_path / "b", gestures={"held": gestures["held"], "nobody": gestures["a"]})
    for given in ({"kinds": 4}, {"gestures": gestures}):
        with pytest.raises(ConfigError, match="Give a word_encoder"):
            train(corpus, tokenizer, tmp_path / "c", words=None, **given)
