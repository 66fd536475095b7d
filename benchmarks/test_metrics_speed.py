"""Speed of metrics and evaluators against the reference's way and the reference's recorded times."""

import time
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import torch

from ktube_motion.metrics import FrechetAccumulator, RetrievalAccumulator, frechet_distance
from ktube_motion.metrics.t2m_evaluator import T2MEvaluator, _BiGRU, _Movement, _TextBiGRU

# REFERENCE section 8: two CPU threads, the recording machine.
REFERENCE_FID, REFERENCE_BATCH = 0.53, 0.38


def _reference_way(a, b):
    """FID as the published code computes it: covariances, then the root of their product."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    difference = a.mean(0) - b.mean(0)
    return difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root.real)


def _seconds(work, repeats=7):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
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
        f"\nFID 5000 x 512 {dtype.__name__}, {torch.get_num_threads()} threads: {ours:.3f} s; reference way here "
        f"{theirs:.3f} s, ratio {theirs / ours:.1f}; recorded {REFERENCE_FID} s, ratio {REFERENCE_FID / ours:.1f}"
    )
    assert theirs > 2 * ours


@pytest.fixture(scope="module")
def full_size():
    """Give the published evaluator's architecture in full size, with random weights."""
    torch.manual_seed(0)
    parts = {
        "movement_encoder": _Movement(259, 512, 512),
        "motion_encoder": _BiGRU(512, 1024, 512),
        "text_encoder": _TextBiGRU(300, 15, 512, 512),
    }
    return T2MEvaluator({name: part.state_dict() for name, part in parts.items()})


def test_published_evaluator_batch_of_32(full_size):
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(32, 196, 263)).astype(np.float32)
    texts = (rng.normal(size=(32, 22, 300)), np.tile(np.eye(15)[0], (32, 22, 1)), np.full(32, 22))
    ours = _seconds(lambda: (full_size.embed_motion(clips), full_size.embed_text(texts)), 3)
    print(f"\nEvaluator, batch 32: {ours:.3f} s; recorded {REFERENCE_BATCH} s, ratio {REFERENCE_BATCH / ours:.1f}")


def test_accumulators_stay_flat():
    rng = np.random.default_rng(0)
    fid, retrieval = FrechetAccumulator(), RetrievalAccumulator()
    peaks = []
    tracemalloc.start()
    for _ in range(20):
        text, motion = (rng.normal(size=(256, 512)).astype(np.float32) for _ in range(2))
        fid.update(real=text, generated=motion)
        retrieval.update(text, motion)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[-1] < 1.1 * peaks[4]
    assert retrieval.compute()["pairs"] == 5120
