"""The same motion seen in a mirror: left becomes right."""

import numpy as np

from ..arrays import Array, check_shape
from ..skeletons import SMPLX_55, Skeleton
from ..types import Clip, PoseSequence

__all__ = ["mirror", "mirror_positions"]

_X = np.array([-1, 1, 1], np.float32)  # the mirror stands in the plane x = 0
_AXIAL = np.array([1, -1, -1], np.float32)  # what it does to an axis-angle vector


def mirror(motion_or_poses: Clip) -> Clip:
    """Swap left and right of a motion or of poses.

    Parameters
    ----------
    motion_or_poses : Motion or PoseSequence

    Returns
    -------
    mirrored : same kind
        Mirroring twice gives the original. Name, shape and expression stay
        as they are: expression coefficients have no left and right. NaN passes,
        to the other side.

    Examples
    --------
    >>> rotvecs = np.zeros((1, 55, 3)); rotvecs[0, 16] = [0.1, 0.2, 0.3]
    >>> mirror(PoseSequence(rotvecs=rotvecs, fps=30)).rotvecs[0, 17]
    array([ 0.1, -0.2, -0.3], dtype=float32)
    """
    clip = motion_or_poses
    if isinstance(clip, PoseSequence):
        return clip.replace(rotvecs=clip.rotvecs[:, SMPLX_55.mirror] * _AXIAL, transl=clip.transl * _X)
    parts = {}
    if clip.positions is not None:
        parts["positions"] = mirror_positions(clip.positions, skeleton=clip.skeleton)
    if clip.rotations is not None:
        parts["rotations"] = clip.rotations[:, clip.skeleton.mirror] * np.outer(_X, _X)
    if clip.translation is not None:
        parts["translation"] = clip.translation * _X
    return clip.replace(**parts)


def mirror_positions(positions: Array, *, skeleton: Skeleton) -> Array:
    """Swap left and right joints and negate x.

    Parameters
    ----------
    positions : array or tensor [shape=(..., J, 3)]
    skeleton : Skeleton

    Returns
    -------
    positions : same kind [shape=(..., J, 3)]

    Raises
    ------
    ShapeError
        If the number of joints is not the skeleton's.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> positions = np.zeros((22, 3)); positions[20] = [1, 2, 3]
    >>> mirror_positions(positions, skeleton=SMPL_22)[21]
    array([-1.,  2.,  3.])
    """
    check_shape(positions, (skeleton.num_joints, 3), name="positions")
    sign = _X.astype(positions.dtype) if isinstance(positions, np.ndarray) else positions.new_tensor(_X)
    return positions[..., skeleton.mirror.tolist(), :] * sign
