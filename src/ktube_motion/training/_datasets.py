"""What training reads: all clips in one array, windows of it, and sampling that depends on the step alone.

Nothing here keeps a position. Which samples make the batch of a step follows
from the seed and the step number, so that a resumed job sees exactly what an
unbroken one would have seen, on one process or on many.
"""

import math
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CorpusError
from ..io import Corpus
from ..io._hub import is_sharded
from ._clipfile import fill_up, laid_length, map_clips, read_clip, size_of_clips
from ._device import free_memory, training_device
from ._maps import map_shards

__all__ = ["ClipTable", "WindowSampler", "count_clips", "indices_of_step", "step_rng"]


def count_clips(corpus: Corpus, names: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Count the clips of each split, and those that were left out, for the summary of a training."""
    return {f"{split}_clips": len(members) for split, members in names.items()} | {
        "unusable_clips": len(corpus.unusable)
    }


def step_rng(seed: int, step: int, stream: int = 0) -> np.random.Generator:
    """Give the random numbers of one step: a function of seed, step and stream only.

    Examples
    --------
    >>> bool(step_rng(0, 7).integers(100) == step_rng(0, 7).integers(100))
    True
    """
    return np.random.Generator(np.random.PCG64((seed, step, stream)))  # what default_rng gives, in half the time


class _Lender:
    """Memory for batches: it comes back, to be lent again, when nothing uses the batch any more.

    New memory would cost as much as filling it, since the system clears it first.
    """

    def __init__(self) -> None:
        self.idle: list[Any] = []

    def lend(self, *shape: int) -> torch.Tensor:
        """Give an uninitialised float32 tensor."""
        size = math.prod(shape)
        try:
            memory = self.idle.pop()
        except IndexError:
            memory = np.empty(size, np.float32)
        if memory.size < size:
            memory = np.empty(size, np.float32)
        lent = memory[:size].reshape(shape)
        # The tensor, every view of it and what autograd saves keep `lent` alive: it dies with the last of them.
        weakref.finalize(lent, self._take_back, memory).atexit = False
        return torch.from_numpy(lent)

    def _take_back(self, memory: np.ndarray) -> None:
        if len(self.idle) < 4:
            self.idle.append(memory)


@dataclass(frozen=True)
class ClipTable:
    """Clips laid end to end in one array, with an index.

    Attributes
    ----------
    frames : tensor [shape=(N, D)]
        All frames of all clips: in memory, mapped from files, or on a GPU.
    starts, lengths : int64 tensor [shape=(C,)]
        Where each clip lies in `frames`; always on the CPU.
    ends : int64 tensor [shape=(C,)]
        Up to where `frames` may be read for each clip: beyond its length its last frame is repeated.
    names : sequence of str
        What each clip is called, for messages.
    pitch : int
        Rows of `frames` from one frame to the next.
    safe, room : int, optional
        A row with memory behind it, and for how many frames; by default the first, and all.
    """

    frames: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    ends: torch.Tensor
    names: Sequence[str]
    pitch: int = 1
    safe: int = 0
    room: int | None = None
    _lender: _Lender = field(default_factory=_Lender, repr=False, compare=False)
    _kept: object = field(default=None, repr=False, compare=False)  # what the frames are mapped from

    @classmethod
    def from_arrays(
        cls, arrays: Sequence[np.ndarray], names: Sequence[str] | None = None, *, shortest: int = 0
    ) -> "ClipTable":
        """Lay arrays ``(T, D)`` end to end.

        Parameters
        ----------
        arrays : list of arrays [shape=(T, D)]
        names : list of str, optional
            By default their numbers.
        shortest : int
            Lay down at least so many frames of each clip, its last one
            repeated: stretches of this length are then found in one piece.

        Raises
        ------
        CorpusError
            If there is none, or none has a frame.

        Examples
        --------
        >>> table = ClipTable.from_arrays([np.zeros((3, 2)), np.ones((5, 2))], shortest=4)
        >>> table.frames.shape, table.starts.tolist(), table.lengths.tolist()
        (torch.Size([9, 2]), [0, 4], [3, 5])
        """
        lengths = [len(array) for array in arrays]
        ends = np.cumsum([laid_length(length, shortest) for length in lengths], dtype=np.int64)
        # One allocation, filled clip by clip: a list of copies would need twice the memory.
        frames = np.empty((ends[-1] if lengths else 0, arrays[0].shape[-1] if lengths else 0), np.float32)
        for end, array in zip(ends, arrays, strict=True):
            laid = fill_up(array, shortest)
            frames[end - len(laid) : end] = laid
        return cls._laid(torch.from_numpy(frames), lengths, names or map(str, range(len(lengths))), shortest)

    @classmethod
    def from_corpus(
        cls, corpus: Corpus, names: Iterable[str], *, file: str | Path | None = None, shortest: int = 0
    ) -> "ClipTable":
        """Read the motion vectors of the named clips of a `io.Corpus`.

        Parameters
        ----------
        corpus : Corpus
        names : list of str, or str
            Clips, or a split.
        file : path, optional
            Lay them end to end in this ``.npy``, which memory need not hold,
            and map it. Used again when it is there and the corpus is the same.
        shortest : int
            See `from_arrays`.

        Raises
        ------
        CorpusError
            If there is nothing to read.
        DataError
            If a clip holds NaN or infinity.
        """
        names = corpus.names(names) if isinstance(names, str) else list(names)
        if file is None or not names:
            return cls.from_arrays([read_clip(corpus, name) for name in names], names, shortest=shortest)
        return cls._laid(*map_clips(file, corpus, names, shortest=shortest), names, shortest)

    @classmethod
    def from_shards(cls, corpus: Corpus, names: Iterable[str]) -> "ClipTable":
        """Map the motion vectors of the named clips of a corpus in shards, as they lie there.

        Nothing is read, copied or written; what is used of the files the system keeps in memory, as long as it
        has some, once for all processes.

        Parameters
        ----------
        corpus : Corpus
            In shards.
        names : list of str, or str
            Clips, or a split, of which then not even the names are in memory.

        Raises
        ------
        CorpusError
            If there is nothing to read.
        DataError
            If a clip holds NaN or infinity.
        """
        return cls(**map_shards(corpus, names))

    @classmethod
    def for_training(
        cls, corpus: Corpus, names: Sequence[str], *, file: str | Path | None = None, shortest: int = 0
    ) -> "ClipTable":
        """Read the named clips to where training reads them fastest and they fit.

        That is the GPU if they take a quarter of its free memory at most; else
        memory, likewise; else a file that is mapped, or the shards of the corpus where it has them.

        Parameters
        ----------
        corpus : Corpus
        names : sequence of str, or str
            Clips, or a split.
        file : path, optional
            See `from_corpus`; without it, and without shards, memory has to do.
        shortest : int
            See `from_arrays`.

        Raises
        ------
        CorpusError, DataError
            See `from_corpus`.
        """
        device = training_device()
        # In memory, every process of this machine would hold the set.
        size = size_of_clips(corpus, names) * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        fits = 4 * size <= free_memory(torch.device("cpu"))
        if not fits and is_sharded(corpus.root):
            return cls.from_shards(corpus, names)
        table = cls.from_corpus(corpus, names, file=None if fits else file, shortest=shortest)
        if device.type == "cuda" and 4 * table.frames.nbytes <= free_memory(device):
            table = table.to(device)
        return table

    @cached_property
    def counted(self) -> np.ndarray:
        """Frames up to the end of each clip, in order, int64 ``(C,)``."""
        return np.cumsum(self.lengths.numpy())

    @classmethod
    def _laid(cls, frames: torch.Tensor, lengths: Sequence[int], names: Iterable[str], shortest: int) -> "ClipTable":
        if not len(frames):
            raise CorpusError("There is nothing to train on.", expected="at least one clip", found="none")
        laid = torch.tensor([laid_length(length, shortest) for length in lengths])
        ends = laid.cumsum(0)
        return cls(frames, ends - laid, torch.tensor(lengths), ends, tuple(names))

    def to(self, device: torch.device | str) -> "ClipTable":
        """Move the frames to a device."""
        return replace(self, frames=self.frames.to(device))

    def gather(
        self, clips: torch.Tensor, offsets: torch.Tensor, length: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Cut one stretch of `length` frames from each named clip, all at once.

        Parameters
        ----------
        clips, offsets : int64 tensor [shape=(B,)]
            Which clip, and from which of its frames on.
        length : int
            Frames to cut. Past the end of a clip its last frame is repeated.

        Returns
        -------
        frames : tensor [shape=(B, length, D)]
            The caller's own, on the device of the table.
        mask : bool tensor [shape=(B, length)] or None
            False where the clip had ended, None where none had; on the CPU.
        """
        [found] = self._find(clips[None], offsets[None], length)
        return self._take(found, length), found.mask

    def _find(self, clips: torch.Tensor, offsets: torch.Tensor, length: int) -> list["_Stretches"]:
        """Tell where the stretches of batches ``(N, B)`` lie, and which frames must be others than lie there."""
        count, batch = clips.shape
        left = self.lengths[clips] - offsets
        first = self.starts[clips] + offsets * self.pitch
        last = first + length * self.pitch
        inside, none = torch.arange(length), [np.empty((0, 3), np.int64)] * count
        masks: list[torch.Tensor | None] = [None] * count
        if left.min() < length:
            ended = zip(inside < left[..., None], left.amin(1).tolist(), strict=True)
            masks = [mask if least < length else None for mask, least in ended]
        short = (left < length) & (last > self.ends[clips])
        # What is not to be read, or has no memory behind it, is taken elsewhere, so all its frames must be others.
        if self.frames.device.type == "cpu":
            alone = (short & (left == 1)).flip(1).cumprod(1).sum(1)
            short &= torch.arange(batch) < batch - alone[:, None]
            places = short.nonzero()
            pieces = _cut(torch.stack((*places.T, first[short], left[short]), 1).numpy(), count)
            found = zip(first.masked_fill(short, self.safe), masks, none, pieces, alone.tolist(), strict=True)
        else:
            beyond = last > len(self.frames)
            other = (inside >= left[short][:, None]) | beyond[short][:, None]
            which, frame = other.nonzero().T
            number, place = short.nonzero()[which].T
            rows = first[short][which] + torch.minimum(frame, left[short][which] - 1) * self.pitch
            again = _cut(torch.stack((number, place * length + frame, rows), 1).numpy(), count)
            found = zip(first.masked_fill(beyond, self.safe), masks, again, none, [0] * count, strict=True)
        return [_Stretches(*one) for one in found]

    def _take(self, found: "_Stretches", length: int) -> torch.Tensor:
        (total, size), device, step = self.frames.shape, self.frames.device, self.frames.stride(0)
        new = self._lender.lend if device.type == "cpu" else self.frames.new_empty
        first, batch = found.first, len(found.first)
        frames = new(batch, length, size)
        single = batch - found.single
        # Pieces that come right before need not be copied as they lie.
        whole = single - len(found.pieces)
        if len(found.pieces) and found.pieces[0, 0] != whole:
            whole = single
        if whole and length <= (total if self.room is None else self.room):
            # A stretch is one long row of this overlapping view: one copy each, not one for every frame.
            rows_of = total - (length - 1) * self.pitch
            stretches = self.frames.as_strided((rows_of, length * size), (step, 1))
            torch.index_select(stretches, 0, first[:whole].to(device), out=frames.view(batch, -1)[:whole])
        if found.single:
            repeated = self.frames.as_strided((total, length, size), (step, 0, 1))
            torch.index_select(repeated, 0, first[single:], out=frames[single:])
        if len(found.again):
            places, rows = torch.from_numpy(found.again).T.to(device)
            frames.view(-1, size).index_copy_(0, places, self.frames.index_select(0, rows))
        if len(found.pieces):
            filled, source = frames.numpy(), self.frames.numpy()
            for row, start, count in found.pieces.tolist():
                end = start + (count - 1) * self.pitch
                filled[row, : count - 1] = source[start : end : self.pitch]
                filled[row, count - 1 :] = source[end]
        return frames


def _cut(rows: np.ndarray, count: int) -> list[np.ndarray]:
    """Deal out rows to the batches that their first numbers name, in order."""
    return np.split(rows[:, 1:], np.searchsorted(rows[:, 0], np.arange(1, count)))


@dataclass(frozen=True)
class _Stretches:
    """Where the stretches of a batch lie in the frames of a `ClipTable`.

    Attributes
    ----------
    first : int64 tensor [shape=(B,)]
        The row that each starts in.
    mask : bool tensor [shape=(B, length)] or None
        Which frames their clips have; None where all.
    again : int64 array [shape=(k, 2)]
        On other devices than the CPU, frames that must be others: places in the batch, and which rows they are.
    pieces : int64 array [shape=(k, 3)]
        On the CPU, stretches that reach beyond their clip, and are copied by themselves: which of the batch, its first
        row, and how many frames it has.
    single : int
        On the CPU, so many of the last stretches are one frame, repeated.
    """

    first: torch.Tensor
    mask: torch.Tensor | None
    again: np.ndarray
    pieces: np.ndarray
    single: int


_AHEAD = 1 << 17  # windows whose places are drawn at once


@dataclass(frozen=True)
class WindowSampler:
    """Random windows of a table; every clip counts in proportion to its frames.

    Examples
    --------
    >>> table = ClipTable.from_arrays([np.zeros((10, 1)), np.ones((90, 1))])
    >>> sampler = WindowSampler(table, window=20, batch_size=1000, seed=0)
    >>> clips, offsets = sampler.positions(step=3)
    >>> 850 < int(clips.sum()) < 950, int(offsets[clips == 0].max()), int(offsets.max())
    (True, 0, 70)
    >>> frames, mask = sampler.windows(step=3)
    >>> frames.shape, mask.sum(1).unique().tolist()
    (torch.Size([1000, 20, 1]), [10, 20])
    """

    table: ClipTable
    window: int
    batch_size: int
    seed: int = 0
    _found: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def positions(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the clips and offsets, each ``(B,)``, of one step."""
        clips, offsets = self._draw(range(step, step + 1))
        return clips[0], offsets[0]

    def frames(self, step: int) -> torch.Tensor:
        """Give the valid frames of each window of a step, ``(B,)``."""
        clips, offsets = self.positions(step)
        return (self.table.lengths[clips] - offsets).clamp(max=self.window)

    def _draw(self, steps: range) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the clips and offsets, each ``(len(steps), B)``, of many steps."""
        lengths, ends = self.table.lengths.numpy(), self.table.counted
        total = int(ends[-1])
        frames, places = np.empty((len(steps), self.batch_size), np.int64), np.empty((len(steps), self.batch_size))
        for row, step in enumerate(steps):
            rng = step_rng(self.seed, step)
            frames[row], places[row] = rng.integers(total, size=self.batch_size), rng.random(self.batch_size)
        # In order, so that each search finds what the last one has brought into the processor's cache.
        order = frames.argsort(axis=None)
        clips = np.empty_like(frames)
        clips.ravel()[order] = np.searchsorted(ends, frames.ravel()[order], side="right")
        room = lengths[clips] - self.window
        offsets = np.floor(places * (np.maximum(room, 0) + 1)).astype(np.int64)
        # Clips that are shorter than a window come last in a batch, those of one frame behind them: the others are one
        # copy, and so are these.
        short = room < 0
        order = np.argsort(short.astype(np.int8) + (short & (room == 1 - self.window)), axis=1, kind="stable")
        clips, offsets = (np.take_along_axis(values, order, 1) for values in (clips, offsets))
        return torch.from_numpy(clips), torch.from_numpy(offsets)

    def windows(self, step: int, part: slice = slice(None)) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Give the windows of `part` of one step, and their mask, as `ClipTable.gather` does."""
        key = part.start, part.stop
        if (step, *key) not in self._found:
            # Many steps at once: one alone would find its code pushed out of the processor's cache by the last batch,
            # and what it looks up of clips, too.
            steps = range(step, step + min(512, max(1, _AHEAD // self.batch_size)))
            for old in [other for other in self._found if other[0] < step or other[1:] == key]:
                del self._found[old]
            clips, offsets = (values[:, part] for values in self._draw(steps))
            found = self.table._find(clips, offsets, self.window)
            self._found.update(((ahead, *key), one) for ahead, one in zip(steps, found, strict=True))
        one = self._found[step, *key]
        return self.table._take(one, self.window), one.mask


@lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    return step_rng(seed, epoch, stream=1).permutation(count)


_POOL = 4  # batches; of more, one batch would hold one kind of motion only, as its length tells much of it


def indices_of_step(
    count: int, batch_size: int, *, seed: int, step: int, lengths: np.ndarray | None = None
) -> np.ndarray:
    """Give the samples of one step when epochs follow each other without a gap.

    Every sample comes once an epoch; a batch may straddle two epochs, so none
    is dropped, and a set smaller than the batch works.

    Parameters
    ----------
    count : int
        Samples in the set.
    batch_size, seed, step : int
    lengths : int array [shape=(count,)], optional
        Puts samples of like length together, so that less is padding: four
        batches are drawn, sorted, and dealt out in random order.

    Returns
    -------
    indices : int64 array [shape=(batch_size,)]

    Examples
    --------
    >>> sorted(np.concatenate([indices_of_step(6, 4, seed=0, step=k) for k in range(3)]).tolist())
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    """
    if count < 1:
        raise CorpusError("There is nothing to train on.", expected="at least one sample", found=count)
    if lengths is None:
        return _shuffled(count, np.arange(step * batch_size, (step + 1) * batch_size), seed)
    pool, place = divmod(step, _POOL)
    drawn = _shuffled(count, np.arange(pool * _POOL * batch_size, (pool + 1) * _POOL * batch_size), seed)
    ordered = drawn[np.argsort(np.asarray(lengths)[drawn], kind="stable")].reshape(_POOL, batch_size)
    return ordered[step_rng(seed, pool, stream=4).permutation(_POOL)[place]]


def _shuffled(count: int, places: np.ndarray, seed: int) -> np.ndarray:
    """Give what lies at these places of the endless row of shuffled epochs."""
    epochs = places // count
    return np.concatenate(
        [_permutation(count, seed, int(epoch))[places[epochs == epoch] % count] for epoch in np.unique(epochs)]
    )
