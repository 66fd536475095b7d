"""What the made-up speaker does at his words."""

from collections import defaultdict

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ktube_motion.features import features_to_joints, joints_to_features
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.samples import CONCEPTS, make_speaker, sentences
from ktube_motion.skeletons import SMPLX_55

pytest.importorskip("mannequin")
PELVIS, CHEST, NECK, HEAD = 0, 9, 12, 15
SHOULDERS, ELBOWS, WRISTS, INDEX = [16, 17], [18, 19], [20, 21], {"left": 27, "right": 42}


def relative(poses):
    """Give his joints relative to the pelvis, in the frame he faces."""
    positions = pose_to_joints(poses, skeleton=SMPLX_55).positions
    root = Rotation.from_rotvec(poses.rotvecs[0, 0])
    centred = positions - positions[:, :1]
    return root.inv().apply(centred.reshape(-1, 3)).reshape(centred.shape)


@pytest.fixture(scope="module")
def speaker():
    """One clean speaker, long enough for every concept; his arms hang at rest."""
    return make_speaker(seed=4, num_utterances=66)


@pytest.fixture(scope="module")
def joints(speaker):
    return relative(speaker.poses)


def angles(a, b):
    """Angle between rotation vectors, in radians."""
    turn = Rotation.from_rotvec(a.reshape(-1, 3)).inv() * Rotation.from_rotvec(b.reshape(-1, 3))
    return turn.magnitude().reshape(a.shape[:-1])


def wide(p):
    return np.abs(p[:, WRISTS[0], 0] - p[:, WRISTS[1], 0])


# What can be seen of some concepts in joints (T, 55, 3) from onset to release, whichever hand he takes.
SEEN = {
    "bow": lambda p: p[:, HEAD, 2].max() > 0.25 and wide(p).min() < 0.25,
    "yes": lambda p: np.ptp(p[:, HEAD, 2]) > 0.01 and p[:, WRISTS, 1].max() < 0.1,
    "no": lambda p: (p[:, WRISTS, 1] > 0.05).any() and p[:, WRISTS, 2].max() > 0.2,
    "left": lambda p: p[:, WRISTS[0], 0].max() > 0.5 and p[:, WRISTS[1], 0].min() > -0.45,
    "right": lambda p: p[:, WRISTS[1], 0].min() < -0.5 and p[:, WRISTS[0], 0].max() < 0.45,
    "down": lambda p: (p[:, WRISTS, 1] > 0.08).any() and np.ptp(p[:, WRISTS, 1]) > 0.15,
    "big": lambda p: wide(p).max() > 1.0 and p[:, WRISTS[0], 0].max() > 0.45 and p[:, WRISTS[1], 0].min() < -0.45,
    "small": lambda p: (wide(p)[(p[:, WRISTS, 1] > 0.05).all(1)] < 0.3).any(),
    "cheer": lambda p: (p[:, WRISTS, 1] > p[:, [HEAD], 1] + 0.1).all(1).any(),
    "heart": lambda p: (wide(p)[(p[:, WRISTS, 1] > p[:, [HEAD], 1] + 0.1).all(1)] < 0.3).any(),
    "clap": lambda p: (np.diff((wide(p) < 0.17).astype(int)) == 1).sum() >= 3,
    "fast": lambda p: (np.diff(np.sign(p[:, WRISTS[0], 1] - p[:, WRISTS[1], 1])) != 0).sum() >= 5,
    "heavy": lambda p: p[:, HEAD, 2].max() > 0.12 and p[-1, HEAD, 2] < 0.08 and np.ptp(p[:, WRISTS, 1]) > 0.15,
    "sleep": lambda p: np.abs(p[:, HEAD, 0]).max() > 0.05 and (p[:, WRISTS, 1] > 0.4).all(1).any(),
    "drink": lambda p: (p[:, 23, 1] - p[:, HEAD, 1]).max() > (p[0, 23, 1] - p[0, HEAD, 1]) + 0.02,
}
# Where the wrist is at the stroke in metres from the pelvis, for the left arm; a second one is that of the other arm.
AT_STROKE = {
    "greeting": [(0.50, 0.51, 0.12)],
    "farewell": [(0.58, 0.75, 0.11)],
    "here": [(0.18, 0.04, 0.28), (0.18, 0.04, 0.28)],
    "there": [(0.30, 0.48, 0.50)],
    "up": [(0.30, 0.98, 0.10)],
    "count": [(0.33, 0.48, 0.23)],
    "thinking": [(0.07, 0.50, 0.16), (0.00, 0.21, 0.19)],
    "best": [(0.11, 0.45, 0.43)],
    "ok": [(0.37, 0.53, 0.33), (0.37, 0.53, 0.33)],
    "victory": [(0.19, 0.60, 0.12), (0.19, 0.60, 0.12)],
    "pray": [(0.04, 0.29, 0.22), (0.04, 0.29, 0.22)],
    "question": [(0.37, 0.26, 0.19), (0.37, 0.26, 0.19)],
    "come": [(0.18, 0.46, 0.47)],
    "stop": [(0.19, 0.53, 0.47), (0.19, 0.53, 0.47)],
    "secret": [(0.09, 0.52, 0.25)],
    "me": [(0.08, 0.32, 0.16)],
    "you": [(0.14, 0.25, 0.42)],
    "we": [(0.10, 0.31, 0.17), (0.10, 0.31, 0.17)],
    "go": [(0.51, 0.36, 0.35)],
    "turn": [(0.34, 0.57, 0.31)],
    "past": [(0.29, 0.62, -0.05)],
    "future": [(0.31, 0.53, 0.34)],
    "list": [(0.24, 0.59, 0.40)],
    "contrast": [(0.28, 0.41, 0.29), (0.29, 0.18, 0.27)],
    "beat": [(0.17, 0.18, 0.36)],
    "rise": [(0.44, 0.71, 0.25)],
    "fall": [(0.46, 0.10, 0.16)],
    "more": [(0.27, 0.28, 0.33)],
    "less": [(0.23, 0.31, 0.34), (0.23, 0.31, 0.34)],
    "slow": [(0.09, 0.33, 0.44)],
    "open": [(0.50, 0.59, 0.20), (0.50, 0.59, 0.20)],
    "close": [(0.06, 0.53, 0.32), (0.06, 0.53, 0.32)],
    "cut": [(0.08, 0.28, 0.35), (0.04, 0.20, 0.29)],
    "phone": [(0.18, 0.64, 0.07)],
    "write": [(0.16, 0.31, 0.36), (0.04, 0.19, 0.29)],
    "eat": [(0.13, 0.54, 0.19), (0.12, 0.22, 0.24)],
    "hear": [(0.23, 0.67, 0.09)],
    "look": [(0.18, 0.73, 0.15)],
    "strong": [(0.34, 0.71, 0.02), (0.34, 0.71, 0.02)],
    "tired": [(0.30, 0.71, 0.12)],
    "cold": [(-0.07, 0.38, 0.20), (-0.07, 0.38, 0.20)],
    "hot": [(0.22, 0.54, 0.24), (0.22, 0.54, 0.24)],
}


def test_every_gesture_is_looked_at():
    assert SEEN.keys() | AT_STROKE.keys() == CONCEPTS.keys()


def at_stroke(joints, label):
    """Both wrists ``(2, 3)``, the right one mirrored."""
    return joints[round(label.stroke * 30), WRISTS] * [[1, 1, 1], [-1, 1, 1]]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("concept", CONCEPTS)
def test_gesture_is_seen_at_its_word(concept, seed):
    told = make_speaker(seed=seed, num_utterances=1, wordings=sentences(concept))
    joints, (label,) = relative(told.poses), told.labels
    assert label.concept == concept
    assert label.onset < label.start + 0.1
    assert label.start - 0.2 < label.stroke < label.end + 0.1
    if concept in SEEN:
        assert SEEN[concept](joints[round(label.onset * 30) : round(label.release * 30) + 1])
    if concept in AT_STROKE:
        wrists, (lead, *other) = at_stroke(joints, label), np.array(AT_STROKE[concept])
        off = [
            max(np.linalg.norm(one - lead), *(np.linalg.norm(two - place) for place in other), 0)
            for one, two in (wrists, wrists[::-1])
        ]
        assert min(off) < 0.12


def test_gestures_are_told_apart_by_22_joints():
    """Who has seen three speakers knows the gestures of a fourth, without fingers."""
    seen = []
    singles = [sentence for sentence in sentences() if len(sentence.marks) == 1]
    for person in range(4):
        told = make_speaker(seed=person, person=person, num_utterances=57, wordings=singles)
        joints = relative(told.truth.replace(betas=np.zeros(10)))
        moments = [
            (label.concept, joints[round(label.stroke * 30) + np.arange(-12, 31, 3)][:, [*ELBOWS, *WRISTS, HEAD, NECK]])
            for label in told.labels
        ]
        assert {concept for concept, _ in moments} == set(CONCEPTS)
        seen.append(moments)
    right = []
    for person in range(4):
        known = defaultdict(list)
        for concept, moment in (one for other in range(4) if other != person for one in seen[other]):
            known[concept].append(moment)
            if concept not in ("left", "right"):
                known[concept].append(mirrored(moment))
        for concept, moment in seen[person]:
            gaps = {name: min(np.square(moment - one).sum() for one in known[name]) for name in known}
            right.append(min(gaps, key=gaps.__getitem__) == concept)
    assert np.mean(right) > 0.95


def mirrored(moment):
    """Swap left and right in elbows and wrists, and the signs of x."""
    return moment[:, [1, 0, 3, 2, 4, 5]] * [-1, 1, 1]


def test_nothing_but_idle_motion_without_a_gesture_word():
    plain = [sentence for sentence in sentences() if not sentence.marks]
    assert len(plain) >= 30
    told = make_speaker(seed=2, num_utterances=6, wordings=plain)
    assert told.labels == []
    joints = relative(told.poses)
    assert np.ptp(joints[:, WRISTS], axis=0).max() < 0.12


def test_gesture_is_timed_to_its_word():
    """The arm is out at the word and back at rest in the end."""
    told = make_speaker(seed=4, num_utterances=1, wordings=[sentences("left")[1]])
    wrist = pose_to_joints(told.poses).positions[:, 20]
    word = next(word for word in told.cues[0].words if "왼쪽" in word.text)
    best = wrist[:, 0].argmax() / 30
    assert word.start < best < word.end + 1.5
    assert np.linalg.norm(wrist[0] - wrist[-1]) < 0.1


def test_left_is_his_left(speaker, joints):
    seen = [label for label in speaker.labels if label.concept in ("left", "right")]
    assert {label.concept for label in seen} == {"left", "right"}
    for label in seen:
        assert label.hand == label.concept
        side = ["left", "right"].index(label.concept)
        assert at_stroke(joints, label)[side, 0] > 0.5


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
