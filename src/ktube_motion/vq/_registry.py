"""Which quantizer a name stands for, and what its class is given."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

from ..errors import ConfigError
from ._codebooks import Quantizer, VectorQuantizer
from ._quantizers import FiniteScalarQuantizer, LookupFreeQuantizer, ResidualQuantizer

if TYPE_CHECKING:
    from ._config import TokenizerConfig

__all__ = ["QUANTIZERS", "check_quantizer", "make_quantizer", "register_quantizer"]

QUANTIZERS: dict[str, Callable[..., Quantizer]] = {
    "ema_reset": partial(VectorQuantizer, ema=True, reseed=True),
    "ema": partial(VectorQuantizer, ema=True, reseed=False),
    "reset": partial(VectorQuantizer, ema=False, reseed=True),
    "orig": partial(VectorQuantizer, ema=False, reseed=False),
    "fsq": FiniteScalarQuantizer,
    "lfq": LookupFreeQuantizer,
    "residual": ResidualQuantizer,
}


def register_quantizer(name: str, quantizer: Callable[..., Quantizer]) -> None:
    """Let `TokenizerConfig` know a quantizer by a name, in this process.

    Parameters
    ----------
    name : str
        A new one.
    quantizer : type or functools.partial
        A `Quantizer` class, called with ``(num_codes, code_dim)`` and with those
        keyword-only arguments that it names: ``decay``, ``beta`` and
        ``num_quantizers`` come from the config's `mu`, `beta` and
        `num_quantizers`, all others are its own, from `quantizer_options`.

    Raises
    ------
    ConfigError
        If the name is taken, or this is no `Quantizer`.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig
    >>> class Rounding(Quantizer):
    ...     def __init__(self, num_codes, code_dim, *, step=1.0):
    ...         super().__init__(num_codes, code_dim)
    ...         self.step = step
    ...     def _quantize(self, vectors, mask):
    ...         tokens = (vectors[:, :1] / self.step).round().clamp(0, self.num_codes - 1).long()
    ...         return vectors + (self._lookup(tokens) - vectors).detach(), tokens, vectors.new_zeros(())
    ...     def _lookup(self, tokens):
    ...         return self.step * tokens.float().expand(-1, self.code_dim)
    >>> register_quantizer("rounding", Rounding)
    >>> config = TokenizerConfig(quantizer="rounding", quantizer_options={"step": 0.5})
    >>> make_quantizer(config).step
    0.5
    >>> del QUANTIZERS["rounding"]
    """
    if name in QUANTIZERS:
        raise ConfigError("A quantizer of this name is registered.", found=repr(name), fix="Choose another name.")
    if not _is_quantizer(_class_of(quantizer)):
        raise ConfigError("This is no quantizer.", expected="a child of vq.Quantizer", found=repr(quantizer))
    QUANTIZERS[name] = quantizer


def make_quantizer(config: "TokenizerConfig") -> Quantizer:
    """Build the quantizer that a `TokenizerConfig` names.

    Raises
    ------
    MissingDependencyError
        If it comes from a package that is not installed.

    Examples
    --------
    >>> from ktube_motion.vq import TokenizerConfig
    >>> make_quantizer(TokenizerConfig(quantizer="ema_reset", num_codes=8)).num_codes
    8
    """
    quantizer = QUANTIZERS[config.quantizer]
    shared = {"decay": config.mu, "beta": config.beta, "num_quantizers": config.num_quantizers}
    taken = _options(quantizer)
    wanted = {name: value for name, value in shared.items() if name in taken}
    return quantizer(config.num_codes, config.code_dim, **wanted, **config.quantizer_options)


def check_quantizer(config: "TokenizerConfig") -> None:
    """Refuse what the quantizer of a `TokenizerConfig` cannot work with, before anything is built.

    Raises
    ------
    ConfigError
    """
    name, options = config.quantizer, config.quantizer_options
    if name not in QUANTIZERS:
        raise ConfigError(
            "quantizer cannot be this.",
            expected=f"one of {', '.join(QUANTIZERS)}",
            found=repr(name),
            fix="One of your own must be registered first: vq.register_quantizer.",
        )
    taken = _options(QUANTIZERS[name])
    if "num_quantizers" not in taken and config.num_quantizers != 1:
        raise ConfigError(
            "num_quantizers cannot be this.", expected=f"1 for quantizer={name!r}", found=config.num_quantizers
        )
    own = taken - {"decay", "beta", "num_quantizers"}
    if not options.keys() <= own:
        raise ConfigError(
            f"The quantizer {name!r} has no such option.",
            expected=f"some of {', '.join(sorted(own))}" if own else "none",
            found=", ".join(sorted(options.keys() - own)),
        )
    _class_of(QUANTIZERS[name]).check(config.num_codes, options)


def _class_of(quantizer: Any) -> Any:
    return quantizer.func if isinstance(quantizer, partial) else quantizer


def _is_quantizer(kind: object) -> TypeGuard[type[Quantizer]]:
    return isinstance(kind, type) and issubclass(kind, Quantizer)


def _options(quantizer: Callable[..., Quantizer]) -> set[str]:
    """Name the keyword-only arguments of a quantizer that a partial has not filled in."""
    filled = quantizer.keywords if isinstance(quantizer, partial) else {}
    parameters = inspect.signature(quantizer).parameters.values()
    return {item.name for item in parameters if item.kind is item.KEYWORD_ONLY} - filled.keys()
