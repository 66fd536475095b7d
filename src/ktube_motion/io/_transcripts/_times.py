"""Times that a file does not say in full: their unit, and where a cue ends."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from ...types import Cue, Word
from ._page import Page, clock_seconds

__all__ = ["fill_word_times", "guess_unit", "join_words", "read_time", "with_ends"]

_SECONDS_PER_LETTER = 0.4  # slow speech; a cue without an end lasts no longer
_ENDS = (".", "?", "!")
_PAUSE = 0.5  # seconds; words further apart are no one cue
_CLOCK = re.compile(r"(?:(?:([0-9]{1,4}):)?([0-9]{1,3}):)?([0-9]{1,17})(?:[.,]([0-9]{1,9}))?\s*(s|sec|ms|초)?$")
_PERIOD = re.compile(r"PT(?:([0-9]{1,4})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,8})(?:\.([0-9]{1,9}))?S)?$")
# Each unit, and how many letters a second there are at least if it is the right one.
_UNITS = (
    ("seconds", 1.0, 0.033),
    ("milliseconds", 1e-3, 0.033),
    ("microseconds", 1e-6, 0.5),
    ("ticks of 100 ns", 1e-7, 0.5),
    ("nanoseconds", 1e-9, 0.0),
)
_SLOW = 0.3  # letters a second; slower speech is told


def read_time(value: object) -> float | None:
    """Read a number or a clock; None if it is neither. A text in milliseconds (``200ms``) comes out in seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e18 else None
    match = _CLOCK.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        period = _PERIOD.match(value.strip()) if isinstance(value, str) and value.strip() != "PT" else None
        return clock_seconds(period[1], period[2], period[3] or "0", period[4]) if period else None
    *clock, unit = match.groups()
    return clock_seconds(*clock) * (1e-3 if unit == "ms" else 1.0)


def says_seconds(value: object) -> bool:
    """Does this time tell its unit itself, as ``1.2s`` and ``00:00:01`` do?"""
    return isinstance(value, str) and bool(re.search(r"[:s초S]", value))


def guess_unit(page: Page, rows: Sequence[tuple[float, float, str]]) -> float:
    """Find the unit of times by what people can speak, and say it if it is not seconds.

    Parameters
    ----------
    page : Page
    rows : sequence of (start, end, text)
        In the file's own unit.

    Returns
    -------
    unit : float
        Seconds in one of it.

    Notes
    -----
    People say one to ten syllables a second. Milliseconds taken for seconds would give a hundredth of a
    syllable; the border is at one in half a minute, the median of all cues counts, and numbers with a fraction
    are seconds unless that is out of the question.
    """
    timed = [(end - start, len("".join(text.split()))) for start, end, text in rows if end > start]
    speeds = [letters / seconds for seconds, letters in timed if letters]
    if not speeds:
        return 1.0
    whole = all(float(time).is_integer() for start, end, _ in rows for time in (start, end) if math.isfinite(time))
    speed = median(speeds)
    name, unit, _ = next(u for u in _UNITS if speed / u[1] >= (u[2] if whole or u[1] < 1 else 0.003))
    if speed / unit < _SLOW:
        page.note(f"People would say {speed / unit:.2f} letters a second: are the times frames, or of another unit?")
    if unit != 1.0:
        page.note(f"The times are in {name}: as seconds they would be {speed:.4f} letters a second.")
    return unit


def with_ends(cues: Sequence[Cue]) -> list[Cue]:
    """End a cue that says no end (NaN) where the next begins, at most 1 s + 0.4 s a letter later."""
    closed = []
    for i, cue in enumerate(cues):
        if math.isnan(cue.end):
            longest = cue.start + 1 + _SECONDS_PER_LETTER * len("".join(cue.text.split()))
            following = next((later.start for later in cues[i + 1 :] if later.start > cue.start), math.inf)
            cue = replace(cue, end=min(following, longest))
        closed.append(cue)
    return closed


def fill_word_times(
    words: Sequence[tuple[float | None, float | None, str]], start: float, end: float
) -> tuple[Word, ...]:
    """Give the words that have no time the room between their neighbours, shared by letters.

    Those are ``"estimated"``; aligners leave out numbers and foreign words.
    """
    filled: list[Word] = []
    i = 0
    while i < len(words):
        begin, stop, text = words[i]
        if begin is not None and stop is not None:
            filled.append(Word(begin, stop, text))
            i += 1
            continue
        last = next((j for j in range(i, len(words)) if None not in words[j][:2]), len(words))
        left = filled[-1].end if filled else start
        right = words[last][0] if last < len(words) else end
        right = max(left, right if right is not None else left)
        letters = [max(len(word[2]), 1) for word in words[i:last]]
        for size, word in zip(letters, words[i:last], strict=True):
            share = (right - left) * size / sum(letters)
            before = filled[-1].end if filled and filled[-1].source == "estimated" else left
            filled.append(Word(before, min(before + share, right), word[2], source="estimated"))
        i = last
    return tuple(filled)


def join_words(words: Sequence[Word], *, speakers: Sequence[str] = (), pause: float = _PAUSE) -> list[Cue]:
    """Join words to cues; a pause, the end of a sentence or another speaker parts them."""
    runs: list[list[int]] = []
    for i, word in enumerate(words):
        before = words[i - 1] if i else None
        same = not speakers or (i > 0 and speakers[i] == speakers[i - 1])
        together = before is not None and word.start - before.end < pause and not before.text.rstrip().endswith(_ENDS)
        if same and together:
            runs[-1].append(i)
        else:
            runs.append([i])
    # Recognisers that cut words into pieces write the space before a word; others write none at all.
    glue = "" if any(word.text[:1].isspace() for word in words) else " "
    return [
        Cue(
            words[run[0]].start,
            max(words[i].end for i in run),
            glue.join(words[i].text for i in run).strip(),
            tuple(words[i] for i in run),
            speaker=speakers[run[0]] if speakers else "",
        )
        for run in runs
    ]
