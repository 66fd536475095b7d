"""Build a KTubeUM corpus from poses or videos and transcripts, all steps in one.

    ktube-motion build --poses pose_json --transcripts subtitles --root dataset/KTubeUM
    ktube-motion build --videos talks --transcripts subtitles --root dataset/KTubeUM
    ktube-motion build --table videos.csv --root dataset/KTubeUM
    ktube-motion build --samples 8

The last makes videos of made-up speakers first, to try everything without data. Also the last of the
original's steps, after which its folder KTubeUM is complete:

    ktube-motion build --poses my_pose --transcripts subtitles

Poses that json-to-npz has cleaned are not cleaned again, so both ways give the same clips.

Reads poses of any estimator, and transcripts of any common subtitle tool or recogniser; paired by
name, or by a table with the columns poses, transcript and, where wanted, name, speaker, offset, fps,
format, person, axes, audio. Where poses are video files they are estimated first, which needs
pip install "ktube_motion[video]" and pip install --no-deps mediapipe==0.10.21.

Writes the corpus --root: motion vectors, joints, texts, statistics, splits; report.html, which shows its quality;
review.html, on which clips are dropped by looking at them. What exists already is kept; stopped at any moment,
the same command goes on.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ._shared._console import say
from ._shared._options import UsageError, add_axes, seed_number
from ._shared._places import CORPORA, sources_folder

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..construct import Source


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    sources = parser.add_argument_group("sources: the two folders, or a table, or samples")
    sources.add_argument("--poses", type=Path, metavar="DIR", help="folder of pose files (any estimator's)")
    sources.add_argument(
        "--transcripts", type=Path, metavar="DIR", help="folder of subtitles named like the pose files"
    )
    sources.add_argument(
        "--videos", type=Path, metavar="DIR", help="folder of video files instead of --poses, which are then estimated"
    )
    sources.add_argument("--table", type=Path, metavar="FILE", help="CSV or TSV instead of the two folders")
    sources.add_argument(
        "--samples", type=int, metavar="N", help="make so many videos of made-up speakers in ROOT-videos; at least 3"
    )
    sources.add_argument("--pose-fps", type=float, metavar="X", help="of the poses, where the files do not say it")
    add_axes(sources)
    sources.add_argument(
        "--audio", type=Path, metavar="DIR", help="folder of the videos or their sound: words are aligned with it"
    )
    sources.add_argument(
        "--aligner", default="", metavar="MODULE:FUNCTION", help="your aligner for --audio, see text.Aligner; by "
        "default eSpeak NG's Korean voice and dynamic time warping"
    )  # fmt: skip
    sources.add_argument("--speaker", metavar="NAME", help="whose words to take; by default who speaks longest")
    sources.add_argument("--offset", type=float, default=0.0, metavar="X", help="seconds to add to all transcripts")
    video = parser.add_argument_group("video files")
    video.add_argument(
        "--engine", default="litert", metavar="NAME", help="what looks at them: litert, tasks, or one of yours"
    )
    video.add_argument(
        "--models", type=Path, metavar="PATH",
        help="a mediapipe 0.10.21 wheel or a folder with its networks, by default the installed mediapipe; for tasks a "
        "folder with pose_landmarker*.task and hand_landmarker*.task",
    )  # fmt: skip
    video.add_argument("--video-fps", type=float, metavar="X", help="how often to look; by default at most 30 a second")
    video.add_argument("--no-fingers", action="store_true", help="do not look at the hands: twice as fast")
    corpus = parser.add_argument_group("the corpus")
    corpus.add_argument("--root", type=Path, default=Path(CORPORA["ktube"]), metavar="DIR", help="folder of the corpus")
    corpus.add_argument("--fps", type=float, default=20.0, metavar="X", help="frames per second of the corpus")
    corpus.add_argument(
        "--skeleton", default="smpl_22", choices=["smpl_22", "smplh_52"], help="without or with fingers"
    )
    corpus.add_argument(
        "--fix-root", default="median", choices=["first", "median", "identity", "moving"],
        help="value that root and camera are held at (first is the original's); moving leaves them",
    )  # fmt: skip
    corpus.add_argument(
        "--cutoff", type=float, default=3.0, metavar="X", help="of the low-pass filter, in Hz; 0 leaves jitter in"
    )
    corpus.add_argument(
        "--max-gap", type=float, default=0.5, metavar="X", help="seconds without a detection that are filled"
    )
    corpus.add_argument("--rest-lower-body", action="store_true", help="hold the legs at rest")
    corpus.add_argument(
        "--talk-seconds", type=float, metavar="X",
        help="make clips of whole talks up to this length, in which utterances follow each other, as a transformer "
        "that hears words is trained on; by default a clip for each utterance",
    )  # fmt: skip
    corpus.add_argument("--shards", action="store_true", help="one file a video instead of some a clip")
    corpus.add_argument("--no-mirror", action="store_true", help="no mirrored twins M…")
    corpus.add_argument(
        "--split", type=float, nargs=3, default=(0.8, 0.1, 0.1), metavar=("TRAIN", "VAL", "TEST"), help="their shares"
    )
    corpus.add_argument("--seed", type=seed_number, default=0, metavar="N", help="of the split")
    corpus.add_argument(
        "--drop", type=Path, metavar="FILE", help="clips to leave out, one a line, as ROOT/review.html saves them"
    )
    corpus.add_argument("--overwrite", action="store_true", help="remove the corpus first and build all anew")
    corpus.add_argument("--cluster", metavar="ADDRESS", help="dask scheduler to work on, as tcp://host:8786")


def run(options: Namespace) -> None:
    """Build the corpus."""
    import shutil

    from ..construct import BuildOptions, build_corpus, curate

    if options.aligner and options.audio is None and options.table is None:
        raise UsageError("--aligner needs sound.", fix="Give --audio, or a table with a column audio.")
    settings = BuildOptions(
        fps=options.fps, skeleton=options.skeleton, root=options.fix_root, cutoff_hz=options.cutoff or None,
        max_gap_seconds=options.max_gap, rest_lower_body=options.rest_lower_body, mirror=not options.no_mirror,
        split_sizes=tuple(options.split), seed=options.seed, axes=options.axes, talk_seconds=options.talk_seconds,
        aligner=options.aligner,
        engine=options.engine, models=None if options.models is None else str(options.models.absolute()),
        video_fps=options.video_fps, fingers=not options.no_fingers,
    )  # fmt: skip
    sources, alone = read(options)
    if options.overwrite and os.path.exists(options.root / "corpus.json"):
        shutil.rmtree(options.root)
    executor = executor_of(options.cluster)
    extra = {"audio": options.audio, "speaker": options.speaker, "shards": options.shards}
    say(build_corpus(sources, options.root, options=settings, executor=executor, **extra))
    for path in alone:
        say(f"no partner: {path}")
    if options.drop is not None:
        say(f"{len(curate(options.root, exclude=options.drop))} clips are left out")
    say(f"The corpus is {options.root.resolve()}; its quality: {(options.root / 'report.html').resolve()}")


def read(options: Namespace) -> "tuple[list[Source], list[str]]":
    """Give the sources, and the files that have no partner."""
    from ..construct import pair_sources, pair_videos, read_sources
    from ._shared._steps import make_sample_videos

    folders = (options.poses or options.videos, options.transcripts)
    ways = [options.table is not None, None not in folders, options.samples is not None]
    twice = options.poses is not None and options.videos is not None
    if sum(ways) != 1 or twice or (folders != (None, None) and not ways[1]):
        raise UsageError("From what?", fix="Give --poses or --videos, and --transcripts; or --table, or --samples 8.")
    if options.table is not None:
        return read_sources(options.table), []
    if options.samples is not None:
        if options.samples < 3:
            raise UsageError("--samples are too few for three splits.", expected="at least 3", found=options.samples)
        folder = options.root.with_name(f"{options.root.name}-videos")
        make_sample_videos(folder, options.samples)
        folders = (folder, folder)
    pictures, words = map(sources_folder, folders)
    if options.videos is not None:
        return pair_videos(pictures, words, offset=options.offset)
    return pair_sources(pictures, words, fps=options.pose_fps, offset=options.offset)


def executor_of(address: str | None) -> "Executor | None":
    """Give the executor of a cluster; without an address none, which is a pool of processes here."""
    if address is None:
        return None
    from dask.distributed import Client

    return Client(address).get_executor()
