"""Clips of shards, where they lie in memory that the system maps from the files."""

import ctypes
import itertools
import mmap
import warnings
from collections.abc import Iterable, Sequence
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import CorpusError, DataError
from ..io import Corpus
from ..io._shard_corpus import ClipNames
from ._device import free_memory

if TYPE_CHECKING:
    from ..io._shard_corpus import ShardCorpus

__all__ = ["bring_in", "map_shards", "mapped_tensor", "rows_of"]

_POPULATE_READ = 22  # MADV_POPULATE_READ, of Linux from 5.14 on; the module mmap has no name for it


def rows_of(corpus: "ShardCorpus", names: Iterable[str]) -> np.ndarray:
    """Give the rows of a split, or of named clips; `CorpusError` where there is no such clip."""
    if isinstance(names, str):
        return corpus.rows(names)
    return names.rows if isinstance(names, ClipNames) else corpus.find_rows(list(names))


def map_shards(corpus: Corpus, names: Iterable[str]) -> dict[str, Any]:
    """Give the attributes of a `ClipTable` over the shards of a corpus.

    Many maps lie all over the memory of a process. A tensor that begins at the first and ends behind the last,
    and whose rows begin at every number, holds all of them: one call then copies the windows of a batch from
    wherever they are. What lies between the maps is never looked at.
    """
    shards: Any = corpus
    rows = rows_of(shards, names)
    if not shards.lengths[rows].any():
        raise CorpusError("There is nothing to train on.", expected="at least one clip", found="none")
    batches = [batch for batch in shards.batches if len(batch.frames)]
    size = batches[0].frames.shape[1]
    begins = [batch.frames.ctypes.data // batch.frames.itemsize for batch in batches]
    nearest, longest = int(np.argmin(begins)), int(np.argmax([len(batch.frames) for batch in batches]))
    base = begins[nearest]
    stops = [begin + batch.frames.size for begin, batch in zip(begins, batches, strict=True)]
    starts = _places(shards, base)
    lengths = shards.lengths[rows]
    _check_finite(shards, rows)
    shared = itertools.groupby(batches, key=lambda batch: batch.path)
    bring_in(*([batch.frames for batch in group] for _, group in shared))
    whole = np.lib.stride_tricks.as_strided(batches[nearest].frames, (max(stops) - base - size + 1, size), (4, 4))
    first = torch.from_numpy(starts[rows])
    return {
        "frames": mapped_tensor(whole),
        "starts": first,
        "lengths": torch.from_numpy(lengths),
        "ends": first + torch.from_numpy(lengths * size),
        "names": ClipNames(shards, rows),
        "pitch": size,
        "safe": begins[longest] - base,
        "room": len(batches[longest].frames),
        "_kept": batches,
    }


def bring_in(*maps: Sequence[np.ndarray]) -> Thread | None:
    """Ask the system to map files by megabytes, and to read them ahead, where its memory holds all of them.

    Finding pages of 4 KB takes as long as copying them, once there are millions, and to be asked for each takes longer
    still. Larger ones than a window are read in vain, however, when there is no room to keep them. Of each map its
    arrays are given, in order. Gives the thread that reads ahead, which nobody needs to wait for; None without room.
    """
    size = sum(array.nbytes for arrays in maps for array in arrays)
    if not hasattr(mmap, "MADV_HUGEPAGE") or size > free_memory(torch.device("cpu")):
        return None
    advise = ctypes.CDLL(None).madvise
    # A kernel that does not know of either says EINVAL; then all is as before.
    for arrays in maps:
        advise(*_stretch(arrays), mmap.MADV_HUGEPAGE)

    def read(maps: Sequence[Sequence[np.ndarray]]) -> None:  # by which they stay open meanwhile
        # What lies between the arrays, such as statistics of each clip, would take memory from them.
        for arrays in maps:
            for array in arrays:
                advise(*_stretch([array]), _POPULATE_READ)

    thread = Thread(target=read, args=(maps,), name="reads maps ahead", daemon=True)
    thread.start()
    return thread


def _stretch(arrays: Sequence[np.ndarray]) -> tuple[ctypes.c_void_p, ctypes.c_size_t]:
    """Give the first page of a map, and how many bytes reach from there to its end."""
    first = arrays[0].ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
    return ctypes.c_void_p(first), ctypes.c_size_t(arrays[-1].ctypes.data + arrays[-1].nbytes - first)


def _places(corpus: "ShardCorpus", base: int) -> np.ndarray:
    """Give for every row the number that its clip begins with, counted from `base`."""
    starts = [np.zeros(0, np.int64)]
    for batch in corpus.batches:
        begin = batch.frames.ctypes.data // batch.frames.itemsize - base
        starts.append(begin + batch.offsets[:-1].astype(np.int64) * batch.frames.shape[1])
    return np.concatenate(starts)


def _check_finite(corpus: "ShardCorpus", rows: np.ndarray) -> None:
    """Raise `DataError` if a clip has NaN or infinity, which the shards tell without their vectors."""
    found = [batch.columns.column("finite").to_numpy(zero_copy_only=False) for batch in corpus.batches]
    bad = rows[~np.concatenate(found)[rows]]
    if len(bad):
        raise DataError(
            f"Clip {corpus.name_of(bad[0])!r} has NaN or infinity.",
            where=corpus.root,
            fix="Rebuild the corpus, or take the clip out of the splits.",
        )


def mapped_tensor(array: np.ndarray) -> torch.Tensor:
    """Give a map of a file as a tensor, which is not to be written into."""
    with warnings.catch_warnings():
        # A map that could be written to would count as used memory, and be refused when it is larger than that.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)
