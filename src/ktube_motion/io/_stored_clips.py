"""One clip as it is stored, in files of its own or in a row of a shard, to the last bit."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import CorpusError, FormatError
from ..types import Utterance
from ._files import write_bytes
from ._text_lines import format_lines
from ._word_times import format_words

__all__ = [
    "ARRAYS",
    "CLIP_FILES",
    "StoredClip",
    "clip_moments",
    "load_bytes",
    "npy_bytes",
    "read_clip_files",
    "write_clip_files",
]

# Folder of a corpus and suffix of its files; the vectors last, so that a clip that has them is complete.
CLIP_FILES = {"texts": ".txt", "words": ".json", "joints": ".npy", "new_joints": ".npy", "new_joint_vecs": ".npy"}
ARRAYS = ("joints", "new_joints", "new_joint_vecs")


@dataclass(frozen=True, eq=False)
class StoredClip:
    """What a corpus holds of one clip.

    Attributes
    ----------
    name : str
    arrays : dict of str to float32 array
        By folder: the vectors ``(T, D)``, and joints ``(T, J, 3)`` where there are some.
    texts : bytes
        Of the file of text lines, as it is.
    words : bytes or None
        Of the file of word times.
    originals : dict of str to bytes
        By folder: files that are not what NumPy writes of the array, as they are.
    """

    name: str
    arrays: dict[str, np.ndarray]
    texts: bytes | None
    words: bytes | None = None
    originals: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def made(
        cls,
        name: str,
        *,
        features: np.ndarray,
        texts: Sequence[Utterance],
        joints: np.ndarray | None = None,
        recovered: np.ndarray | None = None,
    ) -> "StoredClip":
        """Give the clip that `Corpus.add_clip` would write."""
        given = {"joints": joints, "new_joints": recovered, "new_joint_vecs": features}
        arrays = {folder: np.asarray(array, np.float32) for folder, array in given.items() if array is not None}
        words = format_words(texts)
        return cls(name, arrays, format_lines(texts).encode(), None if words is None else words.encode())

    def file(self, folder: str) -> bytes | None:
        """Give the bytes of one of its files, None where it has none."""
        if folder in ("texts", "words"):
            return self.texts if folder == "texts" else self.words
        if folder in self.originals:
            return self.originals[folder]
        return npy_bytes(self.arrays[folder]) if folder in self.arrays else None


def npy_bytes(array: np.ndarray) -> bytes:
    """Give what ``numpy.save`` writes of an array."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def load_bytes(data: bytes) -> np.ndarray:
    """Give the array of the bytes of a ``.npy`` file."""
    return np.load(io.BytesIO(data), allow_pickle=False)


def clip_moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the mean of a clip's vectors and the sum of squares around it, float64 ``(D,)``; zeros without a frame."""
    features = np.asarray(features, np.float64)
    if not len(features):
        return np.zeros(features.shape[1]), np.zeros(features.shape[1])
    with np.errstate(invalid="ignore", over="ignore"):  # of numbers that are not finite, which the scatter then tells
        mean = features.mean(0)
        return mean, np.square(features - mean).sum(0)


def read_clip_files(root: Path, name: str, *, inside: Callable[[Path], Path] = Path) -> StoredClip:
    """Read a clip of a folder; `inside` gives a path back that may be read.

    Raises
    ------
    CorpusError
        If its vectors or texts are missing.
    FormatError
        If a file is damaged.
    """
    files = {}
    for folder, suffix in CLIP_FILES.items():
        path = inside(root / folder / f"{name}{suffix}")
        if path.exists():
            files[folder] = path.read_bytes()
        elif folder == "new_joint_vecs":
            raise CorpusError("A file of the corpus is missing.", where=path)
    arrays, originals = {}, {}
    for folder in ARRAYS:
        if folder not in files:
            continue
        try:
            array = load_bytes(files[folder])
            if array.dtype.kind not in "fiub":
                raise ValueError(f"numbers are expected, not {array.dtype}")
        except (ValueError, EOFError, OSError) as error:
            raise FormatError("This .npy file is damaged.", where=root / folder / f"{name}.npy", found=error) from error
        as_stored = array.astype(np.float32, order="C")
        if folder == "new_joint_vecs" or (as_stored.ndim == 3 and as_stored.shape[2] == 3):
            arrays[folder] = as_stored
        # Joints without a frame would lose their number.
        if folder not in arrays or not len(as_stored) or npy_bytes(as_stored) != files[folder]:
            originals[folder] = files[folder]
    return StoredClip(name, arrays, files.get("texts"), files.get("words"), originals)


def write_clip_files(root: Path, clip: StoredClip) -> None:
    """Write a clip into a folder, the vectors last."""
    for folder, suffix in CLIP_FILES.items():
        data = clip.file(folder)
        if data is not None:
            write_bytes(root / folder / f"{clip.name}{suffix}", data)
