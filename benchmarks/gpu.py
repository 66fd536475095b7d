"""Every figure of one card, as a table: training steps, memory, generation, judges, and where the host waits.

    python benchmarks/gpu.py                 (a GPU; under ten minutes; writes output/gpu/table.md and curves.csv)
    python benchmarks/gpu.py --small         (a minute on any machine, a CPU included: whether all of it runs)

The sizes are those of the documented commands: a tokenizer of width 512 on 256 windows of 64 frames, a transformer of
width 1536 with 9 layers (512 million parameters) on 16 texts. What a card cannot do (bf16, TF32, compiling) is told in
the table, as is what is not run. Numbers are made up: what is measured does not depend on what is learned, but for the
loss curves, which are of motions made of slow waves.
"""

import csv
import platform
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate, transformer_loss
from ktube_motion.metrics import DiversityAccumulator, FrechetAccumulator, RetrievalAccumulator
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.training import capabilities
from ktube_motion.training._device import compile_obstacle, tf32_matmul
from ktube_motion.vq import MotionTokenizer, TokenizerConfig, tokenizer_loss

Row = tuple[str, str, str]
NOT_RUN = "not run"


class Sizes:
    """What is measured: the documented sizes, or small ones that only show that everything runs."""

    def __init__(self, small: bool) -> None:
        self.small = small
        self.clips, self.frames = (8, 32) if small else (256, 64)
        self.tokenizer = TokenizerConfig(width=32, code_dim=16, num_codes=32) if small else TokenizerConfig.t2m_gpt()
        self.texts = 4 if small else 16
        width, layers, dim = (64, 1, 32) if small else (1536, 9, 768)
        self.transformer = TransformerConfig(num_codes=128, width=width, num_layers=layers, text_dim=dim)
        self.curve = 8 if small else 500
        self.rounds = 3 if small else 20
        self.tokens = 10 if small else 50
        self.judged = 64 if small else 5000
        self.batches = (1, 4) if small else (1, 256)
        self.evaluator = EvaluatorConfig(width=32, embedding_size=32) if small else EvaluatorConfig()


class Bench:
    """One device, and the table that grows."""

    def __init__(self, device: torch.device, sizes: Sizes, *, eager: bool) -> None:
        self.device, self.sizes, self.eager = device, sizes, eager
        self.able = capabilities(device)
        self.rows: list[Row] = []
        self.curves: dict[str, list[float]] = {}

    def told(self, what: str, figure: str, note: str = "") -> None:
        """Add a line to the table, and print it at once."""
        self.rows.append((what, figure, note))
        print(f"{what}: {figure}{f' ({note})' if note else ''}", flush=True)

    def wait(self) -> None:
        """Wait until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], Any], rounds: int | None = None) -> float:
        """Give the median time of a piece of work, after two that warm up."""
        times = []
        rounds = self.sizes.rounds if rounds is None else rounds
        for turn in range(rounds + 2):
            self.wait()
            began = time.perf_counter()
            work()
            self.wait()
            if turn > 1:
                times.append(time.perf_counter() - began)
        return float(np.median(times))

    @contextmanager
    def peak(self) -> Iterator[list[float]]:
        """Give a list that holds the most gigabytes of the device that were in use, at the end of the block."""
        found: list[float] = []
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        yield found
        if self.device.type == "cuda":
            found.append(torch.cuda.max_memory_allocated(self.device) / 1e9)


def memory(found: list[float]) -> str:
    """Tell the peak in the table."""
    return f"peak {found[0]:.2f} GB" if found else "peak not measured on a CPU"


# -- the device itself ---------------------------------------------------------


def describe(bench: Bench) -> float:
    """Tell what the device is; give the bytes a second that it reads at most."""
    if bench.device.type == "cuda":
        card = torch.cuda.get_device_properties(bench.device)
        note = f"{card.total_memory / 1e9:.1f} GB, compute capability {card.major}.{card.minor}"
        bench.told("card", card.name, f"{note}, CUDA {torch.version.cuda}, PyTorch {torch.__version__}")
    else:
        bench.told("card", NOT_RUN, f"{platform.processor() or platform.machine()}, PyTorch {torch.__version__}")
    bench.told(
        "able to", ", ".join(name for name, there in (
            ("bf16", bench.able.mixed_precision == "bf16"), ("TF32", bench.able.tf32), ("compile", bench.able.compile)
        ) if there) or "fp32 alone", compile_obstacle(bench.device) or "",
    )  # fmt: skip
    side = 2048 if bench.sizes.small else 16384
    matrix, vector = torch.randn(side, side, device=bench.device), torch.randn(side, device=bench.device)
    rate = matrix.nbytes / bench.seconds(lambda: matrix @ vector)
    bench.told("bandwidth, a matrix times a vector", f"{rate / 1e9:.0f} GB/s")
    return rate


# -- training --------------------------------------------------------------------


def waves(sizes: Sizes, step: int, device: torch.device) -> torch.Tensor:
    """Give a batch of slow waves, the same for each step of each way."""
    rng = np.random.default_rng(step)
    times = np.arange(sizes.frames)[None, :, None] / 20
    shape = (sizes.clips, 1, sizes.tokenizer.feature_size)
    rates, phases = rng.uniform(0.2, 1.5, shape), rng.uniform(0, 2 * np.pi, shape)
    found = np.sin(2 * np.pi * rates * times + phases) * rng.uniform(0.5, 1.5, shape)
    return torch.from_numpy(found.astype(np.float32)).to(device)


def stepper(
    bench: Bench, model: torch.nn.Module, loss: Callable[[Any, Any], torch.Tensor], *, bf16: bool, compiled: bool
) -> Callable[[Any], torch.Tensor]:
    """Give a training step as the loop takes it: mixed precision, and the optimizer that fits the device."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, fused=bench.able.fused_adamw or None)
    forward: Any = torch.compile(model) if compiled else model

    def step(batch: Any) -> torch.Tensor:
        with torch.autocast(bench.device.type, torch.bfloat16) if bf16 else nullcontext():
            value = loss(forward, batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return value.detach()

    return step


def ways(bench: Bench) -> Iterator[tuple[str, dict[str, bool], str]]:
    """Give how a step can be taken: name, what is on, and why it cannot be."""
    able, obstacle = bench.able, "--eager" if bench.eager else compile_obstacle(bench.device)
    no_bf16 = "" if able.mixed_precision == "bf16" or bench.sizes.small else "the device has no bf16"
    yield "eager fp32", {}, ""
    yield "TF32", {"tf32": True}, "" if able.tf32 else "the device has no TF32"
    yield "bf16", {"bf16": True}, no_bf16
    yield "compiled", {"compiled": True, "tf32": able.tf32}, obstacle or ""
    yield "compiled bf16", {"compiled": True, "bf16": True}, obstacle or no_bf16


def tokenizer(bench: Bench) -> None:
    """Measure the tokenizer's step each way, and draw its loss over some hundred steps."""
    sizes = bench.sizes
    what = f"tokenizer step, {sizes.clips} x {sizes.frames} frames, width {sizes.tokenizer.width}"
    batches = [waves(sizes, step, bench.device) for step in range(min(sizes.curve, 32))]
    for name, on, obstacle in ways(bench):
        if obstacle:
            bench.told(f"{what}, {name}", NOT_RUN, obstacle)
            continue
        torch.manual_seed(0)
        model = MotionTokenizer(sizes.tokenizer).to(bench.device)
        options = {"bf16": on.get("bf16", False), "compiled": on.get("compiled", False)}
        step = stepper(bench, model, lambda net, x: tokenizer_loss(net(x)).total, **options)
        with tf32_matmul(on.get("tf32", False)), bench.peak() as peak:
            losses = [step(batches[k % len(batches)]) for k in range(sizes.curve)]
            took = bench.seconds(partial(step, batches[0]))
        bench.curves[name] = torch.stack(losses).float().tolist()
        last = float(np.mean(bench.curves[name][-max(sizes.curve // 10, 1) :]))
        first = float(np.mean(bench.curves["eager fp32"][-max(sizes.curve // 10, 1) :]))
        note = f"loss at the end {last:.4f}, {last / first - 1:+.1%} of fp32's; {memory(peak)}"
        bench.told(f"{what}, {name}", f"{1e3 * took:.1f} ms", note)
        if name == "eager fp32":
            stalls(bench, partial(step, batches[0]), "a tokenizer step")


def transformer(bench: Bench) -> None:
    """Measure the transformer's step each way, with the memory that it needs."""
    sizes, config = bench.sizes, bench.sizes.transformer
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(config.num_codes, (sizes.texts, config.max_tokens), generator=generator)
    lengths = torch.full((sizes.texts,), config.max_tokens)
    text = torch.randn(sizes.texts, config.text_dim, generator=generator)
    batch = tuple(part.to(bench.device) for part in (tokens, lengths, text))
    what = f"transformer step, {sizes.texts} texts, width {config.width}"
    for name, on, obstacle in ways(bench):
        if obstacle or (on.get("compiled") and on.get("bf16")):
            bench.told(f"{what}, {name}", NOT_RUN, obstacle or "as above")
            continue
        torch.manual_seed(0)
        with torch.device(bench.device):
            model = MotionTransformer(config)
        options = {"bf16": on.get("bf16", False), "compiled": on.get("compiled", False)}
        step = stepper(bench, model, lambda net, x: transformer_loss(net, *x).loss, **options)
        with tf32_matmul(on.get("tf32", False)), bench.peak() as peak:
            took = bench.seconds(partial(step, batch), rounds=min(sizes.rounds, 8))
        limit = "; under 12 GB" if peak and peak[0] < 12 else "; NOT under 12 GB" if peak else ""
        bench.told(f"{what}, {name}", f"{1e3 * took:.1f} ms", memory(peak) + limit)
        if name == "eager fp32":
            stalls(bench, partial(step, batch), "a transformer step")
        del model, step


def stalls(bench: Bench, work: Callable[[], Any], what: str) -> None:
    """Count where the host waits for the device: numbers fetched, and explicit waits."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if bench.device.type == "cuda" else []
    work()
    bench.wait()
    with torch.profiler.profile(activities=activities) as profile:
        work()
    names = ("aten::_local_scalar_dense", "cudaStreamSynchronize", "Memcpy DtoH", "aten::nonzero")
    found = {name: sum(event.count for event in profile.key_averages() if event.key.startswith(name)) for name in names}
    told = ", ".join(f"{name.removeprefix('aten::')} {count}" for name, count in found.items() if count)
    bench.told(f"host waits in {what}", str(found["aten::_local_scalar_dense"]), told or "none")


# -- writing motion, and judging it ------------------------------------------------


def generation(bench: Bench, bandwidth: float) -> None:
    """Measure how fast tokens are written, and what share of reading the weights once for each that is."""
    sizes, config = bench.sizes, bench.sizes.transformer
    torch.manual_seed(0)
    with torch.device(bench.device):
        model = MotionTransformer(config).eval()
    text = torch.randn(max(sizes.batches), config.text_dim)
    for precision in ("fp32", "bf16"):
        if precision == "bf16":
            if bench.able.mixed_precision != "bf16" and not sizes.small:
                bench.told("generation, bf16", NOT_RUN, "the device has no bf16")
                break
            model = model.bfloat16()
        weights = sum(weight.nbytes for weight in model.parameters())
        for batch in sizes.batches:
            options = {"num_tokens": sizes.tokens, "seeds": range(batch), "batch_size": batch}
            with bench.peak() as peak:
                took = bench.seconds(partial(generate, model, text[:batch], **options), rounds=3)
            share = weights * sizes.tokens / took / bandwidth
            note = f"{share:.0%} of the bandwidth; {memory(peak)}" if batch == 1 else memory(peak)
            what = f"generation, width {config.width}, {precision}, {batch} texts"
            bench.told(what, f"{batch * sizes.tokens / took:,.0f} tokens/s", note)
        replayed(bench, model, weights, bandwidth, precision)


def replayed(bench: Bench, model: MotionTransformer, weights: int, bandwidth: float, precision: str) -> None:
    """Measure one step of one text as a CUDA graph: what is left when the host's part is gone."""
    what = f"one step as a CUDA graph, {precision}, 1 text"
    if bench.device.type != "cuda":
        bench.told(what, NOT_RUN, "needs a CUDA device")
        return
    with torch.inference_mode():
        prefix = torch.zeros(1, model.config.max_tokens // 2, dtype=torch.int64, device=bench.device)
        _, cache = model.start(prefix, torch.zeros(1, *model.config.text_shape, device=bench.device))
        token, length = prefix[:, 0].clone(), cache.length

        def step() -> None:
            cache.length = length
            model.step(token, cache)

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        took = bench.seconds(graph.replay)
        eager = bench.seconds(step)
    note = f"{weights / took / bandwidth:.0%} of the bandwidth; eager {1e3 * eager:.2f} ms"
    bench.told(what, f"{1e3 * took:.2f} ms", note)


def judging(bench: Bench) -> None:
    """Measure the evaluator and the metrics over some thousand clips."""
    sizes = bench.sizes
    encoder = EmbeddedTextEncoder()
    size = TokenizerConfig().feature_size
    from ktube_motion.types import FeatureStats

    stats = FeatureStats(mean=np.zeros(size, np.float32), std=np.ones(size, np.float32))
    judge = MotionEvaluator(sizes.evaluator, stats, text_encoder=encoder).to(bench.device).eval()
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((length, size), np.float32) for length in rng.integers(40, 197, 64).tolist()]
    texts = [f"손을 {number}번 흔들어 주세요" for number in range(64)]
    fid, retrieval, spread = FrechetAccumulator(), RetrievalAccumulator(), DiversityAccumulator(rng=rng)

    def run() -> None:
        for first in range(0, sizes.judged, 64):
            count = min(64, sizes.judged - first)
            motion, text = judge.embed_motion(clips[:count]), judge.embed_text(texts[:count])
            fid.update(real=text, generated=motion)
            retrieval.update(text, motion)
            spread.update(motion)

    with bench.peak() as peak:
        bench.wait()
        began = time.perf_counter()
        run()
        fid.compute(), retrieval.compute(), spread.compute()
        bench.wait()
        took = time.perf_counter() - began
    bench.told(f"evaluator and metrics, {sizes.judged:,} clips", f"{took:.1f} s", memory(peak))


# -- all of it -----------------------------------------------------------------------


def run(options: Namespace) -> Bench:
    """Measure everything, and write the table."""
    device = torch.device("cuda" if torch.cuda.is_available() and not options.cpu else "cpu")
    sizes = Sizes(options.small or device.type == "cpu")
    if sizes.small and not options.small:
        print("No GPU is here: small sizes, which only show that everything runs.")
    bench = Bench(device, sizes, eager=options.eager)
    began = time.perf_counter()
    bandwidth = describe(bench)
    tokenizer(bench)
    transformer(bench)
    generation(bench, bandwidth)
    judging(bench)
    bench.told("all of this", f"{time.perf_counter() - began:.0f} s")
    options.output.mkdir(parents=True, exist_ok=True)
    lines = ["| what | figure | |", "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in bench.rows)]
    (options.output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (options.output / "curves.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *bench.curves])
        writer.writerows(zip(range(sizes.curve), *bench.curves.values(), strict=True))
    draw(bench.curves, options.output / "curves.png")
    print(f"The table is {options.output / 'table.md'}, the loss curves are {options.output / 'curves.png'}")
    return bench


def draw(curves: dict[str, list[float]], path: Path) -> None:
    """Draw the loss of each way over the others."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, losses in curves.items():
        axes.plot(losses, label=name, linewidth=1)
    axes.set(xlabel="step", ylabel="loss of the tokenizer", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read the options."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="small sizes: whether everything runs")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument("--output", type=Path, default=Path("output/gpu"), metavar="DIR")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
