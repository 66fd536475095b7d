"""The door of the house: poses, words and motion come in from files, a corpus goes out.

Whatever the source, what leaves this room is in metres, radians and seconds,
y up, facing +z.
"""

from ._bvh import load_bvh
from ._characters import normalize_text
from ._clip_names import check_name
from ._corpus import Corpus
from ._exporting import ExportReport, export_corpus
from ._layouts import PoseFormat, register_pose_format
from ._people import Person
from ._pose_checks import PoseCheck, check_poses
from ._pose_reading import PoseReading, list_people, read_poses
from ._poses import load_poses, save_poses
from ._text_lines import read_text_file, write_text_file
from ._transcripts import (
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
    "ExportReport",
    "Person",
    "PoseCheck",
    "PoseFormat",
    "PoseReading",
    "TranscriptFormat",
    "check_name",
    "check_poses",
    "clean_cues",
    "clean_text",
    "export_corpus",
    "list_people",
    "load_bvh",
    "load_poses",
    "load_transcript",
    "normalize_text",
    "read_cues",
    "read_poses",
    "read_text_file",
    "read_transcript",
    "register_pose_format",
    "save_poses",
    "save_transcript",
    "write_text_file",
]
