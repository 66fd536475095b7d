"""Repeated evaluation of tokenizers and generators on a corpus, with 95 % intervals.

Every repeat draws one text per sample, the order of the batches and the pairs
of diversity anew, from ``(seed, repeat)`` alone: a run that was cut off goes on
from the repeats already in its folder and ends with the same numbers.
"""

from collections.abc import Mapping
from functools import cache

from ..metrics.functional import multimodality
from ..models import fingerprint
from .generation import TextToFeatures
from .labels import ClassMeasure
from .report import Report
from .runs import Rebuilt, Run
from .samples import collect_samples

__all__ = ["evaluate_generation", "evaluate_tokenizer"]


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
    shared = {"repeats": repeats, "seed": seed, "batch_size": batch_size, "drop_last": drop_last}
    run = Run(samples, evaluator, **shared, folder=folder, progress=progress)
    settings = {"split": split, "min_frames": min_frames, "max_frames": max_frames}
    run.start("tokenizer", {**settings, "tokenizer": fingerprint(tokenizer), "evaluator": fingerprint(evaluator)})
    rebuilt = Rebuilt(run, tokenizer)
    if run.predictions_missing(save_predictions):
        run.save_predictions(rebuilt.clips)

    def repeat(rng, order, number):
        rows = {"real": dict(run.real), "reconstructed": dict(rebuilt.measures)}
        return rows if evaluator is None else run.with_text(rows, rng, order, {"reconstructed": rebuilt.embedded})

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
    labels: Mapping[str, Mapping[str, str]] | None = None,
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
    >>> report = evaluate_generation((transformer, tokenizer, encoder), corpus, evaluator=evaluator)  # doctest: +SKIP
    """
    samples = collect_samples(corpus, split, min_frames=min_frames, max_frames=max_frames)
    shared = {"repeats": repeats, "seed": seed, "batch_size": batch_size, "drop_last": drop_last}
    run = Run(samples, evaluator, **shared, folder=folder, progress=progress)
    writer = TextToFeatures(model, max_frames, dict(sampling or {}))
    shape = [multimodality_texts, multimodality_samples, multimodality_pairs]
    settings = {"split": split, "min_frames": min_frames, "max_frames": max_frames, "multimodality": shape}
    settings |= {"sampling": writer.sampling, "model": writer.fingerprint, "evaluator": fingerprint(evaluator)}
    run.start("generation", settings | {"labels": sorted(labels or {})})
    rebuilt = None if writer.tokenizer is None else Rebuilt(run, writer.tokenizer)
    classes = cache(lambda: ClassMeasure(evaluator, corpus, labels or {}, samples.names, max_frames=max_frames))
    unsaved = run.predictions_missing(save_predictions)

    def spread(rng):
        """Generate many motions of a few texts and give how much they differ."""
        few = rng.permutation(len(samples.texts))[:multimodality_texts]
        texts = [samples.texts[k].text for k in few for _ in range(multimodality_samples)]
        groups = evaluator.embed_motion(writer(texts, int(rng.integers(2**31))))
        groups = groups.reshape(len(few), multimodality_samples, -1)
        return multimodality(groups, num_pairs=multimodality_pairs, rng=rng)

    def repeat(rng, order, number):
        chosen = run.choose_texts(rng)
        made = writer([samples.texts[k].text for k in chosen], int(rng.integers(2**31)))
        run.check(made)
        if unsaved and number == 0:
            run.save_predictions(made)
        embedded = {"reconstructed": rebuilt.embedded} if rebuilt else {}
        embedded["generated"] = evaluator.embed_motion(made)
        rows = {"real": dict(run.real), "generated": run.look(made)}
        rows = run.with_text(rows, rng, order, embedded, chosen)
        if multimodality_texts:
            rows["generated"]["multimodality"] = spread(rng)
        return _with_classes(rows, classes(), {"real": run.embedded[0], **embedded}) if labels else rows

    return run.finish("generation", repeat, again=(0,) if unsaved else ())


def _with_classes(rows, measure, embedded):
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
