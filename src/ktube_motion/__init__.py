"""Korean utterance to human motion: data set, tokenizer, transformer, evaluation, pictures.

The rooms of the library, in the order data walks through them: `io`,
`filters`, `kinematics`, `features`; `metrics`, `models`, `vq`, `text`,
`evaluators`, `gpt`, `pipeline`; `evaluation`, `render`. Beside them
`samples`, `construct`, `training` and `live`, and on top of everything `commands`.
Everything is imported when first used,
so ``import ktube_motion`` itself is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:  # for editors and type checkers: the names that `__getattr__` gives
    from . import arrays as arrays
    from . import commands as commands
    from . import construct as construct
    from . import deprecation as deprecation
    from . import errors as errors
    from . import evaluation as evaluation
    from . import evaluators as evaluators
    from . import features as features
    from . import filters as filters
    from . import gpt as gpt
    from . import io as io
    from . import kinematics as kinematics
    from . import live as live
    from . import metrics as metrics
    from . import models as models
    from . import palette as palette
    from . import pipeline as pipeline
    from . import render as render
    from . import rotations as rotations
    from . import samples as samples
    from . import skeletons as skeletons
    from . import text as text
    from . import training as training
    from . import types as types
    from . import vq as vq
    from .evaluators import MotionEvaluator
    from .gpt import MotionTransformer
    from .pipeline import UtteranceToMotion
    from .types import Motion, PoseSequence, Utterance
    from .vq import MotionTokenizer

_HOME = {
    "Motion": "types",
    "PoseSequence": "types",
    "Utterance": "types",
    "MotionTokenizer": "vq",
    "MotionTransformer": "gpt",
    "UtteranceToMotion": "pipeline",
    "MotionEvaluator": "evaluators",
}
_ROOMS = (
    "arrays commands construct deprecation errors evaluation evaluators features filters gpt io kinematics live "
    "metrics models palette pipeline render rotations samples skeletons text training types vq"
).split()

__all__ = [
    "Motion",
    "MotionEvaluator",
    "MotionTokenizer",
    "MotionTransformer",
    "PoseSequence",
    "Utterance",
    "UtteranceToMotion",
    "__version__",
]


if not TYPE_CHECKING:  # a checker that saw it would take any name for granted

    def __getattr__(name: str) -> Any:
        if name in _HOME:
            value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        elif name in _ROOMS:
            value = import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
