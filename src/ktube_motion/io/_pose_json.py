"""Pose estimates written as JSON, one frame at a time."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ._frame_keys import TIME_KEY
from ._json_stream import JsonStream
from ._pose_facts import frame_number, no_pose
from ._pose_parts import find_parts
from ._pose_tree import FrameReader, holds_pose, read_tree

__all__ = ["read_json_frame", "read_json_poses"]

_PEOPLE = ("people", "persons", "humans", "tracks", "subjects")
_DEPTH = 3
_MOST_UNPACKED = 1 << 31  # characters of a packed file; ten hours of poses are less
_MOST_LEFT = 10_000_000  # values of a list that holds no frames


def read_json_poses(path: str | Path, reader: FrameReader) -> dict[str, Any]:
    """Read one JSON file, one of a frame a line (``.jsonl``), or either packed with gzip.

    Parameters
    ----------
    path : path
    reader : FrameReader
        Where the frames go; the file is never held in memory.

    Returns
    -------
    header : dict
        What the file says beside its frames (``fps``).

    Raises
    ------
    FormatError
        If this is no JSON or no pose file; the message names file and frame.
    """

    def read(stream: JsonStream) -> dict[str, Any]:
        start = stream.peek()
        if start == "[":
            header, leftover = {}, _list(stream, reader)
            if leftover is not None and any(leftover):
                raise no_pose(leftover, path)
        elif start == "{":
            header = _object(stream, reader, 0)
        else:
            raise stream.error("Expecting a list of frames or an object")
        if stream.peek() == "{":  # one object a line
            return _lines(stream, reader, header)
        if not reader.detections.num_frames_seen and not reader.pending and header:
            read_tree(header, reader)
            reader.whole = True
        return header

    header = _with_stream(path, read)
    reader.finish(header)
    return header


def read_json_frame(path: str | Path, reader: FrameReader, *, frame: int) -> dict[str, Any]:
    """Read the JSON file of one frame, whose number its name told; give what it says beside the pose."""
    value = _with_stream(path, lambda stream: stream.value())
    reader.frame(value, number=frame)
    return value if isinstance(value, dict) else {}


def _with_stream(path: str | Path, read: Callable[[JsonStream], Any]) -> Any:
    try:
        packed = Path(path).suffix.lower() == ".gz"
        with (gzip.open if packed else open)(path, "rt", encoding=_encoding(path, packed)) as file:
            stream = JsonStream(file, path, most=_MOST_UNPACKED if packed else math.inf)
            found = read(stream)
            stream.end()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError("This gzip file is damaged.", where=path, found=error) from error
    except OSError as error:
        raise FormatError("Cannot read this file.", where=path, found=error.strerror or error) from error
    return found


def _encoding(path: str | Path, packed: bool) -> str:
    """UTF-8, unless the first bytes say UTF-16, in which PowerShell writes what is printed."""
    with (gzip.open if packed else open)(path, "rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _lines(stream: JsonStream, reader: FrameReader, first: dict[str, Any]) -> dict[str, Any]:
    """Read objects that follow each other: the first may be a header."""
    header, place = {}, 0
    if holds_pose(first, reader.renamed):
        reader.frame(first, place=0)
        place = 1
    else:
        header = first
    while stream.peek() == "{":
        reader.frame(stream.value(), place=place)
        place += 1
    return header


def _object(stream: JsonStream, reader: FrameReader, depth: int) -> dict[str, Any]:
    """Read an object: frames go to the reader, everything else is given back."""
    found: dict[str, Any] = {}
    for key in stream.object():
        start = stream.peek()
        if start in ("[", "{", "n") and frame_number(key) is not None and not TIME_KEY.fullmatch(key):
            reader.keyed(stream.value(), key)
        elif start == "[" and depth < _DEPTH:
            leftover = _list(stream, reader, part=bool(find_parts({key: ()}, reader.renamed)))
            if leftover is not None:
                found[key] = leftover
        elif start == "{" and depth < _DEPTH and key not in _PEOPLE:
            found[key] = _object(stream, reader, depth + 1)
        else:
            found[key] = stream.value()
    return found


def _list(stream: JsonStream, reader: FrameReader, part: bool = False) -> list[Any] | None:
    """Read a list: None if it was a list of frames, which went to the reader, else its values."""
    values = []
    items = enumerate(stream.array())
    for _, value in items:
        values.append(value)
        if len(values) > _MOST_LEFT:
            raise _too_long(reader)
        if part or not _may_be_frame(value):
            continue
        if not holds_pose(value, reader.renamed):
            if reader.detections.num_frames_seen or not _blank(values[:-1]):
                break
            continue
        for earlier, one in enumerate(values):
            reader.frame(one, place=earlier)
        for later, one in items:
            reader.frame(one, place=later)
        return None
    values.extend(value for _, value in islice(items, _MOST_LEFT))
    if len(values) > _MOST_LEFT:
        raise _too_long(reader)
    if not part and values and all(value in (None, [], {}) for value in values) and not reader.pending:
        reader.pending = list(range(len(values)))
    return values


def _too_long(reader: FrameReader) -> FormatError:
    return FormatError("A list of this file is too long.", where=reader.path, expected="frames of poses")


def _blank(values: Iterable[Any]) -> bool:
    return all(not isinstance(value, dict) or len(value) <= 4 for value in values)


def _may_be_frame(value: Any) -> bool:
    """Say whether a value of a list may be a frame; numbers and lists of numbers are none."""
    if isinstance(value, list):
        return bool(value) and isinstance(next((item for item in value if item is not None), None), dict)
    return isinstance(value, dict) and bool(value)
