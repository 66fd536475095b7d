"""The codec: joints to motion vectors and back."""

from collections.abc import Callable
from typing import Literal

import torch
from einops import rearrange

from ..arrays import Array, ArrayLike, to_torch
from ..errors import ConfigError, ShapeError
from ..rotations import rot6d_to_rotmat
from ..skeletons import KIT_21, SMPL_22, SMPLH_52, Skeleton
from ._canonical import canonical_planes, to_planes, turn, unit_bones
from ._chains import chain_rotations, headings, rotations_to_joints
from ._statistics import feature_groups

__all__ = ["features_to_joints", "joints_to_features", "recode_features", "root_trajectory"]


def joints_to_features(
    positions: Array,
    *,
    skeleton: Skeleton = SMPL_22,
    target_offsets: ArrayLike | None = None,
    feet_threshold: float | None = None,
) -> Array:
    """Encode joint positions as HumanML3D motion vectors.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        Joint positions in the skeleton's unit (metres; KIT's own), y up, ``T >= 2``.
    skeleton : Skeleton
        `SMPL_22`, `KIT_21` or `SMPLH_52`.
    target_offsets : array or tensor [shape=(J, 3)], optional
        Bones of the body every clip is given; only their lengths count.
        Default: ``skeleton.offsets``, the published target.
    feet_threshold : float, optional
        Squared displacement per frame under which a foot is in contact.
        Default: ``skeleton.contact_threshold``.

    Returns
    -------
    features : same kind as `positions` [shape=(..., T-1, 12 J - 1)]
        In order: root yaw velocity (half the angle per frame), root x and z
        velocity, root height; positions ``3 (J-1)``, rotations ``6 (J-1)``,
        velocities ``3 J``; contact of left ankle, left toe, right ankle, right
        toe. Per frame, in the frame of the heading.

    Raises
    ------
    ShapeError
        If the shape does not fit, or there are fewer than two frames.
    DataError
        If a number is not finite (the first such frame is named).

    Notes
    -----
    Follows [1]_ with its published quirks: the heading is shoulders minus
    hips, and frame 0 faces +z exactly, so the first yaw velocity jumps.
    Unlike there, the heading passes through 180° without a break, and a bone
    opposite to its rest direction has a rotation.

    References
    ----------
    .. [1] C. Guo et al., Generating Diverse and Natural 3D Human Motions from Text, CVPR 2022.

    Examples
    --------
    >>> from ktube_motion.features import canonicalize
    >>> clip = np.random.default_rng(0).normal(size=(8, 40, 22, 3))
    >>> features = joints_to_features(clip)
    >>> features.shape
    (8, 39, 263)
    >>> np.allclose(features_to_joints(features), canonicalize(clip)[:, :-1])
    True
    """
    planes, restore = to_planes(positions, skeleton)
    planes, unit = canonical_planes(planes, skeleton, target_offsets)
    heading = headings(planes, skeleton, smooth=True)
    step = planes[:, :, 1:] - planes[:, :, :-1]
    now, then = heading[..., :-1], heading[..., 1:]
    root = planes[..., :-1, :1]
    still = torch.stack([root[0], torch.zeros_like(root[1]), root[2]])
    parts = [
        _yaw_velocity(now, then),
        turn(step[..., :1], then)[::2],
        root[1:2],
        turn(planes[:, :, :-1, 1:] - still, now),
        chain_rotations(unit[:, :, :-1], now, skeleton),
        turn(step, now),
        _contacts(step, skeleton, feet_threshold),
    ]
    return restore(torch.cat([rearrange(part, "c b t j -> b t (j c)") for part in parts], -1))


def features_to_joints(
    features: Array,
    *,
    skeleton: Skeleton = SMPL_22,
    source: Literal["positions", "rotations"] = "positions",
    target_offsets: ArrayLike | None = None,
) -> Array:
    """Decode motion vectors to joint positions; differentiable.

    Parameters
    ----------
    features : array or tensor [shape=(..., T, 12 J - 1)]
        Motion vectors, not normalised.
    skeleton : Skeleton
        `SMPL_22`, `KIT_21` or `SMPLH_52`.
    source : {'positions', 'rotations'}
        Which part of the vectors poses the joints. Rotations keep the bone
        lengths; positions are what the published metrics use.
    target_offsets : array or tensor [shape=(J, 3)], optional
        Bones for ``source="rotations"``. Default: ``skeleton.offsets``.

    Returns
    -------
    positions : same kind as `features` [shape=(..., T, J, 3)]
        In the skeleton's unit, y up; frame 0 stands at x = z = 0. NaN passes;
        in a velocity of the root it passes to all frames after it.

    Raises
    ------
    ShapeError
        If the vectors are of another size than the skeleton's.
    ConfigError
        If `source` is neither of the two.

    Examples
    --------
    >>> features_to_joints(np.zeros((8, 30, 251)), skeleton=KIT_21).shape
    (8, 30, 21, 3)
    """
    vectors, restore = _vectors(features, skeleton)
    joints = skeleton.num_joints
    yaw, root = _trajectory(vectors)
    local = vectors[..., 4 : 4 + 3 * (joints - 1)].unflatten(-1, (joints - 1, 3))
    if source == "positions":
        cosine, sine = yaw.cos()[..., None], yaw.sin()[..., None]
        x, y, z = local.unbind(-1)
        x, z = cosine * x + sine * z + root[..., :1], cosine * z - sine * x + root[..., 2:]
        return restore(torch.cat([root[..., None, :], torch.stack([x, y, z], -1)], -2))
    if source == "rotations":
        start = 4 + 3 * (joints - 1)
        rot6d = vectors[..., start : start + 6 * (joints - 1)].unflatten(-1, (joints - 1, 6))
        cosine, sine, zero = yaw.cos(), yaw.sin(), torch.zeros_like(yaw)
        first = torch.stack([cosine, zero, sine, zero, zero + 1, zero], -1)[..., None, :]
        rotations = rot6d_to_rotmat(torch.cat([first, rot6d], -2))
        return restore(rotations_to_joints(rotations, root, skeleton=skeleton, target_offsets=target_offsets))
    raise ConfigError("Unknown source.", expected="'positions' or 'rotations'", found=repr(source))


def root_trajectory(features: Array) -> tuple[Array, Array]:
    """Add up the root's velocities: where it faces and where it is; differentiable.

    Parameters
    ----------
    features : array or tensor [shape=(..., T, D)]
        Motion vectors of any skeleton, not normalised; only the first four numbers are read.

    Returns
    -------
    yaw : same kind as `features` [shape=(..., T)]
        Heading in radians about +y: 0 faces +z, positive turns to the body's left (+x).
        Not wrapped: three turns are 6π.
    position : same kind as `features` [shape=(..., T, 3)]
        Root position.

    Raises
    ------
    ShapeError
        If there are fewer than four numbers to a vector.

    Examples
    --------
    >>> features = np.zeros((4, 263)); features[:, 1] = 0.5
    >>> yaw, position = root_trajectory(features)
    >>> position[:, 0]
    array([0. , 0.5, 1. , 1.5])
    """
    vectors, restore = to_torch(features, name="features")
    if vectors.ndim < 2 or vectors.shape[-1] < 4:
        raise ShapeError("features has the wrong shape.", expected="(..., T, D)", found=tuple(vectors.shape))
    yaw, position = _trajectory(vectors)
    return restore(yaw), restore(position)


def recode_features(features: Array, *, skeleton: Skeleton = SMPL_22, heading: Array | float = 0.0) -> Array:
    """Compute rotations, velocities and contacts of motion vectors anew from their positions and root motion.

    For vectors whose positions or root were changed.

    Parameters
    ----------
    features : array or tensor [shape=(..., T, 12 J - 1)]
        Motion vectors, not normalised, ``T >= 2``. Read are yaw velocity, root velocity and height, and positions.
    skeleton : Skeleton
        `SMPL_22`, `KIT_21` or `SMPLH_52`.
    heading : array or float [shape=(...)]
        Where the body faces in the first frame, radians: of a piece of a clip what the turns before it add
        up to (see `root_trajectory`), as the rotations of the format depend on it.

    Returns
    -------
    features : same kind as `features` [shape=(..., T-1, 12 J - 1)]
        One fewer: the last one's velocities would need a frame more.

    Raises
    ------
    ShapeError
        If the vectors are of another size than the skeleton's, or there are fewer than two.

    Examples
    --------
    >>> features = joints_to_features(np.random.default_rng(0).normal(size=(40, 22, 3)))
    >>> np.allclose(recode_features(features), features[:-1])
    True
    """
    vectors, restore = _vectors(features, skeleton)
    if vectors.shape[-2] < 2:
        raise ShapeError("Too few motion vectors to recode.", expected="2 or more", found=vectors.shape[-2])
    flat = vectors.reshape(-1, *vectors.shape[-2:])
    start = torch.as_tensor(heading).to(flat).expand(vectors.shape[:-2]).reshape(-1, 1)
    planes = rearrange(features_to_joints(flat, skeleton=skeleton), "b t j c -> c b t j")
    yaw = _trajectory(flat)[0][:, :-1]
    step = planes[:, :, 1:] - planes[:, :, :-1]
    unit, _ = unit_bones(turn(planes[:, :, :-1], _facing(-start)), skeleton)
    groups, recoded = feature_groups(skeleton), flat[:, :-1].clone()
    for name, part in (
        ("rotations", chain_rotations(unit, _facing(yaw + start), skeleton)),
        ("velocities", turn(step, _facing(yaw))),
        ("contacts", _contacts(step, skeleton, None)),
    ):
        recoded[..., groups[name]] = rearrange(part, "c b t j -> b t (j c)")
    return restore(recoded.reshape(*vectors.shape[:-2], *recoded.shape[1:]))


def _facing(yaw: torch.Tensor) -> torch.Tensor:
    """Turn headings ``(B, T)`` into x and z, ``(2, B, T)``."""
    return torch.stack([yaw.sin(), yaw.cos()])


def _trajectory(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    before = torch.cat([torch.zeros_like(vectors[..., :1, :3]), vectors[..., :-1, :3]], -2)
    yaw = -2 * before[..., 0].cumsum(-1)
    cosine, sine = yaw.cos(), yaw.sin()
    x = (cosine * before[..., 1] + sine * before[..., 2]).cumsum(-1)
    z = (cosine * before[..., 2] - sine * before[..., 1]).cumsum(-1)
    return yaw, torch.stack([x, vectors[..., 3], z], -1)


def _vectors(features: Array, skeleton: Skeleton) -> tuple[torch.Tensor, Callable[[torch.Tensor], Array]]:
    vectors, restore = to_torch(features, name="features")
    if vectors.ndim < 2 or vectors.shape[-1] != skeleton.feature_size:
        fits = [s.name.upper() for s in (SMPL_22, KIT_21, SMPLH_52) if vectors.shape[-1:] == (s.feature_size,)]
        raise ShapeError(
            "features has the wrong shape.",
            where=skeleton.name,
            expected=f"(..., T, {skeleton.feature_size})",
            found=tuple(vectors.shape),
            fix=f"Pass skeleton={fits[0]}." if fits else None,
        )
    # Sixteen bits would not add up a path; the result is given back in the caller's type.
    return vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors, restore


def _yaw_velocity(now: torch.Tensor, then: torch.Tensor) -> torch.Tensor:
    """Half the turn from one heading to the next, ``(1, B, T-1, 1)``; by atan2, so never a break at 180°."""
    sine = then[0] * now[1] - then[1] * now[0]
    cosine = then[0] * now[0] + then[1] * now[1]
    return -torch.atan2(sine, cosine)[None, ..., None] / 2


def _contacts(step: torch.Tensor, skeleton: Skeleton, threshold: float | None) -> torch.Tensor:
    """1 where a foot stands still, ``(1, B, T-1, 4)``."""
    threshold = skeleton.contact_threshold if threshold is None else threshold
    feet = [*skeleton.pair("left_foot"), *skeleton.pair("right_foot")]
    return (step[..., feet].square().sum(0) < threshold).to(step.dtype)[None]
