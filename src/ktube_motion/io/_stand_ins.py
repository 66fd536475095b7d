"""Frames that are no poses but stand for missing ones: zeros, halves of zeros, frozen copies, constants."""

import numpy as np
from scipy.spatial.transform import Rotation

from .._runs import true_runs

__all__ = ["find_doubts", "find_missing_hands", "find_stand_ins", "follows"]

_NOTHING = 1e-3  # radians: noise upon zeros; no living body holds all its joints so near to a T
_EXACT = 1e-6
_SAME = 5e-4  # radians: noise upon copies; in a real recording at least one joint turns 0.01 from frame to frame
_SHORTEST = 4  # identical frames; a video made from fewer pictures a second doubles or triples single ones
_SMOOTH = 0.35  # radians: what a body turns between two frames at most where a run goes on from real motion
_NEAR = 2e-3  # radians: a copy with more noise, between two others of the same pose
_OFTEN = 2  # times that a pose comes back to the digit before it counts as a constant
_FEW = 3  # constants in a file
_LOOKED_AT = 3  # times that a pose comes back, whose edges are looked at: a film that repeats has many
_STRAIGHT = 6  # frames on a straight line between two others; films of half the rate have one at a time
_HANDS = {"left": slice(25, 40), "right": slice(40, 55)}
_UPPER = [3, 6, 9, *range(12, 22)]  # without them nobody gestures; legs may be out of the picture


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
        (of all, or of trunk and arms) that move elsewhere, are zero, and it jumps there. ``frozen``: at
        least four poses after each other are the same but for noise,
        which no estimate of a living body is; the one that goes on from the
        motion before (or into the motion after) is kept as real, and none
        where the run jumps at both ends. ``constant``: one of few poses that come back to the digit, with
        a jump at most of the edges (at all of them, where it comes but twice).
        Nothing is found where it would be every row: a clip that is one pose has nothing to compare with.

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


def find_doubts(rotvecs: np.ndarray) -> list[str]:
    """Say what is odd about poses, though it may be meant: parts that stand still to the digit, straight lines, copies.

    Parameters
    ----------
    rotvecs : array [shape=(N, 55, 3)]
        Without the stand-ins.

    Examples
    --------
    >>> rotvecs = 0.3 + 0.01 * np.random.default_rng(0).standard_normal((30, 55, 3)).cumsum(0)
    >>> find_doubts(rotvecs), find_doubts(np.repeat(rotvecs, 2, 0))
    ([], ['each pose stands there 2 times: fewer poses were estimated than the frame rate says'])
    """
    if len(rotvecs) < _SHORTEST:
        return []
    body = rotvecs[:, 1:22]
    told = [] if body.any() or not np.ptp(rotvecs[:, 0], axis=0).any() else [
        "the root turns and the body is all zeros: are its rotations under another name, or latent (VPoser)?"
    ]  # fmt: skip
    steps = [_is_zero(part, 1, _EXACT) for part in (rotvecs[:, :22], *(rotvecs[:, hand] for hand in _HANDS.values()))]
    times = round(len(rotvecs) / (1 + np.count_nonzero(~steps[0])))
    if times > 1 and max((last - first + 2 for first, last in _runs(steps[0])), default=1) <= 2 * times:
        return [*told, f"each pose stands there {times} times: fewer poses were estimated than the frame rate says"]
    for name, still, others in (
        ("body", steps[0], steps[1] & steps[2]), ("left hand", steps[1], steps[0]), ("right hand", steps[2], steps[0]),
    ):  # fmt: skip
        count = sum(last - first + 1 for first, last in _runs(still & ~others) if last - first + 2 >= _SHORTEST)
        if 0 < count < 0.9 * len(still):
            told.append(f"the {name} stands still to the digit in {count} frames while the rest moves: is it a copy?")
    line = _is_zero(rotvecs[:, :22], 2, 4 * _EXACT) & ~steps[0][1:]
    straight = sum(last - first + 1 for first, last in _runs(line) if last - first + 1 >= _STRAIGHT)
    if 0 < straight < 0.9 * len(line):
        told.append(f"{straight} frames lie on straight lines between others: a tool filled them in, nobody was seen")
    return told


def _is_zero(part: np.ndarray, order: int, limit: float) -> np.ndarray:
    """Say where differences of this order between frames are zero; most are settled by the first joint."""
    zero = np.abs(np.diff(part[:, 0], order, axis=0)).max(1) < limit
    for row in np.flatnonzero(zero):
        zero[row] = np.abs(np.diff(part[row : row + order + 1], order, axis=0)).max() < limit
    return zero


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Give (first, last) of every run of true rows."""
    return [(start, stop - 1) for start, stop in true_runs(flags)]


def _partial(body: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Find runs in which much of a body is exactly zero, with a jump where it becomes so or ends."""
    still = (np.abs(body) < _EXACT).reshape(len(body), -1, 3).all(2)
    alive = (~still).sum(0) >= 2
    share = (still & alive).sum(1) / max(int(alive.sum()), 1)
    upper = (still & alive)[:, _UPPER].sum(1) / max(int(alive[_UPPER].sum()), 1)
    half = ((share >= 0.5) | (upper >= 0.5) | (still[:, 0] & alive[0])) & ~zeros
    for first, last in _runs(half):
        before, after = first > 0 and not zeros[first - 1], last + 1 < len(body) and not zeros[last + 1]
        jumps = (before and not follows(body, first - 1, first)) or (after and not follows(body, last, last + 1))
        half[first : last + 1] = jumps
    return half


def _frozen(whole: np.ndarray, frames: np.ndarray, nobody: np.ndarray) -> np.ndarray:
    """Find runs of one pose; the row that goes on from motion, or into it, is left out."""
    body = whole[:, :66]
    same = np.abs(np.diff(whole[:, :3], axis=0)).max(1, initial=0) < _SAME
    alike = np.flatnonzero(same)
    same[alike] = [np.abs(whole[row + 1] - whole[row]).max() < _SAME for row in alike]
    same = _bridged(whole, same) & ~nobody[1:] & ~nobody[:-1]
    frozen = np.zeros(len(body), bool)
    runs = [(first, last + 1) for first, last in _runs(same) if last - first + 2 >= _SHORTEST]
    for (first, last), again in zip(runs, _repeated(whole, runs), strict=True):
        frozen[first : last + 1] = True
        goes_on = first > 0 and follows(body, first - 1, first) and frames[first] - frames[first - 1] <= 2
        goes_into = last + 1 < len(body) and follows(body, last, last + 1) and frames[last + 1] - frames[last] <= 2
        if again:
            continue
        if goes_on or (first == 0 and not goes_into):
            frozen[first] = False
        elif goes_into:
            frozen[last] = False
    return frozen


def _bridged(whole: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Join runs of one pose, a little noisier at single frames, and add the copy before and behind."""
    same = same.copy()
    for first, last in [run for run in _runs(same) if run[1] - run[0] + 2 >= _SHORTEST]:
        pose = np.median(whole[first : last + 2], axis=0)
        while last + 2 < len(whole) and np.abs(whole[last + 2] - pose).max() < _NEAR:
            same[last + 1], last = True, last + 1
        while first > 0 and np.abs(whole[first - 1] - pose).max() < _NEAR:
            same[first - 1], first = True, first - 1
    return same


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
        ends = rows[np.concatenate([np.diff(rows) > 1, [True]])]
        edges = [(row - 1, row) for row in begins[:_LOOKED_AT] if row > 0]
        edges += [(row, row + 1) for row in ends[:_LOOKED_AT] if row + 1 < len(whole)]
        jumps = sum(not follows(whole[:, :66], *edge) for edge in edges)
        if len(begins) >= _OFTEN and (jumps == len(edges) or (len(begins) > 2 and 2 * jumps >= len(edges))):
            found[rows], poses = True, poses + 1
    return found if poses <= _FEW else np.zeros(len(whole), bool)


def follows(body: np.ndarray, a: int, b: int) -> bool:
    """Say whether two poses are near enough to follow each other, joint by joint.

    Examples
    --------
    >>> body = np.full((3, 66), 0.1); body[2] = 0.9
    >>> follows(body, 0, 1), follows(body, 1, 2)
    (True, False)
    """
    first, second = (Rotation.from_rotvec(body[row].reshape(-1, 3).astype(np.float64)) for row in (a, b))
    return bool(
        (first.inv() * second).magnitude().max() < _SMOOTH and not (np.abs(body[[a, b]]) < _NOTHING).all(1).any()
    )
