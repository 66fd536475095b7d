"""Finishing: bones of one length, feet that stand, smooth, on the ground, hands at their targets."""

import numpy as np
import pytest

from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.filters import clean_poses
from ktube_motion.io import load_poses
from ktube_motion.kinematics import HandTarget, finish, load_body, pose_to_joints
from ktube_motion.metrics import jerk
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55
from ktube_motion.types import Motion, PoseSequence

FEET = [7, 8, 10, 11]


def gesture(seconds=10.0, fps=20.0, seed=0):
    """Poses of one who stands and moves arms, head and chest as a speaker does."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * fps)) / fps
    rotvecs = np.zeros((len(t), 55, 3))
    rotvecs[:, 16, 2], rotvecs[:, 17, 2] = -1.1, 1.1
    for joint, size in ((12, 0.1), (9, 0.05), (16, 0.25), (17, 0.25), (18, 0.4), (19, 0.4)):
        for axis in range(3):
            waves = rng.uniform(0.2, 0.7, 3)[:, None] * t + rng.uniform(0, 1, (3, 1))
            rotvecs[:, joint, axis] += size * np.sin(2 * np.pi * waves).mean(0)
    return PoseSequence(rotvecs=rotvecs, fps=fps)


def generated(seed=0, **options):
    """The same as a generative model gives it: bones that stretch, a root that trembles and drifts, feet that slide."""
    rng = np.random.default_rng(seed)
    motion = pose_to_joints(gesture(seed=seed, **options))
    motion = motion.replace(positions=motion.positions - [0, motion.positions[..., 1].min(), 0])
    frames = len(motion)
    wobble = rng.normal(0, 0.004, (frames, 22, 3))
    walk = np.cumsum(rng.normal(0, 0.004, (frames, 1, 3)), 0) * [1, 0, 1]
    positions = motion.positions + wobble + walk
    positions[:, [20, 21]] += 0.15 * (rng.random((frames, 2, 1)) - 0.5) * 0.5
    return motion.replace(positions=positions, rotations=None, translation=None, name="말")


def variation(positions, skeleton=SMPL_22):
    lengths = np.linalg.norm(positions[:, 1:] - positions[:, list(skeleton.parents[1:])], axis=-1)
    return (lengths.std(0) / lengths.mean(0)).max()


def slide(motion, contact):
    both = contact[1:] & contact[:-1]
    speed = np.linalg.norm(np.diff(motion.positions[:, [10, 11]][..., [0, 2]], axis=0), axis=-1) * motion.fps
    return speed[both].mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fps", [None, 30, 60])
def test_generated_motion_meets_the_bars(seed, fps):
    motion = generated(seed)
    finished, report = finish(motion, fps=fps)
    assert finished.fps == (fps or 20)
    assert variation(motion.positions) > 0.05
    assert variation(finished.positions) < 0.001
    assert report.contact.mean() > 0.7
    assert slide(finished, report.contact) < 0.002
    assert jerk(motion.positions, fps=20) > 100
    assert jerk(finished.positions, fps=finished.fps) <= 22
    often = finished.positions[:: round((fps or 20) / 10)] - [0, report.lift, 0]
    assert np.linalg.norm(often - motion.positions[::2][: len(often)], axis=-1).mean() < 0.015
    assert abs(report.lift) < 0.02
    assert report.mean_change < 0.015


def test_report_is_what_is_measured():
    motion = generated()
    finished, report = finish(motion)
    assert report.bone_variation == pytest.approx(
        (variation(motion.positions), variation(finished.positions)), abs=1e-4
    )
    assert report.foot_slide == pytest.approx([slide(m, report.contact) for m in (motion, finished)], abs=1e-3)
    assert report.jerk == pytest.approx([jerk(m.positions, fps=20) for m in (motion, finished)], rel=1e-3)
    change = np.linalg.norm(finished.positions - motion.positions - [0, report.lift, 0], axis=-1).mean()
    assert report.mean_change == pytest.approx(change, abs=1e-4)
    assert "cm/s" in str(report)


def test_good_motion_is_hardly_changed():
    motion = pose_to_joints(gesture())
    finished, report = finish(motion)
    assert report.blur == 0
    assert report.steps == 0
    assert report.mean_change < 0.005
    again, second = finish(finished)
    assert second.mean_change < 0.002
    assert np.abs(again.positions - finished.positions).mean() < 0.002


def test_poses_keep_what_is_not_touched_and_stand_on_their_soles():
    poses = gesture().replace(transl=np.tile([0.3, -2.2, 3.0], (200, 1)))
    finished, report = finish(poses)
    assert report.lift == pytest.approx(3.5, abs=0.2)
    untouched = [j for j in range(55) if j not in (1, 2, 4, 5, 7, 8)]
    assert np.array_equal(finished.rotvecs[:, untouched], poses.rotvecs[:, untouched])
    soles = load_body().vertices(finished[::20])[..., 1].min(1)
    assert np.abs(soles).max() < 0.01


@pytest.mark.parametrize("flat", [True, False])
def test_fingers_survive_smoothing(flat):
    rng = np.random.default_rng(0)
    poses = gesture().replace(flat_hand_mean=flat)
    shaky = poses.replace(rotvecs=poses.rotvecs + rng.normal(0, 0.03, poses.rotvecs.shape))
    finished, report = finish(shaky)
    assert report.jerk[0] > 200
    assert report.jerk[1] < 30
    inner = slice(10, -10)
    assert np.abs(finished.rotvecs - poses.rotvecs)[inner, 25:].mean() < 0.02  # less than half of the noise


@pytest.mark.parametrize("kind", ["poses", "joints"])
@pytest.mark.parametrize(("name", "path"), [("clean", True), ("clean", False), ("noisy", False)])
def test_real_recording_meets_the_bars(shared, name, path, kind):
    """20 s of a real speaker, who also walks; without the path, feet slide under a pelvis that stays."""
    poses = load_poses(shared / f"data/pose_json/scott_{name}.json")
    poses = clean_poses(poses) if name == "noisy" else poses
    poses = poses.replace(trajectory=path)
    clip = poses if kind == "poses" else pose_to_joints(poses).replace(rotations=None, translation=None)
    before = pose_to_joints(poses).positions
    finished, report = finish(clip)
    finished = pose_to_joints(finished) if kind == "poses" else finished
    after = finished.positions
    assert variation(after) < 0.01
    assert slide(finished, report.contact) < 0.02
    real = 35.2  # m/s³, of the clean recording at 30 fps
    assert jerk(after, fps=30) <= real
    assert report.contact.mean() > 0.4
    assert report.mean_change < 0.015
    assert np.linalg.norm(after - before - [0, report.lift, 0], axis=-1).mean() < 0.015


def test_fast_parts_of_a_real_recording_are_kept(shared):
    """Fingers and wrists have three times the jerk of a body; that is no reason to smooth them."""
    poses = load_poses(shared / "data/pose_json/scott_clean.json").replace(trajectory=True)
    finished, report = finish(poses)
    assert report.blur == 0
    hands = load_body().joints(poses)[:, 20:], load_body().joints(finished)[:, 20:]
    apart = np.linalg.norm(hands[1] - hands[0] - [0, report.lift, 0], axis=-1)
    assert apart.mean() < 0.008


def walk(fps=20.0):
    """One who walks a metre a second with feet that lift: stances are known."""
    base = pose_to_joints(gesture(6, fps)).positions.astype(float)
    base -= [0, base[..., 1].min(), 0]
    t = np.arange(len(base)) / fps
    stance = np.zeros((len(t), 2), bool)
    x = base.copy()
    x[..., 2] += t[:, None]
    for side in range(2):
        phase = (t + side / 2) % 1
        stance[:, side] = phase < 0.6
        step = np.floor(t + side / 2) - side / 2
        swing = np.clip((phase - 0.6) / 0.4, 0, 1)
        ahead = step + swing**2 * (3 - 2 * swing) + 0.3
        for joint in FEET[side::2]:
            x[:, joint, 2] = base[:, joint, 2] + ahead
            x[:, joint, 1] = base[:, joint, 1] + 0.12 * np.sin(np.pi * swing)
    return Motion(skeleton=SMPL_22, positions=x, fps=fps), stance


def test_steps_of_one_who_walks_are_kept():
    motion, stance = walk()
    finished, report = finish(motion, jerk=None)
    assert report.steps == 0
    agreement = (report.contact == stance)[10:-10].mean()
    assert agreement > 0.85
    toes = finished.positions[:, [10, 11]]
    assert np.ptp(toes[..., 1], axis=0).min() > 0.08  # feet still lift
    assert np.linalg.norm(toes - motion.positions[:, [10, 11]] - [0, report.lift, 0], axis=-1).mean() < 0.03


def test_knees_do_not_bend_backwards():
    motion = pose_to_joints(gesture())
    positions = motion.positions.copy()
    positions[:, [4, 5], 2] -= 0.12  # behind
    finished, _ = finish(motion.replace(positions=positions, rotations=None), jerk=None)
    for hip, knee, ankle in ((1, 4, 7), (2, 5, 8)):
        line = (finished.positions[:, hip] + finished.positions[:, ankle]) / 2
        assert (finished.positions[:, knee] - line)[:, 2].min() > -0.01


def test_joints_stay_within_limits():
    poses = gesture()
    rotvecs = poses.rotvecs.copy()
    rotvecs[:, 12, 1] = 2.5  # a head that looks backwards
    finished, report = finish(poses.replace(rotvecs=rotvecs))
    assert report.joints_limited == len(poses)
    assert np.linalg.norm(finished.rotvecs[:, 12], axis=-1).max() <= np.radians(70) + 1e-6
    free, report = finish(poses.replace(rotvecs=rotvecs), limits=False)
    assert np.abs(free.rotvecs[:, 12] - rotvecs[:, 12]).max() < 1e-6


@pytest.mark.parametrize("kind", ["poses", "motion"])
@pytest.mark.parametrize(("hand", "wrist"), [("left", 20), ("right", 21)])
def test_hands_are_at_their_targets_when_they_shall_be(kind, hand, wrist):
    poses = gesture()
    clip = poses if kind == "poses" else pose_to_joints(poses, skeleton=SMPLH_52)
    place = (0.3 if hand == "left" else -0.3, 1.3, 0.35)
    finished, report = finish(clip, targets=[HandTarget(hand, place, seconds=5.0, hold=0.5, ease=0.5)])
    plain, _ = finish(clip)
    joints, before = (load_body().joints(c) if kind == "poses" else c.positions for c in (finished, plain))
    assert report.target_errors[0] < 1e-6
    assert np.abs(joints[100:111, wrist] - place).max() < 1e-4
    assert np.abs(joints[:89] - before[:89]).max() < 1e-5  # before the way there nothing is changed
    assert np.abs(joints[121:] - before[121:]).max() < 1e-5


def test_what_is_out_of_reach_is_pointed_at():
    place = np.array([-3.0, 1.4, 2.0])
    finished, report = finish(gesture(), targets=[HandTarget("right", tuple(place), seconds=5.0)])
    shoulder, wrist = load_body().joints(finished)[100, [17, 21]]
    way, arm = place - shoulder, wrist - shoulder
    assert way @ arm / np.linalg.norm(way) / np.linalg.norm(arm) > 0.9999
    assert report.target_errors[0] == pytest.approx(np.linalg.norm(place - wrist), abs=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_short_clips(frames):
    for clip in (gesture()[:frames], generated()[:frames]):
        finished, report = finish(clip)
        assert len(finished) == frames
        assert np.isfinite(finished.transl if isinstance(clip, PoseSequence) else finished.positions).all()
        assert np.isfinite(report.lift)


def test_twists_are_where_limbs_turn():
    """An arm bent by its hinge has no other rotation: joints alone say so, and a skin needs it."""
    rotvecs = gesture(3).rotvecs.copy()
    rotvecs[:, 18:20] = 0
    rotvecs[:, 18, 1], rotvecs[:, 19, 1] = -1.2, 1.2
    rotvecs[:, 16, 0] = 0.8  # turned about its own bone
    motion = pose_to_joints(PoseSequence(rotvecs=rotvecs, fps=20))
    finished, _ = finish(motion.replace(rotations=None, translation=None), jerk=None)
    turn = np.swapaxes(finished.rotations, -1, -2) @ motion.rotations
    angle = np.degrees(np.arccos(np.clip((np.trace(turn, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    assert angle[:, [16, 17, 18, 19]].max() < 16  # 50 and more without
    assert angle[:, [1, 2, 4, 5]].mean() < 10


def test_joints_in_one_place_are_told():
    with pytest.raises(DataError, match="one place"):
        finish(Motion(skeleton=SMPL_22, positions=np.zeros((3, 22, 3)), fps=20))


def test_other_skeletons_get_bones_and_rate():
    rng = np.random.default_rng(0)
    positions = (
        np.cumsum(rng.normal(0, 20, (40, 1, 3)), 0) + 100 * rng.normal(size=(1, 21, 3)) + rng.normal(0, 5, (40, 21, 3))
    )
    finished, report = finish(Motion(skeleton=KIT_21, positions=positions, fps=12.5), fps=25)
    assert report.contact is None
    assert variation(finished.positions, KIT_21) < 0.001
    assert finished.fps == 25
    with pytest.raises(ConfigError, match="arms"):
        finish(finished, targets=[HandTarget("left", (0, 1, 0), seconds=0.1)])


def test_nothing_is_mutated_and_wholes_of_55_joints_work():
    motion = pose_to_joints(gesture(), skeleton=SMPLX_55)
    before = motion.positions.copy()
    finished, _ = finish(motion, fps=30)
    assert np.array_equal(before, motion.positions)
    assert finished.rotations.shape == (len(finished), 55, 3, 3)


def test_what_cannot_be_is_told():
    poses = gesture(1)
    rotten = poses.rotvecs.copy()
    rotten[3, 4, 0] = np.nan
    with pytest.raises(DataError, match="1 of 20 frames"):
        finish(poses.replace(rotvecs=rotten, source="말.npz"))
    with pytest.raises(DataError, match="invalid"):
        finish(poses.replace(valid=np.arange(20) > 3))
    with pytest.raises(ShapeError, match="Nothing"):
        finish(poses[:0])
    for options in ({"fps": 0}, {"fps": float("nan")}, {"jerk": -1}):
        with pytest.raises(ConfigError, match="positive"):
            finish(poses, **options)
    with pytest.raises(ConfigError, match="after the end"):
        finish(poses, targets=[HandTarget("left", (0, 1, 0), seconds=9)])
    with pytest.raises(ConfigError, match="hand"):
        HandTarget("foot", (0, 1, 0), seconds=1)
    with pytest.raises(DataError, match="place"):
        HandTarget("left", (0, 1, float("nan")), seconds=1)
    with pytest.raises(DataError, match="times"):
        HandTarget("left", (0, 1, 0), seconds=-1)
