"""A tokenizer's two halves as plain modules, for torch.export: no checks, no pieces, tensors in and out."""

import torch
from torch import nn

from ._tokenizer import MotionTokenizer

__all__ = ["FeaturesFromTokens", "TokensFromFeatures"]


class TokensFromFeatures(nn.Module):
    """What `MotionTokenizer.encode` computes, as one graph that ``torch.export`` takes.

    Parameters
    ----------
    tokenizer : MotionTokenizer
        In evaluation mode; its weights are shared, not copied.

    Notes
    -----
    Features are float32 ``(B, T, D)``, raw, and ``T`` a multiple of `MotionTokenizer.frames_per_token`. Nothing is
    checked, and a clip is read in one piece.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8)).eval()
    >>> batch, tokens = torch.export.Dim("batch", max=64), torch.export.Dim("tokens", min=2, max=500)
    >>> program = torch.export.export(
    ...     TokensFromFeatures(tokenizer), (torch.zeros(2, 40, 263),), strict=False,
    ...     dynamic_shapes=({0: batch, 1: 4 * tokens},),
    ... )
    >>> clip = torch.randn(1, 120, 263)
    >>> bool((program.module()(clip) == tokenizer.encode(clip)).all())
    True
    """

    def __init__(self, tokenizer: MotionTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Give tokens, int64 ``(B, T / frames_per_token)``."""
        whole = self.tokenizer
        return whole.quantizer.encode(whole.encoder((features - whole.mean) / whole.std))


class FeaturesFromTokens(nn.Module):
    """What `MotionTokenizer.decode` computes, as one graph that ``torch.export`` takes.

    Parameters
    ----------
    tokenizer : MotionTokenizer
        In evaluation mode; its weights are shared, not copied.

    Notes
    -----
    Tokens are int64 ``(B, L)`` below ``num_codes``. Nothing is checked, and a motion is written in one piece.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8)).eval()
    >>> length = torch.export.Dim("length", min=2, max=500)
    >>> program = torch.export.export(
    ...     FeaturesFromTokens(tokenizer), (torch.zeros(1, 9, dtype=torch.long),), strict=False,
    ...     dynamic_shapes=({1: length},),
    ... )
    >>> tokens = torch.randint(8, (1, 30))
    >>> torch.allclose(program.module()(tokens), tokenizer.decode(tokens), atol=1e-5)
    True
    """

    def __init__(self, tokenizer: MotionTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Give raw features, float32 ``(B, L * frames_per_token, D)``."""
        whole = self.tokenizer
        return whole.decoder(whole.quantizer.decode(tokens)) * whole.std + whole.mean
