"""How models are run: in evaluation mode, and on rows of different length without padding."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

__all__ = ["equal_lengths", "evaluating", "map_rows"]

Module = TypeVar("Module", bound=nn.Module)


@contextmanager
def evaluating(module: Module) -> Iterator[Module]:
    """Put `module` and all its parts into evaluation mode, and each back into its own after."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield module
    finally:
        for part in training:
            part.training = True


def equal_lengths(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Yield lists of places whose lengths are equal, at most `batch_size` of them.

    Examples
    --------
    >>> list(equal_lengths([3, 2, 3, 3], 2))
    [[0, 2], [3], [1]]
    """
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        groups.setdefault(int(length), []).append(place)
    for places in groups.values():
        for start in range(0, len(places), batch_size):
            yield places[start : start + batch_size]


def map_rows(
    run: Callable[[torch.Tensor], Iterable[Any]], rows: Sequence[torch.Tensor], *, batch_size: int
) -> list[Any]:
    """Call ``run(tensor of stacked rows)`` on rows of one length at a time; give the results row by row, in order.

    Examples
    --------
    >>> [row.tolist() for row in map_rows(lambda x: 2 * x, [torch.ones(2), torch.ones(1)], batch_size=8)]
    [[2.0, 2.0], [2.0]]
    """
    results: list[Any] = [None] * len(rows)
    for places in equal_lengths([len(row) for row in rows], batch_size):
        found = run(torch.stack([torch.as_tensor(rows[place]) for place in places]))
        for place, result in zip(places, found, strict=True):
            results[place] = result
    return results
