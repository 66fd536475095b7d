"""Bringing a clip into the frame of the format: its bones, its floor, its start.

Inside this room positions are **planes**, ``(3, B, T, J)``: with x, y and z
apart every step is a few operations on long rows.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange

from ..arrays import Array, ArrayLike, check_finite, check_shape, to_torch
from ..errors import DataError, ShapeError
from ..skeletons import SMPL_22, Skeleton

__all__ = ["canonicalize", "rebone"]


def rebone(
    positions: Array,
    *,
    skeleton: Skeleton = SMPL_22,
    target_offsets: ArrayLike | None = None,
    source_offsets: ArrayLike | None = None,
) -> Array:
    """Give a clip the bone lengths of the target skeleton; every bone keeps its direction.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        Joint positions in the skeleton's unit, ``T >= 1``.
    skeleton : Skeleton
        One with motion vectors: `SMPL_22`, `KIT_21` or `SMPLH_52`.
    target_offsets : array or tensor [shape=(J, 3)], optional
        Bones of the target body. Only their lengths count: the directions belong
        to the skeleton. Default: ``skeleton.offsets``.
    source_offsets : array or tensor [shape=(J, 3)], optional
        Bones of the body that moves, by whose legs the root path is scaled. Default: those of frame 0.

    Returns
    -------
    positions : same kind as `positions` [shape=(..., T, J, 3)]
        The root path is scaled by the ratio of the legs.

    Raises
    ------
    ShapeError
        If a shape does not fit, or there is no frame.
    DataError
        If a number is not finite (the frame is named), or the legs have no length.

    Notes
    -----
    The reference solves for rotations and applies them to the target offsets [1]_.
    Along a chain those rotations add up to each bone's own, so stretching is the same.

    References
    ----------
    .. [1] C. Guo et al., Generating Diverse and Natural 3D Human Motions from Text, CVPR 2022.

    Examples
    --------
    >>> clip = np.cumsum(np.full((5, 22, 3), 0.1), axis=1)
    >>> bones = rebone(clip)[:, 4] - rebone(clip)[:, 1]
    >>> np.linalg.norm(bones, axis=-1).round(4)
    array([0.3936, 0.3936, 0.3936, 0.3936, 0.3936])
    """
    planes, restore = to_planes(positions, skeleton, least=1)
    planes, _ = rebone_planes(planes, skeleton, target_offsets, source_offsets)
    return restore(rearrange(planes, "c b t j -> b t j c"))


def canonicalize(positions: Array, *, skeleton: Skeleton = SMPL_22, target_offsets: ArrayLike | None = None) -> Array:
    """Re-bone a clip, put it on the floor, and start it at the origin facing +z.

    These positions are what the motion vectors hold: `features_to_joints`
    gives them back.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        Joint positions in the skeleton's unit, ``T >= 2``.
    skeleton : Skeleton
        One with motion vectors: `SMPL_22`, `KIT_21` or `SMPLH_52`.
    target_offsets : array or tensor [shape=(J, 3)], optional
        As in `rebone`.

    Returns
    -------
    positions : same kind as `positions` [shape=(..., T, J, 3)]
        Lowest joint of the clip at y = 0; frame 0's root at x = z = 0.

    Raises
    ------
    ShapeError, DataError
        As in `rebone`.

    Examples
    --------
    >>> clip = np.random.default_rng(0).normal(size=(5, 22, 3))
    >>> out = canonicalize(clip)
    >>> out[0, 0, [0, 2]], float(out[..., 1].min())
    (array([0., 0.]), 0.0)
    """
    planes, restore = to_planes(positions, skeleton)
    planes, _ = canonical_planes(planes, skeleton, target_offsets)
    return restore(rearrange(planes, "c b t j -> b t j c"))


def to_planes(
    positions: Array, skeleton: Skeleton, *, least: int = 2
) -> tuple[torch.Tensor, Callable[[torch.Tensor], Array]]:
    """Check `positions`; give planes ``(3, B, T, J)`` and the way back for results ``(B, ...)``."""
    tensor, restore = to_torch(positions, name="positions")
    check_shape(tensor, (None, skeleton.num_joints, 3), name="positions", where=skeleton.name)
    if tensor.shape[-3] < least:
        raise ShapeError(
            "Too few frames for motion vectors.",
            expected=f"{least} or more",
            found=tensor.shape[-3],
            fix="Drop this clip.",
        )
    check_finite(rearrange(tensor, "... t j c -> t ... j c"), name="positions", where=skeleton.name)
    if tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()
    prefix = tensor.shape[:-3]
    planes = rearrange(tensor, "... t j c -> c (...) t j").contiguous()
    return planes, lambda result: restore(result.reshape(*prefix, *result.shape[1:]))


class _Tables(NamedTuple):
    """A skeleton as tensors."""

    parents: torch.Tensor  # (J,); the root is its own
    chain_parents: torch.Tensor  # (J,); the joint before in the chain, the root for a chain's first bone
    tree_jumps: tuple[torch.Tensor, ...]  # parents, their parents, four up, eight up: until all reach the root
    chain_jumps: tuple[torch.Tensor, ...]
    rest: torch.Tensor  # unit bones in the rest pose (3, 1, 1, J-1)


@lru_cache(maxsize=32)
def tables(skeleton: Skeleton, dtype: torch.dtype, device: torch.device) -> _Tables:
    """Give `skeleton` as tensors, made once."""
    previous = [0] * skeleton.num_joints
    for chain in skeleton.chains:
        for before, joint in pairwise(chain[1:]):
            previous[joint] = before
    tree, before_it = (torch.tensor([max(parent, 0) for parent in row]) for row in (skeleton.parents, previous))
    rest = torch.tensor(skeleton.offsets[1:].T.copy(), dtype=dtype)[:, None, None]
    return _Tables(
        tree.to(device),
        before_it.to(device),
        tuple(jump.to(device) for jump in _jumps(tree)),
        tuple(jump.to(device) for jump in _jumps(before_it)),
        F.normalize(rest, dim=0).to(device),
    )


def _jumps(ancestor: torch.Tensor) -> Iterator[torch.Tensor]:
    while int(ancestor.max()) > 0:
        yield ancestor
        ancestor = ancestor[ancestor]


def bone_lengths(target_offsets: ArrayLike | None, skeleton: Skeleton, like: torch.Tensor) -> torch.Tensor:
    """Length of every bone of the target body, ``(J-1,)``."""
    offsets = skeleton.offsets.copy() if target_offsets is None else target_offsets
    offsets, _ = to_torch(offsets, name="target_offsets")
    if tuple(offsets.shape) != (skeleton.num_joints, 3):
        raise ShapeError(
            "target_offsets has the wrong shape.", expected=(skeleton.num_joints, 3), found=tuple(offsets.shape)
        )
    check_finite(offsets, name="target_offsets")
    return offsets.to(like).norm(dim=-1)[1:]


def along_tree(bones: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Sum ``(3, B, T, J-1)`` bones from the root outwards: positions relative to the root, ``(3, B, T, J)``."""
    total = F.pad(bones, (1, 0))
    for jump in tables(skeleton, bones.dtype, bones.device).tree_jumps:
        total = total + total.index_select(-1, jump)  # each round doubles the length of path that is summed
    return total


def unit_bones(planes: torch.Tensor, skeleton: Skeleton) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the direction ``(3, B, T, J-1)`` and length ``(B, T, J-1)`` of every bone; rest direction for no length."""
    table = tables(skeleton, planes.dtype, planes.device)
    bones = planes[..., 1:] - planes.index_select(-1, table.parents[1:])
    squared = bones.square().sum(0)
    missing = squared <= 1e-30
    safe = torch.where(missing, 1.0, squared).sqrt()
    return torch.where(missing, table.rest, bones / safe), torch.where(missing, 0.0, safe)


def rebone_planes(
    planes: torch.Tensor,
    skeleton: Skeleton,
    target_offsets: ArrayLike | None,
    source_offsets: ArrayLike | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stretch the bones of `planes`; give the new planes and the unit bones ``(3, B, T, J-1)``."""
    unit, lengths = unit_bones(planes, skeleton)
    target = bone_lengths(target_offsets, skeleton, planes)
    own = lengths[:, 0] if source_offsets is None else bone_lengths(source_offsets, skeleton, planes)[None]
    shins = skeleton.pair("lower_leg")
    leg = [joint - 1 for joint in shins]
    share = tables(skeleton, planes.dtype, planes.device).rest[:, 0, 0, leg].abs().amax(0)
    source_leg = (own[:, leg] * share).sum(-1)
    if not bool((source_leg > 0).all()):
        names = " and ".join(skeleton.joint_names[joint] for joint in shins)
        raise DataError(
            f"The legs have no length in frame 0, so the size of the body is unknown ({names}).", where=skeleton.name
        )
    ratio = (target[leg] * share).sum() / source_leg
    root = planes[..., :1] * ratio[:, None, None]
    return along_tree(unit * target, skeleton) + root, unit


def canonical_planes(
    planes: torch.Tensor, skeleton: Skeleton, target_offsets: ArrayLike | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Steps 1 to 4 of the recipe on planes; also gives the unit bones."""
    planes, unit = rebone_planes(planes, skeleton, target_offsets)
    origin = torch.stack([planes[0, :, 0, 0], planes[1].amin((-1, -2)), planes[2, :, 0, 0]])
    planes = planes - origin[..., None, None]
    facing = to_unit(forward(planes[:, :, :1], skeleton, hips=1))
    return turn(planes, facing), turn(unit, facing)


def forward(planes: torch.Tensor, skeleton: Skeleton, *, hips: int) -> torch.Tensor:
    """Give where the body faces, as x and z, ``(2, B, T)``; not unit where the body leans.

    ``hips=1`` adds the hips' right-minus-left to the shoulders' (the true
    heading, of frame 0); ``hips=-1`` subtracts it, as the published data does
    everywhere else.
    """
    left, right = skeleton.pair("shoulders")
    left_hip, right_hip = skeleton.pair("hips")
    across = planes[..., right] - planes[..., left] + hips * (planes[..., right_hip] - planes[..., left_hip])
    across = to_unit(across)
    return torch.stack([across[2], -across[0]])


def to_unit(vectors: torch.Tensor) -> torch.Tensor:
    """Make ``(C, ...)`` vectors unit; where there is no direction, take the last axis (+z)."""
    squared = vectors.square().sum(0)
    missing = squared <= 1e-24
    unit = vectors / torch.where(missing, 1.0, squared).sqrt()
    fallback = F.one_hot(torch.tensor(len(vectors) - 1), len(vectors)).to(unit)
    return torch.where(missing, fallback.reshape(-1, *[1] * squared.ndim), unit)


def turn(planes: torch.Tensor, facing: torch.Tensor) -> torch.Tensor:
    """Turn ``(3, B, T, J)`` about y so that `facing` ``(2, B, T)`` becomes +z."""
    sine, cosine = facing[..., None]
    x, y, z = planes
    return torch.stack([cosine * x - sine * z, y, sine * x + cosine * z])
