"""When does a gesture happen? The strokes of the hands, and how far they are from the words they belong to."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.spatial import cKDTree

from ...errors import ShapeError
from ...skeletons import SMPL_22, Skeleton
from .kinematic import _positions

__all__ = ["gesture_strokes"]

_NEAR = 0.06  # metres: a hand that rests stays so near to its place


def gesture_strokes(
    positions, *, fps: float, skeleton: Skeleton = SMPL_22, least: float = 0.15, gap: float = 0.4, smooth: float = 0.05
) -> np.ndarray:
    clip = _positions(positions, "positions", 4).cpu().numpy()
    if clip.ndim != 3 or clip.shape[1] != skeleton.num_joints:
        raise ShapeError(
            "Strokes are found clip by clip.", expected=f"(T, {skeleton.num_joints}, 3)", found=tuple(clip.shape)
        )
    arrivals = np.sort(np.concatenate([_arrivals(path, fps, least, smooth) for path in _hands(clip, skeleton)]))
    fresh = np.diff(arrivals, prepend=-np.inf) > gap
    return arrivals[fresh]


def _hands(clip, skeleton):
    """Give the path of each hand ``(T, 3)``, in metres, seen from the hips."""
    left, right = skeleton.hips
    across = (clip[:, left] - clip[:, right])[:, [0, 2]]
    across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    local = (clip - clip[:, :1]) * skeleton.metres_per_unit
    a, b = across[:, :1], across[:, 1:]
    local = np.stack((a * local[..., 0] + b * local[..., 2], local[..., 1], -b * local[..., 0] + a * local[..., 2]), -1)
    return [local[:, j] for j, name in enumerate(skeleton.joint_names) if name.endswith("wrist")]


def _rest(path):
    """Give the place where a hand is most often."""
    some = path[:: max(len(path) // 2000, 1)]
    tree = cKDTree(some)
    counts = tree.query_ball_point(some, _NEAR, return_length=True)
    return some[tree.query_ball_point(some[counts.argmax()], _NEAR)].mean(0)


def _arrivals(path, fps, least, smooth):
    """Give when a hand has come somewhere, away from its rest: the end of each movement that is long enough."""
    path = gaussian_filter1d(path, smooth * fps, axis=0)
    away = np.linalg.norm(path - _rest(path), axis=1)
    speed = np.linalg.norm(np.gradient(path, axis=0), axis=1) * fps
    slow = find_peaks(-speed, prominence=0.1 * max(speed.max(), 1e-9))[0]
    edges = np.r_[0, slow, len(path) - 1]
    found = []
    for first, last in zip(edges, edges[1:]):
        way = np.linalg.norm(path[first : last + 1] - path[first], axis=1)
        if last > first and way[-1] >= least and away[last] >= least:
            share = way / way[-1]
            k = int(np.argmax(share >= 0.9))
            found.append((first + k - (share[k] - 0.9) / max(share[k] - share[k - 1], 1e-9)) / fps)
    return np.array(found)
