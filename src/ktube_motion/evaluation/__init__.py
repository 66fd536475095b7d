"""The protocol: how models are measured, reported, drawn, and how far the measures can be trusted.

`evaluate_tokenizer` and `evaluate_generation` run the field's repeated protocol,
as an `EvaluationConfig` sets it, and give a `Report`; `corpus_labels` turns names of clips into classes;
`trust_report` asks whether an evaluator orders what it must, on motion that
`perturb` spoils step by step.
"""

from .config import EvaluationConfig
from .labels import corpus_labels, corpus_words
from .perturb import freeze, jitter, perturb, reverse
from .plots import plot_confusion, plot_report, plot_trust
from .protocol import evaluate_generation, evaluate_tokenizer
from .report import Interval, Report
from .trust import Curve, TrustReport, trust_report

__all__ = [
    "Curve",
    "EvaluationConfig",
    "Interval",
    "Report",
    "TrustReport",
    "corpus_labels",
    "corpus_words",
    "evaluate_generation",
    "evaluate_tokenizer",
    "freeze",
    "jitter",
    "perturb",
    "plot_confusion",
    "plot_report",
    "plot_trust",
    "reverse",
    "trust_report",
]
