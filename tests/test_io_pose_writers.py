"""Files laid out as the estimators' own scripts write them: same keys, nesting, types, writer and file names."""

import json
from collections import defaultdict

import joblib
import numpy as np
import pytest
import torch
from pose_layouts import FRAMES, SMPLX, arrays, frames_of, matrices, speaker, turned, write_layout
from test_io_pose_layouts import check_right, error_of

from ktube_motion.errors import ConfigError, FormatError
from ktube_motion.io import list_people, load_poses, read_poses

ROTVECS, PATH = speaker()
CAMERA, UP = turned(ROTVECS, PATH, "camera"), turned(ROTVECS, PATH, "y up")
MATRICES = matrices(CAMERA[0])


def smpl(rotvecs):
    """Root and 23 body joints of SMPL as axis-angle (T, 72)."""
    return np.concatenate([rotvecs[:, :22].reshape(FRAMES, -1), np.zeros((FRAMES, 6), np.float32)], 1)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_wham(tmp_path, compress):
    """``demo.py --save_pkl``: a defaultdict by track, dumped with joblib, the mesh of each frame in it."""
    results = defaultdict(dict)
    for track, rows in ((np.int64(1), slice(0, 5)), (0, slice(0, FRAMES))):
        results[track]["pose"] = smpl(CAMERA[0])[rows]
        results[track]["trans"] = CAMERA[1][rows]
        results[track]["pose_world"] = smpl(UP[0])[rows]
        results[track]["trans_world"] = UP[1][rows]
        results[track]["betas"] = np.zeros((FRAMES, 10), np.float32)[rows]
        results[track]["verts"] = np.zeros((FRAMES, 689, 3), np.float32)[rows]
        results[track]["frame_ids"] = np.arange(FRAMES)[rows]
    joblib.dump(results, tmp_path / "wham_output.pkl", compress=compress)
    reading = read_poses(tmp_path / "wham_output.pkl")
    check_right(reading, hands=False)
    assert reading.layout == "wham"
    np.testing.assert_allclose(reading.poses.transl, PATH, atol=1e-5)
    assert [one.frames for one in list_people(tmp_path)] == [FRAMES, 5]


def test_joblib_with_lz4_is_told(tmp_path):
    pytest.importorskip("lz4")
    joblib.dump({"poses": smpl(UP[0])}, tmp_path / "a.pkl", compress="lz4")
    with pytest.raises(FormatError, match=r"compressed \(lz4\).*compress=0"):
        load_poses(tmp_path / "a.pkl")


def phalp_frames(tracker):
    """What PHALP and 4DHumans collect in a video: people by place in lists, a tracker's memory among them."""
    frames = {}
    for k in range(FRAMES):
        one = {"global_orient": MATRICES[k, :1], "body_pose": np.concatenate([MATRICES[k, 1:22], [np.eye(3)] * 2]),
               "betas": np.zeros(10, np.float32)}  # fmt: skip
        seen = tracker(k)
        frames[f"outputs//_DEMO/talk/img/{k + 1:06}.jpg"] = {
            "time": k, "shot": int(k == 0), "frame_path": "x", "tracked_ids": [1] if seen else [],
            "tracked_bbox": [np.array([10.0, 10, 200, 400])] if seen else [], "tid": [1],
            "bbox": [np.array([10.0, 10, 200, 400])], "tracked_time": [0 if seen else 1],
            "appe": [np.zeros(4)], "loca": [np.zeros(90)], "pose": [np.zeros(229)], "center": [np.ones(2)],
            "scale": [1.0], "size": [[720, 1280]], "img_path": ["x"], "img_name": ["y"], "class_name": [0],
            "conf": [0.9], "annotations": [[]], "smpl": [one], "camera": [np.ones(3)], "camera_bbox": [np.ones(3)],
            "3d_joints": [np.zeros((45, 3))], "2d_joints": [np.zeros(90)], "mask": [{"size": [1, 1], "counts": b"1"}],
            "extra_data": [{}],
        }  # fmt: skip
    return frames


def test_phalp_and_4dhumans(tmp_path):
    joblib.dump(phalp_frames(lambda k: True), tmp_path / "demo_talk.pkl", compress=3)
    reading = read_poses(tmp_path / "demo_talk.pkl")
    check_right(reading, hands=False)
    assert (reading.layout, reading.poses.fps, reading.fps_assumed) == ("phalp", 30, True)  # "time" counts frames
    joblib.dump(phalp_frames(lambda k: not 9 < k < 13), tmp_path / "demo_gap.pkl")
    poses = load_poses(tmp_path / "demo_gap.pkl")
    np.testing.assert_array_equal(np.flatnonzero(~poses.valid), [10, 11, 12])  # a tracker's memory is not seen


def test_tram(tmp_path):
    """``estimate_humans.py``: np.save of a dict of tensors, a file for each person, in ``hps/``."""
    folder = tmp_path / "hps"
    folder.mkdir()
    turns = torch.tensor(np.concatenate([MATRICES[:, :22], np.tile(np.eye(3, dtype=np.float32), (FRAMES, 2, 1, 1))], 1))
    made = {"pred_cam": torch.ones(FRAMES, 3), "pred_pose": torch.zeros(FRAMES, 144),
            "pred_shape": torch.zeros(FRAMES, 10), "pred_rotmat": turns,
            "pred_trans": torch.tensor(CAMERA[1])[:, None], "frame": torch.arange(FRAMES)}  # fmt: skip
    np.save(folder / "hps_track_0.npy", made)
    for path in (folder, folder / "hps_track_0.npy"):
        reading = read_poses(path)
        check_right(reading, hands=False)
        assert reading.layout == "tram"


@pytest.mark.parametrize("model", [22, 24])
def test_pymafx(tmp_path, model):
    """``demo_smplx.py``: joblib of a dict; the parameters in batches of eight, as tensors of matrices."""
    body = torch.tensor(MATRICES[:, :22])
    body = torch.cat([body, torch.eye(3).expand(FRAMES, model - 22, 3, 3)], 1)
    identity = torch.eye(3).expand(FRAMES, 1, 3, 3)
    batches = [
        {"shape": torch.zeros(FRAMES, 10)[rows], "body_pose": body[rows],
         "left_hand_pose": torch.tensor(MATRICES[:, 25:40])[rows],
         "right_hand_pose": torch.tensor(MATRICES[:, 40:])[rows],
         "jaw_pose": torch.tensor(MATRICES[:, 22:23])[rows], "leye_pose": identity[rows], "reye_pose": identity[rows],
         "expression": torch.zeros(FRAMES, 10)[rows]}
        for rows in (slice(0, 8), slice(8, 16), slice(16, FRAMES))
    ]  # fmt: skip
    frames = list(range(FRAMES))
    output = {"pred_cam": np.ones((FRAMES, 3)), "orig_cam": np.ones((FRAMES, 4)), "orig_cam_t": np.ones((FRAMES, 3)),
              "verts": np.zeros((FRAMES, 689, 3)), "smplx_verts": np.zeros((FRAMES, 1047, 3)),
              "pose": np.zeros((FRAMES, 72)), "betas": np.zeros((FRAMES, 10)), "joints3d": np.zeros((FRAMES, 49, 3)),
              "joints2d": [np.zeros((17, 3))] * FRAMES, "bboxes": np.tile([640.0, 360, 500, 500], (FRAMES, 1)),
              "frame_ids": frames, "person_ids": [f"talk_f{k}_p0" for k in frames],
              "smplx_params": batches}  # fmt: skip
    joblib.dump(output, tmp_path / "output.pkl")
    reading = read_poses(tmp_path / "output.pkl")
    check_right(reading)
    assert (reading.layout, reading.poses.flat_hand_mean, reading.poses.trajectory) == ("pymafx", True, False)
    gaps = output | {"frame_ids": [k + 2 * (k > 11) for k in frames]}
    joblib.dump(gaps, tmp_path / "gaps.pkl")
    np.testing.assert_array_equal(np.flatnonzero(~load_poses(tmp_path / "gaps.pkl").valid), [12, 13])


def test_pymafx_of_two_people(tmp_path):
    """Two detections a frame: rows of one list, told apart by nearness and size."""
    far = MATRICES.copy()
    far[:, 0] = far[:, 0] @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)
    rows = np.stack([far, MATRICES], 1).reshape(-1, *MATRICES.shape[1:])
    params = {"shape": np.tile([[3.0] * 10, [0.5] * 10], (FRAMES, 1)), "body_pose": rows[:, :22],
              "left_hand_pose": rows[:, 25:40], "right_hand_pose": rows[:, 40:]}  # fmt: skip
    output = {"orig_cam": np.ones((2 * FRAMES, 4)), "bboxes": np.tile([[90.0, 90, 80, 80], [600, 300, 500, 500]],
              (FRAMES, 1)), "frame_ids": np.repeat(np.arange(FRAMES), 2).tolist(), "smplx_params": [
                  {key: value[first : first + 8] for key, value in params.items()} for first in range(0, 2 * FRAMES, 8)
              ]}  # fmt: skip
    joblib.dump(output, tmp_path / "output.pkl")
    reading = read_poses(tmp_path / "output.pkl")
    assert error_of(reading.poses)[0] < 0.5
    np.testing.assert_allclose(reading.poses.betas, 0.5)
    assert len(list_people(tmp_path / "output.pkl")) == 2


def test_gvhmr(tmp_path):
    """``tools/demo/demo.py``: torch.save of the prediction with the network's own outputs beside it."""
    made = {name: {"global_orient": torch.tensor(pair[0][:, 0]), "transl": torch.tensor(pair[1]),
                   "body_pose": torch.tensor(pair[0][:, 1:22].reshape(FRAMES, -1)), "betas": torch.zeros(FRAMES, 10)}
            for name, pair in (("smpl_params_global", UP), ("smpl_params_incam", CAMERA))}  # fmt: skip
    outputs = {"model_output": {"pred_x": torch.zeros(1, FRAMES, 151), "pred_cam": torch.ones(1, FRAMES, 3)},
               "decode_dict": {"body_pose": torch.zeros(1, FRAMES, 63), "betas": torch.zeros(1, FRAMES, 10),
                               "global_orient": torch.zeros(1, FRAMES, 3)}}  # fmt: skip
    torch.save(made | {"K_fullimg": torch.eye(3).expand(FRAMES, 3, 3), "net_outputs": outputs},
               tmp_path / "hmr4d_results.pt")  # fmt: skip
    for path, form in ((tmp_path, "auto"), (tmp_path / "hmr4d_results.pt", "gvhmr_incam")):
        check_right(read_poses(path, format=form), hands=False)


def humans(k):
    """One frame of Multi-HMR: a list of people; the head is what ``transl`` places."""
    turns = np.concatenate([CAMERA[0][k, :22], CAMERA[0][k, 25:], CAMERA[0][k, 22:23]])
    return [{"scores": 0.9, "loc": [640.0, 200.0], "transl": (CAMERA[1][k] + 0.5).tolist(),
             "transl_pelvis": CAMERA[1][k][None].tolist(), "rotvec": turns.tolist(), "expression": [0.0] * 10,
             "shape": [0.0] * 10, "j3d": [[0.0] * 3] * 127}]  # fmt: skip


def test_multihmr(tmp_path):
    """Its own dicts in a pickle, and the JSON of an image that its scripts write."""
    clip = [[{key: np.float32(value) for key, value in one.items()} for one in humans(k)] for k in range(FRAMES)]
    reading = read_poses(write_layout(tmp_path, "humans", clip, ".pkl"))
    check_right(reading)
    assert (reading.layout, reading.poses.flat_hand_mean) == ("multihmr", True)
    np.testing.assert_allclose(reading.poses.transl, PATH, atol=1e-5)
    folder = tmp_path / "demo_out"
    folder.mkdir()
    for k in range(FRAMES):
        (one,) = humans(k)
        names = {"location": "loc", "translation": "transl", "translation_pelvis": "transl_pelvis",
                 "rotation_vector": "rotvec", "expression": "expression", "shape": "shape"}  # fmt: skip
        document = {"resized_width": 896, "camera_intrinsics": np.eye(3).tolist(),
                    "humans": [{new: one[old] for new, old in names.items()}]}  # fmt: skip
        (folder / f"talk_{k:05}_multiHMR_896_L_params.json").write_text(json.dumps(document, indent=2))
    reading = read_poses(folder)
    check_right(reading)
    assert reading.poses.flat_hand_mean
    np.testing.assert_allclose(reading.poses.transl, PATH, atol=1e-5)


def test_meshes_are_named(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 10475, 3), np.float32))  # what Multi-HMR's --save_mesh writes
    with pytest.raises(FormatError, match=r"places of vertices or joints.*rotations"):
        load_poses(tmp_path / "a.npy")


def estimator(k):
    """The outputs of Hand4Whole's kin (OSX, SMPLer-X, SMPLest-X) of one person."""
    names = "root_pose body_pose jaw_pose lhand_pose rhand_pose trans shape"
    one = {key: value[k].reshape(-1).tolist() for key, value in arrays(*CAMERA, names).items()}
    return one | {"expr": [0.0] * 10, "leye_pose": [0, 0, 0], "reye_pose": [0, 0, 0]}


def test_smplestx_wrappers(tmp_path):
    """A file a frame under ``smplx/params`` beside ``cam_params``; a list of frames; whole-clip arrays."""
    for name in ("smplx/params", "cam_params"):
        (tmp_path / "a" / name).mkdir(parents=True)
    for k in range(FRAMES):
        one = estimator(k)
        three = {key: np.reshape(one[key], (-1, 3)).tolist() for key in ("body_pose", "lhand_pose", "rhand_pose")}
        (tmp_path / "a/smplx/params" / f"{k}.json").write_text(json.dumps(one | three))
        camera = {"R": np.eye(3).tolist(), "t": [0.0] * 3, "focal": [5000.0, 5000.0], "princpt": [640.0, 360.0]}
        (tmp_path / "a/cam_params" / f"{k}.json").write_text(json.dumps(camera))
    check_right(read_poses(tmp_path / "a"))
    frames = [
        {"frame": k} | {f"smplx_{key}": value for key, value in estimator(k).items() if "eye" not in key}
        for k in range(FRAMES)
    ]
    check_right(read_poses(write_layout(tmp_path, "b", frames)))


def test_smplerx_folder(tmp_path):
    """``inference.py``: ``smplx/00012_0.npz`` and ``meta/00012_0.json``."""
    for name in ("smplx", "meta"):
        (tmp_path / name).mkdir()
    for k in range(FRAMES):
        one = {key: value[k].reshape(-1, 3) if "betas" not in key else value[k][None]
               for key, value in arrays(*CAMERA, SMPLX).items()}  # fmt: skip
        np.savez(tmp_path / "smplx" / f"{k + 1:05}_0.npz", **one, expression=np.zeros((1, 10)),
                 leye_pose=np.zeros((1, 3)), reye_pose=np.zeros((1, 3)))  # fmt: skip
        (tmp_path / "meta" / f"{k + 1:05}_0.json").write_text('{"focal": [5000, 5000], "bbox": [1, 2, 3, 4]}')
    reading = read_poses(tmp_path)
    check_right(reading)
    assert reading.layout == "smplerx"


def test_people_and_frames_in_one_array_are_told(tmp_path):
    """(people, frames, numbers), NaN where somebody is not seen: read one person's, or told."""
    two = {key: np.stack([value, np.full_like(value, np.nan)]) for key, value in arrays(*CAMERA, SMPLX).items()}
    with pytest.raises(FormatError, match="wrong"):
        load_poses(write_layout(tmp_path, "a", two, ".npz"))


def test_hands_of_45_components(tmp_path):
    """45 numbers are axis-angle or components: the file says it, or the numbers do, and it is told."""
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(45, 45)))[0]
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", hands_componentsl=components, hands_componentsr=components)
    clip = {key: value for key, value in arrays(*CAMERA, SMPLX).items() if "hand" not in key}
    hands = ROTVECS[:, 25:40].reshape(FRAMES, 45)
    for told in ({"use_pca": True, "num_pca_comps": 45}, {"use_pca": np.array(True)}, {}):
        numbers = hands @ components.T
        numbers = numbers if told else np.random.default_rng(1).normal(0, 0.3, (FRAMES, 45)) * 0.7 ** np.arange(45)
        file = write_layout(tmp_path, "a", clip | told | {"left_hand_pose": numbers}, ".npz")
        with pytest.raises(ConfigError, match=r"45 PCA numbers.*body_model"):
            load_poses(file)
        reading = read_poses(file, body_model=tmp_path)
        found = reading.poses.left_hand_pose.reshape(FRAMES, 45)
        np.testing.assert_allclose(found, numbers @ components, atol=1e-5)
        assert bool(told) or any("principal components" in text for text in reading.warnings)
    document = {
        "meta": {"use_pca": False, "flat_hand_mean": True},
        "frames": frames_of(
            clip | {"left_hand_pose": np.random.default_rng(1).normal(0, 0.3, (FRAMES, 45)) * 0.7 ** np.arange(45)}
        ),
    }
    reading = read_poses(write_layout(tmp_path, "b", document))
    assert reading.poses.flat_hand_mean
    assert not any("components" in text for text in reading.warnings)


def test_six_d_of_rows_and_columns(tmp_path):
    """Rows (PyTorch3D) are the inverse's columns: knees and elbows tell, in every layout and axes."""
    bent = ROTVECS.copy()
    bent[:, 18, 1] -= 0.8
    bent[:, 19, 1] += 0.8
    for axes in ("camera", "y up"):
        turns = matrices(turned(bent, PATH, axes)[0])
        orders = {"rows": turns[..., :2, :], "columns": turns[..., :2].swapaxes(-1, -2), "interleaved": turns[..., :2]}
        for order, six in orders.items():
            clip = {"global_orient": six[:, :1].reshape(FRAMES, 6), "body_pose": six[:, 1:22].reshape(FRAMES, -1),
                    "left_hand_pose": six[:, 25:40].reshape(FRAMES, -1),
                    "right_hand_pose": six[:, 40:].reshape(FRAMES, -1), "fps": 30}  # fmt: skip
            reading = read_poses(write_layout(tmp_path, "a", clip, ".npz"), axes=axes)
            assert max(error_of(reading.poses, bent)) < 0.5, (axes, order)
            assert ("rows" if order == "rows" else "columns") in reading.warnings[0]
