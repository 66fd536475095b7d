"""Another frame rate, by time."""

from typing import Any

import numpy as np
import roma
import torch
from scipy.interpolate import CubicSpline

from ..arrays import check_finite
from ..errors import ConfigError, DataError, ShapeError
from ..rotations import continuous_quat
from ..types import Clip, Motion, PoseSequence
from ._quats import between, slerp

__all__ = ["resample"]


def resample(poses_or_motion: Clip, *, fps: float, timestamps: np.ndarray | None = None) -> Clip:
    """Bring a clip to another frame rate, or uneven frames to an even one.

    Rotations by slerp; the translation and expression of poses linearly;
    positions and translation of a `Motion` by a cubic spline, which keeps
    the length of swinging bones.

    Parameters
    ----------
    poses_or_motion : PoseSequence or Motion
        A clip of ``T`` frames.
    fps : float
        Frames per second of the result.
    timestamps : array [shape=(T,)], optional
        When each frame was taken, in seconds, for video of uneven rate; by
        default frame ``t`` was taken at ``t / clip.fps``.

    Returns
    -------
    clip : same kind
        Frame ``k`` is at ``k / fps`` after the first; there are
        ``floor(duration * fps) + 1`` frames, where duration is the time from
        the first frame to the last. A frame of poses is valid if both its
        neighbours were. The rate it already has gives the clip itself.

    Raises
    ------
    ConfigError
        If `fps` is not a positive number.
    ShapeError
        If the clip is empty or `timestamps` is not ``(T,)``.
    DataError
        If `timestamps` do not rise, or the clip is not finite.

    Notes
    -----
    Nothing is smoothed: going down a lot, use `lowpass` first with a cutoff
    below half the new rate.

    Examples
    --------
    >>> poses = PoseSequence(rotvecs=np.zeros((301, 55, 3)), fps=30)
    >>> len(resample(poses, fps=20)), len(resample(poses.replace(fps=29.97), fps=20))
    (201, 201)
    """
    clip = poses_or_motion
    if not (np.isfinite(fps) and fps > 0):
        raise ConfigError("fps must be a positive number.", found=repr(fps))
    if not len(clip):
        raise ShapeError("Nothing to resample.", expected="at least 1 frame", found=0)
    if timestamps is None and fps == clip.fps:
        return clip
    times = np.arange(len(clip)) / clip.fps if timestamps is None else _checked(timestamps, len(clip))
    # The small number forgives a duration that is a hair short of a whole frame.
    now = np.arange(int(np.floor(times[-1] * fps + 1e-6)) + 1) / fps
    before = np.clip(np.searchsorted(times, now + 1e-7, side="right") - 1, 0, len(clip) - 1)
    after = np.minimum(before + 1, len(clip) - 1)
    weight = np.clip((now - times[before]) / np.where(after > before, times[after] - times[before], 1), 0, 1)
    weight[weight < 1e-5] = 0  # on a frame, as far as time stamps can tell: the next one has no say
    if isinstance(clip, PoseSequence):
        parts = _resample_poses(clip, before, after, weight)
    else:
        parts = _resample_motion(clip, before, after, weight, times, now)
    return poses_or_motion.replace(fps=float(fps), **parts)


def _checked(timestamps: np.ndarray, frames: int) -> np.ndarray:
    times = np.asarray(timestamps, dtype=np.float64)
    if times.shape != (frames,):
        raise ShapeError("timestamps has the wrong shape.", expected=(frames,), found=times.shape)
    check_finite(times, name="timestamps")
    if (np.diff(times) <= 0).any():
        frame = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 1
        raise DataError("timestamps must rise.", found=f"{times[frame]:g} s after {times[frame - 1]:g} s at {frame}")
    return times - times[0]


def _resample_poses(poses: PoseSequence, before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> dict[str, Any]:
    valid = poses.valid[before] & (poses.valid[after] | (weight == 0))
    return {"valid": valid, **between(poses, before, after, weight)}


def _resample_motion(
    motion: Motion, before: np.ndarray, after: np.ndarray, weight: np.ndarray, times: np.ndarray, now: np.ndarray
) -> dict[str, Any]:
    parts = {}
    for name in ("positions", "translation"):
        values = getattr(motion, name)
        if values is not None:
            check_finite(values, name=name)
            parts[name] = CubicSpline(times, values)(now) if len(times) > 1 else values[before]
    if motion.rotations is not None:
        check_finite(motion.rotations, name="rotations")
        quats = continuous_quat(roma.rotmat_to_unitquat(torch.tensor(motion.rotations, dtype=torch.float64)))
        turned = slerp(quats[before], quats[after], torch.from_numpy(weight)[:, None].expand(len(now), quats.shape[1]))
        parts["rotations"] = roma.unitquat_to_rotmat(turned).numpy()
    return parts
