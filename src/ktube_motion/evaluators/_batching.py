"""Clips of any length and number through an encoder, in batches of like length, back in input order."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch

from ..arrays import to_torch
from ..errors import DataError, ShapeError
from ..types import Utterance

__all__ = ["Clips", "Evaluator", "Lengths", "as_clips", "in_batches"]

Item = TypeVar("Item")

# Clips of motion features (T, D), or one padded batch of them (B, T, D).
Clips = Sequence[np.ndarray] | Sequence[torch.Tensor] | np.ndarray | torch.Tensor

Lengths = Sequence[int] | np.ndarray | torch.Tensor


class Evaluator(Protocol):
    """What the protocol asks of whoever judges: motions and texts to vectors of one space.

    `MotionEvaluator` and the published `T2MEvaluator` are such; a judge of
    your own needs no more than this.

    Examples
    --------
    >>> from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
    >>> judge = MotionEvaluator(EvaluatorConfig(width=32, text_dim=512))
    >>> all(hasattr(judge, name) for name in ("embed_motion", "embed_text"))
    True
    """

    @property
    def feature_size(self) -> int:
        """Numbers to a frame that it reads."""
        ...

    def embed_motion(self, features: Clips, /) -> torch.Tensor:
        """Give the vectors ``(B, E)`` of clips of raw motion features."""
        ...

    def embed_text(self, texts: Sequence[Utterance], /) -> torch.Tensor:
        """Give the vectors ``(B, E)`` of texts."""
        ...


# What an evaluator halves twice to one step: no clip can be shorter.
STEP_FRAMES = 4


def as_clips(features: Clips, lengths: Lengths | None, feature_size: int) -> list[torch.Tensor]:
    """Give a list of checked float32 clips ``(T, D)`` from a list, or from ``(B, T, D)`` with lengths.

    Raises
    ------
    ShapeError
        If a clip is not ``(T, feature_size)`` or shorter than four frames.
    DataError
        If a clip has NaN; the message counts them and names the first.
    """
    if lengths is not None:
        if isinstance(features, Sequence):
            raise ShapeError("Lengths go with one padded batch.", expected="(B, T, D)", found=f"{len(features)} clips")
        if len(lengths) != len(features) or max(map(int, lengths), default=0) > features.shape[1]:
            raise ShapeError(
                "Lengths do not fit the padded features.",
                expected=f"{len(features)} lengths up to {features.shape[1]}",
                found=f"{len(lengths)} lengths up to {max(map(int, lengths), default=0)}",
            )
        features = [clip[: int(length)] for clip, length in zip(features, lengths, strict=True)]
    clips = []
    for index, clip in enumerate(features):
        clip, _ = to_torch(clip, name=f"clip {index}")
        if clip.ndim != 2 or clip.shape[1] != feature_size:
            raise ShapeError(
                f"Clip {index} does not fit this evaluator.",
                expected=f"(T, {feature_size})",
                found=tuple(clip.shape),
                fix="Use an evaluator made for this skeleton.",
            )
        if len(clip) < STEP_FRAMES:
            raise ShapeError(
                f"Clip {index} is too short to embed.", expected=f"at least {STEP_FRAMES} frames", found=len(clip)
            )
        clips.append(clip.to(torch.float32))
    bad = [index for index, clip in enumerate(clips) if not torch.isfinite(clip).all()]
    if bad:
        raise DataError(f"{len(bad)} of {len(clips)} clips have NaN or infinity, first clip {bad[0]}.")
    return clips


def in_batches(
    encode: Callable[[list[Item]], torch.Tensor],
    items: Sequence[Item],
    lengths: Lengths,
    *,
    batch_size: int,
    size: int,
) -> torch.Tensor:
    """Call ``encode(list of items)`` on batches of similar length; rows come back in input order, on the CPU.

    An empty list gives ``(0, size)``.
    """
    result = torch.zeros(len(items), size)
    order = np.argsort(np.asarray(lengths), kind="stable")[::-1]
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        result[torch.from_numpy(index.copy())] = encode([items[i] for i in index]).float().cpu()
    return result
