"""Step 1 of the data set: pose estimates as JSON to clean SMPL-X .npz files.

Reads every pose file of ./pose_json, gives root and cam_trans one value over
the whole video, rejects outliers, fills short gaps and low-passes the pose,
so that the speaker stays put without jitter. Writes ./my_pose/NAME.npz.
"""

from _steps import convert, list_files, read_arguments, run

from ktube_motion.filters import clean_poses, rest_lower_body
from ktube_motion.io import load_poses, save_poses


def add_options(parser):
    parser.add_argument("--root", default="first", choices=["first", "median", "identity"], help="value to fix to")
    parser.add_argument("--cutoff", type=float, default=3.0, help="of the low-pass filter, in Hz; 0 leaves jitter in")
    parser.add_argument("--max-gap", type=float, default=0.5, help="seconds without a detection that are filled")
    parser.add_argument("--fps", type=float, help="frame rate, where the files do not say it (29.97 is not 30)")
    parser.add_argument("--rest-lower-body", action="store_true", help="hold the legs at rest")


def main():
    options = read_arguments(__doc__, "pose_json", "my_pose", add_options)
    target = lambda path: options.output / f"{path.stem}.npz"  # noqa: E731

    def make(path):
        poses = clean_poses(
            load_poses(path, fps=options.fps),
            root=options.root,
            cutoff_hz=options.cutoff or None,
            max_gap_seconds=options.max_gap,
        )
        save_poses(rest_lower_body(poses) if options.rest_lower_body else poses, target(path))

    files = list_files(options.input, ".json")
    convert(files, make, finished=lambda path: target(path).exists(), overwrite=options.overwrite)


if __name__ == "__main__":
    run(main)
