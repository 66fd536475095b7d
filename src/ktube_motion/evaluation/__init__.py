"""The protocol: how models are measured, reported, drawn, and how far the measures can be trusted.

`evaluate_tokenizer` and `evaluate_generation` run the field's repeated protocol,
as an `EvaluationConfig` sets it, and give a `Report`; `evaluate_speech` gives one of motion in time with words;
`corpus_labels` turns names of clips into classes;
`trust_report` asks whether an evaluator orders what it must, on motion that
`perturb` spoils step by step. `register_metric` adds a figure of your own to every report.
"""

from ._config import EvaluationConfig
from ._labels import corpus_labels, corpus_words
from ._perturb import freeze, jitter, perturb, reverse
from ._plots import plot_confusion, plot_report, plot_trust
from ._protocol import evaluate_generation, evaluate_tokenizer
from ._registry import METRICS, Metric, register_metric
from ._report import Interval, Report
from ._speech import SpeechConfig, SpeechToMotion, evaluate_speech, speech_preferences
from ._trust import Curve, TrustReport, trust_report

__all__ = [
    "METRICS",
    "Curve",
    "EvaluationConfig",
    "Interval",
    "Metric",
    "Report",
    "SpeechConfig",
    "SpeechToMotion",
    "TrustReport",
    "corpus_labels",
    "corpus_words",
    "evaluate_generation",
    "evaluate_speech",
    "evaluate_tokenizer",
    "freeze",
    "jitter",
    "perturb",
    "plot_confusion",
    "plot_report",
    "plot_trust",
    "register_metric",
    "reverse",
    "speech_preferences",
    "trust_report",
]
