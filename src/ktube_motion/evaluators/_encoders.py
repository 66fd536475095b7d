"""The parts a `MotionEvaluator` is made of; padding never changes what they give."""

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..models import sinusoids

__all__ = ["AttentionPool", "BiGRU", "Halving", "Transformer"]


def valid(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Mask ``(B, size)`` of the first `lengths` steps."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


class Halving(nn.Module):
    """Two stride-2 convolutions; padding stays silent, so a clip does not feel its batch."""

    first: nn.Conv1d
    second: nn.Conv1d
    dropout: nn.Dropout

    def __init__(self, size: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(size, width, 4, 2, 1), nn.Conv1d(width, width, 4, 2, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = F.pad(features, (0, 0, 0, -features.shape[1] % 4))
        x = rearrange(features * valid(lengths, features.shape[1])[..., None], "b t c -> b c t")
        x = self.dropout(F.gelu(self.first(x)))
        x = x * valid(lengths // 2, x.shape[-1])[:, None]
        return rearrange(F.gelu(self.second(x)), "b c t -> b t c"), lengths // 4


class BiGRU(nn.Module):
    """A bidirectional GRU over valid steps."""

    gru: nn.GRU
    join: nn.Linear

    def __init__(self, size: int, width: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(size, width, num_layers, batch_first=True, bidirectional=True, dropout=between)
        self.join = nn.Linear(2 * width, width)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=steps.shape[1])
        return self.join(output)


class Transformer(nn.Module):
    """Self-attention over valid steps, with sine and cosine places."""

    layers: nn.TransformerEncoder

    def __init__(self, width: int, num_layers: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, num_heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        places = sinusoids(steps.shape[1], steps.shape[2]).to(steps)
        return self.layers(steps + places, src_key_padding_mask=~valid(lengths, steps.shape[1]))


class AttentionPool(nn.Module):
    """Attention over valid steps, then a linear map to the shared space."""

    score: nn.Linear
    norm: nn.LayerNorm
    out: nn.Linear

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.score, self.norm, self.out = nn.Linear(width, 1), nn.LayerNorm(width), nn.Linear(width, size)

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        score = self.score(steps)[..., 0].masked_fill(~valid(lengths, steps.shape[1]), -torch.inf)
        return self.out(self.norm((score.softmax(-1)[..., None] * steps).sum(1)))
