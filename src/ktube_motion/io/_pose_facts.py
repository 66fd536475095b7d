"""What pose files say beside the numbers: frames, times, rates, boxes, people; and how to name what they hold."""

import functools
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._numbers import read_number
from ._pose_parts import plain_name
from ._pose_rates import TIME_KEYS
from ._untrusted import shape_of, to_numbers, to_numpy

__all__ = [
    "BOX_KEYS",
    "COMPONENT_KEYS",
    "FLAG_KEYS",
    "FLAT_KEYS",
    "FRAME_KEYS",
    "FRAME_LISTS",
    "IMAGE_KEY",
    "IMAGE_KEYS",
    "LABEL_KEYS",
    "PEOPLE",
    "box_of",
    "describe",
    "find_picture",
    "find_switch",
    "flag_among",
    "flags_of",
    "frame_number",
    "image_table",
    "is_empty",
    "is_label",
    "is_list",
    "is_table",
    "items_of",
    "means_nobody",
    "no_pose",
    "numbering",
    "rows_of_boxes",
    "says_no",
]


FRAME_KEYS = ("frame", "frame_id", "frame_idx", "frame_index", "frame_number", "frame_no", "frameid", "frame_num")
IMAGE_KEYS = ("image_path", "image_name", "img_name", "img_path", "file_name", "filename", "image", "imgname")
FLAG_KEYS = ("valid", "is_valid", "valid_mask", "detected", "is_detected", "person_detected", "has_person", "success")
LABEL_KEYS = ("track_id", "tracking_id", "tracklet_id", "tid")
BOX_KEYS = ("bbox", "bboxes", "box", "bbox_xyxy", "bbox_xywh", "boxes")
COMPONENT_KEYS = ("use_pca", "use_pca_hands", "hand_pca", "pca_hands", "use_hand_pca")
FLAT_KEYS = ("flat_hand_mean", "flat_hand", "flat_hands", "use_flat_hand_mean")
FRAME_LISTS = ("frame_ids", "frames", "frame", "frame_id", "frame_indices", "frame_idx", "frame_index", "img_ids")
PEOPLE = ("people", "persons", "humans", "tracks", "subjects", "annotations", "detections", "instances")
_NUMBER_KEY = re.compile(r"(?:(?:frame|img|image)[_ -]?)?(-?\d+)(?:\.0+)?", re.IGNORECASE)
IMAGE_KEY = re.compile(r".*\.(?:jpe?g|png|bmp|webp|tiff?)", re.IGNORECASE | re.DOTALL)
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)", re.DOTALL)
_KEYPOINTS = re.compile(r"landmark|keypoint|joints_?[23]d|pose_?[23]d|mhr_|body_pose_params|j3d")


def frame_number(key: Any) -> tuple[Any, bool] | None:
    """Tell the frame that a key of an object names: ``(number, named like an image)``, None if it names none."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return int(key), False
    if not isinstance(key, str):
        return None
    if match := _NUMBER_KEY.fullmatch(key):
        return read_number(match[1], name="The frame number", where=key, whole=True), False
    if IMAGE_KEY.fullmatch(key):
        match = _LAST_NUMBER.search(re.split(r"[\\/]", key)[-1].rpartition(".")[0])
        return (int(match[1]), True) if match else None
    return None


def items_of(value: Any) -> Any:
    return value.ravel() if isinstance(value, np.ndarray) else value


def is_empty(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | tuple | Mapping) and not len(value))


def no_pose(value: Any, where: str | Path) -> FormatError:
    """Build the error for a value that is no pose: what it has, down to the third level, and what to do."""
    found = describe(value)
    if _KEYPOINTS.search(found.lower()):
        return FormatError(
            "These are keypoints or another body's parameters, not SMPL-X poses.",
            where=where,
            found=found,
            fix="Fit SMPL-X to keypoints (SMPLify-X, or kinematics.fit_poses for 3-D joints); other bodies' tools "
            "convert to SMPL-X. Then PoseSequence(rotvecs=…) takes the rotations.",
        )
    shape: tuple[int, ...] = value.shape if isinstance(value, np.ndarray) else ()
    if len(shape) > 2 and shape[-1] == 3:
        return FormatError(
            f"An array of {shape} holds places of vertices or joints, and no rotations.", where=where,
            fix="Save the tool's parameters (global_orient, body_pose, …), or see kinematics.fit_poses for 3-D joints.",
        )  # fmt: skip
    return FormatError(
        "This is no pose.",
        where=where,
        expected="rotations of root and body: smplx_root_pose or global_orient, and smplx_body_pose or body_pose",
        found=found,
        fix="PoseSequence(rotvecs=…) takes anybody's arrays.",
    )


def describe(value: Any, depth: int = 3) -> str:
    """Name the keys of nested data, down to `depth` levels, in one line."""
    if isinstance(value, Mapping):
        keys = [str(key)[:40] for key in islice(value, 9)]
        text = "the keys " + ", ".join(keys[:8]) + (", …" if len(keys) > 8 else "") if keys else "nothing"
        inner = next((v for v in value.values() if isinstance(v, Mapping | list | tuple) and len(v)), None)
        below = describe(inner, depth - 1) if depth > 1 and inner is not None else ""
        return text + (f"; in them {below}" if below.startswith("the keys") else "")
    if isinstance(value, list | tuple):
        inner = next((item for item in islice(value, 1000) if not is_empty(item)), None)
        goes_on = isinstance(inner, Mapping | list | tuple) and depth > 0
        return describe(inner, depth) if goes_on else f"a list of {type(inner).__name__}"
    kind = type(value).__name__
    return f"{kind} {str(value)[:40]!r}" if isinstance(value, str | int | float) else kind


def find_switch(tree: Any, keys: tuple[str, ...], depth: int = 3) -> bool | None:
    """Find what a file says yes or no to, under any of these names; None if it does not say."""
    value = _find_fact(tree, keys, depth)
    if isinstance(value, str):
        return {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}.get(value.lower())
    try:
        return None if value is None else bool(np.all(value))
    except (TypeError, ValueError):
        return None


def _find_fact(tree: Any, wanted: tuple[str, ...], depth: int) -> Any:
    """Find a value in nested dicts by its names, whichever way they are written, the topmost first."""
    if not isinstance(tree, Mapping) or depth < 0:
        return None
    names = {plain_name(key).replace("_", ""): key for key in tree}
    for name in wanted:
        key = names.get(name.replace("_", ""))
        if key is not None and tree[key] is not None and not isinstance(tree[key], Mapping | list | tuple):
            return to_numpy(tree[key])
    return next((v for child in islice(tree.values(), 64) if (v := _find_fact(child, wanted, depth - 1)) is not None),
                None)  # fmt: skip


def find_picture(tree: Any, depth: int = 2) -> tuple[float, float] | None:
    """Find the size of the picture, where a file says it: two numbers, or width and height."""
    if not isinstance(tree, Mapping) or depth < 0:
        return None
    for key in ("image_size", "img_size", "resolution", "img_shape", "image_shape", "frame_size"):
        if key in tree and shape_of(tree[key]) in ((2,), (3,)):
            return _two(tree[key][:2])
    for wide, high in (("width", "height"), ("image_width", "image_height"), ("img_w", "img_h")):
        if wide in tree and high in tree:
            return _two((tree[wide], tree[high]))
    return next((found for v in islice(tree.values(), 16) if (found := find_picture(v, depth - 1))), None)


def _two(values: Any) -> tuple[float, float] | None:
    try:
        sizes = float(values[0]), float(values[1])
    except (TypeError, ValueError):
        return None
    return sizes if min(sizes) > 1 else None


@functools.lru_cache(maxsize=1024)
def numbering(keys: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tell which keys number a frame: its key, that of an image's name, and whether entries may share a frame."""
    lowered = {str(key).lower(): key for key in keys}
    key = next((lowered[name] for name in FRAME_KEYS if name in lowered), None)
    coco = key is None and "image_id" in lowered
    if coco:
        key = lowered["image_id"]
    image = next((lowered[name] for name in IMAGE_KEYS if name in lowered), None) if key is None else None
    return key, image, coco or any(name in lowered for name in ("person_id", *LABEL_KEYS))


def is_label(value: Any) -> bool:
    return value is not None and isinstance(value, str | int | float | np.integer) and not isinstance(value, bool)


def says_no(value: Any) -> bool:
    """Say whether a flag is off."""
    return isinstance(value, bool | int | float | np.bool_ | np.integer) and not value


def is_table(value: Any, rows: int) -> bool:
    """Say whether a value is a table with so many rows."""
    shape = shape_of(value)
    return len(shape) == 2 and shape[0] == rows


def means_nobody(value: Any) -> bool:
    """Say whether a frame or person without a pose is empty on purpose: an empty list, or only numbers and times."""
    if any(is_empty(child) for child in value.values()):
        return True
    known = {*FRAME_KEYS, *TIME_KEYS, *IMAGE_KEYS, *BOX_KEYS, *LABEL_KEYS, *PEOPLE}
    return all(str(key).lower() in known for key in value)


@functools.lru_cache(maxsize=4096)  # most frames of a file have the same keys
def flag_among(keys: tuple[Any, ...]) -> str | None:
    """Name the key that says whether somebody was seen, None if there is none."""
    return next((name for name in FLAG_KEYS if name in keys), None)


@functools.lru_cache(maxsize=4096)
def _among(keys: tuple[Any, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name in keys)


def box_of(person: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Four numbers of a box, None where there is none; only used to choose whom to follow."""
    names = _among(tuple(person), BOX_KEYS)
    numbers = to_numbers(next((person[key] for key in names if person[key] is not None), None)) if names else None
    return tuple(numbers.ravel()[:4]) if numbers is not None and numbers.size in (4, 5) else None


def image_table(header: Mapping[str, Any] | None) -> dict[Any, int] | None:
    """Give the frame of each image of a COCO file, by its number, None if there is no such table."""
    images = header.get("images") if isinstance(header, Mapping) else None
    if not isinstance(images, list) or not all(isinstance(one, Mapping) and "id" in one for one in images):
        return None
    names = [next((one[key] for key in IMAGE_KEYS if isinstance(one.get(key), str)), "") for one in images]
    numbers: list[Any] = [frame_number(name) for name in names]
    keys = [one["id"] for one in images]
    keys = [found[0] if (found := frame_number(key)) else key for key in keys]
    if not images or not all(isinstance(key, int) for key in keys):
        return None
    if all(number is not None for number in numbers) and len({n for n, _ in numbers}) == len(numbers):
        first = 0 if any(number == 0 for number, _ in numbers) else 1
        return {key: number - first for key, (number, _) in zip(keys, numbers, strict=True)}
    return {key: place for place, key in enumerate(sorted(keys))}


def is_list(value: Any) -> bool:
    """Say whether a value is a list or array, of whatever."""
    return isinstance(value, list | tuple) or len(shape_of(value)) > 0


def rows_of_boxes(boxes: Any) -> list[tuple[float, ...]] | None:
    """Give a box for each frame of a clip, None where there is no such table."""
    numbers = to_numbers(boxes)
    return None if numbers is None or numbers.ndim != 2 or numbers.shape[1] < 4 else [tuple(n[:4]) for n in numbers]


def flags_of(valid: Any) -> list[bool] | None:
    """Give which frames a file calls valid, None where it does not say."""
    flags = to_numbers(valid)
    return None if flags is None else flags.astype(bool).ravel().tolist()
