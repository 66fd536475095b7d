"""The parts of a pose: what files call them, how many numbers they have, and how those become rotations."""

import functools
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from scipy.spatial.transform import Rotation

from ..errors import FormatError
from ._untrusted import shape_of

__all__ = ["PARTS", "Column", "find_parts", "is_pose", "measure", "plain_name", "to_rotvecs", "unread_parts"]

_BODY, _JAW, _LEFT_EYE, _RIGHT_EYE = tuple(range(1, 22)), (22,), (23,), (24,)
_LEFT, _RIGHT = tuple(range(25, 40)), tuple(range(40, 55))
_WRISTS = (-1, -1)  # SMPL's two hand joints: SMPL-X has fingers instead


def _hand_names(side: str) -> tuple[str, ...]:
    short = side[0]
    return (
        f"{short}hand_pose", f"{side}_hand_pose", f"pose_{short}hand", f"pose_{side}_hand", f"{side}_hand",
        f"{short}hand", f"hand_pose_{side}", f"hand_{side}_pose", f"{side}hand_pose", f"hand_{side}", f"{side}hand",
        f"{short}_hand_pose", f"{side}_fingers",
    )  # fmt: skip


# part: (the names files give it, without prefix; the joints it may hold, in SMPL-X order, -1 for one that we lack)
PARTS: dict[str, tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]] = {
    "whole": (
        (
            "rotmat",
            "fullpose",
            "full_pose",
            "poses",
            "pose",
            "thetas",
            "theta",
            "pose_aa",
            "full_poses",
            "rotvec",
            "rotation_vector",
        ),
        (
            tuple(range(55)),
            (0, *_BODY, *_LEFT, *_RIGHT),  # SMPL-H
            (0, *_BODY, *_WRISTS),  # SMPL
            (0, *_BODY),
            (0, *_BODY, *_JAW, *_LEFT_EYE, *_RIGHT_EYE),
            (0, *_BODY, *_LEFT, *_RIGHT, *_JAW),  # Multi-HMR
        ),
    ),
    "root": (("root_pose", "global_orient", "root_orient", "global_rot", "orient", "root_rot", "global_pose"), ((0,),)),
    "body": (
        ("body_pose", "pose_body", "body_pose_axis", "body_poses"),
        (_BODY, (*_BODY, *_WRISTS), (0, *_BODY), (0, *_BODY, *_WRISTS)),
    ),
    "jaw": (("jaw_pose", "pose_jaw", "jaw"), (_JAW,)),
    "left eye": (("leye_pose", "left_eye_pose", "leye"), (_LEFT_EYE,)),
    "right eye": (("reye_pose", "right_eye_pose", "reye"), (_RIGHT_EYE,)),
    "eyes": (("pose_eye", "eye_pose", "eyes_pose"), (_LEFT_EYE + _RIGHT_EYE,)),
    "left hand": (_hand_names("left"), (_LEFT,)),
    "right hand": (_hand_names("right"), (_RIGHT,)),
    "hands": (("pose_hand", "hand_pose", "hands_pose", "hand_poses"), (_LEFT + _RIGHT,)),
    "transl": (
        (
            "transl",
            "trans",
            "translation_pelvis",
            "cam_trans",
            "translation",
            "root_trans",
            "root_transl",
            "cam_t",
            "camera_translation",
            "camera_transl",
            "camera_trans",
            "cam_transl",
            "transl_cam",
            "trans_cam",
            "cam_t_full",
            "full_cam_t",
        ),
        (),
    ),
    "betas": (("betas", "shape", "beta", "shapes"), ()),
    "expression": (("expression", "expressions", "expr", "exp", "expression_params"), ()),
}
CAMERA_TRANSLATIONS = tuple(
    name for name in PARTS["transl"][0] if "cam" in name
)  # of a virtual camera around the person's crop
_PART_OF = {name: (part, rank) for part, (names, _) in PARTS.items() for rank, name in enumerate(names)}
_KINDS = {3: "rotvec", 9: "rotmat", 6: "rot6d"}
_MOST_COEFFICIENTS = 500
_PREFIX = re.compile(r"^(?:smplx|smplh|smpl|pred|params?|est|out)_(?=.)")
_LOOKS_LIKE_A_PART = re.compile(
    r"hand|pose|beta|shape|transl?(?:_|$)|orient|expr|jaw|eye|theta|finger|rot(?:_|$|mat|vec)"
)
_NEVER_A_PART = re.compile(
    r"keypoint|joint|vert|mesh|image|img|camera|score|conf|num_|_id|time|marker|path|len|valid|mask|2d|3d|landmark"
    r"|root_of|size|pca|flat_hand|latent|face_shape|eyelid|dmpl|height|width"
)


@functools.lru_cache(maxsize=4096)
def plain_name(key: Any) -> str:
    """Give a key as the tables have it: lower case, words with ``_``, without the model's name in front."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)).lower().replace("-", "_").replace(" ", "_")
    while match := _PREFIX.match(name):
        name = name[match.end() :]
    return name


@functools.lru_cache(maxsize=4096)
def _parts_of(keys: tuple[Any, ...], renamed: tuple[tuple[str, str], ...]) -> Mapping[str, tuple[Any, ...]]:
    """Map each part to the keys that may hold it, the likeliest first."""
    found: dict[str, list[tuple[int, Any]]] = {}
    names = dict(renamed)
    for key in keys:
        part, rank = (names[key], -1) if key in names else _PART_OF.get(plain_name(key), (None, 0))
        if part:
            found.setdefault(part, []).append((rank, key))
    return {part: tuple(key for _, key in sorted(keys, key=lambda item: item[0])) for part, keys in found.items()}


def find_parts(
    params: Mapping[str, Any], renamed: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
) -> dict[str, Any]:
    """Tell which key holds which part: ``{part: key}``; parts that are null in it count, text and dicts do not.

    Where a whole pose stands beside root and body, the one that has hands is
    taken, else root and body.
    """
    found = {}
    for part, keys in _parts_of(tuple(params), renamed).items():
        numbers = [key for key in keys if not isinstance(params[key], str | dict | bool)]
        if numbers:
            found[part] = next((key for key in numbers if params[key] is not None), numbers[0])
    if "whole" in found and "body" in found and len(found.keys() & {"root", "body"}) == 2:
        value = params[found["whole"]]
        drop = ("whole",) if value is None or not _has_fingers(value, params[found["body"]]) else tuple(_INSIDE_WHOLE)
        found = {part: key for part, key in found.items() if part not in drop}
    return found


_INSIDE_WHOLE = ("root", "body", "jaw", "left eye", "right eye", "eyes", "left hand", "right hand", "hands")


def _has_fingers(whole: Any, body: Any) -> bool:
    """Say whether a whole pose is more than twice as long as a body: then it has fingers."""
    return math.prod(shape_of(whole)) > 2 * math.prod(shape_of(body))


def is_pose(value: Any, renamed: Mapping[str, str] | tuple[tuple[str, str], ...] = ()) -> bool:
    """Say whether a dict holds parameters of a body under names that we know."""
    if not isinstance(value, Mapping):
        return False
    parts = _parts_of(tuple(value), renamed)
    if not parts.keys() & {"root", "body", "whole"}:
        return False
    return bool(find_parts(value, renamed).keys() & {"root", "body", "whole"})


def unread_parts(
    params: Mapping[str, Any], renamed: Mapping[str, str] | tuple[tuple[str, str], ...] = (), used: Collection[str] = ()
) -> list[str]:
    """Name the keys that look like parts of a pose and are none that we know."""
    known = {key for keys in _parts_of(tuple(params), renamed).values() for key in keys} | {*dict(renamed), *used}
    return [
        str(key)
        for key, value in params.items()
        if key not in known
        and getattr(value, "shape", None) != ()  # a single number, as flat_hand_mean
        and not isinstance(value, str | bool | int | float | None)
        and (not isinstance(value, dict) or _holds_hands(key, value))
        and _LOOKS_LIKE_A_PART.search(plain_name(key))
        and not _NEVER_A_PART.search(plain_name(key))
    ]


def _holds_hands(key: Any, value: Mapping[str, Any]) -> bool:
    """Say whether a dict has the numbers of hands inside: {"hands": {"left": [...], "right": [...]}}."""
    return "hand" in plain_name(key) and any(isinstance(one, list) or hasattr(one, "shape") for one in value.values())


@dataclass(frozen=True)
class Column:
    """One part as a file writes it.

    Attributes
    ----------
    part, key : str
    size : int
        Numbers a frame.
    joints : tuple of int
        Where they go in SMPL-X order; empty for what is no rotation.
    kind : str
        ``rotvec``, ``rotmat``, ``rot6d``, ``pca`` or ``numbers``.
    """

    part: str
    key: str
    size: int
    joints: tuple[int, ...] = ()
    kind: str = "numbers"


@functools.lru_cache(maxsize=1024)
def fit_column(part: str, key: str, size: int) -> Column | None:
    """Tell how `size` numbers a frame make up a part, None if they cannot."""
    if part == "transl":
        return Column(part, key, 3) if size == 3 else None
    if part in ("betas", "expression"):
        return Column(part, key, size) if 0 <= size <= _MOST_COEFFICIENTS else None
    for width, kind in _KINDS.items():
        for joints in PARTS[part][1]:
            if len(joints) * width == size:
                return Column(part, key, size, joints, kind)
    joints = PARTS[part][1][0]
    if "hand" in part and 0 < size < 3 * len(joints) and (part != "hands" or size % 2 == 0):
        return Column(part, key, size, joints, "pca")
    return None


def part_sizes(part: str) -> str:
    """Name the lengths a part may have, for a message."""
    if part in ("betas", "expression"):
        return f"at most {_MOST_COEFFICIENTS} coefficients"
    return f"{_sizes(part)} numbers" + ("" if part == "transl" else " (or 3 × 3 matrices, or 6-D)")


def _sizes(part: str) -> str:
    if part in ("betas", "expression"):
        return f"up to {_MOST_COEFFICIENTS}"
    return "3" if part == "transl" else " or ".join(str(3 * len(joints)) for joints in PARTS[part][1])


def measure(part: str, key: str, value: Any, where: str | Path, rows: int | None = None) -> tuple[Column, int]:
    """Tell how a value makes up a part, and how many frames it has.

    Parameters
    ----------
    part, key : str
    value : array, tensor or nested list
    where : str
    rows : int, optional
        The frames of the clip, once they are known.

    Raises
    ------
    FormatError
        If it has another length.
    """
    shape = shape_of(value)
    size = math.prod(shape)
    if part in ("betas", "expression"):
        rows = 1 if rows is None else rows
        many = shape[:1] == (rows,) if len(shape) < 3 else rows in shape[:2]
        many = many and len(shape) > 1
        one = size == (shape[-1] if shape else 1)
        column = fit_column(part, key, size // rows if many else size) if many or one else None
        if column is not None and (many or rows == 1 or part == "betas"):
            return column, rows if many else 1
    elif rows is not None:
        column = fit_column(part, key, size // rows) if rows and size % rows == 0 else None
        if column is not None:
            return column, rows
    else:
        counts = (*shape[:1], *(shape[1:2] if shape[:1] == (1,) else ()), 1)
        for count in dict.fromkeys(counts):  # (T, …), (1, T, …) or one frame
            column = fit_column(part, key, size // count) if count and size % count == 0 else None
            if column is not None and column.kind != "pca" and (count == 1 or len(shape) > 1):
                return column, count
    if part == "whole" and (rows or 1) == 1:
        raise FormatError(
            "This is no pose.", where=where, expected=f"{key} of {part_sizes(part)}", found=f"the shape {shape}"
        )
    raise FormatError(
        f"{key} has the wrong length or shape." if rows is None or rows == 1 else f"{key} has the wrong shape.",
        where=where,
        expected=part_sizes(part) if rows is None or rows == 1 else f"({rows}, {_sizes(part)})",
        found=f"the shape {shape}" if shape else "no array of numbers",
    )


def to_rotvecs(column: Column, values: np.ndarray, where: str | Path) -> np.ndarray:
    """Turn the numbers of one part into axis-angle ``(N, J, 3)``; NaN where they are no rotation.

    Raises
    ------
    FormatError
        If 6-D numbers are neither of the two usual orders.
    """
    count = len(values)
    if column.kind == "rotvec":
        return values.reshape(count, -1, 3)
    if column.kind == "rot6d":
        return _from_matrices(_six_to_matrices(values.reshape(-1, 6).astype(np.float64), column.key, where), count)
    return _from_matrices(values.reshape(-1, 3, 3).astype(np.float64), count)


def _from_matrices(matrices: np.ndarray, count: int) -> np.ndarray:
    matrices = np.where(np.abs(matrices) < 2, matrices, np.nan)  # else no rotation, and products would overflow
    error = np.abs(np.einsum("nij,nkj->nik", matrices, matrices) - np.eye(3)).max((1, 2))
    good = (error < 0.1) & (np.linalg.det(np.nan_to_num(matrices)) > 0)  # False for NaN too
    out = np.full((len(matrices), 3), np.nan)
    if good.any():
        out[good] = Rotation.from_matrix(matrices[good]).as_rotvec()
    return out.reshape(count, -1, 3).astype(np.float32)


def _six_to_matrices(six: np.ndarray, key: str, where: str | Path) -> np.ndarray:
    """Build matrices from 6-D numbers: two columns one after the other, or interleaved as networks of SPIN's kin."""
    pairs = {
        "one after the other": rearrange(six, "n (column row) -> n column row", column=2),
        "interleaved": rearrange(six, "n (row column) -> n column row", column=2),
    }
    finite = np.isfinite(six).all(1) & six.any(1)
    for columns in pairs.values():
        length = np.linalg.norm(columns[finite], axis=-1)
        product = np.abs((columns[finite, 0] * columns[finite, 1]).sum(-1))
        if len(length) and np.median(np.abs(length - 1)) < 0.05 and np.median(product) < 0.05:
            first = columns[:, 0] / np.maximum(np.linalg.norm(columns[:, 0], axis=-1, keepdims=True), 1e-9)
            second = columns[:, 1] - (first * columns[:, 1]).sum(-1, keepdims=True) * first
            second /= np.maximum(np.linalg.norm(second, axis=-1, keepdims=True), 1e-9)
            return np.stack([first, second, np.cross(first, second)], -1)
    raise FormatError(
        f"{key} looks like 6-D rotations, and is none.",
        where=where,
        expected="two unit columns of each matrix, one after the other or interleaved",
        fix="Give rotation matrices or axis-angle instead.",
    )
