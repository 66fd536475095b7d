"""When each utterance of a talk is said, in seconds and in tokens."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError
from ..io._word_times import is_time
from ..text import speaking_seconds, utterances
from ..text._encoders import clean_texts
from ..text._timing import SYLLABLES_PER_SECOND
from ..types import Cue, Utterance
from ._hearing import warn_of_misfits

__all__ = ["MAX_SECONDS", "number_of_frames", "read_talk", "token_spans"]

MAX_SECONDS = 4 * 3600.0  # a day typed by mistake should not run for a day


def number_of_frames(seconds: float, fps: float) -> int:
    """Give the nearest number of frames, at least one.

    Raises
    ------
    DataError
        If `seconds` is not a positive number.
    ConfigError
        If it is beyond `MAX_SECONDS`.

    Examples
    --------
    >>> number_of_frames(2.04, 20.0)
    41
    """
    numeric = isinstance(seconds, (int, float, np.integer, np.floating)) and not isinstance(seconds, bool)
    if not numeric or not math.isfinite(seconds) or seconds <= 0:
        raise DataError("seconds must be a positive number.", found=repr(seconds))
    if seconds > MAX_SECONDS:
        raise ConfigError("That is too long.", expected=f"at most {MAX_SECONDS:.0f} seconds", found=seconds)
    return max(1, round(seconds * fps))


def read_talk(
    talk: str | Path | Iterable[Cue],
    seconds: float | None = None,
    syllables_per_second: float = SYLLABLES_PER_SECOND,
    *,
    lead_in: float = 0.0,
) -> tuple[str, list[Utterance], float]:
    """Give name, utterances and length in seconds of a paragraph, a transcript file or cues.

    Parameters
    ----------
    talk : str, Path or iterable of Cue
    seconds : float, optional
        Length of the whole. Stretches or squeezes a paragraph; ends a transcript.
    syllables_per_second : float
    lead_in : float
        Seconds before the first word of a paragraph; of a given length, as much as it leaves.

    Returns
    -------
    name : str
    spoken : list of Utterance
        In order.
    seconds : float

    Raises
    ------
    DataError
        If nothing is said, or times cannot be.

    Examples
    --------
    >>> name, spoken, seconds = read_talk("안녕하세요. 오늘은 손을 들어 보겠습니다.", syllables_per_second=5.0)
    >>> round(seconds, 1)
    3.9
    """
    if isinstance(talk, str) and not _is_file_name(talk):
        return _read_paragraph(talk, seconds, syllables_per_second, lead_in)
    if isinstance(talk, (str, Path)):
        from ..io._transcripts import load_transcript

        name, cues = Path(talk).stem, load_transcript(talk)
    else:
        name, cues = "", list(talk)
    odd = [cue for cue in cues if not isinstance(cue, Cue)]
    if odd:
        raise DataError("A talk is made of cues.", expected="Cue or Utterance", found=type(odd[0]).__name__)
    _check_times(cues, name)
    warn_of_misfits(cues, stacklevel=3)
    told = [cue for cue in cues if isinstance(cue, Utterance)]
    spoken = told if len(told) == len(cues) else utterances(cues)
    if not spoken:
        raise DataError("Nothing is said in this talk.", where=name or None)
    clean_texts([utterance.text for utterance in spoken])  # a blank one is told by its number
    if seconds is not None and not spoken[-1].start < seconds:
        raise DataError("The talk goes on longer.", expected=f"seconds > {spoken[-1].start:g}", found=seconds)
    return name or spoken[0].text, spoken, spoken[-1].end if seconds is None else seconds


def token_spans(spoken: Sequence[Cue], num_tokens: int, tokens_per_second: float) -> list[tuple[int, int]]:
    """Give (start, stop) in tokens of each utterance: gapless from 0 to `num_tokens`.

    Examples
    --------
    >>> token_spans([Cue(1.0, 2.0, "가"), Cue(3.0, 4.0, "나")], num_tokens=20, tokens_per_second=5.0)
    [(0, 15), (15, 20)]
    """
    starts = [0, *(min(num_tokens, round(cue.start * tokens_per_second)) for cue in spoken[1:])]
    return list(zip(starts, [*starts[1:], num_tokens], strict=True))


def _is_file_name(talk: str) -> bool:
    if "\n" in talk:
        return False
    from ..io._transcripts import TRANSCRIPT_FORMATS

    suffixes = tuple(f".{suffix}" for kind in TRANSCRIPT_FORMATS.values() for suffix in kind.suffixes)
    return talk.lower().endswith(suffixes)


def _read_paragraph(talk: str, seconds: float | None, syllables_per_second: float, lead_in: float) -> Any:
    (text,) = clean_texts([talk])
    said = max(1.0, speaking_seconds(text, syllables_per_second=syllables_per_second))
    if seconds is None:
        seconds = lead_in + said
    number_of_frames(seconds, 1.0)
    start = min(lead_in, max(seconds - said, 0.0))
    return text[:60], utterances([Cue(start, float(seconds), text)]), seconds


def _check_times(cues: Sequence[Cue], name: str) -> None:
    before = 0.0
    for number, cue in enumerate(cues):
        if not (is_time(cue.start) and is_time(cue.end) and before <= cue.start <= cue.end):
            raise DataError(
                f"The times of cue {number} cannot be.",
                where=name or None,
                expected=f"{before:g} <= start <= end",
                found=f"{cue.start} to {cue.end}",
                fix="Sort the cues by their start.",
            )
        before = cue.start
