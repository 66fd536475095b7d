"""Writing motion tokens: `generate` against the loop T2M-GPT samples with, on the same weights.

    pytest benchmarks/test_gpt_speed.py -s                                  (small, seconds)
    GPT_BENCH_WIDTH=1024 GPT_BENCH_LAYERS=9 pytest benchmarks/test_gpt_speed.py -s    (minutes)

The bound for one text is reading the weights once per token: plain
matrix-vector products over as many bytes, measured in the same run.
"""

import copy
import os
import time

import pytest
import torch
from torch.nn import functional as F

from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate

WIDTH = int(os.environ.get("GPT_BENCH_WIDTH", "256"))
LAYERS = int(os.environ.get("GPT_BENCH_LAYERS", "2"))
THREADS = int(os.environ.get("GPT_BENCH_THREADS", "2"))
TOKENS = 50


def plain_loop(model, text):
    """T2M-GPT's way: one text at a time, the whole prefix read again for every token, which is drawn."""
    config, blocks = model.config, model.blocks
    tokens = torch.zeros(1, 0, dtype=torch.int64)
    mask = torch.ones(config.block_size, config.block_size).tril() == 0
    while tokens.shape[1] < TOKENS:
        x = model.embed(tokens, text)
        length, head_size = x.shape[1], config.width // config.num_heads
        for block in blocks:
            y = block.norm1(x)
            query, key, value = (
                F.linear(y, weight, bias).view(1, length, config.num_heads, head_size).transpose(1, 2)
                for weight, bias in zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True)
            )
            scores = query @ key.transpose(-2, -1) / head_size**0.5
            scores = scores.masked_fill(mask[:length, :length], -torch.inf).softmax(-1)
            x = x + block.out((scores @ value).transpose(1, 2).reshape(1, length, config.width))
            x = x + block.contract(F.gelu(block.expand(block.norm2(x))))
        probabilities = model.head(model.norm(x))[:, -1].softmax(-1)
        probabilities[:, -1] = 0  # no end: every run writes the same number of tokens
        tokens = torch.cat((tokens, torch.multinomial(probabilities, 1)), 1)
    return tokens


def read_once(model):
    """Multiply every weight matrix with a vector: as many bytes as one token must read."""
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "tokens" not in name]
    vectors = {weight.shape[1]: weight.new_ones(1, weight.shape[1]) for weight in matrices}

    def run():
        for weight in matrices:
            F.linear(vectors[weight.shape[1]], weight)

    return run


def seconds(run, repeats):
    run()  # warm caches and allocators
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield MotionTransformer(TransformerConfig(width=WIDTH, num_layers=LAYERS)).eval()
    torch.set_num_threads(before)


def test_generate_against_the_plain_loop(model):
    config = model.config
    weights = sum(weight.numel() for weight in model.parameters())
    print(f"\nwidth {WIDTH}, {LAYERS}+{LAYERS} layers, {weights / 1e6:.0f} M parameters, {THREADS} threads")
    text = torch.randn(32, config.text_dim)
    with torch.inference_mode():
        base = TOKENS / seconds(lambda: plain_loop(model, text[:1]), 1)
        print(f"plain loop, one text, fp32: {base:8.1f} tokens/s")
        ratios = {}
        for precision in (torch.float32, torch.bfloat16):
            used = model if precision == torch.float32 else copy.deepcopy(model).to(precision)
            bound = 1 / seconds(read_once(used), 5)
            for batch in (1, 32):
                took = seconds(lambda n=batch, m=used: generate(m, text[:n], num_tokens=TOKENS, seeds=range(n)), 3)
                rate = batch * TOKENS / took
                ratios[precision, batch] = rate / base
                share = f", {rate / bound:4.0%} of reading the weights once ({bound:.1f}/s)" if batch == 1 else ""
                print(f"generate, {batch:2} texts, {precision}: {rate:8.1f} tokens/s = {rate / base:5.1f} x{share}")
    assert ratios[torch.float32, 1] > 1.5
    assert ratios[torch.float32, 32] > 4
