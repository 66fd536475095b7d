"""How exactly do gestures come back that a tokenizer was not trained on?

    python studies/measure_unseen.py --gestures ../shared/data/gestures --bvh ../shared/data/bvh

Leaves whole actions out of training, both sides of each, so that mirroring gives none of them back, and measures
known clips (validation), unseen ones (those left out), and with --bvh recordings of actions that are in no set.
Every tokenizer is measured with the tokens of its encoder, and with refined ones. Everything lies under
output/unseen; a call that was stopped goes on where it was. The table is in unseen.csv and in docs/tokenizer.rst.
"""

import argparse
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from compare_tokenizers import OURS, training
from study import run, write_table

from ktube_motion.construct import build_gesture_corpus
from ktube_motion.features import feature_stats, joints_to_features
from ktube_motion.filters import resample
from ktube_motion.io import Corpus, load_bvh
from ktube_motion.io._files import read_json
from ktube_motion.kinematics import forward_kinematics
from ktube_motion.skeletons import SMPL_22
from ktube_motion.training import MotionAugmentation, measure_tokenizer, train_tokenizer
from ktube_motion.types import Motion
from ktube_motion.vq import MotionTokenizer

LEFT_OUT = {
    "moving": ("run", "walk-turn-left", "walk-turn-right"),
    "raising": ("raise-up-left-hand", "raise-up-right-hand", "raise-up-both-hands"),
    "waving": ("wave-left-hand", "wave-right-hand", "wave-both-hands"),
    "both hands": ("raise-up-both-hands", "wave-both-hands"),
}
AUGMENTED = {**OURS, "augmentation": MotionAugmentation()}
TOKENIZERS = {
    "ours": OURS,
    "augmented": AUGMENTED,
    "augmented less, twice as long": {**OURS, "augmentation": MotionAugmentation(share=0.25), "longer": 2},
    "augmented, wilder paths": {
        **OURS,
        "augmentation": MotionAugmentation(share=0.4, arms=0.8, path=2.0, turning=0.06),
    },
    "augmented, 2 residual codes": {**AUGMENTED, "quantizer": "residual", "num_quantizers": 2},
    "augmented, 2 residual codes, half as often": {
        **AUGMENTED,
        "quantizer": "residual",
        "num_quantizers": 2,
        "down_t": 3,
    },
}
COLUMNS = [f"{clips} {error}" for clips in ("known", "unseen", "other") for error in ("root MPJPE mm", "MPJPE mm")]
OTHER = ("bow", "bye", "byebye", "call", "guide")  # actions of the recordings that are not among the gestures
# Their joints in the order of SMPL_22; two names: the point between.
BVH_JOINTS = (
    "Hips", "UpperLeg_L", "UpperLeg_R", ("Hips", "Spine"), "LowerLeg_L", "LowerLeg_R", "Spine", "Foot_L", "Foot_R",
    "Chest", "Toes_L", "Toes_R", "Neck", "Shoulder_L", "Shoulder_R", "Head", "UpperArm_L", "UpperArm_R",
    "LowerArm_L", "LowerArm_R", "Hand_L", "Hand_R",
)  # fmt: skip


class LeftOut(Corpus):
    """A corpus that trains without some clips, and has them as its test split."""

    def __init__(self, root, actions):
        super().__init__(root)
        kinds = {clip["name"]: clip["content"] for clip in read_json(self.root / "manifest.json")["clips"]}
        self.unseen = {name for name, kind in kinds.items() if kind in actions}

    def names(self, split="all"):
        if split == "test":
            return sorted(self.unseen)
        return [name for name in super().names(split) if name not in self.unseen]

    @cached_property
    def stats(self):
        return feature_stats(self.features(name) for name in self.names("train"))


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gestures", type=Path, required=True, help="folder with motions.npz and utterances.tsv")
    parser.add_argument("--bvh", type=Path, help="folder with recordings of other actions")
    parser.add_argument("--output", type=Path, default=Path("output/unseen"))
    parser.add_argument("--left-out", nargs="+", choices=LEFT_OUT, default=list(LEFT_OUT), metavar="SET")
    parser.add_argument("--only", nargs="+", choices=TOKENIZERS, default=list(TOKENIZERS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=3000, help="training steps of each tokenizer")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", default="auto", help="mixed_precision of the training")
    parser.add_argument("--refine", type=int, default=30, help="steps of refinement")
    parser.add_argument("--clips", type=int, default=120, help="measure at most so many of a kind, evenly chosen")
    return parser.parse_args()


def read_others(folder, fps):
    """Give motion vectors of the recordings whose actions are in no set."""
    clips = []
    for path in sorted(folder.glob("*.bvh")):
        if path.stem.split("_")[1] in OTHER:
            clips.append(_features(load_bvh(path), fps))
    return clips


def _features(motion, fps):
    joints = forward_kinematics(motion.rotations, motion.translation, skeleton=motion.skeleton)

    def place(names):
        names = (names,) if isinstance(names, str) else names
        return sum(joints[:, motion.skeleton.index(name)] for name in names) / len(names)

    positions = np.stack([place(names) for names in BVH_JOINTS], 1)
    body = Motion(skeleton=SMPL_22, positions=positions, fps=motion.fps)
    return joints_to_features(resample(body, fps=fps).positions)


def measure(tokenizer, clips, refine):
    """Give both errors of each group of clips; nothing for a group without clips."""
    row = []
    for group in clips:
        found = measure_tokenizer(tokenizer, group, refine=refine) if group else {}
        row += [found.get("root_mpjpe_mm"), found.get("mpjpe_mm")]
    return row


def trained(options, corpus, left_out, name):
    """Train a tokenizer without some actions, unless it is there."""
    folder = options.output / left_out.replace(" ", "_") / name.replace(",", "").replace(" ", "_")
    if not (folder / "last").exists():
        config = training(options, **TOKENIZERS[name])
        config = replace(config, batch_size=options.batch_size, mixed_precision=options.precision)
        train_tokenizer(config, corpus, folder, resume=True)
    return MotionTokenizer.from_pretrained(folder / "last")


def main():
    options, rows = read_arguments(), []
    root = build_gesture_corpus(options.gestures, options.output / "gestures").root
    for left_out in options.left_out:
        corpus = LeftOut(root, LEFT_OUT[left_out])
        clips = []
        for split in ("val", "test"):
            names = corpus.names(split)
            clips.append([corpus.features(name) for name in names[:: -(-len(names) // options.clips)]])
        clips.append(read_others(options.bvh, corpus.fps) if options.bvh else [])
        for name in options.only:
            tokenizer = trained(options, corpus, left_out, name)
            for refine, title in ((0, name), (options.refine, f"{name}, refined")):
                figures = measure(tokenizer, clips, refine)
                bits = f"{tokenizer.config.bits_per_second:.4g}"
                rows.append([left_out, title, bits, *("" if x is None else f"{x:.1f}" for x in figures)])
                print(*rows[-1], sep="  ", flush=True)
            write_table(options.output / "unseen.csv", [["left out", "tokenizer", "bits/s", *COLUMNS], *rows])


if __name__ == "__main__":
    run(main)
