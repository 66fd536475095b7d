"""Bilingual subtitles: the Korean lines, and the others apart."""

import re
from collections.abc import Sequence

from ...types import Cue

__all__ = ["split_languages"]

_HANGUL = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
_WORD = re.compile(r"[^\W\d_]{2,}")
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
    >>> korean[0][1], lines
    (['안녕하세요'], 1)
    """
    mixed = [(cue, lines, _is_mixed(lines)) for cue, lines in shown]
    several = sum(len([line for line in lines if line]) > 1 for _, lines in shown)
    bilingual = several and sum(found for *_, found in mixed) >= _SHARE * several
    korean, removed = [], 0
    for cue, lines, found in mixed:
        if found and bilingual:
            kept = [line for line in lines if _HANGUL.search(line)]
            removed += len(lines) - len(kept)
            korean.append((cue, kept))
        else:
            korean.append((cue, lines))
    return *_without_doubles(korean), removed


def _is_mixed(lines):
    spoken = [line for line in lines if _WORD.search(line)]
    return 0 < sum(bool(_HANGUL.search(line)) for line in spoken) < len(spoken)


def _without_doubles(shown):
    """Take out the cues that say the same in another language at the same time."""
    foreign = [any(map(_WORD.search, lines)) and not any(map(_HANGUL.search, lines)) for _, lines in shown]
    doubles = [strange and _beside_korean(shown, foreign, i) for i, strange in enumerate(foreign)]
    if not any(doubles) or sum(doubles) < _SHARE * sum(foreign):
        return list(shown), []
    korean = [pair for pair, double in zip(shown, doubles, strict=True) if not double]
    return korean, [cue for (cue, _), double in zip(shown, doubles, strict=True) if double]


def _beside_korean(shown, foreign, i):
    cue = shown[i][0]
    for step in (-1, 1):
        j = i + step
        while 0 <= j < len(shown) and abs(j - i) <= 3:
            other = shown[j][0]
            shared = min(cue.end, other.end) - max(cue.start, other.start)
            if any(map(_HANGUL.search, shown[j][1])) and shared > _OVERLAP * max(cue.seconds, 1e-3):
                return True
            j += step
    return False
