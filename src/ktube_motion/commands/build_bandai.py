"""A folder of the Bandai-Namco-Research-Motiondataset (BVH) as a KTubeUM corpus.

    python bandai_to_ktubeum.py --input Motiondataset/dataset/dataset-1 --root dataset/Bandai

The data set (CC BY-NC 4.0) is at https://github.com/BandaiNamcoResearchInc/
Bandai-Namco-Research-Motiondataset. Its texts are the file names ("bow,
normal"), or the lines of a table: --utterances takes a TSV with a header and
the columns name and utterance, several lines a clip.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from _steps import convert, list_files, run

from ktube_motion.construct import add_motion, finish_corpus, write_report
from ktube_motion.errors import CorpusError, FormatError
from ktube_motion.io import Corpus, load_bvh
from ktube_motion.io.files import read_text, write_json
from ktube_motion.kinematics import forward_kinematics
from ktube_motion.skeletons import SMPL_22
from ktube_motion.types import Motion, Utterance

# SMPL's 22 joints in the names of the data set; two names stand for the middle between two joints.
JOINTS = (
    "Hips UpperLeg_L UpperLeg_R Hips+Spine LowerLeg_L LowerLeg_R Spine Foot_L Foot_R Chest Toes_L Toes_R Neck "
    "Shoulder_L Shoulder_R Head UpperArm_L UpperArm_R LowerArm_L LowerArm_R Hand_L Hand_R"
).split()


def read_motion(path):
    """Load one BVH file as joints in SMPL order."""
    motion = load_bvh(path)
    names = motion.skeleton.joint_names
    missing = sorted({name for joint in JOINTS for name in joint.split("+")} - set(names))
    if missing:
        raise FormatError("Not a file of this data set.", where=path, expected=", ".join(missing), found=names)
    places = motion.positions
    if places is None:
        places = forward_kinematics(motion.rotations, motion.translation, skeleton=motion.skeleton)
    chosen = [np.mean([places[:, names.index(name)] for name in joint.split("+")], axis=0) for joint in JOINTS]
    return Motion(skeleton=SMPL_22, positions=np.stack(chosen, 1), fps=motion.fps, name=path.stem)


def read_utterances(table):
    """Give the lines of each clip."""
    lines = {}
    rows = csv.DictReader(read_text(table).split("\n"), delimiter="\t") if table else ()
    for row in rows:
        if not row.get("name") or not row.get("utterance"):
            raise FormatError(
                "A line of the table is not complete.", where=table, expected="name, utterance", found=row
            )
        lines.setdefault(row["name"], []).append(row["utterance"])
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="folder with .bvh files")
    parser.add_argument("--root", type=Path, default=Path("dataset/Bandai"), help="the corpus")
    parser.add_argument("--utterances", type=Path, help="TSV with the columns name and utterance")
    parser.add_argument("--mirror", action="store_true", help="add mirrored twins M…")
    parser.add_argument("--overwrite", action="store_true", help="make again what exists already")
    options = parser.parse_args()
    files, lines = list_files(options.input, ".bvh"), read_utterances(options.utterances)
    corpus = Corpus.create(options.root)

    def make(path):
        texts = lines.get(path.stem) or [", ".join(path.stem.replace("-", " ").split("_")[1:3]) or path.stem]
        add_motion(corpus, path.stem, read_motion(path), [Utterance(0, 0, t) for t in texts], mirror=options.mirror)

    exists = lambda path: (corpus.root / "new_joint_vecs" / f"{path.stem}.npy").exists()  # noqa: E731
    convert(files, make, finished=exists, overwrite=options.overwrite)
    clips = [
        {"name": path.stem, "source": path.stem, "frames": len(corpus.features(path.stem))}
        for path in files
        if exists(path)
    ]
    if not clips:
        raise CorpusError("No clip could be made.", where=options.input)
    finish_corpus(corpus, clips)
    write_json(corpus.root / "manifest.json", {"source": str(options.input), "clips": clips})
    print(f"{len(clips)} clips in {corpus.root.resolve()}; their quality: {write_report(corpus.root).resolve()}")


if __name__ == "__main__":
    run(main)
