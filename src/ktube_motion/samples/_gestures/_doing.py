"""What one does with one's hands, and what one's senses do."""

import numpy as np

from ._keys import OTHER, Key, both, hold, move, swing, turned
from ._poses import reach

__all__ = ["PLAYS"]

_BOARD = reach((0.04, -0.27, 0.29), (-0.1, 1, 0), "open", elbow=(1, -1, 0), fingers=(-0.8, 0, 0.6), touches=True)


def _open(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    shut = reach((0.05, 0.10, 0.32), (0, 0, 1), "open", fingers=(0, 1, 0.1))
    ajar = reach((0.46, 0.14, 0.22), (-0.3, 0, 1), "open", fingers=(0.3, 1, 0.1))
    return [*both((-0.34, shut), (0.0, ajar), (0.8, ajar)), *hold("head", (-0.06, 0, 0), 0.0, 0.7)]


def _close(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    ajar = reach((0.46, 0.08, 0.24), (-1, 0, 0.2), "open", fingers=(0.2, 1, 0.2))
    shut = reach((0.07, 0.06, 0.33), (-0.3, 0, -1), "open", fingers=(0, 1, 0.1), touches=True)
    return [*both((-0.36, ajar), (0.0, shut), (0.8, shut)), *hold("head", (0.14, 0, 0), 0.0, 0.7)]


def _cut(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    high = reach((0.12, 0.10, 0.34), (-1, 0, 0), "open", fingers=(-0.4, 0.7, 0.7))
    low = reach((0.08, -0.18, 0.35), (-1, 0, 0), "open", fingers=(-0.6, -0.1, 0.8), touches=True)
    keys = move(side, (-0.24, high), (0.0, low), (0.26, high), (0.5, low), (0.8, low))
    return [*keys, *hold(OTHER[side], _BOARD, -0.24, 0.75), *hold("head", (0.24, 0, 0), 0.0, 0.7)]


def _phone(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    ear = reach((0.16, 0.15, 0.07), (-1, 0.1, 0.1), "call", elbow=(0.3, -1, 0.5), fingers=(-0.1, 1, -0.1), touches=True)
    turn = turned(side)
    tilts = move("head", (0.0, (0.05, 0, -0.20 * turn)), (0.5, (0.12, 0, -0.20 * turn)), (1.0, (0.05, 0, -0.20 * turn)))
    return [*hold(side, ear, 0.0, 1.0), *tilts]


def _write(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    pen = reach(
        (0.09, -0.15, 0.31), (-0.7, -0.6, 0), "pinch", elbow=(1, -0.8, 0), fingers=(-0.7, -0.2, 0.6), touches=True
    )
    keys = swing(side, pen, (0.22 * size, 0, 0.08), period=0.15, count=7)
    return [*keys, *hold(OTHER[side], _BOARD, 0.0, 0.9), *hold("head", (0.32, 0, 0), 0.0, 0.85)]


def _eat(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    bowl = reach((0.06, -0.20, 0.30), (-0.3, 0.6, -0.5), "pinch", fingers=(-0.9, 0.1, 0.2))
    mouth = reach(
        (0.11, 0.10, 0.20), (-0.2, 0.2, -1), "pinch", elbow=(0.6, -1, 0), fingers=(-0.8, 0.5, -0.2), touches=True
    )
    keys = move(side, (-0.3, bowl), (0.0, mouth), (0.28, bowl), (0.56, mouth), (0.8, mouth))
    holder = reach((0.10, -0.24, 0.24), (-0.2, 1, 0), "grip", fingers=(-0.7, 0, 0.7))
    bites = move("head", (-0.25, (0.1, 0, 0)), (0.0, (0.24, 0, 0)), (0.28, (0.10, 0, 0)), (0.56, (0.24, 0, 0)))
    return [*keys, *hold(OTHER[side], holder, -0.3, 0.75), *bites]


def _drink(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    glass = reach((0.13, -0.06, 0.24), (-1, 0, 0), "grip", fingers=(-0.5, 0.2, 0.8))
    lips = reach(
        (0.11, 0.12, 0.20), (-1, -0.1, -0.2), "grip", elbow=(1, -0.5, 0.3), fingers=(-0.8, 0.3, 0.1), touches=True
    )
    tipped = reach(
        (0.11, 0.23, 0.17), (-0.8, -0.6, -0.2), "grip", elbow=(1, -0.2, 0.4), fingers=(-0.9, 0.2, -0.1), touches=True
    )
    return [
        *move(side, (-0.3, glass), (0.0, lips), (0.4, tipped), (0.95, tipped)),
        *move("head", (0.0, (0.08, 0, 0)), (0.4, (-0.38, 0, 0)), (0.95, (-0.40, 0, 0))),
        *move("torso", (0.4, (-0.08, 0, 0)), (0.9, (-0.08, 0, 0))),
    ]


def _sleep(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    turn = turned(side)
    cheek = reach((0.14, 0.06, 0.13), (-1, 0.2, 0), "open", elbow=(0.7, -1, 0), fingers=(-0.1, 1, 0.1), touches=True)
    other = reach(
        (-0.09, 0.05, 0.15), (-1, -0.2, 0), "open", elbow=(0.4, -1, 0.3), fingers=(-0.2, 1, 0.1), touches=True
    )
    lean = (0.12, 0, -0.42 * turn)
    return [
        *hold(side, cheek, 0.0, 1.1),
        *hold(OTHER[side], other, 0.0, 1.1),
        *hold("head", lean, 0.0, 1.05),
        *hold("torso", (0.03, 0, -0.10 * turn), 0.0, 1.0),
    ]


def _hear(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    turn = turned(side)
    ear = reach((0.20, 0.20, 0.03), (-0.2, 0, 1), "grip", elbow=(1, 0.1, -0.1), fingers=(-0.3, 1, -0.1), touches=True)
    return [
        *hold(side, ear, 0.0, 1.0),
        *hold("torso", (0.18, -0.16 * turn, -0.08 * turn), 0.0, 0.95),
        *hold("head", (0.04, -0.40 * turn, -0.10 * turn), 0.0, 0.95),
    ]


def _look(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    turn = turned(side)
    brow = reach(
        (0.17, 0.26, 0.14), (-0.1, -1, 0.1), "open", elbow=(1, -0.3, 0.2), fingers=(-1, 0.1, 0.2), touches=True
    )
    scan = ((0.0, 0.30), (0.2, 0.32), (0.75, -0.38), (1.0, -0.38))
    return [
        *hold(side, brow, 0.0, 1.05),
        *move("head", *((time, (0.02, yaw * turn, 0)) for time, yaw in scan)),
        *move("torso", *((time, (0.06, 0.3 * yaw * turn, 0)) for time, yaw in scan)),
    ]


PLAYS = {
    "open": ("parts both hands before the face like a curtain", _open),
    "close": ("shuts both hands before the face like a door", _close),
    "cut": ("chops on a palm", _cut),
    "phone": ("holds a receiver to the ear", _phone),
    "write": ("writes on a palm", _write),
    "eat": ("spoons from a bowl", _eat),
    "drink": ("lifts a glass and tips the head back", _drink),
    "sleep": ("lays the cheek on both hands", _sleep),
    "hear": ("cups a hand behind the ear and leans forward", _hear),
    "look": ("shades the eyes and looks around", _look),
}
