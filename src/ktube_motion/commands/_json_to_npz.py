"""Step 1 of the data set: pose estimates as JSON to clean SMPL-X .npz files.

In the place of the original's json_to_npz.ipynb:

    ktube-motion json-to-npz
    ktube-motion json-to-npz --input estimates --output my_pose --fix-root first --fps 29.97

Gives root and cam_trans one value over the whole video, rejects outliers, fills short gaps and low-passes
the pose, so that the speaker stays put without jitter. The defaults are those of ktube-motion build.

Reads every video in --input: a file (JSON, or any estimator's), or a folder with a file for each frame;
--input itself may be such a folder.

Writes --output/NAME.npz. What exists already is kept; files that cannot be read are skipped and told.
The next step is ktube-motion process-poses, to see the whole video, or straight away
ktube-motion build --poses my_pose --transcripts subtitles, which makes the corpus.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import DataError
from ._shared._options import add_axes
from ._shared._places import SAMPLES
from ._shared._steps import add_folders, convert, tell_next


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_folders(parser, "pose_json", "my_pose")
    parser.add_argument(
        "--fix-root", default="median", choices=["first", "median", "identity", "moving"],
        help="value that root and camera are held at (first is the original's); moving leaves them",
    )  # fmt: skip
    parser.add_argument(
        "--cutoff", type=float, default=3.0, metavar="X", help="of the low-pass filter, in Hz; 0 leaves jitter in"
    )
    parser.add_argument(
        "--max-gap", type=float, default=0.5, metavar="X", help="seconds without a detection that are filled"
    )
    parser.add_argument(
        "--fps", type=float, metavar="X", help="frame rate, where the files do not say it (29.97 is not 30)"
    )
    add_axes(parser)
    parser.add_argument("--rest-lower-body", action="store_true", help="hold the legs at rest")


def run(options: Namespace) -> None:
    """Clean every file."""
    from ..construct import pose_sources
    from ..filters import clean_poses, rest_lower_body
    from ..io import load_poses, save_poses

    root = None if options.fix_root == "moving" else options.fix_root
    fix = f"Put the estimator's files there, or give --input; `{SAMPLES}` makes some in dataset/KTubeUM-videos."
    videos = pose_sources(options.input) if os.path.isdir(options.input) else {}
    if not videos:
        raise DataError("There are no pose files here.", where=options.input.absolute(), fix=fix)

    def target(name: str) -> Path:
        return options.output / f"{name}.npz"

    def make(name: str) -> None:
        poses = load_poses(videos[name], fps=options.fps, axes=options.axes)
        poses = clean_poses(poses, root=root, cutoff_hz=options.cutoff or None, max_gap_seconds=options.max_gap)
        save_poses(rest_lower_body(poses) if options.rest_lower_body else poses, target(name), cleaned=True)

    convert(videos, make, finished=lambda name: os.path.exists(target(name)), overwrite=options.overwrite)
    tell_next("process-poses", "--input", options.output.as_posix(), why="to see whole videos")
    tell_next("build", "--poses", options.output.as_posix(), "--transcripts", "subtitles", why="to make the corpus")
