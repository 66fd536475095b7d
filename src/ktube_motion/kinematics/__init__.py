"""Moving bodies: poses to joints and meshes, joints to rotations and poses, finishing, mirror images."""

from ._bodies import Body, load_body, pose_to_joints
from ._chains import bone_offsets, forward_kinematics, global_rotations, inverse_kinematics
from ._finishing import FinishReport, finish
from ._fitting import fit_betas, fit_poses
from ._hand_targets import HandTarget
from ._landmark_fitting import fit_landmarks
from ._landmarks import BODY_LANDMARKS, HAND_LANDMARKS, LANDMARKS, Landmarks
from ._leaning import steady_trunk
from ._mirror import mirror, mirror_positions
from ._swaps import mend_swaps

__all__ = [
    "BODY_LANDMARKS",
    "HAND_LANDMARKS",
    "LANDMARKS",
    "Body",
    "FinishReport",
    "HandTarget",
    "Landmarks",
    "bone_offsets",
    "finish",
    "fit_betas",
    "fit_landmarks",
    "fit_poses",
    "forward_kinematics",
    "global_rotations",
    "inverse_kinematics",
    "load_body",
    "mend_swaps",
    "mirror",
    "mirror_positions",
    "pose_to_joints",
    "steady_trunk",
]
