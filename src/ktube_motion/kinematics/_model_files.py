"""SMPL-X model files, read without unpickling anything."""

import os
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..io._untrusted import DAMAGED
from ..skeletons import SMPLX_55

__all__ = ["find_model", "read_model"]

_SHAPES = {
    "v_template": ("V", 3),
    "f": (None, 3),
    "J_regressor": (55, "V"),
    "weights": ("V", 55),
    "kintree_table": (2, 55),
    "posedirs": ("V", 3, 486),
    "shapedirs": ("V", 3, None),
    "hands_meanl": (45,),
    "hands_meanr": (45,),
}


def find_model(path: Path, gender: str) -> Path:
    """Find the model of `gender` in the folder `path`, or take `path` as the file itself."""
    name = f"SMPLX_{gender.upper()}.npz"
    candidates = [path / name, path / "smplx" / name] if os.path.isdir(path) else [path]
    for file in candidates:
        if os.path.isfile(file):
            return file
    raise FormatError("There is no SMPL-X model here.", where=path, expected=" or ".join(map(str, candidates)))


def read_model(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays that a body needs, their shapes and the joint tree checked."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            missing = sorted(_SHAPES.keys() - set(file.files))
            if missing:
                raise FormatError(
                    "This is no SMPL-X model.", where=path, expected=", ".join(missing), found="no such keys"
                )
            data = {key: file[key] for key in _SHAPES}
    except FormatError:
        raise
    except (OSError, *DAMAGED) as error:
        raise FormatError(
            "Cannot read this SMPL-X model.", where=path, found=error, fix="Only .npz files of plain arrays are read."
        ) from error
    size = len(data["v_template"])
    for key, shape in _SHAPES.items():
        expected = tuple(size if length == "V" else length for length in shape)
        found = data[key].shape
        if len(found) != len(shape) or any(w not in (None, h) for w, h in zip(expected, found, strict=True)):
            raise FormatError(f"{key} has the wrong shape for SMPL-X.", where=path, expected=expected, found=found)
    if tuple(data["kintree_table"][0, 1:].tolist()) != SMPLX_55.parents[1:]:
        raise FormatError("The joints are not those of SMPL-X.", where=path, expected="the SMPL-X joint tree")
    return data
