"""Reading and writing transcripts: what was said when."""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import ConfigError, DataError, FormatError
from ...types import Cue
from .._characters import visible_text
from .._files import read_bytes, write_text
from ._cleaning import clean_cues, tell_doubts
from ._decoding import DAMAGE, decode
from ._formats import TRANSCRIPT_FORMATS, find_format
from ._page import Page

__all__ = ["Transcript", "load_transcript", "read_cues", "read_transcript", "save_transcript"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transcript:
    """A transcript as its file has it, and what is to be told of it.

    Attributes
    ----------
    cues : list of Cue
        In the order of the file: tags, repeats, overlaps and all.
    format : str
        Name in `TRANSCRIPT_FORMATS`; empty for an empty file.
    skipped : tuple of str
        Cues that make no sense, each with its line and the reason.
    notes : tuple of str
        What was found out or chosen: unit of time, tier, class, damage.
    """

    cues: list[Cue]
    format: str = ""
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_transcript(
    path: str | Path, *, offset: float = 0.0, format: str = "auto", tier: str | None = None, fps: float | None = None
) -> list[Cue]:
    """Read what was said and when, cleaned.

    Parameters
    ----------
    path : path
        A file of any format in `TRANSCRIPT_FORMATS`, in UTF-8, UTF-16 or CP949.
    offset : float
        Seconds added to every time.
    format : str
        Name of a format; ``"auto"`` looks at the content first, then at the suffix. ``"whisper"`` is ``"json"``.
    tier : str, optional
        The TextGrid or ELAN tier to read. By default the one called utterances, sentences, 발화, 전사
        or the like, with the words tier giving word times; without one, the words tier, cut at its
        silences; without names, the only tier.
    fps : float, optional
        Frames per second, for times that count frames (MicroDVD, DaVinci, TTML) where the file does not say it.

    Returns
    -------
    cues : list of Cue
        As `clean_cues` gives them: sorted, apart, none empty, one speaker each. Seconds.

    Raises
    ------
    FormatError
        If the file cannot be read, most of it is damaged (the message names the first line), or nothing
        spoken is left.
    ConfigError
        If there is no such `format`, or `offset` or `fps` cannot be.

    See Also
    --------
    read_transcript, clean_cues : the two steps, to see what was skipped and dropped. What is skipped
        is also logged as a warning.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.srt"
    >>> _ = path.write_text("1\\n00:00:01,000 --> 00:00:02,500\\n- 안녕하세요 (웃음)\\n", encoding="utf-8")
    >>> load_transcript(path)
    [Cue(start=1.0, end=2.5, text='안녕하세요', words=(), speaker='')]
    """
    transcript = read_transcript(path, offset=offset, format=format, tier=tier, fps=fps)
    cues, counts = clean_cues(transcript.cues)
    for message in (
        *transcript.skipped,
        *transcript.notes,
        *(f"{path}: {text}" for text in tell_doubts(counts)),
    ):
        logger.warning(message)
    if not cues:
        dropped = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
        raise FormatError("Empty transcript: nothing spoken in it.", where=path, found=dropped or "no cues")
    return cues


def read_cues(
    path: str | Path, *, offset: float = 0.0, format: str = "auto", tier: str | None = None, fps: float | None = None
) -> list[Cue]:
    """Read the cues as the file has them: tags, repeats, overlaps and all.

    Parameters
    ----------
    path, offset, format, tier, fps
        As for `load_transcript`.

    Returns
    -------
    cues : list of Cue
        In the order of the file. Empty for an empty file.

    Raises
    ------
    FormatError
        If the file cannot be read or most of it is damaged.
    ConfigError
        If there is no such `format`, or `offset` or `fps` cannot be.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.sbv"
    >>> _ = path.write_text("0:00:01.000,0:00:02.500\\n[음악]\\n", encoding="utf-8")
    >>> read_cues(path, offset=10)
    [Cue(start=11.0, end=12.5, text='[음악]', words=(), speaker='')]
    """
    return read_transcript(path, offset=offset, format=format, tier=tier, fps=fps).cues


def read_transcript(
    path: str | Path, *, offset: float = 0.0, format: str = "auto", tier: str | None = None, fps: float | None = None
) -> Transcript:
    """Read the cues as the file has them, with all there is to tell of it.

    Parameters
    ----------
    path, offset, format, tier, fps
        As for `load_transcript`.

    Returns
    -------
    transcript : Transcript

    Raises
    ------
    FormatError
        If the file cannot be read, or more cues make no sense than make sense.
    ConfigError
        If there is no such `format`, or `offset` or `fps` cannot be.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.srt"
    >>> _ = path.write_text("-0:00:01,0 --> 0:00:02,0\\n하나\\n\\n0:00:03,0 --> 0:00:04,0\\n둘\\n", encoding="utf-8")
    >>> transcript = read_transcript(path)
    >>> transcript.format, [cue.text for cue in transcript.cues], len(transcript.skipped)
    ('srt', ['둘'], 1)
    """
    path, format = Path(path), {"whisper": "json"}.get(format, format)
    if format != "auto" and format not in TRANSCRIPT_FORMATS:
        raise ConfigError(
            "Unknown transcript format.", expected=f"auto, {', '.join(TRANSCRIPT_FORMATS)}", found=repr(format)
        )
    if not math.isfinite(offset) or not (fps is None or 0 < fps < math.inf):
        raise ConfigError("offset is a number of seconds, fps a positive number.", found=f"{offset}, {fps}")
    page = _open(path, tier, fps)
    if not page.text.strip():
        return Transcript([], notes=tuple(page.notes))
    kind = find_format(page) if format == "auto" else format
    cues = _without_damage(page, TRANSCRIPT_FORMATS[kind].read(page))
    if len(page.skipped) > len(cues):
        raise FormatError(
            page.skipped[0].removeprefix(f"{path}, "),
            where=path,
            found=f"{len(page.skipped)} cues of this kind, {len(cues)} that make sense, read as {kind}",
            fix="Is it damaged, or of another format (format=)?",
        )
    return Transcript([_shifted(cue, offset) for cue in cues], kind, tuple(page.skipped), tuple(page.notes))


def _open(path: Path, tier: str | None, fps: float | None) -> Page:
    text, _, notes = decode(read_bytes(path), path)
    return Page(visible_text(text), path, tier, fps, notes=notes)


def _without_damage(page: Page, cues: Iterable[Cue]) -> list[Cue]:
    """Skip the cues in which bytes could not be read: what stood there is not known."""
    whole = [cue for cue in cues if DAMAGE not in cue.text]
    for cue in cues:
        if DAMAGE in cue.text:
            page.skip(f"{cue.start:.2f} s", "Part of this text cannot be read.", cue.text)
    return whole


def _shifted(cue: Cue, offset: float) -> Cue:
    if offset == 0:
        return cue
    words = tuple(replace(word, start=word.start + offset, end=word.end + offset) for word in cue.words)
    return replace(cue, start=cue.start + offset, end=cue.end + offset, words=words)


def save_transcript(cues: Iterable[Cue], path: str | Path) -> None:
    """Write cues as SRT, atomically.

    Parameters
    ----------
    cues : iterable of Cue or Utterance
        Word times and speakers are not written: SRT has none. White space becomes single spaces.
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
    [Cue(start=1.0, end=2.5, text='안녕하세요', words=(), speaker='')]
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


def _stamp(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{milliseconds:03}"
