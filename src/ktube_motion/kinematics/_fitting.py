"""Joints back to SMPL-X poses: an analytic start, then L-BFGS over all frames at once."""

import logging
import math

import numpy as np
import roma
import torch

from ..arrays import check_finite
from ..errors import ConfigError, DataError, ShapeError
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55, Skeleton
from ..types import Motion, PoseSequence
from ._bodies import Body, load_body
from ._chains import inverse_kinematics
from ._rigid import bones_of
from ._solving import Points, continuous_rotvecs, solve

__all__ = [
    "BODY_IN_SMPLX",
    "analytic_start",
    "bone_offsets_of",
    "bones_of_a_body",
    "fit_betas",
    "fit_poses",
    "nearest_shape",
]

_LOGGER = logging.getLogger(__name__)

BODY_IN_SMPLX = [*range(22), *range(25, 55)]
# Hinges: upper joint, hinge, tip, and where the tip goes when the hinge bends, in the rest pose (T, facing +z).
_HINGES = ((16, 18, 20, 1.0), (17, 19, 21, 1.0), (1, 4, 7, -1.0), (2, 5, 8, -1.0))
_SPINE = (3, 6, 9)
# What makes a body tall: the bones of the spine, and of the legs, which count half each.
_STATURE = dict.fromkeys((3, 6, 9, 12, 15), 1.0) | dict.fromkeys((4, 5, 7, 8), 0.5)
_HEIGHT_WEIGHT = 5.0
_PULL = 0.03  # where the search for the pull to the average shape begins
_FOREIGN = 0.02  # metres that a bone may miss before it is told
_USUAL = 0.03  # metres from the lengths that motion vectors have: generated arms vary
_OWN = 0.01  # metres: bones that a body has within these may as well be its own


def fit_poses(
    motion: Motion, *, body: Body | None = None, betas: np.ndarray | None = None, iterations: int = 15
) -> PoseSequence:
    """Find SMPL-X poses whose joints are those of a motion.

    Parameters
    ----------
    motion : Motion
        Positions of `SMPL_22`, `SMPLH_52` or `SMPLX_55`, metres, at least one frame.
    body : Body, optional
        By default the embedded body.
    betas : array [shape=(B,)], optional
        The body shape if it is known; by default fitted to the bone lengths.
    iterations : int
        L-BFGS steps after the analytic start; 0 gives the start alone.

    Returns
    -------
    poses : PoseSequence
        Same frames and fps. Without fingers the hands are relaxed. What joints
        cannot tell (the turn of a straight arm, of head, feet and fingertips)
        follows a weak pull to the rest pose and to the neighbouring frames.

    Raises
    ------
    ConfigError
        If the motion has other joints.
    ShapeError
        If it has no frame.
    DataError
        If a position is NaN or infinite, or the motion has none.

    Notes
    -----
    Start: every bone swings to where it points, branching joints take the
    best rotation of their bones (Kabsch); upper arms and thighs turn so that
    elbows and knees bend the way hinges do; the spine shares its turn.
    Then all frames are fitted together: joints, weak pose prior, weak
    acceleration penalty.

    Examples
    --------
    >>> from ktube_motion.kinematics import pose_to_joints
    >>> bent = np.zeros((4, 55, 3)); bent[:, 18, 1] = -1.0
    >>> motion = pose_to_joints(PoseSequence(rotvecs=bent, fps=20))
    >>> back = pose_to_joints(fit_poses(motion))
    >>> bool(np.abs(back.positions - motion.positions).max() < 0.005)
    True
    """
    positions, skeleton = _observed(motion)
    body = load_body() if body is None else body
    betas = fit_betas(positions, body=body) if betas is None else np.asarray(betas, np.float32)
    joints = list(range(22)) if skeleton is SMPL_22 else BODY_IN_SMPLX
    rest = torch.from_numpy(np.asarray(body.rest_joints(betas), np.float32)[joints])
    offsets = bone_offsets_of(rest, skeleton)
    target = torch.from_numpy(positions)
    mean = torch.eye(3).repeat(len(joints), 1, 1)
    if skeleton is SMPLH_52:
        mean[22:] = roma.rotvec_to_rotmat(torch.from_numpy(np.asarray(body.hand_mean, np.float32)))
    rotations = analytic_start(target, offsets, skeleton, mean, fps=motion.fps)
    points = Points(torch.arange(len(joints)), None, target)
    rotations, root = solve(
        rotations, target[:, 0].clone(), [points], offsets, skeleton, mean, fps=motion.fps, iterations=iterations
    )
    rotvecs = np.zeros((len(positions), 55, 3), np.float32)
    rotvecs[:, joints] = continuous_rotvecs(rotations)
    return PoseSequence(
        rotvecs=rotvecs,
        transl=(root - rest[0]).numpy(),
        fps=motion.fps,
        betas=betas,
        flat_hand_mean=skeleton is not SMPL_22,
        source=motion.name,
    )


def fit_betas(positions: np.ndarray, *, body: Body, strength: float | None = None) -> np.ndarray:
    """Find the body shape whose bones are as long as those of a motion, if there is a plausible one.

    Parameters
    ----------
    positions : array [shape=(T, 22 or 52, 3)]
        Metres.
    body : Body
    strength : float, optional
        Pull to the average shape: metres of bone length worth one unit of beta. By default as much as bones of
        any shape miss: none for a body of this kind, a strong one for foreign proportions.

    Returns
    -------
    betas : float32 array [shape=(10,)]
        What bones no plausible shape has, the log tells. Legs and spine together, and so the height, are kept
        before any single bone.

    Notes
    -----
    The most probable shape where betas are normal (as SMPL's are by construction) and bones are off by a normal
    error, whose size is found with the shape.

    Examples
    --------
    >>> from ktube_motion.kinematics import load_body, pose_to_joints
    >>> shape = np.zeros(10, np.float32); shape[0] = 2.0
    >>> motion = pose_to_joints(PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20, betas=shape))
    >>> fit_betas(motion.positions, body=load_body())[:1].round(1)
    array([2.], dtype=float32)
    """
    betas, missed = nearest_shape(positions, body, strength)
    _tell_misfit(positions, missed)
    return betas.astype(np.float32)


def bones_of_a_body(positions: np.ndarray, *, body: Body) -> np.ndarray | None:
    """Rest bones ``(22 or 52, 3)`` of the plausible body that has those of a motion within a centimetre, or None."""
    betas, missed = nearest_shape(positions, body)
    if np.abs(missed).max() > _OWN:
        return None
    joints = list(range(22)) if positions.shape[1] == 22 else BODY_IN_SMPLX
    rest = np.asarray(body.rest_joints(betas.astype(np.float32)), np.float64)[joints]
    return bones_of(rest, SMPL_22 if positions.shape[1] == 22 else SMPLH_52)


def nearest_shape(positions: np.ndarray, body: Body, strength: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Betas ``(10,)`` and by how many metres each measured distance is longer than theirs."""
    from scipy.optimize import lsq_linear

    joints = list(range(22)) if positions.shape[1] == 22 else BODY_IN_SMPLX
    first, second, stature = _measured_pairs(SMPL_22 if positions.shape[1] == 22 else SMPLH_52)
    seen = _lengths(positions, first, second)
    mean = np.asarray(body.rest_joints(np.zeros(10, np.float32)), np.float64)[joints]
    change = np.stack([body.rest_joints(unit) for unit in np.eye(10, dtype=np.float32)], -1)[joints] - mean[..., None]
    start, slope = mean[first] - mean[second], change[first] - change[second]
    betas, pull = np.zeros(10), _PULL if strength is None else strength
    for _ in range(20):
        bones = start + slope @ betas
        lengths = np.linalg.norm(bones, axis=-1)
        missed = seen - lengths
        gradient = np.einsum("bi,bik->bk", bones / lengths[:, None], slope)
        wanted = missed + gradient @ betas
        jacobian = np.concatenate([gradient, stature[None] @ gradient, pull * np.eye(10)])
        rows = np.concatenate([wanted, stature[None] @ wanted, np.zeros(10)])
        betas = lsq_linear(jacobian, rows, bounds=(-5, 5)).x  # no body is further from the average than that
        if strength is None:
            pull = max(1e-4, float(np.sqrt(np.mean((seen - np.linalg.norm(start + slope @ betas, axis=-1)) ** 2))))
    return betas, missed


def _measured_pairs(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints whose distance tells a shape, and how much each distance counts for the height."""
    parents = skeleton.parents
    bones = [(joint, parent) for joint, parent in enumerate(parents) if parent >= 0]
    # Siblings keep their distance too: hips, shoulders and knuckles are set in one bone.
    siblings = [(a, b) for a, up in enumerate(parents) for b in range(a) if up >= 0 and parents[b] == up]
    first, second = np.array(bones + siblings).T
    stature = [_STATURE.get(joint, 0.0) for joint, _ in bones] + [0.0] * len(siblings)
    return first, second, _HEIGHT_WEIGHT * np.array(stature)


def _tell_misfit(positions: np.ndarray, missed: np.ndarray) -> None:
    skeleton = SMPL_22 if positions.shape[1] == 22 else SMPLH_52
    first, second, _ = _measured_pairs(skeleton)
    worst = int(np.abs(missed).argmax())
    if abs(missed[worst]) <= _FOREIGN:
        return
    # Motion vectors are about bones of SMPL's lengths, whose neck is short: no news to those who generate motion.
    bones = first[: skeleton.num_joints - 1]
    lengths = _lengths(positions, bones, second[: len(bones)])
    usual = np.abs(lengths - np.linalg.norm(skeleton.offsets[bones], axis=-1)).max() < _USUAL
    _LOGGER.log(
        logging.INFO if usual else logging.WARNING,
        "No plausible body has these bones: they miss by %.0f mm on average, %s to %s by %.0f mm.",
        1000 * np.abs(missed).mean(),
        SMPLH_52.joint_names[second[worst]],
        SMPLH_52.joint_names[first[worst]],
        1000 * abs(missed[worst]),
    )


def _lengths(positions: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Median distance of pairs of joints."""
    return np.median(np.linalg.norm(positions[:, first] - positions[:, second], axis=-1), 0)


def _observed(motion: Motion) -> tuple[np.ndarray, Skeleton]:
    """Give positions ``(T, 22 or 52, 3)`` and their skeleton."""
    if motion.skeleton not in (SMPL_22, SMPLH_52, SMPLX_55):
        raise ConfigError(
            "SMPL-X poses cannot be fitted to these joints.",
            where=motion.name or None,
            expected="smpl_22, smplh_52 or smplx_55",
            found=f"{motion.skeleton.name}, {motion.skeleton.num_joints} joints",
        )
    if motion.positions is None:
        raise DataError("The motion has no positions.", where=motion.name or None, fix="Run forward_kinematics first.")
    if len(motion) == 0:
        raise ShapeError("The motion has no frames.", where=motion.name or None, expected="1 or more", found=0)
    check_finite(motion.positions, name="positions", where=motion.name or None)
    if motion.skeleton is SMPLX_55:
        return motion.positions[:, BODY_IN_SMPLX], SMPLH_52  # jaw and eyes ride on the head
    return motion.positions.copy(), motion.skeleton


def bone_offsets_of(rest: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    return rest - rest[[max(parent, 0) for parent in skeleton.parents]]


# ---- the analytic start ----


def analytic_start(
    target: torch.Tensor, offsets: torch.Tensor, skeleton: Skeleton, mean: torch.Tensor, *, fps: float
) -> torch.Tensor:
    """Local rotations ``(T, J, 3, 3)`` from bone directions, with twists put where joints can turn."""
    local = inverse_kinematics(target, skeleton=skeleton, offsets=offsets)
    tips = sorted(set(range(skeleton.num_joints)) - set(skeleton.parents))
    local[:, tips] = mean[tips]
    for upper, hinge, tip, forward in _HINGES:
        angle = _hinge_angle(local, offsets, hinge, tip, forward, fps)
        _pass_twist(local, upper, [hinge], _unit(offsets[hinge]), angle)
    _share_spine(local, offsets)
    if skeleton is SMPL_22:
        for elbow, wrist in ((18, 20), (19, 21)):  # hands that nothing tells of go with their forearms, untwisted
            axis = _unit(offsets[wrist])
            _pass_twist(local, elbow, [], axis, -_twist(local[:, elbow], axis))
    if skeleton is SMPLH_52:
        for elbow, wrist in ((18, 20), (19, 21)):
            axis = _unit(offsets[wrist])
            _pass_twist(local, elbow, [wrist], axis, _smooth_angle(_twist(local[:, wrist], axis) / 2, fps))
    return local


def _unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.norm().clamp_min(1e-9)


def _hinge_angle(
    local: torch.Tensor, offsets: torch.Tensor, hinge: int, tip: int, forward: float, fps: float
) -> torch.Tensor:
    """Turn of the upper bone ``(T,)`` that lets its hinge bend the way it is built.

    The bend says it, the more the sharper it is. For a leg the foot says it too:
    toes point ahead. A straight limb takes its turn from its neighbours in time, or none.
    """
    axis, bone = _unit(offsets[hinge]), _unit(offsets[tip])
    hinge_axis = _unit(torch.linalg.cross(axis, torch.tensor([0.0, 0.0, forward])))
    # All places the lower bone can reach by bending alone; of these the one with the bend that is seen.
    reach = roma.rotvec_to_rotmat(hinge_axis * torch.linspace(0, 2.7, 136)[:, None]) @ bone
    seen = local[:, hinge] @ bone
    built = reach[(seen @ axis)[:, None].sub(reach @ axis).abs().argmin(-1)]
    says = _bearing(seen, axis) * _bearing(built, axis).conj()
    if forward < 0:
        foot = _unit(offsets[tip + 3])
        says = says + 0.5 * _bearing(local[:, tip] @ foot, bone) * _bearing(foot, bone).conj()
    says = _blur(torch.view_as_real(says), fps)
    return torch.atan2(says[:, 1], says[:, 0] + 0.03)


def _bearing(direction: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Where `direction` points around `axis`, as a complex number as long as the sine between the two."""
    ahead = torch.tensor([0.0, 0.0, 1.0])
    ahead = _unit(ahead - (ahead @ axis) * axis)
    return torch.complex(direction @ ahead, direction @ torch.linalg.cross(axis, ahead))


def _pass_twist(local: torch.Tensor, joint: int, children: list[int], axis: torch.Tensor, angle: torch.Tensor) -> None:
    """Turn `joint` about its bone by `angle` ``(T,)`` and its children back, so that no joint moves."""
    turn = roma.rotvec_to_rotmat(axis * angle[:, None])
    local[:, joint] = local[:, joint] @ turn
    local[:, children] = turn.transpose(-1, -2)[:, None] @ local[:, children]


def _twist(local: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Angle of a rotation about `axis` (swing-twist)."""
    quat = roma.rotmat_to_unitquat(local)
    angle = 2 * torch.atan2(quat[:, :3] @ axis, quat[:, 3])
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _share_spine(local: torch.Tensor, offsets: torch.Tensor) -> None:
    """Spread the turn between pelvis and chest over the three spine joints."""
    low, middle, chest = _SPINE
    axis = _unit(offsets[chest])
    turn = _twist(local[:, chest], axis)
    _pass_twist(local, middle, [chest], axis, turn * 2 / 3)
    axis = _unit(offsets[middle])
    _pass_twist(local, low, [middle], axis, _twist(local[:, middle], axis) / 2)


def _blur(values: torch.Tensor, fps: float) -> torch.Tensor:
    from scipy.ndimage import gaussian_filter1d

    return torch.from_numpy(gaussian_filter1d(values.numpy(), 0.08 * fps, axis=0, mode="nearest"))


def _smooth_angle(angle: torch.Tensor, fps: float) -> torch.Tensor:
    circle = _blur(torch.stack([angle.cos(), angle.sin()], -1), fps)
    return torch.atan2(circle[:, 1], circle[:, 0])
