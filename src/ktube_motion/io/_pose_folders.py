"""Folders with one file per frame (and person), under any of the usual names."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import FormatError, KtubeError
from ._files import read_json
from ._pose_facts import no_pose
from ._pose_json import read_json_frame
from ._pose_rates import find_rate
from ._pose_tree import FrameReader, holds_pose
from ._untrusted import load_numpy, load_pickle, load_torch

__all__ = ["FRAME_SUFFIXES", "find_frames", "read_folder"]

FRAME_SUFFIXES = (".npz", ".pkl", ".json", ".pt", ".npy", ".pickle", ".pth")
_SUBFOLDERS = ("smplx", "smplx_params", "results", "smplx_param", "params", "json", "meshes", "poses")
_NUMBERS = re.compile(r"\d+")
# A marked person: not the p of 1080p_000012.
_PERSON = re.compile(r"(?:(?:^|[_-])(?:person(?:_?id)?|pid|p|id|track|subject)[_-]?|(?<=\d)p)(\d+)$", re.IGNORECASE)
_MOST_OF_A_FRAME = 8  # files in the folder of one frame
_LARGEST_FACTS = 1 << 20  # bytes of a stray JSON file that is looked into for the frame rate


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
    shapes = Counter(_NUMBERS.sub("#", path.stem) for path in named)
    usual = max(shapes, key=shapes.__getitem__, default="")
    inside = len({path.parent for path in files}) > 1  # a folder per frame: its name has the number
    stray = [path.name for path in files if not inside and _NUMBERS.sub("#", path.stem) != usual]
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
            more = f" and {len(stray) - 5} more" if len(stray) > 5 else ""
            notes.append(f"{', '.join(stray[:5])}{more}: named otherwise than most, not read as a frame")
        named = [path for path in named if path.name not in stray]
    numbers = _frame_folders(named) if named[0].parent != _home(named, folder) else _from_names(named)
    first = 0 if any(frame == 0 for frame, _ in numbers) else 1
    return sorted((frame - first, person, path) for (frame, person), path in zip(numbers, named, strict=True))


def _home(named: Sequence[Path], folder: Path) -> Path | None:
    """The folder that all files share, or the parent of the folders of frames."""
    parents = {path.parent for path in named}
    one_frame = _is_frame_folder(named[0].parent, folder) and len(named) <= _MOST_OF_A_FRAME
    return parents.pop() if len(parents) == 1 and not one_frame else None


def _is_frame_folder(parent: Path, folder: Path) -> bool:
    return parent != folder and bool(_NUMBERS.search(parent.name)) and parent.name not in _SUBFOLDERS


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """List the files with the commonest suffix, in the folder, a usual subfolder, or one folder per frame."""
    try:
        inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        found = [path for path in inside if os.path.isfile(path) and path.suffix.lower() in suffixes]
        folders = [path for path in inside if os.path.isdir(path)]
    except OSError as error:
        raise FormatError("Cannot read this folder.", where=folder, found=error.strerror) from error
    numbered = [path for path in found if _NUMBERS.search(path.stem)]
    if not numbered:
        usual = next((path for name in _SUBFOLDERS for path in folders if path.name.lower() == name), None)
        if usual is not None or (len(folders) == 1 and not found):
            return _files(usual or folders[0], suffixes)
        deep = [[file for file in sorted(one.iterdir()) if file.suffix.lower() in suffixes] for one in folders]
        if all(_NUMBERS.search(one.name) for one in folders) and max(map(len, deep), default=0) <= _MOST_OF_A_FRAME:
            return _commonest([file for files in deep for file in files])
        if len(folders) > 1 and any(deep):
            raise FormatError(
                "Several folders of poses are here.", where=folder, found=", ".join(one.name for one in folders[:5]),
                fix="Give one of them.",
            )  # fmt: skip
    return _commonest(found, numbered)


def _commonest(files: list[Path], numbered: Sequence[Path] | None = None) -> list[Path]:
    counts: dict[str, int] = {}
    for path in files if numbered is None else numbered:
        counts[path.suffix.lower()] = counts.get(path.suffix.lower(), 0) + 1
    order = {suffix: -rank for rank, suffix in enumerate(FRAME_SUFFIXES)}  # of two kinds of files, arrays come first
    best = max(counts, key=lambda suffix: (counts[suffix], order.get(suffix, -99)), default=None)
    return [path for path in files if path.suffix.lower() == best] if best else files


def _frame_folders(files: Iterable[Path]) -> list[tuple[int, int]]:
    """Frame from the folder's name, person from the file's (``000012/000.pkl``)."""
    return [
        (int(_NUMBERS.findall(path.parent.name)[-1]), int((_NUMBERS.findall(path.stem) or ["0"])[-1])) for path in files
    ]


def _from_names(files: Sequence[Path]) -> list[tuple[int, int]]:
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
    empty = 0
    for frame, _, path in find_frames(folder, suffixes, notes=reader.detections.notes):
        if not path.stat().st_size:  # the tool stopped while it wrote, or the disk was full
            reader.detections.start_frame(frame, again=frame == previous)
            empty, previous = empty + 1, frame
            continue
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
    if empty:
        reader.detections.notes.append(f"{empty} files are empty, and become gaps")
    reader.numbered = True
    reader.finish()
    return header if find_rate(header) is not None else header | _facts(folder)


def _facts(folder: Path) -> dict[str, Any]:
    """Give what the JSON files beside the frames say, as meta.json: it may be the frame rate."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        if not _NUMBERS.search(path.stem) and path.stat().st_size < _LARGEST_FACTS:
            with contextlib.suppress(KtubeError):
                found[path.stem] = read_json(path)
    return found if find_rate(found) is not None else {}


def _load(path: Path) -> dict[str, Any]:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return read_json(path)
    if suffix == ".npy":
        value = load_numpy(path, objects=True)
    elif suffix == ".npz":
        value = load_numpy(path)
        if not isinstance(value, dict) or not holds_pose(value):
            value = load_numpy(path, objects=True)
    else:
        value = load_torch(path) if suffix in (".pt", ".pth") else load_pickle(path)
    return value if isinstance(value, dict) else {"people": value}
