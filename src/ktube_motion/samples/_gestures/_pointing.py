"""What one points out: people, places, ways and times."""

from collections.abc import Callable

import numpy as np

from ._keys import Key, both, circle, hold, move, nod, turned
from ._poses import Arm, reach

__all__ = ["PLAYS"]

_FRONT = Arm((0.55, -0.45, 0.6), (0.35, 0.35, 0.9), (-0.6, 0, 0.4))  # on the way to a raised arm


def _here(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    high = Arm((0.22, -0.90, 0.30), (-0.15, 0.10, 0.95), (-0.4, -1, 0), "point")
    low = Arm((0.18, -0.92, 0.36), (-0.15, -0.62, 0.75), (-0.4, -1, 0), "point")
    keys = both((-0.22, high), (0.0, low), (0.25, high), (0.48, low), (1.0, low))
    return [*keys, *hold("head", (0.28, 0, 0), 0.0, 0.9)]


def _there(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    arm = Arm((0.30, -0.05, 0.95), (0.18, 0.12, 1.0), (-0.5, -1, 0), "point")
    bent = Arm((0.35, -0.75, 0.45), (-0.05, 0.55, 0.80), (-0.6, -0.6, 0.3), "point")
    return [*move(side, (0.0, arm, bent), (1.1, arm)), *hold("head", (-0.06, 0.18 * turned(side), 0), 0.0, 1.1)]


def _aside(part: str) -> Callable[[str, float, float, np.random.Generator], list[Key]]:
    turn = turned(part)

    def play(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
        bent = Arm((0.55, -0.75, 0.40), (0.10, 0.55, 0.80), (-0.4, -0.3, 0.8), "point")
        arm = Arm((0.95, -0.18, 0.28), (1.0, 0.06, 0.34), (-0.15, -0.5, 0.8), "point")
        keys = move(part, (0.0, arm, bent), (1.2, arm))
        return [*keys, *hold("head", (0, 0.55 * turn, 0), 0.05, 1.1), *hold("torso", (0, 0.16 * turn, 0), 0.05, 1.1)]

    return play


def _up(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    arm = Arm((0.42, 0.85, 0.40), (0.10, 1, 0.12), (-0.4, 0, 1), "point")
    low = Arm((0.42, 0.78, 0.44), (0.12, 1, 0.3), arm.palm, "point")
    keys = move(side, (0.0, arm, _FRONT), (0.28, low), (0.55, arm), (1.0, arm))
    return [*keys, *hold("head", (-0.42, 0, 0), 0.0, 0.95)]


def _down(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    high = Arm((0.40, -0.80, 0.35), (0.05, 0.40, 0.90), (0, -1, 0.1), "open", -0.2)
    low = Arm((0.38, -0.88, 0.30), (0.22, -0.80, 0.48), (0, -0.5, -0.6), "open", -0.9)
    keys = move(side, (-0.25, high), (0.1, low), (0.9, low))
    return [*keys, *hold("head", (0.38, 0, 0), 0.1, 0.9), *hold("torso", (0.14, 0, 0), 0.1, 0.9)]


def _me(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    off = reach((0.10, -0.10, 0.27), (0, 0, -1), "open", elbow=(1, -1, 0), fingers=(-1, 0.25, 0))
    on = reach((0.08, -0.10, 0.16), (0, 0, -1), "open", elbow=(1, -1, 0), fingers=(-1, 0.25, 0), touches=True)
    return [*move(side, (-0.22, off), (0.0, on), (0.22, off), (0.42, on), (0.85, on)), *nod(0.16, count=1)]


def _you(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    near = reach((0.16, -0.30, 0.22), (0, 1, 0), "open", fingers=(0, 0, 1))
    out = reach((0.14, -0.19, 0.42), (-0.1, 1, 0.1), "open", fingers=(0, 0, 1))
    lower = reach((0.14, -0.24, 0.38), (-0.1, 1, 0.1), "open", fingers=(0, 0, 1))
    keys = move(side, (-0.28, near), (0.0, out), (0.25, lower), (0.5, out), (0.85, out))
    return [*keys, *hold("torso", (0.08, 0, 0), 0.0, 0.8)]


def _we(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    ahead = reach((0.16, -0.18, 0.44), (-1, 0, -0.2), "open")
    wide = reach((0.46, -0.14, 0.24), (-0.8, 0, 0.4), "open")
    home = reach((0.10, -0.15, 0.18), (-0.2, 0, -1), "open", elbow=(1, -0.6, 0), fingers=(-1, 0.2, 0.2), touches=True)
    return [*both((-0.42, wide), (0.0, home, ahead), (0.75, home)), *hold("head", (0.10, 0, 0), 0.0, 0.7)]


def _go(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    near = reach((-0.02, -0.16, 0.24), (0, -0.2, -1), elbow=(1, -0.7, 0), fingers=(-1, -0.3, 0.3))
    away = reach((0.46, -0.08, 0.36), (-0.1, -0.9, -0.3), "open", fingers=(0.8, 0.1, 0.7))
    turn = turned(side)
    keys = move(side, (-0.28, near), (0.0, away), (0.30, near), (0.56, away), (0.9, away))
    return [*keys, *hold("head", (0, 0.22 * turn, 0), 0.0, 0.85)]


def _turn(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    radius = 0.11 * size
    return circle(
        side, (0.22, 0.12, 0.32), (radius, 0, 0), (0, 0, radius), period=0.55, rounds=2,
        palm=(-0.4, 0, 1), hand="point", fingers=(0, 1, 0.1),
    )  # fmt: skip


def _past(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    ahead = reach((0.29, 0.10, 0.20), (-0.3, 0.3, -1), "open", elbow=(0.8, -0.4, 0.4))
    behind = reach((0.30, 0.18, 0.0), (-0.2, 0.4, -1), "open", elbow=(0.8, -0.1, 0.8))
    turn = turned(side)
    keys = move(side, (-0.30, ahead), (0.0, behind), (0.30, ahead), (0.58, behind), (0.9, behind))
    return [*keys, *hold("head", (-0.06, 0.28 * turn, 0), 0.0, 0.8), *hold("torso", (-0.05, 0.12 * turn, 0), 0.0, 0.8)]


def _future(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    points = [(-0.30, (0.30, 0.06, 0.12)), (-0.12, (0.28, 0.22, 0.24)), (0.0, (0.27, 0.08, 0.34))]
    points += [(0.22, (0.25, 0.28, 0.38)), (0.45, (0.22, 0.12, 0.47)), (0.85, (0.22, 0.12, 0.47))]
    keys = move(side, *((time, reach(wrist, (0, -0.6, 0.6), "open", bend=0.25)) for time, wrist in points))
    return [*keys, *hold("head", (-0.12, 0, 0), 0.0, 0.8)]


def _list(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    keys = []
    for number, height in enumerate((0.16, -0.04, -0.24)):
        back = reach((0.20, height + 0.06, 0.27), (0, -1, 0), "open", fingers=(-0.4, 0, 1))
        tap = reach((0.20, height, 0.40), (0, -1, 0), "open", fingers=(-0.4, 0, 1))
        keys += move(side, (0.42 * number - 0.18, back), (0.42 * number, tap))
    nods = [(0.42 * number, (0.12 * number, 0, 0)) for number in range(3)]
    return [*keys, *move(side, (1.05, tap)), *move("head", *nods)]


def _contrast(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    up = reach((0.26, -0.04, 0.33), (0.1, 1, 0), "open", fingers=(0.3, 0.1, 1))
    down = reach((0.28, -0.30, 0.27), (0.1, 1, 0), "open", fingers=(0.3, 0, 1))
    swaps, tilt, keys = np.arange(4), 0.12 * turned(side), []
    keys += move(side, *((0.38 * swap, down if swap % 2 else up) for swap in swaps))
    keys += move("right" if side == "left" else "left", *((0.38 * swap, up if swap % 2 else down) for swap in swaps))
    return [*keys, *move("head", *((0.38 * swap, (0, 0, tilt * (-1) ** swap)) for swap in swaps))]


PLAYS = {
    "here": ("points at the place before him, with both hands", _here),
    "there": ("points far ahead", _there),
    "left": ("points to his left and looks there", _aside("left")),
    "right": ("points to his right and looks there", _aside("right")),
    "up": ("points up and looks there", _up),
    "down": ("presses a hand down and looks there", _down),
    "me": ("lays a hand on his chest", _me),
    "you": ("offers an open palm to the listener", _you),
    "we": ("gathers both arms towards the chest", _we),
    "go": ("sweeps a hand away from the body", _go),
    "turn": ("draws circles with a finger", _turn),
    "past": ("throws a hand back over the shoulder", _past),
    "future": ("hops forward with a hand, away from the face", _future),
    "list": ("lays one thing under the other with a flat hand", _list),
    "contrast": ("weighs one palm against the other", _contrast),
}
