"""A corpus in shards: the face of `Corpus`, over memory that the system maps from the files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorpusError, FormatError
from ..types import Utterance
from ._arrays import NameIndex
from ._clip_names import check_name, check_path
from ._corpus import Corpus, check_settings
from ._corpus_faults import vector_fault
from ._files import read_text
from ._hub import write_card
from ._recovery import recover_joints
from ._shards import Batch, ShardWriter, arrow, open_shard, parse_texts, shard_schema, write_shard
from ._stored_clips import StoredClip, load_bytes

__all__ = ["ClipNames", "ShardCorpus"]


class ClipNames(Sequence[str]):
    """Names of clips, looked up in the shards when asked for: a list of millions would fill memory.

    Attributes
    ----------
    rows : int64 array [shape=(clips,)]
        Their rows, counted through all shards.
    """

    def __init__(self, corpus: "ShardCorpus", rows: np.ndarray) -> None:
        self.corpus, self.rows = corpus, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self.corpus.name_of(row) for row in self.rows[place].tolist()]
        return self.corpus.name_of(int(self.rows[place]))


class _Index:
    """Where each clip is: the batches of all shards in a row."""

    def __init__(self, files: Sequence[Path]) -> None:
        pa = arrow()
        self.batches: list[Batch] = []
        self.settings: dict[str, Any] = {}
        self.shards: list[int] = []  # which file each batch is in
        for number, path in enumerate(files):
            found, self.settings = open_shard(path)
            self.batches += found
            self.shards += [number] * len(found)
        columns = [batch.columns for batch in self.batches]
        self.names = NameIndex(pa.chunked_array([batch.column("name") for batch in columns], pa.string()))
        parts = [batch.column("frames").to_numpy() for batch in columns]
        self.lengths: np.ndarray = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self.ends = np.cumsum([len(batch) for batch in self.batches], dtype=np.int64)

    def batch(self, row: int) -> tuple[Batch, int]:
        """Give the batch that a row is in, and its place there."""
        number = int(np.searchsorted(self.ends, row, "right"))
        return self.batches[number], row - int(self.ends[number]) + len(self.batches[number])


class ShardCorpus(Corpus):
    """What `Corpus` gives for a folder with shards in ``data/``."""

    _folder = "data"
    _writer: ShardWriter | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Give what goes to another process, which maps the shards itself."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_index", "_writer")}

    @property
    def files(self) -> list[Path]:
        """All shards, by name."""
        return [self._inside(path) for path in sorted((self.root / "data").glob("[!.]*.arrow"))]

    @cached_property
    def _index(self) -> _Index:
        index = _Index(self.files)
        if twice := index.names.twice():
            raise CorpusError("A clip is in the shards twice.", where=self.root, found=twice[:5])
        return index

    @cached_property
    def _settings(self) -> dict[str, Any]:
        if os.path.exists(self.root / "corpus.json"):
            return super()._settings
        if not self.files:
            raise CorpusError("The corpus is empty.", where=self.root, expected="shards in data/")
        return check_settings(self._index.settings, self.files[-1])

    # -- reading -----------------------------------------------------------

    def _find(self, name: str) -> tuple[Batch, int]:
        return self._index.batch(self._row(name))

    def _row(self, name: str) -> int:
        row = self._index.names.find(check_path(name))
        if row is None:
            raise CorpusError("The corpus has no such clip.", where=self.root, found=name)
        return row

    def has(self, name: str, folder: str = "new_joint_vecs") -> bool:
        row = self._index.names.find(check_path(name))
        if row is None:
            return False
        batch, place = self._index.batch(row)
        return batch.has(folder, place)

    def _stored(self) -> Iterator[str]:
        return iter(sorted(self._index.names.names.to_pylist()))

    def _looked_up(self, split: str) -> tuple[Any, np.ndarray]:
        """Give the names that a split lists, and the row of each, -1 where there is none; no list of Python's."""
        pa = arrow()
        path = self.root / f"{check_name(split)}.txt"
        if os.path.exists(path):
            text = pa.array([read_text(self._inside(path))], pa.large_string())
            lines = pa.compute.utf8_trim_whitespace(pa.compute.split_pattern(text, "\n").values)
            lines = pa.compute.replace_substring_regex(lines, r"\.npy$", "")
            listed = lines.filter(pa.compute.not_equal(lines, "")).unique()
        else:
            listed = pa.array(self._listed(split), pa.large_string())  # or says what splits there are
        known = self._index.names.names.cast(pa.large_string())
        rows = pa.compute.index_in(listed, value_set=known)
        return listed, rows.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)

    def rows(self, split: str = "all") -> np.ndarray:
        """Give which clips a split has, as numbers of rows of all shards, int64 ``(clips,)``."""
        _, rows = self._looked_up(split)
        return rows[rows >= 0]

    def find_rows(self, names: Sequence[str]) -> np.ndarray:
        """Give the rows of named clips; `CorpusError` where there is no such clip."""
        return np.array([self._row(name) for name in names], np.int64)

    def names(self, split: str = "all") -> list[str]:
        listed, rows = self._looked_up(split)
        found: list[str] = listed.filter(arrow().array(rows >= 0)).to_pylist()
        return found

    def missing(self, split: str = "all") -> list[str]:
        listed, rows = self._looked_up(split)
        found: list[str] = listed.filter(arrow().array(rows < 0)).to_pylist()
        return found

    def __len__(self) -> int:
        return len(self.rows("all"))

    def _select(self, split: str, *, spoken: bool) -> ClipNames:
        rows = self.rows(split)
        right = self.usable_rows(spoken=spoken)[rows]
        wrong = [self.name_of(row) for row in rows[~right].tolist()]
        self._leave_out(split, self.faults(wrong, spoken=spoken), len(rows))
        return ClipNames(self, rows[right])

    def usable_rows(self, *, spoken: bool = False) -> np.ndarray:
        """Say of all clips, by row, whether a model can read them, which the shards tell without their vectors."""
        parts = [batch.usable(spoken=spoken) for batch in self.batches]
        return np.concatenate(parts) if parts else np.zeros(0, bool)

    def _fault(self, name: str) -> str | None:
        batch, row = self._find(name)
        return None if batch.usable(spoken=False)[row] else vector_fault(batch.vectors(row))

    def name_of(self, row: int) -> str:
        """Give the name of a row."""
        return self._index.names[row]

    @property
    def lengths(self) -> np.ndarray:
        """Frames of all clips, by row."""
        return self._index.lengths

    @property
    def batches(self) -> list[Batch]:
        """All batches of all shards; rows are numbered through them."""
        return self._index.batches

    def has_own_files(self, split: str) -> bool:
        """Say whether the clips of a split are those of the shards that are named after it, ``train-00000``."""
        named = [path.stem.rpartition("-")[0] == split for path in self.files]
        own = np.repeat([named[shard] for shard in self._index.shards], [len(batch) for batch in self.batches])
        listed = np.zeros(len(self.lengths), bool)
        listed[self.rows(split)] = True
        return bool((listed == own).all())

    def features(self, name: str) -> np.ndarray:
        batch, row = self._find(name)
        return batch.vectors(row).copy()

    def joints(self, name: str, *, recovered: bool = False) -> np.ndarray:
        batch, row = self._find(name)
        originals = batch.originals(row)
        for folder in ("new_joints",) if recovered else ("joints", "new_joints"):
            if folder in originals:
                return load_bytes(originals[folder])
            found = batch.joints(folder, row)
            if found is not None:
                return found.copy()
        return recover_joints(batch.vectors(row), self.skeleton.num_joints)

    def texts(self, name: str, *, missing_ok: bool = False) -> list[Utterance]:
        batch, row = self._find(name)
        texts, words = (batch.cell(column, row) for column in ("texts_file", "words_file"))
        where = self.root / "texts" / f"{name}.txt"  # the file as it was, and as an export writes it again
        if texts is None:
            if missing_ok:
                return []
            raise FormatError("Cannot read this file.", where=where, found="no texts")
        utterances, malformed, unbelieved = parse_texts(name, texts, words, where=where)
        self._count(name, malformed, unbelieved)
        return utterances

    def stored(self, name: str) -> StoredClip:
        """Give all that is stored of a clip."""
        batch, row = self._find(name)
        return batch.clip(row)

    def moments(self) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
        """Give name, frames, mean and scatter of all usable clips, as `features.feature_stats` merges them.

        They are kept with the clips, so that statistics are made without reading a vector.
        """
        kept: tuple[int, Any] = (-1, None)
        for row in self._select("all", spoken=False).rows.tolist():
            number = int(np.searchsorted(self._index.ends, row, "right"))
            if number != kept[0]:
                kept = number, self.batches[number].moments()
            place = row - int(self._index.ends[number]) + len(self.batches[number])
            mean, scatter = (part[place] for part in kept[1])
            yield self.name_of(row), int(self.lengths[row]), mean, scatter

    # -- writing -----------------------------------------------------------

    @contextmanager
    def writing(self, shard: str) -> Iterator[None]:
        path = self.root / "data" / f"{check_name(shard)}.arrow"
        if self._writer is not None:
            raise CorpusError("A shard is being written already.", where=path)
        settings = {"skeleton": self.skeleton.name, "fps": self.fps}
        try:
            with write_shard(path, shard_schema(self.skeleton.feature_size, settings)) as self._writer:
                yield
        finally:
            self._writer = None
            self.__dict__.pop("_index", None)

    def add_clip(
        self,
        name: str,
        *,
        features: np.ndarray,
        texts: Sequence[Utterance],
        joints: np.ndarray | None = None,
        recovered: np.ndarray | None = None,
    ) -> None:
        features = self._check_clip(name, features, texts)
        if self._writer is None:
            raise CorpusError(
                "Clips of one shard are written together.",
                where=self.root,
                fix="Add them inside `with corpus.writing(name_of_the_shard):`.",
            )
        self._writer.add(StoredClip.made(name, features=features, texts=texts, joints=joints, recovered=recovered))

    def write_splits(self, splits: Mapping[str, Sequence[str]]) -> None:
        super().write_splits(splits)
        write_card(self)  # whoever took a file for a split would now train on what is held out
