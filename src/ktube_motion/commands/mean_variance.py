"""Step 4 of the data set: Mean.npy and Std.npy of the motion vectors, written and shown.

Reads HumanML3D/new_joint_vecs and writes Mean.npy and Std.npy beside it. The
deviation is averaged within each part of the vector; a part that never
changes, as the root of a speaker who was held in place, gets 1.
"""

from _steps import convert, list_files, read_arguments, run

from ktube_motion.features import feature_stats
from ktube_motion.features.statistics import feature_groups
from ktube_motion.io.files import save_array
from ktube_motion.io.untrusted import load_numpy
from ktube_motion.skeletons import Skeleton


def main():
    options = read_arguments(__doc__, "HumanML3D/new_joint_vecs", "HumanML3D")
    files = list_files(options.input, ".npy")
    targets = {name: options.output / f"{name}.npy" for name in ("Mean", "Std")}

    def make(folder):
        stats = feature_stats(load_numpy(path) for path in files)
        save_array(targets["Mean"], stats.mean)
        save_array(targets["Std"], stats.std)

    finished = lambda folder: all(path.exists() for path in targets.values())  # noqa: E731
    convert([options.input], make, finished=finished, overwrite=options.overwrite)
    mean, std = load_numpy(targets["Mean"]), load_numpy(targets["Std"])
    print(f"{len(files)} clips, {len(mean)} numbers a frame\n{'part':16s} {'mean of means':>14s} {'std':>10s}")
    for name, part in feature_groups(Skeleton.for_feature_size(len(mean))).items():
        print(f"{name:16s} {mean[part].mean():14.4f} {std[part].mean():10.4f}")


if __name__ == "__main__":
    run(main)
