"""The folder of an experiment: whose it is, and whether to go on in it."""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, FormatError
from ._files import read_json

__all__ = ["check_experiment"]


def check_experiment(
    record: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool,
    free: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
    label: Callable[[str], str] = str,
) -> bool:
    """Tell whether an experiment has begun, and raise where it must not be touched.

    Parameters
    ----------
    record : path
        JSON file in the experiment's folder that keeps its settings.
    settings : mapping
        Those wanted now, as JSON gives them back: lists, no tuples.
    resume : bool
        Whether one that has begun should go on.
    free : collection of str
        Settings that may change on the way.
    defaults : mapping, optional
        What settings were that the record does not name yet.
    label : callable, optional
        How a message calls a setting.

    Returns
    -------
    begun : bool
        False where there is no record.

    Raises
    ------
    ConfigError
        If the record says otherwise, or has begun and should not go on.
    FormatError
        If the record cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.io._files import write_json
    >>> record = Path(tempfile.mkdtemp()) / "config.json"
    >>> check_experiment(record, {"steps": 10, "rate": 0.1}, resume=False)
    False
    >>> write_json(record, {"steps": 10, "rate": 0.1})
    >>> check_experiment(record, {"steps": 20, "rate": 0.1}, resume=True, free=["steps"])
    True
    >>> check_experiment(record, {"steps": 10, "rate": 0.5}, resume=True)
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: ...: Another experiment is in this folder. Expected: rate 0.1. Found: rate 0.5. ...
    """
    record = Path(record)
    if not os.path.exists(record):
        return False
    written = read_json(record)
    if not isinstance(written, dict):
        raise FormatError("These are no settings of an experiment.", where=record, expected="an object")
    found = {**(defaults or {}), **written}
    names = sorted({*found, *settings} - set(free))
    changed = [name for name in names if found.get(name) != settings.get(name)]
    if changed:
        raise ConfigError(
            "Another experiment is in this folder.",
            where=record.parent,
            expected=", ".join(f"{label(name)} {found.get(name)}" for name in changed),
            found=", ".join(f"{label(name)} {settings.get(name)}" for name in changed),
            fix="Choose another folder; nothing was overwritten.",
        )
    if not resume:
        raise ConfigError(
            "This experiment has been started already.",
            where=record.parent,
            fix="Go on with resume=True (--resume); nothing was overwritten.",
        )
    return True
