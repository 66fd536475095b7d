"""A corpus looked at wholly: every byte against what was written, every clip against what models read."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CorpusError, FormatError, KtubeError
from ..io import Corpus
from ..io._hub import is_sharded
from ..io._manifests import read_manifest
from ..io._stored_clips import CLIP_FILES, StoredClip
from ..io._writing import PREFIX_ASIDE, PREFIX_WRITING
from ._records import broken_files

__all__ = ["CorpusCheck", "check_corpus"]


@dataclass(frozen=True)
class CorpusCheck:
    """What `check_corpus` found.

    Attributes
    ----------
    clips, files : int
        Clips in the corpus, and files whose bytes were compared with what was written.
    broken : dict of str to str
        Files that are not as they were written, and how: the next build makes their clips again.
    unusable : dict of str to str
        Clips that no model can read, and why.
    problems : list of str
        What else is missing or malformed.

    Examples
    --------
    >>> CorpusCheck(clips=3, files=12, broken={}, unusable={}, problems=[]).broken
    {}
    """

    clips: int
    files: int
    broken: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Whether nothing was found."""
        return not (self.broken or self.unusable or self.problems)

    def __str__(self) -> str:
        lines = [f"{self.clips} clips, {self.files} files compared: {len(self.broken)} broken"]
        lines += [f"broken: {name}: {fault}" for name, fault in self.broken.items()]
        if self.broken:
            lines.append("The same build command makes their clips again, and no others.")
        lines += [f"unusable: {name}: {fault}" for name, fault in self.unusable.items()]
        return "\n".join([*lines, *self.problems])


def check_corpus(root: str | Path, *, progress: bool = True) -> CorpusCheck:
    """Compare every file of a corpus with what was written, and look at every clip.

    Parameters
    ----------
    root : path
        A corpus of `build_corpus`; of other folders the clips alone are looked at.
    progress : bool
        Show a bar, on a terminal.

    Returns
    -------
    check : CorpusCheck

    Raises
    ------
    CorpusError
        If the folder is no corpus.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.construct import build_corpus, pair_sources
    >>> from ktube_motion.samples import make_speaker
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = make_speaker(folder, num_utterances=2)
    >>> _ = build_corpus(pair_sources(folder, folder)[0], folder / "K", progress=False)
    >>> check_corpus(folder / "K", progress=False).fine
    True
    >>> _ = (folder / "K" / "texts" / "speaker_0000_001.txt").write_bytes(b"")
    >>> list(check_corpus(folder / "K", progress=False).broken)
    ['texts/speaker_0000_001.txt']
    """
    from tqdm import tqdm

    corpus = Corpus(root)
    known, problems = _known_files(corpus.root)
    broken: dict[str, str] = {}
    broken_one = _BrokenInShards(corpus) if is_sharded(corpus.root) else broken_files
    for name, told in tqdm(known.items(), desc="files", unit="file", disable=None if progress else True):
        broken |= broken_one(corpus.root, {name: told})
    names: list[str] = []
    try:
        names = corpus.names("all")
        problems += [f"all.txt lists {name}, which has no vectors" for name in corpus.missing("all")]
    except KtubeError as error:
        problems.append(str(error))
    faults = corpus.faults(names, spoken=True)
    problems += [f"{name} is missing" for name in ("Mean.npy", "Std.npy") if not (corpus.root / name).exists()]
    problems += [f"{split}.txt is missing" for split in ("train", "val") if not (corpus.root / f"{split}.txt").exists()]
    problems += [line for line in corpus.left_out() if not line.startswith("clip ")]
    problems += [
        f"half-written: {path.relative_to(corpus.root)} (the next build sweeps it)"
        for prefix in (PREFIX_WRITING, PREFIX_ASIDE)
        for path in sorted(corpus.root.rglob(f"{prefix}*"))
    ]
    return CorpusCheck(len(names), len(known), broken, faults, problems)


class _BrokenInShards:
    """What `broken_files` finds, where the files of clips lie in shards."""

    def __init__(self, corpus: Any) -> None:
        self.corpus = corpus
        self.clip: StoredClip | None = None  # the files of a clip follow each other

    def __call__(self, root: Path, files: Mapping[str, Sequence[int | str]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, (size, digest) in files.items():
            folder, _, file = path.partition("/")
            if folder not in CLIP_FILES:
                found |= broken_files(root, {path: (size, digest)})
                continue
            name = file.removesuffix(CLIP_FILES[folder])
            try:
                if self.clip is None or self.clip.name != name:
                    self.clip = self.corpus.stored(name)
                data = self.clip.file(folder)
            except KtubeError as error:
                found[path] = error.problem
                continue
            if data is None:
                found[path] = "not in the shards"
            elif len(data) != size:
                found[path] = f"{len(data)} bytes instead of {size}"
            elif hashlib.sha256(data).hexdigest() != digest:
                found[path] = "other bytes than were written"
        return found


def _known_files(root: Path) -> tuple[dict[str, list[int | str]], list[str]]:
    """Give what the manifest says of each file, and what is wrong with the manifest."""
    try:
        return read_manifest(root).get("files", {}), []
    except (CorpusError, FormatError) as error:
        return {}, [f"manifest.json is damaged: {error}"]
