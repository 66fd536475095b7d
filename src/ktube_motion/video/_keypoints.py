"""Keypoints that people already have: MediaPipe's JSON and CSV, ``.pose`` files, arrays with names, in depth."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError, FormatError, MissingDependencyError
from ..io._files import read_json, read_text
from ..io._untrusted import load_numpy
from ..kinematics import BODY_LANDMARKS, HAND_LANDMARKS, LANDMARKS, Landmarks
from ._hiding import guessed_legs

__all__ = ["read_landmarks"]

_HANDS = {side: tuple(f"{side}_hand_{name}" for name in HAND_LANDMARKS) for side in ("left", "right")}
_PALM = 0.095  # metres from wrist to the middle finger's knuckle: hands in pixels become as large
_AXES = {"camera": (1, -1, -1), "y up": (1, 1, 1)}
_FLAT = (
    "It cannot tell how far an arm reaches towards the camera or away from it, nor which way body and palms face; "
    "lengths in the picture fit many poses alike. Give 3-D keypoints, or the video itself to estimate_poses."
)
_WORDS = {"l": "left", "r": "right", "sho": "shoulder", "elb": "elbow", "wri": "wrist", "hand": "wrist", "kne": "knee",
          "ank": "ankle", "toe": "foot_index", "bigtoe": "foot_index", "big_toe": "foot_index"}  # fmt: skip


def read_landmarks(
    path: str | Path, *, fps: float | None = None, axes: str = "camera", names: Sequence[str] | None = None
) -> Landmarks:
    """Read 3-D keypoints, for `kinematics.fit_landmarks`.

    Parameters
    ----------
    path : path
        ``.json``: MediaPipe's world landmarks, a list of frames or under
        ``frames``, in the spelling of any of its interfaces. ``.csv``,
        ``.tsv``: a line a frame with columns ``nose_x`` or ``x0 y0 z0 v0``, or
        a line a point with ``frame`` and ``landmark``. ``.pose``: of
        pose-format, with MediaPipe's world landmarks. ``.npz``, ``.npy``: an
        array ``(T, P, 3)`` or ``(T, P, 4)``, the last number its weight.
    fps : float, optional
        Frames per second; needed where the file does not say it.
    axes : {"camera", "y up"}
        ``camera`` is y down, z away, as MediaPipe writes it.
    names : list of str, optional
        Of an array's points, where the file does not name them.

    Returns
    -------
    landmarks : Landmarks
        Metres; points of other names are left out.

    Raises
    ------
    FormatError
        If the file is damaged or of no such kind.
    DataError
        If the keypoints are those of a picture, without depth: OpenPose's
        and AI-Hub's 2-D files. The message says what they lack.
    ConfigError
        If fps or names are missing.
    MissingDependencyError
        If pose-format is not installed.

    Examples
    --------
    >>> import json, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.json"
    >>> points = [{"x": 0.1, "y": -0.5, "z": -0.2 - 0.01 * k, "visibility": 0.9} for k in range(33)]
    >>> _ = path.write_text(json.dumps([{"pose_world_landmarks": points}] * 4))
    >>> clip = read_landmarks(path, fps=30)
    >>> len(clip), clip.names[0], clip.points[0, 0]
    (4, 'nose', array([0.1, 0.5, 0.2], dtype=float32))
    """
    path = Path(path)
    if axes not in _AXES:
        raise ConfigError("Unknown axes of keypoints.", expected=" or ".join(_AXES), found=repr(axes))
    if os.path.isdir(path) or not os.path.exists(path):
        _refuse_flat_folder(path)
        raise FormatError("There is no such file of keypoints.", where=path)
    readers = {".json": _from_json, ".csv": _from_table, ".tsv": _from_table, ".pose": _from_pose, ".npz": _from_array,
               ".npy": _from_array}  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FormatError("Keypoints of this kind are not known.", where=path, expected=", ".join(readers))
    found, points, weights, rate = reader(path, names)
    rate = fps or rate
    if not rate:
        raise ConfigError("This file does not say its frames per second.", where=path, fix="Give fps=.")
    known = [_known(name) for name in found]
    chosen = [place for place, name in enumerate(known) if name is not None and name not in known[:place]]
    if len(chosen) < 3:
        raise DataError("Too few of these keypoints are known.", where=path, expected="shoulders, elbows, wrists, …",
                        found=", ".join(found[:8]))  # fmt: skip
    points, weights = points[:, chosen], np.clip(np.nan_to_num(weights[:, chosen]), 0, 1)
    weights = np.where(np.isfinite(points).all(-1), weights, 0)
    points = np.where(weights[..., None] > 0, points, 0)
    if not np.ptp(points[weights > 0][:, 2] if (weights > 0).any() else np.zeros(1)) > 0:
        raise DataError("These keypoints have no depth: a picture's.", where=path, fix=_FLAT)
    names = [name for place in chosen if (name := known[place]) is not None]
    points = _in_metres(points, weights, names) * _AXES[axes]
    return Landmarks(tuple(names), points, weights, fps=rate, name=path.stem)


_Read = tuple[Sequence[str], np.ndarray, np.ndarray, float | None]


def _known(name: str) -> str | None:
    """Give our name of a point, whatever the case, the order of side and part, and the usual short forms."""
    plain = (
        re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
        .lower()
        .replace(" ", "_")
        .replace("-", "_")
    )
    tries = [plain, re.sub(r"^(.*)_(left|right)$", r"\2_\1", plain)]
    tries += ["_".join(_WORDS.get(part, part) for part in name.split("_")) for name in tries]
    tries += [re.sub(r"^(left|right)(?=[a-z])", r"\1_", plain)]
    return next((name for name in tries if name in LANDMARKS), None)


def _in_metres(points: np.ndarray, weights: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Take millimetres for what they are, and give hands that are in pixels the size of hands."""
    points = points.astype(np.float64)
    body = [place for place, name in enumerate(names) if LANDMARKS[name].group == "body"]
    seen = points[:, body][weights[:, body] > 0]
    if len(seen) and np.ptp(seen[:, 1]) > 20:
        points[:, body] /= 1000
    for hand in _HANDS.values():
        if set(hand) <= set(names):
            chosen = [names.index(name) for name in hand]
            palm = np.linalg.norm(points[:, chosen[9]] - points[:, chosen[0]], axis=-1)[weights[:, chosen[0]] > 0]
            if len(palm) and not 0.03 < np.median(palm) < 0.2:
                points[:, chosen] *= _PALM / max(float(np.median(palm)), 1e-9)
    return points


# ---- MediaPipe's JSON ----


def _from_json(path: Path, names: Sequence[str] | None) -> _Read:
    tree = read_json(path)
    _refuse_flat(tree, path)
    head = tree if isinstance(tree, Mapping) else {}
    frames = next((head[key] for key in ("frames", "results", "data") if isinstance(head.get(key), list)), tree)
    if not isinstance(frames, list) or not frames:
        raise FormatError("There are no frames in this file.", where=path, expected="a list of frames")
    _refuse_flat(frames[0], path)
    everything = BODY_LANDMARKS + _HANDS["left"] + _HANDS["right"]
    points, weights = np.zeros((len(frames), 75, 3)), np.zeros((len(frames), 75))
    for number, frame in enumerate(frames):
        guessed = np.zeros(33, bool)
        for key, value in _lists_of(frame):
            part = _part_of(key)
            if _plain(key) == "poselandmarks":
                guessed = _guessed(value)
            if part is not None and (rows := _rows(value, f"{path}, frame {number}, {key}")) is not None:
                place, size = part
                if len(rows) != size:
                    raise FormatError("Wrong number of landmarks.", where=f"{path}, frame {number}", expected=size,
                                      found=len(rows))  # fmt: skip
                points[number, place : place + size], weights[number, place : place + size] = rows[:, :3], rows[:, 3]
        weights[number, :33][guessed] = 0
    if not weights.any():
        raise DataError(
            "There are no world landmarks in this file.", where=path, expected="pose_world_landmarks, in metres",
            fix="MediaPipe gives them beside pose_landmarks, whose depth and scale are those of the picture.",
        )  # fmt: skip
    rate = next(
        (head[key] for key in ("fps", "frame_rate", "frameRate") if isinstance(head.get(key), int | float)), None
    )
    return everything, points, weights, rate


def _lists_of(frame: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(frame, list):
        yield "pose_world_landmarks", frame
    elif isinstance(frame, Mapping):
        for key, value in frame.items():
            yield str(key), value


def _part_of(key: str) -> tuple[int, int] | None:
    """Say where the landmarks under a key go and how many they are: the body's are those of the world."""
    plain = _plain(key)
    if "hand" in plain and ("left" in plain or "right" in plain):
        return (33 if "left" in plain else 54), 21
    return (0, 33) if "world" in plain and "hand" not in plain else None


def _plain(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())


def _guessed(value: Any) -> np.ndarray:
    """Say which of the body's landmarks are legs below the picture, in which MediaPipe gives places from 0 to 1.

    None where these are not such: nothing else is read of them, so a file needs none.
    """
    try:
        places = np.array(
            [[point["x"], point["y"]] if isinstance(point, Mapping) else point[:2] for point in _unwrapped(value)],
            float,
        )
    except (KeyError, TypeError, ValueError):
        return np.zeros(33, bool)
    # In another unit both shoulders would hardly be from 0 to 1.
    if places.shape != (33, 2) or not ((places[11:13] >= 0) & (places[11:13] <= 1)).all():
        return np.zeros(33, bool)
    return guessed_legs(places)


def _unwrapped(value: Any) -> Any:
    """Give the points themselves."""
    while isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))  # {"landmark": [...]}, as protocol buffers print it
    if isinstance(value, list) and value and isinstance(value[0], list) and _is_point(next(iter(value[0]), None)):
        value = value[0]  # of several people the first
    return value


def _rows(value: Any, where: str) -> np.ndarray | None:
    """Give x, y, z, weight of each point; None where nothing was seen."""
    value = _unwrapped(value)
    if not value:
        return None
    try:
        rows = [
            [point["x"], point["y"], point["z"], point.get("visibility") or 1.0]
            if isinstance(point, Mapping)
            else [*point, 1.0][:4]
            for point in value
        ]
        return np.asarray(rows, float)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError("A landmark is not x, y and z.", where=where, found=error) from error


def _is_point(value: Any) -> bool:
    return isinstance(value, list | Mapping)


# ---- 2-D keypoints: read as far as it takes to say what they lack ----


def _refuse_flat(tree: Any, path: Path) -> None:
    """Refuse OpenPose's and AI-Hub's keypoints of a picture."""
    people = tree.get("people") if isinstance(tree, Mapping) else None
    person = (people[0] if people else {}) if isinstance(people, list) else people
    if isinstance(person, Mapping) and people is not None:
        deep = [key for key, value in person.items() if key.endswith("_3d") and value]
        parts = {key: len(value) // 3 for key, value in person.items() if key.endswith("keypoints_2d")}
        if parts and not deep:
            raise DataError(
                "These keypoints have no depth: a picture's.", where=path,
                found=", ".join(f"{count} points in {key}" for key, count in parts.items()), fix=_FLAT,
            )  # fmt: skip


def _refuse_flat_folder(path: Path) -> None:
    for file in sorted(path.glob("*.json"))[:1] if os.path.isdir(path) else ():
        _refuse_flat(read_json(file), path)


# ---- tables ----


def _from_table(path: Path, names: Sequence[str] | None) -> _Read:
    text = read_text(path)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter="\t" if "\t" in text.split("\n")[0] else ",", strict=True))
    except csv.Error as error:
        raise FormatError("This table cannot be read.", where=path, found=error) from error
    if len(rows) < 2:
        raise FormatError("This table has no lines.", where=path)
    columns = [cell.strip().lower() for cell in rows[0]]
    lines = [row for row in rows[1:] if any(row)]
    if any(len(row) != len(columns) for row in lines):
        raise FormatError("A line has another number of columns than the head.", where=path, expected=len(columns))
    if {"frame", "x", "y", "z"} <= set(columns):
        lines, columns = _wide(lines, columns, path)
    places: dict[str, dict[str, int]] = {}
    for column, name in enumerate(columns):
        point, letter = _column(name)
        if point is not None:
            places.setdefault(point, {})[letter] = column
    whole = {point: at for point, at in places.items() if {"x", "y", "z"} <= at.keys()}
    if places and not whole:
        raise DataError("These keypoints have no depth: a picture's.", where=path, fix=_FLAT)
    values = np.array([[_number(cell) for cell in row] for row in lines])
    points = (
        np.stack([values[:, [at["x"], at["y"], at["z"]]] for at in whole.values()], 1) if whole else np.zeros((1, 0, 3))
    )
    ones = np.ones(len(values))
    weights = (
        np.stack([values[:, at["v"]] if "v" in at else ones for at in whole.values()], 1) if whole else points[..., 0]
    )
    return _numbered(list(whole)), points, weights, None


def _column(name: str) -> tuple[str | None, str]:
    """Split a column's name into the point and x, y, z or v."""
    match = re.fullmatch(r"([xyzv])_?(\d+)", name)
    if match:
        return match[2], match[1]
    match = re.fullmatch(r"(.+?)[_. ](x|y|z|v|vis|visibility|score|conf|confidence)", name)
    return (match[1], match[2] if match[2] in "xyz" else "v") if match else (None, "")


def _wide(lines: list[list[str]], columns: list[str], path: Path) -> tuple[list[list[str]], list[str]]:
    """Turn a line a point into a line a frame."""
    label = next(
        (name for name in ("landmark", "landmark_name", "name", "joint", "keypoint", "id") if name in columns), None
    )
    if label is None:
        raise FormatError(
            "No column says which point it is.", where=path, expected="landmark", found=", ".join(columns)
        )
    at = {name: columns.index(name) for name in ("frame", label, "x", "y", "z")}
    extra = next((name for name in ("visibility", "v", "score", "confidence") if name in columns), None)
    frames = sorted({int(float(row[at["frame"]])) for row in lines})
    points = list(dict.fromkeys(row[at[label]] for row in lines))
    head = [f"{letter}{point}" if point.isdigit() else f"{point}_{letter}" for point in points for letter in "xyzv"]
    first = frames[0]
    wide = [["nan"] * len(head) for _ in range(frames[-1] - first + 1)]
    for row in lines:
        place = 4 * points.index(row[at[label]])
        weight = "1" if extra is None else row[columns.index(extra)]
        wide[int(float(row[at["frame"]])) - first][place : place + 4] = [*(row[at[k]] for k in "xyz"), weight]
    return wide, [name.lower() for name in head]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")  # a class, a time, an empty cell: not seen


def _numbered(points: Sequence[str]) -> Sequence[str]:
    """Name points that have numbers: 33 are MediaPipe's body, from 0 or from 1."""
    if not all(point.isdigit() for point in points):
        return points
    first = min(map(int, points), default=0)
    return [BODY_LANDMARKS[int(point) - first] if int(point) - first < 33 else point for point in points]


# ---- pose-format and arrays ----


def _from_pose(path: Path, names: Sequence[str] | None) -> _Read:
    try:
        from pose_format import Pose
    except ImportError as error:
        raise MissingDependencyError("This needs pose-format.", fix="pip install pose-format") from error
    try:
        pose = Pose.read(path.read_bytes())
    except Exception as error:  # its reader raises whatever struct and numpy raise on other bytes
        raise FormatError("This .pose file cannot be read.", where=path, found=error) from error
    data = np.ma.filled(pose.body.data, np.nan)[:, 0]
    weights = np.asarray(pose.body.confidence)[:, 0]
    if data.shape[-1] < 3:
        raise DataError("These keypoints have no depth: a picture's.", where=path, fix=_FLAT)
    found = []
    for component in pose.header.components:
        part = re.sub(r"[^a-z]", "", component.name.lower())
        side = "left" if "lefthand" in part else "right" if "righthand" in part else ""
        for point in component.points:
            name = point.lower().replace("_finger_", "_")
            found.append(f"{side}_hand_{name}" if side else name if "world" in part else f"{component.name} {point}")
    if not any(name in LANDMARKS and not name.startswith(("left_hand", "right_hand")) for name in found):
        raise DataError(
            "There are no world landmarks in this file.", where=path, expected="POSE_WORLD_LANDMARKS",
            found=", ".join(component.name for component in pose.header.components),
        )  # fmt: skip
    return found, data[..., :3], weights, float(pose.body.fps)


def _from_array(path: Path, names: Sequence[str] | None) -> _Read:
    tree = load_numpy(path)
    arrays = tree if isinstance(tree, Mapping) else {"points": tree}
    found = next((np.asarray(value) for value in arrays.values() if np.ndim(value) == 3), None)
    if found is None or found.shape[-1] not in (2, 3, 4):
        raise FormatError("There are no keypoints in this file.", where=path, expected="an array (T, P, 3 or 4)")
    if found.shape[-1] == 2:
        raise DataError("These keypoints have no depth: a picture's.", where=path, fix=_FLAT)
    said = names if names is not None else next((arrays[k] for k in ("names", "joint_names") if k in arrays), None)
    if said is None and found.shape[1] == 33:
        said = BODY_LANDMARKS
    if said is None or len(said) != found.shape[1]:
        raise ConfigError("The points have no names.", where=path, expected=f"names= with {found.shape[1]} names")
    weights = found[..., 3] if found.shape[-1] == 4 else np.ones(found.shape[:2])
    rate = next(
        (float(arrays[k]) for k in ("fps", "mocap_frame_rate") if k in arrays and np.ndim(arrays[k]) == 0), None
    )
    return [str(name) for name in said], found[..., :3].astype(float), weights.astype(float), rate
