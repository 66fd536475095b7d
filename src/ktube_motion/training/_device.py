"""What the device can do, and what training therefore uses."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

__all__ = ["Capabilities", "capabilities", "compile_obstacle", "free_memory", "tf32_matmul", "training_device"]

# What a container may use, where it is limited; the system's own figure is the whole machine's.
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Capabilities:
    """What a device offers to training.

    Attributes
    ----------
    mixed_precision : str
        ``"bf16"`` where the hardware has it, else ``"no"``.
    tf32 : bool
        True where fp32 products can be taken with TF32 (compute capability 8.0).
    compile : bool
        True where torch.compile works, see `compile_obstacle`.
    fused_adamw : bool
        True where the fused optimizer saves memory and time.
    """

    mixed_precision: str
    tf32: bool
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
    A TITAN Xp (6.1) trains eagerly in fp32; an RTX 3090 (8.6) has bf16 and TF32.

    >>> capabilities("cuda", compute_capability=(6, 1))
    Capabilities(mixed_precision='no', tf32=False, compile=False, fused_adamw=True)
    >>> capabilities("cuda", compute_capability=(8, 6)).mixed_precision
    'bf16'
    """
    can_compile = compile_obstacle(device, compute_capability=compute_capability) is None
    kind = torch.device(device).type
    if kind != "cuda":
        return Capabilities(mixed_precision="no", tf32=False, compile=can_compile, fused_adamw=kind == "cpu")
    ampere = (compute_capability or torch.cuda.get_device_capability(device)) >= (8, 0)
    return Capabilities(mixed_precision="bf16" if ampere else "no", tf32=ampere, compile=can_compile, fused_adamw=True)


def compile_obstacle(device: torch.device | str, *, compute_capability: tuple[int, int] | None = None) -> str | None:
    """Tell what keeps torch.compile from working on a device; None if nothing does.

    Examples
    --------
    >>> compile_obstacle("cuda", compute_capability=(6, 1))
    'Triton needs compute capability 7.0, the card has 6.1'
    """
    names, chosen = ["g++", "clang++"], os.environ.get("CXX")
    if torch.device(device).type == "cuda":
        version = compute_capability or torch.cuda.get_device_capability(device)
        if version < (7, 0):
            return f"Triton needs compute capability 7.0, the card has {version[0]}.{version[1]}"
        if find_spec("triton") is None:
            return "the package triton is not installed"
        names, chosen = ["gcc", "clang", "cc"], os.environ.get("CC")
    if any(shutil.which(name) for name in [chosen or names[0], *names]):
        return None
    return f"no compiler found: {', '.join(names)}"


def training_device() -> torch.device:
    """Give the device that this process trains on: its GPU, or the CPU where there is none."""
    told_not_to = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")  # accelerate launch --cpu
    if told_not_to or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def free_memory(device: torch.device) -> int:
    """Give the bytes that a device has free, for a container no more than it may use."""
    import psutil

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    limit = _CONTAINER_LIMIT.read_text().strip() if _CONTAINER_LIMIT.exists() else "max"
    return free if limit == "max" else min(free, int(limit))


@contextmanager
def tf32_matmul(use: bool) -> Iterator[None]:
    """Take fp32 matrix products with TF32 inside, if `use`."""
    before = torch.get_float32_matmul_precision()
    if use:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
