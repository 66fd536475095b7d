"""Evaluators and text encoders of the documented commands: where they lie, and what they read with."""

import os
import shutil
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ...errors import CheckpointError, ConfigError, DataError
from ...evaluation import EvaluationConfig
from ...evaluation._samples import collect_samples
from ...evaluators import AlignedTextEncoder, MotionEvaluator, T2MEvaluator, load_t2m_evaluator
from ...io import Corpus
from ...io._corpus_faults import clips_for_training
from ...io._files import atomic_folder, read_json
from ...text import SequenceTextEncoder, TextEncoder, WordVectorizer, load_text_encoder
from ...training import EvaluatorTraining, train_evaluator
from ._console import say
from ._experiments import Experiment
from ._places import EVALUATORS, command_line

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
) -> MotionEvaluator | T2MEvaluator:
    """Load the evaluator of a data set; train one for ktube where there is none."""
    path = Path(options.evaluator or EVALUATORS[dataname])
    if os.path.isfile(path / "config.json"):
        say(f"Evaluator: {path}")
        return _our_evaluator(path).to(DEVICE)
    if os.path.isfile(path) or os.path.isfile(path / "finest.tar") or os.path.isfile(path / "model" / "finest.tar"):
        say(f"Evaluator: {path}")
        return _published(path, dataname).to(DEVICE)
    if dataname == "ktube" and options.evaluator is None:
        return _first_evaluator(path, corpus, options.evaluator_iter, say).to(DEVICE)
    said = getattr(dataname, "typed", dataname)
    train = command_line("train-evaluator", "--dataname", said, "--checkpoint", path.as_posix())
    raise CheckpointError(
        f"There is no evaluator for {said} here.", where=path.absolute(),
        fix=f"`{train}` trains one; `ktube-motion check-assets` says where published ones come from.",
    )  # fmt: skip


def evaluator_to_choose(
    experiment: Experiment, corpus: Corpus, protocol: EvaluationConfig, *, spoken: bool, stats: bool
) -> MotionEvaluator | T2MEvaluator | None:
    """Give the evaluator that picks the best checkpoints, or none where the corpus is too small for one.

    The splits are looked at first: what is wrong with them is told before an evaluator is trained for minutes.
    """
    names = clips_for_training(corpus, spoken=spoken, stats=stats)
    try:
        if len(names["train"]) < 2:
            raise DataError("train has one clip, and an evaluator learns what tells clips apart.", where=corpus.root)
        collect_samples(corpus, protocol)
    except DataError as error:
        experiment.say(f"No evaluator picks the best checkpoints: {error}")
        return None
    return load_evaluator(experiment.options, experiment.options.dataname, corpus, say=experiment.say)


def _our_evaluator(path: Path) -> MotionEvaluator:
    evaluator = MotionEvaluator.from_pretrained(path)
    if evaluator.text_encoder is None:  # told now, not at the first evaluation of a long training
        raise CheckpointError(
            "The text encoder of this evaluator is not here.", where=path.absolute(),
            expected=evaluator.config.text_encoder,
            fix="Put it back where it lay, or give another --evaluator.",
        )  # fmt: skip
    return evaluator


def _published(path: Path, dataname: str) -> MotionEvaluator | T2MEvaluator:
    for folder in META:
        mean, std = (Path("checkpoints") / dataname / folder / "meta" / f"{name}.npy" for name in ("mean", "std"))
        if os.path.exists(mean) and os.path.exists(std):
            return load_t2m_evaluator(path, mean=mean, std=std, word_vectorizer=WordVectorizer("glove"))
    raise CheckpointError(
        "The evaluator's own statistics are missing.", where=Path("checkpoints", dataname).absolute(),
        expected=" or ".join(f"{folder}/meta/mean.npy" for folder in META[:2]),
        fix="`ktube-motion check-assets` says where they come from.",
    )  # fmt: skip


def _first_evaluator(path: Path, corpus: Corpus, steps: int | None, say: Callable[[str], None]) -> MotionEvaluator:
    steps = steps or min(10_000, max(300, 20 * len(corpus.names("train"))))
    say(f"No evaluator in {path}: one is trained first, {steps} steps, and kept there.")
    config = EvaluatorTraining(steps=steps, evaluate_every=100, tracker=None)
    encoder, working = load_text_encoder("embedded"), path.with_name(path.name + "-training")
    evaluator = train_evaluator(config, corpus, working, text_encoder=encoder, resume=True)
    keep_evaluator(evaluator, path)
    shutil.rmtree(working)
    return evaluator


def keep_evaluator(evaluator: MotionEvaluator, path: str | Path) -> None:
    """Write an evaluator to a folder, all at once."""
    with atomic_folder(path) as folder:
        evaluator.save_pretrained(folder)


def choose_text_encoder(
    options: Namespace, dataname: str, recorded: Mapping[str, Any] | None = None
) -> tuple[TextEncoder, dict[str, Any]]:
    """Give a text encoder and how it was chosen: by flag, by the checkpoint, or the data set's default."""
    if options.text_encoder:
        chosen = {"source": options.text_encoder, "tokenizer": options.text_tokenizer, "pooling": options.text_pooling}
        return make_text_encoder(**chosen), chosen
    chosen = dict(recorded or TEXT_ENCODERS[dataname])
    missing = [place for place in chosen.values() if place in ORIGINS and not os.path.isdir(place)]
    if missing:
        raise CheckpointError(
            "The text encoder is not here.",
            expected="; ".join(
                f"{Path(place).absolute()} ({ORIGINS[place]})" for place in chosen.values() if place in ORIGINS
            ),
            found=f"no {' and no '.join(missing)}",
            fix="Put it there (`ktube-motion check-assets` tells the terms). This line runs now, with the encoder that "
            f"is embedded: {command_line(options.command, *options.typed, '--text-encoder', 'embedded')}",
        )
    return make_text_encoder(**chosen), chosen


def make_text_encoder(
    source: str, tokenizer: str | None = None, pooling: str | None = None, parts: int = 1
) -> TextEncoder:
    """Make a text encoder from what `load_text_encoder` takes, or from the folder of an evaluator."""
    about = _config(source)
    if about.get("kind") == MotionEvaluator.kind:
        encoder: Any = AlignedTextEncoder.from_pretrained(source)
        encoder.evaluator.to(DEVICE)
    else:
        encoder = load_text_encoder(source, device=DEVICE, **_reading(source, about, tokenizer, pooling))
    return encoder if parts == 1 else SequenceTextEncoder(encoder, length=parts)


def _config(source: str | Path) -> dict[str, Any]:
    path = Path(source) / "config.json"
    about = read_json(path) if os.path.isfile(path) else {}
    return about if isinstance(about, dict) else {}


def _reading(
    source: str | Path, about: dict[str, Any], tokenizer: str | Path | None, pooling: str | None
) -> dict[str, Any]:
    """Give tokenizer and pooling as the encoder's class calls them."""
    if pooling is not None and not about:
        about = _hub_config(source)
    t5 = about.get("model_type") == "t5"
    own = not os.path.isdir(source) or any(
        os.path.isfile(Path(source) / name) for name in ("spiece.model", "tokenizer.json")
    )
    if t5 and tokenizer is None and not own:
        tokenizer = KE_T5["tokenizer"]  # VL-KE-T5 comes without one
    found = {} if tokenizer is None else {"tokenizer": tokenizer}
    if pooling is None:
        return found
    if about.get("model_type") in (None, "clip", "clip_text_model"):
        raise ConfigError("This text encoder pools in its own way.", found=source, fix="Leave --text-pooling out.")
    return found | {"pooler" if t5 else "pooling": pooling}


def _hub_config(source: str | Path) -> dict[str, Any]:
    if os.path.isdir(source) or source == "embedded":
        return {}
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source).to_dict()
    except (OSError, ValueError) as error:
        raise CheckpointError("Neither a folder here nor a model on the hub.", where=source, found=error) from error
