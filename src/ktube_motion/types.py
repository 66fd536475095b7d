"""The few things that travel from room to room: poses, motion, words, statistics."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import DataError, ShapeError
from .skeletons import SMPLX_55, Skeleton

if TYPE_CHECKING:
    import torch

__all__ = ["Clip", "Cue", "FeatureStats", "Motion", "PoseSequence", "Utterance", "Word"]


def checked_array(
    value: npt.ArrayLike, shape: tuple[int | None, ...], name: str, dtype: npt.DTypeLike = np.float32
) -> np.ndarray:
    """Give `value` as a read-only array of `shape`; ``None`` in `shape` fits any size."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} is not numeric.", expected="an array of numbers", found=array.dtype)
    fits = array.ndim == len(shape) and all(w is None or w == h for w, h in zip(shape, array.shape, strict=True))
    if not fits:
        raise ShapeError(f"{name} has the wrong shape.", expected=shape, found=array.shape)
    array = array.astype(dtype, copy=False).view()
    array.flags.writeable = False
    return array


def checked_fps(fps: object) -> float:
    if not (isinstance(fps, (int, float, np.integer, np.floating)) and np.isfinite(fps) and fps > 0):
        raise DataError("fps must be a positive number.", found=repr(fps))
    return float(fps)


# The default of a field that ``__post_init__`` fills: None going in, an array ever after.
FILLED_LATER: Any = None

_Features = TypeVar("_Features", np.ndarray, "torch.Tensor")


class FrameSequence(ABC):
    """What every sequence of frames can do."""

    fps: float
    _per_frame: ClassVar[tuple[str, ...]]

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[type-var]  # every child is a dataclass

    @property
    @abstractmethod
    def num_frames(self) -> int:
        """Number of frames."""

    def __len__(self) -> int:
        return self.num_frames

    def __repr__(self) -> str:
        said = ", ".join([f"{self.num_frames} frames, {self.seconds:.2f} s at {self.fps:g} fps", *self._told()])
        return f"{type(self).__name__}({said})"

    @abstractmethod
    def _told(self) -> list[str]:
        """Say in a few words what is in the clip."""

    @property
    def seconds(self) -> float:
        """Length in seconds: frames divided by fps."""
        return self.num_frames / self.fps

    def __getitem__(self, frames: slice) -> Self:
        """Cut frames out: ``clip[10:50]`` (a slice, never a single number)."""
        if not isinstance(frames, slice):
            raise TypeError(f"Frames are cut with a slice, as clip[10:50], not with {frames!r}.")
        cut = {}
        for name in self._per_frame:
            value = getattr(self, name)
            cut[name] = None if value is None else value[frames]
        return self.replace(**cut)


@dataclass(frozen=True, eq=False, repr=False)
class PoseSequence(FrameSequence):
    """Whole-body SMPL-X poses of one person.

    Attributes
    ----------
    rotvecs : float32 array [shape=(T, 55, 3)]
        Local joint rotations, axis-angle in radians, in SMPL-X order
        (`skeletons.SMPLX_55`): root, 21 body joints, jaw, two eyes, 15 joints
        of the left hand, 15 of the right.
    transl : float32 array [shape=(T, 3)]
        Root translation in metres, y up.
    fps : float
        Frames per second.
    betas : float32 array [shape=(B,)]
        One body shape for the whole clip.
    expression : float32 array [shape=(T, E)]
        Facial expression coefficients; ``E`` may be 0.
    flat_hand_mean : bool
        False when hand rotations are relative to SMPL-X's mean hand, as
        estimators give them.
    valid : bool array [shape=(T,)]
        True where the estimator saw the person. Other frames hold zeros until
        `filters.fill_gaps` fills them.
    source : str
        Where the poses came from, for messages and manifests.
    trajectory : bool
        False where `transl` is no path through the world: it belongs to a
        virtual camera around the person's crop, as ``cam_trans`` does, or
        there is none. Joints, meshes and exports then stay on the spot, with
        the body at rest on the ground.

    Examples
    --------
    >>> poses = PoseSequence(rotvecs=np.zeros((40, 55, 3)), fps=20)
    >>> poses.body_pose.shape, poses.seconds, len(poses[10:20])
    ((40, 21, 3), 2.0, 10)
    >>> poses
    PoseSequence(40 frames, 2.00 s at 20 fps, all seen)
    """

    rotvecs: np.ndarray
    transl: np.ndarray = FILLED_LATER
    fps: float = field(kw_only=True)
    betas: np.ndarray = field(default_factory=lambda: np.zeros(10, np.float32), kw_only=True)
    expression: np.ndarray = field(default=FILLED_LATER, kw_only=True)
    flat_hand_mean: bool = field(default=False, kw_only=True)
    valid: np.ndarray = field(default=FILLED_LATER, kw_only=True)
    source: str = field(default="", kw_only=True)
    trajectory: bool = field(default=True, kw_only=True)

    _per_frame = ("rotvecs", "transl", "expression", "valid")

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("rotvecs", checked_array(self.rotvecs, (None, SMPLX_55.num_joints, 3), "rotvecs"))
        frames = len(self.rotvecs)
        defaults = {"transl": np.zeros((frames, 3)), "expression": np.zeros((frames, 0)), "valid": np.ones(frames)}
        for name, default in defaults.items():
            if getattr(self, name) is None:
                put(name, default)
        put("transl", checked_array(self.transl, (frames, 3), "transl"))
        put("expression", checked_array(self.expression, (frames, None), "expression"))
        put("valid", checked_array(self.valid, (frames,), "valid", bool))
        put("betas", checked_array(self.betas, (None,), "betas"))
        put("fps", checked_fps(self.fps))

    @property
    def num_frames(self) -> int:
        """Number of frames ``T``."""
        return len(self.rotvecs)

    def _told(self) -> list[str]:
        seen = int(self.valid.sum())
        told = ["all seen" if seen == len(self) else f"{seen} seen"]
        told += [] if self.trajectory else ["no trajectory"]
        return [*told, f"from {self.source!r}"] if self.source else told

    @property
    def global_orient(self) -> np.ndarray:
        """Root rotation, ``(T, 3)``."""
        return self.rotvecs[:, 0]

    @property
    def body_pose(self) -> np.ndarray:
        """The 21 body joints, ``(T, 21, 3)``."""
        return self.rotvecs[:, 1:22]

    @property
    def jaw_pose(self) -> np.ndarray:
        """Jaw rotation, ``(T, 3)``."""
        return self.rotvecs[:, 22]

    @property
    def eye_pose(self) -> np.ndarray:
        """Left and right eye, ``(T, 2, 3)``."""
        return self.rotvecs[:, 23:25]

    @property
    def left_hand_pose(self) -> np.ndarray:
        """The 15 joints of the left hand, ``(T, 15, 3)``."""
        return self.rotvecs[:, 25:40]

    @property
    def right_hand_pose(self) -> np.ndarray:
        """The 15 joints of the right hand, ``(T, 15, 3)``."""
        return self.rotvecs[:, 40:55]


@dataclass(frozen=True, eq=False, repr=False)
class Motion(FrameSequence):
    """Joint motion of one person; positions or rotations may be absent.

    Attributes
    ----------
    skeleton : Skeleton
        Joint names, parents and rest offsets.
    positions : float32 array [shape=(T, J, 3)] or None
        Global joint positions in metres (in the skeleton's own unit for KIT), y up.
    rotations : float32 array [shape=(T, J, 3, 3)] or None
        Local rotation matrices, joint in the frame of its parent.
    translation : float32 array [shape=(T, 3)] or None
        Root position.
    fps : float
        Frames per second.
    name : str
        What the motion is called: a clip name or the utterance it speaks.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> motion = Motion(skeleton=SMPL_22, positions=np.zeros((30, 22, 3)), fps=20, name="네, 맞아요.")
    >>> motion.seconds, motion
    (1.5, Motion(30 frames, 1.50 s at 20 fps, smpl_22, positions, '네, 맞아요.'))
    """

    skeleton: Skeleton
    positions: np.ndarray | None = None
    rotations: np.ndarray | None = None
    translation: np.ndarray | None = None
    fps: float = field(kw_only=True)
    name: str = field(default="", kw_only=True)

    _per_frame = ("positions", "rotations", "translation")

    def __post_init__(self) -> None:
        joints = self.skeleton.num_joints
        if self.positions is None and self.rotations is None:
            raise DataError("A Motion needs positions or rotations.", found="neither")
        shapes = {"positions": (None, joints, 3), "rotations": (None, joints, 3, 3), "translation": (None, 3)}
        for name, shape in shapes.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked_array(getattr(self, name), shape, name))
        lengths = {name: len(getattr(self, name)) for name in shapes if getattr(self, name) is not None}
        if len(set(lengths.values())) > 1:
            raise ShapeError("The parts of a Motion differ in length.", expected="one length", found=lengths)
        object.__setattr__(self, "fps", checked_fps(self.fps))

    @property
    def num_frames(self) -> int:
        """Number of frames ``T``."""
        return len(self.positions if self.positions is not None else self.require("rotations"))

    def _told(self) -> list[str]:
        parts = " and ".join(name for name in self._per_frame if getattr(self, name) is not None)
        return [self.skeleton.name, parts, *([repr(self.name)] if self.name else [])]

    def require(self, part: str) -> np.ndarray:
        """Give positions, rotations or translation by name; `DataError` where this motion has none."""
        value = getattr(self, part)
        if value is None:
            fix = "Use kinematics: forward_kinematics gives positions, inverse_kinematics rotations."
            raise DataError(f"This motion has no {part}.", where=self.name or None, fix=fix)
        return value


# In a signature: the kind that goes in is the kind that comes out.
Clip = TypeVar("Clip", PoseSequence, Motion)


@dataclass(frozen=True)
class Word:
    """One spoken word and its time in seconds.

    Attributes
    ----------
    start, end : float
        When it is said.
    text : str
    source : str
        Where the time comes from: ``"given"`` by the transcript, ``"aligned"`` with the
        sound, or ``"estimated"`` from the syllables of its cue.

    Examples
    --------
    >>> Word(0.4, 0.9, "여러분").source
    'given'
    """

    start: float
    end: float
    text: str
    source: str = "given"


@dataclass(frozen=True)
class Cue:
    """One subtitle: a text shown from `start` to `end` (seconds), with word times and the speaker if known.

    ``other`` is what a bilingual subtitle shows beside it in another language.

    Examples
    --------
    >>> Cue(1.0, 3.5, "여러분 안녕하세요.").seconds
    2.5
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str = field(default="", kw_only=True)
    other: str = field(default="", kw_only=True, repr=False)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class Utterance(Cue):
    """One sentence-like stretch of speech; ``tokens`` are its (word, POS) pairs when tagged.

    Examples
    --------
    >>> Utterance(0.0, 1.0, "네.", tokens=(("네", "INTJ"),)).tokens
    (('네', 'INTJ'),)
    """

    tokens: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class FeatureStats:
    """Mean and standard deviation of motion features, each ``(D,)``; `std` is never zero.

    Examples
    --------
    >>> stats = FeatureStats(mean=np.ones(3), std=np.full(3, 2.0))
    >>> stats.normalize(np.array([3.0, 1.0, 1.0], dtype=np.float32))
    array([1., 0., 0.], dtype=float32)
    """

    mean: np.ndarray
    std: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", checked_array(self.mean, (None,), "mean"))
        object.__setattr__(self, "std", checked_array(self.std, self.mean.shape, "std"))
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise DataError(
                "Feature statistics must be finite with a positive std.",
                found=f"{int((~np.isfinite(self.mean)).sum())} of {len(self.mean)} means are no number, "
                f"{int((~(np.isfinite(self.std) & (self.std > 0))).sum())} deviations are none, zero or negative",
                fix="Recompute them with ktube_motion.features.feature_stats, which sets constant groups to 1.",
            )

    def __repr__(self) -> str:
        return f"FeatureStats({len(self.mean)} numbers a frame)"

    def normalize(self, features: _Features) -> _Features:
        """Map features ``(..., D)`` to zero mean and unit deviation."""
        mean, std = self._like(features)
        return (features - mean) / std

    def denormalize(self, features: _Features) -> _Features:
        """Invert `normalize`."""
        mean, std = self._like(features)
        return features * std + mean

    def _like(self, features: _Features) -> tuple[_Features, _Features]:
        if features.shape[-1:] != self.mean.shape:
            raise ShapeError(
                "Features and their statistics differ in size.", expected=len(self.mean), found=features.shape
            )
        if isinstance(features, np.ndarray):
            return self.mean, self.std
        return features.new_tensor(self.mean), features.new_tensor(self.std)
