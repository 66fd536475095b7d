"""Filters: what they promise about rotations, gaps and time, and the bar on a real noisy recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from ktube_motion import filters
from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.io._poses import load_poses
from ktube_motion.kinematics import forward_kinematics, load_body, pose_to_joints
from ktube_motion.skeletons import SMPL_22
from ktube_motion.types import Motion, PoseSequence

FILTERS = {
    "clean_poses": filters.clean_poses,
    "fill_gaps": filters.fill_gaps,
    "fix_root": filters.fix_root,
    "fix_root_median": lambda poses: filters.fix_root(poses, to="median"),
    "lowpass": filters.lowpass,
    "one_euro": filters.one_euro,
    "reject_outliers": filters.reject_outliers,
    "resample": lambda poses: filters.resample(poses, fps=20),
}
few = settings(max_examples=15, deadline=None)


def moving(frames, *, seed=0, speed=0.05, fps=30, **fields):
    """Poses that wander smoothly, starting anywhere on the sphere of rotations."""
    rng = np.random.default_rng(seed)
    start = Rotation.random(55, rng=rng)
    velocity = rng.normal(0, speed, (55, 3))
    rotvecs = np.stack([(Rotation.from_rotvec(velocity * t) * start).as_rotvec() for t in range(frames)])
    transl = rng.normal(0, 0.01, (frames, 3)).cumsum(0)
    expression = rng.normal(0, 0.01, (frames, 10)).cumsum(0)
    return PoseSequence(rotvecs=rotvecs, transl=transl, expression=expression, fps=fps, **fields)


def turning(frames, *, step, fps=30, **fields):
    """Every joint turns about y by `step` radians per frame, past any number of half turns."""
    angle = np.arange(frames) * step
    rotvecs = Rotation.from_rotvec(angle[:, None] * [0, 1, 0]).as_rotvec()
    return PoseSequence(rotvecs=np.repeat(rotvecs[:, None], 55, 1), fps=fps, **fields)


def angles(first, second):
    """Radians between two arrays of rotation vectors."""
    first, second = (Rotation.from_rotvec(np.asarray(x, np.float64).reshape(-1, 3)) for x in (first, second))
    return (first.inv() * second).magnitude()


# ---- the bar ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scott(shared):
    return {name: load_poses(shared / f"data/pose_json/scott_{name}.json") for name in ("clean", "noisy")}


def joints_of(poses):
    return pose_to_joints(filters.fix_root(poses, to="identity")).positions


def errors(positions, truth):
    """Mean error in mm and of the acceleration in m/s²."""
    acceleration = np.diff(positions, n=2, axis=0) - np.diff(truth, n=2, axis=0)
    return np.linalg.norm(positions - truth, axis=-1).mean() * 1000, np.linalg.norm(
        acceleration, axis=-1
    ).mean() * 30**2


def test_noisy_recording_is_recovered(scott):
    truth = joints_of(scott["clean"])
    filled_mm, filled_acceleration = errors(joints_of(filters.fill_gaps(scott["noisy"])), truth)
    cleaned = joints_of(filters.clean_poses(scott["noisy"]))
    clean_mm, clean_acceleration = errors(cleaned, truth)
    assert filled_mm == pytest.approx(14.4, abs=0.05)
    assert clean_mm < filled_mm / 2.4
    assert clean_acceleration < filled_acceleration / 19
    lags = range(-5, 6)
    centred, reference = cleaned - cleaned.mean(0), truth - truth.mean(0)
    agreement = [(centred[10 + lag : 590 + lag] * reference[10:590]).sum() for lag in lags]
    assert lags[int(np.argmax(agreement))] == 0


def test_outliers_of_the_recording_are_found_and_gestures_stay(scott):
    noisy = scott["noisy"]
    rejected = noisy.valid & ~filters.reject_outliers(noisy).valid
    assert np.flatnonzero(rejected).tolist() == [129, 551]
    assert filters.reject_outliers(scott["clean"]).valid.all()


# ---- every filter -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("angle", [0.0, 1.0, np.pi, 6.0])
def test_constant_poses_stay(name, angle):
    axis = np.array([0.6, 0.0, 0.8])
    poses = PoseSequence(rotvecs=np.tile(axis * angle, (31, 55, 1)), transl=np.ones((31, 3)), fps=30)
    result = FILTERS[name](poses)
    assert angles(result.rotvecs, np.tile(axis * angle, (len(result), 55, 1))).max() < 1e-5
    np.testing.assert_allclose(result.transl, 1, atol=1e-6)
    assert result.valid.all()


@pytest.mark.parametrize("name", FILTERS)
def test_input_is_not_changed(name):
    base = moving(30)
    arrays = {field: getattr(base, field).copy() for field in ("rotvecs", "transl", "expression", "valid")}
    FILTERS[name](PoseSequence(**arrays, fps=30))
    for field, array in arrays.items():
        np.testing.assert_array_equal(array, getattr(base, field), err_msg=field)


@pytest.mark.parametrize("name", ["lowpass", "one_euro", "fill_gaps", "resample", "clean_poses", "fix_root_median"])
def test_nan_is_refused(name):
    rotvecs = np.zeros((20, 55, 3))
    rotvecs[4, 3] = np.nan
    poses = PoseSequence(rotvecs=rotvecs, fps=30, valid=np.arange(20) != 5)
    poses = poses.replace(rotvecs=np.where(np.arange(3) == 0, np.nan, rotvecs)) if name == "fix_root_median" else poses
    if name in ("lowpass", "one_euro"):
        poses = poses.replace(valid=np.ones(20))
    with pytest.raises(DataError, match="NaN"):
        FILTERS[name](poses)


@pytest.mark.parametrize("name", ["lowpass", "one_euro"])
def test_invalid_frames_must_be_filled_first(name):
    with pytest.raises(DataError, match=r"1 of 20 are invalid.*fill_gaps"):
        FILTERS[name](PoseSequence(rotvecs=np.zeros((20, 55, 3)), fps=30, valid=np.arange(20) != 7))


# ---- lowpass and one_euro -----------------------------------------------------------------------------------------


@few
@given(seed=st.integers(0, 10**6))
def test_lowpass_commutes_with_turning_the_root(seed):
    poses, turn = moving(40, seed=seed, speed=0.2), Rotation.random(rng=np.random.default_rng(seed + 1))
    turned = np.array(poses.rotvecs)
    turned[:, 0] = (turn * Rotation.from_rotvec(turned[:, 0])).as_rotvec()
    first = filters.lowpass(poses.replace(rotvecs=turned)).global_orient
    second = (turn * Rotation.from_rotvec(filters.lowpass(poses).global_orient)).as_rotvec()
    assert angles(first, second).max() < 1e-4


@pytest.mark.parametrize("smooth", [filters.lowpass, filters.one_euro])
def test_half_turns_are_seamless(smooth):
    rotvecs = smooth(turning(200, step=0.1)).rotvecs[:, 0]  # three full turns
    np.testing.assert_allclose(angles(rotvecs[60:139], rotvecs[61:140]), 0.1, atol=1e-3)


def test_lowpass_halves_the_cutoff_and_keeps_time():
    time = np.arange(300) / 30
    for frequency, gain in ((3.0, 0.5), (0.3, 1.0), (10.0, 0.0)):
        wave = 0.1 * np.sin(2 * np.pi * frequency * time + 0.4)
        poses = PoseSequence(rotvecs=wave[:, None, None] * np.ones((55, 3)) / np.sqrt(3), fps=30)
        smooth = filters.lowpass(poses, cutoff_hz=3).rotvecs[:, 5, 0] * np.sqrt(3)
        np.testing.assert_allclose(smooth[50:250], gain * wave[50:250], atol=2e-3)


def test_lowpass_goes_on_mirrored_at_the_ends():
    frames = np.arange(60)
    transl = np.stack([0.05 * frames, np.where(frames % 7 == 0, 0.3, 0.0), frames**2 / 900], 1).astype(np.float32)
    poses = PoseSequence(rotvecs=np.zeros((60, 55, 3)), transl=transl, fps=30)
    sections = butter(2, 3.0, fs=30, output="sos")
    mirrored = np.pad(transl.astype(np.float64), ((20, 20), (0, 0)), mode="reflect")  # two periods of the cutoff
    expected = sosfiltfilt(sections, mirrored, axis=0, padtype=None)[20:-20]
    smooth = filters.lowpass(poses).transl
    np.testing.assert_allclose(smooth, expected, atol=1e-5)
    assert smooth[0, 0] > 0.05  # a ramp is drawn inwards; turned about its first frame it would stay at 0


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 7])
def test_short_clips(frames):
    poses = moving(frames, speed=0.01) if frames else moving(2)[:0]
    for smooth in (filters.lowpass, filters.one_euro):
        result = smooth(poses)
        assert len(result) == frames
        if frames:
            assert angles(result.rotvecs, poses.rotvecs).max() < 0.2


@pytest.mark.parametrize("options", [{"cutoff_hz": 15}, {"cutoff_hz": 0}, {"order": 0}, {"cutoff_hz": np.nan}])
def test_lowpass_options(options):
    with pytest.raises(ConfigError, match="half of 30 fps"):
        filters.lowpass(moving(20), **options)


def test_one_euro_is_causal_and_calms():
    rng = np.random.default_rng(0)
    jitter = PoseSequence(rotvecs=rng.normal(0, 0.03, (90, 55, 3)), expression=rng.normal(0, 0.03, (90, 4)), fps=30)
    result = filters.one_euro(jitter)
    for field in ("rotvecs", "expression"):
        assert np.diff(getattr(result, field), axis=0).std() < 0.6 * np.diff(getattr(jitter, field), axis=0).std()
    np.testing.assert_allclose(filters.one_euro(jitter[:40]).rotvecs, result.rotvecs[:40], atol=1e-6)
    with pytest.raises(ConfigError, match="min_cutoff_hz > 0"):
        filters.one_euro(jitter, min_cutoff_hz=0)


# ---- gaps and outliers --------------------------------------------------------------------------------------------


@few
@given(
    seed=st.integers(0, 10**6),
    valid=st.lists(st.booleans(), min_size=2, max_size=40).filter(any),
    limit=st.integers(0, 6),
)
def test_fill_gaps_is_exact_on_steady_turns_and_counts_frames(seed, valid, limit):
    truth, valid = moving(len(valid), seed=seed, speed=0.03), np.array(valid)
    poses = truth.replace(rotvecs=np.where(valid[:, None, None], truth.rotvecs, 0), valid=valid)
    filled = filters.fill_gaps(poses, max_gap_seconds=limit / 30)
    np.testing.assert_array_equal(filled.rotvecs[valid], poses.rotvecs[valid])
    frames = np.flatnonzero(valid)
    for frame in np.flatnonzero(~valid):
        before, after = frames[frames < frame], frames[frames > frame]
        length = (after.min() if after.size else len(valid)) - (before.max() if before.size else -1) - 1
        assert filled.valid[frame] == (length <= limit)
        if filled.valid[frame]:
            held = before.max() if not after.size else after.min() if not before.size else frame
            assert angles(filled.rotvecs[frame], truth.rotvecs[held]).max() < 2e-3
        else:
            assert not filled.rotvecs[frame].any()


def test_fill_gaps_blends_translation_and_expression():
    line = np.arange(5.0)[:, None]
    poses = PoseSequence(np.zeros((5, 55, 3)), line * np.ones(3), expression=line, fps=30, valid=[1, 0, 0, 0, 1])
    hole = poses.replace(transl=poses.transl * poses.valid[:, None], expression=poses.expression * poses.valid[:, None])
    filled = filters.fill_gaps(hole)
    np.testing.assert_allclose(filled.transl, poses.transl, atol=1e-6)
    np.testing.assert_allclose(filled.expression, poses.expression, atol=1e-6)


def test_nothing_valid_is_an_error():
    poses = PoseSequence(rotvecs=np.zeros((5, 55, 3)), fps=30, valid=np.zeros(5), source="a.json")
    for work in (filters.fill_gaps, filters.fix_root, filters.clean_poses):
        with pytest.raises(DataError, match=r"a\.json: None of the 5 frames is valid"):
            work(poses)
    with pytest.raises(ConfigError, match="negative"):
        filters.fill_gaps(poses, max_gap_seconds=-1)


@few
@given(valid=st.lists(st.booleans(), max_size=30))
def test_split_at_gaps_gives_back_all_valid_frames(valid):
    poses = moving(30)[: len(valid)].replace(valid=valid)
    stretches = filters.split_at_gaps(poses)
    seen = np.zeros(len(valid), bool)
    for start, stretch in stretches:
        assert len(stretch)
        assert stretch.valid.all()
        np.testing.assert_array_equal(stretch.rotvecs, poses.rotvecs[start : start + len(stretch)])
        assert start == 0 or not seen[start - 1]
        seen[start : start + len(stretch)] = True
    np.testing.assert_array_equal(seen, valid)


@pytest.mark.parametrize(("frames", "found"), [([0], True), ([10], True), ([10, 11], True), ([10, 11, 12], False)])
def test_only_short_jumps_are_outliers(frames, found):
    rotvecs = np.array(moving(30).rotvecs)
    rotvecs[frames, 18] = (Rotation.from_rotvec(rotvecs[frames, 18]) * Rotation.from_rotvec([0, 1.5, 0])).as_rotvec()
    rejected = np.flatnonzero(~filters.reject_outliers(PoseSequence(rotvecs=rotvecs, fps=30)).valid)
    assert rejected.tolist() == (frames if found else [])


def test_quick_gestures_are_no_outliers():
    time = np.arange(90) / 30
    rotvecs = np.zeros((90, 55, 3))
    rotvecs[:, 20, 2] = np.sin(2 * np.pi * 4 * time)  # waving four times a second
    rotvecs[45:, 18, 1] = 2.0  # and a cut
    poses = PoseSequence(rotvecs=rotvecs * np.radians(40), fps=30)
    assert filters.reject_outliers(poses).valid.all()
    assert filters.reject_outliers(poses.replace(rotvecs=rotvecs * np.radians(60))).valid[2:-2].all()
    angle = 2 * np.pi * 6 * time[:, None]
    circling = np.concatenate([np.cos(angle), np.sin(angle), 0 * angle], 1)  # always far from the median, but steadily
    rotvecs[:, 20] = circling * 0.9
    assert filters.reject_outliers(poses.replace(rotvecs=rotvecs)).valid[2:-2].all()
    assert filters.reject_outliers(poses[:3]).valid.all()
    jump = np.zeros((4, 55, 3))
    jump[1, 18] = [0, 2, 0]  # four frames are fewer than the median looks at
    assert filters.reject_outliers(PoseSequence(rotvecs=jump, fps=30)).valid.all()
    with pytest.raises(ConfigError, match="positive"):
        filters.reject_outliers(poses, max_frames=0)


def test_outliers_beside_gaps():
    poses = moving(30).replace(valid=np.isin(np.arange(30), [12, 13, 14], invert=True))
    rotvecs = np.array(poses.rotvecs)
    rotvecs[12:15] = 0
    rotvecs[11, 5] = (Rotation.from_rotvec([2, 0, 0]) * Rotation.from_rotvec(rotvecs[11, 5])).as_rotvec()
    result = filters.reject_outliers(poses.replace(rotvecs=rotvecs))
    assert np.flatnonzero(~result.valid).tolist() == [11, 12, 13, 14]


# ---- root and legs ------------------------------------------------------------------------------------------------


def test_fix_root():
    poses = moving(21).replace(valid=np.arange(21) > 2)
    first = filters.fix_root(poses, to="first")
    np.testing.assert_allclose(angles(first.global_orient, np.tile(poses.global_orient[3], (21, 1))), 0, atol=1e-5)
    np.testing.assert_array_equal(first.transl, np.tile(poses.transl[3], (21, 1)))
    np.testing.assert_array_equal(first.rotvecs[:, 1:], poses.rotvecs[:, 1:])
    upright = filters.fix_root(poses, to="identity")
    assert not upright.global_orient.any()
    assert not upright.transl.any()
    with pytest.raises(ConfigError, match=r"first, median or identity.*'mean'"):
        filters.fix_root(poses, to="mean")


def test_median_root_resists_outliers_at_the_half_turn():
    rng = np.random.default_rng(0)
    rotvecs = np.zeros((41, 55, 3))
    wobble = Rotation.from_rotvec(rng.normal(0, 0.03, (41, 3)))
    rotvecs[:, 0] = (Rotation.from_rotvec([0, np.pi, 0]) * wobble).as_rotvec()  # signs flip from frame to frame
    rotvecs[::10, 0] = [2, 0, 0]
    root = filters.fix_root(PoseSequence(rotvecs=rotvecs, fps=30), to="median").global_orient[0]
    assert angles(root, [0, np.pi, 0])[0] < 0.03


def test_median_root_is_the_middle_one_and_no_mean():
    rotvecs, transl = np.zeros((3, 55, 3)), np.zeros((3, 3))
    rotvecs[:, 0, 1], transl[:, 0] = [1.4, 0.0, 0.2], [10.0, 0.0, 1.0]
    fixed = filters.fix_root(PoseSequence(rotvecs=rotvecs, transl=transl, fps=30), to="median")
    np.testing.assert_allclose(fixed.transl, np.tile([1.0, 0, 0], (3, 1)))
    np.testing.assert_allclose(fixed.global_orient, np.tile([0, 0.2, 0], (3, 1)), atol=0.01)


def test_clean_poses_leaves_long_gaps_for_the_cutter():
    valid = np.ones(120, bool)
    valid[40:70] = False
    valid[100:103] = False
    poses = moving(120).replace(valid=valid)
    clean = filters.clean_poses(poses, root=None)
    assert [(start, len(part)) for start, part in filters.split_at_gaps(clean)] == [(0, 40), (70, 50)]
    alone = filters.lowpass(filters.fill_gaps(poses[70:]))
    np.testing.assert_allclose(clean.rotvecs[70:], alone.rotvecs, atol=1e-6)
    assert np.ptp(filters.clean_poses(poses).global_orient[70:], axis=0).max() < 1e-5
    rough = filters.clean_poses(poses, root=None, cutoff_hz=None)
    np.testing.assert_array_equal(rough.rotvecs, filters.fill_gaps(poses).rotvecs)


def test_rest_lower_body():
    poses = moving(5)
    rest = filters.rest_lower_body(poses)
    legs = [1, 2, 4, 5, 7, 8, 10, 11]
    others = np.setdiff1d(np.arange(55), legs)
    assert not rest.rotvecs[:, legs].any()
    np.testing.assert_array_equal(rest.rotvecs[:, others], poses.rotvecs[:, others])


# ---- resampling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [30, 29.97, 60, 23.976, 15])
def test_resample_is_exact_on_steady_turns(fps):
    poses = turning(301, step=2.0 / fps, fps=fps, transl=np.arange(301)[:, None] / fps * np.ones(3))
    result = filters.resample(poses, fps=20)
    time = np.arange(len(result)) / 20
    assert len(result) == int(300 / fps * 20 + 1e-6) + 1
    assert 300 / fps - time[-1] < 1 / 20
    assert angles(result.rotvecs[:, 7], (2.0 * time)[:, None] * [0, 1, 0]).max() < 1e-5
    np.testing.assert_allclose(result.transl[:, 0], time, atol=1e-5)
    assert result.fps == 20
    even = poses.replace(fps=20.0)
    assert filters.resample(even, fps=20) is even


@few
@given(frames=st.integers(1, 80), fps=st.sampled_from([12.5, 20, 29.97, 30, 50, 60]), seed=st.integers(0, 10**6))
def test_resample_identity_and_idempotence(frames, fps, seed):
    poses = moving(frames, seed=seed, fps=fps)
    same = filters.resample(poses, fps=fps, timestamps=np.arange(frames) / fps)
    assert len(same) == frames
    assert angles(same.rotvecs, poses.rotvecs).max() < 1e-5
    np.testing.assert_allclose(same.transl, poses.transl, atol=1e-6)
    once = filters.resample(poses, fps=20)
    assert once.seconds - 1 / 20 <= poses.seconds - 1 / fps + 1e-5 < once.seconds + 1e-4
    twice = filters.resample(once, fps=20)
    np.testing.assert_array_equal(twice.rotvecs, once.rotvecs)
    assert angles(once.rotvecs[0], poses.rotvecs[0]).max() < 1e-5


def test_resample_valid_frames():
    poses = moving(31).replace(valid=np.arange(31) != 4)
    result = filters.resample(poses, fps=20)  # frame k lies at 1.5 k: 2 at 3.0, 3 between 4 and 5
    assert np.flatnonzero(~result.valid).tolist() == [3]
    assert np.flatnonzero(~filters.resample(poses, fps=60).valid).tolist() == [7, 8, 9]


def test_resample_by_timestamps():
    times = 5 + np.cumsum(np.random.default_rng(0).uniform(0.01, 0.08, 100))
    poses = turning(100, step=0, transl=times[:, None] * np.ones(3))
    result = filters.resample(poses, fps=20, timestamps=times)
    np.testing.assert_allclose(result.transl[:, 0], times[0] + np.arange(len(result)) / 20, atol=1e-4)
    with pytest.raises(DataError, match=r"timestamps must rise.*at 3"):
        filters.resample(poses[:5], fps=20, timestamps=[0, 1, 2, 2, 3])
    with pytest.raises(ShapeError, match="timestamps"):
        filters.resample(poses, fps=20, timestamps=times[:-1])
    with pytest.raises(ConfigError, match="positive"):
        filters.resample(poses, fps=0)
    with pytest.raises(ShapeError, match="at least 1 frame"):
        filters.resample(poses[:0], fps=20)


def test_resample_motion_keeps_bones():
    motion = pose_to_joints(turning(91, step=0.1))
    result = filters.resample(motion, fps=20)
    assert isinstance(result, Motion)
    assert (len(result), result.fps) == (61, 20)
    rest = load_body().rest_joints(np.zeros(10))[:22]
    offsets = rest - rest[[0, *SMPL_22.parents[1:]]]
    rebuilt = forward_kinematics(result.rotations, result.translation, skeleton=SMPL_22, offsets=offsets)
    np.testing.assert_allclose(result.positions, rebuilt, atol=2e-3)
    np.testing.assert_allclose(result.positions[::2], motion.positions[::3], atol=1e-5)
    only_rotations = filters.resample(Motion(skeleton=SMPL_22, rotations=motion.rotations, fps=30), fps=20)
    assert only_rotations.positions is None
    assert len(filters.resample(motion[:1], fps=20)) == 1
