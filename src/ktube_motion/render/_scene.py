"""What every picture needs first: checked motions at one rate, a camera that frames them, words in time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from ..arrays import check_finite
from ..errors import ConfigError, ShapeError
from ..io._word_times import check_times
from ..kinematics import Body, forward_kinematics, load_body, pose_to_joints
from ..kinematics import finish as finish_clip
from ..kinematics._ground import on_ground
from ..skeletons import SMPLH_52
from ..types import Cue, Motion, PoseSequence

_FINE = ("index", "middle", "ring", "pinky", "little", "thumb", "eye", "jaw")

Clips: TypeAlias = Motion | PoseSequence | Sequence[Motion | PoseSequence]
Subtitles: TypeAlias = str | Cue | Sequence[Cue] | None

__all__ = [
    "Camera",
    "Clips",
    "Subtitles",
    "as_clips",
    "as_cues",
    "as_motion",
    "check_clip",
    "current_cue",
    "finished",
    "follow_path",
    "frame_camera",
    "head_of",
    "is_fine",
    "on_floor",
    "reach",
    "resample_positions",
    "side_of",
    "walks",
]


@dataclass(frozen=True)
class Camera:
    """A perspective camera that looks at a target from a fixed direction.

    Attributes
    ----------
    distance : float
        Metres from the target.
    azimuth, elevation : float
        Direction of the camera seen from the target, radians; 0, 0 is +z, in
        front of a body that faces +z.
    focal : float
        Pixels.
    center : tuple of float
        Pixel where the target appears, x right and y down.

    Examples
    --------
    >>> camera = Camera(distance=2.0, focal=100.0, center=(50.0, 40.0))
    >>> camera.project(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), np.zeros(3))[0].tolist()
    [[50.0, 40.0], [100.0, 40.0]]
    """

    distance: float
    focal: float
    center: tuple[float, float]
    azimuth: float = 0.0
    elevation: float = 0.0

    @cached_property
    def axes(self) -> np.ndarray:
        """Rows: right, up, and towards the camera."""
        a, e = self.azimuth, self.elevation
        right = (np.cos(a), 0.0, -np.sin(a))
        up = (-np.sin(a) * np.sin(e), np.cos(e), -np.cos(a) * np.sin(e))
        back = (np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e))
        return np.array([right, up, back])

    def project(self, points: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give pixels ``(..., 2)``, x right and y down, and depths ``(...)`` in metres."""
        seen = (points - target) @ self.axes.T
        depth = np.maximum(self.distance - seen[..., 2], 1e-3)
        pixels = seen[..., :2] * (self.focal / depth)[..., None] * (1, -1) + self.center
        return pixels, depth


def frame_camera(
    points: np.ndarray,
    targets: np.ndarray,
    *,
    size: tuple[int, int],
    top: float = 0.0,
    bottom: float = 0.0,
    azimuth: float = 0.0,
    elevation: float = 0.2,
    zoom: float = 1.0,
) -> Camera:
    """Place a camera so that all `points` stay in the picture.

    Parameters
    ----------
    points : array [shape=(T, N, 3)]
        What must be seen, metres.
    targets : array [shape=(T, 3)]
        Where the camera looks in each frame.
    size : tuple of int
        Width and height of the picture, pixels.
    top, bottom : float
        Pixels kept free for words.
    azimuth, elevation : float
        Radians; see `Camera`.
    zoom : float
        Above 1 comes closer than framing everything.

    Returns
    -------
    camera : Camera

    Examples
    --------
    >>> frame_camera(np.ones((1, 1, 3)), np.zeros((1, 3)), size=(100, 100)).distance > 1
    True
    """
    width, height = size
    free = max(height - top - bottom, height / 4)
    focal = 1.9 * height
    camera = Camera(1.0, focal, (width / 2, top + free / 2), azimuth, elevation)
    seen = np.abs((points - targets[:, None]) @ camera.axes.T * (1, 1, 0))
    towards = (points - targets[:, None]) @ camera.axes[2]
    margin = 0.88 / 2
    needed = np.maximum(seen[..., 0] * focal / (margin * width), seen[..., 1] * focal / (margin * free)) + towards
    return Camera(max(float(needed.max()), 0.5) / zoom, focal, camera.center, azimuth, elevation)


def on_floor(points: np.ndarray, floor: float) -> np.ndarray:
    """Drop points ``(..., 3)`` to the height `floor`."""
    return np.multiply(points, [1, 0, 1]) + np.array([0, floor, 0])


def reach(positions: np.ndarray, floor: float) -> np.ndarray:
    """Give what a camera must frame ``(T, 2 J, 3)``: joints with room for a head, and their shadow."""
    return np.concatenate([np.add(positions, [0, 0.12, 0]), on_floor(positions, floor)], 1)


def follow_path(positions: np.ndarray, *, fps: float) -> np.ndarray:
    """Choose where the camera looks: one point for a speaker who stays, a smooth path for one who walks.

    Parameters
    ----------
    positions : array [shape=(T, J, 3)]
        Metres.
    fps : float

    Returns
    -------
    targets : array [shape=(T, 3)]

    Examples
    --------
    >>> follow_path(np.zeros((5, 22, 3)), fps=20).shape
    (5, 3)
    """
    from scipy.ndimage import gaussian_filter1d

    low, high = positions.min((0, 1)), positions.max((0, 1))
    middle = (low + high) / 2
    root = positions[:, 0]
    if np.ptp(root[:, (0, 2)], axis=0).max() < 1.5:
        return np.repeat(middle[None], len(positions), 0)
    path = gaussian_filter1d(root.astype(np.float64), 0.5 * fps, axis=0, mode="nearest")
    path[:, 1] = middle[1]
    return path


def walks(positions: np.ndarray) -> bool:
    """Tell whether the root of ``(T, J, 3)`` goes anywhere: then its path is worth a line on the ground.

    Examples
    --------
    >>> walks(np.zeros((5, 22, 3)))
    False
    """
    return bool(np.ptp(positions[:, 0, (0, 2)], axis=0).max() > 0.6)


def finished(clip: Motion | PoseSequence, *, body: Body | None = None) -> Motion | PoseSequence:
    """Give what every file shows of a clip, so that a motion is the same in all of them.

    Joints without rotations, as models write them, are finished (`kinematics.finish`). Rotations and poses have rigid
    bones and stay as they are; poses whose floor is far from the ground, as in a camera's frame, are set on it.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> motion = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(5, 22, 3)), fps=20)
    >>> lengths = np.linalg.norm(np.diff(finished(motion).positions[:, [18, 20]], axis=1), axis=-1)
    >>> bool(np.ptp(lengths) < 1e-5)
    True
    """
    if isinstance(clip, Motion):
        return clip if clip.rotations is not None else finish_clip(clip)[0]
    return on_ground(clip, load_body() if body is None else body) if clip.valid.all() else clip


def as_motion(item: Motion | PoseSequence, *, finish: bool) -> Motion:
    """Give any clip as a Motion with positions in metres.

    Parameters
    ----------
    item : Motion or PoseSequence
        Poses become 52 joints of the embedded body.
    finish : bool
        Take what all files show (`finished`), not what is given.

    Returns
    -------
    motion : Motion
        Its positions are finite and hold at least one frame.

    Raises
    ------
    ConfigError
        If `item` is something else.
    ShapeError
        If there is no frame.
    DataError
        If a number is NaN or infinite.

    Examples
    --------
    >>> from ktube_motion.skeletons import KIT_21
    >>> motion = Motion(skeleton=KIT_21, positions=np.full((2, 21, 3), 500.0), fps=12.5)
    >>> as_motion(motion, finish=False).positions[0, 0]
    array([0.5, 0.5, 0.5], dtype=float32)
    """
    check_clip(item)
    item = finished(item) if finish else item
    if isinstance(item, PoseSequence):
        item = pose_to_joints(item, skeleton=SMPLH_52)
    if item.positions is None:
        root = np.zeros((len(item), 3), np.float32) if item.translation is None else item.translation
        item = item.replace(positions=forward_kinematics(item.require("rotations"), root, skeleton=item.skeleton))
    return item.replace(positions=item.require("positions") * item.skeleton.metres_per_unit)


def check_clip(item: Motion | PoseSequence) -> None:
    """Raise unless `item` is a Motion or PoseSequence with at least one frame and only finite numbers.

    Examples
    --------
    >>> check_clip(PoseSequence(rotvecs=np.zeros((0, 55, 3)), fps=20))
    Traceback (most recent call last):
    ktube_motion.errors.ShapeError: The clip has no frames. Expected: 1 or more. Found: 0.
    """
    if not isinstance(item, Motion | PoseSequence):
        raise ConfigError("This is no clip.", expected="a Motion or a PoseSequence", found=type(item).__name__)
    where = (item.source if isinstance(item, PoseSequence) else item.name) or None
    if item.num_frames == 0:
        raise ShapeError("The clip has no frames.", where=where, expected="1 or more", found=0)
    for name in ("rotvecs", "transl", "positions", "rotations", "translation"):
        if getattr(item, name, None) is not None:
            check_finite(getattr(item, name), name=name, where=where)


def as_clips(items: Clips, *, finish: bool) -> list[Motion]:
    """Give one clip or several as a list of Motions in metres; see `as_motion`."""
    if isinstance(items, Motion | PoseSequence):
        items = [items]
    clips = [as_motion(item, finish=finish) for item in items]
    if not clips:
        raise ConfigError("There is no motion to show.", expected="at least one")
    return clips


def resample_positions(positions: np.ndarray, *, source_fps: float, fps: float, frames: int) -> np.ndarray:
    """Give positions at ``frames`` moments ``0, 1/fps, …``; the last one is held.

    Examples
    --------
    >>> resample_positions(np.arange(3.0)[:, None], source_fps=10, fps=20, frames=6)[:, 0].tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
    """
    place = np.minimum(np.arange(frames) * (source_fps / fps), len(positions) - 1)
    first = np.floor(place + 1e-6).astype(int)
    share = np.maximum(place - first, 0).reshape(-1, *[1] * (positions.ndim - 1)).astype(positions.dtype)
    return positions[first] * (1 - share) + positions[np.minimum(first + 1, len(positions) - 1)] * share


def as_cues(words: Subtitles) -> list[Cue]:
    """Give a sentence or a list of cues as cues; a sentence is shown all the time.

    Parameters
    ----------
    words : None, str, Cue or sequence of Cue

    Returns
    -------
    cues : list of Cue
        A cue from 0 to 0 means the whole clip.

    Raises
    ------
    ConfigError
        If `words` is something else.
    DataError
        If a cue's times are no times.

    Examples
    --------
    >>> as_cues("안녕하세요")
    [Cue(start=0.0, end=0.0, text='안녕하세요', words=(), speaker='')]
    """
    if words is None:
        return []
    if isinstance(words, str):
        return [Cue(0.0, 0.0, words)] if words.strip() else []
    if isinstance(words, Cue):
        words = [words]
    cues = [cue for cue in words if isinstance(cue, Cue)] if isinstance(words, Sequence) else None
    if cues is None or len(cues) < len(words):
        raise ConfigError("Subtitles are not understood.", expected="text or a list of Cue", found=repr(words)[:80])
    check_times(cues)
    return cues


def side_of(name: str) -> str:
    """Tell "left", "right" or "middle" from the name of a joint, as any rig writes it.

    Examples
    --------
    >>> [side_of(name) for name in ("left_knee", "UpperLeg_R", "mixamorig:LeftArm", "leftHand", "neck")]
    ['left', 'right', 'left', 'left', 'middle']
    """
    for side in ("left", "right"):
        if side in name.lower() or re.search(rf"(^|[_.:]){side[0]}([_.:]|$)", name.lower()):
            return side
    return "middle"


def is_fine(name: str) -> bool:
    """Tell whether a joint belongs to a finger or the face, which are drawn thin."""
    return any(part in name.lower() for part in _FINE)


def head_of(names: Sequence[str]) -> int | None:
    """Give the joint that carries the head, or None.

    Examples
    --------
    >>> head_of(["Hips", "mixamorig:Head", "HeadTop"])
    1
    """
    found = [joint for joint, name in enumerate(names) if joint > 0 and name.lower().split(":")[-1] == "head"]
    return found[0] if found else None


def current_cue(cues: Sequence[Cue], time: float) -> Cue | None:
    """Give what is shown at `time` seconds; None between cues.

    Examples
    --------
    >>> current_cue([Cue(0.0, 1.0, "하나"), Cue(1.0, 2.0, "둘")], 1.0).text
    '둘'
    """
    whole = lambda cue: cue.start == 0 and cue.end == 0  # noqa: E731
    shown = [cue for cue in cues if cue.start <= time < cue.end] or [cue for cue in cues if whole(cue)]
    return shown[0] if shown else None
