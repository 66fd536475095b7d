"""Feet that stand: when they touch the ground, where they stay, and the steps between."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import binary_closing, binary_opening

from .._runs import true_runs

__all__ = ["Feet", "find_contacts", "follow", "plant"]

_NEAR, _SLOW = 0.05, 0.6  # metres above where it stands and metres per second: below both a toe is on the ground
# Feet of generated motion slide while they stand, recorded ones hardly: slower is what is slow for the feet at hand.
_SLIDES, _SLOWEST = 4.0, 0.15  # times what feet near the ground do, and metres per second at least
_UNEVEN = 0.014  # metres that one foot may stand higher than the other: no more is seen, and legs are of one length
_FLAT = 0.03  # metres that a heel may rise above where it stands
_SHORTEST, _GAP = 0.15, 0.1  # seconds: no shorter touch is one, and no shorter absence is a step
_STRAY = 0.04  # metres from where a foot stands to where the motion has it, before it steps after
_STEP, _RISE = 0.5, 0.02  # seconds and metres of such a step
_STANCE, _SOON = 0.8, 0.4  # seconds that a foot stays at least; and one that is twice as far away
_FIRM, _FREE = 1e6, 1e-4  # weights of frames in which a foot stands, or steps
_CUTOFF = 4.0  # Hz: what a foot in the air does faster is not followed


@dataclass(frozen=True)
class Feet:
    """Where feet go.

    Attributes
    ----------
    ankles, toes : float64 array [shape=(T, 2, 3)]
        Left and right.
    contact : bool array [shape=(T, 2)]
        The foot stands, and does not move.
    level : float
        Height of the lower of the two toes when they stand.
    steps : int
        Small steps that were put in where the motion drifts away from its feet.
    """

    ankles: np.ndarray
    toes: np.ndarray
    contact: np.ndarray
    level: float
    steps: int


def follow(values: np.ndarray, weights: np.ndarray, *, fps: float, cutoff: float) -> np.ndarray:
    """Give the path of least jerk near some points.

    Parameters
    ----------
    values : array [shape=(T, D)]
    weights : array [shape=(T,)]
        How much each frame counts; 1 follows all that is slower than `cutoff`.
    fps, cutoff : float
        Hz.

    Returns
    -------
    path : float64 array [shape=(T, D)]

    Notes
    -----
    Whittaker's smoother with third differences: the minimum of
    ``sum w |x - y|^2 + stiffness |x'''|^2``, by a banded solver, in linear time.

    Examples
    --------
    >>> points, weights = np.array([[0.0], [5.0], [1.0], [1.5], [2.0]]), np.array([1, 1e-9, 1, 1, 1])
    >>> follow(points, weights, fps=20, cutoff=2)[1].round(2)
    array([0.5])
    """
    count = len(values)
    if count < 5:
        return np.asarray(values, np.float64)
    stiffness = (2 * np.sin(np.pi * min(cutoff, fps / 3) / fps)) ** -6
    bands = np.zeros((4, count))
    bands[0] = weights
    difference = np.array([-1.0, 3.0, -3.0, 1.0])
    for lag in range(4):
        for k in range(4 - lag):
            bands[lag, k : k + count - 3] += stiffness * difference[k] * difference[k + lag]
    return solveh_banded(bands, np.asarray(weights)[:, None] * values, lower=True, check_finite=False)


def find_contacts(ankles: np.ndarray, toes: np.ndarray, *, fps: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Tell when toes and heels are on the ground.

    Parameters
    ----------
    ankles, toes : array [shape=(T, 2, 3)]
    fps : float

    Returns
    -------
    toe, flat : bool array [shape=(T, 2)]
        The toe touches the ground; the whole foot does.
    level : float
        Height of a toe that stands.
    """
    low = float(np.percentile(toes[..., 1].min(1), 10))
    speed = _speed(toes[..., [0, 2]], fps)
    near = toes[..., 1] < low + _NEAR
    still = speed[near & (speed < _SLOW)]
    slow = float(np.clip(_SLIDES * np.median(still), _SLOWEST, _SLOW)) if len(still) else _SLOW
    toe = near & (speed < slow)
    toe = np.stack([_steady(toe[:, side], fps) for side in range(2)], -1)
    level = float(np.median(toes[..., 1][toe])) if toe.any() else low
    above = ankles[..., 1] - toes[..., 1]
    standing = np.median(above[toe]) if toe.any() else 0.0
    flat = toe & (above < standing + _FLAT) & (_speed(ankles, fps) < slow)
    return toe, np.stack([_steady(flat[:, side], fps) & toe[:, side] for side in range(2)], -1), level


def plant(ankles: np.ndarray, toes: np.ndarray, *, fps: float) -> Feet:
    """Let feet stay where they stand.

    Parameters
    ----------
    ankles, toes : array [shape=(T, 2, 3)]
        Of rigid feet.
    fps : float

    Returns
    -------
    feet : Feet
        In contact toes do not move, nor do ankles of flat feet. Where the motion drifts further than 4 cm from
        where a foot stands, the foot steps after it; never both feet at once. In the air feet follow the
        motion, and go over into where they stand without a jerk.
    """
    toe, flat, level = find_contacts(ankles, toes, fps=fps)
    placed, contact, steps = np.empty_like(toes), toe.copy(), 0
    taken: list[int] = []
    spans, levels = [], []
    for side in range(2):
        pieces = _pieces(toes[:, side], toe[:, side], fps, taken)
        spans.append(pieces)
        own = float(np.median(toes[toe[:, side], side, 1])) if toe[:, side].any() else level
        levels.append(level + float(np.clip(own - level, -_UNEVEN, _UNEVEN) / 2))
        placed[:, side], contact[:, side], new = _path(toes[:, side], pieces, levels[side], fps)
        taken += new
        steps += len(new)
    feet = ankles - toes
    for side in range(2):
        length = np.linalg.norm(feet[:, side], axis=-1).mean()
        feet[:, side] = _steady_foot(feet[:, side], flat[:, side], contact[:, side], spans[side], fps)
        feet[:, side] *= length / np.maximum(np.linalg.norm(feet[:, side], axis=-1, keepdims=True), 1e-9)
    return Feet(placed + feet, placed, contact, min(levels), steps)


def _speed(points: np.ndarray, fps: float) -> np.ndarray:
    if len(points) < 2:
        return np.zeros(points.shape[:-1])
    return np.linalg.norm(np.gradient(points, axis=0), axis=-1) * fps


def _steady(mask: np.ndarray, fps: float) -> np.ndarray:
    """Close short gaps, then drop short runs."""
    gap, run = (np.ones(max(1, round(seconds * fps)), bool) for seconds in (_GAP, _SHORTEST))
    padded = np.pad(mask, len(run), mode="edge")
    return binary_opening(binary_closing(padded, gap), run)[len(run) : len(run) + len(mask)]


def _pieces(toe: np.ndarray, contact: np.ndarray, fps: float, taken: list[int]) -> list[tuple[int, int, bool]]:
    """Spans in which a toe stands in one place: start, stop, and whether a small step led there."""
    pieces = []
    stance, soon, apart = round(_STANCE * fps), round(_SOON * fps), round(_STEP * fps) + 1
    others = np.array(taken, int)
    for start, stop in true_runs(contact):
        first, stepped = start, False
        low = high = toe[start, [0, 2]]
        for frame in range(start, stop):
            low, high = np.minimum(low, toe[frame, [0, 2]]), np.maximum(high, toe[frame, [0, 2]])
            width, room = np.hypot(*(high - low)), min(frame - first, stop - frame)
            strayed = (width > 2 * _STRAY and room > stance) or (width > 4 * _STRAY and room > soon)
            if strayed and not (len(others) and np.abs(others - frame).min() < apart):
                pieces.append((first, frame, stepped))
                first, stepped, low, high = frame, True, toe[frame, [0, 2]], toe[frame, [0, 2]]
        pieces.append((first, stop, stepped))
    return pieces


def _path(
    toe: np.ndarray, pieces: list[tuple[int, int, bool]], level: float, fps: float
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Path of a toe that stands in each piece, its contacts, and the frames of its steps."""
    wanted, firm = toe.copy(), np.zeros(len(toe), bool)
    weights, half = np.ones(len(toe)), round(_STEP * fps / 2)
    steps = [start for start, _, stepped in pieces if stepped]
    for start, stop, _ in pieces:
        wanted[start:stop] = (toe[start:stop].min(0) + toe[start:stop].max(0)) / 2
        wanted[start:stop, 1] = level
        firm[start:stop] = True
    for frame in steps:
        firm[frame - half : frame + half] = False
        weights[frame - half : frame + half] = _FREE
    weights[firm] = _FIRM
    path = follow(wanted, weights, fps=fps, cutoff=_CUTOFF)
    path[firm] = wanted[firm]
    for frame in steps:
        path[frame - half : frame + half, 1] += _RISE * np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half)) ** 2
    return path, firm, steps


def _steady_foot(
    foot: np.ndarray, flat: np.ndarray, contact: np.ndarray, pieces: list[tuple[int, int, bool]], fps: float
) -> np.ndarray:
    """Direction from toe to ankle: one for as long as a foot stands flat."""
    wanted, firm = foot.copy(), flat & contact
    for start, stop, _ in pieces:
        still = np.flatnonzero(firm[start:stop]) + start
        if len(still):
            wanted[still] = np.median(foot[still], axis=0)
    weights = np.where(firm, _FIRM, np.where(flat & ~contact, _FREE, 1.0))
    path = follow(wanted, weights, fps=fps, cutoff=_CUTOFF)
    path[firm] = wanted[firm]
    return path
