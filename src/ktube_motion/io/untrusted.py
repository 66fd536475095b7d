"""Opening NumPy, pickle and PyTorch files from strangers: data comes out, code never runs."""

import collections
import functools
import io
import math
import pickle
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import FormatError

__all__ = ["load_numpy", "load_pickle", "load_torch", "to_numpy"]

# What a damaged or hostile file can raise inside numpy, pickle and torch.
_DAMAGED = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, MemoryError, ArithmeticError,
    RuntimeError, TypeError, ValueError, AssertionError, struct.error, zipfile.BadZipFile, zlib.error,
    SyntaxError, tokenize.TokenError,
)  # fmt: skip
_COMPRESSED = {
    b"x": "zlib",
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"]\0\0": "lzma",
    b"\x04\x22M": "lz4",
}


def to_numpy(value):
    """Give a tensor as an array on the CPU; leave everything else alone."""
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu()
        return value.float().numpy() if value.is_floating_point() else value.numpy()
    return value


def load_numpy(path):
    """Read an ``.npy`` array, or an ``.npz`` as a dict, refusing pickled objects.

    Object arrays inside an ``.npz`` (names, camera dicts) are left out: no
    pose is stored that way.

    Raises
    ------
    FormatError
        If the file cannot be read or is damaged.
    """
    try:
        with Path(path).open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd headers, which either load or raise
            if file.read(2) != b"PK":
                file.seek(0)
                return np.lib.format.read_array(file, allow_pickle=False)
            with zipfile.ZipFile(file) as archive:
                arrays = {name.removesuffix(".npy"): _read_member(archive.read(name)) for name in archive.namelist()}
            return {name: array for name, array in arrays.items() if array is not None}
    except OSError as error:
        raise _unreadable(path, error) from error
    except _DAMAGED as error:
        raise FormatError("This NumPy file is damaged or holds pickled objects.", where=path, found=error) from error


def _read_member(data):
    """Give the array in one member of an archive, None if it holds Python objects."""
    # np.load parses every header with Python's own parser: most of the time of a folder with a file per frame.
    size = (
        10 + int.from_bytes(data[8:10], "little") if data[6:7] == b"\1" else 12 + int.from_bytes(data[8:12], "little")
    )
    shape, fortran, dtype = _read_header(data[:size])
    if dtype.hasobject:
        return None
    count = math.prod(shape)
    return np.frombuffer(data, dtype, count, offset=size).reshape(shape, order="F" if fortran else "C")


@functools.lru_cache(maxsize=512)
def _read_header(head):
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def load_torch(path):
    """Read a ``.pt`` file with ``weights_only=True``: tensors and plain containers.

    Raises
    ------
    FormatError
        If the file cannot be read, is damaged, or holds anything else.
    """
    try:
        return _load_tensors(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except _DAMAGED as error:
        raise FormatError(
            "This is no PyTorch file of tensors.",
            where=path,
            found=str(error).partition("\n")[0],
            fix="Save only tensors, dicts and lists with torch.save.",
        ) from error


def load_pickle(path):
    """Read a pickle, or an uncompressed joblib file, of arrays and plain containers.

    NumPy arrays and scalars, PyTorch tensors, dicts, lists, tuples, sets,
    strings and numbers come through. Any other class or function is refused
    before it can be called.

    Parameters
    ----------
    path : path

    Returns
    -------
    value : object

    Raises
    ------
    FormatError
        If the file cannot be read, is damaged or compressed, or names
        anything that is not on the list.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.pkl"
    >>> _ = path.write_bytes(pickle.dumps({"x": np.ones(2)}))
    >>> load_pickle(path)
    {'x': array([1., 1.])}
    >>> _ = path.write_bytes(pickle.dumps(Path("/")))
    >>> load_pickle(path)
    Traceback (most recent call last):
    ktube_motion.errors.FormatError: ...a.pkl: This pickle may not be opened...
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(5)
            for magic, name in _COMPRESSED.items():
                if start.startswith(magic):
                    raise FormatError(
                        f"This file is compressed ({name}).",
                        where=path,
                        fix="Where you trust it, run once: joblib.dump(joblib.load(path), path, compress=0).",
                    )
            file.seek(0)
            return _plain(_SafeUnpickler(file, path).load(), set())
    except FormatError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except _DAMAGED as error:
        raise FormatError("This pickle is damaged.", where=path, found=repr(error)[:200]) from error


def _plain(value, seen):
    """Make every `_Array` inside plain containers an ordinary array."""
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    if isinstance(value, tuple):
        return tuple(_plain(item, seen) for item in value)
    if isinstance(value, dict | list) and id(value) not in seen:  # a list may hold itself
        seen.add(id(value))
        for key in value if isinstance(value, dict) else range(len(value)):
            value[key] = _plain(value[key], seen)
    return value


def _unreadable(path, error):
    return FormatError("Cannot read this file.", where=path, found=error.strerror or error)


class _Dtype:
    """Stands for numpy.dtype while unpickling, because NumPy crashes on states that were tampered with."""

    def __init__(self, code, align=False, copy=False):
        if not re.fullmatch(r"[?bhilqBHILQefdg]|[fiubc]\d{1,2}|[SU]\d{1,6}|O8?", str(code)):
            raise ValueError(f"arrays of {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        _, order, *fields = state
        if order not in ("<", ">", "=", "|") or any(field is not None for field in fields[:3]):
            raise ValueError("arrays with fields")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array that looks at what it is made from before NumPy does."""

    def __new__(cls, *args):
        raise ValueError("an array that was not saved by NumPy")

    def __setstate__(self, state):
        shape, kind, fortran, data = state[-4:]
        dtype, count = kind.dtype, _count(shape)
        if not isinstance(data, list if dtype.hasobject else bytes):
            raise ValueError("array data of the wrong kind")
        if len(data) != count * (1 if dtype.hasobject else dtype.itemsize):
            raise ValueError("array data of the wrong length")
        super().__setstate__((1, shape, dtype, bool(fortran), data))


_RECONSTRUCT = np.zeros(1).__reduce__()[0]


def _new_array(*_):
    return _RECONSTRUCT(_Array, (0,), b"b")


def _count(shape):
    if not isinstance(shape, tuple) or len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**40 for n in shape):
        raise ValueError(f"an array of shape {shape!r}")
    return math.prod(shape)


def _from_bytes(data, kind, shape, order="C"):
    """Build an array from raw numbers, as protocol 5 and joblib store them."""
    count = _count(shape)
    if kind.dtype.hasobject or len(data) != count * kind.dtype.itemsize:
        raise ValueError("array data of the wrong length")
    return np.frombuffer(data, kind.dtype, count).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind, data=b""):
    return _from_bytes(data, kind, (1,))[0]


def _latin1(text, encoding="latin1"):
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


def _load_tensors(file):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what it then refuses, or of its own old formats
        return torch.load(file, map_location="cpu", weights_only=True)


def _storage(data):
    return _load_tensors(io.BytesIO(data))


def _torch_names():
    import torch

    return {
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("torch.storage", "_load_from_bytes"): _storage,  # torch's own would open the inner pickle without any check
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
    }


class _JoblibArray:
    """Stands for joblib's NumpyArrayWrapper: the raw numbers follow it in the file."""


_NAMES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _latin1,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _JoblibArray,
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _new_array
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _from_bytes
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
for _kind in (set, frozenset, list, dict, tuple, complex):
    _NAMES["builtins", _kind.__name__] = _NAMES["__builtin__", _kind.__name__] = _kind
_NAMES["builtins", "bytes"] = _NAMES["__builtin__", "bytes"] = lambda: b""  # bytes(10**12) would take the memory


# The unpickler written in Python, because joblib's raw arrays have to be read between two of its steps.
class _SafeUnpickler(pickle._Unpickler):
    dispatch: ClassVar[dict] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, path):
        super().__init__(file)
        self.file, self.path = file, path

    def find_class(self, module, name):
        key = (module, name)
        if module.partition(".")[0] == "torch" and key not in _NAMES:
            _NAMES.update(_torch_names())
        if key not in _NAMES:
            raise FormatError(
                "This pickle may not be opened: it could run code.",
                where=self.path,
                expected="NumPy arrays, tensors and plain containers",
                found=f"{module}.{name}",
                fix="Save the arrays as .npz instead.",
            )
        return _NAMES[key]

    def persistent_load(self, key):
        raise pickle.UnpicklingError("a persistent id")

    def load_build(self):
        if type(self.stack[-2]) not in (_Array, _Dtype, _JoblibArray):
            raise pickle.UnpicklingError("a state for something that has none")
        super().load_build()
        if isinstance(self.stack[-1], _JoblibArray):
            self.stack[-1] = self._read_array(vars(self.stack[-1]))

    dispatch[pickle.BUILD[0]] = load_build

    def _read_array(self, wrapper):
        kind, shape = wrapper["dtype"], wrapper["shape"]
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.file.read(self.file.read(1)[0])  # one byte says how many bytes of padding follow
        size = min(_count(shape) * kind.dtype.itemsize, Path(self.path).stat().st_size)
        return _from_bytes(self.file.read(size), kind, shape, wrapper["order"])
