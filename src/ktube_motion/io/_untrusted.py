"""Opening NumPy, pickle and PyTorch files from strangers: data comes out, code never runs."""

import bz2
import functools
import io
import lzma
import math
import pickle
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._unpickling import SafeUnpickler, load_tensors, plain

__all__ = ["DAMAGED", "load_numpy", "load_pickle", "load_torch", "shape_of", "to_numbers", "to_numpy"]

# What a damaged or hostile file can raise inside numpy, pickle and torch.
DAMAGED = (
    pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, MemoryError, ArithmeticError,
    RuntimeError, TypeError, ValueError, AssertionError, struct.error, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    SyntaxError, tokenize.TokenError,
)  # fmt: skip
_MOST_BYTES = 1 << 31  # unpacked; an hour of poses at 120 frames per second is a quarter of it
_UNPACKERS: dict[bytes, tuple[str, Callable[[], Any] | None]] = {
    b"x": ("zlib", lambda: zlib.decompressobj()),
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(31)),
    b"BZh": ("bz2", bz2.BZ2Decompressor),
    b"\xfd7zXZ": ("xz", lzma.LZMADecompressor),
    b"]\0\0": ("lzma", lzma.LZMADecompressor),
    b"\x04\x22M": ("lz4", None),
}
_PICKLE_STARTS = b"\x80(})]lditcNIFSVXUBCKMJL0.\x8a\x8c\x95"


def to_numpy(value: Any) -> Any:
    """Give a tensor as an array on the CPU; leave everything else alone."""
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        value = value.detach().cpu()
        return value.float().numpy() if value.is_floating_point() else value.numpy()
    return value


def to_numbers(value: Any) -> np.ndarray | None:
    """Give any array, tensor or nested list of numbers as float64, None where it is none."""
    if value is None:
        return None
    try:
        array = np.asarray(to_numpy(value))
        with np.errstate(over="ignore"):
            return array.astype(np.float64) if array.dtype.kind in "fiubOU" else None  # some write numbers as text
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def shape_of(value: Any) -> tuple[int, ...]:
    """Give the shape of an array, tensor or nested list, ``()`` where the lists are ragged."""
    try:
        return np.shape(to_numpy(value))
    except (TypeError, ValueError, RuntimeError):
        return ()


def load_numpy(path: str | Path, *, needed: Callable[[str], bool] | None = None, objects: bool = False) -> Any:
    """Read an ``.npy`` array, or an ``.npz`` as a dict.

    Parameters
    ----------
    path : path
    needed : callable, optional
        Says of each name in an ``.npz`` whether it is read; others cost nothing.
    objects : bool
        Read pickled objects too, under the rules of `load_pickle`. Else they
        are left out of an ``.npz``, and refused in an ``.npy``.

    Raises
    ------
    FormatError
        If the file cannot be read, is damaged, or unpacks to more than 2 GiB.
    """
    try:
        with Path(path).open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd headers, which either load or raise
            if file.read(2) != b"PK":
                file.seek(0)
                return _read_array(file, path, objects)
            with zipfile.ZipFile(file) as archive:
                return _read_archive(archive, path, needed or (lambda name: True), objects)
    except FormatError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except DAMAGED as error:
        raise FormatError("This NumPy file is damaged or holds pickled objects.", where=path, found=error) from error


def _read_array(file: Any, path: str | Path, objects: bool) -> Any:
    if objects:
        data = file.read(_MOST_BYTES)
        found = _read_member(data, path)
        return plain(found)
    return np.lib.format.read_array(file, allow_pickle=False)


def _read_archive(
    archive: zipfile.ZipFile, path: str | Path, needed: Callable[[str], bool], objects: bool
) -> dict[str, Any]:
    arrays = {}
    for item in archive.infolist():
        name = item.filename.removesuffix(".npy")
        if item.is_dir() or not needed(name):
            continue
        if item.file_size > _MOST_BYTES:
            found = f"{item.file_size / 2**30:.1f} GiB"
            raise FormatError(f"{name} unpacks to too much.", where=path, expected="at most 2 GiB", found=found)
        array = _read_member(archive.read(item), path if objects else None)
        if array is not None:
            arrays[name] = array
    return arrays


def _read_member(data: bytes, path: str | Path | None = None) -> Any:
    """Give the array in one member of an archive; Python objects only for a `path`, else None."""
    # np.load parses every header with Python's own parser: most of the time of a folder with a file per frame.
    size = (
        10 + int.from_bytes(data[8:10], "little") if data[6:7] == b"\1" else 12 + int.from_bytes(data[8:12], "little")
    )
    shape, fortran, dtype = _read_header(data[:size])
    if dtype.hasobject:
        found = None if path is None else _unpickle(io.BytesIO(data[size:]), path, len(data))
        return found[()] if isinstance(found, np.ndarray) and found.ndim == 0 else found
    count = math.prod(shape)
    return np.frombuffer(data, dtype, count, offset=size).reshape(shape, order="F" if fortran else "C")


@functools.lru_cache(maxsize=512)
def _read_header(head: bytes) -> Any:
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def load_torch(path: str | Path) -> Any:
    """Read a ``.pt`` file: tensors, arrays and plain containers.

    PyTorch reads it with ``weights_only=True``; what that refuses only
    because of NumPy arrays or a defaultdict is read under the rules of
    `load_pickle`, its tensors as arrays.

    Raises
    ------
    FormatError
        If the file cannot be read, is damaged, or holds anything else.
    """
    try:
        return load_tensors(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except DAMAGED as error:
        try:
            return _read_torch_archive(path)
        except (FormatError, OSError, *DAMAGED) as second:
            raise FormatError(
                "This is no PyTorch file of tensors.",
                where=path,
                found=_cause(error, second),
                fix="Save only tensors, arrays, dicts and lists with torch.save.",
            ) from error


def _cause(error: Exception, second: Exception) -> object:
    """Say in one line what torch refused; its own messages are pages, with colours."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if isinstance(second, FormatError) and second.found:
        return second.found
    return refused[1] if refused else f"damaged data ({type(error).__name__})"


def _read_torch_archive(path: str | Path) -> Any:
    """Read the pickle inside a zipped PyTorch file without PyTorch."""
    with zipfile.ZipFile(path) as archive:
        main = next((name for name in archive.namelist() if name.endswith("data.pkl")), None)
        if main is None or sum(item.file_size for item in archive.infolist()) > _MOST_BYTES:
            raise ValueError("no data.pkl, or too much data")
        folder = main.removesuffix("data.pkl")

        @functools.cache
        def storage(key: str, dtype: np.dtype) -> np.ndarray:
            data = archive.read(f"{folder}data/{key}")
            return np.frombuffer(data, dtype.newbyteorder("<"), len(data) // dtype.itemsize)

        data = archive.read(main)
        return plain(SafeUnpickler(io.BytesIO(data), path, limit=len(data), storage=storage).load())


def load_pickle(path: str | Path) -> Any:
    """Read a pickle or joblib file of arrays and plain containers, compressed or not.

    NumPy arrays and scalars, PyTorch tensors, dicts, lists, tuples, sets,
    strings and numbers come through; a defaultdict becomes a dict. Any other
    class or function is refused before it can be called.

    Parameters
    ----------
    path : path

    Returns
    -------
    value : object

    Raises
    ------
    FormatError
        If the file cannot be read, is damaged, unpacks to more than 2 GiB, or
        names anything that is not on the list.

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
            start = file.read(6)
            if start.startswith(b"PK"):
                return load_torch(path)
            for magic, (name, unpacker) in _UNPACKERS.items():
                if start.startswith(magic):
                    data = _unpack(path, name, unpacker)
                    return _unpickle(io.BytesIO(data), path, len(data))
            file.seek(0)
            return _unpickle(file, path, Path(path).stat().st_size)
    except FormatError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except DAMAGED as error:
        what = "This pickle is damaged." if start[:1] and start[:1] in _PICKLE_STARTS else "This is no pickle."
        found = f"it begins with {start!r}" if what.endswith("no pickle.") else repr(error)[:200]
        raise FormatError(what, where=path, found=found) from error


def _unpickle(file: Any, path: str | Path, limit: int) -> Any:
    return plain(SafeUnpickler(file, path, limit=limit).load())


def _unpack(path: str | Path, name: str, unpacker: Callable[[], Any] | None) -> bytes:
    """Unpack a compressed file, as joblib writes it, up to a limit."""
    if unpacker is None:
        raise FormatError(
            f"This file is compressed ({name}).",
            where=path,
            fix="Where you trust it, run once: joblib.dump(joblib.load(path), path, compress=0).",
        )
    machine = unpacker()
    try:
        data = machine.decompress(Path(path).read_bytes(), _MOST_BYTES)
    except (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError) as error:
        raise FormatError(f"This compressed file is damaged ({name}).", where=path, found=error) from error
    if not machine.eof and len(data) < _MOST_BYTES:
        raise FormatError(f"This compressed file is damaged ({name}).", where=path, found="it was cut off")
    if len(data) >= _MOST_BYTES:
        raise FormatError("This file unpacks to too much.", where=path, expected="less than 2 GiB")
    return data


def _unreadable(path: str | Path, error: OSError) -> FormatError:
    return FormatError("Cannot read this file.", where=path, found=error.strerror or error)
