"""Left and right swapped in words, to go with a mirrored motion."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..io._characters import normalize_text
from ._tagging import load_kiwi, readable

if TYPE_CHECKING:
    from kiwipiepy import Token

__all__ = ["count_unmirrored", "mirror_text", "mirror_tokens"]

# What has a left and a right; behind 손 and 발 not words that only begin so.
_PARTS = (
    r"손(?!님|해|실|자[^국]|녀|상)|발(?!걸음|표|언|전|생|견|음|명|휘|달)|팔(?!월)|다리|무릎|어깨|뺨|볼(?!륨|링|펜)|눈(?!물|치)|귀(?!신|여)|주먹|"
    r"엄지|검지|중지|약지|새끼|허벅지|종아리|정강이|옆구리|엉덩이|골반|가슴|뒤꿈치|앞꿈치|발목|손목|팔꿈치|팔목|손가락|발가락|"
    r"손바닥|손등|겨드랑이|광대|눈썹|이마|콧구멍"
)
_PLACES = r"쪽|편|켠|짝|방향|방면|끝|모서리|구석|줄|칸"
_ATTACHED = rf"{_PARTS}|{_PLACES}|씨름|잡이|나사|배지기|날개|바퀴|차선|귀퉁이"
_PART = re.compile(_PARTS)
_OPPOSITE_SIDES = r"측|회전|상단|하단|편(?!함|물|집)|완|뇌|현(?!재|실)|익수|중간|향|심방|심실|반신|로(?![가-힣])"
_ALONE = r"(?<![가-힣]){}(?![가-힣])"
_SIDES = re.compile(
    rf"(?P<attached>(?:왼|오른)(?={_ATTACHED})|(?<![가-힣])바른(?=손(?!님)|발(?!음|표)|팔|편|쪽))"
    rf"|(?P<bare>(?<![가-힣])(?:왼|오른)(?=\s+[가-힣]))"
    r"|(?P<march>(?<![가-힣])(?:좌향좌|우향우))"
    r"|(?P<list>(?<![가-힣])[좌우](?:\s*[,·ㆍ‧・/→~-]\s*[좌우])+(?![가-힣](?<!로)(?<!측)(?<!에)(?<!를)(?<!을)))"
    rf"|(?P<side>(?<![가-힣])[좌우](?={_OPPOSITE_SIDES}))"
    r"|(?P<against>(?<![가-힣])(?<!반 )시계\s*반대(?=\s*방향))"
    r"|(?P<clock>(?<![가-힣])(?<!반 )반?시계(?=\s*방향))"
    r"|(?P<hanja>左右|右左|[左右])"
    r"|(?<![A-Za-z])(?:left|Left|LEFT|right|Right|RIGHT)(?![A-Za-z])"
    r"|(?<![A-Za-z])(?<!counter-)(?<!anti-)(?:(?:counter)?clockwise|C(?:ounterc)?lockwise)(?![A-Za-z])"
    r"|(?P<stuck>(?<![A-Za-z])(?:anti-?|counter-)clockwise(?![A-Za-z])|(?<![가-힣])반\s?시계\s*반대(?=\s*방향))",
    re.DOTALL,
)
_PAIRS = (
    ("왼", "오른"), ("좌", "우"), ("左", "右"), ("좌향좌", "우향우"), ("시계", "반시계"), ("left", "right"),
    ("Left", "Right"),     ("LEFT", "RIGHT"), ("clockwise", "counterclockwise"), ("Clockwise", "Counterclockwise"),
)  # fmt: skip
_OTHER_SIDE = dict(_PAIRS) | {right: left for left, right in _PAIRS} | {"바른": "왼", "시계반대": "시계"}
_SENTENCE_END = re.compile(r"(?<=[.?!…])\s+|\n+")


def mirror_text(text: str) -> str:
    """Swap left and right, to caption a mirrored motion.

    Parameters
    ----------
    text : str
        Korean or English, composed or decomposed; where it changes it comes back composed.

    Returns
    -------
    text : str

    Raises
    ------
    MissingDependencyError
        If a lone 왼 or 오른 stands in it and kiwipiepy is not installed.

    Notes
    -----
    Swapped: 왼손 ↔ 오른손 and every other side of the body, 왼쪽, 왼편, 왼켠, 좌측 ↔ 우측, 좌회전 ↔ 우회전, lists
    such as 좌, 우, 좌, 左 ↔ 右, 시계 방향 ↔ 반시계 방향, left ↔ right and clockwise ↔ counterclockwise as whole words.
    Not touched: 좌우, 우리, 좌석, 떠오른, 오른다. Before a space 왼 and 오른 are sides if what follows is a part of
    the body, or if the tagger says so: not in 많이 오른 편이에요, 배에 오른 손님.

    All sides of a sentence are swapped or none: none where one of them has no twin (anticlockwise) or would not be
    found again in the swapped sentence; `count_unmirrored` counts those. Mirroring twice gives the text
    back, but 바른손 comes back as 오른손, and 시계 반대 방향 as 반시계 방향.

    Examples
    --------
    >>> mirror_text("오른손을 들고 좌회전, 우리는 왼쪽을 봐요. Turn left!")
    '왼손을 들고 우회전, 우리는 오른쪽을 봐요. Turn right!'
    >>> mirror_text("왼 가슴에 오른 손을 올려요. 값이 많이 오른 편이에요.")
    '오른 가슴에 왼 손을 올려요. 값이 많이 오른 편이에요.'
    """
    return "".join(piece for piece, _ in _mirrored_sentences(text))


def count_unmirrored(text: str) -> int:
    """Count the sentences that name a side and are left as they are by `mirror_text`.

    Examples
    --------
    >>> count_unmirrored("Turn anti-clockwise. 왼손을 들어요.")
    1
    """
    return sum(left for _, left in _mirrored_sentences(text))


def _mirrored_sentences(text: str) -> list[tuple[str, bool]]:
    """Give each sentence mirrored, and whether it names sides and was left."""
    composed = normalize_text(text)
    if not _SIDES.search(composed):
        return [(text, False)]
    places = [match.end() for match in _SENTENCE_END.finditer(composed)]
    bounds = [0, *places, len(composed)]
    pieces = [composed[start:end] for start, end in pairwise(bounds)]
    mirrored = [_mirror_sentence(piece) for piece in pieces]
    changed = any(piece != before for (piece, _), before in zip(mirrored, pieces, strict=True))
    return mirrored if changed else [(text, any(left for _, left in mirrored))]


def _mirror_sentence(sentence: str) -> tuple[str, bool]:
    sides, stuck = _find_sides(sentence)
    if not sides:
        return sentence, stuck
    mirrored, again = _swap(sentence, sides)
    if stuck or [match.span() for match in _find_sides(mirrored)[0]] != again:
        return sentence, True
    return mirrored, False


def _swap(text: str, sides: Sequence[re.Match[str]]) -> tuple[str, list[tuple[int, int]]]:
    """Put the other side for each; give the text and where the sides now stand."""
    pieces, spans, place, length = [], [], 0, 0
    for match in sides:
        pieces.append(text[place : match.start()])
        other = _other(match[0])
        length += match.start() - place
        spans.append((length, length + len(other)))
        length += len(other)
        pieces.append(other)
        place = match.end()
    return "".join([*pieces, text[place:]]), spans


def _other(side: str) -> str:
    if "".join(side.split()) in _OTHER_SIDE:
        return _OTHER_SIDE["".join(side.split())]
    return side.translate(str.maketrans("좌우", "우좌"))  # a list


def _find_sides(sentence: str) -> tuple[list[re.Match[str]], bool]:
    """Give the matches that are sides, and whether one among them has no twin."""
    matches = [match for match in _SIDES.finditer(sentence) if match[0] not in ("左右", "右左")]
    sides = [match for match in matches if match["stuck"] is None]
    if any(match["bare"] for match in sides):
        tags = {token.start: token for token in reversed(load_kiwi().tokenize(readable(sentence)))}
        sides = [match for match in sides if not match["bare"] or _is_side(sentence, match, tags)]
    return sides, len(matches) > len(sides) and any(match["stuck"] for match in matches)


def _is_side(sentence: str, match: re.Match[str], tags: Mapping[int, "Token"]) -> bool:
    """Is a lone 왼 or 오른 a side? 왼 always; 오른 before a part of the body, or where the tagger sees no verb."""
    if match[0] == "왼":
        return True
    following = sentence[match.end() :].lstrip()
    part = _PART.match(following)
    if not (part or re.match(_PLACES, following)):
        return False
    places = sorted(tags)
    before = [tags[place].tag for place in places if place < match.start()][-1:]
    # 살이 오른 볼 and 많이 오른 편 have risen; 산에 오른 쪽 has climbed, but 가슴에 오른 손 has not.
    risen = before in ([["JKS"], ["MAG"]] if part else [["JKS"], ["MAG"], ["JKB"], ["JX"]])
    return not (risen and match.start() in tags and tags[match.start()].tag.startswith("VV"))


def mirror_tokens(tokens: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Swap left and right in (word, POS) pairs, as `mirror_text` does in the text they come from.

    A lone 왼, 오른, 좌 or 우 counts when it is no verb; 시계 counts before 방향.

    Examples
    --------
    >>> mirror_tokens([("오른", "DET"), ("손", "NOUN"), ("왼쪽", "NOUN"), ("오르다", "VERB")])
    [('왼', 'DET'), ('손', 'NOUN'), ('오른쪽', 'NOUN'), ('오르다', 'VERB')]
    """
    tokens = [(normalize_text(word), pos) for word, pos in tokens]
    words = [_mirror_word(tokens, i) for i in range(len(tokens))]
    return [(word, pos) for word, (_, pos) in zip(words, tokens, strict=True)]


def _mirror_word(tokens: Sequence[tuple[str, str]], i: int) -> str:
    word, pos = tokens[i]
    if word in ("왼", "오른", "좌", "우", "바른") and pos not in ("VERB", "ADJ", "OTHER"):
        return _OTHER_SIDE[word]
    if word in ("시계", "반시계") and any(later == "방향" for later, _ in tokens[i + 1 : i + 2]):
        return _OTHER_SIDE[word]
    return mirror_text(word)
