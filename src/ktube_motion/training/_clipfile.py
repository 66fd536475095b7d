"""The frames of many clips in one file, which is mapped into memory instead of read.

Training on a set larger than memory reads from it; the system keeps in memory
what is used, once for all processes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from ..errors import CorpusError, DataError, KtubeError
from ..io import Corpus
from ..io._files import atomic_path, make_folder, read_json, write_json
from ..io._hub import is_sharded
from ..io._large_pages import LargePageFile
from ..io._writing import writing
from ._maps import bring_in, mapped_tensor, rows_of

__all__ = ["fill_up", "laid_length", "map_clips", "read_clip", "size_of_clips"]


def laid_length(length: int, shortest: int) -> int:
    """Give how many frames are laid down of a clip; of one without a frame none can be repeated."""
    return max(length, shortest) if length else 0


def fill_up(clip: np.ndarray, shortest: int) -> np.ndarray:
    """Repeat the last frame of a clip ``(T, D)`` until it is `shortest` frames long."""
    missing = laid_length(len(clip), shortest) - len(clip)
    return np.concatenate((clip, np.repeat(clip[-1:], missing, 0))) if missing else clip


def read_clip(corpus: Corpus, name: str) -> np.ndarray:
    """Give the motion vectors of a clip, float32 ``(T, D)``; `DataError` if one is not finite."""
    clip = corpus.features(name)
    if not np.isfinite(clip).all():
        raise DataError(
            f"Clip {name!r} has NaN or infinity.",
            where=corpus.root,
            fix="Rebuild the corpus, or take the clip out of the splits.",
        )
    return clip


def size_of_clips(corpus: Corpus, names: Iterable[str]) -> int:
    """Give the bytes of the named clips, or of a split, without reading them."""
    if is_sharded(corpus.root):
        shards: Any = corpus
        return int(shards.lengths[rows_of(shards, names)].sum()) * 4 * corpus.skeleton.feature_size
    names = corpus.names(names) if isinstance(names, str) else names
    return sum(size for _, size, _ in _sources(corpus, names))


def map_clips(
    file: str | Path, corpus: Corpus, names: Sequence[str], *, shortest: int = 0
) -> tuple[torch.Tensor, list[int]]:
    """Give the frames of the named clips from `file`, written first if it is missing, stale or damaged.

    Parameters
    ----------
    file : path
        A ``.npy``; its index lies beside it as ``.json``. Of several processes
        that want it at the same time one writes, the others wait.
    corpus : Corpus
    names : list of str
    shortest : int
        See `fill_up`.

    Returns
    -------
    frames : tensor [shape=(N, D)]
        Mapped from the file, and not to be written into.
    lengths : list of int
        Frames of each clip, those repeated not counted.

    Raises
    ------
    DataError
        If a clip holds NaN or infinity.
    WriteError
        If the file cannot be written.
    """
    from filelock import FileLock

    file = Path(file)
    stamp = hashlib.sha256(repr((shortest, _sources(corpus, names))).encode()).hexdigest()
    make_folder(file.parent)
    # The system lets go of this lock when its holder dies, however it dies.
    with writing(file), FileLock(file.with_name(f".{file.name}.lock")):
        found = _open(file, stamp)
        if found is None:
            _write(file, corpus, names, shortest, stamp)
            found = _open(file, stamp)
    if found is None:
        raise KtubeError("The file changed while it was being written.", where=file, fix="Choose another folder.")
    return found


def _sources(corpus: Corpus, names: Iterable[str]) -> list[tuple[str, int, int]]:
    """Give what tells a clip from a rebuilt one: its name, size and time of change."""
    names = list(names)
    if is_sharded(corpus.root):
        shards: Any = corpus
        files = [(path.name, path.stat()) for path in shards.files]
        return [(name, state.st_size, state.st_mtime_ns) for name, state in files] + [(name, 0, 0) for name in names]
    try:
        states = [(corpus.root / "new_joint_vecs" / f"{name}.npy").stat() for name in names]
    except FileNotFoundError as error:
        raise CorpusError("A file of the corpus is missing.", where=error.filename) from error
    return [(name, state.st_size, state.st_mtime_ns) for name, state in zip(names, states, strict=True)]


def _write(file: Path, corpus: Corpus, names: Iterable[str], shortest: int, stamp: str) -> None:
    """Write clip by clip, so that memory never holds the set; the index comes last."""
    lengths, rows, size = [], 0, corpus.skeleton.feature_size
    with atomic_path(file) as temporary, LargePageFile(temporary) as target:
        _write_header(target, (0, size))
        for name in names:
            clip = read_clip(corpus, name)
            laid = np.ascontiguousarray(fill_up(clip, shortest), "<f4")
            lengths.append(len(clip))
            rows += len(laid)
            target.write(laid.data)
        target.seek(0)
        _write_header(target, (rows, size))
    write_json(file.with_suffix(".json"), {"stamp": stamp, "lengths": lengths, "file": _state(file)})


def _write_header(target: IO[bytes], shape: tuple[int, int]) -> None:
    # NumPy leaves room in it for a first axis of any length, so that it can be written over.
    np.lib.format.write_array_header_1_0(target, {"descr": "<f4", "fortran_order": False, "shape": shape})


def _state(file: Path) -> list[int]:
    state = file.stat()
    return [state.st_size, state.st_mtime_ns]


def _open(file: Path, stamp: str) -> tuple[torch.Tensor, list[int]] | None:
    """Map the file; give None if it is not there, of other clips, or not as it was written."""
    try:
        index = read_json(file.with_suffix(".json"))
        if index["stamp"] != stamp or index["file"] != _state(file):
            return None
        lengths = [int(length) for length in index["lengths"]]
        frames = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, TypeError, KeyError):  # ValueError: also FormatError, a damaged index
        return None
    bring_in([frames])
    return mapped_tensor(frames), lengths
