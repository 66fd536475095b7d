"""The steps of the data set as scripts: default folders, skips told, clean errors."""

import inspect
import json
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ktube_motion.commands import parser_of
from ktube_motion.construct import BuildOptions, pose_sources
from ktube_motion.errors import CorpusError
from ktube_motion.filters import clean_poses, fix_root
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
    assert "skipped bad: " in out
    poses = load_poses(tmp_path / "my_pose" / "a.npz")
    assert (poses.global_orient == poses.global_orient[0]).all()
    assert (poses.transl == poses.transl[0]).all()
    assert "0 made, 1 existed already" in script("json_to_npz")
    assert "1 made" in script("json_to_npz", "--overwrite", "--fix-root", "identity")
    assert "1 made" in script("raw_pose_processing")
    joints = np.load(tmp_path / "joints" / "a.npy")
    assert joints.shape == ((len(poses) - 1) * 2 // 3 + 1, 22, 3)  # 20 of 30 frames, none after the last
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


# -- the single steps and the build --------------------------------------------------


def frames_of_video(folder, poses):
    """Write a video as one JSON file for each frame, as the original's estimator did."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(json.loads(poses.read_text("utf-8"))["frames"]):
        (folder / f"{number:06d}.json").write_text(json.dumps(frame))


def files_of(root):
    kinds = ("*.npy", "texts/*.txt", "words/*.json", "*.txt", "*/*.npy")
    return {path.relative_to(root): path.read_bytes() for kind in kinds for path in sorted(root.glob(kind))}


def test_the_steps_end_in_the_corpus_of_the_build(script, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("ktube_motion.commands._build.executor_of", lambda address: ThreadPoolExecutor(1))
    for name in ("a", "b", "c"):
        make_speaker(tmp_path / "pose_json", num_utterances=2, faults=True, name=name, seed=ord(name))
    (tmp_path / "subtitles").mkdir()
    for path in (tmp_path / "pose_json").glob("*.srt"):
        path.rename(tmp_path / "subtitles" / path.name)
    script("json_to_npz")
    for step in ("raw_pose_processing", "motion_representation", "cal_mean_variance"):
        script(step)
    script("build_ktubeum", "--poses", "my_pose", "--transcripts", "subtitles")
    script("build_ktubeum", "--poses", "pose_json", "--transcripts", "subtitles", "--root", "at_once")
    steps, at_once = files_of(tmp_path / "dataset/KTubeUM"), files_of(tmp_path / "at_once")
    assert len(steps) > 30
    assert steps == at_once
    assert "not read" not in caplog.text, "what the steps write they understand"
    corpus = Corpus(tmp_path / "dataset/KTubeUM")
    assert all(corpus.names(split) and not corpus.missing(split) for split in ("train", "val", "test"))
    # A clip is what step 2 wrote, from its first frame to its last.
    clip = json.loads((corpus.root / "manifest.json").read_text("utf-8"))["clips"][0]
    first, video = round(clip["start"] * 20), np.load(tmp_path / "joints" / f"{clip['source']}.npy")
    np.testing.assert_array_equal(corpus.joints(clip["name"]), video[first : first + clip["frames"] + 1])
    # Step 4 on the corpus gives the statistics that the build wrote, to the bit.
    script("cal_mean_variance", "--input", corpus.root / "new_joint_vecs", "--output", "again")
    for name in ("Mean", "Std"):
        assert (tmp_path / f"again/{name}.npy").read_bytes() == (corpus.root / f"{name}.npy").read_bytes()


@pytest.mark.parametrize("place", ["pose_json/talk", "pose_json"])
def test_a_file_for_each_frame_is_one_video(script, tmp_path, place):
    make_speaker(tmp_path / "whole", num_utterances=1, name="talk")
    frames_of_video(tmp_path / place, tmp_path / "whole" / "talk.json")
    assert "1 made" in script("json_to_npz", "--fps", 30)
    assert "1 made" in script("json_to_npz", "--fps", 30, "--input", "whole", "--output", "wanted")
    (made,) = (tmp_path / "my_pose").iterdir()
    assert made.stem == Path(place).name
    found, wanted = load_poses(made), load_poses(tmp_path / "wanted" / "talk.npz")
    np.testing.assert_allclose(found.rotvecs, wanted.rotvecs, atol=1e-6)
    (tmp_path / "subtitles").mkdir()
    (tmp_path / "whole" / "talk.srt").rename(tmp_path / "subtitles" / f"{made.stem}.srt")
    said = script("build_ktubeum", "--poses", "pose_json", "--transcripts", "subtitles", "--pose-fps", 30)
    assert "1 clips" in said


def test_numbered_videos_stay_videos(tmp_path):
    for number in (1, 2):
        make_speaker(tmp_path, num_utterances=1, name=f"{number:03d}")
    assert list(pose_sources(tmp_path)) == ["001", "002"]


def test_defaults_of_the_steps_are_those_of_the_build():
    step, build = parser_of("json-to-npz").parse_args([]), parser_of("build").parse_args([])
    for name in ("fix_root", "cutoff", "max_gap", "rest_lower_body", "axes"):
        assert getattr(step, name) == getattr(build, name)
    fields = BuildOptions()
    assert (fields.root, fields.cutoff_hz, fields.max_gap_seconds) == (step.fix_root, step.cutoff, step.max_gap)
    assert inspect.signature(clean_poses).parameters["root"].default == step.fix_root
    assert inspect.signature(fix_root).parameters["to"].default == step.fix_root
    joints = parser_of("process-poses").parse_args([])
    assert (joints.fps, joints.skeleton) == (build.fps, build.skeleton) == (fields.fps, fields.skeleton)


def test_a_corpus_without_splits_names_the_step_that_makes_them(tmp_path):
    corpus = Corpus.create(tmp_path / "K")
    with pytest.raises(CorpusError, match=r"no split 'val'.*ktube-motion build --poses my_pose"):
        corpus.names("val")
