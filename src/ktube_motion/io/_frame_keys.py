"""Frames and clips under names that other tools gave them: ``talk_00012``, ``0.433``, a list of tracks with frames."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ._pose_facts import LABEL_KEYS, is_label
from ._pose_parts import is_pose

__all__ = ["TIME_KEY", "clip_key", "count_poses", "frames_of_keys", "label_of", "times_of_keys"]

_NUMBERS = re.compile(r"\d+")
TIME_KEY = re.compile(r"\d+\.\d+")
_PEOPLE = re.compile(
    r"(?:^|[_ -])(?:p|id|pid|person|people|human|subject|track|actor|speaker|cam|camera|view)[_ -]?\d+$"
)
_FEWEST = 3  # entries, before their numbers count frames
_FRAMES = ("frames", "frame_list", "results", "sequence", "predictions", "poses")
_DEPTH = 5


def times_of_keys(keys: Iterable[Any]) -> dict[Any, float] | None:
    """Give the time that each key says, in the file's unit; None unless all are numbers with a fraction.

    Examples
    --------
    >>> times_of_keys(["0.000", "0.033", "0.067"])
    {'0.000': 0.0, '0.033': 0.033, '0.067': 0.067}
    """
    keys = list(keys)
    if len(keys) < _FEWEST or not all(isinstance(key, str) and TIME_KEY.fullmatch(key) for key in keys):
        return None
    times = {key: float(key) for key in keys}
    return times if any(time % 1 for time in times.values()) else None


def frames_of_keys(keys: Iterable[Any]) -> dict[Any, int] | None:
    """Give the frame that each key names by its number; None where they name people, or nothing.

    Examples
    --------
    >>> frames_of_keys(["talk2024_01", "talk2024_02", "talk2024_04"]), frames_of_keys(["p1", "p2", "p3"])
    ({'talk2024_01': 1, 'talk2024_02': 2, 'talk2024_04': 4}, None)
    """
    keys = list(keys)
    if len(keys) < _FEWEST or not all(isinstance(key, str) for key in keys):
        return None
    if any(_PEOPLE.search(key.lower()) for key in keys) or len({_NUMBERS.sub("#", key) for key in keys}) > 1:
        return None
    columns = list(zip(*([int(digits) for digits in _NUMBERS.findall(key)] for key in keys), strict=True))
    numbers = max(columns, key=lambda column: len(set(column)), default=())
    return dict(zip(keys, numbers, strict=True)) if len(set(numbers)) == len(keys) else None


def clip_key(value: Mapping[Any, Any]) -> str | None:
    """Name the key under which an entry of a list holds the frames of a clip or track of its own."""
    for key in _FRAMES:
        frames = value.get(key)
        if isinstance(frames, list | tuple) and len(frames) > 1 and all(isinstance(one, Mapping) for one in frames[:3]):
            return key
    return None


def label_of(value: Mapping[Any, Any]) -> str | None:
    """Give what an entry calls itself."""
    keys = (*LABEL_KEYS, "person_id", "id", "name", "person", "video", "video_name")
    return next((str(value[key]) for key in keys if key in value and is_label(value[key])), None)


def count_poses(value: Any, renamed: tuple[tuple[str, str], ...] = (), depth: int = _DEPTH) -> int:
    """Count the poses inside nested data."""
    if isinstance(value, Mapping):
        if is_pose(value, renamed):
            return 1
        return sum(count_poses(child, renamed, depth - 1) for child in value.values()) if depth else 0
    if isinstance(value, list | tuple) and depth and any(isinstance(one, Mapping | list) for one in value[:3]):
        return sum(count_poses(child, renamed, depth - 1) for child in value)
    return 0
