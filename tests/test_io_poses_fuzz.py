"""Damaged pose files: always a `KtubeError` or a valid `PoseSequence`, never anything else.

``KTUBE_FUZZ_CASES=20000`` runs more of the seeded cases.
"""

import base64
import copy
import json
import os
import pickle
import random
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_io_poses import JOBLIB

from ktube_motion.errors import KtubeError
from ktube_motion.io._poses import load_poses, save_poses
from ktube_motion.types import PoseSequence

CASES = int(os.environ.get("KTUBE_FUZZ_CASES", "500"))
ODD = [None, True, "", "x", "3", -1, "-1", 0, 2.5, 1e9, 10**9, 10**400, float("nan"), float("inf"), 1e300, [], {}, [[]]]
ODD += [[1, 2, 3], [None] * 3, ["1"] * 63, {"0": 1}, "1e9", [[0.1] * 63] * 2, -(10**9), [[1], [2, 3]], "frame_2"]


def check(path, **options):
    """Load; True if poses came out. Anything but poses or a KtubeError fails the test by itself."""
    try:
        poses = load_poses(path, **options)
    except KtubeError:
        return False
    assert poses.valid.any()
    for name in ("rotvecs", "transl", "expression", "betas"):
        assert np.isfinite(getattr(poses, name)).all(), name
    assert not poses.rotvecs[~poses.valid].any()
    assert len(poses) <= 100_000
    return True


def person(rng):
    sizes = {
        "root_pose": 3,
        "body_pose": 63,
        "lhand_pose": 45,
        "rhand_pose": 45,
        "jaw_pose": 3,
        "shape": 10,
        "expr": 10,
    }
    pose = {f"smplx_{name}": [rng.uniform(-1, 1) for _ in range(size)] for name, size in sizes.items()}
    return pose | {"cam_trans": [rng.uniform(-1, 1), 0.0, rng.uniform(1, 4)]}


def document(rng):
    """A good file, of any layout."""
    frames = [person(rng) for _ in range(rng.randint(1, 6))]
    kind = rng.randrange(6)
    if kind == 0:
        return frames
    if kind == 1:
        return {"fps": 30, "frames": [{"frame": k, **one} for k, one in enumerate(frames)]}
    if kind == 2:
        return {"frames": {str(k): {"smplx_param": one} for k, one in enumerate(frames)}, "fps": 25.0}
    if kind == 3:
        return {str(k): [one, person(rng)] for k, one in enumerate(frames)}
    if kind == 4:
        return [{"time": k / 30, "people": [one, person(rng)][: rng.randint(0, 2)]} for k, one in enumerate(frames)]
    return [{"frame": k, "timestamp": k / 24, "track_id": 1, **one} for k, one in enumerate(frames)]


def places_of(value):
    """(container, key) pairs of a document, eight of each container, so that numbers do not outweigh structure."""
    found = []
    stack = [value]
    while stack:
        inner = stack.pop()
        keys = range(len(inner)) if isinstance(inner, list) else list(inner)
        for key in list(keys)[:8]:
            found.append((inner, key))
            if isinstance(inner[key], list | dict):
                stack.append(inner[key])
    return found


def mutate(rng, value):
    """Change one thing: replace, drop, double, swap or rename."""
    found = places_of(value)
    if not found:
        return
    inner, key = rng.choice(found)
    action = rng.randrange(6)
    if action <= 1:
        inner[key] = copy.deepcopy(rng.choice(ODD))
    elif action == 2:
        del inner[key]
    elif isinstance(inner, list):
        if action == 3:
            inner.insert(key, copy.deepcopy(inner[key]))
        elif action == 4:
            rng.shuffle(inner)
        else:
            del inner[key:]
    elif action == 3:
        inner[rng.choice(["frame", "time", "timestamp", "people", "smplx_param", "-1", "1e9", "7", "fps", "bbox"])] = (
            inner[key]
        )
    elif action == 4:
        inner[key] = [copy.deepcopy(inner[key]), copy.deepcopy(inner[key])]
    else:
        inner[str(key) + "0"] = inner.pop(key)


def test_mutated_json(tmp_path):
    path, loaded = tmp_path / "a.json", 0
    for seed in range(CASES):
        rng = random.Random(seed)
        value = document(rng)
        for _ in range(rng.randint(0, 3)):
            mutate(rng, value)
        text = json.dumps(value)
        if rng.random() < 0.15:
            text = text[: rng.randrange(len(text) + 1)]
        elif rng.random() < 0.1:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice('{}[],:"\\0-eN \x00') + text[at + 1 :]
        path.write_text(text, encoding="utf-8")
        loaded += check(path, **rng.choice([{}, {}, {"fps": 20}, {"person": 1}]))
    assert CASES * 0.1 < loaded < CASES * 0.9  # both outcomes are exercised


def binary_files(folder):
    """Good files of the binary formats, by name."""
    pose = np.linspace(-1, 1, 4 * 165, dtype=np.float32).reshape(4, 165)
    save_poses(PoseSequence(pose.reshape(4, 55, 3), fps=30), folder / "a.npz")
    np.savez(folder / "b.npz", poses=pose, trans=pose[:, :3], betas=pose[0, :16], mocap_framerate=30)
    np.save(folder / "c.npy", np.ones((3, 322), np.float32))
    world = {"pose": pose, "trans": pose[:, :3], "shape": pose[:, :10]}
    (folder / "d.pkl").write_bytes(pickle.dumps({"people": {1: {"frames": np.arange(4), "smplx_world": world}}}))
    (folder / "e.pkl").write_bytes(zlib.decompress(base64.b85decode("".join(JOBLIB.split()))))
    tensors = {"body_pose": torch.zeros(4, 63), "global_orient": torch.zeros(4, 3), "transl": torch.zeros(4, 3)}
    (folder / "f.pkl").write_bytes(pickle.dumps({"people": {1: {"smplx_world": {"pose": torch.tensor(pose)} | world}}}))
    torch.save({"smpl_params_global": tensors | {"betas": torch.zeros(4, 10)}}, folder / "g.pt")
    return sorted(folder.iterdir())


def test_mutated_bytes(tmp_path):
    (tmp_path / "good").mkdir()
    files = binary_files(tmp_path / "good")
    assert all(check(file) for file in files)
    loaded = 0
    for seed in range(CASES):
        rng = random.Random(seed)
        file = files[seed % len(files)]
        data = bytearray(file.read_bytes())
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.choice([0, 1, 1, 1, 4, 16])):
            if data:
                data[rng.randrange(min(len(data), 400) if rng.random() < 0.7 else len(data))] = rng.randrange(256)
        path = tmp_path / file.name
        path.write_bytes(data)
        loaded += check(path)
    assert CASES * 0.02 < loaded < CASES * 0.98


@pytest.mark.parametrize("kind", ["npz", "pkl"])
def test_mutated_folders(tmp_path, kind):
    for seed in range(max(CASES // 40, 10)):
        rng = random.Random(seed)
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        for frame in range(3):
            one = {"global_orient": np.ones((1, 3)), "body_pose": np.zeros((21, 3)), "transl": np.ones((1, 3))}
            if rng.random() < 0.4:
                one[rng.choice(list(one))] = rng.choice(
                    [np.full((1, 3), np.nan), np.zeros(0), np.array("x"), np.ones((1, 3), complex), np.zeros((2, 2))]
                )
            number = rng.choice([str(frame), f"{frame:05}", "0", "999999999", "x"])
            if kind == "npz":
                np.savez(folder / f"{number}_{rng.randrange(2)}.npz", **one)
            else:
                (folder / f"{number}_personId_{frame}.pkl").write_bytes(pickle.dumps({"params": one}))
        check(folder)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["frame", "frames", "fps", "time", "people", "smplx_param", "root_pose", "body_pose", "0", "x"]),
    inner, max_size=4), max_leaves=12)  # fmt: skip


@settings(max_examples=max(CASES // 8, 50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=values, frame=st.integers() | st.floats() | st.text(max_size=3) | st.none(), key=st.sampled_from(
    ["frame", "fps", "time", "timestamp", "people", "bbox", "track_id", "smplx_root_pose", "cam_trans"]))  # fmt: skip
def test_any_json(value, frame, key):
    good = {"smplx_root_pose": [0.1, 0.2, 0.3], "smplx_body_pose": [0.1] * 63, "cam_trans": [0, 0, 1.0]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        for document in (value, [good | {key: value}, good], {"fps": 30, "frames": [good | {"frame": frame}, value]}):
            path.write_text(json.dumps(document), encoding="utf-8")
            check(path)
