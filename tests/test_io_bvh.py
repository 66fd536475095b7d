"""Reading BVH: any channel order, travelling joints, real files against their recorded joints, damaged files."""

import copy
import pickle
import random

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ktube_motion.errors import ConfigError, DataError, FormatError, KtubeError
from ktube_motion.io._bvh import load_bvh
from ktube_motion.skeletons import SMPL_22, Skeleton

TEXT = """HIERARCHY
ROOT Hips
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
  JOINT LeftUpLeg
  {
    OFFSET 10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftLeg {
      OFFSET 0 -40 0
      CHANNELS 1 Xrotation
      End Site
      {
        OFFSET 0 -40 0
      }
    }
  }
  JOINT RightUpLeg
  {
    OFFSET -10 0 0
    CHANNELS 3 xrotation yrotation zrotation
    End Site { OFFSET 0 -80 0 }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
0 90 0 10 20 30 40 50 60 70 -10 -20 -30
5 91 1 11 21 31 41 51 61 71 -11 -21 -31
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def global_joints(motion):
    """Plain forward kinematics, float64."""
    rotations = motion.rotations.astype(np.float64)
    positions = np.zeros(rotations.shape[:3])
    positions[:, 0] = motion.translation
    for joint, parent in enumerate(motion.skeleton.parents):
        if parent >= 0:
            positions[:, joint] = positions[:, parent] + rotations[:, parent] @ motion.skeleton.offsets[joint]
            rotations[:, joint] = rotations[:, parent] @ rotations[:, joint]
    return positions


def test_channels_in_any_order(tmp_path):
    motion = load_bvh(write(tmp_path / "walk.bvh", TEXT))
    assert (motion.name, motion.fps, motion.positions) == ("walk", 30.0, None)
    skeleton = motion.skeleton
    assert skeleton.joint_names == ("Hips", "LeftUpLeg", "LeftLeg", "RightUpLeg")
    assert skeleton.parents == (-1, 0, 1, 0)
    assert skeleton.chains == ((0, 1, 2), (0, 3))
    np.testing.assert_allclose(skeleton.offsets, [[0, 0, 0], [0.1, 0, 0], [0, -0.4, 0], [-0.1, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(motion.translation, [[0, 0.9, 0], [0.05, 0.91, 0.01]], atol=1e-7)
    wanted = [("YXZ", [10, 20, 30]), ("ZXY", [40, 50, 60]), ("X", [70]), ("XYZ", [-10, -20, -30])]
    for joint, (order, angles) in enumerate(wanted):
        for frame in range(2):
            step = np.sign(angles) * frame
            matrix = Rotation.from_euler(order, np.squeeze(angles + step), degrees=True).as_matrix()
            np.testing.assert_allclose(motion.rotations[frame, joint], matrix.reshape(3, 3), atol=1e-6)
    assert skeleton.hips == (1, 3)
    assert skeleton.lower_leg is None
    assert load_bvh(tmp_path / "walk.bvh", unit="m").translation[0, 1] == 90
    np.testing.assert_allclose(load_bvh(tmp_path / "walk.bvh", unit=0.02).translation[0, 1], 1.8)
    with pytest.raises(ConfigError, match="length unit"):
        load_bvh(tmp_path / "walk.bvh", unit="ell")


@pytest.mark.parametrize(
    "names",
    [
        "LeftUpLeg RightUpLeg LeftLeg RightLeg LeftFoot RightFoot LeftToeBase RightToeBase LeftArm RightArm",
        "mixamorig:LeftUpLeg mixamorig:RightUpLeg mixamorig:LeftLeg mixamorig:RightLeg mixamorig:LeftFoot "
        "mixamorig:RightFoot mixamorig:LeftToeBase mixamorig:RightToeBase mixamorig:LeftArm mixamorig:RightArm",
        "UpperLeg_L UpperLeg_R LowerLeg_L LowerLeg_R Foot_L Foot_R Toes_L Toes_R UpperArm_L UpperArm_R",
        "left_hip right_hip left_knee right_knee left_ankle right_ankle left_toe right_toe left_shoulder "
        "right_shoulder",
        "lThigh rThigh lShin rShin lFoot rFoot lToe rToe lShldr rShldr",
    ],
)
def test_parts_are_found_by_name(tmp_path, names):
    joints = "".join(f"JOINT {name}\n{{\nOFFSET 1 0 0\nCHANNELS 1 Xrotation\n}}\n" for name in names.split())
    text = f"HIERARCHY\nROOT Hips\n{{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n{joints}}}\nMOTION\nFrames: 1\n"
    skeleton = load_bvh(write(tmp_path / "a.bvh", text + "Frame Time: 0.01\n" + "0 " * 11)).skeleton
    assert skeleton.hips == (1, 2)
    assert skeleton.lower_leg == (4, 6)
    assert (skeleton.left_foot, skeleton.right_foot) == ((5, 7), (6, 8))
    assert skeleton.shoulders == (9, 10)


def test_travelling_joints(tmp_path):
    head = "HIERARCHY\nROOT Anchor\n{\nOFFSET 0 0 0\nCHANNELS 4 Xposition Yposition Zposition Yrotation\n"
    hips = "JOINT Hips\n{\nOFFSET 0 9 0\nCHANNELS 3 Yposition Xposition Zrotation\n"
    tip = "JOINT Tip\n{\nOFFSET 1 0 0\nCHANNELS 2 Xrotation Xposition\n}\n"
    tail = "MOTION\nFrames: 2\nFrame Time: 0.04\n"
    still = "1 0 0 90 80 5 0 10 2\n1 0 0 90 90 6 0 10 2\n"
    motion = load_bvh(write(tmp_path / "a.bvh", head + hips + tip + "}\n}\n" + tail + still), unit="m")
    assert motion.skeleton.joint_names == ("Hips", "Tip")  # the anchor is folded into what it carries
    np.testing.assert_allclose(motion.translation, [[1, 80, -5], [1, 90, -6]], atol=1e-5)
    assert motion.positions is None
    np.testing.assert_allclose(global_joints(motion)[:, 1], [[1, 80, -7], [1, 90, -8]], atol=1e-5)
    motion = load_bvh(tmp_path / "a.bvh", unit="m")
    stretched = still[:-2] + "4\n"
    motion = load_bvh(write(tmp_path / "a.bvh", head + hips + tip + "}\n}\n" + tail + stretched), unit="m")
    np.testing.assert_allclose(motion.positions[:, 1], [[1, 80, -7], [1, 90, -10]], atol=1e-5)
    np.testing.assert_allclose(motion.skeleton.offsets[1], [3, 0, 0])


def test_real_files_match_the_recorded_joints(shared):
    data = np.load(shared / "data/gestures/motions.npz", allow_pickle=False)
    ends, names = np.cumsum(data["lengths"]), [str(name) for name in data["names"]]
    pick = "Hips UpperLeg_L UpperLeg_R - LowerLeg_L LowerLeg_R Spine Foot_L Foot_R Chest Toes_L Toes_R Neck Shoulder_L "
    pick += "Shoulder_R Head UpperArm_L UpperArm_R LowerArm_L LowerArm_R Hand_L Hand_R"
    compared = 0
    for path in sorted((shared / "data/bvh").glob("*.bvh")):
        motion = load_bvh(path)
        assert motion.fps == 30
        assert None not in (motion.skeleton.hips, motion.skeleton.shoulders, motion.skeleton.left_foot)
        if path.stem not in names:
            continue
        end = ends[names.index(path.stem)]
        recorded = np.cumsum(data["delta"][end - len(motion) : end].astype(np.int64), 0) * data["unit_m"]
        joints, index = global_joints(motion), motion.skeleton.joint_names.index
        found = np.stack([joints[:, index(name.replace("-", "Hips"))] for name in pick.split()], 1)
        found[:, 3] = (joints[:, index("Hips")] + joints[:, index("Spine")]) / 2
        found, recorded = found - found[:1, :1], recorded - recorded[:1, :1]
        assert np.abs(found - recorded).max() < 3e-4  # the recording is rounded to 0.2 mm
        compared += 1
    assert compared == 3


def test_skeletons_of_files_travel_to_workers(tmp_path):
    skeleton = load_bvh(write(tmp_path / "a.bvh", TEXT)).skeleton
    back = pickle.loads(pickle.dumps(skeleton))
    assert back.joint_names == skeleton.joint_names
    np.testing.assert_array_equal(back.offsets, skeleton.offsets)
    assert not back.offsets.flags.writeable
    assert pickle.loads(pickle.dumps(SMPL_22)) is SMPL_22
    impostor = Skeleton("smpl_22", ("a",), (-1,), (), np.zeros((1, 3)))
    assert pickle.loads(pickle.dumps(impostor)).joint_names == ("a",)
    assert copy.deepcopy(skeleton) is skeleton


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("41 51", "41", r"line 30: A frame has the wrong number of values. Expected: 13. Found: 12"),
        ("Frames: 2", "Frames: 3", r"another number of frames.*Expected: 3 frames.*Found: 2"),
        ("Frame Time: 0.0333333", "Frame Time: 0", r"line 28: The frame time is impossible"),
        ("Frame Time", "Time", r"line 27: The motion has no head"),
        ("5 91", "5 x", r"line 30: A value is not a number"),
        ("OFFSET -10 0 0", "OFFSET -10 0", r"line 21: OFFSET needs three numbers"),
        ("CHANNELS 1 X", "CHANNELS 1 W", r"line 12: CHANNELS cannot be read"),
        ("CHANNELS 6", "CHANNELS 5", r"line 5: CHANNELS cannot be read"),
        ("MOTION", "}\nMOTION", r"line 26: This is not a BVH hierarchy"),
        ("JOINT RightUpLeg", "ROOT RightUpLeg", r"line 19: ROOT does not belong here"),
        ("    OFFSET 10 0 0\n", "", r"Joint LeftUpLeg has no OFFSET"),
        ("HIERARCHY", "<xml>", r"line 1: This is not a BVH hierarchy"),
    ],
)
def test_damage_names_the_line(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(FormatError, match=message):
        load_bvh(write(tmp_path / "a.bvh", TEXT.replace(old, new, 1)))


def test_other_damage(tmp_path):
    with pytest.raises(DataError, match="line 30: A value is NaN"):
        load_bvh(write(tmp_path / "a.bvh", TEXT.replace("5 91", "5 nan")))
    with pytest.raises(FormatError, match="Cannot read"):
        load_bvh(tmp_path / "absent.bvh")
    loaded = 0
    for seed in range(400):
        rng = random.Random(seed)
        text = TEXT[: rng.randrange(len(TEXT))] if seed % 2 else TEXT
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice("{} \n09-.xX:") + text[at + 1 :]
        try:
            motion = load_bvh(write(tmp_path / "a.bvh", text))
        except KtubeError:
            continue
        assert np.isfinite(motion.rotations).all()
        loaded += 1
    assert 50 < loaded < 350


def test_a_joint_may_be_called_like_a_keyword(tmp_path):
    path = tmp_path / "kit.bvh"
    path.write_text(
        "HIERARCHY\nROOT  root {\n OFFSET 0 0 0\n CHANNELS 3 Zrotation Xrotation Yrotation\n"
        " JOINT\toffset {\n  OFFSET 0 10 0\n  CHANNELS 3 Zrotation Xrotation Yrotation\n  End Site\n"
        "  {\n   OFFSET 0 1 0\n  }\n }\n}\nMOTION\nFrames: 1\nFrame Time: 0.05\n0 0 0 0 0 0\n"
    )
    assert load_bvh(path).skeleton.joint_names == ("root", "offset")
