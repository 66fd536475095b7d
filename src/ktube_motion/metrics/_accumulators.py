"""The same measures, batch by batch: update, merge, compute; memory stays flat.

Every accumulator can be pickled, so that processes can send theirs to one
another and `merge` them: `gather` does so under ``torch.distributed``.
"""

import copy
from typing import Any, Self, TypeVar

import numpy as np
import torch

from ..arrays import ArrayLike
from ..errors import ConfigError, DataError, ShapeError
from .functional import diversity, frechet_distance_from_moments
from .functional._distribution import check_rows, scatter, warn_few_samples
from .functional._kinematic import ALIGNMENTS, distances
from .functional._retrieval import _pairs, check_pool, hits

__all__ = ["DiversityAccumulator", "FrechetAccumulator", "JointErrorAccumulator", "RetrievalAccumulator", "gather"]


class _Moments:
    """Count, mean and scatter of rows seen so far, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.scatter = torch.zeros(0)

    def add(self, count: int, mean: torch.Tensor, scatter: torch.Tensor) -> None:
        if not count:
            return
        if not self.count:
            self.count, self.mean, self.scatter = count, mean.clone(), scatter.clone()
            return
        # Chan's update: exact, and free of the cancellation of sums of squares.
        total = self.count + count
        shift = mean - self.mean
        self.scatter += scatter + torch.outer(shift, shift) * (self.count * count / total)
        self.mean += shift * (count / total)
        self.count = total


class FrechetAccumulator:
    """Fréchet distance of two growing sets of embeddings.

    Examples
    --------
    >>> fid = FrechetAccumulator()
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> fid.update(real=x[:60]).update(real=x[60:], generated=x + 1)
    FrechetAccumulator(real=100, generated=100)
    >>> round(fid.compute(), 6)
    4.0
    """

    def __init__(self) -> None:
        self._sets = {"real": _Moments(), "generated": _Moments()}

    def __repr__(self) -> str:
        return f"FrechetAccumulator(real={self._sets['real'].count}, generated={self._sets['generated'].count})"

    def update(self, *, real: ArrayLike | None = None, generated: ArrayLike | None = None) -> Self:
        """Add rows ``(N, E)`` to one or both sets; either may be absent."""
        for name, rows in (("real", real), ("generated", generated)):
            if rows is None:
                continue
            checked = check_rows(rows, name=name).cpu()
            known, size = self._size, checked.shape[1]
            if known not in (0, size):
                raise ShapeError(f"{name} differs in dimension from earlier rows.", expected=known, found=size)
            mean = checked.mean(0, dtype=torch.float64)
            self._sets[name].add(len(checked), mean, scatter(checked, mean))
        return self

    @property
    def _size(self) -> int:
        return max(len(part.mean) for part in self._sets.values())

    def merge(self, other: Self) -> Self:
        """Add what another process has seen."""
        for name, part in self._sets.items():
            theirs = other._sets[name]
            part.add(theirs.count, theirs.mean, theirs.scatter)
        return self

    def compute(self) -> float:
        """Give `frechet_distance` of all rows seen; raises `DataError` below two rows a set."""
        counts = {name: part.count for name, part in self._sets.items()}
        if min(counts.values()) < 2:
            raise DataError("A Fréchet distance needs two rows in each set.", found=counts)
        warn_few_samples(min(counts.values()), self._size)
        parts = [(part.mean, part.scatter / (part.count - 1)) for part in self._sets.values()]
        return frechet_distance_from_moments(*parts[0], *parts[1])


class RetrievalAccumulator:
    """R-precision and matching score of a stream of pairs.

    One process gives exactly `r_precision` and `matching_score` of all pairs in
    the order they came; it keeps no more than two batches of them. After a
    merge the pools of the leftover pairs differ, nothing else.

    Parameters
    ----------
    batch_size, top_k, drop_last
        As in `r_precision`.

    Examples
    --------
    >>> retrieval = RetrievalAccumulator(batch_size=4)
    >>> result = retrieval.update(np.eye(6), np.eye(6)).compute()
    >>> result["r_precision"], result["matching_score"], result["pairs"]
    (array([1., 1., 1.]), 0.0, 6)
    """

    pairs: int
    batch_size: int
    top_k: int
    drop_last: bool

    def __init__(self, *, batch_size: int = 32, top_k: int = 3, drop_last: bool = False) -> None:
        if batch_size < 2 or top_k < 1:
            raise ConfigError("R-precision needs a pool.", expected="batch_size >= 2 and top_k >= 1", found=batch_size)
        self.batch_size, self.top_k, self.drop_last = batch_size, top_k, drop_last
        self.pairs, self._ranked = 0, 0
        self._found, self._distance = np.zeros(top_k), 0.0
        self._rest: list[torch.Tensor] = []  # texts and motions not ranked yet
        self._last: torch.Tensor | None = None  # motions of the last full batch, the rest of the leftover pool

    def update(self, text: ArrayLike, motion: ArrayLike) -> Self:
        """Add paired embeddings ``(N, E)``, ``(N, E)``."""
        text, motion = (x.cpu() for x in _pairs(text, motion))
        self.pairs += len(text)
        self._distance += float((text - motion).norm(dim=-1).sum())
        self._push(text, motion)
        return self

    def _push(self, text: torch.Tensor, motion: torch.Tensor) -> None:
        if self._rest:
            dim = self._rest[0].shape[1]
            if text.shape[1] != dim:
                raise ShapeError("Pairs differ in dimension from earlier ones.", expected=dim, found=text.shape[1])
            text, motion = torch.cat([self._rest[0], text]), torch.cat([self._rest[1], motion])
        size = self.batch_size
        full = len(text) // size * size
        if full:
            texts, pools = (x[:full].reshape(-1, size, x.shape[1]) for x in (text, motion))
            target = torch.arange(size).expand(full // size, size)
            self._found += hits(texts, pools, target, self.top_k).sum((0, 1)).numpy()
            self._ranked += full
            self._last = motion[full - size : full].clone()
        self._rest = [text[full:].clone(), motion[full:].clone()]

    def merge(self, other: Self) -> Self:
        """Add what another process has seen; its options must be the same."""
        options = [(x.batch_size, x.top_k, x.drop_last) for x in (self, other)]
        if options[0] != options[1]:
            raise ConfigError("Options differ, so these cannot merge.", expected=options[0], found=options[1])
        if not other.pairs:
            return self
        self.pairs += other.pairs
        self._ranked += other._ranked
        self._found = self._found + other._found
        self._distance += other._distance
        self._last = self._last if other._last is None else other._last
        self._push(*other._rest)
        return self

    def compute(self) -> dict[str, Any]:
        """Give ``r_precision`` ``(top_k,)``, ``matching_score`` and the number of ``pairs``."""
        if self.pairs < 2:
            raise DataError("Retrieval needs two pairs at least.", found=self.pairs)
        check_pool(self.pairs, self.batch_size, self.top_k, self.drop_last)
        text, motion = self._rest
        found, ranked, rest = self._found.copy(), self._ranked, len(text)
        if rest and not self.drop_last:
            pool = motion if self._last is None else torch.cat([self._last, motion])[-self.batch_size :]
            target = torch.arange(len(pool))[-rest:]
            found += hits(text, pool, target, self.top_k).sum(0).numpy()
            ranked += rest
        return {"r_precision": found / ranked, "matching_score": self._distance / self.pairs, "pairs": self.pairs}


class DiversityAccumulator:
    """Diversity of a stream of embeddings, from a fair sample of `capacity` rows.

    Each row draws a random number; the rows with the smallest stay. Such
    samples merge without favouring any process. Up to `capacity` rows the
    sample is everything.

    Parameters
    ----------
    rng : numpy.random.Generator
        Give each process its own.
    capacity : int
        Rows kept.
    num_pairs : int
        As in `diversity`.

    Examples
    --------
    >>> spread = DiversityAccumulator(rng=np.random.default_rng(0))
    >>> spread.update([[0.0, 0.0]]).update([[3.0, 4.0]]).compute()
    5.0
    """

    rng: np.random.Generator
    capacity: int
    num_pairs: int

    def __init__(self, *, rng: np.random.Generator, capacity: int = 2048, num_pairs: int = 300) -> None:
        self.rng, self.capacity, self.num_pairs = rng, capacity, num_pairs
        self._keys = np.zeros(0)
        self._rows: torch.Tensor | None = None

    def update(self, embeddings: ArrayLike) -> Self:
        """Add rows ``(N, E)``."""
        rows = check_rows(embeddings, name="embeddings").cpu()
        self._keep(self.rng.random(len(rows)), rows)
        return self

    def _keep(self, keys: np.ndarray, rows: torch.Tensor) -> None:
        if self._rows is not None:
            keys, rows = np.concatenate([self._keys, keys]), torch.cat([self._rows, rows])
        chosen = np.argsort(keys, kind="stable")[: self.capacity]
        self._keys, self._rows = keys[chosen], rows[chosen]

    def merge(self, other: Self) -> Self:
        """Add the sample of another process."""
        if other._rows is not None:
            self._keep(other._keys, other._rows)
        return self

    def compute(self) -> float:
        """Give `diversity` of the sample."""
        if self._rows is None:
            raise DataError("Diversity needs two rows at least.", found=0)
        return diversity(self._rows, rng=self.rng, num_pairs=self.num_pairs)


class JointErrorAccumulator:
    """MPJPE over clips of any length, every joint of every frame counting alike.

    Examples
    --------
    >>> errors = JointErrorAccumulator()
    >>> x = np.random.default_rng(0).normal(size=(10, 22, 3))
    >>> result = errors.update(x + 1, x).update(x[:5], x[:5]).compute()
    >>> round(result["none"], 4), round(result["root"], 4), result["frames"]
    (1.1547, 0.0, 15)
    """

    def __init__(self) -> None:
        self._sums, self._joints = dict.fromkeys(ALIGNMENTS, 0.0), 0
        self.frames: int = 0

    def update(self, predicted: ArrayLike, target: ArrayLike) -> Self:
        """Add one clip or batch ``(..., T, J, 3)`` and its truth."""
        errors = {align: distances(predicted, target, align=align) for align in ALIGNMENTS}
        for align, error in errors.items():
            self._sums[align] += float(error.sum())
        self._joints += errors["none"].numel()
        self.frames += errors["none"].numel() // errors["none"].shape[-1]
        return self

    def merge(self, other: Self) -> Self:
        """Add what another process has seen."""
        for align in self._sums:
            self._sums[align] += other._sums[align]
        self._joints += other._joints
        self.frames += other.frames
        return self

    def compute(self) -> dict[str, float]:
        """Give `mpjpe` for ``none``, ``root`` and ``procrustes``, in the positions' unit, and ``frames``."""
        if not self._joints:
            raise DataError("No clip was measured.", found=0)
        return {**{align: total / self._joints for align, total in self._sums.items()}, "frames": self.frames}


Accumulator = TypeVar(
    "Accumulator", FrechetAccumulator, RetrievalAccumulator, DiversityAccumulator, JointErrorAccumulator
)


def gather(accumulator: Accumulator) -> Accumulator:
    """Merge the accumulators of all processes; every process gets the whole.

    Parameters
    ----------
    accumulator
        Any of this module. It is not changed.

    Returns
    -------
    accumulator
        A merged copy; without ``torch.distributed`` a plain copy.

    Examples
    --------
    >>> gather(FrechetAccumulator().update(real=np.zeros((3, 2))))
    FrechetAccumulator(real=3, generated=0)
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return copy.deepcopy(accumulator)
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, accumulator)
    merged: Accumulator = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    return merged
