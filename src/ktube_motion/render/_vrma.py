"""Writing VRM animation: a motion that any VRM avatar plays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import ArrayLike, check_finite
from ..errors import ConfigError, ShapeError
from ..kinematics import Body, load_body
from ..kinematics._ground import rest_on_ground
from ..skeletons import SMPLX_55
from ..types import Motion, PoseSequence
from ._glb import bone_nodes
from ._gltf import Container
from ._rigs import as_poses, bone_names
from ._tracks import add_animation, clip_name, joint_quats, root_path

__all__ = ["EXPRESSIONS", "save_vrma"]

# What VRM 1.0 names itself; the directions of the look are no expressions here.
EXPRESSIONS = tuple("happy angry sad relaxed surprised neutral aa ih ou ee oh blink blinkLeft blinkRight".split())
_LOOKS = ("lookUp", "lookDown", "lookLeft", "lookRight")
_EYES = ("leftEye", "rightEye")


def save_vrma(
    motion: Motion | PoseSequence,
    path: str | Path,
    *,
    expressions: Mapping[str, ArrayLike] | None = None,
    body: Body | None = None,
    finish: bool = True,
) -> Path:
    """Write a motion as VRM animation 1.0 (``VRMC_vrm_animation``), for avatars of VRM 1.0 and 0.x.

    Parameters
    ----------
    motion : Motion or PoseSequence
        Motions of 22, 52 or 55 joints become SMPL-X poses first.
    path : path
        Ends in .vrma.
    expressions : mapping of str to array [shape=(T,)], optional
        Weights from 0 to 1 in each frame, by name: VRM's own (`aa`, `ih`, `ou`, `ee`, `oh`, `blink`, `happy` and so
        on) or an avatar's. `text.visemes` makes those of the mouth from words in time.
    body : Body, optional
        By default the embedded body.
    finish : bool
        Finish joints without rotations (`kinematics.finish`), and set poses that stand elsewhere on the ground.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the suffix is another, the joints are not those of SMPL-X, or an expression is a direction of the look.
    ShapeError, DataError
        If there is no frame, NaN in it, or an expression has another number of frames.
    KtubeError
        If the file cannot be written.

    Notes
    -----
    The rest pose is a T on the ground, so that players scale the path of the hips by the avatar's height. All
    bones of VRM are there, fingers and jaw included; as the format wants it, the eyes are a look.

    Examples
    --------
    >>> import tempfile
    >>> poses = PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20)
    >>> save_vrma(poses, Path(tempfile.mkdtemp()) / "a.vrma", expressions={"aa": [0, 1]}).suffix
    '.vrma'
    """
    path = Path(path)
    if path.suffix.lower() != ".vrma":
        raise ConfigError("A VRM animation ends in .vrma.", where=path, expected=".vrma", found=path.suffix or "none")
    body = load_body() if body is None else body
    poses = as_poses(motion, body=body, finish=finish)
    weights = _weights(expressions or {}, len(poses))
    rest = np.array(body.rest_joints(poses.betas), np.float32)
    rest[:, 1] += rest_on_ground(poses, body)
    names = bone_names(SMPLX_55.joint_names, "vrm")
    quats = joint_quats(poses, body)
    bones = {name: joint for joint, name in enumerate(names) if name not in _EYES}
    tracks = [(0, "translation", root_path(poses, body)), *((j, "rotation", quats[j]) for j in bones.values())]
    nodes = bone_nodes(names, rest - (rest[0] * (1, 0, 1)))
    extension: dict[str, Any] = {
        "specVersion": "1.0",
        "humanoid": {"humanBones": {name: {"node": joint} for name, joint in bones.items()}},
    }
    top = [0]
    for name, values in weights.items():
        top.append(len(nodes))
        kind = "preset" if name in EXPRESSIONS else "custom"
        extension.setdefault("expressions", {}).setdefault(kind, {})[name] = {"node": len(nodes)}
        tracks.append((len(nodes), "translation", np.stack([values, 0 * values, 0 * values], -1)))
        nodes.append({"name": name})
    gaze = quats[names.index("leftEye")]
    if np.abs(gaze - (0, 0, 0, 1)).max() > 1e-6:
        top.append(len(nodes))
        eyes = (rest[23] + rest[24]) / 2 - rest[15]
        extension["lookAt"] = {"node": len(nodes), "offsetFromHeadBone": eyes.tolist()}
        tracks.append((len(nodes), "rotation", gaze))
        nodes.append({"name": "lookAt"})
    container = Container()
    animation = add_animation(container, tracks, frames=len(poses), fps=poses.fps, name=clip_name(motion))
    document = {
        "extensionsUsed": ["VRMC_vrm_animation"],
        "extensions": {"VRMC_vrm_animation": extension},
        "scene": 0,
        "scenes": [{"nodes": top}],
        "nodes": nodes,
        "animations": [animation],
    }
    container.write(path, document)
    return path


def _weights(expressions: Mapping[str, ArrayLike], frames: int) -> dict[str, np.ndarray]:
    weights = {}
    for name, given in expressions.items():
        if name in _LOOKS:
            raise ConfigError("A look is no expression here.", found=name, fix="Turn the eyes of the poses.")
        values = np.asarray(given, np.float32)
        if values.shape != (frames,):
            raise ShapeError(f"The expression {name} does not fit.", expected=(frames,), found=values.shape)
        check_finite(values, name=f"expression {name}")
        weights[name] = np.clip(values, 0, 1)
    return weights
