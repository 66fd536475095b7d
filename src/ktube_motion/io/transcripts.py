"""Reading and writing transcripts: what was said when."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import ConfigError, DataError, FormatError
from ..types import Cue
from .files import read_text, write_text
from .transcript_cleaning import clean_cues, clean_text
from .transcript_formats import PARSERS, detect_format

__all__ = ["clean_cues", "clean_text", "load_transcript", "read_cues", "save_transcript"]


def load_transcript(path, *, offset: float = 0.0, format: str = "auto", tier: str | None = None) -> list[Cue]:
    """Read what was said and when, cleaned.

    Parameters
    ----------
    path : path
        SRT, VTT, SBV, Whisper JSON, YouTube json3 or Praat TextGrid, in
        UTF-8, UTF-16 with BOM, or CP949.
    offset : float
        Seconds added to every time.
    format : {"auto", "srt", "vtt", "sbv", "whisper", "json3", "textgrid"}
        ``"auto"`` looks at the content first, then at the suffix.
    tier : str, optional
        The TextGrid tier to read. By default the one called utterances,
        sentences, transcript or the like, with the words tier giving word times; without one, the
        words tier, cut at its silences; without names, the only tier.

    Returns
    -------
    cues : list of Cue
        As `clean_cues` gives them: sorted, apart, none empty. Seconds.

    Raises
    ------
    FormatError
        If the file cannot be read or is damaged (the message names the line),
        or nothing spoken is left.
    ConfigError
        If there is no such `format`, or `offset` is not finite.

    See Also
    --------
    read_cues, clean_cues : the two steps, to see what was dropped.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.srt"
    >>> _ = path.write_text("1\\n00:00:01,000 --> 00:00:02,500\\n- 안녕하세요 (웃음)\\n", encoding="utf-8")
    >>> load_transcript(path)
    [Cue(start=1.0, end=2.5, text='안녕하세요', words=())]
    """
    cues, counts = clean_cues(read_cues(path, offset=offset, format=format, tier=tier))
    if not cues:
        dropped = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        raise FormatError("Empty transcript: nothing spoken in it.", where=path, found=dropped or "no cues")
    return cues


def read_cues(path, *, offset: float = 0.0, format: str = "auto", tier: str | None = None) -> list[Cue]:
    """Read the cues as the file has them: tags, repeats, overlaps and all.

    Parameters
    ----------
    path, offset, format, tier
        As for `load_transcript`.

    Returns
    -------
    cues : list of Cue
        In the order of the file. Empty for an empty file.

    Raises
    ------
    FormatError
        If the file cannot be read or is damaged.
    ConfigError
        If there is no such `format`, or `offset` is not finite.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.sbv"
    >>> _ = path.write_text("0:00:01.000,0:00:02.500\\n[음악]\\n", encoding="utf-8")
    >>> read_cues(path, offset=10)
    [Cue(start=11.0, end=12.5, text='[음악]', words=())]
    """
    path = Path(path)
    if format != "auto" and format not in PARSERS:
        raise ConfigError("Unknown transcript format.", expected=f"auto, {', '.join(PARSERS)}", found=repr(format))
    if not math.isfinite(offset):
        raise ConfigError("offset must be a number of seconds.", found=offset)
    text = read_text(path)
    if not text.strip("\ufeff \t\n"):
        return []
    kind = detect_format(text, path) if format == "auto" else format
    return [_shifted(cue, offset) for cue in PARSERS[kind](text, path, tier)]


def _shifted(cue, offset):
    words = tuple(replace(word, start=word.start + offset, end=word.end + offset) for word in cue.words)
    return replace(cue, start=cue.start + offset, end=cue.end + offset, words=words)


def save_transcript(cues: Iterable[Cue], path) -> None:
    """Write cues as SRT, atomically.

    Parameters
    ----------
    cues : iterable of Cue or Utterance
        Word times are not written: SRT has none. White space becomes single spaces.
    path : path
        The ``.srt`` file.

    Raises
    ------
    DataError
        If a cue is empty, starts before 0 or lasts less than a millisecond.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.srt"
    >>> save_transcript([Cue(1.0, 2.5, "안녕하세요")], path)
    >>> load_transcript(path)
    [Cue(start=1.0, end=2.5, text='안녕하세요', words=())]
    """
    blocks = []
    for number, cue in enumerate(cues, 1):
        text = " ".join(cue.text.split())
        finite = math.isfinite(cue.start) and math.isfinite(cue.end)
        start, end = (round(cue.start * 1000), round(cue.end * 1000)) if finite else (0, 0)
        if not (text and 0 <= start < end):
            raise DataError(
                "This cue cannot be written.",
                where=f"cue {number}",
                expected="a text, 0 <= start < end",
                found=f"{cue.start} to {cue.end}: {cue.text[:40]!r}",
            )
        # An arrow in the text would read as a time line.
        blocks.append(f"{number}\n{_stamp(start)} --> {_stamp(end)}\n{text.replace('-->', '--&gt;')}\n")
    write_text(path, "\n".join(blocks))


def _stamp(milliseconds):
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{milliseconds:03}"
