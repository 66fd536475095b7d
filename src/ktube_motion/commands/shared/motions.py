"""Motion read from any file it lies in, and written as whatever is asked for."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError, FormatError, KtubeError
from ...features import features_to_joints
from ...io import load_bvh, load_poses, save_poses
from ...io.untrusted import load_numpy
from ...kinematics import load_body
from ...render import save_bvh, save_glb, save_html, save_skeleton_video
from ...render.rigs import as_poses
from ...skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55, Skeleton
from ...types import Cue, Motion, PoseSequence
from .options import RIG_FLAGS

__all__ = ["read_joints", "read_motion", "write_motion"]

_SKELETONS = {skeleton.num_joints: skeleton for skeleton in (SMPL_22, KIT_21, SMPLH_52, SMPLX_55)}


def read_joints(path: Path, *, fps: float, name: str | None = None) -> Motion:
    """Read joints ``(T, J, 3)`` or motion vectors ``(T, D)`` from a .npy file.

    A leading axis of one, as T2M-GPT writes it, is dropped.
    """
    numbers = np.asarray(load_numpy(path))
    numbers = numbers[0] if numbers.ndim in (3, 4) and len(numbers) == 1 != numbers.shape[-1] else numbers
    if numbers.ndim == 2:
        skeleton = Skeleton.for_feature_size(numbers.shape[1])
        numbers = features_to_joints(np.asarray(numbers, np.float32), skeleton=skeleton)
    elif numbers.ndim == 3 and numbers.shape[1] in _SKELETONS and numbers.shape[2] == 3:
        skeleton = _SKELETONS[numbers.shape[1]]
    else:
        raise FormatError(
            "This is no array of joints.", where=path, expected="(T, 22, 3) or (T, 263)", found=numbers.shape
        )
    return Motion(skeleton=skeleton, positions=numbers, fps=fps, name=path.stem if name is None else name)
