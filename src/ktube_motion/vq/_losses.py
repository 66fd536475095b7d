"""What a motion tokenizer is trained by."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..errors import ConfigError
from ..features import features_to_joints, root_trajectory
from ..skeletons import SMPL_22, Skeleton
from ._tokenizer import TokenizerOutput

__all__ = ["RECONSTRUCTIONS", "TokenizerLoss", "tokenizer_loss"]

RECONSTRUCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "l1_smooth": F.smooth_l1_loss,
    "l1": F.l1_loss,
    "l2": F.mse_loss,
}


@dataclass(frozen=True, eq=False)
class TokenizerLoss:
    """The parts of the loss, unweighted, and their weighted sum.

    Attributes
    ----------
    total : scalar tensor
        What to minimise.
    reconstruction, velocity : scalar tensors
        On normalised features.
    commitment : scalar tensor
        From the quantizer.
    joint : scalar tensor
        Root-relative joint positions, metres; 0 unless weighted.
    trajectory : scalar tensor
        Root position in metres plus heading in radians; 0 unless weighted.

    Examples
    --------
    >>> from ktube_motion.vq import MotionTokenizer, TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> loss = tokenizer_loss(tokenizer(torch.randn(2, 16, 263)), velocity_weight=0.0, commitment_weight=0.0)
    >>> bool(loss.total == loss.reconstruction)
    True
    """

    total: torch.Tensor
    reconstruction: torch.Tensor
    velocity: torch.Tensor
    commitment: torch.Tensor
    joint: torch.Tensor
    trajectory: torch.Tensor


def tokenizer_loss(
    output: TokenizerOutput,
    *,
    skeleton: Skeleton = SMPL_22,
    reconstruction: str = "l1_smooth",
    velocity_weight: float = 0.5,
    commitment_weight: float = 0.02,
    joint_weight: float = 0.0,
    trajectory_weight: float = 0.0,
    mask: torch.Tensor | None = None,
) -> TokenizerLoss:
    """Compute the training loss of a motion tokenizer.

    Parameters
    ----------
    output : TokenizerOutput
        What the tokenizer gave.
    skeleton : Skeleton
        Whose motion vectors these are.
    reconstruction : {'l1_smooth', 'l1', 'l2'}
        Distance of reconstruction and velocity.
    velocity_weight : float
        Of the same distance on the part ``[4 : 4 + 3 (J - 1)]`` alone, as T2M-GPT has it.
    commitment_weight : float
        Of the quantizer's loss.
    joint_weight, trajectory_weight : float
        Of what the vectors add up to: joints about the root, turned by the
        summed heading; the summed root path and heading. Without them small
        errors of velocity drift.
    mask : bool tensor [shape=(..., T)], optional
        True where a frame counts.

    Returns
    -------
    loss : TokenizerLoss

    Raises
    ------
    ConfigError
        If `reconstruction` is unknown or the skeleton does not fit the features.

    References
    ----------
    .. [1] J. Zhang et al., T2M-GPT, CVPR 2023.

    Examples
    --------
    >>> from ktube_motion.vq import MotionTokenizer, TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> loss = tokenizer_loss(tokenizer(torch.randn(2, 16, 263)), joint_weight=1.0)
    >>> loss.total.backward()
    """
    size = output.target.shape[-1]
    if reconstruction not in RECONSTRUCTIONS:
        known = ", ".join(RECONSTRUCTIONS)
        raise ConfigError("Unknown reconstruction loss.", expected=f"one of {known}", found=repr(reconstruction))
    if skeleton.feature_size != size:
        raise ConfigError("The skeleton has other features.", expected=f"{size} numbers", found=repr(skeleton))
    distance = RECONSTRUCTIONS[reconstruction]
    given, rebuilt = output.normalized, output.normalized_reconstruction
    positions = slice(4, 4 + 3 * (skeleton.num_joints - 1))
    parts = {
        "reconstruction": _mean(distance, rebuilt, given, mask),
        "velocity": _mean(distance, rebuilt[..., positions], given[..., positions], mask),
        "commitment": output.commitment_loss,
        "joint": _joint_loss(output, skeleton, mask) if joint_weight else rebuilt.new_zeros(()),
        "trajectory": _trajectory_loss(output, skeleton, mask) if trajectory_weight else rebuilt.new_zeros(()),
    }
    weights = (1.0, velocity_weight, commitment_weight, joint_weight, trajectory_weight)
    total = torch.stack([weight * part for weight, part in zip(weights, parts.values(), strict=True)]).sum()
    return TokenizerLoss(total=total, **parts)


def _mean(
    distance: Callable[..., torch.Tensor], found: torch.Tensor, given: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Average a distance of ``(..., T, C)`` over the valid frames."""
    if mask is None:
        return distance(found, given)
    each = distance(found, given, reduction="none").mean(-1)
    return each.masked_fill(~mask, 0).sum() / mask.sum().clamp_min(1)


def _joint_loss(output: TokenizerOutput, skeleton: Skeleton, mask: torch.Tensor | None) -> torch.Tensor:
    rebuilt, given = (
        features_to_joints(features, skeleton=skeleton) for features in (output.reconstruction, output.target)
    )
    about_root = [(joints[..., 1:, :] - joints[..., :1, :]).flatten(-2) for joints in (rebuilt, given)]
    return _mean(F.l1_loss, about_root[0], about_root[1], mask) * skeleton.metres_per_unit


def _trajectory_loss(output: TokenizerOutput, skeleton: Skeleton, mask: torch.Tensor | None) -> torch.Tensor:
    (yaw, path), (true_yaw, true_path) = root_trajectory(output.reconstruction), root_trajectory(output.target)
    along = _mean(F.l1_loss, path, true_path, mask) * skeleton.metres_per_unit
    return along + _mean(F.l1_loss, yaw[..., None], true_yaw[..., None], mask)
