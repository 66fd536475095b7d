"""Mean and standard deviation of motion vectors over a data set."""

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ShapeError
from ..skeletons import Skeleton
from ..types import FeatureStats

if TYPE_CHECKING:
    from ..io import Corpus

__all__ = ["feature_groups", "feature_stats"]

NEAR_ZERO = 1e-5  # far under any real motion, far above the rounding of float32


def feature_groups(skeleton: Skeleton) -> dict[str, slice]:
    """Name the parts of a motion vector.

    Parameters
    ----------
    skeleton : Skeleton
        One with motion vectors.

    Returns
    -------
    groups : dict of str to slice
        yaw_velocity, root_velocity, root_height, positions, rotations, velocities, contacts.

    Examples
    --------
    >>> from ktube_motion.skeletons import SMPL_22
    >>> feature_groups(SMPL_22)["velocities"]
    slice(193, 259, None)
    """
    joints = skeleton.num_joints
    sizes = {
        "yaw_velocity": 1,
        "root_velocity": 2,
        "root_height": 1,
        "positions": 3 * (joints - 1),
        "rotations": 6 * (joints - 1),
        "velocities": 3 * joints,
        "contacts": 4,
    }
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}


def feature_stats(source: "Iterable[npt.ArrayLike] | Corpus", *, skeleton: Skeleton | None = None) -> FeatureStats:
    """Compute the statistics that normalise motion vectors (``Mean.npy``, ``Std.npy``).

    Parameters
    ----------
    source : iterable of array [shape=(T, D)], or corpus
        Clips of motion vectors, read one after the other, or anything with
        ``names()`` and ``features(name)``.
    skeleton : Skeleton, optional
        Default: the one whose vectors have ``D`` numbers.

    Returns
    -------
    stats : FeatureStats
        Over all frames of all clips. The deviation is averaged within each of
        `feature_groups`; a group that (nearly) never changes gets 1.

    Raises
    ------
    ShapeError
        If clips differ in ``D`` or are not ``(T, D)``.
    DataError
        If no frame is left.
    ConfigError
        If no skeleton has vectors of size ``D``.

    Warns
    -----
    UserWarning
        If clips with NaN or infinity were left out: how many and which.

    Notes
    -----
    Clips are merged in float64 by Chan's update [1]_, so nothing but sums is kept.

    References
    ----------
    .. [1] T. Chan, G. Golub, R. LeVeque, The American Statistician 37(3), 242-247, 1983.

    Examples
    --------
    >>> clips = [np.full((10, 263), value, dtype=np.float32) for value in (1.0, 3.0)]
    >>> stats = feature_stats(clips)
    >>> stats.mean[:2], stats.std[:2]
    (array([2., 2.], dtype=float32), array([1., 1.], dtype=float32))
    """
    count, mean, scatter, bad = 0, None, None, []
    for name, clip in _clips(source):
        clip = np.asarray(clip, dtype=np.float64)
        if clip.ndim != 2 or (mean is not None and clip.shape[1] != len(mean)):
            expected = "(T, D)" if mean is None else f"(T, {len(mean)})"
            raise ShapeError("Not a clip of motion vectors.", where=name, expected=expected, found=clip.shape)
        if not np.isfinite(clip).all():
            bad.append(name)
            continue
        if len(clip) == 0:
            continue  # no frame, nothing to add
        if mean is None:
            mean, scatter = np.zeros(clip.shape[1]), np.zeros(clip.shape[1])
        total = count + len(clip)
        clip_mean = clip.mean(0)
        away = clip_mean - mean
        scatter += np.square(clip - clip_mean).sum(0) + np.square(away) * (count * len(clip) / total)
        mean += away * (len(clip) / total)
        count = total
    if bad:
        more = f" and {len(bad) - 50} more" if len(bad) > 50 else ""
        warnings.warn(f"{len(bad)} clips with NaN or infinity are left out: {', '.join(bad[:50])}{more}", stacklevel=2)
    if mean is None or scatter is None:
        raise DataError("No frames to compute statistics from.", found=f"{len(bad)} clips, all with NaN or infinity")
    skeleton = skeleton or Skeleton.for_feature_size(len(mean))
    if skeleton.feature_size != len(mean):
        raise ShapeError("The vectors are another skeleton's.", expected=skeleton.feature_size, found=len(mean))
    return FeatureStats(mean=mean, std=_grouped(np.sqrt(scatter / count), skeleton))


def _clips(source: "Iterable[npt.ArrayLike] | Corpus") -> Iterator[tuple[str, npt.ArrayLike]]:
    """Give (name, clip) pairs of a corpus or of plain arrays."""
    if hasattr(source, "names") and hasattr(source, "features"):
        names = source.usable() if hasattr(source, "usable") else source.names()
        return ((name, source.features(name)) for name in names)
    return ((f"clip {number}", clip) for number, clip in enumerate(source))


def _grouped(std: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    grouped = np.empty_like(std)
    for part in feature_groups(skeleton).values():
        shared = std[part].mean()
        grouped[part] = shared if shared > NEAR_ZERO else 1.0
    return grouped
