"""What a user may write: `test_typing` asks mypy --strict to accept it."""

from pathlib import Path

import numpy as np
import torch

import ktube_motion
from ktube_motion import Motion, MotionTokenizer, PoseSequence, UtteranceToMotion, filters, metrics
from ktube_motion.features import features_to_joints, joints_to_features
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.render import save_html


def clean(poses: PoseSequence) -> Motion:
    return pose_to_joints(filters.resample(filters.clean_poses(poses), fps=20.0))


def rebuild(tokenizer: MotionTokenizer, motion: Motion) -> float:
    features = joints_to_features(motion.require("positions"))
    joints: np.ndarray = features_to_joints(tokenizer.decode(tokenizer.encode(features)))
    return 1000 * metrics.mpjpe(joints, motion.require("positions")[: len(joints)], align="root")


def speak(folder: Path, text: str) -> None:
    pipeline = UtteranceToMotion.from_pretrained(folder)
    for motion in pipeline.generate([text], seconds=3.0):
        save_html(motion[:60], folder / f"{motion.name}.html", utterance=text)


def kinds(array: np.ndarray, tensor: torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
    return metrics.joint_errors(array, array), metrics.joint_errors(tensor, tensor)


version: str = ktube_motion.__version__
skeleton: ktube_motion.skeletons.Skeleton = ktube_motion.skeletons.SMPL_22
