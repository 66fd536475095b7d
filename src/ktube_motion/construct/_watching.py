"""A source that is a video file: its poses are estimated once, kept in the corpus, and read like any estimator's."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import FormatError
from ..io import save_poses
from ..io._files import read_json, write_json
from ._sources import Source

if TYPE_CHECKING:
    from ._build import BuildOptions

__all__ = ["VIDEOS", "is_video", "watch", "watched_file"]

VIDEOS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".flv", ".mpg", ".mpeg", ".wmv", ".3gp")


def is_video(path: Path) -> bool:
    """Say whether a source is a video file, by its suffix."""
    return path.suffix.lower() in VIDEOS and not os.path.isdir(path)


def watched_file(root: str | Path, name: str) -> Path:
    """Say where the poses of a video lie in the corpus."""
    return Path(root) / "poses" / f"{name}.npz"


def watch(source: Source, root: str | Path, options: "BuildOptions") -> tuple[Path, dict[str, Any], list[str]]:
    """Give the file of a video's poses, what the manifest says of them, and warnings.

    What is finished of a video, a minute or a shot at a time, lies in ``.build/watching/`` until all of it is.
    """
    from ..video import estimate_landmarks, fit_video

    file, facts = watched_file(root, source.name), watched_file(root, source.name).with_suffix(".json")
    key = _key(source, options)
    if os.path.isfile(file) and (kept := _kept(facts, key)) is not None:
        return file, kept["quality"], kept["warnings"]
    working = Path(root) / ".build" / "watching" / source.name / key[:16]
    working.mkdir(parents=True, exist_ok=True)
    seen = estimate_landmarks(
        source.poses, engine=options.engine, models=options.models, fps=options.video_fps, hands=options.fingers,
        cache=working, progress=lambda done, total: write_json(working / "progress.json", [done, total]),
    )  # fmt: skip
    poses, mended = fit_video(seen, where=source.poses)
    file.parent.mkdir(exist_ok=True)
    save_poses(poses, file)
    quality = {"shots": len(seen.shots), "mended": mended, "estimator": seen.estimator}
    write_json(facts, {"key": key, "quality": quality, "warnings": seen.warnings})
    shutil.rmtree(working.parent)
    return file, quality, seen.warnings


def _kept(facts: Path, key: str) -> dict[str, Any] | None:
    try:
        kept = read_json(facts)
    except FormatError:
        return None
    return kept if isinstance(kept, dict) and kept.get("key") == key else None


def _key(source: Source, options: "BuildOptions") -> str:
    """Hash what the poses depend on: the video, who looks at it and how."""
    digest = hashlib.sha256()
    said = [__version__, options.engine, options.models, options.video_fps, options.fingers]
    digest.update(json.dumps(said).encode())
    with source.poses.open("rb") as opened:
        digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
