"""The made-up speaker: what he says, what he does at his words, what the estimator makes of it."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ktube_motion.errors import ConfigError
from ktube_motion.features import features_to_joints, joints_to_features
from ktube_motion.io import load_poses, load_transcript
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.samples import CONCEPTS, FAULTS, make_speaker, sentences
from ktube_motion.skeletons import SMPLX_55

pytest.importorskip("mannequin")
PELVIS, CHEST, NECK, HEAD = 0, 9, 12, 15
ELBOWS, WRISTS, INDEX = [18, 19], [20, 21], {"left": 27, "right": 42}


@pytest.fixture(scope="module")
def speaker():
    """One clean speaker, long enough for every concept."""
    return make_speaker(seed=3, num_utterances=32)


@pytest.fixture(scope="module")
def joints(speaker):
    """His joints relative to the pelvis, in the frame he faces."""
    positions = pose_to_joints(speaker.poses, skeleton=SMPLX_55).positions
    root = Rotation.from_rotvec(speaker.poses.rotvecs[0, 0])
    centred = positions - positions[:, :1]
    return root.inv().apply(centred.reshape(-1, 3)).reshape(centred.shape)


def around(clip, cue, fps=30, before=0.3, after=1.5):
    """Frames while a sentence is spoken."""
    return clip[max(0, round((cue.start - before) * fps)) : round((cue.end + after) * fps)]


def angles(a, b):
    """Angle between rotation vectors, in radians."""
    turn = Rotation.from_rotvec(a.reshape(-1, 3)).inv() * Rotation.from_rotvec(b.reshape(-1, 3))
    return turn.magnitude().reshape(a.shape[:-1])


# ------------------------------------------------------------------ what he says


@pytest.mark.parametrize("concept", CONCEPTS)
def test_every_concept_has_several_wordings(concept):
    found = sentences(concept)
    assert len(found) >= 6
    assert len({sentence.text for sentence in found}) == len(found)
    words = {sentence.text[start:end] for sentence in found for _, start, end in sentence.marks}
    assert len(words) >= 4


def test_sentences_are_korean_and_marked():
    everything = sentences()
    assert len({sentence.text for sentence in everything}) == len(everything)
    for sentence in everything:
        assert re.fullmatch(r"[가-힣 ,.!?]+", sentence.text), sentence.text
        assert set(sentence.concepts) <= set(CONCEPTS)
        for _, start, end in sentence.marks:
            assert sentence.text[start:end].strip(" ,.!?") == sentence.text[start:end] != ""
    assert sum(len(sentence.marks) == 2 for sentence in everything) >= 12


def test_opened_sentences_keep_their_marks():
    sentence = sentences("left")[1].opened("자, ")
    ((_, start, end),) = sentence.marks
    assert sentence.text[start:end] == "왼쪽"


def test_unknown_concept_is_told():
    with pytest.raises(ConfigError, match="greeting"):
        sentences("dancing")


def test_cues_and_words_are_in_order(speaker):
    assert [cue.text for cue in speaker.cues] == [sentence.text for sentence in speaker.sentences]
    ends = [0.0]
    for cue in speaker.cues:
        assert 2.0 <= round(cue.seconds, 2) <= 5.0
        assert 0.4 < cue.start - ends[-1] <= 1.2
        assert " ".join(word.text for word in cue.words) == cue.text
        times = [time for word in cue.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert cue.start == times[0]
        assert times[-1] <= cue.end
        ends.append(cue.end)
    assert ends[-1] < speaker.poses.seconds


def test_concepts_come_in_turn(speaker):
    firsts = [sentence.concepts[0] for sentence in speaker.sentences]
    assert sorted(firsts[:16]) == sorted(firsts[16:]) == sorted(CONCEPTS)


def test_wordings_can_be_held_out():
    held_out = sentences()[::3]
    told = make_speaker(seed=5, num_utterances=10, wordings=held_out)
    allowed = {sentence.text for sentence in held_out}
    assert {cue.text.removeprefix("자, ") for cue in told.cues} <= allowed


# ------------------------------------------------------------------ what he does


def wide(p):
    return np.abs(p[:, WRISTS[0], 0] - p[:, WRISTS[1], 0])


# What can be seen of each concept in joints (T, 55, 3), whichever hand he takes.
SEEN = {
    "greeting": lambda p: (p[:, WRISTS, 1] > p[:, [CHEST], 1] + 0.10).any(),
    "farewell": lambda p: (p[:, WRISTS, 1] > p[:, [HEAD], 1]).any(),
    "bow": lambda p: p[:, HEAD, 2].max() > 0.25 and wide(p).min() < 0.25,
    "yes": lambda p: np.ptp(p[:, HEAD, 2]) > 0.01 and p[:, WRISTS, 1].max() < 0.1,
    "no": lambda p: (p[:, WRISTS, 1] > 0.05).any() and p[:, WRISTS, 2].max() > 0.2,
    "here": lambda p: (p[:, WRISTS, 2] > 0.25).all(1).any() and p[:, WRISTS, 1].max() < 0.3,
    "there": lambda p: p[:, WRISTS, 2].max() > 0.45,
    "left": lambda p: p[:, WRISTS[0], 0].max() > 0.5 and p[:, WRISTS[1], 0].min() > -0.45,
    "right": lambda p: p[:, WRISTS[1], 0].min() < -0.5 and p[:, WRISTS[0], 0].max() < 0.45,
    "up": lambda p: p[:, WRISTS, 1].max() > p[0, HEAD, 1] + 0.2,
    "down": lambda p: (p[:, WRISTS, 1] > 0.08).any() and np.ptp(p[:, WRISTS, 1]) > 0.15,
    "big": lambda p: wide(p).max() > 1.0 and p[:, WRISTS[0], 0].max() > 0.45 and p[:, WRISTS[1], 0].min() < -0.45,
    "small": lambda p: (wide(p)[(p[:, WRISTS, 1] > 0.05).all(1)] < 0.3).any(),
    "count": lambda p: (p[:, WRISTS, 1] > p[:, [CHEST], 1]).any(),
    "thinking": lambda p: np.linalg.norm(p[:, WRISTS] - p[:, [NECK]], axis=-1).min() < 0.22,
    "cheer": lambda p: (p[:, WRISTS, 1] > p[:, [HEAD], 1] + 0.1).all(1).any(),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("concept", CONCEPTS)
def test_gesture_is_seen_at_its_word(concept, seed):
    told = make_speaker(seed=seed, num_utterances=1, wordings=sentences(concept))
    positions = pose_to_joints(told.poses, skeleton=SMPLX_55).positions
    root = Rotation.from_rotvec(told.poses.rotvecs[0, 0])
    positions = root.inv().apply((positions - positions[:, :1]).reshape(-1, 3)).reshape(positions.shape)
    ((_, first, last),) = told.sentences[0].marks
    cue = told.cues[0]
    words = [
        word
        for word in cue.words
        if word.text.strip(",.!?") in cue.text[first:last] or cue.text[first:last] in word.text
    ]
    frames = slice(round((words[0].start - 0.5) * 30), round((words[-1].end + 1.5) * 30))
    assert SEEN[concept](positions[frames])


def test_gesture_is_timed_to_its_word():
    """The arm is out at the word and back at rest in the end."""
    told = make_speaker(seed=4, num_utterances=1, wordings=[sentences("left")[1]])
    wrist = pose_to_joints(told.poses).positions[:, 20]
    word = next(word for word in told.cues[0].words if "왼쪽" in word.text)
    best = wrist[:, 0].argmax() / 30
    assert word.start < best < word.end + 1.5
    assert np.linalg.norm(wrist[0] - wrist[-1]) < 0.1


def test_left_is_his_left(speaker, joints):
    seen = set()
    for sentence, cue in zip(speaker.sentences, speaker.cues, strict=True):
        for name, wrist, sign in (("left", 20, 1), ("right", 21, -1)):
            if name in sentence.concepts:
                seen.add(name)
                assert (sign * around(joints, cue)[:, wrist, 0]).max() > 0.5
    assert seen == {"left", "right"}


def test_counting_stretches_one_two_three_fingers():
    told = make_speaker(seed=0, num_utterances=1, wordings=[sentences("count")[0]])
    rotvecs = told.poses.rotvecs
    # Curl of index, middle and ring of the raised hand (mirrored hands have mirrored signs).
    curls = np.stack([np.abs(rotvecs[:, 25 + side : 40 + side].reshape(-1, 5, 3, 3)).sum((2, 3)) for side in (0, 15)])
    curls = curls[curls[:, :, 1].max(1).argmax()][:, [0, 1, 3]]
    folded = curls > 1.8
    patterns = [tuple(row) for row in folded]
    assert (False, True, True) in patterns
    assert patterns.index((False, True, True)) < len(patterns) - patterns[::-1].index((False, False, True))


def test_arms_hang_beside_the_body_at_rest(joints):
    start = joints[0]
    assert (start[WRISTS, 1] < 0.05).all()
    assert 0.15 < start[20, 0] < 0.40
    assert -0.40 < start[21, 0] < -0.15
    assert (np.abs(start[WRISTS, 2]) < 0.2).all()


def test_hands_stay_out_of_the_body_and_in_front(joints):
    torso = joints[:, [PELVIS, 3, 6, CHEST]]
    for hand in (*WRISTS, *INDEX.values()):
        away = joints[:, [hand]] - torso
        assert np.linalg.norm(away, axis=-1).min() > 0.09
    for elbow in ELBOWS:
        assert joints[:, elbow, 2].min() > -0.25
    assert joints[:, WRISTS, 2].min() > -0.15
    apart = np.linalg.norm(joints[:, WRISTS[0]] - joints[:, WRISTS[1]], axis=-1)
    assert apart.min() > 0.02  # clasped in a bow


def test_movement_is_smooth(speaker):
    step = angles(speaker.poses.rotvecs[1:], speaker.poses.rotvecs[:-1])
    assert step.max() < 0.45  # 770 degrees a second, a brisk wave
    assert step[:, 1:].max(1).min() > 0  # he never freezes
    local = Rotation.from_rotvec(speaker.poses.rotvecs.reshape(-1, 3)).as_matrix().reshape(-1, 55, 3, 3)
    change = np.abs(np.diff(local, n=2, axis=0)).max()
    assert change < 0.25


def test_root_and_shape_are_still(speaker):
    poses = speaker.poses
    assert np.abs(poses.rotvecs[:, 0] - poses.rotvecs[0, 0]).max() == 0
    assert np.abs(poses.transl - poses.transl[0]).max() == 0
    assert np.abs(poses.rotvecs[:, [1, 2, 4, 5, 7, 8, 10, 11]]).max() == 0
    assert not poses.flat_hand_mean


def test_motion_vectors_of_the_speaker_are_finite(speaker):
    motion = pose_to_joints(speaker.poses)
    features = joints_to_features(motion.positions)
    assert np.isfinite(features).all()
    assert np.isfinite(features_to_joints(features)).all()


def test_frame_rate_is_kept():
    slow, fast = (make_speaker(seed=2, num_utterances=2, fps=fps) for fps in (20, 60))
    assert abs(slow.poses.seconds - fast.poses.seconds) < 0.1
    count = min(len(slow.poses), len(fast.poses) // 3)
    assert angles(slow.poses.rotvecs[:count], fast.poses.rotvecs[: 3 * count : 3]).max() < 1e-3


# ------------------------------------------------------------------ the same again


def test_same_seed_same_bytes(tmp_path):
    for turn in ("a", "b"):
        make_speaker(tmp_path / turn, seed=7, num_utterances=3, faults=True)
    for name in ("speaker_0007.json", "speaker_0007.srt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_seeds_differ():
    one, other = (make_speaker(seed=seed, num_utterances=3) for seed in (1, 2))
    assert [cue.text for cue in one.cues] != [cue.text for cue in other.cues]
    assert not np.allclose(one.poses.betas, other.poses.betas)


def test_same_sentence_differs_between_speakers():
    wrists = []
    for seed in range(6):
        told = make_speaker(seed=seed, num_utterances=1, wordings=[sentences("big")[1]])
        wrists.append(pose_to_joints(told.poses.replace(betas=np.zeros(10))).positions[:, 20, 0].max())
    assert np.ptp(wrists) > 0.01


# ------------------------------------------------------------------ files and faults


@pytest.mark.parametrize("faults", [False, True])
def test_files_read_back(tmp_path, faults):
    speaker = make_speaker(tmp_path, seed=8, num_utterances=5, faults=faults, name="연사")
    poses = load_poses(tmp_path / "연사.json")
    assert poses.fps == 30
    assert np.array_equal(poses.valid, speaker.poses.valid)
    seen = poses.valid
    assert angles(poses.rotvecs[seen], speaker.poses.rotvecs[seen]).max() < 1e-3
    assert np.abs(poses.transl - speaker.poses.transl)[seen].max() < 1e-4
    assert np.abs(poses.betas - speaker.poses.betas).max() < 1e-5
    cues = load_transcript(tmp_path / "연사.srt")
    assert [cue.text for cue in cues] == [cue.text for cue in speaker.cues]
    for read, told in zip(cues, speaker.cues, strict=True):
        assert abs(read.start - told.start) < 1e-3
        assert abs(read.end - told.end) < 1e-3


def test_json_is_in_a_camera_frame(tmp_path):
    import json

    make_speaker(tmp_path, seed=0, num_utterances=1)
    data = json.loads((tmp_path / "speaker_0000.json").read_text())
    frame = data["frames"][0]
    sizes = {key: len(value) for key, value in frame.items() if key != "frame"}
    assert sizes == {
        "smplx_root_pose": 3,
        "smplx_body_pose": 63,
        "smplx_lhand_pose": 45,
        "smplx_rhand_pose": 45,
        "smplx_jaw_pose": 3,
        "smplx_shape": 10,
        "smplx_expr": 10,
        "cam_trans": 3,
    }
    assert Rotation.from_rotvec(frame["smplx_root_pose"]).apply([0, 1, 0])[1] < -0.9
    assert frame["cam_trans"][2] > 1


def test_truth_is_the_clean_speaker():
    faulty, clean = (make_speaker(seed=9, num_utterances=2, faults=faults) for faults in (True, False))
    assert np.array_equal(faulty.truth.rotvecs, clean.poses.rotvecs)
    assert np.array_equal(clean.truth.rotvecs, clean.poses.rotvecs)
    assert clean.poses.valid.all()


def test_jitter_is_about_two_degrees():
    told = make_speaker(seed=1, num_utterances=3, faults=["jitter"])
    seen = [joint for joint in range(55) if joint not in (23, 24)]  # the format has no eyes
    error = np.degrees(angles(told.truth.rotvecs[:, seen], told.poses.rotvecs[:, seen]))
    assert 1.8 < np.sqrt(np.square(error).mean()) < 2.2
    assert told.poses.valid.all()
    assert np.array_equal(told.poses.transl, told.truth.transl)


def test_outliers_are_single_frames():
    told = make_speaker(seed=1, num_utterances=10, faults=["outliers"])
    bad = np.flatnonzero(angles(told.truth.rotvecs, told.poses.rotvecs).max(1) > 0.3)
    assert 2 <= len(bad) <= 6
    assert (np.diff(bad) > 1).all()


def test_drift_moves_root_and_camera_only():
    told = make_speaker(seed=1, num_utterances=3, faults=["drift"])
    error = angles(told.truth.rotvecs, told.poses.rotvecs)
    assert 0.02 < error[:, 0].max() < 0.8
    assert error[:, 1:].max() < 1e-3
    assert np.ptp(told.poses.transl, axis=0).max() > 0.02


def test_gaps_are_invalid_frames():
    told = make_speaker(seed=1, num_utterances=6, faults=["gaps"])
    assert 5 < (~told.poses.valid).sum() < 60
    assert told.poses.valid[[0, -1]].all()
    assert not told.poses.rotvecs[~told.poses.valid].any()
    seen = told.poses.valid
    assert angles(told.truth.rotvecs[seen], told.poses.rotvecs[seen]).max() < 1e-3


def test_bad_options_are_told(tmp_path):
    with pytest.raises(ConfigError, match=", ".join(FAULTS)):
        make_speaker(faults=["shaking"])
    with pytest.raises(ConfigError, match="num_utterances"):
        make_speaker(num_utterances=0)
    with pytest.raises(ConfigError, match="file name"):
        make_speaker(tmp_path, name="../evil")
    with pytest.raises(ConfigError, match="wording"):
        make_speaker(wordings=[])
    assert not list(tmp_path.iterdir())


def test_videos_of_one_person_share_body_and_manner():
    one, two, other = (
        make_speaker(seed=seed, person=person, num_utterances=2) for seed, person in [(0, 5), (1, 5), (0, 6)]
    )
    np.testing.assert_array_equal(one.poses.betas, two.poses.betas)
    assert not np.array_equal(one.poses.betas, other.poses.betas)
    assert [cue.text for cue in one.cues] != [cue.text for cue in two.cues]
