"""Measures on joint positions: errors against a truth, and the look of a motion by itself."""

import roma
import torch

from ...arrays import Array, ArrayLike, check_finite, check_shape, to_torch
from ...errors import ConfigError, ShapeError
from ...skeletons import SMPL_22, Skeleton

__all__ = [
    "acceleration_error",
    "foot_skating",
    "jerk",
    "joint_errors",
    "l1_diversity",
    "mpjpe",
    "symmetric_jerk_error",
]

ALIGNMENTS = ("none", "root", "procrustes")


def _positions(array: ArrayLike, name: str, minimum: int = 1) -> torch.Tensor:
    tensor, _ = to_torch(array, name=name)
    check_shape(tensor, (None, None, 3), name=name)
    if tensor.shape[-3] < minimum:
        raise ShapeError(f"{name} has too few frames.", expected=f"at least {minimum}", found=tensor.shape[-3])
    check_finite(tensor.reshape(-1, *tensor.shape[-2:]), name=name)
    return tensor.detach().to(torch.float64)


def _couple(predicted: ArrayLike, target: ArrayLike, minimum: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    predicted, target = _positions(predicted, "predicted", minimum), _positions(target, "target", minimum)
    if predicted.shape != target.shape:
        raise ShapeError(
            "Prediction and target differ in shape.", expected=tuple(target.shape), found=tuple(predicted.shape)
        )
    return predicted, target


def _procrustes(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Bring each frame of `predicted` onto `target` by the best similarity transform."""
    shape = predicted.shape
    p, t = predicted.reshape(-1, *shape[-2:]), target.reshape(-1, *shape[-2:])
    rotation, shift, scale = roma.rigid_points_registration(p, t, compute_scaling=True)
    aligned = scale[:, None, None] * (p @ rotation.mT) + shift[:, None]
    return aligned.reshape(shape)


def joint_errors(predicted: Array, target: ArrayLike, *, align: str = "none") -> Array:
    """Distance of every predicted joint from its target.

    Parameters
    ----------
    predicted, target : array or tensor [shape=(..., T, J, 3)]
        Joint positions; joint 0 is the root.
    align : {"none", "root", "procrustes"}
        Compare as they are; with both roots at the origin; or after the best
        rotation, translation and scale of each frame.

    Returns
    -------
    errors : same kind as `predicted` [shape=(..., T, J)]
        In the unit of the positions.

    Raises
    ------
    ConfigError
        If `align` is unknown.
    ShapeError, DataError
        If the positions do not fit or are not finite.

    Examples
    --------
    >>> x = np.zeros((1, 2, 3))
    >>> joint_errors(x + [3.0, 4, 0], x)
    array([[5., 5.]])
    """
    _, restore = to_torch(predicted, name="predicted")
    return restore(distances(predicted, target, align=align))


def distances(predicted: ArrayLike, target: ArrayLike, *, align: str) -> torch.Tensor:
    """Give `joint_errors` as a float64 tensor, whatever the kind of the positions."""
    predicted, target = _couple(predicted, target)
    if align == "root":
        predicted, target = predicted - predicted[..., :1, :], target - target[..., :1, :]
    elif align == "procrustes":
        predicted = _procrustes(predicted, target)
    elif align != "none":
        raise ConfigError("Unknown alignment.", expected=", ".join(ALIGNMENTS), found=repr(align))
    return (predicted - target).norm(dim=-1)


def mpjpe(predicted: ArrayLike, target: ArrayLike, *, align: str = "none") -> float:
    """Mean per-joint position error.

    Parameters
    ----------
    predicted, target : array or tensor [shape=(..., T, J, 3)]
        Joint positions; joint 0 is the root.
    align : {"none", "root", "procrustes"}
        Global, root-relative or Procrustes-aligned (PA-MPJPE), as in `joint_errors`.

    Returns
    -------
    error : float
        In the unit of the positions: metres, or KIT-ML's unit. Multiply by
        ``1000 * skeleton.metres_per_unit`` for millimetres.

    Raises
    ------
    ConfigError
        If `align` is unknown.
    ShapeError, DataError
        If the positions do not fit or are not finite.

    Examples
    --------
    >>> pose = np.random.default_rng(0).normal(size=(5, 22, 3))
    >>> [round(mpjpe(2 * pose + 1, pose + 1, align=align), 3) for align in ("root", "procrustes")][1]
    0.0
    """
    return float(distances(predicted, target, align=align).mean())


def _derivative(positions: torch.Tensor, order: int, fps: float) -> torch.Tensor:
    for _ in range(order):
        positions = positions.diff(dim=-3)
    return positions * float(fps) ** order


def acceleration_error(predicted: ArrayLike, target: ArrayLike, *, fps: float) -> float:
    """Mean distance between predicted and true joint accelerations.

    Parameters
    ----------
    predicted, target : array or tensor [shape=(..., T, J, 3)]
        Joint positions in metres, ``T >= 3``.
    fps : float
        Frames per second.

    Returns
    -------
    error : float
        Metres per second squared. Divide by ``fps ** 2`` for metres per frame squared, as some papers print.

    Raises
    ------
    ShapeError, DataError
        If the positions do not fit, are too short or are not finite.

    Examples
    --------
    >>> t = np.arange(5) / 20
    >>> moving = np.zeros((5, 1, 3)); moving[:, 0, 0] = 0.5 * t**2
    >>> round(acceleration_error(moving, np.zeros((5, 1, 3)), fps=20), 6)
    1.0
    """
    predicted, target = _couple(predicted, target, minimum=3)
    return float((_derivative(predicted, 2, fps) - _derivative(target, 2, fps)).norm(dim=-1).mean())


def jerk(positions: ArrayLike, *, fps: float) -> float:
    """Mean size of the third derivative of joint positions: how shaky a motion is.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        Metres, ``T >= 4``.
    fps : float

    Returns
    -------
    jerk : float
        Metres per second cubed.

    Raises
    ------
    ShapeError, DataError
        If there are fewer than four frames, or NaN.

    Examples
    --------
    >>> t = np.arange(8) / 20
    >>> x = np.zeros((8, 1, 3)); x[:, 0, 1] = t**3
    >>> round(jerk(x, fps=20), 6)
    6.0
    """
    return float(_derivative(_positions(positions, "positions", 4), 3, fps).norm(dim=-1).mean())


def symmetric_jerk_error(predicted: ArrayLike, target: ArrayLike) -> float:
    """How far the jerk of a motion is from the truth's, too shaky and too smooth alike.

    Per frame, with the mean jerk ``p`` of the prediction's joints and ``t`` of
    the target's: ``|p - t| / (p + t)``, averaged over frames.

    Parameters
    ----------
    predicted, target : array or tensor [shape=(..., T, J, 3)]
        ``T >= 4``. The measure has no unit and no fps.

    Returns
    -------
    error : float in [0, 1]
        0 for equal jerk (both zero included), 1 when only one of them moves.

    Raises
    ------
    ShapeError, DataError
        If the positions do not fit, are too short or are not finite.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 22, 3))
    >>> symmetric_jerk_error(x, x), symmetric_jerk_error(0 * x, x), round(symmetric_jerk_error(3 * x, x), 3)
    (0.0, 1.0, 0.5)
    """
    p, t = (_derivative(x, 3, 1).norm(dim=-1).mean(-1) for x in _couple(predicted, target, minimum=4))
    total = p + t
    return float(torch.where(total > 0, (p - t).abs() / total.clamp(min=1e-300), 0.0).mean())


def foot_skating(
    positions: ArrayLike,
    *,
    fps: float,
    skeleton: Skeleton = SMPL_22,
    height: float = 0.05,
    speed: float = 0.5,
    floor: float = 0.0,
) -> float:
    """Share of frames in which a foot slides while it is on the ground.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        In the unit of `skeleton`, y up, ``T >= 2``.
    fps : float
    skeleton : Skeleton
        Says which joints are feet (the toes are asked).
    height : float
        A toe is on the ground below this, in metres, at both ends of the step.
    speed : float
        It slides above this horizontal speed, in metres per second (2.5 cm a frame at 20 fps, as published [1]_).
    floor : float
        Height of the ground, in metres.

    Returns
    -------
    ratio : float in [0, 1]

    Raises
    ------
    ShapeError, DataError
        If the positions do not fit the skeleton, are too short or are not finite.
    ConfigError
        If the skeleton does not say where its feet are.

    References
    ----------
    .. [1] K. Karunratanakul et al., Guided Motion Diffusion, ICCV 2023.

    Examples
    --------
    >>> x = np.zeros((10, 22, 3)); x[:, :, 0] = 0.1 * np.arange(10)[:, None]
    >>> foot_skating(x, fps=20), foot_skating(x + [0, 1.0, 0], fps=20)
    (1.0, 0.0)
    """
    positions = _positions(positions, "positions", 2)
    check_shape(positions, (None, skeleton.num_joints, 3), name="positions")
    if skeleton.left_foot is None or skeleton.right_foot is None:
        raise ConfigError(f"{skeleton.name} has no known feet.", expected="a skeleton with left_foot and right_foot")
    toes = positions[..., [skeleton.left_foot[1], skeleton.right_foot[1]], :] * skeleton.metres_per_unit
    low = toes[..., 1] - floor < height
    sliding = toes[..., [0, 2]].diff(dim=-3).norm(dim=-1) * fps > speed
    return float((sliding & low[..., 1:, :] & low[..., :-1, :]).any(-1).double().mean())


def l1_diversity(positions: ArrayLike, *, root_relative: bool = True) -> float:
    """Mean L1 distance of poses from their mean pose: how much a clip moves about.

    Parameters
    ----------
    positions : array or tensor [shape=(..., T, J, 3)]
        One clip, or a batch whose clips are measured one by one and averaged.
    root_relative : bool
        Measure relative to joint 0, so that walking about does not count.

    Returns
    -------
    diversity : float
        Summed over joints and axes, averaged over frames, in the unit of the positions.

    Raises
    ------
    ShapeError, DataError
        If the positions are not ``(..., T, J, 3)`` or not finite.

    References
    ----------
    .. [1] J. Li et al., Audio2Gestures, ICCV 2021; as used by BEAT and its successors.

    Examples
    --------
    >>> x = np.zeros((2, 2, 3)); x[:, 1, 0] = [-1, 1]
    >>> l1_diversity(x), l1_diversity(np.ones((5, 22, 3)))
    (1.0, 0.0)
    """
    positions = _positions(positions, "positions")
    if root_relative:
        positions = positions - positions[..., :1, :]
    spread = positions - positions.mean(-3, keepdim=True)
    return float(spread.abs().sum((-1, -2)).mean())
