"""Which layout a file or folder has: it is opened once, and looked into."""

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._layouts import POSE_FORMATS, PoseFormat
from ._pose_facts import COMPONENT_KEYS, FLAG_KEYS, FLAT_KEYS, FRAME_LISTS, describe, no_pose
from ._pose_folders import FRAME_SUFFIXES, find_frames
from ._pose_parts import find_parts, is_pose, plain_name, unread_parts
from ._pose_rates import names_rate
from ._pose_tree import holds_pose
from ._untrusted import load_numpy, load_pickle, load_torch, shape_of, to_numpy

__all__ = ["open_source"]

_RESULTS = ("hmr4d_results.pt", "results.pkl", "wham_output.pkl", "video_results.npz", "hps_track_0.npy")
_JSON = (".json", ".jsonl", ".ndjson", ".gz")
_TORCH, _PICKLES, _NUMPY = (".pt", ".pth"), (".pkl", ".pickle", ".joblib"), (".npz", ".npy")
_FACTS = {
    *FLAT_KEYS, *COMPONENT_KEYS, *FLAG_KEYS, "trajectory", "cleaned", "bbox", "bboxes", "track_id", "tid",
    "image_size", "width", "height",
    "smpl_scaling", "__data_len__", "camera_rotation", "pose_world", "trans_world", *FRAME_LISTS,
}  # fmt: skip
_FACTS |= {fact.replace("_", "") for fact in _FACTS}


def open_source(path: Path, format: str, *, unread: dict[str, None]) -> tuple[Path, PoseFormat, Any]:
    """Open what is at a path: ``(file or folder, its PoseFormat, contents or None)``.

    JSON and folders are read later, value by value; their contents are None. `unread` gets the names of what was
    left in an archive though it looks like a part of a pose.

    Raises
    ------
    FormatError
        If nothing of a known layout is there.
    """
    if os.path.isdir(path):
        found = next((path / name for name in _RESULTS if os.path.isfile(path / name)), None)
        if found is None or (format != "auto" and POSE_FORMATS[format].folder):
            return path, _folder_format(path, format), None
        path = found
    suffix = path.suffix.lower()
    if format == "json" or (format == "auto" and suffix in _JSON):
        return path, POSE_FORMATS["json"], None
    wanted = None if format == "auto" else POSE_FORMATS[format]
    if wanted is not None and wanted.read is not None:
        return path, wanted, wanted.read(path)
    for custom in POSE_FORMATS.values():
        if wanted is None and custom.read is not None and suffix in custom.suffixes:
            return path, custom, custom.read(path)
    tree = _load(path, suffix, wanted, unread)
    layout = _recognise(tree, path, wanted)
    if layout.columns:
        return path, *_split_rows(tree, layout, path)
    if not holds_pose(tree, tuple(layout.renamed.items())):
        raise no_pose(tree, path)
    return path, layout, tree


def _folder_format(path: Path, format: str) -> PoseFormat:
    """Tell the layout of a folder of frames, by the names and suffix of its files."""
    if format == "json":
        return PoseFormat("json", "", "camera", suffixes=(".json",), folder=True)
    if format != "auto":
        if not POSE_FORMATS[format].folder:
            raise FormatError("No poses are recognised in this folder.", where=path, expected=f"a {format} file")
        return POSE_FORMATS[format]
    first = find_frames(path)[0][2]
    if first.suffix.lower() == ".json":
        return PoseFormat("json", "", "camera", suffixes=FRAME_SUFFIXES, folder=True)
    if first.suffix.lower() == ".pkl" and "personId" in first.stem:
        return POSE_FORMATS["aios"]
    number, _, person = first.stem.partition("_")
    if first.suffix.lower() == ".npz" and number.isdecimal() and person.isdecimal() and len(number) == 5:
        return POSE_FORMATS["smplerx"]
    return POSE_FORMATS["frames"]


def _load(path: Path, suffix: str, wanted: PoseFormat | None, unread: dict[str, None]) -> Any:
    if suffix in _TORCH:
        return load_torch(path)
    if suffix in _PICKLES:
        return load_pickle(path)
    if suffix in _NUMPY:
        return _load_archive(path, unread)
    raise FormatError(
        "This file is of no known pose format.",
        where=path,
        expected=".json, .npz, .npy, .pt, .pkl or a folder",
        found=suffix or "no suffix",
        fix=f"Name the format: {', '.join(POSE_FORMATS)}." if wanted is None else "Rename the file.",
    )


def _load_archive(path: Path, unread: dict[str, None]) -> Any:
    """Read the members of an archive that poses need; pickled objects only where there are no poses outside them."""
    skipped: dict[str, tuple[()]] = {}
    marks = {key for one in POSE_FORMATS.values() for key in (*one.marks, *one.renamed, one.inside, one.scale) if key}

    def needed(name: str) -> bool:
        fact = {name.lower(), plain_name(name), plain_name(name).replace("_", "")} & _FACTS
        wanted = name in marks or bool(fact) or names_rate(name) or bool(find_parts({name: ()}))
        if not wanted:
            skipped[name] = ()
        return wanted

    if path.suffix.lower() == ".npy":
        try:
            return load_numpy(path)
        except FormatError:
            return load_numpy(path, objects=True)
    tree = load_numpy(path, needed=needed)
    if isinstance(tree, Mapping) and not holds_pose(tree, _renamed()):
        names = [name for name in skipped if _may_hold(name)]
        tree = dict(tree) | load_numpy(path, needed=lambda name: name in names or needed(name), objects=True)
        if not holds_pose(tree, _renamed()):
            return tree | skipped
    unread |= dict.fromkeys(unread_parts(skipped))
    return tree


def _renamed() -> tuple[tuple[str, str], ...]:
    """All names that any layout knows a whole pose by."""
    return tuple({k: v for one in POSE_FORMATS.values() for k, v in one.renamed.items() if v}.items())


def _may_hold(name: str) -> bool:
    return plain_name(name) in (
        "smplx",
        "results",
        "smpl",
        "data",
        "arr_0",
        "params",
        "people",
        "annotations",
        "frames",
    )


def _recognise(tree: Any, path: Path, wanted: PoseFormat | None) -> PoseFormat:
    """Find the layout whose marks are all there: special ones first, then arrays of rows, then the general ones."""
    if isinstance(tree, list | tuple) and len(tree) == 1:
        tree = tree[0]
    keys = _keys(tree)
    if wanted is not None:
        missing = [mark for mark in wanted.marks if mark not in keys]
        if wanted.inside and wanted.inside not in keys:
            missing = [wanted.inside]
        if missing and wanted.name != "beat2" and wanted.name != "smplx":
            raise FormatError(
                f"This is no {wanted.name} file.", where=path, expected=f"the key {' and '.join(missing)}",
                found=describe(tree),
            )  # fmt: skip
        return wanted
    if isinstance(tree, np.ndarray) and tree.ndim == 2:
        rows = next((one for one in POSE_FORMATS.values() if one.width == tree.shape[1]), None)
        if rows is None:
            widths = " or ".join(str(one.width) for one in POSE_FORMATS.values() if one.width)
            raise FormatError(
                "This array is of no known layout.", where=path, expected=f"(T, {widths})", found=tree.shape,
                fix="PoseSequence(rotvecs=…) takes anybody's arrays.",
            )  # fmt: skip
        return rows
    suffix = path.suffix.lower()
    for one in POSE_FORMATS.values():
        if one.marks and all(mark in keys for mark in one.marks) and (not one.suffixes or suffix in one.suffixes):
            return one
    return POSE_FORMATS["amass" if suffix == ".npz" and _is_amass(tree) else "arrays"]


def _is_amass(tree: Any) -> bool:
    """Say whether an archive without marks of others is AMASS's: whole SMPL-X or SMPL-H poses, or stage II parts."""
    if not is_pose(tree):
        return False
    parts = find_parts(tree)
    if "whole" in parts:
        shape = shape_of(tree[parts["whole"]])
        return parts["whole"] == "poses" and len(shape) == 2 and shape[1] in (165, 156)
    return parts["body"] == "pose_body" if "body" in parts else False


def _keys(tree: Any, depth: int = 3) -> set[str]:
    """Give all keys of nested dicts and lists, down to `depth` levels."""
    if depth < 0:
        return set()
    if isinstance(tree, Mapping):
        found = {str(key) for key in tree}
        for value in islice(tree.values(), 64):
            found |= _keys(value, depth - 1)
        return found
    if isinstance(tree, list | tuple) and tree:
        return _keys(tree[0], depth - 1)
    return set()


def _split_rows(tree: Any, layout: PoseFormat, path: Path) -> tuple[PoseFormat, dict[str, np.ndarray]]:
    """Give an array of rows as named parts."""
    rows = to_numpy(tree)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != layout.width or not len(rows):
        raise FormatError(
            "The array has the wrong shape.", where=path, expected=f"(T, {layout.width})",
            found=getattr(rows, "shape", type(rows).__name__),
        )  # fmt: skip
    parts = {part: rows[:, first:last] for part, first, last in layout.columns}
    return replace(layout, renamed={part: part for part in parts}), parts
