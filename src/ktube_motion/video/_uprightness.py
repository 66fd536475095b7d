"""A camera looks down or is held askew; who talks stands or sits upright."""

import numpy as np
import roma
import torch
from scipy.spatial.transform import Rotation

from ..kinematics import Body, Landmarks, load_body, pose_to_joints
from ..rotations import shortest_arc
from ..types import PoseSequence

__all__ = ["stand_upright"]

_FARTHEST = np.radians(35)  # no camera in front of a speaker is tilted more; then it is the speaker who bends
_PELVIS, _NECK, _ANKLES = [0], [12], [7, 8]
_AT_ONCE = 4000  # frames; joints of an hour would take gigabytes


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
    chosen = np.flatnonzero(frames)
    parts = (_directions(poses, part, below, body) for part in np.array_split(chosen, -(-len(chosen) // _AT_ONCE)))
    up, across = (np.concatenate(ways) for ways in zip(*parts, strict=True))
    rest = np.asarray(body.rest_joints(poses.betas), np.float64)[None]
    # A body at rest leans a little too, to where it faces.
    lean, _, aside = _to_vertical(_direction(rest, below, _NECK)[0])
    up = Rotation.from_rotvec(lean * across + aside * np.cross(across, up)).apply(up)
    turn = _to_vertical(np.median(up, axis=0))
    if not np.linalg.norm(turn) < _FARTHEST:
        return poses
    rotvecs = poses.rotvecs.copy()
    rotvecs[valid, 0] = (Rotation.from_rotvec(turn) * Rotation.from_rotvec(rotvecs[valid, 0])).as_rotvec()
    return poses.replace(rotvecs=rotvecs)


def _directions(poses: PoseSequence, frames: np.ndarray, below: list[int], body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Give where up is and where the left is, for the body of each of the frames ``(N, 3)``."""
    kept = poses.replace(rotvecs=poses.rotvecs[frames], transl=poses.transl[frames], expression=None, valid=None)
    joints = pose_to_joints(kept, body=body).require("positions").astype(np.float64)
    return _direction(joints, below, _NECK), _direction(joints, [17, 2], [16, 1])


def _to_vertical(up: np.ndarray) -> np.ndarray:
    """Give the rotation vector that takes a direction to the vertical; its y is 0."""
    turn = shortest_arc(torch.from_numpy(up), torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))
    return np.asarray(roma.rotmat_to_rotvec(turn).numpy())


def _direction(joints: np.ndarray, start: list[int], end: list[int]) -> np.ndarray:
    """Unit vectors ``(T, 3)`` from the middle of some joints to that of others."""
    way = joints[:, end].mean(1) - joints[:, start].mean(1)
    return way / np.linalg.norm(way, axis=-1, keepdims=True)
