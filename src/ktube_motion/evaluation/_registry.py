"""The figures of reports: how each is written, and how it is measured. A new one is one function and one line."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import ConfigError
from ..metrics import acceleration_error, foot_skating, jerk, matching_score, symmetric_jerk_error
from ..skeletons import Skeleton

__all__ = ["METRICS", "Metric", "columns", "label", "own_metrics", "register_metric"]

Subject = Literal["motion", "reconstruction", "embeddings"]


@dataclass(frozen=True)
class Metric:
    """A figure of the reports.

    Attributes
    ----------
    heading : str
        As tables and pictures write it: name, unit, and ↓, ↑ or → for whether less, more or likeness is better.
    of : {"motion", "reconstruction", "embeddings"} or None
        What it is measured on; None for what the protocol works out by itself.
    measure : callable or None
        See `register_metric`.

    Examples
    --------
    >>> METRICS["fid"].heading
    'FID ↓'
    """

    heading: str
    of: Subject | None = None
    measure: Callable[..., float] | None = None


def _jerk(positions: np.ndarray, *, fps: float, skeleton: Skeleton) -> float:
    return jerk(positions, fps=fps) * skeleton.metres_per_unit


def _acceleration_error(predicted: np.ndarray, target: np.ndarray, *, fps: float, skeleton: Skeleton) -> float:
    return acceleration_error(predicted, target, fps=fps) * skeleton.metres_per_unit


def _symmetric_jerk_error(predicted: np.ndarray, target: np.ndarray, *, fps: float, skeleton: Skeleton) -> float:
    return symmetric_jerk_error(predicted, target)


#: All figures by name, in the order of tables.
METRICS: dict[str, Metric] = {
    "fid": Metric("FID ↓"),
    "fgd": Metric("FGD ↓"),
    "r_precision_top1": Metric("R top 1 ↑"),
    "r_precision_top2": Metric("R top 2 ↑"),
    "r_precision_top3": Metric("R top 3 ↑"),
    "matching_score": Metric("Matching ↓", "embeddings", matching_score),
    "diversity": Metric("Diversity →"),
    "multimodality": Metric("Multimodality ↑"),
    "mpjpe_mm": Metric("MPJPE mm ↓"),
    "root_mpjpe_mm": Metric("Root MPJPE mm ↓"),
    "pa_mpjpe_mm": Metric("PA-MPJPE mm ↓"),
    "acceleration_error": Metric("Acceleration error m/s² ↓", "reconstruction", _acceleration_error),
    "symmetric_jerk_error": Metric("Jerk error ↓", "reconstruction", _symmetric_jerk_error),
    "jerk": Metric("Jerk m/s³ →", "motion", _jerk),
    "foot_skating": Metric("Foot skating ↓", "motion", foot_skating),
    "codes_used": Metric("Codes used ↑"),
    "perplexity": Metric("Perplexity ↑"),
    "own_over_other": Metric("Own over another's ↑"),
    "stroke_lag_median_s": Metric("Stroke lag s, median ↓"),
    "stroke_lag_p90_s": Metric("Stroke lag s, p90 ↓"),
    "strokes_missing": Metric("Strokes missing ↓"),
}
_BUILT_IN = frozenset(METRICS)


def register_metric(name: str, measure: Callable[..., float], *, heading: str = "", of: Subject = "motion") -> None:
    """Make a measure part of every report.

    Parameters
    ----------
    name : str
        The figure's name in `Report.table`; with its unit, where it has one.
    measure : callable
        Gives a finite number. ``motion``: ``measure(positions, *, fps, skeleton)`` of one clip ``(T, J, 3)`` in
        the skeleton's unit. ``reconstruction``: ``measure(predicted, target, *, fps, skeleton)`` of two such
        clips. Both are averaged over the clips. ``embeddings``: ``measure(text, motion)`` of paired vectors
        ``(N, E)``, tensors, once a repeat.
    heading : str
        As tables write it; by default the name.
    of : {"motion", "reconstruction", "embeddings"}
        What is measured: every row's motions, what a tokenizer makes of a clip against the clip, or every row's
        vectors against those of the texts.

    Raises
    ------
    ConfigError
        If `of` is unknown, or another measure has this name.

    Examples
    --------
    >>> def height_metres(positions, *, fps, skeleton):
    ...     return float(np.ptp(positions[..., 1])) * skeleton.metres_per_unit
    >>> register_metric("height_metres", height_metres, heading="Height m →")
    >>> label("height_metres"), columns(["height_metres", "fid"])
    ('Height m →', ['fid', 'height_metres'])
    >>> del METRICS["height_metres"]
    """
    if of not in ("motion", "reconstruction", "embeddings"):
        raise ConfigError(
            "A metric cannot be of this.", expected="motion, reconstruction or embeddings", found=repr(of)
        )
    metric = Metric(heading or name, of, measure)
    if METRICS.setdefault(name, metric) != metric:
        raise ConfigError("There is such a metric already.", found=name, fix="Choose another name.")


def own_metrics() -> list[str]:
    """Give the names of the registered measures that are not the library's."""
    return sorted(set(METRICS) - _BUILT_IN)


def columns(present: Collection[str]) -> list[str]:
    """Put the names of metrics in their order."""
    return [name for name in METRICS if name in present] + sorted(set(present) - set(METRICS))


def label(name: str) -> str:
    """Give the heading of a metric."""
    if name.startswith("class_accuracy_"):
        return f"Class {name.removeprefix('class_accuracy_')} ↑"
    if name not in METRICS and name.startswith("own_over_"):
        return f"Own over own {name.removeprefix('own_over_')} off ↑"
    return METRICS[name].heading if name in METRICS else name
