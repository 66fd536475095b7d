"""Who talks stands upright, whatever way the camera looked."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ktube_motion import PoseSequence
from ktube_motion.kinematics import BODY_LANDMARKS, Landmarks, pose_to_joints
from ktube_motion.video import _uprightness
from ktube_motion.video._uprightness import stand_upright


def turned(rotation, frames=20, valid=None):
    """Give somebody at rest who is turned aside, and then as a camera sees him."""
    rotvecs = np.zeros((frames, 55, 3))
    rotvecs[:, 0] = (rotation * Rotation.from_rotvec([0, 0.6, 0])).as_rotvec()
    return PoseSequence(rotvecs=rotvecs, fps=20, valid=valid)


def seen(frames=20, ankles=1.0):
    weights = np.ones((frames, 33))
    weights[:, 25:] = ankles
    return Landmarks(BODY_LANDMARKS, np.zeros((frames, 33, 3)), weights, fps=20)


def apart(first, second):
    """Degrees between the roots of two pose sequences, frame by frame."""
    ours, theirs = (Rotation.from_rotvec(poses.rotvecs[:, 0]) for poses in (first, second))
    return np.degrees((ours * theirs.inv()).magnitude())


@pytest.mark.parametrize("ankles", [0.0, 1.0])
@pytest.mark.parametrize("tilt", [(0.2, 0, 0), (-0.15, 0, 0.1)])
def test_pitch_and_roll_of_the_camera_are_taken_away(tilt, ankles):
    upright, askew = turned(Rotation.identity()), turned(Rotation.from_rotvec(tilt))
    assert apart(askew, upright).min() > 10
    found = stand_upright(askew, seen(ankles=ankles))
    assert apart(found, upright).max() < 0.3  # the rest pose is not quite symmetric


def test_who_bends_for_a_while_is_left_bent():
    askew = turned(Rotation.from_rotvec([0.1, 0, 0]))
    rotvecs = askew.rotvecs.copy()
    rotvecs[:6, 0] = (Rotation.from_rotvec([0.5, 0, 0]) * Rotation.from_rotvec(rotvecs[:6, 0])).as_rotvec()
    found = stand_upright(askew.replace(rotvecs=rotvecs), seen())
    still = found.replace(rotvecs=found.rotvecs[10:11].repeat(20, 0))
    np.testing.assert_allclose(apart(found, still)[:6], np.degrees(0.5), atol=0.1)


def test_who_lies_stays_lying_and_gaps_stay_as_they_are():
    lying = turned(Rotation.from_rotvec([1.2, 0, 0]))
    assert stand_upright(lying, seen()) is lying
    valid = np.arange(20) > 4
    askew = turned(Rotation.from_rotvec([0.2, 0, 0]), valid=valid)
    found = stand_upright(askew, seen())
    np.testing.assert_array_equal(found.rotvecs[:5], askew.rotvecs[:5])
    assert apart(found, askew)[5:].min() > 8
    nobody = askew.replace(valid=np.zeros(20, bool))
    assert stand_upright(nobody, seen()) is nobody


def test_joints_of_an_hour_are_never_in_memory_at_once(monkeypatch):
    askew, sizes = turned(Rotation.from_rotvec([0.2, 0, 0.1]), frames=50, valid=np.arange(50) % 7 > 0), []
    whole = stand_upright(askew, seen(50))

    def counted(poses, **how):
        sizes.append(len(poses))
        return pose_to_joints(poses, **how)

    monkeypatch.setattr(_uprightness, "pose_to_joints", counted)
    monkeypatch.setattr(_uprightness, "_AT_ONCE", 8)
    np.testing.assert_allclose(stand_upright(askew, seen(50)).rotvecs, whole.rotvecs, atol=1e-6)
    assert sum(sizes) == askew.valid.sum()
    assert max(sizes) <= 8
