"""The interface of all quantizers, and T2M-GPT's codebooks behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from typing_extensions import override

from ..models import evaluating

__all__ = ["PADDING", "Quantizer", "QuantizerOutput", "VectorQuantizer", "codebook_use"]

PADDING = -1  # the token of a masked position


@dataclass(frozen=True, eq=False)
class QuantizerOutput:
    """What a quantizer gives in training.

    Attributes
    ----------
    quantized : tensor [shape=(..., C)]
        Code vectors, with gradients straight through to the input.
    tokens : int64 tensor [shape=(...)] or [shape=(..., Q)]
        Indices of the codes; -1 where masked.
    loss : scalar tensor
        Commitment loss (and what else the quantizer trains by).
    perplexity : scalar tensor
        How many codes the batch uses, weighted by how evenly it does; mean over the codebooks.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig, make_quantizer
    >>> found = make_quantizer(TokenizerConfig(num_codes=8, code_dim=4, width=8))(torch.randn(2, 5, 4))
    >>> found.quantized.shape, found.tokens.shape, found.loss.shape
    (torch.Size([2, 5, 4]), torch.Size([2, 5]), torch.Size([]))
    """

    quantized: torch.Tensor
    tokens: torch.Tensor
    loss: torch.Tensor
    perplexity: torch.Tensor


def codebook_use(tokens: torch.Tensor, num_codes: int) -> float:
    """Give the share of codes that occur in `tokens`.

    Parameters
    ----------
    tokens : int tensor or array [shape=any]
        Of one codebook; -1 marks padding and is skipped.
    num_codes : int
        Size of the codebook.

    Returns
    -------
    share : float
        Between 0 and 1.

    Examples
    --------
    >>> codebook_use(np.array([[0, 1, 1], [1, 0, -1]]), 8)
    0.25
    """
    tokens = torch.as_tensor(tokens)
    return torch.unique(tokens[tokens != PADDING]).numel() / num_codes


def world() -> tuple[int, int]:
    """Give the number of processes that train together, and which of them this is."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size(), dist.get_rank()
    return 1, 0


def sum_over_processes(tensor: torch.Tensor) -> torch.Tensor:
    """Add up `tensor` over all processes, in place."""
    if world()[0] > 1:
        dist.all_reduce(tensor)
    return tensor


class Quantizer(nn.Module):
    """The interface of all quantizers.

    A child gives `_quantize` and `_lookup` on flat vectors, and `_learn` if
    its codebook is trained by other means than gradients. Its options are the
    keyword-only arguments of its constructor; `register_quantizer` tells how
    they are filled.

    Parameters
    ----------
    num_codes, code_dim : int
        Size of each codebook, and of a vector.
    num_quantizers : int
        Codebooks: tokens of more than one are ``(..., Q)``.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig, make_quantizer
    >>> quantizer = make_quantizer(TokenizerConfig(num_codes=8, code_dim=4, width=8)).eval()
    >>> tokens = quantizer.encode(torch.randn(2, 5, 4))
    >>> tokens.shape, quantizer.decode(tokens).shape
    (torch.Size([2, 5]), torch.Size([2, 5, 4]))
    """

    #: Names of buffers that only training needs: they change no token and no vector.
    training_state: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check(cls, num_codes: int, options: Mapping[str, Any]) -> None:
        """Raise a ConfigError if a codebook size and own options cannot work; by default all can."""

    def __init__(self, num_codes: int, code_dim: int, num_quantizers: int = 1) -> None:
        super().__init__()
        self.num_codes: int
        self.code_dim: int
        self.num_quantizers: int
        self.num_codes, self.code_dim, self.num_quantizers = num_codes, code_dim, num_quantizers

    def forward(self, vectors: torch.Tensor, mask: torch.Tensor | None = None) -> QuantizerOutput:
        """Quantize, and learn from the batch in training mode.

        Parameters
        ----------
        vectors : tensor [shape=(..., C)]
        mask : bool tensor [shape=(...)], optional
            True where a vector counts, in losses, counts and re-seeding alike.

        Returns
        -------
        output : QuantizerOutput
        """
        prefix = vectors.shape[:-1]
        flat_mask = None if mask is None else mask.reshape(-1)
        with torch.autocast(vectors.device.type, enabled=False):
            flat = vectors.reshape(-1, self.code_dim).to(self._dtype)
            quantized, tokens, loss = self._quantize(flat, flat_mask)
            if flat_mask is not None:
                tokens = tokens.masked_fill(~flat_mask[:, None], PADDING)
            counts = self._counts(tokens)
            if self.training:
                self._learn(flat.detach(), tokens, flat_mask, counts)
            share = counts / counts.sum(-1, keepdim=True).clamp_min(1)
            perplexity = torch.exp(-(share * torch.log(share + 1e-7)).sum(-1)).mean()
        return QuantizerOutput(quantized.unflatten(0, prefix), self._shaped(tokens, prefix), loss, perplexity)

    @torch.no_grad()
    def encode(self, vectors: torch.Tensor) -> torch.Tensor:
        """Give the tokens of `vectors` ``(..., C)``; nothing is learned."""
        prefix = vectors.shape[:-1]
        with evaluating(self), torch.autocast(vectors.device.type, enabled=False):
            _, tokens, _ = self._quantize(vectors.reshape(-1, self.code_dim).to(self._dtype), None)
        return self._shaped(tokens, prefix)

    def decode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Give the vectors ``(..., C)`` of `tokens` ``(...)``, or ``(..., Q)`` with several codebooks."""
        prefix = tokens.shape if self.num_quantizers == 1 else tokens.shape[:-1]
        return self._lookup(tokens.reshape(-1, self.num_quantizers)).unflatten(0, prefix)

    def _shaped(self, tokens: torch.Tensor, prefix: torch.Size) -> torch.Tensor:
        shape = prefix if self.num_quantizers == 1 else (*prefix, self.num_quantizers)
        return tokens.reshape(shape)

    def _counts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Count how often each code occurs, ``(Q, num_codes)``; over all processes in training."""
        columns = tokens.T.masked_fill(tokens.T == PADDING, self.num_codes)
        counts = torch.zeros(len(columns), self.num_codes + 1, dtype=self._dtype, device=tokens.device)
        counts.scatter_add_(1, columns, torch.ones_like(columns, dtype=self._dtype))
        counts = counts[:, :-1].contiguous()
        return sum_over_processes(counts) if self.training else counts

    @property
    def _dtype(self) -> torch.dtype:
        return torch.float32

    def _quantize(
        self, vectors: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Map ``(N, C)`` to quantized ``(N, C)``, tokens ``(N, Q)`` and the loss."""
        raise NotImplementedError

    def _lookup(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map tokens ``(N, Q)`` to vectors ``(N, C)``."""
        raise NotImplementedError

    def _learn(
        self, vectors: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor | None, counts: torch.Tensor
    ) -> None:
        """Update the codebook from one batch; by default gradients do it."""


def _scramble(numbers: torch.Tensor) -> torch.Tensor:
    """Hash integers to 32 random-looking bits.

    Draws for re-seeding come from a saved counter through this hash, not from
    a generator's state: a resumed run, and every process of a run, draws the same.
    """
    numbers = numbers & 0xFFFFFFFF
    for _ in range(2):
        numbers = ((numbers >> 16) ^ numbers) * 0x45D9F3B & 0xFFFFFFFF
    return (numbers >> 16) ^ numbers


class VectorQuantizer(Quantizer):
    """One codebook, nearest code wins.

    Parameters
    ----------
    num_codes, code_dim : int
    ema : bool
        Codes are running means of the vectors they win (True) or are trained by gradient.
    reseed : bool
        Codes that die, with a count below 1, are replaced by random vectors
        of the whole batch: the running count with `ema`, else the batch's.
    decay : float
        Of the running means.
    beta : float
        Weight of the commitment loss against the codebook loss.

    Attributes
    ----------
    codebook : tensor [shape=(num_codes, code_dim)]
        A buffer with `ema`, else a parameter.
    ema_count, ema_sum : tensors [shape=(num_codes,)], [shape=(num_codes, code_dim)]
        Running count and sum of the vectors of each code; saved with the weights.
    initialised : bool tensor
        Whether the codes have been taken from a first batch.

    Examples
    --------
    >>> quantizer = VectorQuantizer(4, 2, ema=True, reseed=True)
    >>> output = quantizer(torch.randn(3, 5, 2))
    >>> output.quantized.shape, output.tokens.shape
    (torch.Size([3, 5, 2]), torch.Size([3, 5]))
    """

    training_state: ClassVar[tuple[str, ...]] = ("ema_count", "ema_sum", "initialised", "updates")
    codebook: torch.Tensor
    ema_count: torch.Tensor
    ema_sum: torch.Tensor
    initialised: torch.Tensor
    updates: torch.Tensor

    def __init__(
        self, num_codes: int, code_dim: int, *, ema: bool, reseed: bool, decay: float = 0.99, beta: float = 1.0
    ) -> None:
        super().__init__(num_codes, code_dim)
        self.ema: bool
        self.reseed: bool
        self.decay: float
        self.beta: float
        self.ema, self.reseed, self.decay, self.beta = ema, reseed, decay, beta
        codebook = torch.empty(num_codes, code_dim).uniform_(-1 / num_codes, 1 / num_codes)
        if ema:
            self.register_buffer("codebook", codebook)
            self.register_buffer("ema_count", torch.ones(num_codes))
            self.register_buffer("ema_sum", codebook.clone())
        else:
            self.codebook = nn.Parameter(codebook)
        # T2M-GPT's `orig` trains from its random codes, the others from the first batch.
        self.register_buffer("initialised", torch.tensor(not (ema or reseed)))
        self.register_buffer("updates", torch.tensor(0))
        self._seen = False

    @property
    @override
    def _dtype(self) -> torch.dtype:
        return self.codebook.dtype

    @override
    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._seen = False

    @override
    def _quantize(
        self, vectors: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if self.training and not self._seen:
            self._start(vectors.detach(), mask)
        codebook = self.codebook
        # argmin |x - e|² = argmin e² - 2 x·e
        squares = codebook.detach().square().sum(-1)
        tokens = torch.addmm(squares, vectors.detach(), codebook.detach().T, alpha=-2).argmin(-1)
        codes = F.embedding(tokens, codebook)
        loss = self.beta * _mean_square(vectors - codes.detach(), mask)
        if not self.ema:
            loss = loss + _mean_square(codes - vectors.detach(), mask)
        return vectors + (codes - vectors).detach(), tokens[:, None], loss

    @override
    def _lookup(self, tokens: torch.Tensor) -> torch.Tensor:
        return F.embedding(tokens[:, 0], self.codebook)

    @torch.no_grad()
    def _start(self, vectors: torch.Tensor, mask: torch.Tensor | None) -> None:
        """Take the first vectors of the first batch as codes."""
        self._seen = True  # asking the buffer itself at every step would stall a GPU
        if self.initialised:
            return
        codes = torch.arange(self.num_codes, device=vectors.device)
        rows, _ = self._rows(vectors, mask, lambda total: codes % total)
        self._put(torch.ones(self.num_codes, dtype=torch.bool, device=vectors.device), rows)
        self.initialised.fill_(True)

    @torch.no_grad()
    @override
    def _learn(
        self, vectors: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor | None, counts: torch.Tensor
    ) -> None:
        if self.ema:
            index = tokens[:, 0].masked_fill(tokens[:, 0] == PADDING, self.num_codes)
            sums = vectors.new_zeros(self.num_codes + 1, self.code_dim).index_add_(0, index, vectors)[:-1]
            sums = sum_over_processes(sums.contiguous())
            self.ema_count.lerp_(counts[0], 1 - self.decay)
            self.ema_sum.lerp_(sums, 1 - self.decay)
            count = self.ema_count[:, None]
            # A code unused for thousands of steps would become 0 / 0.
            self.codebook.copy_(torch.where(count > 1e-30, self.ema_sum / count.clamp_min(1e-30), self.codebook))
        if self.reseed:
            rows, total = self._rows(vectors, mask, self._draw)
            self._put(((self.ema_count if self.ema else counts[0]) < 1) & (total > 0), rows)
        self.updates += 1

    def _draw(self, total: torch.Tensor) -> torch.Tensor:
        """Draw one vector for each code, each from its own stretch of the batch, so that no two are the same."""
        codes = torch.arange(self.num_codes + 1, device=total.device)
        edges = codes * total // self.num_codes
        noise = _scramble(codes + _scramble(self.updates))
        inside = noise[:-1] % (edges[1:] - edges[:-1]).clamp_min(1)
        return (edges[:-1] + inside + noise[-1]) % total

    def _rows(
        self, vectors: torch.Tensor, mask: torch.Tensor | None, pick: Callable[[torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the valid vectors of the whole batch, over all processes, whose numbers `pick` chooses."""
        size, rank = world()
        totals = torch.zeros(size, dtype=torch.long, device=vectors.device)
        totals[rank] = len(vectors) if mask is None else mask.sum()
        sum_over_processes(totals)
        total, wanted = totals.sum(), pick(totals.sum().clamp_min(1)) - totals[:rank].sum()
        index = wanted if mask is None else torch.searchsorted(mask.cumsum(0), wanted + 1)
        mine = (wanted >= 0) & (wanted < totals[rank])
        rows = torch.where(mine[:, None], vectors[index.clamp(0, len(vectors) - 1)], 0)
        rows = sum_over_processes(rows)
        # With fewer vectors than codes some are taken twice: a little noise keeps those codes apart.
        noise = _scramble(torch.arange(rows.numel(), device=rows.device) + _scramble(self.updates + 1))
        noise = (noise.to(rows.dtype) / 2**32 - 0.5).view_as(rows) * 0.02 / self.code_dim**0.5
        return rows + noise * (total < self.num_codes), total

    def _put(self, where: torch.Tensor, rows: torch.Tensor) -> None:
        """Replace the codes `where` is True by `rows`, with a count of 1."""
        column = where[:, None]
        self.codebook.copy_(torch.where(column, rows, self.codebook))
        if self.ema:
            self.ema_count.copy_(torch.where(where, 1, self.ema_count))
            self.ema_sum.copy_(torch.where(column, rows, self.ema_sum))


def _mean_square(difference: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Give the mean square over the valid rows of ``(N, C)``."""
    square = difference.square()
    if mask is None:
        return square.mean()
    return square.mean(-1).masked_fill(~mask, 0).sum() / mask.sum().clamp_min(1)
