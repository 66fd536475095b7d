"""Can an evaluator be trusted? What it must order, and the faults it must notice."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, DataError
from ..evaluators import Evaluator
from ..features import features_to_joints
from ..io import Corpus
from ..io._files import write_text
from ..metrics.functional import (
    ClassReport,
    FewSamplesWarning,
    beat_consistency,
    beat_preference,
    frechet_distance,
    frechet_gesture_distance,
    matched_preference,
    motion_beats,
    r_precision,
    speech_beats,
)
from ..types import Word
from ._config import EvaluationConfig
from ._generation import TextToFeatures, TextToMotion
from ._labels import ClassMeasure, corpus_labels, corpus_words
from ._perturb import FAULTS, perturb
from ._plots import can_draw, plot_confusion, plot_report, plot_trust
from ._report import Interval, Report
from ._runs import Run
from ._samples import collect_samples

__all__ = ["Curve", "TrustReport", "trust_report"]

AMOUNTS = {
    "jitter": (0.0, 0.003, 0.01, 0.03, 0.1),
    "freeze": (0.0, 0.25, 0.5, 0.75, 1.0),
    "swap": (0.0, 0.25, 0.5, 0.75, 1.0),
    "reverse": (0.0, 0.25, 0.5, 0.75, 1.0),
}
VALIDATION = EvaluationConfig(split="val")
WINDOW = 34  # frames of a gesture, as published
_DRAWS = 5
_ORDER = ("real", "generated", "noise", "shuffled")


@dataclass(frozen=True)
class Curve:
    """How an evaluator answers to more and more of one fault.

    Attributes
    ----------
    unit : str
        What an amount means.
    amounts : tuple of float
        Ascending, from 0.
    fid : tuple of float
        Against the unspoiled motions.
    top3 : tuple of float
        R-precision of the spoiled motions.
    floor : float
        FID of as many other real motions: what a difference means nothing below.

    Examples
    --------
    >>> Curve("share", (0.0, 0.5, 1.0), (0.0, 0.2, 0.9), (1.0, 0.9, 0.5), floor=0.3).grows
    True
    """

    unit: str
    amounts: tuple[float, ...]
    fid: tuple[float, ...]
    top3: tuple[float, ...]
    floor: float

    @property
    def grows(self) -> bool:
        """Whether every further step of the fault makes the FID larger."""
        return all(more > less for less, more in pairwise(self.fid))


@dataclass(frozen=True, eq=False)
class TrustReport:
    """What `trust_report` found.

    Attributes
    ----------
    table : dict of str to dict of str to Interval
        Rows ``real``, ``generated``, ``noise``, ``shuffled``, ``chance``, with R-precision, matching score and FID.
    curves : dict of str to Curve
        By fault.
    classes : dict of str to dict of str to ClassReport
        By row, then by label group.
    preference : dict of str to float
        How often motion with its own utterance is preferred; chance is 0.5.
    beats : dict of str to float
        Mean beat consistency with the own words, where words have times.
    counts, settings : dict
    """

    table: dict[str, dict[str, Interval]]
    curves: dict[str, Curve]
    classes: dict[str, dict[str, ClassReport]] = field(default_factory=dict)
    preference: dict[str, float] = field(default_factory=dict)
    beats: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def orders(self) -> dict[str, bool]:
        """Whether each thing that must hold does."""
        rows = [row for row in _ORDER if row in self.table]
        top3 = [self.table[row]["r_precision_top3"].mean for row in rows]
        holds = {f"R top 3: {high} > {low}": top3[k] > top3[k + 1] for k, (high, low) in enumerate(pairwise(rows))}
        for fault, curve in self.curves.items():
            holds[f"FID grows with {fault}"] = curve.grows
        for row in (row for row in self.classes if row != "noise"):
            told = self.classes[row].items()
            holds |= {f"{group} of {row} told better than chance": x.accuracy > x.chance for group, x in told}
        return holds | {f"own utterance preferred by {name}": value > 0.5 for name, value in self.preference.items()}

    def to_markdown(self) -> str:
        """Write the table, the curves and what holds as Markdown."""
        lines = Report("trust", self.table).to_markdown().splitlines()
        lines[0] = "# Can this evaluator be trusted?"
        lines += ["", "| holds | |", "|---|---|", *(f"| {name} | {_yes(x)} |" for name, x in self.orders.items())]
        for fault, curve in self.curves.items():
            heads = "".join(f" {amount:g} |" for amount in curve.amounts)
            lines += [
                "",
                f"## {fault}: {curve.unit}",
                "",
                f"| amount |{heads}",
                "|---" * (len(curve.amounts) + 1) + "|",
            ]
            lines.append("| FID | " + " | ".join(map("{:.4g}".format, curve.fid)) + " |")
            lines.append("| R top 3 | " + " | ".join(map("{:.3f}".format, curve.top3)) + " |")
            lines.append(f"\nOther real motions, as many: FID {curve.floor:.4g}.")
        lines += ["", *(f"- class {group} of {row} motions: {x.accuracy:.1%} right (chance {x.chance:.1%})"
                        for row, groups in self.classes.items() for group, x in groups.items())]  # fmt: skip
        lines += [f"- own utterance preferred by {name}: {x:.1%} (chance 50%)" for name, x in self.preference.items()]
        lines += [f"- beat consistency of {name}: {x:.3f}" for name, x in self.beats.items()]
        lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in {**self.counts, **self.settings}.items()]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """Write everything as JSON."""
        cell = lambda x: None if math.isnan(x) else x  # noqa: E731
        whole = {
            "table": {
                row: {name: [cell(x.mean), cell(x.half_width)] for name, x in cells.items()}
                for row, cells in self.table.items()
            },
            "curves": {fault: {**vars(curve), "grows": curve.grows} for fault, curve in self.curves.items()},
            "classes": {
                row: {group: {"classes": x.classes, "confusion": x.confusion.tolist()} for group, x in groups.items()}
                for row, groups in self.classes.items()
            },
            **{name: getattr(self, name) for name in ("preference", "beats", "orders", "counts", "settings")},
        }
        return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    def plot(self, folder: str | Path) -> list[Path]:
        """Draw ``trust.png``, ``order.png`` and a confusion per row and label group; give their paths."""
        folder = Path(folder)
        made = [plot_trust(self.curves, folder / "trust.png")]
        samples = self.counts.get("samples", 0)
        made.append(plot_report(self.table, folder / "order.png", title=f"trust · {samples} samples · mean ± 95 %"))
        for row, groups in self.classes.items():
            for group, found in groups.items():
                made.append(plot_confusion(found, folder / f"confusion_{group}_{row}.png", title=f"{group}, {row}"))
        return made

    def save(self, folder: str | Path, *, pictures: bool | None = None) -> Path:
        """Write ``trust.json``, ``trust.md`` and the pictures into `folder`, as `Report.save` does."""
        folder = Path(folder)
        write_text(folder / "trust.md", self.to_markdown())
        write_text(folder / "trust.json", self.to_json())
        if pictures or (pictures is None and can_draw()):
            self.plot(folder)
        return folder


def _yes(value: bool) -> str:
    return "yes" if value else "**NO**"


def trust_report(
    evaluator: Evaluator,
    corpus: Corpus,
    *,
    model: TextToMotion | None = None,
    config: EvaluationConfig = VALIDATION,
    train_split: str = "train",
    labels: Mapping[str, Mapping[str, str]] | None = None,
    words: Mapping[str, Sequence[Word]] | None = None,
    amounts: Mapping[str, Sequence[float]] = AMOUNTS,
    noise: float = 0.1,
    sampling: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> TrustReport:
    """Measure whether an evaluator orders what it must, and notices motions spoiled on purpose.

    Parameters
    ----------
    evaluator : MotionEvaluator or T2MEvaluator
    corpus : Corpus
    model : optional
        A generator, as for `evaluate_generation`: adds the row ``generated``.
    config : EvaluationConfig
        As for `evaluate_generation`, by default on ``val``; one generation serves all repeats.
    train_split : str
        Labelled motions, which also give the floor of the curves.
    labels : mapping of str to mapping of str to str, optional
        Default: `corpus_labels`.
    words : mapping of str to sequence of Word, optional
        Spoken words of clips with times in seconds from the clip's start: adds
        the timing measure. Default: `corpus_words`.
    amounts : mapping of str to sequence of float
        For each of `FAULTS` the amounts to try, from 0.
    noise : float
        Metres of jitter on the motions of the row ``noise``, whose gesture is all but drowned.
    sampling, progress
        As for `evaluate_generation`.

    Returns
    -------
    report : TrustReport

    Raises
    ------
    DataError
        If fewer than two samples are left.
    ConfigError
        If the evaluator reads another kind of motion, or curves do not start at 0.

    Examples
    --------
    >>> trust_report(evaluator, Corpus("KTubeUM"), model=pipeline).save("trust")  # doctest: +SKIP
    """
    wrong = [fault for fault, steps in amounts.items() if fault not in FAULTS or len(steps) < 2 or steps[0] != 0]
    if wrong:
        raise ConfigError("These amounts make no curve.", expected=f"{', '.join(FAULTS)}, each from 0", found=wrong)
    samples = collect_samples(corpus, config)
    run = Run(samples, evaluator, config, folder=None, progress=progress)
    study = _Study(run, np.random.default_rng(config.seed))
    made = {} if model is None else {"generated": study.generate(model, sampling)}
    rng = np.random.default_rng(config.seed)
    made["noise"] = perturb(samples.features, "jitter", noise, rng=rng, skeleton=run.skeleton)
    embedded = {row: evaluator.embed_motion(clips) for row, clips in made.items()}
    strangers = collect_samples(corpus, replace(config, split=train_split)).features
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewSamplesWarning)  # all sets are of one size: the bias is the floor's too
        curves = study.curves(amounts, strangers)
    real = {"real": run.embedded[0]}
    labels = corpus_labels(corpus, splits=(train_split, config.split)) if labels is None else labels
    classes = {}
    if labels:
        longest = config.max_frames
        measure = ClassMeasure(evaluator, corpus, labels, samples.names, split=train_split, max_frames=longest)
        classes = {row: measure(motions) for row, motions in {**real, **embedded}.items()}
    told = {row: motions for row, motions in {**real, **embedded}.items() if row != "noise"}
    preference = {f"the evaluator, {row} motion": study.preference(motions) for row, motions in told.items()}
    beats, kept = study.beats(corpus_words(corpus) if words is None else words)
    return TrustReport(
        study.table(embedded, {row: study.gesture_distance(clips) for row, clips in made.items()}),
        curves,
        classes,
        {**preference, **kept},
        beats,
        samples.counts,
        {"split": config.split, "seed": config.seed, "repeats": config.repeats, "noise_metres": noise},
    )


class _Study:
    """The measurements of one trust report."""

    def __init__(self, run: Run, rng: np.random.Generator) -> None:
        self.run, self.rng, self.samples = run, rng, run.samples
        self.chosen = run.choose_texts(rng)
        self.order = rng.permutation(len(run.samples))

    def generate(self, model: TextToMotion, sampling: Mapping[str, Any] | None) -> list[np.ndarray]:
        made = TextToFeatures(model, self.run.config.max_frames, dict(sampling or {}))(
            [self.samples.texts[k] for k in self.chosen], int(self.rng.integers(2**31))
        )
        self.run.check(made)
        return made

    def table(
        self, embedded: Mapping[str, torch.Tensor], gestures: Mapping[str, float]
    ) -> dict[str, dict[str, Interval]]:
        """Rows with intervals over draws of texts and batches."""
        found = []
        for number in range(self.run.config.repeats):
            rng = np.random.default_rng((self.run.config.seed, number))
            # What was generated belongs to the texts it was generated from.
            chosen = self.chosen if "generated" in embedded else None
            found.append(self.run.with_text({}, rng, rng.permutation(len(self.samples)), embedded, chosen))
            for row, distance in gestures.items():
                found[-1][row]["fgd"] = distance
        rows = [row for row in (*_ORDER, "chance") if row in found[0]]
        return {row: {m: Interval.of([one[row][m] for one in found]) for m in sorted(found[0][row])} for row in rows}

    def curves(self, amounts: Mapping[str, Sequence[float]], strangers: Sequence[np.ndarray]) -> dict[str, Curve]:
        real, texts = self.run.embedded
        text, evaluator = texts[self.chosen][self.order], self.run.judge
        floor = self._floor(strangers, real)
        size, curves = self.run.config.batch_size, {}
        for fault, steps in self.run.bar(amounts.items(), "faults"):
            fid, top3 = [], []
            for amount in steps:
                rng = np.random.default_rng(self.run.config.seed)
                clips = perturb(self.samples.features, fault, amount, rng=rng, skeleton=self.run.skeleton)
                motions = evaluator.embed_motion(clips)
                fid.append(frechet_distance(motions, real))
                top3.append(float(r_precision(text.double(), motions[self.order], batch_size=size)[2]))
            curves[fault] = Curve(FAULTS[fault], tuple(steps), tuple(fid), tuple(top3), floor)
        return curves

    def _floor(self, strangers: Sequence[np.ndarray], real: torch.Tensor) -> float:
        """Mean FID of a few draws of as many other real motions."""
        rng = np.random.default_rng(self.run.config.seed)
        draws = [rng.permutation(len(strangers))[: len(real)] for _ in range(_DRAWS)]
        rows = {k: place for place, k in enumerate(np.unique(np.concatenate(draws)))}
        embedded = self.run.judge.embed_motion([strangers[k] for k in rows])
        return float(np.mean([frechet_distance(embedded[[rows[k] for k in some]], real) for some in draws]))

    def gesture_distance(self, clips: Sequence[np.ndarray]) -> float:
        """Fréchet gesture distance, over clips that hold a window."""
        real, clips = ([clip for clip in part if len(clip) >= WINDOW] for part in (self.samples.features, clips))
        if not real or not clips:
            raise DataError("No clip is long enough for a gesture window.", expected=f"at least {WINDOW} frames")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewSamplesWarning)
            return frechet_gesture_distance(
                real, clips, embed=self.run.judge.embed_motion, window=WINDOW, hop=WINDOW // 2
            )

    def preference(self, motions: torch.Tensor) -> float:
        return matched_preference(self.run.embedded[1][self.chosen], motions)

    def beats(self, words: Mapping[str, Sequence[Word]]) -> tuple[dict[str, float], dict[str, float]]:
        """Give beat consistency with the own words, and how often they beat another's."""
        rows = [k for k, key in enumerate(self.samples.keys) if len(words.get(key, ()))]
        if len(rows) < 2:
            return {}, {}
        joints = [features_to_joints(self.samples.features[k], skeleton=self.run.skeleton) for k in rows]
        moved = [motion_beats(clip.astype(np.float64), fps=self.run.fps, skeleton=self.run.skeleton) for clip in joints]
        spoken = [speech_beats(words[self.samples.keys[k]]) for k in rows]
        own = float(np.mean([beat_consistency(m, s) for m, s in zip(moved, spoken, strict=True)]))
        return {"real motion": own}, {"beats of words, real motion": beat_preference(moved, spoken)}
