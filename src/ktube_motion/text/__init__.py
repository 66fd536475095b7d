"""Korean text: sentence vectors, word vectors, utterances.

Encoders turn an utterance into the vector, or row of vectors, that the transformer
is conditioned on, and `load_text_encoder` gets any of them; `TextAugmentation` paraphrases it for training;
`WordVectorizer` and `tag_korean` give the word and part-of-speech vectors the
evaluators read; `utterances` makes sentence-like stretches of subtitle cues;
`timed_words`, `estimate_words` and `speaking_seconds` say when words are said,
`align_words` finds it out from the sound; `visemes` shapes the mouth that says them.
All but `utterances` is imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# At once, because function and module share a name: imported later, the module would take the function's place.
from ._utterances import utterances

if TYPE_CHECKING:  # for editors and type checkers: the names that `__getattr__` gives
    from ._alignment import Aligner as Aligner
    from ._alignment import Alignment as Alignment
    from ._alignment import align_words as align_words
    from ._augmentation import TextAugmentation as TextAugmentation
    from ._encoders import CachedTextEncoder as CachedTextEncoder
    from ._encoders import EmbeddedTextEncoder as EmbeddedTextEncoder
    from ._encoders import TextEncoder as TextEncoder
    from ._encoders import clean_texts as clean_texts
    from ._encoders import vectors_per_text as vectors_per_text
    from ._loading import load_text_encoder as load_text_encoder
    from ._loading import register_text_encoder as register_text_encoder
    from ._loading import save_text_encoder as save_text_encoder
    from ._loading import text_encoder_kinds as text_encoder_kinds
    from ._mirroring import count_unmirrored as count_unmirrored
    from ._mirroring import mirror_text as mirror_text
    from ._mirroring import mirror_tokens as mirror_tokens
    from ._pretrained import ClipTextEncoder as ClipTextEncoder
    from ._pretrained import HFTextEncoder as HFTextEncoder
    from ._pretrained import KeT5TextEncoder as KeT5TextEncoder
    from ._reading import read_aloud as read_aloud
    from ._sequences import SequenceTextEncoder as SequenceTextEncoder
    from ._tagging import tag_korean as tag_korean
    from ._timing import estimate_words as estimate_words
    from ._timing import join_words as join_words
    from ._timing import shift_words as shift_words
    from ._timing import speaking_seconds as speaking_seconds
    from ._timing import timed_words as timed_words
    from ._tracks import NUM_TIMES as NUM_TIMES
    from ._tracks import ContextWordEncoder as ContextWordEncoder
    from ._tracks import FormWordEncoder as FormWordEncoder
    from ._tracks import WindowWordEncoder as WindowWordEncoder
    from ._tracks import WordEncoder as WordEncoder
    from ._tracks import word_encoder as word_encoder
    from ._tracks import word_track as word_track
    from ._utterances import CaptionEntry as CaptionEntry
    from ._utterances import caption_entries as caption_entries
    from ._visemes import VISEMES as VISEMES
    from ._visemes import visemes as visemes
    from ._words import POS_CLASSES as POS_CLASSES
    from ._words import WordVectorizer as WordVectorizer

_HOME = {
    "Aligner": "alignment",
    "Alignment": "alignment",
    "CachedTextEncoder": "encoders",
    "CaptionEntry": "utterances",
    "ClipTextEncoder": "pretrained",
    "ContextWordEncoder": "tracks",
    "EmbeddedTextEncoder": "encoders",
    "FormWordEncoder": "tracks",
    "HFTextEncoder": "pretrained",
    "KeT5TextEncoder": "pretrained",
    "NUM_TIMES": "tracks",
    "POS_CLASSES": "words",
    "SequenceTextEncoder": "sequences",
    "TextAugmentation": "augmentation",
    "TextEncoder": "encoders",
    "VISEMES": "visemes",
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
    "visemes": "visemes",
    "word_encoder": "tracks",
    "word_track": "tracks",
}

__all__ = [*_HOME, "utterances"]


if not TYPE_CHECKING:  # a checker that saw it would take any name for granted

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}._{_HOME[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
