"""Learned judges: models that put motion and text into one space.

`MotionEvaluator` is trained on any corpus and any language (its losses are
`contrastive_loss` and `margin_loss`), `load_t2m_evaluator` reads the published
English ones, and `AlignedTextEncoder` lends an evaluator's text side to a
transformer. `SpeechEvaluator` hears words in time (`timed_contrastive_loss`)
and tells whether a motion is in time with them.
"""

from ._aligned import AlignedTextEncoder
from ._batching import Evaluator
from ._evaluator import EvaluatorConfig, EvaluatorOutput, MotionEvaluator
from ._losses import contrastive_loss, false_negatives, margin_loss, timed_contrastive_loss
from ._published import T2MEvaluator, load_t2m_evaluator
from ._speech import SpeechEvaluator, SpeechEvaluatorConfig, SpeechOutput

__all__ = [
    "AlignedTextEncoder",
    "Evaluator",
    "EvaluatorConfig",
    "EvaluatorOutput",
    "MotionEvaluator",
    "SpeechEvaluator",
    "SpeechEvaluatorConfig",
    "SpeechOutput",
    "T2MEvaluator",
    "contrastive_loss",
    "false_negatives",
    "load_t2m_evaluator",
    "margin_loss",
    "timed_contrastive_loss",
]
