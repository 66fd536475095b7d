"""What a pose sequence looks like: does the body stand, where does it face, what is missing."""

import functools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .._runs import true_runs
from ..errors import DataError
from ..skeletons import SMPLX_55
from ..types import PoseSequence

__all__ = ["PoseCheck", "check_poses", "likely_axes"]

_HEAD, _ANKLES = 15, (7, 8)
_SEEN = 3000  # frames looked at; a long clip is looked at in steps
_UPRIGHT = 0.5  # cosine: within 60 degrees
_MOST = 0.5  # share of frames
_STILL = 1e-3
_DEGREES = 7.0  # radians: an axis-angle number beyond it is likely in degrees
_AXES = {(1, 1): "y up", (1, -1): "camera", (2, 1): "z up"}


@dataclass(frozen=True)
class PoseCheck:
    """What `check_poses` believes; printed, it is a page of plain sentences.

    Attributes
    ----------
    upright : bool
        The head is above the pelvis and the feet are below it in most valid frames.
    upright_share : float
        In which share of the valid frames.
    likely_axes : str or None
        Which ``axes=`` the numbers seem to be in, were they read as they are:
        ``y up``, ``camera``, ``z up``; None if no axis fits.
    facing : (float, float, float)
        Mean direction of the chest; ``(0, 0, 1)`` is towards the viewer.
    height : float
        Metres from the feet to the top joint of the head of a body at rest
        with no shape, by the skeleton: 1.5 or so.
    ground : float
        Metres: the lowest ankle over the clip, 0 on the ground.
    fps : float
    frames, missing : int
        All frames, and those that are gaps.
    longest_gap : float
        Seconds.
    moving_hands : tuple of str
        Hands whose fingers move.
    problems : tuple of str
        What is likely wrong; empty if nothing is.

    Examples
    --------
    >>> check = check_poses(PoseSequence(np.zeros((30, 55, 3)), fps=30))
    >>> check.upright, check.frames, check.missing
    (True, 30, 0)
    """

    upright: bool
    upright_share: float
    likely_axes: str | None
    facing: tuple[float, float, float]
    height: float
    ground: float
    fps: float
    frames: int
    missing: int
    longest_gap: float
    moving_hands: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        x, _, z = self.facing
        where = "towards the viewer" if z > 0.7 else "away" if z < -0.7 else "left" if x > 0 else "right"
        lines = [
            f"upright: {'yes' if self.upright else 'NO'} ({self.upright_share:.0%} of the frames), facing {where}",
            f"height of the skeleton: {self.height:.2f} m, lowest ankle at {self.ground:.2f} m",
            f"{self.frames} frames at {self.fps:g} per second, {self.frames / self.fps:.1f} s",
            f"gaps: {self.missing} frames, the longest {self.longest_gap:.2f} s",
            f"hands whose fingers move: {' and '.join(self.moving_hands) or 'none'}",
        ]
        return "\n".join([*lines, *(f"problem: {problem}" for problem in self.problems)])


def check_poses(poses: PoseSequence) -> PoseCheck:
    """Look at the body, and say what the numbers seem to mean.

    Parameters
    ----------
    poses : PoseSequence

    Returns
    -------
    check : PoseCheck
        Print it.

    Raises
    ------
    DataError
        If no frame is valid.

    Examples
    --------
    >>> rotvecs = np.zeros((40, 55, 3))
    >>> print(check_poses(PoseSequence(rotvecs, np.tile([0, 0.93, 0], (40, 1)), fps=20)))
    upright: yes (100% of the frames), facing towards the viewer
    height of the skeleton: 1.55 m, lowest ankle at 0.05 m
    40 frames at 20 per second, 2.0 s
    gaps: 0 frames, the longest 0.00 s
    hands whose fingers move: none
    >>> rotvecs[:, 0] = [np.pi, 0, 0]
    >>> check = check_poses(PoseSequence(rotvecs, fps=20))
    >>> check.upright, check.likely_axes
    (False, 'camera')
    """
    valid = np.flatnonzero(poses.valid)
    if not len(valid):
        raise DataError("No frame is valid.", where=poses.source or None, found=f"{len(poses)} gaps")
    rows = valid[:: max(len(valid) // _SEEN, 1)]
    head, feet, ankles, front = _look(poses.rotvecs[rows])
    stands = (head[:, 1] > _UPRIGHT) & (feet[:, 1] < 0)
    share = float(stands.mean())
    upright = share > _MOST
    axes = likely_axes(poses.rotvecs[rows])
    problems = []
    if not upright:
        problems.append(
            "the body does not stand"
            + (f": the numbers look like axes={axes!r}" if axes not in (None, "y up") else ": is somebody lying?")
        )
    if np.percentile(np.abs(poses.rotvecs[rows]).max((1, 2)), 50) > _DEGREES:
        problems.append("the rotations are larger than a full turn: are they degrees?")
    longest = max((stop - start for start, stop in true_runs(~poses.valid)), default=0)
    facing = front.mean(0) / max(np.linalg.norm(front.mean(0)), 1e-9)
    rest = _rest()
    return PoseCheck(
        upright=upright,
        upright_share=share,
        likely_axes=axes,
        facing=(_round(facing[0]), _round(facing[1]), _round(facing[2])),
        height=round(float(rest[_HEAD, 1] - rest[:, 1].min()), 3),
        ground=round(float((ankles[..., 1] + poses.transl[rows, None, 1]).min()), 3) + 0.0,
        fps=poses.fps,
        frames=len(poses),
        missing=len(poses) - len(valid),
        longest_gap=longest / poses.fps,
        moving_hands=tuple(
            side
            for side, hand in (("left", poses.left_hand_pose[rows]), ("right", poses.right_hand_pose[rows]))
            if np.ptp(hand, axis=0).max() > _STILL
        ),
        problems=tuple(problems),
    )


def _round(number: float) -> float:
    return round(float(number), 2) + 0.0


def likely_axes(rotvecs: np.ndarray, *, only: Collection[str] | None = None) -> str | None:
    """Tell the axes in which bodies stand: the axis along which heads are above pelvises in most frames.

    Parameters
    ----------
    rotvecs : array [shape=(N, 55, 3)]
        Poses in unknown axes.
    only : bool array [shape=(N,)], optional
        The frames to look at.

    Returns
    -------
    axes : str or None
        ``y up``, ``camera`` (y down) or ``z up``; None where none fits.

    Examples
    --------
    >>> rotvecs = np.zeros((2, 55, 3)); rotvecs[:, 0] = [np.pi / 2, 0, 0]
    >>> likely_axes(rotvecs)
    'z up'
    """
    rotvecs = np.asarray(rotvecs)[slice(None) if only is None else np.asarray(only)]
    rotvecs = rotvecs[:: max(len(rotvecs) // _SEEN, 1)]
    if not len(rotvecs):
        return None
    head, feet, _, _ = _look(rotvecs)
    for (axis, sign), name in _AXES.items():
        if ((sign * head[:, axis] > _UPRIGHT) & (sign * feet[:, axis] < 0)).mean() > _MOST:
            return name
    return None


@functools.cache
def _rest() -> np.ndarray:
    """Joints of the body at rest, the pelvis at the origin."""
    joints = np.zeros((SMPLX_55.num_joints, 3))
    for joint, parent in enumerate(SMPLX_55.parents):
        if parent >= 0:
            joints[joint] = joints[parent] + SMPLX_55.offsets[joint]
    return joints


def _look(rotvecs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give unit vectors from the pelvis to head and feet, ankles, and where the chest faces: ``(N, 3)`` each."""
    parents, offsets = SMPLX_55.parents, SMPLX_55.offsets.astype(np.float64)
    turns = {0: Rotation.from_rotvec(rotvecs[:, 0].astype(np.float64))}
    places = {0: np.zeros((len(rotvecs), 3))}
    for joint in range(1, _HEAD + 1):
        parent = parents[joint]
        places[joint] = places[parent] + turns[parent].apply(offsets[joint])
        turns[joint] = turns[parent] * Rotation.from_rotvec(rotvecs[:, joint].astype(np.float64))
    ankles = np.stack([places[joint] for joint in _ANKLES], 1)
    return _unit(places[_HEAD]), _unit(ankles.mean(1)), ankles, turns[9].apply([0, 0, 1])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
