"""Moving bodies: poses to joints and meshes, joints to rotations and poses, finishing, mirror images."""

from ._bodies import Body, load_body, pose_to_joints
from ._chains import bone_offsets, forward_kinematics, global_rotations, inverse_kinematics
from ._finishing import FinishReport, finish
from ._fitting import fit_betas, fit_poses
from ._hand_targets import HandTarget
from ._mirror import mirror, mirror_positions

__all__ = [
    "Body",
    "FinishReport",
    "HandTarget",
    "bone_offsets",
    "finish",
    "fit_betas",
    "fit_poses",
    "forward_kinematics",
    "global_rotations",
    "inverse_kinematics",
    "load_body",
    "mirror",
    "mirror_positions",
    "pose_to_joints",
]
