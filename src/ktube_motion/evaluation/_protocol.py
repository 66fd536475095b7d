"""Repeated evaluation of tokenizers and generators on a corpus, with 95 % intervals.

Every repeat draws one text per sample, the order of the batches and the pairs
of diversity anew, from ``(seed, repeat)`` alone: a run that was cut off goes on
from the repeats already in its folder and ends with the same numbers.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..evaluators import Evaluator
from ..io import Corpus
from ..metrics import multimodality
from ..models import fingerprint
from ..vq import MotionTokenizer
from ._config import EvaluationConfig
from ._generation import TextToFeatures, TextToMotion
from ._labels import ClassMeasure
from ._report import Report
from ._runs import Rebuilt, Rows, Run
from ._samples import collect_samples

__all__ = ["evaluate_generation", "evaluate_tokenizer"]

HUMANML3D = EvaluationConfig.humanml3d()


def evaluate_tokenizer(
    tokenizer: MotionTokenizer,
    corpus: Corpus,
    *,
    evaluator: Evaluator | None = None,
    config: EvaluationConfig = HUMANML3D,
    folder: str | Path | None = None,
    save_predictions: bool = False,
    progress: bool = True,
) -> Report:
    """Measure how well motion survives the tokenizer.

    Parameters
    ----------
    tokenizer : MotionTokenizer
    corpus : Corpus
    evaluator : MotionEvaluator or T2MEvaluator, optional
        Adds FID, R-precision, matching score and diversity.
    config : EvaluationConfig
        Split, limits, repeats; by default the protocol published for HumanML3D.
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
    >>> validation = EvaluationConfig.ktube(split="val")
    >>> evaluate_tokenizer(tokenizer, Corpus("KTubeUM"), config=validation).save("report")  # doctest: +SKIP
    """
    run = Run(collect_samples(corpus, config), evaluator, config, folder=folder, progress=progress)
    run.start("tokenizer", {"tokenizer": fingerprint(tokenizer), "evaluator": fingerprint(evaluator)})
    rebuilt = Rebuilt(run, tokenizer)
    if run.predictions_missing(save_predictions):
        run.save_predictions(rebuilt.clips)

    def repeat(rng: np.random.Generator, order: np.ndarray, number: int) -> Rows:
        rows = {"real": dict(run.real), "reconstructed": dict(rebuilt.measures)}
        return rows if evaluator is None else run.with_text(rows, rng, order, {"reconstructed": rebuilt.embedded})

    return run.finish("tokenizer", repeat)


def evaluate_generation(
    model: TextToMotion,
    corpus: Corpus,
    *,
    evaluator: Evaluator,
    config: EvaluationConfig = HUMANML3D,
    sampling: Mapping[str, Any] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    folder: str | Path | None = None,
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
    config, folder, save_predictions, progress
        As for `evaluate_tokenizer`.
    sampling : mapping, optional
        Passed to `gpt.generate`: ``temperature``, ``top_k``, ``top_p``, ``guidance_scale``.
    labels : mapping of str to mapping of str to str, optional
        Classes of the clips by group, as `corpus_labels` gives them: adds how often
        the class of a motion is recognised from the motion alone, and ``Report.classes``.

    Returns
    -------
    report : Report
        Rows ``real``, ``reconstructed`` (the tokenizer's limit, where there is
        one), ``generated``, ``shuffled`` and ``chance``.

    Raises
    ------
    DataError
        If fewer than two samples are left, a prediction has NaN, or labels fit no clips.
    ShapeError
        If a prediction has under four frames or another size.
    ConfigError
        If the evaluator reads another kind of motion, or `folder` holds a run with other settings.
    CheckpointError
        If the transformer was trained with another text encoder or tokenizer.

    Examples
    --------
    >>> report = evaluate_generation(pipeline, corpus, evaluator=evaluator)  # doctest: +SKIP
    """
    samples = collect_samples(corpus, config)
    run = Run(samples, evaluator, config, folder=folder, progress=progress)
    writer = TextToFeatures(model, config.max_frames, dict(sampling or {}))
    settings = {"sampling": writer.sampling, "model": writer.fingerprint, "evaluator": fingerprint(evaluator)}
    run.start("generation", settings | {"labels": sorted(labels or {})})
    rebuilt = None if writer.tokenizer is None else Rebuilt(run, writer.tokenizer)
    classes = cache(lambda: ClassMeasure(evaluator, corpus, labels or {}, samples.names, max_frames=config.max_frames))
    unsaved = run.predictions_missing(save_predictions)

    def spread(rng: np.random.Generator) -> float:
        """Generate many motions of a few texts and give how much they differ."""
        few, each = rng.permutation(len(samples.texts))[: config.multimodality_texts], config.multimodality_samples
        texts = [samples.texts[k] for k in few for _ in range(each)]
        groups = evaluator.embed_motion(writer(texts, int(rng.integers(2**31))))
        return multimodality(groups.reshape(len(few), each, -1), num_pairs=config.multimodality_pairs, rng=rng)

    def repeat(rng: np.random.Generator, order: np.ndarray, number: int) -> Rows:
        chosen = run.choose_texts(rng)
        made = writer([samples.texts[k] for k in chosen], int(rng.integers(2**31)))
        run.check(made)
        if unsaved and number == 0:
            run.save_predictions(made)
        embedded = {"reconstructed": rebuilt.embedded} if rebuilt else {}
        embedded["generated"] = evaluator.embed_motion(made)
        rows = {"real": dict(run.real), "generated": run.look(made)}
        rows = run.with_text(rows, rng, order, embedded, chosen)
        if config.multimodality_texts:
            rows["generated"]["multimodality"] = spread(rng)
        return _with_classes(rows, classes(), {"real": run.embedded[0], **embedded}) if labels else rows

    return run.finish("generation", repeat, again=(0,) if unsaved else ())


def _with_classes(rows: Rows, measure: ClassMeasure, embedded: Mapping[str, torch.Tensor]) -> Rows:
    """Add the accuracy of each label group to the rows, and the confusions of what was generated."""
    for name, motions in embedded.items():
        found = measure(motions)
        rows[name] |= {f"class_accuracy_{group}": report.accuracy for group, report in found.items()}
    for group, report in found.items():
        rows["chance"][f"class_accuracy_{group}"] = report.chance
    rows["classes"] = {
        group: {"classes": list(report.classes), "confusion": report.confusion.tolist()}
        for group, report in found.items()
    }
    return rows
