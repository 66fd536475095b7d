"""The door of the house: poses, words and motion come in from files, a corpus goes out.

Whatever the source, what leaves this room is in metres, radians and seconds,
y up, facing +z.
"""

from .bvh import load_bvh
from .corpus import Corpus, check_name
from .poses import load_poses, save_poses
from .text_lines import read_text_file, write_text_file
from .transcripts import clean_cues, clean_text, load_transcript, read_cues, save_transcript

__all__ = [
    "Corpus",
    "check_name",
    "clean_cues",
    "clean_text",
    "load_bvh",
    "load_poses",
    "load_transcript",
    "read_cues",
    "read_text_file",
    "save_poses",
    "save_transcript",
    "write_text_file",
]
