"""What a corpus's ``manifest.json`` says of its clips: believed only where it is as a build writes it."""

import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ._clip_names import check_path
from ._files import read_json

__all__ = ["MANIFEST", "read_manifest"]

MANIFEST = "manifest.json"
_LARGEST = 1e15  # no count, size or time of a corpus comes near it
_WHOLE: dict[str, type] = {
    "clips": list, "sources": list, "skipped": list, "failed": dict, "excluded": list, "warnings": list,
    "options": dict, "counts": dict, "files": dict, "version": str,
}  # fmt: skip
_CLIP: dict[str, type] = {
    "name": str, "text": str, "source": str, "speaker": str, "frames": int, "start": float, "end": float,
    "filled": float, "jitter_before": float, "jitter_after": float, "syllables": int, "hands": list, "words": dict,
    "confidence": float,
}  # fmt: skip
_SOURCE: dict[str, type] = {
    "name": str, "transcript": str, "poses": str, "fps": float, "speaker": str, "clips": int, "skipped": int,
    "seconds": float,
}  # fmt: skip
_SKIPPED: dict[str, type] = {"reason": str, "problem": str}
_KINDS = {list: "a list", dict: "an object", str: "text", int: "a whole number", float: "a number"}


def read_manifest(root: str | Path, *, needed: Collection[str] = (), of_clips: Collection[str] = ()) -> dict[str, Any]:
    """Read the manifest of a corpus.

    Parameters
    ----------
    root : path
        The corpus.
    needed : collection of str
        Entries it must have.
    of_clips : collection of str
        Entries every clip must have, besides its name.

    Returns
    -------
    manifest : dict
        Empty where there is none and nothing is `needed`.

    Raises
    ------
    CorpusError
        If an entry is missing or of another kind than a build writes, or a clip's name would leave the folder.
    FormatError
        If the file is not JSON.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / MANIFEST).write_text('{"clips": [{"name": "../a"}]}')
    >>> read_manifest(folder)
    Traceback (most recent call last):
    ktube_motion.errors.CorpusError: The clip name '..' ...
    """
    path = Path(root) / MANIFEST
    if not os.path.exists(path) and not needed:
        return {}
    if not os.path.exists(path):
        raise CorpusError("Nothing is known of the clips here.", where=path, expected="a manifest by build_corpus")
    manifest = _checked(read_json(path), _WHOLE, needed, path)
    for clip in manifest.get("clips", ()):
        _checked(clip, _CLIP, ("name", *of_clips), path)
        check_path(clip["name"])
        _texts(clip.get("hands", ()), path)
        _numbers(clip.get("words", {}), path)
    for source in manifest.get("sources", ()):
        _checked(source, _SOURCE, ("name",), path)
    for skip in manifest.get("skipped", ()):
        _checked(skip, _SKIPPED, ("reason",), path)
    for name in ("excluded", "warnings"):
        _texts(manifest.get(name, ()), path)
    _texts(manifest.get("failed", {}).values(), path)
    for name, state in manifest.get("files", {}).items():
        check_path(name)
        if not isinstance(state, list) or len(state) != 2 or not _is(state[0], int) or not _is(state[1], str):
            raise _other(path, f"of the file {name}", "its size and its SHA-256", state)
    return manifest


def _checked(value: Any, kinds: Mapping[str, type], needed: Collection[str], path: Path) -> dict[str, Any]:
    """Give an object back if it has what is needed, and all that it has is of its kind."""
    if not isinstance(value, dict):
        raise _other(path, "here", "an object", value)
    missing = [name for name in needed if name not in value]
    if missing:
        raise CorpusError("The manifest does not tell enough.", where=path, expected=", ".join(missing))
    for name, item in value.items():
        kind = kinds.get(name)
        # What is not known, as the name of a video without a transcript, is null.
        if kind is not None and not _is(item, kind) and (item is not None or name in needed):
            raise _other(path, f"of {name}", _KINDS[kind], item)
    return value


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float):
        number = isinstance(value, int) or (kind is float and isinstance(value, float))
        return number and not isinstance(value, bool) and abs(value) < _LARGEST and math.isfinite(value)
    return isinstance(value, kind)


def _texts(values: Collection[Any], path: Path) -> None:
    for value in values:
        if not isinstance(value, str):
            raise _other(path, "in a list", "text", value)


def _numbers(values: Mapping[str, Any], path: Path) -> None:
    for value in values.values():
        if not _is(value, int):
            raise _other(path, "in a count", "a whole number", value)


def _other(path: Path, what: str, expected: str, found: Any) -> CorpusError:
    return CorpusError(
        f"The manifest says something else {what}.", where=path, expected=expected, found=str(found)[:80],
        fix="Was it edited? The same build command writes it anew.",
    )  # fmt: skip
