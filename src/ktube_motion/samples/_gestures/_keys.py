"""Key poses in time, and the movements that gestures are put together from."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ._poses import Arm, Pose, Vector, reach

__all__ = ["OTHER", "Key", "both", "circle", "hold", "move", "nod", "swing", "turned"]

OTHER = {"left": "right", "right": "left"}


class Key(NamedTuple):
    """A pose of one part, reached `time` seconds after the stroke.

    `via` pulls the path aside; `through` passes the pose without stopping.
    """

    part: str
    time: float
    pose: Pose
    via: Pose | None = None
    through: bool = False


def turned(side: str) -> int:
    """Give the sign of angles towards `side`: 1 on the left, -1 on the right."""
    return 1 if side == "left" else -1


def move(part: str, *steps: tuple[Any, ...]) -> list[Key]:
    """Take the poses of `steps`, each ``(time, pose)`` or ``(time, pose, via)``, one after the other."""
    return [Key(part, *step) for step in steps]


def both(*steps: tuple[Any, ...]) -> list[Key]:
    """Take the poses of `steps` with both arms."""
    return move("left", *steps) + move("right", *steps)


def hold(part: str, pose: Pose, start: float, end: float) -> list[Key]:
    """Keep one pose."""
    return move(part, (start, pose), (end, pose))


def swing(part: str, base: Arm, towards: Vector, *, period: float, count: int, start: float = 0.0) -> list[Key]:
    """Swing between `base` plus and minus `towards` (a change of the forearm), ending at `base`."""
    keys = []
    for beat in range(count):
        sign = 0 if beat == count - 1 else (-1) ** beat
        fore = tuple(np.array(base.fore) + sign * np.array(towards))
        keys.append(Key(part, start + beat * period, replace(base, fore=fore)))
    return keys


def nod(angle: float, *, count: int, period: float = 0.24, start: float = 0.0) -> list[Key]:
    """Nod with the head."""
    beats = range(2 * count)
    return [Key("head", start + beat * period, (angle if beat % 2 == 0 else -0.15 * angle, 0, 0)) for beat in beats]


def circle(
    part: str,
    centre: Vector,
    across: Vector,
    along: Vector,
    *,
    period: float,
    rounds: int,
    phase: float = 0.0,
    **pose: Any,
) -> list[Key]:
    """Lead the wrist round `centre`, from ``centre + across`` towards ``centre + along`` and on."""
    middle, first, second = (np.array(vector) for vector in (centre, across, along))
    steps, keys = 6 * rounds, []
    for step in range(steps + 1):
        angle = 2 * np.pi * (step / 6 + phase)
        arm = reach(tuple(middle + np.cos(angle) * first + np.sin(angle) * second), **pose)
        keys.append(Key(part, step * period / 6, arm, through=0 < step < steps))
    return keys
