"""From folders of poses and transcripts to a KTubeUM corpus: parallel, resumable, with every skip counted."""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import ConfigError, CorpusError, DataError, KtubeError
from ..io import Corpus, check_name, load_poses, load_transcript
from ..io.files import read_json, write_json
from ..skeletons import Skeleton
from .clips import MIRROR_PREFIX, add_motion
from .splits import finish_corpus

__all__ = ["BuildOptions", "BuildReport", "Source", "build_corpus", "pair_sources"]

SUBTITLES = {".srt", ".vtt", ".sbv", ".textgrid", ".json3"}  # what tells transcripts from poses in one folder


@dataclass(frozen=True)
class Source:
    """One video: its poses, its transcript, and what is known of both.

    Attributes
    ----------
    poses, transcript : path
        As `io.load_poses` and `io.load_transcript` read them.
    name : str
        What its clips are called: ``NAME_000``, ``NAME_001``, …
    speaker : str
        Who speaks; the name where not given.
    offset : float
        Seconds to add to the transcript's times.
    fps : float or None
        Frame rate of the poses where the file does not say it.
    format : str
        Pose format, found out by default.
    """

    poses: Path
    transcript: Path
    name: str
    speaker: str = ""
    offset: float = 0.0
    fps: float | None = None
    format: str = "auto"


@dataclass(frozen=True)
class BuildOptions:
    """How clips are made.

    Attributes
    ----------
    fps : float
        Of the corpus.
    skeleton : str
        ``smpl_22`` or, with fingers, ``smplh_52``.
    root : str
        ``first``, ``median`` or ``identity``: the one value that the root is
        fixed to; ``moving`` leaves it as the estimator gave it.
    max_gap_seconds : float
        Longest stretch without a detection that is filled.
    cutoff_hz : float or None
        Of the low-pass filter; None leaves the jitter in.
    rest_lower_body : bool
        Hold hips and legs at rest, for speakers filmed from the waist up.
    min_seconds, max_seconds : float
        Length of an utterance.
    mirror : bool
        Add a mirrored twin ``M…`` of each clip.
    split_sizes : (float, float, float)
        Shares of train, val and test, in seconds of speech, by video.
    seed : int
        Of the split.
    """

    fps: float = 20.0
    skeleton: str = "smpl_22"
    root: str = "median"
    max_gap_seconds: float = 0.5
    cutoff_hz: float | None = 3.0
    rest_lower_body: bool = False
    min_seconds: float = 2.0
    max_seconds: float = 9.8
    mirror: bool = True
    split_sizes: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self):
        if self.root not in ("first", "median", "identity", "moving"):
            raise ConfigError("Unknown root option.", expected="first, median, identity or moving", found=self.root)
        if not 0 < self.min_seconds < self.max_seconds:
            raise ConfigError(
                "No utterance can be that long.",
                expected="0 < min_seconds < max_seconds",
                found=(self.min_seconds, self.max_seconds),
            )
        Skeleton.named(self.skeleton)


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes
    ----------
    clips : int
        Clips in the corpus, mirrored ones not counted.
    seconds : float
        Their length together.
    skipped : list of dict
        Each clip that was left out: ``source``, ``start``, ``end``, ``text``, ``reason``.
    failed : dict of str to str
        Sources of which nothing could be used, and why.
    warnings : list of str
    """

    clips: int
    seconds: float
    skipped: list[dict] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __str__(self):
        lines = [f"{self.clips} clips, {self.seconds / 60:.1f} minutes"]
        lines += [f"skipped {skip['source']} {skip['start']:.1f}s: {skip['reason']}" for skip in self.skipped]
        lines += [f"failed {name}: {reason}" for name, reason in self.failed.items()]
        return "\n".join([*lines, *self.warnings])


def pair_sources(poses, transcripts, **options) -> tuple[list[Source], list[str]]:
    """Pair pose files with transcripts of the same name.

    Parameters
    ----------
    poses, transcripts : path
        Folders, or one folder that holds both; names are compared without
        their suffixes (``talk.json`` and ``talk.ko.srt`` fit).
    **options
        Given to each `Source`.

    Returns
    -------
    sources : list of Source
    alone : list of str
        Files that have no partner.

    Raises
    ------
    CorpusError
        If a folder is missing, or two files have the same name.
    """
    shared = Path(poses).resolve() == Path(transcripts).resolve()
    found = [_by_name(poses, lambda path: not shared or path.suffix.lower() not in SUBTITLES)]
    found += [_by_name(transcripts, lambda path: not shared or path.suffix.lower() in SUBTITLES)]
    both = sorted(found[0].keys() & found[1].keys())
    alone = [str(found[side][name]) for side in (0, 1) for name in sorted(found[side].keys() - set(both))]
    return [Source(found[0][name], found[1][name], name, **options) for name in both], alone


def _by_name(folder, wanted):
    folder = Path(folder)
    if not folder.is_dir():
        raise CorpusError("This folder does not exist.", where=folder)
    names: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not wanted(path):
            continue
        name = path.name if path.is_dir() else path.name.split(".")[0]
        if name in names:
            raise CorpusError("Two files have the same name.", where=folder, found=(names[name].name, path.name))
        names[name] = path
    return names


def build_corpus(
    sources: Iterable[Source],
    root,
    *,
    options: BuildOptions | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> BuildReport:
    """Build a KTubeUM corpus, or finish one that was interrupted.

    Parameters
    ----------
    sources : iterable of Source
        One a video; `pair_sources` makes them from two folders.
    root : path
        The corpus folder.
    options : BuildOptions, optional
    executor : concurrent.futures.Executor, optional
        Where videos are processed. By default a process pool; a cluster's is
        ``dask.distributed.Client.get_executor()``.
    progress : bool
        Show a bar, on a terminal.

    Returns
    -------
    report : BuildReport
        Also written, with every clip, to ``manifest.json``.

    Raises
    ------
    CorpusError
        If two sources have the same name, or none gave a clip.

    Notes
    -----
    A bad clip or video never stops a build: it is skipped, counted and
    listed. A build killed at any moment and started again ends with the
    same bytes: each finished video leaves a record in ``.build/``, and a
    video whose files or options have changed is made anew.
    """
    from tqdm import tqdm

    sources, options, root = list(sources), options or BuildOptions(), Path(root)
    names = [check_name(source.name) for source in sources]
    if len(set(names)) < len(names):
        raise CorpusError("Two sources have the same name.", found=sorted(n for n in names if names.count(n) > 1)[0])
    corpus = Corpus.create(root, skeleton=Skeleton.named(options.skeleton), fps=options.fps)
    _remove_leftovers(corpus, names)
    records: dict[str, dict] = {}
    pending = []
    for source in sources:
        record = _finished(root, source, options)
        if record is None:
            pending.append(source)
        else:
            records[source.name] = record
    bar = tqdm(
        total=len(sources), initial=len(records), desc="videos", unit="video", disable=None if progress else True
    )
    with bar, _workers(executor, len(pending)) as workers:
        futures = [workers.submit(_build_video, source, root, options) for source in pending]
        for future in as_completed(futures):
            record = future.result()
            records[record["name"]] = record
            bar.update()
    return _finish(corpus, [records[name] for name in names], options)


@contextmanager
def _workers(executor, jobs):
    """Give the caller's executor as it is, or a pool of our own that ends with us."""
    if executor is not None:
        yield executor
        return
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context

    if jobs <= 1:  # a process of its own would only cost its start
        with ThreadPoolExecutor(1) as pool:
            yield pool
        return
    # Forking a process that has used torch's threads can hang it.
    count = min(jobs, os.cpu_count() or 1)
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield pool


def _one_thread():
    import torch

    torch.set_num_threads(1)


def _record_path(root, name):
    return Path(root) / ".build" / f"{name}.json"


def _key(source, options):
    """Tell whether a video must be made again: options, version, and the bytes of its files."""
    digest = hashlib.sha256()
    facts = {**asdict(options), **asdict(source), "version": __version__}
    for name in ("poses", "transcript", "split_sizes", "seed"):
        facts.pop(name)
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for path in (Path(source.poses), Path(source.transcript)):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.name.encode())
                with file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _finished(root, source, options):
    path = _record_path(root, source.name)
    if not path.exists():
        return None
    record = read_json(path)
    return record if record.get("key") == _key(source, options) else None


def _remove_leftovers(corpus, names):
    """Remove half-written files, and clips of videos that are no longer among the sources."""
    for leftover in corpus.root.rglob(".writing-*"):
        leftover.unlink()
    for path in (corpus.root / ".build").glob("*.json"):
        if path.stem not in names:
            _remove_clips(corpus, read_json(path))
            path.unlink()


def _remove_clips(corpus, record):
    for clip in record["clips"]:
        for name in (clip["name"], MIRROR_PREFIX + clip["name"]):
            check_name(name)
            for folder, suffix in (
                ("new_joint_vecs", "npy"),
                ("new_joints", "npy"),
                ("joints", "npy"),
                ("texts", "txt"),
            ):
                (corpus.root / folder / f"{name}.{suffix}").unlink(missing_ok=True)


def _build_video(source, root, options):
    """Make all clips of one video; runs in a worker, and never raises for bad data."""
    corpus = Corpus(root)
    path = _record_path(root, source.name)
    if path.exists():
        _remove_clips(corpus, read_json(path))
    record = {
        "name": source.name,
        "key": _key(source, options),
        "speaker": source.speaker or source.name,
        "poses": str(source.poses),
        "transcript": str(source.transcript),
        "clips": [],
        "skipped": [],
        "warnings": [],
        "failed": None,
    }
    try:
        motion, valid, seen = _clean_motion(source, options)
        spoken = _utterances(source, options)
        _compare_lengths(record, motion.seconds, spoken)
        _cut_clips(corpus, record, motion, valid, seen, spoken, options)
    except KtubeError as error:
        record["failed"] = str(error)
    write_json(path, record)
    return record


def _clean_motion(source, options):
    from ..filters import clean_poses, resample, rest_lower_body
    from ..kinematics import pose_to_joints

    raw = load_poses(source.poses, format=source.format, fps=source.fps)
    poses = clean_poses(
        raw,
        root=None if options.root == "moving" else options.root,
        max_gap_seconds=options.max_gap_seconds,
        cutoff_hz=options.cutoff_hz,
    )
    if options.rest_lower_body:
        poses = rest_lower_body(poses)
    poses = resample(poses, fps=options.fps)
    nearest = np.round(np.arange(len(poses)) * raw.fps / options.fps).astype(int)
    seen = raw.valid[np.minimum(nearest, len(raw) - 1)]
    # Unseen frames have no pose; they get joints all the same, and no clip that holds one is kept.
    motion = pose_to_joints(poses.replace(valid=None), skeleton=Skeleton.named(options.skeleton))
    return motion, poses.valid, seen


def _utterances(source, options):
    from ..text import utterances

    cues = load_transcript(source.transcript, offset=source.offset)
    return utterances(cues, min_seconds=options.min_seconds, max_seconds=options.max_seconds)


def _compare_lengths(record, seconds, utterances):
    last = utterances[-1].end if utterances else 0.0
    if abs(last - seconds) > 1.0:
        record["warnings"].append(
            f"{record['name']}: the poses end at {seconds:.1f} s, the words at {last:.1f} s; is the frame rate right?"
        )


def _cut_clips(corpus, record, motion, valid, seen, utterances, options):
    from ..text import tag_korean

    for number, utterance in enumerate(utterances):
        name = f"{record['name']}_{number:03d}"
        # The codec gives one vector fewer than frames: take the next frame too, where there is one.
        first, last = max(round(utterance.start * options.fps), 0), round(utterance.end * options.fps) + 1
        place = {"start": utterance.start, "end": utterance.end, "text": utterance.text}
        try:
            _check_clip(utterance, valid[first:last], last - first, options)
            words = replace(utterance, start=0.0, end=0.0, words=(), tokens=tuple(tag_korean(utterance.text)))
            frames = add_motion(corpus, name, motion[first:last], [words], mirror=options.mirror)
        except KtubeError as error:
            record["skipped"].append({"source": record["name"], **place, "reason": str(error)})
            continue
        filled = round(1 - float(seen[first:last].mean()), 4)
        record["clips"].append({"name": name, **place, "frames": frames, "filled": filled})


def _check_clip(utterance, valid, wanted, options):
    if utterance.seconds < options.min_seconds - 0.5 / options.fps:
        raise DataError(
            "The utterance is too short.",
            expected=f"{options.min_seconds:g} s",
            found=f"{utterance.seconds:.2f} s",
        )
    if wanted - len(valid) > 0.1 * options.fps:
        raise DataError("The poses end before the words.", expected=f"{wanted} frames", found=f"{len(valid)} frames")
    if not valid.all():
        raise DataError("The speaker is not seen all the time.", found=f"{int((~valid).sum())} of {len(valid)} frames")


def _finish(corpus, records, options):
    failed = {record["name"]: record["failed"] for record in records if record["failed"]}
    clips = [
        {**clip, "source": record["name"], "speaker": record["speaker"]}
        for record in records
        for clip in record["clips"]
    ]
    if not clips:
        raise CorpusError(
            "No clip could be made.",
            where=corpus.root,
            found=next(iter(failed.values()), "only utterances that were skipped"),
            fix=f"See {corpus.root / '.build'} for each source.",
        )
    report = BuildReport(
        clips=len(clips),
        seconds=sum(clip["frames"] for clip in clips) / options.fps,
        skipped=[skip for record in records for skip in record["skipped"]],
        failed=failed,
        warnings=[warning for record in records for warning in record["warnings"]],
    )
    manifest = {
        "version": __version__,
        "options": asdict(options),
        "sources": [{key: record[key] for key in ("name", "speaker", "poses", "transcript")} for record in records],
        "clips": clips,
        "skipped": report.skipped,
        "failed": failed,
        "warnings": report.warnings,
    }
    write_json(corpus.root / "manifest.json", manifest)
    finish_corpus(corpus, clips, split_sizes=options.split_sizes, seed=options.seed)
    return report
