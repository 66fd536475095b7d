"""What the protocol measures on: stretches of motion with the texts that tell of them."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DataError
from ..evaluators._batching import STEP_FRAMES
from ..io import Corpus
from ..skeletons import Skeleton
from ..text._utterances import caption_entries
from ..types import Utterance
from ._config import EvaluationConfig

__all__ = ["Samples", "collect_samples"]

_COUNTED = "samples clips clips_outside_limits texts_outside_limits clips_without_text clips_unusable".split()


@dataclass(frozen=True, eq=False)
class Samples:
    """Motions of a split inside the limits.

    Attributes
    ----------
    keys : list of str
        The clip's name; with its frames when only a part of it is meant.
    names : list of str
        The clip each sample is of.
    features : list of float32 arrays [shape=(T, D)]
        Raw, ``T`` a multiple of four.
    texts : list of Utterance
        All texts of all samples, with times from the sample's start.
    choices : list of arrays of int
        For each sample, which of the texts are its own.
    counts : dict of str to int
        Samples kept, and what was left out by reason.
    skeleton : Skeleton
    fps : float
    """

    keys: list[str]
    names: list[str]
    features: list[np.ndarray]
    texts: list[Utterance]
    choices: list[np.ndarray]
    counts: dict[str, int]
    skeleton: Skeleton
    fps: float

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def fingerprint(self) -> str:
        """Short hash of all motions and texts."""
        digest = hashlib.sha256()
        for key, features in zip(self.keys, self.features, strict=True):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(features).tobytes())
        for text in self.texts:
            digest.update(text.text.encode())
        return digest.hexdigest()[:16]


def collect_samples(corpus: Corpus, config: EvaluationConfig) -> Samples:
    """Read the clips of a split, cut them by the times of their texts, and count what does not fit.

    Parameters
    ----------
    corpus : Corpus
    config : EvaluationConfig
        Its split and its limits count.

    Returns
    -------
    samples : Samples

    Raises
    ------
    DataError
        If fewer than two samples are left; the message says why clips were left out.
    """
    counts = dict.fromkeys(_COUNTED, 0)
    shortest, longest = max(config.min_frames, STEP_FRAMES), config.max_frames
    texts: list[Utterance] = []
    keys: list[str] = []
    names, motions, choices = [], [], []
    usable = corpus.usable(config.split)
    counts["clips"] = len(corpus.names(config.split))
    counts["clips_unusable"] = counts["clips"] - len(usable)
    for name in usable:
        features = np.asarray(corpus.features(name), np.float32)
        if config.limit_clips and not shortest <= len(features) <= longest:
            counts["clips_outside_limits"] += 1
            continue
        lines = corpus.texts(name, missing_ok=True)
        limits: dict[str, Any] = {"min_frames": shortest, "max_frames": longest, "limit_clip": config.limit_clips}
        entries, outside = caption_entries(lines, len(features), fps=corpus.fps, **limits)
        counts["clips_without_text"] += not lines
        counts["texts_outside_limits"] += sum(outside.values())
        for entry in entries:
            whole = entry.num_frames == len(features)
            stop = entry.start + entry.num_frames // STEP_FRAMES * STEP_FRAMES  # whole steps, as published
            key = name if whole else f"{name}_{entry.start}-{entry.stop}"
            keys.append(key if key not in keys[-len(entries) :] else f"{key}_{len(keys)}")
            names.append(name)
            motions.append(features[entry.start : stop])
            choices.append(np.arange(len(texts), len(texts) + len(entry.texts)))
            seconds = entry.num_frames / corpus.fps
            texts.extend(replace(text, start=0.0, end=seconds) for text in entry.texts)
    counts["samples"] = len(keys)
    if hasattr(corpus, "missing"):
        counts["clips_missing"] = len(corpus.missing(config.split))
    if len(keys) < 2:
        raise DataError(
            f"The split {config.split!r} has too few samples to measure.",
            expected=f"at least 2 clips of {config.min_frames} to {longest} frames with text",
            found=", ".join(f"{name} {value}" for name, value in counts.items()),
            fix="Set min_frames and max_frames to fit the corpus.",
        )
    return Samples(keys, names, motions, texts, choices, counts, corpus.skeleton, corpus.fps)
