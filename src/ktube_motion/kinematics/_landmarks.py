"""Landmarks: named points on a body, as estimators give them, and where on the body they sit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError, ShapeError
from ..skeletons import SMPLH_52
from ..types import FrameSequence, checked_array, checked_fps

__all__ = ["BODY_LANDMARKS", "HAND_LANDMARKS", "LANDMARKS", "Landmarks"]

# MediaPipe's names and order.
BODY_LANDMARKS = tuple(
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
    "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_foot_index right_foot_index".split()
)
HAND_LANDMARKS = tuple(
    "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip index_mcp index_pip index_dip index_tip middle_mcp middle_pip "
    "middle_dip middle_tip ring_mcp ring_pip ring_dip ring_tip pinky_mcp pinky_pip pinky_dip pinky_tip".split()
)


@dataclass(frozen=True)
class Site:
    """Where a landmark sits: a joint of `SMPLH_52`, metres from it in the rest pose, and the points it moves with.

    `group` is ``body`` or, for the 21 points of a hand, ``left`` or ``right``: these say how a hand is
    shaped and turned, not where it is.
    """

    joint: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    group: str = "body"


def _sites() -> dict[str, Site]:
    joint = SMPLH_52.index
    sites = {name: Site(joint(name)) for name in SMPLH_52.joint_names}
    face = {
        "nose": (0, 0.045, 0.125), "left_eye_inner": (0.018, 0.078, 0.095), "left_eye": (0.032, 0.078, 0.092),
        "left_eye_outer": (0.046, 0.077, 0.085), "left_ear": (0.074, 0.055, 0.012), "mouth_left": (0.025, 0.005, 0.1),
    }  # fmt: skip
    for name, (x, y, z) in face.items():
        sites[name] = Site(15, (x, y, z))
        sites[_other_side(name)] = Site(15, (-x, y, z))
    for side, sign, wrist, ankle in (("left", 1, 20, 7), ("right", -1, 21, 8)):
        sites[f"{side}_pinky"] = Site(joint(f"{side}_pinky1"))
        sites[f"{side}_index"] = Site(joint(f"{side}_index1"))
        sites[f"{side}_thumb"] = Site(wrist, (sign * 0.058, -0.017, 0.05))  # its knuckle in a relaxed hand
        sites[f"{side}_heel"] = Site(ankle, (0.0, -0.06, -0.05))
        sites[f"{side}_foot_index"] = Site(ankle, (sign * 0.05, -0.06, 0.17))
        tips = {"thumb": (0.021, -0.003, 0.021), "index": (0.024, -0.003, 0.0), "middle": (0.025, -0.003, -0.003),
                "ring": (0.024, -0.003, -0.006), "pinky": (0.018, -0.003, -0.012)}  # fmt: skip
        for name in HAND_LANDMARKS:
            finger, _, part = name.partition("_")
            place = ("cmc mcp ip tip" if finger == "thumb" else "mcp pip dip tip").split().index(part) if part else 0
            carrier = wrist if not part else joint(f"{side}_{finger}{min(place, 2) + 1}")
            x, y, z = tips[finger] if part == "tip" else (0, 0, 0)
            sites[f"{side}_hand_{name}"] = Site(carrier, (sign * x, y, z), side)
    return sites


def _other_side(name: str) -> str:
    return name.replace("left", "right")


LANDMARKS = _sites()


@dataclass(frozen=True, eq=False, repr=False)
class Landmarks(FrameSequence):
    """Named points of one person over time.

    Attributes
    ----------
    names : tuple of str
        Some of `LANDMARKS`: joints of SMPL-X, MediaPipe's 33 pose landmarks,
        and its 21 of each hand as ``left_hand_wrist``, ``left_hand_thumb_cmc``, …
    points : float32 array [shape=(T, P, 3)]
        Metres, y up; a person who faces the camera faces +z. The origin of
        each frame, and that of each hand, may be anywhere.
    weights : float32 array [shape=(T, P)]
        How much a point counts, 0 to 1; 0 where it is not seen.
    pixels : float32 array [shape=(T, P, 2)] or None
        Where the points are in the picture, x right and y down, in heights
        of the picture from its middle.
    fps : float
    name : str

    Examples
    --------
    >>> clip = Landmarks(("nose", "left_wrist"), np.zeros((4, 2, 3)), fps=30)
    >>> clip.weights.shape, len(clip[1:3]), clip.select(["left_wrist"]).points.shape
    ((4, 2), 2, (4, 1, 3))
    """

    names: tuple[str, ...]
    points: np.ndarray
    weights: np.ndarray | None = None
    pixels: np.ndarray | None = None
    fps: float = field(kw_only=True)
    name: str = field(default="", kw_only=True)

    _per_frame = ("points", "weights", "pixels")

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        unknown = [name for name in self.names if name not in LANDMARKS]
        if unknown:
            raise ConfigError("These landmarks are not known.", expected=", ".join(LANDMARKS), found=unknown[:5])
        put("names", tuple(self.names))
        if len(set(self.names)) < len(self.names):
            raise ConfigError("Two landmarks have one name.", found=", ".join(self.names))
        put("points", checked_array(self.points, (None, len(self.names), 3), "points"))
        shape = self.points.shape[:2]
        put("weights", checked_array(np.ones(shape) if self.weights is None else self.weights, shape, "weights"))
        if self.pixels is not None:
            put("pixels", checked_array(self.pixels, (*shape, 2), "pixels"))
        put("fps", checked_fps(self.fps))
        unseen = self.require_weights() <= 0  # not for a weight that is no number
        known = [np.isfinite(part).all(-1) | unseen for part in (self.points, self.pixels) if part is not None]
        if not np.all(known) or not np.isfinite(self.require_weights()).all():
            raise ShapeError("A landmark that counts is no number.", where=self.name or None, fix="Give it weight 0.")

    @property
    def num_frames(self) -> int:
        """Number of frames ``T``."""
        return len(self.points)

    def _told(self) -> list[str]:
        return [f"{len(self.names)} landmarks", *([repr(self.name)] if self.name else [])]

    def require_weights(self) -> np.ndarray:
        """Give the weights ``(T, P)``, which are always there."""
        assert self.weights is not None
        return self.weights

    def select(self, names: Iterable[str]) -> "Landmarks":
        """Keep some landmarks, in the order given."""
        chosen = [self.names.index(name) for name in names]
        pixels = None if self.pixels is None else self.pixels[:, chosen]
        return Landmarks(
            tuple(self.names[k] for k in chosen), self.points[:, chosen], self.require_weights()[:, chosen], pixels,
            fps=self.fps, name=self.name,
        )  # fmt: skip
