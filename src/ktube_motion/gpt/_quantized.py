"""Eight-bit weights, for writing tokens on a CPU."""

import copy
import functools
from typing import Any, NoReturn, Self

import torch
from torch import nn

from ..errors import ConfigError, DataError
from ._measuring import times_faster
from ._transformer import MotionTransformer

__all__ = ["quantize"]


class Int8Linear(nn.Module):
    """A linear layer whose weights are whole numbers of eight bits.

    They have one scale per output channel. The input has whole numbers, too, and
    one scale per row; or, where the processor is faster so, it is bfloat16. So
    a row's result does not depend on the rows beside it.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    ones: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        self.widened = _widens() and linear.in_features % 32 == 0  # others it would read beyond their end
        scale = weight.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / (127 if self.widened else _largest())
        # Kept as (in, out), a view of (out, in): the order that integer products read fastest.
        self.register_buffer("codes", (weight / scale[:, None]).round().to(torch.int8).t())
        self.register_buffer("scale", scale)
        self.register_buffer("ones", torch.ones(len(scale), dtype=torch.bfloat16))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float().clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        if self.widened:
            y = torch._weight_int8pack_mm(rows.bfloat16(), self.codes.t(), self.ones).float().mul_(self.scale)
        else:
            rows = rows.float()
            scale = rows.abs().amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / 127
            y = torch._int_mm((rows / scale).round_().to(torch.int8), self.codes).float().mul_(self.scale).mul_(scale)
        if self.bias is not None:
            y += self.bias
        return y.view(*x.shape[:-1], -1).to(x.dtype)


@functools.cache
def _largest() -> int:
    """Largest weight that this processor multiplies right: without VNNI, pairs of larger products overflow."""
    ones = torch.full((64, 64), 127, dtype=torch.int8)
    return 127 if (torch._int_mm(ones, ones.t()) == 64 * 127**2).all() else 63


@functools.cache
def _widens() -> bool:
    """Say whether this processor is faster with weights that are widened as they are read, as with AVX2 alone."""
    codes, row = torch.ones(1024, 1024, dtype=torch.int8), torch.ones(1, 1024, dtype=torch.bfloat16)
    whole, ones = row.to(torch.int8), row[0].clone()
    gain = times_faster(lambda: torch._int_mm(whole, codes.t()), lambda: torch._weight_int8pack_mm(row, codes, ones))
    return gain > 1.5  # either kind of processor is far from it, so that the choice is the same in every run


class QuantizedTransformer(MotionTransformer):
    """What `quantize` makes: a `MotionTransformer` that writes tokens and does nothing else."""

    def train(self, mode: bool = True) -> Self:
        if mode:
            raise ConfigError("Int8 weights cannot be trained.", fix="Train the model that quantize was given.")
        return super().train(mode)

    def state_dict(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConfigError("Int8 weights are not saved.", fix="Save the model that quantize was given.")

    def _apply(self, fn: Any, recurse: bool = True) -> NoReturn:
        raise ConfigError("Int8 weights stay on the CPU as they are.", fix="Move the model before quantize, or not.")


def quantize(model: MotionTransformer) -> MotionTransformer:
    """Copy a transformer with int8 weights, which a CPU reads faster.

    A text by itself is written as fast as the weights can be read, and these
    are a quarter as many bytes as in float32. Worth it from a width of about
    256 on: ``benchmarks/test_gpt_speed.py`` measures it.

    Parameters
    ----------
    model : MotionTransformer
        On the CPU; in float32 for best results.

    Returns
    -------
    model : MotionTransformer
        For `generate`, `stream` and `UtteranceToMotion`; in evaluation mode.
        It cannot be trained, saved or moved (`ConfigError`). The blocks'
        matrices are int8, the embeddings and the head a copy.

    Raises
    ------
    ConfigError
        If the model is on another device, or already has int8 weights.
    DataError
        If a weight is not finite.

    Notes
    -----
    Weights have one scale per output channel, inputs one per row, found anew
    for each; both are symmetric, and sums are exact [1]_. Processors without
    VNNI get seven bits where their products of eight would overflow. Where a
    short measurement finds it faster, as with AVX2 alone, weights of eight bits
    are multiplied with inputs in bfloat16 instead.

    References
    ----------
    .. [1] T. Dettmers et al., LLM.int8(): 8-bit matrix multiplication for transformers at scale, NeurIPS 2022.

    Examples
    --------
    >>> from ktube_motion.gpt import TransformerConfig, generate
    >>> model = MotionTransformer(TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4))
    >>> [len(tokens) for tokens in generate(quantize(model), torch.zeros(2, 8), num_tokens=5)]
    [5, 5]
    """
    if isinstance(model, QuantizedTransformer):
        raise ConfigError("This model already has int8 weights.")
    if model.head.weight.device.type != "cpu":
        raise ConfigError(
            "Int8 weights are for the CPU.", found=model.head.weight.device, fix="Call model.cpu() first."
        )
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise DataError("A weight has NaN or infinity.", where=name)
    linears = [layer for block in model.blocks for layer in block.modules() if isinstance(layer, nn.Linear)]
    # Layers that the memo knows are taken from it, so the large matrices are never copied.
    copied = copy.deepcopy(model, {id(layer): Int8Linear(layer) for layer in linears})
    copied.__class__ = QuantizedTransformer
    return copied.requires_grad_(False).eval()
