"""What the transformer is trained with: corrupted input, cross entropy per sample."""

from typing import NamedTuple

import torch
from einops import rearrange
from torch.nn import functional as F

from ..errors import ConfigError, DataError, ShapeError
from ._transformer import MotionTransformer, TransformerConfig

__all__ = ["TransformerLoss", "corrupt_tokens", "transformer_loss"]


class TransformerLoss(NamedTuple):
    """Loss to minimise and the share of tokens guessed right, both scalars.

    Examples
    --------
    >>> TransformerLoss(torch.tensor(2.0), torch.tensor(0.25)).accuracy
    tensor(0.2500)
    """

    loss: torch.Tensor
    accuracy: torch.Tensor


def _rand(shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
    home = generator.device if generator is not None else device
    return torch.rand(shape, generator=generator, device=home).to(device)


def corrupt_tokens(
    tokens: torch.Tensor,
    *,
    num_codes: int,
    keep_probability: float = 0.5,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Replace each token by a random motion code with probability ``1 - keep_probability``.

    End and pad tokens are replaced too, always by a code below `num_codes`: so
    the transformer learns to go on from mistakes, as T2M-GPT's does.

    Parameters
    ----------
    tokens : int64 tensor [shape=(..., L)]
    num_codes : int
    keep_probability : float in [0, 1]
    generator : torch.Generator, optional

    Returns
    -------
    tokens : int64 tensor [shape=(..., L)]

    Raises
    ------
    ConfigError
        If `keep_probability` is outside [0, 1].

    Examples
    --------
    >>> import torch
    >>> tokens = torch.arange(6)
    >>> corrupt_tokens(tokens, num_codes=4, keep_probability=1.0)
    tensor([0, 1, 2, 3, 4, 5])
    >>> corrupt_tokens(tokens, num_codes=4, keep_probability=0.0).max() < 4
    tensor(True)
    """
    if not 0 <= keep_probability <= 1:
        raise ConfigError("keep_probability must lie in [0, 1].", found=keep_probability)
    keep = _rand(tokens.shape, generator, tokens.device) < keep_probability
    random = (_rand(tokens.shape, generator, tokens.device) * num_codes).long().clamp_(max=num_codes - 1)
    return torch.where(keep, tokens, random)


def _targets(
    tokens: torch.Tensor, lengths: torch.Tensor, config: TransformerConfig, ends: torch.Tensor
) -> torch.Tensor:
    """Give ``(B, L + 1)`` targets: the tokens, the end token where a sample `ends`, padding."""
    if tokens.ndim != 2 or tuple(lengths.shape) != (len(tokens),):
        raise ShapeError(
            "Tokens and lengths do not fit each other.",
            expected="(B, L) and (B,)",
            found=f"{tuple(tokens.shape)} and {tuple(lengths.shape)}",
        )
    if len(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= tokens.shape[1]:
        raise DataError("A length is outside its row.", expected=f"0 to {tokens.shape[1]}", found=lengths.tolist())
    place = torch.arange(tokens.shape[1] + 1, device=tokens.device)
    lengths = lengths.to(tokens.device)[:, None]
    targets = F.pad(tokens, (0, 1), value=config.pad_token)
    if ((targets < 0) | (targets >= config.num_codes))[place < lengths].any():
        raise DataError("A token inside its length is no motion code.", expected=f"0 to {config.num_codes - 1}")
    targets = torch.where(place < lengths, targets, config.pad_token)
    return torch.where((place == lengths) & ends.to(tokens.device)[:, None], config.end_token, targets)


def _dropped(rows: torch.Tensor, share: float, generator: torch.Generator | None) -> torch.Tensor:
    """Zero a share of the samples ``(B, ...)`` whole."""
    if not share:
        return rows
    shape = (len(rows),) + (1,) * (rows.ndim - 1)
    return rows * (_rand(shape, generator, rows.device) >= share)


def transformer_loss(
    model: MotionTransformer,
    tokens: torch.Tensor,
    lengths: torch.Tensor,
    text_features: torch.Tensor,
    *,
    keep_probability: float = 0.5,
    text_dropout: float = 0.0,
    inputs: torch.Tensor | None = None,
    words: torch.Tensor | None = None,
    word_dropout: float = 0.0,
    ends: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> TransformerLoss:
    """Cross entropy of the next token: the mean over samples of each sample's mean.

    A sample of length `n` counts ``n + 1`` tokens, the end token included, so
    short motions weigh as much as long ones.

    Parameters
    ----------
    model : MotionTransformer
    tokens : int64 tensor [shape=(B, L)]
        Motion codes; whatever lies behind a sample's length is ignored.
    lengths : int64 tensor [shape=(B,)]
    text_features : tensor [shape=(B, text_dim) or (B, text_tokens, text_dim)]
    keep_probability : float in [0, 1]
        See `corrupt_tokens`.
    text_dropout : float in [0, 1]
        Share of samples whose text is zeroed, which classifier-free
        guidance needs (``guidance_scale`` of `generate`).
    inputs : int64 tensor [shape=(B, L)], optional
        Ready input tokens in place of corrupted ones.
    words : tensor [shape=(B, word_past + L + 1 + word_ahead, word_dim)], optional
        See `MotionTransformer.forward`. Then words say how long a motion lasts: no end token is learned.
    word_dropout : float in [0, 1]
        Share of samples whose words are zeroed: not known.
    ends : bool tensor [shape=(B,)], optional
        False for a sample that is cut from a longer motion: no end token is learned at its cut, and it counts
        ``n`` tokens. By default all samples end, and with `words` none does.
    generator : torch.Generator, optional
        Source of all randomness but dropout.

    Returns
    -------
    TransformerLoss
        ``loss`` (differentiable) and ``accuracy`` over all counted tokens.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If tokens, lengths or options do not fit.

    Examples
    --------
    >>> from ktube_motion.gpt import MotionTransformer, TransformerConfig
    >>> model = MotionTransformer(TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4))
    >>> tokens, lengths = torch.zeros(2, 5, dtype=torch.int64), torch.tensor([5, 2])
    >>> transformer_loss(model, tokens, lengths, torch.zeros(2, 8)).loss.shape
    torch.Size([])
    """
    for name, share in (("text_dropout", text_dropout), ("word_dropout", word_dropout)):
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} must lie in [0, 1].", found=share)
    if ends is None:
        ends = torch.full((len(lengths),), words is None)
    if len(lengths) and bool((~ends & (lengths.to(ends.device) < 1)).any()):
        raise DataError("Without an end to learn, a sample needs at least one token.", found=lengths.tolist())
    config = model.config
    targets = _targets(tokens, lengths, config, ends)
    if inputs is None:
        inputs = corrupt_tokens(
            targets[:, :-1], num_codes=config.num_codes, keep_probability=keep_probability, generator=generator
        )
    text_features = _dropped(text_features, text_dropout, generator)
    given = () if words is None else (_dropped(words, word_dropout, generator),)
    logits = model(inputs, text_features, *given)
    targets = targets.to(logits.device)
    counted = targets != config.pad_token
    losses = F.cross_entropy(
        rearrange(logits.float(), "b l code -> b code l"), targets, ignore_index=config.pad_token, reduction="none"
    )
    right = (logits.argmax(-1) == targets) & counted
    return TransformerLoss((losses.sum(1) / counted.sum(1)).mean(), right.sum() / counted.sum())
