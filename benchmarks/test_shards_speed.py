"""Random windows of a corpus in shards against a plain copy of as many bytes, and memory over time.

    OMP_NUM_THREADS=1 pytest benchmarks/test_shards_speed.py -s                          (small, seconds)
    SHARDS_BENCH_CLIPS=2000000 SHARDS_BENCH_FRAMES=10000000 SHARDS_BENCH_LONG=0.05 SHARDS_BENCH_WINDOW=64 \\
        pytest benchmarks/test_shards_speed.py -k windows -s                             (minutes, 5 GB of disk)

The first test compares what shards could be made of: Arrow, Parquet, and the tar files of WebDataset.
"""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ktube_motion.io import Corpus
from ktube_motion.io._shards import shard_schema, write_shard
from ktube_motion.io._stored_clips import StoredClip
from ktube_motion.training import ClipTable, WindowSampler

CLIPS = int(os.environ.get("SHARDS_BENCH_CLIPS", "4000"))
FRAMES = int(os.environ.get("SHARDS_BENCH_FRAMES", "200000"))
SIZE = int(os.environ.get("SHARDS_BENCH_SIZE", "64"))
WINDOW = int(os.environ.get("SHARDS_BENCH_WINDOW", "4"))
LONG = float(os.environ.get("SHARDS_BENCH_LONG", "1"))  # share of clips that are longer than one frame
ROUNDS = int(os.environ.get("SHARDS_BENCH_ROUNDS", "10"))
SHARDS = 10


def resident():
    """Megabytes of its own, and of files that are mapped, which the system takes back when it needs them."""
    found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().split("\n") if ":" in line)
    return tuple(int(found[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))


def make_shards(root, clips=CLIPS, frames=FRAMES, size=SIZE):
    """Write so many clips of made-up numbers."""
    corpus, rng = Corpus.create(root, shards=True), np.random.default_rng(0)
    schema, per_shard = shard_schema(size, {"skeleton": "smpl_22", "fps": 20.0}), clips // SHARDS
    text = "오른손을 들어 인사합니다#손/NOUN#0#0\n".encode()
    for number in range(SHARDS):
        longer = rng.random(per_shard) < LONG
        lengths = 1 + rng.multinomial(frames // SHARDS - per_shard, longer / longer.sum())
        with write_shard(corpus.root / "data" / f"train-{number:05d}.arrow", schema) as shard:
            for k, length in enumerate(lengths.tolist()):
                vectors = rng.standard_normal((length, size), np.float32)
                shard.add(StoredClip(f"clip_{number}_{k:07d}", {"new_joint_vecs": vectors}, text))
    names = "".join(f"clip_{number}_{k:07d}\n" for number in range(SHARDS) for k in range(per_shard))
    (corpus.root / "train.txt").write_text(names)
    return Corpus(root)


def test_random_windows_and_memory_over_time(tmp_path):
    began = time.perf_counter()
    corpus = make_shards(tmp_path / "shards")
    disk = sum(path.stat().st_size for path in corpus.files)
    print(f"\n{CLIPS:,} clips, {FRAMES:,} frames of {SIZE} numbers, {disk / 1e9:.2f} GB", end="")
    print(f" in {len(corpus.files)} shards, written in {time.perf_counter() - began:.0f} s")
    before, began = resident()[0], time.perf_counter()
    table = ClipTable.from_shards(corpus, "train")
    print(f"opened in {time.perf_counter() - began:.2f} s, {resident()[0] - before:.0f} MB of its own more")
    batch = max(256, 4_194_304 // (WINDOW * SIZE))  # 16 MB
    sampler, steps = WindowSampler(table, WINDOW, batch), iter(range(10**9))
    target, rng = torch.empty(batch * WINDOW, SIZE), np.random.default_rng(1)
    blocks = [torch.tensor(part.frames) for part in corpus.batches[:: max(len(corpus.batches) // 16, 1)]]

    def copy():
        block = blocks[rng.integers(len(blocks))]
        first = int(rng.integers(max(len(block) - len(target), 1)))
        rows = block[first : first + len(target)]
        target[: len(rows)].copy_(rows)
        return len(rows) / len(target)

    ratios, rates, memory = [], [], []
    for _ in range(ROUNDS):
        spent = np.zeros(2)
        for _ in range(20):
            start = time.process_time()
            sampler.windows(next(steps))
            middle = time.process_time()
            share = copy()
            spent += middle - start, (time.process_time() - middle) / share
        ratios.append(spent[1] / spent[0])
        rates.append(20 * target.nbytes / spent / 1e9)
        memory.append(resident())
    own = [round(x) for x, _ in memory]
    print(
        f"windows of {WINDOW}: {np.median(rates, 0)[0]:.1f} GB/s, a plain copy {np.median(rates, 0)[1]:.1f} GB/s",
        end="",
    )
    print(f", ratio {np.median(ratios):.2f} (CPU time, {torch.get_num_threads()} threads)")
    print("memory of its own, MB, over time:", own, "mapped:", [round(x) for _, x in memory])
    half = ROUNDS // 2
    assert max(own[half:]) - max(own[:half]) < 20
    shutil.rmtree(tmp_path / "shards")


@pytest.mark.filterwarnings("ignore")  # WebDataset leaves its files open
def test_what_shards_could_be_made_of(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    webdataset = pytest.importorskip("webdataset")
    size, window, batch = 263, 64, 256
    corpus = make_shards(tmp_path / "arrow", clips=2000, frames=260_000, size=size)
    sampler, steps = WindowSampler(ClipTable.from_shards(corpus, "train"), window, batch), iter(range(1000))
    rows = arrow.Table.from_batches([part.columns for part in corpus.batches]).select(["name", "new_joint_vecs"])
    parquet.write_table(rows, tmp_path / "p.parquet", row_group_size=1, compression="zstd")
    file, rng = parquet.ParquetFile(tmp_path / "p.parquet"), np.random.default_rng(0)
    with webdataset.TarWriter(str(tmp_path / "w.tar")) as tar:
        for name in corpus.names("train"):
            tar.write({"__key__": name, "npy": corpus.features(name)})

    def some_of_parquet():
        for group in rng.integers(len(rows), size=batch):
            file.read_row_group(int(group), columns=["new_joint_vecs"])

    stream = iter(webdataset.WebDataset(str(tmp_path / "w.tar"), shardshuffle=False, empty_check=False)
                  .repeat().shuffle(500).decode())  # fmt: skip

    def some_of_tar():
        for _ in range(batch):
            next(stream)

    print()
    for name, work, count in (
        ("Arrow", lambda: sampler.windows(next(steps)), 64),
        ("Parquet", some_of_parquet, 3),
        ("WebDataset", some_of_tar, 3),
    ):
        work()
        began = time.process_time()
        for _ in range(count):
            work()
        spent = (time.process_time() - began) / count
        print(f"{name}: {batch * window * size * 4 / spent / 1e9:.2f} GB/s of windows")
