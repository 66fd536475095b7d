"""Step 3 of the data set: joint positions to motion vectors.

In the place of the original's motion_representation.ipynb:

    ktube-motion represent-motion
    ktube-motion represent-motion --input joints --output HumanML3D

Reads every .npy of --input: joints (T, 22, 3), (T, 21, 3) or, with fingers, (T, 52, 3).

Writes --output/new_joint_vecs/NAME.npy, the 263 numbers a frame that models learn from (251 and 623 for
the others), and --output/new_joints/NAME.npy, the joints recovered from them. What exists already is kept.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import ShapeError
from ._shared._steps import add_folders, convert, list_files, tell_next


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_folders(parser, "joints", "HumanML3D")


def run(options: Namespace) -> None:
    """Give the motion vectors of every file."""
    from ..features import features_to_joints, joints_to_features
    from ..io._files import save_array
    from ..io._untrusted import load_numpy
    from ..skeletons import KIT_21, SMPL_22, SMPLH_52

    vectors, recovered = options.output / "new_joint_vecs", options.output / "new_joints"
    skeletons = {skeleton.num_joints: skeleton for skeleton in (SMPL_22, KIT_21, SMPLH_52)}

    def make(path: Path) -> None:
        joints = load_numpy(path)
        shape: tuple[int, ...] = getattr(joints, "shape", ())
        if len(shape) != 3 or shape[1] not in skeletons or shape[2] != 3:
            raise ShapeError("These are no joints.", where=path, expected="(T, 22, 3), (T, 52, 3)", found=shape)
        features = joints_to_features(joints, skeleton=skeletons[shape[1]]).astype("float32")
        save_array(recovered / path.name, features_to_joints(features, skeleton=skeletons[shape[1]]))
        save_array(vectors / path.name, features)

    fix = "Make them with `ktube-motion process-poses`, or give --input."
    files = list_files(options.input, ".npy", make=fix)
    convert(files, make, finished=lambda path: (vectors / path.name).exists(), overwrite=options.overwrite)
    tell_next("mean-variance", "--input", vectors.as_posix(), "--output", options.output.as_posix())
