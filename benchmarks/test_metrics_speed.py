"""Speed of metrics and evaluators against the reference's way and the reference's recorded times."""

import resource
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch

from ktube_motion.evaluation import EvaluationConfig, evaluate_generation
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.evaluators._published import T2MEvaluator, _MotionBiGRU, _Movement, _TextBiGRU
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.metrics import DiversityAccumulator, FrechetAccumulator, RetrievalAccumulator, frechet_distance
from ktube_motion.types import Utterance
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

# REFERENCE section 8: two CPU threads, the recording machine.
REFERENCE_FID, REFERENCE_BATCH = 0.53, 0.38


def _reference_way(a, b):
    """FID as the published code computes it: covariances, then the root of their product."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    difference = a.mean(0) - b.mean(0)
    return difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root.real)


def _seconds(work, repeats=7):
    """Median of CPU seconds, which other work on the machine does not count into."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frechet_distance(dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(5000, 512)).astype(dtype) for _ in range(2))
    assert frechet_distance(a, b) == pytest.approx(_reference_way(a.astype(float), b.astype(float)), rel=1e-6)
    # In turns, so that other work on the machine slows both alike.
    turns = [(_seconds(lambda: frechet_distance(a, b), 1), _seconds(lambda: _reference_way(a, b), 1)) for _ in range(7)]
    ours, theirs = np.median(turns, 0)
    print(
        f"\nFID 5000 x 512 {dtype.__name__}, {torch.get_num_threads()} threads: {ours:.3f} s CPU; reference way here "
        f"{theirs:.3f} s, ratio {theirs / ours:.1f}; recorded {REFERENCE_FID} s, ratio {REFERENCE_FID / ours:.1f}"
    )
    assert theirs > 2.5 * ours


@pytest.fixture(scope="module")
def full_size():
    """Give the published evaluator's architecture in full size, with random weights."""
    torch.manual_seed(0)
    parts = {
        "movement_encoder": _Movement(259, 512, 512),
        "motion_encoder": _MotionBiGRU(512, 1024, 512),
        "text_encoder": _TextBiGRU(300, 15, 512, 512),
    }
    return T2MEvaluator({name: part.state_dict() for name, part in parts.items()})


def test_published_evaluator_batch_of_32(full_size):
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(32, 196, 263)).astype(np.float32)
    texts = (rng.normal(size=(32, 22, 300)), np.tile(np.eye(15)[0], (32, 22, 1)), np.full(32, 22))
    ours = _seconds(lambda: (full_size.embed_motion(clips), full_size.embed_text(texts)), 3)
    print(f"\nEvaluator, batch 32: {ours:.3f} s; recorded {REFERENCE_BATCH} s, ratio {REFERENCE_BATCH / ours:.1f}")


def _resident():
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def test_five_thousand_clips_in_one_pass(full_size):
    """Evaluator and all streaming metrics over 5,000 clips of the published lengths; memory must not grow."""
    rng = np.random.default_rng(0)
    fid, retrieval, spread = FrechetAccumulator(), RetrievalAccumulator(), DiversityAccumulator(rng=rng)
    clips = rng.normal(size=(64, 196, 263)).astype(np.float32)
    words, pos = rng.normal(size=(64, 22, 300)).astype(np.float32), np.tile(np.eye(15)[0], (64, 22, 1))
    start, memory, peaks = time.process_time(), [], []
    tracemalloc.start()
    for first in range(0, 5000, 64):
        count = min(64, 5000 - first)
        lengths = rng.integers(40, 197, size=count)
        motion = full_size.embed_motion([clip[:length] for clip, length in zip(clips, lengths, strict=False)])
        text = full_size.embed_text((words[:count], pos[:count], rng.integers(5, 23, size=count)))
        fid.update(real=text, generated=motion)
        retrieval.update(text, motion)
        spread.update(motion)
        memory.append(_resident())
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
    found = (fid.compute(), retrieval.compute()["pairs"], spread.compute())
    seconds = time.process_time() - start
    early, late, peak = max(memory[10:20]), max(memory[-10:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"\n5000 clips, published evaluator + FID, R-precision, matching, diversity: {seconds:.0f} s CPU (the "
        f"reference's evaluator alone, on two threads: {5000 / 32 * REFERENCE_BATCH:.0f} s); resident {early:.0f} MB "
        f"after 1000 clips, {late:.0f} MB at the end, peak {peak:.0f} MB; "
        f"traced by Python {peaks[19]:.1f} MB, then {peaks[-1]:.1f} MB"
    )
    assert found[1] == 5000
    assert late < 1.1 * early


def _one_by_one(transformer, tokenizer, vector, longest, generator):
    """Generate as the published loop does: one text, and all of the prefix again for every token."""
    tokens = torch.zeros(1, 0, dtype=torch.int64)
    for _ in range(longest):
        logits = transformer(tokens, vector[None])[:, -1]
        drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)
        if int(drawn) == transformer.config.end_token:
            break
        tokens = torch.cat([tokens, drawn], 1)
    return tokenizer.decode(tokens) if tokens.shape[1] else None


class _Vectors:
    dim, identity = 64, ""

    def encode(self, texts):
        return torch.stack([torch.randn(64, generator=torch.Generator().manual_seed(int(text))) for text in texts])


def test_generation_protocol(tmp_path):
    """One repeat of the protocol on 1,000 texts with 100 x 30 for multimodality, against one-by-one generation."""
    rng = np.random.default_rng(0)
    corpus = Corpus.create(tmp_path / "corpus")
    names = [f"{number:04d}" for number in range(1000)]
    for name in names:
        features = np.cumsum(rng.normal(size=(int(rng.integers(40, 199)), 263)) * 0.01, 0)
        corpus.add_clip(name, features=features, texts=[Utterance(0, 0, name)])
    corpus.write_splits({"test": names})
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=32, num_codes=512)).eval()
    config = TransformerConfig(num_codes=512, width=256, num_layers=3, num_heads=4, text_dim=64)
    transformer, encoder = MotionTransformer(config).eval(), _Vectors()
    evaluator = MotionEvaluator(EvaluatorConfig(width=64, embedding_size=64, text_dim=64), text_encoder=encoder)
    start = time.process_time()
    evaluate_generation(
        (transformer, tokenizer, encoder),
        corpus,
        evaluator=evaluator,
        config=EvaluationConfig(repeats=1),
        progress=False,
    )
    ours = time.process_time() - start
    generator, vectors, times = torch.Generator().manual_seed(0), encoder.encode(names[:40]), []
    with torch.no_grad():
        for vector in vectors:
            start = time.process_time()
            _one_by_one(transformer, tokenizer, vector, 49, generator)
            times.append(time.process_time() - start)
    theirs = float(np.mean(times)) * 4000  # the mean: samples differ in length
    print(
        f"\nProtocol, 1000 texts + 100 x 30: {ours:.1f} s CPU with all measures; one by one, generation and decoding "
        f"alone: {np.median(times) * 1000:.0f} ms a text (median of 40), {theirs:.0f} s for 4000; 1/{theirs / ours:.0f}"
    )
    assert theirs > 20 * ours
