"""Motions spoiled on purpose, by a known amount: what an evaluator must notice."""

from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError, ShapeError
from ..features import features_to_joints, joints_to_features
from ..kinematics import mirror_positions
from ..skeletons import SMPL_22, Skeleton

__all__ = ["FAULTS", "freeze", "jitter", "perturb", "reverse"]

#: What `perturb` can do, and what its amount means.
FAULTS = {
    "jitter": "metres of noise on every joint",
    "freeze": "share of frames that stand still",
    "swap": "share of clips with left and right swapped",
    "reverse": "share of clips played backwards",
}


def jitter(positions: np.ndarray, size: float, *, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise to every joint of every frame.

    Parameters
    ----------
    positions : array [shape=(T, J, 3)]
    size : float >= 0
        Standard deviation along each axis, in the unit of `positions`.
    rng : numpy.random.Generator

    Returns
    -------
    positions : array [shape=(T, J, 3)]

    Examples
    --------
    >>> round(float(jitter(np.zeros((100, 22, 3)), 0.01, rng=np.random.default_rng(0)).std()), 3)
    0.01
    """
    return positions + rng.normal(0.0, 1.0, positions.shape) * size


def freeze(positions: np.ndarray, share: float, *, rng: np.random.Generator) -> np.ndarray:
    """Hold one pose for a stretch of frames, as a stalled video does; the motion then jumps on.

    Parameters
    ----------
    positions : array [shape=(T, J, 3)]
    share : float in [0, 1]
        Of the frames; 1 is one pose for all of the clip.
    rng : numpy.random.Generator
        Draws where the stretch lies.

    Returns
    -------
    positions : array [shape=(T, J, 3)]

    Examples
    --------
    >>> x = np.arange(8.0)[:, None, None] * np.ones((1, 22, 3))
    >>> np.unique(freeze(x, 0.5, rng=np.random.default_rng(0))[:, 0, 0]).size
    5
    """
    count = round(share * len(positions))
    start = int(rng.integers(len(positions) - count + 1)) if count else 0
    result = positions.copy()
    result[start : start + count] = positions[start]
    return result


def reverse(positions: np.ndarray) -> np.ndarray:
    """Play a motion backwards.

    Examples
    --------
    >>> reverse(np.arange(3.0)[:, None, None])[:, 0, 0]
    array([2., 1., 0.])
    """
    return positions[::-1].copy()


def perturb(
    clips: Sequence[np.ndarray],
    fault: str,
    amount: float,
    *,
    rng: np.random.Generator,
    skeleton: Skeleton = SMPL_22,
) -> list[np.ndarray]:
    """Spoil motion vectors through their joints, and encode them anew.

    Parameters
    ----------
    clips : sequence of arrays [shape=(T, D)]
        Raw motion features, ``T >= 2``.
    fault : {"jitter", "freeze", "swap", "reverse"}
        `FAULTS` says what the amount of each means.
    amount : float >= 0
        Shares end at 1. With 0 the clips are only decoded and encoded again,
        which is what the other amounts must be compared with.
    rng : numpy.random.Generator
        The same seed spoils the same clips, and more of them with a larger share.
    skeleton : Skeleton

    Returns
    -------
    clips : list of float32 arrays [shape=(T, D)]

    Raises
    ------
    ConfigError
        If the fault is unknown, or the amount cannot be.
    ShapeError
        If a clip has fewer than two frames.

    Examples
    --------
    >>> clip = np.zeros((30, 263)); clip[:, 3] = 0.9
    >>> spoiled, = perturb([clip], "jitter", 0.01, rng=np.random.default_rng(0))
    >>> spoiled.shape, bool(np.abs(spoiled - clip).max() > 0.01)
    ((30, 263), True)
    """
    if fault not in FAULTS:
        raise ConfigError("Unknown fault.", expected=", ".join(FAULTS), found=repr(fault))
    if not (amount >= 0 and (fault == "jitter" or amount <= 1)):
        raise ConfigError(f"{fault} cannot have this amount.", expected=FAULTS[fault], found=amount)
    drawn = rng.random(len(clips))
    seeds = rng.integers(2**63, size=len(clips))
    spoiled = []
    for clip, chance, seed in zip(clips, drawn, seeds, strict=True):
        if len(clip) < 2:
            raise ShapeError("A clip is too short to spoil.", expected="at least 2 frames", found=len(clip))
        joints = np.asarray(features_to_joints(np.asarray(clip, np.float32), skeleton=skeleton))
        # The codec looks one frame ahead, so the last frame goes on as it went.
        joints = np.concatenate([joints, 2 * joints[-1:] - joints[-2:-1]])
        own = np.random.default_rng(seed)
        if fault == "jitter":
            joints = jitter(joints, amount / skeleton.metres_per_unit, rng=own)
        elif fault == "freeze":
            joints = freeze(joints, amount, rng=own)
        elif chance < amount:
            joints = reverse(joints) if fault == "reverse" else mirror_positions(joints, skeleton=skeleton)
        spoiled.append(np.asarray(joints_to_features(joints.astype(np.float32), skeleton=skeleton), np.float32))
    return spoiled
