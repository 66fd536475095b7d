"""How two sets of embeddings differ, and how varied one set is."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import torch

from ...arrays import ArrayLike, to_torch
from ...errors import ConfigError, DataError, ShapeError

__all__ = [
    "FewSamplesWarning",
    "diversity",
    "frechet_distance",
    "frechet_distance_from_moments",
    "frechet_gesture_distance",
    "multimodality",
]


class FewSamplesWarning(UserWarning):
    """Fewer samples than dimensions: a Fréchet distance is then biased upwards.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", FewSamplesWarning)
    ...     distance = frechet_distance(np.eye(4, 8), np.eye(4, 8))
    >>> round(float(distance), 6) + 0.0
    0.0
    """


def check_rows(array: ArrayLike, *, name: str, ndim: int = 2, minimum: int = 1) -> torch.Tensor:
    """Give `array` as a finite tensor of `ndim` axes and at least `minimum` rows."""
    tensor, _ = to_torch(array, name=name)
    if tensor.ndim != ndim or len(tensor) < minimum:
        axes = "(N, E)" if ndim == 2 else "(N, G, E)"
        raise ShapeError(
            f"{name} has the wrong shape.", expected=f"{axes} with N >= {minimum}", found=tuple(tensor.shape)
        )
    tensor = tensor.detach()
    # One pass tells that all is well; in the rows' own precision it is ten times faster.
    if not torch.isfinite(tensor.sum()) and not torch.isfinite(tensor.sum(dtype=torch.float64)):
        bad = ~torch.isfinite(tensor).flatten(1).all(1)
        first = int(bad.nonzero()[0]) if bad.any() else "none: their sum overflows"
        raise DataError(
            f"{name} has NaN or infinity in {int(bad.sum())} of {len(tensor)} rows, first at {first}.",
            fix="A model that gives NaN cannot be measured: look at those clips first.",
        )
    return tensor


def rows_in_float64(array: ArrayLike, **checks: Any) -> torch.Tensor:
    """Give `array` as `check_rows` does, in float64."""
    return check_rows(array, **checks).to(torch.float64)


def scatter(rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Sum of outer products ``(E, E)`` of rows about `mean`, in float64 and block by block."""
    total = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=rows.device)
    for block in rows.split(2048):
        centred = block.to(torch.float64) - mean
        if centred.device.type == "cpu":
            # BLAS has a routine for X^T X that does half the work, and NumPy calls it.
            total += torch.from_numpy(centred.numpy().T @ centred.numpy())
        else:
            total += centred.T @ centred
    return total


def moments(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give mean ``(E,)`` and covariance ``(E, E)`` (divided by N - 1) of rows, in float64."""
    mean = rows.sum(0, dtype=torch.float64) / len(rows)
    return mean, scatter(rows, mean) / (len(rows) - 1)


def _same_rows(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Tell whether two sets hold the same rows, in whatever order."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    first, second = (x.sum(dtype=torch.float64) for x in (a, b))
    if not torch.isclose(first, second, rtol=1e-6, atol=1e-6):
        return False

    def ordered(rows: torch.Tensor) -> np.ndarray:
        values = np.ascontiguousarray(rows.cpu().numpy())
        return np.sort(values.view(f"V{values.itemsize * values.shape[1]}").ravel())

    return bool((ordered(a) == ordered(b)).all())


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Fréchet distance (FID) of two sets of embeddings, as if both were Gaussian.

    Parameters
    ----------
    a, b : array or tensor [shape=(N, E), (M, E)]
        Embeddings, at least two rows each. Computed in float64.

    Returns
    -------
    distance : float >= 0
        ``|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))``; exactly 0 for
        the same set of rows in any order.

    Raises
    ------
    ShapeError
        If the sets are not two-dimensional, differ in ``E`` or have one row.
    DataError
        If a row is not finite.

    Warns
    -----
    FewSamplesWarning
        If a set has fewer rows than dimensions.

    See Also
    --------
    frechet_distance_from_moments : the same from means and covariances.

    References
    ----------
    .. [1] M. Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> frechet_distance(x, x), round(frechet_distance(x, x + 1), 6)
    (0.0, 4.0)
    """
    a, b = check_rows(a, name="a", minimum=2), check_rows(b, name="b", minimum=2)
    if a.shape[1] != b.shape[1]:
        raise ShapeError("The two sets differ in dimension.", expected=tuple(a.shape), found=tuple(b.shape))
    warn_few_samples(min(len(a), len(b)), a.shape[1])
    if _same_rows(a, b):
        return 0.0
    return frechet_distance_from_moments(*moments(a), *moments(b))


def warn_few_samples(samples: int, dimensions: int) -> None:
    """Warn when `samples` rows cannot fill a covariance of `dimensions`."""
    if samples < dimensions:
        warnings.warn(
            f"Only {samples} samples for {dimensions} dimensions: the Fréchet distance is biased upwards. "
            "Compare it only with distances from as many samples.",
            FewSamplesWarning,
            stacklevel=3,
        )


def frechet_distance_from_moments(mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike) -> float:
    """Fréchet distance of two Gaussians given by mean and covariance.

    Parameters
    ----------
    mean_a, mean_b : array or tensor [shape=(E,)]
    cov_a, cov_b : array or tensor [shape=(E, E)]
        Symmetric and positive semidefinite; rank-deficient ones are fine.

    Returns
    -------
    distance : float >= 0

    Raises
    ------
    ShapeError
        If the sizes do not fit together.
    DataError
        If a number is not finite.

    Notes
    -----
    ``tr (S_a S_b)^(1/2)`` is the sum of the roots of the eigenvalues of the
    symmetric matrix ``F^T S_b F`` for any ``F`` with ``F F^T = S_a``: the
    Cholesky factor where it exists, else the root from the eigenvectors. No
    complex numbers appear, and the result is never negative.

    Examples
    --------
    >>> frechet_distance_from_moments(np.zeros(2), np.eye(2), np.ones(2), 4 * np.eye(2))
    4.0
    """
    mean_a, mean_b = (rows_in_float64(np.atleast_2d(x), name="mean")[0] for x in (mean_a, mean_b))
    cov_a, cov_b = rows_in_float64(cov_a, name="cov_a"), rows_in_float64(cov_b, name="cov_b")
    size = len(mean_a)
    if mean_b.shape != (size,) or cov_a.shape != (size, size) or cov_b.shape != (size, size):
        raise ShapeError(
            "Means and covariances do not fit together.",
            expected=f"({size},) and ({size}, {size})",
            found=f"{tuple(mean_b.shape)}, {tuple(cov_a.shape)} and {tuple(cov_b.shape)}",
        )
    if torch.equal(mean_a, mean_b) and torch.equal(cov_a, cov_b):
        return 0.0
    roots = np.sqrt(_product_eigenvalues(cov_a.cpu().numpy(), cov_b.cpu().numpy()).clip(0))
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * float(roots.sum())
    return max(float(distance), 0.0)


def _product_eigenvalues(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Eigenvalues of ``a @ b``, both symmetric and positive semidefinite."""
    try:
        return scipy.linalg.eigh(b, a, type=2, eigvals_only=True, check_finite=False, driver="gv")
    except np.linalg.LinAlgError:  # `a` has no Cholesky factor: fewer samples than dimensions
        values, vectors = np.linalg.eigh(a)
        root = vectors * np.sqrt(values.clip(0))
        return np.linalg.eigvalsh(root.T @ b @ root)


def frechet_gesture_distance(
    real: Sequence[np.ndarray | torch.Tensor],
    generated: Sequence[np.ndarray | torch.Tensor],
    *,
    embed: Callable[[np.ndarray], ArrayLike],
    window: int = 34,
    hop: int = 17,
) -> float:
    """Fréchet distance of short windows of gesture (FGD).

    Parameters
    ----------
    real, generated : sequence of arrays [shape=(T, D)]
        Motion features of whole clips; clips shorter than `window` are an error.
    embed : callable
        Turns windows ``(N, window, D)`` into embeddings ``(N, E)``: an
        evaluator's ``embed_motion``, or the encoder of an autoencoder.
    window, hop : int
        Length and step of the windows in frames.

    Returns
    -------
    distance : float >= 0

    Raises
    ------
    DataError
        If a clip is shorter than `window`.

    References
    ----------
    .. [1] Y. Yoon et al., Speech Gesture Generation from the Trimodal Context, SIGGRAPH Asia 2020.

    Examples
    --------
    >>> clips = list(np.random.default_rng(0).normal(size=(8, 40, 3)))
    >>> frechet_gesture_distance(clips, clips, embed=lambda windows: windows.mean(1), window=20)
    0.0
    """

    def windows(clips: Sequence[np.ndarray | torch.Tensor], name: str) -> np.ndarray:
        short = [i for i, clip in enumerate(clips) if len(clip) < window]
        if short or not len(clips):
            raise DataError(
                f"{len(short)} of {len(clips)} {name} clips are too short for a window, first {short[:1]}.",
                expected=f"at least {window} frames",
                fix="Drop those clips or choose a smaller window.",
            )
        starts = [(clip, start) for clip in clips for start in range(0, len(clip) - window + 1, hop)]
        return np.stack([np.asarray(clip[start : start + window]) for clip, start in starts])

    return frechet_distance(embed(windows(real, "real")), embed(windows(generated, "generated")))


def diversity(embeddings: ArrayLike, *, rng: np.random.Generator, num_pairs: int = 300) -> float:
    """Mean Euclidean distance of random pairs of embeddings.

    Parameters
    ----------
    embeddings : array or tensor [shape=(N, E)]
        ``N >= 2``. Pairs are drawn independently, so ``N`` may be below `num_pairs`.
    rng : numpy.random.Generator
        Draws the pairs. A row is never paired with itself.
    num_pairs : int

    Returns
    -------
    diversity : float

    Raises
    ------
    ShapeError, DataError
        If there are fewer than two rows, or one is not finite.

    Examples
    --------
    >>> diversity(np.array([[0.0, 0], [3, 4]]), rng=np.random.default_rng(0))
    5.0
    """
    rows = rows_in_float64(embeddings, name="embeddings", minimum=2)
    first = rng.integers(len(rows), size=num_pairs)
    second = (first + rng.integers(1, len(rows), size=num_pairs)) % len(rows)
    return float((rows[first] - rows[second]).norm(dim=-1).mean())


def multimodality(
    embeddings: ArrayLike,
    *,
    num_pairs: int = 10,
    rng: np.random.Generator | None = None,
    pairs: tuple[ArrayLike, ArrayLike] | None = None,
    reference_quirks: bool = False,
) -> float:
    """Mean distance between motions generated from the same text.

    Parameters
    ----------
    embeddings : array or tensor [shape=(N, G, E)]
        ``G >= 2`` generations of each of ``N`` texts.
    num_pairs : int
        Pairs drawn per text.
    rng : numpy.random.Generator, optional
        Draws the pairs; needed unless `pairs` is given.
    pairs : two integer arrays [shape=(P,)], optional
        The same fixed pairs for all texts.
    reference_quirks : bool
        Draw as the published code does: one set of pairs for all texts, both
        ends without replacement but independent of each other, so that a
        generation may be paired with itself (needs ``num_pairs <= G``).

    Returns
    -------
    multimodality : float

    Raises
    ------
    ConfigError
        If neither `rng` nor `pairs` is given, or the quirk needs more generations.
    ShapeError, DataError
        If there are fewer than two generations, or a number is not finite.

    Examples
    --------
    >>> multimodality(np.array([[[0.0, 0], [3, 4]]]), rng=np.random.default_rng(0))
    5.0
    """
    groups = rows_in_float64(embeddings, name="embeddings", ndim=3)
    count, size = groups.shape[:2]
    if size < 2:
        raise ShapeError("Multimodality needs several generations of a text.", expected="G >= 2", found=size)
    if pairs is not None:
        first, second = (np.tile(np.asarray(index), (count, 1)) for index in pairs)
    elif rng is None:
        raise ConfigError("Pairs are random.", fix="Give rng=np.random.default_rng(seed), or the pairs themselves.")
    elif reference_quirks:
        if num_pairs > size:
            raise ConfigError("The published draw needs as many generations as pairs.", expected=num_pairs, found=size)
        first, second = (np.tile(rng.choice(size, num_pairs, replace=False), (count, 1)) for _ in range(2))
    else:
        first = rng.integers(size, size=(count, num_pairs))
        second = (first + rng.integers(1, size, size=first.shape)) % size
    text = np.arange(count)[:, None]
    return float((groups[text, first] - groups[text, second]).norm(dim=-1).mean())
