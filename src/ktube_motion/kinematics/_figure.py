"""A figure of rigid bones whose limbs are bent to reach, and whose joints stay within what a body can do."""

from dataclasses import dataclass, replace
from typing import Self

import torch

from ..rotations import shortest_arc
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55, Skeleton
from ._chains import forward_kinematics, global_rotations

__all__ = ["ARMS", "HUMANS", "LEGS", "Figure", "limited"]

HUMANS = (SMPL_22, SMPLH_52, SMPLX_55)
# Hip, knee, ankle and shoulder, elbow, wrist; the numbers are those of SMPL_22, SMPLH_52 and SMPLX_55 alike.
LEGS = ((1, 4, 7), (2, 5, 8))
ARMS = ((16, 18, 20), (17, 19, 21))

_SOFT = 0.9  # a limit is approached from nine tenths of it on, without a stop that shows
_REACH, _BENT = 0.9995, 0.995  # shares of a limb's length: never all straight, and as the goal says up to here


@dataclass(frozen=True)
class Figure:
    """Rigid bones in motion.

    Attributes
    ----------
    local : float64 tensor [shape=(T, J, 3, 3)]
    root : float64 tensor [shape=(T, 3)]
    offsets : float64 tensor [shape=(J, 3)]
    skeleton : Skeleton
    """

    local: torch.Tensor
    root: torch.Tensor
    offsets: torch.Tensor
    skeleton: Skeleton

    def joints(self) -> torch.Tensor:
        """Positions ``(T, J, 3)``."""
        return forward_kinematics(self.local, self.root, skeleton=self.skeleton, offsets=self.offsets)

    def moved(self, shift: torch.Tensor) -> Self:
        """The same figure with its root shifted by ``(T, 3)`` or ``(3,)``."""
        return replace(self, root=self.root + shift)

    def length(self, joint: int) -> float:
        """Length of the bone that ends in a joint."""
        return float(self.offsets[joint].norm())

    def reach(self, limb: tuple[int, int, int]) -> float:
        """How far a limb reaches exactly."""
        return _BENT * (self.length(limb[1]) + self.length(limb[2]))

    def reaching(
        self,
        limb: tuple[int, int, int],
        goal: torch.Tensor,
        *,
        pole: torch.Tensor,
        beyond: tuple[int, torch.Tensor] | None = None,
    ) -> Self:
        """Bend a limb of two bones so that its end is at `goal`.

        Parameters
        ----------
        limb : tuple of int
            Upper joint, middle joint, end.
        goal : tensor [shape=(T, 3)]
            Where the end shall be. A goal out of reach is pointed at.
        pole : tensor [shape=(T, 3)]
            The direction to which the middle joint bends.
        beyond : (int, tensor [shape=(T, 3)]), optional
            A child of the end and the direction from the end in which it shall be; by default the end keeps
            its rotation in the world.
        """
        upper, middle, end = limb
        points = self.joints()
        turned = global_rotations(self.local, skeleton=self.skeleton)
        knee, reached = _two_bones(points[:, upper], goal, pole, self.length(middle), self.length(end))
        swing = shortest_arc(points[:, middle] - points[:, upper], knee - points[:, upper])
        lower = (swing @ (points[:, end] - points[:, middle])[..., None])[..., 0]
        bend = shortest_arc(lower, reached - knee) @ swing
        new = {upper: swing @ turned[:, upper], middle: bend @ turned[:, middle], end: turned[:, end]}
        if beyond is not None:
            child, direction = beyond
            new[end] = shortest_arc(points[:, child] - points[:, end], direction) @ turned[:, end]
        local = self.local.clone()
        above = turned[:, self.skeleton.parents[upper]]
        for joint in limb:
            local[:, joint] = above.transpose(-1, -2) @ new[joint]
            above = new[joint]
        return replace(self, local=local)


def _two_bones(
    start: torch.Tensor, goal: torch.Tensor, pole: torch.Tensor, first: float, second: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Place the joint between two bones, and their end, by the law of cosines."""
    span = goal - start
    distance = span.norm(dim=-1, keepdim=True)
    along = span / distance.clamp_min(1e-9)
    distance = _soft_limit(distance, _REACH * (first + second), from_share=_BENT / _REACH)
    distance = distance.clamp_min(1.05 * abs(first - second) + 1e-3)
    ahead = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = (first**2 - ahead**2).clamp_min(0).sqrt()
    across = pole - (pole * along).sum(-1, keepdim=True) * along
    across = across / across.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return start + ahead * along + aside * across, start + distance * along


def _soft_limit(value: torch.Tensor, limit: float, *, from_share: float = _SOFT) -> torch.Tensor:
    """Values up to `from_share` of `limit` stay; beyond, they come ever closer to the limit."""
    start = from_share * limit
    room = limit - start
    return torch.where(value > start, start + room * torch.tanh((value - start) / room), value)


def limited(figure: Figure, limits: torch.Tensor) -> tuple[Figure, int]:
    """Hold every joint within its largest angle ``(J,)``; tell how many joints of how many frames were beyond."""
    import roma

    limits = limits[:, None]
    rotvecs = roma.rotmat_to_rotvec(figure.local)
    angles = rotvecs.norm(dim=-1, keepdim=True)
    held = torch.minimum(angles, limits)
    beyond = (angles > limits)[..., 0]
    near = (angles > _SOFT * limits)[..., 0]
    if not near.any():
        return figure, 0
    for joint in near.any(0).nonzero()[:, 0].tolist():
        held[:, joint] = _soft_limit(angles[:, joint], float(limits[joint]))
    local = torch.where(
        near[..., None, None], roma.rotvec_to_rotmat(rotvecs * (held / angles.clamp_min(1e-9))), figure.local
    )
    return replace(figure, local=local), int(beyond.sum())
