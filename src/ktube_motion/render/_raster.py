"""Who draws a body: OpenGL through a card or in software, and ray casting where there is no OpenGL."""

import ctypes.util
import logging
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ConfigError, MissingDependencyError
from ._figure import Figure
from ._rays import RayStage
from ._scene import Camera
from ._stage import ADVICE, Stage

__all__ = ["Renderer", "make_renderer"]

logger = logging.getLogger(__name__)


class Renderer(Protocol):
    """Draws a body above a floor, from one camera."""

    def draw(
        self,
        figure: Figure,
        moves: np.ndarray,
        camera: Camera,
        target: np.ndarray,
        floor: float,
        points: np.ndarray | None = None,
    ) -> np.ndarray:
        """Give the picture, uint8 ``(height, width, 3)``; see `Stage.draw`."""
        ...

    def close(self) -> None:
        """Give back what the renderer holds."""


def make_renderer(kind: str, *, size: tuple[int, int]) -> Renderer:
    """Give the renderer `kind` asks for.

    Parameters
    ----------
    kind : {"auto", "osmesa", "egl", "rays"}
        ``auto`` takes EGL where there is a graphics card, else OSMesa, else
        EGL in software, else ray casting.
    size : tuple of int
        Width and height.

    Returns
    -------
    renderer : Renderer

    Raises
    ------
    ConfigError
        If `kind` is unknown.
    MissingDependencyError
        If what was asked for is not installed.
    """
    if kind not in ("auto", "osmesa", "egl", "rays"):
        raise ConfigError("Unknown renderer.", expected="auto, osmesa, egl or rays", found=repr(kind))
    if kind == "rays":
        return RayStage(size)
    platform = _platform(kind)
    if platform is None:
        if kind != "auto":
            raise MissingDependencyError(f"There is no {kind} library on this machine.", fix=ADVICE)
        _tell_faster()
        return RayStage(size)
    try:
        return Stage(size, platform)
    except MissingDependencyError as error:
        if kind != "auto":
            raise
        warnings.warn(f"{error} Ray casting is used instead.", stacklevel=3)
        return RayStage(size)


@cache  # once is enough
def _tell_faster() -> None:
    logger.warning(
        "No OpenGL is here: bodies are drawn by ray casting, which takes longer. "
        "apt-get install libosmesa6 libgl1 libxrender1 makes it faster."
    )


def _platform(kind: str) -> str | None:
    """Choose how OpenGL draws without a screen; None where no library is there."""
    chosen = os.environ.get("PYOPENGL_PLATFORM")
    if chosen and (kind == "auto" or "OpenGL" in sys.modules):
        return chosen  # the user's choice, or too late to change
    libraries = {"egl": ctypes.util.find_library("EGL"), "osmesa": ctypes.util.find_library("OSMesa")}
    if kind != "auto":
        return kind if libraries[kind] else None
    card = any(Path(device).exists() for device in ("/dev/dri", "/dev/nvidia0"))
    order = ("egl", "osmesa") if card else ("osmesa", "egl")
    return next((name for name in order if libraries[name]), None)
