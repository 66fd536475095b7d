"""Anything that writes motion for a text, behind one call."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError, ShapeError
from ..evaluators.batching import STEP_FRAMES
from ..gpt import MotionTransformer, generate
from ..models import fingerprint, map_rows
from ..pipeline import UtteranceToMotion
from ..text import TextEncoder
from ..vq import MotionTokenizer

AT_ONCE = 128  # texts; a text and its seed give the same tokens in any batch

__all__ = ["TextToFeatures", "TextToMotion"]

# What the protocol can ask for motion: a pipeline, its three parts, or texts (and seed=) to motion features.
TextToMotion = (
    UtteranceToMotion | tuple[MotionTransformer, MotionTokenizer, TextEncoder] | Callable[..., Sequence[np.ndarray]]
)
_PARTS = ("transformer", "tokenizer", "text_encoder")


class TextToFeatures:
    """Texts to motion features, with whatever model was given."""

    max_frames: int
    sampling: dict[str, Any]
    fingerprint: str

    def __init__(self, model: TextToMotion, max_frames: int, sampling: dict[str, Any]) -> None:
        parts: Any = model if isinstance(model, (tuple, list)) else None
        if parts is None and all(hasattr(model, name) for name in _PARTS):
            parts = tuple(getattr(model, name) for name in _PARTS)
        if len(parts) != 3 if parts is not None else not callable(model):
            raise ConfigError(
                "There is nothing here that generates.",
                expected="UtteranceToMotion, (transformer, tokenizer, text_encoder) or a callable",
                found=type(model).__name__,
            )
        self.model: Any = model
        self.max_frames, self.sampling = max_frames, sampling
        self.transformer: Any
        self.tokenizer: Any
        self.text_encoder: Any
        self.transformer, self.tokenizer, self.text_encoder = parts or (None, None, None)
        if parts is None:
            self.fingerprint = fingerprint(model)
            return
        books = getattr(getattr(self.tokenizer, "config", None), "num_quantizers", 1)
        if books != 1:
            raise CheckpointError("A transformer writes one code a token.", found=f"{books} quantizers")
        _check_trained_with(self.transformer, "text_encoder", getattr(self.text_encoder, "identity", ""))
        _check_trained_with(self.transformer, "tokenizer", fingerprint(self.tokenizer))
        self.fingerprint = f"{fingerprint(self.transformer)} {fingerprint(self.tokenizer)}"

    def __call__(self, texts: Sequence[str], seed: int) -> list[np.ndarray]:
        if self.transformer is None:
            made = [np.asarray(clip) for clip in self.model(texts, seed=seed)]
        else:
            made = self._write(texts, seed)
        if len(made) != len(texts):
            raise ShapeError("The model gave another number of motions.", expected=len(texts), found=len(made))
        return made

    def _write(self, texts: Sequence[str], seed: int) -> list[np.ndarray]:
        unique = list(dict.fromkeys(texts))
        rows = {text: row for row, text in enumerate(unique)}
        vectors = self.text_encoder.encode(unique)[[rows[text] for text in texts]]
        per_token = self.tokenizer.frames_per_token
        longest = max(self.max_frames // per_token, 1)
        # An evaluator cannot read less than four frames, so an end in first place is not drawn.
        shortest = -(-STEP_FRAMES // per_token)
        generator = torch.Generator().manual_seed(seed)
        options = {"batch_size": AT_ONCE, "max_tokens": longest, "min_tokens": shortest, **self.sampling}
        tokens = generate(self.transformer, vectors, generator=generator, **options)
        return map_rows(lambda rows: self.tokenizer.decode(rows).cpu().numpy(), tokens, batch_size=256)


def _check_trained_with(transformer: Any, name: str, found: str) -> None:
    expected = getattr(getattr(transformer, "config", None), name, "")
    if expected and expected != found:
        raise CheckpointError(f"The transformer was trained with another {name}.", expected=expected, found=found)
