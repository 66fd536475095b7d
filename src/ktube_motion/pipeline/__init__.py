"""Korean text to motion in one object, and how tokens become motion.

`UtteranceToMotion` holds text encoder, transformer and tokenizer; it writes
single utterances, whole talks (`read_talk` reads them), motion that goes on
from another (`place_after` lays it there), the motion in between two others,
and motion as a stream. `edit_motion` makes spans of a motion again, as the
editor of a page asks for it (`read_changes`).
"""

from ._editing import Change, edit_motion, read_changes
from ._placing import place_after
from ._talk import read_talk
from ._utterance_to_motion import UtteranceToMotion

__all__ = ["Change", "UtteranceToMotion", "edit_motion", "place_after", "read_changes", "read_talk"]
