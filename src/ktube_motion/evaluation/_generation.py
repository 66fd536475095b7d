"""Anything that writes motion for a text, behind one call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, ShapeError
from ..evaluators._batching import STEP_FRAMES
from ..gpt import MotionTransformer
from ..models import fingerprint, map_rows
from ..pipeline import UtteranceToMotion
from ..text import TextEncoder
from ..types import Cue, Utterance
from ..vq import MotionTokenizer

__all__ = ["TextToFeatures", "TextToMotion"]

# What the protocol can ask for motion: a pipeline, its three parts, or texts (and seed=) to motion features.
TextToMotion = (
    UtteranceToMotion | tuple[MotionTransformer, MotionTokenizer, TextEncoder] | Callable[..., Sequence[np.ndarray]]
)

AT_ONCE = 128  # texts; a text and its seed give the same tokens in any batch


class TextToFeatures:
    """Utterances to motion features, with whatever model was given.

    Parameters
    ----------
    model : UtteranceToMotion, (transformer, tokenizer, text_encoder) or callable
    max_frames : int
        Longest motion of a model that ends by itself.
    sampling : mapping
        Options of `gpt.generate`.

    Raises
    ------
    ConfigError
        If the model is none of these.
    CheckpointError
        If its parts do not belong together.
    """

    def __init__(self, model: TextToMotion, max_frames: int, sampling: Mapping[str, Any]) -> None:
        if isinstance(model, (tuple, list)) and len(model) == 3:
            transformer, tokenizer, text_encoder = model
            model = UtteranceToMotion(tokenizer, transformer, text_encoder)
        self.pipeline = model if isinstance(model, UtteranceToMotion) else None
        if self.pipeline is None and not callable(model):
            raise ConfigError(
                "There is nothing here that generates.",
                expected="UtteranceToMotion, (transformer, tokenizer, text_encoder) or a callable",
                found=type(model).__name__,
            )
        self.model: Any = model
        self.max_frames = max_frames
        usual = {} if self.pipeline is None else self.pipeline.sampling
        self.sampling: dict[str, Any] = {**usual, **sampling}  # all of it, so that the report tells what was measured
        self.tokenizer = None if self.pipeline is None else self.pipeline.tokenizer
        parts = [model] if self.pipeline is None else [self.pipeline.transformer, self.pipeline.tokenizer]
        self.fingerprint = " ".join(fingerprint(part) for part in parts)

    def __call__(self, utterances: Sequence[Utterance], seed: int) -> list[np.ndarray]:
        """Give raw features ``(T_i, D)`` for each utterance.

        A model that hears words is told when they are said, and so how long the motion lasts.
        """
        texts = [utterance.text for utterance in utterances]
        if self.pipeline is None:
            made = [np.asarray(clip) for clip in self.model(texts, seed=seed)]
        else:
            made = self._write(self.pipeline, utterances if self.pipeline.hears_words else texts, seed)
        if len(made) != len(texts):
            raise ShapeError("The model gave another number of motions.", expected=len(texts), found=len(made))
        return made

    def _write(self, pipeline: UtteranceToMotion, texts: Sequence[str | Cue], seed: int) -> list[np.ndarray]:
        tokenizer = pipeline.tokenizer
        per_token = tokenizer.frames_per_token
        options = {"batch_size": AT_ONCE, "max_tokens": max(self.max_frames // per_token, 1)}
        # An evaluator cannot read less than four frames, so an end in first place is not drawn.
        options["min_tokens"] = -(-STEP_FRAMES // per_token)
        generator = torch.Generator().manual_seed(seed)
        tokens = pipeline.write(texts, generator=generator, **options | self.sampling)
        return map_rows(lambda rows: tokenizer.decode(rows).cpu().numpy(), tokens, batch_size=256)
