"""Words in, frames out: how long a live talk waits for the computer, and what it keeps.

``pytest benchmarks -k live -s``.
The pipeline has the quick start's sizes and random weights: time and memory do not depend on what was learned.
KTUBE_BENCH=full streams an hour instead of two minutes.
"""

import os
import time

import numpy as np
import psutil
import torch

from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import NUM_TIMES, EmbeddedTextEncoder, word_encoder
from ktube_motion.types import Word
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SECONDS = 3600 if os.environ.get("KTUBE_BENCH") == "full" else 120
SAID = "여러분 안녕하세요. 오늘은 왼쪽을 한번 보시고 두 손을 높이 들어 크게 인사해 볼게요.".split()


def make_pipeline():
    torch.manual_seed(0)
    encoder = EmbeddedTextEncoder()
    words = word_encoder(encoder)
    tokenizer = MotionTokenizer(TokenizerConfig(width=128, num_codes=512, down_t=1)).eval()
    config = TransformerConfig(
        num_codes=512, width=192, num_layers=2, num_heads=6, block_size=41, frames_per_token=2,
        word_dim=words.dim + NUM_TIMES, word_past=10, word_ahead=12,
    )  # fmt: skip
    return UtteranceToMotion(tokenizer, MotionTransformer(config).eval(), encoder)


def test_live_words(benchmark):
    pipeline, arrived = make_pipeline(), []

    def arriving():
        """Give a word every 0.4 s of the talk, as fast as they are taken."""
        for number in range(int(SECONDS / 0.4)):
            arrived.append(time.perf_counter())
            yield Word(0.4 * number, 0.4 * number + 0.35, SAID[number % len(SAID)])

    def talk():
        waits, memory, pieces = [], [], 0
        for piece in pipeline.stream(arriving(), generator=torch.Generator().manual_seed(0), top_p=0.9):
            if arrived:  # the first frames after a word has come
                waits.append(time.perf_counter() - arrived.pop())
                arrived.clear()
            pieces += len(piece)
            if pieces % 200 == 0:
                memory.append(psutil.Process().memory_info().rss / 2**20)
        return np.array(waits[5:]), memory, pieces / pipeline.fps

    began = time.perf_counter()
    waits, memory, seconds = benchmark.pedantic(talk, rounds=1, iterations=1)
    spent = time.perf_counter() - began
    median, most = 1000 * np.quantile(waits, (0.5, 0.99))
    print(
        f"\nfrom a word to its first frames: {median:.1f} ms, 99 % within {most:.1f} ms "
        f"(words known {pipeline.seconds_ahead:g} s ahead)"
    )
    print(f"{seconds:.0f} s of motion in {spent:.0f} s ({spent / seconds:.1%} of real time)")
    print(f"memory {memory[len(memory) // 10]:.0f} MB at a tenth, {memory[-1]:.0f} MB at the end")
    assert seconds > SECONDS - 1
