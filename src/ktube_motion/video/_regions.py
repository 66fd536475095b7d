"""Rotated squares of a picture: what a network looks at, and the way back from its numbers to pixels."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingDependencyError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["Region", "crop", "letterbox", "upright"]


@dataclass(frozen=True)
class Region:
    """A square of a picture, turned so that what it shows stands upright.

    Attributes
    ----------
    x, y : float
        Its middle, pixels.
    size : float
        Its side, pixels.
    angle : float
        How far it is turned clockwise, radians.

    Examples
    --------
    >>> Region(10.0, 20.0, 4.0).to_picture(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [[10.0, 20.0], [12.0, 18.0]]
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    @staticmethod
    def between(start: np.ndarray, end: np.ndarray, *, scale: float = 2.0) -> "Region":
        """Give the square about `start` whose upright direction is that of `end`, `scale` times as large as they lie
        apart."""
        across, down = (end - start).tolist()
        angle = _normal(math.pi / 2 - math.atan2(-down, across))
        return Region(float(start[0]), float(start[1]), scale * math.hypot(across, down), angle)

    @property
    def axes(self) -> np.ndarray:
        """Rows: where right and down in the square lie in the picture."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cosine, sine], [-sine, cosine]])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Pixels ``(..., 2)`` of points in the square, whose corners are 0, 0 and 1, 1."""
        return (points - 0.5) * self.size @ self.axes + (self.x, self.y)

    def from_picture(self, pixels: np.ndarray) -> np.ndarray:
        """Undo `to_picture`."""
        return (pixels - (self.x, self.y)) @ self.axes.T / self.size + 0.5

    def grown(self, scale: float, *, up: float = 0.0) -> "Region":
        """Give it `scale` times as large, after a move of `up` of its own size."""
        x, y = self.to_picture(np.array([0.5, 0.5 - up]))
        return Region(float(x), float(y), self.size * scale, self.angle)

    def distance(self, other: "Region") -> float:
        """How far apart the middles are, in sizes of the larger."""
        return math.hypot(self.x - other.x, self.y - other.y) / max(self.size, other.size)


def _normal(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


def crop(picture: np.ndarray, region: Region, pixels: int) -> np.ndarray:
    """Give what the region shows, uint8 ``(pixels, pixels, 3)``; black beyond the picture."""
    shrink = max(int(region.size / pixels), 1)
    corners = region.to_picture(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    # Only the part that is shown becomes an image, from where whole squares of `shrink` pixels begin.
    left, top = (np.maximum(np.floor(corners.min(0) / shrink) - 2, 0) * shrink).astype(int)
    right, bottom = np.maximum(np.ceil(corners.max(0) / shrink) + 3, 0).astype(int) * shrink
    part = picture[top:bottom, left:right]
    if not part.size:
        return np.zeros((pixels, pixels, 3), np.uint8)
    image = _image(part)
    if shrink > 1:  # sampling a large picture thinly would take single pixels of it
        image = image.reduce(shrink)
    step = region.size / pixels / shrink
    (right_x, right_y), (down_x, down_y) = region.axes * step
    corner_x, corner_y = (corners[0] - (left, top)) / shrink
    from PIL import Image

    data = (right_x, down_x, float(corner_x), right_y, down_y, float(corner_y))
    return np.asarray(
        image.transform((pixels, pixels), Image.Transform.AFFINE, data, resample=Image.Resampling.BILINEAR)
    )


def letterbox(picture: np.ndarray) -> Region:
    """Give the upright square around a whole picture."""
    height, width = picture.shape[:2]
    return Region(width / 2, height / 2, float(max(width, height)))


def upright(world: np.ndarray, region: Region) -> np.ndarray:
    """Turn points in space ``(P, 3)``, as a turned crop shows them, back into the picture's axes."""
    return np.concatenate([world[:, :2] @ region.axes, world[:, 2:]], -1)


def _image(picture: np.ndarray) -> "PILImage":
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependencyError("This needs pillow.", fix='pip install "ktube_motion[video]"') from error
    return Image.fromarray(np.ascontiguousarray(picture))
