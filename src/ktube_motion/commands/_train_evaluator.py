r"""Train the evaluator that tells whether a motion goes with an utterance.

For any corpus and language:

    ktube-motion train-evaluator --dataname ktube

Its text side can also be the text encoder of a transformer that should understand new wordings: give
its folder as --text-encoder to train-gpt. Train one for that with --text-parts and --paraphrases, then
another from it with --start:

    ktube-motion train-evaluator --text-parts 5 --paraphrases words.tsv --checkpoint checkpoints/first \
        --exp-name FIRST
    ktube-motion train-evaluator --text-parts 5 --paraphrases words.tsv --start checkpoints/first \
        --checkpoint checkpoints/aligned --exp-name ALIGNED

Reads the corpus of --dataname.

Writes the evaluator to --checkpoint; for ktube that is checkpoints/ktube/evaluator, where all commands
look. OUT_DIR/EXP_NAME has what the training needs: run.log, log.jsonl, TensorBoard's files and the state
that --resume goes on from.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import ConfigError
from ._shared._experiments import Experiment
from ._shared._options import DATANAMES, add_flags
from ._shared._places import EVALUATORS, existing, open_corpus

FLAGS = {
    "dataname": ("ktube", DATANAMES, "corpus: ktube is dataset/KTubeUM, t2m dataset/HumanML3D, kit dataset/KIT-ML"),
    "checkpoint": (None, str, "folder it is kept in; by default checkpoints/DATANAME/evaluator"),
    "total-iter": (10_000, int, "training steps"),
    "batch-size": (64, int, "pairs in a step"),
    "lr": (5e-4, float, "highest learning rate"),
    "loss": ("contrastive", ("contrastive", "margin"), "margin is the original's"),
    "motion-encoder": ("gru", ("gru", "transformer"), "what reads the motion"),
    "width": (256, int, "channels"),
    "text-parts": (1, int, "vectors of a text: 1 is the sentence alone, more are also its clauses and words"),
    "start": (None, str, "evaluator whose motion side is kept as it is while the text side is trained on; its "
              "architecture wins"),
    "out-dir": ("output", str, "folder of all experiments"),
    "exp-name": ("EVALUATOR", str, "name of this experiment: its folder inside --out-dir"),
    "print-iter": (100, int, "steps between lines in run.log and TensorBoard"),
    "eval-iter": (250, int, "steps between evaluations; the best R-precision on val is kept"),
    "save-iter": (1000, int, "steps between checkpoints for --resume"),
    "seed": (123, int, "seed of all random numbers"),
}  # fmt: skip
OURS = "resume strict follow-links text-encoder text-tokenizer text-pooling paraphrases"


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    add_flags(parser, FLAGS, ours=OURS)


def run(options: Namespace) -> None:
    """Train an evaluator."""
    from ..evaluators import EvaluatorConfig, MotionEvaluator
    from ..text import TextAugmentation
    from ..training import EvaluatorTraining, train_evaluator
    from ._shared._encoders import keep_evaluator, make_text_encoder

    options.checkpoint = options.checkpoint or EVALUATORS["ktube"].replace("ktube", options.dataname)
    if os.path.exists(options.checkpoint):
        fix = "Choose another --checkpoint."
        raise ConfigError("There is an evaluator already.", where=Path(options.checkpoint).absolute(), fix=fix)
    with Experiment(options) as experiment:
        corpus = open_corpus(options.dataname, options)
        source = {"source": options.text_encoder or "embedded", "tokenizer": options.text_tokenizer}
        source |= {"pooling": options.text_pooling, "parts": options.text_parts}
        encoder = make_text_encoder(**source)
        augmentation = options.paraphrases and TextAugmentation.from_table(options.paraphrases)
        start = None
        if options.start:
            existing(options.start, "evaluator", flag="--start", make="ktube-motion train-evaluator")
            start = MotionEvaluator.from_pretrained(options.start, text_encoder=encoder)
        experiment.start()
        architecture = EvaluatorConfig(motion_encoder=options.motion_encoder, width=options.width)
        config = EvaluatorTraining(
            evaluator=start.config if start else architecture, loss=options.loss, lock_motion=start is not None,
            steps=options.total_iter, batch_size=options.batch_size, learning_rate=options.lr, seed=options.seed,
            log_every=options.print_iter, evaluate_every=options.eval_iter, save_every=options.save_iter,
        )  # fmt: skip
        evaluator = train_evaluator(
            config, corpus, experiment.folder, text_encoder=encoder, augmentation=augmentation, start=start,
            resume=options.resume,
        )  # fmt: skip
        experiment.say_left_out(corpus)
        keep_evaluator(evaluator, options.checkpoint)
        experiment.say(f"Done: {options.checkpoint}")
