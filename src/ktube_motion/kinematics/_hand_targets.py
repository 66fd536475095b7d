"""Hands that are somewhere at some moment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from ..errors import ConfigError, DataError
from ._figure import ARMS, HUMANS, Figure

__all__ = ["HandTarget", "reach_targets"]


@dataclass(frozen=True)
class HandTarget:
    """Where a hand shall be, and when.

    Attributes
    ----------
    hand : {"left", "right"}
    position : float array-like [shape=(3,)]
        Where the wrist goes, in metres, in the coordinates of the finished clip: y up from the ground. What is
        out of reach is pointed at with a straight arm.
    seconds : float
        When it is there.
    hold : float
        Seconds that it stays.
    ease : float
        Seconds of the way there, and of the way back to the motion.

    Examples
    --------
    >>> HandTarget("right", (-0.3, 1.2, 0.4), seconds=1.5).hold
    0.3
    """

    hand: Literal["left", "right"]
    position: tuple[float, float, float]
    seconds: float
    hold: float = 0.3
    ease: float = 0.5

    def __post_init__(self) -> None:
        if self.hand not in ("left", "right"):
            raise ConfigError("A hand target needs a hand.", expected="left or right", found=repr(self.hand))
        place = np.asarray(self.position, np.float64)
        if place.shape != (3,) or not np.isfinite(place).all():
            raise DataError("A hand target needs a place.", expected="three numbers", found=repr(self.position))
        times = (self.seconds, self.hold, self.ease)
        if not all(math.isfinite(value) and value >= 0 for value in times):
            raise DataError("The times of a hand target cannot be.", expected="seconds, none negative", found=times)

    def share(self, frames: int, fps: float) -> np.ndarray:
        """How much the target rules each frame, ``(T,)`` from 0 to 1."""
        away = np.maximum(np.abs(np.arange(frames) / fps - self.seconds - self.hold / 2) - self.hold / 2, 0)
        t = 1 - np.clip(away / max(self.ease, 1e-9), 0, 1)
        return t**3 * (10 - 15 * t + 6 * t**2)


def reach_targets(figure: Figure, targets: Sequence[HandTarget], *, fps: float) -> tuple[Figure, tuple[float, ...]]:
    """Bend the arms to each target in turn; give how far each hand is from its target at its moment, in metres."""
    frames = len(figure.root)
    if targets and figure.skeleton not in HUMANS:
        raise ConfigError("Hand targets need arms.", expected="a skeleton of SMPL", found=figure.skeleton.name)
    for target in targets:
        if target.seconds > (frames - 1) / fps + 1e-6:
            raise ConfigError(
                "A hand target is after the end.", expected=f"up to {(frames - 1) / fps:g} s", found=target.seconds
            )
        limb = ARMS[target.hand == "right"]
        points = figure.joints()
        upper, middle, end = (points[:, joint] for joint in limb)
        share = torch.from_numpy(target.share(frames, fps))[:, None]
        goal = end + share * (torch.tensor(target.position, dtype=end.dtype) - end)
        bent = figure.reaching(limb, goal, pole=_elbow_pole(upper, middle, end))
        figure = replace(figure, local=torch.where((share > 0)[..., None, None], bent.local, figure.local))
    wrists = figure.joints()
    errors = []
    for target in targets:
        way = wrists[:, ARMS[target.hand == "right"][2]] - torch.tensor(target.position, dtype=torch.float64)
        errors.append(float(way.norm(dim=-1)[round(target.seconds * fps)]))
    return figure, tuple(errors)


def _elbow_pole(upper: torch.Tensor, middle: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Where the elbow bends to: as it did, and down where the arm was straight."""
    return middle - (upper + end) / 2 + torch.tensor([0.0, -0.03, 0.0], dtype=middle.dtype)
