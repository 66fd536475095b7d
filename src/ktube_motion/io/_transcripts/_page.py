"""A transcript on its way in: its text, what the reader asked for, and what is to be told of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import FormatError
from ...types import Cue

__all__ = ["LONGEST", "Page", "TranscriptFormat", "check_times", "clock_seconds"]

LONGEST = 1e6  # seconds; no talk is longer, and a time beyond is damage


@dataclass
class Page:
    """A transcript on its way in.

    Attributes
    ----------
    text : str
        With ``\\n`` line ends, normalised as far as its format allows (`io._characters.visible_text`).
    path : Path
        For messages, and for its suffix.
    tier : str or None
        The tier that was asked for.
    fps : float or None
        Frames per second of times that are written in frames.
    skipped : list of str
        Cues left out, each with its line and the reason.
    notes : list of str
        What else is to be told, such as the unit of time that was found.
    """

    text: str
    path: Path
    tier: str | None = None
    fps: float | None = None
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def suffix(self) -> str:
        """The file's suffix in small letters, without the dot."""
        return self.path.suffix.lower().lstrip(".")

    def skip(self, place: int | str, reason: str, found: object) -> None:
        """Leave a cue out, and say where and why."""
        where = f"line {place}" if isinstance(place, int) else place
        self.skipped.append(f"{self.path}, {where}: {reason} Found: {str(found)[:60]!r}.")

    def note(self, message: str) -> None:
        """Say once what whoever reads this file should know."""
        if (line := f"{self.path}: {message}") not in self.notes:
            self.notes.append(line)

    def error(self, problem: str, **details: Any) -> FormatError:
        """Make the error that refuses this file."""
        return FormatError(problem, **{"where": self.path, **details})


@dataclass(frozen=True)
class TranscriptFormat:
    """A way to write what was said when.

    Attributes
    ----------
    read : callable
        Takes a `Page`, gives its cues as they stand there, in seconds. Calls ``page.skip`` for a cue that
        makes no sense and raises ``page.error(…)`` if the whole makes none.
    detect : callable
        Takes a `Page`; says whether its content is of this format.
    suffixes : tuple of str
        Suffixes of its files, without the dot; they decide where no content does.

    Examples
    --------
    >>> from ktube_motion.io import TRANSCRIPT_FORMATS
    >>> TRANSCRIPT_FORMATS["srt"].suffixes
    ('srt',)
    """

    read: Callable[[Page], list[Cue]]
    detect: Callable[[Page], bool]
    suffixes: tuple[str, ...] = ()


def clock_seconds(hours: str | None, minutes: str | None, seconds: str, fraction: str | None) -> float:
    """Add up a clock time given as texts; the fraction is that of a second, so ``5,9`` is 5.9."""
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds) + float(f"0.{fraction or 0}")


def check_times(page: Page, place: int | str, start: float | None, end: float | None) -> bool:
    """Is this a time of speech? If not, skip the cue."""
    if start is None or end is None or not (abs(start) < LONGEST and abs(end) < LONGEST):  # NaN is not below either
        page.skip(place, "This is no time.", f"{start} to {end}")
    elif start < 0:
        page.skip(place, "The cue starts before 0.", f"{start:g} to {end:g}")
    else:
        return True
    return False


def looks_like(page: Page, pattern: re.Pattern[str], lines: int = 400) -> bool:
    """Does a line near the beginning match?"""
    return any(pattern.match(line) for line in page.text.split("\n", lines)[:lines])
