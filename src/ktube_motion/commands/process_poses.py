"""Step 2 of the data set: SMPL-X poses to joint positions.

Reads every .npz of ./my_pose, brings it to 20 frames per second and writes
./joints/NAME.npy (T, 22, 3), metres, y up. A video with gaps that were too
long to fill gives one file for each stretch: NAME_part0.npy, NAME_part1.npy, …
"""

from _steps import convert, list_files, read_arguments, run

from ktube_motion.errors import DataError
from ktube_motion.filters import resample, split_at_gaps
from ktube_motion.io import load_poses
from ktube_motion.io.files import save_array
from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.skeletons import Skeleton


def add_options(parser):
    parser.add_argument("--fps", type=float, default=20.0, help="of the joints")
    parser.add_argument(
        "--skeleton", default="smpl_22", choices=["smpl_22", "smplh_52"], help="without or with fingers"
    )
    parser.add_argument("--body", help="SMPL-X .npz file or its folder; by default the embedded body")
    parser.add_argument("--min-seconds", type=float, default=1.0, help="shorter stretches between gaps are left out")


def main():
    options = read_arguments(__doc__, "my_pose", "joints", add_options)
    body, skeleton = load_body(options.body), Skeleton.named(options.skeleton)

    def make(path):
        poses = load_poses(path)
        parts = [part for _, part in split_at_gaps(poses) if part.seconds >= options.min_seconds]
        if not parts:
            raise DataError("No stretch without gaps is long enough.", where=path, expected=f"{options.min_seconds} s")
        whole = len(parts[0]) == len(poses)
        for number, part in enumerate(parts):
            motion = pose_to_joints(resample(part, fps=options.fps), body=body, skeleton=skeleton)
            name = path.stem if whole else f"{path.stem}_part{number}"
            save_array(options.output / f"{name}.npy", motion.positions)

    finished = lambda path: any((options.output / f"{path.stem}{end}.npy").exists() for end in ("", "_part0"))  # noqa: E731
    convert(list_files(options.input, ".npz"), make, finished=finished, overwrite=options.overwrite)


if __name__ == "__main__":
    run(main)
