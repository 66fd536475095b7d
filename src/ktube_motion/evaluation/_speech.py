"""Is a motion in time with what is said? Matched against mismatched talk, and the lag of strokes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from ..errors import ConfigError, DataError, ShapeError
from ..evaluators import SpeechEvaluator
from ..evaluators._batching import Clips
from ..features import features_to_joints, joints_to_features
from ..io import Corpus
from ..metrics.functional import gesture_strokes, stroke_lags
from ..models import fingerprint
from ..pipeline import UtteranceToMotion
from ..text._utterances import spoken_versions
from ..types import Cue, Utterance
from ..vq import MotionTokenizer
from ._report import Interval, Report

__all__ = ["SpeechConfig", "SpeechToMotion", "evaluate_speech", "speech_preferences"]

_REACH = 1.0  # seconds; a stroke farther away is another gesture's, and one that is missing counts as so late
_SPARE = 0.5  # seconds that a motion may be shorter than its clip: its last frame is held


@dataclass(frozen=True)
class SpeechConfig:
    """What decides the figures of `evaluate_speech`.

    Attributes
    ----------
    split : str
        Whose clips are measured.
    window : float
        Seconds of talk on which a preference is decided; a clip is cut evenly into windows of about this length.
    shifts : tuple of float
        Seconds by which a talk is moved against itself, both ways.
    strangers : int
        Windows of other talks that each window is compared with, drawn by lot.
    seed : int

    Raises
    ------
    ConfigError
        If a value cannot be.

    Examples
    --------
    >>> SpeechConfig().least_seconds
    2.0
    """

    split: str = "test"
    window: float = 8.0
    shifts: tuple[float, ...] = (0.2, 0.5, 1.0)
    strangers: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.shifts or not all(0 < shift < float("inf") for shift in (*self.shifts, self.window)):
            raise ConfigError("window and shifts must be positive.", found=f"{self.window} and {self.shifts}")
        if self.strangers < 1:
            raise ConfigError("strangers must be positive.", found=self.strangers)

    @property
    def least_seconds(self) -> float:
        """What a clip must last: a second more than the farthest shift."""
        return max(self.shifts) + 1.0


SPEECH = SpeechConfig()


class SpeechToMotion(Protocol):
    """Anything that writes motion for a talk."""

    def __call__(self, said: Sequence[Utterance], /, *, seconds: float, seed: int) -> np.ndarray:
        """Give raw features ``(T, D)`` for what is said, so many seconds long."""


def speech_preferences(
    evaluator: SpeechEvaluator, motions: Clips, spoken: Sequence[Sequence[Cue]], *, config: SpeechConfig = SPEECH
) -> dict[str, list[float]]:
    """Give how often an evaluator prefers motions that are in time with their words.

    Parameters
    ----------
    evaluator : SpeechEvaluator
    motions : list of arrays ``(T, D)``
        Raw features, each longer than the farthest shift.
    spoken : list of sequences of Cue or Utterance
        What is said to each, in seconds from its start.
    config : SpeechConfig

    Returns
    -------
    preferences : dict of str to list of float
        ``own_over_other``: over another clip's motion (empty for one clip); ``own_over_0.5s`` and the like: over
        itself so much too early or too late. One share of windows for each clip; chance is 0.5.

    Raises
    ------
    ShapeError, DataError, ConfigError
        If a motion is too short, has NaN or is of another kind, or there is no word encoder.
    """
    return _Talks(evaluator, spoken, config).preferences(motions)


class _Talks:
    """What is said in clips, embedded once for all motions that are measured."""

    def __init__(self, evaluator: SpeechEvaluator, spoken: Sequence[Sequence[Cue]], config: SpeechConfig):
        self.evaluator, self.spoken, self.config = evaluator, spoken, config
        self.rate = evaluator.config.steps_per_second
        self._words: dict[tuple[float, ...], list[torch.Tensor]] = {}

    def words(self, shift: float, counts: Sequence[int]) -> list[torch.Tensor]:
        key = (shift, *counts)
        if key not in self._words:
            self._words[key] = self.evaluator.embed_words(self.spoken, counts, shift=shift)
        return self._words[key]

    def preferences(self, motions: Clips) -> dict[str, list[float]]:
        moved = self.evaluator.embed_motion(motions)
        counts = [len(steps) for steps in moved]
        least = max(self.config.shifts) * self.rate
        if counts and min(counts) <= least:
            raise ShapeError("A motion is too short for these shifts.", expected=f"over {least:g} steps", found=counts)
        found = {"own_over_other": self._over_others(moved, self.words(0.0, counts))}
        for shift in self.config.shifts:
            both = [self._over_itself(moved, counts, way * shift) for way in (-1, 1)]
            found[f"own_over_{shift:g}s"] = np.mean(both, axis=0).tolist()
        return found

    def _over_itself(self, moved: Sequence[torch.Tensor], counts: Sequence[int], shift: float) -> list[float]:
        """Compare each clip with itself, where there are words both for the right time and for the wrong one."""
        shares = []
        steps = int(np.ceil(abs(shift) * self.rate))
        for motion, right, wrong in zip(moved, self.words(0.0, counts), self.words(shift, counts), strict=True):
            part = slice(steps, None) if shift > 0 else slice(None, -steps)
            evidence = (motion * (right - wrong)).sum(-1)[part]
            shares.append(float(np.mean([_won(float(window.sum())) for window in self._windows(evidence)])))
        return shares

    def _over_others(self, moved: Sequence[torch.Tensor], words: Sequence[torch.Tensor]) -> list[float]:
        """Compare each window's motion with those of windows of other clips, for the same words."""
        cut = [self._windows(steps) for steps in moved]
        owner = np.repeat(np.arange(len(cut)), [len(windows) for windows in cut])
        windows = [window for part in cut for window in part]
        said = [window for steps in words for window in self._windows(steps)]
        rng = np.random.default_rng(self.config.seed)
        wins: list[list[float]] = [[] for _ in cut]
        for place, clip in enumerate(owner):
            others = rng.permutation(np.flatnonzero(owner != clip))[: self.config.strangers]
            for other in others:
                steps = min(len(windows[place]), len(windows[other]))
                more = (windows[place][:steps] - windows[other][:steps]) * said[place][:steps]
                wins[clip].append(_won(float(more.sum())))
        return [float(np.mean(part)) for part in wins if part]

    def _windows(self, steps: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return steps.tensor_split(max(round(len(steps) / (self.config.window * self.rate)), 1))


def _won(difference: float) -> float:
    return 0.5 if difference == 0 else float(difference > 0)


def evaluate_speech(
    model: UtteranceToMotion | Mapping[str, np.ndarray] | SpeechToMotion | None,
    corpus: Corpus,
    *,
    evaluator: SpeechEvaluator,
    config: SpeechConfig = SPEECH,
    tokenizer: MotionTokenizer | None = None,
    strokes: Mapping[str, Sequence[float]] | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Report:
    """Measure whether motion is in time with the words that are said to it.

    Parameters
    ----------
    model : UtteranceToMotion, mapping, callable or None
        A mapping gives raw features ``(T, D)`` for each name of a clip, as long as the clip; a callable takes
        ``(utterances, seconds=float, seed=int)`` and gives them. None measures real motion alone.
    corpus : Corpus
    evaluator : SpeechEvaluator
    config : SpeechConfig
    tokenizer : MotionTokenizer, optional
        Adds the row ``reconstructed``; by default the model's own.
    strokes : mapping of str to sequence of float, optional
        For each clip when gestures are due, in seconds: adds how far away the strokes are that
        `metrics.gesture_strokes` finds. A stroke that is missing counts as one second late.
    sampling : mapping, optional
        Passed to `UtteranceToMotion.speak`.

    Returns
    -------
    report : Report
        Rows ``real``, ``reconstructed``, ``generated``, ``shuffled`` (real motion of another clip) and ``chance``.
        Intervals are over clips.

    Raises
    ------
    DataError
        If fewer than two clips can be measured, or a motion is missing.
    ShapeError
        If a motion is shorter than its clip or of another size.
    ConfigError
        If the evaluator reads another kind of motion, or nothing here generates.

    Examples
    --------
    >>> evaluate_speech(pipeline, corpus, evaluator=judge)["generated", "own_over_0.5s"]  # doctest: +SKIP
    """
    study = _Study(corpus, evaluator, config)
    made = {"real": study.real}
    drawn = {**(model.sampling if isinstance(model, UtteranceToMotion) else {}), **(sampling or {})}
    tokenizer = getattr(model, "tokenizer", None) if tokenizer is None else tokenizer
    if tokenizer is not None:
        made["reconstructed"] = study.fitted([_rebuilt(tokenizer, clip) for clip in study.real])
    if model is not None:
        made["generated"] = study.fitted(study.generate(model, drawn))
    made["shuffled"] = study.shuffled()
    table = {row: study.measure(motions, strokes) for row, motions in made.items()}
    table["chance"] = {name: Interval(0.5, float("nan"), 1) for name in table["real"] if name.startswith("own_over_")}
    parts = (model.transformer, model.tokenizer) if isinstance(model, UtteranceToMotion) else (model,)
    written_by = " ".join(fingerprint(part) for part in parts)
    settings = {**vars(config), "sampling": drawn, "evaluator": fingerprint(evaluator), "model": written_by}
    return Report("speech", table, study.counts, settings)


class _Study:
    """The clips of one evaluation, and what is measured of motions for them."""

    def __init__(self, corpus: Corpus, evaluator: SpeechEvaluator, config: SpeechConfig):
        self.config, self.skeleton, self.fps = config, corpus.skeleton, corpus.fps
        if (evaluator.skeleton.name, evaluator.fps) != (self.skeleton.name, self.fps):
            raise ConfigError(
                "The evaluator reads another kind of motion.",
                expected=f"{self.skeleton.name} at {self.fps:g} fps",
                found=f"{evaluator.skeleton.name} at {evaluator.fps:g} fps",
            )
        self.names: list[str] = []
        self.real: list[np.ndarray] = []
        self.spoken: list[list[Utterance]] = []
        self.counts = dict.fromkeys(("samples", "clips_too_short", "clips_without_text"), 0)
        for name in corpus.usable(config.split):
            features = np.asarray(corpus.features(name), np.float32)
            versions = spoken_versions(corpus.texts(name, missing_ok=True), len(features) / self.fps)
            reason = self._unfit(features, versions)
            self.counts[reason or "samples"] += 1
            if reason is None:
                self.names.append(name)
                self.real.append(features)
                self.spoken.append(versions[0])
        if len(self.names) < 2:
            raise DataError(
                f"The split {config.split!r} has too few clips to compare.",
                expected=f"at least 2 clips of {config.least_seconds:g} s with texts",
                found=", ".join(f"{name} {value}" for name, value in self.counts.items()),
            )
        self.talks = _Talks(evaluator, self.spoken, config)

    def _unfit(self, features: np.ndarray, versions: Sequence[Sequence[Utterance]]) -> str | None:
        if not versions:
            return "clips_without_text"
        return "clips_too_short" if len(features) < self.config.least_seconds * self.fps else None

    def generate(
        self, model: UtteranceToMotion | Mapping[str, np.ndarray] | SpeechToMotion, sampling: dict[str, Any]
    ) -> list[np.ndarray]:
        """Give a motion for each clip."""
        if isinstance(model, Mapping):
            missing = [name for name in self.names if name not in model]
            if missing:
                raise DataError(f"{len(missing)} of {len(self.names)} clips have no motion.", found=missing[:5])
            return [np.asarray(model[name], np.float32) for name in self.names]
        write = self._speaking(model, sampling) if isinstance(model, UtteranceToMotion) else model
        if not callable(write):
            raise ConfigError(
                "There is nothing here that generates.",
                expected="UtteranceToMotion, a mapping of clips to motions, or a callable",
                found=type(model).__name__,
            )
        return [
            np.asarray(write(said, seconds=len(clip) / self.fps, seed=self.config.seed + row), np.float32)
            for row, (said, clip) in enumerate(zip(self.spoken, self.real, strict=True))
        ]

    def _speaking(self, model: UtteranceToMotion, sampling: dict[str, Any]) -> SpeechToMotion:
        def write(said: Sequence[Utterance], *, seconds: float, seed: int) -> np.ndarray:
            # Vectors are one frame fewer than joints.
            generator = torch.Generator().manual_seed(seed)
            motion = model.speak(said, seconds=seconds + 1 / self.fps, generator=generator, **sampling)
            return joints_to_features(motion.require("positions"), skeleton=self.skeleton)

        return write

    def fitted(self, motions: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give motions as long as their clips: what is over is cut off, and the last frame held for a moment."""
        found = []
        for name, motion, clip in zip(self.names, motions, self.real, strict=True):
            least = len(clip) - _SPARE * self.fps
            if motion.ndim != 2 or motion.shape[1] != clip.shape[1] or len(motion) < max(least, 1):
                wanted = f"about {clip.shape}"
                raise ShapeError("A motion does not fit its clip.", where=name, expected=wanted, found=motion.shape)
            found.append(_held(motion, len(clip)))
        return found

    def shuffled(self) -> list[np.ndarray]:
        """Give each clip the motion of the next one, over and over where that is shorter."""
        others = self.real[1:] + self.real[:1]
        return [np.resize(other, (len(clip), clip.shape[1])) for clip, other in zip(self.real, others, strict=True)]

    def measure(
        self, motions: Sequence[np.ndarray], strokes: Mapping[str, Sequence[float]] | None
    ) -> dict[str, Interval]:
        found = {name: Interval.of(shares) for name, shares in self.talks.preferences(motions).items()}
        if strokes is not None:
            found |= {name: Interval(value, float("nan"), 1) for name, value in self._lags(motions, strokes).items()}
        return found

    def _lags(self, motions: Sequence[np.ndarray], strokes: Mapping[str, Sequence[float]]) -> dict[str, float]:
        due = {name: np.asarray(strokes[name], np.float64) for name in self.names if len(strokes.get(name, ()))}
        if not due:
            raise DataError("No clip that is measured has strokes.", expected="seconds for names of clips")
        lags = [
            stroke_lags(self._strokes(motion), due[name], reach=_REACH)
            for name, motion in zip(self.names, motions, strict=True)
            if name in due
        ]
        late = np.abs(np.concatenate(lags))
        median, most = np.quantile(np.where(np.isnan(late), _REACH, late), (0.5, 0.9))
        return {
            "stroke_lag_median_s": float(median),
            "stroke_lag_p90_s": float(most),
            "strokes_missing": float(np.isnan(late).mean()),
        }

    def _strokes(self, motion: np.ndarray) -> np.ndarray:
        joints = features_to_joints(motion, skeleton=self.skeleton)
        return gesture_strokes(joints, fps=self.fps, skeleton=self.skeleton)


def _held(motion: np.ndarray, frames: int) -> np.ndarray:
    missing = max(frames - len(motion), 0)
    return np.concatenate((motion[:frames], np.repeat(motion[-1:], missing, axis=0)))


def _rebuilt(tokenizer: MotionTokenizer, clip: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return tokenizer.decode(tokenizer.encode(torch.from_numpy(clip))).cpu().numpy()
