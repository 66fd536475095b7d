"""Going on from a motion and in-betweening: lengths, seams, places, bodies, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError
from ktube_motion.features import features_to_joints
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.metrics import seam_report
from ktube_motion.pipeline import UtteranceToMotion, place_after
from ktube_motion.pipeline import _in_betweening as in_betweening
from ktube_motion.pipeline._joining import end_of, start_of
from ktube_motion.pipeline._placing import bend, fit_ground, move, settle
from ktube_motion.skeletons import KIT_21, SMPL_22
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.types import FeatureStats, Motion
from ktube_motion.vq import MotionTokenizer, TokenizerConfig


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    # Random motion about the skeleton's rest pose, which turns and walks a little.
    mean, std = np.zeros(263), np.full(263, 0.02)
    mean[0], mean[2], mean[3] = 0.01, 0.01, 0.95
    mean[4:67] = _rest()[1:].ravel()
    std[:3] = 0.005
    tokenizer = MotionTokenizer(
        TokenizerConfig(width=32, code_dim=16, num_codes=16, depth=1), FeatureStats(mean=mean, std=std)
    )
    tokenizer.quantizer.codebook.data.normal_(std=5.0)
    config = TransformerConfig(
        num_codes=16, width=32, text_dim=512, num_layers=1, num_heads=4, tokenizer=tokenizer.fingerprint
    )
    transformer = MotionTransformer(config)
    for weight in transformer.parameters():
        weight.data *= 4
    return UtteranceToMotion(tokenizer.eval(), transformer.eval(), EmbeddedTextEncoder())


def _rest():
    joints = np.zeros((22, 3))
    for joint, parent in enumerate(SMPL_22.parents[1:], 1):
        joints[joint] = joints[parent] + SMPL_22.offsets[joint]
    joints[:, 1] += 0.95
    return joints


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def spoken(pipeline, seed, seconds=2.0):
    """Give motion of the model's own, somewhere in the room."""
    (motion,) = pipeline.generate(["손을 든다"], seconds=seconds, generator=seeded(seed))
    angle, shift = 0.7 * seed, np.array([0.3 * seed, 0.1, -0.2 * seed])
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return motion.replace(positions=motion.positions @ turn + shift)


@pytest.fixture(scope="module")
def before(pipeline):
    return spoken(pipeline, 1)


@pytest.fixture(scope="module")
def after(pipeline, before):
    return place_after(before, spoken(pipeline, 2))


def whole(*motions):
    return np.concatenate([motion.positions for motion in motions])


def test_filling_is_smooth_at_both_seams(pipeline, before, after):
    filled = pipeline.in_between("왼손을 흔든다", before, after, seconds=2.0, generator=seeded())
    assert (filled.num_frames, filled.fps, filled.name) == (40, 20.0, "왼손을 흔든다")
    report = seam_report(whole(before, filled, after), [40, 80], fps=20)
    assert report.speed_at_seams[1] < 1.25 * report.speed_inside[1]
    assert report.jerk_at_seams[1] < 1.25 * report.jerk_inside[1]
    apart = spoken(pipeline, 3)
    jump = seam_report(whole(before, apart, after), [40, 80], fps=20)
    assert jump.jerk_at_seams[0] > 3 * report.jerk_at_seams[1]


def test_filling_follows_its_generator_alone(pipeline, before, after):
    first, again, other = (
        pipeline.in_between("손을 든다", before, after, seconds=1.0, generator=seeded(seed)).positions
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(1, 90), before=st.integers(4, 70), after=st.integers(4, 70), steer=st.booleans())
def test_filling_has_its_length_and_joins(pipeline, frames, before, after, steer):
    first = spoken(pipeline, 1, 3.5)[-before:]
    last = place_after(first, spoken(pipeline, 2, 3.5)[:after])
    filled = pipeline.in_between(
        "손을 든다", first, last, seconds=frames / 20, candidates=2, steer=steer, generator=seeded(frames)
    )
    assert filled.positions.shape == (frames, 22, 3)
    last = last if steer else place_after(filled, last)
    step = np.linalg.norm(np.diff(whole(first, filled, last), axis=0), axis=-1).mean(-1)
    usual = np.linalg.norm(np.diff(spoken(pipeline, 1, 3.5).positions, axis=0), axis=-1).mean(-1)
    assert step[before - 1 : before + frames].max() < 0.02 + usual.max() + 1.0 / frames


def test_a_far_motion_is_met_and_an_unsteered_path_is_not_bent(pipeline, before, after):
    far = after.replace(positions=after.positions + np.float32([0.8, 0, 0.5]))
    options = {"seconds": 3.0, "candidates": 1}
    filled = pipeline.in_between("걷는다", before, far, generator=seeded(), **options)
    assert np.linalg.norm(far.positions[0] - filled.positions[-1], axis=-1).mean() < 0.1
    free = pipeline.in_between("걷는다", before, far, steer=False, generator=seeded(), **options)
    same = pipeline.in_between("걷는다", before, after, steer=False, generator=seeded(), **options)
    np.testing.assert_allclose(free.positions, same.positions, atol=1e-4)
    moved = place_after(free, far)
    report = seam_report(whole(before, free, moved), [40, 100], fps=20)
    assert report.jerk_at_seams[1] < 1.25 * report.jerk_inside[1]


def test_more_candidates_need_less_correction(pipeline, before, after, monkeypatch):
    costs = []
    attempt = in_betweening._attempt
    monkeypatch.setattr(in_betweening, "_attempt", lambda *given: costs.append(attempt(*given)) or costs[-1])
    chosen = pipeline.in_between("손을 든다", before, after, seconds=1.0, candidates=8, generator=seeded())
    assert len(costs) == 8
    best = min(costs, key=lambda one: one.cost)
    middle = slice(8, 12)  # neither seam reaches here
    shape = lambda joints: np.asarray(joints) - np.asarray(joints)[:, :1]  # noqa: E731
    lengths = lambda joints: np.linalg.norm(shape(joints), axis=-1)  # noqa: E731
    np.testing.assert_allclose(lengths(chosen.positions[middle]), lengths(best.joints[middle]), atol=1e-5)


def test_a_taller_person_stays_tall(pipeline, before):
    tall = before.replace(positions=before.positions * np.float32(1.1))
    (longer,) = pipeline.generate(["손을 든다"], seconds=2.0, prefix=tall, generator=seeded())
    bones = lambda positions: np.linalg.norm(positions[:, 1:] - positions[:, SMPL_22.parents[1:]], axis=-1)  # noqa: E731
    wanted = np.median(bones(tall.positions), 0)
    np.testing.assert_allclose(bones(longer.positions)[10:], np.broadcast_to(wanted, (30, 21)), atol=2e-3)
    (own,) = pipeline.generate(["손을 든다"], seconds=2.0, prefix=before, generator=seeded())
    ratio = np.median(bones(longer.positions), 0) / np.median(bones(own.positions), 0)
    np.testing.assert_allclose(ratio, 1.1, atol=0.01)


@pytest.mark.parametrize("frames", [37, 40])
def test_going_on_from_a_motion_in_its_place(pipeline, before, frames):
    prefix = before[:frames]
    (rest,) = pipeline.generate(["손을 든다"], seconds=2.0, prefix=prefix, generator=seeded())
    report = seam_report(whole(prefix, rest), [frames], fps=20)
    assert report.speed_at_seams[1] < 1.25 * report.speed_inside[1]
    assert report.jerk_at_seams[1] < 1.25 * report.jerk_inside[1]
    pieces = list(
        pipeline.stream("손을 든다", seconds=2.0, prefix=prefix, seed=5, lookahead=pipeline.tokenizer.decoder.reach)
    )
    (at_once,) = pipeline.generate(["손을 든다"], seconds=2.0, prefix=prefix, seeds=[5])
    np.testing.assert_allclose(whole(*pieces), at_once.positions, atol=1e-4)


def test_streaming_on_from_tokens(pipeline):
    tokens = torch.arange(12) % 16
    (wanted,) = pipeline.generate(["손을 든다"], seconds=1.0, prefix=tokens, seeds=[3])
    reach = pipeline.tokenizer.decoder.reach
    pieces = list(pipeline.stream("손을 든다", seconds=1.0, prefix=tokens, seed=3, lookahead=reach))
    # Pieces have coordinates of their own, so what is compared is how fast joints move.
    found, wanted = (np.linalg.norm(np.diff(x, axis=0), axis=-1) for x in (whole(*pieces), wanted.positions))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_tokens_of_an_end_and_a_start(pipeline):
    """A motion of whole tokens is read as the tokens it was made of, from either side."""
    motion = spoken(pipeline, 0, 4.0)
    reach = pipeline.tokenizer.decoder.reach
    end, start = end_of(motion, pipeline.tokenizer, context=2), start_of(motion, pipeline.tokenizer, context=2)
    assert len(end.tokens) == len(start.tokens) == max(2, reach)
    assert end.read.tolist() == end.tokens[-2:].tolist()
    assert end_of(motion, pipeline.tokenizer, context=0).read.tolist() == []
    np.testing.assert_array_equal(end.edge, motion.positions[-2:].astype(np.float64))
    assert start.floor == pytest.approx(motion.positions[: 4 * (max(2, reach) + 9), :, 1].min(), abs=0.05)


def test_placing_after(before, after):
    wanted = 2 * before.positions[-1] - before.positions[-2]
    gap = wanted[:, [0, 2]].mean(0) - after.positions[0][:, [0, 2]].mean(0)
    assert np.abs(gap).max() < 1e-5
    with pytest.raises(DataError, match=r"kit_21.*smpl_22|smpl_22.*kit_21"):
        place_after(before, Motion(skeleton=KIT_21, positions=np.zeros((5, 21, 3)), fps=20))
    with pytest.raises(DataError, match="no place"):
        place_after(before, after[:0])
    turned = Motion(skeleton=SMPL_22, rotations=np.broadcast_to(np.eye(3), (5, 22, 3, 3)), fps=20)
    with pytest.raises(DataError, match="no positions"):
        place_after(before, turned)


@settings(max_examples=30, deadline=None)
@given(angle=st.floats(-3.1, 3.1), x=st.floats(-50, 50), z=st.floats(-50, 50), seed=st.integers(0, 99))
def test_fit_ground_finds_turn_and_shift(angle, x, z, seed):
    pose = torch.randn(22, 3, generator=seeded(seed), dtype=torch.float64)
    moved = move(pose, torch.tensor(angle, dtype=torch.float64), torch.zeros(1, 2), torch.tensor([[x, z]]))
    torch.testing.assert_close(move(pose, *fit_ground(pose, moved)), moved, atol=1e-6, rtol=0)
    assert float(fit_ground(pose, moved)[0]) == pytest.approx(angle, abs=1e-5)


def test_bending_starts_and_ends_where_it_must(before):
    joints = torch.tensor(before.positions).double()
    wanted = move(joints[-1], torch.tensor(1.0).double(), torch.zeros(1, 2), torch.tensor([[0.5, -0.4]]))
    bent = bend(joints, wanted, lift=0.2)
    torch.testing.assert_close(bent[0], joints[0])
    torch.testing.assert_close(bent[-1][:, [0, 2]], wanted[:, [0, 2]], atol=1e-6, rtol=0)
    torch.testing.assert_close(bent[-1][:, 1], joints[-1][:, 1] + 0.2)
    torch.testing.assert_close(bend(joints, joints[-1]), joints)


def test_settling_begins_and_ends_without_a_kink():
    offset, velocity = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0.05, 0, 0]]).double()
    curve = settle(offset, velocity, 400)[:, 0, 0]
    assert curve[0] == pytest.approx(1.05, abs=1e-3)
    assert abs(curve[-1]) < 1e-12
    assert abs(curve[-2]) < 1e-5
    assert curve.diff().diff().abs().max() < 2e-3


def test_decoded_poses_take_the_neighbours_body(pipeline, before):
    tall = before.replace(positions=before.positions * np.float32(1.2))
    joints = features_to_joints(pipeline.tokenizer.decode(torch.randint(16, (6,), generator=seeded())))
    neighbour = end_of(tall, pipeline.tokenizer, context=4)
    put, _ = neighbour.seam(joints[:2])
    found = put(joints)
    bones = (found[:, 1:] - found[:, list(SMPL_22.parents[1:])]).norm(dim=-1)
    torch.testing.assert_close(bones, neighbour.bones.norm(dim=-1)[1:].expand(bones.shape))
    small = end_of(before, pipeline.tokenizer, context=4).bones
    torch.testing.assert_close(neighbour.bones, small * 1.2, rtol=1e-4, atol=1e-6)
    walked, plain = (float((path[-1, 0] - path[0, 0])[[0, 2]].norm()) for path in (found, joints))
    grown = neighbour.bones.norm(dim=-1)[[5, 8]].sum() / np.linalg.norm(SMPL_22.offsets, axis=-1)[[5, 8]].sum()
    assert walked / plain == pytest.approx(float(grown), rel=0.02)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 1e9, "2", None])
def test_bad_seconds(pipeline, before, after, seconds):
    with pytest.raises((DataError, ConfigError), match=r"positive number|too long"):
        pipeline.in_between("손", before, after, seconds=seconds)


@pytest.mark.parametrize("text", ["", " \n", "\x00", "\u200b"])
def test_blank_texts(pipeline, before, after, text):
    with pytest.raises(DataError, match="blank"):
        pipeline.in_between(text, before, after, seconds=1.0)


@pytest.mark.parametrize("text", ["😀", "hello 안녕 你好", "손을\x00든다", "\x1b[31m손", "가나다라 " * 2000])
def test_odd_texts_have_a_result(pipeline, before, after, text):
    assert pipeline.in_between(text, before, after, seconds=0.5, candidates=2).num_frames == 10


def test_bad_neighbours(pipeline, before, after):
    fill = lambda first, last, **options: pipeline.in_between("손", first, last, seconds=1.0, **options)  # noqa: E731
    other = Motion(skeleton=KIT_21, positions=np.zeros((30, 21, 3)), fps=20)
    with pytest.raises(DataError, match=r"motion after does not fit.*smpl_22 at 20 fps.*kit_21"):
        fill(before, other)
    with pytest.raises(DataError, match=r"motion before does not fit.*smpl_22 at 30 fps.*resample"):
        fill(before.replace(fps=30.0), after)
    rotations = np.broadcast_to(np.eye(3), (9, 22, 3, 3))
    with pytest.raises(DataError, match=r"motion after has no positions.*forward_kinematics"):
        fill(before, Motion(skeleton=SMPL_22, rotations=rotations, fps=20))
    with pytest.raises(DataError, match=r"motion before is too short.*4 frames or more.*3 frames"):
        fill(before[:3], after)
    with pytest.raises(DataError, match=r"must be a Motion.*Tensor"):
        fill(torch.tensor([1, 2]), after)
    bad = before.positions.copy()
    bad[-1, 3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        fill(before.replace(positions=bad), after)
    with pytest.raises(ConfigError, match="candidates"):
        fill(before, after, candidates=0)
    with pytest.raises(ConfigError, match="0 to 50"):
        fill(before, after, context=51)
    with pytest.raises(ConfigError, match="temperature"):
        fill(before, after, temperature=-1.0)
    with pytest.raises(TypeError, match="num_tokens"):
        fill(before, after, num_tokens=3)


def test_prefix_of_another_tokenizer(pipeline, before):
    other = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=32, depth=1))
    torch.manual_seed(1)
    other.quantizer.codebook.data.normal_()
    tokens = torch.arange(20, 28)  # codes that it has, and this pipeline's has not
    other.decode(tokens)
    for call in (
        lambda: pipeline.generate(["손"], seconds=1.0, prefix=tokens),
        lambda: pipeline.generate(["손"], seconds=1.0, prefix=[tokens]),
        lambda: pipeline.stream("손", seconds=1.0, prefix=tokens),
    ):
        with pytest.raises(DataError, match="another tokenizer"):
            call()
    with pytest.raises(DataError, match=r"30 fps.*resample|resample"):
        pipeline.stream("손", prefix=before.replace(fps=30.0))
    with pytest.raises(DataError, match="too short"):
        pipeline.generate(["손"], prefix=before[:2])
