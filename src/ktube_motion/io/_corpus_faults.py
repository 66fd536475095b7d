"""What a corpus holds that no model can read: found once at the start, all of it, with the remedy."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CorpusError, DataError, KtubeError

if TYPE_CHECKING:
    from ._corpus import Corpus

__all__ = ["RIGHT_LINE", "clips_for_training", "leave_out", "vector_fault"]

RIGHT_LINE = "손을 든다#손/NOUN 들다/VERB#0.0#0.0"
_NAMED = 50  # of more, the rest are counted


def vector_fault(features: np.ndarray) -> str | None:
    """Say why no model can read the motion vectors of a clip, None where all is well."""
    if not len(features):
        return "no frames"
    bad = int((~np.isfinite(features)).any(1).sum())
    return f"NaN or infinity in {bad} of {len(features)} frames" if bad else None


def leave_out(split: str, faults: Mapping[str, str], count: int, *, root: Path, strict: bool) -> None:
    """Tell of clips that are left out, all at once: a warning, or an error where the corpus is `strict`."""
    if not faults:
        return
    told = [f"{name} ({fault})" for name, fault in list(faults.items())[:_NAMED]]
    told += [f"and {len(faults) - _NAMED} more"] if len(faults) > _NAMED else []
    if strict:
        raise DataError(
            f"{len(faults)} of {count} clips of {split!r} cannot be used.",
            where=root,
            found=", ".join(told),
            fix="Build them again, or take them out of the splits; without strict they are left out and counted.",
        )
    warnings.warn(f"{len(faults)} of {count} clips of {split!r} are left out: {', '.join(told)}", stacklevel=4)


def clips_for_training(
    corpus: "Corpus", splits: Sequence[str] = ("train", "val"), *, spoken: bool, stats: bool
) -> dict[str, list[str]]:
    """Give the usable clips of the splits that a training reads.

    Parameters
    ----------
    corpus : Corpus
    splits : sequence of str
    spoken : bool
        Whether texts are needed.
    stats : bool
        Whether Mean and Std are needed.

    Raises
    ------
    CorpusError
        If anything is missing; all of it is named at once, with the remedy.
    DataError
        If a clip cannot be used and the corpus is strict.
    """
    found: dict[str, list[str]] = {}
    problems = []
    for split in splits:
        try:
            found[split] = corpus.usable(split, spoken=spoken)
        except CorpusError as error:
            problems.append(f"the split {split} is missing: {split}.txt names its clips, one a line ({error.problem})")
            continue
        if not found[split]:
            kind = {"train": "training", "val": "validation"}.get(split, split)
            problems.append(f"no {kind} clips that can be used: {_why_empty(corpus, split)}")
    if stats:
        problems += _stats_problems(corpus)
    if problems:
        raise CorpusError(
            "This corpus cannot be trained on.",
            where=corpus.root,
            found="; ".join(problems),
            fix="`ktube-motion check DIR` looks at the whole corpus.",
        )
    return found


def _why_empty(corpus: "Corpus", split: str) -> str:
    listed = corpus.names(split)
    missing = corpus.missing(split)
    if listed:
        return "; ".join(f"{name}: {corpus.unusable.get(name, '?')}" for name in listed[:3])
    if missing:
        return f"{split}.txt lists {len(missing)} clips, as {missing[0]}, that are not in new_joint_vecs/"
    return f"{split}.txt is empty; a corpus needs talks for train and for val, two sources at least"


def _stats_problems(corpus: "Corpus") -> list[str]:
    missing = [name for name in ("Mean.npy", "Std.npy") if not (corpus.root / name).exists()]
    if missing:
        folder = corpus.root.as_posix()
        make = f"`ktube-motion mean-variance --input {folder}/new_joint_vecs --output {folder}` makes them"
        return [f"{' and '.join(missing)} missing ({make})"]
    try:
        size = len(corpus.stats.mean)
    except KtubeError as error:
        return [str(error)]
    if size != corpus.skeleton.feature_size:
        return [f"Mean.npy has {size} numbers, the clips have {corpus.skeleton.feature_size}"]
    return []
