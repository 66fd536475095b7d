"""Pose files and transcripts of one name belong together; of several that do, the best is chosen and told."""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import CorpusError, KtubeError
from ..io import load_poses
from ..io._characters import normalize_text
from ..io._transcripts import TRANSCRIPT_FORMATS
from ._sources import Source
from ._watching import VIDEOS, is_video

__all__ = ["pair_sources", "pair_videos", "pose_sources"]

logger = logging.getLogger(__name__)

# In this order where several have one name. A folder holds a file a frame.
_POSES = (".npz", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".npy", ".json", ".jsonl", ".json.gz", "")
# What poses or tables may be called too: a transcript only where its folder holds nothing else.
_AMBIGUOUS = {"json", "jsonl", "txt", "text", "csv", "tsv", "sub"}
_SUBTITLES = {f".{suffix}" for kind in TRANSCRIPT_FORMATS.values() for suffix in kind.suffixes}
_BEST = (".srt", ".vtt")  # then by the alphabet
_LANGUAGE = re.compile(
    r"[a-z]{2,3}(?:[-_][A-Za-z0-9]+)*|korean|english|japanese|chinese|한국어|한글|영어", re.IGNORECASE
)
_KOREAN = re.compile(r"(?:ko|kor|korean|한국어|한글)(?:[-_](?:kr|kore|orig))?", re.IGNORECASE)
_AUTOMATIC = re.compile(r"auto(?:matic|generated)?|asr|orig|a|자동|자동생성", re.IGNORECASE)
_FRAME = re.compile(r"\d+$")
_MEDIA = re.compile(r"\.(?:mp4|mkv|webm|mov|avi|m4a|mp3|wav|opus)$", re.IGNORECASE)


def pair_sources(poses: str | Path, transcripts: str | Path, **options: Any) -> tuple[list[Source], list[str]]:
    """Pair pose files with transcripts of the same name.

    Parameters
    ----------
    poses, transcripts : path
        Folders, or one folder that holds both; `pose_sources` says what poses may be. Names are compared without
        their suffixes, a transcript's also without its language (``talk.json``
        and ``talk.ko.srt`` fit), and normalised, so that it does not matter which system wrote them.
    **options
        Given to each `Source`.

    Returns
    -------
    sources : list of Source
        Where there was a choice, ``notes`` says what was taken and what was left; it is logged, too.
    alone : list of str
        Files that have no partner.

    Raises
    ------
    CorpusError
        If a folder is missing.

    Notes
    -----
    Of several transcripts: Korean before no language before others; made by people before automatic (``-orig``,
    ``.auto``); ``.srt``, ``.vtt``, then others. Of several pose files: ``.npz``, ``.pt``, ``.pkl``, ``.npy``,
    ``.json``, a folder. Media, pictures and ``.info.json`` beside them are no poses; see `find_audio` for the sound.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.json", "a.info.json", "a.mp4", "a.ko.srt", "a.en.srt", "b.json"):
    ...     (folder / name).touch()
    >>> sources, alone = pair_sources(folder, folder)
    >>> [source.transcript.name for source in sources], [Path(path).name for path in alone]
    (['a.ko.srt'], ['b.json'])
    """
    return _pair(_videos(poses), poses, transcripts, options)


def pair_videos(videos: str | Path, transcripts: str | Path, **options: Any) -> tuple[list[Source], list[str]]:
    """Pair video files, in which the poses are still to be found, with transcripts of the same name.

    Parameters
    ----------
    videos, transcripts : path
        Folders, or one folder that holds both; see `pair_sources`.
    **options
        Given to each `Source`.

    Returns
    -------
    sources : list of Source
        Whose poses `build_corpus` estimates with the engine of its options.
    alone : list of str
        Files that have no partner.

    Raises
    ------
    CorpusError
        If a folder is missing.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a.mp4", "a.ko.srt", "a.json", "b.webm"):
    ...     (folder / name).touch()
    >>> sources, alone = pair_videos(folder, folder)
    >>> [(source.poses.name, source.transcript.name) for source in sources], [Path(path).name for path in alone]
    ([('a.mp4', 'a.ko.srt')], ['b.webm'])
    """
    found = _by_name(videos, is_video, lambda path: normalize_text(path.stem))
    return _pair(found, videos, transcripts, {"format": "smplx", **options})


def _pair(
    found: dict[str, list[Path]], folder: str | Path, transcripts: str | Path, options: Mapping[str, Any]
) -> tuple[list[Source], list[str]]:
    """Pair what was found in a folder with transcripts."""
    shared = Path(folder).resolve() == Path(transcripts).resolve()
    spoken = _by_name(
        transcripts,
        lambda path: _is_transcript(path, shared),
        lambda path: _spoken_name(normalize_text(_MEDIA.sub("", path.stem)), found),
    )
    weak = {name for name, paths in spoken.items() if shared and all(_suffix(path) in _AMBIGUOUS for path in paths)}
    both = sorted(found.keys() & spoken.keys())
    alone = [
        str(path)
        for side in (found, spoken)
        for name in sorted(side.keys() - set(both) - (weak if side is spoken else set()))
        for path in side[name]
    ]
    return [_source(name, found[name], spoken[name], options) for name in both], alone


def pose_sources(folder: str | Path) -> dict[str, Path]:
    """Find the videos of a folder of poses.

    Parameters
    ----------
    folder : path
        A file for each video, or a folder for each with a file for each frame; or one video's frames themselves.

    Returns
    -------
    videos : dict of str to Path
        What `io.load_poses` reads, by the name of the video.

    Raises
    ------
    CorpusError
        If the folder is missing.

    Examples
    --------
    >>> import json, tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "talk"
    >>> folder.mkdir()
    >>> for frame in range(3):
    ...     _ = (folder / f"{frame:06d}.json").write_text(json.dumps({"root_pose": [0, 0, 0], "body_pose": [0] * 63}))
    >>> [*pose_sources(folder)], [*pose_sources(folder.parent)]
    (['talk'], ['talk'])
    """
    return {name: min(paths, key=_pose_rank) for name, paths in _videos(folder).items()}


def _videos(folder: str | Path) -> dict[str, list[Path]]:
    """Give the pose files of a folder by name; where they are the frames of one video, the folder."""
    found, folder = _by_name(folder, _is_pose, _stem), Path(folder)
    numbered = len(found) > 1 and all(_FRAME.search(name) for name in found)
    some = [paths[0] for paths in list(found.values())[:3]]
    if not (numbered and len({_FRAME.sub("", name) for name in found}) == 1 and max(map(_seen_frames, some)) == 1):
        return found
    return {normalize_text(folder.resolve().name): [folder]}


def _seen_frames(path: Path) -> int:
    """Count the frames of a file in which somebody is seen."""
    try:
        return 0 if os.path.isdir(path) else int(load_poses(path).valid.sum())
    except KtubeError:
        return 0  # what cannot be read is told when its video is made


def _source(name: str, poses: Iterable[Path], transcripts: Iterable[Path], options: Mapping[str, Any]) -> Source:
    poses = sorted(poses, key=_pose_rank)
    transcripts = sorted(transcripts, key=lambda path: _transcript_rank(path, name))
    notes = [
        f"{name}: of {len(paths)} files {paths[0].name} is taken; left: {', '.join(path.name for path in paths[1:])}"
        for paths in (poses, transcripts)
        if len(paths) > 1
    ]
    for note in notes:
        logger.info(note)
    return Source(poses[0], transcripts[0], name, **{"notes": tuple(notes), **options})


def _suffix(path: Path) -> str:
    return path.suffix.lower().lstrip(".")


def _is_pose(path: Path) -> bool:
    return os.path.isdir(path) or (_pose_suffix(path) in _POSES[:-1] and not path.name.lower().endswith(".info.json"))


def _pose_suffix(path: Path) -> str:
    return ".json.gz" if path.name.lower().endswith(".json.gz") else path.suffix.lower()


def _is_transcript(path: Path, shared: bool) -> bool:
    known = path.suffix.lower() in _SUBTITLES and os.path.isfile(path) and not path.name.lower().endswith(".info.json")
    return known and not (shared and _suffix(path) in ("json", "jsonl"))


def _stem(path: Path) -> str:
    return normalize_text(path.name if os.path.isdir(path) else path.name[: len(path.name) - len(_pose_suffix(path))])


def _spoken_name(stem: str, poses: Container[str]) -> str:
    """Take languages and marks from the end of a name until poses are called so, or nothing is left to take."""
    name = stem
    while name not in poses:
        shorter, dot, tag = name.rpartition(".")
        if not (dot and shorter and (_LANGUAGE.fullmatch(tag) or _AUTOMATIC.fullmatch(tag))):
            return stem if name == stem else name
        name = shorter
    return name


def _pose_rank(path: Path) -> tuple[int, str]:
    if is_video(path):
        return VIDEOS.index(path.suffix.lower()), path.name
    return _POSES.index("" if os.path.isdir(path) else _pose_suffix(path)), path.name


def _transcript_rank(path: Path, name: str) -> tuple[int, bool, int, str]:
    """Korean first, then people before machines, then the plainest format."""
    marks = [mark for mark in normalize_text(_MEDIA.sub("", path.stem))[len(name) :].split(".") if mark]
    languages = [mark for mark in marks if _LANGUAGE.fullmatch(mark) and not _AUTOMATIC.fullmatch(mark)]
    korean = any(_KOREAN.fullmatch(mark) for mark in languages)
    automatic = any(_AUTOMATIC.fullmatch(part) for mark in marks for part in re.split("[-_]", mark))
    suffix = path.suffix.lower()
    order = _BEST.index(suffix) if suffix in _BEST else len(_BEST)
    return 0 if korean else 2 if languages else 1, automatic, order, path.name


def _by_name(
    folder: str | Path, wanted: Callable[[Path], bool], name_of: Callable[[Path], str]
) -> dict[str, list[Path]]:
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise CorpusError("This folder does not exist.", where=folder)
    names: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and wanted(path):
            names[name_of(path)].append(path)
    return dict(names)
