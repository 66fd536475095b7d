"""Keypoints that people already have: every spelling gives the same; a picture's are refused in plain words."""

import json

import numpy as np
import pytest

from ktube_motion.errors import ConfigError, DataError, FormatError
from ktube_motion.io._files import write_text
from ktube_motion.kinematics import BODY_LANDMARKS, HAND_LANDMARKS, fit_landmarks
from ktube_motion.video import read_landmarks

FRAMES = 5
RNG = np.random.default_rng(0)
BODY = RNG.normal(0, 0.3, (FRAMES, 33, 3)).round(4)
HAND = RNG.normal(0, 0.04, (FRAMES, 21, 3)).round(4)
SEEN = RNG.uniform(0.3, 1, (FRAMES, 33)).round(3)
OURS = BODY * (1, -1, -1)


def points(rows, weights=None):
    keys = ("x", "y", "z", "visibility")
    return [
        dict(zip(keys, [*map(float, row), 1.0 if weights is None else float(weights[k])], strict=True))
        for k, row in enumerate(rows)
    ]


def spellings():
    frames = range(FRAMES)
    yield "legacy", [{"pose_world_landmarks": points(BODY[k], SEEN[k]), "left_hand_landmarks": None} for k in frames]
    yield "proto", [{"pose_world_landmarks": {"landmark": points(BODY[k], SEEN[k])}} for k in frames]
    yield "tasks", {"fps": 25, "frames": [{"poseWorldLandmarks": [points(BODY[k], SEEN[k])]} for k in frames]}
    yield "rows", [[[*map(float, row), float(w)] for row, w in zip(BODY[k], SEEN[k], strict=True)] for k in frames]
    yield "both", [{"pose_landmarks": points(BODY[k] * 9), "worldLandmarks": points(BODY[k], SEEN[k])} for k in frames]


@pytest.mark.parametrize(("name", "tree"), list(spellings()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_json_gives_the_same(tmp_path, name, tree):
    path = tmp_path / f"{name}.json"
    write_text(path, json.dumps(tree))
    clip = read_landmarks(path, fps=None if name == "tasks" else 25)
    body = clip.select(BODY_LANDMARKS)
    np.testing.assert_allclose(body.points, OURS, atol=1e-6)
    np.testing.assert_allclose(body.weights, SEEN, atol=1e-6)
    assert clip.fps == 25


@pytest.mark.parametrize("places", ["x and y first", "x and y last"])
def test_legs_below_the_picture_are_a_guess(tmp_path, places):
    seen = np.full((33, 3), 0.5)
    seen[25:, 1] = np.linspace(1.2, 1.9, 8)
    seen[27] = (0.5, 1.02, 0)  # just beyond the edge
    keys = {"pose_landmarks": points(seen), "pose_world_landmarks": points(BODY[0])}
    keys = keys if places == "x and y first" else dict(reversed(keys.items()))
    write_text(tmp_path / "a.json", json.dumps([keys, {"pose_world_landmarks": points(BODY[1])}]))
    weights = read_landmarks(tmp_path / "a.json", fps=20).select(BODY_LANDMARKS).weights
    assert np.flatnonzero(weights[0] == 0).tolist() == [25, 26, 28, 29, 30, 31, 32]
    assert weights[1].min() == 1  # where the picture is not told


@pytest.mark.parametrize(
    "pictured", [None, [], "?", [{"x": 0.5, "y": 2}] * 33, [[0.5]] * 33, [{"x": 0.5}] * 33, [[0, 1, 2]]]
)
def test_landmarks_in_the_picture_need_not_be_any(tmp_path, pictured):
    """Of the world's all is read."""
    write_text(tmp_path / "a.json", json.dumps([{"pose_landmarks": pictured, "pose_world_landmarks": points(BODY[0])}]))
    assert read_landmarks(tmp_path / "a.json", fps=20).select(BODY_LANDMARKS).weights.min() == 1


def test_hands_and_missing_frames(tmp_path):
    frames = [
        {"pose_world_landmarks": points(BODY[k]), "right_hand_landmarks": points(HAND[k] * 700)} for k in range(4)
    ]
    frames.insert(2, {"pose_world_landmarks": None})
    write_text(tmp_path / "a.json", json.dumps(frames))
    clip = read_landmarks(tmp_path / "a.json", fps=30)
    assert clip.weights[2].max() == 0
    hand = clip.select([f"right_hand_{name}" for name in HAND_LANDMARKS])
    palm = np.linalg.norm(hand.points[[0, 1, 3, 4], 9] - hand.points[[0, 1, 3, 4], 0], axis=-1)
    assert np.median(palm) == pytest.approx(0.095, abs=1e-5)  # pixels became metres
    poses = fit_landmarks(clip)
    assert poses.valid.tolist() == [True, True, False, True, True]


def named_table():
    head = [f"{name}_{part}" for name in BODY_LANDMARKS for part in ("x", "y", "z", "visibility")]
    yield "named", ["time", *head], np.concatenate([BODY, SEEN[..., None]], -1).reshape(FRAMES, -1)
    head = [f"{letter}{number}" for number in range(1, 34) for letter in "xyzv"]
    yield "numbered from 1", ["class", *head], np.concatenate([BODY, SEEN[..., None]], -1).reshape(FRAMES, -1)
    head = [f"{name.upper()}.{part}" for name in BODY_LANDMARKS for part in "xyz"]
    yield "without weights", ["frame_name", *head], BODY.reshape(FRAMES, -1)


@pytest.mark.parametrize(("name", "head", "rows"), list(named_table()), ids=[table[0] for table in named_table()])
def test_wide_tables(tmp_path, name, head, rows):
    lines = [",".join(head), *(",".join(["a", *map(str, row)]) for row in rows)]
    write_text(tmp_path / "a.csv", "\n".join(lines) + "\n")
    clip = read_landmarks(tmp_path / "a.csv", fps=30).select(BODY_LANDMARKS)
    np.testing.assert_allclose(clip.points, OURS, atol=1e-6)
    np.testing.assert_allclose(clip.weights, 1 if "without" in name else SEEN, atol=1e-6)


def test_long_tables(tmp_path):
    lines = ["frame\tlandmark\tx\ty\tz\tvisibility"]
    for frame in (0, 1, 3):
        lines += [
            "\t".join(map(str, (frame, name, *BODY[frame, k], SEEN[frame, k]))) for k, name in enumerate(BODY_LANDMARKS)
        ]
    write_text(tmp_path / "a.tsv", "\n".join(lines))
    clip = read_landmarks(tmp_path / "a.tsv", fps=30).select(BODY_LANDMARKS)
    np.testing.assert_allclose(clip.points[[0, 1, 3]], OURS[[0, 1, 3]], atol=1e-6)
    assert clip.weights[2].max() == 0


@pytest.mark.parametrize(
    "names",
    [("left_shoulder", "right_shoulder", "left_elbow"), ("LeftShoulder", "RightShoulder", "LeftElbow"),
     ("shoulder_left", "shoulder_right", "elbow_left"), ("LShoulder", "RShoulder", "LElbow"),
     ("L_Shoulder", "R_Shoulder", "L_Elbow"), ("l-sho", "r-sho", "l-elb")],
)  # fmt: skip
def test_arrays_with_names(tmp_path, names):
    np.savez(tmp_path / "a.npz", keypoints=BODY[:, :3] * 1000 * (1, 100, 1), names=np.array(names), fps=12.5)
    clip = read_landmarks(tmp_path / "a.npz", axes="y up")
    assert clip.names == ("left_shoulder", "right_shoulder", "left_elbow")
    np.testing.assert_allclose(clip.points, BODY[:, :3] * (1, 100, 1), rtol=1e-4, atol=1e-5)  # millimetres are told
    assert clip.fps == 12.5


def test_pose_format_files(tmp_path):
    pose_format = pytest.importorskip("pose_format")
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    def component(name, points):
        return PoseHeaderComponent(name, [point.upper() for point in points], [], [], "XYZC")

    parts = [component("POSE_WORLD_LANDMARKS", BODY_LANDMARKS), component("LEFT_HAND_LANDMARKS", HAND_LANDMARKS)]
    data = np.concatenate([BODY, HAND * 800], 1)[:, None]
    body = NumPyPoseBody(24, data, np.ones(data.shape[:-1], np.float32))
    with (tmp_path / "a.pose").open("wb") as file:
        pose_format.Pose(PoseHeader(0.1, PoseHeaderDimensions(640, 480, 0), parts), body).write(file)
    clip = read_landmarks(tmp_path / "a.pose")
    assert clip.fps == 24
    np.testing.assert_allclose(clip.select(BODY_LANDMARKS).points, OURS, atol=1e-5)
    assert "left_hand_thumb_tip" in clip.names
    (tmp_path / "b.pose").write_bytes(b"nonsense")
    with pytest.raises(FormatError, match="cannot be read"):
        read_landmarks(tmp_path / "b.pose")


FLAT = {"pose_keypoints_2d": [1.0, 2.0, 0.9] * 25, "hand_left_keypoints_2d": [1, 2, 0] * 21, "pose_keypoints_3d": []}
OPENPOSE = {"version": 1.3, "people": [FLAT]}


def test_keypoints_of_a_picture_say_what_they_lack(tmp_path):
    folder = tmp_path / "talk"
    folder.mkdir()
    for frame in range(3):
        write_text(folder / f"talk_{frame:012d}_keypoints.json", json.dumps(OPENPOSE))
    with pytest.raises(DataError, match=r"no depth.*25 points in pose_keypoints_2d.*how far an arm reaches"):
        read_landmarks(folder, fps=30)
    write_text(tmp_path / "aihub.json", json.dumps({"people": OPENPOSE["people"][0]}))
    with pytest.raises(DataError, match="no depth"):
        read_landmarks(tmp_path / "aihub.json", fps=30)
    write_text(tmp_path / "flat.csv", "left_wrist_x,left_wrist_y\n1,2\n3,4\n")
    with pytest.raises(DataError, match="no depth"):
        read_landmarks(tmp_path / "flat.csv", fps=30)
    np.save(tmp_path / "flat.npy", np.zeros((4, 17, 2)))
    with pytest.raises(DataError, match="no depth"):
        read_landmarks(tmp_path / "flat.npy", fps=30)
    np.save(tmp_path / "zero.npy", np.concatenate([BODY[..., :2], np.zeros((FRAMES, 33, 1))], -1))
    with pytest.raises(DataError, match="no depth"):
        read_landmarks(tmp_path / "zero.npy", fps=30)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.json", "[]", FormatError, "no frames"),
        ("a.json", "{", FormatError, "not valid JSON"),
        ("a.json", '[{"pose_world_landmarks": [{"x": 1}]}]', FormatError, "not x, y and z"),
        ("a.json", '[{"pose_world_landmarks": [[1, 2, 3]]}]', FormatError, "Wrong number"),
        ("a.json", '[{"pose_landmarks": [[1, 2, 3]]}]', DataError, "no world landmarks"),
        ("a.csv", "x,y\n", FormatError, "no lines"),
        ("a.csv", "nose_x,nose_y,nose_z\n1,2\n", FormatError, "number of columns"),
        ("a.csv", "nose_x,nose_y,nose_z\n1,2,3\n", DataError, "Too few"),
        ("a.txt", "", FormatError, "not known"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, error, message):
    write_text(tmp_path / name, content)
    with pytest.raises(error, match=message):
        read_landmarks(tmp_path / name, fps=30)


def test_fps_and_names_are_asked_for(tmp_path):
    np.save(tmp_path / "a.npy", BODY)
    with pytest.raises(ConfigError, match="frames per second"):
        read_landmarks(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", BODY[:, :5])
    with pytest.raises(ConfigError, match="no names"):
        read_landmarks(tmp_path / "b.npy", fps=30)
    with pytest.raises(FormatError, match="no such file"):
        read_landmarks(tmp_path / "c.npy", fps=30)
