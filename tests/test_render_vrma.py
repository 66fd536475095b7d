"""VRM animation: played by the library that web pages play avatars with, in Node and in a browser."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_finishing import generated, gesture
from test_render_export import khronos_issues, read_glb
from vrm_avatar import NAMES, save_avatar

from ktube_motion import Motion, PoseSequence
from ktube_motion.errors import ConfigError, DataError, KtubeError, ShapeError
from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.render import save_vrma
from ktube_motion.skeletons import KIT_21, SMPLX_55

PLAY = Path(__file__).parent / "web" / "play.mjs"


def modules():
    """Give the folder of Node's modules with three-vrm, or skip."""
    places = [os.environ.get("KTUBE_NODE_MODULES"), "node_modules"]
    found = [Path(place).resolve() for place in places if place and Path(place, "@pixiv/three-vrm-animation").is_dir()]
    if not found or shutil.which("node") is None:
        pytest.skip("npm's three, @pixiv/three-vrm and @pixiv/three-vrm-animation are not here (KTUBE_NODE_MODULES)")
    return found[0]


def played(avatar, animation, times):
    done = subprocess.run(
        ["node", str(PLAY), str(modules()), str(avatar), str(animation), json.dumps(times)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(poses, frame, places):
    """Where the avatar's joints must be: our rotations on its bones, its height's share of our path."""
    body = load_body()
    rotations = Rotation.from_matrix(body.rotations(poses)[frame])
    rest = body.rest_joints(poses.betas)
    share = places[0, 1] / (rest[0, 1] - body.rest_vertices(poses.betas)[:, 1].min())
    turned, found = [rotations[0]], [share * (poses.transl[frame] + rest[0])]
    for joint, parent in list(enumerate(SMPLX_55.parents))[1:]:
        turned.append(turned[parent] * rotations[joint])
        found.append(found[parent] + turned[parent].apply(places[joint] - places[parent]))
    return np.array(found)


@pytest.mark.parametrize("turned", [False, True], ids=["straight bones", "turned bones"])
def test_an_avatar_plays_it_to_the_hair(tmp_path, turned):
    rng = np.random.default_rng(0)
    poses = gesture(2).replace(betas=rng.normal(0, 1, 10), source="C:\\말\\인사.npz", flat_hand_mean=True)
    rotvecs = poses.rotvecs + 0.3 * np.sin(np.arange(40)[:, None, None] / 5 + rng.uniform(0, 6, (1, 55, 3)))
    rotvecs[:, 23:25] = 0
    poses = poses.replace(rotvecs=rotvecs, transl=np.stack([np.zeros(40), np.full(40, 1.2), np.linspace(0, 1, 40)], -1))
    places = save_avatar(tmp_path / "a.vrm", turned=turned)
    path = save_vrma(poses, tmp_path / "a.vrma", expressions={"aa": np.linspace(0, 1, 40), "윙크": np.ones(40)})
    frames = [0, 7, 20, 39]
    result = played(tmp_path / "a.vrm", path, [frame / 20 for frame in frames])
    assert result["duration"] == pytest.approx(39 / 20, abs=1e-4)
    errors = []
    for frame, shown in zip(frames, result["frames"], strict=True):
        bones = np.array([shown["bones"][name] for name in NAMES])
        errors.append(np.linalg.norm(bones - expected(poses, frame, places), axis=-1))
        assert shown["faces"]["aa"] == pytest.approx(frame / 39, abs=1e-4)
    assert np.size(errors) == 220
    assert np.max(errors) < 1e-5  # metres
    assert not [line for line in result["warnings"] if "lookAt" not in line.lower()]
    document, _ = read_glb(path)
    assert document["animations"][0]["name"] == "인사"


def test_a_generated_motion_stands_on_the_ground_of_a_small_avatar(tmp_path):
    places = save_avatar(tmp_path / "a.vrm")
    path = save_vrma(generated(), tmp_path / "a.vrma")
    for shown in played(tmp_path / "a.vrm", path, [0, 3, 6, 9])["frames"]:
        bones = np.array([shown["bones"][name] for name in NAMES])
        assert abs(bones[0, 1] - places[0, 1]) < 0.05
        assert np.abs(bones[[10, 11], 1] - places[[10, 11], 1]).min() < 0.03
        assert 0.8 < bones[15, 1] < 1.0


def test_the_file_is_what_the_format_asks_for(tmp_path):
    poses = gesture(1)
    document, array = read_glb(save_vrma(poses, tmp_path / "a.vrma"))
    vrma = document["extensions"]["VRMC_vrm_animation"]
    assert vrma["specVersion"] == "1.0"
    bones = vrma["humanoid"]["humanBones"]
    assert set(bones) == set(NAMES) - {"leftEye", "rightEye"}  # the format makes a look of them
    assert "lookAt" not in vrma
    hips = document["nodes"][bones["hips"]["node"]]
    assert 0.8 < hips["translation"][1] < 1.1
    assert hips["translation"][::2] == [0, 0]
    channels = document["animations"][0]["channels"]
    assert [c["target"]["node"] for c in channels if c["target"]["path"] == "translation"] == [0]
    looking = poses.rotvecs.copy()
    looking[:, 23:25, 1] = 0.3
    document, array = read_glb(save_vrma(poses.replace(rotvecs=looking), tmp_path / "b.vrma"))
    node = document["extensions"]["VRMC_vrm_animation"]["lookAt"]["node"]
    (sampler,) = [c["sampler"] for c in document["animations"][0]["channels"] if c["target"]["node"] == node]
    turn = array(document["animations"][0]["samplers"][sampler]["output"])[0]
    assert turn == pytest.approx([0, np.sin(0.15), 0, np.cos(0.15)], abs=1e-6)


def test_khronos_validator_finds_no_error(tmp_path):
    save_avatar(tmp_path / "a.vrm")
    files = [save_vrma(gesture(1), tmp_path / "a.vrma", expressions={"aa": np.ones(20)}), tmp_path / "a.vrm"]
    files.append(save_vrma(pose_to_joints(gesture(1)[:1]), tmp_path / "one.vrma"))
    issues = khronos_issues(files)
    assert [(one["numErrors"], one["numWarnings"]) for one in issues] == [(0, 0)] * 3, issues


def test_bad_input_leaves_nothing(tmp_path):
    poses = gesture(1)
    with pytest.raises(ConfigError, match=r"\.vrma.*Found: .glb"):
        save_vrma(poses, tmp_path / "a.glb")
    with pytest.raises(ShapeError, match="no frames"):
        save_vrma(poses[:0], tmp_path / "a.vrma")
    rotvecs = poses.rotvecs.copy()
    rotvecs[2, 3] = np.nan
    with pytest.raises(DataError, match=r"rotvecs.*first at 2"):
        save_vrma(poses.replace(rotvecs=rotvecs), tmp_path / "a.vrma")
    with pytest.raises(DataError, match="invalid"):
        save_vrma(poses.replace(valid=np.arange(20) > 3), tmp_path / "a.vrma")
    with pytest.raises(ShapeError, match=r"aa.*Expected: \(20,\)"):
        save_vrma(poses, tmp_path / "a.vrma", expressions={"aa": [1, 2]})
    with pytest.raises(DataError, match="expression aa"):
        save_vrma(poses, tmp_path / "a.vrma", expressions={"aa": np.full(20, np.nan)})
    with pytest.raises(ConfigError, match="look"):
        save_vrma(poses, tmp_path / "a.vrma", expressions={"lookUp": np.ones(20)})
    kit = Motion(skeleton=KIT_21, positions=np.cumsum(np.ones((3, 21, 3)), 1) * 100, fps=12.5)
    with pytest.raises(ConfigError, match="21 joints"):
        save_vrma(kit, tmp_path / "a.vrma")
    (tmp_path / "file").write_text("")
    with pytest.raises(KtubeError, match="Cannot write"):
        save_vrma(poses, tmp_path / "file" / "a.vrma")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_camera_poses_stand_on_the_ground(tmp_path):
    poses = gesture(1).replace(transl=np.tile([0.4, -1.1, 3.2], (20, 1)))
    document, array = read_glb(save_vrma(poses, tmp_path / "a.vrma"))
    path = array(document["animations"][0]["samplers"][0]["output"])
    assert path[0] == pytest.approx([0, 0.95, 0], abs=0.15)
    assert isinstance(poses, PoseSequence)
