"""List every file from elsewhere: where it lies, where it comes from, under which terms, and whether it is right.

Nothing is downloaded. Run it where the documented commands are run. The embedded text encoder and body need no files.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from ktube_motion.errors import FormatError, KtubeError
from ktube_motion.evaluators import MotionEvaluator, load_t2m_evaluator
from ktube_motion.gpt import load_t2m_gpt_transformer
from ktube_motion.kinematics import load_body
from ktube_motion.text import ClipTextEncoder, KeT5TextEncoder, WordVectorizer
from ktube_motion.vq import load_t2m_gpt_tokenizer

DRIVE, AMASS = "https://drive.google.com/file/d/", "trained on HumanML3D: AMASS's terms, not for commercial use"
T2M_GPT = "T2M-GPT, https://github.com/Mael-zys/T2M-GPT (Apache-2.0)"
META = "VQVAEV3_CB1024_CMT_H1024_NRES3/meta"


def check_statistics(folder):
    mean, std = (np.load(Path(folder) / f"{name}.npy", allow_pickle=False) for name in ("mean", "std"))
    if mean.shape != std.shape or not (np.isfinite(mean).all() and (std > 0).all()):
        raise FormatError("These are no statistics.", where=folder)


def check_smpl(folder):
    if not any(path.stat().st_size > 1_000_000 for path in Path(folder).glob("*.pkl")):
        raise FormatError("No SMPL model is in it.", where=folder, expected="SMPL_NEUTRAL.pkl, 40 MB or more")


def check_ke_t5(folder):
    KeT5TextEncoder(folder, tokenizer="checkpoints/ke-t5-base").encode(["안녕하세요"])


def check_sentencepiece(folder):
    if not any((Path(folder) / name).is_file() for name in ("spiece.model", "tokenizer.json")):
        raise FormatError("The tokenizer is missing.", where=folder, expected="spiece.model")


# Where it must lie, what for, where from, under which terms, how it is checked.
ASSETS = [
    ("glove", "word vectors of the English evaluators (t2m, kit)", f"{DRIVE}1bCeS6Sh_mLVTebxIgiUHgdPrroW06mb6",
     "GloVe: Public Domain Dedication and License", WordVectorizer),
    ("checkpoints/t2m/text_mot_match", "evaluator of HumanML3D", f"{DRIVE}1o7RTDQcToJjTm9_mNWTyzvZvjTWpZfug", AMASS,
     load_t2m_evaluator),
    (f"checkpoints/t2m/{META}", "its statistics", "the same archive, t2m.zip", AMASS, check_statistics),
    ("checkpoints/kit/text_mot_match", "evaluator of KIT-ML", f"{DRIVE}1tX79xk0fflp07EZ660Xz1RAFE33iEyJR",
     "trained on KIT-ML: research use", load_t2m_evaluator),
    (f"checkpoints/kit/{META}", "its statistics", "the same archive, kit.zip", "as above", check_statistics),
    ("checkpoints/ktube/evaluator", "evaluator of KTubeUM", "train_evaluator.py, or the first training", "yours",
     MotionEvaluator.from_pretrained),
    ("checkpoints/vl-ke-t5/language", "default text encoder of ktube", "folder language/ of a model in "
     "https://github.com/AIRC-KETI/VL-KE-T5#models", "none stated there: ask KETI before passing it on", check_ke_t5),
    ("checkpoints/ke-t5-base", "its tokenizer", "https://huggingface.co/KETI-AIR/ke-t5-base", "Apache-2.0",
     check_sentencepiece),
    ("checkpoints/clip-vit-base-patch32", "text encoder of published T2M-GPT models",
     "https://huggingface.co/openai/clip-vit-base-patch32", "MIT (its model card advises against deployment)",
     ClipTextEncoder),
    ("pretrained/VQVAE/net_last.pth", "published tokenizer of HumanML3D", f"{DRIVE}1LaOvwypF-jM2Axnq5dc-Iuvv3w_G-WDE",
     f"{T2M_GPT}; {AMASS}", load_t2m_gpt_tokenizer),
    ("pretrained/VQTransformer_corruption05/net_best_fid.pth", "published transformer", "the same archive",
     f"{T2M_GPT}; {AMASS}", load_t2m_gpt_transformer),
    ("body_models/smplx", "SMPL-X body for fitting and meshes (the embedded mannequin does without)",
     "https://smpl-x.is.tue.mpg.de, SMPLX_NEUTRAL.npz", "by registration, not for commercial use", load_body),
    ("body_models/smpl", "SMPL body of the original's pictures; this library does not read it",
     "https://smpl.is.tue.mpg.de", "by registration, not for commercial use", check_smpl),
]  # fmt: skip


def state_of(path, check):
    """Tell whether an asset is found, missing or damaged, and what is wrong with it."""
    if not Path(path).exists():
        return "missing", ""
    try:
        check(path)
    except (KtubeError, OSError, ValueError) as error:
        return "damaged", f"{error}".splitlines()[0]
    return "found", ""


def main():
    argparse.ArgumentParser(description=__doc__, allow_abbrev=False).parse_args()
    counts = dict.fromkeys(("found", "missing", "damaged"), 0)
    for path, purpose, origin, terms, check in ASSETS:
        state, problem = state_of(path, check)
        counts[state] += 1
        lines = [f"{state:8s} {path}: {purpose}", f"from   {origin}", f"terms  {terms}"]
        print("\n         ".join(lines + ([f"error  {problem}"] if problem else [])))
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    sys.exit(1 if counts["damaged"] else 0)


if __name__ == "__main__":
    main()
