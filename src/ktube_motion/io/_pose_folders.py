"""Folders with one file per frame (and person), under any of the usual names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ._pose_facts import no_pose
from ._pose_json import read_json_frame
from ._pose_tree import FrameReader, holds_pose
from ._untrusted import load_numpy, load_pickle, load_torch

__all__ = ["FRAME_SUFFIXES", "find_frames", "read_folder"]

FRAME_SUFFIXES = (".npz", ".pkl", ".json", ".pt", ".npy", ".pickle", ".pth")
_SUBFOLDERS = ("smplx", "smplx_params", "results", "smplx_param", "params", "json", "meshes", "poses")
_NUMBERS = re.compile(r"\d+")
_PERSON = re.compile(r"[_-]?(?:person(?:_?id)?|pid|p|id|track|subject)[_-]?(\d+)$", re.IGNORECASE)


def find_frames(
    folder: Path, suffixes: Sequence[str] = FRAME_SUFFIXES, *, notes: list[str] | None = None
) -> list[tuple[int, int, Path]]:
    """List the files of a clip: ``[(frame, person, path)]``, frames from 0, sorted.

    Looks into the usual subfolders, and into one folder per frame as SMPLify-X
    makes them. The suffix that most files have is taken. Files without any
    number in their name are no frames; `notes` gets their names.

    Raises
    ------
    FormatError
        If there are no such files, or a name tells no frame.
    """
    folder = Path(folder)
    files = _files(folder, suffixes)
    named = [path for path in files if _NUMBERS.search(path.stem) or _NUMBERS.search(path.parent.name)]
    stray = [path.name for path in files if not _NUMBERS.search(path.stem)]
    if not named:
        raise FormatError(
            "No poses are recognised in this folder.",
            where=folder,
            expected=f"a {', '.join(suffixes[:3])} file per frame, named by its number",
            found=", ".join(path.name for path in files[:5]) or "no such file",
            fix="Give a file, or the folder that holds the frames.",
        )
    if stray:
        if notes is not None:
            notes.append(f"{', '.join(stray[:5])}: no number in the name, not read as a frame")
        named = [path for path in named if path.name not in stray]
    numbers = _frame_folders(named) if named[0].parent != _home(named, folder) else _from_names(named)
    first = 0 if any(frame == 0 for frame, _ in numbers) else 1
    return sorted((frame - first, person, path) for (frame, person), path in zip(numbers, named, strict=True))


def _home(named, folder):
    """The folder that all files share, or the parent of the folders of frames."""
    parents = {path.parent for path in named}
    return parents.pop() if len(parents) == 1 and not _is_frame_folder(named[0].parent, folder) else None


def _is_frame_folder(parent, folder):
    return parent != folder and parent.name.isdecimal() and parent.name not in _SUBFOLDERS


def _files(folder, suffixes):
    """List the files with the commonest suffix, in the folder, a usual subfolder, or one folder per frame."""
    try:
        inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        found = [path for path in inside if path.is_file() and path.suffix.lower() in suffixes]
        folders = [path for path in inside if path.is_dir()]
    except OSError as error:
        raise FormatError("Cannot read this folder.", where=folder, found=error.strerror) from error
    numbered = [path for path in found if _NUMBERS.search(path.stem)]
    if not numbered:
        usual = next((path for name in _SUBFOLDERS for path in folders if path.name.lower() == name), None)
        frames = [path for path in folders if path.name.isdecimal()]
        if usual is not None:
            return _files(usual, suffixes)
        if frames:
            deep = [file for one in frames for file in sorted(one.iterdir()) if file.suffix.lower() in suffixes]
            return _commonest(deep)
    return _commonest(found, numbered)


def _commonest(files, numbered=None):
    counts: dict[str, int] = {}
    for path in files if numbered is None else numbered:
        counts[path.suffix.lower()] = counts.get(path.suffix.lower(), 0) + 1
    best = max(counts, key=counts.__getitem__, default=None)
    return [path for path in files if path.suffix.lower() == best] if best else files


def _frame_folders(files):
    """Frame from the folder's name, person from the file's (``000012/000.pkl``)."""
    return [(int(path.parent.name), int((_NUMBERS.findall(path.stem) or ["0"])[-1])) for path in files]


def _from_names(files):
    """Tell frame and person from file names: the person's number is marked, or is the last of two that varies less."""
    marked = [_PERSON.search(path.stem) for path in files]
    stems = [
        path.stem if match is None else path.stem[: match.start()] for path, match in zip(files, marked, strict=True)
    ]
    people = [0 if match is None else int(match[1]) for match in marked]
    numbers = [[int(digits) for digits in _NUMBERS.findall(stem)] for stem in stems]
    for path, found in zip(files, numbers, strict=True):
        if not found:
            raise FormatError(
                "The file name tells no frame.", where=path, expected="a name like 000012.npz or 000012_0.npz"
            )
    if all(match is None for match in marked) and all(re.search(r"\d+_\d+$", stem) for stem in stems):
        before, last = ([found[place] for found in numbers] for place in (-2, -1))
        widths = [len(_NUMBERS.findall(stem)[-1]) for stem in stems]
        last_is_person = len(set(before)) > len(set(last)) or (len(set(before)) == len(set(last)) and max(widths) <= 2)
        if last_is_person:
            return list(zip(before, last, strict=True))
    place = _varying(numbers)
    return [(found[place], person) for found, person in zip(numbers, people, strict=True)]


def _varying(numbers: list[list[int]]) -> int:
    """Tell which of the numbers in names counts frames: the one that differs most, else the last."""
    if len({len(found) for found in numbers}) > 1:
        return -1
    differ = [len(set(column)) for column in zip(*numbers, strict=True)]
    return max(range(len(differ)), key=lambda place: (differ[place], place))


def read_folder(folder: Path, reader: FrameReader, suffixes: Sequence[str] = FRAME_SUFFIXES) -> dict[str, Any]:
    """Read a file per frame into a `FrameReader`; give what the files say beside the poses."""
    header: dict[str, Any] = {}
    previous = None
    for frame, _, path in find_frames(folder, suffixes, notes=reader.detections.notes):
        if path.suffix.lower() == ".json" and frame != previous:
            found = read_json_frame(path, reader, frame=frame)
        else:
            found = _load(path)
            people = list(reader.people(found, path)) if holds_pose(found, reader.renamed) else None
            if people is None:
                raise no_pose(found, path)
            reader.detections.start_frame(frame, again=frame == previous)
            for label, params, box in people:
                reader.detections.add(params, frame=frame, label=label, box=box)
        header = {key: value for key, value in found.items() if key not in header} | header if found else header
        previous = frame
    reader.numbered = True
    reader.finish()
    return header


def _load(path):
    suffix = path.suffix.lower()
    if suffix == ".json":
        from ._files import read_json

        return read_json(path)
    if suffix in (".npz", ".npy"):
        value = load_numpy(path)
        if not isinstance(value, dict) or not holds_pose(value):
            value = load_numpy(path, objects=True)
    else:
        value = load_torch(path) if suffix in (".pt", ".pth") else load_pickle(path)
    return value if isinstance(value, dict) else {"people": value}
