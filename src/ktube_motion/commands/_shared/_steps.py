"""What the steps of the data set have in common: files in, files out, what exists is kept, what failed is told."""

import math
import os
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import DataError, KtubeError, WriteError
from ._console import say
from ._places import command_line

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ...samples import Label, Sentence

__all__ = ["FEW_VIDEOS", "add_folders", "convert", "list_files", "make_sample_videos", "tell_next"]

Item = TypeVar("Item")

FEW_VIDEOS = 4  # are made in the time that a process takes to start


def add_folders(parser: ArgumentParser, source: str, target: str) -> None:
    """Add --input, --output and --overwrite."""
    parser.add_argument("--input", type=Path, default=Path(source), metavar="DIR", help="folder to read")
    parser.add_argument("--output", type=Path, default=Path(target), metavar="DIR", help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="make again what is there already")


def list_files(folder: Path, suffix: str, *, make: str) -> list[Path]:
    """Give the files of a folder; where there is none, `DataError` tells what makes them."""
    found = folder.glob(f"*{suffix}") if os.path.isdir(folder) else ()
    files = sorted(path for path in found if not path.name.startswith("."))
    if not files:
        raise DataError(f"There are no {suffix} files here.", where=folder.absolute(), fix=make)
    return files


def convert(
    items: Iterable[Item], make: Callable[[Item], None], *, finished: Callable[[Item], bool], overwrite: bool
) -> None:
    """Run ``make(item)`` for every item that is not ``finished(item)``; tell what became of them."""
    from tqdm import tqdm

    made, kept, failed = 0, 0, {}
    for item in tqdm(list(items), unit="file", disable=None):
        if not overwrite and finished(item):
            kept += 1
            continue
        try:
            make(item)
            made += 1
        except WriteError:
            raise  # the disk is full: every other item would fail alike
        except KtubeError as error:
            failed[getattr(item, "name", str(item))] = str(error)
    say(f"{made} made, {kept} existed already (--overwrite makes them again), {len(failed)} skipped")
    for name, reason in failed.items():
        say(f"skipped {name}: {reason}")
    if failed and not made and not kept:
        raise DataError("Nothing could be made.", found=f"{len(failed)} files, all skipped")


def tell_next(*words: str, why: str = "") -> None:
    """Say which command comes next; one that is given its folders, since they may be others than its defaults."""
    say(f"Next: {command_line(*words)}{why and '   # ' + why}")


def make_sample_videos(
    folder: Path,
    count: int,
    *,
    concepts: Collection[str] | None = None,
    wordings: int | None = None,
    executor: "Executor | None" = None,
) -> "dict[str, list[Label]]":
    """Write pose estimates and timed words of so many made-up speakers; give what each of them does, and when.

    They speak of some concepts, by default of all, in the wordings that are for training: all, or so many of each, and
    three times as many without a gesture.
    """
    from tqdm import tqdm

    from ...io._executors import given_or_own
    from ...samples import CONCEPTS, sentences

    known = set(CONCEPTS if concepts is None else concepts)
    said: list[Sentence] = []
    counts: Counter[tuple[str, ...]] = Counter()
    for sentence in sentences(split="train"):
        counts[sentence.concepts] += 1
        most = math.inf if wordings is None else wordings if sentence.marks else 3 * wordings
        if known.issuperset(sentence.concepts) and counts[sentence.concepts] <= most:
            said.append(sentence)
    names = [f"speaker_{number:02d}" for number in range(count)]
    bar = tqdm(total=count, desc="sample videos", unit="video", disable=None)
    with bar, given_or_own(executor, count // FEW_VIDEOS) as workers:
        futures = []
        for number, name in enumerate(names):
            futures.append(workers.submit(_make_video, folder, number, name, said))
            futures[-1].add_done_callback(lambda _: bar.update())
        return {name: future.result() for name, future in zip(names, futures, strict=True)}


def _make_video(folder: Path, number: int, name: str, said: "Sequence[Sentence]") -> "list[Label]":
    """Write one made-up video; give what the speaker does."""
    from ...samples import make_speaker

    return make_speaker(
        folder, seed=number, person=number, name=name, faults=True, wordings=said, transcript="TextGrid"
    ).labels
