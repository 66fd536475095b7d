"""Subtitles of videos and pages: each in its time, its words lighting up as they are said."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..text import timed_words
from ..types import Cue, Word
from ._fonts import draw_subtitle
from ._scene import current_cue

__all__ = ["SubtitleTrack", "lit_words"]


def lit_words(cue: Cue) -> tuple[Word, ...]:
    """Give the words of a cue with their times, estimated where it has none; none for a text shown all the time.

    Examples
    --------
    >>> [(word.text, round(word.start, 1)) for word in lit_words(Cue(1.0, 2.0, "하나 둘"))]
    [('하나', 1.0), ('둘', 1.7)]
    >>> lit_words(Cue(0.0, 0.0, "하나 둘"))
    ()
    """
    return timed_words(cue) if cue.end > cue.start else ()


class SubtitleTrack:
    """Pictures of subtitles, `width` wide, with writing of `font_size` pixels."""

    def __init__(self, cues: Sequence[Cue], width: int, font_size: int) -> None:
        self.cues, self.width, self.font_size = cues, width, font_size
        self.words = [lit_words(cue) for cue in cues]
        self._picture = lru_cache(16)(self._drawn)

    @property
    def height(self) -> int:
        """Rows of the highest picture; 0 where nothing is said."""
        return max((len(self._picture(number, None)) for number in range(len(self.cues))), default=0)

    def at(self, time: float) -> np.ndarray | None:
        """Give the picture at a moment, RGBA; None between cues."""
        cue = current_cue(self.cues, time)
        if cue is None:
            return None
        number = next(k for k, known in enumerate(self.cues) if known is cue)
        words = self.words[number]
        return self._picture(number, sum(word.start <= time for word in words) if words else None)

    def _drawn(self, number: int, begun: int | None) -> np.ndarray:
        words = self.words[number]
        text = " ".join(word.text for word in words) if words else self.cues[number].text
        return draw_subtitle(text, self.width, self.font_size, begun=begun)
