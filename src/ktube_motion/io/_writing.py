"""What can go wrong when a file is written, told in one way; and what killed writers left behind."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ConfigError, KtubeError, WriteError

__all__ = [
    "LOCK", "PREFIX_ASIDE", "PREFIX_READY", "PREFIX_WRITING", "finish_saving", "move_in", "only_one",
    "raise_as_write_error", "sweep", "sync", "writing",
]  # fmt: skip

# Half written; whole, and taking its places; the older one, until the newer is in its place.
PREFIX_WRITING, PREFIX_READY, PREFIX_ASIDE = ".writing-", ".ready-", ".replaced-"
LOCK = ".in_use"

# What cannot be about a file that is read meanwhile.
_ABOUT_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# How libraries say without the system's number that a file could not be written: safetensors; PyTorch, NumPy.
_NUMBERED = re.compile(r"os error (\d+)")
_UNNUMBERED = re.compile(
    r"PytorchStreamWriter|iostream error|file write failed|unexpected pos|requested and \d+ written"
)
_FIXES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, 0), "Free some room, or choose another folder.")
_FIXES |= {errno.ENAMETOOLONG: "Choose a shorter name.", errno.EINVAL: "Choose another name."}


@contextmanager
def writing(path: str | Path, temporary: str | Path | None = None) -> Iterator[None]:
    """Tell everything that keeps a file from being written as `WriteError`, with the path and the room left.

    Parameters
    ----------
    path : path
        The file as the user knows it.
    temporary : path, optional
        Where it is being written. Other files may then be read inside: what goes wrong with those passes.
    """
    try:
        yield
    except KtubeError:
        raise
    except Exception as error:
        raise_as_write_error(error, Path(path), temporary)
        raise


def raise_as_write_error(error: Exception, path: Path, temporary: str | Path | None) -> None:
    """Raise `WriteError` if an error is about writing `path`; return if it is about anything else."""
    number = _number(error, temporary)
    if number is None:
        return
    reason = os.strerror(number) if number else "the file could not be written"
    raise WriteError(
        "Cannot write this file.",
        where=_shown(path),
        found=f"{reason}; {_room(path)}",
        fix=_FIXES.get(number, "Choose another folder.") + " What was there before is unharmed.",
    ) from error


def _number(error: Exception, temporary: str | Path | None) -> int | None:
    """Give the system's number for what kept a file from being written, 0 where it is not told, None for other errors.

    Without `temporary` nothing but writing is done, so that every error of the system is about that.
    """
    if isinstance(error, OSError):
        own = temporary is None or str(error.filename or "").startswith(str(temporary))
        if error.errno is not None:
            return error.errno if own or error.errno in _ABOUT_WRITING else None
    if isinstance(error, ValueError):
        return errno.EINVAL if temporary is None else None  # a zero byte in the path
    found = _NUMBERED.search(str(error))
    if found:
        return int(found[1])
    for number in _ABOUT_WRITING:  # C libraries, as USD's, pass on the system's words
        if os.strerror(number) in str(error):
            return number
    return 0 if _UNNUMBERED.search(str(error)) else None


def _shown(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _room(path: Path) -> str:
    """Say how much is free where a path lies, or would."""
    for folder in (path, *path.parents):
        with suppress(OSError, ValueError):
            return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB are free there"
    return "nothing is known of that disk"


def sync(path: str | Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and Path(path).is_dir():
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def only_one(folder: str | Path, what: str) -> Iterator[None]:
    """Hold a folder for one process; sweep what killed ones left in it.

    Raises
    ------
    ConfigError
        If another process holds it.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # The system lets go of this lock when its holder dies, however it dies.
        lock = FileLock(folder / LOCK, blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise ConfigError(
                f"Another process is at work in this folder: {what}.",
                where=folder,
                fix="Wait until it has ended, or choose another folder; nothing was overwritten.",
            ) from error
    try:
        sweep(folder)
        yield
    finally:
        lock.release()


def sweep(folder: str | Path) -> int:
    """Remove what killed processes left half written in a folder; put back what they had only moved aside.

    For the holder of the folder alone: what another process writes just now looks the same.

    Returns
    -------
    count : int
        Leftovers found.
    """
    folder, count = Path(folder), 0
    with writing(folder):
        for ready in _left(folder, PREFIX_READY):
            move_in(ready, folder)
            count += 1
        for aside in _left(folder, PREFIX_ASIDE):
            for kept in list(aside.iterdir()) if aside.is_dir() else []:
                if not (folder / kept.name).exists():
                    os.replace(kept, folder / kept.name)  # killed between the two moves of `atomic_folder`
            _remove(aside)
            count += 1
        for leftover in folder.glob(f"{PREFIX_WRITING}*"):
            _remove(leftover)
            count += 1
    return count


def finish_saving(folder: str | Path) -> None:
    """Finish what a killed process was saving in a folder, or the one above, when all of it was there; else undo it.

    For readers, before they look for a file: what they find is then the newer or the older one, whole.

    Raises
    ------
    WriteError
        If something is left to be done there and cannot be done, as on a disk that is read only.
    """
    folder = Path(folder)
    above = folder.parent
    try:
        for place in (above, folder) if os.path.isdir(folder) else ():
            for ready in _left(place, PREFIX_READY):
                move_in(ready, place)
        for aside in () if os.path.lexists(folder) else _left(above, PREFIX_ASIDE):
            if os.path.isdir(aside / folder.name):
                os.replace(aside / folder.name, folder)
    except OSError as error:
        raise WriteError(
            "Saving this was interrupted, and cannot be finished.",
            where=folder,
            found=error.strerror or error,
            fix="Open it once where its files can be moved, or save it anew.",
        ) from error


def _left(folder: Path, prefix: str) -> list[Path]:
    """Give what a killed process left in a folder, if there is such a folder."""
    if not os.path.isdir(folder):
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry) for entry in entries if entry.name.startswith(prefix))
    except PermissionError:
        return []  # nobody may look into the folder; what is wanted of it may still be opened by name


def move_in(ready: Path, folder: Path) -> None:
    """Move all files of a folder that is whole to their places in `folder`; another process may do the same."""
    inside = folder.resolve()
    for file in sorted(path for path in ready.rglob("*") if path.is_file() or path.is_symlink()):
        target = folder / file.relative_to(ready)
        if not target.parent.resolve().is_relative_to(inside):
            raise OSError(errno.EXDEV, "a link leads out of the folder", str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # the other one was quicker
            os.replace(file, target)
    with suppress(FileNotFoundError):
        _remove(ready)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
