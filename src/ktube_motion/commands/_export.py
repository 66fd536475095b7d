"""Hand motion on to other programs: BVH, GLB, SMPL-X poses, web page, video.

    ktube-motion export output/TEST_GPT/000019_pred.npy --to bvh glb
    ktube-motion export pose_json/talk.json --to html
    ktube-motion export --root dataset/KTubeUM --names talk_000 talk_001 --to glb --bone-names humanoid

Reads files: .npy with joints (T, 22, 3) or motion vectors (T, 263), as eval-gpt leaves and a corpus has;
.bvh; poses of any estimator (.json, .npz, .pkl and others). Or clips of a corpus, with their words.

Writes --output/NAME.bvh (animation programs), .glb (a skinned, animated body for engines), .vrma (for
VRM avatars), .usd, .npz (SMPL-X poses), .html (a page to turn and zoom), .mp4 or .gif; or one file, as
--output talk.vrma. Joints without rotations are finished and fitted first. What cannot be written is skipped
and told.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, CorpusError
from ._shared._options import UsageError, add_axes, add_flags
from ._shared._places import command_line, existing

if TYPE_CHECKING:
    from ..types import Motion, PoseSequence

Readers = dict[str, Callable[[], "tuple[Motion | PoseSequence, str | None]"]]
FORMATS = ("bvh", "glb", "vrma", "usd", "npz", "html", "mp4", "gif")


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.usage = "ktube-motion export [options] [FILE ...]"
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="motions to read")
    parser.add_argument("--to", nargs="+", choices=FORMATS, help="what to write, several if wanted; by default bvh")
    parser.add_argument(
        "--output", type=Path, default=Path("output/export"), metavar="PATH",
        help="folder to write, or a file with the suffix of a format",
    )  # fmt: skip
    parser.add_argument("--root", type=Path, metavar="DIR", help="a corpus whose clips are written")
    parser.add_argument("--names", nargs="+", metavar="CLIP", help="which clips of --root; by default all")
    parser.add_argument(
        "--fps", type=float, metavar="X", help="frames per second; goes before what the file says; .npy has 20 without"
    )
    add_axes(parser)
    add_flags(parser, ours="bone-names unit body as-given overwrite follow-links")


def run(options: Namespace) -> None:
    """Write every motion in every format."""
    from ._shared._motions import write_motion
    from ._shared._steps import convert

    if bool(options.files) == (options.root is not None) or (options.names and not options.root):
        raise UsageError("What should be exported?", fix="Give files, or the clips of a corpus by --root and --names.")
    readers = from_corpus(options) if options.root else from_files(options)
    single = options.output.suffix.removeprefix(".").lower() in FORMATS and not os.path.isdir(options.output)
    if single:
        readers, targets = {options.output.stem: _only(readers, options)}, [options.output]
    else:
        suffixes = dict.fromkeys(options.to or ["bvh"])
        targets = [options.output / f"{name}.{suffix}" for name in readers for suffix in suffixes]

    def make(path: Path) -> None:
        motion, words = readers[path.stem]()
        write_motion(motion, path, options, words=words)

    convert(targets, make, finished=os.path.exists, overwrite=options.overwrite)


def _only(readers: Readers, options: Namespace) -> "Callable[[], tuple[Motion | PoseSequence, str | None]]":
    """Give the one motion that goes into a file of its own."""
    if len(readers) > 1 or options.to:
        raise UsageError(
            f"--output {options.output} is one file.",
            expected="one motion, and no --to",
            found=f"{len(readers)} motions" if len(readers) > 1 else f"--to {' '.join(options.to)}",
            fix="Give a folder by --output and formats by --to.",
        )
    return next(iter(readers.values()))


def from_files(options: Namespace) -> Readers:
    """Give, by name, what reads each file."""
    from ._shared._motions import read_motion

    for path in options.files:
        existing(path, "motion", flag="the path", make="ktube-motion eval-gpt")

    def read(path: Path) -> "tuple[Motion | PoseSequence, None]":
        return read_motion(path, fps=options.fps, axes=options.axes), None

    readers: Readers = {path.stem: partial(read, path) for path in options.files}
    if len(readers) < len(options.files):
        raise ConfigError("Two files have the same name.", fix="Export them into two folders: --output.")
    return readers


def from_corpus(options: Namespace) -> Readers:
    """Give, by name, what reads each clip and its words."""
    from ..io import Corpus
    from ._animate import check_clips

    build = command_line("build", "--root", options.root.as_posix())
    root = existing(options.root, "corpus", flag="--root", make=build, error=CorpusError)
    corpus = Corpus(root, follow_links=options.follow_links)
    names = options.names or corpus.names("all")
    check_clips(corpus, names)

    def read(name: str) -> "tuple[Motion, str | None]":
        motion = corpus.motion(name)
        return motion, motion.name

    readers: Readers = {name: partial(read, name) for name in names}
    return readers
