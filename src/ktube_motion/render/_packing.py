"""Motion and mesh as a page holds them: int16 numbers, differences in time, deflate, base64."""

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import roma
import torch

from ..kinematics import Body
from ..rotations import continuous_quat
from ..skeletons import SMPLX_55
from ..types import Motion, PoseSequence
from . import _sticks
from ._figure import Figure, make_figure
from ._scene import follow_path, walks
from ._sticks import head_frames, make_sticks

__all__ = ["pack_body", "pack_joints", "pack_mesh", "stick_sizes"]

_UNIT = 32767


def pack_joints(clip: Motion) -> dict[str, Any]:
    """Give a motion of any skeleton: its joints, where the head faces, and where the camera looks if that moves."""
    positions = clip.require("positions").astype(np.float64)
    head, sticks = head_frames(clip), make_sticks(clip.skeleton)
    points = [positions]
    if head is not None:
        points.append(positions[:, [sticks.head]] + 0.2 * head[:, None, :, 2])
    floor, joints = float(positions[..., 1].min()), positions.shape[1]
    about = _about(clip, positions, floor) | {"joints": joints, "faces": head is not None, "sticks": vars(sticks)}
    return about | _numbers(points, about)


def pack_body(poses: PoseSequence, *, body: Body, shape: int) -> dict[str, Any]:
    """Give SMPL-X poses: the root, and quaternions of the joints that turn; `shape` numbers the mesh."""
    positions = body.joints(poses).astype(np.float64)
    quats = continuous_quat(roma.rotmat_to_unitquat(torch.from_numpy(body.rotations(poses).astype(np.float64)))).numpy()
    quats = quats / np.linalg.norm(quats, axis=-1, keepdims=True)
    turning = [joint for joint in range(55) if np.ptp(quats[:, joint], axis=0).max() > 1e-4]
    still = [[] if joint in turning else quats[0, joint].round(6).tolist() for joint in range(55)]
    floor = float(positions[..., 1].min()) - 0.02  # soles are a little below the toe joints
    about = _about(poses, positions, floor)
    about |= {"shape": shape, "turns": turning, "still": still, "sticks": vars(make_sticks(SMPLX_55))}
    return about | _numbers([positions[:, :1]], about, quats[:, turning].reshape(len(quats), -1))


def _about(clip: Motion | PoseSequence, positions: np.ndarray, floor: float) -> dict[str, Any]:
    targets = follow_path(positions, fps=clip.fps)
    standing = bool(np.ptp(targets, axis=0).max() == 0)
    around = np.concatenate([np.add(positions, (0, 0.17, 0)), np.add(positions, (0, -0.04, 0))], 1)
    return {
        "fps": clip.fps,
        "frames": clip.num_frames,
        "floor": floor,
        "walks": walks(positions),
        "target": targets[0].round(4).tolist() if standing else None,
        "targets": targets,
        "reach": _outermost((around - targets[:, None]).reshape(-1, 3)),
    }


def _outermost(points: np.ndarray) -> list[list[float]]:
    """Give the points that are farthest in 26 directions: enough to frame them all."""
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), -1).reshape(-1, 3)
    directions = steps[np.abs(steps).sum(1) > 0]
    found = np.unique((points @ directions.T).argmax(0))
    return points[found].round(3).tolist()


def _numbers(points: Sequence[np.ndarray], about: dict[str, Any], quats: np.ndarray | None = None) -> dict[str, Any]:
    """Give points ``(T, N, 3)`` in one box, then quaternions, then the camera's path, as channels of int16."""
    targets = about.pop("targets")
    parts = [*points, targets[:, None]]
    middle = (np.min([part.min((0, 1)) for part in parts], 0) + np.max([part.max((0, 1)) for part in parts], 0)) / 2
    scale = max(max(float(np.abs(part - middle).max()) for part in parts), 1e-3) / _UNIT
    channels = [np.round((part - middle) / scale).reshape(len(targets), -1) for part in points]
    if quats is not None:
        channels.append(np.round(quats * _UNIT))
    if about["target"] is None:
        channels.append(np.round((targets - middle) / scale))
    numbers = np.concatenate(channels, 1).astype(np.int16).T
    return {"middle": middle.tolist(), "scale": scale, "channels": len(numbers), "data": _pack(_differences(numbers))}


def _differences(numbers: np.ndarray) -> np.ndarray:
    """Give int16 channels ``(C, T)`` as first values and steps, which wrap as the sums of them do."""
    return np.concatenate([numbers[:, :1], numbers[:, 1:] - numbers[:, :-1]], 1)


def _pack(numbers: np.ndarray) -> str:
    kind = numbers.dtype.newbyteorder("<")
    return base64.b64encode(zlib.compress(np.ascontiguousarray(numbers, kind).tobytes(), 9)).decode("ascii")


def pack_mesh(body: Body, betas: Sequence[np.ndarray]) -> dict[str, Any]:
    """Give the mesh once, and for every body shape where its vertices and joints are at rest."""
    figures = [make_figure(body, shape) for shape in betas]
    first, shapes, places = figures[0], [], []
    for figure in figures:
        middle = (figure.vertices.min(0) + figure.vertices.max(0)) / 2
        scale = float(np.abs(figure.vertices - middle).max()) / _UNIT
        places.append(np.round((figure.vertices - middle) / scale).astype("<i2").tobytes())
        shapes.append({"middle": middle.tolist(), "scale": scale, "rest": figure.rest.round(5).tolist()})
    faces = first.faces.astype(np.uint16)
    steps = np.concatenate([faces[:1], faces[1:] - faces[:-1]])
    normals = np.round(first.normals * 127).astype(np.int8)
    colours = np.round(first.colours * 255).astype(np.uint8)
    parts = [steps.astype("<u2"), normals, first.joints, _bytes_of_weights(first), colours]
    packed = zlib.compress(b"".join([part.tobytes() for part in parts] + places), 9)
    mesh = {"vertices": len(first.vertices), "triangles": len(faces), "data": base64.b64encode(packed).decode("ascii")}
    return {"mesh": mesh, "shapes": shapes, "parents": list(SMPLX_55.parents)}


def _bytes_of_weights(figure: Figure) -> np.ndarray:
    """Give weights as bytes that sum to 255: what rounding leaves over goes to the strongest."""
    weights = np.round(figure.weights * 255).astype(np.int16)
    strongest = weights.argmax(1)
    weights[np.arange(len(weights)), strongest] += 255 - weights.sum(1, dtype=np.int16)
    return weights.astype(np.uint8)


def stick_sizes() -> dict[str, Any]:
    """Give the viewer what stick figures of videos look like."""
    return {
        "limb": _sticks.LIMB,
        "finger": _sticks.FINGER,
        "palm": _sticks.PALM,
        "skull": _sticks.SKULL,
        "skull_width": _sticks.SKULL_WIDTH,
        "eyes": _sticks.EYES,
        "nose": _sticks.NOSE,
    }
