"""One person's rows of numbers, put on a uniform time line, y up: a PoseSequence."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import ConfigError, DataError, FormatError
from ..types import PoseSequence
from ._numbers import read_number

__all__ = [
    "CAMERA_TO_Y_UP", "DEFAULT_FPS", "TO_Y_UP", "Z_UP_TO_Y_UP", "Track", "choose_fps", "place_times", "to_poses",
    "turn",
]  # fmt: skip

logger = logging.getLogger(__name__)

DEFAULT_FPS = 30.0
_MAX_GAP_SECONDS = 36_000
_MAX_GAP_RATIO = 100
_ALWAYS_FINE = 1000  # frames; so that a short clip may begin late
_LARGEST = 1e5

CAMERA_TO_Y_UP = np.diag([1.0, -1.0, -1.0])  # y down, z forward: half a turn about x
Z_UP_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # a quarter turn back about x
TO_Y_UP = {"camera": CAMERA_TO_Y_UP, "y up": None, "z up": Z_UP_TO_Y_UP}


@dataclass(frozen=True)
class Track:
    """What a source says about one person, frame by frame, in its own axes.

    Attributes
    ----------
    rotvecs : array [shape=(N, 55, 3)]
    transl : array [shape=(N, 3)]
    betas : array [shape=(N, B) or (B,)]
    expression : array [shape=(N, E)]
    frames : int array [shape=(N,)] or None
        Place of each row on the time line; None for one after the other.
    length : int
        Frames of the clip, if the source says so; the rows may need more.
    valid : bool array [shape=(N,)] or None
        Which rows count as seen.
    """

    rotvecs: np.ndarray
    transl: np.ndarray
    betas: np.ndarray = field(default_factory=lambda: np.zeros(10, np.float32))
    expression: np.ndarray | None = None
    frames: np.ndarray | None = None
    length: int = 0
    valid: np.ndarray | None = None

    def only(self, rows: np.ndarray | slice) -> "Track":
        """Keep some rows, given as a bool array."""
        names = ("rotvecs", "transl", "expression", "frames", "valid") + (
            ("betas",) if np.ndim(self.betas) == 2 else ()
        )
        kept = {name: getattr(self, name)[rows] for name in names if getattr(self, name) is not None}
        return replace(self, **kept)


def choose_fps(given: float | None, found: Any, *, where: str | Path) -> float:
    """Take the frame rate the caller gave, else the file's, else `DEFAULT_FPS`.

    Raises
    ------
    ConfigError, FormatError
        If the caller's or the file's rate is not a positive number up to 1000.
    """
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 < given <= 1000:
            raise ConfigError("fps cannot work.", expected="a number above 0, up to 1000", found=repr(given))
        return float(given)
    if found is None:
        return DEFAULT_FPS
    fps = read_number(found, name="The frame rate", where=where)
    if not 0 < fps <= 1000:
        raise FormatError(
            "The frame rate is impossible.", where=where, expected="above 0, up to 1000", found=fps,
            fix="Say it with fps=.",
        )  # fmt: skip
    return fps


def place_times(
    times: np.ndarray, *, last: float, fps: float, where: str | Path, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Put time stamps on a uniform grid: ``(chosen rows, their frames, length of the clip)``.

    Frame 0 is time 0 and the clip lasts until the stamp `last`; stamps that
    begin later than ten hours are taken for clock times and count from the
    first. Where two frames fall on one point of the grid, the nearer stays;
    how many went, `notes` gets.
    """
    times = np.asarray(times, np.float64)
    order = np.argsort(times, kind="stable")
    if (np.diff(times[order]) <= 0).any() or times[order[0]] < 0:
        raise FormatError("Time stamps must be positive and differ from frame to frame.", where=where)
    start = times[order[0]] if times[order[0]] > _MAX_GAP_SECONDS else 0.0
    exact = (times[order] - start) * fps
    frames = np.round(exact)
    nearest = np.lexsort((np.abs(exact - frames), frames))
    frames, first = np.unique(frames[nearest], return_index=True)
    if len(frames) < len(times):
        notes.append(f"{len(times) - len(frames)} frames lie between others on the grid of {fps:g} a second: left out")
    return order[nearest[first]], frames, round((last - start) * fps) + 1


def turn(rotvecs: np.ndarray, transl: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotate whole poses by `matrix`: root rotation and translation.

    Vertices are R(v - p) + p + t with the pelvis p of the body at rest. Turned
    by A they are AR(v - p) + p + t' with t' = At + (A - 1)p. The rotation and
    the shape of the path are exact here; (A - 1)p, a constant of the body
    (0.7 m for a half turn, 0.5 m for a quarter), is left out, as p is unknown
    until a body model is chosen. It shifts the whole clip, by the same vector
    in every frame; `filters.fix_root` and the motion codec remove it.
    """
    rotvecs, root = np.array(rotvecs), np.asarray(rotvecs[:, 0], np.float64)
    rotvecs[:, 0] = (Rotation.from_matrix(matrix) * Rotation.from_rotvec(root)).as_rotvec()
    return rotvecs, np.asarray(transl, np.float64) @ matrix.T


def to_poses(
    track: Track, *, path: str | Path, fps: float, source: str, flat_hand_mean: bool, axes: np.ndarray | None = None
) -> PoseSequence:
    """Place one person's frames on the time line and clean them.

    Parameters
    ----------
    track : Track
    path : path
        What errors call the clip.
    fps : float
    source : str
        Name of the format.
    flat_hand_mean : bool
    axes : array [shape=(3, 3)], optional
        Rotation from the source's axes to y up.

    Raises
    ------
    DataError
        If no frame is usable.
    FormatError
        If frames are negative, double or absurdly far apart.
    """
    rotvecs = np.asarray(track.rotvecs)
    count = len(rotvecs)
    transl = np.asarray(track.transl)
    expression = np.zeros((count, 0)) if track.expression is None else np.asarray(track.expression)
    per_frame = [rotvecs.reshape(count, -1), transl, expression]
    if np.ndim(track.betas) == 2:
        per_frame.append(track.betas)
    good = np.all([(np.abs(part) < _LARGEST).all(1) for part in per_frame], axis=0)  # False for NaN too
    slots, length = _slots(track, count, fps, path)
    seen = good if track.valid is None else good & np.asarray(track.valid, bool)
    if not seen.any():
        raise DataError(
            "No frame has a usable pose.", where=path, found=f"{count} frames, none valid", fix="Leave this clip out."
        )
    if not good.all():
        logger.warning("%s: %d frames have NaN or absurd numbers and become gaps", path, count - good.sum())
    betas = np.median(np.asarray(track.betas)[seen], axis=0) if np.ndim(track.betas) == 2 else track.betas
    if not np.isfinite(betas).all():
        raise DataError("The body shape is not finite.", where=path)
    rows = np.flatnonzero(good)
    rotvecs, transl, expression = rotvecs[rows], transl[rows], expression[rows]
    if axes is not None:
        rotvecs, transl = turn(rotvecs, transl, axes)
    return PoseSequence(
        rotvecs=_spread(rotvecs, slots[rows], length),
        transl=_spread(transl, slots[rows], length),
        expression=_spread(expression, slots[rows], length),
        valid=_spread(seen[rows], slots[rows], length, bool),
        betas=betas,
        fps=fps,
        flat_hand_mean=bool(flat_hand_mean),
        source=f"{path} ({source})",
    )


def _slots(track: Track, count: int, fps: float, path: str | Path) -> tuple[np.ndarray, int]:
    """Give the place of each row and the length of the clip; refuse what cannot be a clip."""
    if track.frames is None:
        return np.arange(count), max(count, track.length)
    frames = np.asarray(track.frames)
    if len(frames) != count:
        raise FormatError("Frame numbers and poses differ in length.", where=path, expected=count, found=len(frames))
    if count and frames.min() < 0:
        raise FormatError("A frame number is negative.", where=path, expected=">= 0", found=frames.min())
    length = max(int(frames.max(initial=-1)) + 1, track.length)
    missing = length - count
    if length > _ALWAYS_FINE and (missing > _MAX_GAP_RATIO * max(count, 1) or missing / fps > _MAX_GAP_SECONDS):
        raise FormatError(
            "The frame numbers leave absurd gaps.",
            where=f"{path}, frame {length - 1}",
            expected=f"at most {_MAX_GAP_RATIO} missing frames for each one present, and 10 hours",
            found=f"{missing} missing, {count} present",
            fix="Check the frame numbers of this file.",
        )
    frames = frames.astype(np.int64)
    values, times = np.unique(frames, return_counts=True)
    if (times > 1).any():
        raise FormatError("A frame comes twice.", where=f"{path}, frame {values[times > 1][0]}")
    return frames, length


def _spread(values: np.ndarray, slots: np.ndarray, length: int, dtype: type = np.float32) -> np.ndarray:
    """Write rows at their places; zeros elsewhere."""
    out = np.zeros((length, *values.shape[1:]), dtype)
    out[slots] = values
    return out
