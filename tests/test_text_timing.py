"""Reading aloud and estimating: what a Korean says for signs, and how long that takes."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError
from ktube_motion.samples import make_speaker
from ktube_motion.text import estimate_words, join_words, read_aloud, shift_words, speaking_seconds, timed_words
from ktube_motion.text._reading import count_syllables
from ktube_motion.types import Cue, Word


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("3.5%", "삼점오퍼센트"),
        ("0.05", "영점영오"),
        ("1,000원", "천원"),
        ("12,345", "만이천삼백사십오"),
        ("10000 110000 100000000", "만 십일만 일억"),
        ("1234567890123456789", "백이십삼경사천오백육십칠조팔천구백일억이천삼백사십오만육천칠백팔십구"),
        ("9" * 25, "구" * 25),
        ("0 00 007", "영 공공 공공칠"),
        ("010-1234-5678", "공일공일이삼사오육칠팔"),
        ("1588-1234로", "일오팔팔일이삼사로"),
        ("2026년 11월 28일", "이천이십육년 십일월 이십팔일"),
        ("6월 10월 16월", "유월 시월 십육월"),
        ("2026-06-05 2026.11.28", "이천이십육년유월오일 이천이십육년십일월이십팔일"),
        ("3시 30분", "세시 삼십분"),
        ("12시 13시 0시", "열두시 십삼시 영시"),
        ("3:05에 15:30", "세시오분에 십오시삼십분"),
        ("5개 1명 2마리 3장 4시간 6가지", "다섯개 한명 두마리 세장 네시간 여섯가지"),
        ("20살 21살 25명 99개 100개", "스무살 스물한살 스물다섯명 아흔아홉개 백개"),
        ("20대 3대", "이십대 세대"),
        ("3개월 3달 5달러 2번지 2번", "삼개월 세달 오달러 이번지 두번"),
        ("1번째 2번째", "첫번째 두번째"),
        ("5 개", "다섯 개"),
        (
            "10km 70kg 5cm 250ml 30㎡ 5㎏ 25℃",
            "십킬로미터 칠십킬로그램 오센티미터 이백오십밀리리터 삼십제곱미터 오킬로그램 이십오도",
        ),
        ("-5도 +3", "마이너스오도 플러스삼"),
        ("3~5 10-20%", "삼에서오 십에서이십퍼센트"),
        ("1/2", "이분의일"),
        ("$100 ₩5,000", "백달러 오천원"),
        ("1.2.3", "일점이점삼"),
        ("３．５％", "삼점오퍼센트"),
        ("AI LG PC", "에이아이 엘지 피씨"),
        ("YouTube iPhone ChatGPT", "유튜브 아이폰 챗지피티"),
        ("MP3 A4 3D 4K 5G", "엠피쓰리 에이포 쓰리디 포케이 오지"),
        ("smart simple game computer", "스마트 심플 게임 콤퍼터"),
        ("안녕하세요, 여러분!", "안녕하세요, 여러분!"),
        ("ㅋㅋㅋ 👋 —", "ㅋㅋㅋ 👋 —"),
        ("", ""),
    ],
)
def test_signs_as_koreans_read_them(written, spoken):
    assert read_aloud(written) == spoken


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.text("0123456789.,:/-~%$aAbzK 개시월kmgㅋ가", max_size=30))
def test_reading_aloud_keeps_the_words_and_leaves_no_digit_of_ours(text):
    spoken = read_aloud(text)
    assert len(spoken.split()) <= len(text.split())
    assert not set(spoken) & set("0123456789")
    assert all(count_syllables(word) >= 0 for word in spoken.split())


@pytest.mark.parametrize(
    "text", ["1" * 50_000, "1.1" * 20_000, "a" * 50_000, "1," * 30_000, "ab1" * 20_000, "1/" * 30_000]
)
def test_long_nonsense_is_read_in_no_time(text):
    assert read_aloud(text)


def test_rate_and_pauses_make_the_length():
    assert speaking_seconds("가나다라마바사아자차", syllables_per_second=5) == 2
    assert speaking_seconds("가나다, 라마바") > speaking_seconds("가나다 라마바") > speaking_seconds("가나다라마바")
    assert speaking_seconds("손을 들고 봅니다") > speaking_seconds("손을 들어 봅니다")
    assert speaking_seconds("좋아요. 가요") - speaking_seconds("좋아요 가요") == pytest.approx(1.9 / 5.5)
    assert speaking_seconds("1,234,567원") == speaking_seconds("백이십삼만사천오백육십칠원")
    assert speaking_seconds("") == 0
    for rate in (0, -1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="rate"):
            speaking_seconds("네", syllables_per_second=rate)


def test_an_estimate_spells_the_text_and_fills_the_time():
    words = estimate_words("오늘은 3.5% 올랐고, 내일은 모릅니다.", 1.0, 5.0)
    assert [word.text for word in words] == ["오늘은", "3.5%", "올랐고,", "내일은", "모릅니다."]
    assert {word.source for word in words} == {"estimated"}
    assert words[0].start == 1.0
    assert 4.7 < words[-1].end < 5.0
    syllable = (words[0].end - words[0].start) / 3
    assert words[1].end - words[1].start == pytest.approx(6 * syllable)
    assert words[3].start - words[2].end == pytest.approx(1.2 * syllable)


def test_what_leaves_too_much_time_is_said_at_its_beginning():
    words = estimate_words("네 알겠습니다", 10, 70)
    assert (words[0].start, words[-1].end) == (10, pytest.approx(10 + 6.1 / 2))


def test_ten_words_a_second_still_have_an_order_and_a_time():
    words = estimate_words("하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열", 0, 1)
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(word.end > word.start for word in words)
    assert times[-1] <= 1


@pytest.mark.parametrize(
    ("start", "end"), [(1, 1), (2, 1), (0, math.nan), (math.nan, 1), (0, math.inf), (-math.inf, 0)]
)
def test_no_time_to_speak_in(start, end):
    with pytest.raises(DataError, match="no time"):
        estimate_words("네", start, end)


def test_samples_say_their_words_when_estimated():
    """Half the words of the made-up speaker are within 60 ms, and no estimate is worse than equal shares."""
    errors, shares = [], []
    for seed in range(900, 904):
        for cue in make_speaker(seed=seed, person=seed % 2).cues:
            found = estimate_words(cue.text, cue.start, cue.end)
            step = cue.seconds / len(found)
            errors += [abs(word.start - true.start) for word, true in zip(found, cue.words, strict=True)]
            shares += [abs(cue.start + i * step - true.start) for i, true in enumerate(cue.words)]
    errors.sort(), shares.sort()
    assert errors[len(errors) // 2] < 0.06 < shares[len(shares) // 2]
    assert errors[len(errors) * 9 // 10] < 0.5 * shares[len(shares) * 9 // 10]


GIVEN = (Word(1.0, 1.5, "안녕하세요"), Word(1.6, 2.0, "여러분"))


@pytest.mark.parametrize(
    "words",
    [
        (GIVEN[1], GIVEN[0]),  # out of order
        (Word(1.0, 1.7, "안녕하세요"), Word(1.6, 2.0, "여러분")),  # overlapping
        (Word(0.5, 1.5, "안녕하세요"), GIVEN[1]),  # outside the cue
        (GIVEN[0], Word(1.6, 9.0, "여러분")),
        (GIVEN[0], Word(1.6, math.nan, "여러분")),
        GIVEN[:1],
        (GIVEN[0], Word(1.6, 2.0, "친구들")),
        (Word(1, 1, "안녕하세요"), Word(1, 1, "여러분")),
    ],
)
def test_words_that_cannot_be_right_are_estimated(words):
    cue = Cue(1, 3, "안녕하세요 여러분", words)
    assert timed_words(cue) == estimate_words(cue.text, 1, 3)
    assert timed_words(Cue(1, 3, "안녕하세요 여러분", GIVEN)) == GIVEN


def test_what_rounding_moves_is_in_order_and_inside():
    words = [Word(0.1 * k, 0.1 * k + 0.1, "네") for k in range(40)]
    assert any(later.start < word.end for word, later in pairwise(words))
    found = timed_words(Cue(0.005, 3.995, " ".join(["네"] * 40), tuple(words)))
    assert {word.source for word in found} == {"given"}
    times = [time for word in found for time in (word.start, word.end)]
    assert [0.005, *times, 3.995] == sorted([0.005, *times, 3.995])
    np.testing.assert_allclose([word.start for word in found[1:]], np.arange(1, 40) / 10, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8), st.integers(0, 5))
def test_words_without_a_time_of_their_own_get_one_in_order(steps, rest):
    time, words = 0.0, []
    for number, (gap, length) in enumerate(steps):
        words.append(Word(time + gap / 10, time + (gap + length) / 10, "가" * (number + 1)))
        time = words[-1].end
    cue = Cue(0, time + rest / 10 + 0.1, " ".join(word.text for word in words), tuple(words))
    found = timed_words(cue)
    assert [word.text for word in found] == cue.text.split()
    times = [time for word in found for time in (word.start, word.end)]
    assert [0, *times, cue.end] == sorted([0, *times, cue.end])
    assert all(word.end > word.start for word in found)
    alone = len(words) > 1 and all(word.end > word.start for word in words)
    assert not alone or found == tuple(words)


def test_pieces_are_joined_and_moved():
    pieces = (Word(0, 1, "안", "aligned"), Word(1, 2, "녕"), Word(3, 4, " 여러분 "))
    assert join_words("안녕 여러분", pieces) == (Word(0, 2, "안녕", "aligned"), Word(3, 4, "여러분"))
    assert join_words("안녕 여러", pieces) == ()
    assert [(w.start, w.end) for w in shift_words(pieces, -0.5, 2)] == [(0, 0.5), (0.5, 1.5), (2, 2)]
