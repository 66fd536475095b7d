"""What only seems to be seen: legs and fingers beyond the picture's edge, a speaker half hidden by a passer-by."""

import numpy as np

from .._runs import true_runs
from ..kinematics import Landmarks

__all__ = ["drop_half_hidden", "guessed_fingers", "guessed_legs"]

_SHOULDERS = ("left_shoulder", "right_shoulder")
_SECONDS, _BEFORE = 0.8, 0.5  # beside a gap, what may be wrong; and behind that, what is believed
_MOVED, _NARROW = 0.3, 0.6  # of the shoulders' width
_LEGS, _EDGE = 25, 0.05  # the first of the body's landmarks from the knees on; parts of the picture


def guessed_legs(places: np.ndarray) -> np.ndarray:
    """Say which of the body's landmarks are knees, or below them, beyond the edge of the picture.

    A network puts them somewhere, and may be quite sure of it. So it does with one knee in the picture whose foot and
    whose other leg are beyond the edge: it is a guess, too. Hips and arms the network knows from what hangs on them, or
    they on, so these count.

    Parameters
    ----------
    places : array [shape=(..., 33, 2)]
        In the picture, from 0 to 1 across and down.

    Returns
    -------
    guessed : bool array [shape=(..., 33)]

    Examples
    --------
    >>> places = np.full((33, 2), 0.5)
    >>> places[23:29, 1] = 1.1, 1.1, 1.5, 1.5, 1.9, 1.9  # from the waist up: hips, knees, ankles
    >>> np.flatnonzero(guessed_legs(places)).tolist()
    [25, 26, 27, 28]
    """
    guessed = _outside(places, _EDGE)
    guessed[..., :_LEGS] = False
    for knee, other in ((_LEGS, _LEGS + 1), (_LEGS + 1, _LEGS)):
        guessed[..., knee] |= guessed[..., knee + 2] & guessed[..., other]
    return guessed


def guessed_fingers(places: np.ndarray) -> np.ndarray:
    """Say which of a hand's landmarks lie beyond the edge of the picture.

    Parameters
    ----------
    places : array [shape=(..., 21, 2)]
        In the picture, from 0 to 1 across and down.

    Returns
    -------
    guessed : bool array [shape=(..., 21)]

    Examples
    --------
    >>> places = np.full((21, 2), 0.98)
    >>> places[5:9, 1] = 0.97, 0.99, 1.01, 1.02  # a finger that hangs out of the picture
    >>> np.flatnonzero(guessed_fingers(places)).tolist()
    [7, 8]
    """
    return _outside(places)


def _outside(places: np.ndarray, margin: float = 0.0) -> np.ndarray:
    return np.asarray(((places < -margin) | (places > 1 + margin)).any(-1))


def drop_half_hidden(shot: Landmarks) -> Landmarks:
    """Take out what is seen wrongly just before a speaker is lost and just after he is found again.

    Parameters
    ----------
    shot : Landmarks
        With `pixels`.

    Returns
    -------
    shot : Landmarks
        Frames have no weight that reach from a gap to where chest and shoulders are as they are a second away from it.

    Examples
    --------
    >>> pixels = np.tile([[0.1, 0.0], [-0.1, 0.0]], (60, 1, 1))
    >>> pixels[37:40] += (0.2, 0)
    >>> weights = np.ones((60, 2)); weights[40:45] = 0
    >>> points = np.concatenate([pixels, np.zeros((60, 2, 1))], -1)
    >>> seen = Landmarks(("left_shoulder", "right_shoulder"), points, fps=20, weights=weights, pixels=pixels)
    >>> np.flatnonzero(drop_half_hidden(seen).require_weights()[:, 0] == 0).tolist()
    [37, 38, 39, 40, 41, 42, 43, 44]
    """
    if shot.pixels is None or not set(_SHOULDERS) <= set(shot.names):
        return shot
    weights = shot.require_weights().copy()
    runs = true_runs(weights.max(1) > 0)
    places = [shot.names.index(name) for name in _SHOULDERS]
    shoulders = shot.pixels[:, places]
    for number, (start, stop) in enumerate(runs):
        if number:
            weights[start : start + _doubtful(shoulders[start:stop], shot.fps)] = 0
        if number < len(runs) - 1:
            weights[stop - _doubtful(shoulders[start:stop][::-1], shot.fps) : stop] = 0
    return shot.replace(weights=weights)


def _doubtful(shoulders: np.ndarray, fps: float) -> int:
    """Count the frames from a gap on, the first one's, in which shoulders ``(T, 2, 2)`` are elsewhere than later on."""
    doubtful, before = round(_SECONDS * fps), round(_BEFORE * fps)
    believed = np.median(shoulders[doubtful : doubtful + before], axis=0) if len(shoulders) > doubtful else None
    if believed is None:
        return 0
    across = believed[0] - believed[1]
    width = max(float(np.linalg.norm(across)), 1e-6)
    moved = np.linalg.norm(shoulders[:doubtful].mean(1) - believed.mean(0), axis=-1) / width
    wide = (shoulders[:doubtful, 0] - shoulders[:doubtful, 1]) @ across / width**2
    wrong = np.flatnonzero((moved > _MOVED) | (wide < _NARROW))
    return int(wrong[-1]) + 1 if len(wrong) else 0
