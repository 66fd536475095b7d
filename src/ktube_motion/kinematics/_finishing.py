"""The finishing step: bones that keep their length, feet that stay where they stand, hands where they shall be."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import roma
import torch
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from ..arrays import check_finite
from ..errors import ConfigError, ShapeError
from ..filters import resample
from ..rotations import continuous_quat
from ..skeletons import SMPLX_55, Skeleton
from ..types import Clip, Motion, PoseSequence
from ._bodies import Body, load_body
from ._chains import forward_kinematics, inverse_kinematics
from ._feet import Feet, plant
from ._figure import ARMS, HUMANS, LEGS, Figure, limited
from ._fitting import BODY_IN_SMPLX, analytic_start, bones_of_a_body
from ._ground import TOES, sole_height
from ._hand_targets import HandTarget, reach_targets
from ._limits import turn_limits
from ._rigid import bones_of, implied_offsets, rigid_fit

__all__ = ["FinishReport", "finish"]

_REAL_JERK = 22.0  # m/s³, mean over the body's joints at 20 fps: cleaned estimates of real speakers have 18 to 22
_AS_REAL = 1.25  # a motion up to so many times that is as real ones are, and not smoothed
_RATE = 20.0  # fps at which it is told: between more frames, fast parts show more
_RECORDED = ((20.0, 30.0), (25.0, 35.0))  # fps, and the jerk that a recording by a suit has then
# Seconds of smoothing: the gentlest that is enough is taken.
_BLURS = (0.0, 0.025, 0.035, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.15, 0.2)
_ROOT_SHARE, _BODY_SHARE = 0.6, 0.8  # of the jerk allowed: what the root's path may have, and the body about it
_SHARES = (1.0, 0.75, 0.5)  # of the jerk allowed: tried one after the other, as steps and bent legs shake too
_BODY = 22  # joints of a body without fingers, which come first
_RIGID = 0.005  # a bone whose length varies less than this share is rigid


@dataclass(frozen=True, eq=False)
class FinishReport:
    """What finishing changed; pairs are before and after.

    Attributes
    ----------
    bone_variation : (float, float)
        Standard deviation of the length of the least steady bone, as a share of its mean.
    foot_slide : (float, float)
        Mean speed of toes over the ground while they stand, m/s; NaN where nothing stands.
    depth : (float, float)
        How far the lowest toe is under where a toe stands on the ground, m; NaN without feet.
    jerk : (float, float)
        Mean size of the third derivative of the joints, m/s³; without fingers, jaw and eyes. NaN under four frames.
    mean_change : float
        Mean distance of a joint from where it was, m, apart from `lift`.
    lift : float
        Metres by which the whole clip was moved up to stand on the ground.
    contact : bool array [shape=(T, 2)] or None
        When the left and the right foot stand. None for a skeleton of no known legs.
    steps : int
        Small steps that were put in where the motion drifts away from its feet.
    joints_limited : int
        Joints of frames that were turned further than a body can.
    blur : float
        Seconds (standard deviation) of the smoothing; 0 where the motion was smooth enough.
    target_errors : tuple of float
        Metres from each hand target to where the hand comes nearest to it.
    """

    bone_variation: tuple[float, float]
    foot_slide: tuple[float, float]
    depth: tuple[float, float]
    jerk: tuple[float, float]
    mean_change: float
    lift: float
    contact: np.ndarray | None
    steps: int
    joints_limited: int
    blur: float
    target_errors: tuple[float, ...] = ()

    def __str__(self) -> str:
        (bone, rigid), (slide, still) = self.bone_variation, self.foot_slide
        return (
            f"bones vary {rigid:.1%} ({bone:.1%} before), feet slide {100 * still:.1f} cm/s ({100 * slide:.1f}), "
            f"jerk {self.jerk[1]:.0f} m/s³ ({self.jerk[0]:.0f}), {self.steps} steps put in, "
            f"{self.joints_limited} joints held, lifted by {self.lift:.2f} m, "
            f"changed by {1000 * self.mean_change:.0f} mm"
        )


def finish(
    clip: Clip,
    *,
    fps: float | None = None,
    jerk: float | None = _REAL_JERK,
    feet: bool = True,
    ground: bool = True,
    limits: bool = True,
    targets: Sequence[HandTarget] = (),
    body: Body | None = None,
) -> tuple[Clip, FinishReport]:
    """Make a motion one that a body can do.

    Parameters
    ----------
    clip : Motion or PoseSequence
        At least one frame, without NaN and invalid frames.
    fps : float, optional
        Another frame rate, as 30 or 60; by default that of the clip.
    jerk : float, optional
        What real motion has (m/s³, without fingers, at 20 fps). A motion that has clearly more is smoothed until it
        has that; any other is left as it is, but for what finishing itself adds. The path of the root, which
        generated motion adds up from velocities, is smoothed on its own. None smooths nothing.
    feet : bool
        Find when feet stand and let them stay there, by inverse kinematics.
    ground : bool
        Move the whole clip up or down so that the soles are on the ground, y = 0.
    limits : bool
        Hold joints within what a body can do, and knees to the front.
    targets : sequence of HandTarget
        Where hands shall be at some moments, in the finished clip's coordinates.
    body : Body, optional
        Whose bones and soles poses have; by default the embedded body.

    Returns
    -------
    clip : same kind
        A motion with positions, rotations and root path, whose bones have one length: the median of the clip.
    report : FinishReport
        What was changed, measured.

    Raises
    ------
    ShapeError, DataError
        If there is no frame, a NaN, an invalid frame, or bones without length.
    ConfigError
        If `fps` or `jerk` is not positive, a target is outside of the clip, or the skeleton has no arms for it.

    Notes
    -----
    Feet and limits need a skeleton of SMPL (22, 52 or 55 joints); others get steady bones, smoothing and rate.
    Contact: a toe within 5 cm of where toes stand and below 0.6 m/s, for 0.15 s. A foot that stands does not move
    at all; where the motion drifts further than 4 cm away from it, it steps after. The pelvis sinks where a
    leg would be too short. Finishing a finished motion changes little.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> rng = np.random.default_rng(0)
    >>> rest = forward_kinematics(np.tile(np.eye(3), (60, 22, 1, 1)), np.zeros((60, 3)), skeleton=SMPL_22)
    >>> noisy = Motion(skeleton=SMPL_22, positions=rest + rng.normal(0, 0.01, rest.shape), fps=20)
    >>> finished, report = finish(noisy)
    >>> report.bone_variation[0] > 0.05, report.bone_variation[1] < 0.001, report.foot_slide[1] < 0.001
    (True, True, True)
    """
    _check(clip, fps, jerk)
    body = load_body() if body is None and isinstance(clip, PoseSequence) else body
    before = _joints(clip, body)
    allowed = math.inf if jerk is None else _allowed(before, clip.fps, jerk)
    if fps is not None and fps != clip.fps:
        clip = resample(clip, fps=fps)
        before = _joints(clip, body)
    sole = sole_height(clip, body) if ground else None
    for share in _SHARES if _jerk(before, clip.fps) > allowed else (math.inf, *_SHARES):
        figure, blur = _rigid_figure(clip, before, body, share * allowed)
        figure, planted, lift, held = _settled(figure, clip.fps, feet=feet, sole=sole, limits=limits, body=body)
        if not _jerk(figure.joints().numpy(), clip.fps) > allowed:
            break
    figure, errors = reach_targets(figure, targets, fps=clip.fps)
    after = figure.joints().numpy()
    report = _report(figure, before, after, clip.fps, planted, lift, held, blur, errors)
    return _clip_of(figure, after, clip, body), report


def _settled(
    figure: Figure, fps: float, *, feet: bool, sole: float | None, limits: bool, body: Body | None
) -> tuple[Figure, Feet | None, float, int]:
    """Joints within limits, feet where they stand, soles on the ground; tell feet, lift and the joints held."""
    if figure.skeleton not in HUMANS:
        return figure, None, 0.0, 0
    held, planted, lift = 0, None, 0.0
    if limits:
        hand_mean = torch.from_numpy(np.asarray(_body(body).hand_mean, np.float32))
        figure, held = limited(figure, turn_limits(figure.skeleton, hand_mean))
    if feet or sole is not None:
        points = figure.joints().numpy()
        planted = plant(points[:, [leg[2] for leg in LEGS]], points[:, TOES], fps=fps)
        figure = _stand(figure, planted, fps) if feet else figure
        lift = 0.0 if sole is None else sole - planted.level
    return figure.moved(torch.tensor([0, lift, 0.0])), planted, lift, held


def _check(clip: Motion | PoseSequence, fps: float | None, jerk: float | None) -> None:
    where = (clip.source if isinstance(clip, PoseSequence) else clip.name) or None
    if not len(clip):
        raise ShapeError("Nothing to finish.", where=where, expected="at least 1 frame", found=0)
    for name, value in (("fps", fps), ("jerk", jerk)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} must be a positive number.", found=repr(value))
    for name in ("positions", "rotations", "translation", "rotvecs", "transl"):
        values = getattr(clip, name, None)
        if values is not None:
            check_finite(values, name=name, where=where)


# ---- from a clip to a figure of rigid bones, and back ----


def _joints(clip: Motion | PoseSequence, body: Body | None) -> np.ndarray:
    """Positions ``(T, J, 3)`` in metres, as the clip has them."""
    if isinstance(clip, PoseSequence):
        return np.asarray(_body(body).joints(clip), np.float64)
    metres = clip.skeleton.metres_per_unit
    if clip.positions is not None:
        return np.asarray(clip.positions, np.float64) * metres
    root = np.zeros((len(clip), 3)) if clip.translation is None else np.asarray(clip.translation, np.float64)
    return forward_kinematics(np.asarray(clip.rotations, np.float64), root, skeleton=clip.skeleton) * metres


def _body(body: Body | None) -> Body:
    return load_body() if body is None else body


def _rigid_figure(
    clip: Motion | PoseSequence, points: np.ndarray, body: Body | None, jerk: float
) -> tuple[Figure, float]:
    """Rigid bones as close to the clip as they get, smooth enough, and the seconds of smoothing."""
    skeleton = SMPLX_55 if isinstance(clip, PoseSequence) else clip.skeleton
    root, root_blur = _calm(points[:, :1], clip.fps, _ROOT_SHARE * jerk)
    if isinstance(clip, PoseSequence):
        local = _body(body).rotations(clip)
        offsets = bones_of(np.asarray(_body(body).rest_joints(clip.betas), np.float64), skeleton)
    elif clip.rotations is not None and _variation(points, skeleton) < _RIGID:
        local = clip.rotations
        offsets = implied_offsets(points, np.asarray(local, np.float64), skeleton=skeleton)
    else:
        bodily, blur = _calm(points - points[:, :1], clip.fps, _BODY_SHARE * jerk)
        return _fitted(bodily + root, skeleton, clip.fps, _body(body)), max(blur, root_blur)
    quats = continuous_quat(roma.rotmat_to_unitquat(torch.tensor(local, dtype=torch.float64)))
    still = torch.zeros(len(points), 3, dtype=torch.float64)
    for blur in _BLURS:
        smooth = torch.from_numpy(_blurred(quats.numpy(), blur * clip.fps))
        rotations = roma.unitquat_to_rotmat(torch.nn.functional.normalize(smooth, dim=-1))
        figure = Figure(rotations, still, torch.tensor(offsets), skeleton)
        if not _jerk(figure.joints().numpy(), clip.fps) > _BODY_SHARE * jerk:
            break
    return figure.moved(torch.from_numpy(root[:, 0])), max(blur, root_blur)


def _fitted(points: np.ndarray, skeleton: Skeleton, fps: float, body: Body) -> Figure:
    """Rigid bones for joints: bones point where they did, and hands and feet are where they were."""
    offsets = _own_bones(points, skeleton, body) if skeleton in HUMANS else None
    if offsets is None:
        rotations, offsets = rigid_fit(points, skeleton=skeleton)
        local = torch.from_numpy(rotations)
    if skeleton in HUMANS:
        # Twists go to where arms, legs and spine can turn, as a skin or another skeleton needs them.
        rest = torch.eye(3).repeat(skeleton.num_joints, 1, 1)
        bones = torch.tensor(offsets, dtype=torch.float32)
        local = analytic_start(torch.from_numpy(points).float(), bones, skeleton, rest, fps=fps).double()
        local = roma.special_procrustes(local)
    figure = Figure(local, torch.from_numpy(points[:, 0].copy()), torch.tensor(offsets), skeleton)
    for limb in (*ARMS, *LEGS) if skeleton in HUMANS else ():
        upper, middle, end = (torch.from_numpy(points[:, joint].copy()) for joint in limb)
        if limb in ARMS:
            # Half of the way: what a forearm was too long or short is shared by elbow and wrist.
            end = (end + figure.joints()[:, limb[2]]) / 2
        figure = figure.reaching(limb, end, pole=middle - (upper + end) / 2)
    return figure


def _own_bones(points: np.ndarray, skeleton: Skeleton, body: Body) -> np.ndarray | None:
    """Bones of the body that has those of the motion nearly: then pictures of the body and its joints agree."""
    if skeleton is not SMPLX_55:
        return bones_of_a_body(points, body=body)
    bones = bones_of_a_body(points[:, BODY_IN_SMPLX], body=body)
    if bones is None:
        return None
    offsets = implied_offsets(points, inverse_kinematics(points, skeleton=skeleton), skeleton=skeleton)
    offsets[BODY_IN_SMPLX] = bones
    return offsets


def _calm(points: np.ndarray, fps: float, jerk: float) -> tuple[np.ndarray, float]:
    """Smooth points ``(T, J, 3)`` as little as brings their jerk down; give the seconds of it too."""
    for blur in _BLURS:
        smooth = _blurred(points, blur * fps)
        if not _jerk(smooth, fps) > jerk:
            break
    return smooth, blur


def _blurred(values: np.ndarray, frames: float) -> np.ndarray:
    return values if frames == 0 else gaussian_filter1d(values, frames, axis=0, mode="nearest")


def _clip_of(figure: Figure, points: np.ndarray, clip: Clip, body: Body | None) -> Clip:
    if isinstance(clip, PoseSequence):
        return _poses_of(figure, clip, _body(body))
    units = 1 / figure.skeleton.metres_per_unit
    return clip.replace(
        positions=points * units, rotations=figure.local.numpy(), translation=figure.root.numpy() * units
    )


def _poses_of(figure: Figure, poses: PoseSequence, body: Body) -> PoseSequence:
    rotvecs = roma.rotmat_to_rotvec(figure.local).numpy()
    if not poses.flat_hand_mean:
        rotvecs[:, 25:] -= body.hand_mean
    # What was not touched stays as it was, to the bit.
    moved = np.abs(figure.local.numpy() - body.rotations(poses)).max((-1, -2)) > 1e-5
    rotvecs = np.where(moved[..., None], rotvecs, poses.rotvecs)
    root = np.asarray(body.rest_joints(poses.betas), np.float64)[0]
    return poses.replace(rotvecs=rotvecs, transl=figure.root.numpy() - root, trajectory=True)


# ---- feet ----


def _stand(figure: Figure, feet: Feet, fps: float) -> Figure:
    """Bend the legs so that feet are where they shall be; the pelvis sinks where a leg is too short."""
    points = figure.joints().numpy()
    sunk = np.zeros(len(points))
    for side, leg in enumerate(LEGS):
        span = points[:, leg[0]] - feet.ankles[:, side]
        level = np.sqrt(np.maximum(figure.reach(leg) ** 2 - (span[:, [0, 2]] ** 2).sum(-1), 0))
        sunk = np.maximum(sunk, np.where(feet.contact[:, side], span[:, 1] - level, 0))
    width = max(1, round(0.15 * fps))
    # The highest need around, smoothed: never less than what is needed.
    sunk = gaussian_filter1d(
        maximum_filter1d(sunk, 2 * width + 1, mode="nearest"), width / 2, radius=width, mode="nearest"
    )
    down = np.zeros((len(points), 3))
    down[:, 1] = -sunk
    figure = figure.moved(torch.from_numpy(down))
    for side, leg in enumerate(LEGS):
        ankle, toe = torch.from_numpy(feet.ankles[:, side]), torch.from_numpy(feet.toes[:, side])
        pole = _knee_pole(torch.from_numpy(points), leg, toe - ankle)
        figure = figure.reaching(leg, ankle, pole=pole, beyond=(leg[2] + 3, toe - ankle))
    return figure


def _knee_pole(points: torch.Tensor, leg: tuple[int, int, int], foot: torch.Tensor) -> torch.Tensor:
    """Where the knee bends to: as it did, but never behind the leg; the foot says where the front is."""
    hip, knee, ankle = (points[:, joint] for joint in leg)
    front = foot * torch.tensor([1.0, 0.0, 1.0], dtype=foot.dtype)
    front = front / front.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    bent = knee - (hip + ankle) / 2
    forward = (bent * front).sum(-1, keepdim=True)
    # A knee behind the leg comes as far before it.
    return bent + (forward.abs().clamp_min(0.005) - forward) * front


# ---- the report ----


def _report(
    figure: Figure,
    before: np.ndarray,
    after: np.ndarray,
    fps: float,
    feet: Feet | None,
    lift: float,
    held: int,
    blur: float,
    errors: tuple[float, ...],
) -> FinishReport:
    lifted = before + np.array([0, lift, 0])
    slide, depth = (math.nan, math.nan), (math.nan, math.nan)
    if feet is not None:
        still = feet.contact[1:] & feet.contact[:-1]
        slide = (_slide(before, still, fps), _slide(after, still, fps))
        level = feet.level + lift
        depth = (_depth(lifted, level), _depth(after, level))
    return FinishReport(
        bone_variation=(_variation(before, figure.skeleton), _variation(after, figure.skeleton)),
        foot_slide=slide,
        depth=depth,
        jerk=(_jerk(before, fps), _jerk(after, fps)),
        mean_change=float(np.linalg.norm(after - lifted, axis=-1).mean()),
        lift=lift,
        contact=None if feet is None else feet.contact,
        steps=0 if feet is None else feet.steps,
        joints_limited=held,
        blur=blur,
        target_errors=errors,
    )


def _variation(points: np.ndarray, skeleton: Skeleton) -> float:
    lengths = np.linalg.norm(bones_of(points, skeleton), axis=-1)[:, 1:]
    return float((lengths.std(0) / np.maximum(lengths.mean(0), 1e-9)).max())


def _allowed(points: np.ndarray, fps: float, jerk: float) -> float:
    """Jerk that a finished motion may have: a real motion's, or its own, where it is one, else as given."""
    seconds = np.arange(len(points)) / fps
    often = np.arange(0, seconds[-1], 1 / _RATE)
    same = CubicSpline(seconds, points)(often) if fps > _RATE and len(often) > 3 else points
    if not _jerk(same, min(fps, _RATE)) <= _AS_REAL * jerk:
        return jerk
    return max(_jerk(points, fps), jerk / _REAL_JERK * float(np.interp(fps, *_RECORDED)))


def _jerk(points: np.ndarray, fps: float) -> float:
    if len(points) < 4:
        return math.nan
    points = points[:, :_BODY]
    return float(np.linalg.norm(np.diff(points, 3, axis=0), axis=-1).mean() * fps**3)


def _depth(points: np.ndarray, level: float) -> float:
    return float(max(0, level - points[:, TOES, 1].min()))


def _slide(points: np.ndarray, still: np.ndarray, fps: float) -> float:
    speed = np.linalg.norm(np.diff(points[:, TOES][..., [0, 2]], axis=0), axis=-1) * fps
    return float(speed[still].mean()) if still.any() else math.nan
