"""Weights laid out for the matrix routine that is fastest on this processor, while many texts are written at once."""

import copy
import functools

import torch
from torch import nn
from torch.nn import functional as F

from ._measuring import times_faster
from ._quantized import QuantizedTransformer
from ._transformer import MotionTransformer

__all__ = ["packed_for", "packing_gain"]

_FEWEST_ROWS, _FEWEST_STEPS = 4, 16  # of less, laying the weights out costs more than it saves
_LEAST_GAIN = 1.15  # far from what either kind of processor gives, so that the choice is the same in every run


class PackedLinear(nn.Module):
    """A linear layer whose weights lie in the blocks that oneDNN reads for so many rows."""

    def __init__(self, linear: nn.Linear, rows: int) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), rows)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self.size = linear.out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        y = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return y.view(*x.shape[:-1], self.size)


def packed_for(model: MotionTransformer, rows: int, steps: int) -> MotionTransformer:
    """Give the model, or a copy with other weights that writes so many texts for so many steps faster.

    The copy takes as much memory as the blocks' matrices, and shares nothing that could change. It is made where
    a short measurement finds oneDNN's blocks faster than what PyTorch multiplies with by itself, which is the
    case on AMD's processors, and where memory has room. ``torch.backends.mkldnn.flags(enabled=False)`` forbids it.
    """
    linears = [layer for block in model.blocks for layer in block.modules() if isinstance(layer, nn.Linear)]
    weight = linears[0].weight if linears else None
    if rows < _FEWEST_ROWS or steps < _FEWEST_STEPS or weight is None or isinstance(model, QuantizedTransformer):
        return model
    size = sum(layer.weight.nbytes for layer in linears)
    if not _possible(weight) or not _has_room(size):
        return model
    if packing_gain(tuple(weight.shape), weight.dtype, rows, torch.get_num_threads()) < _LEAST_GAIN:
        return model
    # Layers that the memo knows are taken from it, so the matrices are never copied as they are.
    return copy.deepcopy(model, {id(layer): PackedLinear(layer, rows) for layer in linears}).eval()


def _possible(weight: torch.Tensor) -> bool:
    ours = torch.ops.mkldnn
    there = hasattr(ours, "_reorder_linear_weight") and hasattr(ours, "_linear_pointwise")
    if not (there and weight.device.type == "cpu" and torch.backends.mkldnn.is_available()):
        return False
    # Processors with AVX2 only multiply bf16, too, but oneDNN has no blocks for it there, and refuses.
    fits = weight.dtype == torch.float32 or (weight.dtype == torch.bfloat16 and ours._is_mkldnn_bf16_supported())
    return bool(fits and torch.backends.mkldnn.enabled)


def _has_room(size: int) -> bool:
    import psutil

    return bool(psutil.virtual_memory().available > 3 * size)


@functools.cache
def packing_gain(shape: tuple[int, int], dtype: torch.dtype, rows: int, threads: int) -> float:
    """Measure how many times faster oneDNN multiplies so many rows with packed weights than PyTorch with plain ones."""
    with torch.inference_mode():
        plain = nn.Linear(shape[1], shape[0], dtype=dtype)
        packed = PackedLinear(plain, rows)
        x = torch.ones(rows, shape[1], dtype=dtype)
        return times_faster(lambda: F.linear(x, plain.weight, plain.bias), lambda: packed(x))
