"""Writing glTF 2.0 binary: a skinned body with its animation, for engines and viewers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..kinematics import Body, load_body
from ..kinematics._ground import rest_on_ground
from ..skeletons import SMPLX_55
from ..types import Motion, PoseSequence
from ._gltf import FLOAT, SHORT, TRIANGLES, UNSIGNED_BYTE, UNSIGNED_INT, VERTICES, Container
from ._rigs import as_poses
from ._rigs import bone_names as joint_labels
from ._tracks import add_animation, clip_name, joint_quats, root_path

__all__ = ["NormalSum", "bone_nodes", "save_glb", "strongest_joints"]


def save_glb(
    motion: Motion | PoseSequence,
    path: str | Path,
    *,
    body: Body | None = None,
    bone_names: str = "smplx",
    finish: bool = True,
) -> Path:
    """Write a motion as a skinned, animated body.

    Parameters
    ----------
    motion : Motion or PoseSequence
        Motions of 22, 52 or 55 joints become SMPL-X poses first.
    path : path
        Ends in .glb.
    body : Body, optional
        By default the embedded body. Pose correctives of SMPL-X are not part of glTF skinning.
    bone_names : {"smplx", "humanoid", "vrm", "mixamo", "mixamo:"}
        ``"humanoid"`` is what Godot's and Unity's humanoids map by themselves; see `save_vrma` for VRM avatars.
    finish : bool
        Finish joints without rotations (`kinematics.finish`), and set poses that stand elsewhere on the ground.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the suffix or bone names are unknown, or the joints are not those of SMPL-X.
    ShapeError, DataError
        If there is no frame, or NaN in it.
    KtubeError
        If the file cannot be written.

    Notes
    -----
    Each vertex keeps its four strongest joints. The mesh stands in the rest
    pose on the ground; the animation starts at 0 s and bears the name of the clip.

    Examples
    --------
    >>> import tempfile
    >>> poses = PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20)
    >>> save_glb(poses, Path(tempfile.mkdtemp()) / "a.glb").read_bytes()[:4]
    b'glTF'
    """
    path = Path(path)
    if path.suffix.lower() != ".glb":
        raise ConfigError("A glTF binary ends in .glb.", where=path, expected=".glb", found=path.suffix or "no suffix")
    names = joint_labels(SMPLX_55.joint_names, bone_names)
    body = load_body() if body is None else body
    poses = as_poses(motion, body=body, finish=finish)
    rise = np.array([0, rest_on_ground(poses, body), 0], np.float32)
    rest = np.asarray(body.rest_joints(poses.betas), np.float32) + rise
    container = Container()
    quats = joint_quats(poses, body)
    tracks = [(0, "translation", root_path(poses, body)), *((j, "rotation", quats[j]) for j in range(len(quats)))]
    document = {
        "scene": 0,
        "scenes": [{"nodes": [0, len(names)]}],
        "nodes": [*bone_nodes(names, rest), {"name": "body", "mesh": 0, "skin": 0}],
        "meshes": [{"name": "body", "primitives": [_primitive(container, body, poses.betas, rise)]}],
        "materials": [_MATERIAL],
        "skins": [_skin(container, rest)],
        "animations": [add_animation(container, tracks, frames=len(poses), fps=poses.fps, name=clip_name(motion))],
    }
    container.write(path, document)
    return path


_MATERIAL = {
    "name": "body",
    "pbrMetallicRoughness": {"baseColorFactor": [0.72, 0.62, 0.5, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.75},
    "doubleSided": True,
}


def bone_nodes(names: Sequence[str], rest: np.ndarray) -> list[dict[str, Any]]:
    """Nodes of the joints of SMPL-X that stand at `rest` ``(55, 3)``."""
    nodes = []
    for joint, (name, parent) in enumerate(zip(names, SMPLX_55.parents, strict=True)):
        place = rest[joint] - (rest[parent] if parent >= 0 else 0)
        node = {"name": name, "translation": place.tolist()}
        children = [child for child, above in enumerate(SMPLX_55.parents) if above == joint]
        nodes.append(node | ({"children": children} if children else {}))
    return nodes


def _primitive(container: Container, body: Body, betas: np.ndarray, rise: np.ndarray) -> dict[str, Any]:
    vertices = np.asarray(body.rest_vertices(betas), np.float32) + rise
    joints, weights = strongest_joints(body.weights)
    small = len(vertices) <= 65535
    faces = np.asarray(body.faces).reshape(-1, 1)
    return {
        "attributes": {
            "POSITION": container.add(vertices, FLOAT, target=VERTICES, limits=True),
            "NORMAL": container.add(NormalSum(body.faces)(vertices), FLOAT, target=VERTICES),
            "JOINTS_0": container.add(joints, UNSIGNED_BYTE, target=VERTICES),
            "WEIGHTS_0": container.add(weights, FLOAT, target=VERTICES),
        },
        "indices": container.add(
            faces.astype(np.uint16 if small else np.uint32), SHORT if small else UNSIGNED_INT, target=TRIANGLES
        ),
        "material": 0,
    }


class NormalSum:
    """Gives unit normals of vertices ``(V, 3)`` as the area-weighted mean of their faces, frame after frame.

    Parameters
    ----------
    faces : int array [shape=(F, 3)]

    Examples
    --------
    >>> NormalSum(np.array([[0, 1, 2]]))(np.eye(3))[0].round(3)
    array([0.577, 0.577, 0.577], dtype=float32)
    """

    def __init__(self, faces: np.ndarray) -> None:
        from scipy.sparse import csr_array

        self.faces: np.ndarray = np.asarray(faces)
        rows, columns = self.faces.T.ravel(), np.tile(np.arange(len(faces)), 3)
        # From faces to the vertices they touch.
        self.sum = csr_array((np.ones(len(rows)), (rows, columns)), (self.faces.max() + 1, len(faces)))

    def __call__(self, vertices: np.ndarray) -> np.ndarray:
        a, b, c = (vertices[self.faces[:, k]].astype(np.float64) for k in range(3))
        normals = np.zeros((len(vertices), 3))
        normals[: self.sum.shape[0]] = self.sum @ np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        # A vertex without faces still needs a unit normal: any will do.
        normals = np.where(length > 1e-15, normals / np.maximum(length, 1e-15), (0.0, 1.0, 0.0))
        return normals.astype(np.float32)


def strongest_joints(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the four strongest joints of each vertex and their weights, which sum to one."""
    joints = np.argsort(-weights, axis=1)[:, :4]
    values = np.take_along_axis(weights.astype(np.float64), joints, 1)
    values = (values / values.sum(1, keepdims=True)).astype(np.float32)
    joints[values == 0] = 0
    return joints.astype(np.uint8), values


def _skin(container: Container, rest: np.ndarray) -> dict[str, Any]:
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    inverse[:, 3, :3] = -rest  # glTF stores columns first
    matrices = container.add(inverse.reshape(-1, 16), FLOAT)
    return {"name": "skeleton", "joints": list(range(len(rest))), "skeleton": 0, "inverseBindMatrices": matrices}
