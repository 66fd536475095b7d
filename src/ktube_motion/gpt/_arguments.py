"""What `generate` and `stream` are given, checked and brought into one form."""

from collections.abc import Sequence

import torch

from ..arrays import check_whole
from ..errors import ConfigError, DataError, ShapeError
from ._transformer import MotionTransformer

__all__ = ["bounds", "check_text", "draw_seeds", "read_prefixes", "spoken_lengths"]


def check_text(model: MotionTransformer, text_features: torch.Tensor | None, count: int) -> torch.Tensor:
    """Give finite text vectors that fit the model; for None so many empty ones."""
    if text_features is None:
        if not count:
            raise ConfigError("Neither texts nor words are given.", fix="Pass text_features, words, or both.")
        return torch.zeros(count, *model.config.text_shape)
    text_features = torch.as_tensor(text_features)
    model.check_text(text_features)
    bad = (~torch.isfinite(text_features)).flatten(1).any(1).nonzero()[:, 0].tolist()
    if bad:
        raise DataError("Text vectors have NaN or infinity.", found=f"rows {bad[:5]}")
    return text_features


def spoken_lengths(
    model: MotionTransformer,
    words: Sequence[torch.Tensor] | None,
    prefixes: Sequence[torch.Tensor],
    num_tokens: int | Sequence[int] | None,
) -> int | Sequence[int] | None:
    """Give the wanted lengths, by default those of the words behind the prefixes."""
    if num_tokens is not None or not model.config.word_dim:
        return num_tokens
    if words is None:
        raise ConfigError(
            "Words tell this model how long a motion lasts; by itself it has not learned to end.",
            fix="Pass words or num_tokens.",
        )
    lengths = [len(track) - len(tokens) for track, tokens in zip(words, prefixes, strict=True)]
    if min(lengths, default=0) < 0:
        raise DataError("Words end before the prefix does.", expected="a row for each token of the prefix, and more")
    return lengths


def bounds(
    num_tokens: int | Sequence[int] | None, min_tokens: int, max_tokens: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the least and most tokens of each text, ``(B,)``."""
    if num_tokens is None:
        check_whole(min_tokens, name="min_tokens")
        check_whole(max_tokens, name="max_tokens")
        if min_tokens > max_tokens:
            raise ConfigError("Need 0 <= min_tokens <= max_tokens.", found=f"{min_tokens} and {max_tokens}")
        return torch.full((count,), min_tokens), torch.full((count,), max_tokens)
    exact = torch.as_tensor(num_tokens)
    if exact.is_floating_point() or exact.ndim > 1 or (exact.ndim == 1 and len(exact) != count) or (exact < 0).any():
        raise ConfigError(
            "num_tokens must be whole numbers, not negative.", expected=f"one, or {count}", found=num_tokens
        )
    exact = exact.long().expand(count)
    return exact, exact


def read_prefixes(
    model: MotionTransformer, prefix: torch.Tensor | Sequence[torch.Tensor] | None, count: int
) -> list[torch.Tensor]:
    """Give one 1-D CPU tensor of motion codes per text."""
    if prefix is None:
        return [torch.zeros(0, dtype=torch.int64)] * count
    if isinstance(prefix, torch.Tensor) and prefix.ndim == 1:
        prefix = [prefix] * count
    prefix = [torch.as_tensor(tokens).cpu() for tokens in prefix]
    if len(prefix) != count or any(tokens.ndim != 1 for tokens in prefix):
        raise ShapeError("prefix does not fit the texts.", expected=f"{count} rows of tokens", found=len(prefix))
    for row, tokens in enumerate(prefix):
        codes = model.config.num_codes
        if len(tokens) and (tokens.is_floating_point() or not 0 <= int(tokens.min()) <= int(tokens.max()) < codes):
            raise DataError(
                f"prefix {row} is not made of this model's motion codes.",
                expected=f"whole numbers from 0 to {codes - 1}",
                found=f"{tokens.dtype} from {tokens.min().item()} to {tokens.max().item()}",
                fix="Was it made by another tokenizer?",
            )
    return [tokens.long() for tokens in prefix]


def draw_seeds(seeds: Sequence[int] | None, generator: torch.Generator | None, count: int) -> list[int]:
    """Give one seed per text: those given, or drawn from the generator."""
    if seeds is not None:
        if len(seeds) != count:
            raise ConfigError("seeds does not fit the texts.", expected=count, found=len(seeds))
        return [check_whole(seed, name="a seed", least=-(2**63), most=2**63 - 1) for seed in seeds]
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ConfigError("generator cannot be this.", expected="a torch.Generator", found=type(generator).__name__)
    device = generator.device if generator is not None else "cpu"
    return torch.randint(2**62, (count,), generator=generator, device=device).tolist()
