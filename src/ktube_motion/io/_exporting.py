"""A corpus from a folder of files into shards, and back, to the last bit."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, CorpusError
from ._clip_names import check_path
from ._corpus import Corpus
from ._files import atomic_path, make_folder, read_json, write_json
from ._hub import CARD, is_sharded, write_card
from ._shards import open_shard, shard_schema, write_shard
from ._stored_clips import CLIP_FILES, StoredClip, read_clip_files, write_clip_files
from ._writing import LOCK

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

    Vectors, joints, texts, words, splits, statistics, manifest and report keep every bit, on the way and back. The
    manifest of a corpus that was built in shards loses the checksums of those.

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
    _begin(root, plan, shards)
    source = _Source(corpus.root, corpus._follow_links)
    settings = {"skeleton": corpus.skeleton.name, "fps": corpus.fps}
    jobs: list[tuple[Callable[..., int], tuple[Any, ...]]]
    if shards:
        schema = (corpus.skeleton.feature_size, settings)
        jobs = [(_write_shard, (root / "data" / name, source, members, *schema)) for name, members in plan]
    else:
        jobs = [(_write_part, (root, source, members)) for _, members in plan]
    frames = 0
    with tqdm(total=len(jobs), desc="export", unit="file", disable=None if progress else True) as bar:
        for count in _done(jobs, executor):
            frames += count
            bar.update()
    _copy_beside(corpus, root)
    write_card(Corpus(root))
    (root / _UNFINISHED).unlink()
    clips = sum(len(members) for _, members in plan)
    files = len(plan) if shards else sum(1 for folder in CLIP_FILES for _ in _files_in(root / folder))
    return ExportReport(clips, frames, files, _left_behind(corpus))


@dataclass(frozen=True)
class _Source:
    """A corpus, as another process opens it."""

    root: Path
    follow_links: bool

    def clips(self, names: Sequence[str]) -> Iterator[StoredClip]:
        corpus: Any = Corpus(self.root, follow_links=self.follow_links)
        if is_sharded(self.root):
            return (corpus.stored(name) for name in names)
        return (read_clip_files(self.root, name, inside=corpus._inside) for name in names)


def _every(corpus: Corpus) -> dict[str, int]:
    """Give all clips by name, of a split or of none, and how many bytes the vectors of each have."""
    if is_sharded(corpus.root):
        shards: Any = corpus
        sizes = (shards.lengths * 4 * corpus.skeleton.feature_size).tolist()
        return dict(sorted((shards.name_of(row), size) for row, size in enumerate(sizes)))
    paths = ((check_path(name), corpus._vector_path(name)) for name in corpus._stored())
    return {name: max(path.stat().st_size - _HEADER, 0) for name, path in paths}


def _shards(corpus: Corpus, shard_bytes: int) -> Iterator[tuple[str, list[str]]]:
    """Deal clips out to shards, each of one split."""
    sizes = _every(corpus)
    taken: set[str] = set()
    for split in ("train", "val", "test", "rest"):
        there = split != "rest" and os.path.exists(corpus.root / f"{split}.txt")
        listed = corpus.names(split) if there else sizes if split == "rest" else ()
        members = [name for name in dict.fromkeys(listed) if name not in taken]
        taken.update(members)
        number, part, filled = 0, list[str](), 0
        for name in members:
            part.append(name)
            filled += sizes[name]
            if filled >= shard_bytes or name == members[-1]:
                yield f"{split}-{number:05d}.arrow", part
                number, part, filled = number + 1, [], 0


def _parts(corpus: Corpus) -> Iterator[tuple[str, list[str]]]:
    names = list(_every(corpus))
    for first in range(0, len(names), _PART):
        yield f"part {first}", names[first : first + _PART]


def _begin(root: Path, plan: list[tuple[str, list[str]]], shards: bool) -> None:
    """Make the folder, or see that it holds an export of the same that was interrupted."""
    stamp = {"of": hashlib.sha256(json.dumps([shards, plan]).encode()).hexdigest()}
    if os.path.exists(root) and any(root.iterdir()):
        before = read_json(root / _UNFINISHED) if os.path.exists(root / _UNFINISHED) else None
        if before != stamp:
            raise CorpusError(
                "Something else is here.", where=root, expected="a new folder", fix="Choose another, or remove it."
            )
    for folder in ("data",) if shards else ("new_joint_vecs", "texts"):
        make_folder(root / folder)
    write_json(root / _UNFINISHED, stamp)


def _done(jobs: Sequence[tuple[Callable[..., int], tuple[Any, ...]]], executor: Executor | None) -> Iterator[int]:
    """Do the jobs, and give the frames that each has written."""
    if executor is None:
        for work, job in jobs:
            yield work(*job)
        return
    futures = [executor.submit(work, *job) for work, job in jobs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:  # after an error, what has not begun shall not begin
            future.cancel()


def _write_shard(path: Path, source: _Source, names: Sequence[str], size: int, settings: dict[str, Any]) -> int:
    if os.path.exists(path):  # whole, by an export that was interrupted
        return sum(int(batch.offsets[-1]) for batch in open_shard(path)[0])
    frames = 0
    with write_shard(path, shard_schema(size, settings)) as shard:
        for clip in source.clips(names):
            shard.add(clip)
            frames += len(clip.arrays["new_joint_vecs"])
    return frames


def _write_part(root: Path, source: _Source, names: Sequence[str]) -> int:
    frames = 0
    for clip in source.clips([check_path(name) for name in names]):
        if not os.path.exists(root / "new_joint_vecs" / f"{clip.name}.npy"):
            write_clip_files(root, clip)
        frames += len(clip.arrays["new_joint_vecs"])
    return frames


def _belongs(path: Path) -> bool:
    return os.path.isfile(path) and path.suffix in _BESIDE and not path.name.startswith(".")


def _copy_beside(corpus: Corpus, root: Path) -> None:
    for path in filter(_belongs, corpus.root.iterdir()):
        with atomic_path(root / path.name) as temporary:
            shutil.copyfile(corpus._inside(path), temporary)
    manifest = root / "manifest.json"
    told = read_json(manifest) if os.path.exists(manifest) else {}
    files = told.get("files", {}) if isinstance(told, dict) else {}
    # Sizes and checksums of shards are those of the shards there; those of clips' files hold here, too.
    kept = {name: state for name, state in files.items() if not name.startswith("data/")}
    if len(kept) < len(files):
        write_json(manifest, {**told, "files": kept})


def _files_in(folder: Path) -> Iterator[Path]:
    """Give the files of clips in a folder, and in those below it, as far as they are not hidden."""
    for path in folder.rglob("*"):
        if os.path.isfile(path) and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _left_behind(corpus: Corpus) -> dict[str, int]:
    """Count the files of a corpus that are no part of it."""
    found: dict[str, int] = {}
    sharded = is_sharded(corpus.root)
    ours = {"data", CARD} if sharded else set(CLIP_FILES)
    for path in corpus.root.iterdir():
        if path.name not in {*ours, _UNFINISHED, LOCK} and not _belongs(path):
            found[path.name] = sum(os.path.isfile(file) for file in path.rglob("*")) if os.path.isdir(path) else 1
    for folder, suffix in () if sharded else CLIP_FILES.items():
        paths = (path.relative_to(corpus.root / folder) for path in _files_in(corpus.root / folder))
        alone = sum(path.suffix != suffix or not corpus.has(path.with_suffix("").as_posix()) for path in paths)
        found |= {f"{folder} of clips without vectors": alone} if alone else {}
    return found
