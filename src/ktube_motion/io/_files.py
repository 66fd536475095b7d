"""Files that are never half written, and text in the encodings Koreans meet."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, KtubeError

__all__ = [
    "atomic_folder",
    "atomic_path",
    "decode_text",
    "read_json",
    "read_text",
    "save_array",
    "write_bytes",
    "write_json",
    "write_text",
]


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when all went well.

    Parameters
    ----------
    path : path
        The final file; its folder is made if missing.

    Yields
    ------
    temporary : Path
        Same folder, same suffix. Removed if the block raises.

    Raises
    ------
    KtubeError
        If the folder cannot be made or written.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "new" / "a.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("hello")
    >>> target.read_text()
    'hello'
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise KtubeError(
            "Cannot write here.", where=path, found=error.strerror, fix="Choose another folder or free it."
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give the mode an ordinary open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with ``\\n`` line ends, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data`, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8 (with or without BOM), UTF-16 with BOM, or CP949.

    Parameters
    ----------
    path : path

    Returns
    -------
    text : str
        With ``\\n`` line ends.

    Raises
    ------
    FormatError
        If the file is missing or in none of these encodings.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FormatError("Cannot read this file.", where=path, found=error.strerror) from error
    return decode_text(data, where=path)


def decode_text(data: bytes, *, where: str | Path) -> str:
    """Do what `read_text` does with bytes that were read from somewhere else."""
    encodings = ["utf-16"] if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp949"]
    for encoding in encodings:
        try:
            return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue  # the next encoding may fit; none fitting is the error below
    raise FormatError("This is not text.", where=where, expected="UTF-8 or CP949", fix="Convert it to UTF-8.")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with Korean left readable, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a small JSON file; `FormatError` names the line where it breaks off."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(
            "This is not valid JSON.", where=f"{path}, line {error.lineno}", found=error.msg, fix="Was it cut off?"
        ) from error


def save_array(path: str | Path, array: np.ndarray) -> None:
    """Write one array as ``.npy``, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its place when all went well.

    An older folder of that name is moved aside first and removed last, so
    that one whole folder is there at any time but an instant.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=path.parent))
            os.replace(path, aside / path.name)
            os.replace(temporary, path)
            shutil.rmtree(aside)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
