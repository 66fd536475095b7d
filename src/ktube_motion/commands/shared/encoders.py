"""Evaluators and text encoders of the documented commands: where they lie, and what they read with."""

import shutil
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import CheckpointError, DataError
from ...evaluation import EvaluationConfig
from ...evaluation.samples import collect_samples
from ...evaluators import AlignedTextEncoder, MotionEvaluator, load_t2m_evaluator
from ...io import Corpus
from ...io.files import atomic_folder, read_json, write_json
from ...text import (
    ClipTextEncoder,
    EmbeddedTextEncoder,
    HFTextEncoder,
    KeT5TextEncoder,
    SequenceTextEncoder,
    TextEncoder,
    WordVectorizer,
)
from ...training import EvaluatorTraining, train_evaluator
from .console import say
from .experiments import Experiment
from .places import EVALUATORS, command_line

__all__ = [
    "DEVICE",
    "choose_text_encoder",
    "evaluator_to_choose",
    "keep_evaluator",
    "load_evaluator",
    "make_text_encoder",
]

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# Where the published evaluators' statistics lie, in T2M-GPT's download and in text-to-motion's.
META = ("text_mot_match", "VQVAEV3_CB1024_CMT_H1024_NRES3", "Comp_v6_KLD005", "Comp_v6_KLD01")

KE_T5 = {"source": "checkpoints/vl-ke-t5/language", "tokenizer": "checkpoints/ke-t5-base"}
CLIP = {"source": "checkpoints/clip-vit-base-patch32"}
TEXT_ENCODERS = {"ktube": KE_T5, "t2m": CLIP, "kit": CLIP}
ORIGINS = {
    KE_T5["source"]: "the folder language/ of VL-KE-T5, https://github.com/AIRC-KETI/VL-KE-T5",
    KE_T5["tokenizer"]: "KE-T5's tokenizer, https://huggingface.co/KETI-AIR/ke-t5-base",
    CLIP["source"]: "CLIP ViT-B/32, https://huggingface.co/openai/clip-vit-base-patch32",
}


def load_evaluator(
    options: Namespace, dataname: str, corpus: Corpus, *, say: Callable[[str], None] = say
) -> MotionEvaluator:
    """Load the evaluator of a data set; train one for ktube where there is none."""
    path = Path(options.evaluator or EVALUATORS[dataname])
    if (path / "config.json").is_file():
        say(f"Evaluator: {path}")
        return _our_evaluator(path).to(DEVICE)
    if path.is_file() or (path / "finest.tar").is_file() or (path / "model" / "finest.tar").is_file():
        say(f"Evaluator: {path}")
        return _published(path, dataname).to(DEVICE)
    if dataname == "ktube" and options.evaluator is None:
        return _first_evaluator(path, corpus, options.evaluator_iter, say).to(DEVICE)
    train = command_line("train-evaluator", "--dataname", dataname, "--checkpoint", path.as_posix())
    raise CheckpointError(
        f"There is no evaluator for {dataname} here.", where=path.resolve(),
        fix=f"`{train}` trains one; `ktube-motion check-assets` says where published ones come from.",
    )  # fmt: skip


def evaluator_to_choose(experiment: Experiment, corpus: Corpus, protocol: EvaluationConfig) -> MotionEvaluator | None:
    """Give the evaluator that picks the best checkpoints, or none where val is too small for one."""
    try:
        collect_samples(corpus, protocol)
    except DataError as error:
        experiment.say(f"No evaluator picks the best checkpoints: {error}")
        return None
    return load_evaluator(experiment.options, experiment.options.dataname, corpus, say=experiment.say)


def _our_evaluator(path):
    beside = Path(path) / "text_encoder.json"
    encoder = make_text_encoder(**(read_json(beside) if beside.exists() else {"source": "embedded"}))
    return MotionEvaluator.from_pretrained(path, text_encoder=encoder)


def _published(path, dataname):
    for folder in META:
        mean, std = (Path("checkpoints") / dataname / folder / "meta" / f"{name}.npy" for name in ("mean", "std"))
        if mean.exists() and std.exists():
            return load_t2m_evaluator(path, mean=mean, std=std, word_vectorizer=WordVectorizer("glove"))
    raise CheckpointError(
        "The evaluator's own statistics are missing.", where=Path("checkpoints", dataname).resolve(),
        expected=" or ".join(f"{folder}/meta/mean.npy" for folder in META[:2]),
        fix="`ktube-motion check-assets` says where they come from.",
    )  # fmt: skip


def _first_evaluator(path, corpus, steps, say):
    steps = steps or min(10_000, max(300, 20 * len(corpus.names("train"))))
    say(f"No evaluator in {path}: one is trained first, {steps} steps, and kept there.")
    config = EvaluatorTraining(steps=steps, evaluate_every=100, tracker=None)
    encoder, working = EmbeddedTextEncoder(), path.with_name(path.name + "-training")
    evaluator = train_evaluator(config, corpus, working, text_encoder=encoder, resume=True)
    keep_evaluator(evaluator, path, {"source": "embedded"})
    shutil.rmtree(working)
    return evaluator


def keep_evaluator(evaluator: MotionEvaluator, path: str | Path, text_encoder: Mapping[str, Any]) -> None:
    """Write an evaluator and which text encoder it reads with."""
    with atomic_folder(path) as folder:
        evaluator.save_pretrained(folder)
        write_json(folder / "text_encoder.json", text_encoder)


def choose_text_encoder(
    options: Namespace, dataname: str, recorded: Mapping[str, Any] | None = None
) -> tuple[TextEncoder, dict[str, Any]]:
    """Give a text encoder and how it was chosen: by flag, by the checkpoint, or the data set's default."""
    if options.text_encoder:
        chosen = {"source": options.text_encoder, "tokenizer": options.text_tokenizer, "pooling": options.text_pooling}
        return make_text_encoder(**chosen), chosen
    chosen = dict(recorded or TEXT_ENCODERS[dataname])
    missing = [place for place in chosen.values() if place in ORIGINS and not Path(place).is_dir()]
    if missing:
        raise CheckpointError(
            "The text encoder is not here.",
            expected="; ".join(
                f"{Path(place).resolve()} ({ORIGINS[place]})" for place in chosen.values() if place in ORIGINS
            ),
            found=f"no {' and no '.join(missing)}",
            fix="Put it there (`ktube-motion check-assets` tells the terms), or use --text-encoder embedded, which "
            "runs now.",
        )
    return make_text_encoder(**chosen), chosen


def make_text_encoder(
    source: str, tokenizer: str | None = None, pooling: str | None = None, parts: int = 1
) -> TextEncoder:
    """Make a text encoder from ``embedded``, a folder (an evaluator's too) or a hub id."""
    encoder = _text_encoder(source, tokenizer, pooling)
    return encoder if parts == 1 else SequenceTextEncoder(encoder, length=parts)


def _text_encoder(source, tokenizer, pooling):
    if source == "embedded":
        return EmbeddedTextEncoder()
    kind = _model_type(source)
    if kind == MotionEvaluator.kind:
        return AlignedTextEncoder(_our_evaluator(source))
    if kind == "t5":
        files = [Path(source) / name for name in ("spiece.model", "tokenizer.json")]
        own = not Path(source).is_dir() or any(file.is_file() for file in files)
        tokenizer = tokenizer or (None if own else KE_T5["tokenizer"])
        return KeT5TextEncoder(source, tokenizer=tokenizer, pooler=pooling or "mean", device=DEVICE)
    if kind.startswith("clip"):
        return ClipTextEncoder(source, tokenizer=tokenizer, device=DEVICE)
    return HFTextEncoder(source, tokenizer=tokenizer, pooling=pooling or "mean", device=DEVICE)


def _model_type(source):
    path = Path(source) / "config.json"
    if Path(source).is_dir():
        if not path.is_file():
            raise CheckpointError("This is no model folder.", where=source, expected="a folder with config.json")
        about = read_json(path)
        return str(about.get("model_type") or about.get("kind", ""))
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source).model_type
    except (OSError, ValueError) as error:
        raise CheckpointError("Neither a folder here nor a model on the hub.", where=source, found=error) from error
