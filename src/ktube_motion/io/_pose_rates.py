"""How many frames a second a pose file has, and when its frames were, however and wherever it says so."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ._numbers import read_number
from ._pose_parts import plain_name
from ._untrusted import to_numbers, to_numpy

__all__ = ["TIME_KEYS", "find_rate", "names_rate", "rate_of_stamps", "rate_of_steps", "time_of", "told_rates"]

# The likeliest first; whatever else has `fps` or `frame rate` in its name comes behind them.
_RATES = (
    "fps", "frame_rate", "frames_per_second", "frames_per_sec", "mocap_frame_rate", "video_fps", "source_fps",
    "video_frame_rate", "sampling_rate", "sample_rate", "r_frame_rate", "avg_frame_rate",
)  # fmt: skip
_STEPS = ("frame_time", "frame_duration", "frame_interval", "time_step", "dt")  # seconds from frame to frame
_STAMPS = ("timestamps", "times", "frame_times", "time_stamps")
TIME_KEYS = {
    "time": 1.0, "timestamp": 1.0, "time_sec": 1.0, "time_s": 1.0, "timestamp_sec": 1.0, "timestamp_s": 1.0,
    "pts_time": 1.0, "timestamp_ms": 0.001, "time_ms": 0.001, "pts_ms": 0.001, "timestamp_us": 1e-6,
}  # fmt: skip
_RATE_TEXT = re.compile(r"\s*([\d.]+(?:\s*/\s*[\d.]+)?)\s*(?:fps|hz)?\s*", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)")
_COMMON = (10.0, 12.0, 12.5, 15.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 100.0, 120.0)
_ROUNDED = 5e-4  # of the rate: 29.97 and 30 differ by twice as much
_REGULAR = 0.5  # of the median step; longer ones are gaps
_WIDTH = 64  # children of a dict that are looked into


@lru_cache(maxsize=4096)
def _rank(key: Any) -> int | None:
    """Tell how likely a key is that of a frame rate: lower is likelier, None if it is none."""
    name = plain_name(key)
    plain = name.replace("_", "")
    if plain in _PLAIN:
        return _PLAIN[plain]
    if "fps" in name.split("_") or plain.endswith(("framerate", "fps")):
        return len(_RATES)
    return len(_RATES) + 1 if plain in _PLAIN_STEPS else None


_PLAIN = {name.replace("_", ""): rank for rank, name in enumerate(_RATES)}
_PLAIN_STEPS = {name.replace("_", "") for name in _STEPS}


def names_rate(key: Any) -> bool:
    """Say whether a key names a frame rate or time stamps."""
    return _rank(key) is not None or plain_name(key) in _STAMPS


def find_rate(tree: Any, depth: int = 3) -> Any:
    """Find a frame rate in the dicts of a file, the topmost and likeliest first; None if there is none.

    Examples
    --------
    >>> find_rate({"video": {"FrameRate": "30000/1001"}, "names": []}), find_rate({"dt": 0.04})
    ('30000/1001', 25.0)
    """
    return next((rate for _, rate in _rates(tree, depth)), None)


def told_rates(tree: Any, depth: int = 3) -> list[str]:
    """Say it where a file has frame rates that contradict each other."""
    found: list[tuple[str, float]] = []
    for key, rate in _rates(tree, depth):
        try:
            found.append((key, read_number(rate, name=key, where="")))
        except ValueError:
            continue
    if len({round(rate, 1) for _, rate in found}) < 2:
        return []
    listed = ", ".join(f"{key} {rate:g}" for key, rate in found[:4])
    return [f"the file says several frame rates: {listed}; the first is taken; give fps= if it is another"]


def _rates(tree: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the (key, rate) pairs of nested dicts, the topmost first."""
    if not isinstance(tree, Mapping) or depth < 0:
        return
    ranked = sorted(((rank, key) for key in tree if (rank := _rank(key)) is not None), key=lambda pair: pair[0])
    for rank, key in ranked:
        rate = _plain_rate(tree[key])
        if rank > len(_RATES):  # seconds from frame to frame
            step = to_numbers(rate)
            rate = round(1 / float(step), 3) if step is not None and step.size == 1 and 1e-3 <= step <= 1 else None
        if rate is not None:
            yield str(key), rate
    for child in islice(tree.values(), _WIDTH):
        yield from _rates(child, depth - 1)


def _plain_rate(value: Any) -> Any:
    """Give a rate that is written as a list of one, numerator and denominator, or with its unit."""
    value = to_numpy(value)
    if isinstance(value, Mapping):
        names = {str(key).lower()[:3]: key for key in value}
        pair = [to_numpy(value[names[name]]) for name in ("num", "den") if name in names]
        return f"{pair[0]}/{pair[1]}" if len(pair) == 2 else None
    if isinstance(value, list | tuple):
        return _plain_rate(value[0]) if len(value) == 1 else None
    if isinstance(value, str) and (match := _RATE_TEXT.fullmatch(value)):
        return match[1].replace(" ", "")
    return value


def time_of(entry: Mapping[str, Any], where: str | Path) -> float | None:
    """Give the time stamp of a frame in the unit its name says, seconds without one; None if it has none."""
    for key in _time_keys(tuple(entry)):
        value = entry[key]
        if isinstance(value, str) and (match := _CLOCK.fullmatch(value.strip())):
            hours, minutes, seconds = match.groups()
            return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        if value is not None:
            return read_number(value, name=key, where=where) * TIME_KEYS[key]
    return None


@lru_cache(maxsize=4096)  # most frames of a file have the same keys
def _time_keys(keys: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(name for name in TIME_KEYS if name in keys)


def rate_of_stamps(tree: Any, count: int) -> float | None:
    """Give the rate that a list of time stamps beside the frames tells; None if there is none, or it tells none."""
    stamps = next((tree[name] for name in _STAMPS if name in tree), None) if isinstance(tree, Mapping) else None
    times = to_numbers(stamps)
    if times is None or times.shape != (count,) or count < 2:
        return None
    step = float(np.median(np.diff(times)))
    unit = next((unit for unit in (1.0, 1e-3, 1e-6, 1e-9) if 1 / 500 <= step * unit <= 1), None)
    return None if unit is None else rate_of_steps(np.diff(times) * unit)


def rate_of_steps(steps: np.ndarray) -> float:
    """Give the rate of times in seconds, which may be rounded to milliseconds and have gaps.

    Examples
    --------
    >>> rate_of_steps(np.diff(np.round(np.arange(90) / 30, 3))), rate_of_steps(np.full(9, 0.07))
    (30.0, 14.286)
    """
    regular = steps[np.abs(steps / np.median(steps) - 1) < _REGULAR]
    rate = 1 / float(regular.mean())
    common = min(_COMMON, key=lambda one: abs(one - rate))
    return common if abs(common / rate - 1) < _ROUNDED else round(rate, 3)
