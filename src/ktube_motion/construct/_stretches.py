"""Which stretches of a video become clips: one for each utterance, or talks that hold several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..types import Utterance

if TYPE_CHECKING:
    from ._build import BuildOptions

__all__ = ["Stretch", "stretches"]

_MARGIN = 1.0  # seconds of a talk before its first word and behind its last: gestures begin early and end late


@dataclass(frozen=True)
class Stretch:
    """A stretch of a video in seconds, and the utterances in it; ``whole`` if they are one and the same."""

    start: float
    end: float
    spoken: tuple[Utterance, ...]
    whole: bool

    @property
    def seconds(self) -> float:
        """Length."""
        return self.end - self.start

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(utterance.text for utterance in self.spoken)

    def told(self, start: float, seconds: float) -> list[Utterance]:
        """Give the utterances as a clip of `seconds` from `start` on tells them, with their parts of speech."""
        from ..text import shift_words, tag_korean

        def told(utterance: Utterance) -> Utterance:
            times = (0.0, 0.0)  # of the whole clip
            if not self.whole:
                times = (max(utterance.start - start, 0.0), min(utterance.end - start, seconds))
            words, tokens = shift_words(utterance.words, -start, seconds), tuple(tag_korean(utterance.text))
            return replace(utterance, start=times[0], end=times[1], words=words, tokens=tokens)

        return [told(utterance) for utterance in self.spoken]


def stretches(spoken: Sequence[Utterance], valid: np.ndarray, options: "BuildOptions") -> Iterator[Stretch]:
    """Cut a video into its clips.

    Parameters
    ----------
    spoken : sequence of Utterance
    valid : bool array [shape=(T,)]
        Frames in which the speaker is seen, at ``options.fps``.
    options : BuildOptions

    Yields
    ------
    stretch : Stretch
        With ``options.talk_seconds``, utterances follow each other in one as
        long as he is seen without a gap; an utterance in which he is not seen
        stands alone, to be skipped and counted like any other.
    """
    if options.talk_seconds is None:
        yield from (Stretch(utterance.start, utterance.end, (utterance,), True) for utterance in spoken)
        return
    talks: list[list[Utterance]] = []
    for utterance in spoken:
        joins = talks and utterance.end - talks[-1][0].start <= options.talk_seconds
        if joins and _seen(valid, talks[-1][0].start, utterance.end, options.fps):
            talks[-1].append(utterance)
        else:
            talks.append([utterance])
    ends = [0.0, *(talk[-1].end for talk in talks)]
    begins = [*(talk[0].start for talk in talks[1:]), len(valid) / options.fps]
    for talk, before, after in zip(talks, ends, begins, strict=False):
        start, end = max(before, talk[0].start - _MARGIN), min(after, talk[-1].end + _MARGIN)
        if not _seen(valid, start, talk[0].start, options.fps):
            start = talk[0].start
        if end < talk[-1].end or not _seen(valid, talk[-1].end, end, options.fps):
            end = talk[-1].end
        yield Stretch(start, end, tuple(talk), False)


def _seen(valid: np.ndarray, start: float, end: float, fps: float) -> bool:
    return bool(valid[round(start * fps) : round(end * fps) + 1].all())
