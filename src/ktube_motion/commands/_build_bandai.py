"""Build a corpus from a folder of the Bandai-Namco-Research-Motiondataset (BVH).

    ktube-motion build-bandai --input Motiondataset/dataset/dataset-1 --root dataset/Bandai

The data set (CC BY-NC 4.0) is at https://github.com/BandaiNamcoResearchInc/Bandai-Namco-Research-Motiondataset.

Reads every .bvh of --input. Its texts are the file names ("bow, normal"), or the lines of a table:
--utterances takes a TSV with a header and the columns name and utterance, several lines a clip.

Writes the corpus --root, and report.html in it, which shows its quality. What exists already is kept.
"""

import csv
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CorpusError, FormatError
from ._shared._console import say
from ._shared._options import add_flags
from ._shared._steps import convert, list_files

if TYPE_CHECKING:
    from ..types import Motion

# SMPL's 22 joints in the names of the data set; two names stand for the middle between two joints.
JOINTS = (
    "Hips UpperLeg_L UpperLeg_R Hips+Spine LowerLeg_L LowerLeg_R Spine Foot_L Foot_R Chest Toes_L Toes_R Neck "
    "Shoulder_L Shoulder_R Head UpperArm_L UpperArm_R LowerArm_L LowerArm_R Hand_L Hand_R"
).split()


def read_motion(path: Path) -> "Motion":
    """Load one BVH file as joints in SMPL order."""
    import numpy as np

    from ..io import load_bvh
    from ..kinematics import forward_kinematics
    from ..skeletons import SMPL_22
    from ..types import Motion

    motion = load_bvh(path)
    names = motion.skeleton.joint_names
    missing = sorted({name for joint in JOINTS for name in joint.split("+")} - set(names))
    if missing:
        raise FormatError("Not a file of this data set.", where=path, expected=", ".join(missing), found=names)
    if motion.positions is None:
        rotations, path_of_root = motion.require("rotations"), motion.require("translation")
        places = forward_kinematics(rotations, path_of_root, skeleton=motion.skeleton)
    else:
        places = motion.positions
    chosen = [np.mean([places[:, names.index(name)] for name in joint.split("+")], axis=0) for joint in JOINTS]
    return Motion(skeleton=SMPL_22, positions=np.stack(chosen, 1), fps=motion.fps, name=path.stem)


def read_utterances(table: Path | None) -> dict[str, list[str]]:
    """Give the lines of each clip."""
    from ..io._files import read_text

    lines: dict[str, list[str]] = {}
    rows = csv.DictReader(read_text(table).split("\n"), delimiter="\t") if table else ()
    for row in rows:
        if not row.get("name") or not row.get("utterance"):
            raise FormatError(
                "A line of the table is not complete.", where=table, expected="name, utterance", found=row
            )
        lines.setdefault(row["name"], []).append(row["utterance"])
    return lines


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--input", type=Path, required=True, metavar="DIR", help="folder with .bvh files (required)")
    parser.add_argument("--root", type=Path, default=Path("dataset/Bandai"), metavar="DIR", help="the corpus")
    parser.add_argument("--utterances", type=Path, metavar="FILE", help="TSV with the columns name and utterance")
    parser.add_argument("--mirror", action="store_true", help="add mirrored twins M…")
    add_flags(parser, ours="overwrite")


def run(options: Namespace) -> None:
    """Build the corpus."""
    from ..construct import add_motion, finish_corpus, write_report
    from ..io import Corpus
    from ..io._files import write_json
    from ..types import Utterance

    files = list_files(options.input, ".bvh", make="Fetch the data set from the address that --help tells.")
    lines = read_utterances(options.utterances)
    corpus = Corpus.create(options.root)

    def make(path: Path) -> None:
        texts = lines.get(path.stem) or [", ".join(path.stem.replace("-", " ").split("_")[1:3]) or path.stem]
        add_motion(corpus, path.stem, read_motion(path), [Utterance(0, 0, t) for t in texts], mirror=options.mirror)

    def exists(path: Path) -> bool:
        return corpus.has(path.stem)

    convert(files, make, finished=exists, overwrite=options.overwrite)
    made = [path.stem for path in files if exists(path)]
    clips = [{"name": name, "source": name, "frames": len(corpus.features(name))} for name in made]
    if not clips:
        raise CorpusError("No clip could be made.", where=options.input)
    finish_corpus(corpus, clips)
    write_json(corpus.root / "manifest.json", {"source": str(options.input), "clips": clips})
    say(f"{len(clips)} clips in {corpus.root.resolve()}; their quality: {write_report(corpus.root).resolve()}")
