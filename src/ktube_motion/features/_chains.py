"""The rotations of the format: one smallest turn per bone, told along the chains."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from einops import rearrange

from ..arrays import Array, ArrayLike, check_shape, to_torch
from ..kinematics._chains import check_root
from ..rotations import rot6d_to_rotmat, shortest_arc_quat
from ..skeletons import SMPL_22, Skeleton
from ._canonical import along_tree, bone_lengths, forward, tables, to_planes, to_unit, unit_bones

__all__ = ["joints_to_rotations", "rotations_to_joints"]

SMOOTHING_FRAMES = 20  # sigma of the Gaussian that steadies the heading; four of it are kept on each side


def joints_to_rotations(positions: Array, *, skeleton: Skeleton = SMPL_22, smooth: bool = False) -> Array:
    """Find the rotations of the format that pose the skeleton like `positions`.

    Each bone takes the smallest turn from its rest direction to the observed
    one. A chain starts from the root's rotation, an arm's or a finger's too.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        Joint positions, ``T >= 2``.
    skeleton : Skeleton
        One with motion vectors: `SMPL_22`, `KIT_21` or `SMPLH_52`.
    smooth : bool
        Steady the heading over time (Gaussian, 20 frames), as the motion vectors do.

    Returns
    -------
    rotations : same kind as `positions` [shape=(..., T, J, 3, 3)]
        Local rotation matrices. The root's turns the heading into +z, and is
        the identity in frame 0: both are part of the format.

    Raises
    ------
    ShapeError
        If the shape does not fit, or there are fewer than two frames.
    DataError
        If a number is not finite.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> rest = np.zeros((22, 3))
    >>> for joint in range(1, 22):
    ...     rest[joint] = rest[SMPL_22.parents[joint]] + SMPL_22.offsets[joint]
    >>> np.allclose(joints_to_rotations(np.stack([rest, rest])), np.eye(3), atol=1e-6)
    True
    """
    planes, restore = to_planes(positions, skeleton)
    unit, _ = unit_bones(planes, skeleton)
    heading = headings(planes, skeleton, smooth=smooth)
    sine, cosine = heading
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    root = torch.stack([cosine, zero, sine, zero, one, zero])[..., None]
    rot6d = torch.cat([root, chain_rotations(unit, heading, skeleton)], -1)
    return restore(rot6d_to_rotmat(rearrange(rot6d, "d b t j -> b t j d")))


def rotations_to_joints(
    rotations: Array, root_position: ArrayLike, *, skeleton: Skeleton = SMPL_22, target_offsets: ArrayLike | None = None
) -> Array:
    """Pose the skeleton by rotations of the format: the inverse of `joints_to_rotations`.

    Parameters
    ----------
    rotations : array or tensor [shape=(..., J, 3, 3)]
        Local rotation matrices as `joints_to_rotations` gives them.
    root_position : array or tensor [shape=(..., 3)]
    skeleton : Skeleton
        One with motion vectors.
    target_offsets : array or tensor [shape=(J, 3)], optional
        Bones of the body; only their lengths count. Default: ``skeleton.offsets``.

    Returns
    -------
    positions : same kind as `rotations` [shape=(..., J, 3)]

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> rest = rotations_to_joints(np.broadcast_to(np.eye(3), (22, 3, 3)), np.zeros(3))
    >>> rest[1].round(3)
    array([0.103, 0. , 0. ])
    """
    local, restore = to_torch(rotations, name="rotations")
    root, _ = to_torch(root_position, name="root_position")
    joints = skeleton.num_joints
    check_shape(local, (joints, 3, 3), name="rotations", where=skeleton.name)
    check_root(root, local, name="root_position")
    table = tables(skeleton, local.dtype, local.device)
    root = root.to(local)
    local = local.reshape(1, -1, joints, 3, 3)
    with torch.autocast(local.device.type, enabled=False):
        # The root stands apart while chains are multiplied up; each round doubles the stretch that is done.
        first, one = local[:, :, :1], torch.eye(3, dtype=local.dtype, device=local.device)
        total = torch.cat([one.expand_as(first), local[:, :, 1:]], 2)
        for jump in table.chain_jumps:
            total = total.index_select(2, jump) @ total
        bones = rearrange(table.rest * bone_lengths(target_offsets, skeleton, total), "c b t j -> b t j c")
        bones = (first @ total[:, :, 1:] @ bones[..., None])[..., 0]
    planes = along_tree(rearrange(bones, "b t j c -> c b t j"), skeleton)
    positions = rearrange(planes, "c b t j -> b t j c")
    return restore(positions.reshape(*root.shape[:-1], joints, 3) + root[..., None, :])


def headings(planes: torch.Tensor, skeleton: Skeleton, *, smooth: bool) -> torch.Tensor:
    """Unit heading of every frame as x and z, ``(2, B, T)``; +z in frame 0, as the format has it."""
    facing = forward(planes, skeleton, hips=-1)
    if smooth:
        facing = _gaussian(facing)
    facing = to_unit(facing)
    first = facing.new_tensor([0.0, 1.0])[:, None, None].expand(2, facing.shape[1], 1)
    return torch.cat([first, facing[..., 1:]], -1)


def _gaussian(rows: torch.Tensor) -> torch.Tensor:
    """Smooth ``(2, B, T)`` along time, the ends held. In float64: GPUs convolve float32 with 10 bits."""
    kernel = _kernel(rows.device)
    long = rows.double().reshape(-1, 1, rows.shape[-1])
    padded = F.pad(long, (4 * SMOOTHING_FRAMES,) * 2, mode="replicate")
    return F.conv1d(padded, kernel).reshape(rows.shape).to(rows.dtype)


@lru_cache(maxsize=8)
def _kernel(device: torch.device) -> torch.Tensor:
    steps = torch.arange(-4 * SMOOTHING_FRAMES, 4 * SMOOTHING_FRAMES + 1, dtype=torch.float64, device=device)
    weights = torch.exp(-0.5 * (steps / SMOOTHING_FRAMES) ** 2)
    return (weights / weights.sum())[None, None]


def chain_rotations(unit: torch.Tensor, heading: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Give the local rotation of every bone as 6D planes ``(6, B, T, J-1)``.

    `unit` are unit bones ``(3, B, T, J-1)``, `heading` is ``(2, B, T)``.
    """
    table = tables(skeleton, unit.dtype, unit.device)
    half = torch.atan2(heading[0], heading[1]) / 2
    zero = torch.zeros_like(half)
    root = torch.stack([zero, -half.sin(), zero, half.cos()])
    quat = torch.cat([root[..., None], shortest_arc_quat(table.rest, unit, dim=0)], -1)  # xyzw planes, the root first
    before, quat = quat.index_select(-1, table.chain_parents[1:]), quat[..., 1:]

    # inverse(before) * quat, written out: the scalar is their dot product
    w = (before * quat).sum(0)
    vector = before[3] * quat[:3] - quat[3] * before[:3] - torch.linalg.cross(before[:3], quat[:3], dim=0)
    x, y, z = vector
    first = 2 * (x * vector + w * torch.stack([w, z, -y]))
    second = 2 * (y * vector + w * torch.stack([-z, w, x]))
    one = torch.eye(3, dtype=unit.dtype, device=unit.device)[..., None, None, None]
    return torch.cat([first - one[0], second - one[1]])
