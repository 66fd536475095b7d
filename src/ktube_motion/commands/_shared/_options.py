"""The flags of all commands, in one place: those of T2M-GPT's two parsers, and ours.

Every documented command takes every flag of its parser. One that has no
meaning in a command is accepted and named once as unused; an unknown one is an
error that names the nearest.
"""

import argparse
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, Self

from ...errors import ConfigError
from ._language import told, told_page

__all__ = [
    "OURS",
    "TRANSFORMER",
    "VQ",
    "DataName",
    "Parser",
    "UsageError",
    "add_axes",
    "add_flags",
    "flag_of",
    "nearest",
    "seed_number",
]

AXES = ("camera", "y up", "z up")  # as io has them, which help does not import
DATANAMES = ("ktube", "t2m", "humanml3d", "kit")
QUANTIZERS = ("ema_reset", "ema", "orig", "reset", "fsq", "lfq", "residual")


def seed_number(text: str) -> int:
    """Read a seed; what torch and NumPy cannot take is a wrong flag."""
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 to {2**32 - 1}, not {text}")
    return number


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
    "seed": (123, seed_number, "seed of all random numbers"),
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
    "clip-dim": (None, int, "size of the text vector; the text encoder's own wins"),
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
    "strict": (False, bool, "a flag that contradicts a checkpoint or the text encoder is an error, and so is a clip "
               "that models cannot read"),
    "follow-links": (False, bool, "follow symbolic links that lead out of the corpus"),
    "evaluator": (None, str, "evaluator that measures; by default the one in checkpoints/DATANAME, for ktube "
                  "trained first when there is none"),
    "evaluator-iter": (None, int, "steps of that first training; by default as many as suit the corpus"),
    "text-encoder": (None, str, "embedded, a folder (of train-evaluator too: its text side) or a hub id; by default "
                     "what the checkpoint was trained with, else "
                     "checkpoints/vl-ke-t5/language for ktube and checkpoints/clip-vit-base-patch32 for t2m and kit"),
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
    "bone-names": ("smplx", ("smplx", "humanoid", "vrm", "mixamo", "mixamo:"), "names of bones in .bvh and .glb: "
                   "humanoid for Godot and Unity, mixamo without its colon, which three.js cannot read"),
    "unit": ("cm", ("cm", "m", "mm"), "unit of length in .bvh"),
    "body": (None, Path, "SMPL-X model file or its folder; by default the embedded body"),
    "as-given": (False, bool, "write what is given: by default, joints without rotations get bones of one length "
                 "and feet that stay where they stand, in every format but .npy"),
    "overwrite": (False, bool, "make again what is there already"),
}  # fmt: skip


class DataName(str):
    """The name of a data set, for messages as it was typed: humanml3d is t2m.

    Examples
    --------
    >>> DataName("humanml3d") == "t2m", DataName("humanml3d").typed, DataName("kit").typed
    (True, 'humanml3d', 'kit')
    """

    typed: str

    def __new__(cls, typed: str) -> Self:
        name = super().__new__(cls, {"humanml3d": "t2m"}.get(typed, typed))
        name.typed = typed
        return name


class UsageError(ConfigError):
    """Flags that do not go together; the exit code is that of a wrong flag."""


Flags = Mapping[str, tuple[Any, Any, str]]
_NONE: Flags = {}


class _Page(argparse.RawDescriptionHelpFormatter):
    """A help page: the text as it was written, and the default of every flag that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = " ".join(map(str, action.default)) if isinstance(action.default, (list, tuple)) else action.default
        default = action.option_strings and not (shown is None or shown is False or shown == argparse.SUPPRESS)
        return f"{action.help}; {told('default')} {str(shown).replace('%', '%%')}" if default else action.help


class Parser(argparse.ArgumentParser):
    """A parser whose errors are short, and name the nearest flag."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=_Page, allow_abbrev=False, **settings)
        self.set_defaults(idle=frozenset())

    def format_help(self) -> str:
        """Give the help page, in the language of the reader."""
        self.description = told_page(self.description or "")
        for group in self._action_groups:
            group.title = group.title and told(group.title)
        for action in self._actions:
            action.help = told((action.help or "").replace("%%", "%")).replace("%", "%%")
        return super().format_help()

    def parse_args(self, words: Sequence[str], namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        """Read the words of a command line.

        Returns
        -------
        options : argparse.Namespace
            Beside the flags ``typed``, the words; ``given``, the set of names that were
            on the command line; and ``unused``, those that mean nothing here.
        """
        options, unknown = self.parse_known_args(words)
        if unknown:
            known = [name for action in self._actions for name in action.option_strings]
            self.error("; ".join(f"unknown: {word}{nearest(word, known)}" for word in unknown))
        said = {word.partition("=")[0] for word in words}
        options.given = {name for name in vars(options) if flag_of(name) in said}
        options.unused, options.typed = sorted(options.given & options.idle), list(words)
        return options

    def error(self, message: str) -> NoReturn:
        """End with one line, and where to read on."""
        self.exit(2, f"error: {message} ({self.prog} --help tells all flags)\n")


def nearest(word: str, known: Sequence[str]) -> str:
    """Ask whether the nearest of the known words was meant; nothing where none is near.

    Examples
    --------
    >>> nearest("trian-vq", ["train-vq", "train-gpt"])
    ', did you mean train-vq?'
    """
    found = get_close_matches(word.partition("=")[0], known, 1)
    return f", did you mean {found[0]}?" if found else ""


def flag_of(name: str) -> str:
    """Give the flag that sets an option: ``--batch-size`` for ``batch_size``."""
    return "--" + name.replace("_", "-")


def add_axes(parser: argparse._ActionsContainer) -> None:
    """Add the flag that every command has which reads poses."""
    parser.add_argument(
        "--axes", choices=AXES, help="of the pose files, where they have others than their format: camera is y down"
    )


def add_flags(
    parser: argparse.ArgumentParser,
    flags: Flags = _NONE,
    *,
    uses: str | None = None,
    checkpoint: str = "",
    ours: str = "",
) -> None:
    """Add the flags of a table, and some of `OURS`.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    flags : dict, optional
        `VQ`, `TRANSFORMER` or a table like them.
    uses : str, optional
        Flags that mean something in this command; by default all.
    checkpoint : str
        Flags that describe a model, where the checkpoint's own value wins.
    ours : str
        Flags of `OURS` that it takes.
    """
    active, described = set(flags if uses is None else uses.split()), set(checkpoint.split())
    idle = [name for name in flags if name not in active | described]
    kinds = [
        ("" if uses is None else "documented flags", [name for name in flags if name in active], flags),
        ("flags that describe the model: the checkpoint's own value wins", [n for n in flags if n in described], flags),
        ("our own flags" if flags else "", ours.split(), OURS),
        ("flags of the original that mean nothing here: accepted, and named once", idle, flags),
    ]
    for title, names, known in kinds:
        group = parser.add_argument_group(title) if names and title else parser
        for name in names:
            _add(group, name, known[name])
    parser.set_defaults(idle=frozenset(name.replace("-", "_") for name in idle))


def _add(group: argparse._ActionsContainer, name: str, flag: tuple[Any, type, str]) -> None:
    default, kind, text = flag
    how = {"default": default, "help": text.replace("%", "%%")}
    if name == "dataname":
        how["type"] = DataName
    if kind is bool:
        group.add_argument(f"--{name}", action="store_true", help=how["help"])
    elif isinstance(kind, tuple):
        group.add_argument(f"--{name}", choices=kind, **how)
    elif isinstance(kind, list):
        group.add_argument(f"--{name}", nargs="+", type=kind[0], metavar=_metavar(kind[0]), **how)
    else:
        group.add_argument(f"--{name}", type=kind, metavar=_metavar(kind), **how)


def _metavar(kind: Any) -> str:
    return {int: "N", seed_number: "N", float: "X", str: "TEXT", Path: "PATH"}[kind]
