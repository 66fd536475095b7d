"""Anything that writes motion for a text, behind one call."""

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError, ShapeError
from ..evaluators.batching import STEP_FRAMES
from ..gpt import generate
from ..models import fingerprint, map_rows

AT_ONCE = 128  # texts; a text and its seed give the same tokens in any batch

__all__ = ["TextToFeatures"]


class TextToFeatures:
    """Texts to motion features, with whatever model was given."""

    def __init__(self, model, max_frames, sampling):
        parts = model if isinstance(model, (tuple, list)) else None
        if parts is None and all(hasattr(model, name) for name in ("transformer", "tokenizer", "text_encoder")):
            parts = (model.transformer, model.tokenizer, model.text_encoder)
        if len(parts) != 3 if parts is not None else not callable(model):
            raise ConfigError(
                "There is nothing here that generates.",
                expected="UtteranceToMotion, (transformer, tokenizer, text_encoder) or a callable",
                found=type(model).__name__,
            )
        self.model, self.max_frames, self.sampling = model, max_frames, sampling
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

    def __call__(self, texts, seed):
        if self.transformer is None:
            made = [np.asarray(clip) for clip in self.model(texts, seed=seed)]
        else:
            made = self._write(texts, seed)
        if len(made) != len(texts):
            raise ShapeError("The model gave another number of motions.", expected=len(texts), found=len(made))
        return made

    def _write(self, texts, seed):
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


def _check_trained_with(transformer, name, found):
    expected = getattr(getattr(transformer, "config", None), name, "")
    if expected and expected != found:
        raise CheckpointError(f"The transformer was trained with another {name}.", expected=expected, found=found)
