"""Korean put otherwise without a wrong form: endings conjugated by Kiwi, particles left out, words that may be missing.

Every change is analysed again; where the new text does not hold the same words, the old one stays.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from ._tagging import load_kiwi, readable

if TYPE_CHECKING:
    from kiwipiepy import Token

__all__ = ["ENDINGS", "droppable_particles", "droppable_words", "may_move", "with_ending", "without_particle"]

#: The levels of speech of a statement: 해요, 합니다, 해, 한다.
ENDINGS = ("어요", "습니다", "어", "는다")

_PARTICLES = {"을": "JKO", "를": "JKO", "이": "JKS", "가": "JKS", "은": "JX", "는": "JX"}  # speech leaves these out
_BEFORE_PARTICLE = ("NNG", "NNP", "NNB", "NP", "XSN", "SL", "SN", "XR")
_NOT_ALONE = ("내", "제", "네", "누", "지", "얘", "걔", "쟤", "단둘")  # 내가 without 가 is “my”
_SIGNS = ("SF", "SP", "SS", "SSO", "SSC", "SE", "SO", "SW", "W_EMOJI")
_QUESTIONS = (
    "까 까요 니 냐 나 나요 가 가요 은가 은가요 는가 는가요 ᆫ가 ᆫ가요 ᆯ까 ᆯ까요 을까 을까요 습니까 ᆸ니까 느냐 으냐 으니 "
    "는지 ᆫ지 을지 ᆯ지 ᆯ래 ᆯ래요 을래 을래요 던가 지 죠 지요"
).split()
# Auxiliaries conjugated as verbs; 싶 and its kind as adjectives; 않 and 못하 as what they deny. Others stay.
_VERBS = ("주", "드리", "보", "버리", "놓", "두", "내", "가", "오", "대", "나", "지", "하", "나가", "가지")
_ADJECTIVES = ("싶", "만하", "듯하", "뻔하", "법하")
_DENIALS = ("않", "못하")
_BOUND = ("NNB", "VX", "VCP", "JX", "XSV", "XSA", "XSN")


@lru_cache(maxsize=4096)
def _analyse(text: str) -> list["Token"]:
    return load_kiwi().tokenize(readable(text))


def _base(morpheme: "Token") -> str:
    return morpheme.tag.partition("-")[0]


# -- Endings ---------------------------------------------------------------------------------------


def with_ending(text: str, ending: str) -> str:
    """Conjugate the last verb of a statement anew.

    Parameters
    ----------
    text : str
    ending : str
        One of `ENDINGS`.

    Returns
    -------
    text : str
        The same, where the text does not end with a statement, or the form is not sure.

    Notes
    -----
    Kiwi's `join` conjugates. 있다, 없다, adjectives, 이다 and verbs with 었 or 겠 take 다 where others take 는다; 이다
    and 아니다 take 에요 and 야. Left alone: questions, 말다 (가지 마세요), 안녕하다, and what does not come back as
    the same morphemes.

    Examples
    --------
    >>> [with_ending("왼손을 들고 있어요.", ending) for ending in ENDINGS]
    ['왼손을 들고 있어요.', '왼손을 들고 있습니다.', '왼손을 들고 있어.', '왼손을 들고 있다.']
    """
    morphemes = _analyse(text)
    last = _final_ending(morphemes)
    if last is None or "?" in text:
        return text
    begin = max(text.rfind(mark, 0, morphemes[last].start) for mark in " \t\n") + 1
    first = next(i for i, morpheme in enumerate(morphemes) if morpheme.end > begin)
    word = [(x.form, x.tag) for x in morphemes[first:last]]
    end = _end_with_yo(morphemes, last)
    new = _fitting(morphemes, last, ending)
    if (
        new is None
        or not word
        or word[0][1] == "VCP"
        or morphemes[first].start < begin
        or not _rebuilds(text[begin:end], morphemes, first, last)
    ):
        return text
    written = load_kiwi().join([*word, (new, "EF")])
    if morphemes[last - 1].tag == "VCP" and last > 1:
        written = _contracted(written, morphemes[last - 2].form)
    changed = text[:begin] + written + text[end:]
    return changed if _says_the_same(changed, morphemes, last) else text


def _contracted(written: str, noun: str) -> str:
    """Write 거예요 and 겁니다 as the spelling rules want them; Kiwi joins 거에요 and 거입니다."""
    if written.endswith("거입니다"):
        return written.removesuffix("거입니다") + "겁니다"
    vowel = "가" <= noun[-1] <= "힣" and (ord(noun[-1]) - 0xAC00) % 28 == 0
    return written.removesuffix("에요") + "예요" if vowel and written.endswith(f"{noun[-1]}에요") else written


def _final_ending(morphemes: Sequence["Token"]) -> int | None:
    """Find the final ending behind which only 요 and signs come."""
    for i in range(len(morphemes) - 1, -1, -1):
        tag = morphemes[i].tag
        if tag == "EF":
            return i if i and morphemes[i].form not in _QUESTIONS else None
        if not (tag in _SIGNS or (tag == "JX" and morphemes[i].form == "요")):
            return None
    return None


def _end_with_yo(morphemes: Sequence["Token"], last: int) -> int:
    following = morphemes[last + 1] if last + 1 < len(morphemes) else None
    if following is not None and following.form == "요" and following.start == morphemes[last].end:
        return following.end
    return morphemes[last].end


def _fitting(morphemes: Sequence["Token"], last: int, ending: str) -> str | None:
    """Give the form of `ending` that the stem takes; None if that is not sure."""
    i = last - 1
    tense = False
    while i >= 0 and morphemes[i].tag == "EP":
        tense = tense or morphemes[i].form not in ("시", "으시")
        i -= 1
    if i < 0:
        return None
    kind = _kind(morphemes, i)
    if kind is None:
        return None
    if kind == "copula" and not tense:
        plain = i == last - 1
        return {"어요": "에요" if plain else "어요", "습니다": "습니다", "어": "야" if plain else "어", "는다": "다"}[
            ending
        ]
    return "다" if ending == "는다" and (tense or kind != "verb") else ending


def _kind(morphemes: Sequence["Token"], i: int) -> str | None:
    """Say whether a stem conjugates as a verb, an adjective or the copula; None if that is not sure."""
    morpheme, tag = morphemes[i], _base(morphemes[i])
    before = morphemes[i - 1] if i else None
    if morpheme.form in ("말", "마") or (before is not None and before.form == "안녕"):
        return None
    if tag in ("VCP", "VCN"):
        return "copula"
    if morpheme.form in ("있", "없", "계시") or tag in ("VA", "XSA"):
        return "adjective" if morpheme.form != "계시" else "verb"
    if tag in ("VV", "XSV"):
        return "verb"
    if tag != "VX" or before is None:
        return None
    if morpheme.form in _ADJECTIVES:
        return "adjective"
    if morpheme.form in _DENIALS:
        main = next(
            (k for k in range(i - 1, -1, -1) if _base(morphemes[k]) in ("VV", "VA", "XSV", "XSA", "VX", "VCP")), None
        )
        return None if main is None else _kind(morphemes, main)
    return (
        "verb" if morpheme.form in _VERBS and before.tag == "EC" and before.form in ("어", "고", "아", "어다") else None
    )


def _rebuilds(surface: str, morphemes: Sequence["Token"], first: int, last: int) -> bool:
    """Does Kiwi write this word as it stands there? Else something in it is not as it was read."""
    tail = [
        (x.form, x.tag) for x in morphemes[last + 1 : last + 2] if x.form == "요" and x.start == morphemes[last].end
    ]
    return load_kiwi().join([*((x.form, x.tag) for x in morphemes[first : last + 1]), *tail]) == surface


def _says_the_same(changed: str, morphemes: Sequence["Token"], last: int) -> bool:
    """Are the morphemes up to the ending those they were?"""
    again = [(x.form, _base(x)) for x in _analyse(changed)]
    before = [(x.form, _base(x)) for x in morphemes[:last]]
    return again[:last] == before and len(again) > last and again[last][1] in ("EF", "EC")


# -- Particles and words ---------------------------------------------------------------------------


def droppable_particles(text: str) -> list[tuple[int, int]]:
    """Give (start, end) of the particles that speech leaves out.

    Examples
    --------
    >>> droppable_particles("내가 왼손을 들어요")
    [(5, 6)]
    """
    morphemes, places = _analyse(text), []
    for before, morpheme in pairwise(morphemes):
        fits = _PARTICLES.get(morpheme.form) == morpheme.tag and text[morpheme.start : morpheme.end] == morpheme.form
        free = morpheme.end == len(text) or not text[morpheme.end].isalnum()
        noun = before.tag in _BEFORE_PARTICLE and before.end == morpheme.start
        noun = noun and text[: morpheme.start].rsplit(" ", 1)[-1] not in _NOT_ALONE
        if fits and free and noun:
            places.append((morpheme.start, morpheme.end))
    return places


def without_particle(text: str, place: tuple[int, int]) -> str:
    """Leave one particle out, unless the rest would then read as other words.

    Examples
    --------
    >>> without_particle("왼손을 들어요", (2, 3))
    '왼손 들어요'
    """
    changed = text[: place[0]] + text[place[1] :]
    kept = [(x.form, _base(x)) for x in _analyse(text) if x.start != place[0] or x.end != place[1]]
    return changed if [(x.form, _base(x)) for x in _analyse(changed)] == kept else text


def droppable_words(text: str) -> list[int]:
    """Give the numbers of the words that may be missing: none that others lean on, as 수 in 할 수 있다.

    Examples
    --------
    >>> droppable_words("왼손을 높이 들 수 있어요"), droppable_words("왼손을 위로 올립니다")
    ([0, 1], [0, 1, 2])
    """
    words, starts, place = text.split(" "), [], 0
    for word in words:
        starts.append(place)
        place += len(word) + 1
    heads = {morpheme.start: _base(morpheme) for morpheme in reversed(_analyse(text))}
    bound = [heads.get(start, "") in _BOUND for start in starts]
    bound = [here or (i > 0 and heads.get(starts[i - 1], "") == "NNB") for i, here in enumerate(bound)]
    leaning = [i + 1 < len(words) and bound[i + 1] for i in range(len(words))]
    ends = {morpheme.end: morpheme.tag for morpheme in _analyse(text)}
    carried = [i > 0 and ends.get(starts[i] - 1) in ("ETM", "MM", "JKG") for i in range(len(words))]
    return [i for i in range(len(words)) if not (bound[i] or leaning[i] or carried[i])]


def may_move(clause: str) -> bool:
    """Can this clause, which stands before a comma, stand at the end as well? A part of a list cannot.

    Examples
    --------
    >>> may_move("신나게"), may_move("왼손")
    (True, False)
    """
    morphemes = _analyse(clause)
    return bool(morphemes) and morphemes[-1].tag in ("EC", "EF", "MAG", "XSM", "IC", "JKB")
