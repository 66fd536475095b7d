"""Pose estimates written as JSON: Hand4Whole, OSX, SMPLer-X, one frame at a time."""

import re
from pathlib import Path

import numpy as np

from ..errors import FormatError
from .json_stream import JsonStream
from .people import PARTS, Detections, read_number

__all__ = ["read_json_poses"]

_FRAME_KEYS = ("frame", "frame_id", "frame_idx", "frame_index", "frame_number")
_TIME_KEYS = {"time": 1.0, "timestamp": 1.0, "timestamp_ms": 0.001}
_PEOPLE_KEYS = ("people", "persons", "annotations")
_NESTED_KEYS = ("smplx_param", "smplx_params")
_ROOT_KEYS = PARTS["root"][2]
_FRAME_NAME = re.compile(r"(?:(?:frame|img|image)[_ -]?)?(-?\d+)(?:\.0+)?(?:\.(?:jpe?g|png))?", re.IGNORECASE)


def read_json_poses(path, detections=None, *, frame=None):
    """Read one JSON file into `Detections`, without holding the file in memory.

    Parameters
    ----------
    path : path
    detections : Detections, optional
        Where to add; a new one by default.
    frame : int, optional
        The number of the file's only frame, known from its name.

    Returns
    -------
    detections : Detections
    header : dict
        What the file says beside its frames (``fps``).

    Raises
    ------
    FormatError
        If this is no JSON or no pose file; the message names file and frame.
    """
    detections = Detections(path) if detections is None else detections
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            stream = JsonStream(file, path)
            header = _Reader(stream, detections, frame).read()
            stream.end()
    except OSError as error:
        raise FormatError("Cannot read this file.", where=path, found=error.strerror) from error
    return detections, header


class _Reader:
    """The state of reading one file: are frames numbered by themselves or by their place in the list?"""

    def __init__(self, stream, detections, only_frame):
        self.stream, self.detections, self.only_frame = stream, detections, only_frame
        self.path, self.numbered, self.pending = detections.path, None, []

    def read(self):
        start = self.stream.peek()
        if start == "[" and self.only_frame is not None:
            self.frame(self.stream.value(), number=self.only_frame)
            return {}
        if start == "[":
            self.frames()
            return {}
        if start != "{":
            raise self.stream.error("Expecting a list of frames or an object")
        header = {}
        for key in self.stream.object():
            name = _FRAME_NAME.fullmatch(key)
            if key == "frames" and self.stream.peek() in ("[", "{"):
                self.frames()
            elif name and self.stream.peek() in ("[", "{", "n") and self.only_frame is None:
                self.frame(self.stream.value(), number=self.number(name[1], key))
            else:
                header[key] = self.stream.value()
        if any(key in header for key in (*_ROOT_KEYS, *_NESTED_KEYS, *_PEOPLE_KEYS)) or self.only_frame is not None:
            self.frame(header, number=self.only_frame, place=0)
        return header

    def frames(self):
        """Read the list, or the object keyed by frame, that holds the clip."""
        if self.stream.peek() == "{":
            for key in self.stream.object():
                name = _FRAME_NAME.fullmatch(key)
                self.frame(self.stream.value(), number=self.number(name[1] if name else key, key))
            return
        for place, value in enumerate(self.stream.array()):
            self.frame(value, place=place)
        self.detections.numbered = self.numbered is True
        if not self.numbered:
            for place in self.pending:  # empty entries count as frames where frames are counted by their place
                self.detections.start_frame(place)

    def number(self, value, key="frame"):
        number = read_number(value, name=f"The frame number ({key})", where=self.path, whole=True)
        if number < 0:
            raise FormatError("A frame number is negative.", where=self.path, expected=">= 0", found=number)
        return number

    def frame(self, value, *, number=None, place=None):
        """Add everybody in one frame; None, [] and {} are frames without anybody."""
        inner = value if isinstance(value, dict) else {}
        if number is None:
            key = next((key for key in _FRAME_KEYS if key in inner), None)
            if key is None and not value:
                self.pending.append(place)
                return
            if self.numbered not in (None, key is not None):
                raise FormatError(
                    "Some frames have a number and some have none.", where=f"{self.path}, entry {place} of the list"
                )
            self.numbered = key is not None
            number = place if key is None else self.number(inner[key], key)
        where = f"{self.path}, frame {number}"
        self.detections.start_frame(number, time=_time(inner, where))
        for label, person in _people(value, where):
            nested = next((person[key] for key in _NESTED_KEYS if isinstance(person.get(key), dict)), person)
            if nested:
                self.detections.add(nested, frame=number, label=label, area=_area(person))


def _time(entry, where):
    for key, scale in _TIME_KEYS.items():
        if entry.get(key) is not None:
            return read_number(entry[key], name=key, where=where) * scale
    return None


def _people(value, where):
    """Yield (track name or None, parameters) of everybody in a frame."""
    if isinstance(value, dict):
        inside = next((value[key] for key in _PEOPLE_KEYS if isinstance(value.get(key), list | dict)), None)
        if inside is not None:
            value = inside
        elif any(key in value for key in (*_ROOT_KEYS, *_NESTED_KEYS)):
            value = [value]
        elif not set(value) - {*_FRAME_KEYS, *_TIME_KEYS, *_PEOPLE_KEYS}:
            value = []
    if isinstance(value, dict) and all(isinstance(person, dict) for person in value.values()):
        if not all(key.lstrip("-").isdecimal() for key in value):
            raise _no_pose(value, where)
        yield from value.items()
        return
    if value is not None and not isinstance(value, list):
        raise _no_pose(value, where)
    for person in value or ():
        if not isinstance(person, dict):
            raise _no_pose(person, where)
        yield person.get("track_id"), person


def _no_pose(value, where):
    found = f"the keys {', '.join(list(value)[:8])}" if isinstance(value, dict) else repr(value)[:60]
    return FormatError("This is no pose.", where=where, expected=f"a key {' or '.join(_ROOT_KEYS)}", found=found)


def _area(person):
    """Area of the box (x, y, width, height), NaN where there is none."""
    box = person.get("bbox")
    try:
        return abs(float(box[2]) * float(box[3])) if box is not None and len(box) == 4 else np.nan
    except (LookupError, TypeError, ValueError, OverflowError):
        return np.nan  # only used to choose whom to follow first
