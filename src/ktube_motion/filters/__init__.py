"""Cleaning of pose estimates: drop outliers, fill gaps, hold the root, smooth, resample.

Every function takes a `PoseSequence` and gives a new one; `clean_poses` is the
usual chain of them. Rotations are filtered as rotations: as quaternions whose
sign follows their neighbour in time, made unit again afterwards, so that
nothing jumps where an axis-angle passes a half turn.
"""

from ._cleaning import clean_poses
from ._posture import fix_root, rest_lower_body
from ._repairing import fill_gaps, reject_outliers, split_at_gaps
from ._resampling import resample
from ._smoothing import lowpass, one_euro

__all__ = [
    "clean_poses",
    "fill_gaps",
    "fix_root",
    "lowpass",
    "one_euro",
    "reject_outliers",
    "resample",
    "rest_lower_body",
    "split_at_gaps",
]
