"""The settings of a motion tokenizer, checked before anything is built."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from ..skeletons import Skeleton
from ..types import FILLED_LATER
from ._autoencoder import ACTIVATIONS, GROUPS, NORMS
from ._registry import check_quantizer

__all__ = ["TokenizerConfig"]


@dataclass(frozen=True)
class TokenizerConfig:
    """Settings of a `MotionTokenizer`.

    The defaults are T2M-GPT's but for `code_dim`: with few numbers a code the
    codebook is used better, and motion comes back more exactly. `t2m_gpt`
    gives the original's.

    Attributes
    ----------
    feature_size : int, optional
        Size of a motion vector; found from the skeleton when left out.
    skeleton : str
        Name of a `skeletons.Skeleton`.
    fps : float
        Frames per second of the motion it was trained on.
    width, code_dim : int
        Channels of the convolutions and of the code vectors.
    num_codes : int
        Size of each codebook.
    down_t, stride_t : int
        Number of down-samplings and the (even) factor of each.
    depth, dilation_growth_rate : int
        Residual blocks per level and how their dilation grows.
    activation : str
        ``relu``, ``silu`` or ``gelu``.
    norm : str, optional
        ``LN``, ``GN`` or ``BN``.
    quantizer : str
        ``ema_reset``, ``ema``, ``reset``, ``orig``, ``fsq``, ``lfq``, ``residual``, or one of your own
        (`register_quantizer`).
    num_quantizers : int
        Codebooks of ``residual``; 1 for all others.
    quantizer_options : dict
        What only this quantizer has: numbers, strings and tuples of them. ``fsq`` has ``levels``, whose product is
        `num_codes`.
    mu : float
        Decay of the running means.
    beta : float
        Weight of the commitment inside the quantizer's loss.

    Raises
    ------
    ConfigError
        If a value cannot work, alone or with the others.

    Examples
    --------
    >>> config = TokenizerConfig(skeleton="kit_21", fps=12.5)
    >>> config.feature_size, config.frames_per_token
    (251, 4)
    >>> TokenizerConfig(stride_t=3)
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: stride_t cannot be this. Expected: an even integer from 2 on. Found: 3.
    """

    feature_size: int = FILLED_LATER
    skeleton: str = "smpl_22"
    fps: float = 20.0
    width: int = 512
    code_dim: int = 32
    num_codes: int = 512
    down_t: int = 2
    stride_t: int = 2
    depth: int = 3
    dilation_growth_rate: int = 3
    activation: str = "relu"
    norm: str | None = None
    quantizer: str = "ema_reset"
    num_quantizers: int = 1
    quantizer_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    mu: float = 0.99
    beta: float = 1.0

    @classmethod
    def t2m_gpt(cls, **changes: Any) -> "TokenizerConfig":
        """Give the original's settings, with changes.

        Examples
        --------
        >>> TokenizerConfig.t2m_gpt(num_codes=128).code_dim
        512
        """
        return cls(**{"code_dim": 512} | changes)

    def __post_init__(self) -> None:
        size = Skeleton.named(self.skeleton).feature_size
        if self.feature_size is None:
            object.__setattr__(self, "feature_size", size)
        self._check("feature_size", self.feature_size == size, f"{size}, as {self.skeleton} has")
        for name, least in _LEAST.items():
            self._check(name, _is_integer(getattr(self, name), least), f"an integer from {least} on")
        even = _is_integer(self.stride_t, 2) and self.stride_t % 2 == 0
        self._check("stride_t", even, "an even integer from 2 on")
        for name, known in (("activation", ACTIVATIONS), ("norm", NORMS)):
            self._check(name, getattr(self, name) in known, f"one of {', '.join(map(str, known))}")
        self._check("fps", _is_number(self.fps) and self.fps > 0, "a positive number")
        self._check("mu", _is_number(self.mu) and 0 <= self.mu < 1, "a number from 0 to below 1")
        self._check("beta", _is_number(self.beta) and self.beta >= 0, "a number from 0 on")
        if self.norm == "GN":
            self._check("width", self.width % GROUPS == 0, f"a multiple of {GROUPS}, which norm='GN' needs")
        object.__setattr__(self, "quantizer_options", _as_loaded(self.quantizer_options))
        check_quantizer(self)

    def _check(self, name: str, fits: bool, expected: str) -> None:
        if not fits:
            raise ConfigError(f"{name} cannot be this.", expected=expected, found=repr(getattr(self, name)))

    @property
    def frames_per_token(self) -> int:
        """Frames that one token stands for."""
        return self.stride_t**self.down_t

    @property
    def bits_per_second(self) -> float:
        """Information rate of the tokens."""
        return self.fps / self.frames_per_token * self.num_quantizers * math.log2(self.num_codes)


_LEAST = {
    "width": 1,
    "code_dim": 1,
    "num_codes": 2,
    "down_t": 0,
    "depth": 1,
    "dilation_growth_rate": 1,
    "num_quantizers": 1,
}


def _is_integer(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _as_loaded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give a quantizer's options as config.json gives them back: a saved config equals its loaded self."""
    try:
        return dict(json.loads(json.dumps(options, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "quantizer_options cannot be this.",
            expected="a dict of numbers, strings and tuples of them",
            found=f"{options!r} ({error})",
        ) from error
