"""The default engine: MediaPipe's networks for people, bodies and hands, run by LiteRT on one core.

Crops, decoding and the way from one frame's landmarks to the next frame's crop follow MediaPipe's own graphs
(`pose_landmark`, `hand_landmark`, `holistic_landmark`, Apache-2.0), so that the networks see what they were trained on.
"""

import math
from pathlib import Path

import numpy as np
from scipy.special import expit

from ..errors import MissingDependencyError
from ._detection import decode_people
from ._engines import SeenBody, SeenHand, hand_place
from ._models import ModelFile, find_models
from ._regions import Region, crop, upright

__all__ = ["LiteRTEngine"]

_PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # wrist, thumb, and two joints of each finger
_HEAT_RADIUS, _HEAT_LEAST = 3, 0.5


class LiteRTEngine:
    """See the module.

    Parameters
    ----------
    models : path, optional
        See `find_models`.
    """

    def __init__(self, models: str | Path | None = None) -> None:
        self.models = find_models(models)
        self._networks = {kind: _Network(model) for kind, model in self.models.items()}

    def describe(self) -> dict[str, object]:
        """See `Engine`."""
        from importlib.metadata import version

        models = {kind: model.describe() for kind, model in self.models.items()}
        return {"engine": "litert", "ai-edge-litert": version("ai-edge-litert"), "models": models}

    def detect(self, picture: np.ndarray, region: Region, *, least: float = 0.4) -> list[tuple[float, Region]]:
        """See `Engine`."""
        boxes, scores = self._networks["person"](crop(picture, region, 224).astype(np.float32) / 127.5 - 1)
        return decode_people(boxes[0], scores[0, :, 0], region, least=least)

    def body(self, picture: np.ndarray, region: Region) -> SeenBody | None:
        """See `Engine`."""
        points, flag, _, heat, world = self._networks["body"](crop(picture, region, 256).astype(np.float32) / 255)
        confidence = float(flag.reshape(()))
        if confidence < 0.5:
            return None
        points = points.reshape(39, 5)
        places = _refined(points[:, :2] / 256, heat[0])
        pixels = region.to_picture(places)
        hips, tip = pixels[33:35]
        visibility = expit(points[:33, 3])
        return SeenBody(
            pixels[:33], upright(world.reshape(39, 3)[:33], region), visibility, confidence,
            Region.between(hips, tip).grown(1.25),
        )  # fmt: skip

    def hand(self, picture: np.ndarray, body: SeenBody, *, left: bool, before: SeenHand | None) -> SeenHand | None:
        """See `Engine`."""
        rough = hand_place(picture, body, left=left)
        if rough is None:
            return None
        region = self._recropped(picture, rough)
        if before is not None and _still_there(before, region):
            region = before.region
        points, flag, right, world = self._networks["hand"](crop(picture, region, 224).astype(np.float32) / 255)
        confidence = float(flag.reshape(()))
        if confidence < 0.5:
            return None
        pixels = region.to_picture(points.reshape(21, 3)[:, :2] / 224)
        world = upright(world.reshape(21, 3), region)
        return SeenHand(pixels, world, confidence, float(right.reshape(())), _around(pixels))

    def _recropped(self, picture: np.ndarray, rough: Region) -> Region:
        (points,) = self._networks["recrop"](crop(picture, rough, 256).astype(np.float32) / 255)
        start, end = rough.to_picture(points.reshape(2, 2) / 256)
        towards = Region.between(start, end)
        return Region(towards.x, towards.y, towards.size, _normal(towards.angle + math.pi)).grown(1.0, up=0.1)


def _normal(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


class _Network:
    """One network; call it with one picture ``(size, size, 3)``."""

    def __init__(self, model: ModelFile) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingDependencyError(
                "This needs ai-edge-litert.", fix='pip install "ktube_motion[video]"'
            ) from error
        self._interpreter = Interpreter(model_content=model.content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = sorted(self._interpreter.get_output_details(), key=lambda output: output["name"])
        self._outputs = [output["index"] for output in outputs]

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _refined(places: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Move landmarks to the middle of their heat map's peak, where there is a clear one."""
    rows, columns = heat.shape[:2]
    refined = places.copy()
    for number, (x, y) in enumerate(places):
        column, row = int(x * columns), int(y * rows)
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        top, left = max(row - _HEAT_RADIUS, 0), max(column - _HEAT_RADIUS, 0)
        part = heat[top : row + _HEAT_RADIUS + 1, left : column + _HEAT_RADIUS + 1, number]
        part = expit(part)
        if part.max() >= _HEAT_LEAST:
            down, across = np.indices(part.shape)
            refined[number] = (
                ((across + left) * part).sum() / part.sum() / columns,
                ((down + top) * part).sum() / part.sum() / rows,
            )
    return refined


def _around(pixels: np.ndarray) -> Region:
    """Give the region around a hand, fingers up."""
    knuckles = ((pixels[5] + pixels[13]) / 2 + pixels[9]) / 2
    turned = Region.between(pixels[0], knuckles)
    palm = turned.from_picture(pixels[_PALM])
    low, high = palm.min(0), palm.max(0)
    x, y = turned.to_picture((low + high) / 2)
    size = float((high - low).max()) * turned.size
    return Region(float(x), float(y), size, turned.angle).grown(1.0, up=0.1).grown(2.0)


def _still_there(before: SeenHand, found: Region) -> bool:
    """Say whether the crop of the last frame is still good: close to where the body says that the hand is."""
    last = before.region
    moved = np.abs((np.array([last.x - found.x, last.y - found.y])) @ found.axes.T).max()
    inside = np.abs(found.from_picture(before.pixels) - 0.5).max() < 0.45
    turned = abs(_normal(last.angle - found.angle))
    return bool(
        inside
        and turned < math.radians(40)
        and moved < 0.2 * found.size
        and abs(last.size - found.size) < 0.4 * found.size
    )
