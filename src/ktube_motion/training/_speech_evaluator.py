"""Training the evaluator that tells whether a motion is in time with what is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, CorpusError
from ..evaluation import SpeechConfig, speech_preferences
from ..evaluators import SpeechEvaluator, SpeechEvaluatorConfig, timed_contrastive_loss
from ..io import Corpus
from ..text import WordEncoder
from ..text._utterances import spoken_versions
from ..types import Utterance
from ._datasets import ClipTable, step_rng
from ._loop import LoopConfig, check_start, fit

__all__ = ["SpeechEvaluatorTraining", "train_speech_evaluator"]

_LEAST = 1.0  # seconds; of a shorter clip nothing can be told


@dataclass(frozen=True)
class SpeechEvaluatorTraining(LoopConfig):
    """How a speech evaluator is trained: the shared options of `LoopConfig`, and these.

    Attributes
    ----------
    evaluator : SpeechEvaluatorConfig
        Skeleton and fps are taken from the corpus, what concerns words from the word encoder.
    window : float
        Seconds of talk in a sample.
    min_shift, max_shift : float
        Seconds by which a talk's own words are moved, both ways, to make strangers of them.

    Raises
    ------
    ConfigError
        If a value cannot work.

    Examples
    --------
    >>> SpeechEvaluatorTraining(steps=400, evaluate_every=100).evaluate_every
    100
    """

    steps: int = 2000
    batch_size: int = 24
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    warmup: int = 50
    milestones: tuple[int, ...] = (1600,)
    decay: float = 0.2
    clip_norm: float | None = 1.0
    weight_average: float | None = 0.99
    evaluator: SpeechEvaluatorConfig = field(default_factory=SpeechEvaluatorConfig)
    window: float = 6.0
    min_shift: float = 0.2
    max_shift: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.min_shift <= self.max_shift < self.window:
            raise ConfigError(
                "Shifts do not fit the window.",
                expected="0 < min_shift <= max_shift < window",
                found=f"{self.min_shift}, {self.max_shift} and {self.window}",
            )
        if self.batch_size // self.accumulation < 2:
            raise ConfigError("A contrast needs two windows at least.", found=self.batch_size)


class _SpeechEvaluatorTask:
    best: Mapping[str, str] = {"preferred": "max"}

    def __init__(self, config: SpeechEvaluatorTraining, corpus: Corpus, encoder: WordEncoder, folder: Path) -> None:
        self.config, self.corpus = config, corpus
        self.model: SpeechEvaluator = SpeechEvaluator(config.evaluator, corpus.stats, word_encoder=encoder)
        rate, self.per_step = config.evaluator.steps_per_second, config.evaluator.frames_per_step
        self.size: int = round(config.window * rate)
        steps = range(max(round(config.min_shift * rate), 1), round(config.max_shift * rate) + 1)
        self.shifts: list[int] = [sign * step for step in steps for sign in (-1, 1)]
        self.spoken: dict[str, dict[str, list[Utterance]]] = {
            split: _spoken(corpus, split) for split in ("train", "val")
        }
        self.names: list[str] = list(self.spoken["train"])
        # What a mirrored talk says is said by its twin at the same moment.
        self.talks: list[str] = [
            name[1:] if name.startswith("M") and name[1:] in self.names else name for name in self.names
        ]
        self.read: list[Any] = [self.model.read(said) for said in self.spoken["train"].values()]
        self.times: list[np.ndarray] = [
            np.array([(word.start, word.end) for word in words]) * rate for words, _ in self.read
        ]
        self.table: ClipTable = ClipTable.for_training(corpus, self.names, file=folder / "clips_train.npy")
        self.steps: np.ndarray = self.table.lengths.numpy() // self.per_step
        self.places: np.ndarray = np.cumsum(np.maximum(self.steps - self.size, 0) + 1)

    def batch(self, step: int, part: slice) -> dict[str, Any]:
        config = self.config
        draws = step_rng(config.seed, step, stream=2).integers(self.places[-1], size=config.batch_size)[part]
        clips = np.searchsorted(self.places, draws, side="right")
        starts = draws - np.concatenate(([0], self.places))[clips]
        features, _ = self.table.gather(
            torch.from_numpy(clips), torch.from_numpy(starts * self.per_step), self.size * self.per_step
        )
        left = torch.from_numpy(self.steps[clips] - starts)
        return {
            "features": features,
            "tracks": torch.stack([self._track(*place) for place in zip(clips, starts, strict=True)]),
            "mask": torch.arange(self.size) < left[:, None],
            "names": [self.talks[clip] for clip in clips],
        }

    def _track(self, clip: int, start: int) -> torch.Tensor:
        """Give what is said in a window; words that lie farther away are not told of in its rows."""
        (words, vectors), (begins, ends) = self.read[clip], self.times[clip].T
        near = np.flatnonzero((ends > start - 2 * self.size) & (begins < start + self.size))
        return self.model.track([words[k] for k in near], vectors[near], self.size, start=int(start))

    def loss(self, model: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        found = model(batch["features"], batch["tracks"])
        loss = timed_contrastive_loss(
            found.motion.float(), found.words.float(), batch["mask"], shifts=self.shifts, clips=batch["names"]
        )
        return {"loss": loss}

    def evaluate(self, model: Any) -> dict[str, float]:
        spoken = self.spoken["val"]
        motions = [self.corpus.features(name) for name in spoken]
        return _preferred(speech_preferences(model, motions, list(spoken.values())))


def _preferred(found: Mapping[str, Any]) -> dict[str, float]:
    """Average the preferences over clips; ``preferred`` is the mean of them all."""
    means = {name: float(np.mean(values)) for name, values in found.items() if len(values)}
    return {**means, "preferred": float(np.mean(list(means.values())))}


def _spoken(corpus: Corpus, split: str) -> dict[str, list[Utterance]]:
    """Give what is said in each clip of a split in which something is said, and which is long enough."""
    least = SpeechConfig(split=split).least_seconds if split == "val" else _LEAST
    found = {}
    for name in corpus.usable(split, spoken=True):
        seconds = len(corpus.features(name)) / corpus.fps
        versions = spoken_versions(corpus.texts(name), seconds)
        if versions and seconds >= least:
            found[name] = versions[0]
    if not found:
        raise CorpusError(
            f"No clip of {split!r} has words.", where=corpus.root, expected=f"clips of {least:g} s with texts"
        )
    return found


def train_speech_evaluator(
    config: SpeechEvaluatorTraining,
    corpus: Corpus,
    output: str | Path,
    *,
    word_encoder: WordEncoder,
    resume: bool = False,
    progress: bool = True,
    **hooks: Any,
) -> SpeechEvaluator:
    """Train a speech evaluator on the train split of a corpus; the best on the val split is given.

    Parameters
    ----------
    config : SpeechEvaluatorTraining
    corpus : Corpus
        Of talks, best (``BuildOptions(talk_seconds=…)``): what is told apart are moments of speech.
    output : path
        See `fit`; ``best_preferred/`` holds what is returned.
    word_encoder : WordEncoder
        Such as ``text.word_encoder(text_encoder)``.
    resume, progress : bool
    **hooks
        ``on_best``, see `fit`.

    Returns
    -------
    evaluator : SpeechEvaluator
        The one that prefers right motions most often on the val split, in evaluation mode.

    Raises
    ------
    CorpusError, ConfigError, DataError
        Before the first step, if the options or the corpus cannot work.

    Examples
    --------
    >>> train_speech_evaluator(SpeechEvaluatorTraining(), corpus, "output/judge", word_encoder=words)  # doctest: +SKIP
    """
    from_parts: dict[str, Any] = {
        "skeleton": corpus.skeleton.name,
        "fps": corpus.fps,
        "word_dim": word_encoder.dim,
        "word_encoder": word_encoder.identity,
    }
    config = replace(config, evaluator=replace(config.evaluator, **from_parts))
    check_start(config, output, resume=resume)
    torch.manual_seed(config.seed)
    task = _SpeechEvaluatorTask(config, corpus, word_encoder, Path(output))
    fit(task, config, output, resume=resume, progress=progress, **hooks)
    return SpeechEvaluator.from_pretrained(f"{output}/best_preferred", word_encoder=word_encoder).eval()
