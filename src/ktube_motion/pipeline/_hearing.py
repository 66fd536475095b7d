"""What a transformer hears of words: rows of its track, made while the words come."""

import math
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import torch

from ..errors import DataError
from ..io._word_times import is_time
from ..text import WordEncoder, estimate_words, shift_words, speaking_seconds, timed_words, word_track
from ..text._timing import misfit_words
from ..types import Cue, Word

__all__ = ["LEAD_IN", "hear", "spoken_words", "warn_of_misfits", "words_of_talk"]

LEAD_IN = 0.6  # seconds before the first word of what has no past: a gesture begins before its word
_REACH = 4.0  # seconds after its end for which a word is still told of in the rows
_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")


def spoken_words(
    text: str | Cue, seconds: float | None = None, *, lead_in: float = 0.0
) -> tuple[tuple[Word, ...], float]:
    """Give the words of a text, from second 0 on, and how long it is.

    Parameters
    ----------
    text : str or Cue
        The words of a cue keep their times, counted from its start; those of a text are estimated.
    seconds : float, optional
        Length; by default a cue's own, or what it takes to say the text after the `lead_in`.
    lead_in : float
        Seconds before the first word of a text; of a given length, as much as it leaves.

    Examples
    --------
    >>> words, seconds = spoken_words("손을 들어 주세요.", seconds=2.0)
    >>> [word.text for word in words], seconds
    (['손을', '들어', '주세요.'], 2.0)
    """
    if isinstance(text, Cue) and text.end > text.start:
        seconds = text.seconds if seconds is None else seconds
        return shift_words(timed_words(text), -text.start, seconds), seconds
    text = text.text if isinstance(text, Cue) else text
    said = speaking_seconds(text)
    seconds = lead_in + said if seconds is None else seconds
    return estimate_words(text, min(lead_in, max(seconds - said, 0.0)), seconds), seconds


def words_of_talk(spoken: Iterable[Cue]) -> list[Word]:
    """Give the words of utterances by their start, for the whole talk; those of utterances without times estimated."""
    words = chain.from_iterable(timed_words(utterance) for utterance in spoken if utterance.end > utterance.start)
    return sorted(words, key=lambda word: word.start)


def warn_of_misfits(spoken: Iterable[object], *, stacklevel: int) -> None:
    """Warn, once for all, of cues whose words have times that cannot be theirs, and are estimated instead."""
    cues = [cue for cue in spoken if isinstance(cue, Cue) and cue.words]
    found = [(cue, problem) for cue in cues if (problem := misfit_words(cue)) is not None]
    if found:
        cue, problem = found[0]
        warnings.warn(
            f"The times of words are estimated for {len(found)} of {len(cues)} texts that have them: their words "
            f"{problem}, as {cue.text[:40]!r} at {cue.start:g} s.",
            stacklevel=stacklevel + 1,
        )


def hear(
    words: Iterable[Word | float], encoder: WordEncoder, *, tokens_per_second: float, seconds: float | None = None
) -> Iterator[torch.Tensor]:
    """Yield the rows of a track as soon as the words they tell of have come.

    Parameters
    ----------
    words : iterable of Word or float
        In the order in which they begin. A number says that nothing more
        begins before this second: so a pause need not be waited out.
    encoder : WordEncoder
    tokens_per_second : float
    seconds : float, optional
        Where the track ends; by default with the last word.

    Yields
    ------
    row : float32 tensor [shape=(encoder.dim + NUM_TIMES,)]
        A row comes when nothing more can begin during its token.

    Raises
    ------
    DataError
        If words are not in order, or their times cannot be.

    Notes
    -----
    What is kept are the words of the last seconds: memory does not grow.
    """
    near: deque[tuple[Word, torch.Tensor]] = deque()
    sentence: list[str] = []
    clock, row, last = 0.0, 0, 0.0
    for item in words:
        clock = _later(item, clock)
        limit = clock if seconds is None else min(clock, seconds)
        while (row + 1) / tokens_per_second <= limit + 1e-9:
            yield _row(near, encoder, row, tokens_per_second)
            row += 1
        if isinstance(item, Word):
            if sentence and (sentence[-1].endswith(_SENTENCE_END) or item.start - last > 1.0):
                sentence = []
            sentence = [*sentence[-8:], item.text]
            near.append((item, encoder.encode_words(sentence)[-1]))
            last = max(last, item.end)
    end = last if seconds is None else seconds
    while row < math.ceil(end * tokens_per_second - 1e-9):
        yield _row(near, encoder, row, tokens_per_second)
        row += 1


def _later(item: Word | float, clock: float) -> float:
    """Give the second before which nothing more begins; refuse what is out of order."""
    now = item.start if isinstance(item, Word) else item
    if not is_time(now) or (isinstance(item, Word) and not (is_time(item.end) and item.end >= item.start)):
        raise DataError("The time of a word cannot be.", expected="start <= end, in seconds", found=repr(item))
    if isinstance(item, Word) and now < clock:
        raise DataError("Words are out of order.", expected=f"a word from {clock:g} s on", found=item)
    return max(clock, float(now))


def _row(
    near: deque[tuple[Word, torch.Tensor]], encoder: WordEncoder, row: int, tokens_per_second: float
) -> torch.Tensor:
    while len(near) > 1 and near[0][0].end < row / tokens_per_second - _REACH:
        near.popleft()
    vectors = torch.stack([vector for _, vector in near]) if near else torch.zeros(0, encoder.dim)
    rate: dict[str, Any] = {"num_tokens": 1, "tokens_per_second": tokens_per_second}
    return word_track([word for word, _ in near], vectors, start=row, **rate)[0]
