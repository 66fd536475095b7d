"""What a corpus holds that no model can read: found once at the start, all of it, with the remedy."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CorpusError, DataError, FormatError, KtubeError
from ..types import Utterance

if TYPE_CHECKING:
    from ._corpus import Corpus

__all__ = ["RIGHT_LINE", "UsableClips", "clips_for_training", "vector_fault"]

RIGHT_LINE = "손을 든다#손/NOUN 들다/VERB#0.0#0.0"
_FARTHEST = 1e6  # metres, or millimetres a frame: no body goes there, and one such number ends a training
_NAMED = 50  # of more, the rest are counted


def vector_fault(features: np.ndarray) -> str | None:
    """Say why no model can read the motion vectors of a clip, None where all is well."""
    if not len(features):
        return "no frames"
    bad = int((~np.isfinite(features)).any(1).sum())
    if bad:
        return f"NaN or infinity in {bad} of {len(features)} frames"
    far = float(np.abs(features).max(initial=0))
    return f"numbers as large as {far:.3g}" if far > _FARTHEST else None


class UsableClips:
    """What a `Corpus` knows of clips and lines that no model can read."""

    root: Path

    def __init__(self, *, strict: bool) -> None:
        self.strict: bool = strict
        self.malformed: dict[str, int] = {}
        self.malformed_words: dict[str, int] = {}
        self.unusable: dict[str, str] = {}
        self._malformed_line = ""

    if TYPE_CHECKING:

        def names(self, split: str = "all") -> list[str]: ...
        def texts(self, name: str) -> list[Utterance]: ...
        def has(self, name: str, folder: str = "new_joint_vecs") -> bool: ...
        def _fault(self, name: str) -> str | None: ...

    def usable(self, split: str = "all", *, spoken: bool = False) -> list[str]:
        """Give the clips of a split that a model can read; the others are named in one warning, and in `unusable`.

        Parameters
        ----------
        split : str
        spoken : bool
            Leave clips without a text out, too.

        Raises
        ------
        CorpusError
            See `names`.
        DataError
            If a clip cannot be read and the corpus is strict; all such clips are named.
        """
        return list(self._select(split, spoken=spoken))

    def _select(self, split: str, *, spoken: bool) -> Sequence[str]:
        names = self.names(split)
        faults = self.faults(names, spoken=spoken)
        self._leave_out(split, faults, len(names))
        return [name for name in names if name not in faults]

    def faults(self, names: Sequence[str], *, spoken: bool = False) -> dict[str, str]:
        """Say of each of these clips that no model can read why; with `spoken` also of those without a text."""
        found = {name: self._fault(name) or (self._text_fault(name) if spoken else None) for name in names}
        return {name: fault for name, fault in found.items() if fault is not None}

    def _text_fault(self, name: str) -> str | None:
        if not self.has(name, "texts"):
            return f"no texts/{name}.txt"
        try:
            return None if self.texts(name) else f"no text line like {RIGHT_LINE}"
        except (CorpusError, FormatError) as error:
            return f"texts: {error.problem}"

    def _leave_out(self, split: str, faults: Mapping[str, str], count: int) -> None:
        """Tell of clips that are left out, all at once: a warning, or an error where the corpus is strict."""
        new = {name: fault for name, fault in faults.items() if self.unusable.get(name) != fault}
        self.unusable.update(faults)
        telling = faults if self.strict else new
        if not telling:
            return
        told = [f"{name} ({fault})" for name, fault in list(telling.items())[:_NAMED]]
        told += [f"and {len(telling) - _NAMED} more"] if len(telling) > _NAMED else []
        if self.strict:
            raise DataError(
                f"{len(telling)} of {count} clips of {split!r} cannot be used.",
                where=self.root,
                found=", ".join(told),
                fix="Build them again, or take them out of the splits; without strict they are left out and counted.",
            )
        warnings.warn(f"{len(telling)} of {count} clips of {split!r} are left out: {', '.join(told)}", stacklevel=4)

    def _count(self, name: str, malformed: Sequence[FormatError], unbelieved: int) -> None:
        """Count the lines of a clip that were left out, and those whose word times were."""
        for counts, count in ((self.malformed, len(malformed)), (self.malformed_words, unbelieved)):
            if count:
                counts[name] = count
        if malformed and not self._malformed_line:
            self._malformed_line = str(malformed[0].where)

    def left_out(self) -> list[str]:
        """Tell in sentences what was left out so far: clips, text lines, word times."""
        told = [f"clip {name} is left out: {fault}" for name, fault in self.unusable.items()]
        if self.malformed:
            count, clips = sum(self.malformed.values()), len(self.malformed)
            told.append(
                f"{count} malformed text lines in {clips} clips are left out, as {self._malformed_line!r}; "
                f"a right one is {RIGHT_LINE}"
            )
        if self.malformed_words:
            told.append(f"{sum(self.malformed_words.values())} text lines have word times that cannot be believed")
        return told


def clips_for_training(
    corpus: "Corpus", splits: Sequence[str] = ("train", "val"), *, spoken: bool, stats: bool
) -> dict[str, Sequence[str]]:
    """Give the usable clips of the splits that a training reads; of shards, names that are looked up when asked for.

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
    found: dict[str, Sequence[str]] = {}
    problems = []
    for split in splits:
        try:
            found[split] = corpus._select(split, spoken=spoken)
        except CorpusError as error:
            problems.append(f"the split {split} is missing: {split}.txt names its clips, one a line ({error.problem})")
            continue
        missing = corpus.missing(split) if found[split] else []
        if missing:
            listed = f"{len(missing)} clips that {split}.txt lists are not in new_joint_vecs/, as {missing[0]}"
            warnings.warn(f"{listed}; the others are used.", stacklevel=3)
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
