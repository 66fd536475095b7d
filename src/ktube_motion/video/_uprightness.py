"""A camera looks down or is held askew; who talks stands or sits upright."""

import numpy as np
from scipy.spatial.transform import Rotation

from ..kinematics import Body, Landmarks, load_body, pose_to_joints
from ..types import PoseSequence

__all__ = ["stand_upright"]

_FARTHEST = np.radians(35)  # no camera in front of a speaker is tilted more; then it is the speaker who bends
_PELVIS, _NECK, _ANKLES = [0], [12], [7, 8]


def stand_upright(poses: PoseSequence, seen: Landmarks, *, body: Body | None = None) -> PoseSequence:
    """Turn the poses of one shot so that the body is upright in most of its frames, whatever way the camera looked.

    Its neck is above the ankles as in the rest pose, where both ankles are seen in most frames; else above the pelvis.
    Only pitch and roll turn, all frames alike.
    """
    body = load_body() if body is None else body
    valid = poses.valid
    ankles = [seen.names.index(name) for name in ("left_ankle", "right_ankle") if name in seen.names]
    standing = valid & (seen.require_weights()[:, ankles] > 0.5).all(1) & (len(ankles) == 2)
    whole = standing.sum() > 0.5 * valid.sum()
    frames, below = (standing, _ANKLES) if whole else (valid, _PELVIS)
    if not frames.any():
        return poses
    joints = pose_to_joints(poses, body=body).require("positions")[frames]
    rest = np.asarray(body.rest_joints(poses.betas), np.float64)
    up, wanted = np.median(_directions(joints, below), axis=0), _directions(rest[None], below)[0] * (0, 1, 1)
    axis = np.cross(up, wanted)
    angle = np.arctan2(np.linalg.norm(axis), up @ wanted)
    if not 1e-6 < angle < _FARTHEST:
        return poses
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle)
    rotvecs = poses.rotvecs.copy()
    rotvecs[valid, 0] = (turn * Rotation.from_rotvec(rotvecs[valid, 0])).as_rotvec()
    return poses.replace(rotvecs=rotvecs)


def _directions(joints: np.ndarray, below: list[int]) -> np.ndarray:
    """Unit vectors ``(T, 3)`` from the middle of some joints to the neck."""
    way = joints[:, _NECK].mean(1, dtype=np.float64) - joints[:, below].mean(1, dtype=np.float64)
    return way / np.linalg.norm(way, axis=-1, keepdims=True)
