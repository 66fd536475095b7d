"""Speakers' names on lines of their own, above what they say."""

import re
from collections import Counter
from collections.abc import Iterable

__all__ = ["with_heads"]

_HEAD = re.compile(r"[\[(【〈《<「『〔〖{]\s*[^\[\](){}]{1,24}\s*[\])】〉》>」』〕〗}]\s*:?|[^:]{1,20}:")
_NAME = re.compile(r"\w{1,10}(?: \w{1,8}){0,2}")
_SHARE = 0.5  # of all subtitles


def with_heads(shown: Iterable[list[str]]) -> list[list[str]]:
    """Put labels that stand alone on the first line of a subtitle before its second line.

    Parameters
    ----------
    shown : iterable of list of str
        The lines of each subtitle.

    Returns
    -------
    shown : list of list of str

    Notes
    -----
    A head is in brackets or ends with a colon; or it is a plain name, where two or more of them recur over different
    lines and stand above half of all subtitles.

    Examples
    --------
    >>> with_heads([["[민수]", "안녕"], ["영희:", "네", "좋아요"]])
    [['[민수] 안녕'], ['영희: 네', '좋아요']]
    >>> with_heads([["민수", "안녕"], ["영희", "네"], ["민수", "왜"], ["영희", "응"]])[0]
    ['민수: 안녕']
    """
    cues = list(shown)
    names = _recurring(cues)
    return [_with_head(lines, names) for lines in cues]


def _recurring(cues: list[list[str]]) -> set[str]:
    """Find the plain names that recur on first lines."""
    heads = [lines[0] for lines in cues if len(lines) > 1 and _NAME.fullmatch(lines[0])]
    if len(heads) < max(4, _SHARE * len(cues)):
        return set()
    seconds: dict[str, set[str]] = {}
    for lines in cues:
        if len(lines) > 1:
            seconds.setdefault(lines[0], set()).add(lines[1])
    said = {line for lines in cues for line in lines[1:]}  # captions that roll show each line below first
    often = {
        name for name, count in Counter(heads).items() if count > 1 and len(seconds[name]) > 1 and name not in said
    }
    return often if len(often) > 1 else set()


def _with_head(lines: list[str], names: set[str]) -> list[str]:
    if len(lines) > 1 and lines[0] in names:
        return [f"{lines[0]}: {lines[1]}", *lines[2:]]
    if len(lines) > 1 and _HEAD.fullmatch(lines[0]):
        return [f"{lines[0]} {lines[1]}", *lines[2:]]
    return lines
