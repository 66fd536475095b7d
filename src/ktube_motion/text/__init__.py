"""Korean text: sentence vectors, word vectors, utterances.

Encoders turn an utterance into the vector, or row of vectors, that the transformer
is conditioned on, and `load_text_encoder` gets any of them; `TextAugmentation` paraphrases it for training;
`WordVectorizer` and `tag_korean` give the word and part-of-speech vectors the
evaluators read; `utterances` makes sentence-like stretches of subtitle cues;
`timed_words`, `estimate_words` and `speaking_seconds` say when words are said,
`align_words` finds it out from the sound.
All but `utterances` is imported when first used.
"""

from importlib import import_module

# At once, because function and module share a name: imported later, the module would take the function's place.
from .utterances import utterances

_HOME = {
    "Aligner": "alignment",
    "Alignment": "alignment",
    "CachedTextEncoder": "encoders",
    "CaptionEntry": "utterances",
    "ClipTextEncoder": "pretrained",
    "ContextWordEncoder": "tracks",
    "EmbeddedTextEncoder": "encoders",
    "HFTextEncoder": "pretrained",
    "KeT5TextEncoder": "pretrained",
    "NUM_TIMES": "tracks",
    "POS_CLASSES": "words",
    "SequenceTextEncoder": "sequences",
    "TextAugmentation": "augmentation",
    "TextEncoder": "encoders",
    "WindowWordEncoder": "tracks",
    "WordEncoder": "tracks",
    "WordVectorizer": "words",
    "align_words": "alignment",
    "caption_entries": "utterances",
    "clean_texts": "encoders",
    "count_unmirrored": "mirroring",
    "estimate_words": "timing",
    "join_words": "timing",
    "load_text_encoder": "loading",
    "mirror_text": "mirroring",
    "mirror_tokens": "mirroring",
    "read_aloud": "reading",
    "register_text_encoder": "loading",
    "save_text_encoder": "loading",
    "shift_words": "timing",
    "speaking_seconds": "timing",
    "tag_korean": "tagging",
    "text_encoder_kinds": "loading",
    "timed_words": "timing",
    "vectors_per_text": "encoders",
    "word_encoder": "tracks",
    "word_track": "tracks",
}

__all__ = [*_HOME, "utterances"]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
