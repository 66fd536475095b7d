"""List the files from elsewhere: where each belongs and comes from, its terms, whether it is right.

    ktube-motion check-assets

In the place of the original's download scripts: nothing is downloaded. Run it in the folder where the
other commands are run. The embedded text encoder and body need no files, so that nothing here is needed
to begin with.

Writes nothing. The exit code is 1 where a file is damaged.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from ..errors import FormatError, KtubeError
from ._shared._console import say

DRIVE, AMASS = "https://drive.google.com/file/d/", "trained on HumanML3D: AMASS's terms, not for commercial use"
T2M_GPT = "T2M-GPT, https://github.com/Mael-zys/T2M-GPT (Apache-2.0)"
META = "VQVAEV3_CB1024_CMT_H1024_NRES3/meta"


# Where it belongs, what for, where from, under which terms, which check it must pass.
ASSETS = [
    ("glove", "word vectors of the English evaluators (t2m, kit)", f"{DRIVE}1bCeS6Sh_mLVTebxIgiUHgdPrroW06mb6",
     "GloVe: Public Domain Dedication and License", "words"),
    ("checkpoints/t2m/text_mot_match", "evaluator of HumanML3D", f"{DRIVE}1o7RTDQcToJjTm9_mNWTyzvZvjTWpZfug", AMASS,
     "evaluator"),
    (f"checkpoints/t2m/{META}", "its statistics", "the same archive, t2m.zip", AMASS, "statistics"),
    ("checkpoints/kit/text_mot_match", "evaluator of KIT-ML", f"{DRIVE}1tX79xk0fflp07EZ660Xz1RAFE33iEyJR",
     "trained on KIT-ML: research use", "evaluator"),
    (f"checkpoints/kit/{META}", "its statistics", "the same archive, kit.zip", "as above", "statistics"),
    ("checkpoints/ktube/evaluator", "evaluator of KTubeUM", "train-evaluator, or the first training", "yours",
     "our_evaluator"),
    ("checkpoints/vl-ke-t5/language", "default text encoder of ktube", "folder language/ of a model in "
     "https://github.com/AIRC-KETI/VL-KE-T5#models", "none stated there: ask KETI before passing it on", "ke_t5"),
    ("checkpoints/ke-t5-base", "its tokenizer", "https://huggingface.co/KETI-AIR/ke-t5-base", "Apache-2.0",
     "sentencepiece"),
    ("checkpoints/clip-vit-base-patch32", "text encoder of published T2M-GPT models",
     "https://huggingface.co/openai/clip-vit-base-patch32", "MIT (its model card advises against deployment)",
     "clip"),
    ("pretrained/VQVAE/net_last.pth", "published tokenizer of HumanML3D", f"{DRIVE}1LaOvwypF-jM2Axnq5dc-Iuvv3w_G-WDE",
     f"{T2M_GPT}; {AMASS}", "tokenizer"),
    ("pretrained/VQTransformer_corruption05/net_best_fid.pth", "published transformer", "the same archive",
     f"{T2M_GPT}; {AMASS}", "transformer"),
    ("body_models/smplx", "SMPL-X body for fitting and meshes (the embedded mannequin does without)",
     "https://smpl-x.is.tue.mpg.de, SMPLX_NEUTRAL.npz", "by registration, not for commercial use", "body"),
    ("body_models/smpl", "SMPL body of the original's pictures; this library does not read it",
     "https://smpl.is.tue.mpg.de", "by registration, not for commercial use", "smpl"),
]  # fmt: skip


def add_options(parser: ArgumentParser) -> None:
    """Add no flag: there is nothing to choose."""


def run(options: Namespace) -> int:
    """List the files; give 1 where one is damaged."""
    checks = _checks()
    counts = dict.fromkeys(("found", "missing", "damaged"), 0)
    for path, purpose, origin, terms, check in ASSETS:
        state, problem = state_of(path, checks[check])
        counts[state] += 1
        lines = [f"{state:8s} {path}: {purpose}", f"from   {origin}", f"terms  {terms}"]
        say("\n         ".join(lines + ([f"error  {problem}"] if problem else [])))
    say(", ".join(f"{count} {state}" for state, count in counts.items()))
    return 1 if counts["damaged"] else 0


def state_of(path: str, check: Callable[[str], object]) -> tuple[str, str]:
    """Tell whether a file is found, missing or damaged, and what is wrong with it."""
    if not os.path.exists(path):
        return "missing", ""
    try:
        check(path)
    except (KtubeError, OSError, ValueError) as error:
        return "damaged", f"{error}".splitlines()[0]
    return "found", ""


def _checks() -> dict[str, Callable[[str], object]]:
    """Give what each file must pass: mostly that the library loads it."""
    from ..evaluators import MotionEvaluator, load_t2m_evaluator
    from ..gpt import load_t2m_gpt_transformer
    from ..kinematics import load_body
    from ..text import ClipTextEncoder, KeT5TextEncoder, WordVectorizer
    from ..vq import load_t2m_gpt_tokenizer

    return {
        "words": WordVectorizer,
        "evaluator": load_t2m_evaluator,
        "statistics": _check_statistics,
        "our_evaluator": MotionEvaluator.from_pretrained,
        "ke_t5": lambda path: KeT5TextEncoder(path, tokenizer="checkpoints/ke-t5-base").encode(["안녕하세요"]),
        "sentencepiece": _check_sentencepiece,
        "clip": ClipTextEncoder,
        "tokenizer": load_t2m_gpt_tokenizer,
        "transformer": load_t2m_gpt_transformer,
        "body": load_body,
        "smpl": _check_smpl,
    }


def _check_statistics(folder: str) -> None:
    import numpy as np

    mean, std = (np.load(Path(folder) / f"{name}.npy", allow_pickle=False) for name in ("mean", "std"))
    if mean.shape != std.shape or not (np.isfinite(mean).all() and (std > 0).all()):
        raise FormatError("These are no statistics.", where=folder)


def _check_smpl(folder: str) -> None:
    if not any(path.stat().st_size > 1_000_000 for path in Path(folder).glob("*.pkl")):
        raise FormatError("No SMPL model is in it.", where=folder, expected="SMPL_NEUTRAL.pkl, 40 MB or more")


def _check_sentencepiece(folder: str) -> None:
    if not any(os.path.isfile(Path(folder) / name) for name in ("spiece.model", "tokenizer.json")):
        raise FormatError("The tokenizer is missing.", where=folder, expected="spiece.model")
