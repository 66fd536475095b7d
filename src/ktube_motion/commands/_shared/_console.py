"""All that the commands print goes through here."""

import sys
from collections.abc import Iterable

__all__ = ["complain", "say", "table"]


def say(text: object = "") -> None:
    """Print a text, at once."""
    print(text, flush=True)


def complain(text: object) -> None:
    """Print a text where errors go."""
    print(text, file=sys.stderr, flush=True)


def table(rows: Iterable[Iterable[object]]) -> str:
    """Lay rows of equal length out in columns.

    Examples
    --------
    >>> print(table([("flag", "used"), ("--lr", 0.1)]))
    flag  used
    --lr  0.1
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)
