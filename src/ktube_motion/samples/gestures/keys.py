"""Key poses in time, and the movements that gestures are put together from."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .poses import Arm, reach

__all__ = ["OTHER", "Key", "both", "circle", "hold", "move", "nod", "swing", "turned"]

OTHER = {"left": "right", "right": "left"}


class Key(NamedTuple):
    """A pose of one part, reached `time` seconds after the stroke.

    `via` pulls the path aside; `through` passes the pose without stopping.
    """

    part: str
    time: float
    pose: Arm | tuple
    via: Arm | tuple | None = None
    through: bool = False


def turned(side: str) -> int:
    """Give the sign of angles towards `side`: 1 on the left, -1 on the right."""
    return 1 if side == "left" else -1


def move(part: str, *steps) -> list[Key]:
    """Take the poses of `steps`, each ``(time, pose)`` or ``(time, pose, via)``, one after the other."""
    return [Key(part, *step) for step in steps]


def both(*steps) -> list[Key]:
    """Take the poses of `steps` with both arms."""
    return move("left", *steps) + move("right", *steps)


def hold(part: str, pose, start: float, end: float) -> list[Key]:
    """Keep one pose."""
    return move(part, (start, pose), (end, pose))


def swing(part, base, towards, *, period, count, start=0.0):
    """Swing between `base` plus and minus `towards` (a change of the forearm), ending at `base`."""
    keys = []
    for beat in range(count):
        sign = 0 if beat == count - 1 else (-1) ** beat
        fore = tuple(np.array(base.fore) + sign * np.array(towards))
        keys.append(Key(part, start + beat * period, replace(base, fore=fore)))
    return keys


def nod(angle, *, count, period=0.24, start=0.0):
    """Nod with the head."""
    beats = range(2 * count)
    return [Key("head", start + beat * period, (angle if beat % 2 == 0 else -0.15 * angle, 0, 0)) for beat in beats]


def circle(part, centre, across, along, *, period, rounds, phase=0.0, **pose):
    """Lead the wrist round `centre`, from ``centre + across`` towards ``centre + along`` and on."""
    centre, across, along = (np.array(vector) for vector in (centre, across, along))
    steps, keys = 6 * rounds, []
    for step in range(steps + 1):
        angle = 2 * np.pi * (step / 6 + phase)
        arm = reach(tuple(centre + np.cos(angle) * across + np.sin(angle) * along), **pose)
        keys.append(Key(part, step * period / 6, arm, through=0 < step < steps))
    return keys
