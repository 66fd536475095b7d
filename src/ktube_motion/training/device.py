"""What the device can do, and what training therefore uses."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch

__all__ = ["Capabilities", "capabilities"]


@dataclass(frozen=True)
class Capabilities:
    """What a device offers to training.

    Attributes
    ----------
    mixed_precision : str
        ``"bf16"`` where the hardware has it, else ``"no"``.
    compile : bool
        True where torch.compile's Triton code runs (compute capability 7.0).
    fused_adamw : bool
        True where the fused optimizer saves memory and time.
    """

    mixed_precision: str
    compile: bool
    fused_adamw: bool


def capabilities(device: torch.device | str, *, compute_capability: tuple[int, int] | None = None) -> Capabilities:
    """Tell what a device can do.

    Parameters
    ----------
    device : torch.device or str
    compute_capability : (int, int), optional
        Of a CUDA device; asked from the device when not given.

    Returns
    -------
    capabilities : Capabilities

    Examples
    --------
    A TITAN Xp (6.1) trains eagerly in fp32; an RTX 3090 (8.6) compiles and uses bf16.

    >>> capabilities("cuda", compute_capability=(6, 1))
    Capabilities(mixed_precision='no', compile=False, fused_adamw=True)
    >>> capabilities("cuda", compute_capability=(8, 6)).mixed_precision
    'bf16'
    """
    if torch.device(device).type != "cuda":
        return Capabilities(mixed_precision="no", compile=False, fused_adamw=False)
    version = compute_capability or torch.cuda.get_device_capability(device)
    return Capabilities(
        mixed_precision="bf16" if version >= (8, 0) else "no",
        compile=version >= (7, 0) and find_spec("triton") is not None,
        fused_adamw=True,
    )
