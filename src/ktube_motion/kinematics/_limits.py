"""How far human joints turn, as boxes of rotation vectors; wide enough for what people were measured to do."""

from functools import lru_cache

import torch

from ..skeletons import SMPLH_52, Skeleton

__all__ = ["joint_limits", "turn_limits"]

_FREE = 3.2
# Radians, 60 and 160 degrees: joints alone do not tell which of the spine's three bends, or whether shoulder or collar
# lifts an arm; and beyond the second a turn is hard to tell from one the other way round.
_NEAREST, _FARTHEST = 1.05, 2.79
# Left side and middle: low and high of the rotation vector, radians; x along the arm, y up, z to the front (T pose).
_BODY = {
    "spine1": ((-0.4, -0.5, -0.4), (0.8, 0.5, 0.4)),
    "spine2": ((-0.3, -0.4, -0.3), (0.5, 0.4, 0.3)),
    "spine3": ((-0.2, -0.4, -0.3), (0.5, 0.4, 0.3)),
    "neck": ((-0.6, -0.8, -0.5), (0.7, 0.8, 0.5)),
    "head": ((-0.6, -0.8, -0.5), (0.6, 0.8, 0.5)),
    "left_collar": ((-0.3, -0.5, -0.4), (0.3, 0.3, 0.4)),
    "left_shoulder": ((-2.4, -1.8, -1.7), (1.2, 1.0, 1.7)),
    "left_elbow": ((-1.6, -2.6, -1.2), (1.4, 0.15, 1.2)),
    "left_wrist": ((-1.3, -0.9, -1.4), (1.3, 1.3, 1.4)),
    "left_hip": ((-2.2, -1.0, -0.6), (0.7, 1.0, 0.9)),
    "left_knee": ((-0.15, -0.5, -0.4), (2.6, 0.5, 0.4)),
    "left_ankle": ((-0.8, -0.6, -0.5), (0.8, 0.6, 0.5)),
    "left_foot": ((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)),
}
# Around the relaxed hand: across the finger (x, y) and its bend (z); the thumb turns any way a little.
_FINGER = {1: ((-0.4, -0.5, -1.2), (0.4, 0.5, 0.9)), 2: ((-0.3, -0.3, -1.3), (0.3, 0.3, 0.9)),
           3: ((-0.3, -0.3, -1.0), (0.3, 0.3, 0.6))}  # fmt: skip
_THUMB = ((-0.7, -0.7, -0.7), (0.7, 0.7, 0.7))


@lru_cache
def _boxes() -> tuple[torch.Tensor, torch.Tensor]:
    low, high = torch.full((52, 3), -_FREE), torch.full((52, 3), _FREE)
    for joint, name in enumerate(SMPLH_52.joint_names):
        side = name.removeprefix("right_").removeprefix("left_")
        if joint >= 22:
            box = _THUMB if side.startswith("thumb") else _FINGER[int(name[-1])]
        elif name in _BODY or f"left_{side}" in _BODY:
            box = _BODY.get(name) or _BODY[f"left_{side}"]
        else:
            continue
        low[joint], high[joint] = torch.tensor(box[0]), torch.tensor(box[1])
        if name.startswith("right"):  # mirrored: turns about the two axes across it change their sign
            low[joint, 1:], high[joint, 1:] = -high[joint, 1:].clone(), -low[joint, 1:].clone()
    return low, high


def joint_limits(hand_mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give low and high of the rotation vectors of `SMPLH_52`, each ``(52, 3)``; `hand_mean` is ``(30, 3)``."""
    low, high = (box.clone() for box in _boxes())
    low[22:] += hand_mean
    high[22:] += hand_mean
    return low, high


def turn_limits(skeleton: Skeleton, hand_mean: torch.Tensor) -> torch.Tensor:
    """Give the largest angle by which each joint of a human skeleton turns from a T with flat hands, float64 ``(J,)``.

    The farthest corner of its box: for turns whose twist is not known, as where joints were only positions.
    """
    low, high = joint_limits(hand_mean)
    angles = torch.maximum(low.abs(), high.abs()).norm(dim=-1).double().clamp(_NEAREST, _FARTHEST)
    known = dict(zip(SMPLH_52.joint_names[1:], angles[1:].tolist(), strict=True))
    return torch.tensor([known.get(name, 2 * _FREE) for name in skeleton.joint_names], dtype=torch.float64)
