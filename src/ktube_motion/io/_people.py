"""Whom to keep, where there are several people: boxes, tracks, and the choice of one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from ..errors import ConfigError, DataError, FormatError
from ._detections import Detections, Rows
from ._stand_ins import follows

__all__ = ["Person", "choose_person", "find_people"]

_FORGET = 30  # frames after which somebody who left is no longer waited for
_MOST_LISTED = 20
_HALF_TURN = 90.0  # degrees, taken for radians
_CROWD = 12  # people
_JOINED = 3  # frames between two tracks of one person
_WHOLE = 0.8  # of the frames with anybody, below which other tracks are told


@dataclass(frozen=True)
class Person:
    """Somebody in a clip.

    Attributes
    ----------
    id : int or str
        What `load_poses` takes as ``person=``.
    frames : int
        Frames with a usable pose.
    first, last : int
        The first and last of them.
    size : float
        Median area of the box in the picture, in its unit; NaN where there are no boxes.
    distance : float
        Median of the translation's depth in the source's axes; NaN where there is none.

    Examples
    --------
    >>> Person(id=0, frames=240, first=0, last=250, size=0.2, distance=2.4).frames
    240
    """

    id: int | str
    frames: int
    first: int
    last: int
    size: float
    distance: float


@dataclass(frozen=True)
class _People:
    """Detections in arrays, with the rows of each frame."""

    path: str | Path
    groups: list[np.ndarray]
    labels: list[Any]
    frames: np.ndarray
    rows: Rows
    corners: np.ndarray  # (N, 4): left, top, right, bottom

    @property
    def areas(self) -> np.ndarray:
        return np.prod(self.corners[:, 2:] - self.corners[:, :2], axis=1)

    @property
    def tracked(self) -> bool:
        return all(self.labels[row] is not None for group in self.groups for row in group)


def _gather(detections: Detections, picture: tuple[float, float] | None) -> _People:
    """Sort the usable rows by frame; `DataError` if there are none."""
    rows = detections.rows()
    usable = np.flatnonzero(rows.finite)
    if not len(usable):
        raise DataError(
            "No frame has a usable pose.",
            where=detections.path,
            found=f"{len(detections.frames)} detections in {detections.num_frames_seen} frames, none of them finite"
            + (f"; {detections.incomplete} are null" if detections.incomplete else ""),
            fix=_fix(rows.rotvecs),
        )
    frames = np.array(detections.frames, np.int64)
    usable = usable[np.argsort(frames[usable], kind="stable")]
    groups = np.split(usable, np.flatnonzero(np.diff(frames[usable])) + 1)
    several = len(groups) < len(usable)
    corners = _corners(detections.boxes, picture, detections.box_kind, detections.notes if several else [])
    return _People(detections.path, groups, detections.labels, frames, rows, corners)


def _fix(rotvecs: np.ndarray) -> str:
    large = len(rotvecs) > 0 and np.isfinite(rotvecs).all() and np.median(np.abs(rotvecs).max((1, 2))) > _HALF_TURN
    return "Are the rotations in degrees? They are read as radians." if large else "Leave this clip out."


def _corners(boxes: list[Any], picture: tuple[float, float] | None, kind: str | None, notes: list[str]) -> np.ndarray:
    """Give boxes as corners: decide over all frames whether the last two numbers are a corner or a size."""
    numbers = np.full((len(boxes), 4), np.nan)
    for row, box in enumerate(boxes):
        numbers[row] = np.nan if box is None else box
    numbers[~(numbers[:, 2:] > 0).all(1)] = np.nan  # zeros stand for nobody
    known = numbers[np.isfinite(numbers).all(1)]
    if not len(known):
        return numbers
    can_be_corners = (known[:, 2:] > known[:, :2]).all()
    far = known[:, :2] + known[:, 2:]
    can_be_sizes = picture is None or (far <= 1.1 * np.max(picture)).all()
    if kind is None:
        taken = "corners x1, y1, x2, y2" if can_be_corners else "x, y, width, height"
        reason = "" if can_be_sizes else ", because as sizes they would leave the picture"
        reason = reason if can_be_corners else ", because some end before they begin as corners"
        note = f"boxes are taken for {taken}{reason}"
        notes += [note] if note not in notes else []
    if kind == "sizes" or (kind is None and not can_be_corners):
        numbers[:, 2:] += numbers[:, :2]
    return numbers


def choose_person(
    detections: Detections,
    *,
    person: int | str | None = None,
    longest: bool = False,
    picture: tuple[float, float] | None = None,
) -> np.ndarray:
    """Choose one row per frame: the same person through the clip.

    Where the source tracks people, a track is kept. Elsewhere everybody is
    followed from frame to frame by the nearest translation, root rotation
    and body shape (an optimal assignment, so that nobody is taken twice).

    Parameters
    ----------
    detections : Detections
    person : int or str, optional
        The track to keep; without tracks, the position of the person in the
        first frame that has so many people. ``"largest"`` and ``"central"``
        look at everybody over the whole clip. By default the largest in the
        picture, else the closest to the camera, in the first frame that has
        anybody.
    longest : bool
        By default keep the track that is seen longest instead.
    picture : (float, float), optional
        Size of the picture, where known.

    Returns
    -------
    rows : int array [shape=(N,)]
        Rows of `detections`, ordered by frame. Rows with NaN are never chosen.

    Raises
    ------
    ConfigError
        If there is no such person.
    DataError
        If nobody is in the clip.
    """
    people = _gather(detections, picture)
    _tell_crowd(people, detections.notes)
    if person in ("largest", "central") and not (people.tracked and person in map(str, set(people.labels))):
        everybody = list(_everybody(people))
        score = _size_score if person == "largest" else _centre_score(people, picture)
        return max(everybody, key=lambda item: score(people, item[1]))[1]
    if people.tracked:
        kept = _keep_track(people, person, longest)
        return kept if person is not None else _join_tracks(people, kept, detections.notes)
    if detections.is_clip and person not in (None, 0, "0"):
        raise ConfigError(
            "There is one person in such a file.", where=people.path, expected="person=None", found=repr(person)
        )
    if person is not None:
        return _follow(people, *_find(people, person))
    if all(len(group) == 1 for group in people.groups):
        return np.concatenate(people.groups)
    return max((rows for _, rows in _everybody(people)), key=lambda rows: _size_score(people, rows))


def find_people(detections: Detections, *, picture: tuple[float, float] | None = None) -> list[Person]:
    """List everybody in a clip, the one who is seen longest first."""
    people = _gather(detections, picture)
    listed = []
    for name, rows in _everybody(people):
        frames, areas = people.frames[rows], people.areas[rows]
        known = areas[np.isfinite(areas)]
        depth = people.rows.transl[rows, 2]
        size = float(np.median(known)) if len(known) else float("nan")
        distance = float(np.median(depth)) if depth.any() else float("nan")
        listed.append(Person(name, len(rows), int(frames.min()), int(frames.max()), size, distance))
    return sorted(listed, key=lambda one: -one.frames)


def _everybody(people: _People) -> Iterable[tuple[Any, np.ndarray]]:
    """Yield (id, rows) of each person."""
    if people.tracked:
        for label in dict.fromkeys(people.labels[row] for group in people.groups for row in group):
            yield label, np.array([row for group in people.groups for row in group if people.labels[row] == label])
        return
    for place in range(min(max(map(len, people.groups)), _MOST_LISTED)):
        yield place, _follow(people, *_find(people, place))


def _size_score(people: _People, rows: np.ndarray) -> float:
    areas = people.areas[rows]
    depth = people.rows.transl[rows, 2]
    if np.isfinite(areas).any():
        return float(np.nansum(areas))
    return len(rows) / max(float(np.median(np.where(depth > 0, depth, 1e3))), 1e-3)


def _centre_score(people: _People, picture: tuple[float, float] | None) -> Callable[[_People, np.ndarray], float]:
    """Build the score of standing in the middle: of the picture, of all boxes, or before the camera."""
    known = people.corners[np.isfinite(people.corners).all(1)]
    if picture is not None:
        middle = max(picture) / 2 if len(known) and known[:, 2].max() > min(picture) else picture[0] / 2
    else:
        middle = (known[:, 0].min() + known[:, 2].max()) / 2 if len(known) else 0.0

    def score(people: _People, rows: np.ndarray) -> float:
        corners = people.corners[rows]
        if np.isfinite(corners).all(1).any():
            return -float(np.nanmean(np.abs(corners[:, [0, 2]].mean(1) - middle)))
        transl = people.rows.transl[rows]
        return -float(np.mean(np.abs(transl[:, 0]) / np.maximum(np.abs(transl[:, 2]), 0.1)))

    return score


def _keep_track(people: _People, person: int | str | None, longest: bool) -> np.ndarray:
    labels = [str(label) for label in people.labels]
    rows = [row for group in people.groups for row in group]
    counts: dict[str, int] = {}
    for row in rows:
        counts[labels[row]] = counts.get(labels[row], 0) + 1
    if person is not None:
        wanted = str(person)
    elif longest:
        wanted = max(counts, key=counts.__getitem__)
    else:
        wanted = str(max(_everybody(people), key=lambda one: _size_score(people, one[1]))[0])
    kept = [row for row in rows if labels[row] == wanted]
    if not kept:
        known = ", ".join(sorted(counts)[:_MOST_LISTED])
        raise ConfigError("There is no such person.", where=people.path, expected=f"one of {known}", found=wanted)
    if len({people.frames[row] for row in kept}) < len(kept):
        raise FormatError(f"Track {wanted} is twice in one frame.", where=people.path)
    return np.array(kept)


def _find(people: _People, person: int | str) -> tuple[int, int]:
    """Find the first frame that has enough people for the `person`-th to be there."""
    most = max(map(len, people.groups))
    place = int(person) if str(person).isdecimal() else most
    for first, group in enumerate(people.groups):
        if len(group) > place:
            return first, place
    raise ConfigError(
        "There is no such person.",
        where=people.path,
        expected=f"largest, central, or a number below {most}, the most people in one frame",
        found=repr(person),
    )


def _tell_crowd(people: _People, notes: list[str]) -> None:
    """Say it where so many people stand in one frame that they may be frames."""
    most = max(map(len, people.groups))
    if most > max(_CROWD, len(people.groups)):
        notes.append(f"{most} people are in one frame: are they frames, under names that tell no number?")


def _join_tracks(people: _People, kept: np.ndarray, notes: list[str]) -> np.ndarray:
    """Go on with a track that begins where ours ends, in the same pose, or ends where ours begins; tell of others."""
    tracks = [(str(name), rows) for name, rows in _everybody(people)]
    ours = str(people.labels[kept[0]])
    left, joined = {name: rows for name, rows in tracks if name != ours}, [ours]
    body = people.rows.rotvecs[:, :22].reshape(-1, 66)
    found = True
    while found:
        first, last = people.frames[kept[0]], people.frames[kept[-1]]
        found = False
        for name, rows in left.items():
            if 0 < people.frames[rows[0]] - last <= _JOINED and follows(body, kept[-1], rows[0]):
                kept, found = np.concatenate([kept, rows]), True
            elif 0 < first - people.frames[rows[-1]] <= _JOINED and follows(body, rows[-1], kept[0]):
                kept, found = np.concatenate([rows, kept]), True
            if found:
                joined.append(name)
                del left[name]
                break
    if len(joined) > 1:
        notes.append(f"tracks {', '.join(joined[:6])} follow each other in the same pose: joined as one person")
    if len(kept) < _WHOLE * len(people.groups):
        others = ", ".join(f"{name} ({len(rows)})" for name, rows in list(left.items())[:6])
        notes.append(
            f"track {joined[0]} is kept, seen in {len(kept)} of {len(people.groups)} frames with anybody; "
            f"others: {others}"
        )
    return kept


def _follow(people: _People, first: int, place: int) -> np.ndarray:
    """Follow everybody forwards and backwards from frame `first`; return one person's rows."""
    groups, rows = people.groups, people.rows
    if all(len(group) == 1 for group in groups):
        return np.concatenate(groups)
    # The half turn between two rotations is the angle between their quaternions.
    quats = Rotation.from_rotvec(rows.rotvecs[:, 0].astype(np.float64)).as_quat()
    transl, betas = rows.transl, rows.betas

    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        apart = np.linalg.norm(transl[a][:, None] - transl[b][None], axis=-1)
        turn = 2 * np.arccos(np.clip(np.abs(quats[a] @ quats[b].T), 0, 1))
        return apart + turn + 0.3 * np.linalg.norm(betas[a][:, None] - betas[b][None], axis=-1)

    def walk(indices: Iterable[int]) -> Iterator[int]:
        """Rows of our person in the given frames; track 0 is ours."""
        ours = groups[first][place]
        tracks = [ours, *(row for row in groups[first] if row != ours)]
        seen = [first] * len(tracks)
        for index in indices:
            group = groups[index]
            known, new = linear_sum_assignment(distance(np.array(tracks), group))
            for track, row in zip(known, new, strict=True):
                tracks[track], seen[track] = group[row], index
            if seen[0] == index:
                yield tracks[0]
            fresh = [group[k] for k in range(len(group)) if k not in new]
            keep = [k for k in range(len(tracks)) if k == 0 or abs(index - seen[k]) <= _FORGET]
            tracks, seen = [tracks[k] for k in keep] + fresh, [seen[k] for k in keep] + [index] * len(fresh)

    before = list(walk(range(first - 1, -1, -1)))
    return np.array([*before[::-1], groups[first][place], *walk(range(first + 1, len(groups)))])
