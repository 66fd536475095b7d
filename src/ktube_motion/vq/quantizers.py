"""Quantizers: vectors to tokens and back, all behind one interface.

`ema_reset`, `ema`, `reset` and `orig` are T2M-GPT's codebooks. `fsq`, `lfq`
and `residual` come from vector-quantize-pytorch. Every one is a `Quantizer`:
call it to train, `encode` and `decode` to use it.
"""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import nn

from ..errors import MissingDependencyError
from .codebooks import Quantizer, VectorQuantizer, world

__all__ = ["QUANTIZERS", "FiniteScalarQuantizer", "LookupFreeQuantizer", "ResidualQuantizer", "make_quantizer"]


def _library(needed_for):
    try:
        import vector_quantize_pytorch
    except ImportError as error:
        raise MissingDependencyError(
            f"The quantizer {needed_for!r} needs vector-quantize-pytorch.",
            fix='Install it: pip install "ktube_motion[quantizers]"',
        ) from error
    return vector_quantize_pytorch


class _LibraryQuantizer(Quantizer):
    """What the quantizers of vector-quantize-pytorch share: they see valid vectors only."""

    def _quantize(self, vectors, mask):
        if mask is None:
            return self._run(vectors)
        quantized, tokens, loss = self._run(vectors[mask])
        return _put_back(quantized, mask), _put_back(tokens, mask), loss


def _put_back(rows, mask):
    """Put the rows of the valid vectors where they came from, zeros elsewhere."""
    full = rows.new_zeros(len(mask), *rows.shape[1:])
    full[mask] = rows
    return full


class FiniteScalarQuantizer(_LibraryQuantizer):
    """FSQ: a few numbers, each rounded to a few levels; nothing to collapse, no loss of its own.

    References
    ----------
    .. [1] F. Mentzer et al., Finite Scalar Quantization, ICLR 2024.
    """

    def __init__(self, num_codes, code_dim, *, levels):
        super().__init__(num_codes, code_dim)
        self.fsq = _library("fsq").FSQ(list(levels))
        self.narrow, self.widen = nn.Linear(code_dim, len(levels)), nn.Linear(len(levels), code_dim)
        # Without it all vectors of a batch are so alike that they fall into one or two cells, and stay there.
        self.norm = nn.BatchNorm1d(len(levels), affine=False)

    def _run(self, vectors):
        quantized, tokens = self.fsq(self.norm(self.narrow(vectors))[None])
        return self.widen(quantized[0]), tokens[0, :, None].long(), vectors.new_zeros(())

    def _lookup(self, tokens):
        return self.widen(self.fsq.indices_to_codes(tokens.T)[0])


class LookupFreeQuantizer(_LibraryQuantizer):
    """LFQ: the signs of ``log2(num_codes)`` numbers, trained by an entropy loss.

    References
    ----------
    .. [1] L. Yu et al., Language Model Beats Diffusion, ICLR 2024.
    """

    def __init__(self, num_codes, code_dim, *, beta=1.0):
        super().__init__(num_codes, code_dim)
        # The tokenizer weighs quantizer losses by 0.02, which leaves the paper's 0.1 for the entropy.
        self.lfq = _library("lfq").LFQ(
            dim=code_dim, codebook_size=num_codes, entropy_loss_weight=5.0, commitment_loss_weight=beta
        )

    def _run(self, vectors):
        quantized, tokens, loss = self.lfq(vectors[None])
        return quantized[0], tokens[0, :, None].long(), loss

    def _lookup(self, tokens):
        return self.lfq.indices_to_codes(tokens.T)[0]


class ResidualQuantizer(_LibraryQuantizer):
    """Several EMA codebooks, each coding what the ones before it left over.

    Tokens are ``(..., L, Q)``. Random draws for dead codes are the library's,
    from torch's global generator.

    References
    ----------
    .. [1] N. Zeghidour et al., SoundStream, 2021.
    """

    def __init__(self, num_codes, code_dim, num_quantizers, *, decay=0.99, beta=1.0):
        super().__init__(num_codes, code_dim, num_quantizers)
        self.residual = _library("residual").ResidualVQ(
            dim=code_dim,
            num_quantizers=num_quantizers,
            codebook_size=num_codes,
            decay=decay,
            commitment_weight=beta,
            kmeans_init=True,
            threshold_ema_dead_code=1,
            sync_codebook=world()[0] > 1,
        )

    def _run(self, vectors):
        quantized, tokens, losses = self.residual(vectors[None])
        return quantized[0], tokens[0].long(), losses.sum()

    def _lookup(self, tokens):
        codebooks = [layer.codebook for layer in self.residual.layers]
        return sum(F.embedding(column, codebook) for column, codebook in zip(tokens.T, codebooks, strict=True))


QUANTIZERS: dict[str, Callable[..., Quantizer]] = {
    "ema_reset": partial(VectorQuantizer, ema=True, reseed=True),
    "ema": partial(VectorQuantizer, ema=True, reseed=False),
    "reset": partial(VectorQuantizer, ema=False, reseed=True),
    "orig": partial(VectorQuantizer, ema=False, reseed=False),
    "fsq": FiniteScalarQuantizer,
    "lfq": LookupFreeQuantizer,
    "residual": ResidualQuantizer,
}


def make_quantizer(config) -> Quantizer:
    """Build the quantizer that a `TokenizerConfig` names.

    Raises
    ------
    MissingDependencyError
        If it comes from vector-quantize-pytorch, which is not installed.
    """
    options = {"decay": config.mu, "beta": config.beta}
    if config.quantizer == "fsq":
        options = {"levels": config.levels}
    elif config.quantizer == "lfq":
        options = {"beta": config.beta}
    elif config.quantizer == "residual":
        options["num_quantizers"] = config.num_quantizers
    return QUANTIZERS[config.quantizer](config.num_codes, config.code_dim, **options)
