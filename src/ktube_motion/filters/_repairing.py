"""Frames the estimator lost or spoiled: find them, fill them, or cut there."""

import numpy as np

from .._runs import true_runs
from ..errors import ConfigError
from ..types import PoseSequence
from ._quats import between, running_median_angle, to_quats, valid_frames

__all__ = ["fill_gaps", "reject_outliers", "split_at_gaps"]


def reject_outliers(poses: PoseSequence, *, max_angle: float = 0.7, max_frames: int = 2) -> PoseSequence:
    """Mark frames invalid where the estimator jumped away and back.

    Parameters
    ----------
    poses : PoseSequence
    max_angle : float
        Radians between a joint and its running median over
        ``2 * max_frames + 1`` frames above which it is an outlier. The
        outlier reaches as far as the angle stays above half of that.
    max_frames : int
        Longer excursions are real gestures and stay.

    Returns
    -------
    poses : PoseSequence
        The same numbers; ``before.valid.sum() - after.valid.sum()`` frames
        were rejected. A clip shorter than the median's window stays as it is.

    Raises
    ------
    ConfigError
        If `max_angle` or `max_frames` is not positive.
    DataError
        If a valid frame is not finite.

    Notes
    -----
    A median follows steps and ramps, so the speed of a gesture does not
    matter, only a quick way out and back. At 30 fps a hand that waves by
    ±60° four times a second stays 20° from its running median of five frames;
    an estimator that mistakes the person lands 90° and more away. The first
    and last frames have neighbours on one side only: there a jump of more
    than `max_angle` within a frame or two counts as an outlier.

    Examples
    --------
    >>> rotvecs = np.zeros((20, 55, 3)); rotvecs[7, 18] = [0, 2, 0]
    >>> np.flatnonzero(~reject_outliers(PoseSequence(rotvecs=rotvecs, fps=30)).valid)
    array([7])
    """
    if not (max_angle > 0 and max_frames >= 1):
        raise ConfigError("max_angle and max_frames must be positive.", found=f"{max_angle}, {max_frames}")
    frames = np.flatnonzero(poses.valid)
    if len(frames) < 2 * max_frames + 1:
        return poses
    angle = running_median_angle(to_quats(poses.rotvecs[frames]), max_frames).numpy()
    bad = np.zeros(len(frames), bool)
    for joint in np.flatnonzero((angle > max_angle).any(0)):
        for start, stop in true_runs(angle[:, joint] > max_angle / 2):
            if stop - start <= max_frames and angle[start:stop, joint].max() > max_angle:
                bad[start:stop] = True
    valid = poses.valid.copy()
    valid[frames[bad]] = False
    return poses.replace(valid=valid)


def fill_gaps(poses: PoseSequence, *, max_gap_seconds: float = 0.5) -> PoseSequence:
    """Fill invalid stretches: rotations by slerp, the rest linearly.

    Parameters
    ----------
    poses : PoseSequence
    max_gap_seconds : float
        A longer gap stays invalid as a whole. Gaps at either end of the clip
        are filled, up to the same limit, by holding the nearest valid frame.

    Returns
    -------
    poses : PoseSequence
        Filled frames are valid; valid frames keep their numbers.

    Raises
    ------
    ConfigError
        If `max_gap_seconds` is negative or NaN.
    DataError
        If no frame is valid, or a frame beside a gap is not finite.

    Examples
    --------
    >>> rotvecs = np.zeros((3, 55, 3)); rotvecs[2, 0, 1] = 1
    >>> poses = PoseSequence(rotvecs=rotvecs, fps=30, valid=[1, 0, 1])
    >>> fill_gaps(poses).global_orient[1].round(3)
    array([0. , 0.5, 0. ], dtype=float32)
    """
    if not max_gap_seconds >= 0:
        raise ConfigError("max_gap_seconds must not be negative.", found=max_gap_seconds)
    frames, missing = valid_frames(poses), np.flatnonzero(~poses.valid)
    place = np.searchsorted(frames, missing)  # how many valid frames lie before each missing one
    edges = np.concatenate([[-1], frames, [len(poses)]])
    short = edges[place + 1] - edges[place] - 1 <= max_gap_seconds * poses.fps + 1e-6
    missing, place = missing[short], place[short]
    if not len(missing):
        return poses
    before, after = frames[np.maximum(place - 1, 0)], frames[np.minimum(place, len(frames) - 1)]
    weight = np.clip((missing - before) / np.maximum(after - before, 1), 0, 1)
    changes = {"valid": True, **between(poses, before, after, weight)}
    for name, filling in changes.items():
        whole = getattr(poses, name).copy()
        whole[missing] = filling
        changes[name] = whole
    return poses.replace(**changes)


def split_at_gaps(poses: PoseSequence) -> list[tuple[int, PoseSequence]]:
    """Cut a clip into its valid stretches.

    Parameters
    ----------
    poses : PoseSequence

    Returns
    -------
    stretches : list of (int, PoseSequence)
        The first frame of each stretch and the stretch itself, in order.

    Examples
    --------
    >>> poses = PoseSequence(rotvecs=np.zeros((6, 55, 3)), fps=30, valid=[1, 1, 0, 1, 1, 1])
    >>> [(start, len(stretch)) for start, stretch in split_at_gaps(poses)]
    [(0, 2), (3, 3)]
    """
    return [(start, poses[start:stop]) for start, stop in true_runs(poses.valid)]
