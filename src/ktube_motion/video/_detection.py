"""What the person detector says: boxes on a grid of anchors, of each person one."""

import math
from functools import cache

import numpy as np
from scipy.special import expit

from ._regions import Region

__all__ = ["decode_people"]

_INPUT, _STRIDES, _SAME_PERSON = 224, (8, 16, 32, 32, 32), 0.3


@cache
def _anchors() -> np.ndarray:
    """Middles ``(2254, 2)`` of the detector's cells, each twice for every layer of its stride."""
    grids = []
    for stride in sorted(set(_STRIDES)):
        cells, repeats = math.ceil(_INPUT / stride), 2 * _STRIDES.count(stride)
        middle = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
        grids.append(np.repeat(grid, repeats, 0))
    return np.concatenate(grids)


def decode_people(boxes: np.ndarray, scores: np.ndarray, seen: Region, *, least: float) -> list[tuple[float, Region]]:
    """Give score and whole-body region of each person, best first.

    Parameters
    ----------
    boxes : array [shape=(2254, 12)]
        Middle, width, height of the face; middle of the hips, a point that
        tells size and direction of the body, the same two for the upper body.
    scores : array [shape=(2254,)]
        Logits.
    seen : Region
        What the detector was shown.
    least : float
        Score from which on it counts.
    """
    scores = expit(scores)
    chosen = np.flatnonzero(scores >= least)
    boxes, scores = boxes[chosen] / _INPUT, scores[chosen]
    middles = _anchors()[chosen]
    places = boxes.copy()
    places[:, :2] += middles
    places[:, 4:] += np.tile(middles, 4)
    people, left = [], np.argsort(-scores)
    while len(left):
        same = left[_overlap(places[left[0]], places[left]) > _SAME_PERSON]
        mean = np.average(places[same], axis=0, weights=scores[same])
        hips, tip = seen.to_picture(mean[4:8].reshape(2, 2))
        people.append((float(scores[left[0]]), Region.between(hips, tip).grown(1.25)))
        left = left[~np.isin(left, same)]
    return people


def _overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of face boxes."""
    low = np.maximum(box[:2] - box[2:4] / 2, boxes[:, :2] - boxes[:, 2:4] / 2)
    high = np.minimum(box[:2] + box[2:4] / 2, boxes[:, :2] + boxes[:, 2:4] / 2)
    shared = np.clip(high - low, 0, None).prod(-1)
    union = box[2] * box[3] + boxes[:, 2] * boxes[:, 3] - shared
    return np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
