"""A made-up Korean speaker: poses and subtitles without anybody's licence, the same from the same seed.

His gestures follow his words: he waves at 안녕하세요 and points left at 왼쪽.
"""

from ._faults import FAULTS
from ._gestures import CONCEPTS
from ._speaker import Label, Speaker, make_speaker
from ._wordings import Sentence, sentences

__all__ = ["CONCEPTS", "FAULTS", "Label", "Sentence", "Speaker", "make_speaker", "sentences"]
