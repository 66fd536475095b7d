"""Poses of the made-up speaker's parts, and the SMPL-X rotations that take them.

Arms are told in the frame of the chest, for the left arm: +x away from the
body, y up, z forward. The right arm is the mirror image. Angles of head and
torso are (pitch, yaw, roll) in radians: forward, to the left, towards the
right shoulder.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from scipy.spatial.transform import Rotation

from ...skeletons import SMPLX_55

__all__ = ["HANGING", "JOINTS", "Arm", "Pose", "Vector", "part_rotvecs", "reach"]

Vector: TypeAlias = tuple[float, ...]

JOINTS = {
    "torso": (3, 6, 9),
    "head": (12, 15),
    "left": (13, 16, 18, 20, *range(25, 40)),
    "right": (14, 17, 19, 21, *range(40, 55)),
}
_SHOULDER = np.array([0.166, 0.0, 0.0])  # from the middle between both
_UPPER, _FORE = SMPLX_55.bone_lengths[18], SMPLX_55.bone_lengths[20]


@dataclass(frozen=True)
class Arm:
    """Where the upper arm, the forearm and the palm point.

    `fingers` says where the hand points, by default where the forearm does, folded by `bend` (radians) towards the
    palm; `lift` raises the shoulder (radians); a hand that `touches` something must not miss it.
    """

    upper: Vector
    fore: Vector
    palm: Vector
    hand: str = "relaxed"
    bend: float = 0.0
    fingers: Vector | None = None
    lift: float = 0.0
    touches: bool = False


# Of an arm, or the angles of head or torso.
Pose: TypeAlias = Arm | Vector

HANGING = Arm((0.20, -1, 0.0), (0.06, -1, 0.25), (-1, 0, 0.15))


def reach(
    wrist: Vector,
    palm: Vector,
    hand: str = "relaxed",
    *,
    elbow: Vector = (0.5, -1, -0.1),
    fingers: Vector | None = None,
    bend: float = 0.0,
    lift: float = 0.0,
    touches: bool = False,
) -> Arm:
    """Bring the wrist to a point.

    Parameters
    ----------
    wrist : (float, float, float)
        Metres from the middle between the shoulders: the mouth is at (0, 0.19, 0.12).
    palm : (float, float, float)
        Where the palm faces.
    hand : str
        Name of the hand's shape.
    elbow : (float, float, float)
        Where the elbow is pulled; an arm that does not reach is stretched.
    fingers, bend, lift, touches
        As in `Arm`.

    Returns
    -------
    arm : Arm
    """
    way = np.array(wrist) - _SHOULDER
    length = np.linalg.norm(way)
    way, length = way / length, min(length, 0.995 * (_UPPER + _FORE))
    aside = np.array(elbow) - np.dot(elbow, way) * way
    cosine = (_UPPER**2 + length**2 - _FORE**2) / (2 * _UPPER * length)
    upper = cosine * way + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    fore = length * way - _UPPER * upper
    return Arm(tuple(upper), tuple(fore / _FORE), palm, hand, bend, fingers, lift, touches)


def part_rotvecs(part: str, pose: Pose) -> np.ndarray:
    """Turn a pose of one part into local axis-angle, ``(len(JOINTS[part]), 3)``."""
    if isinstance(pose, Arm):
        return _arm(pose) * (1 if part == "left" else np.array([1, -1, -1]))
    shares = (0.34, 0.33, 0.33) if part == "torso" else (0.4, 0.6)
    whole = Rotation.from_euler("yxz", [pose[1], pose[0], pose[2]]).as_rotvec()
    return np.outer(shares, whole)


@lru_cache(maxsize=4096)
def _arm(arm: Arm) -> np.ndarray:
    """Solve the left arm: collar, shoulder, elbow, wrist and 15 finger joints."""
    upper, fore, palm = (np.array(vector) / np.linalg.norm(vector) for vector in (arm.upper, arm.fore, arm.palm))
    hinge = np.cross(upper, fore)  # the palm faces along it when the forearm is not turned
    hinge = hinge / np.linalg.norm(hinge) if np.linalg.norm(hinge) > 0.05 else palm
    rest_upper, rest_fore = SMPLX_55.bone_directions[18], SMPLX_55.bone_directions[20]
    down = np.array([0, -1.0, 0])  # in the rest pose arms lie along x with the palms down

    # The collar helps an arm that is raised or reaches forward.
    collar = Rotation.from_rotvec([0, -0.18 * max(upper[2], 0), 0.28 * np.clip(upper[1] + 0.2, 0, 1.2) + arm.lift])
    shoulder = _frame(upper, hinge) * _frame(rest_upper, down).inv()
    elbow = _frame(fore, hinge) * _frame(rest_fore, down).inv()
    turn = np.arctan2(np.dot(np.cross(hinge, palm), fore), np.dot(hinge, palm))
    forearm = Rotation.from_rotvec(fore * turn / 2) * elbow
    if arm.fingers is None:
        wrist = Rotation.from_rotvec(fore * turn) * elbow * Rotation.from_rotvec([0, 0, -arm.bend])
    else:
        wrist = _frame(np.array(arm.fingers) / np.linalg.norm(arm.fingers), palm) * _frame(rest_fore, down).inv()
    chain = (collar, collar.inv() * shoulder, shoulder.inv() * forearm, forearm.inv() * wrist)
    return np.concatenate([[rotation.as_rotvec() for rotation in chain], _HANDS[arm.hand]])


def _frame(along: np.ndarray, side: np.ndarray) -> Rotation:
    """A frame whose first axis is `along` and whose second is nearest to `side`."""
    side = side - np.dot(side, along) * along
    side = side / np.linalg.norm(side)
    return Rotation.from_matrix(np.stack([along, side, np.cross(along, side)], 1))


def _hand(index: float, middle: float, pinky: float, ring: float, thumb: float = 0.0) -> np.ndarray:
    """Curl the left hand's fingers: -1 straight, 0 relaxed, 1 folded; relative to the mean hand."""
    straight, folded = np.array([0.40, 0.65, 0.20]), np.array([-0.95, -0.85, -0.75])
    pose = np.zeros((5, 3, 3))
    for finger, curl in enumerate((index, middle, pinky, ring)):
        pose[finger, :, 2] = -curl * straight if curl < 0 else curl * folded
    pose[4, :, 1] = np.array([-0.35, -0.3, -0.5]) * thumb
    return pose.reshape(15, 3)


_HANDS = {
    "relaxed": _hand(0, 0, 0, 0),
    "open": _hand(-1, -1, -1, -1, -0.5),
    "fist": _hand(1, 1, 1, 1, 1),
    "curled": _hand(0.3, 0.6, 0.8, 0.7, 0.2),
    "point": _hand(-1, 1, 1, 1, 1),
    "one": _hand(-1, 1, 1, 1, 1),
    "two": _hand(-1, -1, 1, 1, 1),
    "three": _hand(-1, -1, 1, -1, 1),
    "pinch": _hand(0.35, 0.8, 0.9, 0.9, 0.5),
    "ring": _hand(0.55, -0.8, -1, -0.9, 0.7),
    "thumb": _hand(1, 1, 1, 1, -1),
    "call": _hand(1, 1, -1, 1, -1),
    "grip": _hand(0.5, 0.5, 0.5, 0.5, 0.4),
}
