"""Files of tensors that ``torch.save`` writes: our own with a checksum, those of others without running anything."""

import hashlib
import re
import struct
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from ..errors import CheckpointError
from ..io._files import atomic_path
from ..io._unpickling import SAFE_NUMPY, runs_code

__all__ = ["check_weights", "hash_tree", "in_place_of", "load_checked", "load_torch_file", "save_checked"]

_CHECKSUM = "checksum"
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "weights", "ema")
# What DataParallel, torch.compile, DeepSpeed, FSDP and checkpointing put into names; what Lightning puts before all.
_SHELLS = {"module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_BEFORE_ALL = {"model", "net"}
_NUMBERS = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool}
_NUMBERS |= {torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64}
_LARGEST = 1e8  # no weight of a trained model comes near it; a flipped bit in an exponent goes far beyond
_DAMAGED = (
    UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, BadZipFile, TypeError, AttributeError, IndexError,
    AssertionError, ImportError, MemoryError, OverflowError, struct.error,
)  # fmt: skip


class _RefusedError(CheckpointError):
    """A file names a class, which is `found`."""


def hash_tree(value: Any) -> str:
    """Hash tensors, numbers and text in nested dicts and lists: 16 hexadecimal digits.

    Examples
    --------
    >>> a, b = {"x": [torch.zeros(2), 1.0]}, {"x": [torch.zeros(2), 2.0]}
    >>> hash_tree(a) == hash_tree(a) != hash_tree(b)
    True
    """
    digest = hashlib.sha256()
    _add(value, digest.update)
    return digest.hexdigest()[:16]


def _add(value: Any, update: Callable[[bytes | memoryview], None]) -> None:
    if isinstance(value, torch.Tensor):
        update(f"{value.dtype}{tuple(value.shape)}".encode())
        update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        update(f"dict {len(value)}".encode())
        for key in value:
            update(repr(key).encode())
            _add(value[key], update)
    elif isinstance(value, list | tuple):
        update(f"{type(value).__name__} {len(value)}".encode())
        for item in value:
            _add(item, update)
    else:
        update(repr(value).encode())


def save_checked(path: str | Path, content: dict[str, Any]) -> None:
    """Write a dict of tensors and plain values with its checksum, atomically; it is on the disk when this returns."""
    # Through an open file, because torch would write the name of the temporary one into it.
    with atomic_path(path, durable=True) as temporary, temporary.open("wb") as file:
        torch.save({**content, _CHECKSUM: hash_tree(content)}, file)


def load_checked(path: str | Path) -> dict[str, Any]:
    """Read what `save_checked` wrote; an older file without a checksum is taken as it is.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or one byte of it has changed.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise CheckpointError("This is another kind of checkpoint.", where=path, found=type(content).__name__)
    _check_sum(content, path)
    return content


def _check_sum(content: dict[str, Any], path: str | Path) -> None:
    """Take the checksum out of what was read; `CheckpointError` if it is not that of the rest."""
    expected = content.pop(_CHECKSUM, None)
    if expected is not None and hash_tree(content) != expected:
        raise CheckpointError(
            "This checkpoint is damaged: its numbers are not those that were saved.",
            where=path,
            fix="Take it from a backup; a training without its checkpoint starts again.",
        )


def load_torch_file(path: str | Path, *, parts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
    """Read a file of weights that ``torch.save`` wrote; nothing in it is executed.

    Parameters
    ----------
    path : path
    parts : sequence of str
        What its state dicts are called, as ``["net"]``. One alone may also lie under ``state_dict``, ``model``
        or the like, or be the whole file; several may be one dict whose names begin with them.

    Returns
    -------
    states : list of dict of str to tensor
        One for each of `parts`, on the CPU, in the precision of the file. The names are without ``module.`` and
        ``_orig_mod.``. What lies beside the weights (options, counters, optimizers) is left out.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged, holds anything else, or has NaN or absurd numbers for weights. Of a
        file of ours one changed byte is found.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "net_last.pth"
    >>> torch.save({"net": {"weight": torch.zeros(2)}}, path)
    >>> (weights,) = load_torch_file(path, parts=["net"])
    >>> weights["weight"].shape
    torch.Size([2])
    """
    content, skipped = _load_foreign(path)
    if isinstance(content, dict):
        _check_sum(content, path)
    states = _find_parts(content, parts)
    if states is None:
        kind = ", ".join(map(str, list(content)[:8])) if isinstance(content, dict) and content else _kind(content)
        raise CheckpointError(
            "This is another kind of checkpoint.",
            where=path,
            expected=f"{{{', '.join(f'{part!r}: weights' for part in parts)}}}",
            found=kind + (f" (with objects of {', '.join(skipped[:3])})" if skipped else ""),
            fix=f"Save the weights alone: torch.save({{{parts[0]!r}: model.state_dict()}}, path).",
        )
    for state in states:
        check_weights(state, where=path)
    return states


def check_weights(state: Mapping[str, torch.Tensor], *, where: str | Path) -> None:
    """Raise `CheckpointError` if weights are no plain numbers, NaN, infinite, or too large for any training."""
    odd = {name: what for name, value in state.items() if (what := _no_plain_numbers(value)) is not None}
    if odd:
        raise CheckpointError(
            "These weights are no plain numbers.",
            where=where,
            expected="dense tensors of real numbers",
            found=", ".join(f"{name}: {what}" for name, what in list(odd.items())[:5]),
            fix="Save them in float32 where they were made.",
        )
    bad = [
        name
        for name, value in state.items()
        if value.is_floating_point() and value.numel() and not float(value.detach().abs().max()) < _LARGEST
    ]
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise CheckpointError(
            "These weights are not those of a trained model.",
            where=where,
            expected=f"numbers below {_LARGEST:g}",
            found=f"NaN or absurd numbers in {', '.join(bad[:5])}{more}",
            fix="Was the training unstable, or the file damaged?",
        )


def _no_plain_numbers(value: torch.Tensor) -> str | None:
    """Say what a tensor is that no model can take over as weights, None where it can."""
    if value.layout is not torch.strided:
        return f"{value.layout}".removeprefix("torch.")
    if value.is_meta or value.dtype not in _NUMBERS:
        return "without numbers" if value.is_meta else f"{value.dtype}".removeprefix("torch.")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"{value.numel()} numbers of which the file has fewer"  # one number can be stretched to terabytes
    return None


def in_place_of(path: str | Path) -> str | None:
    """Say what a file is that should be one of weights, where downloads are known to leave that."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(200).lstrip()
    except (OSError, ValueError):
        return None  # told by who opens it
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, not the file: `git lfs pull` fetches it"
    if head.startswith(b"<"):
        return "a web page, not the file: the download was refused or wants a click"
    return None if head else "nothing: the file is empty"


def _load(path: str | Path, safe: Sequence[Any] = ()) -> Any:
    """Let PyTorch read a file of tensors and plain containers, and what else is `safe`."""
    try:
        with torch.serialization.safe_globals(list(safe)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch then refuses, and of its own old formats
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError("Cannot read this file.", where=path, found=error.strerror or error) from error
    except RecursionError as error:
        raise CheckpointError("This checkpoint is nested without end.", where=path) from error
    except _DAMAGED as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        kind = CheckpointError if refused is None else _RefusedError
        raise kind(
            "This is no checkpoint of weights alone.",
            where=path,
            found=in_place_of(path) or (f"damaged data ({type(error).__name__})" if refused is None else refused[1]),
            fix="Save the weights alone, model.state_dict(), with torch.save.",
        ) from error


def _load_foreign(path: str | Path) -> tuple[Any, list[str]]:
    """Read a file; what is of a class is left empty, never made. Gives the names of such classes too."""
    skipped: list[str] = []
    while True:
        stand_ins = [(_ListStandIn if name in _LISTS else _StandIn, name) for name in skipped]
        try:
            return _load(path, [*SAFE_NUMPY, *stand_ins]), skipped
        except _RefusedError as error:
            name = str(error.found)
            name = name if "." in name else f"builtins.{name}"
            if name in skipped or len(skipped) > 100 or runs_code(*name.rsplit(".", 1)):
                raise
            skipped.append(name)
        except CheckpointError as error:
            if not skipped:
                raise
            raise CheckpointError(error.problem, where=path, found=", ".join(skipped[:5]), fix=error.fix) from error


class _StandIn:
    """What a pickle makes instead of objects of a class: empty dicts, which take any items and state."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return OrderedDict()


class _ListStandIn:
    """The same for those that take items one after the other."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return []


_LISTS = ("collections.deque", "collections.UserList")


def _kind(content: Any) -> str:
    return "an object of a class" if isinstance(content, OrderedDict) and vars(content) else type(content).__name__


def _find_parts(content: Any, parts: Sequence[str], depth: int = 0) -> list[dict[str, torch.Tensor]] | None:
    """Give the state dicts called `parts`, wherever such files have them; None where they are not."""
    if not isinstance(content, dict) or depth > 3:
        return None
    states = [_state_in(content.get(part)) for part in parts]
    if all(states):
        return states  # type: ignore[return-value]
    for name in (parts[0], *_WRAPPERS) if len(parts) == 1 else _WRAPPERS:
        found = _find_parts(content.get(name), parts, depth + 1)
        if found is not None:
            return found
    bare = _state_in(content)
    if bare is None:
        return None
    if len(parts) == 1:
        return [bare]
    flat = [{n.removeprefix(f"{p}."): v for n, v in bare.items() if n.startswith(f"{p}.")} for p in parts]
    return flat if all(flat) else None


def _state_in(value: Any) -> dict[str, torch.Tensor] | None:
    """Give the tensors in a dict by name, None where it has none."""
    if not isinstance(value, dict):
        return None
    found = {}
    for name, item in value.items():
        if isinstance(item, np.ndarray) and item.dtype.kind in "fiub":
            item = torch.from_numpy(np.array(item.view(np.ndarray)))
        if isinstance(name, str) and isinstance(item, torch.Tensor):
            found[".".join(part for part in name.split(".") if part not in _SHELLS)] = item.detach()
    while len(first := {name.partition(".")[0] for name in found}) == 1 and first <= _BEFORE_ALL:
        found = {name.partition(".")[2]: item for name, item in found.items()}
    return found or None
