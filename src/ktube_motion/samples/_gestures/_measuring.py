"""How much, how fast, how many: size, amount, trend and stress."""

import numpy as np

from ._keys import Key, both, circle, hold, move, nod, turned
from ._poses import Arm, reach

__all__ = ["PLAYS"]


def _big(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    near = Arm((0.30, -0.85, 0.42), (-0.30, 0.20, 0.90), (-1, 0, 0.2), "open")
    wide = Arm((0.85, -0.45 + 0.1 * size, 0.35), (0.72, 0.32, 0.62), (-0.8, 0, 0.6), "open")
    keys = both((-0.3, near), (0.1, wide), (1.0, wide))
    return [*keys, *move("torso", (0.1, (-0.08, 0, 0)), (0.9, (-0.06, 0, 0))), Key("head", 0.1, (-0.10, 0, 0))]


def _small(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    apart = reach((0.21, -0.15, 0.32), (-1, -0.1, 0.1), "pinch", fingers=(-0.2, 0.3, 1))
    close = reach((0.08, -0.15, 0.34), (-1, -0.1, 0.1), "pinch", fingers=(-0.2, 0.3, 1), touches=True)
    keys = both((-0.25, apart), (0.05, close), (0.35, apart), (0.6, close), (1.1, close))
    return [*keys, *hold("torso", (0.10, 0, 0), 0.1, 0.9), Key("head", 0.1, (0.2, 0, 0.06))]


def _count(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    keys, beat = [], max(span, 1.2) / 3  # fingers need their time
    for number, hand in enumerate(("one", "two", "three")):
        start = number * beat
        back = Arm((0.45, -0.78, 0.42), (0.16, 1, 0.10), (0, 0, 1), hand)
        front = Arm((0.45, -0.76, 0.44), (0.10, 1, 0.48), (0, 0, 1), hand)
        keys += move(side, (start, front), (start + 0.4 * beat, back))
    nods = [Key("head", number * beat + extra, (0.14 - extra, 0, 0)) for number in range(3) for extra in (0, 0.14)]
    return [*keys, Key(side, 3 * beat + 0.3, front), *nods]


def _beat(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    above = reach((0.17, -0.11, 0.32), (-1, 0, 0), "open", fingers=(-0.2, 0.3, 1))
    below = reach((0.16, -0.26, 0.38), (-1, 0, 0), "open", fingers=(-0.2, -0.1, 1))
    return [*move(side, (-0.2, above), (0.0, below), (0.2, above), (0.38, below)), *nod(0.14, count=1)]


def _rise(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    low = reach((-0.06, -0.30, 0.28), (0, -1, 0.2), "open", elbow=(1, -0.7, 0))
    high = reach((0.44, 0.24, 0.26), (-0.2, -0.6, 0.6), "open")
    turn = turned(side)
    return [
        *move(side, (-0.48, low), (0.0, high), (0.7, high)),
        *move("head", (-0.45, (0.15, 0, 0)), (0.0, (-0.22, 0.25 * turn, 0)), (0.6, (-0.22, 0.25 * turn, 0))),
    ]


def _fall(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    high = reach((0.02, 0.20, 0.30), (0, -1, 0.3), "open", elbow=(1, -0.5, 0.2))
    low = reach((0.42, -0.34, 0.22), (0, -1, 0), "open")
    turn = turned(side)
    return [
        *move(side, (-0.46, high), (0.0, low), (0.7, low)),
        *move("head", (-0.4, (-0.15, 0, 0)), (0.0, (0.30, 0.25 * turn, 0)), (0.6, (0.30, 0.25 * turn, 0))),
    ]


def _more(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    heights = ((-0.22, -0.32), (0.0, -0.18), (0.17, -0.23), (0.38, -0.05), (0.55, -0.10), (0.78, 0.09), (1.0, 0.09))
    steps = (
        (time, reach((0.24, height, 0.33), (0, 1, 0.1), "open", fingers=(-0.3, 0.1, 1))) for time, height in heights
    )
    return move(side, *steps)


def _less(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    heights = ((-0.26, 0.02), (0.0, -0.13), (0.2, -0.08), (0.45, -0.30), (0.9, -0.30))
    steps = (
        (time, reach((0.21, height, 0.34), (0, -1, 0), "open", fingers=(-0.2, 0.1, 1))) for time, height in heights
    )
    return [*both(*steps), *hold("torso", (0.08, 0, 0), 0.45, 0.85), *hold("head", (0.22, 0, 0), 0.45, 0.85)]


def _fast(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    keys = []
    for part, phase in (("left", 0.0), ("right", 0.5)):
        keys += circle(
            part, (0.02, -0.12, 0.28), (0, 0.085, 0), (0, 0, 0.085), period=0.46, rounds=3, phase=phase,
            palm=(0, 0, -1), hand="fist", elbow=(1, -0.5, 0), fingers=(-1, 0, 0.2),
        )  # fmt: skip
    return [*keys, *hold("torso", (0.08, 0, 0), 0.0, 1.0)]


def _slow(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    inner = reach((-0.10, -0.12, 0.30), (0, -1, 0), "open", elbow=(1, -0.4, 0))
    outer = reach((0.46, -0.16, 0.30), (0, -1, 0), "open", elbow=(1, -0.8, 0))
    turn = turned(side)
    return [
        *move(side, (-0.55, inner), (0.85, outer, reach((0.20, -0.12, 0.44), (0, -1, 0), "open"))),
        *move("head", (-0.5, (0.06, -0.15 * turn, 0)), (0.85, (0.06, 0.2 * turn, 0))),
    ]


PLAYS = {
    "big": ("opens both arms", _big),
    "small": ("brings both hands close together", _small),
    "count": ("shows one, two, three fingers", _count),
    "beat": ("beats the stressed word with the edge of a hand", _beat),
    "rise": ("draws a rising line", _rise),
    "fall": ("draws a falling line", _fall),
    "more": ("lifts a palm step by step", _more),
    "less": ("presses both palms down step by step", _less),
    "fast": ("rolls the forearms round each other", _fast),
    "slow": ("glides a flat hand slowly aside", _slow),
}
