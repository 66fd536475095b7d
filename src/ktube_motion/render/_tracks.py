"""Poses as glTF animates them: a clock, a path of the root, a quaternion for each joint and frame."""

from pathlib import PurePosixPath

import numpy as np

from ..kinematics import Body
from ..types import Motion, PoseSequence
from ._gltf import FLOAT, Container

__all__ = ["add_animation", "add_clock", "clip_name", "joint_quats", "root_path"]

_CHUNK = 4096  # frames computed at once
_STILL = 5e-7  # a joint that never turns more, in quaternion parts, needs no track


def clip_name(clip: Motion | PoseSequence) -> str:
    """What a clip is called: its name, or the stem of the file it came from."""
    if isinstance(clip, Motion):
        return clip.name or "motion"
    return PurePosixPath(clip.source.replace("\\", "/")).stem or "motion"


def root_path(poses: PoseSequence, body: Body) -> np.ndarray:
    """Positions of the root joint, float32 ``(T, 3)``."""
    root = np.asarray(body.rest_joints(poses.betas), np.float32)[0]
    return np.asarray(body.root_path(poses) + root, np.float32)


def joint_quats(poses: PoseSequence, body: Body) -> np.ndarray:
    """Local rotations as quaternions xyzw, float32 ``(55, T, 4)``, mean hand included, without jumps of sign.

    Raises
    ------
    DataError
        If frames are invalid.
    """
    quats = np.empty((55, len(poses), 4), np.float32)
    body.rotations(poses[:1] if poses.valid.all() else poses)  # which tells of invalid frames
    for start in range(0, len(poses), _CHUNK):
        rotvecs = poses.rotvecs[start : start + _CHUNK].astype(np.float64)
        if not poses.flat_hand_mean:
            rotvecs[:, 25:] += body.hand_mean
        half = np.linalg.norm(rotvecs, axis=-1, keepdims=True) / 2
        quats[:, start : start + _CHUNK, :3] = (rotvecs * (np.sinc(half / np.pi) / 2)).swapaxes(0, 1)
        quats[:, start : start + _CHUNK, 3] = np.cos(half[..., 0]).T
    for joint in quats:
        flips = (joint[1:] * joint[:-1]).sum(-1) < 0
        joint[1:] *= np.where(flips, -1, 1).cumprod().astype(np.float32)[:, None]
    return quats


def add_clock(container: Container, frames: int, fps: float) -> int:
    """Add the times of frames, from 0 s; give the accessor."""
    times = (np.arange(frames, dtype=np.float64) / fps).astype(np.float32)[:, None]
    return container.add(times, FLOAT, limits=True)


def add_animation(
    container: Container, tracks: list[tuple[int, str, np.ndarray]], *, frames: int, fps: float, name: str
) -> dict[str, object]:
    """Add tracks (node, ``"translation"`` or ``"rotation"``, values); rotations that never leave the rest are left out.

    Returns
    -------
    animation : dict
        For the document's ``animations``.
    """
    clock = add_clock(container, frames, fps)
    kept = [track for track in tracks if track[1] == "translation" or np.abs(track[2] - (0, 0, 0, 1)).max() > _STILL]
    samplers = [{"input": clock, "output": container.add(values, FLOAT)} for _, _, values in kept]
    channels = [
        {"sampler": number, "target": {"node": node, "path": path}} for number, (node, path, _) in enumerate(kept)
    ]
    return {"name": name, "samplers": samplers, "channels": channels}
