"""Train the evaluator that tells whether a motion goes with an utterance, for any corpus and language.

Its text side can lead a transformer that should understand new wordings: give the folder as --text-encoder to
train_t2m_trans.py. Train one for that with --text-parts and --paraphrases, then another from it with --start.
"""

from pathlib import Path

from _encoders import EVALUATORS, keep_evaluator, make_text_encoder
from _options import DATANAMES, read_options
from _workflow import Experiment, open_corpus, run

from ktube_motion.errors import ConfigError
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.text import TextAugmentation
from ktube_motion.training import EvaluatorTraining, train_evaluator

FLAGS = {
    "dataname": ("ktube", DATANAMES, "corpus: ktube is dataset/KTubeUM, t2m dataset/HumanML3D, kit dataset/KIT-ML"),
    "checkpoint": (None, str, "folder it is kept in; for ktube checkpoints/ktube/evaluator, where all scripts look"),
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


def main():
    options = read_options(
        __doc__, FLAGS, uses=" ".join(FLAGS), ours="resume strict text-encoder text-tokenizer text-pooling paraphrases"
    )
    options.checkpoint = options.checkpoint or EVALUATORS["ktube"].replace("ktube", options.dataname)
    if Path(options.checkpoint).exists():
        raise ConfigError(
            "There is an evaluator already.", where=options.checkpoint, fix="Choose another --checkpoint."
        )
    experiment = Experiment(options)
    corpus = open_corpus(options.dataname)
    source = {"source": options.text_encoder or "embedded", "tokenizer": options.text_tokenizer}
    source |= {"pooling": options.text_pooling, "parts": options.text_parts}
    encoder = make_text_encoder(**source)
    augmentation = options.paraphrases and TextAugmentation.from_table(options.paraphrases)
    start = options.start and MotionEvaluator.from_pretrained(options.start, text_encoder=encoder)
    experiment.start()
    architecture = EvaluatorConfig(motion_encoder=options.motion_encoder, width=options.width)
    config = EvaluatorTraining(
        evaluator=start.config if start else architecture,
        loss=options.loss,
        lock_motion=start is not None,
        steps=options.total_iter,
        batch_size=options.batch_size,
        learning_rate=options.lr,
        seed=options.seed,
        log_every=options.print_iter,
        evaluate_every=options.eval_iter,
        save_every=options.save_iter,
    )
    evaluator = train_evaluator(
        config, corpus, experiment.folder, text_encoder=encoder, augmentation=augmentation, start=start,
        resume=options.resume,
    )  # fmt: skip
    keep_evaluator(evaluator, options.checkpoint, source)
    experiment.say(f"Done: {options.checkpoint}")


if __name__ == "__main__":
    run(main)
