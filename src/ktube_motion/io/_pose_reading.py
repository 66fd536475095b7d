"""One pose file read: recognised, one person chosen, gaps found, turned y up, looked at, and all of it told."""

import logging
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError, FormatError
from ..types import PoseSequence
from ._detections import Detections
from ._hand_components import hand_from_components
from ._joint_limits import bending
from ._layouts import AXES, POSE_FORMATS, PoseFormat
from ._people import Person, choose_person, find_people
from ._pose_checks import check_poses, likely_axes
from ._pose_facts import COMPONENT_KEYS, FLAT_KEYS, find_picture, find_switch
from ._pose_files import open_source
from ._pose_folders import read_folder
from ._pose_json import read_json_poses
from ._pose_rates import find_rate, rate_of_stamps, told_rates
from ._pose_times import fps_of_times, settle_times
from ._pose_tree import FrameReader, read_tree
from ._stand_ins import find_doubts, find_missing_hands, find_stand_ins
from ._timeline import TO_Y_UP, Track, choose_fps, place_times, to_poses
from ._untrusted import to_numbers

__all__ = ["PoseReading", "list_people", "read_poses"]

logger = logging.getLogger(__name__)

_FEW = 8  # frames
_AWAY = 0.7  # cosine
_WRONG_WAY = 0.5  # radians, the sum over four joints; real recordings have 1 to 3.4 the right way
_STAND_INS = {
    "zeros": "are all zeros",
    "partial": "are zeros in half of the body or the root",
    "frozen": "repeat the pose before them",
    "constant": "hold one pose that comes back again and again",
}


@dataclass(frozen=True)
class PoseReading:
    """Poses, and what reading them had to decide.

    Attributes
    ----------
    poses : PoseSequence
    layout : str
        Name of the format.
    axes : str
        Which axes the file was taken to have.
    upright : bool
        Whether the body stands in them in most frames.
    fps_assumed : bool
        The file says no rate and the caller gave none.
    stand_ins : int
        Frames that were zeros, frozen copies or constants, and became gaps.
    warnings : tuple of str
        Everything that may be wrong, also written to the log.
    cleaned : bool
        The file says that its poses went through `filters.clean_poses`.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.io import save_poses
    >>> path = Path(tempfile.mkdtemp()) / "talk.npz"
    >>> save_poses(PoseSequence(np.zeros((30, 55, 3)), fps=25), path)
    >>> reading = read_poses(path)
    >>> reading.layout, reading.axes, reading.fps_assumed
    ('smplx', 'y up', False)
    """

    poses: PoseSequence
    layout: str
    axes: str
    upright: bool
    fps_assumed: bool
    stand_ins: int
    warnings: tuple[str, ...]
    cleaned: bool = False


def read_poses(
    path: str | Path,
    *,
    format: str = "auto",
    fps: float | None = None,
    person: int | str | None = None,
    axes: str | None = None,
    body_model: str | Path | None = None,
) -> PoseReading:
    """Load poses as `load_poses` does, and tell what was decided on the way.

    Parameters
    ----------
    path, format, fps, person, axes, body_model
        As in `load_poses`.

    Returns
    -------
    reading : PoseReading

    Raises
    ------
    FormatError, DataError, ConfigError
        As in `load_poses`.

    Examples
    --------
    >>> import json, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.json"
    >>> _ = path.write_text(json.dumps([{"root_pose": [0, 0, 0], "body_pose": [0.1] * 63}]))
    >>> reading = read_poses(path)
    >>> reading.fps_assumed, reading.upright, len(reading.warnings)
    (True, False, 2)
    """
    _check_options(format, axes)
    choose_fps(fps, None, where=path)
    source = _detect(Path(path), format, body_model)
    chosen = choose_person(
        source.detections, person=person, longest=source.layout.longest, picture=source.reader.picture
    )
    notes = [*_tell_losses(source.detections), *source.detections.notes]
    track, rate, assumed = _on_time_line(source, chosen, fps, notes)
    if assumed:
        notes.append(f"no frame rate in the file: {rate:g} frames per second assumed; give fps=")
    track, stand_ins = _without_stand_ins(track, source.layout, notes)
    taken = axes or source.layout.axes or _axes_by_the_body(track, notes)
    poses = to_poses(
        track, path=source.path, fps=rate, source=source.layout.name, flat_hand_mean=source.flat_hand_mean,
        axes=TO_Y_UP[taken],
    )  # fmt: skip
    poses = poses.replace(trajectory=source.has_trajectory)
    check = check_poses(poses)
    if not check.upright:
        notes.append(_not_upright(track, taken))
    elif taken == "camera" and check.facing[2] < -_AWAY:
        notes.append("the body faces away from the camera in most frames: are the axes others? see axes=")
    if bending(poses.rotvecs[poses.valid]) < -_WRONG_WAY:
        notes.append(
            "knees and elbows bend the wrong way: are the rotations inverse (transposed matrices), or mirrored?"
        )
    notes += [problem for problem in check.problems if "stand" not in problem]
    for note in notes:
        logger.warning("%s: %s", path, note)
    told = (assumed, stand_ins, tuple(notes), source.cleaned)
    return PoseReading(poses, source.layout.name, taken, check.upright, *told)


def list_people(path: str | Path, *, format: str = "auto") -> list[Person]:
    """List everybody in a pose file or folder, the one who is seen longest first.

    Parameters
    ----------
    path : path
    format : str

    Returns
    -------
    people : list of Person
        ``id`` is what `load_poses` takes as ``person=``.

    Raises
    ------
    FormatError, DataError, ConfigError
        As in `load_poses`.

    Examples
    --------
    >>> import json, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.json"
    >>> one = {"root_pose": [3, 0, 0], "body_pose": [0.1] * 63, "trans": [0, 0, 2]}
    >>> _ = path.write_text(json.dumps([{"people": [one, {**one, "trans": [1, 0, 5]}]}, {"people": [one]}]))
    >>> [(one.id, one.frames, one.distance) for one in list_people(path)]
    [(0, 2, 2.0), (1, 1, 5.0)]
    """
    _check_options(format, None)
    source = _detect(Path(path), format, None)
    return find_people(source.detections, picture=source.reader.picture)


def _check_options(format: str, axes: str | None) -> None:
    if format not in ("auto", *POSE_FORMATS):
        raise ConfigError("Unknown pose format.", expected=f"auto, {', '.join(POSE_FORMATS)}", found=repr(format))
    if axes not in (None, *AXES):
        raise ConfigError("Unknown axes.", expected=" or ".join(AXES), found=repr(axes))


@dataclass(frozen=True)
class _Source:
    """A file as it was detected."""

    path: Path
    layout: PoseFormat
    detections: Detections
    reader: FrameReader
    header: dict[str, Any]

    @property
    def flat_hand_mean(self) -> bool:
        said = find_switch(self.header, FLAT_KEYS)
        said = self.reader.flat_hands if said is None else said
        return self.layout.flat_hand_mean or self.detections.has_whole_hands if said is None else said

    @property
    def has_trajectory(self) -> bool:
        said = find_switch(self.header, ("trajectory",), 0)
        return self.detections.has_trajectory and not self.layout.camera_trajectory if said is None else said

    @property
    def cleaned(self) -> bool:
        return bool(find_switch(self.header, ("cleaned",), 0))


def _detect(path: Path, format: str, body_model: str | Path | None) -> "_Source":
    """Read all detections of a file or folder."""
    if not os.path.exists(path):
        raise FormatError("There is no such file.", where=path)
    unread: dict[str, None] = {}
    path, layout, tree = open_source(path, format, unread=unread)
    hands = partial(hand_from_components, body_model=body_model, where=path)
    detections = Detections(path, renamed=layout.renamed, hands=hands)
    detections.unread, detections.box_kind = unread, layout.boxes
    reader = FrameReader(detections, layout)
    if tree is None and os.path.isdir(path):
        header = read_folder(path, reader, layout.suffixes)
    elif tree is None:
        header = read_json_poses(path, reader)
    else:
        header = tree if isinstance(tree, dict) else {}
        read_tree(tree, reader)
        reader.finish()
    if reader.picture is None:
        reader.picture = find_picture(header)
    said = find_switch(header, COMPONENT_KEYS)
    detections.components = reader.components if said is None else said
    return _Source(path, layout, detections, reader, header)


def _tell_losses(detections: Detections) -> list[str]:
    """Say what of the file was not used."""
    notes = []
    if detections.unread:
        names = ", ".join(list(detections.unread)[:8])
        notes.append(f"not read, though it looks like a part of the pose: {names}")
    if detections.incomplete:
        notes.append(f"{detections.incomplete} people have null parameters, or lack some, and count as not seen")
    if detections.unseen:
        notes.append(f"{detections.unseen} frames are marked as not seen, and become gaps")
    broken = int((~detections.rows().finite).sum())
    if broken:
        notes.append(f"{broken} poses have NaN or absurd numbers, or no rotation matrices, and become gaps")
    return notes


def _on_time_line(
    source: "_Source", chosen: np.ndarray, fps: float | None, notes: list[str]
) -> tuple[Track, float, bool]:
    """Give the chosen rows as a `Track`, the frame rate, and whether that is assumed."""
    detections, rows = source.detections, source.detections.rows()
    if detections.times and not detections.times.keys() >= set(detections.frames):
        raise FormatError("Some frames have a time stamp and some have none.", where=source.path)
    settle_times(detections, notes)
    frames = np.array(detections.frames, np.int64)[chosen]
    step = int(np.median(np.diff(frames))) if len(frames) > _FEW else 1
    if step > 1:
        notes.append(f"the frame numbers grow by {step}: was every {step}th frame estimated, or are they times?")
    length, times = detections.last_frame + 1, detections.times
    found = find_rate(source.header)
    found = source.reader.rate if found is None else found
    if times and found is None:
        found = fps_of_times(detections)
    if found is None:
        found = rate_of_stamps(source.header, length)
    found = source.layout.fps if found is None else found
    notes += told_rates(source.header) if fps is None else ()
    rate = choose_fps(fps, found, where=source.path)
    if times and not detections.numbered:
        stamps = np.array([times[frame] for frame in frames])
        last = max(times.values())
        kept, frames, length = place_times(stamps, last=last, fps=rate, where=source.path, notes=notes)
        chosen = chosen[kept]
    transl = rows.transl[chosen]
    if source.layout.scale:
        transl = transl / _scale(source.header.get(source.layout.scale), source.path)
    valid = None
    if detections.valid is not None:
        valid = np.array([*detections.valid, *[True] * (len(detections.frames) - len(detections.valid))], bool)[chosen]
    if len(chosen) < len(rows.rotvecs) or (np.diff(chosen) != 1).any():  # else an hour is not copied
        rows = rows.only(chosen)
    betas = rows.betas
    if betas.shape[1] == 0 or _is_smplh(detections):
        betas = np.zeros(10)
    track = Track(rows.rotvecs, transl, betas, rows.expression, frames, length, valid)
    return track, rate, fps is None and found is None


def _is_smplh(detections: Detections) -> bool:
    """Say whether the shape belongs to another body model: SMPL-H as AMASS has it."""
    whole = detections.columns.get("whole")
    return whole is not None and len(whole.joints) == 52


def _scale(value: Any, where: str | Path) -> float:
    numbers = to_numbers(1.0 if value is None else value)
    number = float(numbers.ravel()[0]) if numbers is not None and numbers.size else np.nan
    if not (np.isfinite(number) and number > 0):
        raise FormatError("The scale of the translation is impossible.", where=where, found=repr(value)[:60])
    return number


def _without_stand_ins(track: Track, layout: PoseFormat, notes: list[str]) -> tuple[Track, int]:
    """Make stand-ins gaps; count and tell them."""
    if layout.own_gaps and track.valid is not None:
        return track, 0
    frames = np.arange(len(track.rotvecs)) if track.frames is None else track.frames
    found = find_stand_ins(track.rotvecs, frames)
    for kind, rows in found.items():
        if rows.any():
            notes.append(f"{int(rows.sum())} frames {_STAND_INS[kind]}: stand-ins for nobody seen, they become gaps")
    bad = np.logical_or.reduce(list(found.values()))
    rest = track.rotvecs[~bad] if bad.any() else track.rotvecs  # an hour is not copied
    for side, count in find_missing_hands(rest).items():
        notes.append(f"the {side} hand is all zeros in {count} frames: was it not seen? it is at rest there")
    notes += find_doubts(rest)
    if not bad.any():
        if len(track.rotvecs) > 3 and not np.ptp(track.rotvecs, axis=0).any():
            notes.append("every frame has the same pose: is it a stand-in?")
        return track, 0
    if bad.all():
        raise DataError("No frame has a usable pose.", found=f"{int(bad.sum())} stand-ins", fix="Leave this clip out.")
    length = max(track.length, int(frames.max()) + 1)
    return replace(track.only(~bad), length=length), int(bad.sum())


def _seen(track: Track) -> np.ndarray:
    return np.ones(len(track.rotvecs), bool) if track.valid is None else np.asarray(track.valid, bool)


def _axes_by_the_body(track: Track, notes: list[str]) -> str:
    """Take the axes in which the body stands; camera axes where it stands in none."""
    found = likely_axes(track.rotvecs, only=_seen(track))
    if found is None:
        notes.append("this layout has no axes of its own and the body stands in none: camera axes assumed; give axes=")
        return "camera"
    if found != "camera":
        notes.append(f"this layout has no axes of its own: axes={found!r} taken, in which the body stands")
    return found


def _not_upright(track: Track, taken: str) -> str:
    likely = likely_axes(track.rotvecs, only=_seen(track))
    if likely not in (None, taken):
        return f"the body does not stand in the axes of this format ({taken}): it would in axes={likely!r}"
    return (
        f"the body does not stand in most frames (axes {taken}): is somebody lying, or are the axes others? see axes="
    )
