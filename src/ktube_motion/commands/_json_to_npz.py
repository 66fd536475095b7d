"""Step 1 of the data set: pose estimates as JSON to clean SMPL-X .npz files.

In the place of the original's json_to_npz.ipynb:

    ktube-motion json-to-npz
    ktube-motion json-to-npz --input estimates --output my_pose --root median --fps 29.97

Gives root and cam_trans one value over the whole video, rejects outliers, fills short gaps and low-passes
the pose, so that the speaker stays put without jitter.

Reads every .json of --input.

Writes --output/NAME.npz. What exists already is kept; files that cannot be read are skipped and told.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ._shared._places import SAMPLES
from ._shared._steps import add_folders, convert, list_files


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_folders(parser, "pose_json", "my_pose")
    parser.add_argument("--root", default="first", choices=["first", "median", "identity"], help="value to fix to")
    parser.add_argument(
        "--cutoff", type=float, default=3.0, metavar="X", help="of the low-pass filter, in Hz; 0 leaves jitter in"
    )
    parser.add_argument(
        "--max-gap", type=float, default=0.5, metavar="X", help="seconds without a detection that are filled"
    )
    parser.add_argument(
        "--fps", type=float, metavar="X", help="frame rate, where the files do not say it (29.97 is not 30)"
    )
    parser.add_argument(
        "--axes", choices=["camera", "y up", "z up"], help="of the files, where they are not a camera's"
    )
    parser.add_argument("--rest-lower-body", action="store_true", help="hold the legs at rest")


def run(options: Namespace) -> None:
    """Clean every file."""
    from ..filters import clean_poses, rest_lower_body
    from ..io import load_poses, save_poses

    def target(path: Path) -> Path:
        return options.output / f"{path.stem}.npz"

    def make(path: Path) -> None:
        poses = load_poses(path, fps=options.fps, axes=options.axes)
        poses = clean_poses(poses, root=options.root, cutoff_hz=options.cutoff or None, max_gap_seconds=options.max_gap)
        save_poses(rest_lower_body(poses) if options.rest_lower_body else poses, target(path))

    fix = f"Put the estimator's files there, or give --input; `{SAMPLES}` makes some in dataset/KTubeUM-videos."
    files = list_files(options.input, ".json", make=fix)
    convert(files, make, finished=lambda path: target(path).exists(), overwrite=options.overwrite)
