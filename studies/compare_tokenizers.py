"""Which motion tokenizer is best at equal steps? Trains each on the gestures data and measures it on held-out clips.

    python studies/compare_tokenizers.py --gestures ../shared/data/gestures

Everything lies under output/tokenizers; a call that was stopped goes on where it was. The table is in
tokenizers.csv and tokenizers.png, and in docs/tokenizer.rst.
"""

import argparse
from pathlib import Path

from study import run, write_table

from ktube_motion.construct import build_gesture_corpus
from ktube_motion.evaluation import EvaluationConfig, evaluate_tokenizer
from ktube_motion.evaluators import MotionEvaluator
from ktube_motion.io import Corpus
from ktube_motion.io._files import atomic_path
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.training import EvaluatorTraining, TokenizerTraining, train_evaluator, train_tokenizer
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

ORIGINAL = {"code_dim": 128}
LOSSES = {"joint_weight": 2.0, "trajectory_weight": 0.5}  # the library's defaults, as is code_dim
OURS = {"code_dim": 32, "learning_rate": 1e-3, **LOSSES}
TOKENIZERS = {
    "original": ORIGINAL,
    "original, ema": {**ORIGINAL, "quantizer": "ema"},
    "original, reset": {**ORIGINAL, "quantizer": "reset"},
    "original, orig": {**ORIGINAL, "quantizer": "orig"},
    "original, rate 1e-3": {**ORIGINAL, "learning_rate": 1e-3},
    "+ losses": {**ORIGINAL, **LOSSES},
    "+ small codes": {"code_dim": 32, **LOSSES},
    "ours": OURS,
    "ours, fsq": {**OURS, "quantizer": "fsq"},
    "ours, lfq": {**OURS, "quantizer": "lfq"},
    "ours, residual": {**OURS, "quantizer": "residual", "num_quantizers": 4},
}
COLUMNS = {
    "bits/s": None,
    "root MPJPE mm": "root_mpjpe_mm",
    "MPJPE mm": "mpjpe_mm",
    "acceleration error m/s²": "acceleration_error",
    "FID": "fid",
    "codes used": "codes_used",
    "perplexity": "perplexity",
}


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gestures", type=Path, required=True, help="folder with motions.npz and utterances.tsv")
    parser.add_argument("--output", type=Path, default=Path("output/tokenizers"))
    parser.add_argument("--only", nargs="+", choices=TOKENIZERS, default=list(TOKENIZERS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=3000, help="training steps of each tokenizer")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--evaluator-steps", type=int, default=833)
    return parser.parse_args()


def training(options, code_dim, quantizer="ema_reset", num_quantizers=1, down_t=2, longer=1, **changes):
    """Give what is trained; all that is not named in TOKENIZERS is the same for all."""
    steps = options.steps * longer
    config = TokenizerConfig(
        width=options.width, code_dim=code_dim, num_codes=128, down_t=down_t,
        quantizer=quantizer, num_quantizers=num_quantizers,
    )  # fmt: skip
    plain = {"learning_rate": 2e-4, "joint_weight": 0.0, "trajectory_weight": 0.0}
    return TokenizerTraining(
        steps=steps, batch_size=64, warmup=50, milestones=(int(steps * 0.8),), decay=0.2, evaluate_every=1000,
        tokenizer=config, **plain | changes,
    )  # fmt: skip


def prepare(gestures, output, steps=833):
    """Build the corpus and train the evaluator, unless they are there."""
    root = output / "gestures"
    corpus = Corpus(root) if (root / "manifest.json").exists() else build_gesture_corpus(gestures, root)
    folder = output / "evaluator"
    if not (folder / "last").exists():
        config = EvaluatorTraining(steps=steps, warmup=50, evaluate_every=max(steps // 3, 1), save_every=200)
        train_evaluator(config, corpus, folder, text_encoder=EmbeddedTextEncoder(), resume=True)
    return corpus, MotionEvaluator.from_pretrained(folder / "last", text_encoder=EmbeddedTextEncoder())


def measure(tokenizer, corpus, evaluator):
    """Give the figures of one row of the table."""
    report = evaluate_tokenizer(
        tokenizer, corpus, config=EvaluationConfig(split="val", min_frames=20, repeats=1), evaluator=evaluator
    )
    found = report.table["reconstructed"]
    return {name: tokenizer.config.bits_per_second if key is None else found[key].mean for name, key in COLUMNS.items()}


def draw(rows, path):
    """Draw both errors of each tokenizer, in the order of the table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.45 * len(rows) + 1.2), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2, sharey=True), ("root MPJPE mm", "MPJPE mm"), strict=True):
        bars = axes.barh(list(rows), [row[column] for row in rows.values()], color="tab:blue")
        axes.bar_label(bars, fmt="%.0f", padding=2)
        axes.margins(x=0.15)
        axes.set_xlabel(f"{column} (smaller is better)")
        axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def main():
    options, rows = read_arguments(), {}
    corpus, evaluator = prepare(options.gestures, options.output, options.evaluator_steps)
    for name in options.only:
        folder = options.output / name.replace(",", "").replace(" ", "_")
        if not (folder / "last").exists():
            train_tokenizer(training(options, **TOKENIZERS[name]), corpus, folder, resume=True)
        rows[name] = measure(MotionTokenizer.from_pretrained(folder / "last"), corpus, evaluator)
        print(f"{name:16s}", *(f"{column} {value:.4g}" for column, value in rows[name].items()), sep="  ")
    table = [[name, *(f"{value:.4g}" for value in row.values())] for name, row in rows.items()]
    write_table(options.output / "tokenizers.csv", [["tokenizer", *COLUMNS], *table])
    draw(rows, options.output / "tokenizers.png")


if __name__ == "__main__":
    run(main)
