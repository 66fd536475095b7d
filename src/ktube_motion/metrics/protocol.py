"""Repeated evaluation of tokenizers and generators on a corpus, with 95 % intervals.

Every repeat draws one text per sample, the order of the batches and the pairs
of diversity anew, from ``(seed, repeat)`` alone: a run that was cut off goes on
from the repeats already in its folder and ends with the same numbers.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError, ShapeError
from ..features import features_to_joints
from ..io.files import read_json, save_array, write_json
from .accumulators import JointErrorAccumulator
from .batching import MIN_FRAMES
from .functional import (
    FewSamplesWarning,
    acceleration_error,
    diversity,
    foot_skating,
    frechet_distance,
    jerk,
    matching_score,
    multimodality,
    r_precision,
    r_precision_chance,
    symmetric_jerk_error,
)
from .generators import Generator, fingerprint
from .report import Interval, Report
from .samples import Samples, collect_samples

__all__ = ["evaluate_generation", "evaluate_tokenizer"]

ROWS = ("real", "reconstructed", "generated", "shuffled", "chance")


def evaluate_tokenizer(
    tokenizer,
    corpus,
    *,
    split: str = "test",
    evaluator=None,
    repeats: int = 20,
    seed: int = 0,
    min_frames: int = 40,
    max_frames: int = 199,
    batch_size: int = 32,
    drop_last: bool = False,
    folder=None,
    save_predictions: bool = False,
    progress: bool = True,
) -> Report:
    """Measure how well motion survives the tokenizer.

    Parameters
    ----------
    tokenizer : MotionTokenizer
    corpus : Corpus
    split : str
    evaluator : MotionEvaluator or T2MEvaluator, optional
        Adds FID, R-precision, matching score and diversity.
    repeats : int
    seed : int
    min_frames, max_frames : int
        Limits of a clip, as published for HumanML3D (KIT-ML: 24 to 199); clips outside are counted.
    batch_size : int
        Pool of R-precision.
    drop_last : bool
        Leave the samples after the last full batch out, as published.
    folder : path, optional
        Keeps each repeat, so that a run can be resumed, and the report.
    save_predictions : bool
        Also write joints as ``NAME_pred.npy`` and ``NAME_gt.npy`` into `folder`.
    progress : bool
        Show a bar in a terminal.

    Returns
    -------
    report : Report
        Rows ``real``, ``reconstructed``, ``shuffled`` (real motions with another's text) and ``chance``.

    Raises
    ------
    DataError
        If fewer than two samples are left, or a reconstruction has NaN.
    ConfigError
        If the evaluator reads another kind of motion, or `folder` holds a run with other settings.

    Examples
    --------
    >>> evaluate_tokenizer(tokenizer, Corpus("KTubeUM"), split="val").save("report")  # doctest: +SKIP
    """
    samples = collect_samples(corpus, split, min_frames=min_frames, max_frames=max_frames)
    run = _Run(samples, evaluator, repeats, seed, batch_size, drop_last, folder, progress)
    settings = {"split": split, "min_frames": min_frames, "max_frames": max_frames}
    run.start("tokenizer", {**settings, "tokenizer": fingerprint(tokenizer), "evaluator": fingerprint(evaluator)})
    rebuilt, tokens = [], []
    for features in run.bar(samples.features, "reconstruct"):
        codes = np.asarray(tokenizer.encode(features))
        tokens.append(codes.reshape(-1))
        rebuilt.append(np.asarray(tokenizer.decode(codes))[: len(features)])
    run.check(rebuilt)
    fixed = {**run.errors(rebuilt), **run.look(rebuilt), **_codebook(tokenizer, np.concatenate(tokens))}
    if save_predictions:
        run.save_predictions(rebuilt)
    embedded = None if evaluator is None else evaluator.embed_motion(rebuilt)

    def repeat(rng, order, number):
        rows = {"real": run.look(samples.features), "reconstructed": dict(fixed)}
        if evaluator is not None:
            rows = run.with_text(rows, rng, order, {"reconstructed": embedded})
        return rows

    return run.finish("tokenizer", repeat)


def evaluate_generation(
    model,
    corpus,
    *,
    evaluator,
    split: str = "test",
    repeats: int = 20,
    seed: int = 0,
    multimodality_texts: int = 100,
    multimodality_samples: int = 30,
    multimodality_pairs: int = 10,
    min_frames: int = 40,
    max_frames: int = 199,
    batch_size: int = 32,
    drop_last: bool = False,
    sampling: Mapping | None = None,
    folder=None,
    save_predictions: bool = False,
    progress: bool = True,
) -> Report:
    """Measure motion generated from the texts of a split.

    Parameters
    ----------
    model : UtteranceToMotion, (transformer, tokenizer, text_encoder) or callable
        A callable takes ``(texts, seed=int)`` and gives one ``(T, D)`` array of
        raw features per text.
    corpus : Corpus
    evaluator : MotionEvaluator or T2MEvaluator
    split, repeats, seed, min_frames, max_frames, batch_size, drop_last, folder, save_predictions, progress
        As for `evaluate_tokenizer`.
    multimodality_texts, multimodality_samples, multimodality_pairs : int
        Generations of each of so many texts in every repeat (all texts when fewer); 0 texts turns it off.
    sampling : mapping, optional
        Passed to `gpt.generate`: ``temperature``, ``top_k``, ``top_p``, ``guidance_scale``.

    Returns
    -------
    report : Report
        Rows ``real``, ``reconstructed`` (the tokenizer's limit, where there is
        one), ``generated``, ``shuffled`` and ``chance``.

    Raises
    ------
    DataError
        If fewer than two samples are left, or a prediction has NaN.
    ShapeError
        If a prediction has under four frames or another size.
    ConfigError
        If the evaluator reads another kind of motion, or `folder` holds a run with other settings.
    CheckpointError
        If the transformer was trained with another text encoder or tokenizer.

    Examples
    --------
    >>> report = evaluate_generation((transformer, tokenizer, encoder), corpus, evaluator=evaluator)  # doctest: +SKIP
    """
    samples = collect_samples(corpus, split, min_frames=min_frames, max_frames=max_frames)
    run = _Run(samples, evaluator, repeats, seed, batch_size, drop_last, folder, progress)
    writer = Generator(model, max_frames, dict(sampling or {}))
    shape = [multimodality_texts, multimodality_samples, multimodality_pairs]
    settings = {"split": split, "min_frames": min_frames, "max_frames": max_frames, "multimodality": shape}
    settings |= {"sampling": writer.sampling, "model": writer.fingerprint, "evaluator": fingerprint(evaluator)}
    run.start("generation", settings)
    fixed = {}
    if writer.tokenizer is not None:
        rebuilt = [np.asarray(writer.tokenizer.decode(writer.tokenizer.encode(x)))[: len(x)] for x in samples.features]
        fixed["reconstructed"] = evaluator.embed_motion(rebuilt)

    def repeat(rng, order, number):
        chosen = run.choose_texts(rng)
        texts = [samples.texts[k].text for k in chosen]
        made = writer(texts, int(rng.integers(2**31)))
        run.check(made)
        if save_predictions and number == 0:
            run.save_predictions(made)
        rows = {"real": run.look(samples.features), "reconstructed": {}, "generated": run.look(made)}
        embedded = {**fixed, "generated": evaluator.embed_motion(made)}
        rows = run.with_text(rows, rng, order, embedded, chosen)
        if multimodality_texts:
            few = rng.permutation(len(samples.texts))[:multimodality_texts]
            many = writer(
                [samples.texts[k].text for k in few for _ in range(multimodality_samples)], int(rng.integers(2**31))
            )
            groups = evaluator.embed_motion(many).reshape(len(few), multimodality_samples, -1)
            rows["generated"]["multimodality"] = multimodality(groups, num_pairs=multimodality_pairs, rng=rng)
        return rows

    return run.finish("generation", repeat)


def _codebook(tokenizer, tokens):
    """Give how many codes a split uses, and the perplexity of their use."""
    counts = np.unique(tokens, return_counts=True)[1]
    share = counts / counts.sum()
    return {"codes_used": float(len(counts)), "perplexity": float(np.exp(-(share * np.log(share)).sum()))}


class _Run:
    """The repeats of one evaluation: what they share, where they are kept."""

    def __init__(self, samples: Samples, evaluator, repeats, seed, batch_size, drop_last, folder, progress):
        if repeats < 1:
            raise ConfigError("There must be a repeat.", found=repeats)
        self.samples, self.evaluator, self.progress = samples, evaluator, progress
        self.repeats, self.seed, self.batch_size, self.drop_last = repeats, seed, batch_size, drop_last
        self.folder = None if folder is None else Path(folder)
        self.skeleton, self.fps = samples.skeleton, samples.fps
        self._looks = {}
        if drop_last and len(samples) < batch_size:
            raise DataError(
                "No batch is full, so dropping the last one leaves nothing.",
                expected=f"at least {batch_size} samples",
                found=len(samples),
                fix="Use drop_last=False or a smaller batch_size.",
            )
        if evaluator is not None:
            self._check_evaluator()
        self.pool = min(batch_size, len(samples))

    def _check_evaluator(self):
        size, fps = self.evaluator.feature_size, getattr(self.evaluator, "fps", self.fps)
        if size != self.skeleton.feature_size or abs(fps - self.fps) > 1e-3:
            raise ConfigError(
                "The evaluator reads another kind of motion.",
                expected=f"{self.skeleton.feature_size} numbers a frame at {self.fps:g} fps",
                found=f"{size} at {fps:g} fps",
                fix="Use an evaluator trained on this corpus.",
            )

    def bar(self, items, name):
        from tqdm import tqdm

        return tqdm(items, desc=name, disable=None if self.progress else True)

    def start(self, kind, settings):
        """Record the settings, or make sure that the folder's are the same."""
        self.settings = {
            "kind": kind,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "drop_last": self.drop_last,
            "data": self.samples.fingerprint,
            **settings,
        }
        if self.folder is None:
            return
        path = self.folder / "run.json"
        if not path.exists():
            write_json(path, self.settings)
        known = read_json(path)
        differ = sorted(name for name in {*known, *self.settings} if known.get(name) != self.settings.get(name))
        if differ:
            raise ConfigError(
                "This folder holds an evaluation with other settings.",
                where=self.folder,
                expected=", ".join(f"{name} {known.get(name)}" for name in differ),
                found=", ".join(f"{name} {self.settings.get(name)}" for name in differ),
                fix="Choose another folder.",
            )

    def check(self, clips):
        """Raise for predictions that cannot be measured, naming the clips."""
        size, keys = self.skeleton.feature_size, self.samples.keys
        for key, clip in zip(keys, clips, strict=True):
            if clip.ndim != 2 or clip.shape[1] != size or len(clip) < MIN_FRAMES:
                raise ShapeError(
                    "A prediction has the wrong shape.",
                    where=key,
                    expected=f"(T, {size}), T >= {MIN_FRAMES}",
                    found=clip.shape,
                )
        bad = [key for key, clip in zip(keys, clips, strict=True) if not np.isfinite(clip).all()]
        if bad:
            raise DataError(
                f"{len(bad)} of {len(clips)} predictions have NaN or infinity.",
                found=", ".join(bad[:5]),
                fix="The model is broken or the statistics do not fit: nothing was measured.",
            )

    def joints(self, clips):
        return [features_to_joints(np.asarray(clip, np.float32), skeleton=self.skeleton) for clip in clips]

    def look(self, clips):
        """Measures of a motion by itself, averaged over clips (kept for clips seen before)."""
        if id(clips) in self._looks:
            return dict(self._looks[id(clips)][1])
        metres = self.skeleton.metres_per_unit
        joints = self.joints(clips)
        result = {
            "jerk": float(np.mean([jerk(clip, fps=self.fps) for clip in joints])) * metres,
            "foot_skating": float(np.mean([foot_skating(x, fps=self.fps, skeleton=self.skeleton) for x in joints])),
        }
        if clips is self.samples.features:
            self._looks[id(clips)] = (clips, result)
        return dict(result)

    def errors(self, clips):
        """Errors of clips against the real ones, frame by frame."""
        metres = self.skeleton.metres_per_unit
        errors, acceleration, jerks = JointErrorAccumulator(), [], []
        for predicted, target in zip(self.joints(clips), self.joints(self.samples.features), strict=True):
            errors.update(predicted, target)
            acceleration.append(acceleration_error(predicted, target, fps=self.fps) * metres)
            jerks.append(symmetric_jerk_error(predicted, target))
        found = errors.compute()
        names = {"none": "mpjpe_mm", "root": "root_mpjpe_mm", "procrustes": "pa_mpjpe_mm"}
        return {
            **{name: found[align] * metres * 1000 for align, name in names.items()},
            "acceleration_error": float(np.mean(acceleration)),
            "symmetric_jerk_error": float(np.mean(jerks)),
        }

    def choose_texts(self, rng):
        """Draw one text for each sample: indices into all texts."""
        return np.array([rng.choice(choices) for choices in self.samples.choices])

    def _embed(self):
        if not hasattr(self, "_real"):
            self._real = self.evaluator.embed_motion(self.samples.features)
            self._texts = self.evaluator.embed_text(self.samples.texts)
            if self._real.shape[1] != self._texts.shape[1]:
                sizes = self._real.shape[1], self._texts.shape[1]
                raise ConfigError("The evaluator's two sides differ in size.", expected=sizes[0], found=sizes[1])
        return self._real, self._texts

    def with_text(self, rows, rng, order, embedded, chosen=None):
        """Add the evaluator's measures of one repeat to the rows."""
        real, texts = self._embed()
        text = texts[self.choose_texts(rng) if chosen is None else chosen][order]
        real = real[order]
        sets = {"real": real, **{name: rows_[order] for name, rows_ in embedded.items()}}
        for name, motion in sets.items():
            rows.setdefault(name, {}).update(self._measures(text, motion, real, rng))
        strangers = real.roll(int(rng.integers(1, len(real))), 0)
        rows["shuffled"] = self._measures(text, strangers, None, rng)
        chance = r_precision_chance(len(real), batch_size=self.batch_size)
        rows["chance"] = {f"r_precision_top{k + 1}": float(value) for k, value in enumerate(chance)}
        return {name: row for name, row in rows.items() if row}

    def _measures(self, text, motion, real, rng):
        precision = r_precision(text, motion, batch_size=self.batch_size)
        found = {f"r_precision_top{k + 1}": float(value) for k, value in enumerate(precision)}
        found |= {"matching_score": matching_score(text, motion), "diversity": diversity(motion, rng=rng)}
        if real is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FewSamplesWarning)  # the report says it in its notes
                found["fid"] = frechet_distance(motion, real)
        return found

    def save_predictions(self, clips):
        """Write joints of predictions and truth as ``NAME_pred.npy`` and ``NAME_gt.npy``."""
        if self.folder is None:
            raise ConfigError("Predictions need a place.", fix="Give folder=...")
        for suffix, joints in (("pred", self.joints(clips)), ("gt", self.joints(self.samples.features))):
            for key, clip in zip(self.samples.keys, joints, strict=True):
                save_array(self.folder / f"{key}_{suffix}.npy", clip)

    def finish(self, kind, repeat: Callable) -> Report:
        """Run the repeats that are not in the folder yet, and sum up."""
        found = []
        for number in self.bar(range(self.repeats), "repeats"):
            path = None if self.folder is None else self.folder / "repeats" / f"{number:03d}.json"
            if path is not None and path.exists():
                found.append(read_json(path))
                continue
            rng = np.random.default_rng((self.seed, number))
            order = rng.permutation(len(self.samples))
            if self.drop_last:
                order = order[: len(order) // self.batch_size * self.batch_size]
            found.append(repeat(rng, order, number))
            if path is not None:
                write_json(path, found[-1])
        rows = [row for row in ROWS if row in found[0]]
        cells = {row: sorted(found[0][row]) for row in rows}
        table = {row: {m: Interval.of([one[row][m] for one in found]) for m in cells[row]} for row in rows}
        settings = {**self.settings, "repeats": self.repeats, "seeds": [[self.seed, k] for k in range(self.repeats)]}
        report = Report(kind, table, self.samples.counts, settings, self._notes())
        if self.folder is not None:
            report.save(self.folder)
        return report

    def _notes(self):
        notes, count = [], len(self.samples)
        if count < self.batch_size:
            notes.append(f"Only {count} samples: R-precision ranks {self.pool} motions, not {self.batch_size}.")
        size = getattr(self.evaluator, "embedding_size", 0)
        if size > count:
            notes.append(f"Fewer samples ({count}) than embedding dimensions ({size}): FID is biased upwards.")
        distinct = len({text.text for text in self.samples.texts})
        if distinct < count:
            notes.append(f"{count} samples share {distinct} different texts: R-precision cannot reach 1.")
        return tuple(notes)
