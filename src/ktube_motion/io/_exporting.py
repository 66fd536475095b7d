"""A corpus from a folder of files into shards, and back, to the last bit."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, CorpusError
from ._corpus import Corpus, check_name
from ._files import atomic_path, read_json, write_json
from ._hub import CARD, is_sharded, write_card
from ._shards import shard_schema, write_shard
from ._stored_clips import CLIP_FILES, read_clip_files, write_clip_files

__all__ = ["ExportReport", "export_corpus"]

SHARD_BYTES = 500_000_000
_UNFINISHED = ".exporting.json"
_HEADER = 128  # of a .npy file
_PART = 1000  # clips that one job writes into a folder
_BESIDE = (".txt", ".npy", ".json", ".html")  # files beside the clips that belong to a corpus


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes
    ----------
    clips, frames : int
        What was written.
    files : int
        Shards, or clips' files.
    left_behind : dict of str to int
        What is no part of a corpus and was not taken along, with how many files: folders beside the clips'
        (tokens, records of a build), texts and joints of clips without vectors.
    """

    clips: int
    frames: int
    files: int
    left_behind: dict[str, int]

    def __str__(self) -> str:
        lines = [f"{self.clips} clips, {self.frames} frames in {self.files} files"]
        return "\n".join(lines + [f"left behind: {what} ({count} files)" for what, count in self.left_behind.items()])


def export_corpus(
    corpus: Corpus,
    root: str | Path,
    *,
    shards: bool | None = None,
    shard_bytes: int = SHARD_BYTES,
    executor: Executor | None = None,
    progress: bool = True,
) -> ExportReport:
    """Write a corpus anew: a folder as shards, shards as a folder, or shards in another size or order.

    Vectors, joints, texts, words, splits, statistics, manifest and report keep every bit, on the way and back.

    Parameters
    ----------
    corpus : Corpus
    root : path
        A new folder, or that of an export of the same that was interrupted: it goes on.
    shards : bool, optional
        What to write; by default what `corpus` is not.
    shard_bytes : int
        Of vectors in a shard, about; joints come on top. A shard holds clips of one split only: ``train-00000.arrow``;
        those of clips in no split are called ``rest``.
    executor : concurrent.futures.Executor, optional
        Where shards are written, each by one worker; by default here, one after the other.
    progress : bool
        Show a bar, on a terminal.

    Returns
    -------
    report : ExportReport

    Raises
    ------
    CorpusError
        If something else is in `root`, a name is not allowed, or a file is missing.
    FormatError
        If a file of a clip is damaged.
    MissingDependencyError
        If pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from ktube_motion.types import Utterance
    >>> folder = Path(tempfile.mkdtemp())
    >>> corpus = Corpus.create(folder / "files")
    >>> corpus.add_clip("a", features=np.ones((39, 263)), texts=[Utterance(0, 0, "안녕하세요")])
    >>> print(export_corpus(corpus, folder / "shards", progress=False))
    1 clips, 39 frames in 1 files
    >>> Corpus(folder / "shards").texts("a")[0].text
    '안녕하세요'
    """
    from tqdm import tqdm

    root, shards = Path(root), not is_sharded(corpus.root) if shards is None else shards
    if shard_bytes < 1:
        raise ConfigError("A shard must hold something.", expected="shard_bytes above 0", found=shard_bytes)
    plan = list(_shards(corpus, shard_bytes) if shards else _parts(corpus))
    _begin(corpus, root, plan, shards)
    settings = {"skeleton": corpus.skeleton.name, "fps": corpus.fps}
    size = corpus.skeleton.feature_size
    jobs = [(root / "data" / name if shards else root, corpus.root, members, size, settings) for name, members in plan]
    frames = sum(_done(jobs, _write_shard if shards else _write_part, executor, tqdm, progress))
    _copy_beside(corpus.root, root)
    write_card(Corpus(root))
    (root / _UNFINISHED).unlink()
    clips = sum(len(members) for _, members in plan)
    files = len(plan) if shards else sum(1 for folder in CLIP_FILES for _ in (root / folder).glob("*"))
    return ExportReport(clips, frames, files, _left_behind(corpus))


def _every(corpus):
    """Give all clips by name, of a split or of none, and how many bytes the vectors of each have."""
    if is_sharded(corpus.root):
        bytes_of = (corpus.lengths * 4 * corpus.skeleton.feature_size).tolist()
        return dict(sorted((corpus.name_of(row), size) for row, size in enumerate(bytes_of)))
    vectors = sorted((path.stem, path.stat().st_size) for path in (corpus.root / "new_joint_vecs").glob("*.npy"))
    return {check_name(name): max(size - _HEADER, 0) for name, size in vectors}


def _shards(corpus, shard_bytes) -> Iterator[tuple[str, list[str]]]:
    """Deal clips out to shards, each of one split."""
    sizes, taken = _every(corpus), set()
    for split in ("train", "val", "test", "rest"):
        listed = sizes if split == "rest" else corpus.names(split) if (corpus.root / f"{split}.txt").exists() else []
        members = [name for name in dict.fromkeys(listed) if name not in taken]
        taken.update(members)
        number, part, filled = 0, [], 0
        for name in members:
            part.append(name)
            filled += sizes[name]
            if filled >= shard_bytes or name == members[-1]:
                yield f"{split}-{number:05d}.arrow", part
                number, part, filled = number + 1, [], 0


def _parts(corpus) -> Iterator[tuple[str, list[str]]]:
    names = list(_every(corpus))
    for first in range(0, len(names), _PART):
        yield f"part {first}", names[first : first + _PART]


def _begin(corpus, root, plan, shards):
    """Make the folder, or see that it holds an export of the same that was interrupted."""
    stamp = {"of": hashlib.sha256(json.dumps([shards, plan]).encode()).hexdigest()}
    if root.exists() and any(root.iterdir()):
        before = read_json(root / _UNFINISHED) if (root / _UNFINISHED).exists() else None
        if before != stamp:
            raise CorpusError(
                "Something else is here.", where=root, expected="a new folder", fix="Choose another, or remove it."
            )
    for folder in ("data",) if shards else ("new_joint_vecs", "texts"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_json(root / _UNFINISHED, stamp)


def _done(jobs, work, executor, tqdm, progress) -> Iterator[int]:
    """Do the jobs, and give the frames that each has written."""
    with tqdm(total=len(jobs), desc="export", unit="file", disable=None if progress else True) as bar:
        if executor is None:
            for job in jobs:
                yield work(*job)
                bar.update()
            return
        futures = [executor.submit(work, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
                bar.update()
        finally:
            for future in futures:  # after an error, what has not begun shall not begin
                future.cancel()


def _clips(source: Path, names: Sequence[str]) -> Iterator[Any]:
    if not is_sharded(source):
        return (read_clip_files(source, name) for name in names)
    corpus: Any = Corpus(source)
    return (corpus.stored(name) for name in names)


def _write_shard(path, source, names, size, settings) -> int:
    from ._shards import open_shard

    if path.exists():  # whole, by an export that was interrupted
        return sum(int(batch.offsets[-1]) for batch in open_shard(path)[0])
    frames = 0
    with write_shard(path, shard_schema(size, settings)) as shard:
        for clip in _clips(source, names):
            shard.add(clip)
            frames += len(clip.arrays["new_joint_vecs"])
    return frames


def _write_part(root, source, names, size, settings) -> int:
    frames = 0
    for clip in _clips(source, [check_name(name) for name in names]):
        if not (root / "new_joint_vecs" / f"{clip.name}.npy").exists():
            write_clip_files(root, clip)
        frames += len(clip.arrays["new_joint_vecs"])
    return frames


def _belongs(path):
    return path.is_file() and path.suffix in _BESIDE and not path.name.startswith(".")


def _copy_beside(source, root):
    for path in filter(_belongs, source.iterdir()):
        with atomic_path(root / path.name) as temporary:
            shutil.copyfile(path, temporary)


def _left_behind(corpus):
    """Count the files of a corpus that are no part of it."""
    found: dict[str, int] = {}
    sharded = is_sharded(corpus.root)
    ours = {"data", CARD} if sharded else set(CLIP_FILES)
    for path in corpus.root.iterdir():
        if path.name not in ours and not _belongs(path) and path.name != _UNFINISHED:
            found[path.name] = sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 1
    for folder, suffix in () if sharded else CLIP_FILES.items():
        names = (path.stem if path.suffix == suffix else None for path in (corpus.root / folder).glob("*"))
        alone = sum(name is None or not corpus.has(name) for name in names)
        found |= {f"{folder} of clips without vectors": alone} if alone else {}
    return found
