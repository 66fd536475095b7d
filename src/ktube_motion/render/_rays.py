"""The body by ray casting, for machines without OpenGL: the light of the shaders in numpy."""

from typing import Any

import numpy as np

from .. import palette
from ..palette import rgb
from ._figure import Figure, skin
from ._fonts import need
from ._scene import Camera, on_floor
from ._stage import FILL, KEY

__all__ = ["RayStage"]

_PAPER, _GRID = np.array(rgb(palette.PAPER), np.float32), np.array(rgb(palette.GRID), np.float32)


class RayStage:
    """Casts rays through the pixels near the body; the ground is computed directly."""

    samples = 2  # rays along each side of a pixel

    def __init__(self, size: tuple[int, int]) -> None:
        scene, construction = need("embreex.rtcore_scene"), need("embreex.mesh_construction")
        self._scene, self._mesh = scene.EmbreeScene, construction.TriangleMesh
        self.size = size
        self.ground: tuple[Any, np.ndarray] | None = None

    def draw(
        self,
        figure: Figure,
        moves: np.ndarray,
        camera: Camera,
        target: np.ndarray,
        floor: float,
        points: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw one frame; see `Stage.draw`."""
        vertices, normals = skin(figure, moves, points)
        middle = moves[0, :, 3] + moves[0, :, :3] @ figure.rest[0]
        picture = self._ground(camera, target, np.array([middle[0], floor, middle[2]])).copy()
        pixels = camera.project(vertices, target)[0]
        low, high = self._window(np.concatenate([pixels, camera.project(_cast_shadow(vertices, floor), target)[0]]))
        if (high <= low).any():
            return picture
        scene = self._scene()
        self._mesh(scene, np.ascontiguousarray(vertices[figure.faces], np.float32))
        eye, rays = self._rays(camera, target, low, high)
        shaded = _ground_colours(eye, rays, np.array([middle[0], floor, middle[2]]))
        self._cast_shadow_rays(scene, shaded, eye, rays, floor)
        inside, across = self._window(pixels)
        cut = tuple(
            slice(*(self.samples * (edge - low[axis]) for edge in (inside[axis], across[axis]))) for axis in (1, 0)
        )
        shaded[cut] = _shade(scene, figure, normals, eye, rays[cut], shaded[cut])
        picture[low[1] : high[1], low[0] : high[0]] = _average(shaded, self.samples)
        return picture

    def close(self) -> None:
        """Nothing to free."""

    def _window(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low = np.clip(np.floor(pixels.min(0)) - 1, 0, self.size).astype(int)
        return low, np.clip(np.ceil(pixels.max(0)) + 2, 0, self.size).astype(int)

    def _rays(
        self, camera: Camera, target: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Origin ``(3,)`` and directions ``(rows, columns, 3)`` through the pixels from `low` to `high`."""
        x = (np.arange((high[0] - low[0]) * self.samples) + 0.5) / self.samples + low[0]
        y = (np.arange((high[1] - low[1]) * self.samples) + 0.5) / self.samples + low[1]
        across, down = np.meshgrid((x - camera.center[0]) / camera.focal, (y - camera.center[1]) / camera.focal)
        local = np.stack([across, -down, -np.ones_like(across)], -1).astype(np.float32)
        return np.asarray(target + camera.distance * camera.axes[2], np.float32), local @ camera.axes.astype(np.float32)

    def _ground(self, camera: Camera, target: np.ndarray, middle: np.ndarray) -> np.ndarray:
        key = (camera, *np.round(target, 5), *np.round(middle, 2))
        if self.ground is None or self.ground[0] != key:
            eye, rays = self._rays(camera, target, np.zeros(2, int), np.array(self.size))
            self.ground = key, _average(_ground_colours(eye, rays, middle), self.samples)
        return self.ground[1]

    def _cast_shadow_rays(
        self, scene: Any, shaded: np.ndarray, eye: np.ndarray, rays: np.ndarray, floor: float
    ) -> None:
        """Darken, in place, the ground that the body keeps the key light from."""
        away = (floor - eye[1]) / np.minimum(rays[..., 1], -1e-6)
        ground = np.flatnonzero(((away > 0) & (away < 30)).reshape(-1))
        start = eye + rays.reshape(-1, 3)[ground] * away.reshape(-1)[ground, None]
        dark = scene.run(np.float32(start), np.broadcast_to(np.float32(KEY), start.shape).copy(), query="OCCLUDED") == 0
        shaded.reshape(-1, 3)[ground[dark]] *= 0.78


def _shade(
    scene: Any, figure: Figure, normals: np.ndarray, eye: np.ndarray, rays: np.ndarray, behind: np.ndarray
) -> np.ndarray:
    """Give the colours of rays that meet the body, and of the others what is behind; as ``body.frag`` does it."""
    flat = np.ascontiguousarray(rays.reshape(-1, 3), np.float32)
    hit = scene.run(np.broadcast_to(eye, flat.shape).copy(), flat, output=True)
    found = np.flatnonzero(hit["primID"] >= 0)
    corners, flat = figure.faces[hit["primID"][found]], flat[found]
    u, v = hit["u"][found], hit["v"][found]
    shares = np.stack([1 - u - v, u, v], -1)[..., None].astype(np.float32)
    normal = _unit((normals[corners].astype(np.float32) * shares).sum(1))
    towards = _unit(-flat)
    normal *= np.where((normal * towards).sum(-1, keepdims=True) < 0, -1, 1)
    key, fill = np.float32(KEY), np.float32(FILL)
    where = eye + flat * hit["tfar"][found, None] + 6e-3 * normal
    front = np.maximum(normal @ key, 0)
    lit = np.zeros(len(front), np.float32)
    facing = np.flatnonzero(front > 0)
    sun = np.broadcast_to(key, (len(facing), 3)).copy()
    lit[facing] = scene.run(np.float32(where[facing]), sun, query="OCCLUDED") != 0
    sky = (0.5 + 0.5 * normal[:, 1])[:, None]
    light = np.array([0.30, 0.29, 0.30]) * (1 - sky) + np.array([0.50, 0.52, 0.56]) * sky
    light += np.array([0.62, 0.59, 0.55]) * (front * lit)[:, None]
    light += np.array([0.12, 0.14, 0.18]) * np.maximum(normal @ fill, 0)[:, None]
    shine = 0.06 * lit * np.maximum((normal * _unit(key + towards)).sum(-1), 0) ** 40
    edge = ((1 - np.clip((normal * towards).sum(-1), 0, 1)) ** 3)[:, None] * (0.4 + 0.6 * sky)
    colour = (figure.colours[corners] * shares).sum(1) ** 2.2 * light
    colour += shine[:, None] + edge * np.array([0.10, 0.11, 0.13])
    colours = behind.reshape(-1, 3).copy()
    colours[found] = np.clip(colour, 0, 1) ** (1 / 2.2)
    return colours.reshape(behind.shape)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _cast_shadow(vertices: np.ndarray, floor: float) -> np.ndarray:
    """Lay the body flat on the ground along the light."""
    return on_floor(vertices - np.maximum(vertices[:, 1:2] - floor, 0) * (KEY / KEY[1]), floor)


def _ground_colours(eye: np.ndarray, rays: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Give the grid that fades into the paper, as ``ground.frag`` draws it."""
    away = (middle[1] - eye[1]) / np.minimum(rays[..., 1], -1e-6)
    place = (eye + rays * away[..., None])[..., [0, 2]].astype(np.float32)
    near = 1 - _smoothstep(0.8, 3.6, np.linalg.norm(place - middle[[0, 2]], axis=-1))[..., None]
    near[rays[..., 1] >= 0] = 0
    cells = 2 * place
    wide = np.maximum(1.1 * sum(np.abs(np.gradient(cells, axis=axis)) for axis in (0, 1)), 1e-6)
    line = 1 - _smoothstep(0, 1, np.abs((cells - 0.5) % 1 - 0.5) / wide).min(-1, keepdims=True)
    colours = _PAPER + 0.75 * near * (1 - _PAPER)
    return np.asarray(colours + 0.75 * line * near * (_GRID - colours), np.float32)


def _smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    share = np.clip((values - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _average(colours: np.ndarray, samples: int) -> np.ndarray:
    height, width = colours.shape[0] // samples, colours.shape[1] // samples
    total = np.sum([colours[i::samples, j::samples] for i in range(samples) for j in range(samples)], 0)
    return (total[:height, :width] * (255 / samples**2) + 0.5).astype(np.uint8)
