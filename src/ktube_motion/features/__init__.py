"""Joint positions ↔ the motion vectors of HumanML3D: what the models read and write.

A clip of ``T`` frames and ``J`` joints becomes ``T - 1`` vectors of
``12 J - 1`` numbers: 263 for `SMPL_22`, 251 for `KIT_21`, 623 for `SMPLH_52`.
"""

from ._canonical import canonicalize, rebone
from ._chains import joints_to_rotations, rotations_to_joints
from ._codec import features_to_joints, joints_to_features, recode_features, root_trajectory
from ._mirroring import mirror_features
from ._statistics import feature_groups, feature_stats

__all__ = [
    "canonicalize",
    "feature_groups",
    "feature_stats",
    "features_to_joints",
    "joints_to_features",
    "joints_to_rotations",
    "mirror_features",
    "rebone",
    "recode_features",
    "root_trajectory",
    "rotations_to_joints",
]
