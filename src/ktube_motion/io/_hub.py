"""A corpus for others: on the Hugging Face hub, and in the library `datasets`."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import CorpusError, FormatError, MissingDependencyError
from ._files import write_text
from ._manifests import read_manifest

if TYPE_CHECKING:
    from datasets import DatasetDict

    from ._shard_corpus import ShardCorpus

__all__ = ["CARD", "OnTheHub", "data_card", "is_sharded", "write_card"]

CARD = "README.md"
_SPLITS = ("train", "val", "test")


def is_sharded(root: str | Path) -> bool:
    """Say whether a corpus is in shards."""
    # Unlike those of pathlib, this takes names that no folder can have.
    return os.path.isdir(Path(root) / "data") and not os.path.isdir(Path(root) / "new_joint_vecs")


class OnTheHub:
    """What a `Corpus` can do for others."""

    root: Path

    def to_datasets(self) -> "DatasetDict":
        """Give the splits as data sets of the library `datasets`, mapped from the shards and not read.

        Returns
        -------
        splits : datasets.DatasetDict
            ``train``, ``val``, ``test`` as far as there are some; a row is a clip. Its columns are ``name``,
            ``frames``, ``new_joint_vecs`` (the vectors), ``joints`` and ``new_joints`` where the corpus has
            them, and ``texts`` with the times of their words.

        Raises
        ------
        CorpusError
            If this corpus is a folder of files.
        MissingDependencyError
            If `datasets` is not installed.
        """
        try:
            from datasets import Dataset, DatasetDict, concatenate_datasets
        except ImportError as error:
            fix = "pip install 'ktube_motion[shards]'"
            raise MissingDependencyError("datasets is not installed.", fix=fix) from error
        corpus = _in_shards(self)
        # The files themselves, which workers of a loader map again; a table in memory would be sent to each.
        every = concatenate_datasets([Dataset.from_file(str(path)) for path in corpus.files])
        for_us = [name for name in every.column_names if name in _OURS]
        every = every.remove_columns(for_us)
        there = [split for split in _SPLITS if (self.root / f"{split}.txt").exists()]
        return DatasetDict({split: every.select(corpus.rows(split)) for split in there})

    @classmethod
    def from_hub(cls, repo_id: str, *, folder: str | Path | None = None, **options: Any) -> Self:
        """Fetch a corpus from the Hugging Face hub.

        Parameters
        ----------
        repo_id : str
            ``owner/name`` of a data set that `push_to_hub` made.
        folder : path, optional
            Where to put it; by default the hub's cache.
        **options
            ``revision``, ``token`` and whatever else ``huggingface_hub.snapshot_download`` takes.

        Returns
        -------
        corpus : Corpus

        Raises
        ------
        CorpusError
            If what was fetched is no corpus.

        Examples
        --------
        >>> Corpus.from_hub("somebody/KTubeUM")  # doctest: +SKIP
        """
        from huggingface_hub import snapshot_download

        root = snapshot_download(repo_id, repo_type="dataset", local_dir=folder, **options)
        # The cache of the hub is links to files that lie beside what was fetched.
        return cls(root, follow_links=folder is None)  # type: ignore[call-arg]

    def push_to_hub(self, repo_id: str, *, terms: str, private: bool = True, token: str | None = None) -> str:
        """Put this corpus, which is in shards, on the Hugging Face hub, with a data card.

        Parameters
        ----------
        repo_id : str
            ``owner/name``; made if it is not there.
        terms : str
            Under what terms others may use it: an identifier of the hub, as ``cc-by-4.0``, or a sentence.
            Nobody but you knows them.
        private : bool
            Of a repository that is made.
        token : str, optional
            By default the one that ``hf auth login`` keeps.

        Returns
        -------
        url : str

        Raises
        ------
        CorpusError
            If no terms are stated, or this corpus is not in shards.

        Notes
        -----
        The card, ``README.md``, is written into the corpus first. It states sources, terms, speakers, hours, and
        what was left out and why.

        Examples
        --------
        >>> Corpus("KTubeUM-shards").push_to_hub("somebody/KTubeUM", terms="cc-by-4.0")  # doctest: +SKIP
        """
        from huggingface_hub import HfApi

        if not terms.strip():
            raise CorpusError("Under what terms may others use this corpus?", fix="Give terms, as 'cc-by-4.0'.")
        corpus = _in_shards(self)
        write_card(corpus, terms=terms)
        api = HfApi(token=token)
        url = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        message = f"KTubeUM: {len(corpus.lengths)} clips"
        api.upload_folder(
            repo_id=repo_id,
            folder_path=corpus.root,
            repo_type="dataset",
            allow_patterns=_PUBLISHED,
            delete_patterns=["data/*.arrow"],  # of an earlier version
            commit_message=message,
        )
        return str(url)


# The files as they were, and what statistics are made of: of use to this library only.
_OURS = ("finite", "texts_file", "words_file", "mean", "scatter", "originals")
_PUBLISHED = [CARD, "data/*.arrow", "*.json", "*.npy", "*.txt", "report.html"]


def _in_shards(corpus: Any) -> "ShardCorpus":
    if not is_sharded(corpus.root):
        raise CorpusError(
            "This corpus is not in shards.",
            where=corpus.root,
            fix="Make some: ktube_motion.io.export_corpus, or `ktube-motion export-corpus`.",
        )
    return corpus


def write_card(corpus: Any, *, terms: str | None = None) -> None:
    """Write the data card of a corpus in shards, which also tells `datasets` what split a shard belongs to."""
    if is_sharded(corpus.root):
        write_text(corpus.root / CARD, data_card(corpus, terms=terms))


def data_card(corpus: "ShardCorpus", *, terms: str | None = None) -> str:
    """Give the data card of a corpus in shards: what `datasets` reads of it, and what people should know of it.

    Parameters
    ----------
    corpus : ShardCorpus
    terms : str, optional
        By default those that an earlier card states; without one, the card says that none are stated.
    """
    from huggingface_hub import DatasetCardData

    terms = terms or _stated_terms(corpus.root / CARD)
    hub = terms is not None and " " not in terms
    head = DatasetCardData(
        license=None if terms is None else terms if hub else "other",
        license_name=None if terms is None or hub else "terms-of-this-corpus",
        tags=["motion", "gesture", "speech", corpus.skeleton.name],
        configs=[{"config_name": "default", "data_files": _data_files(corpus)}],
        ktube_terms=terms,
    )
    try:
        manifest = read_manifest(corpus.root)
    except (CorpusError, FormatError) as error:
        manifest = {"source": f"The manifest cannot be read: {error.problem}"}
    said = terms or "None are stated yet: do not hand this corpus on."
    parts = [f"---\n{head.to_yaml()}\n---", f"# {corpus.root.resolve().name}", _figures(corpus), f"## Terms\n\n{said}"]
    parts += [_sources(manifest), _left_out(manifest), _READING]
    return "\n\n".join(parts) + "\n"


_READING = """## Reading it

```python
from ktube_motion.io import Corpus

corpus = Corpus.from_hub("owner/name")

from datasets import load_dataset

clips = load_dataset("owner/name")["train"].with_format("torch", columns=["new_joint_vecs"], output_all_columns=True)
```"""


def _stated_terms(path: Path) -> str | None:
    from huggingface_hub import DatasetCard

    return DatasetCard.load(path, ignore_metadata_errors=True).data.get("ktube_terms") if path.exists() else None


def _data_files(corpus: "ShardCorpus") -> list[dict[str, str]]:
    """Name the files of each split, where files hold clips of one split each; else all together, as no split.

    Clips that were chosen anew stay where they are: whoever took a file for a split would then train on what is
    held out.
    """
    there = [split for split in _SPLITS if (corpus.root / f"{split}.txt").exists() and len(corpus.rows(split))]
    if there and all(corpus.has_own_files(split) for split in there):
        return [{"split": split, "path": f"data/{split}-*.arrow"} for split in there]
    return [{"split": "clips", "path": "data/*.arrow"}]  # "all" has a meaning of its own there


def _figures(corpus: "ShardCorpus") -> str:
    lengths = corpus.lengths
    hours = lengths.sum() / corpus.fps / 3600
    rows = [("clips", f"{len(lengths):,}"), ("hours", f"{hours:.2f}"), ("frames a second", f"{corpus.fps:g}")]
    rows += [("skeleton", corpus.skeleton.name), ("numbers a frame", str(corpus.skeleton.feature_size))]
    for split in (split for split in _SPLITS if (corpus.root / f"{split}.txt").exists()):
        found = corpus.rows(split)
        rows.append((split, f"{len(found):,} clips, {lengths[found].sum() / corpus.fps / 3600:.2f} hours"))
    return _table(("what", "how much"), rows)


def _sources(manifest: Mapping[str, Any]) -> str:
    sources = manifest.get("sources", [])
    speakers = Counter(str(source.get("speaker", "")) for source in sources)
    if not sources:
        return f"## Sources\n\n{manifest.get('source', 'Not recorded.')}"
    counts = f"{len(sources)} videos of {len(speakers)} speakers."
    rows = [
        (source["name"], source.get("speaker", ""), source.get("clips", ""), f"{source.get('seconds') or 0:.0f}")
        for source in sources
    ]
    return f"## Sources\n\n{counts}\n\n{_table(('video', 'speaker', 'clips', 'seconds'), rows)}"


def _left_out(manifest: Mapping[str, Any]) -> str:
    kinds = Counter(skip.get("problem") or skip.get("reason", "") for skip in manifest.get("skipped", ()))
    rows = [(reason, count) for reason, count in kinds.most_common()]
    rows += [(f"the whole video {name}: {reason}", 1) for name, reason in manifest.get("failed", {}).items()]
    excluded = len(manifest.get("excluded", ()))
    rows += [("chosen to be left out", excluded)] if excluded else []
    return "## Left out\n\n" + (_table(("why", "how many"), rows) if rows else "Nothing is recorded.")


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
                     for line in lines)  # fmt: skip
