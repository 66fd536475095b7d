"""The documented flags, in one place: those of T2M-GPT's two parsers, and ours.

Every script takes every flag of its parser. One that has no meaning in a
script is accepted and named once as unused; an unknown one is an error.
"""

import argparse
import sys

__all__ = ["read_options"]

DATANAMES = ("ktube", "t2m", "humanml3d", "kit")
QUANTIZERS = ("ema_reset", "ema", "orig", "reset", "fsq", "lfq", "residual")

# flag: (default, how to read it, what it does). A tuple lists choices, bool is a switch, [int] takes several.
SHARED = {
    "dataname": ("kit", DATANAMES, "corpus and evaluator: ktube is dataset/KTubeUM, t2m and humanml3d are "
                 "dataset/HumanML3D, kit is dataset/KIT-ML"),
    "batch-size": (128, int, "samples in a training step"),
    "total-iter": (100_000, int, "training steps"),
    "warm-up-iter": (1000, int, "steps in which the learning rate rises"),
    "lr": (2e-4, float, "highest learning rate"),
    "lr-scheduler": ([60_000], [int], "steps at which the learning rate is multiplied by --gamma"),
    "gamma": (0.05, float, "factor of the learning rate at --lr-scheduler"),
    "weight-decay": (1e-6, float, "AdamW's weight decay"),
    "code-dim": (512, int, "size of a code vector"),
    "nb-code": (512, int, "number of codes"),
    "mu": (0.99, float, "decay of the codebook's running means"),
    "down-t": (3, int, "number of down-samplings in time"),
    "stride-t": (2, int, "factor of each down-sampling"),
    "width": (512, int, "channels of the tokenizer"),
    "depth": (3, int, "residual blocks of each level"),
    "dilation-growth-rate": (3, int, "growth of the dilation from block to block"),
    "output-emb-width": (512, int, "size of the encoder's output, which is --code-dim"),
    "vq-act": ("relu", ("relu", "silu", "gelu"), "activation of the tokenizer"),
    "vq-norm": (None, ("LN", "GN", "BN"), "normalisation inside the tokenizer; none when left out"),
    "quantizer": ("ema_reset", QUANTIZERS, "how vectors become codes; the last three are ours and have no .pth"),
    "resume-pth": (None, str, "tokenizer checkpoint, a .pth or a folder"),
    "out-dir": ("output", str, "folder of all experiments"),
    "exp-name": ("exp_debug", str, "name of this experiment: its folder inside --out-dir"),
    "print-iter": (200, int, "steps between lines in run.log and TensorBoard"),
    "eval-iter": (5000, int, "steps between evaluations"),
    "seed": (123, int, "seed of all random numbers"),
}  # fmt: skip

VQ = SHARED | {
    "total-iter": (200_000, int, "training steps"),
    "lr-scheduler": ([50_000, 400_000], [int], SHARED["lr-scheduler"][2]),
    "weight-decay": (0.0, float, "AdamW's weight decay"),
    "down-t": (2, int, "number of down-samplings in time"),
    "out-dir": ("output_vqfinal", str, "folder of all experiments"),
    "eval-iter": (1000, int, "steps between evaluations"),
    "window-size": (64, int, "frames of a training sample"),
    "commit": (0.02, float, "weight of the commitment loss"),
    "loss-vel": (0.1, float, "weight of the velocity loss"),
    "recons-loss": ("l2", ("l1", "l2", "l1_smooth"), "reconstruction loss"),
    "beta": (1.0, float, "weight of the commitment inside the orig quantizer"),
    "resume-gpt": (None, str, "transformer checkpoint"),
    "results-dir": ("visual_results", str, "folder of pictures"),
    "visual-name": ("baseline", str, "name of pictures"),
    "vis-gt": (False, bool, "draw real motion"),
    "nb-vis": (20, int, "number of pictures"),
}

TRANSFORMER = SHARED | {
    "fps": ([20], [int], "frames per second; the corpus knows its own"),
    "seq-len": (64, int, "frames of a training sample"),
    "decay-option": ("all", ("all", "noVQ"), "what weight decay spares; no codebook is trained here"),
    "optimizer": ("adamw", ("adam", "adamw"), "adam needs --weight-decay 0"),
    "block-size": (25, int, "longest sequence, the text included: 51 is the text and 50 tokens"),
    "embed-dim-gpt": (512, int, "width of the transformer"),
    "clip-dim": (None, int, "size of the text vector; must be the text encoder's, which is the default"),
    "num-layers": (2, int, "blocks in the base and again in the head: 9 means 18"),
    "n-head-gpt": (8, int, "attention heads"),
    "ff-rate": (4, int, "width of the feed-forward part, in --embed-dim-gpt"),
    "drop-out-rate": (0.1, float, "dropout"),
    "quantbeta": (1.0, float, "weight of the commitment inside the orig quantizer"),
    "resume-trans": (None, str, "transformer checkpoint, a .pth or a folder; weights only: training starts at step 0"),
    "out-dir": ("output_GPT_Final", str, "folder of all experiments"),
    "vq-name": ("exp_debug", str, "folder inside the data set that caches the tokens"),
    "if-maxtest": (False, bool, "take the likeliest token instead of drawing one"),
    "pkeep": (1.0, float, "share of input tokens that stay as they are in training"),
}

OURS = {
    "resume": (False, bool, "go on exactly where this experiment stopped"),
    "strict": (False, bool, "a flag that contradicts a checkpoint is an error"),
    "evaluator": (None, str, "evaluator that measures; by default the one in checkpoints/DATANAME, for ktube "
                  "trained first when there is none"),
    "evaluator-iter": (None, int, "steps of that first training; by default as many as suit the corpus"),
    "text-encoder": (None, str, "embedded, a folder (of train_evaluator.py too: its text side) or a hub id; by default "
                     "checkpoints/vl-ke-t5/language for ktube, "
                     "checkpoints/clip-vit-base-patch32 for t2m and kit, or what the checkpoint was trained with"),
    "text-tokenizer": (None, str, "folder or hub id of the text encoder's tokenizer, if not its own"),
    "text-pooling": (None, str, "mean (default), simple or none for T5; mean, cls, last, sqrt_mean for others"),
    "paraphrases": (None, str, "table with tabs and the columns kind, label and wording: training texts are said in "
                    "other words of their label, and with other endings, particles and order"),
    "text-dropout": (0.0, float, "share of samples trained without their text, which --guidance-scale needs: 0.1"),
    "guidance-scale": (1.0, float, "follow the text harder: 2, for models trained with --text-dropout"),
    "min-frames": (None, int, "shortest clip that is measured: t2m 40, kit 24, ktube 20"),
    "max-frames": (199, int, "longest clip that is measured"),
    "save-iter": (1000, int, "steps between checkpoints for --resume"),
    "accumulation": (1, int, "pieces a batch is cut into, to save memory"),
    "mixed-precision": ("auto", ("auto", "no", "bf16", "fp16"), "auto is what the device has"),
    "compile": (False, bool, "compile the model first: worth it for long trainings on a GPU from compute capability 7"),
    "joint-weight": (0.0, float, "weight of our loss on joints about the root; 2 in our own training"),
    "trajectory-weight": (0.0, float, "weight of our loss on the summed path and heading; 0.5 in our own training"),
    "repeats": (20, int, "evaluations the figures are averaged over"),
    "multimodality-texts": (100, int, "texts that are spoken 30 times each"),
}  # fmt: skip


def read_options(description, flags, *, uses, checkpoint="", ours=""):
    """Read the command line.

    Parameters
    ----------
    description : str
    flags : dict
        `VQ`, `TRANSFORMER` or a table like them.
    uses, checkpoint : str
        Flags that mean something in this script, and flags that describe a
        model, where the checkpoint's own value wins. All others are unused.
    ours : str
        Flags of `OURS` that it takes.

    Returns
    -------
    options : argparse.Namespace
        With ``given``, the set of names that were on the command line, and
        ``unused``, those of them that mean nothing here.
    """
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    documented, own = parser.add_argument_group("documented flags"), parser.add_argument_group("ours")
    uses, checkpoint = uses.split(), checkpoint.split()
    for name, flag in flags.items():
        note = "" if name in uses else " (the checkpoint's wins)" if name in checkpoint else " (accepted, unused here)"
        _add(documented, name, flag, note)
    for name in ours.split():
        _add(own, name, OURS[name], "")
    options = parser.parse_args()
    words = {word.partition("=")[0] for word in sys.argv[1:]}
    options.given = {name.replace("-", "_") for name in (*flags, *ours.split()) if f"--{name}" in words}
    idle = {name.replace("-", "_") for name in flags if name not in uses and name not in checkpoint}
    options.unused = sorted(options.given & idle)
    options.dataname = {"humanml3d": "t2m"}.get(getattr(options, "dataname", None), getattr(options, "dataname", None))
    return options


def _add(group, name, flag, note):
    default, kind, text = flag
    shown = "" if default in (None, False) else f"; default {' '.join(map(str, default)) if kind == [int] else default}"
    how = {"default": default, "help": (text + shown + note).replace("%", "%%")}
    if kind is bool:
        group.add_argument(f"--{name}", action="store_true", help=how["help"])
    elif isinstance(kind, tuple):
        group.add_argument(f"--{name}", choices=kind, **how)
    elif isinstance(kind, list):
        group.add_argument(f"--{name}", nargs="+", type=kind[0], metavar="N", **how)
    else:
        group.add_argument(f"--{name}", type=kind, metavar=kind.__name__.upper(), **how)
