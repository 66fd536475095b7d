"""How a Korean reads aloud what is written in digits, signs and Latin letters."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from ._latin import read_latin

__all__ = ["count_syllables", "read_aloud", "read_words_aloud"]


def read_aloud(text: str) -> str:
    """Write a text as it is read aloud: numbers, units, signs and Latin letters in Hangul.

    Parameters
    ----------
    text : str

    Returns
    -------
    text : str
        As many words as before, with the same spaces; what nobody reads out stays as it is.

    Notes
    -----
    Numbers are Sino-Korean (28일), native before a counter that wants it (5개, 3시), digit by digit in telephone
    numbers and after the point. Where two readings are usual, one is taken: 3번 is 세번, 3-5 is 삼에서오.

    Examples
    --------
    >>> read_aloud("2026년 11월 28일 3시 30분, 사과 5개는 1,000원")
    '이천이십육년 십일월 이십팔일 세시 삼십분, 사과 다섯개는 천원'
    >>> read_aloud("AI가 3.5% 늘었고 010-1234-5678로 전화")
    '에이아이가 삼점오퍼센트 늘었고 공일공일이삼사오육칠팔로 전화'
    """
    words = re.split(r"(\s+)", text)
    words[::2] = read_words_aloud(words[::2])
    return "".join(words)


def read_words_aloud(words: Sequence[str]) -> list[str]:
    """Read each word aloud, as `read_aloud` does; a number looks at the next word for its counter: 5 개."""
    plain = ["".join(map(_plain, unicodedata.normalize("NFC", word))) for word in words]
    following = [*plain[1:], ""]
    return [_read_word(word, after) for word, after in zip(plain, following, strict=False)]


def _read_word(word: str, following: str) -> str:
    return _PIECE.sub(lambda match: _read(match, following), word)


def _plain(letter: str) -> str:
    """Write a sign as the letters it stands for: ㎏, ％, ². Single jamo stay: they would no longer be letters."""
    if "\u3130" <= letter <= "\u318f":
        return letter
    return "".join(unicodedata.normalize("NFKC", letter).replace("\u2044", "/").split())


def count_syllables(word: str) -> float:
    """Count the syllables of a word that has been read aloud; letters of other scripts count half."""
    return sum(
        _SYLLABLE.fullmatch(letter) is not None or 0.5 * letter.isalpha() for letter in word if not _silent(letter)
    )


def _silent(letter: str) -> bool:
    return "\u1100" <= letter <= "\u11ff" or "\u3130" <= letter <= "\u318f"  # single jamo: laughter, ㅋㅋㅋ


_SYLLABLE = re.compile("[가-힣\u3041-\u30ff\u4e00-\u9fff]")


# -- Numbers -------------------------------------------------------------------------------

_DIGITS = "영일이삼사오육칠팔구"
_SPOKEN_DIGITS = str.maketrans("0123456789", "공일이삼사오육칠팔구")
_PLACES = ("", "십", "백", "천")
_MYRIADS = ("", "만", "억", "조", "경", "해")
_NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")


def _sino(digits: str) -> str:
    """Read a whole number: 1234 is 천이백삼십사. One too long for any name, or with a leading zero, digit by digit."""
    if (digits[0] == "0" and len(digits) > 1) or len(digits) > 4 * len(_MYRIADS):
        return digits.translate(_SPOKEN_DIGITS)
    spoken = ""
    for place, myriad in enumerate(_MYRIADS):
        group = digits[-4 * place - 4 : -4 * place or None]
        said = "".join(
            _sino_digit(digit, unit) for digit, unit in zip(group, reversed(_PLACES[: len(group)]), strict=True)
        )
        if said:
            spoken = ("" if (said, myriad) == ("일", "만") else said) + myriad + spoken
    return spoken or "영"


def _sino_digit(digit: str, unit: str) -> str:
    if digit == "0":
        return ""
    return unit if digit == "1" and unit else _DIGITS[int(digit)] + unit


def _native(number: int) -> str:
    tens, ones = divmod(number, 10)
    return "스무" if number == 20 else _NATIVE_TENS[tens] + _NATIVE_ONES[ones]


# Counters that take native numerals, and longer words that begin like one of them but do not.
_NATIVE = (
    "가닥 가락 가지 갈래 개 걸음 고개 곡 곳 공기 군데 권 그루 그릇 꼬집 다발 단어 달 대 덩이 동 두름 마디 마리 마을 "
    "명 모금 모 문장 바구니 바퀴 박스 발 발자국 발짝 방울 배 번 번째 벌 병 봉지 뼘 사람 살 상자 송이 수저 술 스푼 "
    "시 시간 쌍 알 자루 자리 잔 장 접시 조각 주먹 줄 줄기 차례 채 척 천막 초식 컵 켤레 큰술 통 톨 판 페어 포기 폭 "
    "필 한숨 해 "
)
_NOT_NATIVE = (
    "개국 개년 개사 개소 개월 개점 달러 대륙 동결 단계 단지 단 마일 번가 번길 번대 번지 번호 배럴 시리즈 시즌 장조 "
    "장짜리법 채널 초 통신 판사 해상도 모델 동안 동네 곡선 발표 "
)
_COUNTERS = sorted({*_NATIVE.split(), *_NOT_NATIVE.split()}, key=len, reverse=True)
_NATIVE_COUNTERS = set(_NATIVE.split())


def _with_counter(digits: str, after: str) -> str:
    """Read a whole number before its counter, which the text after it begins with."""
    counter = next((counter for counter in _COUNTERS if after.startswith(counter)), "")
    number = int(digits) if len(digits) < 3 else 100
    hours = counter == "시" and number > 12
    generation = counter == "대" and number % 10 == 0  # 20대
    if counter in _NATIVE_COUNTERS and 0 < number < 100 and not hours and not generation:
        return "첫" if (number, counter) == (1, "번째") else _native(number)
    if after.startswith("월") and number in (6, 10):
        return "유" if number == 6 else "시"
    return _sino(digits)


def _number(text: str, after: str = "") -> str:
    """Read a number with its sign, commas and point."""
    sign = {"-": "마이너스", "+": "플러스"}.get(text[0], "")
    whole, point, fraction = text.lstrip("+-").replace(",", "").partition(".")
    if not point:
        return sign + _with_counter(whole, after)
    return sign + _sino(whole) + "점" + fraction.translate(_SPOKEN_DIGITS).replace("공", "영")


# -- Units, signs, and what is read in a way of its own --------------------------------------

_UNITS = {
    "%p": "퍼센트포인트", "%": "퍼센트", "°c": "도", "°f": "도", "°": "도", "km/h": "킬로미터", "km2": "제곱킬로미터",
    "km": "킬로미터", "m2": "제곱미터", "m3": "세제곱미터", "m/s": "미터", "cm2": "제곱센티미터", "cm": "센티미터",
    "mm": "밀리미터", "m": "미터", "kg": "킬로그램", "mg": "밀리그램", "g": "그램", "t": "톤", "ml": "밀리리터",
    "l": "리터", "kcal": "킬로칼로리", "cal": "칼로리", "ghz": "기가헤르츠", "mhz": "메가헤르츠", "khz": "킬로헤르츠",
    "hz": "헤르츠", "kwh": "킬로와트시", "kw": "킬로와트", "w": "와트", "v": "볼트", "tb": "테라바이트",
    "gb": "기가바이트", "mb": "메가바이트", "kb": "킬로바이트", "db": "데시벨", "ms": "밀리초", "x": "배", "k": "케이",
}  # fmt: skip
_CURRENCIES = {"$": "달러", "₩": "원", "€": "유로", "£": "파운드", "¥": "엔"}
_SIGNS = {"%": "퍼센트", "&": "앤드", "@": "골뱅이", "+": "플러스", "=": "는", "×": "곱하기", "÷": "나누기", "#": "샵",
          **_CURRENCIES}  # fmt: skip
_UNIT = "|".join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))
_AMOUNT = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?![0-9])"
_PIECE = re.compile(
    rf"(?<![0-9-])(?P<telephone>0[0-9]{{1,2}}-[0-9]{{3,4}}-[0-9]{{4}}|1[0-9]{{3}}-[0-9]{{4}})(?![0-9-])"
    rf"|(?<![0-9.-])(?P<date>[12][0-9]{{3}}([-./])[0-9]{{1,2}}\3[0-9]{{1,2}})(?![0-9])"
    rf"|(?<![0-9:])(?P<clock>[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}})?)(?![0-9:])"
    rf"|(?<![0-9/])(?P<fraction>[0-9]+/[0-9]+)(?![0-9/])"
    rf"|(?P<dotted>[0-9]+(?:\.[0-9]+){{2,}})"
    rf"|(?P<price>[{''.join(_CURRENCIES)}]{_AMOUNT})"
    rf"|(?P<range>(?<=[0-9])[-~](?=[0-9])|(?<=[0-9%가-힣])~(?=[0-9]))"
    rf"|(?P<english>[2-9][DK])(?![A-Za-z0-9])"
    rf"|(?P<measure>(?:(?<![0-9A-Za-z가-힣])[-+])?{_AMOUNT})(?P<unit>(?![GMT](?![A-Za-z]))(?i:{_UNIT})(?![A-Za-z]))?"
    rf"|(?P<latin>[A-Za-z]++(?:['’][A-Za-z]++)?(?:[0-9]{{1,2}}(?![0-9,.]))?)"
    rf"|(?P<digits>[0-9]+)"
    rf"|(?P<sign>[{re.escape(''.join(_SIGNS))}])",
)


def _read(match: re.Match[str], following: str) -> str:
    """Read one piece of a word; `following` is the word after it."""
    kind, found = next((name, match[name]) for name in _KINDS if match[name] is not None)
    return _KINDS[kind](found, match, following)


def _read_date(found: str, match: re.Match[str], following: str) -> str:
    year, month, day = re.split(r"[-./]", found)
    return f"{_sino(year)}년{_with_counter(month.lstrip('0') or '0', '월')}월{_sino(day.lstrip('0') or '0')}일"


def _read_clock(found: str, match: re.Match[str], following: str) -> str:
    hour, minute, *second = [part.lstrip("0") or "0" for part in found.split(":")]
    spoken = f"{_with_counter(hour, '시')}시" + (f"{_sino(minute)}분" if minute != "0" else "")
    return spoken + "".join(f"{_sino(part)}초" for part in second)


def _read_fraction(found: str, match: re.Match[str], following: str) -> str:
    above, below = found.split("/")
    return f"{_sino(below)}분의{_sino(above)}"


def _read_measure(found: str, match: re.Match[str], following: str) -> str:
    if match["unit"]:
        return _number(found) + _UNITS[match["unit"].lower()]
    after = match.string[match.end() :]
    return _number(found, after or following)


def _read_price(found: str, match: re.Match[str], following: str) -> str:
    return _number(found[1:]) + _CURRENCIES[found[0]]


_KINDS: dict[str, Callable[[str, re.Match[str], str], str]] = {
    "telephone": lambda found, match, following: found.replace("-", "").translate(_SPOKEN_DIGITS),
    "date": _read_date,
    "clock": _read_clock,
    "fraction": _read_fraction,
    "dotted": lambda found, match, following: "점".join(map(_sino, found.split("."))),
    "price": _read_price,
    "range": lambda found, match, following: "에서",
    "measure": _read_measure,
    "latin": lambda found, match, following: read_latin(found),
    "english": lambda found, match, following: read_latin(found),
    "digits": lambda found, match, following: found.translate(_SPOKEN_DIGITS),
    "sign": lambda found, match, following: _SIGNS[found],
}
