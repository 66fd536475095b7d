"""Labels of clips, and how well their classes are told from motion alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import DataError
from ..io.files import read_json
from .functional import ClassReport, class_accuracy

__all__ = ["ClassMeasure", "corpus_labels"]

# A clip's own facts, which are no class of motion.
_NO_LABELS = ("name", "split", "source", "text")


def corpus_labels(corpus) -> dict[str, dict[str, str]]:
    """Read the labels that a corpus's ``manifest.json`` gives its clips.

    Parameters
    ----------
    corpus : Corpus

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
    path = corpus.root / "manifest.json"
    clips = read_json(path).get("clips", []) if path.exists() else []
    groups: dict[str, dict[str, str]] = {}
    for clip in clips:
        for group, value in clip.items():
            if isinstance(value, str) and group not in _NO_LABELS:
                groups.setdefault(group, {})[clip["name"]] = value
    sizes = {group: len(set(found.values())) for group, found in groups.items()}
    return {group: groups[group] for group, size in sizes.items() if 2 <= size <= min(100, len(groups[group]) // 2)}


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
        evaluator,
        corpus,
        labels: Mapping[str, Mapping[str, str]],
        names: Sequence[str],
        *,
        split: str = "train",
        max_frames: int = 199,
    ):
        known = [name for name in corpus.names(split) if any(name in group for group in labels.values())]
        clips = [np.asarray(corpus.features(name)[:max_frames], np.float32) for name in known]
        usable = [len(clip) >= 4 and bool(np.isfinite(clip).all()) for clip in clips]
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

    def __call__(self, embeddings) -> dict[str, ClassReport]:
        """Give the report of each group for motions in the order of `names`."""
        return {
            group: class_accuracy(
                embeddings[list(wanted)], list(wanted.values()), self._train[list(centres)], list(centres.values())
            )
            for group, (centres, wanted) in self._groups.items()
        }
