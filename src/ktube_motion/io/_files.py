"""Files that are never half written, and text in the encodings Koreans meet."""

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._writing import PREFIX_ASIDE, PREFIX_READY, PREFIX_WRITING, finish_saving, move_in, sync, writing

__all__ = [
    "atomic_folder", "atomic_path", "decode_text", "filled_folder", "make_folder", "read_bytes", "read_json",
    "read_text", "save_array", "write_bytes", "write_json", "write_text",
]  # fmt: skip


def make_folder(path: str | Path) -> Path:
    """Make a folder, and those above it, if it is missing; `WriteError` where that cannot be."""
    path = Path(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def atomic_path(path: str | Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when all went well.

    Parameters
    ----------
    path : path
        The final file; its folder is made if missing.
    durable : bool
        Wait until it is on the disk before it takes its place: for what cannot be made again cheaply.

    Yields
    ------
    temporary : Path
        Same folder, same suffix. Removed if the block raises; an older file is then as it was.

    Raises
    ------
    WriteError
        If it cannot be written: the message says why, and how much room is left.

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
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PREFIX_WRITING, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with writing(path, temporary):
            yield temporary
        with writing(path):
            # mkstemp makes private files; give the mode an ordinary open() would have given.
            temporary.chmod(0o666 & ~_umask())
            if durable:
                sync(temporary)
            os.replace(temporary, path)
            if durable:
                sync(path.parent)
    finally:
        with suppress(OSError):  # on a disk that has become read-only the leftover is swept later
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def write_text(path: str | Path, text: str, *, durable: bool = False) -> None:
    """Write `text` as UTF-8 with ``\\n`` line ends, atomically; half a surrogate pair is written out."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable)


def write_bytes(path: str | Path, data: bytes, *, durable: bool = False) -> None:
    """Write `data`, atomically."""
    with atomic_path(path, durable=durable) as temporary:
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
    return decode_text(read_bytes(path), where=path)


def read_bytes(path: str | Path) -> bytes:
    """Read a file; `FormatError` where that cannot be, for whatever reason."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError("Cannot read this file.", where=path, found=error.strerror) from error
    except ValueError as error:  # a zero byte in its name, or letters that no name can have
        raise FormatError("No file can have this name.", where=ascii(str(path))) from error


def decode_text(data: bytes, *, where: str | Path) -> str:
    """Do what `read_text` does with bytes that were read from somewhere else."""
    encodings = ["utf-16"] if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp949"]
    for encoding in encodings:
        try:
            return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue  # the next encoding may fit; none fitting is the error below
    raise FormatError("This is not text.", where=where, expected="UTF-8 or CP949", fix="Convert it to UTF-8.")


def write_json(path: str | Path, value: Any, *, durable: bool = False) -> None:
    """Write `value` as indented JSON with Korean left readable, atomically."""
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_text(path, text, durable=durable)


def read_json(path: str | Path) -> Any:
    """Read a small JSON file; `FormatError` names the line where it breaks off."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(
            "This is not valid JSON.", where=f"{path}, line {error.lineno}", found=error.msg, fix="Was it cut off?"
        ) from error
    except RecursionError as error:
        raise FormatError("This JSON is nested without end.", where=path) from error
    except ValueError as error:  # Python refuses numbers of thousands of digits, which take for ever
        if isinstance(error, FormatError):
            raise
        raise FormatError("This JSON holds an absurd number.", where=path) from error


def save_array(path: str | Path, array: np.ndarray) -> None:
    """Write one array as ``.npy``, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its place when all went well.

    An older folder of that name is moved aside first and removed last, so
    that one whole folder is there at any time but an instant; after a kill in it `finish_saving` puts it back.
    """
    path = Path(path)
    make_folder(path.parent)
    with writing(path):
        temporary = Path(tempfile.mkdtemp(prefix=PREFIX_WRITING, dir=path.parent))
    try:
        with writing(path, temporary):
            yield temporary
        with writing(path):
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                aside = Path(tempfile.mkdtemp(prefix=PREFIX_ASIDE, dir=path.parent))
                _exchange(path, temporary, aside / path.name)
                shutil.rmtree(aside)
            else:
                os.replace(temporary, path)
            sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(path: Path, newer: Path, older: Path) -> None:
    """Move the folder `path` to `older` and `newer` to its place."""
    while True:
        os.replace(path, older)
        try:
            os.replace(newer, path)
        except OSError:
            if not path.exists():
                os.replace(older, path)
                raise
        else:
            return  # else a reader, who took this for killed, has put the older one back: again


@contextmanager
def filled_folder(path: str | Path, *, keep: Collection[str] = ()) -> Iterator[Path]:
    """Give a temporary folder whose files take their places in the folder `path` when all of them are written.

    What takes long, and can fail for want of room, is then done: only renaming is left. A process that is killed
    before leaves the older files, and one that is killed after that a folder which `finish_saving` empties. Other
    files of `path` stay, and those whose name is in `keep`.
    """
    path = make_folder(path)
    finish_saving(path)
    with writing(path):
        temporary = Path(tempfile.mkdtemp(prefix=PREFIX_WRITING, dir=path))
    try:
        with writing(path, temporary):
            yield temporary
        with writing(path):
            for file in [file for file in temporary.rglob("*") if file.is_file()]:
                target = path / file.relative_to(temporary)
                if target.name in keep and target.exists():
                    file.unlink()
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                sync(file)
            ready = path / temporary.name.replace(PREFIX_WRITING, PREFIX_READY, 1)
            os.replace(temporary, ready)
            sync(path)
            move_in(ready, path)
            sync(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
