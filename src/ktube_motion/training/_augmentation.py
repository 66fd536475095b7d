"""Windows as they could also have been: mirrored, faster, with the arms of another clip, on another path.

A tokenizer sees few gestures and few ways to walk, and a codebook that is
trained on them alone has no codes for others. All changes are made on motion
vectors, where mirroring is exact; after all others the vectors are recoded.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import roma
import torch
import torch.nn.functional as F
from einops import rearrange

from ..errors import ConfigError
from ..features import feature_groups, mirror_features, recode_features
from ..skeletons import Skeleton
from ._datasets import WindowSampler, step_rng

__all__ = ["AugmentedSampler", "MotionAugmentation"]

KNOTS = 5  # of the smooth curves that turn arms and headings: one for about 0.8 s of a window


@dataclass(frozen=True)
class MotionAugmentation:
    """How windows of motion are changed in training.

    Attributes
    ----------
    mirror : bool
        Mirror every second window.
    share : float
        Part of the windows that all of the following changes.
    speed : float >= 1
        Largest factor of tempo, up and down.
    parts : float
        Part of the changed windows that take their upper body, or one arm or
        both, from another clip of the batch.
    arms, trunk : float
        Deviation of the smooth turns about each shoulder, and of the upper
        body about the root, radians; every second one is turned.
    path : float >= 1
        Largest factor of the root's velocity, up and down.
    turning : float
        Deviation of the smooth turns of the heading, radians a frame; every
        second path is turned.

    Raises
    ------
    ConfigError
        If a value cannot work.

    Examples
    --------
    >>> MotionAugmentation(speed=0.5)
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: speed cannot be this. Expected: a number from 1 on. Found: 0.5.
    """

    mirror: bool = True
    share: float = 0.5
    speed: float = 1.25
    parts: float = 0.5
    arms: float = 1.0
    trunk: float = 0.3
    path: float = 1.5
    turning: float = 0.03

    def __post_init__(self) -> None:
        for names, low, high in (
            (("share", "parts"), 0, 1),
            (("arms", "trunk", "turning"), 0, np.inf),
            (("speed", "path"), 1, np.inf),
        ):
            for name in names:
                value = getattr(self, name)
                if not (isinstance(value, (int, float)) and low <= value <= high and np.isfinite(value)):
                    expected = f"a number from {low} {'on' if high == np.inf else f'to {high}'}"
                    raise ConfigError(f"{name} cannot be this.", expected=expected, found=repr(value))


class _Plan(NamedTuple):
    """What is drawn for each window of a batch."""

    mirrored: torch.Tensor  # bool (B,)
    changed: torch.Tensor  # bool (B,)
    speed: torch.Tensor  # (B,); 1 where nothing changes, as all below is nothing there
    parts: torch.Tensor  # which of _parts, (B,); -1 for none
    turns: torch.Tensor  # of the trunk and both arms, rotation vectors (B, 3, KNOTS, 3)
    path: torch.Tensor  # (B,)
    turning: torch.Tensor  # (B, KNOTS)
    partner: torch.Tensor  # window of the batch that parts come from, (B,)


@dataclass(frozen=True)
class AugmentedSampler:
    """The windows of a `WindowSampler`, changed as a `MotionAugmentation` says.

    What is drawn for a step follows from the seed and the step alone.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> from ktube_motion.training._datasets import ClipTable
    >>> plain = WindowSampler(ClipTable.from_arrays([np.ones((90, 263))]), window=20, batch_size=8)
    >>> AugmentedSampler(plain, MotionAugmentation(), SMPL_22).windows(step=3)[0].shape
    torch.Size([8, 20, 263])
    """

    plain: WindowSampler
    settings: MotionAugmentation
    skeleton: Skeleton

    def positions(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the clips and offsets, each ``(B,)``, of one step."""
        return self.plain.positions(step)

    def frames(self, step: int) -> torch.Tensor:
        """Give the valid frames of each window of a step, ``(B,)``."""
        clips, offsets = self.positions(step)
        left = (self.plain.table.lengths[clips] - offsets) / self._plan(step).speed
        return left.long().clamp(1, self.plain.window)

    def windows(self, step: int, part: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Give the windows of `part` of one step, and their mask, as `WindowSampler.windows` does."""
        window, table, plan = self.plain.window, self.plain.table, self._plan(step)
        (clips, offsets), rows = self.positions(step), torch.arange(self.plain.batch_size)[part]
        features, _ = table.gather(clips[rows], offsets[rows], window)
        mask = torch.arange(window) < self.frames(step)[rows, None]
        places = plan.changed[rows].nonzero()[:, 0]
        chosen = rows[places]
        if len(chosen):
            long = int(np.ceil((window + 1) * self.settings.speed)) + 1
            own, other = (table.gather(clips[x], offsets[x], long)[0] for x in (chosen, plan.partner[chosen]))
            drawn = _Plan(*(value[chosen].to(own.device) for value in plan))
            heading = self._heading(clips[chosen], offsets[chosen])
            features[places.to(own.device)] = _change(own, other, heading, drawn, window, self.skeleton)
        mirrored = plan.mirrored[rows].nonzero()[:, 0].to(features.device)
        features[mirrored] = mirror_features(features[mirrored], skeleton=self.skeleton)
        return features, None if mask.all() else mask

    def _heading(self, clips: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        """Give the heading in which each window starts, ``(B,)``: what the turns before it add up to."""
        table = self.plain.table
        starts = table.starts[clips].tolist()
        before = [table.frames[a : a + b, 0].sum() for a, b in zip(starts, offsets.tolist(), strict=True)]
        return -2 * torch.stack(before)

    def _plan(self, step: int) -> _Plan:
        settings, size = self.settings, self.plain.batch_size
        rng = step_rng(self.plain.seed, step, stream=5)
        changed = rng.random(size) < settings.share
        half = rng.random((5, size)) < 0.5
        deviation = np.array([settings.trunk, settings.arms, settings.arms])
        parts = np.where(rng.random(size) < settings.parts, rng.integers(4, size=size), -1)
        plan = (
            half[0] & settings.mirror,
            changed,
            np.where(changed, settings.speed ** rng.uniform(-1, 1, size), 1),
            parts,
            rng.normal(size=(size, 3, KNOTS, 3)) * (half[1:4].T * deviation)[..., None, None],
            settings.path ** rng.uniform(-1, 1, size),
            rng.normal(0, settings.turning, (size, KNOTS)) * half[4, :, None],
            rng.permutation(size),
        )
        return _Plan(*(torch.from_numpy(v.astype(np.float32) if v.dtype == np.float64 else v) for v in plan))


def _change(
    features: torch.Tensor, other: torch.Tensor, heading: torch.Tensor, plan: _Plan, window: int, skeleton: Skeleton
) -> torch.Tensor:
    """Change windows; `features` and those parts are taken from are longer than they will be."""
    groups = feature_groups(skeleton)
    features, other = (_at_speed(motion, plan.speed, window + 1, skeleton) for motion in (features, other))
    joints = _exchange(_joints(features, skeleton), _joints(other, skeleton), plan.parts, skeleton)
    joints = _turn(joints, plan.turns, skeleton)
    features[..., groups["positions"]] = rearrange(joints[..., 1:, :], "b t j c -> b t (j c)")
    features[..., groups["root_velocity"]] *= plan.path[:, None, None]
    features[..., groups["yaw_velocity"]] += _smooth(plan.turning[..., None], window + 1)
    return recode_features(features, skeleton=skeleton, heading=heading)


def _at_speed(features: torch.Tensor, speed: torch.Tensor, frames: int, skeleton: Skeleton) -> torch.Tensor:
    """Read windows ``(B, T, D)`` `speed` ``(B,)`` times as fast, by linear interpolation."""
    times = torch.arange(frames, device=features.device) * speed[:, None]
    first = times.long()
    share = (times - first)[..., None]
    rows = torch.arange(len(features), device=features.device)[:, None]
    read = features[rows, first].lerp(features[rows, first + 1], share)
    for name in ("yaw_velocity", "root_velocity"):
        read[..., feature_groups(skeleton)[name]] *= speed[:, None, None]
    return read


def _joints(features: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Give the joints in the frame of the heading, the root above the origin."""
    root = F.pad(features[..., 3:4], (1, 1))
    return rearrange(
        torch.cat([root, features[..., feature_groups(skeleton)["positions"]]], -1), "b t (j c) -> b t j c", c=3
    )


def _exchange(joints: torch.Tensor, other: torch.Tensor, parts: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Take upper body, left arm, right arm or both arms of `other`, where `parts` ``(B,)`` is 0, 1, 2 or 3."""
    joints = joints.clone()
    for number, limbs in enumerate(_limbs(skeleton)):
        rows = (parts == number).nonzero()[:, 0]
        for root, limb in limbs:
            moved = other[rows][:, :, limb] - other[rows][:, :, root, None] + joints[rows][:, :, root, None]
            # Where rows and joints are picked at once, frames come third.
            joints[rows[:, None], :, limb] = rearrange(moved, "b t j c -> b j t c")
    return joints


def _turn(joints: torch.Tensor, knots: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Turn the trunk about the root, and each arm about its shoulder, by rotations through `knots` ``(B, 3, K, 3)``."""
    ((_, upper),), joints = _limbs(skeleton)[0], joints.clone()
    turned = [(0, upper), *((shoulder, _below(skeleton, shoulder)[1:]) for shoulder in _pair(skeleton.shoulders))]
    for number, (centre, limb) in enumerate(turned):
        turn = roma.rotvec_to_rotmat(_smooth(knots[:, number], joints.shape[1]))
        pivot = joints[:, :, centre, None]
        joints[:, :, limb] = (joints[:, :, limb] - pivot) @ turn.mT + pivot
    return joints


def _smooth(knots: torch.Tensor, frames: int) -> torch.Tensor:
    """Draw a cubic curve ``(B, frames, C)`` through ``(B, K, C)``."""
    # Bicubic curves are for pictures alone: here, of one row.
    picture = rearrange(knots, "b k c -> b c 1 k")
    curve = F.interpolate(picture, size=(1, frames), mode="bicubic", align_corners=True)
    return rearrange(curve, "b c 1 t -> b t c")


@lru_cache(maxsize=8)
def _limbs(skeleton: Skeleton) -> tuple[list[tuple[int, list[int]]], ...]:
    """Pairs of the joint a limb hangs on and its joints: upper body, left arm, right arm, both arms."""
    legs = [joint for hip in _pair(skeleton.hips) for joint in _below(skeleton, hip)]
    upper = [joint for joint in range(1, skeleton.num_joints) if joint not in legs]
    chains = [next(chain for chain in skeleton.chains if joint in chain) for joint in _pair(skeleton.shoulders)]
    left, right = ((chain[0], _below(skeleton, chain[1])) for chain in chains)
    return [(0, upper)], [left], [right], [left, right]


def _pair(joints: tuple[int, int] | None) -> tuple[int, int]:
    if joints is None:
        raise ConfigError("This skeleton has no arms or legs to turn.", expected="shoulders and hips")
    return joints


def _below(skeleton: Skeleton, joint: int) -> list[int]:
    """Give `joint` and all joints that hang on it."""
    found = [joint]
    for child, parent in enumerate(skeleton.parents):
        if parent in found:
            found.append(child)
    return found
