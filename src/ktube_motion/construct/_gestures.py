"""A folder of labelled joint motion as a corpus: ``motions.npz`` and ``utterances.tsv``."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorpusError, FormatError, KtubeError, WriteError
from ..features import feature_stats
from ..io import Corpus
from ..io._files import read_text, write_json
from ..io._untrusted import DAMAGED
from ..skeletons import SMPL_22
from ..types import Motion, Utterance
from ._clips import add_motion

__all__ = ["build_gesture_corpus", "read_gestures"]


def read_gestures(folder: str | Path) -> Iterator[tuple[Motion, list[dict[str, Any]]]]:
    """Read clips of joints and the lines that tell of them.

    Parameters
    ----------
    folder : path
        With ``motions.npz`` (``names``, ``lengths``, ``delta`` int16
        ``(N, 22, 3)`` to be summed within each clip, ``unit_m``, ``fps``) and
        ``utterances.tsv`` (name, split, content, style, utterance).

    Yields
    ------
    motion : Motion
        Named after the clip.
    lines : list of dict
        Its rows of the table.

    Raises
    ------
    FormatError
        If a file is missing or not as above.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> steps = np.random.default_rng(0).integers(-40, 40, (60, 22, 3)).astype(np.int16)
    >>> np.savez(folder / "motions.npz", names=["wave"], lengths=[60], delta=steps, unit_m=0.001, fps=30)
    >>> table = "name\\tsplit\\tcontent\\tstyle\\tutterance\\nwave\\ttrain\\twave\\tnormal\\t손을 흔들어요.\\n"
    >>> _ = (folder / "utterances.tsv").write_text(table, encoding="utf-8")
    >>> [(motion.num_frames, lines[0]["utterance"]) for motion, lines in read_gestures(folder)]
    [(60, '손을 흔들어요.')]
    """
    lines = _lines(Path(folder) / "utterances.tsv")
    path = Path(folder) / "motions.npz"
    try:
        with np.load(path, allow_pickle=False) as data:
            names, lengths, delta = data["names"], data["lengths"], data["delta"]
            unit, fps = float(data["unit_m"]), float(data["fps"])
    except (OSError, *DAMAGED) as error:
        raise FormatError(
            "Not a file of gestures.", where=path, expected="names, lengths, delta, unit_m, fps", found=error
        ) from error
    ends = np.cumsum(lengths)
    for name, start, end in zip(names.tolist(), ends - lengths, ends, strict=True):
        positions = np.cumsum(delta[start:end].astype(np.int64), 0) * unit
        yield Motion(skeleton=SMPL_22, positions=positions, fps=fps, name=name), lines.get(name, [])


def _lines(path: Path) -> dict[str, list[dict[str, str]]]:
    header, *rows = [row.split("\t") for row in read_text(path).split("\n") if row] or [[]]
    wanted = ["name", "split", "content", "style", "utterance"]
    if header != wanted:
        raise FormatError("Not a table of utterances.", where=path, expected=wanted, found=header)
    lines: dict[str, list[dict[str, str]]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(wanted):
            raise FormatError("Wrong number of columns.", where=f"{path}, line {number}", expected=5, found=len(row))
        lines.setdefault(row[0], []).append(dict(zip(wanted, row, strict=True)))
    return lines


def build_gesture_corpus(
    folder: str | Path, root: str | Path, *, fps: float = 20.0, every: int = 1, progress: bool = True
) -> Corpus:
    """Build a corpus from a folder of gestures; a finished one is opened as it is.

    Parameters
    ----------
    folder : path
        As `read_gestures` reads it.
    root : path
        The corpus.
    fps : float
        Of the corpus.
    every : int
        Take only every so many clips, to try things out.
    progress : bool

    Returns
    -------
    corpus : Corpus
        ``manifest.json`` holds content and style of each clip, and what was skipped.

    Raises
    ------
    FormatError
        If the folder cannot be read.
    CorpusError
        If no clip could be used.
    """
    from tqdm import tqdm

    corpus = Corpus.create(root, skeleton=SMPL_22, fps=fps)
    if os.path.exists(corpus.root / "manifest.json"):
        return corpus
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    clips, skipped = [], []
    gestures = list(read_gestures(folder))[::every]
    for motion, lines in tqdm(gestures, desc="clips", unit="clip", disable=None if progress else True):
        try:
            if not lines:
                raise CorpusError("The clip has no utterance.")
            texts = [Utterance(0.0, 0.0, line["utterance"]) for line in lines]
            frames = add_motion(corpus, motion.name, motion, texts)
        except WriteError:
            raise  # the disk is full: every other clip would fail alike
        except KtubeError as error:
            skipped.append({"name": motion.name, "reason": str(error)})
            continue
        labels = {key: lines[0][key] for key in ("content", "style", "split")}
        splits[labels["split"]].append(motion.name)
        clips.append({"name": motion.name, "frames": frames, **labels})
    if not clips:
        raise CorpusError("No clip could be used.", where=folder, found=skipped[:3])
    corpus.write_splits(splits)
    corpus.write_stats(feature_stats(corpus.features(name) for name in splits["train"]))
    write_json(corpus.root / "manifest.json", {"source": str(folder), "clips": clips, "skipped": skipped})
    return corpus
