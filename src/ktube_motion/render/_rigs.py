"""A motion as animators need it: a rest pose, local rotations, a root path, bone names engines know."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import ConfigError
from ..kinematics import Body, fit_poses, forward_kinematics, load_body
from ..kinematics import finish as finish_clip
from ..kinematics._fitting import nearest_shape
from ..kinematics._rigid import bones_of, implied_offsets, rigid_fit
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55
from ..types import Motion, PoseSequence
from ._scene import as_motion, check_clip, finished

__all__ = ["STYLES", "Rig", "as_poses", "bone_names", "make_rig"]

STYLES = ("smplx", "humanoid", "vrm", "mixamo", "mixamo:")

_MIXAMO = (
    "Hips LeftUpLeg RightUpLeg Spine LeftLeg RightLeg Spine1 LeftFoot RightFoot Spine2 LeftToeBase RightToeBase Neck "
    "LeftShoulder RightShoulder Head LeftArm RightArm LeftForeArm RightForeArm LeftHand RightHand Jaw LeftEye RightEye"
).split()
_VRM = (
    "hips leftUpperLeg rightUpperLeg spine leftLowerLeg rightLowerLeg chest leftFoot rightFoot upperChest leftToes "
    "rightToes neck leftShoulder rightShoulder head leftUpperArm rightUpperArm leftLowerArm rightLowerArm leftHand "
    "rightHand jaw leftEye rightEye"
).split()
_VRM_SEGMENTS = ("Proximal", "Intermediate", "Distal")
_VRM_THUMB = ("Metacarpal", "Proximal", "Distal")


_SAME = 0.001  # metres that joints by given rotations may miss, or rotations are found anew
_FOREIGN = 0.01  # metres: a body that misses joints by more on average stands otherwise than they do


@dataclass(frozen=True)
class Rig:
    """Rest pose and animation of a tree of joints.

    Attributes
    ----------
    names : tuple of str
    parents : tuple of int
    offsets : float32 array [shape=(J, 3)]
        Bone vectors of the rest pose in metres; zeros for the root.
    rotations : float32 array [shape=(T, J, 3, 3)]
        Local rotations from that rest pose.
    translation : float32 array [shape=(T, 3)]
        Root position, metres.
    fps : float
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    rotations: np.ndarray
    translation: np.ndarray
    fps: float


def bone_names(joint_names: Iterable[str], style: str = "smplx") -> tuple[str, ...]:
    """Rename SMPL-X joints so that an engine maps them by itself.

    Parameters
    ----------
    joint_names : sequence of str
        Names of `SMPLX_55`; others stay as they are.
    style : {"smplx", "humanoid", "vrm", "mixamo", "mixamo:"}
        ``"humanoid"``: Godot's and Unity's. ``"vrm"``: the same, beginning small. ``"mixamo"``: without the colon,
        which three.js and Unreal cannot have in a name; ``"mixamo:"`` with it, as Mixamo's own files.

    Returns
    -------
    names : tuple of str

    Raises
    ------
    ConfigError
        If the style is unknown.

    Examples
    --------
    >>> bone_names(["left_elbow", "right_pinky3"], "vrm")
    ('leftLowerArm', 'rightLittleDistal')
    >>> bone_names(["left_elbow", "right_pinky3"], "mixamo")
    ('mixamorigLeftForeArm', 'mixamorigRightHandPinky3')
    """
    if style not in STYLES:
        raise ConfigError("Unknown bone names.", expected=", ".join(STYLES), found=repr(style))
    table: dict[str, str] = {}
    if style in ("vrm", "humanoid"):
        table = dict(zip(SMPLX_55.joint_names, _VRM, strict=False))
        table |= {name: _vrm_finger(name) for name in SMPLX_55.joint_names[25:]}
    if style == "humanoid":
        table = {name: bone[0].upper() + bone[1:] for name, bone in table.items()}
    if style.startswith("mixamo"):
        prefix = "mixamorig:" if style.endswith(":") else "mixamorig"
        table = {name: prefix + bone for name, bone in zip(SMPLX_55.joint_names, _MIXAMO, strict=False)}
        for name in SMPLX_55.joint_names[25:]:
            side, finger = name.split("_")
            table[name] = f"{prefix}{side.capitalize()}Hand{finger.capitalize()}"
    return tuple(table.get(name, name) for name in joint_names)


def _vrm_finger(name: str) -> str:
    side, finger = name.split("_")
    kind, number = finger[:-1], int(finger[-1]) - 1
    kind = "little" if kind == "pinky" else kind
    return f"{side}{kind.capitalize()}{(_VRM_THUMB if kind == 'thumb' else _VRM_SEGMENTS)[number]}"


def as_poses(clip: Motion | PoseSequence, *, body: Body, finish: bool = True) -> PoseSequence:
    """Give any clip as SMPL-X poses: as it is, from its rotations where they belong to this body, else fitted.

    Parameters
    ----------
    clip : Motion or PoseSequence
    body : Body
    finish : bool
        Take what all files show (`_scene.finished`), not what is given.

    Returns
    -------
    poses : PoseSequence

    Raises
    ------
    ConfigError, ShapeError, DataError
        See `kinematics.fit_poses`.

    Examples
    --------
    >>> motion = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(2, 22, 3)), fps=20)
    >>> as_poses(motion, body=load_body()).rotvecs.shape
    (2, 55, 3)
    """
    check_clip(clip)
    if isinstance(clip, Motion) and clip.skeleton not in (SMPL_22, SMPLH_52, SMPLX_55):
        return fit_poses(clip, body=body)  # which says what it takes
    clip = finished(clip, body=body) if finish else clip
    if isinstance(clip, PoseSequence):
        return clip
    poses = _poses_of_rotations(clip, body)
    if poses is not None:
        return poses
    motion = as_motion(clip, finish=False)
    poses = fit_poses(motion, body=body)
    if finish and _apart(poses, motion, body) > _FOREIGN:
        # Other proportions than any body's: its own feet have to be planted again.
        return finish_clip(poses, body=body, jerk=None, limits=False)[0]
    return poses


def _apart(poses: PoseSequence, motion: Motion, body: Body) -> float:
    """Mean distance, in metres, of a body's joints from those of the motion it was fitted to."""
    joints = [SMPLX_55.index(name) for name in motion.skeleton.joint_names]
    away = np.asarray(body.joints(poses))[:, joints] - motion.require("positions")
    return float(np.linalg.norm(away, axis=-1).mean())


def _poses_of_rotations(clip: Motion, body: Body) -> PoseSequence | None:
    """The rotations of a motion as poses, if with them this body has its joints where the motion has them."""
    if clip.rotations is None or clip.skeleton not in (SMPL_22, SMPLH_52):
        return None
    positions = as_motion(clip, finish=False).require("positions")
    betas = nearest_shape(positions, body)[0].astype(np.float32)
    joints = [SMPLX_55.index(name) for name in clip.skeleton.joint_names]
    rest = np.asarray(body.rest_joints(betas), np.float32)
    offsets = bones_of(rest[joints], clip.skeleton)
    placed = forward_kinematics(clip.rotations, positions[:, 0], skeleton=clip.skeleton, offsets=offsets)
    if np.abs(placed - positions).max() > _SAME:
        return None
    import roma

    rotvecs = np.zeros((len(clip), 55, 3), np.float32)
    rotvecs[:, joints] = roma.rotmat_to_rotvec(torch.from_numpy(clip.rotations.copy())).numpy()
    flat = clip.skeleton is not SMPL_22  # without fingers the hands are relaxed
    transl = positions[:, 0] - rest[0]
    return PoseSequence(
        rotvecs=rotvecs, transl=transl, fps=clip.fps, betas=betas, flat_hand_mean=flat, source=clip.name
    )


def make_rig(
    clip: Motion | PoseSequence, *, body: Body | None = None, style: str = "smplx", finish: bool = True
) -> Rig:
    """Give rest pose and local rotations of any clip.

    Poses take the body's rest pose (T, flat hands). A motion with positions
    and rotations takes the rest pose they imply, one with rotations alone its
    skeleton's. Positions alone are turned into rotations from a T-pose with
    the bone lengths, and the spread of hips, shoulders and knuckles, of the
    motion itself.

    Parameters
    ----------
    clip : Motion or PoseSequence
    body : Body, optional
        For poses; by default the embedded body.
    style : str
        Bone names, see `bone_names`.
    finish : bool
        Take what all files show (`_scene.finished`), not what is given.

    Returns
    -------
    rig : Rig

    Raises
    ------
    ShapeError, DataError, ConfigError
        If there is no frame, a NaN, or an unknown style.

    Examples
    --------
    >>> rig = make_rig(PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20), style="vrm")
    >>> rig.names[:2], rig.rotations.shape
    (('hips', 'leftUpperLeg'), (2, 55, 3, 3))
    """
    check_clip(clip)
    rotations: np.ndarray | None
    body = load_body() if body is None else body
    clip = finished(clip, body=body) if finish else clip
    if isinstance(clip, PoseSequence):
        rest = np.asarray(body.rest_joints(clip.betas), np.float32)
        names, parents, rotations = SMPLX_55.joint_names, SMPLX_55.parents, body.rotations(clip)
        offsets, translation = bones_of(rest, SMPLX_55), rest[0] + body.root_path(clip)
    else:
        skeleton = clip.skeleton
        names, parents, rotations = skeleton.joint_names, skeleton.parents, clip.rotations
        metres = skeleton.metres_per_unit
        if clip.positions is None:
            offsets = skeleton.offsets * metres
            root = np.zeros((len(clip), 3)) if clip.translation is None else clip.translation
            translation = root * metres
        else:
            positions = clip.positions * metres
            translation = positions[:, 0]
            if rotations is None:
                rotations, offsets = rigid_fit(positions, skeleton=skeleton)
            else:
                offsets = implied_offsets(positions, rotations, skeleton=skeleton)
    offsets = np.array(offsets, np.float32)
    offsets[0] = 0
    return Rig(
        bone_names(names, style),
        parents,
        offsets,
        np.asarray(rotations, np.float32),
        np.asarray(translation, np.float32),
        clip.fps,
    )
