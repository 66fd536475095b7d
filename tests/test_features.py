"""The motion-vector codec against the recorded reference, real clips, and its own laws."""

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.features import (
    canonicalize,
    feature_groups,
    feature_stats,
    features_to_joints,
    joints_to_features,
    joints_to_rotations,
    mirror_features,
    rebone,
    recode_features,
    root_trajectory,
    rotations_to_joints,
)
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52

MATCH = (
    "m01_012314 m03_012314_mirror_yaw130_scaled m05_synth_spin3turns m08_static_T40 m09_short_T8 m10_T2 "
    "k01_from_012314 k04_static_T30"
).split()
SKELETONS = [SMPL_22, KIT_21, SMPLH_52]


@pytest.fixture(params=MATCH)
def record(request, golden):
    """One recorded clip with its skeleton and the error it may have."""
    data = np.load(golden / "features" / f"{request.param}.npz")
    skeleton = KIT_21 if request.param.startswith("k") else SMPL_22
    limit = 1e-4 if skeleton is SMPL_22 else 5e-6 * np.abs(data["features"]).max()
    return data, {"skeleton": skeleton, "target_offsets": data["tgt_offsets"]}, limit


def some_clip(skeleton=SMPL_22, frames=30, seed=0, sway=0.1):
    """A body near its rest pose that sways, walks and turns."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, frames)[:, None, None]
    unit = skeleton.offsets[1:] / np.linalg.norm(skeleton.offsets[1:], axis=-1, keepdims=True)
    wave = [rng.normal(size=(1, skeleton.num_joints - 1, 3)) for _ in range(3)]
    lean = unit + 0.3 * wave[0] + sway * np.sin(6 * time + wave[1]) * wave[2]
    positions = np.zeros((frames, skeleton.num_joints, 3))
    positions[:, 0] = time[:, 0] * rng.normal(size=3) + rng.normal(size=3)
    for joint in range(1, skeleton.num_joints):
        length = np.linalg.norm(skeleton.offsets[joint]) * skeleton.metres_per_unit
        positions[:, joint] = positions[:, skeleton.parents[joint]] + lean[:, joint - 1] * length
    positions = turned(positions, time[:, :, 0] * rng.uniform(-2, 2) + rng.uniform(-3, 3))
    return positions / skeleton.metres_per_unit


def turned(positions, yaw):
    """Turn positions about y by `yaw` (broadcast over frames and joints)."""
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([np.cos(yaw) * x + np.sin(yaw) * z, y, np.cos(yaw) * z - np.sin(yaw) * x], -1)


# ------------------------------------------------------------------ the recorded reference


def test_features_match_the_reference(record):
    data, options, limit = record
    features = joints_to_features(data["src_joints"], feet_threshold=float(data["feet_thre"]), **options)
    assert np.abs(features - data["features"]).max() < limit


def test_float32_features_match_the_reference(record):
    data, options, limit = record
    features = joints_to_features(data["src_joints"].astype(np.float32), **options)
    assert features.dtype == np.float32
    assert np.abs(features - data["features"]).max() < limit


def test_canonical_positions_match_the_reference(record):
    data, options, limit = record
    assert np.abs(rebone(data["src_joints"], **options) - data["uniform_skeleton"]).max() < limit
    assert np.abs(canonicalize(data["src_joints"], **options) - data["global_positions"]).max() < limit


def test_recovered_joints_match_the_reference(record):
    data, options, limit = record
    from_positions = features_to_joints(data["features"], skeleton=options["skeleton"])
    from_rotations = features_to_joints(data["features"], source="rotations", **options)
    assert np.abs(from_positions - data["recover_from_ric"]).max() < limit
    assert np.abs(from_rotations - data["recover_from_rot"]).max() < limit


def test_root_trajectory_matches_the_reference(record):
    data, _, limit = record
    yaw, position = root_trajectory(data["features"])
    quat_wxyz = np.stack([np.cos(yaw / 2), 0 * yaw, -np.sin(yaw / 2), 0 * yaw], -1)
    assert np.abs(quat_wxyz - data["recover_root_quat"]).max() < 1e-5
    assert np.abs(position - data["recover_root_pos"]).max() < limit


def test_published_clip_is_reproduced(golden):
    data = np.load(golden / "features" / "ref_012314_given.npz")
    features = joints_to_features(data["new_joints"], target_offsets=data["tgt_offsets_from_TMR_skeleton"])
    # The original clip had one frame more, which the smoothed heading feels up to four sigma back.
    assert np.abs(features[:85] - data["new_joint_vecs"][:85]).max() < 1e-5
    assert np.array_equal(SMPL_22.offsets, data["tgt_offsets_from_TMR_skeleton"])


@pytest.mark.parametrize(("name", "smooth"), [("ik", False), ("ik_smooth", True)])
def test_chain_rotations_match_the_reference(golden, name, smooth):
    data = np.load(golden / "features" / "skeleton_ops.npz")
    expected = roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(torch.tensor(data[name]))).numpy()
    assert np.abs(joints_to_rotations(data["joints"], smooth=smooth) - expected).max() < 1e-4
    posed = rotations_to_joints(expected, data["joints"][:, 0], target_offsets=data["offsets"])
    assert np.abs(posed - data["fk_np"]).max() < 1e-4


def test_spinning_rotations_match_the_reference(golden):
    data = np.load(golden / "features" / "skeleton_ops.npz")
    expected = roma.unitquat_to_rotmat(roma.quat_wxyz_to_xyzw(torch.tensor(data["spin_ik"]))).numpy()
    assert np.abs(joints_to_rotations(data["spin_joints"]) - expected).max() < 1e-4


# ------------------------------------------------------------------ what the reference gets wrong


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wrist_straight_up_is_finite(golden, dtype):
    data = np.load(golden / "features" / "m12_nan_wrist_straight_up_T10.npz")
    joints = data["src_joints"].astype(dtype)
    features = joints_to_features(joints, target_offsets=data["tgt_offsets"])
    assert np.isfinite(features).all()
    expected = canonicalize(joints, target_offsets=data["tgt_offsets"])[:-1]
    for source in ("positions", "rotations"):
        found = features_to_joints(features, source=source, target_offsets=data["tgt_offsets"])
        assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("off", [0, 1e-12, 1e-6, 1e-4, 1e-3])
def test_bones_nearly_opposite_to_rest_keep_float32_precision(off):
    clip = some_clip().astype(np.float32)
    up = np.array([off, 1, 0], np.float32)
    for joint in (18, 20):
        clip[:, joint] = clip[:, SMPL_22.parents[joint]] + 0.25 * up
    found = features_to_joints(joints_to_features(clip), source="rotations")
    assert np.abs(found - canonicalize(clip)[:-1]).max() < 5e-6


def test_heading_passes_half_a_turn_without_a_break():
    clip = some_clip(frames=200, sway=0)
    clip[:] = clip[:1]
    clip = turned(clip, np.linspace(0, 4 * np.pi, 200)[:, None])
    features = joints_to_features(clip)
    inner = features[80:120, 0]  # away from the ends, which the smoothing holds
    assert np.allclose(inner, -2 * np.pi / 199, atol=1e-3)
    assert np.abs(features_to_joints(features) - canonicalize(clip)[:-1]).max() < 1e-9


def test_heading_exactly_opposite_to_z():
    clip = some_clip(sway=0)
    clip[:] = clip[:1]
    yaw, _ = root_trajectory(joints_to_features(clip))
    # Turn the clip after its first frame so that the held heading is exactly -z.
    clip[1:] = turned(clip[1:], np.pi - yaw[-1])
    for dtype in (np.float32, np.float64):
        features = joints_to_features(clip.astype(dtype))
        assert np.isfinite(features).all()
        expected = canonicalize(clip.astype(dtype))[:-1]
        assert np.abs(features_to_joints(features) - expected).max() < 1e-5


def test_first_heading_opposite_to_z_is_canonicalised():
    clip = some_clip(frames=5)
    start = canonicalize(clip)
    back = turned(start, np.pi)
    back[..., [0, 2]] = -start[..., [0, 2]]  # an exact half turn
    assert np.allclose(canonicalize(back), start, atol=1e-6)


@pytest.mark.parametrize("skeleton", SKELETONS)
@pytest.mark.parametrize("frames", [2, 3, 4])
def test_short_clips(skeleton, frames):
    clip = some_clip(skeleton, frames)
    features = joints_to_features(clip, skeleton=skeleton)
    assert features.shape == (frames - 1, skeleton.feature_size)
    expected = canonicalize(clip, skeleton=skeleton)[:-1] * skeleton.metres_per_unit
    found = features_to_joints(features, skeleton=skeleton, source="rotations") * skeleton.metres_per_unit
    assert np.allclose(found, expected)


def test_person_lying_sideways_is_finite():
    clip = some_clip()[..., [1, 0, 2]]  # right and left above each other: there is no heading
    clip[:, [2, 17], 0], clip[:, [2, 17], 2] = clip[:, [1, 16], 0], clip[:, [1, 16], 2]
    features = joints_to_features(clip)
    assert np.isfinite(features).all()
    assert np.allclose(features_to_joints(features), canonicalize(clip)[:-1])


def test_bone_without_length_takes_its_rest_direction():
    clip = some_clip()
    clip[:, 20] = clip[:, 18]
    bone = np.diff(rebone(clip)[:, [18, 20]], axis=1)[:, 0]
    assert np.allclose(bone, SMPL_22.offsets[20], atol=1e-7)


def test_real_gestures_recover(shared):
    archive = np.load(shared / "data" / "gestures" / "motions.npz")
    lengths, delta, unit = archive["lengths"], archive["delta"], float(archive["unit_m"])
    ends = np.cumsum(lengths)
    for clip in range(0, len(lengths), 60):
        rows = slice(ends[clip] - lengths[clip], ends[clip])
        joints = (np.cumsum(delta[rows].astype(np.int64), 0) * unit).astype(np.float32)
        features = joints_to_features(joints)
        assert np.isfinite(features).all()
        expected = canonicalize(joints)[:-1]
        for source in ("positions", "rotations"):
            assert np.abs(features_to_joints(features, source=source) - expected).max() < 1e-5


# ------------------------------------------------------------------ laws

seeds = st.integers(0, 2**31)
skeletons = st.sampled_from(SKELETONS)
quick = settings(max_examples=25, deadline=None)


@quick
@given(seeds, skeletons, st.integers(2, 60))
def test_both_ways_back_give_the_canonical_joints(seed, skeleton, frames):
    clip = some_clip(skeleton, frames, seed)
    features = joints_to_features(clip, skeleton=skeleton)
    expected = canonicalize(clip, skeleton=skeleton)[:-1]
    for source in ("positions", "rotations"):
        found = features_to_joints(features, skeleton=skeleton, source=source)
        assert np.allclose(found, expected, atol=1e-6 / skeleton.metres_per_unit)


@quick
@given(seeds, skeletons, st.floats(-10, 10), st.floats(-100, 100), st.floats(-100, 100))
def test_where_a_clip_stands_and_looks_does_not_matter(seed, skeleton, yaw, x, z):
    clip = some_clip(skeleton, seed=seed)
    moved = turned(clip, yaw) + np.array([x, 0, z]) / skeleton.metres_per_unit
    features = joints_to_features(clip, skeleton=skeleton)
    assert np.allclose(joints_to_features(moved, skeleton=skeleton), features, atol=1e-6, rtol=1e-6)


@quick
@given(seeds, st.floats(0.3, 3))
def test_size_does_not_matter(seed, scale):
    clip = some_clip(seed=seed)
    assert np.allclose(joints_to_features(clip * scale), joints_to_features(clip), atol=1e-6)


@quick
@given(seeds, skeletons)
def test_mirrored_clip_decodes_to_mirrored_joints(seed, skeleton):
    flip = np.array([-1.0, 1, 1])
    even = (skeleton.offsets + (skeleton.offsets * flip)[skeleton.mirror]) / 2
    options = {"skeleton": skeleton, "target_offsets": even}
    clip = rebone(some_clip(skeleton, seed=seed), **options)  # the format measures one leg: make both as long
    there = features_to_joints(joints_to_features(clip[:, skeleton.mirror] * flip, **options), skeleton=skeleton)
    back = features_to_joints(joints_to_features(clip, **options), skeleton=skeleton)
    assert np.allclose(there, back[:, skeleton.mirror] * flip, atol=1e-6 / skeleton.metres_per_unit)


@quick
@given(seeds, skeletons)
def test_mirrored_vectors_are_those_of_the_mirrored_clip(seed, skeleton):
    flip = np.array([-1.0, 1, 1])
    even = (skeleton.offsets + (skeleton.offsets * flip)[skeleton.mirror]) / 2
    options = {"skeleton": skeleton, "target_offsets": even}
    clip = rebone(some_clip(skeleton, seed=seed), **options)
    found = mirror_features(joints_to_features(clip, **options), skeleton=skeleton)
    wanted = joints_to_features(clip[:, skeleton.mirror] * flip, **options)
    # The embedded body of 52 joints rests with one arm a little otherwise than the other.
    compared = np.ones(skeleton.feature_size, bool)
    compared[feature_groups(skeleton)["rotations"]] = skeleton is not SMPLH_52
    assert np.allclose(found[:, compared], wanted[:, compared], atol=1e-6 / skeleton.metres_per_unit)
    again = mirror_features(found, skeleton=skeleton)
    assert np.array_equal(again, joints_to_features(clip, **options))


@quick
@given(seeds, skeletons, st.integers(0, 20))
def test_a_piece_is_recoded_as_it_was(seed, skeleton, start):
    """Whatever stood in the other numbers: they follow from positions and root motion."""
    features = joints_to_features(some_clip(skeleton, seed=seed), skeleton=skeleton)
    piece = features[start:].copy()
    piece[:, feature_groups(skeleton)["rotations"].start :] = np.nan
    heading = root_trajectory(features)[0][start]
    found = recode_features(piece, skeleton=skeleton, heading=heading)
    assert np.allclose(found, features[start:-1], atol=1e-6 / skeleton.metres_per_unit)


def test_recoding_keeps_batch_and_kind():
    features = joints_to_features(np.stack([some_clip(seed=seed) for seed in range(6)]).astype(np.float32))
    batch = torch.from_numpy(features).reshape(2, 3, *features.shape[1:])
    headings = torch.linspace(-2, 2, 6).reshape(2, 3)
    found = recode_features(batch, heading=headings)
    assert found.shape == (2, 3, features.shape[1] - 1, 263)
    for row in range(6):
        alone = recode_features(features[row], heading=float(headings.flatten()[row]))
        assert isinstance(alone, np.ndarray)
        np.testing.assert_allclose(found.flatten(0, 1)[row], alone, atol=1e-5)
    with pytest.raises(ShapeError, match=r"Too few.*Found: 1"):
        recode_features(features[0, :1])
    with pytest.raises(ShapeError, match=r"smpl_22.*263.*251"):
        recode_features(np.zeros((5, 251)))
    with pytest.raises(ShapeError, match=r"smpl_22.*263.*251"):
        mirror_features(np.zeros((5, 251)))


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_a_batch_is_its_clips(skeleton):
    clips = np.stack([some_clip(skeleton, seed=seed) for seed in range(6)]).reshape(2, 3, 30, -1, 3)
    features = joints_to_features(clips, skeleton=skeleton)
    assert features.shape == (2, 3, 29, skeleton.feature_size)
    for place in np.ndindex(2, 3):
        assert np.allclose(features[place], joints_to_features(clips[place], skeleton=skeleton), atol=1e-9)
        for source in ("positions", "rotations"):
            joints = features_to_joints(features, skeleton=skeleton, source=source)
            alone = features_to_joints(features[place], skeleton=skeleton, source=source)
            assert np.allclose(joints[place], alone, atol=1e-9)
    assert joints_to_features(clips[:, :0], skeleton=skeleton).shape == (2, 0, 29, skeleton.feature_size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_and_torch_agree(dtype):
    clip = some_clip().astype(dtype)
    clip.flags.writeable = False
    before = clip.copy()
    for function in (joints_to_features, canonicalize, rebone, joints_to_rotations):
        as_array, as_tensor = function(clip), function(torch.from_numpy(clip.copy()))
        assert isinstance(as_array, np.ndarray)
        assert isinstance(as_tensor, torch.Tensor)
        assert as_array.dtype == dtype
        assert np.array_equal(as_array, as_tensor.numpy())
    assert np.array_equal(clip, before)


def test_float32_is_close_to_float64():
    clip = some_clip(frames=120)
    low = joints_to_features(clip.astype(np.float32))
    assert np.abs(low - joints_to_features(clip)).max() < 5e-5


def test_half_precision_vectors_are_added_up_in_float32():
    features = joints_to_features(torch.from_numpy(some_clip(frames=150))).to(torch.bfloat16)
    joints = features_to_joints(features)
    assert joints.dtype == torch.bfloat16
    assert torch.equal(joints, features_to_joints(features.float()).to(torch.bfloat16))


@pytest.mark.parametrize("source", ["positions", "rotations"])
def test_decoding_has_gradients(source):
    features = torch.from_numpy(joints_to_features(some_clip(frames=4)))[None].requires_grad_()
    decode = lambda values: features_to_joints(values, source=source)  # noqa: E731
    assert torch.autograd.gradcheck(decode, features, fast_mode=True)
    decode(features).square().sum().backward()
    assert torch.isfinite(features.grad).all()
    assert (features.grad[0, :-1, :4] != 0).all()


def test_encoding_has_finite_gradients():
    clip = torch.from_numpy(some_clip()).requires_grad_()
    joints_to_features(clip).square().sum().backward()
    assert torch.isfinite(clip.grad).all()
    assert clip.grad.abs().max() > 0


def test_velocities_and_contacts_mean_what_they_say():
    clip = some_clip(frames=40)
    features, groups = joints_to_features(clip), feature_groups(SMPL_22)
    joints = canonicalize(clip)
    yaw, _ = root_trajectory(features)
    step = turned(np.diff(joints, axis=0), -yaw[:, None])
    assert np.allclose(features[:, groups["velocities"]].reshape(39, 22, 3), step, atol=1e-9)
    still = np.square(np.diff(joints, axis=0)[:, [7, 10, 8, 11]]).sum(-1) < 0.002
    assert np.array_equal(features[:, groups["contacts"]], still)
    assert np.allclose(features[:, groups["root_height"]][:, 0], joints[:-1, 0, 1])
    assert joints_to_features(clip, feet_threshold=0)[:, groups["contacts"]].max() == 0


def test_groups_cover_the_vector_once():
    for skeleton in SKELETONS:
        covered = np.zeros(skeleton.feature_size, int)
        for part in feature_groups(skeleton).values():
            covered[part] += 1
        assert (covered == 1).all()


# ------------------------------------------------------------------ bad input


def test_nan_names_its_frame():
    clip = some_clip()
    clip[17, 3, 1] = np.nan
    with pytest.raises(DataError, match="first at 17"):
        joints_to_features(clip)
    with pytest.raises(DataError, match="first at 17"):
        joints_to_features(np.stack([some_clip(), clip]))


@pytest.mark.parametrize("shape", [(1, 22, 3), (0, 22, 3), (5, 21, 3), (22, 3), (5, 22, 2)])
def test_wrong_shapes_are_told(shape):
    with pytest.raises(ShapeError, match="Expected"):
        joints_to_features(np.ones(shape))


def test_legs_without_length_are_told():
    clip = some_clip()
    clip[:, 5] = clip[:, 8] = clip[:, 2]
    with pytest.raises(DataError, match="legs have no length"):
        joints_to_features(clip)


def test_wrong_options_are_told():
    features = joints_to_features(some_clip(KIT_21), skeleton=KIT_21)
    with pytest.raises(ShapeError, match="Pass skeleton=KIT_21"):
        features_to_joints(features)
    with pytest.raises(ConfigError, match="positions"):
        features_to_joints(features, skeleton=KIT_21, source="ric")
    with pytest.raises(ShapeError, match="target_offsets"):
        joints_to_features(some_clip(), target_offsets=KIT_21.offsets.copy())
    with pytest.raises(ShapeError, match="root_position"):
        rotations_to_joints(np.tile(np.eye(3), (5, 22, 1, 1)), np.zeros((4, 3)))
    with pytest.raises(ShapeError, match="features"):
        root_trajectory(np.zeros((5, 3)))


# ------------------------------------------------------------------ statistics


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_stats_are_those_of_all_frames(skeleton):
    clips = [joints_to_features(some_clip(skeleton, 20 + 7 * seed, seed), skeleton=skeleton) for seed in range(5)]
    frames = np.concatenate(clips)
    stats = feature_stats(iter(clips))
    assert np.allclose(stats.mean, frames.mean(0), rtol=1e-5, atol=1e-6)
    for name, part in feature_groups(skeleton).items():
        expected = frames.std(0)[part].mean()
        assert np.allclose(stats.std[part], expected if expected > 0 else 1, rtol=1e-5), name


def test_stats_of_far_numbers_are_stable():
    rng = np.random.default_rng(0)
    clips = [1e6 + rng.normal(size=(100, 263)) for _ in range(20)]
    assert np.allclose(feature_stats(clips).std[4:67], np.concatenate(clips).std(0)[4:67].mean(), rtol=1e-3)


def test_fixed_root_and_held_legs_normalise_to_zero():
    clip = some_clip(frames=60, sway=0)
    clip[:] = clip[:1]
    clip[:, 20] += 0.1 * np.sin(np.arange(60))[:, None]  # one wrist moves
    features = joints_to_features(clip.astype(np.float32))
    stats, groups = feature_stats([features[1:]]), feature_groups(SMPL_22)
    for name in ("yaw_velocity", "root_velocity", "root_height", "contacts"):
        assert (stats.std[groups[name]] == 1).all(), name
        assert np.abs(stats.normalize(features[1:])[:, groups[name]]).max() < 1e-5
    assert stats.std[groups["positions"]].max() < 1
    assert np.isfinite(stats.normalize(features)).all()


class _Corpus:
    def __init__(self, clips):
        self.clips = clips

    def names(self):
        return list(self.clips)

    def features(self, name):
        return self.clips[name]


def test_stats_of_a_corpus_leave_bad_clips_out_and_say_so():
    good, bad = np.random.default_rng(0).normal(size=(2, 50, 263))
    bad[3, 3] = np.nan
    with pytest.warns(UserWarning, match="1 clips with NaN or infinity are left out: broken"):
        stats = feature_stats(_Corpus({"fine": good, "broken": bad}))
    assert np.allclose(stats.mean, good.mean(0), atol=1e-6)


def test_stats_need_frames_of_one_size():
    with pytest.raises(DataError, match="No frames"):
        feature_stats([])
    with pytest.raises(ShapeError, match="clip 1"):
        feature_stats([np.zeros((4, 263)), np.zeros((4, 251))])
    with pytest.raises(ShapeError, match="another skeleton"):
        feature_stats([np.zeros((4, 263))], skeleton=KIT_21)
    with pytest.raises(ConfigError, match="263, 251 or 623"):
        feature_stats([np.zeros((4, 100))])
