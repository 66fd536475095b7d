"""Bones that keep their length: rest bones and rotations of joints that were only positions."""

import numpy as np

from ..errors import DataError
from ..skeletons import SMPL_22, SMPLX_55, Skeleton
from ._chains import global_rotations, inverse_kinematics

__all__ = ["bones_of", "implied_offsets", "rigid_fit"]

_POINT = 1e-6  # metres; a body of shorter bones is a point


def bones_of(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Bone vectors ``(..., J, 3)`` from each joint's parent to the joint; zeros for the root."""
    return points - points[..., [max(parent, 0) for parent in skeleton.parents], :]


def implied_offsets(positions: np.ndarray, rotations: np.ndarray, *, skeleton: Skeleton) -> np.ndarray:
    """Bones in the frames of their parents, averaged over time: the rest pose ``(J, 3)`` that rotations speak of."""
    turned = global_rotations(np.asarray(rotations), skeleton=skeleton)[:, [max(p, 0) for p in skeleton.parents]]
    return np.einsum("tjba,tjb->tja", turned, bones_of(positions, skeleton)).mean(0)


def rigid_fit(positions: np.ndarray, *, skeleton: Skeleton, rounds: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Rotations ``(T, J, 3, 3)`` and rest bones ``(J, 3)`` of a motion that has only positions ``(T, J, 3)``."""
    offsets = skeleton.offsets if skeleton is not SMPL_22 else SMPLX_55.offsets[:22]
    lengths = np.median(np.linalg.norm(bones_of(positions, skeleton), axis=-1), axis=0)
    if lengths.max(initial=0) < _POINT:
        raise _nowhere()
    for _ in range(rounds):
        rotations = inverse_kinematics(positions, skeleton=skeleton, offsets=offsets.astype(positions.dtype))
        offsets = implied_offsets(positions, rotations, skeleton=skeleton)
        # Averaging directions that wobble shortens bones; give them back their length.
        offsets = offsets * (lengths / np.maximum(np.linalg.norm(offsets, axis=-1), 1e-9))[:, None]
    rotations = inverse_kinematics(positions, skeleton=skeleton, offsets=offsets.astype(positions.dtype))
    if not np.isfinite(rotations).all():
        raise _nowhere()
    return rotations, offsets


def _nowhere() -> DataError:
    return DataError("No rotations fit these joints.", expected="bones with a length", found="joints in one place")
