"""A trunk that seems to sway to and fro: of small leanings an estimator's depth says nothing."""

import numpy as np
from scipy.ndimage import median_filter

from ._landmarks import LANDMARKS, Landmarks

__all__ = ["steady_trunk"]

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_SECONDS = 30.0  # how soon another way of sitting or standing is the usual one
_DOUBTED = np.radians(8.0)  # of a leaning as large as this half is believed


def steady_trunk(shot: Landmarks) -> Landmarks:
    """Take away most of what a trunk seems to lean towards the camera and away from it, where it is little.

    Estimators of pictures see how a trunk leans by the depth of shoulders and hips, which moves by some degrees
    whenever an arm rises. Who bows or leans over moves by more, and that is left.

    Parameters
    ----------
    shot : Landmarks
        Of one camera that looks along z, with shoulders and hips.

    Returns
    -------
    shot : Landmarks
        Points of the body moved along z: from the shoulders up all as far, below them less and less, from the hips down
        not at all. Hands, and frames in which the trunk is not seen, are as they were.

    Notes
    -----
    Of an angle `a` from the median of half a minute the share ``a**2 / (a**2 + 8**2)`` is kept, in degrees.

    Examples
    --------
    >>> lean = np.radians([0, 0, 0, 0, 4, 40])[:, None]
    >>> high = np.stack([0 * lean, 0.5 * np.cos(lean), 0.5 * np.sin(lean)], -1) + ((0.2, 0, 0), (-0.2, 0, 0))
    >>> low = np.tile([[0.1, 0, 0], [-0.1, 0, 0]], (6, 1, 1))
    >>> names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    >>> steady = steady_trunk(Landmarks(names, np.concatenate([high, low], 1), fps=20)).points
    >>> np.degrees(np.arctan2(steady[:, 0, 2], steady[:, 0, 1])).round().tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 39.0]
    """
    if not set(_TRUNK) <= set(shot.names):
        return shot
    trunk = shot.select(_TRUNK)
    seen = (trunk.require_weights() > 0).all(1)
    if not seen.any():
        return shot
    shoulders, hips = trunk.points[seen, :2].mean(1, dtype=float), trunk.points[seen, 2:].mean(1, dtype=float)
    upwards = shoulders - hips
    length = np.maximum(np.linalg.norm(upwards, axis=-1), 1e-6)
    lean = np.arctan2(upwards[:, 2], upwards[:, 1])
    usual = median_filter(lean, 2 * round(_SECONDS * shot.fps / 2) + 1, mode="reflect")
    angle = np.angle(np.exp(1j * (lean - usual)))
    believed = usual + angle**3 / (angle**2 + _DOUBTED**2)
    moved = np.hypot(upwards[:, 1], upwards[:, 2]) * (np.sin(believed) - np.sin(lean))

    points = shot.points.copy()
    for place, name in enumerate(shot.names):
        if LANDMARKS[name].group == "body":
            height = ((points[seen, place] - hips) * upwards).sum(-1) / length**2
            points[seen, place, 2] += height.clip(0, 1) * moved
    return shot.replace(points=points)
