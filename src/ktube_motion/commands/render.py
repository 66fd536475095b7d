"""Draw evaluated motions as bodies, the truth beside what was generated.

Reads NAME_gt.npy and NAME_pred.npy, which GPT_eval_multi.py and VQ_eval.py
leave in their output folder, and writes NAME.mp4 beside them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from ktube_motion import Motion
from ktube_motion.errors import DataError, FormatError, KtubeError
from ktube_motion.io import check_name
from ktube_motion.kinematics import load_body
from ktube_motion.render import save_mesh_video
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52

KINDS = {"gt": "truth", "pred": "generated"}


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filedir", type=Path, required=True, help="folder with NAME_gt.npy and NAME_pred.npy")
    parser.add_argument("--motion-list", nargs="+", metavar="NAME", help="which motions (default: all there are)")
    parser.add_argument("--body", type=Path, help="SMPL-X model file or folder (default: the embedded body)")
    parser.add_argument("--fps", type=float, default=20.0, help="frames per second of the motions")
    parser.add_argument("--size", type=int, default=720, help="width and height of a body in pixels")
    parser.add_argument("--renderer", default="auto", choices=["auto", "egl", "osmesa", "rays"])
    parser.add_argument("--overwrite", action="store_true", help="draw motions anew that have a video")
    return parser.parse_args()


def names_in(folder):
    """Give the names that have both arrays."""
    stems = {path.stem for path in folder.glob("*.npy")}
    return sorted(stem[: -len("_gt")] for stem in stems if stem.endswith("_gt") and f"{stem[:-3]}_pred" in stems)


def read_motion(path, fps, title):
    """Give the joints of one array as a motion; a leading axis of one, as T2M-GPT writes it, is dropped."""
    try:
        joints = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError("This is no array of joints.", where=path, found=error) from error
    joints = joints[0] if joints.ndim == 4 and len(joints) == 1 else joints
    skeletons = {skeleton.num_joints: skeleton for skeleton in (SMPL_22, KIT_21, SMPLH_52)}
    if joints.ndim != 3 or joints.shape[1] not in skeletons:
        raise FormatError("This is no array of joints.", where=path, expected="(T, 22, 3)", found=joints.shape)
    return Motion(skeleton=skeletons[joints.shape[1]], positions=joints, fps=fps, name=title)


def main():
    options = read_arguments()
    there = names_in(options.filedir)
    wanted = [check_name(name) for name in options.motion_list or there]
    missing = [name for name in wanted if name not in there]
    if missing or not there:
        raise DataError(
            "There is no such motion.", where=options.filedir, found=", ".join(missing) or "an empty folder",
            expected=", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "") or "pairs",
        )  # fmt: skip
    body = load_body(options.body)
    for name in wanted:
        target = options.filedir / f"{name}.mp4"
        if target.exists() and not options.overwrite:
            print(f"{target} is there already")
            continue
        motions = [
            read_motion(options.filedir / f"{name}_{kind}.npy", options.fps, title) for kind, title in KINDS.items()
        ]
        save_mesh_video(
            motions, target, body=body, titles=list(KINDS.values()), size=(options.size, options.size),
            renderer=options.renderer,
        )  # fmt: skip
        print(target)


if __name__ == "__main__":
    try:
        main()
    except KtubeError as error:
        sys.exit(f"error: {error}")
