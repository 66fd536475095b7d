"""Writing motion tokens: `generate` against the loop T2M-GPT samples with, on the same weights.

    pytest benchmarks/test_gpt_speed.py -s                                            (small, seconds)
    GPT_BENCH_WIDTH=1024 GPT_BENCH_LAYERS=9 pytest benchmarks/test_gpt_speed.py -s    (minutes)
    GPT_BENCH_PIPELINE=output/quickstart/pipeline pytest benchmarks/test_gpt_speed.py -k tokens -s
    GPT_BENCH_MEMORY=1 pytest benchmarks/test_gpt_speed.py -k memory -s               (minutes, 5 GB)

The bound for one text is reading the weights once per token: plain
matrix-vector products over as many bytes, measured in the same run.
"""

import copy
import os
import subprocess
import sys
import time

import pytest
import torch
from torch.nn import functional as F

from ktube_motion import MotionTokenizer, UtteranceToMotion
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate, quantize
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.vq import TokenizerConfig

WIDTH = int(os.environ.get("GPT_BENCH_WIDTH", "256"))
LAYERS = int(os.environ.get("GPT_BENCH_LAYERS", "2"))
THREADS = int(os.environ.get("GPT_BENCH_THREADS", "2"))
PIPELINE = os.environ.get("GPT_BENCH_PIPELINE")
TOKENS = 50
PRECISIONS = {
    "fp32": lambda model: model,
    "bf16": lambda model: copy.deepcopy(model).bfloat16(),
    "int8": quantize,
}


def plain_loop(model, text):
    """T2M-GPT's way: one text at a time, the whole prefix read again for every token, which is drawn.

    As there, query, key and value are three products, the scores are masked
    and made probabilities in the open, the head scores every position, and one
    token more is computed than the block holds, and dropped. Only the end is
    forbidden, so that every run writes the same number of tokens.
    """
    config, blocks = model.config, model.blocks
    tokens = torch.zeros(1, 0, dtype=torch.int64)
    mask = torch.ones(config.block_size, config.block_size).tril()
    for _ in range(config.block_size):
        x = model.embed(tokens, text)
        length, head_size = x.shape[1], config.width // config.num_heads
        for block in blocks:
            y = block.norm1(x)
            query, key, value = (
                F.linear(y, weight, bias).view(1, length, config.num_heads, head_size).transpose(1, 2)
                for weight, bias in zip(block.qkv.weight.chunk(3), block.qkv.bias.chunk(3), strict=True)
            )
            scores = query @ key.transpose(-2, -1) * head_size**-0.5
            scores = scores.masked_fill(mask[:length, :length] == 0, -torch.inf).softmax(-1)
            x = x + block.out((scores @ value).transpose(1, 2).contiguous().view(1, length, config.width))
            x = x + block.contract(F.gelu(block.expand(block.norm2(x))))
        probabilities = model.head(model.norm(x))[:, -1].softmax(-1)
        probabilities[:, -1] = 0
        drawn = torch.distributions.Categorical(probabilities).sample()
        tokens = torch.cat((tokens, drawn[:, None]), 1)
    return tokens[:, :-1]


def read_once(model):
    """Multiply every weight matrix with a vector: as many bytes as one token must read."""
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "tokens" not in name]
    codes = [buffer for buffer in model.buffers() if buffer.dtype == torch.int8]
    vectors = {weight.shape[1]: weight.new_ones(1, weight.shape[1]) for weight in matrices}
    vectors_of_codes = {weight.shape[0]: weight.new_ones(1, weight.shape[0]) for weight in codes}

    def run():
        for weight in matrices:
            F.linear(vectors[weight.shape[1]], weight)
        for weight in codes:
            torch._int_mm(vectors_of_codes[weight.shape[0]], weight)

    return run


def seconds(run, repeats):
    run()  # warm caches and allocators
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


@pytest.fixture(scope="module", autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return MotionTransformer(TransformerConfig(width=WIDTH, num_layers=LAYERS)).eval()


def test_generate_against_the_plain_loop(model):
    config = model.config
    weights = sum(weight.numel() for weight in model.parameters())
    print(f"\nwidth {WIDTH}, {LAYERS}+{LAYERS} layers, {weights / 1e6:.0f} M parameters, {THREADS} threads")
    text = torch.randn(32, config.text_dim)
    with torch.inference_mode():
        base = TOKENS / seconds(lambda: plain_loop(model, text[:1]), 1)
        print(f"plain loop, one text, fp32: {base:8.1f} tokens/s")
        ratios = {}
        for precision, convert in PRECISIONS.items():
            used = convert(model)
            bound = 1 / seconds(read_once(used), 5)
            for batch in (1, 32):
                took = seconds(lambda n=batch, m=used: generate(m, text[:n], num_tokens=TOKENS, seeds=range(n)), 3)
                rate = batch * TOKENS / took
                ratios[precision, batch] = rate / base
                share = f", {rate / bound:4.0%} of reading the weights once ({bound:.1f}/s)" if batch == 1 else ""
                of_fp32 = f", {ratios[precision, batch] / ratios['fp32', batch]:.2f} x fp32" * (precision != "fp32")
                print(f"{precision}, {batch:2} texts: {rate:8.1f} tokens/s = {rate / base:5.1f} x{of_fp32}{share}")
    assert ratios["fp32", 1] > 1.5
    assert ratios["fp32", 32] > 4


def effect_on_tokens(model, text):
    """Print how bf16 and int8 change the tokens; give the share of equal likeliest tokens, given the same past."""
    written = torch.stack(generate(model, text, num_tokens=model.config.max_tokens, seeds=range(len(text))))
    greedy = torch.stack(generate(model, text, num_tokens=TOKENS, temperature=0))
    with torch.inference_mode():
        wanted = model(written, text).double().log_softmax(-1)
    shares = {}
    for precision in ("bf16", "int8"):
        used = PRECISIONS[precision](model)
        with torch.inference_mode():
            found = used(written, text).double().log_softmax(-1)
        divergence = (wanted.exp() * (wanted - found)).sum(-1).mean()
        shares[precision] = (found.argmax(-1) == wanted.argmax(-1)).double().mean()
        same = (torch.stack(generate(used, text, num_tokens=TOKENS, temperature=0)) == greedy).double().mean()
        print(
            f"{precision}: likeliest token equal {shares[precision]:.1%} given the same past, "
            f"{same:.1%} in greedy runs of {TOKENS}; KL {divergence:.1e} nats a token"
        )
    return shares


def test_effect_of_precision_on_tokens(model):
    print(f"\nrandom weights, width {WIDTH}, {LAYERS}+{LAYERS} layers")
    shares = effect_on_tokens(model, torch.randn(32, model.config.text_dim, generator=torch.Generator().manual_seed(1)))
    assert min(shares.values()) > 0.8


@pytest.mark.skipif(not PIPELINE, reason="GPT_BENCH_PIPELINE names no trained pipeline")
def test_effect_of_precision_on_trained_tokens():
    pipeline = UtteranceToMotion.from_pretrained(PIPELINE)
    texts = ["오른손을 들어 주세요", "왼손을 흔들며 인사합니다", "앞으로 달려갑니다", "와, 우리가 이겼다! 만세!"] * 8
    print(f"\n{PIPELINE}")
    shares = effect_on_tokens(pipeline.transformer, pipeline.text_encoder.encode(texts))
    assert min(shares.values()) > 0.9


def test_stream_keeps_ahead_of_real_time():
    """The sizes of examples/quickstart.py; what a piece costs does not depend on what is learned."""
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(TokenizerConfig(width=128, code_dim=32, num_codes=128)).eval()
    config = TransformerConfig(num_codes=128, width=192, num_layers=2, num_heads=6)
    pipeline = UtteranceToMotion(tokenizer, MotionTransformer(config).eval(), EmbeddedTextEncoder())
    first, share = [], []
    for seed in range(6):
        start = time.perf_counter()
        pieces = pipeline.stream("안녕하세요, 만나서 반갑습니다.", seconds=10.0, seed=seed)
        assert len(next(pieces)) == 4
        first.append(time.perf_counter() - start)
        assert sum(len(piece) for piece in pieces) == 196
        share.append((time.perf_counter() - start) / 10.0)
    first, share = sorted(first[1:])[2], sorted(share[1:])[2]  # the first run loads the text encoder
    print(f"\nstream, {THREADS} threads: first 4 frames after {1000 * first:.0f} ms, {share:.1%} of real time")
    assert share < 0.5


_MEMORY = """
import sys, torch
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate, quantize
def status(name):
    return next(int(line.split()[1]) / 2**20 for line in open("/proc/self/status") if line.startswith(name))
torch.set_num_threads({threads})
torch.manual_seed(0)
with torch.device("meta"):
    model = MotionTransformer(TransformerConfig(num_codes=128, width=1536, text_dim=768))
model = model.to(getattr(torch, "{dtype}")).to_empty(device="cpu")
for tensor in (*model.parameters(), *model.buffers()):
    tensor.data.normal_(std=0.02)
model.eval()
weights = sum(weight.nbytes for weight in model.parameters()) / 2**30
generate(model, torch.randn(1, 768), num_tokens=1)
held = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak is measured from here
generate(model, torch.randn({batch}, 768), num_tokens=60)
print(f"{{weights:.2f}} {{held:.2f}} {{status('VmHWM') - weights:.2f}} {{status('VmHWM') - held:.2f}}")
"""


@pytest.mark.skipif(not os.environ.get("GPT_BENCH_MEMORY"), reason="GPT_BENCH_MEMORY is not set")
@pytest.mark.parametrize(("dtype", "batch"), [("float32", 1), ("float32", 32), ("bfloat16", 1), ("bfloat16", 32)])
def test_memory_at_the_ktube_width(dtype, batch):
    """512 M parameters: all that a process holds beyond its weights, torch itself included."""
    script = _MEMORY.format(threads=THREADS, dtype=dtype, batch=batch)
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    weights, held, beyond, grown = map(float, found.stdout.split())
    print(
        f"\n{dtype}, {batch} texts: weights {weights:.2f} GiB, resident before {held:.2f}, "
        f"peak beyond the weights {beyond:.2f}, of which generate {grown:.2f}"
    )
    assert beyond < 3
