"""Front taken for back: an estimator that sees no face may see a body from behind, with its sides exchanged."""

import numpy as np

from ._landmarks import LANDMARKS, Landmarks

__all__ = ["mend_swaps"]

_ACROSS = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_ear", "right_ear"))
_TURN = 9.0  # radians a second that people turn; faster is an error
_CHANGE, _BEHIND = 1.0, 0.003  # radians: what a change of mind costs, and a frame seen from behind


def mend_swaps(shot: Landmarks) -> tuple[Landmarks, np.ndarray]:
    """Turn bodies round that were seen from behind by mistake.

    Parameters
    ----------
    shot : Landmarks
        Of one camera.

    Returns
    -------
    shot : Landmarks
        Mended.
    mended : bool array [shape=(T,)]
        Which frames.

    Notes
    -----
    A picture of a body's outline fits a body seen from the front and one seen
    from behind, with sides exchanged and depths reversed. Of the two readings
    of every frame those are chosen (Viterbi) with which the body turns least
    suddenly; where that decides nothing, it faces the camera, as speakers do.
    Who really turns round does so over many frames and is left alone.

    Examples
    --------
    >>> sides = np.array([[0.2, 0, 0], [-0.2, 0, 0]])
    >>> points = np.stack([sides, sides, -sides, sides])
    >>> mend_swaps(Landmarks(("left_shoulder", "right_shoulder"), points, fps=20))[1]
    array([False, False,  True, False])
    """
    facing = _facing(shot)
    seen = np.flatnonzero(np.isfinite(facing))
    mended = np.zeros(len(shot), bool)
    if len(seen) == 0:
        return shot, mended
    mended[seen] = _choose(facing[seen], np.diff(seen, prepend=seen[0]) / shot.fps)
    if not mended.any():
        return shot, mended
    other = [_place_of_other(shot, name) for name in shot.names]
    body = np.array([LANDMARKS[name].group == "body" for name in shot.names])
    points, weights = shot.points.copy(), shot.require_weights().copy()
    pixels = None if shot.pixels is None else shot.pixels.copy()
    points[mended], weights[mended] = points[mended][:, other], weights[mended][:, other]
    points[mended] *= np.where(body[:, None], (1, 1, -1), 1)
    if pixels is not None:
        pixels[mended] = pixels[mended][:, other]
    return shot.replace(points=points, weights=weights, pixels=pixels), mended


def _facing(shot: Landmarks) -> np.ndarray:
    """Angle ``(T,)`` about the vertical of the body's left, 0 where it faces the camera; NaN where it is not seen."""
    across, total = np.zeros((len(shot), 3)), np.zeros(len(shot))
    for pair in _ACROSS:
        if set(pair) <= set(shot.names):
            both = shot.select(pair)
            weight = both.require_weights().min(1)
            across += weight[:, None] * np.nan_to_num(both.points[:, 0] - both.points[:, 1])
            total += weight
    return np.where(total > 0.1, np.arctan2(across[:, 2], across[:, 0]), np.nan)


def _choose(facing: np.ndarray, pauses: np.ndarray) -> np.ndarray:
    """Say for each seen frame whether its other reading is the likelier."""
    readings = np.stack([facing, np.pi - facing])
    behind = _BEHIND * (np.cos(readings) < 0)
    costs, came_from = behind[:, 0].copy(), np.zeros((len(facing), 2), int)
    for frame in range(1, len(facing)):
        turned = np.abs(np.angle(np.exp(1j * (readings[None, :, frame] - readings[:, None, frame - 1]))))
        step = np.maximum(turned - _TURN * pauses[frame], 0) + _CHANGE * (1 - np.eye(2))
        paths = costs[:, None] + step
        came_from[frame] = paths.argmin(0)
        costs = paths.min(0) + behind[:, frame]
    chosen = np.zeros(len(facing), int)
    chosen[-1] = costs.argmin()
    for frame in range(len(facing) - 1, 0, -1):
        chosen[frame - 1] = came_from[frame, chosen[frame]]
    return chosen.astype(bool)


def _place_of_other(shot: Landmarks, name: str) -> int:
    """Where the landmark of the other side stands; itself where it has no side or its pair is missing."""
    swap = {"left": "right", "right": "left"}
    other = "_".join(swap.get(part, part) for part in name.split("_"))
    return shot.names.index(other if other in shot.names else name)
