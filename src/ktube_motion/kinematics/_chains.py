"""Forward and inverse kinematics on a tree of joints."""

from functools import lru_cache

import numpy as np
import roma
import torch

from ..arrays import Array, ArrayLike, check_shape, to_torch
from ..errors import ShapeError
from ..rotations import shortest_arc
from ..skeletons import Skeleton

__all__ = ["bone_offsets", "check_root", "forward_kinematics", "global_rotations", "inverse_kinematics", "pose_joints"]


def forward_kinematics(
    rotations: Array, translation: ArrayLike, *, skeleton: Skeleton, offsets: ArrayLike | None = None
) -> Array:
    """Give the joint positions of local rotations.

    Parameters
    ----------
    rotations : array or tensor [shape=(..., T, J, 3, 3)]
        Rotation of each joint in the frame of its parent.
    translation : array or tensor [shape=(..., T, 3)]
        Root position, in the skeleton's unit.
    skeleton : Skeleton
    offsets : array or tensor [shape=(J, 3) or (..., T, J, 3)], optional
        Bone vectors in the rest pose; by default the skeleton's own. The
        root's is not used.

    Returns
    -------
    positions : same kind as `rotations` [shape=(..., T, J, 3)]
        Differentiable in every tensor given.

    Raises
    ------
    ShapeError
        If the shapes do not fit the skeleton or each other.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> upright = np.tile(np.eye(3), (5, 22, 1, 1))
    >>> positions = forward_kinematics(upright, np.zeros((5, 3)), skeleton=SMPL_22)
    >>> positions[0, 15].round(2)  # the head, half a metre above the pelvis
    array([0.  , 0.55, 0.1 ])
    """
    local, restore = to_torch(rotations, name="rotations")
    root = to_torch(translation, name="translation")[0].to(local)
    check_shape(local, (skeleton.num_joints, 3, 3), name="rotations")
    bones = _rest_bones(offsets, skeleton).to(local)
    check_root(root, local, name="translation")
    bones = bones.expand(*local.shape[:-3], -1, -1)
    return restore(pose_joints(local, root, skeleton=skeleton, offsets=bones)[0])


def pose_joints(
    local: torch.Tensor, root: torch.Tensor, *, skeleton: Skeleton, offsets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give positions ``(..., J, 3)`` and global rotations ``(..., J, 3, 3)`` of what has been checked already."""
    turned, placed = [local[..., :1, :, :]], [root[..., None, :]]
    for joints, parents in _levels(skeleton.parents):
        above, position = turned[-1][..., parents, :, :], placed[-1][..., parents, :]
        placed.append(position + (above @ offsets[..., joints, :, None])[..., 0])
        turned.append(above @ local[..., joints, :, :])
    order = _from_levels(skeleton.parents)
    return torch.cat(placed, -2)[..., order, :], torch.cat(turned, -3)[..., order, :, :]


def global_rotations(rotations: Array, *, skeleton: Skeleton) -> Array:
    """Give each joint's rotation in the world from the local ones.

    Parameters
    ----------
    rotations : array or tensor [shape=(..., J, 3, 3)]
    skeleton : Skeleton

    Returns
    -------
    rotations : same kind [shape=(..., J, 3, 3)]

    Raises
    ------
    ShapeError
        If the number of joints is not the skeleton's.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> local = np.tile(np.eye(3), (22, 1, 1)); local[0] = np.diag([-1, 1, -1])  # turn around
    >>> global_rotations(local, skeleton=SMPL_22)[15]
    array([[-1.,  0.,  0.],
           [ 0.,  1.,  0.],
           [ 0.,  0., -1.]])
    """
    local, restore = to_torch(rotations, name="rotations")
    check_shape(local, (skeleton.num_joints, 3, 3), name="rotations")
    turned = [local[..., :1, :, :]]
    for joints, parents in _levels(skeleton.parents):
        turned.append(turned[-1][..., parents, :, :] @ local[..., joints, :, :])
    return restore(torch.cat(turned, -3)[..., _from_levels(skeleton.parents), :, :])


def inverse_kinematics(positions: Array, *, skeleton: Skeleton, offsets: ArrayLike | None = None) -> Array:
    """Find local rotations that point every bone where the joints are.

    A joint with one child turns by the smallest rotation, seen from its
    parent, that swings its bone into place, so nothing twists without reason.
    A joint with several children (pelvis, chest, wrists) takes the rotation
    that fits the directions of all its bones best (Kabsch). Joints at the
    tips do not turn.

    Parameters
    ----------
    positions : array or tensor [shape=(..., J, 3)]
    skeleton : Skeleton
    offsets : array or tensor [shape=(J, 3)], optional
        Bone vectors of the rest pose, of which only the directions count; by
        default the skeleton's own.

    Returns
    -------
    rotations : same kind as `positions` [shape=(..., J, 3, 3)]
        `forward_kinematics` with these and the lengths of `bone_offsets`
        recovers the joints: exactly along chains, and also where bones
        spread from one joint, if they spread as in the rest pose.

    Raises
    ------
    ShapeError
        If the number of joints is not the skeleton's.

    Notes
    -----
    Bones folded straight back and bones of no length give finite rotations.
    The motion codec in `features` has its own inverse kinematics, with the
    habits of its format.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> rest = forward_kinematics(np.tile(np.eye(3), (1, 22, 1, 1)), np.zeros((1, 3)), skeleton=SMPL_22)
    >>> np.allclose(inverse_kinematics(rest, skeleton=SMPL_22), np.eye(3), atol=1e-5)
    True
    """
    points, restore = to_torch(positions, name="positions")
    check_shape(points, (skeleton.num_joints, 3), name="positions")
    rest = torch.nn.functional.normalize(_rest_bones(offsets, skeleton).to(points), dim=-1)
    bones = points - points[..., list(skeleton.parents), :]  # the root's is never looked at
    bones = torch.nn.functional.normalize(bones, dim=-1)
    above: list[torch.Tensor] = []
    local: list[torch.Tensor] = []
    upright = torch.eye(3).to(points).expand(*points.shape[:-2], 3, 3)
    for joint, parent in enumerate(skeleton.parents):
        frame = upright if parent < 0 else above[parent]
        children = _children(skeleton.parents)[joint]
        seen = bones[..., children, :] @ frame  # rows times the frame: into the frame of the parent
        local.append(_turn(rest[children], seen) if children else upright)
        above.append(frame @ local[joint])
    return restore(torch.stack(local, -3))


def bone_offsets(positions: Array, *, skeleton: Skeleton) -> Array:
    """Give the skeleton's rest bones the lengths measured in a motion.

    Parameters
    ----------
    positions : array or tensor [shape=(..., J, 3)]
    skeleton : Skeleton

    Returns
    -------
    offsets : same kind as `positions` [shape=(..., J, 3)]
        One set per frame, for `forward_kinematics`; zeros for the root.

    Raises
    ------
    ShapeError
        If the number of joints is not the skeleton's.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> offsets = bone_offsets(np.random.default_rng(0).normal(size=(4, 22, 3)), skeleton=SMPL_22)
    >>> np.abs(offsets[:, 20]).argmax(-1)  # the forearm hangs along y
    array([1, 1, 1, 1])
    """
    points, restore = to_torch(positions, name="positions")
    check_shape(points, (skeleton.num_joints, 3), name="positions")
    lengths = torch.linalg.vector_norm(points - points[..., list(skeleton.parents), :], dim=-1, keepdim=True)
    return restore(torch.from_numpy(skeleton.bone_directions.copy()).to(points) * lengths)


def check_root(root: torch.Tensor, rotations: torch.Tensor, *, name: str) -> None:
    """Raise `ShapeError` unless there is one root position to every frame of `rotations`."""
    expected = (*rotations.shape[:-3], 3)
    if root.shape != expected:
        raise ShapeError(f"rotations and {name} differ.", expected=expected, found=tuple(root.shape))


def _rest_bones(offsets: ArrayLike | None, skeleton: Skeleton) -> torch.Tensor:
    """The bone vectors given, or the skeleton's own, as a tensor."""
    bones, _ = to_torch(skeleton.offsets if offsets is None else offsets, name="offsets")
    check_shape(bones, (skeleton.num_joints, 3), name="offsets")
    return bones


def _turn(rest: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Rotation that takes the rest directions of some bones ``(n, 3)`` to the seen ones ``(..., n, 3)``."""
    if len(rest) == 1:
        return shortest_arc(rest[0], seen[..., 0, :])
    spread = seen.transpose(-1, -2) @ rest
    # A touch of the identity decides what the bones leave open: all on one line, or all of no length.
    return roma.special_procrustes(spread + 1e-6 * torch.eye(3).to(spread))


@lru_cache
def _levels(parents: tuple[int, ...]) -> tuple[tuple[list[int], list[int]], ...]:
    """Joints of equal depth, and where their parents stand in the level before, from depth 1 down."""
    levels, place = [[0]], {0: 0}
    while len(place) < len(parents):
        below = [joint for joint, parent in enumerate(parents) if parent in levels[-1]]
        place.update((joint, position) for position, joint in enumerate(below))
        levels.append(below)
    return tuple((level, [place[parents[joint]] for joint in level]) for level in levels[1:])


@lru_cache
def _from_levels(parents: tuple[int, ...]) -> list[int]:
    """Where each joint stands when the levels are joined."""
    return np.argsort([0, *(joint for level, _ in _levels(parents) for joint in level)]).tolist()


@lru_cache
def _children(parents: tuple[int, ...]) -> tuple[list[int], ...]:
    return tuple([child for child, parent in enumerate(parents) if parent == joint] for joint in range(len(parents)))
