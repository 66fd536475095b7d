"""Key poses in time become joint rotations."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ..types import Cue
from ._gestures import JOINTS, Key, Pose, Style, part_rotvecs

__all__ = ["Tracks", "enliven"]


class _Pose(NamedTuple):
    """What a part has reached at `time`: quaternions xyzw ``(len(JOINTS[part]), 4)``."""

    time: float
    quat: np.ndarray
    via: np.ndarray | None = None
    through: bool = False


class Tracks:
    """Key poses in time for torso, head and both arms."""

    def __init__(self, style: Style) -> None:
        self.rest: dict[str, np.ndarray] = {part: _quat(part, style.rest.get(part, (0, 0, 0))) for part in JOINTS}
        self.keys: dict[str, list[_Pose]] = {part: [_Pose(0.0, rest)] for part, rest in self.rest.items()}
        self.stroke: float = -10.0

    def add(self, keys: list[Key], stroke: float, speed: float) -> tuple[float, float, float]:
        """Put a gesture's keys at `stroke`: the way there before, the way back after.

        Returns when the way there begins, when the stroke comes (later than asked for where the gesture before
        leaves no time), and when the last pose is let go, if no other gesture comes sooner.
        """
        reach, back = 0.62 / speed, 0.75 / speed
        first = stroke + min(key.time for key in keys)
        begin = max(first - reach, self.stroke + 0.2, 0.0)
        late = max(begin + 0.3 - first, 0.0)
        stroke += late
        for part in JOINTS:
            mine = [key for key in keys if key.part == part]
            if not mine:
                if self.keys[part][-1].time > begin:  # the gesture before lets go of what this one leaves alone
                    self._take_over(part, begin).append(_Pose(begin + back, self.rest[part]))
                continue
            track = self._take_over(part, max(stroke + mine[0].time - reach, begin))
            for key in mine:
                via = None if key.via is None else _quat(part, key.via)
                track.append(_Pose(stroke + key.time, _quat(part, key.pose), via, key.through))
            via = None if mine[0].via is None else _quat(part, mine[0].via)
            track.append(_Pose(track[-1].time + back, self.rest[part], via))
        self.stroke = stroke
        return begin, stroke, stroke + max(key.time for key in keys)

    def _take_over(self, part: str, start: float) -> list[_Pose]:
        """Drop what a part would do after `start`; until then it keeps its last pose."""
        track = self.keys[part]
        while len(track) > 1 and track[-1].time > start:
            track.pop()
        if track[-1].time < start:
            track.append(_Pose(start, track[-1].quat))
        return track

    def rotations(self, times: np.ndarray) -> np.ndarray:
        """Sample all tracks: quaternions xyzw ``(T, 55, 4)``."""
        quats = np.zeros((len(times), 55, 4))
        quats[..., 3] = 1
        for part, track in self.keys.items():
            joints = list(JOINTS[part])
            quats[:, joints] = track[-1].quat
            for before, after in pairwise(track):
                first, last = np.searchsorted(times, (before.time, after.time))
                s = (times[first:last] - before.time) / (after.time - before.time)
                s = _ease(s, before.through, after.through)[:, None, None]
                if after.via is None:
                    mixed = _slerp(before.quat, after.quat, s)
                else:  # a quadratic Bézier curve of rotations: it bends towards `via` without stopping there
                    mixed = _slerp(_slerp(before.quat, after.via, s), _slerp(after.via, after.quat, s), s)
                quats[first:last, joints] = mixed
        return quats


def _quat(part: str, pose: Pose) -> np.ndarray:
    return Rotation.from_rotvec(part_rotvecs(part, pose)).as_quat()


def _ease(s: np.ndarray, leaving: bool, arriving: bool) -> np.ndarray:
    """Progress from 0 to 1 without a jolt: a stop at both ends (minimum jerk), or even speed where one goes on."""
    stops = s**3 * (10 - 15 * s + 6 * s**2)
    leaves = s - s**3 * (6 - 8 * s + 3 * s**2)
    arrives = -(s**3) * (4 - 7 * s + 3 * s**2)
    return stops + leaving * leaves + arriving * arrives


def _slerp(a: np.ndarray, b: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Turn the shorter way from `a` to `b` ``(..., 4)``."""
    cosine = (a * b).sum(-1, keepdims=True)
    b, cosine = np.where(cosine < 0, -b, b), np.abs(cosine)
    angle = np.arccos(np.clip(cosine, 0, 1))
    near = angle < 1e-6
    sine = np.where(near, 1, np.sin(angle))
    mixed = np.where(near, 1 - s, np.sin((1 - s) * angle) / sine) * a + np.where(near, s, np.sin(s * angle) / sine) * b
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def enliven(quats: np.ndarray, times: np.ndarray, cues: list[Cue], rng: np.random.Generator) -> np.ndarray:
    """Add what never stops: swaying, breathing, small looks, fingers, and the jaw while he talks."""

    def wander(size: float, slowest: float, fastest: float, rng: np.random.Generator = rng) -> np.ndarray:
        rates, phases = rng.uniform(slowest, fastest, 4), rng.uniform(0, 2 * np.pi, 4)
        return size / 2 * np.sin(2 * np.pi * rates * times[:, None] + phases).sum(1)

    extra = np.zeros((len(times), 55, 3))
    breath = np.sin(2 * np.pi * rng.uniform(0.22, 0.30) * times + rng.uniform(0, 6))
    extra[:, 6, 0] = -0.012 * breath
    extra[:, 9, 0] = 0.010 * breath
    extra[:, 13, 2], extra[:, 14, 2] = 0.010 * breath, -0.010 * breath
    for axis, size in enumerate((0.012, 0.020, 0.014)):
        extra[:, 3, axis] += wander(size, 0.05, 0.25)
        extra[:, 12, axis] += wander(1.5 * size, 0.08, 0.4)
    for joint in (16, 17, 18, 19):
        extra[:, joint] += np.stack([wander(0.02, 0.08, 0.35) for _ in range(3)], -1)
    fingers = np.random.default_rng(round(1000 * cues[-1].end))  # of their own: the rest of him is as without
    for joint in range(25, 55):
        extra[:, joint, 2] = wander(0.012, 0.1, 0.5, fingers)
    for start, end in _talking(cues):
        first, last = np.searchsorted(times, (start, end))
        since, left = times[first:last] - start, end - times[first:last]
        extra[first:last, 22, 0] = 0.16 * np.clip(left / 0.2, 0, 1) * np.sin(np.pi * 2.6 * since) ** 2
    local = Rotation.from_quat(quats.reshape(-1, 4)) * Rotation.from_rotvec(extra.reshape(-1, 3))
    rotvecs = local.as_rotvec().reshape(len(times), 55, 3)
    rotvecs[:, 0] = rng.normal(0, (0.03, 0.08, 0.02))  # the camera does not stand exactly before him
    return rotvecs


def _talking(cues: Sequence[Cue]) -> Iterator[tuple[float, float]]:
    """Give the stretches of speech between pauses."""
    words = [word for cue in cues for word in cue.words]
    start = words[0].start
    for word, following in pairwise(words):
        if following.start - word.end > 0.15:
            yield start, word.end
            start = following.start
    yield start, words[-1].end
