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
# Final endings that state something; others promise, warn, wonder or exclaim, and would lose that.
_STATEMENTS = "다 ᆫ다 는다 어 아 야 네 군 구나 는구나 습니다 ᆸ니다 어요 아요 에요 예요 네요 군요 는군요".split()
_ORDERS = "세요 으세요 시어요 으시어요 셔요 십시오 으십시오 시오 어라 아라 거라 너라 세 으세 소서".split()
# Auxiliaries conjugated as verbs; 싶 and its kind as adjectives; 않 and 못하 as what they deny. Others stay.
_VERBS = ("주", "드리", "보", "버리", "놓", "두", "내", "가", "오", "대", "나", "지", "하", "나가", "가지")
_ADJECTIVES = ("싶", "만하", "듯하", "뻔하", "법하")
_DENIALS = ("않", "못하")
# Adverbs that carry what is said: without them it is another sentence.
_NEEDED = (
    "안 못 왜 어떻게 언제 어찌 얼마나 잘못 같이 함께 서로 따로 거의 별로 전혀 결코 아직 또 그만 덜 잘 그렇게".split()
)
_SPEAKERS = ("나", "저", "내", "제", "우리", "저희")
_DAYS = ("오늘", "내일", "어제", "모레", "지금", "요즘", "아침", "저녁", "밤", "주말")
_ASKING = ("왜", "어떻게", "뭐", "무엇", "누구", "어디", "언제", "얼마나", "몇", "무슨", "어느", "어떠하", "어떻")
_INTERROGATIVES = ("뭐", "무엇", "누구", "어디", "언제", "머")
_WORDS_AFTER = ("VV", "VA", "VX", "MAG", "VCP", "VCN")  # before these a noun without particle stays a subject or object


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
    and 아니다 take 에요 and 야. What asks for something (하세요) takes 어요 and 어 only, as 합니다 and 한다 would state
    it. Left alone: questions, promises and wonder (할게요, 하다니), reasons (하니까요), 말다 (가지 마세요), 안녕하다,
    and what does not come back as the same morphemes.

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
    new = _fitting(morphemes, last, ending) if _keeps_mood(text[begin:end], morphemes, last, ending) else None
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


def _keeps_mood(word: str, morphemes: Sequence["Token"], last: int, ending: str) -> bool:
    """Would the new ending still state, or ask for, what the old one does?"""
    honorific = morphemes[last - 1].tag == "EP" and morphemes[last - 1].form in ("시", "으시")
    if morphemes[last].form in _ORDERS or word.endswith(("세요", "셔요", "시오")):
        return honorific and ending in ("어요", "어")
    if ending not in ("어요", "어") and any(morpheme.form in _ASKING for morpheme in morphemes[:last]):
        return False  # 왜 그래요 asks without a question mark; 왜 그렇습니다 does not
    return morphemes[last].form in _STATEMENTS


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

    Only before a verb or an adverb: before another noun the two would read as one. Not behind what asks (어디가),
    behind days (내일이) and not the object of 나, 저 or 너.

    Examples
    --------
    >>> droppable_particles("내가 왼손을 들어요"), droppable_particles("제가 친구가 책을 읽는 것을 봐요")
    ([(5, 6)], [(8, 9), (14, 15)])
    """
    morphemes, places = _analyse(text), []
    for i, (before, morpheme) in enumerate(pairwise(morphemes), 1):
        fits = _PARTICLES.get(morpheme.form) == morpheme.tag and text[morpheme.start : morpheme.end] == morpheme.form
        free = morpheme.end < len(text) and not text[morpheme.end].isalnum() and _stays_apart(morphemes, i + 1)
        noun = before.tag in _BEFORE_PARTICLE and before.end == morpheme.start
        noun = noun and text[: morpheme.start].rsplit(" ", 1)[-1] not in _NOT_ALONE
        kept = before.form in _INTERROGATIVES + _DAYS or (before.tag == "NP" and morpheme.tag == "JKO")
        if fits and free and noun and not kept:
            places.append((morpheme.start, morpheme.end))
    return places


def _stays_apart(morphemes: Sequence["Token"], i: int) -> bool:
    """Is the word that begins with the i-th morpheme a verb, an adjective or an adverb?"""
    following = [_base(morpheme) for morpheme in morphemes[i : i + 2]]
    if following and following[0] in _WORDS_AFTER:
        return True
    return len(following) > 1 and following[0] in ("NNG", "XR") and following[1] in ("XSV", "XSA")


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
    """Give the numbers of the words that may be missing without the rest saying something else.

    Adverbs but those that carry the sense (안, 함께, 더), an exclamation, and a first word that means the speaker.
    Never verb, noun or adjective: a caption without its hand is another one, and 나쁜 생각 하지 마세요 without 나쁜,
    too.

    Examples
    --------
    >>> droppable_words("왼손을 높이 들 수 있어요"), droppable_words("저는 지금 큰 상자를 함께 들어요")
    ([1], [0, 1])
    """
    words, place, free = text.split(" "), 0, []
    morphemes = _analyse(text)
    for number, word in enumerate(words):
        inside = [morpheme for morpheme in morphemes if place <= morpheme.start < place + len(word)]
        behind = [_base(morpheme) for morpheme in morphemes if morpheme.start > place + len(word)]
        before = [_base(morpheme) for morpheme in morphemes if morpheme.start < place]
        if number + 1 < len(words) and _may_be_missing(inside, before, behind):
            free.append(number)
        place += len(word) + 1
    return free


def _may_be_missing(word: Sequence["Token"], before: Sequence[str], behind: Sequence[str]) -> bool:
    """Can this word be missing, with such morphemes around it?"""
    tags = [_base(morpheme) for morpheme in word if morpheme.tag not in _SIGNS]
    if not tags or not behind or (before and before[-1] in ("MAG", "MM")):
        return False
    if tags in (["MAG"], ["MAJ"]):
        return word[0].form not in _NEEDED
    if tags == ["IC"]:
        return True
    return not before and word[0].form in _SPEAKERS and tags in (["NP", "JX"], ["NP", "JKS"])


def may_move(clause: str) -> bool:
    """Can this clause, which stands before a comma, stand at the end as well? A part of a list cannot.

    Examples
    --------
    >>> may_move("신나게"), may_move("왼손")
    (True, False)
    """
    morphemes = _analyse(clause)
    return bool(morphemes) and morphemes[-1].tag in ("EC", "EF", "MAG", "XSM", "IC", "JKB")
