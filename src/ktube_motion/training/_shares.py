"""Several processes that share one model's weights (FSDP), and what happens when one of them ends."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import KtubeError

if TYPE_CHECKING:
    from torch.distributed.checkpoint.state_dict import StateDictOptions

__all__ = ["Shares", "told_of_lost_processes"]


class Shares:
    """A model whose weights, gradients and optimizer states are cut into one share for each process.

    Built on PyTorch's ``fully_shard``, which also works on CPUs, where Accelerate's does not. A checkpoint holds
    everything whole, so it goes on with any number of processes, sharing or not.

    Parameters
    ----------
    model : nn.Module
        Is changed: its parameters become shares.
    device : torch.device
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self.plain = copy.deepcopy(model)  # on the CPU; it gets the weights when they are wanted whole
        self.model = model.to(device)
        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        every = [block for part in model.modules() if isinstance(part, nn.ModuleList) for block in part]
        # What only holds others is never called, and so would never be made whole.
        blocks = [block for block in every if type(block).forward is not nn.Module.forward]
        inner = {id(part) for block in blocks for part in block.modules() if part is not block}
        # Block by block, so that only one of them is whole at a time.
        for block in blocks:
            if id(block) not in inner and any(True for _ in block.parameters()):
                fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)

    def state(self, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the states of model and optimizer, whole, as those of a plain model; all processes call this."""
        from torch.distributed.checkpoint.state_dict import get_model_state_dict, get_optimizer_state_dict

        options = _whole()
        named: dict[str, Any] = dict(get_optimizer_state_dict(self.model, optimizer, options=options))
        places = {name: place for place, (name, _) in enumerate(self.model.named_parameters())}
        groups = [{**group, "params": [places[name] for name in group["params"]]} for group in named["param_groups"]]
        state = {places[name]: value for name, value in named["state"].items()}
        return get_model_state_dict(self.model, options=options), {"state": state, "param_groups": groups}

    def sum_gradients(self, wanted: bool) -> None:
        """Say whether the next backward pass sums the gradients of all processes."""
        self._sharded().set_requires_gradient_sync(wanted)

    def clip(self, most: float) -> float:
        """Clip the gradients, and give the norm that all of them together had; all processes call this."""
        norm: Any = nn.utils.clip_grad_norm_(self.model.parameters(), most)
        return float(norm.full_tensor())

    def _sharded(self) -> Any:
        return self.model  # what `fully_shard` has given more methods

    def load(self, optimizer: torch.optim.Optimizer, model: dict[str, Any], state: dict[str, Any]) -> None:
        """Take the states of a plain model and its optimizer; all processes call this."""
        from torch.distributed.checkpoint.state_dict import set_model_state_dict, set_optimizer_state_dict

        names = [name for name, _ in self.model.named_parameters()]
        groups = [{**group, "params": [names[place] for place in group["params"]]} for group in state["param_groups"]]
        named: Any = {"state": {names[place]: value for place, value in state["state"].items()}, "param_groups": groups}
        set_model_state_dict(self.model, model, options=_whole())
        set_optimizer_state_dict(self.model, optimizer, named, options=_whole())

    def whole(self) -> nn.Module:
        """Give the plain model with the weights as they are now; all processes call this."""
        from torch.distributed.checkpoint.state_dict import get_model_state_dict

        self.plain.load_state_dict(get_model_state_dict(self.model, options=_whole()))
        return self.plain


def _whole() -> "StateDictOptions":
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(full_state_dict=True)


@contextmanager
def told_of_lost_processes(processes: int, output: Path) -> Iterator[None]:
    """Say in one sentence that another process has ended, where this one waited for it."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) if torch.distributed.is_available() else False
        if processes < 2 or not (lost or any(word in str(error) for word in _LOST)):
            raise
        raise KtubeError(
            "Another process of this training has ended, so this one stops.",
            where=output,
            found=str(error).split("\n")[0][:200],
            fix="Look at what the other one said; resume=True (--resume) goes on from the last checkpoint, with any "
            "number of processes that divides the batch.",
        ) from error


# What gloo and NCCL say of a peer that is gone, or does not answer until the time is out.
_LOST = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "Timed out waiting", "Broken pipe")
