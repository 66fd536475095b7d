"""The gestures of the made-up speaker, as key poses of arms, head and torso."""

from dataclasses import dataclass, field, replace

import numpy as np

from . import _doing as doing
from . import _feeling as feeling
from . import _measuring as measuring
from . import _meeting as meeting
from . import _pointing as pointing
from ._keys import OTHER, Key
from ._poses import HANGING, JOINTS, Arm, Pose, part_rotvecs, reach

__all__ = ["CONCEPTS", "HANGING", "JOINTS", "Arm", "Key", "Pose", "Style", "gesture", "part_rotvecs", "reach"]

_TABLE = meeting.PLAYS | pointing.PLAYS | measuring.PLAYS | doing.PLAYS | feeling.PLAYS
CONCEPTS: dict[str, str] = {concept: seen for concept, (seen, _) in _TABLE.items()}


@dataclass(frozen=True)
class Style:
    """How one speaker moves; `lead` is how long before the middle of its word his stroke comes, in seconds."""

    side: str = "right"  # the hand he prefers
    speed: float = 1.0
    size: float = 1.0
    lead: float = 0.0
    rest: dict[str, Pose] = field(default_factory=lambda: dict.fromkeys(("left", "right"), HANGING))


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
    side = style.side if rng.random() < 0.85 else OTHER[style.side]
    size = style.size * rng.uniform(0.9, 1.1)
    keys = _TABLE[concept][1](side, size, span, rng)
    tempo = style.speed * rng.uniform(0.92, 1.08)
    sway = {part: rng.normal(0, 0.05, (2, 3)) for part in ("left", "right")}
    hanging, reaching = np.array([HANGING.upper, HANGING.fore]), 0.5 + 0.5 * size
    stretch = 1.0 if concept == "count" else 1 / tempo  # fingers keep time with the words

    def vary(part: str, pose: Pose) -> Pose:
        if not isinstance(pose, Arm):
            return tuple(size * angle for angle in pose)
        arm = np.array([pose.upper, pose.fore])
        upper, fore = arm + 0.3 * sway[part] if pose.touches else hanging + reaching * (arm - hanging) + sway[part]
        return replace(pose, upper=tuple(upper), fore=tuple(fore))

    return [
        key._replace(time=key.time * stretch, pose=vary(key.part, key.pose), via=key.via and vary(key.part, key.via))
        for key in keys
    ]
