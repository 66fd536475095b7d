"""Where in a sequence something stands, as vectors."""

import math

import torch

__all__ = ["sinusoids"]


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Give fixed position vectors ``(length, width)``: sines on even, cosines on odd channels.

    Examples
    --------
    >>> sinusoids(2, 4)[0]
    tensor([0., 1., 0., 1.])
    """
    angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width]
