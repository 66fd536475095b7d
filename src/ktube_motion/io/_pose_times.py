"""Time stamps of frames: in which unit they are, and which frame rate they tell."""

import numpy as np

from ..errors import FormatError
from ._detections import Detections
from ._pose_rates import rate_of_steps

__all__ = ["fps_of_times", "settle_times"]

_UNITS = (("seconds", 1.0), ("milliseconds", 1e-3), ("microseconds", 1e-6), ("nanoseconds", 1e-9))
_STEPS = (1 / 500, 1.0)  # seconds from frame to frame that can be


def settle_times(detections: Detections, notes: list[str]) -> None:
    """Put time stamps into seconds by what their steps can be, and take those that count frames for numbers.

    Parameters
    ----------
    detections : Detections
        Changed in place.
    notes : list of str
        Gets what was found.
    """
    steps = _steps(detections)
    if steps is None:
        return
    step = float(np.median(steps))
    values = np.array(list(detections.times.values()))
    if step == 1 and (values == np.floor(values)).all():  # PHALP's and others' "time" is the frame's number
        times, detections.times = detections.times, {}
        notes.append("the time stamps are whole numbers that grow by one: they count frames")
        if not detections.numbered and len(set(times.values())) == len(times):
            detections.renumber(lambda frame: int(times[frame]))
            detections.numbered = True
        return
    name, unit = next((pair for pair in _UNITS if _STEPS[0] <= step * pair[1] <= _STEPS[1]), _UNITS[0])
    if unit != 1.0:
        notes.append(f"the time stamps are taken for {name}: their median step is {step:g}")
        detections.times = {frame: time * unit for frame, time in detections.times.items()}


def fps_of_times(detections: Detections) -> float | None:
    """Derive the rate from time stamps, and frame numbers where there are any: the mean of the regular steps.

    Raises
    ------
    FormatError
        If frames would be nearer or further apart than any video's.
    """
    steps = _steps(detections)
    if steps is None:
        return None
    step = float(np.median(steps))
    if not 0.001 <= step <= 5:
        raise FormatError(
            "The time stamps give no frame rate.",
            where=detections.path,
            expected="seconds, growing from frame to frame",
            found=f"a median step of {step:g}",
            fix="Give fps=, or write milliseconds as timestamp_ms.",
        )
    return rate_of_steps(steps)


def _steps(detections: Detections) -> np.ndarray | None:
    frames = np.array(sorted(detections.times))
    times = np.array([detections.times[frame] for frame in frames])
    if len(frames) < 2:
        return None
    return np.diff(times) / np.diff(frames) if detections.numbered else np.diff(np.sort(times))
