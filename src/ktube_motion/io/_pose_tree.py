"""Finding people and frames in nested dicts and lists, whatever wraps them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._detections import Detections
from ._frame_keys import clip_key, count_poses, frames_of_keys, label_of, times_of_keys
from ._layouts import PoseFormat
from ._numbers import read_number
from ._pose_facts import (
    BOX_KEYS,
    COMPONENT_KEYS,
    FLAG_KEYS,
    FLAT_KEYS,
    FRAME_KEYS,
    FRAME_LISTS,
    IMAGE_KEY,
    IMAGE_KEYS,
    LABEL_KEYS,
    PEOPLE,
    box_of,
    find_picture,
    find_switch,
    flag_among,
    flags_of,
    frame_number,
    image_table,
    is_empty,
    is_label,
    is_list,
    is_table,
    items_of,
    means_nobody,
    no_pose,
    numbering,
    rows_of_boxes,
    says_no,
)
from ._pose_parts import find_parts, is_pose, measure
from ._pose_rates import TIME_KEYS, find_rate, time_of
from ._untrusted import shape_of, to_numpy

__all__ = ["FrameReader", "holds_pose", "read_tree"]

_NESTS = ("smplx_params", "smplx_param", "smplx", "params", "smpl_params", "smpl")
_DEPTH = 5


def holds_pose(value: Any, renamed: Mapping[str, str] | tuple[tuple[str, str], ...] = (), depth: int = _DEPTH) -> bool:
    """Say whether a value is a pose, or has one inside; of lists the first that is not empty counts."""
    if depth < 0:
        return False
    if isinstance(value, Mapping):
        if is_pose(value, renamed):
            return True
        return any(holds_pose(child, renamed, depth - 1) for child in islice(value.values(), 64))
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
        first = next((item for item in islice(items_of(value), 10_000) if not is_empty(item)), None)
        return isinstance(first, Mapping | list | tuple) and holds_pose(first, renamed, depth - 1)
    return False


class FrameReader:
    """Puts frames into `Detections`, one after the other.

    Are frames numbered by themselves or by their place in the list? Both is refused.
    """

    def __init__(self, detections: Detections, layout: PoseFormat) -> None:
        self.detections = detections
        self.path = detections.path
        self.inside = layout.inside
        self.unseen = layout.unseen
        self.renamed = detections.renamed
        self.images = False
        self.picture: tuple[float, float] | None = None
        self.numbered: bool | None = None
        self.pending: list[int | None] = []
        self.rate: Any = None
        self.components: bool | None = None
        self.flat_hands: bool | None = None
        self.whole = False  # the header was read whole, poses and all
        self._seen = False
        self._flat: set[tuple[Any, ...]] = set()  # keys of dicts that are poses: most frames of a file have the same

    def number(self, value: Any, key: Any = "frame") -> Any:
        """Read a frame number; `FormatError` if it is none, or negative."""
        number = read_number(value, name=f"The frame number ({key})", where=self.path, whole=True)
        if number < 0:
            raise FormatError("The frame number is negative.", where=self.path, expected=">= 0", found=number)
        return number

    def keyed(self, value: Any, key: Any) -> None:
        """Add a frame whose number is its key; a whole clip under a number is a track of that name."""
        number, image = frame_number(key)  # type: ignore[misc]  # asked for keys that are numbers only
        if isinstance(value, Mapping) and self._is_clip(value):
            read_tree(value, self, label=str(key))
            return
        self.images |= image
        self.frame(value, number=self.number(number, key))

    def frame(
        self,
        value: Any,
        *,
        number: int | None = None,
        place: int | None = None,
        label: Any = None,
        time: float | None = None,
    ) -> None:
        """Add everybody in one frame, called `label`; None, [] and {} are frames without anybody."""
        inner = value if isinstance(value, Mapping) else {}
        again = False
        if number is None and (key := clip_key(inner)) is not None and holds_pose(inner[key], self.renamed):
            self._clip(inner, key, place)
            return
        if number is None:
            number, again = self._find_number(inner, value, place)
            if number is None:
                self.pending.append(place)
                return
        where = f"{self.path}, frame {number}"
        people = list(self.people(value, where, label=label))
        again = again or (number in self.detections._announced and all(one[0] is not None for one in people))
        time = time_of(inner, where) if time is None else time
        self.detections.start_frame(number, time=time, again=again and bool(people))
        for label, params, box in people:
            self.detections.add(params, frame=number, label=label, box=box)
        if not self._seen and inner:
            self._look(inner)

    def _clip(self, value: Mapping[str, Any], key: str, place: int | None) -> None:
        """Add the frames of one of several tracks, each of which an entry of a list holds."""
        self._look(value)
        label = label_of(value) or str(place)
        for inner_place, one in enumerate(value[key]):
            self.frame(one, place=inner_place, label=label)

    def named(self, tree: Mapping[str, Any], names: list[str]) -> bool:
        """Add frames under keys that hold their numbers or times among other letters; False where they do not."""
        if (times := times_of_keys(names)) is not None:
            for place, name in enumerate(sorted(names, key=times.__getitem__)):
                self.frame(tree[name], place=place, time=times[name])
            return True
        if (numbers := frames_of_keys(names)) is None:
            return False
        self.images = True  # they begin with 1 unless there is a 0
        for name in names:
            self.frame(tree[name], number=numbers[name])
        return True

    def _look(self, frame: Mapping[str, Any]) -> None:
        """Take from the first frame what it says of all."""
        self._seen, self.rate, self.picture = True, find_rate(frame, 1), find_picture(frame)
        self.components, self.flat_hands = (find_switch(frame, keys, 2) for keys in (COMPONENT_KEYS, FLAT_KEYS))

    def _find_number(self, inner: Mapping[str, Any], value: Any, place: int | None) -> tuple[int | None, bool]:
        """Give (frame number, whether others may be of the same frame), or None for an empty entry of a list."""
        key, image_key, again = numbering(tuple(inner))
        if key is None and image_key is None and is_empty(value):
            return None, False
        image = inner[image_key] if image_key is not None else None
        image = frame_number(image) if isinstance(image, str) and IMAGE_KEY.fullmatch(image) else None
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
        is_name = isinstance(inner[key], str) and (again or IMAGE_KEY.fullmatch(inner[key]))
        if is_name and (named := frame_number(inner[key])):
            self.images |= named[1]
            return self.number(named[0], key), again
        return self.number(inner[key], key), again

    def people(
        self, value: Any, where: str | Path, depth: int = 0, outer: Any = None, label: Any = None
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Yield (track name or None, parameters, box) of everybody in a frame."""
        if is_empty(value) or depth > _DEPTH:
            return
        if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject):
            for person in items_of(value):
                if person is not None and not isinstance(person, Mapping):
                    raise no_pose(person, where)
                yield from self.people(person, where, depth + 1, outer, label)
            return
        if not isinstance(value, Mapping):
            raise no_pose(value, where)
        here = next((value[key] for key in LABEL_KEYS if key in value and is_label(value[key])), label)
        box = box_of(value) or (None if outer is None else box_of(outer))
        keys = tuple(value)
        flag = flag_among(keys)
        if flag is not None and says_no(value[flag]):
            self.detections.unseen += 1
            return
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
        elif not means_nobody(value):
            raise no_pose(value, where)

    def _nested(self, value: Mapping[str, Any], depth: int = 3) -> Any:
        """Name the key whose value holds the pose or the people, None if there is none."""
        if self.inside is not None and self.inside in value and value[self.inside] is not None:
            return self.inside
        return _choose([key for key in value if holds_pose(value[key], self.renamed, depth)])

    def _inside(
        self, value: Mapping[str, Any], key: Any, where: str | Path, depth: int, label: Any
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the people inside one child of a frame: a person, a list, or an object keyed by track."""
        child = value[key]
        if isinstance(child, Mapping) and not is_pose(child, self.renamed):
            names = [name for name, inner in child.items() if holds_pose(inner, self.renamed, 3)]
            if all(frame_number(name) is not None for name in names) or key in PEOPLE:
                for name in names:
                    yield from self.people(child[name], where, depth + 1, None, str(name))
                return
        if isinstance(child, list | tuple):
            labels = next((value[k] for k in LABEL_KEYS if len(shape_of(value.get(k))) == 1), None)
            boxes = next((value[k] for k in BOX_KEYS if is_table(value.get(k), len(child))), None)
            unseen = value.get(self.unseen) if self.unseen else None
            for place, person in enumerate(child):
                if unseen is not None and len(unseen) == len(child) and unseen[place]:
                    continue  # a tracker's memory, not what is seen
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

    def _is_clip(self, value: Any) -> bool:
        """Say whether a dict is, or holds, the arrays of more than one frame."""
        for _ in range(_DEPTH):
            if not isinstance(value, Mapping):
                return False
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
            if key is None:
                return False
            value = value[key]
        return False

    def finish(self, header: Mapping[str, Any] | None = None) -> None:
        """Settle how frames are counted, when all are there."""
        detections = self.detections
        left = count_poses(header, self.renamed) if detections.num_frames_seen and not self.whole else 0
        if left > detections.num_frames_seen:
            raise FormatError("Most poses of this file are under keys that tell no frame.", where=self.path,
                              found=f"{left} poses beside {detections.num_frames_seen} numbered frames")  # fmt: skip
        if left:
            detections.notes.append(f"{left} more poses, beside the frames, were not read")
        if self.numbered is not None:
            detections.numbered = self.numbered
        if self.numbered is not True:
            for place in self.pending:  # empty entries count as frames where frames are counted by their place
                if place is not None:
                    detections.start_frame(place)
        table = image_table(header)
        if table:
            missing = next((frame for frame in detections.frames if frame not in table), None)
            if missing is not None:
                raise FormatError("An annotation has no image.", where=f"{self.path}, image {missing}")
            for image in table:
                detections.start_frame(image, again=True)
            detections.renumber(table.__getitem__)
        elif self.images:
            detections.count_from_zero()


def _choose(keys: Sequence[Any]) -> Any:
    """Choose the key to descend to: usual names first."""
    for names in (_NESTS, PEOPLE):
        for name in names:
            if name in keys:
                return name
    return keys[0] if keys else None


def read_tree(tree: Any, reader: FrameReader, *, label: Any = None, depth: int = 0) -> None:
    """Read nested data whole: one clip, several tracks, or frames; `FormatError` if no pose is in it."""
    if depth > _DEPTH or not holds_pose(tree, reader.renamed, _DEPTH + 1):
        raise no_pose(tree, reader.path)
    if not isinstance(tree, Mapping):
        items = list(items_of(tree))
        if len(items) == 1 and isinstance(items[0], Mapping) and reader._is_clip(items[0]):
            read_tree(items[0], reader, label=label, depth=depth + 1)
            return
        if (batches := _joined(items, reader)) is not None:
            _read_pose(batches, reader, label)
            return
        for place, value in enumerate(items):
            reader.frame(value, place=place)
        return
    if is_pose(tree, reader.renamed) and reader.inside not in tree:
        _read_pose(tree, reader, label)
        return
    key = reader._nested(tree, _DEPTH)
    if key is None:
        raise no_pose(tree, reader.path)
    if depth and frame_number(key) is None and _aligned(tree, key):
        reader.frame(tree, place=0)
        return
    names = [name for name in tree if holds_pose(tree[name], reader.renamed, _DEPTH)]
    numbered = all(frame_number(name) is not None for name in names)
    plain = numbered and times_of_keys(names) is None
    if not plain and not any(reader._is_clip(tree[n]) for n in names[:8]) and reader.named(tree, names):
        return
    if frame_number(key) is not None:
        for name in [name for name in tree if frame_number(name) is not None]:
            reader.keyed(tree[name], name)
        return
    _read_child(tree, key, reader, label, depth)


def _read_child(tree: Mapping[str, Any], key: Any, reader: FrameReader, label: Any, depth: int) -> None:
    """Read the child of a dict that holds the poses: a clip, clips by name, the people of one frame, or more."""
    child = tree[key]
    if isinstance(child, Mapping) and is_pose(child, reader.renamed):
        others = [name for name in tree if holds_pose(tree[name], reader.renamed, _DEPTH)]
        if len(others) > 1 and key not in (*_NESTS, reader.inside) and reader._is_clip(child):
            for name in others:
                read_tree(tree[name], reader, label=str(name), depth=depth + 1)
        else:
            _read_pose(child, reader, label, tree)
        return
    if key in PEOPLE and _is_one_frame(child, reader):
        reader.frame(tree, place=0)
        return
    if isinstance(child, list | tuple) and (batches := _joined(child, reader)) is not None:
        _read_pose(batches, reader, label, tree)
        return
    read_tree(child, reader, label=label, depth=depth + 1)


def _joined(items: Any, reader: FrameReader) -> dict[str, Any] | None:
    """Put the batches of a clip, dicts of arrays with a frame a row, behind each other; None if they are none."""
    first = items[0] if items else None
    if not (isinstance(first, Mapping) and is_pose(first, reader.renamed) and reader._is_clip(first)):
        return None
    if not all(isinstance(item, Mapping) and item.keys() == first.keys() for item in items):
        return None
    parts = find_parts(first, reader.renamed)
    try:
        return {key: np.concatenate([np.asarray(to_numpy(item[key])) for item in items]) for key in parts.values()}
    except ValueError as error:
        raise FormatError("The batches of this clip do not fit.", where=reader.path, found=error) from error


def _is_one_frame(people: Any, reader: FrameReader) -> bool:
    """Say whether people, in a list or by name, are those of one frame and not clips or frames."""
    if isinstance(people, Mapping):
        return not any(reader._is_clip(person) for person in islice(people.values(), 8))
    return not _has_frames(people)


def _has_frames(items: Any) -> bool:
    """Say whether the entries of a list say which frame they belong to."""
    first = next((item for item in items if isinstance(item, Mapping) and item), {})
    return any(str(key).lower() in (*FRAME_KEYS, "image_id", *IMAGE_KEYS, *TIME_KEYS) for key in first)


def _aligned(tree: Mapping[str, Any], key: Any) -> bool:
    """Say whether lists of people, tracks and boxes lie side by side, as PHALP writes a frame."""
    child = tree.get(key)
    return isinstance(child, list | tuple) and any(len(shape_of(tree.get(name))) == 1 for name in LABEL_KEYS)


def _read_pose(
    params: Mapping[str, Any], reader: FrameReader, label: Any, outer: Mapping[str, Any] | None = None
) -> None:
    """Read one set of parameters: a whole clip, or a single frame."""
    around = {**(outer or {}), **params}
    if reader._is_clip(params) or label is not None or any(isinstance(v, np.ndarray) for v in params.values()):
        frames = next((around[k] for k in FRAME_LISTS if is_list(around.get(k))), None)
        boxes = next((around[k] for k in BOX_KEYS if around.get(k) is not None), None)
        valid = next((around[k] for k in FLAG_KEYS if is_list(around.get(k))), None)
        detections = reader.detections
        detections.add_clip(params, frames=frames, label=label, boxes=rows_of_boxes(boxes), valid=flags_of(valid))
        detections.is_clip = label is None and len(set(detections.frames)) == len(detections.frames)
        reader.components, reader.flat_hands = (find_switch(around, k, 2) for k in (COMPONENT_KEYS, FLAT_KEYS))
        return
    reader.frame(params if outer is None else outer, place=0)
