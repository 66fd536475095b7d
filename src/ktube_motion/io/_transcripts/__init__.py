"""Transcripts: what was said when, from every subtitle and recogniser format, cleaned and one voice a cue.

`TRANSCRIPT_FORMATS` is the table of formats; `read_transcript` gives a file as it stands, `clean_cues` what was said.
"""

from ._cleaning import clean_cues, clean_text, tell_doubts
from ._formats import TRANSCRIPT_FORMATS
from ._page import Page, TranscriptFormat
from ._reading import Transcript, load_transcript, read_cues, read_transcript, save_transcript
from ._speakers import main_speaker

__all__ = [
    "TRANSCRIPT_FORMATS",
    "Page",
    "Transcript",
    "TranscriptFormat",
    "clean_cues",
    "clean_text",
    "load_transcript",
    "main_speaker",
    "read_cues",
    "read_transcript",
    "save_transcript",
    "tell_doubts",
]
