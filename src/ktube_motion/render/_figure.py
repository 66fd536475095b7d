"""The body as pictures show it: a mesh with a face, coloured by its limbs, four joints a vertex, ready for a shader."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, cKDTree

from .. import palette
from ..kinematics import Body
from ..kinematics._bodies import EmbeddedBody, turned_joints
from ..palette import rgb
from ..skeletons import SMPLX_55
from ..types import PoseSequence
from ._fonts import need
from ._glb import NormalSum, strongest_joints
from ._scene import side_of

__all__ = ["Figure", "bone_matrices", "make_figure", "rest_points", "skin"]

_HEAD, _EYES = 15, (23, 24)
_FEWER = 0.58  # of 48,396 triangles: the same outline in a picture of 1080 rows


@dataclass(frozen=True)
class Figure:
    """A mesh at rest and what moves it.

    Attributes
    ----------
    vertices, normals : float32 arrays [shape=(V, 3)]
    faces : int32 array [shape=(F, 3)]
    joints : uint8 array [shape=(V, 4)]
    weights : float32 array [shape=(V, 4)]
        Rows sum to 1.
    colours : float32 array [shape=(V, 3)]
        Red, green and blue from 0 to 1, as a screen shows them.
    rest : float32 array [shape=(55, 3)]
        The joints at rest.
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    colours: np.ndarray
    rest: np.ndarray


def make_figure(body: Body, betas: np.ndarray) -> Figure:
    """Give the figure of a body shape; the embedded body, which has no face, gets one.

    Examples
    --------
    >>> from ktube_motion.kinematics import load_body
    >>> figure = make_figure(load_body(), np.zeros(10))
    >>> 10_000 < len(figure.vertices) < len(load_body().weights), figure.weights.shape[1]  # a lighter mesh
    (True, 4)
    """
    return _figure(body, tuple(np.asarray(betas, np.float32).tolist()))


@lru_cache(8)
def _figure(body: Body, betas: tuple[float, ...]) -> Figure:
    shape = np.array(betas, np.float32)
    kept, faces = _light_mesh(body)
    whole = np.asarray(body.rest_vertices(shape), np.float32)
    vertices, normals = whole[kept], NormalSum(body.faces)(whole)[kept]
    rest = np.asarray(body.rest_joints(shape), np.float32)
    joints, weights = strongest_joints(body.weights[kept])
    first = joints[np.arange(len(joints)), weights.argmax(1)]
    parts = [_Part(vertices, normals, faces, joints, weights, _colours(first))]
    if isinstance(body, EmbeddedBody):
        head = vertices[first == _HEAD]
        parts += [part.between(head.min(0), head.max(0)) for part in _head_parts(body)]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    numbered = [part.faces + start for part, start in zip(parts, starts, strict=False)]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("vertices", "normals", "joints", "weights", "colours")
    }
    return Figure(**joined, faces=np.concatenate(numbered).astype(np.int32), rest=rest)


@dataclass(frozen=True)
class _Part:
    """A piece of a figure."""

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    colours: np.ndarray

    def between(self, low: np.ndarray, high: np.ndarray) -> "_Part":
        """Put a part, whose vertices are shares of a box, into the box from `low` to `high`."""
        return replace(self, vertices=(low + self.vertices * (high - low)).astype(np.float32))


@lru_cache(4)
def _head_parts(body: Body) -> list[_Part]:
    """Give hair and face of the average head, as shares of the box around it: all shapes have the same triangles."""
    kept, faces = _light_mesh(body)
    whole = np.asarray(body.rest_vertices(np.zeros(10, np.float32)), np.float32)
    vertices, normals = whole[kept], NormalSum(body.faces)(whole)[kept]
    head = body.weights[kept].argmax(1) == _HEAD
    low, high = vertices[head].min(0), vertices[head].max(0)
    parts = [_hair(vertices, normals, faces[head[faces].all(1)]), *_face(vertices[head])]
    return [replace(part, vertices=(part.vertices - low) / (high - low)) for part in parts]


@lru_cache(4)
def _light_mesh(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers of vertices and their faces: of the embedded body a third, which no picture shows.

    Where fast-simplification is not installed, all of them: slower videos, larger pages.
    """
    faces, points = np.asarray(body.faces), np.asarray(body.rest_vertices(np.zeros(10, np.float32)))
    if not isinstance(body, EmbeddedBody) or find_spec("fast_simplification") is None:
        return np.arange(len(points)), faces
    simplify = need("fast_simplification").simplify
    links = coo_array(
        (np.ones(len(faces) * 2), (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())), (len(points),) * 2
    )
    _, part_of = connected_components(links, directed=False)
    kept: list[np.ndarray] = []
    triangles: list[np.ndarray] = []
    for part in range(part_of.max() + 1):  # one by one, or a vertex may go over to the limb beside it
        numbers = np.flatnonzero(part_of == part)
        own = np.searchsorted(numbers, faces[part_of[faces[:, 0]] == part])
        light, fewer = simplify(points[numbers].astype(np.float32), own.astype(np.int32), target_reduction=_FEWER)
        _, nearest = cKDTree(points[numbers]).query(light)
        triangles.append(np.asarray(fewer) + sum(map(len, kept)))
        kept.append(numbers[nearest])
    return np.concatenate(kept), np.concatenate(triangles)


def _mix(first: str, second: str, share: float) -> np.ndarray:
    return (1 - share) * np.array(rgb(first)) + share * np.array(rgb(second))


def _colours(joints: np.ndarray) -> np.ndarray:
    """Give each vertex the colour of its joint: quiet trunk and legs, and the hands that speak in their side's."""
    table = np.tile(_mix(palette.MIDDLE, palette.PAPER, 0.60), (55, 1))
    for joint, name in enumerate(SMPLX_55.joint_names):
        side = {"left": palette.LEFT, "right": palette.RIGHT}.get(side_of(name), palette.MIDDLE)
        if "hip" in name or "knee" in name or name == "pelvis":
            table[joint] = _mix(palette.MIDDLE, palette.PAPER, 0.32)
        elif "ankle" in name or "foot" in name:
            table[joint] = _mix(side, palette.MIDDLE, 0.35)
        elif "elbow" in name:
            table[joint] = _mix(side, palette.PAPER, 0.08)
        elif joint > _EYES[1] or "wrist" in name:
            table[joint] = _mix(side, palette.PAPER, 0.22)
    table[[12, 15, 22]] = rgb(palette.SKIN)
    table[list(_EYES)] = rgb(palette.INK)
    return table[joints]


def _hair(vertices: np.ndarray, normals: np.ndarray, skull: np.ndarray) -> _Part:
    """Give the top and the back of a head as a cap over it, so that it faces somewhere from every side."""
    from trimesh.intersections import slice_faces_plane

    used, faces = np.unique(skull, return_inverse=True)
    points = vertices[used]
    low, high = points.min(0), points.max(0)
    middle, size = (low + high) / 2, high - low
    raised = points + 0.024 * size[0] * normals[used]
    cut = np.array([0.0, 0.66, -0.75])
    origin = middle + size * (0.0, 0.115, -0.03)
    around, triangles, _ = slice_faces_plane(raised, faces.reshape(-1, 3), cut, origin)
    return _rigid(around, np.asarray(triangles), _mix(palette.MIDDLE, palette.INK, 0.35), _HEAD)


def _rigid(vertices: np.ndarray, faces: np.ndarray, colour: np.ndarray, joint: int) -> _Part:
    """Give a piece of one colour that rides on one joint."""
    joints, weights = np.zeros((len(vertices), 4), np.uint8), np.zeros((len(vertices), 4), np.float32)
    joints[:, 0], weights[:, 0] = joint, 1.0
    normals, colours = NormalSum(faces)(vertices), np.tile(colour, (len(vertices), 1))
    return _Part(vertices.astype(np.float32), normals, faces, joints, weights, colours.astype(np.float32))


def _face(head: np.ndarray) -> list[_Part]:
    """Give eyes, brows, nose, mouth and ears as small ellipsoids on the surface of a head that looks along +z."""
    from scipy.interpolate import LinearNDInterpolator

    low, high = head.min(0), head.max(0)
    middle, size = (low + high) / 2, high - low
    outside = head[ConvexHull(head).vertices]  # a head is hollow
    front = outside[outside[:, 2] > middle[2]]
    surface = LinearNDInterpolator(front[:, :2], front[:, 2])
    dark, skin = np.array(rgb(palette.INK)), np.array(rgb(palette.SKIN))
    warm = _mix(palette.SKIN, palette.LEFT, 0.35)
    # Place across and up in head widths and heights, radii in head widths, turn about z, colour, joint.
    table = [
        (0.0, 0.0, (0.058, 0.095, 0.085), 0.0, skin, _HEAD),
        (0.0, -0.192, (0.070, 0.017, 0.040), 0.0, warm, _HEAD),
    ]
    for side, eye in zip((1, -1), _EYES, strict=True):
        table.append((0.072 * side, -0.183, (0.045, 0.016, 0.038), 0.45 * side, warm, _HEAD))
        table.append((0.19 * side, 0.085, (0.058, 0.076, 0.030), 0.0, dark, eye))
        table.append((0.20 * side, 0.195, (0.095, 0.016, 0.03), -0.05 * side, dark, _HEAD))
    parts = []
    for across, up, radii, turn, colour, joint in table:
        x, y = middle[0] + across * size[0], middle[1] + up * size[1]
        slope = float(surface(x + 0.004, y) - surface(x - 0.004, y)) / 0.008
        at = np.array([x, y, float(surface(x, y))])
        parts.append(_blob(at, np.array(radii) * size[0], turn, np.arctan(-slope), colour, joint))
    for side in (1, -1):
        at = middle + np.array([side * 0.485, -0.02, -0.05]) * size
        parts.append(_blob(at, np.array([0.06, 0.15, 0.10]) * size[0], 0.0, 0.0, skin, _HEAD))
    return parts


def _blob(at: np.ndarray, radii: np.ndarray, turn: float, yaw: float, colour: np.ndarray, joint: int) -> _Part:
    """Give an ellipsoid, turned about z and then about y, on one joint."""
    from scipy.spatial.transform import Rotation
    from trimesh.creation import uv_sphere

    ball = uv_sphere(count=(10, 16))
    vertices = Rotation.from_euler("zy", [turn, yaw]).apply(np.asarray(ball.vertices) * radii) + at
    return _rigid(vertices, np.asarray(ball.faces), colour, joint)


def bone_matrices(body: Body, poses: PoseSequence) -> np.ndarray:
    """Give what each joint does to a point of the rest pose, float32 ``(T, 55, 3, 4)``: all frames at once."""
    _, moves = turned_joints(body.rotations(poses), body._frame_joints(poses))
    moves[..., 3] += body.root_path(poses)[:, None]
    return moves


def rest_points(body: Body, poses: PoseSequence, *, chunk_frames: int = 16) -> Iterator[np.ndarray] | None:
    """Go through the vertices at rest of each frame, where the flesh moves too; None where it does not."""
    if isinstance(body, EmbeddedBody):
        return None
    rest = body.rest_vertices(poses.betas)
    parts = (poses[start : start + chunk_frames] for start in range(0, len(poses), chunk_frames))
    return (points for part in parts for points in body._frame_vertices(rest, part, body.rotations(part)))


def skin(figure: Figure, moves: np.ndarray, points: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Give vertices and normals ``(V, 3)`` of one frame, as the shader computes them."""
    blended = np.einsum("vk,vkab->vab", figure.weights, moves[figure.joints])
    points = figure.vertices if points is None else points
    placed = (blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]
    return placed, (blended[..., :3] @ figure.normals[..., None])[..., 0]
