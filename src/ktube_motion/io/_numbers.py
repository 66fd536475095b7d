"""Numbers as files write them: as text, as fractions, as arrays of one."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError

__all__ = ["read_number"]

_LARGEST_WHOLE = 2**53  # the last whole number that all doubles around it tell apart


def read_number(value: Any, *, name: str, where: str | Path, whole: bool = False) -> float:
    """Read a number that may be written as text or as a fraction (30000/1001); `FormatError` if it is none."""
    if whole and type(value) is int and -_LARGEST_WHOLE <= value <= _LARGEST_WHOLE:
        return value
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    text = value.strip() if isinstance(value, str) else value
    try:
        number = float("nan") if isinstance(text, bool) else _ratio(text)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        number = float("nan")
    if not np.isfinite(number) or (whole and (number != int(number) or abs(number) > _LARGEST_WHOLE)):
        wanted = "a whole number" if whole else "a number"
        raise FormatError(f"{name} is not {wanted}.", where=where, expected=wanted, found=repr(value)[:60])
    return int(number) if whole else number


def _ratio(text: str) -> float:
    if isinstance(text, str) and text.count("/") == 1:
        above, below = text.split("/")
        return float(above) / float(below)
    return float(text)
