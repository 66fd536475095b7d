"""Two ways to draw a mesh: OpenGL through pyrender, and ray casting through embreex where there is no OpenGL."""

import ctypes.util
import logging
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from einops import rearrange

from ..errors import ConfigError, MissingDependencyError
from ._fonts import need
from ._glb import NormalSum
from ._scene import Camera, on_floor

__all__ = ["Renderer", "make_renderer"]

logger = logging.getLogger(__name__)

SKY, FLOOR, TILE = (0.945, 0.952, 0.965), (0.90, 0.91, 0.93), (0.84, 0.86, 0.89)
SKIN, SHADE = (0.80, 0.66, 0.50), (0.60, 0.63, 0.69)
_LIGHT = np.array([0.45, 1.0, 0.65]) / np.linalg.norm([0.45, 1.0, 0.65])
_FILL = np.array([-0.7, 0.35, 0.6]) / np.linalg.norm([-0.7, 0.35, 0.6])
_TILE_SIZE, _REACH = 0.5, 4.0
_ADVICE = (
    "Run: apt-get install libosmesa6 libgl1 libxrender1 (software), or libegl1 libgl1 (graphics card), "
    'or pip install "ktube_motion[render]" and renderer="rays".'
)


class Renderer(Protocol):
    """Draws one body above a floor, from one camera."""

    def draw(self, vertices: np.ndarray, camera: Camera, target: np.ndarray, floor: float) -> np.ndarray:
        """Give the picture, uint8 ``(height, width, 3)``."""
        ...

    def close(self) -> None:
        """Give back what the renderer holds."""


def make_renderer(kind: str, faces: np.ndarray, *, size: tuple[int, int]) -> Renderer:
    """Give the renderer `kind` asks for.

    Parameters
    ----------
    kind : {"auto", "osmesa", "egl", "rays"}
        ``auto`` takes EGL where there is a graphics card, else OSMesa, else
        EGL in software, else ray casting.
    faces : int array [shape=(F, 3)]
    size : tuple of int
        Width and height.

    Returns
    -------
    renderer
        With ``draw(vertices, camera, target, floor) -> uint8 (height, width, 3)`` and ``close()``.

    Raises
    ------
    ConfigError
        If `kind` is unknown.
    MissingDependencyError
        If what was asked for is not installed.
    """
    if kind not in ("auto", "osmesa", "egl", "rays"):
        raise ConfigError("Unknown renderer.", expected="auto, osmesa, egl or rays", found=repr(kind))
    if kind == "rays":
        return RayRenderer(faces, size)
    platform = _platform(kind)
    if platform is None:
        if kind != "auto":
            raise MissingDependencyError(f"There is no {kind} library on this machine.", fix=_ADVICE)
        _tell_faster()
        return RayRenderer(faces, size)
    try:
        return GLRenderer(faces, size, platform)
    except MissingDependencyError as error:
        if kind != "auto":
            raise
        warnings.warn(f"{error} Ray casting is used instead.", stacklevel=3)
        return RayRenderer(faces, size)


@cache  # once is enough
def _tell_faster() -> None:
    logger.warning(
        "No OpenGL is here: bodies are drawn by ray casting, which takes longer. "
        "apt-get install libosmesa6 libgl1 libxrender1 makes it faster."
    )


def _platform(kind: str) -> str | None:
    """Choose how OpenGL draws without a screen; None where no library is there."""
    chosen = os.environ.get("PYOPENGL_PLATFORM")
    if chosen and (kind == "auto" or "OpenGL" in sys.modules):
        return chosen  # the user's choice, or too late to change
    libraries = {"egl": ctypes.util.find_library("EGL"), "osmesa": ctypes.util.find_library("OSMesa")}
    if kind != "auto":
        return kind if libraries[kind] else None
    card = any(Path(device).exists() for device in ("/dev/dri", "/dev/nvidia0"))
    order = ("egl", "osmesa") if card else ("osmesa", "egl")
    return next((name for name in order if libraries[name]), None)


class GLRenderer:
    """One pyrender renderer and one scene for all frames; only the body's numbers change."""

    faces: np.ndarray
    size: tuple[int, int]
    normals: NormalSum
    skin: Any
    shade: Any

    samples = 2  # software OpenGL smooths no edges, so the picture is drawn larger and averaged

    def __init__(self, faces: np.ndarray, size: tuple[int, int], platform: str) -> None:
        os.environ["PYOPENGL_PLATFORM"] = platform  # read once, when OpenGL is first imported
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of pyrender's own imports
                import pyrender
            self.pyrender = pyrender
            self.renderer: Any = pyrender.OffscreenRenderer(*(self.samples * side for side in size))
        # pyrender and PyOpenGL fail in many ways where a driver is missing: by import, attribute or GL error.
        except (ImportError, AttributeError, RuntimeError, OSError, ValueError, TypeError) as error:
            raise MissingDependencyError(f"OpenGL ({platform}) does not start: {error}.", fix=_ADVICE) from error
        self.faces, self.size, self.normals = np.asarray(faces, np.uint32), size, NormalSum(faces)
        self.scene: Any = pyrender.Scene(bg_color=(*SKY, 1.0), ambient_light=(0.34, 0.35, 0.37))
        # Strengths that leave the floor its own colour, and the body room for highlights.
        for direction, strength in ((_LIGHT, 2.2), (_FILL, 1.0)):
            light = pyrender.DirectionalLight(color=(1.0, 1.0, 1.0), intensity=strength)
            self.scene.add(light, pose=_facing(direction))
        paint = lambda color, rough: pyrender.MetallicRoughnessMaterial(  # noqa: E731
            baseColorFactor=(*_linear(color), 1.0), metallicFactor=0.0, roughnessFactor=rough, doubleSided=True
        )
        self.skin, self.shade = paint(SKIN, 0.7), paint(SHADE, 1.0)
        self.nodes: list[Any] = []
        self.camera: Any = None
        self.ground: tuple[Any, Any] | None = None

    def draw(self, vertices: np.ndarray, camera: Camera, target: np.ndarray, floor: float) -> np.ndarray:
        """Draw one frame."""
        self._look(camera, target)
        self._lay_ground(target, floor)
        for node in self.nodes:
            self.scene.remove_node(node)
        shadow = _cast_shadow(vertices, floor)
        body = self._mesh(vertices, self.normals(vertices), self.faces, self.skin)
        shade = self._mesh(
            shadow, np.broadcast_to(np.array([0, 1, 0], np.float32), shadow.shape), self.faces, self.shade
        )
        self.nodes = [self.scene.add(body), self.scene.add(shade)]
        color, _ = self.renderer.render(self.scene)
        return _average(color[..., :3].astype(np.float32) / 255, self.samples)

    def close(self) -> None:
        """Free the OpenGL context."""
        self.renderer.delete()

    def _mesh(
        self,
        vertices: np.ndarray,
        normals: np.ndarray,
        faces: np.ndarray,
        material: Any = None,
        colors: np.ndarray | None = None,
    ) -> Any:
        primitive = self.pyrender.Primitive(
            positions=np.asarray(vertices, np.float32),
            normals=np.asarray(normals, np.float32),
            indices=faces,
            color_0=colors,
            material=material,
            mode=4,
        )
        return self.pyrender.Mesh([primitive])

    def _look(self, camera: Camera, target: np.ndarray) -> None:
        pose = np.eye(4)
        pose[:3, :3] = camera.axes.T
        pose[:3, 3] = target + camera.distance * camera.axes[2]
        if self.camera is None:
            focal, (x, y) = self.samples * camera.focal, np.multiply(camera.center, self.samples)
            lens = self.pyrender.IntrinsicsCamera(focal, focal, x, y, znear=0.1, zfar=60.0)
            self.camera = self.scene.add(lens, pose=pose)
        self.scene.set_pose(self.camera, pose)

    def _lay_ground(self, target: np.ndarray, floor: float) -> None:
        middle = tuple(np.round(np.asarray(target)[[0, 2]] / (2 * _TILE_SIZE)).tolist())
        if self.ground is not None and self.ground[0] == (middle, floor):
            return
        if self.ground is not None:
            self.scene.remove_node(self.ground[1])
        points, faces, colors = _tiles(np.array(middle) * 2 * _TILE_SIZE, floor)
        up = np.broadcast_to(np.array([0, 1, 0], np.float32), points.shape)
        matte = self.pyrender.MetallicRoughnessMaterial(metallicFactor=0.0, roughnessFactor=1.0)
        self.ground = (middle, floor), self.scene.add(self._mesh(points, up, faces, matte, colors))


def _linear(color: npt.ArrayLike) -> np.ndarray:
    """Undo the screen's gamma: pyrender computes with light, and applies the gamma itself."""
    return np.asarray(color) ** 2.2


def _facing(direction: np.ndarray) -> np.ndarray:
    """Pose of a light that shines from `direction`: its z axis points back to the source."""
    side = np.cross([0.0, 1.0, 0.0], direction)
    side /= np.linalg.norm(side)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([side, np.cross(direction, side), direction], 1)
    return pose


def _cast_shadow(vertices: np.ndarray, floor: float) -> np.ndarray:
    """Lay the body flat on the ground along the light; a hair above it, and never behind the floor."""
    height = np.maximum(vertices[:, 1:2] - floor, 0)
    return on_floor(vertices - height * (_LIGHT / _LIGHT[1]), floor + 0.002).astype(np.float32)


def _tiles(middle: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give points, faces and colours of a chequered floor around `middle`."""
    steps = np.arange(-_REACH, _REACH, _TILE_SIZE)
    x, z = np.meshgrid(steps + middle[0], steps + middle[1], indexing="ij")
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * _TILE_SIZE
    flat = np.stack([x, z], -1).reshape(-1, 1, 2) + corners
    points = np.stack([flat[..., 0], np.full(flat.shape[:2], floor), flat[..., 1]], -1).reshape(-1, 3)
    first = 4 * np.arange(len(flat))[:, None]
    faces = np.concatenate([np.add(first, [0, 1, 2]), np.add(first, [0, 2, 3])]).astype(np.uint32)
    even = (np.add.outer(np.arange(len(steps)), np.arange(len(steps))) % 2 == 0).reshape(-1)
    colors = _linear(np.where(even[:, None], FLOOR, TILE)).repeat(4, 0)
    return points.astype(np.float32), faces, np.c_[colors, np.ones(len(colors))].astype(np.float32)


class RayRenderer:
    """Casts a ray through every pixel near the body; the ground is computed directly."""

    faces: np.ndarray
    size: tuple[int, int]
    normals: NormalSum

    samples = 2  # rays along each side of a pixel

    def __init__(self, faces: np.ndarray, size: tuple[int, int]) -> None:
        scene, construction = need("embreex.rtcore_scene"), need("embreex.mesh_construction")
        self._scene, self._mesh = scene.EmbreeScene, construction.TriangleMesh
        self.faces, self.size, self.normals = np.asarray(faces), size, NormalSum(faces)
        self.ground: tuple[Any, np.ndarray] | None = None

    def draw(self, vertices: np.ndarray, camera: Camera, target: np.ndarray, floor: float) -> np.ndarray:
        """Draw one frame."""
        vertices = np.asarray(vertices, np.float32)
        picture = self._ground(camera, target, floor).copy()
        shadow = _cast_shadow(vertices, floor)
        pixels = np.concatenate([camera.project(points, target)[0] for points in (vertices, shadow)])
        low = np.clip(np.floor(pixels.min(0)) - 1, 0, self.size).astype(int)
        high = np.clip(np.ceil(pixels.max(0)) + 2, 0, self.size).astype(int)
        if (high <= low).any():
            return picture
        scene = self._scene()
        self._mesh(scene, vertices[self.faces])
        colors = self._shade(scene, vertices, camera, target, floor, low, high)
        picture[low[1] : high[1], low[0] : high[0]] = colors
        return picture

    def close(self) -> None:
        """Nothing to free."""

    def _rays(
        self, camera: Camera, target: np.ndarray, low: np.ndarray, high: np.ndarray, samples: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Origin ``(3,)`` and directions ``(rows, columns, 3)`` through the pixels from `low` to `high`."""
        x = (np.arange((high[0] - low[0]) * samples) + 0.5) / samples + low[0]
        y = (np.arange((high[1] - low[1]) * samples) + 0.5) / samples + low[1]
        across, down = np.meshgrid((x - camera.center[0]) / camera.focal, (y - camera.center[1]) / camera.focal)
        local = np.stack([across, -down, -np.ones_like(across)], -1).astype(np.float32)
        return np.asarray(target + camera.distance * camera.axes[2], np.float32), local @ camera.axes.astype(np.float32)

    def _ground(self, camera: Camera, target: np.ndarray, floor: float) -> np.ndarray:
        key = (camera, *np.round(target, 5), floor)
        if self.ground is None or self.ground[0] != key:
            eye, rays = self._rays(camera, target, np.zeros(2, int), np.array(self.size), self.samples)
            colors, _ = _floor_colors(eye, rays, target, floor)
            self.ground = key, _average(colors, self.samples)
        return self.ground[1]

    def _shade(
        self,
        scene: Any,
        vertices: np.ndarray,
        camera: Camera,
        target: np.ndarray,
        floor: float,
        low: np.ndarray,
        high: np.ndarray,
    ) -> np.ndarray:
        eye, rays = self._rays(camera, target, low, high, self.samples)
        colors, place = _floor_colors(eye, rays, target, floor)
        flat = np.ascontiguousarray(rays.reshape(-1, 3), np.float32)
        origins = np.broadcast_to(np.float32(eye), flat.shape).copy()
        hit = scene.run(origins, flat, output=True)
        found = hit["primID"] >= 0
        u, v = hit["u"][found, None], hit["v"][found, None]
        a, b, c = rearrange(self.normals(vertices)[self.faces[hit["primID"][found]]], "n corner xyz -> corner n xyz")
        normal = a * (1 - u - v) + b * u + c * v
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        towards = np.where((normal * flat[found]).sum(-1, keepdims=True) > 0, -normal, normal)
        where = origins[found] + flat[found] * hit["tfar"][found, None] + 2e-3 * towards
        lit = scene.run(where, np.broadcast_to(np.float32(_LIGHT), where.shape).copy(), query="OCCLUDED") != 0
        key, fill = np.maximum(towards @ _LIGHT, 0) * lit, np.maximum(towards @ _FILL, 0)
        sky = 0.5 + 0.5 * towards[:, 1]
        light = 0.28 + 0.28 * sky + 0.66 * key + 0.2 * fill
        ground = np.isfinite(place).all(-1).reshape(-1) & ~found
        start = np.ascontiguousarray(place.reshape(-1, 3)[ground], np.float32)
        dark = scene.run(start, np.broadcast_to(np.float32(_LIGHT), start.shape).copy(), query="OCCLUDED") == 0
        shaded = colors.reshape(-1, 3)
        shaded[np.flatnonzero(ground)[dark]] *= np.array(SHADE) / TILE
        shaded[found] = np.clip(np.array(SKIN) * light[:, None], 0, 1)
        return _average(shaded.reshape(rays.shape), self.samples)


def _floor_colors(eye: np.ndarray, rays: np.ndarray, target: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Colours where rays meet the chequered floor or the sky, and where that is (NaN for the sky)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        away = (floor - eye[1]) / rays[..., 1]
        place = eye + rays * np.where(away > 0, away, np.nan)[..., None]
        near = np.abs(place[..., [0, 2]] - np.asarray(target)[[0, 2]]).max(-1) < _REACH
        even = np.floor(place[..., 0] / _TILE_SIZE) % 2 == np.floor(place[..., 2] / _TILE_SIZE) % 2
    colors = np.where(even[..., None], np.array(FLOOR, np.float32), np.array(TILE, np.float32))
    return np.where(near[..., None], colors, np.array(SKY, np.float32)), np.where(near[..., None], place, np.nan)


def _average(colors: np.ndarray, samples: int) -> np.ndarray:
    height, width = colors.shape[0] // samples, colors.shape[1] // samples
    total = np.sum([colors[i::samples, j::samples] for i in range(samples) for j in range(samples)], 0)
    return (total[:height, :width] * (255 / samples**2) + 0.5).astype(np.uint8)
