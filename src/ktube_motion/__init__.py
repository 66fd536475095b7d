"""Korean utterance to human motion: data set, tokenizer, transformer, evaluation, pictures.

The rooms of the library, in the order data walks through them: `io`,
`filters`, `kinematics`, `features`; `metrics`, `models`, `vq`, `text`,
`evaluators`, `gpt`, `pipeline`; `evaluation`, `render`. Beside them
`samples`, `construct` and `training`. Everything is imported when first used,
so ``import ktube_motion`` itself is quick.
"""

from importlib import import_module

__version__ = "0.1.0"

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
    "arrays construct errors evaluation evaluators features filters gpt io kinematics metrics models palette pipeline "
    "render rotations samples skeletons text training types vq"
).split()

__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _ROOMS:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_ROOMS})
