"""How one is: thoughtful, strong, tired, cold."""

import numpy as np

from ._keys import OTHER, Key, both, hold, move, turned
from ._poses import Arm, reach

__all__ = ["PLAYS"]


def _thinking(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    chin = Arm((0.06, -0.72, 0.66), (-0.42, 0.88, -0.12), (-0.5, -0.1, -0.9), "curled", 0.2, touches=True)
    other = Arm((0.16, -0.95, 0.30), (-0.88, 0.02, 0.50), (0, 0.3, -1))
    tilt = 0.16 * turned(side)
    keys = hold(side, chin, 0.0, 1.6) + hold(OTHER[side], other, 0.0, 1.5)
    return [*keys, *move("head", (0.1, (0.10, 0.1 * tilt, -tilt)), (0.8, (-0.10, tilt, -tilt)), (1.5, (0.1, 0, -tilt)))]


def _strong(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    flexed = Arm((0.95, 0.02, 0.20), (-0.42, 1, 0.12), (-1, 0, -0.2), "fist")
    eased = Arm((0.95, -0.10, 0.22), (0.15, 1, 0.20), (-1, 0, -0.2), "fist")
    return [
        *both((-0.26, eased), (0.0, flexed), (0.25, eased), (0.46, flexed), (0.9, flexed)),
        *hold("torso", (-0.07, 0, 0), 0.0, 0.85),
    ]


def _heavy(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    low = reach((0.17, -0.46, 0.24), (-0.2, 1, 0), "grip", fingers=(-0.3, -0.1, 1))
    lifted = reach((0.16, -0.27, 0.27), (-0.2, 1, 0), "grip", fingers=(-0.3, 0.1, 1))
    slipped = reach((0.16, -0.36, 0.26), (-0.2, 1, 0), "grip", fingers=(-0.3, 0.1, 1))
    return [
        *both((-0.25, low), (0.0, low), (0.45, lifted), (0.62, slipped), (1.0, lifted)),
        *move("torso", (-0.2, (0.45, 0, 0)), (0.0, (0.46, 0, 0)), (0.5, (0.16, 0, 0)), (1.0, (0.08, 0, 0))),
        *move("head", (-0.1, (0.12, 0, 0)), (0.5, (-0.12, 0, 0.06)), (1.0, (-0.05, 0, -0.06))),
    ]


def _tired(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    brow = reach((0.08, 0.26, 0.17), (0, 0.5, 0.9), elbow=(1, -0.4, 0.3), fingers=(-1, 0, 0), touches=True)
    wiped = reach((0.26, 0.22, 0.15), (0, 0.5, 0.9), elbow=(1, -0.5, 0.2), fingers=(-1, 0.2, 0), touches=True)
    dropped = reach((0.26, -0.42, 0.14), (-1, 0, 0))
    return [
        *move(side, (-0.36, brow), (0.0, wiped), (0.45, dropped), (1.0, dropped)),
        *move("torso", (0.0, (0.06, 0, 0)), (0.5, (0.26, 0, 0)), (1.0, (0.26, 0, 0))),
        *move("head", (0.0, (0.0, 0, 0)), (0.5, (0.35, 0, 0)), (1.0, (0.36, 0, 0))),
    ]


def _cold(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    keys = []
    for part, height in ((side, -0.10), (OTHER[side], -0.16)):
        outer = reach((0.10, height - 0.02, 0.32), (0, 0, -1), elbow=(1, -0.8, 0.2), fingers=(-1, 0.1, 0))
        for beat in range(6):
            rub = 0.045 * (-1) ** beat
            hug = reach(
                (-0.08, height + rub, 0.19),
                (0, 0.1, -1),
                elbow=(0.8, -1, 0.4),
                fingers=(-1, 0.2, -0.3),
                lift=0.22,
                touches=True,
            )
            keys.append(Key(part, 0.2 * beat, hug, None if beat else outer))
    shiver = [(0.1 * beat, (0.10, 0.035 * (-1) ** beat, 0)) for beat in range(11)]
    return [*keys, *move("torso", *shiver), *hold("head", (0.20, 0, 0), 0.0, 1.0)]


def _hot(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    fan = reach((0.20, 0.07, 0.24), (-0.8, 0, -0.5), "open", fingers=(-0.1, 1, 0.1))
    flap = reach((0.15, 0.09, 0.15), (-0.8, 0, -0.5), "open", fingers=(-0.3, 1, -0.1))
    steps = [(0.17 * beat, flap if beat % 2 else fan) for beat in range(7)]
    return [
        *both(*steps),
        *move("head", (0.0, (-0.16, 0, 0)), (0.5, (-0.16, 0.12, 0.08)), (1.0, (-0.16, -0.12, -0.08))),
    ]


PLAYS = {
    "thinking": ("puts a hand to the chin", _thinking),
    "strong": ("flexes both arms", _strong),
    "heavy": ("bends down and lifts with effort", _heavy),
    "tired": ("wipes the brow and droops", _tired),
    "cold": ("hugs himself, rubs his arms and shivers", _cold),
    "hot": ("fans his face with both hands", _hot),
}
