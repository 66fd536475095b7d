"""Reading BVH motion capture files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import ConfigError, DataError, FormatError
from ..skeletons import Skeleton
from ..types import Motion
from ._files import read_text

__all__ = ["load_bvh"]

_METRES = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254}
_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_MOST_JOINTS = 2_000
_STRETCH = 1e-3  # metres a bone may change in length before the file counts as having moving bones


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: list[tuple[str, str]] = field(default_factory=list)


def load_bvh(path: str | Path, *, unit: str = "cm") -> Motion:
    """Load a BVH file: rotations, root path and the skeleton of the file.

    Parameters
    ----------
    path : path
    unit : {"cm", "m", "dm", "mm", "in"} or float
        Length unit of the file, or its size in metres. BVH does not say.

    Returns
    -------
    motion : Motion
        ``rotations`` (T, J, 3, 3) local, ``translation`` (T, 3) of the root
        in metres, ``skeleton`` with the file's joint names and offsets in
        metres. End sites are not joints. Axes are those of the file (y up by
        custom). ``positions`` is None, since forward kinematics gives them,
        unless bones change their length in the file.

    Raises
    ------
    ConfigError
        If the unit is unknown.
    FormatError
        If the file is cut off or not BVH; the message names the line.
    DataError
        If a number is NaN or infinite.

    Notes
    -----
    Channels apply in the order of the file, whatever it is. Position channels
    give a joint's place in its parent, instead of its offset. For joints
    other than the root, the median over the clip becomes the offset. Where
    that loses more than a millimetre: a root that only holds one travelling
    joint (Bandai Namco's ``joint_Root``) is folded into that joint, which
    becomes the root; any other travelling joint fills ``positions`` with
    the exact places. A frame time that was rounded in the file (0.0333333)
    gives the whole frame rate next to it (30).

    Hips, shoulders, feet and lower legs of the skeleton are found by name,
    and are None where the names tell nothing.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.bvh"
    >>> _ = path.write_text('''HIERARCHY
    ... ROOT Hips
    ... {
    ...   OFFSET 0 0 0
    ...   CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
    ...   JOINT Spine { OFFSET 0 20 0 CHANNELS 3 Zrotation Xrotation Yrotation End Site { OFFSET 0 9 0 } }
    ... }
    ... MOTION
    ... Frames: 1
    ... Frame Time: 0.05
    ... 0 90 0 0 0 0 0 0 90''')
    >>> motion = load_bvh(path)
    >>> motion.fps, motion.translation, motion.skeleton.joint_names
    (20.0, array([[0. , 0.9, 0. ]], dtype=float32), ('Hips', 'Spine'))
    """
    scale = _METRES.get(unit) if isinstance(unit, str) else unit
    if scale is None or isinstance(scale, bool) or not np.isfinite(scale) or scale <= 0:
        raise ConfigError("Unknown length unit.", expected=f"{', '.join(_METRES)} or a number", found=repr(unit))
    lines = read_text(path).split("\n")
    joints, start = _read_hierarchy(lines, path)
    values, fps = _read_motion(lines, start, sum(len(joint.channels) for joint in joints), path)
    rotations, places = _apply_channels(joints, values, scale)
    joints, rotations, places = _fold_anchor(joints, rotations, places)
    offsets = np.median(places, axis=0)
    offsets[0] = 0
    stretched = np.abs(places[:, 1:] - offsets[1:]).max(initial=0) > _STRETCH
    parents = tuple(joint.parent for joint in joints)
    return Motion(
        skeleton=_skeleton(Path(path).stem, joints, offsets),
        positions=_global_positions(parents, rotations, places) if stretched else None,
        rotations=rotations,
        translation=places[:, 0],
        fps=fps,
        name=Path(path).stem,
    )


def _statements(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield (line number, statement); a brace is a statement wherever it stands."""
    # A name that is a keyword too, as in "ROOT root", starts no statement.
    keyword = re.compile(
        r"([{}])|\b(?<!ROOT )(?<!JOINT )(?=(?:ROOT|JOINT|End\s+Site|OFFSET|CHANNELS)\b)", re.IGNORECASE
    )
    for number, line in enumerate(lines, start=1):
        for part in keyword.split(re.sub(r"[ \t]+", " ", line)):
            if part and part.strip():
                yield number, part.strip()


def _read_hierarchy(lines: Sequence[str], path: str | Path) -> tuple[list[_Joint], int]:
    """Read the joints; give them and the number of the line after MOTION."""
    joints: list[_Joint] = []
    stack: list[int | None] = []
    pending: tuple[int | None] | None = None
    for number, text in _statements(lines):
        where = f"{path}, line {number}"
        word, _, rest = text.partition(" ")
        word = word.upper()
        if word == "MOTION":
            if stack or pending or not joints:
                raise FormatError("The hierarchy is not complete.", where=where, expected="every { closed by a }")
            return joints, number
        if word in ("ROOT", "JOINT"):
            if (word == "ROOT") != (not joints) or (word == "JOINT" and not stack) or None in stack[-1:]:
                raise FormatError(
                    f"{word} does not belong here.", where=where, expected="one ROOT, and joints inside its braces"
                )
            if len(joints) == _MOST_JOINTS:
                raise FormatError("No body has so many joints.", where=where, expected=f"at most {_MOST_JOINTS:,}")
            parent = stack[-1] if stack else None
            joints.append(_Joint(rest.strip(), -1 if parent is None else parent))
            pending = (len(joints) - 1,)
        elif word == "END":
            pending = (None,)  # the tip of a bone: it has a place but no motion
        elif text == "{" and pending:
            stack.append(pending[0])
            pending = None
        elif text == "}" and stack and not pending:
            if stack[-1] is not None and joints[stack[-1]].offset is None:
                raise FormatError(f"Joint {joints[stack[-1]].name} has no OFFSET.", where=where)
            stack.pop()
        elif word in ("OFFSET", "CHANNELS") and stack and not pending:
            _read_property(word, rest.split(), joints[stack[-1]] if stack[-1] is not None else None, where)
        elif text.upper() != "HIERARCHY":
            raise FormatError("This is not a BVH hierarchy.", where=where, found=text[:60])
    raise FormatError("The file ends before its motion.", where=f"{path}, line {len(lines)}", expected="MOTION")


def _read_property(word: str, values: list[str], joint: _Joint | None, where: str) -> None:
    """Read an OFFSET or CHANNELS statement into `joint` (None for an end site)."""
    if word == "OFFSET":
        numbers = _floats(values, where)
        if len(numbers) != 3:
            raise FormatError("OFFSET needs three numbers.", where=where, found=len(numbers))
        if joint:
            joint.offset = numbers
        return
    found = [match for value in values[1:] if (match := _CHANNEL.fullmatch(value)) is not None]
    if joint is None or not values or values[0] != str(len(values) - 1) or len(found) < len(values) - 1:
        raise FormatError(
            "CHANNELS cannot be read.", where=where, expected="a count and as many of X, Y, Zposition, X, Y, Zrotation"
        )
    joint.channels = [(match[2].lower(), match[1].lower()) for match in found]


def _floats(words: Sequence[str], where: str) -> np.ndarray:
    try:
        numbers = np.array(words, np.float64)
    except ValueError as error:
        raise FormatError("A value is not a number.", where=where, found=error) from error
    if not np.isfinite(numbers).all():
        raise DataError("A value is NaN or infinite.", where=where)
    return numbers


def _read_motion(lines: Sequence[str], start: int, width: int, path: str | Path) -> tuple[np.ndarray, float]:
    """Read the frames: ``(values (T, width), fps)``."""
    rows = [(number, line.split()) for number, line in enumerate(lines[start:], start=start + 1) if line.strip()]
    texts = [" ".join(words) for _, words in rows[:2]]
    count = re.fullmatch(r"Frames\s*:\s*(\d+)", texts[0], re.IGNORECASE) if texts else None
    time = re.fullmatch(r"Frame\s+Time\s*:\s*(\S+)", texts[1], re.IGNORECASE) if len(texts) > 1 else None
    if not count or not time:
        raise FormatError(
            "The motion has no head.", where=f"{path}, line {start + 1}", expected="'Frames: N', then 'Frame Time: s'"
        )
    step = _floats([time[1]], f"{path}, line {rows[1][0]}")[0]
    if not 1e-4 <= step <= 1e3:
        raise FormatError("The frame time is impossible.", where=f"{path}, line {rows[1][0]}", found=f"{step} seconds")
    rows = rows[2:]
    for number, words in rows:
        if len(words) != width:
            raise FormatError(
                "A frame has the wrong number of values.",
                where=f"{path}, line {number}",
                expected=width,
                found=len(words),
                fix="Was the file cut off?",
            )
    if len(rows) != int(count[1]) or not rows:
        raise FormatError(
            "The file has another number of frames than it says.",
            where=path,
            expected=f"{count[1]} frames, at least one",
            found=len(rows),
            fix="Was the file cut off?",
        )
    values = np.stack([_floats(words, f"{path}, line {number}") for number, words in rows])
    fps = 1 / step
    whole = round(fps)
    return values, float(whole) if whole and abs(fps - whole) < 5e-4 * whole else fps


def _apply_channels(joints: Sequence[_Joint], values: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn channels into local rotations (T, J, 3, 3) and local places in metres (T, J, 3)."""
    rotations = np.empty((len(values), len(joints), 3, 3))
    places = np.empty((len(values), len(joints), 3))
    column = 0
    for index, joint in enumerate(joints):
        places[:, index] = joint.offset
        rotation = Rotation.identity(len(values))
        for kind, axis in joint.channels:
            if kind == "position":
                places[:, index, "xyz".index(axis)] = values[:, column]
            else:
                rotation = rotation * Rotation.from_euler(axis, values[:, [column]], degrees=True)
            column += 1
        rotations[:, index] = rotation.as_matrix()
    return rotations, places * scale


def _fold_anchor(
    joints: list[_Joint], rotations: np.ndarray, places: np.ndarray
) -> tuple[list[_Joint], np.ndarray, np.ndarray]:
    """Make a travelling joint the root, where the root does nothing but hold it."""
    children = [index for index, joint in enumerate(joints) if joint.parent == 0]
    if len(children) != 1 or np.abs(places[:, 1] - np.median(places[:, 1], axis=0)).max() <= _STRETCH:
        return joints, rotations, places
    rotations, places = rotations.copy(), places.copy()
    places[:, 1] = places[:, 0] + np.einsum("tij,tj->ti", rotations[:, 0], places[:, 1])
    rotations[:, 1] = rotations[:, 0] @ rotations[:, 1]
    joints = [_Joint(joint.name, max(joint.parent - 1, -1)) for joint in joints[1:]]
    return joints, rotations[:, 1:], places[:, 1:]


def _global_positions(parents: Sequence[int], rotations: np.ndarray, places: np.ndarray) -> np.ndarray:
    turned, positions = rotations.copy(), places.copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            turned[:, joint] = turned[:, parent] @ rotations[:, joint]
            positions[:, joint] = positions[:, parent] + np.einsum("tij,tj->ti", turned[:, parent], places[:, joint])
    return positions


# What the joints of legs and arms are called beside their side; a name further left wins.
_PARTS = {
    "hip": "upleg upperleg thigh hip hipjoint femur".split(),
    "knee": "lowleg lowerleg leg knee shin calf tibia".split(),
    "ankle": "foot ankle".split(),
    "toe": "toe toes toebase ball".split(),
    "shoulder": "upperarm uparm arm shldr shoulder humerus".split(),
}
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_WORD = re.compile(r"(?i:left|right)|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _side_and_part(name: str) -> tuple[str | None, str]:
    """Split "mixamorig:LeftUpLeg" or "UpperLeg_L" into a side (or None) and the rest in small letters."""
    words = [word.lower() for word in _WORD.findall(name.rpartition(":")[2])]
    side = next((_SIDES[word] for word in words if word in _SIDES), None)
    return side, "".join(word for word in words if word not in _SIDES and word != "bip")


def _pairs(joints: Sequence[_Joint]) -> dict[str, tuple[int, int] | None]:
    """Find the (left, right) joints of each part, None where the names tell nothing."""
    found: dict[tuple[str | None, str], int] = {}
    for index, joint in enumerate(joints):
        found.setdefault(_side_and_part(joint.name), index)
    pairs: dict[str, tuple[int, int] | None] = {}
    for part, names in _PARTS.items():
        left, right = (
            next((found[side, name] for name in names if (side, name) in found), None) for side in ("left", "right")
        )
        pairs[part] = None if left is None or right is None else (left, right)
    return pairs


def _skeleton(name: str, joints: Sequence[_Joint], offsets: np.ndarray) -> Skeleton:
    pairs = _pairs(joints)
    knee, ankle, toe = pairs["knee"], pairs["ankle"], pairs["toe"]
    return Skeleton(
        name,
        tuple(joint.name for joint in joints),
        tuple(joint.parent for joint in joints),
        _chains([joint.parent for joint in joints]),
        offsets.astype(np.float32),
        hips=pairs["hip"],
        shoulders=pairs["shoulder"],
        left_foot=(ankle[0], toe[0]) if ankle and toe else None,
        right_foot=(ankle[1], toe[1]) if ankle and toe else None,
        lower_leg=(knee[1], ankle[1]) if knee and ankle else None,
    )


def _chains(parents: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Paths to every tip, each from the root or from where it leaves an earlier one."""
    chains, covered = [], set()
    for tip in (joint for joint in range(len(parents)) if joint not in parents):
        chain = [tip]
        while parents[chain[-1]] >= 0 and chain[-1] not in covered:
            chain.append(parents[chain[-1]])
        covered.update(chain)
        chains.append(tuple(reversed(chain)))
    return tuple(chains)
