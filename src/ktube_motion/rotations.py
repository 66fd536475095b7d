"""Rotation helpers that more than one room needs, on roma. Quaternions are xyzw."""

import roma
import torch
import torch.nn.functional as F
from einops import rearrange

__all__ = [
    "continuous_quat",
    "quat_to_rot6d",
    "rot6d_to_rotmat",
    "rotmat_to_rot6d",
    "shortest_arc",
    "shortest_arc_quat",
    "yaw_rotmat",
]


def shortest_arc(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Give the smallest rotation that turns one direction into another.

    Parameters
    ----------
    source, target : tensor [shape=(..., 3)]
        Directions of any length above zero.

    Returns
    -------
    rotmat : tensor [shape=(..., 3, 3)]
        Rotation matrices; a half turn about a perpendicular axis where the
        two directions are opposite, the identity where one is zero.

    Examples
    --------
    >>> x, y = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0])
    >>> torch.allclose(shortest_arc(x, y) @ x, y)
    True
    >>> torch.allclose(shortest_arc(x, -x) @ x, -x)
    True
    """
    source, target = torch.broadcast_tensors(F.normalize(source, dim=-1), F.normalize(target, dim=-1))
    return roma.unitquat_to_rotmat(shortest_arc_quat(source, target))


def shortest_arc_quat(source: torch.Tensor, target: torch.Tensor, *, dim: int = -1) -> torch.Tensor:
    """Give `shortest_arc` of directions of length one, as quaternions.

    Parameters
    ----------
    source, target : tensor
        Of size 3 along `dim`.
    dim : int

    Returns
    -------
    quat : tensor
        Of size 4 along `dim`, xyzw.

    Examples
    --------
    >>> x, y = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0])
    >>> shortest_arc_quat(x, y)
    tensor([0.0000, 0.0000, 0.7071, 0.7071])
    """
    cosine = (source * target).sum(dim, keepdim=True)
    # Near a half turn cross(source, target) and 1 + cosine lose their digits; these, which are the same, do not.
    axis = torch.linalg.cross(source, source + target, dim=dim)
    squared = axis.square().sum(dim, keepdim=True)
    scalar = torch.where(cosine < 0, squared / (1 - cosine.clamp(max=0)), 1 + cosine)
    # Exactly opposite there is no axis: any one across will do.
    helper = F.one_hot(source.abs().argmin(dim), 3).movedim(-1, dim).to(source)
    across = torch.linalg.cross(source, helper, dim=dim)
    quat = torch.cat([torch.where((squared < 1e-30) & (cosine < 0), across, axis), scalar], dim)
    return quat / quat.square().sum(dim, keepdim=True).sqrt()


def rotmat_to_rot6d(rotmat: torch.Tensor) -> torch.Tensor:
    """Give the first two **columns** of ``(..., 3, 3)`` matrices, concatenated: ``(..., 6)``.

    Examples
    --------
    >>> rotmat_to_rot6d(torch.eye(3))
    tensor([1., 0., 0., 0., 1., 0.])
    """
    return rearrange(rotmat[..., :2], "... row column -> ... (column row)")


def rot6d_to_rotmat(rot6d: torch.Tensor) -> torch.Tensor:
    """Invert `rotmat_to_rot6d` by Gram-Schmidt: ``(..., 6)`` to ``(..., 3, 3)``.

    Examples
    --------
    >>> rot6d_to_rotmat(torch.tensor([2.0, 0, 0, 1, 1, 0]))
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    first = F.normalize(rot6d[..., :3], dim=-1)
    second = rot6d[..., 3:] - (first * rot6d[..., 3:]).sum(-1, keepdim=True) * first
    second = F.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


def quat_to_rot6d(quat: torch.Tensor) -> torch.Tensor:
    """Turn unit quaternions xyzw ``(..., 4)`` into 6D ``(..., 6)``.

    Examples
    --------
    >>> quat_to_rot6d(torch.tensor([0.0, 0, 0, 1]))
    tensor([1., 0., 0., 0., 1., 0.])
    """
    return rotmat_to_rot6d(roma.unitquat_to_rotmat(quat))


def continuous_quat(quat: torch.Tensor) -> torch.Tensor:
    """Choose the sign of each quaternion so that neighbours in time share a hemisphere.

    Parameters
    ----------
    quat : tensor [shape=(T, ..., 4)]
        Unit quaternions with time first.

    Returns
    -------
    quat : tensor [shape=(T, ..., 4)]
        The same rotations, ready to be filtered number by number.

    Examples
    --------
    >>> q = torch.tensor([[0.0, 0, 0, 1], [0.0, 0, 0, -1]])
    >>> continuous_quat(q)[1]
    tensor([-0., -0., -0., 1.])
    """
    flips = (quat[1:] * quat[:-1]).sum(-1, keepdim=True) < 0
    sign = torch.where(flips, -1.0, 1.0).to(quat).cumprod(0)
    return torch.cat([quat[:1], quat[1:] * sign])


def yaw_rotmat(angle: torch.Tensor) -> torch.Tensor:
    """Rotation matrices about +y by `angle` radians: ``(...)`` to ``(..., 3, 3)``.

    Examples
    --------
    >>> (yaw_rotmat(torch.tensor(torch.pi / 2)) @ torch.tensor([0.0, 0, 1])).round(decimals=3)
    tensor([1., 0., 0.])
    """
    return roma.rotvec_to_rotmat(torch.stack([torch.zeros_like(angle), angle, torch.zeros_like(angle)], -1))
