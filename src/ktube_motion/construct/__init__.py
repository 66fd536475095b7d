"""Building a KTubeUM corpus: sources in, clips, splits, statistics, a manifest and a report out."""

from .build import BuildOptions, BuildReport, build_corpus
from .clips import add_motion
from .gestures import build_gesture_corpus, read_gestures
from .pairing import pair_sources
from .report import write_report
from .sources import Source, find_audio, read_sources
from .splits import curate, finish_corpus, split_videos

__all__ = [
    "BuildOptions",
    "BuildReport",
    "Source",
    "add_motion",
    "build_corpus",
    "build_gesture_corpus",
    "curate",
    "find_audio",
    "finish_corpus",
    "pair_sources",
    "read_gestures",
    "read_sources",
    "split_videos",
    "write_report",
]
