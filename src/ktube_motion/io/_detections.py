"""All people found in a clip, one row of numbers each, in bounded memory."""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._hand_components import look_like_components
from ._joint_limits import HINGES, UNSURE, bending
from ._pose_facts import no_pose
from ._pose_parts import CAMERA_TRANSLATIONS, Column, find_parts, measure, plain_name, to_rotvecs, unread_parts
from ._untrusted import shape_of, to_numbers

__all__ = ["Detections", "Rows"]

NUM_JOINTS = 55
_LARGEST = 1e5  # metres: a number beyond it is no measurement
_LARGEST_TURN = 100.0  # radians: a rotation vector beyond it is no rotation
_BLOCK = 4096
_HEARD = 40  # unread keys remembered


@dataclass(frozen=True)
class Rows:
    """The numbers of all detections.

    Attributes
    ----------
    rotvecs : float32 array [shape=(N, 55, 3)]
    transl : float32 array [shape=(N, 3)]
    betas : float32 array [shape=(N, B)]
    expression : float32 array [shape=(N, E)]
    finite : bool array [shape=(N,)]
        False where a number is missing, no rotation, infinite or absurd.
    """

    rotvecs: np.ndarray
    transl: np.ndarray
    betas: np.ndarray
    expression: np.ndarray
    finite: np.ndarray

    def only(self, chosen: np.ndarray | slice) -> "Rows":
        """Keep some rows, given by number."""
        return Rows(*(getattr(self, name)[chosen] for name in ("rotvecs", "transl", "betas", "expression", "finite")))


class Detections:
    """All people found in a clip.

    Parameters
    ----------
    path : path
        What errors call the clip.
    renamed : mapping of str to str
        Keys that hold a part of a pose in this layout only.
    hands : callable, optional
        Turns the PCA numbers of a hand into rotations: ``hands(side, numbers)``.

    Attributes
    ----------
    frames : list of int
        Frame number of each row.
    labels : list
        Track name of each row, or None where the source has none.
    boxes : list of tuple or None
        Where each person is in the picture, four numbers.
    times : dict of int to float
        Time stamp in seconds of each frame that has one.
    numbered : bool
        False where the source counts frames by their place in a list.
    is_clip : bool
        True where the source is one person's whole clip.
    incomplete : int
        People whose parameters were null or missing.
    unseen : int
        People, or frames, that a flag says were not seen.
    unread : dict of str to None
        Keys that look like parts of a pose and were not read, in order.
    notes : list of str
        What was decided or left out on the way, to be told.
    box_kind : str or None
        ``sizes`` or ``corners`` where the layout says it.
    components : bool or None
        Whether hands are principal components though they have 45 numbers; None where the file does not say it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        renamed: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
        hands: Callable[..., np.ndarray] | None = None,
    ) -> None:
        self.path: str | Path
        self.renamed: tuple[tuple[str, str], ...]
        self.hands: Callable[..., np.ndarray] | None
        self.path, self.renamed, self.hands = path, tuple(dict(renamed).items()), hands
        self.frames: list[Any]
        self.labels: list[Any]
        self.boxes: list[Any]
        self.frames, self.labels, self.boxes = [], [], []
        self.times: dict[int, float]
        self.numbered: bool
        self.is_clip: bool
        self.incomplete: int
        self.unseen: int
        self.times, self.numbered, self.is_clip, self.incomplete, self.unseen = {}, True, False, 0, 0
        self.unread: dict[str, None]
        self.valid: list[bool] | None
        self.unread, self.valid = {}, None
        self.notes: list[str] = []
        self.box_kind: str | None = None
        self.components: bool | None = None
        self._announced: set[int]
        self._plans: dict[Any, Any]
        self._columns: dict[str, Any]
        self._announced, self._plans, self._columns = set(), {}, {}
        self._sizes: list[int] = []
        self._null_parts: set[str] = set()
        self._blocks: list[np.ndarray] = []
        self._fresh = array("d")  # rows behind the blocks, one after the other
        self._rows: Rows | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Each part that was read, as a `Column`."""
        return dict(self._columns)

    @property
    def has_whole_hands(self) -> bool:
        """True where hands come as matrices, to which no model adds its mean hand, or with Multi-HMR's 53 joints."""
        hands = [column for column in self._columns.values() if len(set(column.joints) & {25, 54})]
        return bool(hands) and all(column.kind == "rotmat" or len(column.joints) == 53 for column in hands)

    @property
    def has_trajectory(self) -> bool:
        """False where the translation belongs to a virtual camera around the person's crop, or there is none."""
        column = self._columns.get("transl")
        return column is not None and plain_name(column.key) not in CAMERA_TRANSLATIONS

    def start_frame(self, frame: int, *, time: float | None = None, again: bool = False) -> None:
        """Announce a frame, with or without people; `FormatError` if it is negative or came before."""
        if frame < 0:
            raise FormatError("A frame number is negative.", where=self.path, expected=">= 0", found=frame)
        if frame in self._announced and not again:
            raise FormatError(
                "A frame comes twice.",
                where=f"{self.path}, frame {frame}",
                fix="Keep one entry per frame; put several people of a frame in one list.",
            )
        self._announced.add(frame)
        if time is not None:
            self.times[frame] = time

    def add(self, params: Mapping[str, Any], *, frame: int, label: Any = None, box: Any = None) -> None:
        """Store one person of a frame that was started; null parameters are counted, and are nobody."""
        parts = self._plans.get(tuple(params))
        if parts is None or self._null_parts:
            parts = self._plan(params, f"{self.path}, frame {frame}")
        row = array("d") if parts is None else self._row(parts, params, f"{self.path}, frame {frame}")
        if not row:
            self.incomplete += 1
            return
        self._fresh.extend(row)
        if len(self._fresh) >= _BLOCK * len(row):
            self._filled()
        self._note(frame, label, box)

    def _row(self, parts: Mapping[str, str], params: Mapping[str, Any], where: str) -> "array[float]":
        """Give the numbers of one person in the order of the columns, none where a part is null."""
        try:  # the common case: flat lists of numbers, all as long as they should be
            values = [params[parts[part]] for part in self._columns]
            if [len(value) for value in values] == self._sizes:
                return array("d", chain.from_iterable(values))
        except (KeyError, TypeError, OverflowError):
            pass  # a part is missing or null, or numbers are nested: below; a wrong kind is named there
        row = array("d")
        for column in self._columns.values():
            key = parts.get(column.part)
            value = None if key is None else params[key]
            if key is None or _is_null(value):
                return array("d")
            row.extend(_numbers(value, column.size, key, where))
        return row

    def add_clip(
        self, params: Mapping[str, Any], *, frames: Any = None, label: Any = None, boxes: Any = None, valid: Any = None
    ) -> None:
        """Store one person's whole clip of ``(T, …)`` arrays."""
        where = self.path if label is None else f"{self.path}, person {label}"
        parts = self._plan(params, where, clip=True)
        if parts is None:
            self.incomplete += 1
            return
        main = "whole" if "whole" in parts else "body"
        count = measure(main, parts[main], params[parts[main]], where)[1]
        arrays = [_rows(params[parts[name]], column, count, where) for name, column in self._columns.items()]
        frames = np.arange(count) if frames is None else _whole_numbers(frames, count, where)
        values = np.concatenate(arrays, 1)
        self._blocks = [*self._filled(), *(values[k : k + _BLOCK] for k in range(0, count, _BLOCK))]
        self.frames.extend(frames.tolist())
        self.labels.extend([label] * count if isinstance(label, str | None) else label)
        self.boxes.extend([None] * count if boxes is None or len(boxes) != count else list(boxes))
        if valid is not None:
            self.valid = [*([True] * (len(self.frames) - count) if self.valid is None else self.valid), *valid]

    def _note(self, frame: int, label: Any, box: Any) -> None:
        self.frames.append(frame)
        self.labels.append(label)
        self.boxes.append(box)

    def _filled(self) -> list[np.ndarray]:
        """Put the rows that came since into a block; give all blocks."""
        if self._fresh:
            with np.errstate(over="ignore"):  # 1e300 becomes infinity, and the frame invalid
                block = np.array(self._fresh).astype(np.float32)
            self._blocks.append(block.reshape(-1, sum(self._sizes)))
            self._fresh = array("d")
        return self._blocks

    def _plan(self, params: Mapping[str, Any], where: str | Path, *, clip: bool = False) -> dict[str, Any] | None:
        """Tell which key holds which part, None where a part that the clip has is null. Learn new parts."""
        parts = find_parts(params, self.renamed)
        self._check_main(parts, params, where)
        if len(self.unread) < _HEARD:
            self.unread |= dict.fromkeys(unread_parts(params, self.renamed))
        null = {part for part, key in parts.items() if _is_null(params[key])}
        if null & {"root", "body", "whole"} or null & self._columns.keys():
            return None
        if null or parts.keys() - self._columns.keys():
            self._learn(parts, null, params, where, clip)
        self._plans[tuple(params)] = parts
        return parts

    def _check_main(self, parts: Mapping[str, Any], params: Mapping[str, Any], where: str | Path) -> None:
        """Refuse what has no body and no root."""
        missing = [] if "whole" in parts else [part for part in ("root", "body") if part not in parts]
        if missing == ["root"] and shape_of(params[parts["body"]]):
            missing = []  # the body may begin with the root; `_learn` measures it
        if missing and any("mhr_" in str(key) or "keypoints" in str(key) for key in params):
            raise no_pose(params, where)
        if missing:
            names = {"root": "smplx_root_pose, global_orient", "body": "smplx_body_pose, body_pose"}[missing[0]]
            raise FormatError(
                f"The {missing[0]} rotation is missing.",
                where=where,
                expected=f"a key {names.replace(', ', ' or ')}",
                found=", ".join(map(str, list(params)[:12]))[:300] or "nothing",
            )

    def _learn(
        self, parts: Mapping[str, Any], null: set[str], params: Mapping[str, Any], where: str | Path, clip: bool
    ) -> None:
        """Add the columns of parts that were not met before, or that were null in all rows before."""
        rows = len(self.frames)
        main = "whole" if "whole" in parts else "body"
        main_column, count = measure(main, parts[main], params[parts[main]], where, None if clip else 1)
        for part, key in parts.items():
            if part in self._columns or part in null:
                continue
            if rows and part not in self._null_parts:
                raise FormatError(f"{key} is in some frames and not in others.", where=where)
            column = main_column if part == main else measure(part, key, params[key], where, count)[0]
            self._filled()
            self._columns[part] = column
            self._sizes.append(column.size)
            missing = np.full((1, column.size), np.nan, np.float32)
            self._blocks = [np.concatenate([block, np.repeat(missing, len(block), 0)], 1) for block in self._blocks]
        self._null_parts = (self._null_parts | null) - self._columns.keys()
        if "root" not in self._columns and 0 not in main_column.joints:
            raise FormatError(
                "The root rotation is missing.", where=where, expected="a key smplx_root_pose or global_orient",
                found=", ".join(map(str, list(params)[:12]))[:300],
            )  # fmt: skip

    @property
    def last_frame(self) -> int:
        """The highest frame number announced, -1 if none; whole clips announce none."""
        return max(self._announced, default=-1)

    @property
    def num_frames_seen(self) -> int:
        """How many frames were met."""
        return len(self._announced) or len(set(self.frames))

    def renumber(self, number: Callable[[int], int]) -> None:
        """Change every frame number by a function, for sources that turn out to count otherwise."""
        self.frames = [number(frame) for frame in self.frames]
        self.times = {number(frame): time for frame, time in self.times.items()}
        self._announced = {number(frame) for frame in self._announced}

    def count_from_zero(self) -> None:
        """Shift the numbers of an image sequence, which begin with 1 unless there is a 0."""
        if self._announced and 0 not in self._announced:
            self.renumber(lambda frame: frame - 1)

    def rows(self) -> Rows:
        """Give the numbers of all rows; computed once, when all are there."""
        if self._rows is None:
            self._rows = self._collect()
            self._blocks = []
        return self._rows

    def _collect(self) -> Rows:
        count, blocks = len(self.frames), self._filled()
        rotvecs = np.zeros((count, NUM_JOINTS, 3), np.float32)
        found = {"transl": np.zeros((count, 3), np.float32)}
        finite, at = np.ones(count, bool), 0
        for part, column in self._columns.items():
            values = np.concatenate(
                [block[:, at : at + column.size] for block in blocks] or [np.zeros((0, column.size))]
            )
            at += column.size
            if not column.joints:
                found[part] = values
                continue
            turns = self._turns(column, values)
            kept = [place for place, joint in enumerate(column.joints) if joint >= 0]
            turns = turns if len(kept) == len(column.joints) else turns[:, kept]
            finite &= (np.abs(turns) < _LARGEST_TURN).all((1, 2))  # False for NaN too
            rotvecs[:, [column.joints[place] for place in kept]] = turns
        self._settle_six(rotvecs, finite)
        none = np.zeros((count, 0), np.float32)
        betas, expression = found.get("betas", none), found.get("expression", none)
        for values in (found["transl"], betas, expression):
            finite &= (np.abs(values) < _LARGEST).all(1)
        return Rows(rotvecs, found["transl"], betas, expression, finite)

    def _turns(self, column: Column, values: np.ndarray) -> np.ndarray:
        """Give one part as rotation vectors ``(N, J, 3)``."""
        whole_hand = column.kind == "rotvec" and "hand" in column.part
        if column.kind == "pca" or (whole_hand and self._are_components(column, values)):
            return self._from_pca(column, values)
        return to_rotvecs(column, values, self.path)

    def _are_components(self, column: Column, values: np.ndarray) -> bool:
        """Say whether 45 numbers a hand are components: as the file says, else by the numbers, which is told."""
        if self.components is not None:
            return self.components
        count = 2 if column.part == "hands" else 1
        found = all(look_like_components(half) for half in np.split(values, count, axis=1))
        if found:
            told = "principal components, the first vary most"
            self.notes.append(f"{column.key} looks like {told}: taken for them; say use_pca=false in the file if not")
        return found

    def _settle_six(self, rotvecs: np.ndarray, finite: np.ndarray) -> None:
        """Turn 6-D numbers round, in place, where they are rows: knees and elbows then bend the other way."""
        six = [column for column in self._columns.values() if column.kind == "rot6d"]
        if not six:
            return
        keys, bent = ", ".join(column.key for column in six), bending(rotvecs[finite])
        rows = bent < 0 and any(joint in column.joints for column in six for joint in HINGES)
        order = "rows (PyTorch3D)" if rows else "columns"
        why = "so knees and elbows bend as they can" if abs(bent) > UNSURE else "knees and elbows hardly tell: look"
        self.notes.append(f"{keys} is 6-D: taken for the first two {order} of matrices; {why}")
        for column in six if rows else ():
            joints = [joint for joint in column.joints if joint >= 0]
            rotvecs[:, joints] *= -1  # a matrix's rows are the columns of its inverse

    def _from_pca(self, column: Column, values: np.ndarray) -> np.ndarray:
        sides = {"left hand": ["left"], "right hand": ["right"], "hands": ["left", "right"]}[column.part]
        halves = np.split(values, len(sides), axis=1)
        if self.hands is None:
            raise FormatError("These hands are principal components.", where=self.path, found=column.key)
        hands = [self.hands(side, half).reshape(-1, 15, 3) for side, half in zip(sides, halves, strict=True)]
        return np.concatenate(hands, 1)


def _is_null(value: Any) -> bool:
    return value is None or (type(value) is list and not value)


def _rows(value: Any, column: Column, count: int, where: str | Path) -> np.ndarray:
    """Give one part of a whole clip as ``(T, size)``; betas may be one set for all frames."""
    values = to_numbers(value)
    one = column.part == "betas" and values is not None and values.size == column.size
    if values is None or not (one or values.size == count * column.size):
        found = "no numbers" if values is None else f"the shape {values.shape}"
        wanted = f"({count}, {column.size})"
        raise FormatError(f"{column.key} has the wrong shape.", where=where, expected=wanted, found=found)
    if one:
        values = np.broadcast_to(values.reshape(1, -1), (count, column.size))
    with np.errstate(over="ignore"):
        return values.reshape(count, column.size).astype(np.float32)


def _whole_numbers(frames: Any, count: int, where: str | Path) -> np.ndarray:
    numbers = to_numbers(frames)
    if numbers is None:
        raise FormatError("Frame numbers must be whole.", where=where, found=type(frames).__name__)
    numbers = numbers.ravel()
    if len(numbers) != count:
        raise FormatError("Frame numbers and poses differ in length.", where=where, expected=count, found=len(numbers))
    if not (np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53)).all():
        raise FormatError("Frame numbers must be whole.", where=where)
    return numbers.astype(np.int64)


def _numbers(value: Any, size: int, name: str, where: str | Path) -> "array[float]":
    """Flatten one parameter to `size` doubles."""
    flat = to_numbers(value)
    if flat is None or flat.size != size:
        found = "no numbers" if flat is None else f"{flat.size} numbers"
        raise FormatError(f"{name} has the wrong length.", where=where, expected=f"{size} numbers", found=found)
    return array("d", flat.tobytes())
