"""Folders with one file per frame (and person): SMPLer-X, AiOS, per-frame JSON."""

import re
from pathlib import Path

from ..errors import FormatError
from .people import Detections
from .pose_json import read_json_poses
from .untrusted import load_numpy, load_pickle

__all__ = ["read_aios", "read_json_folder", "read_smplerx"]

_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_SMPLERX = re.compile(r"(\d+)_(\d+)")
_AIOS = re.compile(r"(.*)_personId_(\d+)")


def read_smplerx(folder):
    """Read SMPLer-X's ``{frame:05}_{person}.npz`` files into `Detections`."""
    files = []
    for path in _files(folder, ".npz"):
        name = _SMPLERX.fullmatch(path.stem) or _bad_name(path, "00012_0.npz")
        files.append((int(name[1]), int(name[2]), path))
    return _read(folder, files, load_numpy)


def read_aios(folder):
    """Read AiOS's ``{image}_personId_{k}.pkl`` files into `Detections`."""

    def load(path):
        value = load_pickle(path)
        params = value.get("params") if isinstance(value, dict) else None
        if not isinstance(params, dict):
            raise FormatError("This is no AiOS file.", where=path, expected="a dict with a dict 'params'")
        return params

    files = []
    for path in _files(folder, ".pkl"):
        name = _AIOS.fullmatch(path.stem) or _bad_name(path, "000012_personId_0.pkl")
        number = _LAST_NUMBER.search(name[1]) or _bad_name(path, "000012_personId_0.pkl")
        files.append((int(number[1]), int(name[2]), path))
    return _read(folder, files, load)


def read_json_folder(folder):
    """Read one JSON file per frame into `Detections`; give the first file's header too."""
    files = []
    for path in _files(folder, ".json"):
        number = _LAST_NUMBER.search(path.stem) or _bad_name(path, "000012.json")
        files.append((int(number[1]), 0, path))
    detections, header = Detections(folder), {}
    for number, _, path in _count_from_zero(files):
        header = header | read_json_poses(path, detections, frame=number)[1]
    return detections, header


def _files(folder, suffix):
    """List the files of a folder, or of its only ``smplx`` subfolder, without the hidden ones."""
    try:
        found = [path for path in sorted(Path(folder).iterdir()) if path.suffix.lower() == suffix]
        if not found and (Path(folder) / "smplx").is_dir():
            found = [path for path in sorted((Path(folder) / "smplx").iterdir()) if path.suffix.lower() == suffix]
    except OSError as error:
        raise FormatError("Cannot read this folder.", where=folder, found=error.strerror) from error
    found = [path for path in found if not path.name.startswith(".")]
    if not found:
        raise FormatError(f"No {suffix} files are in this folder.", where=folder)
    return found


def _bad_name(path, example):
    raise FormatError("The file name tells no frame.", where=path, expected=f"a name like {example}")


def _count_from_zero(files):
    """Sort by frame. Image sequences are numbered from 1, unless there is a 0."""
    first = 0 if any(number == 0 for number, *_ in files) else 1
    return sorted((number - first, person, path) for number, person, path in files)


def _read(folder, files, load):
    detections, previous = Detections(folder), None
    for number, _, path in _count_from_zero(files):
        if number != previous:
            detections.start_frame(number)
            previous = number
        value = load(path)
        if not isinstance(value, dict):
            raise FormatError("This file holds no pose.", where=path, expected="named arrays")
        detections.add(value, frame=number)
    return detections
