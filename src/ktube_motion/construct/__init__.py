"""Building a KTubeUM corpus: sources in, clips, splits, statistics and a manifest out."""

from .build import BuildOptions, BuildReport, Source, build_corpus, pair_sources
from .clips import add_motion
from .gestures import build_gesture_corpus, read_gestures
from .splits import curate, finish_corpus, split_videos

__all__ = [
    "BuildOptions",
    "BuildReport",
    "Source",
    "add_motion",
    "build_corpus",
    "build_gesture_corpus",
    "curate",
    "finish_corpus",
    "pair_sources",
    "read_gestures",
    "split_videos",
]
