"""How large a model would be, told before any memory is taken: a config of three lines can ask for terabytes."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError

__all__ = ["check_size"]

_LARGEST = 1 << 20
_REPEATED = {"num_layers", "text_layers", "depth", "down_t", "num_quantizers"}
_COMPUTED = 1 << 26  # numbers that a model may have beside its weights, such as positions


def check_size(
    build: Callable[[], torch.nn.Module], config: Any, state: Mapping[str, torch.Tensor], *, where: str | Path
) -> None:
    """Raise `CheckpointError` if a config asks for a model far larger than its weights."""
    for entry in fields(config):
        value = getattr(config, entry.name)
        most = len(state) if entry.name in _REPEATED else _LARGEST
        if isinstance(value, int) and value > most:
            raise CheckpointError(
                "The config cannot be that of these weights.",
                where=where,
                expected=f"{entry.name} of at most {most}",
                found=value,
            )
    with torch.device("meta"):  # shapes without memory
        model = build()
    wanted = sum(tensor.numel() for tensor in chain(model.parameters(), model.buffers()))
    given = sum(tensor.numel() for tensor in state.values())
    if wanted > 2 * given + _COMPUTED:
        raise CheckpointError(
            "The config asks for a larger model than the weights are.",
            where=where,
            expected=f"{given:,} numbers",
            found=f"{wanted:,}",
        )
