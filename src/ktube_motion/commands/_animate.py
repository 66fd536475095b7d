"""Draw every clip of a corpus as a video with its words.

In the place of the original's animation.ipynb:

    ktube-motion animate --root HumanML3D
    ktube-motion animate --root dataset/KTubeUM --split val --gallery

Reads the clips of --root.

Writes --output/NAME.mp4, and with --gallery a page to leaf through. Clips that have a video already are
left as they are; the rest are drawn in parallel. Bad clips are skipped and listed at the end.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorpusError, KtubeError, WriteError
from ._shared._console import say
from ._shared._options import add_flags
from ._shared._places import command_line, existing

if TYPE_CHECKING:
    from ..io import Corpus


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--root", type=Path, default=Path("HumanML3D"), metavar="DIR", help="the corpus")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the videos; by default ROOT/animations")
    parser.add_argument(
        "--split", default="all", choices=["train", "val", "test", "train_val", "all"], help="whose clips"
    )
    parser.add_argument("--names", nargs="+", metavar="CLIP", help="only these clips")
    parser.add_argument("--suffix", default=".mp4", choices=[".mp4", ".gif"], help="kind of file")
    parser.add_argument("--size", type=int, default=480, metavar="N", help="width and height in pixels")
    parser.add_argument("--gallery", action="store_true", help="also write gallery.html, a page to leaf through")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="clips drawn at a time; by default one for each processor"
    )
    add_flags(parser, ours="as-given overwrite follow-links")


def run(options: Namespace) -> None:
    """Draw the clips."""
    from ..io import Corpus
    from ..render import save_gallery

    build = command_line("build", "--root", options.root.as_posix())
    root = existing(options.root, "corpus", flag="--root", make=build, error=CorpusError)
    corpus = Corpus(root, follow_links=options.follow_links)
    output = options.output or options.root / "animations"
    names = options.names or corpus.names(options.split)
    check_clips(corpus, names)
    paths = {name: output / f"{name}{options.suffix}" for name in names}
    todo = [name for name in names if options.overwrite or not paths[name].exists()]
    how = (options.size, not options.as_given)
    jobs = [(options.root, options.follow_links, name, paths[name], *how) for name in todo]
    skipped = {name: reason for name, reason in _draw_all(jobs, options.workers) if reason is not None}
    if options.gallery:
        skipped |= save_gallery(corpus, output / "gallery.html", split=options.split, finish=not options.as_given)
    say(
        f"{len(todo) - len(skipped)} drawn, {len(names) - len(todo)} there already, {len(skipped)} skipped, in {output}"
    )
    for name, reason in sorted(skipped.items()):
        say(f"skipped {name}: {reason}")
    for line in corpus.left_out():
        say(line)


def check_clips(corpus: "Corpus", names: list[str]) -> None:
    """Raise where the corpus has no such clip."""
    unknown = sorted(set(names) - set(corpus.names("all")))
    if unknown:
        raise CorpusError("The corpus has no such clip.", where=corpus.root, found=", ".join(unknown[:5]))


def _draw_all(jobs: Sequence[tuple[Any, ...]], workers: int | None) -> Iterator[tuple[str, str | None]]:
    """Draw each job; give its name, and the reason where it cannot be drawn."""
    from tqdm import tqdm

    how = {"total": len(jobs), "desc": "clips", "unit": "clip", "disable": None}
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers <= 1:  # a process of its own would only cost its start
        for job in tqdm(jobs, **how):
            yield job[2], _draw(*job)
        return
    from concurrent.futures import as_completed

    from ..io._executors import processes

    with processes(workers) as pool:
        futures = {pool.submit(_draw, *job): job[2] for job in jobs}
        for future in tqdm(as_completed(futures), **how):
            yield futures[future], future.result()


def _draw(root: Path, follow_links: bool, name: str, path: Path, size: int, finish: bool) -> str | None:
    """Draw one clip; give the reason where it cannot be drawn."""
    from ..io import Corpus
    from ..render import save_skeleton_video

    try:
        motion = Corpus(root, follow_links=follow_links).motion(name)
        save_skeleton_video(motion, path, titles=motion.name, size=(size, size), finish=finish, progress=False)
    except WriteError:
        raise  # it would stop every clip alike
    except KtubeError as error:
        return str(error)
    return None
