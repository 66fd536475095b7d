"""The repeats of one evaluation: what they share, what each measures, and the folder that keeps them."""

import math
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ..errors import ConfigError, DataError, FormatError, ShapeError
from ..evaluators import Evaluator
from ..evaluators._batching import STEP_FRAMES
from ..features import features_to_joints
from ..io._experiments import check_experiment
from ..io._files import read_json, save_array, write_json
from ..metrics._accumulators import JointErrorAccumulator
from ..metrics.functional import (
    ClassReport,
    FewSamplesWarning,
    diversity,
    frechet_distance,
    r_precision,
    r_precision_chance,
)
from ..models import equal_lengths
from ..skeletons import Skeleton
from ..vq import MotionTokenizer
from ._config import EvaluationConfig
from ._registry import METRICS, own_metrics
from ._report import Interval, Report
from ._samples import Samples

__all__ = ["Rebuilt", "Run"]

ROWS = ("real", "reconstructed", "generated", "shuffled", "chance")
_MULTIMODALITY = ("multimodality_texts", "multimodality_samples", "multimodality_pairs")
_AT_ONCE = 64  # clips through a tokenizer

# One repeat: rows of the table, and the confusions of its label groups.
Rows = dict[str, dict[str, Any]]
Item = TypeVar("Item")


class Run:
    """Samples, settings and folder of one evaluation.

    Every repeat draws one text per sample, the order of the batches and the
    pairs of diversity from ``(seed, repeat)`` alone.
    """

    samples: Samples
    evaluator: Evaluator | None
    config: EvaluationConfig
    progress: bool
    skeleton: Skeleton
    fps: float

    def __init__(
        self,
        samples: Samples,
        evaluator: Evaluator | None,
        config: EvaluationConfig,
        *,
        folder: str | Path | None,
        progress: bool,
    ) -> None:
        self.samples, self.evaluator, self.config, self.progress = samples, evaluator, config, progress
        self.folder: Path | None = None if folder is None else Path(folder)
        self.skeleton, self.fps = samples.skeleton, samples.fps
        if config.drop_last and len(samples) < config.batch_size:
            raise DataError(
                "No batch is full, so dropping the last one leaves nothing.",
                expected=f"at least {config.batch_size} samples",
                found=len(samples),
                fix="Use drop_last=False or a smaller batch_size.",
            )
        if evaluator is not None:
            self._check(evaluator)

    @property
    def judge(self) -> Evaluator:
        """The evaluator; `ConfigError` where there is none."""
        if self.evaluator is None:
            raise ConfigError("This needs an evaluator.", fix="Give evaluator=…")
        return self.evaluator

    def _check(self, evaluator: Evaluator) -> None:
        size, fps = evaluator.feature_size, getattr(evaluator, "fps", self.fps)
        if size != self.skeleton.feature_size or abs(fps - self.fps) > 1e-3:
            raise ConfigError(
                "The evaluator reads another kind of motion.",
                expected=f"{self.skeleton.feature_size} numbers a frame at {self.fps:g} fps",
                found=f"{size} at {fps:g} fps",
                fix="Use an evaluator trained on this corpus.",
            )

    def bar(self, items: Iterable[Item], name: str) -> Iterable[Item]:
        from tqdm import tqdm

        return tqdm(items, desc=name, disable=None if self.progress else True)

    # -- the folder --------------------------------------------------------

    def start(self, kind: str, settings: dict[str, Any]) -> None:
        """Record the settings, or make sure that the folder's are the same."""
        free = ("repeats",) if kind == "generation" else ("repeats", *_MULTIMODALITY)  # more repeats may follow
        shared = {name: value for name, value in asdict(self.config).items() if name not in free}
        self.settings: dict[str, Any] = {"kind": kind, **shared, "data": self.samples.fingerprint, **settings}
        if own_metrics():  # a repeat in the folder must have them too
            self.settings["metrics"] = own_metrics()
        if self.folder is None:
            return
        record = self.folder / "run.json"
        if not check_experiment(record, self.settings, resume=True):
            write_json(record, self.settings)

    def predictions_missing(self, wanted: bool) -> bool:
        """Tell whether predictions are wanted and one of them is not in the folder."""
        return wanted and not all(os.path.exists(self._place(f"{key}_pred.npy")) for key in self.samples.keys)

    def save_predictions(self, clips: Sequence[np.ndarray]) -> None:
        """Write joints of truth and predictions as ``NAME_gt.npy`` and ``NAME_pred.npy``."""
        for suffix, joints in (("gt", self.joints(self.samples.features)), ("pred", self.joints(clips))):
            for key, clip in zip(self.samples.keys, joints, strict=True):
                save_array(self._place(f"{key}_{suffix}.npy"), clip)

    def _place(self, name: str) -> Path:
        if self.folder is None:
            raise ConfigError("Predictions need a place.", fix="Give folder=...")
        return self.folder / name

    def finish(
        self, kind: str, repeat: Callable[[np.random.Generator, np.ndarray, int], Rows], *, again: Collection[int] = ()
    ) -> Report:
        """Run the repeats that are not in the folder yet, and those of `again`; sum up."""
        found = []
        for number in self.bar(range(self.config.repeats), "repeats"):
            path = None if self.folder is None else self.folder / "repeats" / f"{number:03d}.json"
            before = None if number in again else _repeat_in(path)
            if before is not None:
                found.append(before)
                continue
            rng = np.random.default_rng((self.config.seed, number))
            order = rng.permutation(len(self.samples))
            if self.config.drop_last:
                order = order[: len(order) // self.config.batch_size * self.config.batch_size]
            found.append(repeat(rng, order, number))
            if path is not None:
                write_json(path, found[-1])
        rows = [row for row in ROWS if row in found[0]]
        table = {row: {m: Interval.of([one[row][m] for one in found]) for m in sorted(found[0][row])} for row in rows}
        seeds = [[self.config.seed, number] for number in range(self.config.repeats)]
        settings = {**self.settings, "repeats": self.config.repeats, "seeds": seeds}
        report = Report(kind, table, self.samples.counts, settings, self._notes(), _add_up(found))
        if self.folder is not None:
            report.save(self.folder)
        return report

    def _notes(self) -> tuple[str, ...]:
        notes, count = [], len(self.samples)
        if count < self.config.batch_size:
            notes.append(f"Only {count} samples: R-precision ranks {count} motions, not {self.config.batch_size}.")
        size = getattr(self.evaluator, "embedding_size", 0)
        if size > count:
            notes.append(f"Fewer samples ({count}) than embedding dimensions ({size}): FID is biased upwards.")
        distinct = len({text.text for text in self.samples.texts})
        if distinct < count:
            notes.append(f"{count} samples share {distinct} different texts: R-precision cannot reach 1.")
        return tuple(notes)

    # -- measures ----------------------------------------------------------

    def check(self, clips: Sequence[np.ndarray]) -> None:
        """Raise for predictions that cannot be measured, naming the clips."""
        size, keys = self.skeleton.feature_size, self.samples.keys
        for key, clip in zip(keys, clips, strict=True):
            if clip.ndim != 2 or clip.shape[1] != size or len(clip) < STEP_FRAMES:
                wanted = f"(T, {size}), T >= {STEP_FRAMES}"
                raise ShapeError("A prediction has the wrong shape.", where=key, expected=wanted, found=clip.shape)
        bad = [key for key, clip in zip(keys, clips, strict=True) if not np.isfinite(clip).all()]
        if bad:
            raise DataError(
                f"{len(bad)} of {len(clips)} predictions have NaN or infinity.",
                found=", ".join(bad[:5]),
                fix="The model is broken or the statistics do not fit: nothing was measured.",
            )

    def joints(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [features_to_joints(np.asarray(clip, np.float32), skeleton=self.skeleton) for clip in clips]

    def look(self, clips: Sequence[np.ndarray]) -> dict[str, float]:
        """Measures of a motion by itself, averaged over clips."""
        return self._averages("motion", self.joints(clips))

    def _averages(self, of: str, *motions: list[np.ndarray]) -> dict[str, float]:
        """Averages over clips of the registered measures of one kind."""
        known = {"fps": self.fps, "skeleton": self.skeleton}
        return {
            name: float(np.mean([metric.measure(*clips, **known) for clips in zip(*motions, strict=True)]))
            for name, metric in METRICS.items()
            if metric.of == of and metric.measure is not None
        }

    @cached_property
    def real(self) -> dict[str, float]:
        """`look` at the real motions."""
        return self.look(self.samples.features)

    def errors(self, clips: Sequence[np.ndarray]) -> dict[str, float]:
        """Errors of clips against the real ones, frame by frame."""
        errors, predicted, target = JointErrorAccumulator(), self.joints(clips), self.joints(self.samples.features)
        for pair in zip(predicted, target, strict=True):
            errors.update(*pair)
        found, metres = errors.compute(), self.skeleton.metres_per_unit
        names = {"none": "mpjpe_mm", "root": "root_mpjpe_mm", "procrustes": "pa_mpjpe_mm"}
        measured = {name: found[align] * metres * 1000 for align, name in names.items()}
        return measured | self._averages("reconstruction", predicted, target)

    def choose_texts(self, rng: np.random.Generator) -> np.ndarray:
        """Draw one text for each sample: indices into all texts."""
        return np.array([rng.choice(choices) for choices in self.samples.choices])

    @cached_property
    def embedded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings of the real motions and of all texts."""
        real = self.judge.embed_motion(self.samples.features)
        texts = self.judge.embed_text(self.samples.texts)
        if real.shape[1] != texts.shape[1]:
            raise ConfigError("The evaluator's two sides differ in size.", expected=real.shape[1], found=texts.shape[1])
        return real, texts

    def with_text(
        self,
        rows: Rows,
        rng: np.random.Generator,
        order: np.ndarray,
        embedded: Mapping[str, torch.Tensor],
        chosen: np.ndarray | None = None,
    ) -> Rows:
        """Add the evaluator's measures of one repeat to the rows."""
        real, texts = self.embedded
        text = texts[self.choose_texts(rng) if chosen is None else chosen][order]
        real = real[order]
        sets = {"real": real, **{name: rows_[order] for name, rows_ in embedded.items()}}
        for name, motion in sets.items():
            rows.setdefault(name, {}).update(self._measures(text, motion, real, rng))
        strangers = real.roll(int(rng.integers(1, len(real))), 0)
        rows["shuffled"] = self._measures(text, strangers, None, rng)
        chance = r_precision_chance(len(real), batch_size=self.config.batch_size)
        rows["chance"] = {f"r_precision_top{k + 1}": float(value) for k, value in enumerate(chance)}
        return rows

    def _measures(
        self, text: torch.Tensor, motion: torch.Tensor, real: torch.Tensor | None, rng: np.random.Generator
    ) -> dict[str, float]:
        precision = r_precision(text.double(), motion, batch_size=self.config.batch_size)
        found = {f"r_precision_top{k + 1}": float(value) for k, value in enumerate(precision)}
        found["diversity"] = diversity(motion, rng=rng)
        for name, metric in METRICS.items():
            if metric.of == "embeddings" and metric.measure is not None:
                found[name] = float(metric.measure(text, motion))
        if real is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FewSamplesWarning)  # the report says it in its notes
                found["fid"] = frechet_distance(motion, real)
        return found


class Rebuilt:
    """What a tokenizer makes of the samples, made when first asked for: a finished run costs nothing."""

    run: Run
    tokenizer: MotionTokenizer

    def __init__(self, run: Run, tokenizer: MotionTokenizer) -> None:
        self.run, self.tokenizer = run, tokenizer
        self._tokens: list[np.ndarray] = []

    @cached_property
    def clips(self) -> list[np.ndarray]:
        """Reconstructions ``(T, D)``, in the order of the samples."""
        features = self.run.samples.features
        parts = list(equal_lengths([len(clip) for clip in features], _AT_ONCE))
        rebuilt: list[Any] = [None] * len(features)
        for part in self.run.bar(parts, "reconstruct"):
            tokens = np.asarray(self.tokenizer.encode(np.stack([features[k] for k in part])))
            self._tokens.append(tokens.reshape(-1, *tokens.shape[2:]))
            for k, clip in zip(part, np.asarray(self.tokenizer.decode(tokens)), strict=True):
                rebuilt[k] = clip[: len(features[k])]
        self.run.check(rebuilt)
        return rebuilt

    @cached_property
    def embedded(self) -> torch.Tensor:
        """Embeddings of the reconstructions."""
        return self.run.judge.embed_motion(self.clips)

    @cached_property
    def measures(self) -> dict[str, float]:
        """Errors, smoothness and use of the codes."""
        found = {**self.run.errors(self.clips), **self.run.look(self.clips)}
        return {**found, **code_statistics(np.concatenate(self._tokens))}


def code_statistics(tokens: np.ndarray) -> dict[str, float]:
    """Give how many codes tokens ``(N,)`` or ``(N, Q)`` use, and the perplexity of their use, averaged over books.

    Examples
    --------
    >>> code_statistics(np.array([[0, 5], [1, 5]]))
    {'codes_used': 1.5, 'perplexity': 1.5}
    """
    used, perplexity = [], []
    for book in tokens.reshape(len(tokens), -1).T:
        counts = np.unique(book, return_counts=True)[1]
        share = counts / counts.sum()
        used.append(len(counts))
        perplexity.append(np.exp(-(share * np.log(share)).sum()))
    return {"codes_used": float(np.mean(used)), "perplexity": round(float(np.mean(perplexity)), 12)}


def _repeat_in(path: Path | None) -> Rows | None:
    """Give a repeat that was measured before; nothing where there is none, or its file has been damaged since."""
    if path is None or not os.path.exists(path):
        return None
    try:
        repeat = read_json(path)
        cells = [cell for row in ROWS if row in repeat for cell in repeat[row].values()]
        if cells and all(isinstance(cell, float | int) and math.isfinite(cell) for cell in cells):
            return repeat
    except (FormatError, TypeError, AttributeError, OverflowError):
        pass  # told below, as is what is JSON but no repeat
    warnings.warn(f"{path} is damaged; this repeat is measured again.", stacklevel=4)
    return None


def _add_up(found: Sequence[Rows]) -> dict[str, ClassReport]:
    """Add the confusion tables of all repeats, group by group."""
    tables = [one.get("classes", {}) for one in found]
    return {
        group: ClassReport.of(first["classes"], sum(np.array(table[group]["confusion"]) for table in tables))
        for group, first in tables[0].items()
    }
