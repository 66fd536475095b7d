"""Metrics: parity with recorded values, invariants, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion import metrics
from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.metrics import (
    DiversityAccumulator,
    FewSamplesWarning,
    FrechetAccumulator,
    JointErrorAccumulator,
    RetrievalAccumulator,
)
from ktube_motion.skeletons import KIT_21, Skeleton
from ktube_motion.types import Word

RTOL = 1e-5


def _float32(array):
    return array.astype(np.float32)


@pytest.fixture(scope="module")
def pairs(golden):
    recorded = np.load(golden / "metrics/metrics_32.npz", allow_pickle=False)
    return recorded, _float32(recorded["emb1"]), _float32(recorded["emb2"])


def test_golden_retrieval(pairs):
    recorded, text, motion = pairs
    found = metrics.r_precision(text, motion) * 32
    np.testing.assert_allclose(found, recorded["top_k_sum"], rtol=RTOL)
    assert metrics.matching_score(text, motion) == pytest.approx(float(recorded["matching_mean"]), rel=RTOL)
    assert metrics.matching_score(text, motion) * 32 == pytest.approx(float(recorded["matching_trace"]), rel=RTOL)


def test_golden_distances(pairs):
    from ktube_motion.metrics.functional._retrieval import distances

    recorded, text, motion = pairs
    found = distances(torch.from_numpy(text).double(), torch.from_numpy(motion).double())
    np.testing.assert_allclose(found.numpy(), recorded["dist"], rtol=RTOL)


def test_golden_frechet_with_fewer_samples_than_dimensions(pairs):
    recorded, a, b = pairs
    with pytest.warns(FewSamplesWarning, match="32 samples for 512 dimensions"):
        found = metrics.frechet_distance(a, b)
    assert found == pytest.approx(float(recorded["fid_rank_deficient"]), rel=RTOL)


def test_golden_multimodality(golden):
    recorded = np.load(golden / "metrics/multimodality.npz", allow_pickle=False)
    groups = _float32(recorded["activation"])
    found = metrics.multimodality(groups, pairs=(recorded["idx1"], recorded["idx2"]))
    assert found == pytest.approx(float(recorded["value"]), rel=RTOL)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(8, 30))
def test_frechet_invariants(seed, dim, count):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(count, dim)), 2 * rng.normal(size=(count + 3, dim)) + 1
    distance = metrics.frechet_distance(a, b)
    assert distance == pytest.approx(metrics.frechet_distance(b, a), rel=1e-6, abs=1e-8)
    turn, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    assert distance == pytest.approx(metrics.frechet_distance(a @ turn, b @ turn), rel=1e-6, abs=1e-8)
    assert metrics.frechet_distance(a, rng.permutation(a)) == 0.0
    shift = rng.normal(size=dim)
    assert metrics.frechet_distance(a, a + shift) == pytest.approx(shift @ shift, rel=1e-6, abs=1e-7)


def test_frechet_against_scipy():
    import scipy.linalg

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 16)), rng.normal(size=(300, 16)) @ rng.normal(size=(16, 16))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert metrics.frechet_distance(a, torch.from_numpy(b)) == pytest.approx(expected, rel=1e-9)
    from_moments = metrics.frechet_distance_from_moments(a.mean(0), cov_a, b.mean(0), cov_b)
    assert from_moments == pytest.approx(expected, rel=1e-9)


def test_frechet_of_constant_embeddings_is_the_squared_shift():
    assert metrics.frechet_distance(np.zeros((5, 2)), np.full((5, 2), 3.0)) == pytest.approx(18.0)


def test_r_precision_keeps_every_pair_in_a_full_pool():
    rng = np.random.default_rng(0)
    text = rng.normal(size=(33, 8))
    motion = rng.normal(size=(33, 8))
    motion[32] = text[32] + 100  # alone in a batch it would score 1
    ours = metrics.r_precision(text, motion)
    published = metrics.r_precision(text, motion, drop_last=True)
    np.testing.assert_allclose(ours * 33, published * 32, atol=1e-12)


def test_r_precision_ranks_in_pools_of_32():
    one_hot = np.tile(np.eye(32), (3, 1))  # in a pool of 64 every motion would have a twin
    np.testing.assert_array_equal(metrics.r_precision(one_hot, one_hot), [1, 1, 1])
    np.testing.assert_array_equal(metrics.r_precision(one_hot, one_hot, batch_size=64, drop_last=True), [0.5, 1, 1])
    np.testing.assert_array_equal(RetrievalAccumulator().update(one_hot, one_hot).compute()["r_precision"], [1, 1, 1])
    np.testing.assert_allclose(metrics.r_precision_chance(96), [1 / 32, 2 / 32, 3 / 32])


def test_r_precision_of_a_collapsed_evaluator_is_chance():
    rng = np.random.default_rng(0)
    same = np.ones((64, 4))
    expected = metrics.r_precision_chance(64)
    np.testing.assert_allclose(metrics.r_precision(rng.normal(size=(64, 4)), same), expected)
    np.testing.assert_allclose(metrics.r_precision(same, rng.normal(size=(64, 4))), expected)  # one text for all
    np.testing.assert_allclose(metrics.r_precision(same[:10], same[:10]), [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: metrics.r_precision(x, x[:5]), ShapeError, "pairs"),
        (lambda x: metrics.r_precision(x[:1], x[:1]), ShapeError, "N >= 2"),
        (lambda x: metrics.r_precision(x, x, drop_last=True), DataError, "at least 32 pairs"),
        (lambda x: metrics.r_precision(x, np.where(x > 1e9, x, np.nan)), DataError, "NaN or infinity in 8 of 8"),
        (lambda x: metrics.frechet_distance(x, x[:, :2]), ShapeError, "differ in dimension"),
        (lambda x: metrics.frechet_distance(x, x[:1]), ShapeError, "N >= 2"),
        (lambda x: metrics.frechet_distance(np.full_like(x, np.inf), x), DataError, "infinity"),
        (lambda x: metrics.frechet_distance_from_moments(x[0], x, x[0], x), ShapeError, "fit together"),
        (lambda x: metrics.diversity(x[:1], rng=np.random.default_rng()), ShapeError, "N >= 2"),
        (lambda x: metrics.multimodality(x[None]), ConfigError, "rng"),
        (lambda x: metrics.multimodality(x[:, None], num_pairs=1), ShapeError, "G >= 2"),
        (lambda x: metrics.matched_preference(x, x + np.nan), DataError, "NaN"),
        (lambda x: metrics.class_accuracy(x, ["a"] * 8, x, ["b"] * 8), DataError, "Labels without"),
        (lambda x: metrics.class_accuracy(x, ["a"], x, ["b"] * 8), ShapeError, "differ in number"),
        (lambda x: metrics.nearest_centroid(x, x[:, :2], ["b"] * 8), ShapeError, "different evaluators"),
        (lambda x: metrics.beat_consistency([1.0], []), DataError, "speech beat"),
        (lambda x: metrics.mpjpe(x, x), ShapeError, "3"),
        (lambda x: metrics.mpjpe(np.zeros((2, 2, 3)), np.zeros((3, 2, 3))), ShapeError, "differ in shape"),
        (lambda x: metrics.mpjpe(np.zeros((2, 2, 3)), np.zeros((2, 2, 3)), align="x"), ConfigError, "procrustes"),
        (lambda x: metrics.jerk(np.zeros((3, 2, 3)), fps=20), ShapeError, "at least 4"),
        (lambda x: metrics.foot_skating(np.zeros((3, 2, 3)), fps=20), ShapeError, "22"),
        (lambda x: metrics.jerk(np.full((9, 2, 3), np.nan), fps=20), DataError, "NaN"),
        (lambda x: metrics.frechet_gesture_distance([x], [x], embed=len), DataError, "too short for a window"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call(np.random.default_rng(0).normal(size=(8, 4)))


def test_multimodality_never_pairs_a_motion_with_itself():
    groups = np.arange(2.0)[None, :, None]  # two generations at distance 1
    rng = np.random.default_rng(0)
    assert metrics.multimodality(groups, num_pairs=200, rng=rng) == 1.0
    quirky = [metrics.multimodality(groups, num_pairs=2, rng=rng, reference_quirks=True) for _ in range(20)]
    assert 0.0 in quirky


def test_diversity_is_fair_with_few_rows():
    rows = np.eye(3)
    assert metrics.diversity(rows, rng=np.random.default_rng(1)) == pytest.approx(2**0.5)


def test_matched_preference_prefers_its_own():
    rng = np.random.default_rng(0)
    text = rng.normal(size=(300, 8))
    near = metrics.matched_preference(text, text + 0.5 * rng.normal(size=text.shape))
    far = metrics.matched_preference(text, rng.normal(size=text.shape))
    assert near > 0.95
    assert far == pytest.approx(0.5, abs=0.03)


def test_mpjpe_variants_forgive_what_they_say():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(7, 22, 3))
    moved = target + np.array([1.0, 2.0, 2.0])
    turned = 1.3 * moved @ np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    assert metrics.mpjpe(moved, target) == pytest.approx(3.0)
    assert metrics.mpjpe(moved, target, align="root") == pytest.approx(0.0, abs=1e-12)
    assert metrics.mpjpe(turned, target, align="root") > 0.5
    assert metrics.mpjpe(turned, target, align="procrustes") == pytest.approx(0.0, abs=1e-9)
    assert metrics.mpjpe(turned, target, align="procrustes") <= metrics.mpjpe(turned, target)
    assert metrics.mpjpe(torch.from_numpy(moved), torch.from_numpy(target)) == pytest.approx(3.0)


def test_motion_measures_grow_with_their_fault():
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(60, 22, 3)) * 1e-3, 0), 0)
    jitter = smooth + 0.01 * rng.normal(size=smooth.shape)
    frozen = np.repeat(smooth[:1], 60, 0)
    assert metrics.jerk(jitter, fps=20) > 2 * metrics.jerk(smooth, fps=20) > metrics.jerk(frozen, fps=20) == 0
    assert metrics.acceleration_error(jitter, smooth, fps=20) > metrics.acceleration_error(smooth, smooth, fps=20) == 0
    assert 0 < metrics.symmetric_jerk_error(jitter, smooth) < metrics.symmetric_jerk_error(frozen, smooth) == 1
    assert metrics.l1_diversity(smooth) > 1e-3 > 1e-12 > metrics.l1_diversity(frozen)
    assert metrics.l1_diversity(smooth + 5.0) == pytest.approx(metrics.l1_diversity(smooth))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kind_that_comes_in_goes_out(dtype):
    rng = np.random.default_rng(0)
    rows, clip = rng.normal(size=(40, 8)).astype(dtype), rng.normal(size=(40, 22, 3)).cumsum(0).astype(dtype)
    measures = {
        "joint_errors": lambda rows, clip: metrics.joint_errors(clip, 0 * clip),
        "r_precision": lambda rows, clip: metrics.r_precision(rows, rows + clip[:, :1, 0]),
        "motion_beats": lambda rows, clip: metrics.motion_beats(clip, fps=20),
        "motion_beats of rest": lambda rows, clip: metrics.motion_beats(0 * clip, fps=20),
    }
    for name, measure in measures.items():
        array, tensor = measure(rows, clip), measure(torch.from_numpy(rows), torch.from_numpy(clip))
        assert isinstance(array, np.ndarray), name
        assert isinstance(tensor, torch.Tensor), name
        assert array.dtype == dtype, name
        assert tensor.numpy().dtype == dtype, name
        np.testing.assert_array_equal(array, tensor.numpy(), err_msg=name)
    assert len(metrics.motion_beats(clip, fps=20)) > 0
    np.testing.assert_allclose(metrics.joint_errors(clip, 0 * clip), np.linalg.norm(clip, axis=-1), rtol=1e-6)
    lists = metrics.r_precision([[0.0], [1.0]], [[0.0], [1.0]])
    assert isinstance(lists, np.ndarray)


def test_foot_skating_needs_feet():
    stick = Skeleton("stick", ("root", "tip"), (-1, 0), ((0, 1),), np.zeros((2, 3), np.float32))
    with pytest.raises(ConfigError, match=r"stick has no known feet"):
        metrics.foot_skating(np.zeros((3, 2, 3)), fps=20, skeleton=stick)


def test_foot_skating_in_kit_units():
    slide = np.zeros((10, 21, 3))
    slide[:, :, 0] = 100.0 * np.arange(10)[:, None]  # 10 cm a frame
    assert metrics.foot_skating(slide, fps=12.5, skeleton=KIT_21) == 1.0
    assert metrics.foot_skating(slide / 10, fps=12.5, skeleton=KIT_21) == 0.0


def test_beats_follow_the_words():
    time = np.arange(200) / 20
    clip = np.zeros((200, 22, 3))
    clip[:, 18:22, 1] = np.sin(np.pi * time)[:, None]
    beats = metrics.motion_beats(clip, fps=20)
    np.testing.assert_allclose(beats, np.arange(0.5, 10, 1), atol=0.05)
    words = [Word(t, t + 0.4, "말") for t in np.arange(0.5, 10, 1)]
    on_time = metrics.beat_consistency(beats, metrics.speech_beats(words))
    late = metrics.beat_consistency(beats, metrics.speech_beats(words) + 0.5)
    assert on_time > 0.9 > 0.1 > late
    assert len(metrics.motion_beats(np.zeros((40, 22, 3)), fps=20)) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(1, 50), min_size=2, max_size=6), st.booleans())
def test_accumulators_equal_functions(seed, sizes, drop_last):
    rng = np.random.default_rng(seed)
    count = sum(sizes)
    text, motion = rng.normal(size=(count, 5)), rng.normal(size=(count, 5)) + 100
    cuts = np.cumsum(sizes)[:-1]
    batches = list(zip(np.split(text, cuts), np.split(motion, cuts), strict=True))
    fid, retrieval = FrechetAccumulator(), RetrievalAccumulator(drop_last=drop_last)
    for a, b in batches:
        fid.update(real=a, generated=b)
        retrieval.update(a, b)
    if count >= 5:
        assert fid.compute() == pytest.approx(metrics.frechet_distance(text, motion), rel=1e-8)
    if drop_last and count < 32:
        with pytest.raises(DataError, match="No batch is full"):
            retrieval.compute()
        return
    found = retrieval.compute()
    np.testing.assert_allclose(found["r_precision"], metrics.r_precision(text, motion, drop_last=drop_last))
    assert found["matching_score"] == pytest.approx(metrics.matching_score(text, motion))


def test_accumulators_merge_across_processes():
    import pickle

    rng = np.random.default_rng(0)
    text, motion = rng.normal(size=(150, 4)), rng.normal(size=(150, 4))
    clips = rng.normal(size=(2, 30, 22, 3))
    parts = []
    for rows in (slice(0, 64), slice(64, 150)):
        part = [FrechetAccumulator(), RetrievalAccumulator(), DiversityAccumulator(rng=rng), JointErrorAccumulator()]
        part[0].update(real=text[rows], generated=motion[rows])
        part[1].update(text[rows], motion[rows])
        part[2].update(motion[rows])
        part[3].update(clips[0][: rows.stop // 5], clips[1][: rows.stop // 5])
        parts.append(pickle.loads(pickle.dumps(part)))
    fid, retrieval, spread, errors = (a.merge(b) for a, b in zip(*parts, strict=True))
    assert fid.compute() == pytest.approx(metrics.frechet_distance(text, motion), rel=1e-10)
    np.testing.assert_allclose(retrieval.compute()["r_precision"], metrics.r_precision(text, motion))
    assert spread.compute() == pytest.approx(metrics.diversity(motion, rng=rng), rel=0.1)
    assert errors.compute()["frames"] == 12 + 30
    with pytest.raises(ConfigError, match="Options differ"):
        retrieval.merge(RetrievalAccumulator(batch_size=16))
    with pytest.raises(DataError, match="two rows in each set"):
        FrechetAccumulator().update(real=text).compute()


def test_diversity_sample_is_bounded_and_fair():
    spread = DiversityAccumulator(rng=np.random.default_rng(0), capacity=200)
    for value in np.arange(100.0):
        spread.update(np.full((50, 1), value))
    assert len(spread._rows) == 200
    assert float(spread._rows.mean()) == pytest.approx(49.5, abs=6)


def test_every_public_name_exists():
    assert all(hasattr(metrics, name) for name in metrics.__all__)
