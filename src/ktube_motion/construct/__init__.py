"""Building a KTubeUM corpus: sources in, clips, splits, statistics, a manifest and a report out."""

from ._build import BuildOptions, BuildReport, build_corpus
from ._checking import CorpusCheck, check_corpus
from ._clips import add_motion
from ._gestures import build_gesture_corpus, read_gestures
from ._pairing import pair_sources, pair_videos, pose_sources
from ._report import write_report
from ._review import write_review
from ._sources import Source, find_audio, read_sources
from ._splits import curate, finish_corpus, split_videos

__all__ = [
    "BuildOptions",
    "BuildReport",
    "CorpusCheck",
    "Source",
    "add_motion",
    "build_corpus",
    "build_gesture_corpus",
    "check_corpus",
    "curate",
    "find_audio",
    "finish_corpus",
    "pair_sources",
    "pair_videos",
    "pose_sources",
    "read_gestures",
    "read_sources",
    "split_videos",
    "write_report",
    "write_review",
]
