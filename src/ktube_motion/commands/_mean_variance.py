"""Step 4 of the data set: mean and deviation of the motion vectors.

In the place of the original's cal_mean_variance.ipynb:

    ktube-motion mean-variance
    ktube-motion mean-variance --input dataset/KTubeUM/new_joint_vecs --output dataset/KTubeUM

The deviation is averaged within each part of the vector; a part that never changes, as the root of a
speaker who was held in place, gets 1.

Reads every .npy of --input; of a corpus only the clips that its all.txt lists, as the build does.

Writes --output/Mean.npy and Std.npy, and shows them. What exists already is kept and shown.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ._shared._console import say, table
from ._shared._steps import add_folders, convert, list_files, tell_next


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_folders(parser, "HumanML3D/new_joint_vecs", "HumanML3D")


def run(options: Namespace) -> None:
    """Write and show the statistics."""
    from ..features import feature_stats
    from ..features._statistics import feature_groups
    from ..io._files import save_array
    from ..io._untrusted import load_numpy
    from ..skeletons import Skeleton

    fix = "Make them with `ktube-motion represent-motion`, or give --input."
    files = clips_of(options.input, list_files(options.input, ".npy", make=fix))
    targets = {name: options.output / f"{name}.npy" for name in ("Mean", "Std")}

    def make(_: object) -> None:
        by_name = {path.name: path for path in files}
        clips: Any = SimpleNamespace(names=lambda: list(by_name), features=lambda name: load_numpy(by_name[name]))
        stats = feature_stats(clips)
        save_array(targets["Mean"], stats.mean)
        save_array(targets["Std"], stats.std)

    def finished(_: object) -> bool:
        return all(os.path.exists(path) for path in targets.values())

    convert([options.input], make, finished=finished, overwrite=options.overwrite)
    mean, std = load_numpy(targets["Mean"]), load_numpy(targets["Std"])
    say(f"{len(files)} clips, {len(mean)} numbers a frame")
    groups = feature_groups(Skeleton.for_feature_size(len(mean))).items()
    rows = [(name, f"{mean[part].mean():.4f}", f"{std[part].mean():.4f}") for name, part in groups]
    say(table([("part", "mean of means", "std"), *rows]))
    tell_next("animate", "--root", options.output.as_posix(), why="to look at it")
    tell_next("build", "--poses", "my_pose", "--transcripts", "subtitles", why="texts and splits: the corpus")


def clips_of(folder: Path, files: list[Path]) -> list[Path]:
    """Take what a corpus lists, in its order: not the mirrored twins of held-out clips, which lie there too."""
    from ..io import Corpus

    if not (folder.name == "new_joint_vecs" and os.path.isfile(folder.parent / "all.txt")):
        return files
    found = {path.stem: path for path in files}
    return [found[name] for name in Corpus(folder.parent).names("all") if name in found]
