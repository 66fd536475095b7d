"""A text as a row of vectors, and the same said otherwise."""

import csv
import re
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError, FormatError
from ktube_motion.text import CachedTextEncoder, SequenceTextEncoder, TextAugmentation, TextEncoder, clean_texts
from ktube_motion.text._conjugation import ENDINGS, droppable_particles, with_ending, without_particle

NOTHING = {"paraphrase": 0, "ending": 0, "particle": 0, "order": 0, "missing": 0}
STYLE, ACTION = ("신나고 활기차게", "흥에 겨워서"), ("왼손을 들어 주세요", "왼팔을 올려요", "와, 이겼다!")


class LengthEncoder:
    """Counts letters and reads each text by itself."""

    dim, identity = 3, "length"

    def encode(self, texts):
        return torch.tensor([[len(text), text.count(" "), 1.0] for text in texts])


def test_rows_are_the_sentence_its_clauses_and_its_words():
    encoder = SequenceTextEncoder(LengthEncoder(), length=8)
    (rows,) = encoder.encode(["신나게, 왼손을 들어요!"])
    assert isinstance(encoder, TextEncoder)
    assert rows[:, 0].tolist() == [13, 3, 7, 3, 3, 3, 0, 0]
    assert rows[6:].any().item() is False
    assert encoder.encode([]).shape == (0, 8, 3)


def test_what_does_not_fit_is_averaged_not_cut():
    words = [f"{'가' * k}" for k in range(1, 10)]
    (rows,) = SequenceTextEncoder(LengthEncoder(), length=4).encode([" ".join(words)])
    parts = LengthEncoder().encode([" ".join(words), *words])
    assert torch.allclose(rows[1:].mean(0)[0], torch.stack([p.mean(0) for p in parts.tensor_split(3)]).mean(0)[0])
    assert rows.any(-1).all()


def test_words_as_a_dictionary_has_them():
    encoder = SequenceTextEncoder(LengthEncoder(), length=8, dictionary=True)
    (rows,) = encoder.encode(["신나게, 왼손을 흔들어 주세요!"])  # 신, 나다, 왼손, 흔들다: without 을 and 주세요
    assert rows[:, 0].tolist() == [17, 3, 11, 1, 2, 2, 3, 0]
    other, same = encoder.encode(["왼손을 흔듭니다", "왼손 흔들었어요"])
    assert torch.equal(other[2:], same[2:])
    (only,) = encoder.encode(["ㅋㅋ"])  # nothing is a word: as it is written
    assert only.any(-1).sum() == 3
    inner = LengthEncoder()
    inner.encode_states = inner.encode
    with pytest.raises(ConfigError, match="tokens of its own"):
        SequenceTextEncoder(inner, dictionary=True)


def test_only_signs_have_the_sentence_alone():
    (rows,) = SequenceTextEncoder(LengthEncoder(), length=4).encode(["!?"])
    assert rows.any(-1).tolist() == [True, False, False, False]


def test_sequences_are_cached(tmp_path):
    encoder = SequenceTextEncoder(LengthEncoder(), length=5)
    cached = CachedTextEncoder(encoder, tmp_path)
    texts = ["손을 든다", "발"]
    assert torch.equal(cached.encode(texts), encoder.encode(texts))
    assert torch.equal(cached.encode(texts[::-1]), encoder.encode(texts[::-1]))
    assert cached.length == 5
    assert cached.encode([]).shape == (0, 5, 3)


def test_sequence_options():
    with pytest.raises(ConfigError, match="from 2 on"):
        SequenceTextEncoder(LengthEncoder(), length=1)
    inner = LengthEncoder()
    inner.state_dim = 7
    with pytest.raises(ConfigError, match=r"3 numbers.*7"):
        SequenceTextEncoder(inner)
    with pytest.raises(DataError, match="blank"):
        SequenceTextEncoder(LengthEncoder()).encode([" "])


def only(**chances):
    return TextAugmentation([STYLE, ACTION], **NOTHING | chances)


def every(augmentation, text, count=200):
    return {augmentation(text, np.random.default_rng(k)) for k in range(count)}


def test_paraphrases_are_of_the_same_group():
    assert every(only(paraphrase=1), "왼손을 들어 주세요") == set(ACTION[1:])
    found = every(only(paraphrase=0.5), "신나고 활기차게, 와, 이겼다!")
    assert found == {f"{style}, {action}" for style in STYLE for action in ACTION}
    assert every(only(paraphrase=1), "모르는 말") == {"모르는 말"}


def test_each_rule_by_itself():
    text = "신나게, 왼손을 위로 올립니다"
    assert every(only(), text) == {text}
    assert every(only(order=1), text) == {"왼손을 위로 올립니다, 신나게"}
    assert every(only(particle=1), text) == {text}  # “왼손 위로” would be above the hand
    assert every(only(particle=1), "신나게, 왼손을 높이 올립니다") == {"신나게, 왼손 높이 올립니다"}
    verbs = ("올려요", "올립니다", "올려", "올린다")
    assert every(only(ending=1), text) == {f"신나게, 왼손을 위로 {verb}" for verb in verbs}
    assert every(only(missing=1), "왼손을 높이 올립니다") == {"왼손을 올립니다"}  # neither the hand nor the verb
    assert every(only(missing=1), "왼손을 위로 올립니다") == {"왼손을 위로 올립니다"}


def test_endings_keep_tense_and_leave_questions():
    assert "저요! 오른손 들었다" in every(only(ending=1), "저요! 오른손 들었어요")
    assert every(only(ending=1), "뛰어서 올까요?") == {"뛰어서 올까요?"}
    assert every(only(ending=1), "손") == {"손"}


@given(st.text(min_size=1), st.integers(0, 1000))
def test_any_text_stays_a_text(text, seed):
    augmentation = TextAugmentation([STYLE], missing=1, order=1, ending=1, particle=1)
    try:
        clean_texts([text])
    except DataError:
        assume(False)
    found = augmentation(text, np.random.default_rng(seed))
    assert found.strip() == found
    assert clean_texts([found]) == [found]


def test_forms_are_right():
    forms = {
        "여기 있어요": ("여기 있어요", "여기 있습니다", "여기 있어", "여기 있다"),
        "하고 싶어": ("하고 싶어요", "하고 싶습니다", "하고 싶어", "하고 싶다"),
        "제가 한다고요": ("제가 한다고요",) * 4,  # says what was said
        "제가 할게요": ("제가 할게요",) * 4,  # a promise
        "손을 드세요": ("손을 드세요",) * 4,  # 드십니다 would state it
        "왜 그래요": ("왜 그래요", "왜 그래요", "왜 그래", "왜 그래요"),
        "다 됐어요": ("다 됐어요", "다 됐습니다", "다 됐어", "다 됐다"),
        "좋지 않네요": ("좋지 않아요", "좋지 않습니다", "좋지 않아", "좋지 않다"),
        "가지 않네요": ("가지 않아요", "가지 않습니다", "가지 않아", "가지 않는다"),
        "손을 드는 거예요": ("손을 드는 거예요", "손을 드는 겁니다", "손을 드는 거야", "손을 드는 거다"),
        "고양이야": ("고양이예요", "고양이입니다", "고양이야", "고양이다"),
        "물을 부어요": ("물을 부어요", "물을 붓습니다", "물을 부어", "물을 붓는다"),
        "안녕하세요": ("안녕하세요",) * 4,
        "가지 마세요": ("가지 마세요",) * 4,
    }
    for text, expected in forms.items():
        assert tuple(with_ending(text, ending) for ending in ENDINGS) == expected


def test_particles_and_words_that_others_need_stay():
    assert every(only(particle=1), "내가 손을 들게요") == {"내가 손 들게요"}
    assert every(only(particle=1), "제가 왼손을 들어요") == {"제가 왼손 들어요"}
    assert every(only(particle=1), "내일이 좋아요") == {"내일이 좋아요"}
    assert every(only(missing=1), "손을 들 수 있어요") == {"손을 들 수 있어요"}
    assert every(only(missing=1), "안 가요 정말 왜 그래요") == {"안 가요 왜 그래요"}
    assert every(only(order=1), "왼손, 오른손을 들어요.") == {"왼손, 오른손을 들어요."}
    assert every(only(order=1), "네, 알겠어요.") == {"알겠어요, 네."}


def test_real_sentences_have_no_wrong_form(shared):
    with (shared / "data" / "korean" / "ChatbotData.csv").open(encoding="utf-8") as file:
        sentences = [row["A"] for row in islice(csv.DictReader(file), 0, None, 40)]
    wrong = re.compile(r"(?:있|없|싶|이)는다|다요(?=\W*$)|어요요|[가-힣]거에요|거입니다|(?<![가-힣])(?:내|제|네)(?= )")
    changed = [(text, with_ending(text, ending)) for text in sentences for ending in ENDINGS]
    changed += [(text, without_particle(text, place)) for text in sentences for place in droppable_particles(text)]
    assert sum(before != after for before, after in changed) > 200
    assert [after for before, after in changed if wrong.search(after) and not wrong.search(before)] == []


def test_numbers_and_addresses_stay_whole():
    encoder = SequenceTextEncoder(LengthEncoder(), length=8)
    for text in ("3.5% 올라요", "1,000원 내요", "www.naver.com 봐요"):
        (rows,) = encoder.encode([text])
        assert rows[1:4, 0].tolist() == [len(text), *map(len, text.split())]


def test_identity_tells_settings_and_wordings():
    assert only().identity == only().identity
    assert len({only().identity, only(order=1).identity, TextAugmentation([STYLE], **NOTHING).identity}) == 3


def test_table(tmp_path):
    path = tmp_path / "말.tsv"
    path.write_text("kind\tlabel\twording\nstyle\tactive\t신나게\nstyle\tactive\t활기차게\n", encoding="utf-8")
    say = TextAugmentation.from_table(path, also=[("style", "active", "흥겹게")], **NOTHING | {"paraphrase": 1})
    assert every(say, "신나게") == {"활기차게", "흥겹게"}
    path.write_text("kind\twording\nstyle\t신나게\n", encoding="utf-8")
    with pytest.raises(FormatError, match="label"):
        TextAugmentation.from_table(path)


def test_augmentation_options():
    with pytest.raises(ConfigError, match="missing is no chance"):
        TextAugmentation(missing=2)
    with pytest.raises(ConfigError, match="One text"):
        TextAugmentation([("손", "손")])
