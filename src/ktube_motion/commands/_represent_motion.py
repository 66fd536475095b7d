"""Step 3 of the data set: joint positions to motion vectors.

In the place of the original's motion_representation.ipynb:

    ktube-motion represent-motion
    ktube-motion represent-motion --input joints --output HumanML3D
    ktube-motion represent-motion --input pose_data --output HumanML3D --skeleton smpl_22

Reads every .npy of --input: joints (T, 22, 3), (T, 24, 3) of SMPL, (T, 21, 3) of KIT-ML or, with fingers, (T, 52, 3).

Writes --output/new_joint_vecs/NAME.npy, the 263 numbers a frame that models learn from (251 and 623 for
the others), and --output/new_joints/NAME.npy, the joints recovered from them. What exists already is kept.
A folder holds vectors of one size: files of more joints than --skeleton has give their body, others are skipped.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, FormatError, ShapeError
from ._shared._console import say
from ._shared._steps import add_folders, convert, list_files, tell_next

if TYPE_CHECKING:
    from ..skeletons import Skeleton

# Of these the first 22 joints are SMPL's body: SMPL with its hands, SMPL-H, SMPL-X.
_BODIES = (22, 24, 52, 55)


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_folders(parser, "joints", "HumanML3D")
    parser.add_argument(
        "--skeleton", choices=["smpl_22", "kit_21", "smplh_52"],
        help="what the vectors are of; by default as those in --output, else of the first file",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Give the motion vectors of every file."""
    from ..features import features_to_joints, joints_to_features
    from ..io._files import save_array
    from ..io._untrusted import load_numpy

    vectors, recovered = options.output / "new_joint_vecs", options.output / "new_joints"
    fix = "Make them with `ktube-motion process-poses`, or give --input."
    files = list_files(options.input, ".npy", make=fix)
    skeleton = _choose(options.skeleton, vectors, files)
    count = skeleton.num_joints
    fitting = _BODIES if count == 22 else (count,)

    def make(path: Path) -> None:
        joints = load_numpy(path)
        shape: tuple[int, ...] = getattr(joints, "shape", ())
        if len(shape) != 3 or shape[1] not in fitting or shape[2] != 3:
            expected = " or ".join(f"(T, {size}, 3)" for size in fitting)
            raise ShapeError(f"These are no joints of {skeleton.name}.", where=path, expected=expected, found=shape)
        features = joints_to_features(joints[:, :count], skeleton=skeleton).astype("float32")
        save_array(recovered / path.name, features_to_joints(features, skeleton=skeleton))
        save_array(vectors / path.name, features)

    convert(files, make, finished=lambda path: os.path.exists(vectors / path.name), overwrite=options.overwrite)
    tell_next("mean-variance", "--input", vectors.as_posix(), "--output", options.output.as_posix())


def _choose(name: str | None, vectors: Path, files: Iterable[Path]) -> "Skeleton":
    """Give the skeleton that was asked for, that of the vectors which are there, or that of the first joints."""
    from ..skeletons import Skeleton

    there = next((shape[1] for shape in _shapes(sorted(vectors.glob("*.npy"))) if len(shape) == 2), None)
    if there is not None:
        found = Skeleton.for_feature_size(there)
        if name not in (None, found.name):
            raise ConfigError(
                "A folder holds vectors of one size.", where=vectors, expected=f"--skeleton {found.name}", found=name,
                fix="Choose another --output.",
            )  # fmt: skip
        return found
    if name is None:
        counts = (shape[1] for shape in _shapes(files) if len(shape) == 3)
        name = {21: "kit_21", 52: "smplh_52"}.get(next(counts, 22), "smpl_22")
        if name == "smplh_52":
            say("The joints have fingers: 623 numbers a frame (--skeleton smpl_22 gives HumanML3D's 263).")
    return Skeleton.named(name)


def _shapes(files: Iterable[Path]) -> Iterable[tuple[int, ...]]:
    """Give the shapes of arrays; files that cannot be read are told later."""
    from ..io._untrusted import load_numpy

    for path in files:
        try:
            yield getattr(load_numpy(path), "shape", ())
        except FormatError:
            continue
