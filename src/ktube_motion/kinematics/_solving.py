"""Rotations of all frames at once, by L-BFGS: points to meet, a rest pose to stay near, limits, little acceleration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import roma
import torch

from ..skeletons import Skeleton
from ._chains import pose_joints

__all__ = ["Points", "Strengths", "continuous_rotvecs", "robust", "shares", "solve"]


def shares(weights: torch.Tensor) -> torch.Tensor:
    """Give the part ``(T, P, 1)`` that each point has of its frame."""
    return (weights / weights.sum(1, keepdim=True).clamp_min(1e-9))[..., None]


def robust(squared: torch.Tensor) -> torch.Tensor:
    """Let squared distances count as they are as long as they are small, and far beyond 1 as distances do."""
    return 2 * ((1 + squared).sqrt() - 1)


@dataclass(frozen=True)
class Points:
    """Points on the body and where they were seen.

    Attributes
    ----------
    joints : int tensor [shape=(P,)]
        The joint that carries each.
    offsets : tensor [shape=(P, 3)] or None
        Where it sits in the joint's frame; None for joints themselves.
    targets : tensor [shape=(T, P, 3)]
        Metres.
    weights : tensor [shape=(T, P)] or None
    floating : bool
        Compare forms only: each frame's weighted mean is taken away first.
    robust : bool
        Points far off count less than their square.
    sigma : float
        How far points may stray, metres.
    """

    joints: torch.Tensor
    offsets: torch.Tensor | None
    targets: torch.Tensor
    weights: torch.Tensor | None = None
    floating: bool = False
    robust: bool = False
    sigma: float = 0.002

    def loss(self, positions: torch.Tensor, globals_: torch.Tensor) -> torch.Tensor:
        """Sum of squared distances in units of `sigma`."""
        found = positions[:, self.joints]
        if self.offsets is not None:
            found = found + (globals_[:, self.joints] @ self.offsets[..., None])[..., 0]
        apart = found - self.targets
        if self.floating and self.weights is not None:
            apart = apart - (apart * shares(self.weights)).sum(1, keepdim=True)
        squared = (apart / self.sigma).square().sum(-1)
        if self.robust:
            squared = robust(squared)
        return (squared if self.weights is None else squared * self.weights).sum()


@dataclass(frozen=True)
class Strengths:
    """How strongly a pose is held: sigmas of rotations in radians, `pose` and `smooth` of all joints or of each
    ``(J,)``; None leaves a term out."""

    pose: float | torch.Tensor = 1.5
    smooth: float | torch.Tensor = 0.25
    root_smooth: float | None = None
    limit: float | None = None


def solve(
    rotations: torch.Tensor,
    root: torch.Tensor,
    terms: Sequence[Points | Callable[[torch.Tensor, torch.Tensor], torch.Tensor]],
    offsets: torch.Tensor,
    skeleton: Skeleton,
    mean: torch.Tensor,
    *,
    fps: float,
    iterations: int,
    strengths: Strengths = Strengths(),  # frozen
    limits: tuple[torch.Tensor, torch.Tensor] | None = None,
    moving: slice = slice(None),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move rotations ``(T, J, 3, 3)`` and root ``(T, 3)`` until points fit, rotations stay small and smooth.

    Only joints of `moving` turn; the body moves if its root is one of them.
    """
    if iterations <= 0:
        return rotations, root
    step = torch.zeros_like(rotations[:, moving, 0], requires_grad=True)
    shift = torch.zeros_like(root, requires_grad=True)
    moved = [step, shift] if 0 in range(*moving.indices(skeleton.num_joints)) else [step]
    optimizer = torch.optim.LBFGS(
        moved, max_iter=iterations, history_size=10, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )
    # Frames closer in time are more alike: the penalty is on acceleration per (1/20 s)^2.
    pace = (fps / 20) ** 2
    held = torch.as_tensor(strengths.pose).expand(skeleton.num_joints)[1:, None, None]
    steady = torch.as_tensor(strengths.smooth).expand(skeleton.num_joints)[:, None, None]
    losses = [term.loss if isinstance(term, Points) else term for term in terms]

    def turned() -> torch.Tensor:
        local = rotations.clone()
        local[:, moving] = rotations[:, moving] @ roma.rotvec_to_rotmat(0.1 * step)
        return local

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        local, place = turned(), root + 0.01 * shift
        positions, globals_ = pose_joints(local, place, skeleton=skeleton, offsets=offsets)
        total = torch.stack([term(positions, globals_) for term in losses]).sum()
        total = total + ((local[:, 1:] - mean[1:]) / held).square().sum()
        if len(local) > 2:
            total = total + (pace / steady * _acceleration(local)).square().sum()
            if strengths.root_smooth is not None:
                total = total + (pace / strengths.root_smooth * _acceleration(place)).square().sum()
        if limits is not None and strengths.limit is not None:
            total = total + (_beyond(local, *limits) / strengths.limit).square().sum()
        total = total / len(local)
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        return roma.special_procrustes(turned()), root + 0.01 * shift


def _acceleration(values: torch.Tensor) -> torch.Tensor:
    return values[2:] - 2 * values[1:-1] + values[:-2]


def _beyond(local: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """How far the rotation vectors of all but the root lie beyond what joints can do, radians."""
    vectors = roma.rotmat_to_rotvec(local[:, 1:])
    return (low[1:] - vectors).clamp_min(0) + (vectors - high[1:]).clamp_min(0)


def continuous_rotvecs(rotations: torch.Tensor) -> np.ndarray:
    """Axis-angle ``(T, J, 3)``; a rotation that swings to and fro across a half turn keeps its axis."""
    near = roma.rotmat_to_rotvec(rotations).numpy()
    angle = np.linalg.norm(near, axis=-1, keepdims=True)
    far = near * (1 - 2 * np.pi / np.maximum(angle, 1e-9))
    # Beyond three quarters of a turn the short way is taken again: a full turn has no axis at all.
    usable = angle[..., 0] > np.pi / 2
    chosen = near.copy()
    for frame in range(1, len(near)):
        last = chosen[frame - 1]
        closer = np.linalg.norm(far[frame] - last, axis=-1) < np.linalg.norm(near[frame] - last, axis=-1)
        chosen[frame] = np.where((closer & usable[frame])[:, None], far[frame], near[frame])
    return chosen
