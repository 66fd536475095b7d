"""The field's numbers, and who takes them: measures, evaluators and the protocol of repeated evaluation.

Measures are plain functions of arrays (`functional`) and accumulators for
streams (`accumulators`). Evaluators put motion and text into one space:
`MotionEvaluator` is trained on any corpus and any language,
`load_t2m_evaluator` reads the published English ones. `evaluate_tokenizer` and
`evaluate_generation` run the protocol and give a `Report`.
"""

from .accumulators import (
    DiversityAccumulator,
    FrechetAccumulator,
    JointErrorAccumulator,
    RetrievalAccumulator,
    gather,
)
from .evaluators import EvaluatorConfig, EvaluatorOutput, MotionEvaluator
from .functional import (
    ClassReport,
    FewSamplesWarning,
    acceleration_error,
    beat_consistency,
    class_accuracy,
    diversity,
    foot_skating,
    frechet_distance,
    frechet_distance_from_moments,
    frechet_gesture_distance,
    jerk,
    joint_errors,
    l1_diversity,
    matched_preference,
    matching_score,
    motion_beats,
    mpjpe,
    multimodality,
    nearest_centroid,
    r_precision,
    r_precision_chance,
    speech_beats,
    symmetric_jerk_error,
)
from .losses import contrastive_loss, false_negatives, margin_loss
from .protocol import evaluate_generation, evaluate_tokenizer
from .report import Interval, Report
from .t2m_evaluator import T2MEvaluator, load_t2m_evaluator

__all__ = [
    "ClassReport",
    "DiversityAccumulator",
    "EvaluatorConfig",
    "EvaluatorOutput",
    "FewSamplesWarning",
    "FrechetAccumulator",
    "Interval",
    "JointErrorAccumulator",
    "MotionEvaluator",
    "Report",
    "RetrievalAccumulator",
    "T2MEvaluator",
    "acceleration_error",
    "beat_consistency",
    "class_accuracy",
    "contrastive_loss",
    "diversity",
    "evaluate_generation",
    "evaluate_tokenizer",
    "false_negatives",
    "foot_skating",
    "frechet_distance",
    "frechet_distance_from_moments",
    "frechet_gesture_distance",
    "gather",
    "jerk",
    "joint_errors",
    "l1_diversity",
    "load_t2m_evaluator",
    "margin_loss",
    "matched_preference",
    "matching_score",
    "motion_beats",
    "mpjpe",
    "multimodality",
    "nearest_centroid",
    "r_precision",
    "r_precision_chance",
    "speech_beats",
    "symmetric_jerk_error",
]
