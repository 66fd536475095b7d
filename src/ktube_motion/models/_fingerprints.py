"""Short hashes that tell models apart, so that parts trained for each other are not mixed up."""

import hashlib
from collections.abc import Collection, Mapping

import torch

__all__ = ["fingerprint", "hash_weights"]


def hash_weights(state: Mapping[str, torch.Tensor], *, skip: Collection[str] = (), start: str = "") -> str:
    """Give a short hash of named tensors: 16 hexadecimal digits.

    Parameters
    ----------
    state : mapping of str to tensor
        Of any device and dtype; the order of the names does not matter.
    skip : collection of str
        Names that say nothing about what the model does.
    start : str
        What else tells models apart, such as a config.

    Examples
    --------
    >>> a, b = torch.zeros(2), torch.ones(2)
    >>> hash_weights({"a": a, "b": b}) == hash_weights({"b": b, "a": a}) != hash_weights({"a": b, "b": a})
    True
    """
    digest = hashlib.sha256(start.encode())
    for name, tensor in sorted(state.items()):
        if name not in skip:
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def fingerprint(model: object) -> str:
    """Give a model's own ``fingerprint``, or a hash of its weights; empty for what has neither.

    Examples
    --------
    >>> fingerprint(torch.nn.Linear(2, 1)) != fingerprint(torch.nn.Linear(2, 1)), fingerprint(None)
    (True, '')
    """
    if hasattr(model, "fingerprint"):
        return str(model.fingerprint)
    return hash_weights(model.state_dict()) if isinstance(model, torch.nn.Module) else ""
