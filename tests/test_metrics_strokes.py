"""Strokes of the hands, checked on the sample speaker's truth."""

import numpy as np
import pytest

from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.filters import resample
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.metrics import gesture_strokes, stroke_lags
from ktube_motion.samples import make_speaker, sentences
from ktube_motion.skeletons import KIT_21, SMPL_22


def standing(frames, skeleton=SMPL_22):
    joints = np.zeros((frames, skeleton.num_joints, 3))
    left, right = skeleton.hips
    joints[:, left, 0], joints[:, right, 0] = 0.1 / skeleton.metres_per_unit, -0.1 / skeleton.metres_per_unit
    return joints


def raised(times, start, end, height=0.5, way=0.4):
    return height * (np.clip((times - start) / way, 0, 1) - np.clip((times - end) / way, 0, 1))


@pytest.mark.parametrize("skeleton", [SMPL_22, KIT_21], ids=["smpl", "kit"])
def test_each_hand_and_its_arrival(skeleton):
    t, joints = np.arange(300) / 20, standing(300, skeleton)
    left, right = (skeleton.joint_names.index(f"{side}_wrist") for side in ("left", "right"))
    joints[:, left, 1] = raised(t, 2, 4) / skeleton.metres_per_unit
    joints[:, right, 2] = raised(t, 7, 9) / skeleton.metres_per_unit
    np.testing.assert_allclose(gesture_strokes(joints, fps=20, skeleton=skeleton), [2.36, 7.36], atol=0.04)


def test_neither_the_way_of_the_body_nor_its_turn_is_a_stroke():
    t, joints = np.arange(300) / 20, standing(300)
    joints[:, 20, 1] = raised(t, 5, 8)
    joints[:, 20, 0], joints[:, 21, 0] = 0.3, -0.3
    angle = 2.0 * np.sin(0.5 * t)
    turned = joints.copy()
    turned[..., 0] = np.cos(angle)[:, None] * joints[..., 0] + 1.0 * t[:, None]
    turned[..., 2] = np.sin(angle)[:, None] * joints[..., 0]
    np.testing.assert_allclose(gesture_strokes(turned, fps=20), [5.36], atol=0.04)


def test_swings_are_one_gesture_and_a_new_place_is_another():
    t, joints = np.arange(300) / 20, standing(300)
    joints[:, 20, 1] = raised(t, 3, 9, 0.6)
    joints[:, 20, 0] = 0.2 * np.sin(2 * np.pi * 2.5 * (t - 3.4)) * ((t > 3.4) & (t < 4.9)) + raised(t, 6, 9, 0.4)
    np.testing.assert_allclose(gesture_strokes(joints, fps=20), [3.36, 6.36], atol=0.08)


def test_small_and_no_movement_is_none():
    t, joints = np.arange(100) / 20, standing(100)
    assert len(gesture_strokes(joints, fps=20)) == 0
    joints[:, 20, 1] = 0.05 * np.sin(t)
    assert len(gesture_strokes(joints, fps=20)) == 0


@pytest.mark.parametrize("concept", ["left", "up", "greeting"])
def test_strokes_of_the_sample_speaker_are_where_they_are(concept):
    speaker = make_speaker(seed=1, num_utterances=10, wordings=sentences(concept))
    motion = pose_to_joints(resample(speaker.truth, fps=20.0), skeleton=SMPL_22)
    moments = [label.stroke for label in speaker.labels if label.concept == concept]
    lags = stroke_lags(gesture_strokes(motion.positions, fps=20), moments)
    assert len(lags) >= 10
    assert np.median(np.abs(lags - np.nanmedian(lags))) < 0.05


def test_lags():
    np.testing.assert_allclose(stroke_lags([1.1, 4.0], [1.0, 2.5, 4.2], reach=0.5), [0.1, np.nan, -0.2])
    assert np.isnan(stroke_lags([], [1.0, 2.0])).all()
    assert len(stroke_lags([1.0], [])) == 0


def test_bad_input():
    with pytest.raises(ShapeError, match="clip by clip"):
        gesture_strokes(np.zeros((2, 20, 22, 3)), fps=20)
    with pytest.raises(ConfigError, match="least"):
        gesture_strokes(standing(20), fps=20, least=0)
    with pytest.raises(DataError, match="finite"):
        stroke_lags([np.nan], [1.0])
    with pytest.raises(ConfigError, match="reach"):
        stroke_lags([1.0], [1.0], reach=0)
