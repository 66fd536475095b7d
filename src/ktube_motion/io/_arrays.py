"""Arrays by name in Arrow files that are mapped: motion tokens of clips, vectors of texts, however many there are."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from ._files import atomic_path, make_folder
from ._shards import arrow, map_stream, told_damaged

__all__ = ["ArrayTable", "NameIndex"]


class NameIndex:
    """Names and where they stand, by their hash: of millions, a dictionary would fill memory.

    Examples
    --------
    >>> pa = arrow()
    >>> index = NameIndex(pa.chunked_array([["가", "나"], ["다"]]))
    >>> index.find("다"), index.find("라"), index[1]
    (2, None, '나')
    """

    def __init__(self, names: Any) -> None:
        self.names = names
        hashes = np.fromiter((hash(name) for chunk in names.chunks for name in chunk.to_pylist()), np.int64, len(names))
        self.order = np.argsort(hashes, kind="stable")
        self.hashes = hashes[self.order]

    def __getitem__(self, row: int) -> str:
        return self.names[int(row)].as_py()

    def find(self, name: str) -> int | None:
        """Give the row of a name, None if it is not there."""
        first, stop = (int(np.searchsorted(self.hashes, hash(name), side)) for side in ("left", "right"))
        return next((row for row in self.order[first:stop].tolist() if self[row] == name), None)

    def twice(self) -> list[str]:
        """Give names that stand there more than once."""
        alike = np.flatnonzero(self.hashes[1:] == self.hashes[:-1])
        pairs = [(self[self.order[k]], self[self.order[k + 1]]) for k in alike.tolist()]
        return [a for a, b in pairs if a == b]


class ArrayTable(Mapping[str, np.ndarray]):
    """Arrays by name in a folder of Arrow files; what was looked up is read, nothing else.

    Parameters
    ----------
    folder : path
    maker : str
        Whose arrays these are, as the fingerprint of a tokenizer. Files that another one left are removed by the
        first `add`.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> ArrayTable(folder, "a").add({"가": np.arange(3), "나": np.arange(2)})
    >>> table = ArrayTable(folder, "a")
    >>> table["나"], len(table), "다" in table, len(ArrayTable(folder, "b"))
    (array([0, 1]), 2, False, 0)
    """

    def __init__(self, folder: str | Path, maker: str) -> None:
        self.folder, self.maker = Path(folder), maker
        self.refresh()

    def refresh(self) -> None:
        """See what is there now."""
        pa, self._batches = arrow(), []
        for path in sorted(self.folder.glob("[!.]*.arrow")) if os.path.isdir(self.folder) else ():
            reader = map_stream(path)
            if _maker(reader.schema) != self.maker:
                continue
            with told_damaged(path):
                found = list(reader)
                for batch in found:
                    _check(batch, path)
            self._batches += found
        self._names = NameIndex(pa.chunked_array([batch.column("name") for batch in self._batches], pa.string()))
        self._ends = np.cumsum([len(batch) for batch in self._batches], dtype=np.int64)

    def __getitem__(self, name: str) -> np.ndarray:
        row = self._names.find(name) if isinstance(name, str) else None
        if row is None:
            raise KeyError(name)
        number = int(np.searchsorted(self._ends, row, "right"))
        batch = self._batches[number]
        place = row - int(self._ends[number]) + len(batch)
        values = batch.column("values")
        first, stop = values.offsets[place].as_py(), values.offsets[place + 1].as_py()
        found = values.values.slice(first, stop - first).to_numpy(zero_copy_only=True)
        return found.reshape(batch.column("shape")[place].as_py()).copy()

    def __iter__(self) -> Iterator[str]:
        return (name for chunk in self._names.names.chunks for name in chunk.to_pylist())

    def __len__(self) -> int:
        return len(self._names.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._names.find(name) is not None

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write more arrays, of one kind of number, into one more file.

        Raises
        ------
        KtubeError
            If the folder cannot be written.
        """
        if not arrays:
            return
        pa = arrow()
        make_folder(self.folder)
        files = sorted(self.folder.glob("[!.]*.arrow"))
        for path in [path for path in files if _maker(map_stream(path).schema) != self.maker]:
            path.unlink()
            files.remove(path)
        batch = _batch(list(arrays), [np.ascontiguousarray(array) for array in arrays.values()], self.maker)
        number = int(files[-1].stem) + 1 if files else 0
        with (
            atomic_path(self.folder / f"{number:06d}.arrow") as temporary,
            temporary.open("wb") as stream,
            pa.ipc.new_stream(stream, batch.schema) as writer,
        ):
            writer.write_batch(batch)
        self.refresh()


def _batch(names: Sequence[str], arrays: Sequence[np.ndarray], maker: str) -> Any:
    pa = arrow()
    offsets = np.concatenate(([0], np.cumsum([array.size for array in arrays]))).astype(np.int32)
    values = pa.array(np.concatenate([array.reshape(-1) for array in arrays]))
    columns = {
        "name": pa.array(names, pa.string()),
        "shape": pa.array([list(array.shape) for array in arrays], pa.list_(pa.int64())),
        "values": pa.ListArray.from_arrays(pa.array(offsets), values),
    }
    batch = pa.record_batch(columns)
    return batch.replace_schema_metadata({"ktube_motion": json.dumps({"maker": maker})})


def _check(batch: Any, path: Path) -> None:
    """Raise what is wrong with a table: a cell that leads out of it, another size than the shape says."""
    batch.validate(full=True)
    sizes = np.diff(batch.column("values").offsets.to_numpy()).tolist()
    shapes = batch.column("shape").to_pylist()
    nulls = any(column.null_count for column in (*batch.columns, batch.column("values").values))
    if nulls or batch.column("name").type != arrow().string() or sizes != [_size(shape) for shape in shapes]:
        fix = "Delete it: what it held is computed again."
        raise FormatError("This table of arrays is damaged.", where=path, found="sizes that do not agree", fix=fix)


def _size(shape: Sequence[int]) -> int | None:
    return math.prod(shape) if min(shape, default=0) >= 0 else None


def _maker(schema: Any) -> str:
    try:
        return str(json.loads(schema.metadata[b"ktube_motion"])["maker"])
    except (TypeError, KeyError, ValueError) as error:
        raise FormatError("This is no table of arrays.", expected="an .arrow file of tokens or vectors") from error
