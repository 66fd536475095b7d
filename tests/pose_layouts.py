"""One made-up speaker, written in every layout that people have; shared by the tests of pose files."""

import json
import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import torch
from scipy.spatial.transform import Rotation

FRAMES = 24
FLIP = Rotation.from_euler("x", 180, degrees=True)
PARTS = {"root": (0, 1), "body": (1, 22), "jaw": (22, 23), "left": (25, 40), "right": (40, 55)}


def speaker(seed=0, frames=FRAMES):
    """Rotations (T, 55, 3) of a body that stands y up and moves smoothly, and its path (T, 3)."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.02, (frames, 55, 3)).cumsum(0) + rng.normal(0, 0.15, (1, 55, 3))
    steps[:, 23:25] = 0
    path = rng.normal(0, 0.01, (frames, 3)).cumsum(0) + np.array([0.1, 0.95, -3])
    return steps.astype(np.float32), path.astype(np.float32)


def turned(rotvecs, path, axes):
    """The same in other axes."""
    turn = {"camera": FLIP, "y up": Rotation.identity(), "z up": Rotation.from_euler("x", 90, degrees=True)}[axes]
    rotvecs = rotvecs.copy()
    rotvecs[:, 0] = (turn * Rotation.from_rotvec(rotvecs[:, 0])).as_rotvec()
    return rotvecs, turn.apply(path).astype(np.float32)


def arrays(rotvecs, path, names, **more):
    """Whole-clip arrays under the given names: root, body, jaw, left hand, right hand, path, shape."""
    parts = [rotvecs[:, first:last].reshape(len(rotvecs), -1) for first, last in PARTS.values()]
    return dict(zip(names.split(), [*parts, path, np.full((len(rotvecs), 10), 0.5, np.float32)], strict=True)) | more


ESTIMATOR = "smplx_root_pose smplx_body_pose smplx_jaw_pose smplx_lhand_pose smplx_rhand_pose cam_trans smplx_shape"
SMPLX = "global_orient body_pose jaw_pose left_hand_pose right_hand_pose transl betas"
PLAIN = "root_pose body_pose jaw_pose lhand_pose rhand_pose trans shape"
BEDLAM = (
    "smplx_root_pose smplx_body_pose smplx_jaw_pose smplx_left_hand_pose smplx_right_hand_pose smplx_transl smplx_betas"
)


def frames_of(clip):
    """One dict of lists a frame."""
    return [{key: value[k].tolist() for key, value in clip.items()} for k in range(len(next(iter(clip.values()))))]


def matrices(rotvecs):
    return Rotation.from_rotvec(rotvecs.reshape(-1, 3)).as_matrix().reshape(*rotvecs.shape, 3).astype(np.float32)


def tree_layouts(rotvecs, path):
    """JSON documents: name to document. The rotations are in camera axes."""
    camera = turned(rotvecs, path, "camera")
    estimator, smplx = (frames_of(arrays(*camera, names)) for names in (ESTIMATOR, SMPLX))
    plain, bedlam = (frames_of(arrays(*camera, names)) for names in (PLAIN, BEDLAM))
    body = frames_of({"global_orient": camera[0][:, 0], "body_pose": np.concatenate(
        [camera[0][:, 1:22].reshape(FRAMES, -1), np.zeros((FRAMES, 6))], 1)})  # fmt: skip
    images = [{"id": k, "file_name": f"{k:06}.jpg"} for k in range(FRAMES)]
    marks = [{"id": k, "image_id": k, "bbox": [10, 10, 100, 200], "smplx_params": one} for k, one in enumerate(plain)]
    return {
        "list": estimator,
        "frames": {"fps": 30, "frames": estimator},
        "results": {"results": estimator, "info": {"tool": "x"}},
        "numbered": {"frames": [{"frame_id": k, **one} for k, one in enumerate(smplx)]},
        "keyed images": {f"talk_{k + 1:06}.jpg": one for k, one in enumerate(estimator)},
        "keyed below": {"data": {str(k): one for k, one in enumerate(plain)}},
        "coco": {"images": images, "annotations": marks, "categories": []},
        "coco shuffled": {"annotations": marks[::-1], "images": images},
        "motion-x": {"annotations": [{"smplx_params": one, "cam_params": {}} for one in plain]},
        "people": [{"people": [{"smplx_param": one, "bbox": [1, 2, 30, 40, 0.9]}]} for one in smplx],
        "persons": {"video": {"name": "x", "w": 3}, "frames": [{"persons": [{"params": one}]} for one in bedlam]},
        "image paths": [{"image_path": f"a/b/{k:05}.png", **one} for k, one in enumerate(bedlam)],
        "smpl": body,
        "clip": {key: value.tolist() for key, value in arrays(*camera, ESTIMATOR).items()} | {"fps": 30},
        "clip below": {"smplx": {key: value.tolist() for key, value in arrays(*camera, SMPLX).items()}, "n": 3},
        "times": [{"timestamp": k / 30, **one} for k, one in enumerate(estimator)],
    }  # fmt: skip


def array_layouts(rotvecs, path):
    """Clips of arrays: name to (suffix, contents, axes they are in)."""
    made, up, depth = (turned(rotvecs, path, axes) for axes in ("camera", "y up", "z up"))
    count = len(rotvecs)
    body = lambda pair: pair[0][:, :22].reshape(count, -1)  # noqa: E731
    smpl = lambda pair: np.concatenate([body(pair), np.zeros((count, 6), np.float32)], 1)  # noqa: E731
    hands = lambda pair: pair[0][:, 25:].reshape(count, -1)  # noqa: E731
    stage = {"root_orient": depth[0][:, 0], "pose_body": body(depth)[:, 3:], "pose_hand": hands(depth),
             "pose_jaw": depth[0][:, 22], "pose_eye": np.zeros((count, 6)), "trans": depth[1], "betas": np.ones(16),
             "surface_model_type": np.array("smplx"), "markers": np.zeros((count, 4, 3))}  # fmt: skip
    rows = np.concatenate([body(made), hands(made), made[0][:, 22], np.zeros((count, 20)), made[1]], 1)
    people = {1: {"frames": np.arange(count), "smplx_world": {
        "pose": up[0].reshape(count, -1), "trans": up[1], "shape": np.zeros((count, 10))}}}  # fmt: skip
    wham = defaultdict(dict)
    wham[0] = {"pose": smpl(made), "trans": made[1], "pose_world": smpl(up), "trans_world": up[1],
               "betas": np.zeros((count, 10)), "frame_ids": np.arange(count)}  # fmt: skip
    smplx = arrays(*made, SMPLX)
    gvhmr = {"global_orient": torch.tensor(up[0][:, 0]), "body_pose": torch.tensor(body(up)[:, 3:]),
             "transl": torch.tensor(up[1]), "betas": torch.zeros(count, 10)}  # fmt: skip
    phalp = OrderedDict()
    for k, turns in enumerate(matrices(made[0][:, :22])):
        one = {"global_orient": turns[:1], "body_pose": np.concatenate([turns[1:], np.tile(np.eye(3), (2, 1, 1))])}
        phalp[f"demo/{k + 1:06}.jpg"] = {"smpl": [one | {"betas": np.zeros(10)}], "tid": [4], "bbox": [np.ones(4)]}
    return {
        "stage ii": (".npz", stage, "amass"),
        "arrays": (".npz", smplx | {"fps": 30}, "camera"),
        "fullpose": (".npz", {"fullpose": made[0].reshape(count, 1, 55, 3), "transl": made[1]}, "camera"),
        "smpl 72": (".npz", {"poses": smpl(up), "trans": up[1], "fps": 30}, "y up"),
        "human data": (".npz", {"smplx": np.array(smplx, object), "__data_len__": count}, "camera"),
        "amass": (".npz", {"poses": depth[0].reshape(count, -1), "trans": depth[1], "mocap_framerate": 30}, "amass"),
        "matrices": (".npz", {"global_orient": matrices(made[0][:, :1]), "body_pose": matrices(made[0][:, 1:22]),
                              "left_hand_pose": made[0][:, 25:40], "right_hand_pose": made[0][:, 40:]}, "camera"),
        "rows 182": (".npy", rows.astype(np.float32), "camera"),
        "prompthmr": (".pkl", {"people": people}, "y up"),
        "wham": (".pkl", wham, "y up"),
        "aist++": (".pkl", {"smpl_poses": smpl(up), "smpl_trans": up[1] * 90,
                              "smpl_scaling": np.array([90.0])}, "y up"),
        "gvhmr": (".pt", {"smpl_params_global": gvhmr, "K_fullimg": torch.eye(3)}, "y up"),
        "gvhmr pickled": (".pkl", {"smpl_params_global": gvhmr}, "y up"),
        "wrapper": (".pt", {key: torch.tensor(value) for key, value in arrays(*made, ESTIMATOR).items()} | {
            "fps": 29.97, "video_path": "x.mp4", "bbox": torch.zeros(count, 4)}, "camera"),
        "torch with arrays": (".pt", {"result": defaultdict(list, smplx)}, "camera"),
        "multi-hmr": (".pkl", [[{"rotvec": np.concatenate([made[0][k, :22], made[0][k, 25:], made[0][k, 22:23]]),
                                 "transl": made[1][k], "shape": np.zeros(10)}] for k in range(count)], "camera"),
        "phalp": (".pkl", phalp, "camera"),
        "object": (".npy", np.array(smplx, object), "camera"),
    }  # fmt: skip


def write_layout(folder, name, contents, suffix=".json"):
    """Write a document or arrays, and give the path."""
    path = folder / f"{name.replace(' ', '_').replace('+', '')}{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(contents))
    elif suffix == ".npz":
        np.savez(path, **contents)
    elif suffix == ".npy":
        np.save(path, contents, allow_pickle=True)
    elif suffix == ".pt":
        torch.save(contents, path)
    else:
        path.write_bytes(pickle.dumps(contents))
    return path
