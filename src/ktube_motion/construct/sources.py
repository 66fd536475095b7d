"""What a corpus is built from: poses and transcripts of one video each, named in a table."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import FormatError
from ..io.characters import normalize_text
from ..io.files import read_text

__all__ = ["Source", "read_sources"]

_COLUMNS = {"name", "poses", "transcript", "offset", "fps", "speaker", "format", "person"}


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
    notes : tuple of str
        What was chosen on the way here; a build repeats it among its warnings.
    """

    poses: Path
    transcript: Path
    name: str
    speaker: str = ""
    offset: float = 0.0
    fps: float | None = None
    format: str = "auto"
    person: int | str | None = None
    notes: tuple[str, ...] = ()


def read_sources(table) -> list[Source]:
    """Read sources from a table.

    Parameters
    ----------
    table : path
        CSV or TSV with a header. Columns: ``poses`` and ``transcript`` (paths,
        relative ones from the table's folder); and, where wanted, ``name``,
        ``speaker``, ``offset`` (seconds to add to the transcript), ``fps``,
        ``format``, ``person``. An empty cell means the default. Lines that
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


def _source(columns, row, table, where):
    if len(row) != len(columns):
        raise FormatError("Wrong number of columns.", where=where, expected=len(columns), found=len(row))
    cells = {name: cell for name, cell in zip(columns, row, strict=True) if cell}
    if not {"poses", "transcript"} <= cells.keys() or any("\0" in cell for cell in cells.values()):
        raise FormatError("A path is missing.", where=where, expected="poses and transcript", found=cells)
    for name in ("offset", "fps"):
        if name in cells:
            cells[name] = _number(cells[name], name, where)
    if cells.get("person", "").isdecimal():
        cells["person"] = int(cells["person"])
    for name in ("poses", "transcript"):
        cells[name] = _on_disk(table.parent / cells[name])
    return Source(**{"name": normalize_text(_stem(cells["poses"])), **cells})


def _on_disk(path):
    """Find the file that is called so in another normal form: tables are typed composed, macOS writes decomposed."""
    if path.exists() or not path.parent.is_dir():
        return path
    name = normalize_text(path.name)
    return next((other for other in path.parent.iterdir() if normalize_text(other.name) == name), path)


def _stem(path):
    return path.name if path.is_dir() else path.stem


def _number(text, name, where):
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{name} is not a number.", where=where, expected="a number of seconds or hertz", found=text)
    return number
