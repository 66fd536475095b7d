"""The measures as pure functions of arrays or tensors; each gives a plain number."""

from ._classes import ClassReport, class_accuracy, nearest_centroid
from ._distribution import (
    FewSamplesWarning,
    diversity,
    frechet_distance,
    frechet_distance_from_moments,
    frechet_gesture_distance,
    multimodality,
)
from ._kinematic import acceleration_error, foot_skating, jerk, joint_errors, l1_diversity, mpjpe, symmetric_jerk_error
from ._retrieval import matched_preference, matching_score, r_precision, r_precision_chance
from ._seams import SeamReport, seam_report
from ._strokes import gesture_strokes, stroke_lags
from ._timing import beat_consistency, beat_preference, motion_beats, speech_beats

__all__ = [
    "ClassReport",
    "FewSamplesWarning",
    "SeamReport",
    "acceleration_error",
    "beat_consistency",
    "beat_preference",
    "class_accuracy",
    "diversity",
    "foot_skating",
    "frechet_distance",
    "frechet_distance_from_moments",
    "frechet_gesture_distance",
    "gesture_strokes",
    "jerk",
    "joint_errors",
    "l1_diversity",
    "matched_preference",
    "matching_score",
    "motion_beats",
    "mpjpe",
    "multimodality",
    "nearest_centroid",
    "r_precision",
    "r_precision_chance",
    "seam_report",
    "speech_beats",
    "stroke_lags",
    "symmetric_jerk_error",
]
