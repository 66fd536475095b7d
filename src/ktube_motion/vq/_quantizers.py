"""Quantizers of vector-quantize-pytorch behind our interface.

Each is a `Quantizer`: call it to train, `encode` and `decode` to use it.
"""

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from typing_extensions import override

from ..errors import ConfigError, MissingDependencyError
from ._codebooks import Quantizer, world

__all__ = ["FiniteScalarQuantizer", "LookupFreeQuantizer", "ResidualQuantizer"]


def _library(needed_for: str) -> ModuleType:
    try:
        import vector_quantize_pytorch
    except ImportError as error:
        raise MissingDependencyError(
            f"The quantizer {needed_for!r} needs vector-quantize-pytorch.",
            fix='Install it: pip install "ktube_motion[quantizers]"',
        ) from error
    return vector_quantize_pytorch


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


class _LibraryQuantizer(Quantizer):
    """What the quantizers of vector-quantize-pytorch share: they see valid vectors only."""

    @override
    def _quantize(
        self, vectors: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if mask is None:
            return self._run(vectors)
        quantized, tokens, loss = self._run(vectors[mask])
        return _put_back(quantized, mask), _put_back(tokens, mask), loss

    def _run(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quantize ``(N, C)``, all of them valid."""
        raise NotImplementedError


def _straight(quantized: torch.Tensor, vectors: torch.Tensor, training: bool) -> torch.Tensor:
    """Let gradients through in evaluation mode too, where the library cuts them off."""
    return quantized if training else vectors + (quantized - vectors).detach()


def _put_back(rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Put the rows of the valid vectors where they came from, zeros elsewhere."""
    full = rows.new_zeros(len(mask), *rows.shape[1:])
    full[mask] = rows
    return full


class FiniteScalarQuantizer(_LibraryQuantizer):
    """FSQ: a few numbers, each rounded to a few levels; nothing to collapse, no loss of its own.

    Parameters
    ----------
    num_codes, code_dim : int
    levels : tuple of int, optional
        Their product is `num_codes`; by default found for a power of two.

    References
    ----------
    .. [1] F. Mentzer et al., Finite Scalar Quantization, ICLR 2024.
    """

    def __init__(self, num_codes: int, code_dim: int, *, levels: Sequence[int] | None = None) -> None:
        super().__init__(num_codes, code_dim)
        levels = _levels(num_codes) if levels is None else levels
        with torch.device("cpu"):  # it computes its codes, which on the meta device it could not
            self.fsq: Any = _library("fsq").FSQ(list(levels))
        self.narrow: nn.Linear
        self.widen: nn.Linear
        self.narrow, self.widen = nn.Linear(code_dim, len(levels)), nn.Linear(len(levels), code_dim)
        # Without it all vectors of a batch are so alike that they fall into one or two cells, and stay there.
        self.norm: nn.BatchNorm1d = nn.BatchNorm1d(len(levels), affine=False)

    @classmethod
    @override
    def check(cls, num_codes: int, options: Mapping[str, Any]) -> None:
        """Refuse levels below 3 and those whose product is not `num_codes`."""
        levels = options.get("levels")
        if levels is None:
            if num_codes < 4 or not _is_power_of_two(num_codes):
                expected = "a power of two from 4 on, or levels among the quantizer_options"
                raise ConfigError("num_codes cannot be this.", expected=expected, found=num_codes)
            return
        whole = isinstance(levels, list) and all(isinstance(level, int) and level >= 3 for level in levels)
        if not whole or math.prod(levels) != num_codes:
            expected = f"integers from 3 on whose product is num_codes = {num_codes}"
            raise ConfigError("levels cannot be this.", expected=expected, found=repr(levels))

    def _run(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        quantized, tokens = self.fsq(self.norm(self.narrow(vectors))[None])
        return self.widen(quantized[0]), tokens[0, :, None].long(), vectors.new_zeros(())

    @override
    def _lookup(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.widen(self.fsq.indices_to_codes(tokens.T)[0])


def _levels(num_codes: int) -> tuple[int, ...]:
    """Split a power of two into levels of 8 and 4, as ``512 = 8·8·8`` and ``128 = 8·4·4``."""
    bits = num_codes.bit_length() - 1
    fours = -bits % 3
    return (8,) * ((bits - 2 * fours) // 3) + (4,) * fours


class LookupFreeQuantizer(_LibraryQuantizer):
    """LFQ: the signs of ``log2(num_codes)`` numbers, trained by an entropy loss.

    References
    ----------
    .. [1] L. Yu et al., Language Model Beats Diffusion, ICLR 2024.
    """

    def __init__(self, num_codes: int, code_dim: int, *, beta: float = 1.0) -> None:
        super().__init__(num_codes, code_dim)
        # The tokenizer weighs quantizer losses by 0.02, which leaves the paper's 0.1 for the entropy.
        self.lfq: Any = _library("lfq").LFQ(
            dim=code_dim, codebook_size=num_codes, entropy_loss_weight=5.0, commitment_loss_weight=beta
        )

    @classmethod
    @override
    def check(cls, num_codes: int, options: Mapping[str, Any]) -> None:
        """Refuse all but powers of two."""
        if not _is_power_of_two(num_codes):
            raise ConfigError("num_codes cannot be this.", expected="a power of two for LFQ", found=num_codes)

    def _run(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        quantized, tokens, loss = self.lfq(vectors[None])
        return _straight(quantized[0], vectors, self.training), tokens[0, :, None].long(), loss

    @override
    def _lookup(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.lfq.indices_to_codes(tokens.T)[0]


class ResidualQuantizer(_LibraryQuantizer):
    """Several EMA codebooks, each coding what the ones before it left over.

    Tokens are ``(..., L, Q)``. Random draws for dead codes are the library's,
    from torch's global generator.

    References
    ----------
    .. [1] N. Zeghidour et al., SoundStream, 2021.
    """

    def __init__(
        self, num_codes: int, code_dim: int, *, num_quantizers: int = 1, decay: float = 0.99, beta: float = 1.0
    ) -> None:
        super().__init__(num_codes, code_dim, num_quantizers)
        self.residual: Any = _library("residual").ResidualVQ(
            dim=code_dim,
            num_quantizers=num_quantizers,
            codebook_size=num_codes,
            decay=decay,
            commitment_weight=beta,
            kmeans_init=True,
            threshold_ema_dead_code=1,
            sync_codebook=world()[0] > 1,
        )

    def _run(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        quantized, tokens, losses = self.residual(vectors[None])
        return _straight(quantized[0], vectors, self.training), tokens[0].long(), losses.sum()

    @override
    def _lookup(self, tokens: torch.Tensor) -> torch.Tensor:
        codebooks = [layer.codebook for layer in self.residual.layers]
        rows = [F.embedding(column, codebook) for column, codebook in zip(tokens.T, codebooks, strict=True)]
        return torch.stack(rows).sum(0)
