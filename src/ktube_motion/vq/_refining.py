"""Choosing tokens by what they decode to: the encoder proposes, the decoder disposes.

An encoder guesses the tokens of a motion in one pass. For motion unlike what
it was trained on the guess is poor, and small errors of velocity add up along
the path. Here the vectors before the quantizer are moved down the gradient of
the error of the decoded motion, and the best tokens on the way are kept.
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from ..features import features_to_joints
from ..skeletons import Skeleton

if TYPE_CHECKING:
    from ._tokenizer import MotionTokenizer

__all__ = ["refine_tokens"]

RATE = 0.1  # of Adam, in standard deviations of a clip's vectors
ROOM_WEIGHT = 0.3  # of joints in the room against joints about the root
FEATURE_WEIGHT = 0.1  # of the normalised vectors: it holds rotations and contacts, which joints do not show


def refine_tokens(
    tokenizer: "MotionTokenizer",
    features: torch.Tensor,
    vectors: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    steps: int,
) -> torch.Tensor:
    """Find tokens that decode to motion nearer to `features` than the encoder's.

    Parameters
    ----------
    tokenizer : MotionTokenizer
        In evaluation mode.
    features : tensor [shape=(B, T, D)]
        Raw.
    vectors : tensor [shape=(B, L, C)]
        What the encoder makes of them.
    mask : bool tensor [shape=(B, L)] or None
    steps : int
        How often the vectors are moved.

    Returns
    -------
    tokens : int64 tensor [shape=(B, L)] or [shape=(B, L, Q)]
        Never worse, clip by clip, than those of `vectors`.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # What was made in a caller's inference mode can have no gradient; its copies can.
        features, vectors, mask = features.clone(), vectors.clone(), None if mask is None else mask.clone()
        spread = _spread(vectors, mask)
        moved = torch.zeros_like(vectors, requires_grad=True)
        optimizer = torch.optim.Adam([moved], lr=RATE)
        lowest: Any = None
        tokens: Any = None
        for step in range(steps + 1):
            codes = tokenizer.quantizer(vectors + spread * moved, mask)
            rebuilt = tokenizer.decoder(codes.quantized, mask) * tokenizer.std + tokenizer.mean
            errors = _errors(tokenizer, rebuilt, features, mask)
            if lowest is None:
                lowest, tokens = errors.detach(), codes.tokens
            better = errors.detach() < lowest
            lowest = torch.where(better, errors.detach(), lowest)
            tokens = torch.where(better.reshape(-1, *[1] * (tokens.ndim - 1)), codes.tokens, tokens)
            if step < steps:
                (moved.grad,) = torch.autograd.grad(errors.sum(), moved)
                optimizer.step()
    return tokens


def _spread(vectors: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Give the standard deviation of each clip's vectors, ``(B, 1, 1)``."""
    valid = torch.ones_like(vectors[..., :1]) if mask is None else mask[..., None].to(vectors)
    count = valid.sum((1, 2), keepdim=True).clamp_min(1)
    mean = (vectors * valid).sum(1, keepdim=True) / count
    square = ((vectors - mean).square() * valid).sum((1, 2), keepdim=True) / (count * vectors.shape[-1])
    return square.sqrt()


def _errors(
    tokenizer: "MotionTokenizer", rebuilt: torch.Tensor, given: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Tell how far each clip is off, ``(B,)``: metres, mostly."""
    skeleton = Skeleton.named(tokenizer.config.skeleton)
    found, wanted = (features_to_joints(motion, skeleton=skeleton) for motion in (rebuilt, given))
    off = (found - wanted) * skeleton.metres_per_unit
    about_root = off - off[..., :1, :]
    each = _distance(about_root) + ROOM_WEIGHT * _distance(off)
    each = each + FEATURE_WEIGHT * F.smooth_l1_loss(
        rebuilt / tokenizer.std, given / tokenizer.std, reduction="none"
    ).mean(-1)
    if mask is None:
        return each.mean(-1)
    valid = mask.repeat_interleave(tokenizer.frames_per_token, 1)
    return each.masked_fill(~valid, 0).sum(-1) / valid.sum(-1).clamp_min(1)


def _distance(off: torch.Tensor) -> torch.Tensor:
    """Give the mean length over the joints; the root's own is 0, where a norm has no slope."""
    return (off.square().sum(-1) + 1e-12).sqrt().mean(-1)
