"""Windows that augmentation changes: what stays, what moves, and that all of it hangs together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus

from ktube_motion.errors import ConfigError
from ktube_motion.features import (
    feature_groups,
    features_to_joints,
    joints_to_features,
    mirror_features,
    recode_features,
    root_trajectory,
)
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52
from ktube_motion.training import ClipTable, MotionAugmentation, TokenizerTraining, WindowSampler, train_tokenizer
from ktube_motion.training._augmentation import AugmentedSampler
from ktube_motion.vq import TokenizerConfig

NOTHING = {"mirror": False, "share": 1.0, "speed": 1.0, "parts": 0.0, "arms": 0.0, "trunk": 0.0, "path": 1.0,
           "turning": 0.0}  # fmt: skip
GROUPS = feature_groups(SMPL_22)
LEFT_ARM, RIGHT_ARM, HEAD, LEGS = [16, 18, 20], [17, 19, 21], [12, 15], [1, 2, 4, 5, 7, 8, 10, 11]


def clips(skeleton=SMPL_22, count=6, frames=120):
    """People who sway, walk and turn, each in a way of their own."""
    rng = np.random.default_rng(1)
    time = np.linspace(0, 4, frames)[:, None, None]
    found = []
    for _ in range(count):
        sway = rng.normal(size=(4, 1, skeleton.num_joints, 3)) * 0.05 / skeleton.metres_per_unit
        rest = np.zeros((skeleton.num_joints, 3))
        for joint in range(1, skeleton.num_joints):
            rest[joint] = rest[skeleton.parents[joint]] + skeleton.offsets[joint]
        joints = rest + sway[0] * np.sin(3 * time + rng.uniform(0, 6)) + sway[1] * np.sin(time)
        yaw, (x, y, z) = time[..., 0] * rng.uniform(-0.6, 0.6), np.moveaxis(joints, -1, 0)
        joints = np.stack([np.cos(yaw) * x + np.sin(yaw) * z, y, np.cos(yaw) * z - np.sin(yaw) * x], -1)
        joints[..., 2] += time[..., 0] * rng.uniform(0.2, 1) / skeleton.metres_per_unit
        found.append(joints_to_features(joints.astype(np.float32), skeleton=skeleton))
    return found


def sampler(skeleton=SMPL_22, *, window=32, batch_size=24, **changes):
    table = ClipTable.from_arrays(clips(skeleton), shortest=window)
    plain = WindowSampler(table, window, batch_size, seed=5)
    return AugmentedSampler(plain, MotionAugmentation(**NOTHING | changes), skeleton)


def local_joints(features):
    """Joints in the frame of the heading, the root above the origin."""
    others = features[..., GROUPS["positions"]].unflatten(-1, (-1, 3))
    return torch.cat([torch.nn.functional.pad(features[..., 3:4], (1, 1))[..., None, :], others], -2)


def bones(joints, which):
    """The bones that end in these joints."""
    return joints[..., which, :] - joints[..., [SMPL_22.parents[joint] for joint in which], :]


@pytest.mark.parametrize("skeleton", [SMPL_22, KIT_21, SMPLH_52])
def test_nothing_asked_nothing_changed(skeleton):
    """The windows are read, recoded and come out as they were, wherever in a clip they begin."""
    found = sampler(skeleton)
    (changed, mask), (plain, _) = found.windows(7), found.plain.windows(7)
    assert mask is None
    numbers = slice(0, feature_groups(skeleton)["contacts"].start)
    scale = plain.abs().amax((0, 1))[numbers].clamp_min(1)
    assert ((changed - plain)[..., numbers].abs() / scale).max() < 1e-3
    assert (changed != plain)[..., feature_groups(skeleton)["contacts"]].float().mean() < 0.01


@pytest.mark.parametrize("skeleton", [SMPL_22, KIT_21, SMPLH_52])
def test_what_comes_out_is_a_motion(skeleton):
    """Rotations, velocities and contacts are those of the changed positions and path."""
    found = sampler(skeleton, speed=1.25, parts=1.0, arms=0.8, trunk=0.3, path=2.0, turning=0.05)
    features, mask = found.windows(2)
    again = recode_features(features, skeleton=skeleton, heading=found._heading(*found.positions(2)))
    valid = slice(None) if mask is None else mask[:, 1:]
    off = (again - features[:, :-1]).abs() / features.abs().amax((0, 1)).clamp_min(1)
    assert off[valid].max() < 1e-3
    assert torch.isfinite(features).all()


def test_mirrored_windows():
    found = sampler(mirror=True, share=0.0)
    (features, _), (plain, _) = found.windows(1), found.plain.windows(1)
    same = (features == plain).all(-1).all(-1)
    mirrored = (features == mirror_features(plain)).all(-1).all(-1)
    assert (same | mirrored).all()
    assert 4 < int(mirrored.sum()) < 20


def test_speed():
    found = sampler(speed=1.5, window=48)
    features, _ = found.windows(4)
    clip, offset = (values.tolist() for values in found.positions(4))
    seen = set()
    for row in range(24):
        speed = float(found._plan(4).speed[row])
        frames = int(found.frames(4)[row])
        left = 119 - offset[row]
        assert frames == min(48, int(left / speed))
        source = found.plain.table.frames[found.plain.table.starts[clip[row]] + offset[row] :][:left]
        yaw, path = root_trajectory(features[row, :frames])
        true_yaw, true_path = root_trajectory(source)
        last = (frames - 1) * speed  # where the source is when the window is at its last frame
        at = min(int(last), left - 2)
        share = last - at
        assert torch.allclose(yaw[-1], true_yaw[at].lerp(true_yaw[at + 1], share), atol=2e-2)
        assert torch.allclose(path[-1], true_path[at].lerp(true_path[at + 1], share), atol=3e-2)
        seen.add(speed > 1)
    assert seen == {True, False}


def test_parts_come_from_another_clip():
    found = sampler(parts=1.0)
    (features, _), (plain, _) = found.windows(3), found.plain.windows(3)
    plan = found._plan(3)
    own, other, now = local_joints(plain), local_joints(plain[plan.partner]), local_joints(features)
    assert set(plan.parts.tolist()) == {0, 1, 2, 3}
    for row, part in enumerate(plan.parts.tolist()):
        taken = {0: LEFT_ARM + RIGHT_ARM + HEAD, 1: LEFT_ARM, 2: RIGHT_ARM, 3: LEFT_ARM + RIGHT_ARM}[part]
        kept = [joint for joint in LEFT_ARM + RIGHT_ARM + HEAD + LEGS if joint not in taken]
        torch.testing.assert_close(bones(now[row], taken), bones(other[row], taken), atol=1e-5, rtol=0)
        torch.testing.assert_close(bones(now[row], kept), bones(own[row], kept), atol=1e-5, rtol=0)
        torch.testing.assert_close(features[row, :, :4], plain[row, :, :4])  # the path is the legs'


def test_arms_turn_about_the_shoulders_and_stay_arms():
    found = sampler(arms=1.0)
    (features, _), (plain, _) = found.windows(3), found.plain.windows(3)
    own, now = local_joints(plain), local_joints(features)
    moved = [18, 19, 20, 21]
    still = [joint for joint in range(22) if joint not in moved]
    torch.testing.assert_close(now[..., still, :], own[..., still, :], atol=1e-5, rtol=0)
    torch.testing.assert_close(bones(now, moved).norm(dim=-1), bones(own, moved).norm(dim=-1), atol=1e-5, rtol=0)
    turned = (now - own)[..., [20, 21], :].norm(dim=-1).amax(1) > 0.01
    assert 10 < int(turned.sum()) < 40  # of 48 arms every second
    angle = torch.cosine_similarity(bones(now, [18]), bones(own, [18]), dim=-1).clamp(-1, 1).arccos()
    assert angle.max() > 1
    assert (angle[:, 1:] - angle[:, :-1]).abs().max() < 0.6  # smooth: under 35° a frame


def test_the_trunk_bends_about_the_root_and_stays_a_trunk():
    found = sampler(trunk=0.5)
    (features, _), (plain, _) = found.windows(3), found.plain.windows(3)
    own, now = local_joints(plain), local_joints(features)
    torch.testing.assert_close(now[..., [0, *LEGS], :], own[..., [0, *LEGS], :], atol=1e-5, rtol=0)
    upper = [joint for joint in range(1, 22) if joint not in LEGS]
    torch.testing.assert_close(torch.cdist(now[..., upper, :], now[..., upper, :]),
                               torch.cdist(own[..., upper, :], own[..., upper, :]), atol=1e-4, rtol=0)  # fmt: skip
    bent = (now - own)[..., 15, :].norm(dim=-1).amax(1) > 0.01
    assert 4 < int(bent.sum()) < 20


def test_path_and_turning():
    found = sampler(path=2.0)
    (features, _), (plain, _) = found.windows(3), found.plain.windows(3)
    factor = (features[..., 2] / plain[..., 2]).median(1).values
    torch.testing.assert_close(features[..., 1:3], plain[..., 1:3] * factor[:, None, None])
    assert factor.min() >= 0.5
    assert factor.max() <= 2
    assert factor.min() < 0.8 < 1.25 < factor.max()
    torch.testing.assert_close(local_joints(features), local_joints(plain), atol=1e-5, rtol=0)

    found = sampler(turning=0.05)
    (features, _), (plain, _) = found.windows(3), found.plain.windows(3)
    more = (features - plain)[..., 0]
    turned = more.abs().amax(1) > 1e-4
    assert 4 < int(turned.sum()) < 20
    assert 0.03 < float(more[turned].std()) < 0.08
    joints = [features_to_joints(x) for x in (features, plain)]
    assert (joints[0] - joints[1])[turned][:, -1].norm(dim=-1).amax(-1).min() > 0.01


def test_a_share_is_changed_and_parts_of_a_batch_fit_together():
    settings = vars(MotionAugmentation(share=0.4))
    found = sampler(batch_size=200, **settings)
    whole, mask = found.windows(6)
    plain, _ = found.plain.windows(6)
    same = ((whole == plain).all(-1).all(-1)) | ((whole == mirror_features(plain)).all(-1).all(-1))
    assert 0.3 < 1 - float(same.float().mean()) < 0.5
    assert mask is not None
    assert torch.equal(mask.sum(1), found.frames(6))
    first, second = found.windows(6, slice(0, 80)), found.windows(6, slice(80, 200))
    assert torch.equal(torch.cat([first[0], second[0]]), whole)
    again, _ = sampler(batch_size=200, **settings).windows(6)
    assert torch.equal(again, whole)
    assert not torch.equal(found.windows(7)[0], whole)


def test_interrupted_training_goes_on_the_same(tmp_path):
    corpus = make_small_corpus(tmp_path / "corpus")
    small = TokenizerConfig(width=16, code_dim=8, num_codes=8, depth=1)
    config = TokenizerTraining(
        steps=6, batch_size=8, learning_rate=1e-3, warmup=1, window=32, save_every=3, tracker=None,
        tokenizer=small, augmentation=MotionAugmentation(),
    )  # fmt: skip
    whole = train_tokenizer(config, corpus, tmp_path / "whole", progress=False)
    train_tokenizer(replace(config, steps=3), corpus, tmp_path / "parts", progress=False)
    parts = train_tokenizer(config, corpus, tmp_path / "parts", resume=True, progress=False)
    plain = train_tokenizer(replace(config, augmentation=None), corpus, tmp_path / "plain", progress=False)
    assert parts.fingerprint == whole.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.5}, "share.*from 0 to 1.*1.5"),
        ({"parts": -0.1}, "parts.*from 0 to 1"),
        ({"speed": 0.8}, "speed.*from 1 on"),
        ({"path": float("nan")}, "path.*from 1 on"),
        ({"arms": -1}, "arms.*from 0 on"),
        ({"turning": "much"}, "turning.*from 0 on.*much"),
    ],
)
def test_settings_that_cannot_work(changes, message):
    with pytest.raises(ConfigError, match=message):
        MotionAugmentation(**changes)


def test_the_original_has_none():
    assert TokenizerTraining.t2m_gpt().augmentation is None
