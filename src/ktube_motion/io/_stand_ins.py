"""Frames that are no poses but stand for missing ones: zeros, frozen copies, constants."""

import numpy as np
from scipy.spatial.transform import Rotation

__all__ = ["find_stand_ins"]

_NOTHING = 1e-5  # radians: noise upon zeros
_SAME = 1e-6
_SHORTEST = 4  # identical frames; a video made from fewer pictures a second doubles or triples single ones
_SMOOTH = 0.35  # radians: what a body turns between two frames at most where a run goes on from real motion


def find_stand_ins(rotvecs: np.ndarray, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Tell which rows of one person are stand-ins for missing poses.

    Parameters
    ----------
    rotvecs : array [shape=(N, 55, 3)]
        In the source's own axes, ordered in time.
    frames : int array [shape=(N,)]

    Returns
    -------
    found : dict of str to bool array [shape=(N,)]
        ``zeros``: root and body are zero, or noise upon zero. ``frozen``: at
        least four poses after each other are the same to the last digit,
        which no estimate of a living body is; the one that goes on from the
        motion before (or into the motion after) is kept as real, and none
        where the run jumps at both ends. Nothing is found where it would be
        every row: a clip that is one pose has nothing to compare with.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rotvecs = 0.3 + 0.01 * rng.standard_normal((12, 55, 3)).cumsum(0)
    >>> rotvecs[2:4] = 0
    >>> rotvecs[6:] = rotvecs[5]
    >>> {kind: np.flatnonzero(rows).tolist() for kind, rows in find_stand_ins(rotvecs, np.arange(12)).items()}
    {'zeros': [2, 3], 'frozen': [6, 7, 8, 9, 10, 11]}
    """
    whole = np.asarray(rotvecs).reshape(len(rotvecs), -1)
    body = whole[:, :66]
    zeros = np.abs(body[:, :3]).max(1, initial=0) < _NOTHING  # most frames are settled by the root
    zeros[zeros] = np.abs(body[zeros]).max(1, initial=0) < _NOTHING
    if zeros.all():
        return {"zeros": np.zeros(len(body), bool), "frozen": np.zeros(len(body), bool)}
    same = np.abs(np.diff(whole[:, :3], axis=0)).max(1, initial=0) < _SAME
    alike = np.flatnonzero(same)
    same[alike] = [np.abs(whole[row + 1] - whole[row]).max() < _SAME for row in alike]
    same = same & ~zeros[1:] & ~zeros[:-1]
    frozen = np.zeros(len(body), bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same, [0]])))
    runs = [(first, last) for first, last in edges.reshape(-1, 2) if last - first + 1 >= _SHORTEST]
    repeated = _repeated(whole, runs)
    for (first, last), again in zip(runs, repeated, strict=True):
        rows = slice(first, last + 1)
        frozen[rows] = True
        goes_on = first > 0 and _close(body, first - 1, first) and frames[first] - frames[first - 1] <= 2
        goes_into = last + 1 < len(body) and _close(body, last, last + 1) and frames[last + 1] - frames[last] <= 2
        if again:
            continue
        if goes_on or (first == 0 and not goes_into):
            frozen[first] = False
        elif goes_into:
            frozen[last] = False
    if np.count_nonzero(~(frozen | zeros)) < 2:  # nothing that moves is left
        frozen[:] = False
    return {"zeros": zeros, "frozen": frozen}


def _repeated(whole, runs):
    """Say of each run whether another one has the same pose: then it is a constant that stands for nobody."""
    seen: dict[bytes, int] = {}
    keys = [np.round(whole[first], 5).tobytes() for first, _ in runs]
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
    return [seen[key] > 1 for key in keys]


def _close(body, a, b):
    """Say whether two poses are near enough to follow each other, joint by joint."""
    first, second = (Rotation.from_rotvec(body[row].reshape(-1, 3).astype(np.float64)) for row in (a, b))
    return bool(
        (first.inv() * second).magnitude().max() < _SMOOTH and not (np.abs(body[[a, b]]) < _NOTHING).all(1).any()
    )
