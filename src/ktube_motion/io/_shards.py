"""Clips in shards: Arrow files of many clips each, which are mapped into memory and never read as a whole.

A row is a clip. Its columns are named after the folders of a corpus, so whoever opens a shard with `datasets` or
pyarrow finds what the folders hold.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CorpusError, FormatError, MissingDependencyError
from ..types import Utterance
from ._files import atomic_path, decode_text
from ._large_pages import LargePageFile
from ._stored_clips import ARRAYS, StoredClip, clip_moments
from ._text_lines import parse_lines
from ._word_times import parse_words

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Batch", "ShardWriter", "arrow", "map_stream", "open_shard", "parse_texts", "shard_schema", "told_damaged",
    "write_shard",
]  # fmt: skip

BATCH_BYTES = 1 << 26  # of arrays; so much a writer holds in memory, and a list's offsets of 32 bits reach far beyond
VERSION = 1
_CLIP_BYTES = 4096  # about what its texts take before they are written
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream of Arrow; without it, a reader takes what is there for all


def arrow() -> Any:
    """Import pyarrow.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
    except ImportError as error:
        raise MissingDependencyError("pyarrow is not installed.", fix="pip install 'ktube_motion[shards]'") from error
    return pyarrow


@contextmanager
def told_damaged(path: Path) -> Iterator[None]:
    """Raise `FormatError` with the path for all that Arrow and NumPy say of spoiled bytes: also what is mapped late."""
    try:
        yield
    except FormatError:
        raise
    # Of pyarrow's own errors some are an OSError or a ValueError, and nothing else.
    except (arrow().ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FormatError("This file of Arrow is damaged, or another one.", where=path, found=error) from error


def shard_schema(feature_size: int, settings: dict[str, Any]) -> "pa.Schema":
    """Give the columns of a shard; `settings` (skeleton, fps) go into its head."""
    pa = arrow()
    joints = pa.list_(pa.list_(pa.list_(pa.float32(), 3)))
    moments = pa.list_(pa.float64(), feature_size)
    said = [("start", pa.float64()), ("end", pa.float64()), ("text", pa.string())]
    word = pa.struct([*said, ("source", pa.string())])
    columns = {
        "name": pa.string(),
        "frames": pa.int64(),
        "finite": pa.bool_(),
        "new_joint_vecs": pa.list_(pa.list_(pa.float32(), feature_size)),
        "joints": joints,
        "new_joints": joints,
        "texts": pa.list_(pa.struct([*said, ("words", pa.list_(word))])),
        "texts_file": pa.binary(),
        "words_file": pa.binary(),
        "mean": moments,
        "scatter": moments,
        "originals": pa.list_(pa.struct([("folder", pa.string()), ("file", pa.binary())])),
    }
    return pa.schema(columns, metadata={"ktube_motion": json.dumps({"version": VERSION, **settings}, sort_keys=True)})


class ShardWriter:
    """Writes clips into one shard, batch by batch; made by `write_shard`."""

    def __init__(self, stream: Any, schema: "pa.Schema") -> None:
        self.schema = schema
        self.size = schema.field("mean").type.list_size
        self.clips: list[StoredClip] = []
        self.bytes = 0
        self.writer = arrow().ipc.new_stream(stream, schema)

    def add(self, clip: StoredClip) -> None:
        """Write one more clip; `CorpusError` if its vectors are of another size."""
        shape = clip.arrays["new_joint_vecs"].shape
        if len(shape) != 2 or shape[1] != self.size:
            where, expected = f"clip {clip.name}", f"(frames, {self.size})"
            raise CorpusError("Motion vectors of the wrong size.", where=where, expected=expected, found=shape)
        self.clips.append(clip)
        self.bytes += _CLIP_BYTES + sum(array.nbytes for array in clip.arrays.values())
        if self.bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has come together."""
        if self.clips:
            self.writer.write_batch(_record_batch(self.clips, self.schema))
        self.clips, self.bytes = [], 0


@contextmanager
def write_shard(path: Path, schema: "pa.Schema") -> Iterator[ShardWriter]:
    """Give a writer of a shard, which is there when all went well, and whole.

    Memory holds one batch, never the shard.
    """
    with atomic_path(path) as temporary, LargePageFile(temporary) as stream:
        writer = ShardWriter(stream, schema)
        with writer.writer:
            yield writer
            writer.flush()


def _record_batch(clips: Sequence[StoredClip], schema: "pa.Schema") -> "pa.RecordBatch":
    pa = arrow()
    vectors = [clip.arrays["new_joint_vecs"] for clip in clips]
    mean, scatter = (np.concatenate(parts) for parts in zip(*map(clip_moments, vectors), strict=True))
    size = schema.field("mean").type.list_size
    said = [_said(clip) for clip in clips]
    columns = {
        "name": pa.array([clip.name for clip in clips]),
        "frames": pa.array([len(array) for array in vectors], pa.int64()),
        "finite": pa.array(np.isfinite(scatter.reshape(-1, size)).all(1)),
        "new_joint_vecs": _frames(vectors, size),
        "joints": _joints([clip.arrays.get("joints") for clip in clips]),
        "new_joints": _joints([clip.arrays.get("new_joints") for clip in clips]),
        "texts": pa.array(said, schema.field("texts").type),
        "texts_file": pa.array([clip.texts for clip in clips], pa.binary()),
        "words_file": pa.array([clip.words for clip in clips], pa.binary()),
        "mean": pa.FixedSizeListArray.from_arrays(pa.array(mean), size),
        "scatter": pa.FixedSizeListArray.from_arrays(pa.array(scatter), size),
        "originals": pa.array(
            [[{"folder": folder, "file": data} for folder, data in sorted(clip.originals.items())] for clip in clips],
            schema.field("originals").type,
        ),
    }
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _said(clip: StoredClip) -> list[dict[str, Any]]:
    """Give what is said in a clip for those who read the columns; `parse_texts` reads the files themselves."""
    utterances, _, _ = parse_texts(clip.name, clip.texts, clip.words)
    return [
        {"start": x.start, "end": x.end, "text": x.text, "words": [vars(word) for word in x.words]} for x in utterances
    ]


def _offsets(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)


def _frames(arrays: Sequence[np.ndarray], size: int) -> "pa.ListArray":
    pa = arrow()
    flat = pa.array(np.concatenate(arrays).reshape(-1))
    offsets = pa.array(_offsets([len(array) for array in arrays]))
    return pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(flat, size))


def _joints(arrays: Sequence[np.ndarray | None]) -> "pa.ListArray":
    """Give joints ``(T, J, 3)`` of each clip, null where there are none."""
    pa = arrow()
    there = [np.zeros((0, 1, 3), np.float32) if array is None else array for array in arrays]
    points = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate([x.reshape(-1) for x in there])), 3)
    counts = np.concatenate([np.full(len(array), array.shape[1]) for array in there])
    frames = pa.ListArray.from_arrays(pa.array(_offsets(counts)), points)
    missing = pa.array([array is None for array in arrays])
    return pa.ListArray.from_arrays(pa.array(_offsets([len(array) for array in there])), frames, mask=missing)


def parse_texts(
    name: str, texts: bytes | None, words: bytes | None, *, where: str | Path | None = None
) -> tuple[list[Utterance], list[FormatError], int]:
    """Read what is said in a clip: the utterances, malformed lines, and how many lines have words not to be believed.

    `where` is the file that messages name; by default the clip.
    """
    where = name if where is None else where
    lines = list(parse_lines(decode_text(texts or b"", where=where), where=where))
    told = [line.text if isinstance(line, Utterance) else None for line in lines]
    times, unbelieved = parse_words(words, told, where=where)
    utterances = [
        replace(line, words=spoken) for line, spoken in zip(lines, times, strict=True) if isinstance(line, Utterance)
    ]
    return utterances, [line for line in lines if not isinstance(line, Utterance)], unbelieved


class Batch:
    """Clips of a shard whose arrays lie end to end, in memory that the system maps from the file."""

    def __init__(self, columns: "pa.RecordBatch", path: Path) -> None:
        self.columns, self.path = columns, path
        vectors = columns.column("new_joint_vecs")
        with told_damaged(path):
            columns.validate()  # that all columns lie inside the file; what is in their cells is looked at with each
            for name in ("name", "frames", "finite", "new_joint_vecs"):
                columns.column(name).validate(full=True)
                if columns.column(name).null_count:
                    raise FormatError("This shard is damaged.", where=path, found=f"a clip without {name}")
            # All frames of the batch, and where each clip begins among them.
            self.frames: np.ndarray = _numbers(vectors.values.values).reshape(-1, vectors.type.value_type.list_size)
            self.offsets: np.ndarray = _numbers(vectors.offsets)
            if not np.array_equal(np.diff(self.offsets), _numbers(columns.column("frames"))):
                raise FormatError("This shard is damaged.", where=path, found="other counts of frames than its clips'")

    def __len__(self) -> int:
        return len(self.columns)

    def vectors(self, row: int) -> np.ndarray:
        """Give the vectors of a clip ``(T, D)``; mapped, and not to be written into."""
        return self.frames[self.offsets[row] : self.offsets[row + 1]]

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the means and scatters of all clips, float64 ``(clips, D)``."""
        size = self.frames.shape[1]
        with told_damaged(self.path):
            found = [_numbers(self.columns.column(name).values).reshape(-1, size) for name in ("mean", "scatter")]
        return found[0], found[1]

    def usable(self, *, spoken: bool) -> np.ndarray:
        """Say of all clips whether a model can read them, bool ``(clips,)``; with `spoken` they need a text, too."""
        finite: np.ndarray = self.columns.column("finite").to_numpy(zero_copy_only=False)
        found = finite & (np.diff(self.offsets) > 0)
        if spoken:
            texts = arrow().compute.list_value_length(self.columns.column("texts")).fill_null(0)
            found &= texts.to_numpy(zero_copy_only=False) > 0
        return found

    def cell(self, column: str, row: int) -> Any:
        """Give one value in Python's own types."""
        with told_damaged(self.path):
            value = self.columns.column(column).slice(row, 1)
            value.validate(full=True)
            return value[0].as_py()

    def joints(self, column: str, row: int) -> np.ndarray | None:
        """Give the joints of a clip ``(T, J, 3)``, None where there are none."""
        with told_damaged(self.path):
            found = self.columns.column(column).slice(row, 1)
            found.validate(full=True)
            if not found[0].is_valid:
                return None
            frames = found.flatten()
            points = frames.flatten().flatten()
            count = len(points) // 3 // len(frames) if len(frames) else 0
            return _numbers(points).reshape(len(frames), count, 3)

    def has(self, folder: str, row: int) -> bool:
        """Say whether a clip has a file in a folder of a corpus."""
        column = f"{folder}_file" if folder in ("texts", "words") else folder
        # Not of the cell, which Arrow would read at once: of a spoiled one it ends the process.
        there = self.columns.column(column).slice(row, 1).is_valid()[0].as_py()
        return there or folder in self.originals(row)

    def originals(self, row: int) -> dict[str, bytes]:
        """Give the files of a clip that NumPy would write otherwise, by folder."""
        return {entry["folder"]: entry["file"] for entry in self.cell("originals", row)}

    def clip(self, row: int) -> StoredClip:
        """Give all that is stored of a clip."""
        arrays = {"new_joint_vecs": self.vectors(row)}
        for folder in ("joints", "new_joints"):
            found = self.joints(folder, row)
            if found is not None:
                arrays[folder] = found
        texts, words = (self.cell(column, row) for column in ("texts_file", "words_file"))
        ordered = {folder: arrays[folder] for folder in ARRAYS if folder in arrays}
        return StoredClip(self.cell("name", row), ordered, texts, words, self.originals(row))


def _numbers(array: "pa.Array") -> np.ndarray:
    numbers: np.ndarray = array.to_numpy(zero_copy_only=True)
    return numbers


def open_shard(path: Path) -> tuple[list[Batch], dict[str, Any]]:
    """Map a shard into memory: its batches, and its settings.

    Raises
    ------
    FormatError
        If it is damaged, or no shard of a corpus.
    """
    reader = map_stream(path)
    with told_damaged(path):
        settings = json.loads((reader.schema.metadata or {})[b"ktube_motion"])
        wanted = shard_schema(reader.schema.field("mean").type.list_size, {})
        if not reader.schema.equals(wanted, check_metadata=False):
            raise FormatError("The columns of this shard are others.", where=path, expected=wanted.names)
        return [Batch(batch, path) for batch in reader], settings


def map_stream(path: Path) -> Any:
    """Map a file of an Arrow stream into memory, and give its reader; `FormatError` if it is none, or cut off."""
    pa = arrow()
    with told_damaged(path):
        with pa.memory_map(str(path)) as source:
            # The map outlives the file, which is closed: of open files there may be a thousand, of maps many more.
            buffer = source.read_buffer()
        if buffer.slice(max(buffer.size - len(_END), 0)) != _END:
            raise FormatError("This file was cut off.", where=path, fix="Copy it again.")
        return pa.ipc.open_stream(buffer)
