"""Engines: what looks at one picture and gives people, bodies and hands; a registry of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ConfigError
from ._regions import Region

__all__ = ["ENGINES", "WRISTS", "Engine", "SeenBody", "SeenHand", "hand_place", "load_engine", "register_engine"]

WRISTS, _PINKY, _INDEX = (15, 16), (17, 18), (19, 20)


@dataclass(frozen=True, eq=False)
class SeenBody:
    """A body in one picture.

    Attributes
    ----------
    pixels : array [shape=(33, 2)]
        MediaPipe's pose landmarks in the picture.
    world : array [shape=(33, 3)]
        The same in metres from the middle of the hips, in the camera's axes: x right, y down, z away.
    visibility : array [shape=(33,)]
        0 to 1.
    confidence : float
        That there is a person, 0 to 1.
    region : Region
        Where to look for it in the next picture.
    """

    pixels: np.ndarray
    world: np.ndarray
    visibility: np.ndarray
    confidence: float
    region: Region


@dataclass(frozen=True, eq=False)
class SeenHand:
    """A hand in one picture: `pixels` ``(21, 2)``, `world` ``(21, 3)`` and the rest as in `SeenBody`.

    `right` says how surely it is a right hand, 0 to 1.
    """

    pixels: np.ndarray
    world: np.ndarray
    confidence: float
    right: float
    region: Region


class Engine(Protocol):
    """What an estimator must do; pictures are uint8 ``(height, width, 3)``, red green blue."""

    def detect(self, picture: np.ndarray, region: Region) -> list[tuple[float, Region]]:
        """Find people in a part of a picture: score and region of each, best first."""
        ...

    def body(self, picture: np.ndarray, region: Region) -> SeenBody | None:
        """Look at a person; None where there is none."""
        ...

    def hand(self, picture: np.ndarray, body: SeenBody, *, left: bool, before: SeenHand | None) -> SeenHand | None:
        """Look at a hand of a body, which was `before` in the last picture; None where it is not seen."""
        ...

    def describe(self) -> dict[str, object]:
        """Say what the manifest shall hold: name, versions, checksums."""
        ...


def hand_place(picture: np.ndarray, body: SeenBody, *, left: bool) -> Region | None:
    """Say where a body's landmarks have its hand, fingers up; None where the picture does not show its wrist."""
    side = 0 if left else 1
    wrist, pinky, index = (body.pixels[pair[side]] for pair in (WRISTS, _PINKY, _INDEX))
    height, width = picture.shape[:2]
    if body.visibility[WRISTS[side]] < 0.1 or not (0 <= wrist[0] < width and 0 <= wrist[1] < height):
        return None
    middle = (2 * index + pinky) / 3
    rough = Region.between(wrist, middle)
    return Region(float(middle[0]), float(middle[1]), rough.size, rough.angle).grown(2.7, up=0.1)


ENGINES: dict[str, Callable[[str | Path | None], Engine]] = {}


def register_engine(name: str, make: Callable[[str | Path | None], Engine]) -> None:
    """Add an engine under a name.

    Parameters
    ----------
    name : str
    make : callable
        Gets the path of the networks, or None, and gives an `Engine`. Worker
        processes call it too, so it must be a function of a module.

    Raises
    ------
    ConfigError
        If the name is taken.

    Examples
    --------
    >>> register_engine("litert", lambda models: None)
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: There is an engine of this name. Found: litert.
    """
    if name in ENGINES:
        raise ConfigError("There is an engine of this name.", found=name)
    ENGINES[name] = make


def load_engine(name: str = "litert", models: str | Path | None = None) -> Engine:
    """Load an engine by its name.

    Parameters
    ----------
    name : str
        ``litert``, ``tasks``, or one of `register_engine`.
    models : path, optional
        The networks, see `find_models`; for ``tasks`` the folder of the landmarkers' files.

    Raises
    ------
    ConfigError
        If there is no such engine.
    MissingDependencyError
        If it or its networks are not installed.

    Examples
    --------
    >>> load_engine("crystal ball")
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: There is no such engine. Expected: one of litert, tasks. Found: 'crystal ball'.
    """
    if name not in ENGINES:
        raise ConfigError("There is no such engine.", expected=f"one of {', '.join(ENGINES)}", found=repr(name))
    return ENGINES[name](models)
