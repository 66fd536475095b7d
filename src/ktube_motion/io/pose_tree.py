"""Finding people and frames in nested dicts and lists, whatever wraps them."""

import functools
import re
from collections.abc import Mapping
from itertools import islice

import numpy as np

from ..errors import FormatError
from .detections import Detections, read_number
from .pose_parts import find_parts, is_pose, measure, plain_name
from .untrusted import to_numpy

__all__ = ["FrameReader", "find_picture", "find_rate", "frame_number", "holds_pose", "no_pose", "read_tree"]

FRAME_KEYS = ("frame", "frame_id", "frame_idx", "frame_index", "frame_number", "frame_no", "frameid", "frame_num")
TIME_KEYS = {"time": 1.0, "timestamp": 1.0, "timestamp_ms": 0.001, "time_ms": 0.001, "timestamp_us": 1e-6}
_IMAGE_KEYS = ("image_path", "image_name", "img_name", "img_path", "file_name", "filename", "image", "imgname")
_RATE_KEYS = (
    "fps", "frame_rate", "framerate", "frames_per_second", "mocap_frame_rate", "mocap_framerate", "video_fps",
    "source_fps", "video_frame_rate", "video_framerate", "sampling_rate", "sample_rate", "r_frame_rate", "avg_frame_rate",
)  # fmt: skip
_FRAME_LISTS = ("frame_ids", "frames", "frame", "frame_id", "frame_indices", "frame_idx", "frame_index", "img_ids")
_LABEL_KEYS = ("track_id", "tracking_id", "tracklet_id", "tid")
_BOX_KEYS = ("bbox", "bboxes", "box", "bbox_xyxy", "bbox_xywh", "boxes")
_NESTS = ("smplx_params", "smplx_param", "smplx", "params", "smpl_params", "smpl")
_PEOPLE = ("people", "persons", "humans", "tracks", "subjects", "annotations", "detections", "instances")
_NUMBER_KEY = re.compile(r"(?:(?:frame|img|image)[_ -]?)?(-?\d+)(?:\.0+)?", re.IGNORECASE)
_IMAGE_KEY = re.compile(r".*\.(?:jpe?g|png|bmp|webp|tiff?)", re.IGNORECASE | re.DOTALL)
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)", re.DOTALL)
_DEPTH = 5
_KEYPOINTS = re.compile(r"landmark|keypoint|joints_?[23]d|pose_?[23]d|mhr_|body_pose_params|j3d")


def frame_number(key) -> tuple[int, bool] | None:
    """Tell the frame that a key of an object names: ``(number, named like an image)``, None if it names none."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return int(key), False
    if not isinstance(key, str):
        return None
    if match := _NUMBER_KEY.fullmatch(key):
        return read_number(match[1], name="The frame number", where=key, whole=True), False
    if _IMAGE_KEY.fullmatch(key):
        match = _LAST_NUMBER.search(re.split(r"[\\/]", key)[-1].rpartition(".")[0])
        return (int(match[1]), True) if match else None
    return None


def holds_pose(value, renamed=(), depth=_DEPTH) -> bool:
    """Say whether a value is a pose, or has one inside; of lists the first that is not empty counts."""
    if depth < 0:
        return False
    if isinstance(value, Mapping):
        if is_pose(value, renamed):
            return True
        return any(holds_pose(child, renamed, depth - 1) for child in islice(value.values(), 64))
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
        first = next((item for item in islice(_items(value), 10_000) if not _is_empty(item)), None)
        return isinstance(first, Mapping | list | tuple) and holds_pose(first, renamed, depth - 1)
    return False


def _items(value):
    return value.ravel() if isinstance(value, np.ndarray) else value


def _is_empty(value):
    return value is None or (isinstance(value, list | tuple | Mapping) and not len(value))


def no_pose(value, where):
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
    return FormatError(
        "This is no pose.",
        where=where,
        expected="rotations of root and body: smplx_root_pose or global_orient, and smplx_body_pose or body_pose",
        found=found,
        fix="PoseSequence(rotvecs=…) takes anybody's arrays.",
    )


def describe(value, depth=3) -> str:
    """Name the keys of nested data, down to `depth` levels, in one line."""
    if isinstance(value, Mapping):
        keys = [str(key)[:40] for key in islice(value, 9)]
        text = "the keys " + ", ".join(keys[:8]) + (", …" if len(keys) > 8 else "") if keys else "nothing"
        inner = next((v for v in value.values() if isinstance(v, Mapping | list | tuple) and len(v)), None)
        below = describe(inner, depth - 1) if depth > 1 and inner is not None else ""
        return text + (f"; in them {below}" if below.startswith("the keys") else "")
    if isinstance(value, list | tuple):
        inner = next((item for item in islice(value, 1000) if not _is_empty(item)), None)
        return describe(inner, depth) if isinstance(inner, Mapping | list | tuple) and depth > 0 else f"a list of {type(inner).__name__}"
    return f"{type(value).__name__} {str(value)[:40]!r}" if isinstance(value, str | int | float) else type(value).__name__


def find_rate(tree, depth=3):
    """Find a frame rate in the dicts of a file, the topmost first; None if there is none."""
    if not isinstance(tree, Mapping) or depth < 0:
        return None
    names = {plain_name(key).replace("per_sec", "per_second").replace("secondond", "second"): key for key in tree}
    names |= {name.replace("_", ""): key for name, key in names.items()}
    for name in _RATE_KEYS:
        key = names.get(name, names.get(name.replace("_", "")))
        if key is not None and tree[key] is not None and not isinstance(tree[key], Mapping | list | tuple):
            return to_numpy(tree[key])
    for value in islice(tree.values(), 64):
        found = find_rate(value, depth - 1)
        if found is not None:
            return found
    return None


def find_picture(tree, depth=2):
    """Find the size of the picture, where a file says it: two numbers, or width and height."""
    if not isinstance(tree, Mapping) or depth < 0:
        return None
    for key in ("image_size", "img_size", "resolution", "img_shape", "image_shape", "frame_size"):
        if key in tree and np.shape(tree[key]) in ((2,), (3,)):
            return _two(tree[key][:2])
    for wide, high in (("width", "height"), ("image_width", "image_height"), ("img_w", "img_h")):
        if wide in tree and high in tree:
            return _two((tree[wide], tree[high]))
    return next((found for v in islice(tree.values(), 16) if (found := find_picture(v, depth - 1))), None)


def _two(values):
    try:
        sizes = float(values[0]), float(values[1])
    except (TypeError, ValueError):
        return None
    return sizes if min(sizes) > 1 else None


class FrameReader:
    """Puts frames into `Detections`, one after the other.

    Are frames numbered by themselves or by their place in the list? Both is refused.
    """

    def __init__(self, detections: Detections, *, inside=None):
        self.detections, self.path, self.inside = detections, detections.path, inside
        self.renamed = detections.renamed
        self.numbered, self.pending, self.images, self.picture = None, [], False, None
        self.rate, self._seen = None, False
        self._flat = set()  # keys of dicts that are poses themselves: most frames of a file have the same

    def number(self, value, key="frame"):
        """Read a frame number; `FormatError` if it is none, or negative."""
        number = read_number(value, name=f"The frame number ({key})", where=self.path, whole=True)
        if number < 0:
            raise FormatError("The frame number is negative.", where=self.path, expected=">= 0", found=number)
        return number

    def keyed(self, value, key):
        """Add a frame whose number is its key; a whole clip under a number is a track of that name."""
        number, image = frame_number(key)
        if isinstance(value, Mapping) and self._is_clip(value):
            read_tree(value, self, label=str(key))
            return
        self.images |= image
        self.frame(value, number=self.number(number, key))

    def frame(self, value, *, number=None, place=None):
        """Add everybody in one frame; None, [] and {} are frames without anybody."""
        inner = value if isinstance(value, Mapping) else {}
        again = False
        if number is None:
            number, again = self._find_number(inner, value, place)
            if number is None:
                self.pending.append(place)
                return
        where = f"{self.path}, frame {number}"
        people = list(self.people(value, where))
        again = again or (number in self.detections._announced and all(one[0] is not None for one in people))
        self.detections.start_frame(number, time=_time(inner, where), again=again and bool(people))
        for label, params, box in people:
            self.detections.add(params, frame=number, label=label, box=box)
        if not self._seen and inner:
            self._seen, self.rate, self.picture = True, find_rate(inner, 1), find_picture(inner)

    def _find_number(self, inner, value, place):
        """Give (frame number, whether others may be of the same frame), or None for an empty entry of a list."""
        key, image_key, again = _numbering(tuple(inner))
        if key is None and image_key is None and not value:
            return None, False
        image = inner[image_key] if image_key is not None else None
        image = frame_number(image) if isinstance(image, str) and _IMAGE_KEY.fullmatch(image) else None
        has_number = key is not None or image is not None
        if self.numbered not in (None, has_number):
            raise FormatError(
                "Some frames have a number and some have none.", where=f"{self.path}, entry {place} of the list"
            )
        self.numbered = has_number
        if image is not None:
            self.images = True
            return image[0], again
        if key is None:
            return place, False
        if again and isinstance(inner[key], str) and (named := frame_number(inner[key])):
            self.images |= named[1]
            return self.number(named[0], key), True
        return self.number(inner[key], key), again

    def people(self, value, where, depth=0, outer=None, label=None):
        """Yield (track name or None, parameters, box) of everybody in a frame."""
        if _is_empty(value) or depth > _DEPTH:
            return
        if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
            for person in _items(value):
                if person is not None and not isinstance(person, Mapping):
                    raise no_pose(person, where)
                yield from self.people(person, where, depth + 1, outer, label)
            return
        if not isinstance(value, Mapping):
            raise no_pose(value, where)
        here = next((value[key] for key in _LABEL_KEYS if key in value and _is_label(value[key])), label)
        box = _box(value) or (None if outer is None else _box(outer))
        keys = tuple(value)
        if keys in self._flat:
            yield here, value, box
            return
        if self.inside not in value and is_pose(value, self.renamed):
            self._flat.add(keys)
            yield here, value, box
            return
        nested = self._nested(value)
        if nested is not None:
            yield from self._inside(value, nested, where, depth, here)
        elif not _means_nobody(value):
            raise no_pose(value, where)

    def _nested(self, value):
        """Name the key whose value holds the pose or the people, None if there is none."""
        if self.inside is not None and self.inside in value and value[self.inside] is not None:
            return self.inside
        return _choose([key for key in value if holds_pose(value[key], self.renamed, 3)])

    def _inside(self, value, key, where, depth, label):
        """Yield the people inside one child of a frame: a person, a list, or an object keyed by track."""
        child = value[key]
        if isinstance(child, Mapping) and not is_pose(child, self.renamed):
            names = [name for name, inner in child.items() if holds_pose(inner, self.renamed, 3)]
            if all(frame_number(name) is not None for name in names) or key in _PEOPLE:
                for name in names:
                    yield from self.people(child[name], where, depth + 1, None, str(name))
                return
        if isinstance(child, list | tuple):
            labels = next((value[k] for k in _LABEL_KEYS if np.ndim(value.get(k)) == 1), None)
            boxes = next((value[k] for k in _BOX_KEYS if _is_table(value.get(k), len(child))), None)
            for place, person in enumerate(child):
                name = labels[place] if labels is not None and len(labels) == len(child) else label
                outer = None if boxes is None else {"bbox": boxes[place]}
                yield from self.people(person, where, depth + 1, outer, None if name is None else str(name))
            return
        holders = [name for name in value if holds_pose(value[name], self.renamed, 3)]
        if len(holders) > 1 and key not in _NESTS and key != self.inside:
            for name in holders:
                yield from self.people(value[name], where, depth + 1, None, str(name))
            return
        yield from self.people(child, where, depth + 1, value, label)

    def _is_clip(self, value):
        """Say whether a dict is, or holds, the arrays of more than one frame."""
        for _ in range(_DEPTH):
            if is_pose(value, self.renamed):
                parts = find_parts(value, self.renamed)
                part = next((name for name in ("whole", "body", "root") if name in parts), None)
                if part is None or value[parts[part]] is None:
                    return False
                try:
                    return measure(part, parts[part], value[parts[part]], self.path)[1] > 1
                except FormatError:
                    return False
            key = self._nested(value)
            if key is None or not isinstance(value[key], Mapping):
                return False
            value = value[key]
        return False

    def finish(self, header=None):
        """Settle how frames are counted, when all are there."""
        detections = self.detections
        if self.numbered is not None:
            detections.numbered = self.numbered
        if self.numbered is not True:
            for place in self.pending:  # empty entries count as frames where frames are counted by their place
                if place is not None:
                    detections.start_frame(place)
        table = _image_table(header)
        if table:
            missing = next((frame for frame in detections.frames if frame not in table), None)
            if missing is not None:
                raise FormatError("An annotation has no image.", where=f"{self.path}, image {missing}")
            for image in table:
                detections.start_frame(image, again=True)
            detections.renumber(table.__getitem__)
        elif self.images:
            detections.count_from_zero()


@functools.lru_cache(maxsize=1024)
def _numbering(keys):
    """Tell which keys number a frame: ``(key, key of an image's name, whether a frame may come in several entries)``."""
    lowered = {str(key).lower(): key for key in keys}
    key = next((lowered[name] for name in FRAME_KEYS if name in lowered), None)
    coco = key is None and "image_id" in lowered
    if coco:
        key = lowered["image_id"]
    image = next((lowered[name] for name in _IMAGE_KEYS if name in lowered), None) if key is None else None
    return key, image, coco or any(name in lowered for name in ("person_id", *_LABEL_KEYS))


def _choose(keys):
    """Choose the key to descend to: usual names first."""
    for names in (_NESTS, _PEOPLE):
        for name in names:
            if name in keys:
                return name
    return keys[0] if keys else None


def _is_label(value):
    return value is not None and isinstance(value, str | int | float | np.integer) and not isinstance(value, bool)


def _is_table(value, rows):
    shape = np.shape(to_numpy(value)) if isinstance(value, np.ndarray) or hasattr(value, "shape") else None
    if shape is None and isinstance(value, list | tuple):
        shape = (len(value), len(value[0])) if value and isinstance(value[0], list | tuple | np.ndarray) else ()
    return shape is not None and len(shape) == 2 and shape[0] == rows


def _means_nobody(value):
    """Say whether a frame or person without a pose is empty on purpose: an empty list, or only numbers and times."""
    if any(_is_empty(child) for child in value.values()):
        return True
    known = {*FRAME_KEYS, *TIME_KEYS, *_IMAGE_KEYS, *_BOX_KEYS, *_LABEL_KEYS, *_PEOPLE}
    return all(str(key).lower() in known for key in value)


def _time(entry, where):
    for key, scale in TIME_KEYS.items():
        if entry.get(key) is not None:
            return read_number(entry[key], name=key, where=where) * scale
    return None


def _box(person):
    """Four numbers of a box, None where there is none."""
    box = next((person[key] for key in _BOX_KEYS if person.get(key) is not None), None)
    try:
        numbers = np.asarray(to_numpy(box), np.float64).ravel() if box is not None else ()
    except (TypeError, ValueError, OverflowError):
        return None  # only used to choose whom to follow
    return tuple(numbers[:4]) if len(numbers) in (4, 5) else None


def _image_table(header):
    """Give the frame of each image of a COCO file, by its number, None if there is no such table."""
    images = header.get("images") if isinstance(header, Mapping) else None
    if not isinstance(images, list) or not all(isinstance(one, Mapping) and "id" in one for one in images):
        return None
    names = [next((one[key] for key in _IMAGE_KEYS if isinstance(one.get(key), str)), "") for one in images]
    numbers = [frame_number(name) for name in names]
    keys = [one["id"] for one in images]
    keys = [frame_number(key)[0] if frame_number(key) else key for key in keys]
    if not images or not all(isinstance(key, int) for key in keys):
        return None
    if all(number is not None for number in numbers) and len({n for n, _ in numbers}) == len(numbers):
        first = 0 if any(number == 0 for number, _ in numbers) else 1
        return {key: number - first for key, (number, _) in zip(keys, numbers, strict=True)}
    return {key: place for place, key in enumerate(sorted(keys))}


def read_tree(tree, reader: FrameReader, *, label=None, depth=0):
    """Read nested data whole: one clip, several tracks, or frames; `FormatError` if no pose is in it."""
    if depth > _DEPTH or not holds_pose(tree, reader.renamed, _DEPTH + 1):
        raise no_pose(tree, reader.path)
    if not isinstance(tree, Mapping):
        items = list(_items(tree))
        if len(items) == 1 and isinstance(items[0], Mapping) and reader._is_clip(items[0]):
            read_tree(items[0], reader, label=label, depth=depth + 1)
            return
        for place, value in enumerate(items):
            reader.frame(value, place=place)
        return
    if is_pose(tree, reader.renamed) and reader.inside not in tree:
        _read_pose(tree, reader, label)
        return
    key = reader._nested(tree)
    if depth and frame_number(key) is None and _aligned(tree, key):
        reader.frame(tree, place=0)
        return
    numbered = [name for name in tree if frame_number(name) is not None]
    if numbered and key in numbered:
        for name in numbered:
            reader.keyed(tree[name], name)
        return
    child = tree[key]
    holders = [name for name in tree if holds_pose(tree[name], reader.renamed, _DEPTH)]
    if isinstance(child, Mapping) and len(holders) > 1 and key not in (*_NESTS, reader.inside) and reader._is_clip(child):
        for name in holders:
            read_tree(tree[name], reader, label=str(name), depth=depth + 1)
        return
    if key in _PEOPLE and isinstance(child, Mapping) and not reader._is_clip(next(iter(child.values()), {}) or {}):
        reader.frame(tree, place=0)
        return
    if key == reader.inside and isinstance(child, Mapping) and is_pose(child, reader.renamed):
        _read_pose(child, reader, label, tree)
        return
    if isinstance(child, list | tuple) and key in _PEOPLE and not _has_frames(child):
        reader.frame(tree, place=0)
        return
    if isinstance(child, Mapping) and is_pose(child, reader.renamed):
        _read_pose(child, reader, label, tree)
        return
    read_tree(child, reader, label=label, depth=depth + 1)


def _has_frames(items):
    """Say whether the entries of a list say which frame they belong to."""
    first = next((item for item in items if isinstance(item, Mapping) and item), {})
    return any(str(key).lower() in (*FRAME_KEYS, "image_id", *_IMAGE_KEYS, *TIME_KEYS) for key in first)


def _aligned(tree, key):
    """Say whether lists of people, tracks and boxes lie side by side, as PHALP writes a frame."""
    child = tree.get(key)
    return isinstance(child, list | tuple) and any(np.ndim(tree.get(name)) == 1 for name in _LABEL_KEYS)


def _read_pose(params, reader, label, outer=None):
    """Read one set of parameters: a whole clip, or a single frame."""
    around = {**(outer or {}), **params}
    if reader._is_clip(params) or label is not None or any(isinstance(v, np.ndarray) for v in params.values()):
        frames = next((around[k] for k in _FRAME_LISTS if _is_list(around.get(k))), None)
        boxes = next((around[k] for k in _BOX_KEYS if around.get(k) is not None), None)
        valid = next((around[k] for k in ("valid", "valid_mask") if _is_list(around.get(k))), None)
        detections = reader.detections
        detections.add_clip(params, frames=frames, label=label, boxes=_rows_of_boxes(boxes), valid=_flags(valid))
        detections.is_clip = label is None
        return
    reader.frame(params if outer is None else outer, place=0)


def _is_list(value):
    return isinstance(value, list | tuple | np.ndarray) or (hasattr(value, "shape") and np.ndim(to_numpy(value)) > 0)


def _rows_of_boxes(boxes):
    try:
        numbers = None if boxes is None else np.asarray(to_numpy(boxes), np.float64)
    except (TypeError, ValueError):
        return None
    return None if numbers is None or numbers.ndim != 2 or numbers.shape[1] < 4 else [tuple(n[:4]) for n in numbers]


def _flags(valid):
    if valid is None:
        return None
    flags = np.asarray(to_numpy(valid))
    return flags.astype(bool).ravel().tolist() if flags.dtype.kind in "biuf" else None
