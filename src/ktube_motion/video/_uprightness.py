"""A camera looks down or is held askew; who talks stands or sits upright."""

import numpy as np
from scipy.spatial.transform import Rotation

from ..kinematics import Body, Landmarks, pose_to_joints
from ..types import PoseSequence

__all__ = ["stand_upright"]

_FARTHEST = np.radians(35)  # no camera in front of a speaker is tilted more; then it is the speaker who bends
_PELVIS, _NECK, _ANKLES = 0, 12, [7, 8]


def stand_upright(poses: PoseSequence, seen: Landmarks, *, body: Body | None = None) -> PoseSequence:
    """Turn the poses of one shot so that the body is upright in most of its frames, whatever way the camera looked.

    From the ankles to the neck where they are seen, else from the pelvis. Only pitch and roll turn, all frames alike.
    """
    joints = pose_to_joints(poses, body=body).require("positions").astype(np.float64)
    ankles = [seen.names.index(name) for name in ("left_ankle", "right_ankle") if name in seen.names]
    weights = seen.require_weights()[:, ankles]
    low = (weights > 0.5).all(1) if len(ankles) == 2 else np.zeros(len(poses), bool)
    low &= poses.valid
    frames = low if low.sum() > 0.5 * poses.valid.sum() else poses.valid
    if not frames.any():
        return poses
    feet = joints[frames][:, _ANKLES].mean(1) if frames is low else joints[frames, _PELVIS]
    way = joints[frames, _NECK] - feet
    up = np.median(way / np.linalg.norm(way, axis=1, keepdims=True), axis=0)
    up /= np.linalg.norm(up)
    axis = np.cross(up, (0.0, 1.0, 0.0))
    angle = np.arctan2(np.linalg.norm(axis), up[1])
    if not 1e-6 < angle < _FARTHEST:
        return poses
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle)
    rotvecs = poses.rotvecs.copy()
    rotvecs[poses.valid, 0] = (turn * Rotation.from_rotvec(rotvecs[poses.valid, 0])).as_rotvec()
    return poses.replace(rotvecs=rotvecs)
