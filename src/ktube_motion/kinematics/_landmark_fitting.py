"""Landmarks to SMPL-X poses: all frames of a clip at once, one body shape, what is not seen at rest."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import roma
import torch

from .._runs import true_runs
from ..errors import DataError
from ..skeletons import SMPLH_52
from ..types import PoseSequence
from ._bodies import Body, load_body
from ._fitting import BODY_IN_SMPLX, analytic_start, bone_offsets_of
from ._landmarks import LANDMARKS, Landmarks, Site
from ._limits import joint_limits
from ._pictured import Pictured
from ._solving import Points, Strengths, continuous_rotvecs, solve

__all__ = ["fit_landmarks"]

_GROUPS = ("body", "left", "right")
_SIGMA, _HAND_SIGMA = 0.03, 0.008
_DEPTH_SIGMA = 0.2  # of the body where pixels tell the rest: hardly more than which way a limb points
# A hand's marks in the picture, and what its points in space say beside them: little more than which way it points.
_HAND_SEEN_SIGMA, _HAND_DEPTH_SIGMA = 0.008, 0.1
# They are found after the arms, which they would draw along; forearms may turn with them.
_FROM_ELBOWS, _WRISTS, _FINGERS = slice(18, 52), slice(20, 22), slice(22, 52)
# A wrist stays near rest: where no hand is seen, the few marks a body has on it would turn it any way.
_WRIST_SIGMA, _FINGER_SIGMA = 0.3, 0.65
# The spine and what carries the shoulders are seen only by what hangs on them: they stay close to rest.
_POSE_SIGMA, _TRUNK_SIGMA, _TRUNK = 4.0, 0.5, (3, 6, 9, 12, 13, 14)
# Metres outwards and upwards from the joint: an estimator of pictures marks hips and shoulders where they bulge.
_BULGES = {"hip": (0.04, 0.01), "shoulder": (0.015, 0.015)}
# A body's marks on the hands are as far from its wrists as no hand is long, and would draw the wrists away: they say
# how a hand is turned that is not seen otherwise, and by their places in the picture where there is one.
_ON_HANDS = {side: (f"{side}_pinky", f"{side}_index", f"{side}_thumb") for side in ("left", "right")}
_SMOOTH, _TRUNK_SMOOTH = 0.05, 0.03  # a trunk is heavy: what trembles is the estimate
_ACROSS, _ENOUGH = 0.9, 20  # cosine of a bone's slant, and frames, that tell its length
_SIZE_SIGMA = 0.1  # of the factor between an estimator's metres and the body's
# In the picture, metres: hips and shoulders are marked where they bulge.
_SEEN_SIGMA = {
    f"{side}_{part}": sigma
    for side in ("left", "right")
    for part, sigma in (
        ("wrist", 0.01), ("pinky", 0.03), ("index", 0.03), ("thumb", 0.03), ("elbow", 0.013), ("shoulder", 0.025),
        ("hip", 0.04), ("knee", 0.025), ("ankle", 0.02), ("ear", 0.025), ("eye", 0.025),
    )
} | {"nose": 0.025}  # fmt: skip
_CHUNK, _OVERLAP = 900, 30
_LEAST_WEIGHT = 0.1
# Bones that both a skeleton of landmarks and ours have, for the body's shape.
_BONES = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"), ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
)  # fmt: skip

_LIMBS = tuple(pair for pair in _BONES if pair[1].split("_")[1] in ("elbow", "wrist", "knee", "ankle"))
_ARMS = tuple(pair for pair in _LIMBS if pair[1].split("_")[1] in ("elbow", "wrist"))


def fit_landmarks(
    clips: Landmarks | Sequence[Landmarks],
    *,
    body: Body | None = None,
    betas: np.ndarray | None = None,
    iterations: int = 100,
) -> list[PoseSequence] | PoseSequence:
    """Find SMPL-X poses whose landmarks are those that were seen.

    Parameters
    ----------
    clips : Landmarks or a list of them
        Shots of one person: they share one body shape, and nothing else.
    body : Body, optional
        By default the embedded body.
    betas : array [shape=(B,)], optional
        The body shape if it is known; by default fitted to the distances of
        the landmarks that are seen.
    iterations : int
        L-BFGS steps.

    Returns
    -------
    poses : PoseSequence or a list of them
        As many frames as the landmarks. A frame in which nothing is seen is
        not ``valid``. Joints below which nothing is seen rest. The place in
        space is unknown (``trajectory`` is False).

    Raises
    ------
    DataError
        If no frame shows anything.

    Notes
    -----
    Minimised over all frames together: the distances of landmarks, weighted
    and robust, of body and hands each about its own middle, in space and, with
    ``pixels``, in the picture, where a limb's length says how far it reaches;
    joints beyond what joints can do; a weak pull to the rest pose;
    acceleration, of the trunk more than of the limbs.

    Examples
    --------
    >>> from ktube_motion.kinematics import pose_to_joints
    >>> bent = np.zeros((4, 55, 3)); bent[:, 18, 1] = -1.0
    >>> joints = pose_to_joints(PoseSequence(rotvecs=bent, fps=20))
    >>> arms = [16, 17, 18, 19, 20, 21, 1, 2]
    >>> names = [joints.skeleton.joint_names[joint] for joint in arms]
    >>> poses = fit_landmarks(Landmarks(tuple(names), joints.positions[:, arms], fps=20))
    >>> found = pose_to_joints(poses).positions
    >>> apart = (found[:, 20] - found[:, 16]) - (joints.positions[:, 20] - joints.positions[:, 16])
    >>> bool(np.linalg.norm(apart, axis=-1).max() < 0.03)
    True
    """
    shots = [clips] if isinstance(clips, Landmarks) else list(clips)
    body = load_body() if body is None else body
    if not any((shot.require_weights() > _LEAST_WEIGHT).any() for shot in shots):
        raise DataError("No landmark is seen in any frame.", where=shots[0].name if shots else None)
    betas = _fit_shape(shots, body) if betas is None else np.asarray(betas, np.float32)
    poses = [_fit_shot(shot, body, betas, iterations) for shot in shots]
    return poses[0] if isinstance(clips, Landmarks) else poses


def _fit_shape(shots: Sequence[Landmarks], body: Body) -> np.ndarray:
    """Find the body whose bones are as long as those seen; one that is not seen says nothing.

    A picture tells the lengths of limbs that lie across the view best, up to one factor: the body's size in it, which
    is found with the shape. Of the hips' width an estimator's marks say nothing.
    """
    from scipy.optimize import lsq_linear

    names = SMPLH_52.joint_names
    rest = np.stack([body.rest_joints(unit) for unit in np.eye(11, 10, k=-1, dtype=np.float32)])[:, BODY_IN_SMPLX]
    sizes = [_size_in_picture(shot) for shot in shots]
    unsure = _SIZE_SIGMA if any(size is not None for size in sizes) else 1e-3
    rows, wanted = [np.eye(10, 11), np.eye(1, 11, 10) / unsure], [np.zeros(10), np.array([1 / unsure])]
    marked = any(_is_marked(shot) for shot in shots)
    for pair in _BONES:
        if marked and pair == ("left_hip", "right_hip"):
            continue
        seen = np.concatenate([_lengths_in_picture(*both, pair) for both in zip(shots, sizes, strict=True)])
        lengths = seen if len(seen) >= _ENOUGH else np.concatenate([_lengths(shot, pair) for shot in shots])
        if len(lengths) < 3:
            continue
        first, second = (names.index(name) for name in pair)
        ours = np.linalg.norm(rest[:, first] - rest[:, second], axis=-1)
        # About what landmarks and joints differ by anyway; the marks of trunk and legs more than those of arms.
        sigma = 0.06 if marked and pair not in _ARMS else 0.02
        rows.append(np.append(ours[1:] - ours[0], -np.median(lengths))[None] / sigma)
        wanted.append(np.array([-ours[0] / sigma]))
    found = lsq_linear(np.concatenate(rows), np.concatenate(wanted), bounds=(-3, 3))
    return found.x[:10].astype(np.float32)


def _is_marked(shot: Landmarks) -> bool:
    """Say whether these are an estimator's marks on a picture, face and all, rather than a skeleton's joints."""
    return "nose" in shot.names


def _size_in_picture(shot: Landmarks) -> np.ndarray | None:
    terms = _pictured(shot, [LANDMARKS[name] for name in shot.names], shot.require_weights(), hands=False)
    return terms[0].size[:, 0, 0].numpy() if terms else None


def _lengths_in_picture(shot: Landmarks, size: np.ndarray | None, pair: tuple[str, str]) -> np.ndarray:
    """Lengths of a limb's bone in the frames in which it lies across the view, metres."""
    if size is None or shot.pixels is None or not set(pair) <= set(shot.names) or pair not in _LIMBS:
        return np.zeros(0)
    both = shot.select(pair)
    way = both.points[:, 0] - both.points[:, 1]
    length = np.linalg.norm(way, axis=-1)
    across = np.linalg.norm(way[:, :2], axis=-1) / np.maximum(length, 1e-6)
    seen = (both.require_weights() > 0.5).all(1) & (across > _ACROSS) & (size > 2e-3)
    pixels = both.pixels
    assert pixels is not None
    return np.linalg.norm(pixels[seen, 0] - pixels[seen, 1], axis=-1) / size[seen] / across[seen]


def _lengths(shot: Landmarks, pair: tuple[str, str]) -> np.ndarray:
    if not set(pair) <= set(shot.names):
        return np.zeros(0)
    both = shot.select(pair)
    seen = (both.require_weights() > 0.5).all(1)
    return np.linalg.norm(both.points[seen, 0] - both.points[seen, 1], axis=-1)


def _fit_shot(shot: Landmarks, body: Body, betas: np.ndarray, iterations: int) -> PoseSequence:
    seen = (shot.require_weights() > _LEAST_WEIGHT).sum(1) >= 3
    rotvecs = np.zeros((len(shot), 55, 3), np.float32)
    transl = np.zeros((len(shot), 3), np.float32)
    for start, stop in true_runs(seen):
        for first, last, keep in _chunks(start, stop):
            turned, moved = _fit_chunk(shot[first:last], body, betas, iterations)
            rotvecs[keep], transl[keep] = (part[keep.start - first : keep.stop - first] for part in (turned, moved))
    return PoseSequence(
        rotvecs=rotvecs, transl=transl, fps=shot.fps, betas=betas, flat_hand_mean=True, valid=seen, source=shot.name,
        trajectory=False,
    )  # fmt: skip


def _chunks(start: int, stop: int) -> list[tuple[int, int, slice]]:
    """Cut a long stretch into overlapping pieces of one size, and say which frames to keep of each."""
    cuts = np.linspace(start, stop, -(-(stop - start) // _CHUNK) + 1).astype(int).tolist()
    return [(max(a - _OVERLAP, start), min(b + _OVERLAP, stop), slice(a, b)) for a, b in pairwise(cuts)]


def _fit_chunk(shot: Landmarks, body: Body, betas: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    rest = torch.from_numpy(np.asarray(body.rest_joints(betas), np.float32)[BODY_IN_SMPLX])
    offsets = bone_offsets_of(rest, SMPLH_52)
    hand_mean = torch.from_numpy(np.asarray(body.hand_mean, np.float32))
    mean = torch.eye(3).repeat(52, 1, 1)
    mean[22:] = roma.rotvec_to_rotmat(hand_mean)
    target, known = _guess_joints(shot, rest)
    start = analytic_start(target, offsets, SMPLH_52, mean, fps=shot.fps)
    # What nothing seen hangs on starts at rest and stays there.
    start = torch.where(_informed(known)[..., None, None], start, mean)
    sites, limits = _sites(shot, rest), joint_limits(hand_mean)
    pictured = _is_pictured(shot)
    hands_later = pictured and _sees_hands(shot, sites)
    terms = _terms(shot, sites, hands=not hands_later)
    rotations, root = solve(
        start, target[:, 0].clone(), terms, offsets, SMPLH_52, mean, fps=shot.fps, iterations=iterations,
        strengths=_strengths(pictured=pictured, hands=False), limits=limits,
    )  # fmt: skip
    if hands_later:
        rotations, root = solve(
            rotations, root, _terms(shot, sites), offsets, SMPLH_52, mean, fps=shot.fps, iterations=iterations // 2,
            strengths=_strengths(pictured=pictured, hands=True), limits=limits, moving=_FROM_ELBOWS,
        )  # fmt: skip
    rotvecs = np.zeros((len(shot), 55, 3), np.float32)
    rotvecs[:, BODY_IN_SMPLX] = continuous_rotvecs(rotations)
    return rotvecs, (root - rest[0]).numpy()


def _strengths(*, pictured: bool, hands: bool) -> Strengths:
    pose = torch.full((52,), _POSE_SIGMA)
    pose[list(_TRUNK)] = _TRUNK_SIGMA
    if pictured:
        pose[_WRISTS] = _WRIST_SIGMA
    if hands:
        pose[_FINGERS] = _FINGER_SIGMA
    smooth = torch.full((52,), _SMOOTH)
    smooth[[0, *_TRUNK]] = _TRUNK_SMOOTH
    return Strengths(pose=pose, smooth=smooth, limit=0.2)


def _sites(shot: Landmarks, rest: torch.Tensor) -> list[Site]:
    """Say where on this body each landmark sits: beside a joint where an estimator marks a bulge."""
    sites = [LANDMARKS[name] for name in shot.names]
    if not _is_marked(shot):
        return sites
    for place, name in enumerate(shot.names):
        side, _, part = name.partition("_")
        if part in _BULGES:
            joint = sites[place].joint
            carrier = SMPLH_52.parents[joint]
            x, y, z = (rest[joint] - rest[carrier]).tolist()
            across, up = _BULGES[part]
            sites[place] = Site(carrier, (x + (across if side == "left" else -across), y + up, z))
    return sites


def _is_pictured(shot: Landmarks) -> bool:
    """Say whether enough of these points are known in the picture, too."""
    return shot.pixels is not None and sum(name in _SEEN_SIGMA for name in shot.names) >= 3


def _sees_hands(shot: Landmarks, sites: Sequence[Site]) -> bool:
    return bool(shot.require_weights()[:, [site.group != "body" for site in sites]].any())


def _terms(shot: Landmarks, sites: Sequence[Site], *, hands: bool = True) -> list[Points | Pictured]:
    """Give what landmarks say: the body's in space and in the picture, and so each hand about itself."""
    groups = {group: [k for k, site in enumerate(sites) if site.group == group] for group in _GROUPS}
    on_hands = {side: [k for k, name in enumerate(shot.names) if name in _ON_HANDS[side]] for side in _ON_HANDS}
    weights = shot.require_weights().copy()
    for side, marks in on_hands.items():
        weights[:, marks] *= (weights[:, groups[side]] <= _LEAST_WEIGHT).all(1, keepdims=True)
    body = [k for k in groups["body"] if not any(k in marks for marks in on_hands.values())]
    # A picture tells where points are across the view, and better.
    pictured = _is_pictured(shot)
    sigma, hand_sigma = (_DEPTH_SIGMA, _HAND_DEPTH_SIGMA) if pictured else (_SIGMA, _HAND_SIGMA)
    terms = [_points(shot, sites, body, weights, sigma)]
    for side, marks in on_hands.items():
        if hands:
            terms.append(_points(shot, sites, groups[side], weights, hand_sigma))
        if len(marks) == len(_ON_HANDS[side]) and f"{side}_wrist" in shot.names and not pictured:
            wrist = shot.names.index(f"{side}_wrist")
            terms.append(_points(shot, sites, [wrist, *marks], weights, _SIGMA))
    return [*(term for term in terms if term.targets.shape[1] > 0), *_pictured(shot, sites, weights, hands=hands)]


def _points(shot: Landmarks, sites: Sequence[Site], chosen: list[int], weights: np.ndarray, sigma: float) -> Points:
    sites = [sites[k] for k in chosen]
    seen = torch.from_numpy(weights[:, chosen].astype(np.float32))
    targets = torch.from_numpy(np.where(weights[:, chosen, None] > 0, shot.points[:, chosen], 0).astype(np.float32))
    return Points(
        torch.tensor([site.joint for site in sites], dtype=torch.long),
        torch.tensor([site.offset for site in sites]).reshape(-1, 3), targets, seen, floating=True, robust=True,
        sigma=sigma,
    )  # fmt: skip


def _pictured(shot: Landmarks, sites: Sequence[Site], told: np.ndarray, *, hands: bool) -> list[Pictured]:
    if shot.pixels is None or not _is_pictured(shot):
        return []
    seen = [k for k, name in enumerate(shot.names) if name in _SEEN_SIGMA]
    chosen = seen + [k for k, site in enumerate(sites) if hands and site.group != "body"]
    sites = [sites[k] for k in chosen]
    forms = [torch.tensor([site.group == side for site in sites]) for side in _ON_HANDS if hands]
    weights = torch.from_numpy(told[:, chosen])
    pixels, points = (
        torch.from_numpy(np.where(weights.numpy()[..., None] > 0, part[:, chosen], 0).astype(np.float32))
        for part in (shot.pixels, shot.points)
    )
    sigma = torch.tensor([_SEEN_SIGMA.get(shot.names[k], _HAND_SEEN_SIGMA) for k in chosen])
    return [
        Pictured(
            torch.tensor([site.joint for site in sites]), torch.tensor([site.offset for site in sites]), pixels, points,
            weights, sigma, fps=shot.fps, forms=forms,
        )
    ]  # fmt: skip


def _guess_joints(shot: Landmarks, rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put every joint somewhere, ``(T, 52, 3)``: those that are landmarks where they were seen, the others where the
    trunk carries them. Also say which were seen, ``(T, 52)``."""
    points, weights = torch.from_numpy(shot.points.copy()), torch.from_numpy(shot.require_weights().copy())
    positions = torch.zeros(len(shot), 52, 3)
    known = torch.zeros(len(shot), 52, dtype=torch.bool)
    for place, name in enumerate(shot.names):
        site = LANDMARKS[name]
        if site.group == "body" and not any(site.offset):
            seen = weights[:, place] > _LEAST_WEIGHT
            positions[seen, site.joint], known[:, site.joint] = points[seen, place], known[:, site.joint] | seen
    _place_hands(shot, positions, known, rest)
    _complete(positions, known, rest)
    return positions, known


def _place_hands(shot: Landmarks, positions: torch.Tensor, known: torch.Tensor, rest: torch.Tensor) -> None:
    """Hang the hands' own points on the wrists, as large as our hands."""
    for side, wrist in (("left", 20), ("right", 21)):
        names = [name for name in shot.names if LANDMARKS[name].group == side]
        if f"{side}_hand_wrist" not in names:
            continue
        hand = shot.select(names)
        points = torch.from_numpy(np.nan_to_num(hand.points))
        points = points - points[:, [names.index(f"{side}_hand_wrist")]]
        seen = torch.from_numpy((hand.require_weights() > _LEAST_WEIGHT).all(1)) & known[:, wrist]
        for place, name in enumerate(names):
            site = LANDMARKS[name]
            if site.joint != wrist and not any(site.offset):
                positions[seen, site.joint] = positions[seen, wrist] + points[seen, place]
                known[seen, site.joint] = True


def _complete(positions: torch.Tensor, known: torch.Tensor, rest: torch.Tensor) -> None:
    """Place unseen joints as a stiff body would carry them: the trunk's by shoulders and hips, others by what they hang
    on."""
    trunk = [1, 2, 16, 17]
    seen = known[:, trunk].float()
    share = (seen / seen.sum(1, keepdim=True).clamp_min(1))[..., None]
    ours = rest[trunk].expand(len(positions), -1, -1)
    theirs = positions[:, trunk]
    from_ours, from_theirs = (ours * share).sum(1), (theirs * share).sum(1)
    spread = ((theirs - from_theirs[:, None]) * seen[..., None]).transpose(-1, -2) @ (ours - from_ours[:, None])
    turn = roma.special_procrustes(spread + 1e-4 * torch.eye(3))
    carried = from_theirs[:, None] + ((rest - from_ours[:, None]) @ turn.transpose(-1, -2))
    for joint, parent in enumerate(SMPLH_52.parents):
        hung = carried[:, joint]
        if parent >= 0 and joint not in (3, 6, 9, 12, 13, 14):
            hung = positions[:, parent] + ((rest[joint] - rest[parent]) @ turn.transpose(-1, -2))
        positions[:, joint] = torch.where(known[:, joint, None], positions[:, joint], hung)


def _informed(known: torch.Tensor) -> torch.Tensor:
    """Say of which joints ``(T, 52)`` something below them was seen: only these turn at the start."""
    told = torch.zeros_like(known)
    for joint in range(51, 0, -1):
        parent = SMPLH_52.parents[joint]
        told[:, parent] |= known[:, joint] | told[:, joint]
    return told
