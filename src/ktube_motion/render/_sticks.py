"""The stick figure of a skeleton: limbs, palms, fingers, a head that faces somewhere; in videos and pages."""

from dataclasses import dataclass

import numpy as np

from ..kinematics import global_rotations
from ..skeletons import SMPLH_52, SMPLX_55, Skeleton
from ..types import Motion
from ._scene import Camera, head_of, is_fine, side_of

__all__ = ["Sticks", "Stroke", "head_frames", "make_sticks", "strokes_of"]

# Metres: how thick things are, and how far a fingertip is beyond the last joint of SMPL-X.
LIMB, FINGER, PALM, TIP = 0.038, 0.014, 0.020, 0.022
# In the head's frame, from its joint at the base of the skull: left, up, forward.
SKULL, SKULL_WIDTH = ((0.0, 0.055, 0.015), (0.0, 0.115, 0.022)), 0.15
EYES, NOSE = ((0.033, 0.088, 0.092), (-0.033, 0.088, 0.092)), ((0.0, 0.085, 0.088), (0.0, 0.066, 0.112))


@dataclass(frozen=True)
class Sticks:
    """What is drawn of a skeleton.

    Attributes
    ----------
    limbs : tuple of (parent, joint, side)
    palms : tuple of (side, wrist, knuckle, ...)
    fingers : tuple of (side, knuckle, ..., last joint)
    head, neck : int
        -1 where a skeleton has none.
    tip : float
        Metres that fingers go on beyond their last joint.
    """

    limbs: tuple[tuple[int, int, str], ...]
    palms: tuple[tuple[str, tuple[int, ...]], ...]
    fingers: tuple[tuple[str, tuple[int, ...]], ...]
    head: int
    neck: int
    tip: float


@dataclass(frozen=True)
class Stroke:
    """One line or filled shape in the picture: pixels, width in pixels, what it shows."""

    depth: float
    points: np.ndarray
    width: float
    role: str
    filled: bool = False


def make_sticks(skeleton: Skeleton) -> Sticks:
    """Sort the bones of a skeleton into limbs, palms and fingers; joints of the face go with the head.

    Examples
    --------
    >>> sticks = make_sticks(SMPLX_55)
    >>> len(sticks.limbs), len(sticks.palms), len(sticks.fingers), sticks.head
    (21, 2, 10, 15)
    """
    names, parents = skeleton.joint_names, skeleton.parents
    fine = [is_fine(name) for name in names]
    head = head_of(names)
    limbs, fingers = [], []
    knuckles: dict[int, list[int]] = {}
    for joint, parent in enumerate(parents):
        if parent < 0:
            continue
        if not fine[joint]:
            limbs.append((parent, joint, side_of(names[joint])))
        elif not fine[parent] and parent != head:
            knuckles.setdefault(parent, []).append(joint)
            fingers.append((side_of(names[joint]), _chain(joint, parents)))
    palms = [(side_of(names[wrist]), (wrist, *_around(found, names))) for wrist, found in knuckles.items()]
    return Sticks(
        tuple(limbs),
        tuple(palms),
        tuple(fingers),
        -1 if head is None else head,
        -1 if head is None else parents[head],
        TIP if skeleton in (SMPLH_52, SMPLX_55) else 0.0,
    )


def _chain(joint: int, parents: tuple[int, ...]) -> tuple[int, ...]:
    chain = [joint]
    while chain[-1] in parents:
        chain.append(parents.index(chain[-1]))
    return tuple(chain)


def _around(knuckles: list[int], names: tuple[str, ...]) -> list[int]:
    """Put knuckles in the order of the hand, so that they bound a palm."""
    order = ("thumb", "index", "middle", "ring", "pinky", "little")
    return sorted(
        knuckles, key=lambda joint: next((k for k, name in enumerate(order) if name in names[joint].lower()), 9)
    )


def head_frames(clip: Motion) -> np.ndarray | None:
    """Give left, up and forward of the head ``(T, 3, 3)``, as columns; None where nothing tells it.

    From the rotations where a motion has them. Joints alone do not show a
    head's turn: it then faces as the shoulders and the neck let it.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> turns = np.tile(np.eye(3), (1, 22, 1, 1)); turns[0, 15] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    >>> head_frames(Motion(skeleton=SMPL_22, rotations=turns, fps=20))[0, :, 2].tolist()  # looks to its left
    [1.0, 0.0, 0.0]
    """
    head = head_of(clip.skeleton.joint_names)
    if head is None:
        return None
    if clip.rotations is not None:
        return global_rotations(np.asarray(clip.rotations), skeleton=clip.skeleton)[:, head]
    if clip.skeleton.shoulders is None:
        return None
    positions = clip.require("positions").astype(np.float64)
    left, right = (positions[:, joint] for joint in clip.skeleton.shoulders)
    up = _unit(positions[:, head] - positions[:, clip.skeleton.parents[head]] + (0, 1e-9, 0))
    forward = _unit(np.cross(left - right + (1e-9, 0, 0), up))
    return np.stack([np.cross(up, forward), up, forward], -1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def strokes_of(
    sticks: Sticks, joints: np.ndarray, frame: np.ndarray | None, camera: Camera, target: np.ndarray
) -> list[Stroke]:
    """Give the strokes of one moment, the farthest first.

    Parameters
    ----------
    sticks : Sticks
    joints : array [shape=(J, 3)]
    frame : array [shape=(3, 3)], optional
        Of the head; see `head_frames`.
    camera, target : Camera, array [shape=(3,)]

    Returns
    -------
    strokes : list of Stroke
        Roles are ``left``, ``right``, ``middle``, ``finger left``, ``eye``, ``nose`` and so on.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> joints = np.cumsum(np.ones((22, 3)) * 0.05, 0)
    >>> strokes = strokes_of(make_sticks(SMPL_22), joints, np.eye(3), Camera(3.0, 500.0, (250, 250)), np.zeros(3))
    >>> [stroke.role for stroke in strokes if stroke.role in ("eye", "nose")]
    ['nose', 'eye', 'eye']
    """
    pixels, depth = camera.project(joints, target)
    strokes = []
    skull = _skull(sticks, joints, frame, camera, target)
    for parent, joint, side in sticks.limbs:
        far = (depth[parent] + depth[joint]) / 2
        if skull and joint == sticks.head:
            far = max(far, skull[0].depth + 1e-3)  # a neck is under its head, whatever side it is seen from
        strokes.append(Stroke(far, pixels[[parent, joint]], LIMB * camera.focal / far, side))
    for side, palm in sticks.palms:
        if len(palm) > 2:
            far = depth[list(palm)].mean()
            strokes.append(Stroke(far, pixels[list(palm)], PALM * camera.focal / far, side, filled=True))
    for side, chain in sticks.fingers:
        points = joints[list(chain)]
        if sticks.tip and len(chain) > 1:
            points = np.concatenate([points, points[-1:] + sticks.tip * _unit(points[-1:] - points[-2:-1])])
        line, away = camera.project(points, target)
        far = away.mean() - 1e-3  # a finger that lies on its palm is seen
        strokes.append(Stroke(far, line, FINGER * camera.focal / far, f"finger {side}"))
    strokes.sort(key=lambda stroke: -stroke.depth)
    if skull:
        nearer = next((k for k, stroke in enumerate(strokes) if stroke.depth < skull[0].depth), len(strokes))
        strokes[nearer:nearer] = skull[1:]
    return strokes


def _skull(
    sticks: Sticks, joints: np.ndarray, frame: np.ndarray | None, camera: Camera, target: np.ndarray
) -> list[Stroke]:
    """Give the head, and then it again in the order of drawing, with nose and those eyes that are seen."""
    if sticks.head < 0:
        return []
    base = joints[sticks.head]
    if frame is None:
        up = _unit(base - joints[sticks.neck])
        frame = np.stack([np.zeros(3), up, np.zeros(3)], -1)
    ball, depth = camera.project(base + np.array(SKULL) @ frame.T, target)
    scale = camera.focal / depth.mean()
    skull = Stroke(depth.mean(), ball, SKULL_WIDTH * scale, "head")
    if not frame[:, 2].any():
        return [skull, skull]
    towards = _unit(target + camera.distance * camera.axes[2] - base)
    nose = Stroke(depth.mean(), camera.project(base + np.array(NOSE) @ frame.T, target)[0], 0.024 * scale, "nose")
    order = [skull, nose] if frame[:, 2] @ towards > 0 else [nose, skull]
    for eye in EYES:
        outward = frame @ _unit(np.subtract(eye, (0, 0.085, 0.018)))
        if outward @ towards > 0.15:
            dot = camera.project(base + frame @ np.array(eye), target)[0]
            order.append(Stroke(depth.mean(), np.stack([dot, dot + 0.01]), 0.024 * scale, "eye"))
    return [skull, *order]
