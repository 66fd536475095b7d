"""The loader: windows gathered from the table, against a plain copy of as many bytes in the same run."""

import statistics
import time

import numpy as np
import torch

from ktube_motion.training import ClipTable, WindowSampler


def median_seconds(work, rounds=30):
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def test_windows_against_a_plain_copy(benchmark):
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(n, 263)).astype(np.float32) for n in rng.integers(40, 200, size=1000)]
    sampler = WindowSampler(ClipTable.from_arrays(clips), window=64, batch_size=256)
    steps = iter(range(10**9))

    def load():
        return sampler.table.gather(*sampler.positions(next(steps)), 64)

    windows, _ = benchmark(load)
    source, target = torch.randn_like(windows), torch.empty_like(windows)
    copy, loaded = median_seconds(lambda: target.copy_(source)), median_seconds(load)
    gigabytes = windows.numel() * 4 / 1e9
    print(f"\nwindows {gigabytes / loaded:.1f} GB/s, copy {gigabytes / copy:.1f} GB/s, ratio {copy / loaded:.2f}")
    benchmark.extra_info["ratio to a plain copy"] = copy / loaded
