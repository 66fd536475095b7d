"""Detections of people, frame by frame, and the choice of one of them."""

from array import array

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from ..errors import ConfigError, DataError, FormatError
from .untrusted import to_numpy

__all__ = ["NUM_POSE", "PARTS", "Detections", "choose_person", "read_number"]

NUM_POSE = 165
# part: (first number of the row, size, the names estimators give it). The rotations come first, in SMPL-X order.
PARTS = {
    "root": (0, 3, ("smplx_root_pose", "root_pose", "global_orient")),
    "body": (3, 63, ("smplx_body_pose", "body_pose")),
    "jaw": (66, 3, ("smplx_jaw_pose", "jaw_pose")),
    "left eye": (69, 3, ("smplx_leye_pose", "leye_pose")),
    "right eye": (72, 3, ("smplx_reye_pose", "reye_pose")),
    "left hand": (75, 45, ("smplx_lhand_pose", "lhand_pose", "left_hand_pose")),
    "right hand": (120, 45, ("smplx_rhand_pose", "rhand_pose", "right_hand_pose")),
    "transl": (165, 3, ("cam_trans", "trans", "transl", "smplx_transl")),
    "betas": (168, None, ("smplx_shape", "shape", "betas")),
    "expression": (None, None, ("smplx_expr", "expr", "expression")),
}
_LARGEST = 1e5  # radians or metres: a number beyond it is no measurement
_MOST_COEFFICIENTS = 500
_BLOCK = 4096
_FORGET = 30  # frames after which somebody who left is no longer waited for


def read_number(value, *, name, where, whole=False):
    """Read a number that may be written as text; `FormatError` if it is none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    text = value.strip() if isinstance(value, str) else value
    try:
        number = float("nan") if isinstance(text, bool) else float(text)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not np.isfinite(number) or (whole and number != int(number)):
        wanted = "a whole number" if whole else "a number"
        raise FormatError(f"{name} is not {wanted}.", where=where, expected=wanted, found=repr(value)[:60])
    return int(number) if whole else number


class Detections:
    """All people found in a clip, one row of numbers each, in bounded memory.

    Parameters
    ----------
    path : path
        What errors call the clip.

    Attributes
    ----------
    frames : list of int
        Frame number of each row.
    labels : list
        Track name of each row, or None where the source has none.
    areas : list of float
        Size of the person in the picture, NaN where unknown.
    times : dict of int to float
        Time stamp in seconds of each frame that has one.
    numbered : bool
        False where the source counts frames by their place in a list.
    """

    def __init__(self, path):
        self.path = path
        self.frames, self.labels, self.areas = [], [], []
        self.times, self.numbered = {}, True
        self._seen, self._schema, self._columns = set(), None, []
        self._blocks, self._used = [], _BLOCK

    def start_frame(self, frame, *, time=None):
        """Announce a frame, with or without people; `FormatError` if it is negative or came before."""
        if frame < 0:
            raise FormatError("A frame number is negative.", where=self.path, expected=">= 0", found=frame)
        if frame in self._seen:
            raise FormatError(
                "A frame comes twice.",
                where=f"{self.path}, frame {frame}",
                fix="Keep one entry per frame; put several people of a frame in one list.",
            )
        self._seen.add(frame)
        if time is not None:
            self.times[frame] = time

    def add(self, params, *, frame, label=None, area=np.nan):
        """Store one person of a frame that was started."""
        where = f"{self.path}, frame {frame}"
        if self._schema is None:
            self._schema = self._read_schema(params, where)
        row = array("d")
        for name, size in self._schema:
            row.extend(_numbers(params.get(name), size, name, where))
        if self._used == _BLOCK:
            self._blocks.append(np.zeros((_BLOCK, len(row)), np.float32))
            self._used = 0
        with np.errstate(over="ignore"):  # 1e300 becomes infinity, and the frame invalid
            self._blocks[-1][self._used] = row
        self._used += 1
        self.frames.append(frame)
        self.labels.append(label)
        self.areas.append(area)

    def _read_schema(self, params, where):
        """Decide from the first person which keys the source has, and how long they are."""
        schema = []
        for part, (first, size, names) in PARTS.items():
            name = next((name for name in names if params.get(name) is not None), None)
            if name is None:
                if part in ("root", "body"):
                    raise FormatError(
                        f"The {part} rotation is missing.",
                        where=where,
                        expected=f"a key {' or '.join(names)}",
                        found=", ".join(map(str, list(params)[:12])) or "nothing",
                    )
                continue
            length = size or _length(params[name], name, where)
            schema.append((name, length))
            self._columns.append((part, first, length))
        return schema

    @property
    def last_frame(self):
        """The highest frame number announced, -1 if none."""
        return max(self._seen, default=-1)

    @property
    def num_frames_seen(self):
        """How many frames were announced."""
        return len(self._seen)

    def arrays(self):
        """Give the rows as ``(rotvecs (N, 55, 3), transl (N, 3), betas (N, B), expression (N, E))``."""
        count = len(self.frames)
        out = {"pose": np.zeros((count, NUM_POSE + 3), np.float32)}
        column = 0
        for part, first, length in self._columns:
            target = out["pose"][:, first : first + length] if part not in ("betas", "expression") else None
            if target is None:
                target = out[part] = np.zeros((count, length), np.float32)
            for k, block in enumerate(self._blocks):
                rows = slice(k * _BLOCK, min((k + 1) * _BLOCK, count))
                target[rows] = block[: rows.stop - rows.start, column : column + length]
            column += length
        rotvecs = out["pose"][:, :NUM_POSE].reshape(count, 55, 3)
        none = np.zeros((count, 0), np.float32)
        return rotvecs, out["pose"][:, NUM_POSE:], out.get("betas", none), out.get("expression", none)

    def finite(self):
        """Tell which rows are numbers throughout, as a bool array ``(N,)``."""
        good = [(np.abs(block) < _LARGEST).all(1) for block in self._blocks]  # False for NaN too
        return np.concatenate([*good, np.zeros(0, bool)])[: len(self.frames)]


def _numbers(value, size, name, where):
    """Flatten one parameter to `size` doubles."""
    if type(value) is list and len(value) == size:  # the common case, without NumPy's overhead
        try:
            return array("d", value)
        except (TypeError, OverflowError):
            pass  # nested, or null for NaN: below; a wrong kind is named there
    try:
        flat = np.asarray(to_numpy(value))
        flat = np.asarray(flat, np.float64).reshape(-1) if flat.dtype.kind in "fiubO" else None
    except (TypeError, ValueError, OverflowError, RuntimeError):
        flat = None
    if flat is None or value is None or flat.size != size:
        found = "nothing" if value is None else "no numbers" if flat is None else f"{flat.size} numbers"
        raise FormatError(f"{name} has the wrong length.", where=where, expected=f"{size} numbers", found=found)
    return array("d", flat.tobytes())


def _length(value, name, where):
    """Tell how many shape or expression coefficients a source gives."""
    try:
        length = int(np.size(to_numpy(value)))
    except ValueError:
        length = _MOST_COEFFICIENTS + 1
    if length > _MOST_COEFFICIENTS:
        raise FormatError(f"{name} is no list of coefficients.", where=where, expected=f"at most {_MOST_COEFFICIENTS}")
    return length


def choose_person(detections, *, person=None):
    """Choose one row per frame: the same person through the clip.

    Where the source tracks people, a track is kept. Elsewhere everybody is
    followed from frame to frame by the nearest translation, root rotation
    and body shape (an optimal assignment, so that nobody is taken twice).
    The person to follow is the largest in the picture, else the closest to
    the camera, in the first frame that has anybody.

    Parameters
    ----------
    detections : Detections
    person : int or str, optional
        The track to keep; without tracks, the position of the person in the
        first frame that has so many people.

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
    rows = np.flatnonzero(detections.finite())
    if not len(rows):
        raise DataError(
            "No frame has a usable pose.",
            where=detections.path,
            found=f"{len(detections.frames)} detections in {detections.num_frames_seen} frames, none of them finite",
            fix="Leave this clip out.",
        )
    frames = np.array(detections.frames)[rows]
    order = np.argsort(frames, kind="stable")
    rows, frames = rows[order], frames[order]
    groups = np.split(rows, np.flatnonzero(np.diff(frames)) + 1)
    if all(detections.labels[row] is not None for row in rows):
        return _keep_track(detections, rows, groups, person)
    if person is None:
        first, place = 0, _nearest(detections, groups[0])
    else:
        first, place = _find(detections, groups, person)
    if len(groups) == len(rows):
        return rows
    return _follow(detections, groups, first, place)


def _keep_track(detections, rows, groups, person):
    wanted = str(detections.labels[groups[0][_nearest(detections, groups[0])]] if person is None else person)
    kept = [row for row in rows if str(detections.labels[row]) == wanted]
    if not kept:
        known = sorted({str(detections.labels[row]) for row in rows})
        raise ConfigError(
            "There is no such person.", where=detections.path, expected=f"one of {', '.join(known[:20])}", found=wanted
        )
    if len({detections.frames[row] for row in kept}) < len(kept):
        raise FormatError(f"Track {wanted} is twice in one frame.", where=detections.path)
    return np.array(kept)


def _find(detections, groups, person):
    """Find the first frame that has enough people for the `person`-th to be there."""
    most = max(map(len, groups))
    place = int(person) if str(person).isdecimal() else most
    for first, group in enumerate(groups):
        if len(group) > place:
            return first, place
    raise ConfigError(
        "There is no such person.",
        where=detections.path,
        expected=f"a number below {most}, the most people in one frame",
        found=repr(person),
    )


def _nearest(detections, group):
    """Tell which person of a frame is largest in the picture, or else closest to the camera."""
    areas = np.array([detections.areas[row] for row in group])
    if np.isfinite(areas).all():
        return int(areas.argmax())
    depth = np.array([_row(detections, row)[1][2] for row in group])
    return int(np.where(depth > 0, depth, np.inf).argmin())


def _row(detections, row):
    """Give (root rotation, translation, betas) of one row without copying the clip."""
    values, found, column = detections._blocks[row // _BLOCK][row % _BLOCK], {}, 0
    for part, _, length in detections._columns:
        found[part] = values[column : column + length]
        column += length
    return found["root"], found.get("transl", np.zeros(3, np.float32)), found.get("betas", np.zeros(0, np.float32))


def _follow(detections, groups, first, place):
    """Follow everybody forwards and backwards from frame `first`; return one person's rows."""
    roots, transl, betas = detections.arrays()[:3]
    # The half turn between two rotations is the angle between their quaternions.
    quats = Rotation.from_rotvec(roots[:, 0].astype(np.float64)).as_quat()

    def distance(a, b):
        apart = np.linalg.norm(transl[a][:, None] - transl[b][None], axis=-1)
        turn = 2 * np.arccos(np.clip(np.abs(quats[a] @ quats[b].T), 0, 1))
        return apart + turn + 0.3 * np.linalg.norm(betas[a][:, None] - betas[b][None], axis=-1)

    def walk(indices):
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
