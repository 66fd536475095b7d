"""What a speaker's body does not say: the drifting root, the unseen legs."""

import numpy as np

from ..arrays import check_finite
from ..errors import ConfigError
from ..skeletons import SMPLX_55
from ..types import PoseSequence
from ._quats import median_quat, to_quats, to_rotvecs, valid_frames

__all__ = ["fix_root", "rest_lower_body"]

_LOWER_BODY = [
    SMPLX_55.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle", "foot") for side in ("left", "right")
]


def fix_root(poses: PoseSequence, *, to: str = "median") -> PoseSequence:
    """Give the root one rotation and one translation over the whole clip.

    An estimator's root drifts with the camera; a speaker who stands or sits
    has no use for it.

    Parameters
    ----------
    poses : PoseSequence
    to : {"first", "median", "identity"}
        The first valid frame, as the original does; the geometric median of
        the rotations and the median of the translations over the valid frames,
        which outliers hardly move; or upright at the origin facing +z.

    Returns
    -------
    poses : PoseSequence

    Raises
    ------
    ConfigError
        If `to` is none of these.
    DataError
        If no frame is valid, or a valid root is not finite.

    Examples
    --------
    >>> poses = PoseSequence(rotvecs=np.full((4, 55, 3), 0.1), transl=np.eye(4, 3), fps=30)
    >>> fix_root(poses, to="first").transl[-1]
    array([1., 0., 0.], dtype=float32)
    """
    if to not in ("first", "median", "identity"):
        raise ConfigError("Unknown way to fix the root.", expected="first, median or identity", found=repr(to))
    if to == "identity":
        rotation = transl = np.zeros(3)
    else:
        frames = valid_frames(poses)[: 1 if to == "first" else None]
        rotation = to_rotvecs(median_quat(to_quats(poses.rotvecs[frames, :1])))[0]
        check_finite(poses.transl[frames], name="transl")
        transl = np.median(poses.transl[frames], 0)
    rotvecs = poses.rotvecs.copy()
    rotvecs[:, 0] = rotation
    return poses.replace(rotvecs=rotvecs, transl=np.broadcast_to(transl, poses.transl.shape))


def rest_lower_body(poses: PoseSequence) -> PoseSequence:
    """Hold hips, knees, ankles and feet at rest: for speakers filmed from the waist up.

    Estimators invent the legs they do not see. At rest the body stands with
    straight legs.

    Parameters
    ----------
    poses : PoseSequence

    Returns
    -------
    poses : PoseSequence
        Legs unrotated, everything else as it was.

    Examples
    --------
    >>> poses = rest_lower_body(PoseSequence(rotvecs=np.ones((4, 55, 3)), fps=30))
    >>> np.flatnonzero((poses.rotvecs == 0).all((0, 2)))
    array([ 1,  2,  4,  5,  7,  8, 10, 11])
    """
    rotvecs = poses.rotvecs.copy()
    rotvecs[:, _LOWER_BODY] = 0
    return poses.replace(rotvecs=rotvecs)
