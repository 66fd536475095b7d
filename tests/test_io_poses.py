"""Reading poses: every source, the time line, the choice of a person, damaged and hostile files."""

import base64
import bz2
import gzip
import json
import lzma
import pickle
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from ktube_motion.errors import ConfigError, DataError, FormatError
from ktube_motion.filters import resample
from ktube_motion.io._pose_reading import read_poses
from ktube_motion.io._poses import POSE_FORMATS, load_poses, save_poses
from ktube_motion.io._timeline import CAMERA_TO_Y_UP, Z_UP_TO_Y_UP, turn
from ktube_motion.types import PoseSequence

FLIP = np.diag([1.0, -1, -1])
SIZES = {"root_pose": 3, "body_pose": 63, "jaw_pose": 3, "lhand_pose": 45, "rhand_pose": 45, "shape": 10, "expr": 10}


def estimate(rng, *, prefix="smplx_", x=0.0, depth=3.0):
    """One person in one frame, as Hand4Whole writes it: upright in camera axes, at (x, 0, depth)."""
    pose = {prefix + name: (0.1 * rng.standard_normal(size)).tolist() for name, size in SIZES.items()}
    pose[prefix + "root_pose"] = [float(np.pi - 0.1), *(0.1 * rng.standard_normal(2))]
    pose["cam_trans" if prefix else "trans"] = [x, 0.2, depth]
    return pose


def write(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def people(rng):
    return [estimate(rng) for _ in range(5)]


def check_against(poses, estimates, prefix="smplx_"):
    """Every number of every frame arrived, turned y up."""
    for frame, one in enumerate(estimates):
        root = Rotation.from_rotvec(poses.global_orient[frame]).as_matrix()
        turned = FLIP @ Rotation.from_rotvec(one[prefix + "root_pose"]).as_matrix()
        np.testing.assert_allclose(root, turned, atol=1e-6)
        np.testing.assert_allclose(poses.body_pose[frame].ravel(), one[prefix + "body_pose"], atol=1e-6)
        np.testing.assert_allclose(poses.jaw_pose[frame], one[prefix + "jaw_pose"], atol=1e-6)
        np.testing.assert_allclose(poses.left_hand_pose[frame].ravel(), one[prefix + "lhand_pose"], atol=1e-6)
        np.testing.assert_allclose(poses.right_hand_pose[frame].ravel(), one[prefix + "rhand_pose"], atol=1e-6)
        np.testing.assert_allclose(poses.expression[frame], one[prefix + "expr"], atol=1e-6)
    np.testing.assert_allclose(poses.transl[0], FLIP @ one["cam_trans" if prefix else "trans"], atol=1e-6)
    np.testing.assert_allclose(poses.betas, np.median([e[prefix + "shape"] for e in estimates], 0), atol=1e-6)
    assert not poses.flat_hand_mean


def test_json_layouts_agree(tmp_path, people):
    layouts = {
        "list": people,
        "frames": {"fps": 25, "frames": people},
        "keyed": {"frames": {f"{k:05}": one for k, one in enumerate(people)}, "fps": 25},
        "top": {str(k): one for k, one in enumerate(people)},
        "images": {f"frame_{k:04}.jpg": [one] for k, one in enumerate(people)},
        "shuffled": {"frames": [{"frame": str(k), **people[k]} for k in (3, 0, 4, 2, 1)]},
        "nested": [{"frame": k, "smplx_param": one} for k, one in enumerate(people)],
        "squeezed": [{name: [value] for name, value in one.items()} for one in people],
    }
    for name, value in layouts.items():
        poses = load_poses(write(tmp_path / f"{name}.json", value))
        check_against(poses, people)
        assert len(poses) == 5
        assert poses.fps == (25 if name in ("frames", "keyed") else 30)
    folder = tmp_path / "folder"
    folder.mkdir()
    for k, one in enumerate(people):
        write(folder / f"{k + 1:05}.json", {"smplx_param": one} if k % 2 else one)
    check_against(load_poses(folder), people)


def test_hand4whole_annotation(tmp_path, rng):
    people = [estimate(rng, prefix="") for _ in range(3)]
    check_against(load_poses(write(tmp_path / "a.json", [{"smplx_param": one} for one in people])), people, "")
    check_against(load_poses(write(tmp_path / "one.json", people[0])), people[:1], "")


def test_real_recording(shared):
    clean = load_poses(shared / "data/pose_json/scott_clean.json")
    noisy = load_poses(shared / "data/pose_json/scott_noisy.json")
    assert clean.rotvecs.shape == noisy.rotvecs.shape == (600, 55, 3)
    assert clean.fps == 30
    assert clean.valid.all()
    gaps = np.flatnonzero(~noisy.valid)
    assert len(gaps) == 11
    assert (np.diff(gaps) > 1).sum() == 2  # three gaps
    assert not noisy.rotvecs[gaps].any()
    assert np.abs(clean.rotvecs[noisy.valid] - noisy.rotvecs[noisy.valid])[:, 1:].mean() < np.radians(4)
    up = Rotation.from_rotvec(clean.global_orient).apply([0, 1, 0])
    assert (up[:, 1] > 0.8).all()  # the speaker sits or stands upright, y up


def test_gaps_stay_on_the_time_line(tmp_path, people):
    frames = [{"frame": n, **one} for n, one in zip((2, 3, 7, 8, 11), people, strict=True)]
    poses = load_poses(write(tmp_path / "a.json", frames))
    np.testing.assert_array_equal(np.flatnonzero(poses.valid), [2, 3, 7, 8, 11])
    assert not poses.rotvecs[~poses.valid].any()
    assert not poses.transl[~poses.valid].any()
    empties = [people[0], None, {}, [], {"people": []}, people[1], None]
    poses = load_poses(write(tmp_path / "b.json", empties))
    np.testing.assert_array_equal(poses.valid, [True, False, False, False, False, True, False])


def test_bad_frames_become_gaps(tmp_path, people):
    people[1]["smplx_body_pose"][5] = float("nan")
    people[2]["cam_trans"][0] = float("inf")
    people[3]["smplx_shape"][0] = 1e300
    people[4]["smplx_expr"][0] = None
    poses = load_poses(write(tmp_path / "a.json", people))
    np.testing.assert_array_equal(poses.valid, [True, False, False, False, False])
    with pytest.raises(DataError, match=r"a\.json: No frame has a usable pose"):
        load_poses(write(tmp_path / "a.json", people[1:]))
    with pytest.raises(DataError, match="0 detections in 2 frames"):
        load_poses(write(tmp_path / "a.json", [None, []]))


@pytest.mark.parametrize("number", [-1, "-3", 1.5, "x", True, None, float("nan"), [1]])
def test_bad_frame_numbers(tmp_path, people, number):
    frames = [{"frame": k, **one} for k, one in enumerate(people)]
    frames[3]["frame"] = number
    with pytest.raises(FormatError, match=r"a\.json.*frame number"):
        load_poses(write(tmp_path / "a.json", frames))


@pytest.mark.parametrize("number", [10**9, "1e12", 10**400, 5000])
def test_absurd_gaps_are_refused_before_memory_is_taken(tmp_path, people, number):
    frames = [{"frame": k, **one} for k, one in enumerate(people)]
    frames[3]["frame"] = number
    with pytest.raises(FormatError, match=r"absurd gaps|whole number"):
        load_poses(write(tmp_path / "a.json", frames))


def test_double_frames_and_half_numbering(tmp_path, people):
    frames = [{"frame": k, **one} for k, one in enumerate(people)]
    frames[3]["frame"] = "001"
    with pytest.raises(FormatError, match=r"a\.json, frame 1: A frame comes twice"):
        load_poses(write(tmp_path / "a.json", frames))
    del frames[3]["frame"]
    with pytest.raises(FormatError, match="frame number is negative"):
        load_poses(write(tmp_path / "b.json", {"0": people[0], "-1": people[1]}))
    with pytest.raises(FormatError, match="Some frames have a number"):
        load_poses(write(tmp_path / "a.json", frames))


def test_wrong_lengths_name_file_frame_and_key(tmp_path, people):
    people[3]["smplx_lhand_pose"].pop()
    with pytest.raises(
        FormatError, match=r"a\.json, frame 3: smplx_lhand_pose .* Expected: 45 numbers. Found: 44 numbers"
    ):
        load_poses(write(tmp_path / "a.json", people))
    del people[3]["smplx_lhand_pose"]
    np.testing.assert_array_equal(np.flatnonzero(~load_poses(write(tmp_path / "a.json", people)).valid), [3])
    del people[0]["smplx_body_pose"]
    with pytest.raises(FormatError, match=r"frame 0: The body rotation is missing. Expected: a key smplx_body_pose"):
        load_poses(write(tmp_path / "a.json", people))
    with pytest.raises(FormatError, match="This is no pose"):
        load_poses(write(tmp_path / "a.json", [{"pose": [1, 2, 3]}]))


def test_damaged_json(tmp_path, people):
    text = json.dumps({"fps": 30, "frames": people})
    path = tmp_path / "a.json"
    for bad in (text[: len(text) // 2], text + "}", "", "[", text.replace(",", ";", 1), "3", "[" * 100_000, '{"a" 1}'):
        path.write_text(bad)
        with pytest.raises(FormatError, match=r"a\.json"):
            load_poses(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="UTF-8"):
        load_poses(path)
    with pytest.raises(FormatError, match="no such file"):
        load_poses(tmp_path / "absent.json")


def test_time_stamps(tmp_path, people):
    times = [0.04, 0.0801, 0.12, 0.24, 0.2799]
    stamped = [{"timestamp": t, **one} for t, one in zip(times, people, strict=True)]
    poses = load_poses(write(tmp_path / "a.json", stamped))
    assert poses.fps == pytest.approx(25, abs=0.1)
    np.testing.assert_array_equal(np.flatnonzero(poses.valid), [1, 2, 3, 6, 7])
    ending = load_poses(write(tmp_path / "a.json", [*stamped, {"timestamp": 0.4, "people": []}]))
    np.testing.assert_array_equal(np.flatnonzero(ending.valid), [1, 2, 3, 6, 7])
    assert len(ending) == 11
    for entry in stamped:
        entry["timestamp"] += 1.7e9  # a clock
    np.testing.assert_array_equal(
        np.flatnonzero(load_poses(write(tmp_path / "a.json", stamped)).valid), [0, 1, 2, 5, 6]
    )
    assert load_poses(tmp_path / "a.json", fps=12.5).valid.tolist() == [True, True, False, True]
    numbered = [{"frame": 2 * k, "time": 2 * k / 24, **one} for k, one in enumerate(people)]
    poses = load_poses(write(tmp_path / "b.json", numbered))
    assert (len(poses), poses.fps) == (9, pytest.approx(24))
    for scale, unit in ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")):
        other = [{**entry, "time": entry["time"] * scale} for entry in numbered]
        reading = read_poses(write(tmp_path / "b.json", other))
        assert reading.poses.fps == pytest.approx(24, abs=0.01)
        assert any(unit in warning for warning in reading.warnings)
    counted = [{"time": k + 3, **one} for k, one in enumerate(people)]
    reading = read_poses(write(tmp_path / "b.json", counted))
    np.testing.assert_array_equal(np.flatnonzero(reading.poses.valid), [3, 4, 5, 6, 7])
    assert any("count frames" in warning for warning in reading.warnings)
    with pytest.raises(FormatError, match="give no frame rate"):
        load_poses(write(tmp_path / "b.json", [{**entry, "time": entry["time"] * 1e15} for entry in numbered]))
    del numbered[1]["time"]
    with pytest.raises(FormatError, match="time stamp"):
        load_poses(write(tmp_path / "b.json", numbered))


def test_frame_rate(tmp_path, people):
    path = write(tmp_path / "a.json", {"fps": "29.97", "frames": people})
    assert load_poses(path).fps == 29.97
    assert load_poses(path, fps=25).fps == 25
    for bad in (0, -1, float("nan"), "fast", True):
        with pytest.raises(ConfigError, match="fps"):
            load_poses(path, fps=bad)
        with pytest.raises(FormatError, match="frame rate"):
            load_poses(write(tmp_path / "b.json", {"fps": bad, "frames": people}))


def crowd(rng, frames=40):
    """A near speaker (x = 0) and a passer-by who walks past and is missing at times; order changes."""
    speaker = [estimate(rng, x=0.01 * k, depth=2.0) for k in range(frames)]
    other = [estimate(rng, x=1.5 - 0.02 * k, depth=2.5) for k in range(frames)]
    for k in range(frames):
        other[k]["smplx_shape"] = [2.0] * 10
        speaker[k]["smplx_shape"] = [0.0] * 10
    both = [[speaker[k], other[k]] if rng.random() < 0.5 else [other[k], speaker[k]] for k in range(frames)]
    both[10], both[20], both[21] = [speaker[10]], [other[20]], []
    return speaker, other, both


def test_one_person_is_followed(tmp_path, rng):
    speaker, other, both = crowd(rng)
    for name, frames in (("list", both), ("people", [{"people": people} for people in both])):
        path = write(tmp_path / f"{name}.json", frames)
        poses = load_poses(path)
        np.testing.assert_array_equal(np.flatnonzero(~poses.valid), [20, 21])
        np.testing.assert_allclose(
            poses.transl[poses.valid, 0], [s["cam_trans"][0] for k, s in enumerate(speaker) if k not in (20, 21)]
        )
        np.testing.assert_allclose(poses.betas, 0)
    place = both[0].index(other[0])
    poses = load_poses(path, person=place)
    np.testing.assert_array_equal(np.flatnonzero(~poses.valid), [10, 21])
    np.testing.assert_allclose(poses.betas, 2)
    for bad in (2, "speaker", -1):
        with pytest.raises(ConfigError, match="no such person"):
            load_poses(path, person=bad)
    other[0]["bbox"], speaker[0]["bbox"] = [0, 0, 200, 400], [0, 0, 100, 100]
    np.testing.assert_allclose(load_poses(write(path, both)).betas, 2)  # the largest comes before the closest


def test_named_tracks(tmp_path, rng):
    speaker, other, _ = crowd(rng, frames=22)
    frames = [{"a": other[k], "b": speaker[k]} for k in range(22)]
    numbered = [{"7": one["a"], "9": one["b"]} for one in frames]
    path = write(tmp_path / "a.json", numbered)
    np.testing.assert_allclose(load_poses(path).betas, 0)
    np.testing.assert_allclose(load_poses(path, person=7).betas, 2)
    with pytest.raises(ConfigError, match="one of 7, 9"):
        load_poses(path, person=8)
    tracked = [[{"track_id": 4, **one["a"]}, {"track_id": 5, **one["b"]}] for one in frames]
    np.testing.assert_allclose(load_poses(write(path, tracked), person="4").betas, 2)


def parameters(rng, shape=True):
    """One person as smplx's own keyword arguments, with the leading 1 of SMPLer-X and AiOS."""
    sizes = {"global_orient": 3, "body_pose": 63, "left_hand_pose": 45, "right_hand_pose": 45, "jaw_pose": 3}
    sizes |= {"leye_pose": 3, "reye_pose": 3, "betas": 10, "expression": 10, "transl": 3}
    values = {k: (0.1 * rng.standard_normal((1, n))).astype(np.float32) for k, n in sizes.items()}
    return {k: v.reshape(-1, 3) if shape and "pose" in k else v for k, v in values.items()}


def check_parameters(poses, frame, one):
    order = "global_orient body_pose jaw_pose leye_pose reye_pose left_hand_pose right_hand_pose".split()
    rotvecs = np.concatenate([np.asarray(one[name]).reshape(-1, 3) for name in order])
    np.testing.assert_allclose(poses.rotvecs[frame, 1:], rotvecs[1:], atol=1e-6)
    np.testing.assert_allclose(poses.transl[frame], FLIP @ np.asarray(one["transl"])[0], atol=1e-6)


def test_smplerx_and_aios_folders(tmp_path, rng):
    people = [parameters(rng) for _ in range(4)]
    folder = tmp_path / "clip" / "smplx"
    folder.mkdir(parents=True)
    for number, one in zip((1, 2, 5, 6), people, strict=True):
        np.savez(folder / f"{number:05}_0.npz", **one, meta=np.array({"a": 1}, dtype=object))
    for place in (folder, folder.parent):
        poses = load_poses(place)
        np.testing.assert_array_equal(np.flatnonzero(poses.valid), [0, 1, 4, 5])
        check_parameters(poses, 4, people[2])
    aios = tmp_path / "aios"
    aios.mkdir()
    for number, one in zip((0, 1, 4, 5), people, strict=True):
        tensors = {name: torch.from_numpy(value) if number % 2 else value for name, value in one.items()}
        (aios / f"img_{number:06}_personId_0.pkl").write_bytes(pickle.dumps({"params": tensors}))
    poses = load_poses(aios)
    np.testing.assert_array_equal(np.flatnonzero(poses.valid), [0, 1, 4, 5])
    check_parameters(poses, 1, people[1])
    (aios / "img_personId_0.pkl").write_bytes(b"")
    reading = read_poses(aios)
    assert any("img_personId_0.pkl: named otherwise than most" in warning for warning in reading.warnings)
    np.testing.assert_array_equal(np.flatnonzero(reading.poses.valid), [0, 1, 4, 5])
    with pytest.raises(FormatError, match="Several folders of poses"):
        load_poses(tmp_path)


def test_gvhmr(tmp_path, rng):
    one = {"body_pose": torch.randn(6, 63), "global_orient": torch.randn(6, 3), "transl": torch.randn(6, 3)}
    one["betas"] = torch.arange(6.0)[:, None].expand(6, 10)
    path = tmp_path / "hmr4d_results.pt"
    torch.save({"smpl_params_global": one, "smpl_params_incam": one, "K_fullimg": torch.eye(3)}, path)
    for place in (path, tmp_path):
        poses = load_poses(place)
        np.testing.assert_allclose(poses.transl, one["transl"], atol=1e-6)
        np.testing.assert_allclose(poses.betas, 2.5)
    poses = load_poses(path, format="gvhmr_incam")
    np.testing.assert_allclose(poses.transl, one["transl"].numpy() @ FLIP, atol=1e-6)
    one["transl"] = one["transl"][:5]
    torch.save({"smpl_params_global": one}, path)
    with pytest.raises(FormatError, match=r"transl has the wrong shape. Expected: \(6, 3\). Found: .*5, 3"):
        load_poses(path)


# Written by joblib 1.5: people 1 (2 frames) and 2 (frames 0, 2, 4), poses in Fortran order.
JOBLIB = """
c-rk&OK;Oa5cVT!(o{r!AW_jGkdS~1T5;gO0kuU)J#-}>xNx-AvCEqHvGUp~IaCUVwn5q(>z}~?;1}^1-0>@o>mm+-xa>&l9q-J3{>CHC%(RpK
R7yD$&-fB`Lh3mJbfgvsClU4?Ciupu(DGbsFGzekF{wKmgBxEn^4GUfgeM;&OsNxzZ(`?5exLVQVvRh^;BvRPC3r8eaqbIFyvqotjzHQu=wW2T
Rj$4R-Hs=4PF89Sd^PvA_&U23?}3)i)i=U0jN=TXcpxPf79U{G3r|ho$5hPtR>`yYnu$I4W8gbMY+92Tf<dc^wUiZ7#ja@8o(7e|`*DOvW7D+-
Quzw=srT7D4I|Gkg6q(b0m)t&D;bbGWQa8M{X&pct{w@pPVRE;<kdB8ve_n0?$5|p&ZeJb4L%33_7&w3>{HkeVgIo&ZPF%f(k5+Cr=M0HWY{Xg
gS-fnH7LPP<^{GludmaCzq!)gx?gmmUj(e(67*ZxEN9to_@pl?+$2F-4%fK>te@Ag_vWx#yPtLHzV@>IU)x9{4|1G`HxbM3MIJY(4zq?d^Rk$m
#r!n#w~)idJT~$yF(szNl$a7zVoJ<^g!${4NxyYw(#w8-_&?S)*XJ#+`XA1B>2N+<CA{lnHfF*|_O1Z_)~-w
"""


def test_prompthmr_joblib(tmp_path):
    path = tmp_path / "results.pkl"
    path.write_bytes(zlib.decompress(base64.b85decode("".join(JOBLIB.split()))))
    poses = load_poses(path)
    np.testing.assert_array_equal(poses.valid, [True, False, True, False, True])
    pose = (np.arange(3 * 165).reshape(3, 55, 3) % 7) * 0.125
    np.testing.assert_allclose(poses.rotvecs[poses.valid], pose, atol=1e-6)
    np.testing.assert_allclose(poses.betas, 2)
    assert poses.flat_hand_mean
    assert len(load_poses(path, person=1)) == 3
    with pytest.raises(ConfigError, match="one of 1, 2"):
        load_poses(path, person=3)
    plain = path.read_bytes()
    for packed in (zlib.compress(plain), gzip.compress(plain), bz2.compress(plain), lzma.compress(plain)):
        path.write_bytes(packed)
        np.testing.assert_array_equal(load_poses(path).rotvecs, poses.rotvecs)
        path.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(FormatError, match="damaged"):
            load_poses(path)
    path.write_bytes(b"\x04\x22M\x18" + plain)
    with pytest.raises(FormatError, match=r"compressed .* joblib.dump"):
        load_poses(path)


def test_amass_and_beat2(tmp_path, rng):
    poses = 0.3 * rng.standard_normal((7, 165))
    body = {"trans": rng.standard_normal((7, 3)), "betas": rng.standard_normal(16), "gender": "female"}
    np.savez(tmp_path / "amass.npz", poses=poses, mocap_frame_rate=120.0, **body)
    amass = load_poses(tmp_path / "amass.npz")
    root = Rotation.from_rotvec(poses[:, :3])
    turned = Rotation.from_euler("x", -90, degrees=True)
    np.testing.assert_allclose(
        Rotation.from_rotvec(amass.global_orient).as_matrix(), (turned * root).as_matrix(), atol=1e-6
    )
    np.testing.assert_allclose(amass.transl, turned.apply(body["trans"]), atol=1e-6)
    assert amass.fps == 120
    assert amass.flat_hand_mean
    np.savez(tmp_path / "beat2.npz", poses=poses, expressions=np.ones((7, 100)), mocap_frame_rate=30, **body)
    beat2 = load_poses(tmp_path / "beat2.npz")
    np.testing.assert_allclose(beat2.rotvecs.reshape(7, -1), poses, atol=1e-6)
    assert beat2.expression.shape == (7, 100)
    smplh = np.delete(poses, np.s_[66:75], axis=1)
    np.savez(tmp_path / "smplh.npz", poses=smplh, mocap_framerate=60, **body)
    smplh = load_poses(tmp_path / "smplh.npz")
    np.testing.assert_allclose(smplh.rotvecs[:, 25:], amass.rotvecs[:, 25:])
    assert not smplh.rotvecs[:, 22:25].any()
    assert not smplh.betas.any()
    np.savez(tmp_path / "short.npz", poses=poses[:, :80], **body)
    with pytest.raises(FormatError, match=r"This is no pose. Expected: poses of 165 or 156 or 72.*7, 80"):
        load_poses(tmp_path / "short.npz")


def test_motionx(tmp_path, rng):
    rows = (0.1 * rng.standard_normal((4, 322))).astype(np.float32)
    np.save(tmp_path / "a.npy", rows)
    poses = load_poses(tmp_path / "a.npy")
    np.testing.assert_array_equal(poses.rotvecs[:, :22].reshape(4, -1), rows[:, :66])
    np.testing.assert_array_equal(poses.rotvecs[:, 25:].reshape(4, -1), rows[:, 66:156])
    np.testing.assert_array_equal(poses.jaw_pose, rows[:, 156:159])
    np.testing.assert_array_equal(poses.transl, rows[:, 309:312])
    with pytest.raises(ConfigError, match="one person"):
        load_poses(tmp_path / "a.npy", person=1)
    np.save(tmp_path / "a.npy", rows[:, :300])
    with pytest.raises(FormatError, match="322"):
        load_poses(tmp_path / "a.npy")


def test_show_needs_and_uses_hand_components(tmp_path, rng):
    names = {"body_pose_axis": (5, 21, 3), "left_hand_pose": (5, 12), "right_hand_pose": (5, 12), "transl": (5, 3)}
    names |= {"global_orient": (5, 3), "jaw_pose": (5, 3), "leye_pose": (5, 3), "reye_pose": (5, 3), "betas": (300,)}
    data = {name: 0.1 * rng.standard_normal(shape) for name, shape in names.items()}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(data))
    with pytest.raises(ConfigError, match=r"12 PCA numbers.*body_model="):
        load_poses(path)
    left, right = rng.standard_normal((2, 45, 45))
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", hands_componentsl=left, hands_componentsr=right)
    for model in (tmp_path, tmp_path / "SMPLX_NEUTRAL.npz"):
        poses = load_poses(path, body_model=model)
        np.testing.assert_allclose(poses.left_hand_pose.reshape(5, -1), data["left_hand_pose"] @ left[:12], atol=1e-5)
        np.testing.assert_allclose(
            poses.right_hand_pose.reshape(5, -1), data["right_hand_pose"] @ right[:12], atol=1e-5
        )
    assert poses.betas.shape == (300,)


def test_round_trip_is_exact(tmp_path, rng):
    poses = PoseSequence(
        rng.standard_normal((9, 55, 3)),
        rng.standard_normal((9, 3)),
        fps=29.97,
        betas=rng.standard_normal(300),
        expression=rng.standard_normal((9, 100)),
        flat_hand_mean=False,
        valid=rng.random(9) < 0.5,
    )
    path = tmp_path / "new" / "a.npz"
    for flat in (False, True):
        save_poses(poses.replace(flat_hand_mean=flat), path)
        back = load_poses(path)
        for name in ("rotvecs", "transl", "betas", "expression", "valid"):
            np.testing.assert_array_equal(getattr(back, name), getattr(poses, name))
        assert (back.fps, back.flat_hand_mean) == (29.97, flat)
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]
    with np.load(path, allow_pickle=False) as data:
        assert data["poses"].shape == (9, 165)
        assert data["gender"] == "neutral"
    with pytest.raises(ConfigError, match=r"\.npz"):
        save_poses(poses, tmp_path / "a.json")


@pytest.mark.parametrize("matrix", [CAMERA_TO_Y_UP, Z_UP_TO_Y_UP])
def test_turning_is_exact_up_to_one_constant(rng, matrix):
    assert np.linalg.det(matrix) == pytest.approx(1)
    pelvis, point = rng.standard_normal((2, 3))
    rotvecs, transl = rng.standard_normal((6, 55, 3)), rng.standard_normal((6, 3))
    place = lambda root, t: Rotation.from_rotvec(root).apply(point - pelvis) + pelvis + t  # noqa: E731
    turned = turn(rotvecs, transl, matrix)
    error = place(turned[0][:, 0], turned[1]) - place(rotvecs[:, 0], transl) @ matrix.T
    np.testing.assert_allclose(error, np.broadcast_to(pelvis - matrix @ pelvis, (6, 3)), atol=1e-9)
    np.testing.assert_array_equal(turned[0][:, 1:], rotvecs[:, 1:])


def test_unknown_formats(tmp_path, people):
    with pytest.raises(ConfigError, match=", ".join(POSE_FORMATS)):
        load_poses(tmp_path, format="vrm")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(FormatError, match="no known pose format"):
        load_poses(tmp_path / "a.txt")
    write(tmp_path / "a.txt", people)
    check_against(load_poses(tmp_path / "a.txt", format="json"), people)
    np.savez(tmp_path / "a.npz", joints=np.zeros(3))
    with pytest.raises(FormatError, match=r"This is no pose. Expected: .*global_orient.*Found: the keys joints"):
        load_poses(tmp_path / "a.npz")


def test_memory_stays_bounded(tmp_path, people):
    path, count = tmp_path / "a.json", 5_000
    with path.open("w") as file:
        file.write('{"frames": [' + ",".join([json.dumps(people[0])] * count) + "]}")
    tracemalloc.start()
    poses = load_poses(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(poses) == count
    result = poses.rotvecs.nbytes + poses.transl.nbytes + poses.expression.nbytes
    assert path.stat().st_size > 4 * result
    assert peak < 6 * result + (4 << 20)  # reading the file whole takes 15 times the result


def test_saved_poses_have_the_whole_form_of_amass(tmp_path):
    rng = np.random.default_rng(0)
    poses = PoseSequence(rng.normal(0, 0.3, (40, 55, 3)), rng.normal(0, 1, (40, 3)), fps=20, betas=rng.normal(size=16))
    save_poses(poses, tmp_path / "a.npz")
    file = np.load(tmp_path / "a.npz")
    shapes = {
        "root_orient": 3,
        "pose_body": 63,
        "pose_jaw": 3,
        "pose_eye": 6,
        "pose_hand": 90,
        "poses": 165,
        "trans": 3,
    }
    assert {name: file[name].shape for name in shapes} == {name: (40, width) for name, width in shapes.items()}
    whole = [file[name] for name in ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")]
    assert np.array_equal(np.concatenate(whole, 1), file["poses"])
    assert (file["mocap_framerate"], file["mocap_frame_rate"], file["mocap_time_length"]) == (20, 20, 2)
    assert (str(file["gender"]), str(file["surface_model_type"]), int(file["num_betas"])) == ("neutral", "smplx", 16)
    back = load_poses(tmp_path / "a.npz")
    assert np.array_equal(back.rotvecs, poses.rotvecs)
    assert np.array_equal(back.transl, poses.transl)
    assert back.fps == 20


@pytest.mark.parametrize("fps", [30, 60, 29.97, 10])
def test_saved_poses_at_another_rate_are_what_resampling_gives(tmp_path, fps):
    rng = np.random.default_rng(0)
    time = np.arange(50)[:, None, None] / 20
    valid = np.ones(50, bool)
    valid[20:23] = False
    poses = PoseSequence(
        2 * np.sin(time * rng.uniform(0, 6, (1, 55, 3))), rng.normal(0, 1, (50, 3)), fps=20, valid=valid,
        expression=rng.normal(size=(50, 3)),
    )  # fmt: skip
    save_poses(poses, tmp_path / "a.npz", fps=fps)
    back, true = load_poses(tmp_path / "a.npz"), resample(poses, fps=fps)
    assert back.fps == fps
    np.testing.assert_array_equal(back.valid, true.valid)
    for name in ("transl", "expression"):
        np.testing.assert_allclose(getattr(back, name)[back.valid], getattr(true, name)[back.valid], atol=1e-4)
    turns = [Rotation.from_rotvec(part.rotvecs[back.valid].reshape(-1, 3)) for part in (back, true)]
    assert (turns[0].inv() * turns[1]).magnitude().max() < 1e-3


def test_rates_that_cannot_be_write_nothing(tmp_path):
    for fps in (0, -30, float("nan")):
        with pytest.raises(ConfigError, match="fps"):
            save_poses(PoseSequence(np.zeros((4, 55, 3)), fps=20), tmp_path / "a.npz", fps=fps)
    save_poses(PoseSequence(np.zeros((1, 55, 3)), fps=20), tmp_path / "one.npz", fps=30)
    assert load_poses(tmp_path / "one.npz").fps == 30
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]
