"""Words in, frames out: how long a live talk waits for the computer, and what it keeps.

``pytest benchmarks -k live -s``.
The speaker is the one of the package, and says the sentences of the sample talks one after the other.
KTUBE_BENCH=full streams an hour instead of two minutes.
"""

import os
import time

import numpy as np
import psutil
import torch

from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.samples import sentences
from ktube_motion.types import Word

SECONDS = 3600 if os.environ.get("KTUBE_BENCH") == "full" else 120
SAID = [word for sentence in sentences() for word in sentence.text.split()]


def test_live_words(benchmark):
    pipeline, arrived = UtteranceToMotion.from_pretrained("sample-speaker"), []

    def arriving():
        """Give a word every 0.4 s of the talk, as fast as they are taken."""
        for number in range(int(SECONDS / 0.4)):
            arrived.append((time.perf_counter(), time.process_time()))
            yield Word(0.4 * number, 0.4 * number + 0.35, SAID[number % len(SAID)])

    def talk():
        waits, memory, pieces = [], [], 0
        for piece in pipeline.stream(arriving(), generator=torch.Generator().manual_seed(0)):
            if arrived:  # the first frames after a word has come
                now = time.perf_counter(), time.process_time()
                waits.append([b - a for a, b in zip(arrived.pop(), now, strict=True)])
                arrived.clear()
            pieces += len(piece)
            if pieces % 200 == 0:
                memory.append(psutil.Process().memory_info().rss / 2**20)
        return np.array(waits[5:]), memory, pieces / pipeline.fps

    began = time.perf_counter()
    waits, memory, seconds = benchmark.pedantic(talk, rounds=1, iterations=1)
    spent = time.perf_counter() - began
    (median, busy), (most, busiest) = 1000 * np.quantile(waits, (0.5, 0.99), axis=0)
    print(
        f"\nfrom a word to its first frames: {median:.1f} ms, 99 % within {most:.1f} ms; of a processor {busy:.1f} and "
        f"{busiest:.1f} ms (words known {pipeline.seconds_ahead:g} s ahead)"
    )
    print(f"{seconds:.0f} s of motion in {spent:.0f} s ({spent / seconds:.1%} of real time)")
    print(f"memory {memory[len(memory) // 10]:.0f} MB at a tenth, {memory[-1]:.0f} MB at the end")
    assert seconds > SECONDS - 1
