"""What recognisers write where nobody speaks: loops, thanks for watching, credits.

A documented rule leaves each out, and counts it:

- ``looped``: a phrase of four letters or more that five or more cues in a row say, no more than 3 s apart, stays
  once; so does one that a single cue says ten times in a row, or six times faster than anyone speaks.
- ``invented``: a stock phrase (시청해 주셔서 감사합니다, 구독과 좋아요 부탁드립니다, …) that would be said over
  silence: slower than 1.5 letters a second, more than 10 s behind all other speech, or more than twice in a file (the
  last one stays).
- ``credits``: who made the subtitles (자막 제공: …, Subtitles by …).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from ...types import Cue
from ._sounds import is_credit, is_thanks

__all__ = ["without_inventions"]

_ROW = 5  # cues in a row that say the same
_LETTERS = 4  # of a phrase that can loop: people do say 네 네 네 네 네
_APART = 3.0  # seconds
_FASTEST = 12.0  # letters a second
_SLOWEST = 1.5
_SILENCE = 10.0  # seconds
_LOOP = re.compile(r"(?<!\S)(\S+(?: \S+){0,7}?)(?: \1(?!\S)){5,}")


def without_inventions(cues: Sequence[Cue], counts: dict[str, int]) -> list[Cue]:
    """Leave out what nobody said, see the module; counts ``looped``, ``invented`` and ``credits``.

    Examples
    --------
    >>> counts = {"looped": 0, "invented": 0, "credits": 0}
    >>> cues = without_inventions([Cue(2 * i, 2 * i + 2, "감사합니다") for i in range(6)], counts)
    >>> len(cues), counts["looped"]
    (1, 5)
    """
    kept = [cue for cue in cues if not is_credit(cue.text)]
    counts["credits"] += len(cues) - len(kept)
    kept = [_once(cue) for cue in _without_loops(kept, counts)]
    thanks = [cue for cue in kept if is_thanks(cue.text)]
    said, end = [], None
    for cue in kept:
        if is_thanks(cue.text) and _is_invented(cue, end, thanks):
            counts["invented"] += 1
            continue
        said.append(cue)
        end = cue.end
    return said


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _phrase(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def _without_loops(cues: Sequence[Cue], counts: dict[str, int]) -> list[Cue]:
    kept: list[Cue] = []
    row: list[Cue] = []
    for cue in [*cues, None]:
        if row and cue is not None and _phrase(cue.text) == _phrase(row[-1].text) and cue.start - row[-1].end <= _APART:
            row.append(cue)
            continue
        if len(row) >= _ROW and _letters(row[0].text) >= _LETTERS:
            counts["looped"] += len(row) - 1
            row = row[:1]
        kept += row
        row = [] if cue is None else [cue]
    return kept


def _once(cue: Cue) -> Cue:
    """Say a phrase once that loops within a cue."""
    if len(cue.text) < 2 * _ROW or not (match := _LOOP.search(cue.text)):
        return cue
    times = match[0].count(match[1])
    fast = _letters(cue.text) > _FASTEST * max(cue.seconds, 1e-3)
    if times < 10 and not fast:
        return cue
    return replace(cue, text=f"{cue.text[: match.start()]}{match[1]}{cue.text[match.end() :]}", words=())


def _is_invented(cue: Cue, end: float | None, thanks: Sequence[Cue]) -> bool:
    slow = _letters(cue.text) < _SLOWEST * cue.seconds
    alone = end is not None and cue.start - end > _SILENCE
    again = len(thanks) > 2 and cue is not thanks[-1]
    return slow or alone or again
