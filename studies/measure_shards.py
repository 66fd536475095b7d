"""A corpus of millions of clips in shards: building, opening, statistics, and random windows against a plain copy.

    python studies/measure_shards.py                                                       (small: seconds, 60 MB)
    python studies/measure_shards.py --clips 2000000 --frames 10000000 --seconds 300       (minutes, 20 GB)

The clips are made-up numbers: one in twenty is some eighty frames long, the others are one, so that most of what a
corpus keeps for each clip is there, and windows of 64 frames are, too. The first shards are built as a build does, the
others repeat their numbers under other names. Memory is what the process has for itself
(RssAnon), and what it has mapped of files (RssFile), which the system takes back whenever it needs the room.
Writes DIR/windows.csv, the figures over time, and prints the rest.
"""

import csv
import shutil
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from study import run

from ktube_motion.features import feature_stats
from ktube_motion.io import Corpus
from ktube_motion.io._executors import processes
from ktube_motion.io._files import atomic_path
from ktube_motion.io._large_pages import LargePageFile
from ktube_motion.io._shard_corpus import ClipNames
from ktube_motion.io._shards import arrow, map_stream
from ktube_motion.training import ClipTable, WindowSampler
from ktube_motion.types import Utterance

SHARDS = 20
STEPS = 512  # batches to a line: so many are drawn at once, so that each line has its share of that
LONG = 0.05  # share of clips that are longer than one frame
TEXT = Utterance(0, 0, "오른손을 들어 인사합니다", tokens=(("손", "NOUN"), ("들다", "VERB")))


def memory() -> tuple[float, float]:
    """Megabytes of this process's own, and of files that it has mapped."""
    found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().split("\n") if ":" in line)
    return int(found["RssAnon"].split()[0]) / 1024, int(found["RssFile"].split()[0]) / 1024


def write_one(root: Path, number: int, clips: int, frames: int) -> float:
    """Write one shard, as a worker of a build does; give the largest memory of its own meanwhile."""
    corpus, rng = Corpus(root), np.random.default_rng(number)
    longer = rng.random(clips) < LONG
    longer[0] = True
    lengths = 1 + rng.multinomial(frames - clips, longer / longer.sum())
    most = 0.0
    with corpus.writing(f"train-{number:05d}"):
        for k, length in enumerate(lengths.tolist()):
            vectors = rng.standard_normal((length, corpus.skeleton.feature_size), np.float32)
            corpus.add_clip(f"clip_{number:02d}_{k:07d}", features=vectors, texts=[TEXT])
            if k % 1000 == 0:
                most = max(most, memory()[0])
    return most


def repeat(source: Path, path: Path, number: int) -> None:
    """Write the clips of a shard once more, under the names of another."""
    pa = arrow()
    reader = map_stream(source)
    with atomic_path(path) as temporary, LargePageFile(temporary) as stream:
        writer = pa.ipc.new_stream(stream, reader.schema)
        with writer:
            for batch in reader:
                names = pa.compute.replace_substring_regex(batch.column("name"), "_[0-9]+_", f"_{number:02d}_")
                writer.write_batch(batch.set_column(0, reader.schema.field(0), names))


def build(options: Namespace) -> None:
    """Write some shards in parallel, as a build does; repeat them; and write the split that lists every clip."""
    root = options.folder / "shards"
    corpus = Corpus.create(root, shards=True)
    began, clips = time.perf_counter(), options.clips // SHARDS
    with processes(options.workers) as pool:
        jobs: list[Future[float]] = [
            pool.submit(write_one, root, number, clips, options.frames // SHARDS) for number in range(options.workers)
        ]
        most = max(job.result() for job in jobs)
    seconds = time.perf_counter() - began
    print(f"{options.workers} shards written by as many processes in {seconds:.0f} s;", end="")
    print(f" a worker had up to {most:.0f} MB of its own")
    for number in range(options.workers, SHARDS):
        source, path = (root / "data" / f"train-{one:05d}.arrow" for one in (number % options.workers, number))
        repeat(source, path, number)
    names = "".join(f"clip_{number:02d}_{k:07d}\n" for number in range(SHARDS) for k in range(clips))
    (corpus.root / "train.txt").write_text(names, encoding="utf-8")
    size = sum(path.stat().st_size for path in root.glob("data/*.arrow"))
    print(f"{options.clips:,} clips, {options.frames:,} frames, {size / 1e9:.2f} GB in {SHARDS} shards")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Print how long something took, and how much memory it left."""
    began, spent, before = time.perf_counter(), time.process_time(), memory()[0]
    yield
    wall, own = time.perf_counter() - began, time.process_time() - spent
    print(
        f"{what}: {own:.2f} s of the processor, {wall:.2f} s in all, {memory()[0] - before:+.0f} MB of its own",
        flush=True,
    )


def opened(root: Path) -> tuple[Corpus, ClipTable]:
    """Open the corpus anew, and make it ready for training."""
    with told("opened, all clips counted"):
        corpus = Corpus(root)
        count = len(corpus)
    with told(f"{count:,} clips listed and looked through, ready for training"):
        table = ClipTable.from_shards(corpus, corpus._select("train", spoken=True))
    return corpus, table


def only_long(corpus: Corpus, length: int) -> ClipTable:
    """Give the clips that fill a window; of the others a window repeats the last frame."""
    rows = corpus._select("train", spoken=True).rows
    return ClipTable.from_shards(corpus, ClipNames(corpus, rows[corpus.lengths[rows] >= length]))


def look(corpus: Corpus, table: ClipTable) -> None:
    """Do what else reads no vectors, or few."""
    with told("1,000 clips by name, vectors and texts"):
        for row in np.random.default_rng(0).integers(len(table.names), size=1000).tolist():
            clip = table.names[row]
            assert len(corpus.features(clip))
            assert corpus.texts(clip)
    with told("statistics over all clips"):
        corpus.write_stats(feature_stats(corpus))


def windows(table: ClipTable, options: Namespace) -> list[dict[str, float]]:
    """Take batches of random windows, by turns with plain copies of as many bytes, and watch memory."""
    size = table.pitch
    batch = max(1, int(options.megabytes * 262_144) // (options.window * size))
    sampler = WindowSampler(table, options.window, batch)
    source = torch.randn(16 * batch * options.window, size)
    target, rng = torch.empty(batch * options.window, size), np.random.default_rng(1)
    rows: list[dict[str, float]] = []
    began, step = time.perf_counter(), 0
    while not rows or time.perf_counter() - began < options.seconds:
        spent, wall = np.zeros(2), 0.0
        for _ in range(STEPS):
            first = int(rng.integers(len(source) - len(target) + 1))
            start, clock = time.process_time(), time.perf_counter()
            sampler.windows(step % options.steps)
            middle, wall = time.process_time(), wall + time.perf_counter() - clock
            target.copy_(source[first : first + len(target)])
            spent += middle - start, time.process_time() - middle
            step += 1
        own, mapped = memory()
        rates = STEPS * target.nbytes / spent / 1e9
        rows.append(
            {
                "seconds": round(time.perf_counter() - began, 1),
                "windows GB/s": round(rates[0], 2),
                "copy GB/s": round(rates[1], 2),
                "ratio": round(rates[0] / rates[1], 3),
                "windows GB/s of wall time": round(STEPS * target.nbytes / wall / 1e9, 2),
                "own MB": round(own),
                "mapped MB": round(mapped),
            }
        )
    return rows


def tell(what: str, rows: list[dict[str, float]]) -> None:
    """Print the medians of a run."""
    middle = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
    own = [row["own MB"] for row in rows[len(rows) // 2 :]]
    print(f"windows {what}, median: {middle['windows GB/s']:.2f} GB/s, {middle['ratio']:.2f} of a plain copy", end="")
    print(f" (processor time); memory of its own {min(own):.0f} to {max(own):.0f} MB in the second half", flush=True)


def main() -> None:
    """Build, look, and take windows."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=4000, metavar="N")
    parser.add_argument("--frames", type=int, default=20_000, metavar="N")
    parser.add_argument("--window", type=int, default=64, metavar="N", help="frames")
    parser.add_argument("--seconds", type=float, default=5, metavar="X", help="how long windows are taken")
    parser.add_argument("--megabytes", type=float, default=16, metavar="X", help="of windows in a batch")
    parser.add_argument(
        "--steps",
        type=int,
        default=2**40,
        metavar="N",
        help="batches after which the same windows come again, read before",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes that write")
    parser.add_argument("--folder", type=Path, default=Path("output/shards"), metavar="DIR")
    parser.add_argument("--keep", action="store_true", help="leave the shards there, and use those of before")
    options = parser.parse_args()
    if not (options.folder / "shards" / "train.txt").exists():
        build(options)
    corpus, table = opened(options.folder / "shards")
    rows = windows(table, options)
    with (options.folder / "windows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"windows of {options.window} frames, {torch.get_num_threads()} threads:")
    print("  ".join(rows[0]))
    for row in rows[:: max(len(rows) // 12, 1)]:
        print("  ".join(f"{value:{len(name)}g}" for name, value in row.items()))
    tell("of all clips", rows)
    tell("of clips that fill them", windows(only_long(corpus, options.window), options))
    look(corpus, table)
    if not options.keep:
        shutil.rmtree(options.folder / "shards")


if __name__ == "__main__":
    run(main)
