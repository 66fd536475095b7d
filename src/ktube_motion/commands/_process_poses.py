"""Step 2 of the data set: SMPL-X poses to joint positions.

In the place of the original's raw_pose_processing.ipynb:

    ktube-motion process-poses
    ktube-motion process-poses --input my_pose --output joints --skeleton smplh_52

Reads every .npz of --input and brings it to --fps frames per second.

Writes --output/NAME.npy (T, 22, 3), metres, y up. A video with gaps that were too long to fill gives one
file for each stretch: NAME_part0.npy, NAME_part1.npy and so on. What exists already is kept.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import DataError
from ._shared._options import add_axes, add_flags
from ._shared._steps import add_folders, convert, list_files, tell_next


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_folders(parser, "my_pose", "joints")
    parser.add_argument("--fps", type=float, default=20.0, metavar="X", help="frames per second of the joints")
    parser.add_argument(
        "--skeleton", default="smpl_22", choices=["smpl_22", "smplh_52"], help="without or with fingers"
    )
    parser.add_argument(
        "--min-seconds", type=float, default=1.0, metavar="X", help="shorter stretches between gaps are left out"
    )
    add_axes(parser)
    add_flags(parser, ours="body")


def run(options: Namespace) -> None:
    """Give the joints of every file."""
    from ..filters import resample, split_at_gaps
    from ..io import load_poses
    from ..io._files import save_array
    from ..kinematics import load_body, pose_to_joints
    from ..skeletons import Skeleton

    body, skeleton = load_body(options.body), Skeleton.named(options.skeleton)

    def make(path: Path) -> None:
        poses = load_poses(path, axes=options.axes)
        poses = resample(poses, fps=options.fps)  # before it is cut, so that all parts lie on one time line
        parts = [part for _, part in split_at_gaps(poses) if part.seconds >= options.min_seconds]
        if not parts:
            raise DataError("No stretch without gaps is long enough.", where=path, expected=f"{options.min_seconds} s")
        whole = len(parts[0]) == len(poses)
        for number, part in enumerate(parts):
            motion = pose_to_joints(part, body=body, skeleton=skeleton)
            name = path.stem if whole else f"{path.stem}_part{number}"
            save_array(options.output / f"{name}.npy", motion.require("positions"))

    def finished(path: Path) -> bool:
        return any(os.path.exists(options.output / f"{path.stem}{end}.npy") for end in ("", "_part0"))

    fix = "Make them with `ktube-motion json-to-npz`, or give --input."
    convert(list_files(options.input, ".npz", make=fix), make, finished=finished, overwrite=options.overwrite)
    tell_next("represent-motion", "--input", options.output.as_posix())
