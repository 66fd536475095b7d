"""An unpickler for files from strangers: an allow-list of plain data, and nothing of theirs is ever called."""

import collections
import io
import math
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import FormatError

__all__ = ["SAFE_NUMPY", "SafeUnpickler", "load_tensors", "plain", "runs_code"]

_MOST_VALUES = 20_000_000  # a pickle of some bytes can say "twice the tuple before" forty times
_RUNS_CODE = {"os", "posix", "nt", "subprocess", "sys", "shutil", "importlib", "runpy", "pty", "socket", "ctypes"}
_CALLS = {"eval", "exec", "compile", "open", "getattr", "setattr", "__import__", "apply", "execfile", "load", "loads"}


def plain(value: Any) -> Any:
    """Make every array inside plain containers an ordinary one.

    Raises
    ------
    ValueError
        If the value, written out, would be absurdly large: containers that hold each other many times over.
    """
    return _plain(value, {})[0]


def _plain(value: Any, known: dict[int, Any]) -> Any:
    """Give the value and how many values it holds; `known` remembers containers, which may hold themselves."""
    if isinstance(value, np.ndarray):
        value = value.view(np.ndarray)
        if not value.dtype.hasobject:
            return value, 1
        inner = [_plain(item, known) for item in value.ravel()]
        out = np.empty(len(inner), object)
        for place, (item, _) in enumerate(inner):
            out[place] = item
        return out.reshape(value.shape), _checked(1 + sum(count for _, count in inner))
    if not isinstance(value, tuple | dict | list):
        return value, 1
    if id(value) in known:
        return known[id(value)][:2]
    if isinstance(value, tuple):
        inner = [_plain(item, known) for item in value]
        count = _checked(1 + sum(count for _, count in inner))
        made = tuple(item for item, _ in inner)
        known[id(value)] = (made, count, value)  # the last keeps the id from being used again
        return made, count
    known[id(value)] = (value, 1, value)
    count = 1
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        value[key], inner_count = _plain(value[key], known)
        count = _checked(count + inner_count)
    known[id(value)] = (value, count, value)
    return value, count


def _checked(count: int) -> int:
    if count > _MOST_VALUES:
        raise ValueError("containers that hold each other without end")
    return count


class _Dtype:
    """Stands for numpy.dtype while unpickling, because NumPy crashes on states that were tampered with."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not re.fullmatch(r"[?bhilqBHILQefdg]|[fiubc]\d{1,2}|[SU]\d{1,6}|O8?", str(code)):
            raise ValueError(f"arrays of {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _, order, *fields = state
        if order not in ("<", ">", "=", "|") or any(field is not None for field in fields[:3]):
            raise ValueError("arrays with fields")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array that looks at what it is made from before NumPy does."""

    def __new__(cls, *args: Any) -> "_Array":
        raise ValueError("an array that was not saved by NumPy")

    def __setstate__(self, state: Any) -> None:
        shape, kind, fortran, data = state[-4:]
        dtype, count = kind.dtype, _count(shape)
        if not isinstance(data, list if dtype.hasobject else bytes):
            raise ValueError("array data of the wrong kind")
        if len(data) != count * (1 if dtype.hasobject else dtype.itemsize):
            raise ValueError("array data of the wrong length")
        checked: Any = (1, shape, dtype, bool(fortran), data)
        super().__setstate__(checked)


_RECONSTRUCT: Any = np.zeros(1).__reduce__()[0]


def _new_array(*_: Any) -> Any:
    return _RECONSTRUCT(_Array, (0,), b"b")


def _count(shape: Any) -> int:
    if not isinstance(shape, tuple) or len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**40 for n in shape):
        raise ValueError(f"an array of shape {shape!r}"[:200])
    return math.prod(shape)


def _from_bytes(data: bytes, kind: Any, shape: Any, order: str = "C") -> np.ndarray:
    """Build an array from raw numbers, as protocol 5 and joblib store them."""
    count = _count(shape)
    if kind.dtype.hasobject or len(data) != count * kind.dtype.itemsize:
        raise ValueError("array data of the wrong length")
    return np.frombuffer(data, kind.dtype, count).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: Any, data: bytes = b"") -> Any:
    return _from_bytes(data, kind, (1,))[0]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


def _without_factory(*arguments: Any) -> dict[Any, Any]:
    """Stand for defaultdict, whose factory is never kept, so that no look-up can run it."""
    return dict(arguments[1]) if len(arguments) > 1 else {}


class _Named:
    """Stands for a type that is only named, as the factory of a defaultdict or the kind of a tensor's storage."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __call__(self, *_: Any) -> None:
        raise ValueError(f"a call of {self.name}")


def load_tensors(file: Any) -> Any:
    """Let PyTorch read a file of tensors and plain containers."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what it then refuses, or of its own old formats
        return torch.load(file, map_location="cpu", weights_only=True)


def _storage(data: bytes) -> Any:
    return load_tensors(io.BytesIO(data))


def _tensor_from(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Any:
    """Rebuild a tensor, as an array where its numbers were read by us."""
    if not isinstance(storage, np.ndarray):
        import torch

        return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, False, collections.OrderedDict())
    sizes, strides = tuple(size), tuple(stride)
    _count(sizes)
    _count(strides)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if offset < 0 or (math.prod(sizes) and last >= len(storage)):
        raise ValueError("a tensor that reaches beyond its storage")
    if not math.prod(sizes):
        return np.zeros(sizes, storage.dtype)
    view = np.lib.stride_tricks.as_strided(storage[offset:], sizes, [s * storage.itemsize for s in strides])
    if view.size > max(len(storage), 1):
        raise ValueError("a tensor that is larger than its storage")
    return view.copy()


def _parameter_from(data: Any, *_: Any) -> Any:
    return data


def _torch_names() -> dict[tuple[str, str], Any]:
    import torch

    names = {
        ("torch._utils", "_rebuild_tensor_v2"): _tensor_from,
        ("torch._utils", "_rebuild_parameter"): _parameter_from,
        ("torch.storage", "_load_from_bytes"): _storage,  # torch's own would open the inner pickle without any check
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
    }
    return names | {("torch", f"{name}Storage"): _Named(code) for name, code in STORAGES.items()}


STORAGES = {
    "Float": "f4", "Double": "f8", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1",
    "Bool": "?",
}  # fmt: skip


class _JoblibArray:
    """Stands for joblib's NumpyArrayWrapper: the raw numbers follow it in the file."""


_NAMES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): _without_factory,
    ("_codecs", "encode"): _latin1,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _JoblibArray,
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _new_array
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _from_bytes
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
for _kind in (set, frozenset, list, dict, tuple, complex):
    _NAMES["builtins", _kind.__name__] = _NAMES["__builtin__", _kind.__name__] = _kind
for _name in ("int", "float", "str", "bool"):
    _NAMES["builtins", _name] = _NAMES["__builtin__", _name] = _Named(_name)
_NAMES["builtins", "bytes"] = _NAMES["__builtin__", "bytes"] = lambda: b""  # bytes(10**12) would take the memory


# For PyTorch's own unpickler: NumPy's objects, made by us instead of by NumPy.
SAFE_NUMPY = [(maker, f"{module}.{name}") for (module, name), maker in _NAMES.items() if module.startswith("numpy")]


def runs_code(module: str, name: str) -> bool:
    """Tell whether what a pickle names is there to run code, or to reach what does."""
    return module.partition(".")[0] in _RUNS_CODE or name.rpartition(".")[2] in _CALLS


# The unpickler written in Python, because joblib's raw arrays have to be read between two of its steps.
class SafeUnpickler(pickle._Unpickler):
    """Read one pickle.

    Parameters
    ----------
    file : binary file
    where : path
        What errors call it.
    limit : int
        Bytes in the file: no array can be larger.
    storage : callable, optional
        Gives the numbers of a tensor by key: ``storage(key, dtype)``.
    """

    stack: list[Any]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: Any, where: str | Path, *, limit: int, storage: Callable[..., Any] | None = None) -> None:
        super().__init__(file)
        self.file: Any
        self.where: str | Path
        self.limit: int
        self.storage: Callable[..., Any] | None
        self.file, self.where, self.limit, self.storage = file, where, limit, storage

    def find_class(self, module: str, name: str) -> Any:
        key = (module, name)
        if module.partition(".")[0] == "torch" and key not in _NAMES:
            _NAMES.update(_torch_names())
        if key not in _NAMES:
            raise FormatError(
                "This pickle may not be opened: "
                + ("it would run code." if runs_code(module, name) else "it holds an object of a class."),
                where=self.where,
                expected="NumPy arrays, tensors and plain containers",
                found=f"{module}.{name}",
                fix="Where you trust it, open it where it was made and save the arrays as .npz.",
            )
        return _NAMES[key]

    def persistent_load(self, key: Any) -> Any:
        if self.storage is None or not (isinstance(key, tuple) and len(key) >= 3 and isinstance(key[1], _Named)):
            raise pickle.UnpicklingError("a persistent id")
        return self.storage(str(key[2]), np.dtype(key[1].name))

    def load_build(self) -> None:
        if type(self.stack[-2]) not in (_Array, _Dtype, _JoblibArray):
            raise pickle.UnpicklingError("a state for something that has none")
        super().load_build()  # type: ignore[misc]  # the typeshed does not know its parts
        if isinstance(self.stack[-1], _JoblibArray):
            self.stack[-1] = self._read_array(vars(self.stack[-1]))

    dispatch[pickle.BUILD[0]] = load_build

    def _read_array(self, wrapper: dict[str, Any]) -> np.ndarray:
        kind, shape = wrapper["dtype"], wrapper["shape"]
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.file.read(self.file.read(1)[0])  # one byte says how many bytes of padding follow
        size = min(_count(shape) * kind.dtype.itemsize, self.limit)
        return _from_bytes(self.file.read(size), kind, shape, wrapper["order"])
