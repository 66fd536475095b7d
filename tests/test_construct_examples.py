"""The steps of the data set as scripts: default folders, skips told, clean errors."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from ktube_motion.io import Corpus, load_poses
from ktube_motion.samples import make_speaker

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SCRIPTS = (
    "json_to_npz raw_pose_processing motion_representation cal_mean_variance build_ktubeum bandai_to_ktubeum".split()
)


@pytest.fixture
def script(tmp_path, monkeypatch, capsys):
    """Run an example inside this process, in an empty folder; give what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments, code=0):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        printed = capsys.readouterr()
        assert end.value.code == code, printed.err
        return printed.err if code else printed.out

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_and_length(script, name):
    assert "--overwrite" in script(name, "--help")
    assert len((EXAMPLES / f"{name}.py").read_text("utf-8").split("\n")) < 12


def test_the_original_steps(script, tmp_path):
    make_speaker(tmp_path / "pose_json", num_utterances=2, faults=True, name="a")
    (tmp_path / "pose_json" / "bad.json").write_text("[")
    out = script("json_to_npz")
    assert "1 made, 0 existed already" in out
    assert "skipped bad.json" in out
    poses = load_poses(tmp_path / "my_pose" / "a.npz")
    assert (poses.global_orient == poses.global_orient[0]).all()
    assert (poses.transl == poses.transl[0]).all()
    assert "0 made, 1 existed already" in script("json_to_npz")
    assert "1 made" in script("json_to_npz", "--overwrite", "--root", "identity")
    assert "1 made" in script("raw_pose_processing")
    joints = np.load(tmp_path / "joints" / "a.npy")
    assert joints.shape == (len(poses) * 2 // 3 + (len(poses) * 2 % 3 > 0), 22, 3)
    assert "1 made" in script("motion_representation")
    vectors = np.load(tmp_path / "HumanML3D" / "new_joint_vecs" / "a.npy")
    assert vectors.shape == (len(joints) - 1, 263)
    assert np.load(tmp_path / "HumanML3D" / "new_joints" / "a.npy").shape == (len(joints) - 1, 22, 3)
    assert "root_velocity" in script("cal_mean_variance")
    np.testing.assert_allclose(np.load(tmp_path / "HumanML3D" / "Mean.npy"), vectors.mean(0), atol=1e-5)
    assert "1 existed already" in script("cal_mean_variance")


def test_long_gaps_split_a_video(script, tmp_path):
    speaker = make_speaker(num_utterances=3)
    valid = np.ones(len(speaker.poses), bool)
    valid[100:140] = False
    valid[150:200] = False
    from ktube_motion.io import save_poses

    save_poses(speaker.poses.replace(valid=valid), tmp_path / "my_pose" / "a.npz")
    script("raw_pose_processing")
    assert sorted(path.name for path in (tmp_path / "joints").iterdir()) == ["a_part0.npy", "a_part1.npy"]
    assert "1 existed" in script("raw_pose_processing")


def test_all_in_one(script, tmp_path):
    make_speaker(tmp_path / "v", num_utterances=2, name="a")
    (tmp_path / "v" / "alone.srt").touch()
    out = script("build_ktubeum", "--poses", "v", "--transcripts", "v", "--root", "K", "--no-mirror", "--seed", 3)
    assert "2 clips" in out
    assert "no partner: v/alone.srt" in out
    assert Corpus(tmp_path / "K").names() == ["a_000", "a_001"]
    (tmp_path / "t.csv").write_text("poses,transcript,offset\nv/a.json,v/a.srt,0.2\n")
    assert "2 clips" in script(
        "build_ktubeum", "--table", "t.csv", "--root", "K", "--overwrite", "--skeleton", "smplh_52"
    )
    assert Corpus(tmp_path / "K").skeleton.name == "smplh_52"


def test_bandai(script, tmp_path, shared):
    (tmp_path / "bvh").mkdir()
    name = "dataset-2_raise-up-both-hands_normal_001"
    for path in [shared / "data" / "bvh" / f"{name}.bvh", shared / "data" / "bvh" / "dataset-1_guide_normal_001.bvh"]:
        (tmp_path / "bvh" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "bvh" / "bad.bvh").write_text("HIERARCHY\n")
    table = shared / "data" / "gestures" / "utterances.tsv"
    out = script("bandai_to_ktubeum", "--input", "bvh", "--root", "B", "--utterances", table)
    assert "2 made" in out
    assert "skipped bad.bvh" in out
    corpus = Corpus(tmp_path / "B")
    assert corpus.texts("dataset-1_guide_normal_001")[0].text == "guide, normal"
    joints = corpus.joints(name)
    names = corpus.skeleton.joint_names
    assert 0.8 < joints[0, 0, 1] < 1.1  # hips, in metres
    assert joints[:, names.index("left_wrist"), 1].max() > joints[0, names.index("head"), 1]
    # Facing +z, the left side lies at +x.
    recovered = corpus.joints(name, recovered=True)[0]
    assert recovered[names.index("left_shoulder"), 0] > recovered[names.index("right_shoulder"), 0]


@pytest.mark.parametrize(
    ("name", "folder", "maker"),
    [
        ("json_to_npz", "pose_json", "build --samples"),
        ("raw_pose_processing", "my_pose", "json-to-npz"),
        ("motion_representation", "joints", "process-poses"),
        ("cal_mean_variance", "HumanML3D/new_joint_vecs", "represent-motion"),
    ],
)
def test_a_missing_folder_is_told_in_full_with_its_maker(script, tmp_path, name, folder, maker):
    error = script(name, code=1)
    assert error.startswith(f"error: {tmp_path / folder}: There are no ")
    assert f"`ktube-motion {maker}" in error
    assert error.count("\n") == 1
