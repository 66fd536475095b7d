"""T2M-GPT's tokenizer checkpoints, in and out.

Their file is ``{'net': state_dict}``. The weights say nearly everything about
the network; what they cannot say are hints.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from ..arrays import ArrayLike
from ..errors import CheckpointError, ConfigError
from ..models import load_state, load_stats, load_torch_file
from ..skeletons import Skeleton
from ._config import TokenizerConfig
from ._tokenizer import MotionTokenizer

__all__ = ["load_t2m_gpt_tokenizer", "to_t2m_gpt_state_dict"]

# Ours → theirs. {level} and {block} count from 0; {level_2} is level + 2, {end} the number of levels + 2.
KEY_MAP = {
    "encoder.first": "vqvae.encoder.model.0",
    "encoder.levels.{level}.down": "vqvae.encoder.model.{level_2}.0",
    "encoder.levels.{level}.blocks.{block}": "vqvae.encoder.model.{level_2}.1.model.{block}",
    "encoder.last": "vqvae.encoder.model.{end}",
    "decoder.first": "vqvae.decoder.model.0",
    "decoder.levels.{level}.blocks.{block}": "vqvae.decoder.model.{level_2}.0.model.{block}",
    "decoder.levels.{level}.up": "vqvae.decoder.model.{level_2}.2",
    "decoder.middle": "vqvae.decoder.model.{end}",
    "decoder.last": "vqvae.decoder.model.{end_2}",
}
CODEBOOK = {"orig": "vqvae.quantizer.embedding.weight"}  # the others:
CODEBOOK |= dict.fromkeys(("ema_reset", "ema", "reset"), "vqvae.quantizer.codebook")

#: Name of the data set in their options → skeleton and frames per second.
# Data sets of this layout; "hands" is not published, but a KTubeUM corpus with fingers is written the same way.
DATA_SETS = {"t2m": ("smpl_22", 20.0), "kit": ("kit_21", 12.5), "hands": ("smplh_52", 20.0)}

# Their files keep no EMA counts. A count of 1 would fall below 1, and the code be re-seeded, at the first step
# without a hit; 8 is what a code has on average at the documented batch (256 · 16 vectors, 512 codes).
ASSUMED_COUNT = 8.0


def _prefixes(config: TokenizerConfig) -> dict[str, str]:
    """Write the key map out for one network: pairs of key beginnings."""
    pairs: dict[str, str] = {}
    for level in range(config.down_t):
        for block in range(config.depth):
            places = {"level": level, "level_2": level + 2, "block": block}
            places |= {"end": config.down_t + 2, "end_2": config.down_t + 4}
            pairs |= {ours.format(**places): theirs.format(**places) for ours, theirs in KEY_MAP.items()}
    return pairs


def _rename(name: str, prefixes: Mapping[str, str]) -> str | None:
    for old, new in prefixes.items():
        if name.startswith(old + "."):
            return new + name[len(old) :]
    return None


def to_t2m_gpt_state_dict(tokenizer: MotionTokenizer) -> dict[str, torch.Tensor]:
    """Give the weights under T2M-GPT's names, as its scripts load them from ``{'net': ...}``.

    Normalisation and EMA counts have no place in that layout.

    Parameters
    ----------
    tokenizer : MotionTokenizer
        With one of T2M-GPT's quantizers and at least one down-sampling.

    Returns
    -------
    state : dict of str to tensor
        On the CPU.

    Raises
    ------
    ConfigError
        If T2M-GPT has no such network.

    Examples
    --------
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> to_t2m_gpt_state_dict(tokenizer)["vqvae.quantizer.codebook"].shape
    torch.Size([8, 16])
    """
    config = tokenizer.config
    if config.quantizer not in CODEBOOK:
        known = ", ".join(CODEBOOK)
        raise ConfigError("T2M-GPT has no such quantizer.", expected=f"one of {known}", found=repr(config.quantizer))
    if config.down_t < 1:
        raise ConfigError("T2M-GPT needs a down-sampling.", expected="down_t of 1 or more", found=config.down_t)
    prefixes, state = _prefixes(config), {}
    for name, value in tokenizer.state_dict().items():
        theirs = CODEBOOK[config.quantizer] if name == "quantizer.codebook" else _rename(name, prefixes)
        if theirs is not None:
            state[theirs] = value.detach().cpu().clone()
    return state


def load_t2m_gpt_tokenizer(
    path: str | Path,
    *,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    dataname: str | None = None,
    **hints: Any,
) -> MotionTokenizer:
    """Load a tokenizer that T2M-GPT, or the original KTubeUM code, has trained.

    Parameters
    ----------
    path : path
        ``net_last.pth`` or the like: ``{'net': state_dict}``, or as `models.load_torch_file` finds it. Nothing
        in it is executed.
    mean, std : path or array [shape=(D,)], optional
        The statistics it was trained with (Mean.npy, Std.npy). Without them
        the tokenizer takes and gives normalised features.
    dataname : {'t2m', 'kit'}, optional
        Checked against the checkpoint; found from it when left out.
    **hints
        Fields of `TokenizerConfig` that weights do not show: activation,
        dilation_growth_rate, fps, mu, beta; quantizer (``ema_reset``, ``ema``
        or ``reset``, which look alike) and norm (``LN`` or ``GN``).

    Returns
    -------
    tokenizer : MotionTokenizer
        In evaluation mode, on the CPU.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged, is no such checkpoint, or its
        weights contradict the hints; what does not fit is named.
    ConfigError
        If a hint is unknown, or only one of `mean` and `std` is given.

    Notes
    -----
    Such files hold no EMA counts: each code starts with a count of 8 (T2M-GPT's
    average) and the sum that belongs to it, so training on changes no code at once.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> tokenizer = MotionTokenizer(TokenizerConfig.t2m_gpt(width=32, code_dim=16, num_codes=8))
    >>> path = Path(tempfile.mkdtemp()) / "net_last.pth"
    >>> torch.save({"net": to_t2m_gpt_state_dict(tokenizer)}, path)
    >>> load_t2m_gpt_tokenizer(path).config.num_codes
    8
    """
    unknown = sorted(set(hints) - {field.name for field in fields(TokenizerConfig)})
    if unknown:
        raise ConfigError("Unknown hints.", expected="fields of TokenizerConfig", found=", ".join(unknown))
    (state,) = load_torch_file(path, parts=["net"])
    config = _infer(state, path, dataname, hints)
    tokenizer = MotionTokenizer(config, load_stats(mean, std))
    theirs = {new: old for old, new in _prefixes(config).items()}
    renamed = {}
    for name, value in state.items():
        ours = "quantizer.codebook" if name == CODEBOOK[config.quantizer] else _rename(name, theirs)
        renamed[ours or name] = value
    extra = tokenizer.state_dict()
    kept = {name: extra[name] for name in ("mean", "std", "quantizer.updates", "quantizer.initialised")}
    kept["quantizer.initialised"] = torch.tensor(True)
    if "quantizer.ema_sum" in extra:
        kept["quantizer.ema_count"] = torch.full((config.num_codes,), ASSUMED_COUNT)
        kept["quantizer.ema_sum"] = renamed["quantizer.codebook"].float() * ASSUMED_COUNT
    load_state(tokenizer, renamed | kept, where=path)
    return tokenizer.eval()


def _infer(
    state: Mapping[str, torch.Tensor], path: str | Path, dataname: str | None, hints: dict[str, Any]
) -> TokenizerConfig:
    """Tell the config from the shapes."""

    def shape(name: str) -> tuple[int, ...]:
        if name not in state:
            raise CheckpointError(f"This is no T2M-GPT tokenizer: {name} is missing.", where=path)
        return tuple(state[name].shape)

    width, size, _ = shape("vqvae.encoder.model.0.weight")
    down_t = _count(state, "vqvae.encoder.model.{}.0.weight", start=2)
    depth = _count(state, "vqvae.encoder.model.2.1.model.{}.conv1.weight")
    embedded = CODEBOOK["orig"] in state
    num_codes, code_dim = shape(CODEBOOK["orig" if embedded else "ema_reset"])
    found: dict[str, Any] = {"width": width, "feature_size": size, "down_t": down_t, "depth": depth}
    found |= {"num_codes": num_codes, "code_dim": code_dim, "norm": _norm(state, path, hints)}
    found["stride_t"] = shape("vqvae.encoder.model.2.0.weight")[-1] // 2
    found["skeleton"], found["fps"] = _data_set(size, path, dataname)
    found["fps"] = hints.get("fps", found["fps"])
    quantizer = hints.get("quantizer", "orig" if embedded else "ema_reset")
    if quantizer not in CODEBOOK or (quantizer == "orig") != embedded:
        expected = "orig" if embedded else "ema_reset, ema or reset"
        raise CheckpointError("The quantizer does not fit.", where=path, expected=expected, found=quantizer)
    found["quantizer"] = quantizer
    wrong = [
        f"{name}={hints[name]!r} but the weights say {found[name]!r}"
        for name in hints
        if name in found and hints[name] != found[name]
    ]
    if wrong:
        raise CheckpointError("Hints and weights contradict each other.", where=path, found="; ".join(wrong))
    return TokenizerConfig(**(hints | found))


def _count(state: Mapping[str, torch.Tensor], pattern: str, start: int = 0) -> int:
    """Count keys of a numbered pattern."""
    number = start
    while pattern.format(number) in state:
        number += 1
    return number - start


def _norm(state: Mapping[str, torch.Tensor], path: str | Path, hints: Mapping[str, Any]) -> str | None:
    """Tell the normalisation: batch norm keeps running means, layer and group norm look alike."""
    block = "vqvae.encoder.model.2.1.model.0"
    if f"{block}.norm1.weight" not in state:
        return None
    if f"{block}.norm1.running_mean" in state:
        return "BN"
    if hints.get("norm") not in ("LN", "GN"):
        raise CheckpointError(
            "These weights have layer or group norm, which look alike.",
            where=path,
            found=f"norm={hints.get('norm')!r}",
            fix="Pass norm='LN' or norm='GN'.",
        )
    return hints["norm"]


def _data_set(size: int, path: str | Path, dataname: str | None) -> tuple[str, float]:
    """Tell skeleton and frame rate from the size of the features, and check the name against it."""
    by_size = {Skeleton.named(skeleton).feature_size: name for name, (skeleton, _) in DATA_SETS.items()}
    if dataname is not None and dataname not in DATA_SETS:
        raise ConfigError("Unknown data set.", expected=f"one of {', '.join(DATA_SETS)}", found=repr(dataname))
    if size not in by_size or dataname not in (None, by_size[size]):
        known = " or ".join(f"{number} ({name})" for number, name in by_size.items())
        raise CheckpointError(
            f"This checkpoint is not of the data set {dataname!r}." if dataname else "Features of no known data set.",
            where=path,
            expected=f"features of {known}",
            found=size,
        )
    return DATA_SETS[by_size[size]]
