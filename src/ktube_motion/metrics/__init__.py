"""The field's numbers, and who takes them: measures, evaluators and the protocol of repeated evaluation.

Measures are plain functions of arrays (`functional`) and accumulators for
streams (`accumulators`). Evaluators put motion and text into one space:
`MotionEvaluator` is trained on any corpus and any language,
`load_t2m_evaluator` reads the published English ones. `evaluate_tokenizer` and
`evaluate_generation` run the protocol and give a `Report`; `trust_report` asks
whether an evaluator orders what it must.
"""

from .accumulators import (
    DiversityAccumulator,
    FrechetAccumulator,
    JointErrorAccumulator,
    RetrievalAccumulator,
    gather,
)
from .aligned import AlignedTextEncoder
from .evaluators import EvaluatorConfig, EvaluatorOutput, MotionEvaluator
from .functional import (
    ClassReport,
    FewSamplesWarning,
    SeamReport,
    acceleration_error,
    beat_consistency,
    beat_preference,
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
    seam_report,
    speech_beats,
    symmetric_jerk_error,
)
from .labels import corpus_labels, corpus_words
from .losses import contrastive_loss, false_negatives, margin_loss
from .perturb import freeze, jitter, perturb, reverse
from .plots import plot_confusion, plot_report, plot_trust
from .protocol import evaluate_generation, evaluate_tokenizer
from .report import Interval, Report
from .t2m_evaluator import T2MEvaluator, load_t2m_evaluator
from .trust import Curve, TrustReport, trust_report

__all__ = [
    "AlignedTextEncoder",
    "ClassReport",
    "Curve",
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
    "SeamReport",
    "T2MEvaluator",
    "TrustReport",
    "acceleration_error",
    "beat_consistency",
    "beat_preference",
    "class_accuracy",
    "contrastive_loss",
    "corpus_labels",
    "corpus_words",
    "diversity",
    "evaluate_generation",
    "evaluate_tokenizer",
    "false_negatives",
    "foot_skating",
    "frechet_distance",
    "frechet_distance_from_moments",
    "frechet_gesture_distance",
    "freeze",
    "gather",
    "jerk",
    "jitter",
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
    "perturb",
    "plot_confusion",
    "plot_report",
    "plot_trust",
    "r_precision",
    "r_precision_chance",
    "reverse",
    "seam_report",
    "speech_beats",
    "symmetric_jerk_error",
    "trust_report",
]
