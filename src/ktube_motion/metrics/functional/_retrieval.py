"""Does a motion belong to its text? Retrieval measures on paired embeddings."""

import numpy as np
import torch

from ...arrays import Array, ArrayLike, to_torch
from ...errors import ConfigError, DataError, ShapeError
from ._distribution import rows_in_float64

__all__ = ["matched_preference", "matching_score", "r_precision", "r_precision_chance"]


def _pairs(text: ArrayLike, motion: ArrayLike, minimum: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    text = rows_in_float64(text, name="text", minimum=minimum)
    motion = rows_in_float64(motion, name="motion", minimum=minimum).to(text.device)
    if text.shape != motion.shape:
        raise ShapeError(
            "Text and motion embeddings must come in pairs from one evaluator.",
            expected=tuple(text.shape),
            found=tuple(motion.shape),
        )
    return text, motion


def distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclidean distances ``(..., N, M)``, without the shortcut that blurs equal rows."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def hits(text: torch.Tensor, pool: torch.Tensor, target: torch.Tensor, top_k: int) -> torch.Tensor:
    """Chance that the true motion is among the `top_k` nearest, ties broken by lot.

    text ``(..., N, E)``, pool ``(..., M, E)``, target ``(..., N)`` index into the pool; gives ``(..., N, top_k)``.
    """
    distance = distances(text, pool)
    true = distance.gather(-1, target[..., None])
    nearer = (distance < true).sum(-1, keepdim=True)
    tied = (distance == true).sum(-1, keepdim=True)  # the true pair itself included
    places = torch.arange(1, top_k + 1, device=text.device) - nearer
    return (places / tied).clamp(0, 1).to(torch.float64)


def check_pool(count: int, batch_size: int, top_k: int, drop_last: bool) -> None:
    """Raise `ConfigError` or `DataError` for a pool in which R-precision means nothing."""
    if batch_size < 2 or top_k < 1:
        raise ConfigError("R-precision needs a pool.", expected="batch_size >= 2 and top_k >= 1", found=batch_size)
    if drop_last and count < batch_size:
        raise DataError(
            "No batch is full, so dropping the last one leaves nothing.",
            expected=f"at least {batch_size} pairs",
            found=count,
            fix="Use drop_last=False or a smaller batch_size.",
        )


def r_precision(
    text: Array, motion: ArrayLike, *, batch_size: int = 32, top_k: int = 3, drop_last: bool = False
) -> Array:
    """How often a text finds its own motion among the nearest of a batch.

    Parameters
    ----------
    text, motion : array or tensor [shape=(N, E)]
        Paired embeddings, ``N >= 2``. Batches are taken in the given order:
        shuffle first if neighbours are alike.
    batch_size : int
        Size of the pool each text chooses from.
    top_k : int
    drop_last : bool
        True leaves the pairs after the last full batch out, as the published
        protocol does. False ranks them too, in a pool of the last
        `batch_size` pairs, so that every text has the same chance.

    Returns
    -------
    precision : same kind as `text` [shape=(top_k,)]
        Top 1, top 2, … With fewer than `batch_size` pairs the pool is all of
        them and chance is higher: see `r_precision_chance`.

    Raises
    ------
    ShapeError
        If the embeddings do not pair up, or there is only one pair.
    DataError
        If a number is not finite, or `drop_last` leaves nothing.

    Notes
    -----
    Equal distances count as a draw by lot: an evaluator that gives the same
    embedding to everything scores chance, and several motions with one text
    share their place. Where no distances are equal this is the published count [1]_.

    References
    ----------
    .. [1] C. Guo et al., Generating Diverse and Natural 3D Human Motions from Text, CVPR 2022.

    Examples
    --------
    >>> x = np.eye(4)
    >>> r_precision(x, x), r_precision(x, np.zeros((4, 4)))
    (array([1., 1., 1.]), array([0.25, 0.5 , 0.75]))
    """
    _, restore = to_torch(text, name="text")
    texts, motions = _pairs(text, motion, minimum=2)
    count = len(texts)
    check_pool(count, batch_size, top_k, drop_last)
    pool = min(batch_size, count)
    full = count // pool * pool
    target = torch.arange(pool, device=texts.device)
    batches, pools = (x[:full].reshape(-1, pool, x.shape[1]) for x in (texts, motions))
    found = hits(batches, pools, target.expand(full // pool, pool), top_k).sum((0, 1))
    if full < count and not drop_last:
        rest = count - full
        found += hits(texts[full:], motions[-pool:], target[-rest:], top_k).sum(0)
        full = count
    return restore(found / full)


def r_precision_chance(num_pairs: int, *, batch_size: int = 32, top_k: int = 3) -> np.ndarray:
    """R-precision of guessing: ``k / pool``.

    Parameters
    ----------
    num_pairs : int
        Pairs that are ranked.
    batch_size, top_k : int
        As in `r_precision`.

    Returns
    -------
    chance : float64 array [shape=(top_k,)]

    Examples
    --------
    >>> r_precision_chance(1000)
    array([0.03125, 0.0625 , 0.09375])
    """
    return np.minimum(np.arange(1, top_k + 1) / min(batch_size, num_pairs), 1.0)


def matching_score(text: ArrayLike, motion: ArrayLike) -> float:
    """Mean Euclidean distance between the embeddings of true pairs; lower is better.

    Parameters
    ----------
    text, motion : array or tensor [shape=(N, E)]

    Returns
    -------
    score : float

    Raises
    ------
    ShapeError, DataError
        If the embeddings do not pair up or are not finite.

    Examples
    --------
    >>> matching_score(np.zeros((2, 2)), np.array([[3.0, 4], [0, 0]]))
    2.5
    """
    text, motion = _pairs(text, motion)
    return float((text - motion).norm(dim=-1).mean())


def matched_preference(text: ArrayLike, motion: ArrayLike) -> float:
    """How often a text is nearer to its own motion than to another's; chance is 0.5.

    Parameters
    ----------
    text, motion : array or tensor [shape=(N, E)]
        ``N >= 2`` paired embeddings; all ``N (N - 1)`` mismatches are asked.

    Returns
    -------
    preference : float in [0, 1]
        Equal distances count one half.

    Raises
    ------
    ShapeError, DataError
        If the embeddings do not pair up or are not finite.

    Examples
    --------
    >>> matched_preference(np.eye(3), np.eye(3)), matched_preference(np.eye(3), np.ones((3, 3)))
    (1.0, 0.5)
    """
    text, motion = _pairs(text, motion, minimum=2)
    wins = 0.0
    for start in range(0, len(text), 256):  # in blocks, so that memory stays flat
        block = text[start : start + 256]
        distance = distances(block, motion)
        true = (block - motion[start : start + 256]).norm(dim=-1, keepdim=True)
        rows = torch.arange(len(block), device=text.device)
        distance[rows, rows + start] = true[:, 0]
        wins += float((distance > true).sum()) + 0.5 * float((distance == true).sum() - len(block))
    return wins / (len(text) * (len(text) - 1))
