"""The faults of a pose estimator."""

import numpy as np
from scipy.spatial.transform import Rotation

from ..types import PoseSequence

__all__ = ["FAULTS", "spoil"]

FAULTS = ("jitter", "gaps", "outliers", "drift")


def spoil(truth: PoseSequence, faults: tuple[str, ...], rng: np.random.Generator) -> PoseSequence:
    """Give the poses as an estimator would: each fault draws from its own generator."""
    frames, seconds = len(truth), truth.seconds
    draws = dict(zip(FAULTS, rng.spawn(len(FAULTS)), strict=True))
    turns, transl, valid = np.zeros((frames, 55, 3)), truth.transl.copy(), truth.valid.copy()
    if "jitter" in faults:
        turns += draws["jitter"].normal(0, np.radians(2) / np.sqrt(3), turns.shape)
        turns[:, 23:25] = 0  # the format has no eyes
    if "outliers" in faults:
        for frame in draws["outliers"].integers(1, frames - 1, max(1, round(seconds / 10))):
            joints = draws["outliers"].choice(np.arange(1, 22), 6, replace=False)
            turns[frame, joints] += draws["outliers"].normal(0, 0.7, (6, 3))
    if "drift" in faults:
        path = draws["drift"].normal(size=(frames, 6)).cumsum(0) / np.sqrt(frames)
        path -= np.linspace(0, 1, frames)[:, None] * path[-1] * 0.3
        turns[:, 0] += 0.12 * path[:, :3]
        transl += 0.15 * path[:, 3:]
    if "gaps" in faults:
        for start in draws["gaps"].integers(1, max(frames - 8, 2), max(1, round(seconds / 7))):
            valid[start : start + int(draws["gaps"].integers(2, 7))] = False
    rotvecs = Rotation.from_rotvec(truth.rotvecs.reshape(-1, 3)) * Rotation.from_rotvec(turns.reshape(-1, 3))
    rotvecs = rotvecs.as_rotvec().reshape(frames, 55, 3)
    rotvecs[~valid], transl[~valid] = 0, 0
    return truth.replace(rotvecs=rotvecs if faults else truth.rotvecs, transl=transl, valid=valid)
