"""Landmarks to SMPL-X poses: any points, hands on their own, unseen parts at rest, sides mended."""

import tracemalloc

import numpy as np
import pytest
import roma
import torch

from ktube_motion import PoseSequence
from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.kinematics import (
    BODY_LANDMARKS,
    HAND_LANDMARKS,
    Landmarks,
    _landmark_fitting,
    fit_landmarks,
    load_body,
    mend_swaps,
    pose_to_joints,
    steady_trunk,
)
from ktube_motion.kinematics._pictured import Pictured
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import SMPLH_52

UPPER = [12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
SIDES = ("left", "right")
HANDS = tuple(f"{side}_hand_{name}" for side in ("left", "right") for name in HAND_LANDMARKS)


@pytest.fixture(scope="module")
def speaker():
    return make_speaker(seed=5, num_utterances=1).truth[30:110]


def seen_on(poses, names, *, noise=0.0, seed=0):
    """Give the landmarks of poses exactly, each group about an origin of its own."""
    from ktube_motion.kinematics import global_rotations

    motion = pose_to_joints(poses, skeleton=SMPLH_52)
    turned = global_rotations(motion.rotations, skeleton=SMPLH_52)
    rng = np.random.default_rng(seed)
    points = np.zeros((len(poses), len(names), 3))
    origins = {group: rng.normal(size=(len(poses), 3)) for group in ("body", "left", "right")}
    rest = torch.from_numpy(np.asarray(load_body().rest_joints(poses.betas))[_landmark_fitting.BODY_IN_SMPLX])
    bare = Landmarks(tuple(names), points, fps=poses.fps)
    for place, site in enumerate(_landmark_fitting._sites(bare, rest)):
        there = motion.positions[:, site.joint] + turned[:, site.joint] @ np.array(site.offset)
        points[:, place] = there + origins[site.group]
    return Landmarks(tuple(names), points + rng.normal(0, noise, points.shape), fps=poses.fps)


def error(found, truth, joints, root=0):
    """Mean distance in metres, about a root joint."""
    first, second = (pose_to_joints(poses, skeleton=SMPLH_52).positions for poses in (found, truth))
    apart = (first - first[:, [root]]) - (second - second[:, [root]])
    return float(np.linalg.norm(apart[:, joints], axis=-1).mean())


def test_body_and_hands_are_met(speaker):
    found = fit_landmarks(seen_on(speaker, BODY_LANDMARKS + HANDS), betas=speaker.betas)
    assert found.valid.all()
    assert not found.trajectory
    assert error(found, speaker, UPPER) < 0.012
    assert error(found, speaker, range(22, 37), root=20) < 0.006
    assert error(found, speaker, range(37, 52), root=21) < 0.006


def test_noise_is_averaged_over_time(speaker):
    found = fit_landmarks(seen_on(speaker, BODY_LANDMARKS + HANDS, noise=0.03), betas=speaker.betas)
    assert error(found, speaker, UPPER) < 0.03


def test_one_shape_for_all_shots_of_a_tall_speaker(speaker):
    tall = speaker.replace(betas=np.array([2.0] + [0] * 9))
    shots = [seen_on(part, BODY_LANDMARKS) for part in (tall[:30], tall[30:])]
    first, second = fit_landmarks(shots)
    np.testing.assert_array_equal(first.betas, second.betas)
    body = load_body()
    arm = lambda betas: np.linalg.norm(np.diff(body.rest_joints(betas)[[16, 18, 20]], axis=0), axis=-1).sum()  # noqa: E731
    assert abs(arm(first.betas) - arm(tall.betas)) < 0.02 < abs(arm(np.zeros(10)) - arm(tall.betas))


def test_what_is_not_seen_rests(speaker):
    names = [name for name in BODY_LANDMARKS if not any(part in name for part in ("knee", "ankle", "heel", "foot"))]
    found = fit_landmarks(seen_on(speaker, names), betas=speaker.betas)
    legs = [1, 2, 4, 5, 7, 8, 10, 11]
    assert np.abs(found.rotvecs[:, legs]).max() < 0.35  # hips lean a little with the trunk
    assert np.abs(found.rotvecs[:, [7, 8, 10, 11]]).max() < 0.02
    relaxed = load_body().hand_mean
    assert np.abs(found.rotvecs[:, 25:] - relaxed).max() < 0.5
    assert error(found, speaker, UPPER) < 0.02


def test_frames_without_landmarks_are_gaps(speaker):
    clip = seen_on(speaker, BODY_LANDMARKS)
    weights = np.ones(clip.points.shape[:2])
    weights[20:25] = 0
    points = clip.points.copy()
    points[20:25] = np.nan
    found = fit_landmarks(Landmarks(clip.names, points, weights, fps=clip.fps))
    assert np.flatnonzero(~found.valid).tolist() == [20, 21, 22, 23, 24]
    assert (found.rotvecs[20:25] == 0).all()


def test_a_wild_landmark_hardly_counts(speaker):
    clip = seen_on(speaker, BODY_LANDMARKS)
    points = clip.points.copy()
    points[::4, clip.names.index("left_wrist")] += 0.6
    found = fit_landmarks(clip.replace(points=points), betas=speaker.betas)
    assert error(found, speaker, [20]) < 0.08


def test_elbows_bend_only_the_way_they_can(speaker):
    backwards = np.zeros((20, 55, 3))
    backwards[:, 18, 1] = 0.9  # the left forearm bent behind the arm
    arms = ["left_shoulder", "right_shoulder", "left_elbow", "left_wrist", "left_hip", "right_hip"]
    found = fit_landmarks(seen_on(PoseSequence(backwards, fps=20), arms))
    assert found.rotvecs[:, 18, 1].max() < 0.4


def test_long_clips_are_fitted_in_pieces(speaker, monkeypatch):
    whole = fit_landmarks(seen_on(speaker, BODY_LANDMARKS), betas=speaker.betas)
    monkeypatch.setattr("ktube_motion.kinematics._landmark_fitting._CHUNK", 25)
    pieces = fit_landmarks(seen_on(speaker, BODY_LANDMARKS), betas=speaker.betas)
    assert error(pieces, whole, UPPER) < 0.01
    jumps = np.abs(np.diff(pose_to_joints(pieces).positions, axis=0)).max()
    assert jumps < np.abs(np.diff(pose_to_joints(whole).positions, axis=0)).max() + 0.01


def test_bodies_seen_from_behind_by_mistake_are_turned_round(speaker):
    clip = seen_on(speaker, BODY_LANDMARKS)
    points = clip.points - clip.points.mean(1, keepdims=True)
    swap = [clip.names.index(_other(name)) for name in clip.names]
    wrong = np.zeros(len(points), bool)
    wrong[[5, 30, 31, 32]] = wrong[50:] = True
    spoiled = points.copy()
    spoiled[wrong] = points[wrong][:, swap] * (1, 1, -1)
    mended, found = mend_swaps(clip.replace(points=spoiled))
    np.testing.assert_array_equal(found, wrong)
    np.testing.assert_allclose(mended.points, points, atol=1e-6)


def test_who_turns_round_is_left_alone(speaker):
    turning = speaker.rotvecs.copy()
    turning[:, 0] = np.linspace(0, 2 * np.pi, len(speaker))[:, None] * (0, 1, 0)
    clip = seen_on(speaker.replace(rotvecs=turning), BODY_LANDMARKS)
    assert not mend_swaps(clip)[1].any()


def leaning(speaker, angles):
    """Give the landmarks of a speaker whose trunk leans towards the camera, by so many degrees in each frame."""
    bent = speaker.rotvecs.copy()
    bent[:, 3, 0] += np.radians(angles)
    return seen_on(speaker.replace(rotvecs=bent), BODY_LANDMARKS + HANDS)


def lean_of(clip):
    trunk = clip.select(("left_shoulder", "right_shoulder", "left_hip", "right_hip")).points
    up = trunk[:, :2].mean(1) - trunk[:, 2:].mean(1)
    return np.degrees(np.arctan2(up[:, 2], up[:, 1]))


def test_small_leanings_of_a_trunk_are_the_estimate(speaker):
    still = speaker.replace(rotvecs=np.repeat(speaker.rotvecs[:1], len(speaker), 0))
    seen = leaning(still, 4 * np.sin(np.arange(len(speaker)) / 7))
    steady = steady_trunk(seen)
    assert lean_of(seen).std() > 1.5
    assert lean_of(steady).std() < 0.3 * lean_of(seen).std()
    for name in ("nose", "left_wrist", "right_ear"):  # what the trunk carries goes with it
        of_mark = [clip.points[:, clip.names.index(name)] for clip in (seen, steady)]
        assert np.abs(np.diff(of_mark, axis=0)).max() > 0.01
    hips = [seen.names.index(f"{side}_hip") for side in SIDES]
    np.testing.assert_allclose(steady.points[:, hips], seen.points[:, hips], atol=1e-3)
    np.testing.assert_array_equal(steady.points[..., :2], seen.points[..., :2])
    hands = [place for place, name in enumerate(seen.names) if "_hand_" in name]
    np.testing.assert_array_equal(steady.points[:, hands], seen.points[:, hands])


def test_who_bows_bows(speaker):
    angles = np.zeros(len(speaker))
    angles[30:50] = 40 * np.sin(np.linspace(0, np.pi, 20))
    seen = leaning(speaker, angles)
    before, after = lean_of(seen), lean_of(steady_trunk(seen))
    deep = np.abs(before - np.median(before)) > 20
    assert deep.sum() > 5
    assert np.abs(before - after)[deep].max() < 3.5


def test_a_trunk_that_is_not_seen_is_left(speaker):
    seen = leaning(speaker, 5 * np.sin(np.arange(len(speaker)) / 7))
    weights, points = np.ones(seen.points.shape[:2]), seen.points.copy()
    weights[10:20, seen.names.index("left_hip")] = 0
    weights[30:40, seen.names.index("right_shoulder")] = 0
    points[30:40, seen.names.index("right_shoulder")] = np.nan
    holes = seen.replace(points=points, weights=weights)
    steady = steady_trunk(holes)
    np.testing.assert_array_equal(steady.points[10:20], holes.points[10:20])
    np.testing.assert_array_equal(steady.points[30:40], holes.points[30:40])
    assert np.abs(steady.points[50:] - holes.points[50:]).max() > 0.01
    arms = seen.select([name for name in seen.names if "hip" not in name])
    assert steady_trunk(arms) is arms
    nobody = seen.replace(weights=np.zeros(seen.points.shape[:2]))
    assert steady_trunk(nobody) is nobody


def test_steadying_takes_little_more_than_the_points(speaker):
    seen = leaning(speaker, 4 * np.sin(np.arange(len(speaker)) / 7))
    long = Landmarks(seen.names, np.tile(seen.points, (40, 1, 1)), fps=30)
    tracemalloc.start()
    try:
        steady_trunk(long)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2 * long.points.nbytes


def _other(name):
    swap = {"left": "right", "right": "left"}
    return "_".join(swap.get(part, part) for part in name.split("_"))


def test_what_landmarks_must_be():
    with pytest.raises(ConfigError, match="not known"):
        Landmarks(("left_antenna",), np.zeros((2, 1, 3)), fps=20)
    with pytest.raises(ConfigError, match="one name"):
        Landmarks(("nose", "nose"), np.zeros((2, 2, 3)), fps=20)
    with pytest.raises(ShapeError, match="wrong shape"):
        Landmarks(("nose",), np.zeros((2, 2, 3)), fps=20)
    with pytest.raises(ShapeError, match="no number"):
        Landmarks(("nose",), np.full((2, 1, 3), np.nan), fps=20)
    with pytest.raises(ShapeError, match="no number"):
        Landmarks(("nose",), np.zeros((2, 1, 3)), pixels=np.full((2, 1, 2), np.nan), fps=20)
    Landmarks(("nose",), np.zeros((2, 1, 3)), np.zeros((2, 1)), pixels=np.full((2, 1, 2), np.nan), fps=20)
    with pytest.raises(DataError, match="No landmark is seen"):
        fit_landmarks(Landmarks(("nose",), np.zeros((2, 1, 3)), np.zeros((2, 1)), fps=20))


@pytest.mark.parametrize("frames", [1, 899, 901, 1349, 1351, 108_000])
def test_a_long_stretch_is_fitted_in_pieces_of_one_size(frames):
    pieces = _landmark_fitting._chunks(7, 7 + frames)
    kept = [frame for _, _, keep in pieces for frame in range(keep.start, keep.stop)]
    assert kept == list(range(7, 7 + frames))
    sizes = [keep.stop - keep.start for _, _, keep in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert max(last - first for first, last, _ in pieces) <= 960
    assert all(first <= max(keep.start - 30, 7) and last >= min(keep.stop + 30, 7 + frames)
               for first, last, keep in pieces)  # fmt: skip


def in_picture(poses, names, *, size, shift=(0.0, 0.0), distance=4.0):
    """Give landmarks as `seen_on`, as a camera sees them that is so many metres away; depths of arms are halved."""
    points = seen_on(poses, names).points.copy()
    for side in SIDES if HANDS[0] in names else ():
        hand = _hand(names, side)
        points[:, hand] += points[:, [names.index(f"{side}_wrist")]] - points[:, hand[:1]]
    flat = points[..., :2] * (1, -1) / (1 - (points - points[:, [23]])[..., 2:] / distance)
    arms = [names.index(f"{side}_{part}") for side in SIDES for part in ("elbow", "wrist")]
    shoulders = points[:, [names.index(f"{side}_shoulder") for side in SIDES for _ in range(2)], 2]
    points[:, arms, 2] = shoulders + 0.5 * (points[:, arms, 2] - shoulders)
    return Landmarks(tuple(names), points, pixels=size * flat + shift, fps=poses.fps)


def _hand(names, side):
    return [names.index(name) for name in HANDS if name.startswith(side)]


def test_the_picture_says_how_far_arms_reach(speaker):
    seen = in_picture(speaker, BODY_LANDMARKS, size=0.4)
    blind = fit_landmarks(seen.replace(pixels=None), betas=speaker.betas)
    found = fit_landmarks(seen, betas=speaker.betas)
    assert error(found, speaker, [20, 21], root=12) < 0.072 < 0.08 < error(blind, speaker, [20, 21], root=12)


def test_wrists_that_an_estimator_puts_too_far_forward_do_not_follow_it_far(speaker):
    seen = in_picture(speaker, BODY_LANDMARKS, size=0.4)
    points = seen.points.copy()
    points[:, [BODY_LANDMARKS.index(f"{side}_wrist") for side in SIDES], 2] += 0.06
    there, forward = (fit_landmarks(clip, betas=speaker.betas) for clip in (seen, seen.replace(points=points)))
    assert error(forward, there, [20, 21], root=12) < 0.025


def test_the_picture_says_how_hands_are_turned(speaker):
    """An estimator's hands in space are small, and turned towards the camera as no hand in the picture is."""
    names = BODY_LANDMARKS + HANDS
    seen = in_picture(speaker, names, size=0.4)
    points, turn = seen.points.copy(), roma.rotvec_to_rotmat(torch.tensor([-0.7, 0.0, 0.0])).numpy()
    for side in SIDES:
        hand = _hand(names, side)
        points[:, hand] = 0.75 * (points[:, hand] - points[:, hand[:1]]) @ turn.T
    seen = seen.replace(points=points)
    blind, found = (fit_landmarks(clip, betas=speaker.betas) for clip in (seen.replace(pixels=None), seen))
    errors = [[error(poses, speaker, range(first, first + 15), root=wrist) for wrist, first in ((20, 22), (21, 37))]
              for poses in (blind, found)]  # fmt: skip
    assert max(errors[1]) < 0.025 < 0.06 < min(errors[0])
    bare = fit_landmarks(seen.select(BODY_LANDMARKS), betas=speaker.betas)
    arms = [error(poses, speaker, [18, 19, 20, 21], root=12) for poses in (bare, found)]
    assert arms[1] < arms[0]  # and arms are not drawn after them


def test_a_hand_that_is_not_seen_turns_with_the_bodys_marks_on_it_in_the_picture(speaker):
    """In space such marks are far too near the wrist, and turned as the hand is not."""
    seen = in_picture(speaker, BODY_LANDMARKS, size=0.4)
    points, turn = seen.points.copy(), roma.rotvec_to_rotmat(torch.tensor([0.6, 0.0, 0.0])).numpy()
    for side in SIDES:
        wrist, *marks = (BODY_LANDMARKS.index(f"{side}_{part}") for part in ("wrist", "pinky", "index", "thumb"))
        points[:, marks] = points[:, [wrist]] + 0.4 * (points[:, marks] - points[:, [wrist]]) @ turn.T
    seen = seen.replace(points=points)
    on_hands = {f"{side}_{part}" for side in SIDES for part in ("pinky", "index", "thumb")}
    bare = seen.select([name for name in BODY_LANDMARKS if name not in on_hands])
    poses = [fit_landmarks(clip, betas=speaker.betas) for clip in (seen, bare)]
    marked, unmarked = ([error(one, speaker, range(first, first + 15), root=wrist)
                         for wrist, first in ((20, 22), (21, 37))] for one in poses)  # fmt: skip
    assert max(marked) < 0.095 < 0.1 < min(unmarked)


def test_a_form_in_the_picture_lies_about_where_it_is_seen():
    """Two points of a body and a hand of two: a hand elsewhere costs little, one of another form much."""
    points = torch.tensor([[[0.0, 0, 0], [0, 0.5, 0], [0.3, 0.2, 0], [0.4, 0.2, 0]]])
    hand = torch.tensor([False, False, True, True])

    def cost(moved, turned=0.0):
        seen = points[..., :2].clone()
        seen[:, hand] += torch.tensor(moved)
        seen[:, 3, 1] += turned
        term = Pictured(
            torch.arange(4), torch.zeros(4, 3), 0.4 * seen * torch.tensor([1.0, -1.0]), points, torch.ones(1, 4),
            torch.full((4,), 0.008), fps=20, forms=[hand],
        )  # fmt: skip
        return float(term(points, torch.eye(3).expand(1, 4, 3, 3)))

    assert cost((0.0, 0.0)) == pytest.approx(0, abs=1e-3)
    assert cost((0.02, 0.0)) == pytest.approx(2 * (2**0.5 - 1), rel=0.02)  # its own sigma
    assert cost((0.2, 0.0)) == pytest.approx(2 * (101**0.5 - 1), rel=0.02)  # no more than in proportion
    assert cost((0.0, 0.0), turned=0.04) > 5 * cost((0.02, 0.0))


def test_the_place_in_the_picture_says_nothing(speaker):
    first, second = (
        fit_landmarks(in_picture(speaker[:30], BODY_LANDMARKS, size=0.4, shift=shift), betas=speaker.betas)
        for shift in ((0.0, 0.0), (0.3, -0.2))
    )
    assert error(first, second, UPPER) < 0.002


def test_arms_are_as_long_as_in_the_picture(speaker):
    """Whatever an estimator's world says, whose bodies are all alike: here arms that are a quarter too short."""
    arm = lambda betas: np.linalg.norm(np.diff(load_body().rest_joints(betas)[[16, 18, 20]], axis=0), axis=-1).sum()  # noqa: E731
    seen = in_picture(speaker, BODY_LANDMARKS, size=0.4)
    points = seen.points.copy()
    for side in SIDES:
        places = [BODY_LANDMARKS.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist")]
        points[:, places[1:]] += 0.25 * (points[:, places[:1]] - points[:, places[1:]])
    short = seen.replace(points=points)
    wrong, right = (fit_landmarks(clip).betas for clip in (short.replace(pixels=None), short))
    assert abs(arm(right) - arm(speaker.betas)) < 0.03 < abs(arm(wrong) - arm(speaker.betas))


def test_marks_on_hands_do_not_draw_wrists_away(speaker):
    seen = seen_on(speaker, BODY_LANDMARKS)
    points = seen.points.copy()
    for side in SIDES:
        wrist, *marks = (BODY_LANDMARKS.index(f"{side}_{part}") for part in ("wrist", "pinky", "index", "thumb"))
        points[:, marks] += 0.6 * (points[:, [wrist]] - points[:, marks])  # hands as short as no hand is
    whole, found = (fit_landmarks(clip, betas=speaker.betas) for clip in (seen, seen.replace(points=points)))
    assert error(found, whole, [20, 21]) < 0.012
