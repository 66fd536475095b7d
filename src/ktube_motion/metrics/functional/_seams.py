"""How joints move where pieces of motion were put together, against everywhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...arrays import ArrayLike, check_finite, check_shape, to_torch
from ...errors import DataError

__all__ = ["SeamReport", "seam_report"]


@dataclass(frozen=True)
class SeamReport:
    """Speed and jerk of joints, at seams and inside.

    Attributes
    ----------
    speed_at_seams, speed_inside : tuple of float
        Median and 95th percentile over frames and joints, metres per second.
    jerk_at_seams, jerk_inside : tuple of float
        The same of the third derivative, metres per second cubed.

    Examples
    --------
    >>> SeamReport((0.1, 0.3), (0.1, 0.2), (5.0, 9.0), (4.0, 8.0)).jerk_at_seams
    (5.0, 9.0)
    """

    speed_at_seams: tuple[float, float]
    speed_inside: tuple[float, float]
    jerk_at_seams: tuple[float, float]
    jerk_inside: tuple[float, float]


def seam_report(positions: ArrayLike, seams: Sequence[int], *, fps: float) -> SeamReport:
    """Compare how joints move at seams with how they move inside the pieces.

    Parameters
    ----------
    positions : array or tensor [shape=(T, J, 3)]
        One motion in metres.
    seams : sequence of int
        First frames of the pieces that were put on; ``3 <= seam <= T - 3``.
    fps : float

    Returns
    -------
    report : SeamReport
        A step, or a third difference, is at a seam if it has frames on both sides.

    Raises
    ------
    ShapeError, DataError
        If the positions do not fit or are not finite, or there is no seam, or one is outside.

    Examples
    --------
    >>> x = np.zeros((40, 1, 3)); x[20:, 0, 0] = 0.05  # a jump of 5 cm
    >>> report = seam_report(x, [20], fps=20)
    >>> [round(speed, 3) for speed in (*report.speed_at_seams, *report.speed_inside)]
    [1.0, 1.0, 0.0, 0.0]
    """
    x, _ = to_torch(positions, name="positions")
    check_shape(x, (None, None, 3), name="positions")
    check_finite(x, name="positions")
    if not seams or not 3 <= min(seams) <= max(seams) <= len(x) - 3:
        raise DataError("These are no seams of this motion.", expected=f"3 to {len(x) - 3}", found=list(seams))
    measured = {}
    for name, order in (("speed", 1), ("jerk", 3)):
        size = (x.detach().to(torch.float64).diff(n=order, dim=0) * float(fps) ** order).norm(dim=-1).numpy(force=True)
        at = np.zeros(len(size), bool)
        for seam in seams:
            at[seam - order : seam] = True
        if at.all():
            raise DataError("There is nothing between these seams.", found=list(seams))
        for place, chosen in (("at_seams", at), ("inside", ~at)):
            median, high = np.percentile(size[chosen], [50, 95])
            measured[f"{name}_{place}"] = float(median), float(high)
    return SeamReport(**measured)
