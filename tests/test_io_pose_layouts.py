"""Poses as people really have them: every layout right, and nothing silently wrong."""

import copy
import gzip
import json
import logging
import os
import pickle
import random
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pose_layouts import (
    ESTIMATOR,
    FRAMES,
    PLAIN,
    SMPLX,
    array_layouts,
    arrays,
    frames_of,
    matrices,
    speaker,
    tree_layouts,
    turned,
    write_layout,
)  # fmt: skip
from scipy.spatial.transform import Rotation

from ktube_motion.errors import ConfigError, DataError, FormatError, KtubeError
from ktube_motion.io import (
    PoseFormat,
    check_poses,
    list_people,
    load_poses,
    read_poses,
    register_pose_format,
    save_poses,
)  # fmt: skip
from ktube_motion.io._layouts import POSE_FORMATS, layout_table
from ktube_motion.io._pose_parts import PARTS, plain_name
from ktube_motion.io._stand_ins import find_stand_ins
from ktube_motion.io._untrusted import load_numpy, load_pickle, load_torch
from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.types import PoseSequence

CASES = int(os.environ.get("KTUBE_FUZZ_CASES", "300"))
ROTVECS, PATH = speaker()
TREES, ARRAYS = tree_layouts(ROTVECS, PATH), array_layouts(ROTVECS, PATH)
WITHOUT_HANDS = {"smpl", "smpl 72", "wham", "aist++", "gvhmr", "gvhmr pickled", "phalp"}


def error_of(poses, truth=ROTVECS):
    """Largest angle in degrees between the valid frames and the truth: root and body, then hands."""
    frames, truth = poses.rotvecs[poses.valid], truth[np.flatnonzero(poses.valid)]
    turns = [Rotation.from_rotvec(one.reshape(-1, 3)) for one in (frames, truth)]
    angles = np.degrees((turns[0].inv() * turns[1]).magnitude()).reshape(len(truth), 55)
    return angles[:, :22].max(), angles[:, 25:].max()


def check_right(reading, hands=True, frames=FRAMES):
    body, fingers = error_of(reading.poses)
    assert body < 0.5
    assert fingers < 0.5 or not hands
    assert len(reading.poses) == frames
    assert reading.poses.valid.all()
    assert reading.upright


@pytest.mark.parametrize("name", TREES)
def test_json_layouts(tmp_path, name):
    check_right(read_poses(write_layout(tmp_path, name, TREES[name])), hands=name not in WITHOUT_HANDS)


@pytest.mark.parametrize("name", ARRAYS)
def test_array_layouts(tmp_path, name):
    suffix, contents, axes = ARRAYS[name]
    reading = read_poses(write_layout(tmp_path, name, contents, suffix))
    check_right(reading, hands=name not in WITHOUT_HANDS)
    if name == "aist++":
        np.testing.assert_allclose(reading.poses.transl, PATH, atol=1e-5)
    if name == "wrapper":
        assert reading.poses.fps == 29.97
        assert not reading.poses.trajectory
    if axes == "amass":
        assert reading.poses.flat_hand_mean


@pytest.mark.parametrize("suffix", [".jsonl", ".json.gz", ".jsonl.gz"])
def test_lines_and_gzip(tmp_path, suffix):
    frames = TREES["list"]
    text = "\n".join(map(json.dumps, frames)) + "\n" if "jsonl" in suffix else json.dumps({"fps": 24, "frames": frames})
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    check_right(read_poses(path))
    if suffix.endswith("gz"):
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(FormatError, match="gzip file is damaged"):
            load_poses(path)
    header = tmp_path / "b.jsonl"
    header.write_text('{"fps": 24, "video": "x"}\n' + "\n".join(map(json.dumps, frames)))
    assert read_poses(header).poses.fps == 24


NAMES = [
    "{0:06}",
    "{0:05}_0",
    "DEVIL_{0:06}_p0",
    "talk_{0:06}_p0",
    "talk_2_{0:06}",
    "img_{0:04}_personId_0",
    "frame{0}",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".json", ".npz", ".pkl", ".pt"])
def test_folders_of_frames(tmp_path, name, suffix):
    folder = tmp_path / "clip" / "smplx_params"
    folder.mkdir(parents=True)
    for number, one in enumerate(TREES["list"], 1):
        frame = one if suffix == ".json" else {key: np.float32(value) for key, value in one.items()}
        frame = {key: torch.tensor(value) for key, value in frame.items()} if suffix == ".pt" else frame
        write_layout(folder, name.format(number), frame, suffix)
    (folder / "meta.json").write_text('{"video": "x"}')
    for place in (folder, folder.parent):
        check_right(read_poses(place))


def test_folders_of_folders_and_of_several_people(tmp_path):
    other = [dict(one, transl=[2.0, 0, 9.0], betas=[3.0] * 10) for one in TREES["numbered"]["frames"]]
    for number, (one, far) in enumerate(zip(TREES["numbered"]["frames"], other, strict=True), 1):
        folder = tmp_path / "a" / "results" / f"{number:06}"
        folder.mkdir(parents=True)
        people = [one, far] if number % 3 else [far, one]  # a person's number is no track
        for place, person in enumerate(people):
            person = {key: np.array(value) for key, value in person.items() if key != "frame_id"}
            (folder / f"{place:03}.pkl").write_bytes(pickle.dumps(person))
    reading = read_poses(tmp_path / "a")
    check_right(reading)
    np.testing.assert_allclose(reading.poses.betas, 0.5)
    assert [one.frames for one in list_people(tmp_path / "a")] == [FRAMES, FRAMES]


STRAY = {
    "meta": {"tool": "x", "ok": True},
    "score": 0.9,
    "K": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "joints": [[0.1, 0.2]] * 4,
}
_PART_NAMES = {name for names, _ in PARTS.values() for name in names}
PREFIXES = ["", "smplx_", "pred_", "smplx_pred_"]


@settings(max_examples=max(CASES // 5, 40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(TREES)), axes=st.sampled_from(["camera", "y up", "z up"]), data=st.data(),
    nest=st.lists(st.sampled_from(["data", "output", "video_1", "poses_of_talk"]), max_size=2),
)  # fmt: skip
def test_any_layout_renamed_nested_and_turned_is_right_or_told(tmp_path_factory, name, axes, data, nest):
    """Right (0.5 degrees, the frames in order), or a KtubeError, or a warning about that very thing."""
    rotvecs, path = turned(ROTVECS, PATH, axes)
    rotvecs[:, 0] = (Rotation.from_euler("x", 180, degrees=True) * Rotation.from_rotvec(rotvecs[:, 0])).as_rotvec()
    document = copy.deepcopy(tree_layouts(rotvecs, path)[name])
    synonyms = {
        key: data.draw(st.sampled_from(PREFIXES)) + data.draw(st.sampled_from(PARTS[part][0]))
        for part, keys in (("left hand", SMPLX), ("root", PLAIN)) for key in keys.split()
        if plain_name(key) in PARTS[part][0]
    }  # fmt: skip
    document = _renamed(document, synonyms if data.draw(st.booleans()) else {})
    rate = data.draw(st.sampled_from([None, "fps", "video_fps", "FPS", "framerate", "frame_rate", "mocapFrameRate"]))
    if isinstance(document, dict) and rate and "fps" not in document and name not in ("keyed images",):
        document = {**document, "metadata": {rate: data.draw(st.sampled_from([24, "25", 29.97, "30000/1001"]))}}
    else:
        rate = None
    if isinstance(document, dict) and data.draw(st.booleans()):
        document = {**STRAY, **document}
    unit = data.draw(st.sampled_from([None, 1, 1e3, 1e6, 1e9])) if isinstance(document, list) else None
    if unit:
        document = [{**one, "timestamp": k / 24 * unit} for k, one in enumerate(document)]
    for key in nest:
        document = {key: document}
    poses = check_right_or_told(tmp_path_factory.mktemp("any"), document, ".json", name in WITHOUT_HANDS, rate)
    if poses is not None and unit:
        assert poses.fps == pytest.approx(24, abs=0.01)


def check_right_or_told(folder, contents, suffix, without_hands, rate):
    """Read it; the poses where they came out, which are right, or a warning tells the very thing."""
    try:
        reading = read_poses(write_layout(folder, "a", contents, suffix))
    except KtubeError:
        return None
    told = " ".join(reading.warnings)
    poses = reading.poses
    assert (len(poses) == FRAMES and poses.valid.all()) or "gaps" in told
    if not reading.upright:
        assert "does not stand" in told
    body, hands = error_of(poses)
    assert body < 0.5 or "does not stand" in told or "axes" in told
    assert hands < 0.5 or without_hands or "not read" in told
    if rate is not None:
        assert not reading.fps_assumed
        assert 23 < poses.fps < 29.98
    elif reading.fps_assumed:
        assert "frame rate" in told
    return poses


@settings(max_examples=max(CASES // 5, 40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(set(ARRAYS) - {"rows 182", "multi-hmr", "phalp"})),
    axes=st.sampled_from(["camera", "y up", "z up"]), suffix=st.sampled_from([".npz", ".pkl", ".npy", ".pt"]),
    prefix=st.sampled_from(PREFIXES), rate=st.sampled_from([None, "fps", "FPS", "mocap_frame_rate", "videoFps"]),
    stray=st.booleans(), nest=st.sampled_from([None, "data", "params", "smplx", "results"]),
)  # fmt: skip
def test_any_arrays_renamed_nested_and_turned_are_right_or_told(
    tmp_path_factory, name, axes, suffix, prefix, rate, stray, nest
):
    contents = array_layouts(*turned(ROTVECS, PATH, axes))[name][1]
    contents = dict(contents.item() if isinstance(contents, np.ndarray) else contents)
    renamed = name in ("stage ii", "arrays", "wrapper", "object", "gvhmr pickled")
    if renamed:
        contents = {prefix + key if plain_name(key) in _PART_NAMES else key: v for key, v in contents.items()}
    told_rate = next((key for key in contents if "fps" in str(key).lower() or "rate" in str(key)), None)
    if rate and not told_rate:
        contents[rate] = 25.0
    if stray:
        contents |= {"info": "x", "conf": np.ones(FRAMES), "verts": np.zeros((FRAMES, 9, 3)), "K": np.eye(3)}
    if nest and suffix != ".npz":
        contents = {nest: contents}
    if suffix == ".pt":  # torch writes arrays only as objects, which wrappers do too
        contents = {key: torch.tensor(v) if isinstance(v, np.ndarray) and v.dtype.kind in "fi" else v
                    for key, v in contents.items()}  # fmt: skip
    if suffix == ".npz" and any(isinstance(value, dict) or isinstance(key, int) for key, value in contents.items()):
        suffix = ".pkl"
    rate = rate if rate and not told_rate and name not in ("prompthmr",) else None
    check_right_or_told(tmp_path_factory.mktemp("any"), contents, suffix, name in WITHOUT_HANDS, rate)


def _renamed(value, names):
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(inner, names) for key, inner in value.items()}
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) and value and isinstance(
        value[0], dict | list) and not isinstance(value[0], float) else value  # fmt: skip


def test_axes_are_looked_at_told_and_chosen(tmp_path, caplog):
    for axes, wrong in (("y up", 180), ("z up", 90)):
        path = write_layout(tmp_path, "a", frames_of(arrays(*turned(ROTVECS, PATH, axes), SMPLX)))
        reading = read_poses(path)
        assert not reading.upright
        assert error_of(reading.poses)[0] > wrong - 30
        assert any(f"it would in axes='{axes}'" in warning for warning in reading.warnings)
        assert f"it would in axes='{axes}'" in caplog.text
        chosen = read_poses(path, axes=axes)
        check_right(chosen)
        np.testing.assert_allclose(chosen.poses.transl, PATH, atol=1e-5)
        archive = tmp_path / "a.npz"
        np.savez(archive, poses=turned(ROTVECS, PATH, "y up")[0].reshape(FRAMES, -1), trans=PATH)
        assert not read_poses(archive).upright  # counts as AMASS, z up
        check_right(read_poses(archive, axes="y up"))
    with pytest.raises(ConfigError, match="camera or y up or z up"):
        load_poses(path, axes="x up")
    arrays_up = write_layout(tmp_path, "b", arrays(*turned(ROTVECS, PATH, "z up"), SMPLX), ".npz")
    check_right(read_poses(arrays_up))  # a layout without axes of its own: the body decides


def test_check_poses_says_what_it_believes():
    check = check_poses(PoseSequence(ROTVECS, PATH, fps=30))
    assert check.upright
    assert (check.likely_axes, check.problems) == ("y up", ())
    assert check.facing[2] > 0.8
    assert check.moving_hands == ("left", "right")
    for axes, name in (("camera", "camera"), ("z up", "z up")):
        check = check_poses(PoseSequence(turned(ROTVECS, PATH, axes)[0], fps=30))
        assert (check.upright, check.likely_axes) == (False, name)
        assert f"axes='{name}'" in str(check)
    lying = ROTVECS.copy()
    lying[:, 0] = (Rotation.from_euler("z", 90, degrees=True) * Rotation.from_rotvec(lying[:, 0])).as_rotvec()
    check = check_poses(PoseSequence(lying, fps=30))
    assert check.likely_axes is None
    assert "lying" in check.problems[0]
    degrees = check_poses(PoseSequence(np.degrees(ROTVECS), fps=30))
    assert any("degrees" in problem for problem in degrees.problems)
    valid = np.ones(FRAMES, bool)
    valid[5:11] = False
    check = check_poses(PoseSequence(ROTVECS, PATH, fps=30, valid=valid))
    assert (check.missing, check.longest_gap) == (6, pytest.approx(0.2))
    with pytest.raises(DataError, match="No frame is valid"):
        check_poses(PoseSequence(ROTVECS, fps=30, valid=np.zeros(FRAMES)))


def fill(kind, frames, rng):
    """Stand-ins as wrappers write them, in frames 8 to 15."""
    made = copy.deepcopy(frames)
    for k in range(8, 16):
        source = {"copies": made[7], "constant": frames[3], "backwards": frames[16]}.get(kind, {})
        for key, value in made[k].items():
            numbers = [0.0] * len(value)
            if kind == "noise":
                numbers = rng.normal(0, 1e-5, len(value)).tolist()
            if kind == "jittered copies":
                numbers = (np.array(made[7][key]) + rng.normal(0, 1e-6, len(value))).tolist()
            if kind == "noisy constant":
                numbers = (np.array(frames[3][key]) + rng.normal(0, 2e-5, len(value))).tolist()
            if kind == "body" and key != "smplx_body_pose":
                numbers = value
            if kind == "half" and not key.startswith("smplx_root"):
                numbers = [0.0] * (len(value) * 3 // 4) + value[len(value) * 3 // 4 :]
            if kind == "root" and key != "smplx_root_pose":
                numbers = value
            if kind == "hands" and "hand" not in key:
                numbers = value
            made[k][key] = list(source.get(key, numbers))
    if kind == "scattered":
        for k in range(8, 16):
            made[k] = copy.deepcopy(frames[k])
        for k in (2, 5, 6, 11, 19):
            made[k] = {key: [-0.4] * len(value) for key, value in frames[k].items()}
    if kind in ("constant", "noisy constant"):
        made[20:24] = [copy.deepcopy(frames[3]) for _ in range(4)]
    return made


KINDS = [
    "zeros",
    "noise",
    "copies",
    "constant",
    "jittered copies",
    "noisy constant",
    "body",
    "half",
    "root",
    "scattered",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".json", ".npz", ".pt"])
def test_stand_ins_are_gaps_and_told(tmp_path, kind, suffix, caplog):
    clip = fill(kind, TREES["list"], np.random.default_rng(0))
    if suffix != ".json":
        clip = {key: np.float32([one[key] for one in clip]) for key in clip[0]}
        clip = {key: torch.tensor(value) for key, value in clip.items()} if suffix == ".pt" else clip
    reading = read_poses(write_layout(tmp_path, "a", clip, suffix))
    gaps = [2, 5, 6, 11, 19] if kind == "scattered" else list(range(8, 16))
    gaps += range(20, 24) if "constant" in kind else ()
    np.testing.assert_array_equal(np.flatnonzero(~reading.poses.valid), gaps)
    assert reading.stand_ins == len(gaps)
    assert not reading.poses.rotvecs[gaps].any()
    assert "stand-ins" in caplog.text
    assert error_of(reading.poses)[0] < 0.5


def test_hands_of_zeros_are_told(tmp_path):
    reading = read_poses(write_layout(tmp_path, "a", fill("hands", TREES["list"], np.random.default_rng(0))))
    assert reading.poses.valid.all()
    for side in ("left", "right"):
        assert any(f"the {side} hand is all zeros in 8 frames" in warning for warning in reading.warnings)


def test_real_poses_are_no_stand_ins(shared):
    """A real recording, as it stands, on twos and threes, and at rest for long."""
    poses = load_poses(shared / "data" / "pose_json" / "scott_clean.json")
    for rotvecs in (poses.rotvecs, np.repeat(poses.rotvecs[:200], 3, 0), np.repeat(poses.rotvecs[:300], 2, 0)):
        found = find_stand_ins(rotvecs, np.arange(len(rotvecs)))
        assert not any(rows.any() for rows in found.values())


def test_copies_at_the_start_and_at_the_end(tmp_path):
    clip = [*[TREES["list"][5]] * 5, *TREES["list"][5:18], *[TREES["list"][17]] * 6]
    valid = read_poses(write_layout(tmp_path, "a", clip)).poses.valid
    np.testing.assert_array_equal(np.flatnonzero(valid), range(5, 18))
    doubled = [one for one in TREES["list"] for _ in range(3)]  # fewer pictures than frames: none stands in
    assert read_poses(write_layout(tmp_path, "b", doubled)).stand_ins == 0
    still = [TREES["list"][0]] * 6
    reading = read_poses(write_layout(tmp_path, "c", still))
    assert reading.poses.valid.all()
    assert any("same pose" in warning for warning in reading.warnings)
    save_poses(reading.poses, tmp_path / "c.npz")  # what we wrote ourselves says what is valid
    assert read_poses(tmp_path / "c.npz").stand_ins == 0


@pytest.mark.parametrize("how", ["parameters", "nest", "one part", "empty", "person"])
def test_null_frames_are_gaps(tmp_path, how, caplog):
    frames = copy.deepcopy(TREES["list"])
    for k in (0, 10, 11):
        if how == "parameters":
            frames[k] = dict.fromkeys(frames[k])
        elif how == "one part":
            frames[k]["smplx_lhand_pose"] = None
        elif how == "empty":
            frames[k] = {key: [] for key in frames[k]}
    if how in ("nest", "person"):
        nobody = {"bbox": [0, 0, 0, 0], "smplx_params": None} if how == "nest" else None
        frames = [{"people": [nobody if k in (0, 10, 11) else {"smplx_params": one}]} for k, one in enumerate(frames)]
    poses = load_poses(write_layout(tmp_path, "a", frames))
    np.testing.assert_array_equal(np.flatnonzero(~poses.valid), [0, 10, 11])
    assert error_of(poses)[1] < 0.5
    assert "null" in caplog.text or how in ("nest", "person")
    always = [{**one, "smplx_leye_pose": None} for one in TREES["list"]]
    assert load_poses(write_layout(tmp_path, "b", always)).valid.all()


def test_unknown_parts_are_named(tmp_path, caplog):
    clip = [{**one, "left_hand_rotations": one["smplx_lhand_pose"]} for one in TREES["list"]]
    for one in clip:
        del one["smplx_lhand_pose"]
    reading = read_poses(write_layout(tmp_path, "a", clip))
    assert "left_hand_rotations" in "".join(reading.warnings)
    archive = {key: np.float32([one[key] for one in clip]) for key in clip[0]}
    load_poses(write_layout(tmp_path, "b", archive, ".npz"))
    assert caplog.text.count("left_hand_rotations") >= 2
    quiet = [{**one, "pose_keypoints_2d": [1, 2], "bbox": [0, 0, 1, 1], "camera_pose": [1.0]} for one in TREES["list"]]
    assert not any("part of the pose" in text for text in read_poses(write_layout(tmp_path, "c", quiet)).warnings)


RATES = ["fps", "FPS", "frame_rate", "framerate", "frameRate", "video_fps", "mocap_frame_rate", "mocap_framerate"]


@pytest.mark.parametrize("key", RATES)
def test_frame_rates_wherever_they_stand(tmp_path, key):
    frames = TREES["list"]
    places = [{key: 25, "frames": frames}, {"metadata": {key: 25}, "frames": frames},
              {"frames": frames, "a": {"b": {key: "25"}}},
              [{key: 25, **one} for one in frames]]  # fmt: skip
    for place, document in enumerate(places):
        reading = read_poses(write_layout(tmp_path, f"a{place}", document))
        assert (reading.poses.fps, reading.fps_assumed) == (25, False)
    clip = ARRAYS["wrapper"][1] | {"fps": None, key: np.array(25.0)}
    clip = {name: value for name, value in clip.items() if value is not None and name in (key, *ESTIMATOR.split())}
    for suffix in (".npz", ".pkl"):
        numbers = {name: np.asarray(value) for name, value in clip.items()}
        assert read_poses(write_layout(tmp_path, "b", numbers, suffix)).poses.fps == 25
    reading = read_poses(write_layout(tmp_path, "c", {"rate": 25, "frames": frames}))
    assert reading.fps_assumed
    assert any("30 frames per second assumed" in warning for warning in reading.warnings)
    assert not read_poses(tmp_path / "c.json", fps=30).fps_assumed


def crowd(boxes):
    """The speaker, large, and somebody far and small; their boxes as given, their order changing."""
    frames = []
    for k, one in enumerate(TREES["list"]):
        near = {**one, "cam_trans": [0, 0, 0], "bbox": boxes[0]}
        far = {
            **one,
            "smplx_root_pose": [-3.0, 0, 0],
            "cam_trans": [0, 0, 0],
            "smplx_shape": [2.0] * 10,
            "bbox": boxes[1],
        }
        frames.append({"persons": [near, far] if k % 2 else [far, near]})
    return frames


def test_boxes_as_corners_or_sizes(tmp_path, caplog):
    corners = [[50, 40, 450, 700], [1100, 560, 1270, 715]]
    sizes = [[50, 40, 400, 660], [1100, 560, 170, 155]]
    for boxes in (corners, sizes):
        for more in ({}, {"image_size": [720, 1280]}):
            for extra in ([], [0.9]):
                document = {"frames": crowd([box + extra for box in boxes]), **more}
                reading = read_poses(write_layout(tmp_path, "a", document))
                np.testing.assert_allclose(reading.poses.betas, 0.5)
    assert "corners" in caplog.text
    document = {"frames": crowd(corners), "image_size": [720, 1280]}
    path = write_layout(tmp_path, "b", document)
    np.testing.assert_allclose(load_poses(path, person="largest").betas, 0.5)
    people = {one.id: one for one in list_people(path)}
    assert sorted(round(one.size) for one in people.values()) == [170 * 155, 400 * 660]
    for one in people.values():
        shape = load_poses(path, person=one.id).betas[0]
        assert shape == (0.5 if one.size > 1e5 else 2)
    middle = {"frames": crowd([[50, 40, 450, 700], [600, 300, 700, 400]]), "width": 1280, "height": 720}
    np.testing.assert_allclose(load_poses(write_layout(tmp_path, "c", middle), person="central").betas, 2)


def test_tracks_are_listed_and_kept(tmp_path):
    smplx = turned(ROTVECS, PATH, "camera")
    clips = {"a": arrays(*smplx, SMPLX), "b": {k: v[:10] for k, v in arrays(*smplx, SMPLX).items()}}
    clips["b"]["betas"] = np.ones((10, 10))
    path = write_layout(
        tmp_path,
        "a",
        {"people": {name: clip | {"frame_ids": np.arange(len(clip["transl"]))} for name, clip in clips.items()}},
        ".pkl",
    )
    assert [(one.id, one.frames, one.first, one.last) for one in list_people(path)] == [
        ("a", 24, 0, 23),
        ("b", 10, 0, 9),
    ]
    assert len(load_poses(path, person="b")) == 10
    with pytest.raises(ConfigError, match="one of a, b"):
        load_poses(path, person="c")
    flat = [{"frame": k, "track_id": t, **one} for k, one in enumerate(TREES["list"]) for t in (3, 8)]
    assert [one.id for one in list_people(write_layout(tmp_path, "b", flat))] == [3, 8]


def test_a_virtual_camera_is_no_trajectory(tmp_path):
    poses = load_poses(write_layout(tmp_path, "a", TREES["frames"]))
    assert not poses.trajectory
    joints = pose_to_joints(poses).positions
    assert -0.2 < joints[:, [10, 11], 1].min() < 0.15  # the feet are on the ground, not two metres below
    assert np.ptp(joints[:, 0], axis=0).max() < 1e-6
    assert load_poses(write_layout(tmp_path, "b", TREES["numbered"])).trajectory
    save_poses(poses, tmp_path / "a.npz")
    assert not load_poses(tmp_path / "a.npz").trajectory
    np.testing.assert_array_equal(load_poses(tmp_path / "a.npz").transl, poses.transl)
    assert load_body().root_path(poses).shape == (FRAMES, 3)


def test_six_d_rotations_in_both_orders(tmp_path):
    smplx = turned(ROTVECS, PATH, "camera")
    columns = matrices(smplx[0][:, :22])[..., :2]
    for order in ("columns", "interleaved"):
        six = columns.transpose(0, 1, 3, 2) if order == "columns" else columns
        clip = {"global_orient": six[:, :1].reshape(FRAMES, 6), "body_pose": six[:, 1:].reshape(FRAMES, -1), "fps": 30}
        reading = read_poses(write_layout(tmp_path, "a", clip, ".npz"))
        check_right(reading, hands=False)
        assert "6-D" in reading.warnings[0]
    wrong = {"global_orient": np.ones((FRAMES, 6)), "body_pose": np.ones((FRAMES, 126))}
    with pytest.raises(FormatError, match="looks like 6-D rotations, and is none"):
        load_poses(write_layout(tmp_path, "b", wrong, ".npz"))


def test_hands_as_components(tmp_path):
    clip = {key: value for key, value in arrays(*turned(ROTVECS, PATH, "camera"), SMPLX).items() if "hand" not in key}
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(45, 45)))[0]
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", hands_componentsl=components, hands_componentsr=-components)
    for count in (6, 12):
        numbers = np.random.default_rng(count).normal(size=(FRAMES, count)).astype(np.float32)
        path = write_layout(tmp_path, "a", clip | {"left_hand_pose": numbers, "right_hand_pose": numbers}, ".npz")
        with pytest.raises(ConfigError, match=f"{count} PCA numbers.*body_model"):
            load_poses(path)
        poses = load_poses(path, body_model=tmp_path)
        np.testing.assert_allclose(poses.left_hand_pose.reshape(FRAMES, 45), numbers @ components[:count], atol=1e-5)
        np.testing.assert_allclose(poses.right_hand_pose, -poses.left_hand_pose, atol=1e-5)
    zeros = write_layout(tmp_path, "b", clip | {"left_hand_pose": np.zeros((FRAMES, 12))}, ".npz")
    assert not load_poses(zeros).left_hand_pose.any()  # the mean hand, whatever the components


def test_messages_name_keys_and_the_way_out(tmp_path):
    landmarks = {"frames": [{"frame": 0, "pose_landmarks": [{"x": 0, "y": 0, "z": 0}]}]}
    openpose = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [0.0] * 75}]}
    sam = {"pred_keypoints_3d": [[0.0] * 3] * 70, "mhr_model_params": [0.0] * 204}
    for name, document in (("a", landmarks), ("b", openpose), ("c", sam)):
        with pytest.raises(FormatError, match=r"keypoints.*Found: the keys .*Fit SMPL-X.*PoseSequence"):
            load_poses(write_layout(tmp_path, name, document))
    with pytest.raises(FormatError, match=r"keys first; in them the keys second; in them the keys third.*PoseSequence"):
        load_poses(write_layout(tmp_path, "d", {"first": {"second": {"third": 1}}}))
    with pytest.raises(FormatError, match=r"no known layout. Expected: \(T, 322 or 182\)"):
        load_poses(write_layout(tmp_path, "e", np.zeros((4, 100)), ".npy"))
    (tmp_path / "f.pkl").write_bytes(b"hello, world")
    with pytest.raises(FormatError, match="This is no pickle"):
        load_poses(tmp_path / "f.pkl")
    torch.save({"a": Path("/")}, tmp_path / "g.pt")
    with pytest.raises(FormatError, match=r"Found: pathlib\.PosixPath\. Save") as caught:
        load_poses(tmp_path / "g.pt")
    assert "\x1b" not in str(caught.value)


def test_a_layout_is_added_from_outside(tmp_path):
    register_pose_format(
        PoseFormat("lab", "our lab's ``.npz``", "z up", True, (".npz",), marks=("joint_turns",),
                   renamed={"joint_turns": "whole", "where": "transl"})
    )  # fmt: skip
    try:
        rotvecs, path = turned(ROTVECS, PATH, "z up")
        file = write_layout(tmp_path, "a", {"joint_turns": rotvecs, "where": path, "fps": 50}, ".npz")
        reading = read_poses(file)
        check_right(reading)
        assert (reading.layout, reading.poses.fps, reading.poses.flat_hand_mean) == ("lab", 50, True)
        np.testing.assert_allclose(reading.poses.transl, PATH, atol=1e-5)
        with pytest.raises(ConfigError, match="there already"):
            register_pose_format(PoseFormat("lab", ""))
        assert "our lab's" in layout_table()
    finally:
        del POSE_FORMATS["lab"]
    register_pose_format(PoseFormat("text", "", "y up", suffixes=(".poses",), read=lambda path: {"poses": ROTVECS}))
    try:
        (tmp_path / "a.poses").write_text("x")
        check_right(read_poses(tmp_path / "a.poses"))
    finally:
        del POSE_FORMATS["text"]


def test_the_documentation_has_the_table():
    page = Path(__file__).parent.parent / "docs" / "data.rst"
    assert layout_table() in page.read_text(encoding="utf-8"), "docs/data.rst: paste layout_table() there"


def test_unneeded_members_cost_nothing(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **ARRAYS["arrays"][1])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("vertices.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (50_000_000,)})
        for _ in range(50):
            file.write(bytes(4_000_000))
    tracemalloc.start()
    check_right(read_poses(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_needed_members_have_limits(tmp_path, monkeypatch):
    path = write_layout(tmp_path, "a", ARRAYS["arrays"][1], ".npz")
    monkeypatch.setattr("ktube_motion.io._untrusted._MOST_BYTES", 1000)
    with pytest.raises(FormatError, match="unpacks to too much"):
        load_numpy(path)


def test_nested_containers_are_refused_at_once(tmp_path):
    path = tmp_path / "a.pkl"
    for code in (b"\x80\x04)" + b"2\x86" * 60 + b".", b"\x80\x04]q\x00" + b"]q\x01(h\x00h\x00eq\x00" * 60 + b"."):
        path.write_bytes(code)
        began = time.perf_counter()
        with pytest.raises(FormatError, match="hold each other without end"):
            load_pickle(path)
        assert time.perf_counter() - began < 1


class Trap:
    """A factory that would tell on itself."""

    def __call__(self):
        raise AssertionError("a factory ran")

    def __reduce__(self):
        return Trap, ()


def test_factories_never_run_and_tensors_are_data(tmp_path):
    from collections import defaultdict

    for factory in (dict, list, int, float, str, None):
        path = write_layout(tmp_path, "a", defaultdict(factory, {"x": np.ones(2)}), ".pkl")
        found = load_pickle(path)
        assert type(found) is dict
        assert found["x"].tolist() == [1, 1]
    with pytest.raises(FormatError, match="may not be opened"):
        load_pickle(write_layout(tmp_path, "a", defaultdict(Trap(), {"x": 1}), ".pkl"))
    (tmp_path / "a.pkl").write_bytes(b"cbuiltins\nint\n(S'1'\ntR.")
    with pytest.raises(FormatError, match="damaged"):
        load_pickle(tmp_path / "a.pkl")
    tensor = torch.arange(24.0).reshape(4, 6)
    torch.save(defaultdict(dict, {"t": tensor.t(), "part": tensor[1:3, ::2], "n": np.arange(3)}), tmp_path / "a.pt")
    found = load_torch(tmp_path / "a.pt")
    np.testing.assert_array_equal(found["t"], tensor.t())
    np.testing.assert_array_equal(found["part"], tensor[1:3, ::2])
    np.testing.assert_array_equal(found["n"], [0, 1, 2])


def mutate_arrays(rng, contents):
    """Change one thing of a dict of arrays, however deep."""
    places = []
    stack = [contents]
    while stack:
        inner = stack.pop()
        for key in list(inner) if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], dict | list):
                stack.append(inner[key])
    inner, key = rng.choice(places)
    value = inner[key]
    odd = [None, "x", -1, [], {}, np.zeros(0), np.array("x"), np.ones((2, 2)), np.full((FRAMES, 3), np.nan),
           {"a": [1, [2]]}, np.ones((FRAMES, 3), complex), [[1], [2, 3]], np.arange(FRAMES), True, 1e300,
           np.array([{}], object)]  # fmt: skip
    action = rng.randrange(6)
    if action == 0:
        inner[key] = rng.choice(odd)
    elif action == 1 and hasattr(value, "shape") and np.ndim(value):
        inner[key] = value[: rng.randrange(len(value) + 1)]
    elif action == 2 and hasattr(value, "reshape"):
        inner[key] = value.reshape(-1)
    elif action == 3 and isinstance(inner, dict):
        inner[rng.choice(["pose", "body_pose", "frames", "valid", "bbox", "tid", "fps", "x", 7, "betas"])] = inner.pop(
            key
        )
    elif action == 4 and isinstance(inner, dict):
        inner[rng.choice(["poses", "shape", "smplx", "people", "transl", "frame_ids"])] = rng.choice(odd)
    else:
        inner[key] = [value]


@pytest.mark.parametrize("name", ARRAYS)
def test_fuzzed_contents(tmp_path, name):
    suffix, contents, _ = ARRAYS[name]
    loaded = 0
    for seed in range(max(CASES // 15, 8)):
        rng = random.Random(f"{name}{seed}")
        made = copy.deepcopy(contents)
        made = made.item() if isinstance(made, np.ndarray) and made.dtype.hasobject else made
        for _ in range(rng.randint(1, 3)):
            if isinstance(made, dict | list) and made:
                mutate_arrays(rng, made)
        try:
            path = write_layout(tmp_path, "a", made, ".pkl" if suffix == ".npz" and rng.random() < 0.5 else suffix)
        except (ValueError, TypeError, AttributeError):
            continue  # NumPy cannot write such a file
        loaded += _loads(path)
        data = bytearray(path.read_bytes())
        for _ in range(rng.choice([1, 4])):
            data[rng.randrange(min(len(data), 600) if rng.random() < 0.6 else len(data))] = rng.randrange(256)
        path.write_bytes(data)
        _loads(path)
    assert loaded or CASES < 1000


@pytest.mark.parametrize("name", TREES)
def test_fuzzed_documents(tmp_path, name):
    for seed in range(max(CASES // 20, 6)):
        rng = random.Random(f"{name}{seed}")
        made = copy.deepcopy(TREES[name])
        made = {key: made[key] for key in list(made)[:4]} if isinstance(made, dict) and len(made) > 20 else made
        made = made[:4] if isinstance(made, list) else made
        for _ in range(rng.randint(1, 3)):
            if made:
                mutate_arrays(rng, made)
        path = tmp_path / "a.json"
        path.write_text(json.dumps(made, default=lambda value: value.tolist() if value.dtype.kind not in "cO" else "x",
                                   skipkeys=True))  # fmt: skip
        _loads(path)


def _loads(path):
    """Load; a KtubeError or valid poses are fine, anything else fails the test by itself."""
    logging.getLogger("ktube_motion.io").setLevel(logging.ERROR)
    try:
        poses = load_poses(path)
        list_people(path)
    except KtubeError:
        return False
    finally:
        logging.getLogger("ktube_motion.io").setLevel(logging.NOTSET)
    assert poses.valid.any()
    assert np.isfinite(poses.rotvecs).all()
    assert np.isfinite(poses.transl).all()
    assert len(poses) <= 100_000
    return True
