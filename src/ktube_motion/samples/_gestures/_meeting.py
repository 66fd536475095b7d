"""What one does to people: greeting, answering, praising, asking."""

import numpy as np

from ._keys import OTHER, Key, both, hold, move, nod, swing, turned
from ._poses import Arm, reach

__all__ = ["PLAYS"]

_FRONT = Arm((0.55, -0.45, 0.6), (0.35, 0.35, 0.9), (-0.6, 0, 0.4))  # on the way to a raised arm


def _greeting(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    arm = Arm((0.65, -0.60, 0.30), (0.25, 1, 0.30), (0, 0, 1), "open")
    waves = swing(side, arm, (0.38 * size, 0, 0), period=0.24, count=int(rng.integers(5, 8)))
    return [*waves, *move("head", (0.1, (0.12, 0, 0.08)), (1.0, (0, 0, 0.08)))]


def _farewell(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    arm = Arm((0.75, 0.35, 0.30), (0.15, 1, 0.20), (0, 0, 1), "open")
    first, *waves = swing(side, arm, (0.5 * size, -0.05, 0), period=0.34, count=int(rng.integers(5, 7)))
    return [
        first._replace(via=_FRONT),
        *waves,
        *move("torso", (0.2, (0, 0, -0.06 * turned(side))), (1.5, (0, 0, 0))),
    ]


def _bow(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    joined = Arm((0.12, -1, 0.32), (-0.56, -0.60, 0.66), (-0.3, 0, -1))
    bowed = Arm((0.08, -0.50, 0.82), (-0.50, -0.20, 0.98), (-0.3, 0.3, -1))  # they hang as the chest tips
    round_hips = Arm((0.50, -1, 0.35), (0.35, -0.60, 0.80), (-0.6, 0, -0.3))
    return [
        *both((-0.25, joined, round_hips), (0.35, bowed), (0.85, bowed), (1.4, joined)),
        *hold("torso", (0.75, 0, 0), 0.35, 0.85),
        *hold("head", (0.40, 0, 0), 0.35, 0.85),
    ]


def _yes(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    nods = nod(0.42, count=int(rng.integers(2, 4)))
    return [*nods, *move("torso", (0.0, (0.08, 0, 0)), (0.8, (0.05, 0, 0)))]


def _no(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    count = int(rng.integers(5, 7))
    shake = [Key("head", 0.26 * beat, (0.05, 0.45 * (-1) ** beat, 0)) for beat in range(count)]
    arm = Arm((0.28, -0.85, 0.45), (0.0, 0.55, 0.85), (0, 0, 1), "open", -0.3)
    return [*shake, *swing(side, arm, (0.42 * size, 0, 0), period=0.26, count=count)]


def _cheer(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    high = Arm((0.50, 0.90, 0.22), (0.22, 1, 0.12), (-0.3, 0, 1), "fist")
    low = Arm((0.75, 0.30, 0.35), (0.18, 1, 0.22), (-0.3, 0, 1), "fist")
    return [
        *both((0.0, high, _FRONT), (0.28, low), (0.54, high), (0.82, low), (1.08, high), (1.4, high)),
        *move("head", (0.0, (-0.25, 0, 0)), (1.3, (-0.2, 0, 0))),
        *move("torso", (0.0, (-0.1, 0, 0)), (1.3, (-0.08, 0, 0))),
    ]


def _heart(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    over = reach((0.07, 0.43, 0.05), (0, -1, 0.1), elbow=(1, 0.2, 0.1), fingers=(-0.6, -0.7, 0.1), touches=True)
    wide = Arm((0.85, 0.30, 0.35), (0.30, 1, 0.25), (-0.6, 0, 0.6))
    lean = 0.10 * turned(side)
    return [
        *both((0.0, over, wide), (0.95, over)),
        *move("torso", (0.0, (0, 0, lean)), (0.4, (0, 0, -lean)), (0.8, (0, 0, lean))),
        *move("head", (0.1, (0, 0, lean)), (0.5, (0, 0, -lean)), (0.9, (0, 0, lean))),
    ]


def _best(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    low = reach((0.26, -0.36, 0.22), (-1, 0, 0), "thumb")
    high = reach((0.13, 0.03, 0.42), (-1, 0, 0), "thumb", fingers=(-0.4, 0.1, 0.9))
    back = reach((0.14, -0.04, 0.33), (-1, 0, 0), "thumb", fingers=(-0.4, 0.1, 0.9))
    return [
        *move(side, (-0.3, low), (0.0, high), (0.22, back), (0.42, high), (0.85, high)),
        *move("torso", (0.0, (0.10, 0, 0)), (0.8, (0.08, 0, 0))),
        *nod(0.22, count=1),
    ]


def _ok(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    near = reach((0.34, 0.02, 0.16), (-0.2, 0, 1), "ring", fingers=(0.1, 1, 0.1))
    far = reach((0.34, 0.08, 0.34), (-0.2, 0, 1), "ring", fingers=(0.1, 1, 0.1))
    keys = both((-0.22, near), (0.0, far), (0.22, near), (0.44, far), (0.9, far))
    return [*keys, *nod(0.20, count=2, period=0.22)]


def _victory(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    cheek = reach((0.17, 0.13, 0.13), (0, 0, 1), "two", elbow=(0.9, -1, 0.2), fingers=(0.2, 1, 0.1), touches=True)
    tilt = 0.24 * turned(side)
    return [
        *both((0.0, cheek), (1.0, cheek)),
        *move("head", (0.0, (0, 0, tilt)), (0.45, (0, 0, tilt)), (0.75, (0, 0, -tilt)), (1.0, (0, 0, -tilt))),
    ]


def _pray(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    joined = reach((0.03, -0.13, 0.22), (-1, 0, 0), "open", elbow=(1, -0.7, 0), fingers=(-0.08, 1, 0.3), touches=True)
    return [
        *both((0.0, joined), (1.1, joined)),
        *move("torso", (0.0, (0.14, 0, 0)), (0.35, (0.04, 0, 0)), (0.7, (0.16, 0, 0)), (1.0, (0.14, 0, 0))),
        *move("head", (0.05, (0.32, 0, 0)), (0.4, (0.15, 0, 0)), (0.75, (0.32, 0, 0)), (1.0, (0.30, 0, 0))),
    ]


def _clap(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    apart = reach((0.17, -0.08, 0.29), (-1, 0, 0.1), "open", fingers=(-0.1, 0.5, 0.8))
    together = reach((0.04, -0.08, 0.31), (-1, 0, 0), "open", fingers=(0, 0.5, 0.8), touches=True)
    steps = [(0.19 * beat - 0.19, together if beat % 2 else apart) for beat in range(8)]
    return [*both(*steps), *nod(0.10, count=2, period=0.38)]


def _question(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    inside = reach((0.16, -0.28, 0.22), (0, 1, 0), "open", fingers=(0, 0, 1))
    spread = reach((0.37, -0.21, 0.23), (0.1, 1, 0.1), "open", elbow=(0, -1, -0.6), fingers=(0.8, 0.1, 0.6), lift=0.30)
    tilt = 0.22 * turned(side)
    return [*both((-0.3, inside), (0.0, spread), (0.85, spread)), *hold("head", (0.05, 0, tilt), 0.0, 0.85)]


def _come(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    out = reach((0.18, 0.03, 0.46), (0, -1, 0.1), "open", fingers=(0, 0.25, 1))
    back = reach((0.18, 0.05, 0.25), (0, -0.9, -0.4), "curled", fingers=(-0.2, -0.5, 0.7))
    steps = [(0.24 * beat, back if beat % 2 else out) for beat in range(5)]
    return [*move(side, *steps), *hold("torso", (0.06, 0, 0), 0.0, 0.9), *nod(0.16, count=2)]


def _stop(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    near = reach((0.20, -0.04, 0.14), (0, 0, 1), "open", fingers=(0, 1, 0))
    out = reach((0.18, 0.02, 0.48), (0, 0.1, 1), "open", elbow=(1, -1, 0), fingers=(-0.1, 1, 0.2))
    return [
        *both((-0.32, near), (0.0, out), (0.9, out)),
        *hold("torso", (-0.10, 0, 0), 0.0, 0.8),
        *hold("head", (-0.06, 0, 0), 0.0, 0.8),
    ]


def _secret(side: str, size: float, span: float, rng: np.random.Generator) -> list[Key]:
    screen = reach(
        (0.15, 0.09, 0.16), (-0.8, 0, -0.5), "open", elbow=(0.6, -1, 0.1), fingers=(-0.1, 1, 0.15), touches=True
    )
    turn = turned(side)
    return [
        *hold(side, screen, 0.0, 1.0),
        *hold(OTHER[side], reach((0.16, -0.33, 0.14), (-0.3, 0, -1)), 0.0, 0.9),
        *hold("torso", (0.20, -0.22 * turn, 0.10 * turn), 0.0, 0.95),
        *hold("head", (0.04, -0.25 * turn, 0.10 * turn), 0.0, 0.95),
    ]


PLAYS = {
    "greeting": ("waves beside the head", _greeting),
    "farewell": ("waves slowly and wide above the head", _farewell),
    "bow": ("bows with the hands together", _bow),
    "yes": ("nods", _yes),
    "no": ("shakes the head and waves a hand before the chest", _no),
    "cheer": ("throws both fists up", _cheer),
    "heart": ("rounds both arms to a heart above the head", _heart),
    "best": ("swings a thumb up before him", _best),
    "ok": ("pushes both hands forward, thumb and index finger a ring", _ok),
    "victory": ("holds two fingers of each hand beside the cheeks", _victory),
    "pray": ("lays the palms together before the chest", _pray),
    "clap": ("claps", _clap),
    "question": ("shrugs, palms up at both sides", _question),
    "come": ("beckons with a palm turned down", _come),
    "stop": ("thrusts both palms forward", _stop),
    "secret": ("leans over and whispers behind a hand", _secret),
}
