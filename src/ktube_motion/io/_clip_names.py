"""Names of clips, which become names of files on any system."""

import unicodedata
from pathlib import Path

from ..errors import CorpusError

__all__ = ["check_name", "check_path", "read_split"]

_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}


def check_name(name: str) -> str:
    """Give `name` back if it is safe as a file name inside a corpus.

    Raises
    ------
    CorpusError
        If it is empty, hidden, longer than 200 bytes, or has a path
        separator, ``..``, white space at its ends or a control character, or Windows keeps it for a device.

    Examples
    --------
    >>> check_name("강연_001")
    '강연_001'
    >>> check_name("../secret")
    Traceback (most recent call last):
    ktube_motion.errors.CorpusError: ...
    """
    if not isinstance(name, str):
        raise CorpusError("A clip name must be text.", found=type(name).__name__)
    fault = None
    if not name or name != name.strip() or name.startswith("."):
        fault = "is empty, hidden or has white space at its ends"
    elif any(sign in name for sign in "/\\:") or ".." in name:
        fault = "has a path separator or '..'"
    elif any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in name):
        fault = "has a control character or a line break"
    elif name.partition(".")[0].upper() in _RESERVED or name.endswith("."):
        fault = "is one that Windows keeps for itself"
    elif len(name.encode()) > 200:
        fault = f"is {len(name.encode())} bytes long, 200 are allowed"
    if fault:
        raise CorpusError(f"The clip name {name[:80]!r} {fault}.", fix="Use a plain file name without folders.")
    return name


def check_path(name: str) -> str:
    """Give a clip's name back if it is safe; some data sets sort their clips into folders."""
    for part in name.split("/") if isinstance(name, str) else [name]:
        check_name(part)
    return name


def read_split(text: str, *, where: Path) -> list[str]:
    """Give the names in a file of a split, as they are or as files (``a.npy``, ``./a``, ``new_joint_vecs/a.npy``).

    Raises
    ------
    CorpusError
        If some are not allowed; it counts them and shows the first.
    """
    names, faults = [], []
    for number, line in enumerate(text.split("\n"), 1):
        name = line.strip().removeprefix("./").removeprefix("new_joint_vecs/")
        name = name[:-4] if name[-4:].lower() == ".npy" else name
        try:
            names += [check_path(name)] if line.strip() else []
        except CorpusError as error:
            faults.append(f"line {number}: {error.problem}")
    if faults:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise CorpusError(
            f"{len(faults)} of the names in this list are not allowed.",
            where=where,
            expected="the name of a clip on each line",
            found="; ".join(faults[:3]) + more,
        )
    return names
