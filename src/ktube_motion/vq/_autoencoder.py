"""The convolutional encoder and decoder of T2M-GPT, with masks for clips of different length.

Channels are last outside and first inside. A mask speaks of tokens: every
frame of a valid token takes part, every other frame is silenced before each
convolution that could carry it to a neighbour, so a clip gives the same
result alone and beside longer ones.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

if TYPE_CHECKING:
    from ._config import TokenizerConfig


__all__ = ["ACTIVATIONS", "NORMS", "Decoder", "Encoder"]

ACTIVATIONS: dict[str, Callable[..., torch.Tensor]] = {"relu": F.relu, "silu": F.silu, "gelu": F.gelu}
GROUPS = 32


def silence(x: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
    """Zero `x` ``(B, C, T)`` where `padding` ``(B, 1, T)`` is True; ``None`` means no padding."""
    return x if padding is None else x.masked_fill(padding, 0)


class NoNorm(nn.Module):
    """Leaves its input alone."""

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Give `x` back."""
        return x


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of ``(B, C, T)``, frame by frame."""

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise each frame; padding cannot leak."""
        return rearrange(super().forward(rearrange(x, "b c t -> b t c")), "b t c -> b c t")


class ClipNorm(nn.GroupNorm):
    """Group norm over the frames of each clip that are not padding."""

    def __init__(self, width: int) -> None:
        super().__init__(GROUPS, width, eps=1e-6)

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise groups of channels by the clip's own statistics."""
        if padding is None:
            return super().forward(x)
        groups = x.unflatten(1, (self.num_groups, -1))
        valid = (~padding)[:, None].to(x.dtype)
        count = (valid.sum(-1, keepdim=True) * groups.shape[2]).clamp_min(1)
        mean = (groups * valid).sum((2, 3), keepdim=True) / count
        variance = ((groups - mean) ** 2 * valid).sum((2, 3), keepdim=True) / count
        normal = ((groups - mean) * (variance + self.eps).rsqrt()).flatten(1, 2)
        return normal * self.weight[:, None] + self.bias[:, None]


class BatchNorm(nn.BatchNorm1d):
    """Batch norm whose statistics skip padding."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise channels by the batch (training) or the running statistics."""
        if padding is None or not self.training:
            return super().forward(x)
        # The valid frames as one long clip: the same sums, the same running statistics.
        frames = rearrange(x, "b c t -> b t c")
        valid = ~padding[:, 0]
        normal = torch.zeros_like(frames)
        normal[valid] = super().forward(frames[valid])
        return rearrange(normal, "b t c -> b c t")


NORMS: dict[str | None, Callable[[int], nn.Module]] = {
    None: lambda width: NoNorm(),
    "LN": ChannelNorm,
    "GN": ClipNorm,
    "BN": BatchNorm,
}


class ResidualBlock(nn.Module):
    """Norm, activation, dilated convolution, norm, activation, 1×1 convolution, plus the input."""

    def __init__(self, width: int, *, dilation: int, activation: str, norm: str | None) -> None:
        super().__init__()
        self.norm1: nn.Module = NORMS[norm](width)
        self.conv1: nn.Conv1d = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm2: nn.Module = NORMS[norm](width)
        self.conv2: nn.Conv1d = nn.Conv1d(width, width, 1)
        self.activation: Callable[..., torch.Tensor] = ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Map ``(B, width, T)`` to the same shape."""
        hidden = self.conv1(silence(self.activation(self.norm1(x, padding)), padding))
        hidden = self.norm2(hidden, padding)
        # In place where autograd allows it: one tensor less to write for each block.
        hidden = hidden.relu_() if self.activation is F.relu else self.activation(hidden)
        return self.conv2(hidden).add_(x)


def _dilations(config: "TokenizerConfig") -> list[int]:
    """Give the dilations of one residual stack, widest first."""
    return [config.dilation_growth_rate**k for k in reversed(range(config.depth))]


class _Level(nn.Module):
    """One change of rate: a residual stack and the convolution beside it."""

    def __init__(self, config: "TokenizerConfig", **resample: Any) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(config.width, dilation=dilation, activation=config.activation, norm=config.norm)
            for dilation in _dilations(config)
        )
        for name, convolution in resample.items():
            setattr(self, name, convolution)

    def residual(self, x: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
        """Run the residual stack."""
        for block in self.blocks:
            x = block(x, padding)
        return x


def _padding(mask: torch.Tensor | None, frames: int) -> torch.Tensor | None:
    """Turn a token mask ``(B, L)`` into the padding ``(B, 1, frames)`` of a finer level."""
    if mask is None:
        return None
    return ~mask.repeat_interleave(frames // mask.shape[1], 1)[:, None]


class Encoder(nn.Module):
    """Motion to code vectors, one for ``stride_t ** down_t`` frames.

    Parameters
    ----------
    config : TokenizerConfig
        Read are feature_size, width, code_dim, down_t, stride_t, depth,
        dilation_growth_rate, activation and norm.

    Attributes
    ----------
    reach : int
        Tokens on each side that a token's frames can depend on.

    References
    ----------
    .. [1] J. Zhang et al., T2M-GPT, CVPR 2023.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig
    >>> encoder = Encoder(TokenizerConfig(width=32, code_dim=16))
    >>> encoder(torch.zeros(2, 40, 263)).shape
    torch.Size([2, 10, 16])
    """

    def __init__(self, config: "TokenizerConfig") -> None:
        super().__init__()
        width, stride = config.width, config.stride_t
        self.first: nn.Conv1d = nn.Conv1d(config.feature_size, width, 3, padding=1)
        self.levels: Any = nn.ModuleList(
            _Level(config, down=nn.Conv1d(width, width, 2 * stride, stride, padding=stride // 2))
            for _ in range(config.down_t)
        )
        self.last: nn.Conv1d = nn.Conv1d(width, config.code_dim, 3, padding=1)
        self.stride = stride
        reach = 1
        for _ in self.levels:
            reach = (reach + sum(_dilations(config))) * stride + stride // 2
        self.reach: int = -(-(reach + 1) // stride**config.down_t)

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Encode normalised features.

        Parameters
        ----------
        features : tensor [shape=(B, T, D)]
            `T` a multiple of ``stride_t ** down_t``.
        mask : bool tensor [shape=(B, L)], optional
            True where a token is valid.

        Returns
        -------
        vectors : tensor [shape=(B, L, code_dim)]
        """
        x = rearrange(features, "b t c -> b c t")
        padding = _padding(mask, x.shape[2])
        x = F.relu(self.first(silence(x, padding)))
        for level in self.levels:
            x = level.down(silence(x, padding))
            padding = _padding(mask, x.shape[2])
            x = level.residual(x, padding)
        return rearrange(self.last(silence(x, padding)), "b c t -> b t c")


class Decoder(nn.Module):
    """Code vectors to motion, the encoder's mirror image.

    Parameters
    ----------
    config : TokenizerConfig
        As for `Encoder`.

    Attributes
    ----------
    reach : int
        Tokens on each side that a token's frames can depend on.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig
    >>> decoder = Decoder(TokenizerConfig(width=32, code_dim=16))
    >>> decoder(torch.zeros(2, 10, 16)).shape
    torch.Size([2, 40, 263])
    """

    def __init__(self, config: "TokenizerConfig") -> None:
        super().__init__()
        width = config.width
        self.first: nn.Conv1d = nn.Conv1d(config.code_dim, width, 3, padding=1)
        self.levels: Any = nn.ModuleList(
            _Level(config, up=nn.Conv1d(width, width, 3, padding=1)) for _ in range(config.down_t)
        )
        self.middle: nn.Conv1d = nn.Conv1d(width, width, 3, padding=1)
        self.last: nn.Conv1d = nn.Conv1d(width, config.feature_size, 3, padding=1)
        self.stride: int = config.stride_t
        reach = 2
        for _ in self.levels:
            reach = -(-(reach + 1) // self.stride) + sum(_dilations(config))
        self.reach: int = reach + 1

    def forward(self, vectors: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Decode code vectors.

        Parameters
        ----------
        vectors : tensor [shape=(B, L, code_dim)]
        mask : bool tensor [shape=(B, L)], optional
            True where a token is valid.

        Returns
        -------
        features : tensor [shape=(B, T, D)]
            Normalised; what stands in the frames of padding means nothing.
        """
        x = rearrange(vectors, "b t c -> b c t")
        padding = _padding(mask, x.shape[2])
        x = F.relu(self.first(silence(x, padding)))
        for level in self.levels:
            x = F.interpolate(level.residual(x, padding), scale_factor=self.stride, mode="nearest")
            padding = _padding(mask, x.shape[2])
            x = level.up(silence(x, padding))
        x = F.relu(self.middle(silence(x, padding)))
        return rearrange(self.last(silence(x, padding)), "b c t -> b t c")
