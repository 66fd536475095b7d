"""Korean text to motion in one object, and how tokens become motion.

`UtteranceToMotion` holds text encoder, transformer and tokenizer; it writes
single utterances, whole talks (`read_talk` reads them), motion that goes on
from another (`place_after` lays it there), the motion in between two others,
and motion as a stream.
"""

from ._placing import place_after
from ._talk import read_talk
from ._utterance_to_motion import UtteranceToMotion

__all__ = ["UtteranceToMotion", "place_after", "read_talk"]
