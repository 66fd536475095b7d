"""Writing glTF 2.0 binary: a skinned body with its animation, for engines and viewers."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch

from ..errors import ConfigError
from ..io._files import atomic_path
from ..kinematics import Body, load_body
from ..rotations import continuous_quat
from ..types import Motion, PoseSequence
from ._rigs import Rig, as_poses, make_rig

__all__ = ["save_glb"]

_FLOAT, _BYTE, _SHORT, _INT = 5126, 5121, 5123, 5125
_VERTICES, _TRIANGLES = 34962, 34963
_SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class _Buffer:
    """Collects arrays and describes them as glTF buffer views and accessors."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.size = 0

    def add(self, array: np.ndarray, kind: int, *, target: int | None = None, limits: bool = False) -> int:
        """Append an array ``(N, columns)``; give the number of its accessor."""
        data = np.ascontiguousarray(array).tobytes()
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self.views.append(view)
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": kind,
            "count": len(array),
            "type": _SHAPES[array.shape[1]],
        }
        if limits:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.accessors.append(accessor)
        padding = -len(data) % 4
        self.chunks.append(data + bytes(padding))
        self.size += len(data) + padding
        return len(self.accessors) - 1


def save_glb(
    motion: Motion | PoseSequence,
    path: str | Path,
    *,
    body: Body | None = None,
    bone_names: str = "smplx",
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
    bone_names : {"smplx", "vrm", "mixamo"}
        Engines map VRM and Mixamo humanoids by themselves.

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
    pose; the animation starts at 0 s.

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
    body = load_body() if body is None else body
    poses = as_poses(motion, body=body)
    rig = make_rig(poses, body=body, style=bone_names)
    buffer = _Buffer()
    document = {
        "asset": {"version": "2.0", "generator": "ktube_motion"},
        "scene": 0,
        "scenes": [{"nodes": [0, len(rig.names)]}],
        "nodes": _nodes(rig, body.rest_joints(poses.betas)[0]),
        "meshes": [{"name": "body", "primitives": [_primitive(buffer, body, poses.betas)]}],
        "materials": [_MATERIAL],
        "skins": [_skin(buffer, body.rest_joints(poses.betas))],
        "animations": [_animation(buffer, rig, getattr(motion, "name", "") or poses.source or "motion")],
    }
    document |= {"accessors": buffer.accessors, "bufferViews": buffer.views, "buffers": [{"byteLength": buffer.size}]}
    _write(path, document, b"".join(buffer.chunks))
    return path


_MATERIAL = {
    "name": "body",
    "pbrMetallicRoughness": {"baseColorFactor": [0.72, 0.62, 0.5, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.75},
    "doubleSided": True,
}


def _nodes(rig: Rig, root: np.ndarray) -> list[dict[str, Any]]:
    nodes = []
    for joint, name in enumerate(rig.names):
        node = {"name": name, "translation": (root if joint == 0 else rig.offsets[joint]).tolist()}
        children = [child for child, parent in enumerate(rig.parents) if parent == joint]
        nodes.append(node | ({"children": children} if children else {}))
    return [*nodes, {"name": "body", "mesh": 0, "skin": 0}]


def _primitive(buffer: _Buffer, body: Body, betas: np.ndarray) -> dict[str, Any]:
    vertices = np.asarray(body.rest_vertices(betas), np.float32)
    joints, weights = _strongest(body.weights)
    small = len(vertices) <= 65535
    faces = np.asarray(body.faces).reshape(-1, 1)
    return {
        "attributes": {
            "POSITION": buffer.add(vertices, _FLOAT, target=_VERTICES, limits=True),
            "NORMAL": buffer.add(NormalSum(body.faces)(vertices), _FLOAT, target=_VERTICES),
            "JOINTS_0": buffer.add(joints, _BYTE, target=_VERTICES),
            "WEIGHTS_0": buffer.add(weights, _FLOAT, target=_VERTICES),
        },
        "indices": buffer.add(
            faces.astype(np.uint16 if small else np.uint32), _SHORT if small else _INT, target=_TRIANGLES
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


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the four strongest joints of each vertex and their weights, which sum to one."""
    joints = np.argsort(-weights, axis=1)[:, :4]
    values = np.take_along_axis(weights.astype(np.float64), joints, 1)
    values = (values / values.sum(1, keepdims=True)).astype(np.float32)
    joints[values == 0] = 0
    return joints.astype(np.uint8), values


def _skin(buffer: _Buffer, rest: np.ndarray) -> dict[str, Any]:
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    inverse[:, 3, :3] = -rest  # glTF stores columns first
    matrices = buffer.add(inverse.reshape(-1, 16), _FLOAT)
    return {"name": "skeleton", "joints": list(range(len(rest))), "skeleton": 0, "inverseBindMatrices": matrices}


def _animation(buffer: _Buffer, rig: Rig, name: str) -> dict[str, Any]:
    times = (np.arange(len(rig.rotations), dtype=np.float64) / rig.fps).astype(np.float32)[:, None]
    clock = buffer.add(times, _FLOAT, limits=True)
    quats = continuous_quat(roma.rotmat_to_unitquat(torch.from_numpy(rig.rotations.astype(np.float64)))).numpy()
    quats = quats / np.linalg.norm(quats, axis=-1, keepdims=True)
    tracks = [(0, "translation", rig.translation)]
    tracks += [
        (joint, "rotation", quats[:, joint].astype(np.float32))
        for joint in range(len(rig.names))
        if np.abs(rig.rotations[:, joint] - np.eye(3)).max() > 1e-6  # joints that never turn need no track
    ]
    samplers = [{"input": clock, "output": buffer.add(values, _FLOAT)} for _, _, values in tracks]
    channels = [
        {"sampler": number, "target": {"node": joint, "path": kind}} for number, (joint, kind, _) in enumerate(tracks)
    ]
    return {"name": name, "samplers": samplers, "channels": channels}


def _write(path: Path, document: dict[str, Any], data: bytes) -> None:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, total))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(data), b"BIN\0") + data)
