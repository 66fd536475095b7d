"""Splits by video, and the statistics that follow from them."""

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, CorpusError
from ..features import feature_stats
from ..io import Corpus
from ..io._files import read_text, write_json
from ..io._hub import write_card
from ..io._manifests import MANIFEST, read_manifest
from ._clips import MIRROR_PREFIX
from ._report import write_report

__all__ = ["check_split_sizes", "count_clips", "curate", "finish_corpus", "split_videos"]


def check_split_sizes(sizes: Sequence[float]) -> None:
    """Raise `ConfigError` unless these can be the shares of train, val and test."""
    if len(sizes) != 3 or not all(0 <= size < math.inf for size in sizes) or not sum(sizes) > 0:
        raise ConfigError("Split sizes cannot work.", expected="three shares of train, val, test", found=sizes)


def split_videos(
    seconds: dict[str, float], *, split_sizes: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> dict[str, list[str]]:
    """Share videos out to train, val and test; none is ever in two.

    Parameters
    ----------
    seconds : dict of str to float
        Length of each video.
    split_sizes : (float, float, float)
        Shares of the whole length.
    seed : int

    Returns
    -------
    splits : dict of str to list of str
        With two videos or more none of the wished-for train and val is
        empty, with three or more none of the three.

    Examples
    --------
    >>> split_videos({"a": 60, "b": 50, "c": 40, "d": 30}, seed=1)
    {'train': ['a', 'd'], 'val': ['b'], 'test': ['c']}
    """
    check_split_sizes(split_sizes)
    names = sorted(seconds)
    np.random.default_rng(seed).shuffle(names)
    wanted = {
        split: size / sum(split_sizes) * sum(seconds.values())
        for split, size in zip(("train", "val", "test"), split_sizes, strict=True)
        if size > 0
    }
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    # The first videos go one to each split, so that none stays empty; the rest where most is missing.
    for split, name in zip(wanted, names, strict=False):
        splits[split].append(name)
    for name in names[len(wanted) :]:
        lacking = {s: wanted[s] - sum(seconds[n] for n in splits[s]) for s in wanted}
        splits[max(lacking, key=lambda s: lacking[s] / max(wanted[s], 1e-9))].append(name)
    return {split: sorted(members) for split, members in splits.items()}


def finish_corpus(
    corpus: Corpus, clips: Sequence[dict[str, Any]], *, split_sizes: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> None:
    """Write splits and statistics for the given clips of a manifest.

    Mirrored twins go with their clip into train only: held-out figures are
    about what was recorded.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.types import Utterance
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> clips = [{"name": name, "source": name, "frames": 40} for name in ("a", "b", "c")]
    >>> for clip in clips:
    ...     motion = np.random.default_rng(0).normal(size=(40, 263))
    ...     corpus.add_clip(clip["name"], features=motion, texts=[Utterance(0, 0, "네")])
    >>> finish_corpus(corpus, clips)
    >>> sorted(corpus.names("train") + corpus.names("val") + corpus.names("test"))
    ['a', 'b', 'c']
    """
    seconds: dict[str, float] = {}
    for clip in clips:
        seconds[clip["source"]] = seconds.get(clip["source"], 0.0) + clip["frames"] / corpus.fps
    videos = split_videos(seconds, split_sizes=split_sizes, seed=seed)
    splits = {split: [clip["name"] for clip in clips if clip["source"] in members] for split, members in videos.items()}
    twins = [MIRROR_PREFIX + name for name in splits["train"]]
    splits["train"] += [name for name in twins if corpus.has(name)]
    corpus.write_splits(splits)
    corpus.write_stats(feature_stats(corpus, skeleton=corpus.skeleton))


def count_clips(corpus: Corpus, clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Count what is in a corpus, for its manifest."""
    return {
        "clips": len(clips),
        "frames": sum(clip["frames"] for clip in clips),
        "videos": len({clip["source"] for clip in clips}),
        "speakers": len({clip["speaker"] for clip in clips}),
        "words": dict(sorted(sum((Counter(clip.get("words", {})) for clip in clips), Counter()).items())),
        "splits": {split: len(corpus.names(split)) for split in ("train", "val", "test")},
    }


def curate(
    root: str | Path,
    *,
    exclude: Collection[str] | Path = (),
    keep: Callable[[dict[str, Any]], bool] | None = None,
    split_sizes: Sequence[float] | None = None,
    seed: int | None = None,
) -> list[str]:
    """Choose clips anew without rebuilding: new splits, new Mean and Std; no clip is deleted.

    Parameters
    ----------
    root : path
        A corpus made by `build_corpus`.
    exclude : collection of str, or Path
        Clips to leave out, or a file with one name a line, as the page of
        `write_review` saves it; their mirrored twins go with them.
    keep : callable, optional
        Gets each clip of the manifest and says whether it stays. A clip is a
        dict: ``name``, ``source``, ``speaker``, ``text``, ``start``, ``end``,
        ``frames``, ``filled`` (share of frames that were filled),
        ``jitter_before`` and ``jitter_after`` (mean jerk in m/s³, without and
        with the low-pass), ``hands`` (of ``left`` and ``right`` those that
        move), ``syllables``, ``words`` (how many have a time that is ``given``,
        ``aligned`` or ``estimated``).
    split_sizes, seed
        As in `split_videos`; by default as before.

    Returns
    -------
    excluded : list of str
        Also recorded in the manifest. Each call starts from all clips.

    Raises
    ------
    CorpusError
        If this is no such corpus, a name to exclude is unknown, or nothing
        would be left; the corpus is then as before.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ktube_motion.construct import build_corpus, pair_sources
    >>> from ktube_motion.samples import make_speaker
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = make_speaker(folder, num_utterances=3)
    >>> _ = build_corpus(pair_sources(folder, folder)[0], folder / "KTubeUM", progress=False)
    >>> curate(folder / "KTubeUM", exclude=["speaker_0000_001"], keep=lambda clip: clip["filled"] < 0.2)
    ['speaker_0000_001']
    >>> Corpus(folder / "KTubeUM").names("train")[:2]
    ['speaker_0000_000', 'speaker_0000_002']
    """
    corpus = Corpus(root)
    manifest = read_manifest(corpus.root, needed=["clips", "options"], of_clips=["source", "speaker", "frames"])
    exclude = _read_names(exclude) if isinstance(exclude, Path) else exclude
    names = {clip["name"] for clip in manifest["clips"]}
    unknown = sorted(set(exclude) - names)
    if unknown:
        raise CorpusError("These clips are not in the corpus.", where=corpus.root, found=unknown[:5])
    kept = [clip for clip in manifest["clips"] if clip["name"] not in exclude and (keep is None or keep(clip))]
    if not kept:
        raise CorpusError("No clip would be left.", where=corpus.root, expected="at least one clip")
    excluded = sorted(names - {clip["name"] for clip in kept})
    options = dict(manifest["options"])
    options |= {"split_sizes": list(split_sizes)} if split_sizes is not None else {}
    options |= {"seed": seed} if seed is not None else {}
    finish_corpus(corpus, kept, split_sizes=options["split_sizes"], seed=options["seed"])
    counts = count_clips(corpus, kept)
    write_json(corpus.root / MANIFEST, {**manifest, "options": options, "excluded": excluded, "counts": counts})
    write_card(corpus)
    if os.path.exists(corpus.root / "report.html"):
        write_report(corpus.root)
    return excluded


def _read_names(path: Path) -> list[str]:
    """Read names, one a line; lines that begin with ``#`` are comments."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
