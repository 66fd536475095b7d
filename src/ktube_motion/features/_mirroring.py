"""Mirroring motion vectors, without going through joints."""

from functools import lru_cache

import numpy as np

from ..arrays import Array, check_shape, to_torch
from ..skeletons import SMPL_22, Skeleton
from ._statistics import feature_groups

__all__ = ["mirror_features"]

_VECTOR = (-1, 1, 1)  # what a mirror in the plane x = 0 does to a vector
_ROT6D = (1, -1, -1, -1, 1, 1)  # and to the first two columns of a rotation


def mirror_features(features: Array, *, skeleton: Skeleton = SMPL_22) -> Array:
    """Swap left and right of motion vectors.

    Parameters
    ----------
    features : array or tensor [shape=(..., 12 J - 1)]
        Motion vectors, not normalised.
    skeleton : Skeleton
        `SMPL_22`, `KIT_21` or `SMPLH_52`.

    Returns
    -------
    mirrored : same kind as `features` [shape=(..., 12 J - 1)]
        The vectors of the mirrored joints: exactly where left and right bones
        have one length, but for the rotations of `SMPLH_52`, whose rest pose
        is a real body's. NaN passes.

    Raises
    ------
    ShapeError
        If the vectors are of another size than the skeleton's.

    Examples
    --------
    >>> step_to_the_left = np.zeros(263); step_to_the_left[1] = 0.5
    >>> mirror_features(step_to_the_left)[:3]
    array([-0. , -0.5,  0. ])
    """
    vectors, restore = to_torch(features, name="features")
    check_shape(vectors, (skeleton.feature_size,), name="features", where=skeleton.name)
    source, sign = _mirror(skeleton)
    return restore(vectors[..., source] * vectors.new_tensor(sign))


@lru_cache(maxsize=8)
def _mirror(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Where each number of a mirrored vector comes from, and its sign."""
    source, sign = np.arange(skeleton.feature_size), np.ones(skeleton.feature_size)
    groups, joints = feature_groups(skeleton), skeleton.mirror
    sign[groups["yaw_velocity"]] = -1
    sign[groups["root_velocity"]] = (-1, 1)
    parts = (
        ("positions", joints[1:] - 1, _VECTOR),
        ("rotations", joints[1:] - 1, _ROT6D),
        ("velocities", joints, _VECTOR),
    )
    for name, others, signs in parts:
        source[groups[name]] = source[groups[name]].reshape(len(others), -1)[others].reshape(-1)
        sign[groups[name]] = np.tile(signs, len(others))
    source[groups["contacts"]] = source[groups["contacts"]].reshape(2, 2)[::-1].reshape(-1)
    return source, sign
