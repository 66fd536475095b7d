"""What lets a build go on where it was stopped: a record for each finished video.

A record lies in ``.build/NAME.json`` and is written when all clips of its
video are there. It holds a key over options and source files, and the size and
hash of every file of its clips; as long as the key fits and the files are as
they were written, the video is not made again.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import FormatError
from ..io import Corpus
from ..io._files import read_json
from ..io._hub import is_sharded
from ..io._stored_clips import CLIP_FILES
from ._clips import MIRROR_PREFIX
from ._sources import Source

if TYPE_CHECKING:
    from ._build import BuildOptions

__all__ = [
    "broken_files",
    "clip_files",
    "describe_files",
    "empty_record",
    "finished_record",
    "record_path",
    "source_key",
    "sweep",
]

_CLIP_NAME = re.compile(r"(.+)_\d{3,}", re.DOTALL)
_AFTERWARDS = ("split_sizes", "seed")  # options that change no clip


def record_path(root: str | Path, name: str) -> Path:
    """Say where the record of a video lies."""
    return Path(root) / ".build" / f"{name}.json"


def empty_record(name: str, failed: str | None = None) -> dict[str, Any]:
    """Give the record of a video that has no clips yet."""
    return {
        "name": name,
        "key": None,
        "clips": [],
        "skipped": [],
        "warnings": [],
        "failed": failed,
        "quality": {},
        "files": {},
    }


def source_key(source: Source, options: "BuildOptions") -> str:
    """Hash all that the clips of a video depend on: options, version, and the bytes of its files; OSError if gone."""
    digest = hashlib.sha256()
    facts = {**asdict(options), **asdict(source), "version": __version__}
    for name in ("poses", "transcript", "audio", "notes", *_AFTERWARDS):
        facts.pop(name)
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for path in map(Path, filter(None, (source.poses, source.transcript, source.audio))):
        for file in sorted(path.rglob("*")) if os.path.isdir(path) else [path]:
            if file == path or os.path.isfile(file):
                digest.update(str(file.relative_to(path) if file != path else file.suffix).encode(errors="replace"))
                with file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def finished_record(root: str | Path, source: Source, options: "BuildOptions") -> dict[str, Any] | None:
    """Give the record of a video that need not be made again, else None. Failed videos are always tried again."""
    record = _read_record(record_path(root, source.name))
    if record is None or record["failed"] or not _all_there(Path(root), record, options):
        return None
    try:
        return record if record["key"] == source_key(source, options) else None
    except OSError:
        return None  # a file has gone: making the video again says so properly


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = read_json(path)
    except FormatError:
        return None  # there is none, or somebody has damaged it: the video is made again
    return record if isinstance(record, dict) and empty_record("").keys() <= record.keys() else None


def _all_there(root: Path, record: Mapping[str, Any], options: "BuildOptions") -> bool:
    return set(clip_files(root, record, options)) == record["files"].keys() and not broken_files(root, record["files"])


def clip_files(root: str | Path, record: Mapping[str, Any], options: "BuildOptions") -> list[str]:
    """Give the files of all clips of a video, from the corpus folder on."""
    if is_sharded(root):
        return [] if record["failed"] else [f"data/{record['name']}.arrow"]  # with all clips, or none
    names = _with_twins(record, options.mirror)
    return [f"{folder}/{name}{suffix}" for name in names for folder, suffix in CLIP_FILES.items()]


def describe_files(root: str | Path, names: Iterable[str]) -> dict[str, list[int | str]]:
    """Give the size and the SHA-256 of files."""
    return {name: _state(Path(root) / name) for name in names}


def broken_files(root: str | Path, files: Mapping[str, Sequence[int | str]]) -> dict[str, str]:
    """Say of each file that is not as `describe_files` has described it how it differs; sizes are looked at first."""
    found = {}
    for name, (size, digest) in files.items():
        path = Path(root) / name
        try:
            now = path.stat().st_size
            if now != size:
                found[name] = f"{now} bytes instead of {size}"
            elif _state(path)[1] != digest:
                found[name] = "other bytes than were written"
        except OSError as error:
            found[name] = error.strerror or "cannot be read"
    return found


def _state(path: Path) -> list[int | str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return [file.tell(), digest]


def _with_twins(record: Mapping[str, Any], mirror: bool) -> list[str]:
    names = [clip["name"] for clip in record["clips"]]
    return names + [MIRROR_PREFIX + name for name in names] if mirror else names


def sweep(corpus: Corpus, records: Iterable[dict[str, Any]], options: "BuildOptions") -> None:
    """Remove what earlier builds left: half-written files, and clips and records that belong to no video any more.

    Only files named like clips of videos of this corpus go, so that what else lies in the folder stays.
    """
    for leftover in corpus.root.rglob(".writing-*"):
        leftover.unlink(missing_ok=True)
    current = {record["name"] for record in records}
    before = {path.stem for path in (corpus.root / ".build").glob("*.json")}
    wanted = {name for record in records for name in _with_twins(record, options.mirror)}
    ours = current | before
    owners = ours | {MIRROR_PREFIX + name for name in ours}
    kept = {record["name"] for record in records if not record["failed"]}
    for path in (corpus.root / "data").glob("*.arrow") if is_sharded(corpus.root) else ():
        if path.stem in ours and path.stem not in kept:
            path.unlink()
    for folder, suffix in CLIP_FILES.items():
        for path in (corpus.root / folder).glob(f"*{suffix}"):
            match = _CLIP_NAME.fullmatch(path.stem)
            if match and match[1] in owners and path.stem not in wanted:
                path.unlink(missing_ok=True)
    # Records go last: killed before this point, the next build still knows whose clips they are.
    for name in before - current:
        record_path(corpus.root, name).unlink(missing_ok=True)
