"""Quaternions in time, for the filters: float64, xyzw, each near its neighbour."""

from collections.abc import Iterator

import numpy as np
import roma
import torch
import torch.nn.functional as F

from ..arrays import check_finite
from ..errors import DataError
from ..rotations import continuous_quat
from ..types import PoseSequence


def valid_frames(poses: PoseSequence) -> np.ndarray:
    """Indices of the valid frames; `DataError` if there is none."""
    frames = np.flatnonzero(poses.valid)
    if not len(frames):
        raise DataError(f"None of the {len(poses)} frames is valid.", where=poses.source or None, fix="Drop this clip.")
    return frames


def to_quats(rotvecs: np.ndarray) -> torch.Tensor:
    """Axis-angle array ``(T, J, 3)`` to continuous quaternions, a float64 tensor ``(T, J, 4)``."""
    check_finite(rotvecs, name="rotvecs")
    return continuous_quat(roma.rotvec_to_unitquat(torch.tensor(rotvecs, dtype=torch.float64)))


def to_rotvecs(quats: torch.Tensor) -> np.ndarray:
    """Quaternions of any length above zero to a float32 axis-angle array."""
    return roma.unitquat_to_rotvec(F.normalize(quats, dim=-1)).numpy().astype(np.float32)


def slerp(first: torch.Tensor, second: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Go from one rotation to another the short way; `weight` has the shape without the last axis."""
    step = roma.unitquat_to_rotvec(roma.quat_product(roma.quat_conjugation(first), second))
    return roma.quat_product(first, roma.rotvec_to_unitquat(step * weight[..., None]))


def between(poses: PoseSequence, before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Blend frames `before` and `after` of `poses`: rotvecs by slerp, transl and expression linearly."""
    turned = np.empty((len(weight), *poses.rotvecs.shape[1:]), np.float32)
    for rows in blocks(len(weight)):
        first, second = to_quats(poses.rotvecs[before[rows]]), to_quats(poses.rotvecs[after[rows]])
        turned[rows] = to_rotvecs(
            slerp(first, second, torch.from_numpy(weight[rows])[:, None].expand(first.shape[:-1]))
        )

    def blend(values: np.ndarray, name: str) -> np.ndarray:
        check_finite(values[before], name=name)
        check_finite(values[after], name=name)
        return values[before] + weight[:, None] * (values[after] - values[before])

    return {
        "rotvecs": turned,
        "transl": blend(poses.transl, "transl"),
        "expression": blend(poses.expression, "expression"),
    }


def blocks(frames: int) -> Iterator[slice]:
    """Go through frames some at a time: an hour of video at once would fill gigabytes."""
    return (slice(start, min(start + 4096, frames)) for start in range(0, frames, 4096))


def median_quat(quats: torch.Tensor, *, steps: int = 30) -> torch.Tensor:
    """Geometric median over time by Weiszfeld's iteration: ``(T, J, 4)`` to ``(J, 4)``."""
    middle = quats[len(quats) // 2]
    for _ in range(steps):
        facing = torch.where((quats * middle).sum(-1, keepdim=True) < 0, -quats, quats)
        pull = 1 / torch.linalg.vector_norm(facing - middle, dim=-1, keepdim=True).clamp_min(1e-6)
        middle = F.normalize((facing * pull).sum(0), dim=-1)
    return middle


def running_median_angle(quats: torch.Tensor, reach: int) -> torch.Tensor:
    """Radians from each rotation to the median over `reach` frames to both sides: ``(T, J)``.

    The clip goes on mirrored beyond its ends, so that a bad first frame does not vote for itself.
    """
    inside = np.pad(np.arange(len(quats)), reach, mode="reflect")
    angles = []
    for rows in blocks(len(quats)):
        window = quats[inside[rows.start : rows.stop + 2 * reach]].unfold(0, 2 * reach + 1, 1)  # (T, J, 4, window)
        side = (window * quats[rows, ..., None]).sum(-2, keepdim=True)
        median = F.normalize(torch.where(side < 0, -window, window).median(-1).values, dim=-1)
        angles.append(roma.unitquat_geodesic_distance(median, quats[rows]))
    return torch.cat(angles)
