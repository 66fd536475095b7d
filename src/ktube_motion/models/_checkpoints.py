"""Checkpoints, written whole and read with care.

Ours are folders with config.json and model.safetensors. The config says what
kind of model it belongs to, so that a folder of another kind is refused
before any weight is read. Those of others are files that ``torch.save`` wrote.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import CheckpointError, ConfigError, FormatError
from ..io._files import atomic_path, read_json, write_json
from ..io._untrusted import load_numpy
from ..io._writing import finish_saving
from ..types import FeatureStats
from ._fingerprints import hash_weights
from ._torch_files import check_weights, in_place_of

__all__ = ["load_checkpoint", "load_state", "load_stats", "save_checkpoint", "verify_checkpoint"]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

_CHECKSUM = "checksum"
CONFIG, WEIGHTS = constants.CONFIG_NAME, constants.SAFETENSORS_SINGLE_FILE


def save_checkpoint(folder: str | Path, *, kind: str, config: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Write ``model.safetensors`` with a checksum, then ``config.json`` with its `kind`; each file atomically.

    Parameters
    ----------
    folder : path
    kind : str
        What the model is, as ``"motion_tokenizer"``.
    config : dataclass
        Of numbers, strings, ``None`` and tuples of them.
    state : dict of str to tensor

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.vq import TokenizerConfig
    >>> folder = tempfile.mkdtemp()
    >>> save_checkpoint(folder, kind="mine", config=TokenizerConfig(), state={"weight": torch.zeros(2)})
    >>> config, state = load_checkpoint(folder, kind="mine", config_type=TokenizerConfig)
    >>> config.num_codes, state["weight"].shape
    (512, torch.Size([2]))
    """
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    entries = {"kind": kind, **asdict(config)}
    # One entry of metadata: of several, safetensors writes now this, now that one first.
    with atomic_path(Path(folder) / WEIGHTS, durable=True) as temporary:
        save_file(state, temporary, metadata={_CHECKSUM: _checksum(entries, state)})
    write_json(Path(folder) / CONFIG, entries, durable=True)


def _checksum(entries: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> str:
    return hash_weights(state, start=json.dumps(entries, sort_keys=True))


def load_checkpoint(
    source: str | Path, *, kind: str, config_type: type[Config], **hub: Any
) -> tuple[Config, dict[str, torch.Tensor]]:
    """Read a checkpoint folder, or one on the hub.

    Parameters
    ----------
    source : path or str
        A folder; or, when there is no such folder, a hub id as ``"user/model"``.
    kind : str
        The kind of model that is wanted.
    config_type : type
        Its config dataclass.
    **hub
        Passed to `huggingface_hub.hf_hub_download`.

    Returns
    -------
    config : instance of `config_type`
    state : dict of str to tensor
        On the CPU.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged (one changed byte is found), the model is of another kind, its weights
        are NaN or absurd, or the config has fields this version does not know or values that cannot be.

    Examples
    --------
    >>> load_checkpoint(Path("nowhere"), kind="motion_tokenizer", config_type=dict)
    Traceback (most recent call last):
    ktube_motion.errors.CheckpointError: nowhere: There is no such folder...
    """
    finish_saving(source)
    path = _find(source, CONFIG, hub)
    entries = read_json(path)
    found = entries.get("kind") if isinstance(entries, dict) else None
    if found != kind:
        raise CheckpointError(
            "This checkpoint holds another kind of model.",
            where=path,
            expected=kind,
            found=found or "a config without a kind",
            fix="Load it with the class that saved it.",
        )
    unknown = sorted(set(entries) - {field.name for field in fields(config_type)} - {"kind"})
    if unknown:
        raise CheckpointError(
            "The config has unknown fields.",
            where=path,
            found=", ".join(unknown),
            fix="Was it written by a newer version of ktube_motion?",
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in entries.items()}
    del values["kind"]
    try:
        config = config_type(**values)
    except (ConfigError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"The config cannot work: {error}", where=path) from error
    weights = _find(source, WEIGHTS, hub)
    return config, _checked_weights(weights, entries)


def verify_checkpoint(folder: str | Path) -> None:
    """Raise `CheckpointError` if a checkpoint folder of any kind is not as it was saved."""
    finish_saving(folder)
    _checked_weights(_find(folder, WEIGHTS, {}), read_json(_find(folder, CONFIG, {})))


def _checked_weights(weights: Path, entries: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    state, expected = _read_weights(weights)
    if expected is not None and _checksum(entries, state) != expected:
        raise CheckpointError(
            "This checkpoint is damaged: weights and config are not those that were saved together.",
            where=Path(weights).parent,
            fix="Copy it again, or load and save it anew where it is whole.",
        )
    check_weights(state, where=weights)
    return state


def _read_weights(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """Give the weights and their checksum; files of before there was one have none."""
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            about = {"format": "pt", **(file.metadata() or {})}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError("The weights are damaged.", where=path, found=in_place_of(path) or error) from error
    if about["format"] != "pt" or about.keys() - {"format", _CHECKSUM}:
        raise CheckpointError("The weights are damaged, or another program's.", where=path, found=", ".join(about))
    return state, about.get(_CHECKSUM)


def _find(source: str | Path, name: str, hub: dict[str, Any]) -> Path:
    """Give the local path of one file of a checkpoint."""
    folder = Path(source)
    if os.path.isdir(folder):
        if not os.path.isfile(folder / name):
            there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
            raise CheckpointError(f"There is no {name} here.", where=folder, found=there, fix="Is the folder complete?")
        return folder / name
    if isinstance(source, Path) or folder.is_absolute() or str(source).startswith(".") or str(source).count("/") > 1:
        raise CheckpointError(
            "There is no such folder.", where=source, expected=f"a folder with {CONFIG} and {WEIGHTS}"
        )
    try:
        return Path(hf_hub_download(str(source), name, **hub))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"Neither a folder here nor a model on the hub with {name}.", where=source, found=error
        ) from error


def load_state(module: torch.nn.Module, state: Mapping[str, torch.Tensor], *, where: str | Path) -> None:
    """Load `state` into `module`; every key and shape must fit.

    Parameters
    ----------
    module : torch.nn.Module
    state : dict of str to tensor
    where : str or path
        The file, for the message.

    Raises
    ------
    CheckpointError
        If keys are missing or unknown, or shapes differ; all are named.

    Examples
    --------
    >>> load_state(torch.nn.Linear(2, 1), {"weight": torch.zeros(1, 3)}, where="a.pth")
    Traceback (most recent call last):
    ktube_motion.errors.CheckpointError: a.pth: The weights do not fit this model. Found: missing bias; weight...
    """
    own = module.state_dict()
    problems = [f"missing {name}" for name in own if name not in state]
    problems += [f"unknown {name}" for name in state if name not in own]
    problems += [
        f"{name} {tuple(value.shape)} instead of {tuple(own[name].shape)}"
        for name, value in state.items()
        if name in own and value.shape != own[name].shape
    ]
    problems += [
        f"{name} {value.dtype} instead of {own[name].dtype}".replace("torch.", "")
        for name, value in state.items()
        if name in own and value.is_floating_point() != own[name].is_floating_point()
    ]
    if problems:
        more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(
            "The weights do not fit this model.",
            where=where,
            found="; ".join(problems[:8]) + more,
            fix="Were they trained with other options?",
        )
    with torch.no_grad():
        module.load_state_dict(state)


def load_stats(mean: npt.ArrayLike | Path | None, std: npt.ArrayLike | Path | None) -> FeatureStats | None:
    """Give statistics from two arrays or ``.npy`` files; ``None`` when both are ``None``.

    Raises
    ------
    ConfigError
        If only one of them is given.
    CheckpointError
        If a file cannot be read.

    Examples
    --------
    >>> load_stats(np.zeros(2), np.ones(2)).std
    array([1., 1.], dtype=float32)
    """
    if (mean is None) != (std is None):
        raise ConfigError("mean and std belong together.", found="only one of them")
    if mean is None:
        return None
    try:
        mean, std = (load_numpy(x) if isinstance(x, (str, Path)) else x for x in (mean, std))
    except FormatError as error:
        raise CheckpointError("Cannot read the statistics.", found=error) from error
    return FeatureStats(mean=np.asarray(mean), std=np.asarray(std))
