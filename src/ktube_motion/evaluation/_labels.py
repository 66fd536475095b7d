"""What a corpus's manifest tells of its clips: labels and spoken words; and how well classes are told."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ..errors import DataError
from ..evaluators import Evaluator
from ..evaluators._batching import STEP_FRAMES
from ..io import Corpus, load_transcript
from ..io._manifests import read_manifest
from ..metrics.functional import ClassReport, class_accuracy
from ..types import Word

__all__ = ["ClassMeasure", "corpus_labels", "corpus_words"]

# A clip's own facts, which are no class of motion.
_NO_LABELS = ("name", "split", "source", "text")


def corpus_labels(corpus: Corpus, *, splits: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Read the labels that a corpus's ``manifest.json`` gives its clips.

    Parameters
    ----------
    corpus : Corpus
    splits : sequence of str
        Leave out groups of which these splits share no label, as with speakers that are in one split only.

    Returns
    -------
    labels : dict of str to dict of str to str
        For each group (such as ``content`` or ``style``) the label of each
        clip. Empty where there is no manifest, or it has no labels.

    Notes
    -----
    A group is an entry of text that two to a hundred values share out among
    the clips.

    Examples
    --------
    >>> import json, tempfile
    >>> from ktube_motion.io import Corpus
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> clips = [{"name": f"c{k}", "content": ["bow", "wave"][k % 2]} for k in range(4)]
    >>> _ = (corpus.root / "manifest.json").write_text(json.dumps({"clips": clips}))
    >>> corpus_labels(corpus)["content"]["c1"]
    'wave'
    """
    groups: dict[str, dict[str, str]] = {}
    for clip in read_manifest(corpus.root).get("clips", []):
        for group, value in clip.items():
            if isinstance(value, str) and group not in _NO_LABELS:
                groups.setdefault(group, {})[clip["name"]] = value
    sizes = {group: len(set(found.values())) for group, found in groups.items()}
    names = [set(corpus.names(split)) for split in splits]

    def shared(labels: Mapping[str, str]) -> bool:
        found = [{label for name, label in labels.items() if name in part} for part in names]
        return not found or bool(set.intersection(*found))

    return {
        group: labels
        for group, labels in groups.items()
        if 2 <= sizes[group] <= min(100, len(labels) // 2) and shared(labels)
    }


def corpus_words(corpus: Corpus) -> dict[str, tuple[Word, ...]]:
    """Read the words spoken in each clip from the transcripts its corpus was built from.

    Parameters
    ----------
    corpus : Corpus
        Made by `build_corpus`, with the transcripts still in their place.

    Returns
    -------
    words : dict of str to tuple of Word
        Times in seconds from the start of the clip. Clips whose transcript is
        gone, or times only whole subtitles, are absent.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.io import Corpus
    >>> corpus_words(Corpus.create(tempfile.mkdtemp()))
    {}
    """
    manifest = read_manifest(corpus.root)
    spoken = {}
    for source in manifest.get("sources", []):
        if source.get("transcript") and Path(source["transcript"]).is_file():
            spoken[source["name"]] = [word for cue in load_transcript(source["transcript"]) for word in cue.words]
    found = {}
    for clip in manifest.get("clips", []):
        start, end = clip.get("start") or 0.0, clip.get("end") or 0.0
        words = [word for word in spoken.get(clip.get("source"), []) if start <= word.start < end]
        if words:
            found[clip["name"]] = tuple(Word(word.start - start, word.end - start, word.text) for word in words)
    return found


class ClassMeasure:
    """Recognises the classes of motions by the labelled clips of a training split.

    The evaluator's text side takes no part, so a text encoder that generator
    and evaluator share cannot hide the mistakes of both.

    Parameters
    ----------
    evaluator : MotionEvaluator or T2MEvaluator
    corpus : Corpus
    labels : mapping of str to mapping of str to str
        As `corpus_labels` gives it.
    names : sequence of str
        The clip of each motion to be measured.
    split : str
        Where the class centres come from.
    max_frames : int
        Longer clips are cut.

    Raises
    ------
    DataError
        If a group labels no clip of `split`, or none of `names`.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        corpus: Corpus,
        labels: Mapping[str, Mapping[str, str]],
        names: Sequence[str],
        *,
        max_frames: int,
        split: str = "train",
    ) -> None:
        known = [name for name in corpus.usable(split) if any(name in group for group in labels.values())]
        clips = [np.asarray(corpus.features(name)[:max_frames], np.float32) for name in known]
        usable = [len(clip) >= STEP_FRAMES for clip in clips]
        known = [name for name, fine in zip(known, usable, strict=True) if fine]
        self._train = evaluator.embed_motion([clip for clip, fine in zip(clips, usable, strict=True) if fine])
        self._groups = {}
        for group, label in labels.items():
            centres = {row: label[name] for row, name in enumerate(known) if name in label}
            occurring = set(centres.values())
            wanted = {row: label[name] for row, name in enumerate(names) if label.get(name) in occurring}
            if not centres or not wanted:
                raise DataError(
                    f"The label group {group!r} fits no clips.",
                    expected=f"labels of clips in {split!r} and of those to be measured",
                    found=f"{len(centres)} and {len(wanted)} clips",
                )
            self._groups[group] = (centres, wanted)

    def __call__(self, embeddings: torch.Tensor) -> dict[str, ClassReport]:
        """Give the report of each group for motions in the order of `names`."""
        return {
            group: class_accuracy(
                embeddings[list(wanted)], list(wanted.values()), self._train[list(centres)], list(centres.values())
            )
            for group, (centres, wanted) in self._groups.items()
        }
