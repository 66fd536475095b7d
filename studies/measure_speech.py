"""Can a learned judge tell whether a motion is in time with what is said, and does generated motion stand before it?

    python studies/measure_speech.py
    python studies/measure_speech.py --speaker sample-speaker --talks output/sample_speaker

Trains a `SpeechEvaluator` on the talks of ``measure_timing.py``, which is run first, and lets it judge talks of people
it has not seen, in known and in new wordings: real motion, which is the ceiling; motion through the tokenizer; motion
that the transformer wrote; another talk's motion; and, as a control, real motion that comes half a second late, which
must lose. ``--speaker`` lets a finished pipeline speak instead, on the talks that ``train_sample_speaker.py`` holds
back; those that are not there are made. The table is in speech.csv, and in docs/generation.rst.
"""

import argparse
from pathlib import Path

import numpy as np
from gesture_judge import Judge, due
from measure_timing import strangers, training_talks
from study import run, write_table

from ktube_motion.evaluation import SpeechConfig, evaluate_speech
from ktube_motion.evaluation._registry import columns, label
from ktube_motion.evaluators import SpeechEvaluator
from ktube_motion.gpt import MotionTransformer
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import EmbeddedTextEncoder, WindowWordEncoder
from ktube_motion.training import SpeechEvaluatorTraining, train_speech_evaluator
from ktube_motion.vq import MotionTokenizer

LATE = 0.5  # seconds


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--talks", type=Path, default=Path("output/timing"), help="where measure_timing.py wrote")
    parser.add_argument("--speaker", help="a pipeline's name or folder, instead of what measure_timing.py trained")
    parser.add_argument("--output", type=Path, default=Path("output/speech"))
    parser.add_argument("--measured", type=int, default=12, help="talks to measure on, for known and for new wordings")
    parser.add_argument("--utterances", type=int, default=18, help="of each talk")
    parser.add_argument("--steps", type=int, default=400, help="training steps of the judge")
    parser.add_argument("--windows", type=float, nargs="+", default=[8.0], help="seconds on which a preference falls")
    parser.add_argument("--top-p", type=float, default=0.9, help="a speaker draws as it always does")
    parser.add_argument("--real-only", action="store_true", help="leave the transformer out")
    return parser.parse_args()


def read_talks(options):
    """Give the corpora of `measure_timing`, or of `train_sample_speaker`, each with the labels of its clips."""
    yield "train", *training_talks(options.talks, 96, options.utterances)
    yield from strangers(options, options.talks, held_back=options.speaker is not None)


def train(options, corpus):
    if (options.output / "judge" / "last").exists():
        return SpeechEvaluator.from_pretrained(options.output / "judge" / "best_preferred")
    steps = options.steps
    config = SpeechEvaluatorTraining(
        steps=steps, milestones=(int(0.8 * steps),), evaluate_every=max(steps // 4, 1), save_every=200
    )
    words = WindowWordEncoder(EmbeddedTextEncoder())
    return train_speech_evaluator(config, corpus, options.output / "judge", word_encoder=words, resume=True)


def read_models(options):
    """Give the tokenizer, the pipeline if it is to speak, and how it draws."""
    if options.speaker is not None:
        pipeline = UtteranceToMotion.from_pretrained(options.speaker)
        return pipeline.tokenizer, None if options.real_only else pipeline, {}
    tokenizer = MotionTokenizer.from_pretrained(options.talks / "tokenizer" / "last")
    if options.real_only:
        return tokenizer, None, {}
    transformer = MotionTransformer.from_pretrained(options.talks / "transformer" / "last")
    return tokenizer, UtteranceToMotion(tokenizer, transformer, EmbeddedTextEncoder()), {"top_p": options.top_p}


def late(features, frames):
    """Give a motion that waits at its start."""
    return np.concatenate((np.repeat(features[:1], frames, axis=0), features[:-frames]))


def main():
    options = read_arguments()
    (_, corpus, labels), *measured = read_talks(options)
    judge, rows = train(options, corpus), [["talks", "window s", "motion"]]
    tokenizer, pipeline, sampling = read_models(options)
    delays = Judge(corpus, labels).delays
    for name, talks, marks in measured:
        strokes = {
            clip: [due(mark) + delays[mark["concept"]] for mark in found if mark["concept"] in delays]
            for clip, found in marks.items()
        }
        shifted = {clip: late(talks.features(clip), round(LATE * talks.fps)) for clip in marks}
        for window in options.windows:
            config = SpeechConfig(window=window)
            common = {"evaluator": judge, "config": config, "strokes": strokes}
            table = evaluate_speech(pipeline, talks, tokenizer=tokenizer, sampling=sampling, **common).table
            table["real, half a second late"] = evaluate_speech(shifted, talks, **common).table["generated"]
            names = columns(table["real"])
            rows[0] = [*rows[0][:3], *map(label, names)]
            for row, cells in table.items():
                rows.append([name, window, row, *(f"{cells[key].mean:.3f}" if key in cells else "" for key in names)])
                print(*rows[-1], sep="  ", flush=True)
    write_table(options.output / "speech.csv", rows)


if __name__ == "__main__":
    run(main)
