"""Does a talk hold together, and is what fills a gap like what was there?

    python studies/compare_tokenizers.py --gestures ../shared/data/gestures --only ours
    python studies/compare_wordings.py --gestures ../shared/data/gestures --only "guided, three times as long"
    python studies/measure_talks.py --gestures ../shared/data/gestures

Speaks talks made of the validation clips' utterances with more and less context, and fills gaps cut out of
validation clips. The tables are in talks.csv and in_between.csv under output/wording, and in docs/generation.rst.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from compare_tokenizers import prepare
from compare_wordings import WAYS, kinds_of, train
from study import run, write_table

from ktube_motion import MotionTokenizer, UtteranceToMotion
from ktube_motion.features import joints_to_features
from ktube_motion.metrics import mpjpe, nearest_centroid, seam_report
from ktube_motion.types import Utterance

SPOKEN = 6  # utterances of a talk
SECONDS = 4.0  # of each
GAP = 40  # frames
CONTEXTS = (0, 4, 8, 16, 32)
FILLINGS = {
    "candidates=1": {"candidates": 1},
    "candidates=16": {"candidates": 16},
    "candidates=16, context=8": {"candidates": 16, "context": 8},
}
# m/s³; the median and the 95th percentile of frames and joints, the mean over motions.
JERK = ("jerk at seams", "jerk inside", "high jerk at seams", "high jerk inside")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gestures", type=Path, required=True, help="folder with motions.npz and utterances.tsv")
    parser.add_argument("--tokenizers", type=Path, default=Path("output/tokenizers"))
    parser.add_argument("--output", type=Path, default=Path("output/wording"), help="what compare_wordings.py made")
    parser.add_argument("--way", choices=WAYS, default="guided, three times as long", help="which of its models speaks")
    parser.add_argument("--steps", type=int, default=2500, help="training steps, if it is not trained yet")
    parser.add_argument("--variants", type=int, default=32, help="likewise")
    parser.add_argument("--talks", type=int, default=40)
    parser.add_argument("--clips", type=int, default=40)
    return parser.parse_args()


def jerk_of(motions_and_seams, fps):
    """Give the jerk at seams and inside, the mean over motions of medians and of 95th percentiles."""
    reports = [seam_report(positions, seams, fps=fps) for positions, seams in motions_and_seams]
    return [float(np.mean([getattr(report, f"jerk_{place}")[k] for report in reports]))
            for k in (0, 1) for place in ("at_seams", "inside")]  # fmt: skip


def speak(pipeline, corpus, kinds, recognise, *, talks, context, **sampling):
    """Give how often an utterance after the first of its talk got its action, and the jerk."""
    rng, names = np.random.default_rng(0), corpus.names("val")
    generator, frames = torch.Generator().manual_seed(0), round(SECONDS * corpus.fps)
    spoken, pieces, wanted = [], [], []
    for _ in range(talks):
        chosen = rng.choice(names, SPOKEN, replace=len(names) < SPOKEN).tolist()
        talk = [Utterance(SECONDS * k, SECONDS * (k + 1), corpus.texts(n)[0].text) for k, n in enumerate(chosen)]
        positions = pipeline.speak(talk, context=context, generator=generator, **sampling).require("positions")
        spoken.append((positions, [frames * k for k in range(1, SPOKEN)]))
        pieces += [joints_to_features(positions[frames * k : frames * (k + 1)]) for k in range(1, SPOKEN)]
        wanted += chosen[1:]
    pairs = zip(recognise(pieces), wanted, strict=True)
    right = [kind.split("|")[0] == kinds[name].split("|")[0] for kind, name in pairs]
    return 100 * float(np.mean(right)), *jerk_of(spoken, corpus.fps)


def recogniser(corpus, evaluator, kinds):
    """Give a function that tells the kind of each motion: the nearest of the training set's centres."""
    names = corpus.names("train")
    known, labels = evaluator.embed_motion([corpus.features(name) for name in names]), [kinds[name] for name in names]
    return lambda motions: nearest_centroid(evaluator.embed_motion(motions), known, labels)


def ways_to_fill(pipeline, sampling):
    """Give functions of text, motion before and motion after that write a gap's joints, by name."""
    share = (np.arange(1, GAP + 1) / (GAP + 1))[:, None, None]

    def lines(text, before, after):
        return before.positions[-1] * (1 - share) + after.positions[0] * share

    def written(text, before, after, **options):
        generator = torch.Generator().manual_seed(0)
        seconds = GAP / before.fps
        return pipeline.in_between(text, before, after, seconds=seconds, generator=generator, **options).positions

    return {"straight lines": lines} | {
        name: partial(written, **options, **sampling) for name, options in FILLINGS.items()
    }


def between(corpus, names, write=None):
    """Give the pose error of what is written into gaps against what was there, and the jerk; at first, the clips'."""
    errors, filled = [], []
    for name in names:
        clip = corpus.motion(name)
        start = (len(clip) - GAP) // 2
        before, gap, after = clip[:start], clip[start : start + GAP], clip[start + GAP :]
        found = gap.positions if write is None else write(corpus.texts(name)[0].text, before, after)
        errors.append(1000 * float(mpjpe(found, gap.positions, align="root")))
        filled.append((np.concatenate((before.positions, found, after.positions)), [start, start + GAP]))
    return float(np.mean(errors)), *jerk_of(filled, corpus.fps)


def tell(rows, name, figures):
    rows.append([name, *(f"{value:.4g}" for value in figures)])
    print(*rows[-1], sep="  ")


def main():
    options = read_arguments()
    corpus, evaluator = prepare(options.gestures, options.tokenizers)
    tokenizer = MotionTokenizer.from_pretrained(options.tokenizers / "ours" / "last")
    model, encoder, sampling = train(options, options.way, corpus, tokenizer)
    pipeline = UtteranceToMotion(tokenizer, model, encoder)
    kinds = kinds_of(corpus)
    recognise = recogniser(corpus, evaluator, kinds)
    rows = [["context", "action %", *JERK]]
    for context in CONTEXTS:
        right = speak(pipeline, corpus, kinds, recognise, talks=options.talks, context=context, **sampling)
        tell(rows, context, right)
    write_table(options.output / "talks.csv", rows)
    long = [name for name in corpus.names("val") if len(corpus.features(name)) >= 3 * GAP]
    names = np.random.default_rng(0).permutation(long)[: options.clips].tolist()
    rows = [["in-betweening", "pose error mm", *JERK]]
    tell(rows, "the clip itself", between(corpus, names))
    for name, write in ways_to_fill(pipeline, sampling).items():
        tell(rows, name, between(corpus, names, write))
    write_table(options.output / "in_between.csv", rows)


if __name__ == "__main__":
    run(main)
