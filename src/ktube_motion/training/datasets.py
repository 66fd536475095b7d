"""What training reads: all clips in one array, windows of it, and sampling that depends on the step alone.

Nothing here keeps a position. Which samples make the batch of a step follows
from the seed and the step number, so that a resumed job sees exactly what an
unbroken one would have seen, on one process or on many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ..errors import CorpusError, DataError

__all__ = ["ClipTable", "WindowSampler", "indices_of_step", "step_rng"]


def step_rng(seed: int, step: int, stream: int = 0) -> np.random.Generator:
    """Give the random numbers of one step: a function of seed, step and stream only.

    Examples
    --------
    >>> bool(step_rng(0, 7).integers(100) == step_rng(0, 7).integers(100))
    True
    """
    return np.random.default_rng((seed, step, stream))


@dataclass(frozen=True)
class ClipTable:
    """Clips laid end to end in one array, with an index.

    Attributes
    ----------
    frames : tensor [shape=(N, D)]
        All frames of all clips.
    starts, lengths : int64 tensor [shape=(C,)]
        Where each clip lies in `frames`.
    names : tuple of str
        What each clip is called, for messages.
    """

    frames: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    names: tuple[str, ...]

    @classmethod
    def from_arrays(cls, arrays: Sequence[np.ndarray], names: Sequence[str] | None = None) -> "ClipTable":
        """Lay arrays ``(T, D)`` end to end.

        Raises
        ------
        CorpusError
            If there is none, or none has a frame.

        Examples
        --------
        >>> table = ClipTable.from_arrays([np.zeros((3, 2)), np.ones((5, 2))])
        >>> table.frames.shape, table.starts.tolist(), table.lengths.tolist()
        (torch.Size([8, 2]), [0, 3], [3, 5])
        """
        lengths = torch.tensor([len(array) for array in arrays], dtype=torch.int64)
        if not len(lengths) or not lengths.sum():
            raise CorpusError("There is nothing to train on.", expected="at least one clip", found="none")
        # One allocation, filled clip by clip: a list of copies would need twice the memory.
        frames = torch.empty(int(lengths.sum()), arrays[0].shape[-1])
        starts = lengths.cumsum(0) - lengths
        for start, array in zip(starts.tolist(), arrays, strict=True):
            frames[start : start + len(array)] = torch.from_numpy(np.asarray(array, np.float32))
        return cls(frames, starts, lengths, tuple(names or (str(k) for k in range(len(arrays)))))

    @classmethod
    def from_corpus(cls, corpus, names: Iterable[str]) -> "ClipTable":
        """Read the motion vectors of the named clips of a `io.Corpus`.

        Raises
        ------
        DataError
            If a clip holds NaN or infinity.
        """
        names = list(names)
        table = cls.from_arrays([corpus.features(name) for name in names], names)
        finite = torch.isfinite(table.frames).all(-1)
        if not finite.all():
            first = int((~finite).nonzero()[0])
            clip = int(torch.searchsorted(table.starts, first, right=True)) - 1
            raise DataError(
                f"Clip {names[clip]!r} has NaN or infinity.",
                where=corpus.root,
                fix="Rebuild the corpus, or take the clip out of the splits.",
            )
        return table

    def to(self, device) -> "ClipTable":
        """Move the frames and the index to a device."""
        return ClipTable(self.frames.to(device), self.starts.to(device), self.lengths.to(device), self.names)

    def gather(self, clips: torch.Tensor, offsets: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
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
        mask : bool tensor [shape=(B, length)]
            False where the clip had ended.
        """
        device = self.frames.device
        inside = offsets.to(device)[:, None] + torch.arange(length, device=device)
        clips = clips.to(device)
        mask = inside < self.lengths[clips, None]
        rows = self.starts[clips, None] + torch.minimum(inside, self.lengths[clips, None] - 1)
        frames = self.frames.index_select(0, rows.flatten()).view(*rows.shape, self.frames.shape[-1])
        return frames, mask


@dataclass(frozen=True)
class WindowSampler:
    """Random windows of a table; every clip counts in proportion to its frames.

    Examples
    --------
    >>> table = ClipTable.from_arrays([np.zeros((10, 1)), np.ones((90, 1))])
    >>> clips, offsets = WindowSampler(table, window=20, batch_size=1000, seed=0).positions(step=3)
    >>> 850 < int(clips.sum()) < 950, int(offsets[clips == 0].max()), int(offsets.max())
    (True, 0, 70)
    """

    table: ClipTable
    window: int
    batch_size: int
    seed: int = 0

    def positions(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the clips and offsets, each ``(B,)``, of one step."""
        rng = step_rng(self.seed, step)
        lengths = self.table.lengths.cpu().numpy()
        ends = np.cumsum(lengths)
        clips = np.searchsorted(ends, rng.integers(ends[-1], size=self.batch_size), side="right")
        room = np.maximum(lengths[clips] - self.window, 0) + 1
        offsets = np.floor(rng.random(self.batch_size) * room).astype(np.int64)
        return torch.from_numpy(clips), torch.from_numpy(offsets)


@lru_cache(maxsize=4)
def _permutation(count, seed, epoch):
    return step_rng(seed, epoch, stream=1).permutation(count)


def indices_of_step(count: int, batch_size: int, *, seed: int, step: int) -> np.ndarray:
    """Give the samples of one step when epochs follow each other without a gap.

    Every sample comes once an epoch; a batch may straddle two epochs, so none
    is dropped, and a set smaller than the batch works.

    Parameters
    ----------
    count : int
        Samples in the set.
    batch_size, seed, step : int

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
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = places // count
    return np.concatenate(
        [_permutation(count, seed, int(epoch))[places[epochs == epoch] % count] for epoch in np.unique(epochs)]
    )
