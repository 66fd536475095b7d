"""Frames that are no poses but stand for missing ones: zeros, halves of zeros, frozen copies, constants."""

import numpy as np
from scipy.spatial.transform import Rotation

__all__ = ["find_missing_hands", "find_stand_ins"]

_NOTHING = 1e-3  # radians: noise upon zeros; no living body holds all its joints so near to a T
_EXACT = 1e-6
_SAME = 5e-4  # radians: noise upon copies; in a real recording at least one joint turns 0.01 from frame to frame
_SHORTEST = 4  # identical frames; a video made from fewer pictures a second doubles or triples single ones
_SMOOTH = 0.35  # radians: what a body turns between two frames at most where a run goes on from real motion
_OFTEN = 3  # times that a pose comes back to the digit before it counts as a constant
_FEW = 3  # constants in a file
_HANDS = {"left": slice(25, 40), "right": slice(40, 55)}


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
        ``zeros``: root and body are zero, or noise upon zero. ``partial``: the root, or at least half of the joints
        that move elsewhere, are zero, and it jumps there. ``frozen``: at
        least four poses after each other are the same but for noise,
        which no estimate of a living body is; the one that goes on from the
        motion before (or into the motion after) is kept as real, and none
        where the run jumps at both ends. ``constant``: one of few poses that come back three times or more
        to the digit, with a jump. Nothing is found where it would be
        every row: a clip that is one pose has nothing to compare with.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rotvecs = 0.3 + 0.01 * rng.standard_normal((12, 55, 3)).cumsum(0)
    >>> rotvecs[2:4] = 0
    >>> rotvecs[6:] = rotvecs[5]
    >>> found = find_stand_ins(rotvecs, np.arange(12))
    >>> {kind: np.flatnonzero(rows).tolist() for kind, rows in found.items()}
    {'zeros': [2, 3], 'partial': [], 'frozen': [6, 7, 8, 9, 10, 11], 'constant': []}
    """
    whole = np.asarray(rotvecs).reshape(len(rotvecs), -1)
    body = whole[:, :66]
    zeros = np.abs(body[:, :3]).max(1, initial=0) < _NOTHING  # most frames are settled by the root
    zeros[zeros] = np.abs(body[zeros]).max(1, initial=0) < _NOTHING
    none = np.zeros(len(body), bool)
    if zeros.all():
        return dict.fromkeys(("zeros", "partial", "frozen", "constant"), none)
    partial = _partial(body, zeros)
    frozen = _frozen(whole, frames, zeros | partial)
    constant = _constant(whole, zeros | partial | frozen)
    found = {"zeros": zeros, "partial": partial, "frozen": frozen, "constant": constant}
    for kind in ("constant", "frozen", "partial"):
        if np.count_nonzero(~np.logical_or.reduce(list(found.values()))) < 2:  # nothing that moves is left
            found[kind] = none
    return found


def find_missing_hands(rotvecs: np.ndarray) -> dict[str, int]:
    """Count the frames in which a hand is all zeros though it moves in others.

    Examples
    --------
    >>> rotvecs = np.full((5, 55, 3), 0.1); rotvecs[3:, 25:40] = 0
    >>> find_missing_hands(rotvecs)
    {'left': 2}
    """
    counts = {side: int((np.abs(rotvecs[:, hand]) < _EXACT).all((1, 2)).sum()) for side, hand in _HANDS.items()}
    return {side: count for side, count in counts.items() if 0 < count < len(rotvecs)}


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Give (first, last) of every run of true rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]])))
    return [(int(first), int(last) - 1) for first, last in edges.reshape(-1, 2)]


def _partial(body: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Find runs in which much of a body is exactly zero, with a jump where it becomes so or ends."""
    still = (np.abs(body) < _EXACT).reshape(len(body), -1, 3).all(2)
    alive = (~still).sum(0) >= 2
    share = (still & alive).sum(1) / max(int(alive.sum()), 1)
    half = ((share >= 0.5) | (still[:, 0] & alive[0])) & ~zeros
    for first, last in _runs(half):
        before, after = first > 0 and not zeros[first - 1], last + 1 < len(body) and not zeros[last + 1]
        jumps = (before and not _close(body, first - 1, first)) or (after and not _close(body, last, last + 1))
        half[first : last + 1] = jumps
    return half


def _frozen(whole: np.ndarray, frames: np.ndarray, nobody: np.ndarray) -> np.ndarray:
    """Find runs of one pose; the row that goes on from motion, or into it, is left out."""
    body = whole[:, :66]
    same = np.abs(np.diff(whole[:, :3], axis=0)).max(1, initial=0) < _SAME
    alike = np.flatnonzero(same)
    same[alike] = [np.abs(whole[row + 1] - whole[row]).max() < _SAME for row in alike]
    same = same & ~nobody[1:] & ~nobody[:-1]
    frozen = np.zeros(len(body), bool)
    runs = [(first, last + 1) for first, last in _runs(same) if last - first + 2 >= _SHORTEST]
    for (first, last), again in zip(runs, _repeated(whole, runs), strict=True):
        frozen[first : last + 1] = True
        goes_on = first > 0 and _close(body, first - 1, first) and frames[first] - frames[first - 1] <= 2
        goes_into = last + 1 < len(body) and _close(body, last, last + 1) and frames[last + 1] - frames[last] <= 2
        if again:
            continue
        if goes_on or (first == 0 and not goes_into):
            frozen[first] = False
        elif goes_into:
            frozen[last] = False
    return frozen


def _repeated(whole: np.ndarray, runs: list[tuple[int, int]]) -> list[bool]:
    """Say of each run whether another one has the same pose: then it is a constant that stands for nobody."""
    return [
        any(other != first and np.abs(whole[other] - whole[first]).max() < _SAME for other, _ in runs)
        for first, _ in runs
    ]


def _constant(whole: np.ndarray, nobody: np.ndarray) -> np.ndarray:
    """Find poses that come back to the digit, apart from each other, and jump where they do."""
    found = np.zeros(len(whole), bool)
    _, number = np.unique(np.round(whole[:, :3], 4), axis=0, return_inverse=True)  # most differ in their root
    number = number.ravel()
    number[nobody] = -1
    starts = np.concatenate([[True], np.diff(number) != 0]) & (number >= 0)
    often = np.flatnonzero(np.bincount(number[starts], minlength=1) >= _OFTEN)
    poses = 0
    for one in often[:1000]:
        rows = np.flatnonzero(number == one)
        rows = rows[np.abs(whole[rows] - whole[rows[0]]).max(1) < _EXACT]
        begins = rows[np.concatenate([[True], np.diff(rows) > 1])]
        jumps = sum(not _close(whole[:, :66], row - 1, row) for row in begins if row > 0)
        if len(begins) >= _OFTEN and 2 * jumps >= len(begins):
            found[rows], poses = True, poses + 1
    return found if poses <= _FEW else np.zeros(len(whole), bool)


def _close(body: np.ndarray, a: int, b: int) -> bool:
    """Say whether two poses are near enough to follow each other, joint by joint."""
    first, second = (Rotation.from_rotvec(body[row].reshape(-1, 3).astype(np.float64)) for row in (a, b))
    return bool(
        (first.inv() * second).magnitude().max() < _SMOOTH and not (np.abs(body[[a, b]]) < _NOTHING).all(1).any()
    )
