"""The gestures of the made-up speaker, as key poses of arms, head and torso.

Arms are told by directions in the frame of the chest, for the left arm: +x
away from the body, y up, z forward. The right arm is the mirror image.
Angles of head and torso are (pitch, yaw, roll) in radians: forward, to the
left, towards the left shoulder's opposite.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from ..skeletons import SMPLX_55

__all__ = ["CONCEPTS", "JOINTS", "Arm", "Key", "Style", "gesture", "part_rotvecs"]

CONCEPTS = {
    "greeting": "waves beside the head",
    "farewell": "waves slowly and wide above the head",
    "bow": "bows with the hands together",
    "yes": "nods",
    "no": "shakes the head and waves a hand before the chest",
    "here": "points at the place before him, with both hands",
    "there": "points far ahead",
    "left": "points to his left and looks there",
    "right": "points to his right and looks there",
    "up": "points up and looks there",
    "down": "presses a hand down and looks there",
    "big": "opens both arms",
    "small": "brings both hands close together",
    "count": "shows one, two, three fingers",
    "thinking": "puts a hand to the chin",
    "cheer": "throws both fists up",
}
JOINTS = {
    "torso": (3, 6, 9),
    "head": (12, 15),
    "left": (13, 16, 18, 20, *range(25, 40)),
    "right": (14, 17, 19, 21, *range(40, 55)),
}
_OTHER = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Arm:
    """Where the upper arm, the forearm and the palm point; `bend` folds the wrist towards the palm."""

    upper: tuple
    fore: tuple
    palm: tuple
    hand: str = "relaxed"
    bend: float = 0.0


HANGING = Arm((0.20, -1, 0.0), (0.06, -1, 0.25), (-1, 0, 0.15))
_FRONT = Arm((0.55, -0.45, 0.6), (0.35, 0.35, 0.9), (-0.6, 0, 0.4))  # on the way to a raised arm


@dataclass(frozen=True)
class Key:
    """A pose of one part, reached `time` seconds after the stroke; `via` pulls the path aside."""

    part: str
    time: float
    pose: Arm | tuple
    via: Arm | tuple | None = None


@dataclass(frozen=True)
class Style:
    """How one speaker moves."""

    side: str = "right"  # the hand he prefers
    speed: float = 1.0
    size: float = 1.0
    rest: dict = field(default_factory=lambda: dict.fromkeys(("left", "right"), HANGING))


def gesture(concept: str, style: Style, rng: np.random.Generator, span: float = 0.5) -> list[Key]:
    """Play one gesture.

    Parameters
    ----------
    concept : str
        One of `CONCEPTS`.
    style : Style
    rng : np.random.Generator
        Varies size, tempo, hand and direction a little.
    span : float
        How long the words take, in seconds.

    Returns
    -------
    keys : list of Key
        Times count from the stroke. The way there and back is left to the caller.
    """
    side = style.side if rng.random() < 0.85 else _OTHER[style.side]
    size = style.size * rng.uniform(0.9, 1.1)
    keys = _PLAYS[concept](side, size, span, rng)
    tempo = style.speed * rng.uniform(0.92, 1.08)
    sway = {part: rng.normal(0, 0.05, (2, 3)) for part in ("left", "right")}
    stretch = 1.0 if concept == "count" else 1 / tempo  # fingers keep time with the words

    def vary(part, pose):
        if not isinstance(pose, Arm):
            return tuple(size * angle for angle in pose)
        upper, fore = np.array([pose.upper, pose.fore]) + sway[part]
        return Arm(tuple(upper), tuple(fore), pose.palm, pose.hand, pose.bend)

    return [
        Key(key.part, key.time * stretch, vary(key.part, key.pose), key.via and vary(key.part, key.via)) for key in keys
    ]


def _swing(part, base, towards, *, period, count, start=0.0):
    """Swing between `base` plus and minus `towards` (a change of the forearm), ending at `base`."""
    keys = []
    for beat in range(count):
        sign = 0 if beat == count - 1 else (-1) ** beat
        fore = tuple(np.array(base.fore) + sign * np.array(towards))
        keys.append(Key(part, start + beat * period, Arm(base.upper, fore, base.palm, base.hand, base.bend)))
    return keys


def _nod(angle, *, count, period=0.24, start=0.0):
    beats = range(2 * count)
    return [Key("head", start + beat * period, (angle if beat % 2 == 0 else -0.15 * angle, 0, 0)) for beat in beats]


def _greeting(side, size, span, rng):
    arm = Arm((0.65, -0.60, 0.30), (0.25, 1, 0.30), (0, 0, 1), "open")
    swing = _swing(side, arm, (0.38 * size, 0, 0), period=0.24, count=int(rng.integers(5, 8)))
    return [*swing, Key("head", 0.1, (0.12, 0, 0.08)), Key("head", 1.0, (0.0, 0, 0.08))]


def _farewell(side, size, span, rng):
    arm = Arm((0.75, 0.35, 0.30), (0.15, 1, 0.20), (0, 0, 1), "open")
    swing = _swing(side, arm, (0.5 * size, -0.05, 0), period=0.34, count=int(rng.integers(5, 7)))
    first = Key(side, swing[0].time, swing[0].pose, _FRONT)
    return [
        first,
        *swing[1:],
        Key("torso", 0.2, (0, 0, 0.06 if side == "right" else -0.06)),
        Key("torso", 1.5, (0, 0, 0)),
    ]


def _bow(side, size, span, rng):
    joined = Arm((0.12, -1, 0.32), (-0.56, -0.60, 0.66), (-0.3, 0, -1), "relaxed")
    bowed = Arm((0.08, -0.50, 0.82), (-0.50, -0.20, 0.98), (-0.3, 0.3, -1), "relaxed")  # they hang as the chest tips
    round_hips = Arm((0.50, -1, 0.35), (0.35, -0.60, 0.80), (-0.6, 0, -0.3))
    steps = ((-0.25, joined, round_hips), (0.35, bowed), (0.85, bowed), (1.4, joined))
    keys = [Key(part, *step) for part in ("left", "right") for step in steps]
    return [
        *keys,
        *(Key("torso", time, (0.75, 0, 0)) for time in (0.35, 0.85)),
        *(Key("head", time, (0.40, 0, 0)) for time in (0.35, 0.85)),
    ]


def _yes(side, size, span, rng):
    nods = _nod(0.42, count=int(rng.integers(2, 4)))
    return [*nods, Key("torso", 0.0, (0.08, 0, 0)), Key("torso", 0.8, (0.05, 0, 0))]


def _no(side, size, span, rng):
    count = int(rng.integers(5, 7))
    shake = [Key("head", 0.26 * beat, (0.05, 0.45 * (-1) ** beat, 0)) for beat in range(count)]
    arm = Arm((0.28, -0.85, 0.45), (0.0, 0.55, 0.85), (0, 0, 1), "open", -0.3)
    return [*shake, *_swing(side, arm, (0.42 * size, 0, 0), period=0.26, count=count)]


def _here(side, size, span, rng):
    high = Arm((0.22, -0.90, 0.30), (-0.15, 0.10, 0.95), (-0.4, -1, 0), "point")
    low = Arm((0.18, -0.92, 0.36), (-0.15, -0.62, 0.75), (-0.4, -1, 0), "point")
    keys = []
    for part in ("left", "right"):
        keys += [Key(part, -0.22, high), Key(part, 0.0, low), Key(part, 0.25, high), Key(part, 0.48, low)]
        keys += [Key(part, 1.0, low)]
    return [*keys, Key("head", 0.0, (0.28, 0, 0)), Key("head", 0.9, (0.28, 0, 0))]


def _there(side, size, span, rng):
    arm = Arm((0.30, -0.05, 0.95), (0.18, 0.12, 1.0), (-0.5, -1, 0), "point")
    bent = Arm((0.35, -0.75, 0.45), (-0.05, 0.55, 0.80), (-0.6, -0.6, 0.3), "point")
    turn = 0.18 if side == "left" else -0.18
    keys = [Key(side, 0.0, arm, bent), Key(side, 1.1, arm)]
    return [*keys, *(Key("head", time, (-0.06, turn, 0)) for time in (0.0, 1.1))]


def _aside(part):
    turn = 1 if part == "left" else -1

    def play(side, size, span, rng):
        bent = Arm((0.55, -0.75, 0.40), (0.10, 0.55, 0.80), (-0.4, -0.3, 0.8), "point")
        arm = Arm((0.95, -0.18, 0.28), (1.0, 0.06, 0.34), (-0.15, -0.5, 0.8), "point")
        keys = [Key(part, 0.0, arm, bent), Key(part, 1.2, arm)]
        keys += [Key("head", time, (0, 0.55 * turn, 0)) for time in (0.05, 1.1)]
        return [*keys, *(Key("torso", time, (0, 0.16 * turn, 0)) for time in (0.05, 1.1))]

    return play


def _up(side, size, span, rng):
    arm = Arm((0.42, 0.85, 0.40), (0.10, 1, 0.12), (-0.4, 0, 1), "point")
    keys = [Key(side, 0.0, arm, _FRONT), Key(side, 0.28, Arm((0.42, 0.78, 0.44), (0.12, 1, 0.3), arm.palm, "point"))]
    keys += [Key(side, 0.55, arm), Key(side, 1.0, arm)]
    return [*keys, *(Key("head", time, (-0.42, 0, 0)) for time in (0.0, 0.95))]


def _down(side, size, span, rng):
    high = Arm((0.40, -0.80, 0.35), (0.05, 0.40, 0.90), (0, -1, 0.1), "open", -0.2)
    low = Arm((0.38, -0.88, 0.30), (0.22, -0.80, 0.48), (0, -0.5, -0.6), "open", -0.9)
    keys = [Key(side, -0.25, high), Key(side, 0.1, low), Key(side, 0.9, low)]
    keys += [Key("head", time, (0.38, 0, 0)) for time in (0.1, 0.9)]
    return [*keys, *(Key("torso", time, (0.14, 0, 0)) for time in (0.1, 0.9))]


def _big(side, size, span, rng):
    near = Arm((0.30, -0.85, 0.42), (-0.30, 0.20, 0.90), (-1, 0, 0.2), "open")
    wide = Arm((0.85, -0.45 + 0.1 * size, 0.35), (0.72, 0.32, 0.62), (-0.8, 0, 0.6), "open")
    keys = [Key(part, *key) for part in ("left", "right") for key in ((-0.3, near), (0.1, wide), (1.0, wide))]
    return [*keys, Key("torso", 0.1, (-0.08, 0, 0)), Key("torso", 0.9, (-0.06, 0, 0)), Key("head", 0.1, (-0.10, 0, 0))]


def _small(side, size, span, rng):
    apart = Arm((0.34, -0.85, 0.40), (-0.08, 0.42, 0.88), (-1, -0.1, 0.1), "pinch")
    close = Arm((0.24, -0.88, 0.44), (-0.33, 0.42, 0.85), (-1, -0.1, 0.1), "pinch")
    steps = ((-0.25, apart), (0.05, close), (0.35, apart), (0.6, close), (1.1, close))
    keys = [Key(part, *step) for part in ("left", "right") for step in steps]
    return [*keys, Key("torso", 0.1, (0.10, 0, 0)), Key("torso", 0.9, (0.10, 0, 0)), Key("head", 0.1, (0.2, 0, 0.06))]


def _count(side, size, span, rng):
    keys, beat = [], max(span, 1.2) / 3  # fingers need their time
    for number, hand in enumerate(("one", "two", "three")):
        start = number * beat
        back = Arm((0.45, -0.78, 0.42), (0.16, 1, 0.10), (0, 0, 1), hand)
        front = Arm((0.45, -0.76, 0.44), (0.10, 1, 0.48), (0, 0, 1), hand)
        keys += [Key(side, start, front), Key(side, start + 0.4 * beat, back)]
    nods = [Key("head", number * beat + extra, (0.14 - extra, 0, 0)) for number in range(3) for extra in (0, 0.14)]
    return [*keys, Key(side, 3 * beat + 0.3, front), *nods]


def _thinking(side, size, span, rng):
    chin = Arm((0.06, -0.72, 0.66), (-0.42, 0.88, -0.12), (-0.5, -0.1, -0.9), "curled", 0.2)
    other = Arm((0.16, -0.95, 0.30), (-0.88, 0.02, 0.50), (0, 0.3, -1), "relaxed")
    tilt = 0.16 if side == "left" else -0.16
    keys = [Key(side, time, chin) for time in (0.0, 1.6)]
    if rng.random() < 0.5:
        keys += [Key(_OTHER[side], time, other) for time in (0.0, 1.5)]
    return [
        *keys,
        Key("head", 0.1, (0.10, 0.1 * tilt, -tilt)),
        Key("head", 0.8, (-0.10, tilt, -tilt)),
        Key("head", 1.5, (0.1, 0, -tilt)),
    ]


def _cheer(side, size, span, rng):
    high = Arm((0.50, 0.90, 0.22), (0.22, 1, 0.12), (-0.3, 0, 1), "fist")
    low = Arm((0.75, 0.30, 0.35), (0.18, 1, 0.22), (-0.3, 0, 1), "fist")
    keys = []
    for part in ("left", "right"):
        keys += [Key(part, 0.0, high, _FRONT), Key(part, 0.28, low), Key(part, 0.54, high), Key(part, 0.82, low)]
        keys += [Key(part, 1.08, high), Key(part, 1.4, high)]
    return [
        *keys,
        Key("head", 0.0, (-0.25, 0, 0)),
        Key("head", 1.3, (-0.2, 0, 0)),
        Key("torso", 0.0, (-0.1, 0, 0)),
        Key("torso", 1.3, (-0.08, 0, 0)),
    ]


_PLAYS = {
    "greeting": _greeting,
    "farewell": _farewell,
    "bow": _bow,
    "yes": _yes,
    "no": _no,
    "here": _here,
    "there": _there,
    "left": _aside("left"),
    "right": _aside("right"),
    "up": _up,
    "down": _down,
    "big": _big,
    "small": _small,
    "count": _count,
    "thinking": _thinking,
    "cheer": _cheer,
}


def part_rotvecs(part: str, pose: Arm | tuple) -> np.ndarray:
    """Turn a pose of one part into local axis-angle, ``(len(JOINTS[part]), 3)``."""
    if isinstance(pose, Arm):
        return _arm(pose) * (1 if part == "left" else np.array([1, -1, -1]))
    shares = (0.34, 0.33, 0.33) if part == "torso" else (0.4, 0.6)
    whole = Rotation.from_euler("yxz", [pose[1], pose[0], pose[2]]).as_rotvec()
    return np.outer(shares, whole)


@lru_cache(maxsize=4096)
def _arm(arm):
    """Solve the left arm: collar, shoulder, elbow, wrist and 15 finger joints."""
    upper, fore, palm = (np.array(vector) / np.linalg.norm(vector) for vector in (arm.upper, arm.fore, arm.palm))
    hinge = np.cross(upper, fore)  # the palm faces along it when the forearm is not turned
    hinge = hinge / np.linalg.norm(hinge) if np.linalg.norm(hinge) > 0.05 else palm
    rest_upper, rest_fore = SMPLX_55.bone_directions[18], SMPLX_55.bone_directions[20]
    down = np.array([0, -1.0, 0])  # in the rest pose arms lie along x with the palms down

    # The collar helps an arm that is raised or reaches forward.
    collar = Rotation.from_rotvec([0, -0.18 * max(upper[2], 0), 0.28 * np.clip(upper[1] + 0.2, 0, 1.2)])
    shoulder = _frame(upper, hinge) * _frame(rest_upper, down).inv()
    elbow = _frame(fore, hinge) * _frame(rest_fore, down).inv()
    turn = np.arctan2(np.dot(np.cross(hinge, palm), fore), np.dot(hinge, palm))
    fold = Rotation.from_rotvec([0, 0, -arm.bend])
    forearm = Rotation.from_rotvec(fore * turn / 2) * elbow
    wrist = Rotation.from_rotvec(fore * turn) * elbow * fold
    chain = (collar, collar.inv() * shoulder, shoulder.inv() * forearm, forearm.inv() * wrist)
    return np.concatenate([[rotation.as_rotvec() for rotation in chain], _HANDS[arm.hand]])


def _frame(along, side):
    """A frame whose first axis is `along` and whose second is nearest to `side`."""
    side = side - np.dot(side, along) * along
    side = side / np.linalg.norm(side)
    return Rotation.from_matrix(np.stack([along, side, np.cross(along, side)], 1))


def _hand(index, middle, pinky, ring, thumb=0.0):
    """Curl the left hand's fingers: -1 straight, 0 relaxed, 1 folded; relative to the mean hand."""
    straight, folded = np.array([0.40, 0.65, 0.20]), np.array([-0.95, -0.85, -0.75])
    pose = np.zeros((5, 3, 3))
    for finger, curl in enumerate((index, middle, pinky, ring)):
        pose[finger, :, 2] = -curl * straight if curl < 0 else curl * folded
    pose[4, :, 1] = np.array([-0.35, -0.3, -0.5]) * thumb
    return pose.reshape(15, 3)


_HANDS = {
    "relaxed": _hand(0, 0, 0, 0),
    "open": _hand(-1, -1, -1, -1, -0.5),
    "fist": _hand(1, 1, 1, 1, 1),
    "curled": _hand(0.3, 0.6, 0.8, 0.7, 0.2),
    "point": _hand(-1, 1, 1, 1, 1),
    "one": _hand(-1, 1, 1, 1, 1),
    "two": _hand(-1, -1, 1, 1, 1),
    "three": _hand(-1, -1, 1, -1, 1),
    "pinch": _hand(0.35, 0.8, 0.9, 0.9, 0.5),
}
