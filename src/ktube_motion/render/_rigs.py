"""A motion as animators need it: a rest pose, local rotations, a root path, bone names engines know."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import ConfigError
from ..kinematics import Body, fit_betas, fit_poses, forward_kinematics, load_body
from ..kinematics._rigid import bones_of, implied_offsets, rigid_fit
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55
from ..types import Motion, PoseSequence
from ._scene import as_motion, check_clip

__all__ = ["Rig", "as_poses", "bone_names", "make_rig"]

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
    style : {"smplx", "vrm", "mixamo"}

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
    ('mixamorig:LeftForeArm', 'mixamorig:RightHandPinky3')
    """
    if style == "smplx":
        return tuple(joint_names)
    if style not in ("vrm", "mixamo"):
        raise ConfigError("Unknown bone names.", expected="smplx, vrm or mixamo", found=repr(style))
    if style == "vrm":
        table = dict(zip(SMPLX_55.joint_names, _VRM, strict=False))
        table |= {name: _vrm_finger(name) for name in SMPLX_55.joint_names[25:]}
    else:
        table = {name: f"mixamorig:{bone}" for name, bone in zip(SMPLX_55.joint_names, _MIXAMO, strict=False)}
        for name in SMPLX_55.joint_names[25:]:
            side, finger = name.split("_")
            table[name] = f"mixamorig:{side.capitalize()}Hand{finger.capitalize()}"
    return tuple(table.get(name, name) for name in joint_names)


def _vrm_finger(name: str) -> str:
    side, finger = name.split("_")
    kind, number = finger[:-1], int(finger[-1]) - 1
    kind = "little" if kind == "pinky" else kind
    return f"{side}{kind.capitalize()}{(_VRM_THUMB if kind == 'thumb' else _VRM_SEGMENTS)[number]}"


def as_poses(clip: Motion | PoseSequence, *, body: Body) -> PoseSequence:
    """Give any clip as SMPL-X poses: as it is, from its rotations where they belong to this body, else fitted.

    Parameters
    ----------
    clip : Motion or PoseSequence
    body : Body

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
    if isinstance(clip, PoseSequence):
        return clip
    if clip.positions is None:
        clip = as_motion(clip)
    if clip.rotations is None or clip.skeleton not in (SMPL_22, SMPLH_52):
        return fit_poses(clip, body=body)
    positions = clip.require("positions")
    betas = fit_betas(positions, body=body)
    joints = [SMPLX_55.index(name) for name in clip.skeleton.joint_names]
    rest = np.asarray(body.rest_joints(betas), np.float32)
    offsets = rest[joints] - rest[joints][[max(parent, 0) for parent in clip.skeleton.parents]]
    placed = forward_kinematics(clip.rotations, positions[:, 0], skeleton=clip.skeleton, offsets=offsets)
    if np.abs(placed - positions).mean() > 0.002:
        return fit_poses(clip, body=body, betas=betas)
    import roma

    rotvecs = np.zeros((len(clip), 55, 3), np.float32)
    rotvecs[:, joints] = roma.rotmat_to_rotvec(torch.from_numpy(clip.rotations.copy())).numpy()
    flat = clip.skeleton is not SMPL_22  # without fingers the hands are relaxed
    transl = positions[:, 0] - rest[0]
    return PoseSequence(
        rotvecs=rotvecs, transl=transl, fps=clip.fps, betas=betas, flat_hand_mean=flat, source=clip.name
    )


def make_rig(clip: Motion | PoseSequence, *, body: Body | None = None, style: str = "smplx") -> Rig:
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
    style : {"smplx", "vrm", "mixamo"}
        Bone names.

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
    if isinstance(clip, PoseSequence):
        body = load_body() if body is None else body
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
