"""The door of the house: poses, words and motion come in from files, a corpus goes out.

Whatever the source, what leaves this room is in metres, radians and seconds,
y up, facing +z.
"""

from .bvh import load_bvh
from .characters import normalize_text
from .corpus import Corpus, check_name
from .poses import load_poses, save_poses
from .text_lines import read_text_file, write_text_file
from .transcripts import (
    TRANSCRIPT_FORMATS,
    TranscriptFormat,
    clean_cues,
    clean_text,
    load_transcript,
    read_cues,
    read_transcript,
    save_transcript,
)

__all__ = [
    "TRANSCRIPT_FORMATS",
    "Corpus",
    "TranscriptFormat",
    "check_name",
    "clean_cues",
    "clean_text",
    "load_bvh",
    "load_poses",
    "load_transcript",
    "normalize_text",
    "read_cues",
    "read_text_file",
    "read_transcript",
    "save_poses",
    "save_transcript",
    "write_text_file",
]
