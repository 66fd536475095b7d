"""The binary container of glTF 2.0, written piece by piece."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..io._files import atomic_path

__all__ = ["FLOAT", "SHORT", "TRIANGLES", "UNSIGNED_BYTE", "UNSIGNED_INT", "VERTICES", "Container"]

FLOAT, UNSIGNED_BYTE, SHORT, UNSIGNED_INT = 5126, 5121, 5123, 5125
VERTICES, TRIANGLES = 34962, 34963
_SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class Container:
    """Collects arrays, describes them as glTF buffer views and accessors, and writes them without a copy."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.size = 0

    def add(self, array: np.ndarray, kind: int, *, target: int | None = None, limits: bool = False) -> int:
        """Take an array ``(N, columns)``; give the number of its accessor."""
        array = np.ascontiguousarray(array)
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        self.views.append(view)
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": kind,
            "count": len(array),
            "type": _SHAPES[array.shape[1]],
        }
        if limits:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.accessors.append(accessor)
        self.arrays.append(array)
        self.size += array.nbytes + -array.nbytes % 4
        return len(self.accessors) - 1

    def write(self, path: Path, document: dict[str, Any]) -> None:
        """Write a document and all arrays as one file, atomically."""
        document = {"asset": {"version": "2.0", "generator": "ktube_motion"}, **document}
        document |= {"accessors": self.accessors, "bufferViews": self.views, "buffers": [{"byteLength": self.size}]}
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        text += b" " * (-len(text) % 4)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + self.size))
            file.write(struct.pack("<I4s", len(text), b"JSON") + text)
            file.write(struct.pack("<I4s", self.size, b"BIN\0"))
            for array in self.arrays:
                file.write(array.data.cast("B"))
                file.write(bytes(-array.nbytes % 4))
