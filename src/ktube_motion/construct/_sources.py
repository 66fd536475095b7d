"""What a corpus is built from: poses, transcripts and sound, paired by name or by a table."""

import csv
import io
import math
import os
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import CorpusError, FormatError
from ..io._characters import normalize_text
from ..io._files import read_text

__all__ = ["SOUNDS", "Source", "find_audio", "read_sources"]

# What may hold sound; of two files of one name the former in this list is taken.
SOUNDS = (
    ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".opus", ".wma",
    ".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".flv", ".mpg", ".mpeg",
)  # fmt: skip
_COLUMNS = {"name", "poses", "transcript", "offset", "fps", "speaker", "format", "person", "axes", "audio"}


@dataclass(frozen=True)
class Source:
    """One video: its poses, its transcript, and what is known of both.

    Attributes
    ----------
    poses, transcript : path
        As `io.load_poses` and `io.load_transcript` read them.
    name : str
        What its clips are called: ``NAME_000``, ``NAME_001``, …
    speaker : str
        Who speaks; the name where not given. Where the transcript has a speaker of that name, only
        those words are taken.
    offset : float
        Seconds to add to the transcript's times.
    fps : float or None
        Frame rate of the poses where the file does not say it. 29.97 is not
        30: that is 3.6 s an hour.
    format : str
        Pose format, found out by default.
    person : int, str or None
        Whom to follow where there are several, see `io.load_poses`.
    audio : path or None
        The video itself or its sound, in which `text.align_words` looks for
        the words whose times the transcript does not give.
    notes : tuple of str
        What was chosen on the way here; a build repeats it among its warnings.
    axes : str or None
        ``camera``, ``y up`` or ``z up``, where the file has other axes than
        its format; also what lets a speaker who lies pass.

    Examples
    --------
    >>> Source(Path("talk.json"), Path("talk.srt"), "talk", fps=29.97).offset
    0.0
    """

    poses: Path
    transcript: Path
    name: str
    speaker: str = ""
    offset: float = 0.0
    fps: float | None = None
    format: str = "auto"
    person: int | str | None = None
    audio: Path | None = None
    notes: tuple[str, ...] = ()
    axes: str | None = None


def find_audio(sources: Iterable[Source], folder: str | Path) -> list[Source]:
    """Give each source the sound or video file of its name, where the folder has one and none is named yet.

    Where it has none, a note says so.

    Raises
    ------
    CorpusError
        If the folder is missing.

    Notes
    -----
    Of several files of a name a sound file goes before a video.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.mp4", "a.wav", "b.MP4", "notes.txt"):
    ...     (folder / name).touch()
    >>> sources = [Source(folder / f"{name}.json", folder / f"{name}.srt", name) for name in "abc"]
    >>> [source.audio and source.audio.name for source in find_audio(sources, folder)]
    ['a.wav', 'b.MP4', None]
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise CorpusError("This folder does not exist.", where=folder)
    files = sorted(path for path in folder.iterdir() if os.path.isfile(path) and _has(path, SOUNDS))
    files = sorted(files, key=lambda path: -SOUNDS.index(path.suffix.lower()))
    named = {normalize_text(path.stem): path for path in files}
    return [source if source.audio else _with_audio(source, named.get(source.name), folder) for source in sources]


def _with_audio(source: Source, audio: Path | None, folder: Path) -> Source:
    if audio is not None:
        return replace(source, audio=audio)
    note = f"{source.name}: no words were aligned; {folder} has no sound or video of this name"
    return replace(source, notes=(*source.notes, note))


def _has(path: Path, suffixes: Container[str]) -> bool:
    return path.suffix.lower() in suffixes


def read_sources(table: str | Path) -> list[Source]:
    """Read sources from a table.

    Parameters
    ----------
    table : path
        CSV or TSV with a header. Columns: ``poses`` and ``transcript`` (paths,
        relative ones from the table's folder); and, where wanted, ``name``,
        ``speaker``, ``offset`` (seconds to add to the transcript), ``fps``,
        ``format``, ``person``, ``axes``, ``audio`` (a path). An empty cell means the default. Lines that
        start with ``#`` are comments.

    Returns
    -------
    sources : list of Source

    Raises
    ------
    FormatError
        If the table cannot be read, or a line of it makes no sense.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "videos.csv"
    >>> _ = table.write_text("poses,transcript,offset,fps\\na.json,a.srt,-0.4,29.97\\n")
    >>> source = read_sources(table)[0]
    >>> source.name, source.offset, source.fps, source.poses == table.parent / "a.json"
    ('a', -0.4, 29.97, True)
    """
    table = Path(table)
    lines = ["" if line.startswith("#") else line for line in read_text(table).split("\n")]
    header = next((line for line in lines if line), "")
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter="\t" if "\t" in header else ",", strict=True))
    except csv.Error as error:
        raise FormatError("This table cannot be read.", where=table, found=error) from error
    numbered = [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1) if any(row)]
    columns = [name.lower() for name in numbered[0][1]] if numbered else []
    if not {"poses", "transcript"} <= set(columns) <= _COLUMNS or len(set(columns)) < len(columns):
        raise FormatError(
            "The columns of this table are not known.",
            where=table,
            expected=f"poses, transcript, and of {', '.join(sorted(_COLUMNS - {'poses', 'transcript'}))}",
            found=", ".join(columns) or "an empty file",
        )
    return [_source(columns, row, table, f"{table}, line {number}") for number, row in numbered[1:]]


def _source(columns: Sequence[str], row: Sequence[str], table: Path, where: str) -> Source:
    if len(row) != len(columns):
        raise FormatError("Wrong number of columns.", where=where, expected=len(columns), found=len(row))
    cells: dict[str, Any] = {name: cell for name, cell in zip(columns, row, strict=True) if cell}
    if not {"poses", "transcript"} <= cells.keys() or any("\0" in cell for cell in cells.values()):
        raise FormatError("A path is missing.", where=where, expected="poses and transcript", found=cells)
    for name in ("offset", "fps"):
        if name in cells:
            cells[name] = _number(cells[name], name, where)
    if cells.get("person", "").isdecimal():
        cells["person"] = int(cells["person"])
    for name in {"poses", "transcript", "audio"} & cells.keys():
        cells[name] = _on_disk(table.parent / cells[name])
    return Source(**{"name": normalize_text(_stem(cells["poses"])), **cells})


def _on_disk(path: Path) -> Path:
    """Find the file that is called so in another normal form: tables are typed composed, macOS writes decomposed."""
    # Unlike those of pathlib, these take names of any length for what is not there; reading tells it then.
    if os.path.exists(path) or not os.path.isdir(path.parent):
        return path
    name = normalize_text(path.name)
    return next((other for other in path.parent.iterdir() if normalize_text(other.name) == name), path)


def _stem(path: Path) -> str:
    return path.name if os.path.isdir(path) else path.stem


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{name} is not a number.", where=where, expected="a number of seconds or hertz", found=text)
    return number
