"""From folders of poses and transcripts to a KTubeUM corpus: parallel, resumable, with every skip counted."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import ConfigError, CorpusError, KtubeError
from ..io import Corpus, check_name
from ..io._executors import given_or_own
from ..io._files import write_json
from ..io._hub import write_card
from ..io._layouts import AXES
from ..io._writing import only_one, raise_as_write_error
from ..skeletons import Skeleton
from ._clips import MIRROR_PREFIX
from ._records import empty_record, finished_record, sweep
from ._report import write_report
from ._review import write_review
from ._sources import Source, find_audio
from ._splits import check_split_sizes, count_clips, finish_corpus
from ._videos import build_video

__all__ = ["BuildOptions", "BuildReport", "build_corpus"]


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
    talk_seconds : float or None
        Longest clip of a corpus of talks, in which utterances follow each other with the pauses between
        them, each with its times: what a transformer that hears words is trained on. None makes one clip
        of each utterance.
    mirror : bool
        Add a mirrored twin ``M…`` of each clip.
    split_sizes : (float, float, float)
        Shares of train, val and test, in seconds of speech, by video.
    seed : int
        Of the split.
    body_model : str or None
        SMPL-X ``.npz`` file or its folder, for the joints and for SHOW's
        hands; by default the embedded body.
    voice : str
        Whose words to take where a transcript tells speakers apart and has this one; by default of whom the
        source says (`Source.speaker`), else who speaks longest.
    axes : str or None
        Axes of all pose files whose source names none, see `io.load_poses`.
        Without either, a video whose body does not stand is refused.
    aligner : str
        ``"package.module:function"``: a real aligner that finds words in the sound instead of eSpeak NG's voice, see
        `text.Aligner`. It is named, not given, so that every worker finds it and a build that goes on knows which
        it was.
    engine, models : str
        What looks at sources that are video files, see `video.load_engine`.
    video_fps : float or None
        How often it looks; by default at every frame, at most 30 a second.
    fingers : bool
        Whether it looks at the hands, which takes as long as all the rest.

    Examples
    --------
    >>> BuildOptions(talk_seconds=300.0).root
    'median'
    >>> BuildOptions(root="mean")
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: ...
    """

    fps: float = 20.0
    skeleton: str = "smpl_22"
    root: str = "median"
    max_gap_seconds: float = 0.5
    cutoff_hz: float | None = 3.0
    rest_lower_body: bool = False
    min_seconds: float = 2.0
    max_seconds: float = 9.8
    talk_seconds: float | None = None
    mirror: bool = True
    split_sizes: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    body_model: str | None = None
    voice: str = ""
    axes: str | None = None
    aligner: str = ""
    engine: str = "litert"
    models: str | None = None
    video_fps: float | None = None
    fingers: bool = True

    def __post_init__(self) -> None:
        ok = {
            "root": self.root in ("first", "median", "identity", "moving"),
            "skeleton": self.skeleton in ("smpl_22", "smplh_52"),
            "fps": 0 < self.fps <= 1000,
            "max_gap_seconds": self.max_gap_seconds >= 0,
            "cutoff_hz": self.cutoff_hz is None or self.cutoff_hz > 0,
            "min_seconds": 0 < self.min_seconds < self.max_seconds,
            "talk_seconds": self.talk_seconds is None or self.talk_seconds > self.max_seconds,
            "axes": self.axes in (None, *AXES),
        }
        wrong = {name: getattr(self, name) for name, fine in ok.items() if not fine}
        if wrong:
            raise ConfigError(
                "No corpus can be built with these options.",
                expected="root first, median, identity or moving; skeleton smpl_22 or smplh_52; fps and cutoff_hz "
                "above 0; max_gap_seconds not negative; 0 < min_seconds < max_seconds < talk_seconds; axes camera, y "
                "up or z up",
                found=", ".join(f"{name}={value!r}" for name, value in wrong.items()),
            )
        check_split_sizes(self.split_sizes)
        if self.aligner:
            from ..text._alignment import find_aligner

            find_aligner(self.aligner)


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
        Each utterance that was left out: ``source``, ``start``, ``end``,
        ``text``, ``problem`` (the kind), ``reason`` (in full).
    failed : dict of str to str
        Sources of which nothing could be used, and why.
    warnings : list of str

    Examples
    --------
    >>> print(BuildReport(clips=12, seconds=90.0, failed={"talk": "no poses"}))
    12 clips, 1.5 minutes; 0 utterances skipped
    failed talk: no poses
    """

    clips: int
    seconds: float
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.clips} clips, {self.seconds / 60:.1f} minutes; {len(self.skipped)} utterances skipped"]
        kinds = Counter(skip["problem"] for skip in self.skipped)
        lines += [f"skipped {count} times: {problem}" for problem, count in kinds.most_common()]
        lines += [f"failed {name}: {reason}" for name, reason in self.failed.items()]
        return "\n".join([*lines, *self.warnings])


def build_corpus(
    sources: Iterable[Source],
    root: str | Path,
    *,
    options: BuildOptions | None = None,
    audio: str | Path | None = None,
    speaker: str | None = None,
    shards: bool = False,
    executor: Executor | None = None,
    report: bool = True,
    progress: bool = True,
) -> BuildReport:
    """Build a KTubeUM corpus, or finish one that was interrupted.

    Parameters
    ----------
    sources : iterable of Source
        One a video; `pair_sources` and `read_sources` give them.
    root : path
        The corpus folder.
    options : BuildOptions, optional
    audio : path, optional
        A folder with the videos or their sound, named like the sources: words
        whose times a transcript does not give are looked for there, see
        `text.align_words`.
    speaker : str, optional
        Whose words to take, short for ``BuildOptions(voice=…)``; warnings say how much of others was left out.
    shards : bool
        Write one file with all clips of a video instead of some files for each clip, see `io.Corpus`.
    executor : concurrent.futures.Executor, optional
        Where videos are processed. By default a process pool; a cluster's is
        ``dask.distributed.Client.get_executor()``, whose workers must see
        sources and root under the same paths.
    report : bool
        Write ``report.html`` and ``review.html`` at the end, see `write_report` and `write_review`.
    progress : bool
        Show a bar, on a terminal.

    Returns
    -------
    report : BuildReport
        Also written, with every clip, to ``manifest.json``.

    Raises
    ------
    CorpusError
        If clips of two sources would have the same name, no source gave a
        clip, or a corpus of another skeleton or fps is here.
    ConfigError
        If another process builds here.
    MissingDependencyError
        If a package that every video needs is not installed.
    WriteError
        If the corpus cannot be written.
    KtubeError
        If a worker was killed.

    Notes
    -----
    A bad clip or video never stops a build: it is skipped, counted and
    listed, and a failed video is tried again by the next build. A build
    killed at any moment and started again ends with the same bytes: each
    finished video leaves a record in ``.build/``, and a video whose files or
    options have changed, or of whose clips a byte is not as it was written, is
    made anew. The corpus holds what `sources` says:
    clips of earlier sources that are no longer among them are removed, and
    clips that `curate` had left out come back.

    The default pool starts fresh processes, so a script calls this under
    ``if __name__ == "__main__":``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ktube_motion.construct import pair_sources
    >>> from ktube_motion.samples import make_speaker
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = make_speaker(folder, num_utterances=2)
    >>> sources, alone = pair_sources(folder, folder)
    >>> report = build_corpus(sources, folder / "KTubeUM", progress=False)
    >>> report.clips, Corpus(folder / "KTubeUM").names()
    (2, ['speaker_0000_000', 'speaker_0000_001', 'Mspeaker_0000_000', 'Mspeaker_0000_001'])
    """
    sources, options = list(sources) if audio is None else find_audio(sources, audio), options or BuildOptions()
    options = options if speaker is None else replace(options, voice=speaker)
    good, failed = _check_names(sources, options)
    corpus = Corpus.create(root, skeleton=Skeleton.named(options.skeleton), fps=options.fps, shards=shards)
    with only_one(corpus.root, "a build"):
        records = _make_videos(corpus, good, options, executor, progress)
        built = [(source, records[source.name]) for source in good]
        failed |= {source.name: record["failed"] for source, record in built if record["failed"]}
        made = _finish(corpus, built, failed, options)
        if report:
            write_report(corpus.root)
            write_review(corpus.root)
    return made


def _check_names(sources: Iterable[Source], options: BuildOptions) -> tuple[list[Source], dict[str, str]]:
    """Set sources aside whose names no file can have; refuse names that would overwrite each other."""
    good, failed = [], {}
    for source in sources:
        try:
            check_name(source.name)
            check_name(f"{MIRROR_PREFIX}{source.name}_0000")  # its clips need room for a number
            good.append(source)
        except CorpusError as error:
            failed[_printable(source.name)] = str(error)
    names = Counter(source.name for source in good)
    twice = [name for name, count in names.items() if count > 1]
    if options.mirror:
        twice += [name for name in names if MIRROR_PREFIX + name in names]
    if twice:
        raise CorpusError(
            "Two sources would give clips of the same name.",
            expected="names that differ, also after the M of mirrored clips",
            found=", ".join(sorted(twice)[:5]),
            fix="Rename one of them.",
        )
    return good, failed


def _make_videos(
    corpus: Corpus, sources: Sequence[Source], options: BuildOptions, executor: Executor | None, progress: bool | None
) -> dict[str, Any]:
    """Give the record of every source, made now or by an earlier build."""
    from tqdm import tqdm

    records = {source.name: finished_record(corpus.root, source, options) for source in sources}
    pending = [source for source in sources if records[source.name] is None]
    bar = tqdm(
        total=len(sources),
        initial=len(sources) - len(pending),
        desc="videos",
        unit="video",
        disable=None if progress else True,
    )
    futures = {}
    with bar, given_or_own(executor, len(pending)) as workers:
        try:
            futures = {workers.submit(build_video, source, corpus.root, options): source for source in pending}
            for future in as_completed(futures):
                records[futures[future].name] = _result(future, futures[future], corpus)
                bar.update()
        finally:
            for future in futures:  # after Ctrl-C or a full disk, what has not begun shall not begin
                future.cancel()
    return records


def _result(future: Future[Any], source: Source, corpus: Corpus) -> dict[str, Any]:
    """Give a video's record. What the worker did not foresee fails that video, what stops all of them is raised."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        raise KtubeError(
            "The cluster has given up a video.",
            where=corpus.root,
            found="its scheduler was restarted, or has ended",
            fix="Start the build again, on any cluster: what is finished is kept.",
        ) from cancelled
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        raise KtubeError(
            "A worker process ended abruptly.",
            where=corpus.root,
            found=error,
            fix='Was memory short? Does the script call build_corpus under if __name__ == "__main__"? Starting again '
            "goes on where this build stopped; executor= takes a smaller pool.",
        ) from error
    if isinstance(error, KtubeError) or not isinstance(error, Exception):
        raise error
    raise_as_write_error(error, corpus.root, corpus.root)  # a full disk, wherever it showed
    failed = f"Unforeseen {type(error).__name__}: {_printable(error)} (please report this)"
    return empty_record(source.name, failed)


def _printable(value: object) -> str:
    """Give text that every file can hold: undecodable parts of file names are written out."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _finish(
    corpus: Corpus, built: Sequence[tuple[Source, dict[str, Any]]], failed: dict[str, str], options: BuildOptions
) -> Any:
    sweep(corpus, [record for _, record in built], options)
    clips = [
        {**clip, "source": source.name, "speaker": _printable(source.speaker or source.name)}
        for source, record in built
        for clip in record["clips"]
    ]
    report = BuildReport(
        clips=len(clips),
        seconds=sum(clip["frames"] for clip in clips) / options.fps,
        skipped=[skip for _, record in built for skip in record["skipped"]],
        failed=failed,
        warnings=[warning for _, record in built for warning in record["warnings"]],
    )
    manifest = {
        "version": __version__,
        "versions": _versions(),
        "options": asdict(options),
        "sources": [_describe(source, record) for source, record in built],
        "clips": clips,
        "skipped": report.skipped,
        "failed": failed,
        "warnings": report.warnings,
        "excluded": [],
        "files": {name: told for _, record in built for name, told in record["files"].items()},
    }
    if not clips:
        write_json(corpus.root / "manifest.json", manifest)
        raise CorpusError(
            "No clip could be made.",
            where=corpus.root,
            found=next(iter(failed.values()), f"{len(report.skipped)} utterances, all skipped"),
            fix=f"{corpus.root / 'manifest.json'} says why, source by source.",
        )
    finish_corpus(corpus, clips, split_sizes=options.split_sizes, seed=options.seed)
    write_json(corpus.root / "manifest.json", {**manifest, "counts": count_clips(corpus, clips)})
    write_card(corpus)
    return report


def _describe(source: Source, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": source.name,
        "speaker": _printable(source.speaker or source.name),
        "poses": _printable(source.poses),
        "transcript": _printable(source.transcript),
        "audio": None if source.audio is None else _printable(source.audio),
        "offset": source.offset,
        "clips": len(record["clips"]),
        "skipped": len(record["skipped"]),
        **record["quality"],
    }


def _versions() -> dict[str, str]:
    """Say which versions had a part in the numbers."""
    found = {"python": platform.python_version()}
    for package in ("numpy", "torch", "scipy", "roma", "mannequin-x", "kiwipiepy", "librosa"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
