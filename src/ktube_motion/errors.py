"""Every error of the library: what was expected, what was found, what to do.

All errors derive from `KtubeError`, so ``except KtubeError`` is enough for a
caller who wants to skip a bad file and go on. Each child also derives from
the built-in error a Python reader would expect.
"""

from os import PathLike
from typing import Any

__all__ = [
    "CheckpointError",
    "ConfigError",
    "CorpusError",
    "DataError",
    "FormatError",
    "KtubeError",
    "MissingDependencyError",
    "ShapeError",
    "WriteError",
]


class KtubeError(Exception):
    """Base of all errors raised on purpose by this library.

    Parameters
    ----------
    problem : str
        What went wrong, in one sentence.
    where : str or path, optional
        File and place (frame, line, key) of the problem.
    expected, found : optional
        What the library needed and what it met.
    fix : str, optional
        What the user can do about it.

    Examples
    --------
    >>> print(KtubeError("Too short.", where="a.json", expected="2 frames", found=1, fix="Skip it."))
    a.json: Too short. Expected: 2 frames. Found: 1. Skip it.
    """

    problem: str
    where: str | PathLike[str] | None
    expected: object
    found: object
    fix: str | None

    def __init__(
        self,
        problem: str,
        *,
        where: str | PathLike[str] | None = None,
        expected: object = None,
        found: object = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.where = problem, where
        self.expected, self.found, self.fix = expected, found, fix
        parts = [problem if where is None else f"{where}: {problem}"]
        if expected is not None:
            parts.append(f"Expected: {expected}.")
        if found is not None:
            parts.append(f"Found: {found}.")
        if fix is not None:
            parts.append(fix)
        super().__init__(" ".join(parts))

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments would be lost on the way back from a worker process.
        return _rebuild, (type(self), self.problem, self.where, self.expected, self.found, self.fix)


def _rebuild(
    kind: type["KtubeError"],
    problem: str,
    where: str | PathLike[str] | None,
    expected: object,
    found: object,
    fix: str | None,
) -> "KtubeError":
    return kind(problem, where=where, expected=expected, found=found, fix=fix)


class FormatError(KtubeError, ValueError):
    """A file is not in the format it should be in, or is damaged.

    Examples
    --------
    >>> raise FormatError("This is no pose file.", where="a.json")
    Traceback (most recent call last):
    ktube_motion.errors.FormatError: a.json: This is no pose file.
    """


class ShapeError(KtubeError, ValueError):
    """An array has the wrong shape or too few frames.

    Examples
    --------
    >>> raise ShapeError("The clip is too short.", expected="2 frames or more", found=1)
    Traceback (most recent call last):
    ktube_motion.errors.ShapeError: The clip is too short. Expected: 2 frames or more. Found: 1.
    """


class DataError(KtubeError, ValueError):
    """The shape is right, the numbers are not: NaN, infinity, out of range.

    Examples
    --------
    >>> raise DataError("The motion has NaN in it.")
    Traceback (most recent call last):
    ktube_motion.errors.DataError: The motion has NaN in it.
    """


class ConfigError(KtubeError, ValueError):
    """Options that cannot work, alone or together.

    Examples
    --------
    >>> raise ConfigError("fps must be a positive number.", found=0)
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: fps must be a positive number. Found: 0.
    """


class CorpusError(KtubeError, ValueError):
    """A KTubeUM folder is incomplete, or a name in it is not allowed.

    Examples
    --------
    >>> raise CorpusError("The corpus has no split 'val'.")
    Traceback (most recent call last):
    ktube_motion.errors.CorpusError: The corpus has no split 'val'.
    """


class CheckpointError(KtubeError, ValueError):
    """A checkpoint is of another kind, size, data set or text encoder.

    Examples
    --------
    >>> raise CheckpointError("The weights are damaged.")
    Traceback (most recent call last):
    ktube_motion.errors.CheckpointError: The weights are damaged.
    """


class MissingDependencyError(KtubeError, ImportError):
    """An optional dependency is not installed; the message gives the pip line.

    Examples
    --------
    >>> raise MissingDependencyError("Videos need ffmpeg.", fix="pip install 'ktube_motion[render]'")
    Traceback (most recent call last):
    ktube_motion.errors.MissingDependencyError: Videos need ffmpeg. pip install 'ktube_motion[render]'
    """


class WriteError(KtubeError, OSError):
    """A file cannot be written: the disk is full, the folder read-only, the name too long.

    Examples
    --------
    >>> raise WriteError("The disk is full.")
    Traceback (most recent call last):
    ktube_motion.errors.WriteError: The disk is full.
    """
