"""Bilingual subtitles: the Korean lines, and the others apart."""

import re
from collections.abc import Sequence
from dataclasses import replace

from ...types import Cue

__all__ = ["split_languages"]

_HANGUL = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SLASH = re.compile(r"\s+[/|]\s+")
_SHARE = 0.5  # of the cues of several lines, before a file counts as bilingual
_OVERLAP = 0.5  # of a cue's time that a Korean one shares with it


def split_languages(
    shown: Sequence[tuple[Cue, list[str]]],
) -> tuple[list[tuple[Cue, list[str]]], list[Cue], int]:
    """Take the Korean lines of bilingual subtitles.

    Parameters
    ----------
    shown : sequence of (Cue, lines)
        In order of time; lines without tags.

    Returns
    -------
    korean : list of (Cue, lines)
        ``cue.other`` holds what stood or was shown beside it in another language.
    others : list of Cue
        Cues without Korean that are shown together with a Korean one.
    lines : int
        Lines without Korean that were taken out of cues that have some.

    Notes
    -----
    A file is bilingual if in half of its cues of several lines some have Hangul and some have none, or if half of
    its cues without Hangul are shown together with one that has it. Else foreign words are part of what
    is said (OK., Hello!) and stay.

    Examples
    --------
    >>> korean, others, lines = split_languages([(Cue(0, 2, ""), ["안녕하세요", "Hello"])])
    >>> korean[0][1], korean[0][0].other, lines
    (['안녕하세요'], 'Hello', 1)
    """
    shown = _apart(shown)
    mixed = [(cue, lines, _is_mixed(lines)) for cue, lines in shown]
    several = sum(len([line for line in lines if line]) > 1 for _, lines in shown)
    bilingual = several and sum(found for *_, found in mixed) >= _SHARE * several
    korean, removed = [], 0
    for cue, lines, found in mixed:
        if found and bilingual:
            kept = [line for line in lines if _HANGUL.search(line)]
            removed += len(lines) - len(kept)
            korean.append((_with_other(cue, [line for line in lines if not _HANGUL.search(line)]), kept))
        else:
            korean.append((cue, lines))
    return *_without_doubles(korean), removed


def _apart(shown: Sequence[tuple[Cue, list[str]]]) -> Sequence[tuple[Cue, list[str]]]:
    """Make two lines of ``안녕하세요 / Hello``, where half of the lines with Hangul are so."""
    halves = [[_halves(line) for line in lines] for _, lines in shown]
    korean = sum(bool(_HANGUL.search(line)) for _, lines in shown for line in lines)
    double = sum(len(parts) > 1 for rows in halves for parts in rows)
    if double < max(2, _SHARE * korean):
        return shown
    return [(cue, [part for parts in rows for part in parts]) for (cue, _), rows in zip(shown, halves, strict=True)]


def _halves(line: str) -> list[str]:
    parts = _SLASH.split(line)
    one = sum(bool(_HANGUL.search(part)) for part in parts) == 1 and all(map(_WORD.search, parts))
    return parts if len(parts) == 2 and one else [line]


def _is_mixed(lines: Sequence[str]) -> bool:
    spoken = [line for line in lines if _WORD.search(line)]
    return 0 < sum(bool(_HANGUL.search(line)) for line in spoken) < len(spoken)


def _without_doubles(
    shown: Sequence[tuple[Cue, list[str]]],
) -> tuple[list[tuple[Cue, list[str]]], list[Cue]]:
    """Take out the cues that say the same in another language at the same time."""
    foreign = [any(map(_WORD.search, lines)) and not any(map(_HANGUL.search, lines)) for _, lines in shown]
    doubles = [_beside_korean(shown, i) if strange else None for i, strange in enumerate(foreign)]
    found = sum(double is not None for double in doubles)
    if not found or found < _SHARE * sum(foreign):
        return list(shown), []
    pairs = list(shown)
    for (_, strange_lines), double in zip(shown, doubles, strict=True):
        if double is not None:
            cue, lines = pairs[double]
            pairs[double] = _with_other(cue, strange_lines), lines
    korean = [pair for pair, double in zip(pairs, doubles, strict=True) if double is None]
    return korean, [cue for (cue, _), double in zip(shown, doubles, strict=True) if double is not None]


def _with_other(cue: Cue, lines: Sequence[str]) -> Cue:
    """Add lines to what is said in another language."""
    return replace(cue, other=" ".join(filter(None, [cue.other, *lines])))


def _beside_korean(shown: Sequence[tuple[Cue, list[str]]], i: int) -> int | None:
    """Find the Korean cue that is shown together with the i-th; None if there is none."""
    cue = shown[i][0]
    for j in sorted(range(max(i - 3, 0), min(i + 4, len(shown))), key=lambda j: abs(j - i)):
        other = shown[j][0]
        shared = min(cue.end, other.end) - max(cue.start, other.start)
        if any(map(_HANGUL.search, shown[j][1])) and shared > _OVERLAP * max(cue.seconds, 1e-3):
            return j
    return None
