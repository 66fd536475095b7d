"""Mean and standard deviation of motion vectors over a data set."""

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ShapeError
from ..io._stored_clips import clip_moments
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
        ``names()`` and ``features(name)``. A corpus in shards keeps what
        is needed of each clip, so that its vectors are not read.
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
    for name, frames, clip_mean, clip_scatter in _moments(source):
        if mean is None or scatter is None:
            mean, scatter = np.zeros(len(clip_mean)), np.zeros(len(clip_mean))
        if len(clip_mean) != len(mean):
            expected, found = f"(T, {len(mean)})", (frames, len(clip_mean))
            raise ShapeError("Not a clip of motion vectors.", where=name, expected=expected, found=found)
        if not np.isfinite(clip_scatter).all():
            bad.append(name)
            continue
        if frames == 0:
            continue  # nothing to add
        total = count + frames
        away = clip_mean - mean
        scatter += clip_scatter + np.square(away) * (count * frames / total)
        mean += away * (frames / total)
        count = total
    if bad:
        more = f" and {len(bad) - 50} more" if len(bad) > 50 else ""
        warnings.warn(f"{len(bad)} clips with NaN or infinity are left out: {', '.join(bad[:50])}{more}", stacklevel=2)
    if count == 0 or mean is None or scatter is None:
        raise DataError("No frames to compute statistics from.", found=f"{len(bad)} clips, all with NaN or infinity")
    skeleton = skeleton or Skeleton.for_feature_size(len(mean))
    if skeleton.feature_size != len(mean):
        raise ShapeError("The vectors are another skeleton's.", expected=skeleton.feature_size, found=len(mean))
    return FeatureStats(mean=mean, std=_grouped(np.sqrt(scatter / count), skeleton))


def _moments(source: "Iterable[npt.ArrayLike] | Corpus") -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Give name, frames, mean and scatter of each clip, as a corpus keeps them or from the clips themselves."""
    if hasattr(source, "moments"):
        yield from source.moments()
        return
    if hasattr(source, "names") and hasattr(source, "features"):
        names = source.usable() if hasattr(source, "usable") else source.names()
        clips = ((name, source.features(name)) for name in names)
    else:
        clips = ((f"clip {number}", clip) for number, clip in enumerate(source))
    for name, given in clips:
        clip = np.asarray(given, dtype=np.float64)
        if clip.ndim != 2:
            raise ShapeError("Not a clip of motion vectors.", where=name, expected="(T, D)", found=clip.shape)
        yield name, len(clip), *clip_moments(clip)


def _grouped(std: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    grouped = np.empty_like(std)
    for part in feature_groups(skeleton).values():
        shared = std[part].mean()
        grouped[part] = shared if shared > NEAR_ZERO else 1.0
    return grouped
