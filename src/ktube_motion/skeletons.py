"""The skeletons of the field: joint names, parents, chains, rest offsets, mirror pairs."""

from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any

import numpy as np

from .errors import ConfigError

__all__ = ["KIT_21", "SMPLH_52", "SMPLX_55", "SMPL_22", "Skeleton"]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree of joints with a rest pose; immutable and shared.

    Attributes
    ----------
    name : str
        One of ``smpl_22``, ``kit_21``, ``smplh_52``, ``smplx_55``, or that of a file.
    joint_names : tuple of str
    parents : tuple of int
        ``parents[0] == -1`` and ``parents[j] < j``.
    chains : tuple of tuple of int
        Root-to-tip paths, as HumanML3D draws and recurses them.
    offsets : float32 array [shape=(J, 3)]
        Bone vectors from parent to joint in the rest pose, y up, facing +z.
        For 22 and 21 joints the published target skeletons, whose bones lie
        along an axis; for 52 and 55 the embedded body's rest pose.
    hips, shoulders : tuple of int
        (left, right) joints that tell the motion codec where the body faces.
        These and the next are None in a foreign skeleton whose names tell nothing.
    left_foot, right_foot : tuple of int
        (ankle, toe) joints whose contact is recorded.
    lower_leg : tuple of int
        The two joints whose offsets measure the leg when sizes are compared.
    contact_threshold : float
        Squared displacement per frame under which a foot stands still.
    metres_per_unit : float
        1, or 0.001 for KIT-ML's millimetre-like unit.

    Examples
    --------
    >>> SMPL_22.joint_names[20], SMPL_22.parents[20], SMPL_22.feature_size
    ('left_wrist', 18, 263)
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    chains: tuple[tuple[int, ...], ...]
    offsets: np.ndarray
    hips: tuple[int, int] | None = field(default=None, kw_only=True)
    shoulders: tuple[int, int] | None = field(default=None, kw_only=True)
    left_foot: tuple[int, int] | None = field(default=None, kw_only=True)
    right_foot: tuple[int, int] | None = field(default=None, kw_only=True)
    lower_leg: tuple[int, int] | None = field(default=None, kw_only=True)
    contact_threshold: float = field(default=0.002, kw_only=True)
    metres_per_unit: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        self.offsets.flags.writeable = False

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {self.num_joints} joints)"

    def __reduce__(self) -> tuple[Any, ...]:
        if _SKELETONS.get(self.name) is self:
            return Skeleton.named, (self.name,)  # these are shared: a copy in a worker is the same one
        return _rebuild, ({item.name: getattr(self, item.name) for item in fields(self)},)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Skeleton":
        return self

    @staticmethod
    def named(name: str) -> "Skeleton":
        """Look a skeleton up by its name.

        Raises
        ------
        ConfigError
            If there is no such skeleton.

        Examples
        --------
        >>> Skeleton.named("kit_21")
        Skeleton('kit_21', 21 joints)
        """
        if name not in _SKELETONS:
            raise ConfigError("Unknown skeleton.", expected=f"one of {', '.join(_SKELETONS)}", found=repr(name))
        return _SKELETONS[name]

    @staticmethod
    def for_feature_size(size: int) -> "Skeleton":
        """Find the skeleton whose motion vectors have `size` numbers (263, 251, 623).

        Raises
        ------
        ConfigError
            If no skeleton has such vectors.

        Examples
        --------
        >>> Skeleton.for_feature_size(263)
        Skeleton('smpl_22', 22 joints)
        """
        for skeleton in (SMPL_22, KIT_21, SMPLH_52):
            if skeleton.feature_size == size:
                return skeleton
        raise ConfigError("No skeleton has motion vectors of this size.", expected="263, 251 or 623", found=size)

    @property
    def num_joints(self) -> int:
        """Number of joints ``J``."""
        return len(self.parents)

    @property
    def feature_size(self) -> int:
        """Size of a HumanML3D motion vector: ``12 J - 1``."""
        return 12 * self.num_joints - 1

    @cached_property
    def bone_lengths(self) -> np.ndarray:
        """Length of the bone that ends in each joint, float32 ``(J,)``; 0 for the root."""
        return np.linalg.norm(self.offsets, axis=-1).astype(np.float32)

    @cached_property
    def bone_directions(self) -> np.ndarray:
        """Unit direction of each bone in the rest pose, float32 ``(J, 3)``; zeros for the root."""
        return (self.offsets / np.maximum(self.bone_lengths, 1e-12)[:, None]).astype(np.float32)

    @cached_property
    def mirror(self) -> np.ndarray:
        """Index of the joint on the other side, ``(J,)``; middle joints name themselves."""
        swap = {"left": "right", "right": "left"}
        other = [
            swap[name.split("_")[0]] + name[name.index("_") :] if name.split("_")[0] in swap else name
            for name in self.joint_names
        ]
        return np.array([self.joint_names.index(name) for name in other])

    def pair(self, name: str) -> tuple[int, int]:
        """Give the two joints of ``"hips"``, ``"shoulders"``, ``"left_foot"``, ``"right_foot"`` or ``"lower_leg"``.

        Raises
        ------
        ConfigError
            If this skeleton does not say which they are.

        Examples
        --------
        >>> SMPL_22.pair("hips")
        (1, 2)
        """
        joints: tuple[int, int] | None = getattr(self, name)
        if joints is None:
            raise ConfigError(f"{self.name} does not say where its {name} is.", fix=f"Make it with {name}=(…, …).")
        return joints

    def index(self, joint: str) -> int:
        """Give the index of a joint by its name."""
        if joint not in self.joint_names:
            raise ConfigError(f"{self.name} has no joint {joint!r}.", expected=", ".join(self.joint_names))
        return self.joint_names.index(joint)


def _rebuild(values: dict[str, Any]) -> Skeleton:
    return Skeleton(**values)


_BODY = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
).split()
_BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_BODY_CHAINS = (
    (0, 2, 5, 8, 11),
    (0, 1, 4, 7, 10),
    (0, 3, 6, 9, 12, 15),
    (9, 14, 17, 19, 21),
    (9, 13, 16, 18, 20),
)
_human = partial(Skeleton, hips=(1, 2), shoulders=(16, 17), left_foot=(7, 10), right_foot=(8, 11), lower_leg=(5, 8))

_FINGERS = [f"{finger}{k}" for finger in ("index", "middle", "pinky", "ring", "thumb") for k in (1, 2, 3)]


def _hand(side: str, wrist: int, first: int) -> tuple[list[str], list[int], list[tuple[int, ...]]]:
    """Names, parents and chains of one hand whose joints start at index `first`."""
    names = [f"{side}_{finger}" for finger in _FINGERS]
    parents = [wrist if k % 3 == 0 else first + k - 1 for k in range(15)]
    chains: list[tuple[int, ...]] = [(wrist, first + k, first + k + 1, first + k + 2) for k in range(0, 15, 3)]
    return names, parents, chains


def _along_axes(*bones: tuple[int, float]) -> np.ndarray:
    """Offsets that lie along one axis each, from ``(axis, signed length)`` pairs."""
    offsets = np.zeros((len(bones) + 1, 3), np.float32)
    for joint, (axis, length) in enumerate(bones, start=1):
        offsets[joint, axis] = length
    return offsets


_X, _Y, _Z = 0, 1, 2

# HumanML3D's target skeleton: the bones of its clip 000021.
SMPL_22 = _human(
    "smpl_22",
    tuple(_BODY),
    _BODY_PARENTS,
    _BODY_CHAINS,
    _along_axes(
        (_X, 0.103073969),
        (_X, -0.109883368),
        (_Y, 0.131568238),
        (_Y, -0.393623203),
        (_Y, -0.390188217),
        (_Y, 0.14319022),
        (_Y, -0.432433069),
        (_Y, -0.425643355),
        (_Y, 0.0573647358),
        (_Z, 0.143381819),
        (_Z, 0.149419069),
        (_Y, 0.219360054),
        (_X, 0.137486771),
        (_X, -0.143382832),
        (_Z, 0.10303922),
        (_Y, -0.131614044),
        (_Y, -0.12298438),
        (_Y, -0.256839991),
        (_Y, -0.263091743),
        (_Y, -0.266011715),
        (_Y, -0.269876391),
    ),
)

_KIT_NAMES = (
    "root spine1 spine2 neck head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist "
    "left_hip left_knee left_ankle left_heel left_foot right_hip right_knee right_ankle right_heel right_foot"
).split()
KIT_21 = Skeleton(
    "kit_21",
    tuple(_KIT_NAMES),
    (-1, 0, 1, 2, 3, 3, 5, 6, 3, 8, 9, 0, 11, 12, 13, 14, 0, 16, 17, 18, 19),
    ((0, 11, 12, 13, 14, 15), (0, 16, 17, 18, 19, 20), (0, 1, 2, 3, 4), (3, 5, 6, 7), (3, 8, 9, 10)),
    _along_axes(
        (_Y, 97.8867569),
        (_Y, 148.627869),
        (_Y, 163.203857),
        (_Y, 76.6611633),
        (_X, 161.730621),
        (_Y, -195.740265),
        (_Y, -200.787994),
        (_X, -182.892548),
        (_Y, -191.088852),
        (_Y, -197.912811),
        (_X, 81.7532272),
        (_Y, -290.300018),
        (_Y, -316.67868),
        (_Z, 111.167793),
        (_Z, 44.4671173),
        (_X, -76.6870422),
        (_Y, -292.855652),
        (_Y, -321.730133),
        (_Z, 106.676056),
        (_Z, 42.6704216),
    ),
    # The published KIT-ML vectors were made with left and right exchanged here: joints 11 and 5 taken for the right.
    hips=(16, 11),
    shoulders=(8, 5),
    left_foot=(19, 20),
    right_foot=(14, 15),
    lower_leg=(17, 18),
    contact_threshold=0.05,
    metres_per_unit=0.001,
)

# Rest pose (T, flat hands) of the embedded mannequin body with zero betas, whose joints follow neutral SMPL-X.
_BODY_REST = (
    (0.00000, 0.00000, 0.00000),
    (0.05819, -0.09276, -0.02600),
    (-0.06327, -0.10391, -0.02125),
    (-0.00276, 0.10989, -0.02762),
    (0.05470, -0.37875, -0.00940),
    (-0.04421, -0.36238, -0.01682),
    (0.00945, 0.13185, -0.00594),
    (-0.04345, -0.40306, -0.03188),
    (0.01542, -0.41073, -0.02019),
    (-0.01133, 0.05224, 0.02845),
    (0.04726, -0.05800, 0.11822),
    (-0.03881, -0.05833, 0.11905),
    (-0.01216, 0.16517, -0.03162),
    (0.04636, 0.08494, -0.00722),
    (-0.04769, 0.08434, -0.01340),
    (0.02478, 0.16045, 0.02074),
    (0.11924, 0.05773, -0.01546),
    (-0.10258, 0.05352, -0.01267),
    (0.25412, -0.07215, -0.04246),
    (-0.27115, -0.03649, -0.02647),
    (0.25199, 0.02322, -0.00247),
    (-0.24927, -0.00453, -0.01533),
)
_LEFT_HAND_REST = (
    (0.10190, -0.00869, 0.01935),
    (0.03195, 0.00222, 0.00301),
    (0.02254, -0.00235, 0.00005),
    (0.10940, -0.00633, -0.00398),
    (0.03061, 0.00081, -0.00402),
    (0.02352, -0.00201, -0.00411),
    (0.08405, -0.01454, -0.04375),
    (0.01547, -0.00113, -0.01200),
    (0.01553, -0.00166, -0.01122),
    (0.09744, -0.00927, -0.02734),
    (0.02805, 0.00149, -0.00527),
    (0.02282, -0.00146, -0.00709),
    (0.04064, -0.01798, 0.02561),
    (0.01702, 0.00098, 0.02498),
    (0.02052, -0.00516, 0.01552),
)
_RIGHT_HAND_REST = (
    (-0.09988, -0.01178, 0.01960),
    (-0.03195, 0.00222, 0.00301),
    (-0.02254, -0.00235, 0.00006),
    (-0.10738, -0.00942, -0.00373),
    (-0.03061, 0.00081, -0.00402),
    (-0.02352, -0.00201, -0.00411),
    (-0.08203, -0.01763, -0.04350),
    (-0.01547, -0.00113, -0.01200),
    (-0.01553, -0.00166, -0.01122),
    (-0.09542, -0.01236, -0.02710),
    (-0.02805, 0.00149, -0.00527),
    (-0.02282, -0.00146, -0.00709),
    (-0.03861, -0.02107, 0.02586),
    (-0.01702, 0.00098, 0.02498),
    (-0.02053, -0.00516, 0.01552),
)
# Approximate: the embedded body has a head but neither jaw nor eyes.
_FACE_REST = ((0.0, -0.0006, 0.0290), (0.0316, 0.0684, 0.0800), (-0.0316, 0.0684, 0.0800))

_LEFT, _RIGHT = _hand("left", 20, 22), _hand("right", 21, 37)
SMPLH_52 = _human(
    "smplh_52",
    (*_BODY, *_LEFT[0], *_RIGHT[0]),
    (*_BODY_PARENTS, *_LEFT[1], *_RIGHT[1]),
    (*_BODY_CHAINS, *_LEFT[2], *_RIGHT[2]),
    np.array((*_BODY_REST, *_LEFT_HAND_REST, *_RIGHT_HAND_REST), np.float32),
)

_LEFT, _RIGHT = _hand("left", 20, 25), _hand("right", 21, 40)
SMPLX_55 = _human(
    "smplx_55",
    (*_BODY, "jaw", "left_eye", "right_eye", *_LEFT[0], *_RIGHT[0]),
    (*_BODY_PARENTS, 15, 15, 15, *_LEFT[1], *_RIGHT[1]),
    (*_BODY_CHAINS, (15, 22), (15, 23), (15, 24), *_LEFT[2], *_RIGHT[2]),
    np.array((*_BODY_REST, *_FACE_REST, *_LEFT_HAND_REST, *_RIGHT_HAND_REST), np.float32),
)

_SKELETONS = {skeleton.name: skeleton for skeleton in (SMPL_22, KIT_21, SMPLH_52, SMPLX_55)}
