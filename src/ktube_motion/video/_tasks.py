"""MediaPipe's Tasks as an engine: the landmarkers its authors maintain, in ``.task`` files that users download."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, FormatError, MissingDependencyError
from ._engines import WRISTS, SeenBody, SeenHand, hand_place
from ._models import ModelFile, read_model
from ._regions import Region, crop, upright

__all__ = ["TasksEngine"]

_FILES = {"body": "pose_landmarker*.task", "hand": "hand_landmarker*.task"}
_PAGES = "https://ai.google.dev/edge/mediapipe/solutions/vision"
_PIXELS = 512  # of what the landmarkers are shown; they make it smaller themselves
_PEOPLE, _HANDS = 3, 2
_SHOULDERS, _HIPS, _TRUNK = [11, 12], [23, 24], [11, 12, 23, 24]
_WHOLE = 1.74  # a body's reach from its hips, in lengths of its trunk
_AROUND_HAND = 1.6  # of a hand's own crop: the landmarker looks for palms in it
_NEAR = 0.35  # of the crop's size: how far a hand may be from its wrist


class TasksEngine:
    """See the module.

    Parameters
    ----------
    models : path
        A folder with ``pose_landmarker*.task`` and ``hand_landmarker*.task``.

    Raises
    ------
    MissingDependencyError
        If mediapipe is not installed, or not whole.
    ConfigError
        If no folder is given.
    FormatError
        If a file is missing, or cannot be used.
    """

    def __init__(self, models: str | Path | None = None) -> None:
        if models is None:
            raise ConfigError(
                "The Tasks engine needs the landmarkers' files.",
                expected=f"a folder with {' and '.join(_FILES.values())}",
                fix=f"Download them from {_PAGES}, and give their folder: models=, --models.",
            )
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise MissingDependencyError(
                "The Tasks engine needs mediapipe, whole.", found=error, fix="Run: pip install mediapipe"
            ) from error
        self._image: Callable[..., Any] = mediapipe.Image
        self._colours = mediapipe.ImageFormat.SRGB
        self._version = mediapipe.__version__
        self.models = {kind: _find(Path(models), pattern) for kind, pattern in _FILES.items()}

        def make(kind: str, landmarker: Any, options: Any, **how: Any) -> Any:
            base = BaseOptions(model_asset_buffer=self.models[kind].content)
            try:
                made = landmarker.create_from_options(options(base_options=base, **how))
            except (ValueError, RuntimeError, OSError) as error:
                raise FormatError(
                    "This landmarker cannot be used.", where=self.models[kind].path, found=error
                ) from error
            weakref.finalize(self, made.close)  # before the interpreter takes its modules apart
            return made

        self._body = make("body", vision.PoseLandmarker, vision.PoseLandmarkerOptions, num_poses=_PEOPLE)
        self._hand = make("hand", vision.HandLandmarker, vision.HandLandmarkerOptions, num_hands=_HANDS)

    def describe(self) -> dict[str, object]:
        """See `Engine`."""
        models = {kind: model.describe() for kind, model in self.models.items()}
        return {"engine": "tasks", "mediapipe": self._version, "models": models}

    def detect(self, picture: np.ndarray, region: Region) -> list[tuple[float, Region]]:
        """See `Engine`."""
        people = [(body.confidence, body.region) for body in self._bodies(picture, region)]
        return sorted(people, key=lambda person: -person[0])

    def body(self, picture: np.ndarray, region: Region) -> SeenBody | None:
        """See `Engine`."""
        return min(self._bodies(picture, region), key=lambda body: body.region.distance(region), default=None)

    def hand(self, picture: np.ndarray, body: SeenBody, *, left: bool, before: SeenHand | None) -> SeenHand | None:
        """See `Engine`."""
        place = hand_place(picture, body, left=left)
        if place is None:
            return None
        region = place.grown(_AROUND_HAND)
        wrist = body.pixels[WRISTS[0 if left else 1]]
        found = self._look(self._hand, picture, region)
        hands = []
        for points, world, sides in zip(
            found.hand_landmarks, found.hand_world_landmarks, found.handedness, strict=True
        ):  # fmt: skip
            pixels = region.to_picture(_numbers(points, "x", "y"))
            away = float(np.linalg.norm(pixels[0] - wrist)) / region.size
            # Which hand it is, versions of MediaPipe say as a mirror shows it or as it is: the wrist tells.
            world = upright(_numbers(world, "x", "y", "z"), region)
            hands.append((away, SeenHand(pixels, world, sides[0].score, 0.0 if left else 1.0, region)))
        away, nearest = min(hands, key=lambda pair: pair[0], default=(_NEAR, None))
        return nearest if away < _NEAR else None

    def _bodies(self, picture: np.ndarray, region: Region) -> list[SeenBody]:
        found = self._look(self._body, picture, region)
        return [
            _seen_body(points, world, region)
            for points, world in zip(found.pose_landmarks, found.pose_world_landmarks, strict=True)
        ]  # fmt: skip

    def _look(self, landmarker: Any, picture: np.ndarray, region: Region) -> Any:
        shown = np.ascontiguousarray(crop(picture, region, _PIXELS))
        return landmarker.detect(self._image(image_format=self._colours, data=shown))


def _find(folder: Path, pattern: str) -> ModelFile:
    path = next(iter(sorted(folder.glob(pattern))), None)
    if path is None:
        raise FormatError("A landmarker is missing in this folder.", where=folder, expected=pattern, fix=_PAGES)
    return read_model(path)


def _numbers(points: Any, *names: str) -> np.ndarray:
    return np.array([[getattr(point, name) for name in names] for point in points], np.float64)


def _seen_body(points: Any, world: Any, region: Region) -> SeenBody:
    numbers = _numbers(points, "x", "y", "visibility", "presence")
    pixels = region.to_picture(numbers[:, :2])
    hips, shoulders = pixels[_HIPS].mean(0), pixels[_SHOULDERS].mean(0)
    around = Region.between(hips, hips + _WHOLE * (shoulders - hips)).grown(1.25)
    confidence = float(numbers[_TRUNK, 3].mean())
    return SeenBody(pixels, upright(_numbers(world, "x", "y", "z"), region), numbers[:, 2], confidence, around)
