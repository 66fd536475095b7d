"""Pose files as other people's tools leave them: frames under odd names, flags, rates, folders, people, doubts."""

import copy
import json

import numpy as np
import pytest
from pose_layouts import ESTIMATOR, FRAMES, SMPLX, arrays, frames_of, matrices, speaker, turned, write_layout
from scipy.spatial.transform import Rotation

from ktube_motion.errors import DataError, FormatError
from ktube_motion.io import list_people, read_poses

ROTVECS, PATH = speaker()
ROTVECS[:, 4:6, 0] += 0.6  # knees that bend
CLIP = frames_of(arrays(*turned(ROTVECS, PATH, "camera"), ESTIMATOR))
OTHER = [{**one, "smplx_root_pose": [2.6, 1.4, 0.2], "smplx_shape": [2.0] * 10, "cam_trans": [1, 0, 7]} for one in CLIP]


def read(folder, document, **options):
    return read_poses(write_layout(folder, "a", document), **options)


def check(reading, gaps=(), told=None, fps=None):
    """All frames are right but the gaps, and it is told."""
    poses = reading.poses
    assert len(poses) == FRAMES
    np.testing.assert_array_equal(np.flatnonzero(~poses.valid), list(gaps))
    turns = [Rotation.from_rotvec(one[poses.valid, :22].reshape(-1, 3)) for one in (poses.rotvecs, ROTVECS)]
    assert np.degrees((turns[0].inv() * turns[1]).magnitude().max()) < 0.5
    if told is not None:
        assert any(told in warning for warning in reading.warnings), reading.warnings
    if fps is not None:
        assert (poses.fps, reading.fps_assumed) == (fps, False)


WRAPS = {
    "times": lambda clip: {f"{k / 25:.3f}": one for k, one in enumerate(clip)},
    "names": lambda clip: {f"talk2024_{k + 1:05}": one for k, one in enumerate(clip)},
    "letters": lambda clip: {f"f{k:03}": one for k, one in enumerate(clip)},
    "videos": lambda clip: {"videos": [{"name": "a.mp4", "frames": clip}]},
    "images": lambda clip: [{"frame": f"{k:06}.jpg", **one} for k, one in enumerate(clip)],
    "text": lambda clip: [{key: list(map(str, value)) for key, value in one.items()} for one in clip],
    "tracks": lambda clip: [{"id": 7, "frames": clip}, {"id": 8, "frames": OTHER[:9]}],
}


@pytest.mark.parametrize("how", WRAPS)
def test_frames_under_any_name(tmp_path, how):
    check(read(tmp_path, WRAPS[how](CLIP)), fps=25 if how == "times" else None)


def test_people_are_no_frames(tmp_path):
    people = [{"p1": one, "p2": other, "p3": other} for one, other in zip(CLIP, OTHER, strict=True)]
    assert [person.id for person in list_people(write_layout(tmp_path, "a", people))] == ["p1", "p2", "p3"]
    crowd = [{"people": [CLIP[0]] * 20}]
    assert any("20 people are in one frame" in text for text in read(tmp_path, crowd).warnings)
    mixed = {"frames": CLIP, "mean": CLIP[0]}
    check(read(tmp_path, mixed), told="1 more poses")


@pytest.mark.parametrize("key", ["valid", "detected", "is_valid"])
def test_flags_of_frames(tmp_path, key):
    marked = [{**one, key: k not in (3, 4)} for k, one in enumerate(CLIP)]
    check(read(tmp_path, marked), gaps=[3, 4], told="2 frames are marked as not seen")


@pytest.mark.parametrize("nothing", ["", False, "missing"])
def test_frames_that_are_nothing(tmp_path, nothing):
    clip = copy.deepcopy(CLIP)
    clip[5] = {k: v for k, v in clip[5].items() if "lhand" not in k} if nothing == "missing" else nothing
    check(read(tmp_path, clip), gaps=[5])


RATES = {
    "ratio": {"fps": {"num": 30000, "den": 1001}}, "list": {"fps": [29.97]}, "unit": {"fps": "29.97 fps"},
    "any": {"cap_fps": 29.97}, "step": {"frame_time": 1 / 29.97}, "deep": {"a": {"b": {"r_frame_rate": "30000/1001"}}},
    "stamps": {"timestamps": [k / 29.97 for k in range(FRAMES)]},
}  # fmt: skip


@pytest.mark.parametrize("how", RATES)
def test_rates_however_they_are_written(tmp_path, how):
    reading = read(tmp_path, {**RATES[how], "frames": CLIP})
    assert reading.poses.fps == pytest.approx(29.97, abs=1e-3)
    assert not reading.fps_assumed


def test_rates_that_contradict_or_cannot_be(tmp_path):
    check(read(tmp_path, {"fps": 30, "video": {"fps": 25}, "frames": CLIP}), told="several frame rates: fps 30, fps 25")
    with pytest.raises(FormatError, match=r"impossible.*fps="):
        read(tmp_path, {"fps": 0, "frames": CLIP})
    check(read(tmp_path, [{"time": f"00:00:0{k / 30:.3f}", **one} for k, one in enumerate(CLIP)]), fps=30)


def test_utf_16_and_lines(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(CLIP).encode("utf-16"))
    check(read_poses(path))
    (tmp_path / "a.ndjson").write_text("\n".join(map(json.dumps, CLIP)))
    check(read_poses(tmp_path / "a.ndjson"))


NAMES = [
    "talk_1080p_{:06}",
    "{:06}_1080p",
    "person_0/{:06}",
    "frame_{:06}/result",
    "output/{:06}",
    "0_{:06}",
    "{:06}p0",
]


@pytest.mark.parametrize("name", NAMES)
def test_folders_under_any_name(tmp_path, name):
    for k, one in enumerate(CLIP):
        path = tmp_path / f"{name.format(k)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(one))
    check(read_poses(tmp_path))


def test_what_lies_beside_frames(tmp_path):
    for k, one in enumerate(CLIP):
        np.save(tmp_path / f"{k:06}.npy", {key: np.array(value) for key, value in one.items()}, allow_pickle=True)
        (tmp_path / f"{k:06}.json").write_text('{"keypoints": [1]}')
    (tmp_path / "meta.json").write_text('{"fps": 25}')
    np.save(tmp_path / "summary_2.npy", np.zeros(3))
    (tmp_path / "000003.npy").write_bytes(b"")
    reading = read_poses(tmp_path, format="frames")
    check(reading, gaps=[3], told="summary_2.npy: named otherwise", fps=25)
    assert any("1 files are empty" in warning for warning in reading.warnings)
    assert any(
        "grow by 33" in text for text in read(tmp_path, [{"frame": 33 * k, **o} for k, o in enumerate(CLIP)]).warnings
    )


def test_the_default_is_whoever_is_largest_over_the_clip(tmp_path):
    def people(k):
        passing = [{**OTHER[k], "bbox": [0, 0, 800, 800]}] if k < 4 else []
        return {"people": [*passing, {**CLIP[k], "bbox": [300, 200, 560, 700]}]}

    check(read(tmp_path, [people(k) for k in range(FRAMES)]))
    small = [{"people": [{**OTHER[k], "bbox": [0, 0, 9, 9]}, *([{**one, "bbox": [9, 9, 500, 700]}] if k > 6 else [])]}
             for k, one in enumerate(CLIP)]  # fmt: skip
    check(read(tmp_path, small), gaps=range(7))


def test_tracks_that_go_on_are_joined_and_others_told(tmp_path):
    switched = [{"people": [{**one, "track_id": 1 if k < 9 else 7}]} for k, one in enumerate(CLIP)]
    check(read(tmp_path, switched), told="follow each other in the same pose")
    reading = read(tmp_path, [{"people": [{**(one if k < 9 else OTHER[k]), "track_id": k // 9}]}
                              for k, one in enumerate(CLIP)])  # fmt: skip
    assert any("others: " in warning for warning in reading.warnings)


def doubtful(kind):
    clip = copy.deepcopy(CLIP)
    for k in range(6, 16):
        if kind == "body":
            clip[k] |= {key: clip[5][key] for key in ("smplx_root_pose", "smplx_body_pose")}
        elif kind == "line":
            clip[k] = {key: (np.array(clip[5][key]) * (16 - k) / 11 + np.array(clip[16][key]) * (k - 5) / 11).tolist()
                       for key in clip[k]}  # fmt: skip
    if kind == "copies":
        clip = [clip[k // 2] for k in range(FRAMES)]
    elif kind == "latent":
        clip = [{**one, "smplx_body_pose": [0.0] * 63} for one in clip]
    return clip


DOUBTS = {"body": "body stands still to the digit in 10", "line": "10 frames lie on straight lines",
          "copies": "each pose stands there 2 times", "latent": "latent (VPoser)"}  # fmt: skip


@pytest.mark.parametrize("kind", DOUBTS)
def test_doubts_are_told(tmp_path, kind):
    assert any(DOUBTS[kind] in warning for warning in read(tmp_path, doubtful(kind)).warnings)
    assert not any(DOUBTS[kind] in warning for warning in read(tmp_path, CLIP).warnings)


def test_inverse_rotations_degrees_and_backs(tmp_path):
    camera, path = turned(ROTVECS, PATH, "camera")
    turns = matrices(camera).swapaxes(-1, -2)
    clip = {"global_orient": turns[:, :1], "body_pose": turns[:, 1:22]}
    assert any("bend the wrong way" in text for text in read_poses(write_layout(tmp_path, "a", clip, ".npz")).warnings)
    away = camera.copy()
    away[:, 0] = (Rotation.from_euler("y", 180, degrees=True) * Rotation.from_rotvec(camera[:, 0])).as_rotvec()
    assert any("faces away" in text for text in read(tmp_path, frames_of(arrays(away, path, ESTIMATOR))).warnings)
    with pytest.raises(DataError, match="degrees"):
        read(tmp_path, frames_of(arrays(np.degrees(camera), path, SMPLX)))


def test_rates_of_layouts(tmp_path):
    rows = np.concatenate([ROTVECS[:, :22].reshape(FRAMES, -1), ROTVECS[:, 25:].reshape(FRAMES, -1),
                           np.zeros((FRAMES, 153)), PATH, np.zeros((FRAMES, 10))], 1)  # fmt: skip
    np.save(tmp_path / "a.npy", rows)
    check(read_poses(tmp_path / "a.npy"), fps=30)
