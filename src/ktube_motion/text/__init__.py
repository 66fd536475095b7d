"""Korean text: sentence vectors, word vectors, utterances.

Encoders turn an utterance into the vector, or row of vectors, the transformer
is led by; `TextAugmentation` words it otherwise for training;
`WordVectorizer` and `tag_korean` give the word and part-of-speech vectors the
evaluators read; `utterances` makes sentence-like stretches of subtitle cues.
All but `utterances` is imported when first used.
"""

from importlib import import_module

# At once, because function and module share a name: imported later, the module would take the function's place.
from .utterances import utterances

_HOME = {
    "CachedTextEncoder": "encoders",
    "ClipTextEncoder": "pretrained",
    "EmbeddedTextEncoder": "encoders",
    "HFTextEncoder": "pretrained",
    "KeT5TextEncoder": "pretrained",
    "POS_CLASSES": "words",
    "CaptionEntry": "utterances",
    "SequenceTextEncoder": "sequences",
    "TextAugmentation": "augmentation",
    "TextEncoder": "encoders",
    "WordVectorizer": "words",
    "caption_entries": "utterances",
    "clean_texts": "encoders",
    "count_unmirrored": "mirroring",
    "mirror_text": "mirroring",
    "mirror_tokens": "mirroring",
    "offline_text_encoder": "sequences",
    "tag_korean": "tagging",
}

__all__ = [*_HOME, "utterances"]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
