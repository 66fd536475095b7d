"""BVH and GLB: round trips, the Khronos validator, and Blender as a real client."""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ktube_motion import Motion, PoseSequence
from ktube_motion.errors import ConfigError, DataError, KtubeError, ShapeError
from ktube_motion.io._bvh import load_bvh
from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.render import save_bvh, save_glb
from ktube_motion.render._bvh import euler_angles
from ktube_motion.render._rigs import STYLES, as_poses, bone_names
from ktube_motion.render._scene import as_motion
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55


def speaking(frames=40, fingers=True, seed=0):
    """Give smooth whole-body poses."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / 20
    speed, phase = rng.uniform(1, 4, (1, 55, 3)), rng.uniform(0, 6, (1, 55, 3))
    rotvecs = 0.35 * np.sin(speed * time + phase)
    rotvecs[:, 22:25] = 0
    if not fingers:
        rotvecs[:, 25:] = 0
    rotvecs[:, 16, 2] -= 1.0
    rotvecs[:, 17, 2] += 1.0
    transl = np.stack([0.2 * np.sin(time[:, 0, 0]), np.ones(frames), 0.5 * time[:, 0, 0]], -1)
    return PoseSequence(rotvecs=rotvecs, transl=transl, fps=20, betas=rng.normal(0, 1, 10), source="말하기")


def round_trip(clip, path, **options):
    """Give joints written and read again, in the order of the clip's skeleton, millimetres apart."""
    back = as_motion(load_bvh(save_bvh(clip, path, **options), unit=options.get("unit", "cm")), finish=False)
    true = pose_to_joints(clip, skeleton=SMPLX_55) if isinstance(clip, PoseSequence) else as_motion(clip, finish=False)
    order = [back.skeleton.joint_names.index(name) for name in true.skeleton.joint_names]
    return 1000 * np.linalg.norm(back.positions[:, order] - true.positions, axis=-1), back


@pytest.mark.parametrize("unit", ["cm", "m", "mm"])
def test_bvh_round_trip_of_poses(tmp_path, unit):
    error, back = round_trip(speaking(), tmp_path / "a.bvh", unit=unit)
    assert error.max() < 0.01
    assert back.fps == 20
    np.testing.assert_allclose(back.rotations[:, 0], load_body().rotations(speaking())[:, 0], atol=1e-5)


@pytest.mark.parametrize("skeleton", [SMPL_22, SMPLH_52, SMPLX_55], ids=lambda skeleton: skeleton.name)
def test_bvh_round_trip_of_joints(tmp_path, skeleton):
    motion = pose_to_joints(speaking(), skeleton=skeleton)
    assert round_trip(motion, tmp_path / "a.bvh")[0].max() < 0.01
    bare = Motion(skeleton=skeleton, positions=motion.positions, fps=20)
    error, back = round_trip(bare, tmp_path / "b.bvh", finish=False)
    assert error.max() < 1
    # The rest pose is a T: arms to the sides, legs down.
    offsets = dict(zip(back.skeleton.joint_names, back.skeleton.offsets, strict=True))
    assert offsets["left_elbow"][0] > 0.9 * np.linalg.norm(offsets["left_elbow"])
    assert offsets["right_wrist"][0] < -0.9 * np.linalg.norm(offsets["right_wrist"])
    assert offsets["left_knee"][1] < -0.9 * np.linalg.norm(offsets["left_knee"])


def test_bvh_round_trip_of_real_data(tmp_path, shared):
    gestures = np.load(shared / "data/gestures/motions.npz")
    lengths = gestures["lengths"]
    start = lengths[:900].sum()
    rows = gestures["delta"][start : start + lengths[900]].astype(np.int64)
    motion = Motion(skeleton=SMPL_22, positions=np.cumsum(rows, 0) * float(gestures["unit_m"]), fps=30)
    error = round_trip(motion, tmp_path / "a.bvh", finish=False)[0]
    assert error.mean() < 1
    assert error.max() < 2
    file = next((shared / "data/bvh").glob("*.bvh"))
    assert round_trip(load_bvh(file), tmp_path / "b.bvh")[0].max() < 0.01


def test_bvh_angles_do_not_jump(tmp_path):
    turning = np.zeros((200, 55, 3))
    turning[:, 0, 1] = np.linspace(0, 6 * np.pi, 200)  # three times around
    turning[:, 17, 2] = np.linspace(1.4, -1.6, 200)  # an arm up past the vertical
    turning[:, 1, 0] = np.linspace(0, -2.0, 200)  # a leg up past the horizontal: gimbal lock of ZXY
    path = save_bvh(PoseSequence(rotvecs=turning, fps=30), tmp_path / "a.bvh")
    numbers = np.array([line.split() for line in path.read_text().splitlines()[-200:]], float)
    assert np.abs(np.diff(numbers[:, 3:], axis=0)).max() < 15


@given(st.integers(0, 2**32 - 1), st.sampled_from(["ZXY", "ZYX", "XYZ", "YXZ", "XZY", "YZX"]))
@settings(max_examples=40, deadline=None)
def test_euler_angles_give_the_rotation_back(seed, order):
    rng = np.random.default_rng(seed)
    steps = Rotation.from_rotvec(rng.normal(0, 0.2, (30, 3)))
    path = [Rotation.identity()]
    for step in steps:
        path.append(path[-1] * step)
    turns = Rotation.concatenate(path).as_matrix()
    angles = euler_angles(turns, order)
    np.testing.assert_allclose(Rotation.from_euler(order, angles).as_matrix(), turns, atol=1e-6)


@pytest.mark.parametrize("order", ["ZXY", "ZYX", "XYZ", "YXZ", "XZY", "YZX"])
@pytest.mark.parametrize("middle", [90.0, -90.0])
def test_euler_angles_in_gimbal_lock(order, middle):
    truth = np.stack([np.linspace(0, 60, 9), np.full(9, middle), np.linspace(10, -30, 9)], -1)
    turns = Rotation.from_euler(order, truth, degrees=True).as_matrix()
    angles = euler_angles(turns, order)
    np.testing.assert_allclose(Rotation.from_euler(order, angles).as_matrix(), turns, atol=1e-6)
    assert np.abs(np.diff(angles[1:], axis=0)).max() < 0.3


def test_bone_names_are_whole_and_unique():
    for style in STYLES:
        assert len(set(bone_names(SMPLX_55.joint_names, style))) == 55
    assert bone_names(["pelvis", "left_thumb1", "right_shoulder"], "vrm") == (
        "hips",
        "leftThumbMetacarpal",
        "rightUpperArm",
    )
    with pytest.raises(ConfigError, match="smplx, humanoid, vrm, mixamo"):
        bone_names([], "unity")


# ---- GLB ----


def read_glb(path):
    data = path.read_bytes()
    magic, version, total = struct.unpack("<4sII", data[:12])
    assert (magic, version, total) == (b"glTF", 2, len(data))
    size = struct.unpack("<I", data[12:16])[0]
    document, binary = json.loads(data[20 : 20 + size]), data[28 + size :]

    def array(number):
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        kind = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
        raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(raw, kind).reshape(accessor["count"], -1)

    return document, array


def skin_by_hand(path, frame):
    """Compute joints and vertices of one frame as a glTF viewer does."""
    document, array = read_glb(path)
    nodes = document["nodes"]
    places = [np.array(node.get("translation", [0, 0, 0])) for node in nodes]
    turns = [np.eye(3) for _ in nodes]
    animation = document["animations"][0]
    for channel in animation["channels"]:
        value = array(animation["samplers"][channel["sampler"]]["output"])[frame]
        node = channel["target"]["node"]
        if channel["target"]["path"] == "translation":
            places[node] = value
        else:
            turns[node] = Rotation.from_quat(value).as_matrix()
    world = {}

    def visit(node, above):
        local = np.eye(4)
        local[:3, :3], local[:3, 3] = turns[node], places[node]
        world[node] = above @ local
        for child in nodes[node].get("children", []):
            visit(child, world[node])

    visit(0, np.eye(4))
    skin = document["skins"][0]
    inverse = array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
    moves = np.stack([world[node] for node in skin["joints"]]) @ inverse
    parts = document["meshes"][0]["primitives"][0]["attributes"]
    points = np.c_[array(parts["POSITION"]), np.ones(len(array(parts["POSITION"])))]
    weights, joints = array(parts["WEIGHTS_0"]), array(parts["JOINTS_0"])
    vertices = np.einsum("vk,vkij,vj->vi", weights, moves[joints], points)[:, :3]
    return np.stack([world[node][:3, 3] for node in skin["joints"]]), vertices


def test_glb_moves_like_the_body(tmp_path):
    poses, body = speaking(), load_body()
    path = save_glb(poses, tmp_path / "a.glb")
    joints, vertices = pose_to_joints(poses, skeleton=SMPLX_55).positions, body.vertices(poses)
    for frame in (0, 17, 39):
        ours, mesh = skin_by_hand(path, frame)
        assert np.abs(ours - joints[frame]).max() < 1e-5
        assert np.abs(mesh - vertices[frame]).max() < 1e-3
    document, array = read_glb(path)
    assert document["animations"][0]["name"] == "말하기"
    times = array(document["animations"][0]["samplers"][0]["input"])[:, 0]
    np.testing.assert_allclose(times, np.arange(40) / 20, atol=1e-6)


def test_joints_become_poses_and_keep_known_rotations():
    poses = speaking(fingers=False)
    motion = pose_to_joints(poses)
    kept = pose_to_joints(as_poses(motion, body=load_body()))
    np.testing.assert_allclose(kept.rotations, motion.rotations, atol=1e-4)  # also of head and hands, which joints hide
    bare = Motion(skeleton=SMPL_22, positions=motion.positions, fps=20)
    fitted = pose_to_joints(as_poses(bare, body=load_body(), finish=False))
    assert np.linalg.norm(fitted.positions - motion.positions, axis=-1).mean() < 0.005


def validator():
    """Find npm's gltf-validator, where KTUBE_NODE_MODULES or the usual folders have it."""
    if shutil.which("node") is None:
        return None
    places = [
        os.environ.get("KTUBE_NODE_MODULES"),
        "node_modules",
        "/usr/lib/node_modules",
        "/usr/local/lib/node_modules",
    ]
    return next((Path(p, "gltf-validator").resolve() for p in places if p and Path(p, "gltf-validator").is_dir()), None)


def khronos_issues(files):
    """Give what Khronos's validator finds in each file."""
    module = validator()
    if module is None:
        pytest.skip("npm's gltf-validator is not installed (npm install gltf-validator; set KTUBE_NODE_MODULES)")
    script = (
        "const v = require(process.argv[1]), fs = require('fs');"
        "Promise.all(process.argv.slice(2).map((f) => v.validateBytes(new Uint8Array(fs.readFileSync(f)))))"
        ".then((all) => console.log(JSON.stringify(all.map((one) => one.issues))));"
    )
    done = subprocess.run(["node", "-e", script, str(module), *map(str, files)], capture_output=True, text=True)
    return json.loads(done.stdout)


def test_khronos_validator_finds_no_error(tmp_path):
    poses = speaking()
    files = [save_glb(poses, tmp_path / f"{style}.glb", bone_names=style) for style in ("smplx", "vrm", "mixamo")]
    files += [save_glb(poses[:1], tmp_path / "one.glb"), save_glb(pose_to_joints(poses), tmp_path / "joints.glb")]
    issues = khronos_issues(files)
    assert len(issues) == len(files)
    assert [(one["numErrors"], one["numWarnings"]) for one in issues] == [(0, 0)] * len(files), issues


BLENDER = """
import builtins, json, sys
import numpy
numpy.bool = bool  # Debian's Blender 3.4 still asks numpy for it,
opened = builtins.open  # and opens BVH files in a mode Python 3.11 no longer knows.
builtins.open = lambda file, mode="r", *rest, **more: opened(file, mode.replace("U", ""), *rest, **more)
import bpy
path, fps, frames = sys.argv[-3], int(sys.argv[-2]), json.loads(sys.argv[-1])
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = fps
if path.endswith(".bvh"):
    bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, axis_forward="-Z", axis_up="Y")
elif path.endswith(".fbx"):
    bpy.ops.import_scene.fbx(filepath=path)
else:
    bpy.ops.import_scene.gltf(filepath=path)
skeleton = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
first = int(skeleton.animation_data.action.frame_range[0])
joints = {}
for frame in frames:
    bpy.context.scene.frame_set(first + frame)
    joints[frame] = {bone.name: list(skeleton.matrix_world @ bone.head) for bone in skeleton.pose.bones}
print("JOINTS" + json.dumps(joints))
"""


def blender_joints(path, frames):
    """Give where Blender has each bone's joint, frame by frame."""
    script = path.parent / "read.py"
    script.write_text(BLENDER)
    command = ["blender", "--background", "--python", str(script), "--", str(path), "20", str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = [line for line in done.stdout.splitlines() if line.startswith("JOINTS")]
    assert found, done.stdout[-1500:] + done.stderr[-1500:]
    return json.loads(found[0][6:])


@pytest.mark.parametrize("suffix", [".bvh", ".glb"])
def test_blender_agrees(tmp_path, suffix):
    if shutil.which("blender") is None:
        pytest.skip("Blender is not installed (apt-get install blender python3-numpy)")
    poses, frames = speaking(), [0, 13, 26, 39]
    path = (save_bvh if suffix == ".bvh" else save_glb)(poses, tmp_path / f"a{suffix}")
    true = pose_to_joints(poses, skeleton=SMPLX_55).positions
    for frame, bones in blender_joints(path, frames).items():
        x, y, z = np.array([bones[name] for name in SMPLX_55.joint_names]).T
        ours = np.stack([x, z, -y], -1)  # Blender is z up
        assert np.linalg.norm(ours - true[int(frame)], axis=-1).max() < 0.002


def test_the_recipe_makes_fbx_that_moves_alike(tmp_path):
    if shutil.which("blender") is None:
        pytest.skip("Blender is not installed (apt-get install blender python3-numpy)")
    poses, frames = speaking(), [0, 13, 26, 39]
    glb, fbx = save_glb(poses, tmp_path / "a.glb", bone_names="humanoid"), tmp_path / "a.fbx"
    recipe = Path(__file__).parent.parent / "docs" / "recipes" / "glb_to_fbx.py"
    repair = "import numpy; numpy.bool = bool; numpy.float = float; numpy.int = int"  # for Debian's Blender 3.4
    command = [
        "blender",
        "--background",
        "--python-expr",
        repair,
        "--python",
        str(recipe),
        "--",
        "20",
        str(glb),
        str(fbx),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert fbx.exists(), done.stdout[-1500:] + done.stderr[-1500:]
    true = pose_to_joints(poses, skeleton=SMPLX_55).positions
    names = bone_names(SMPLX_55.joint_names, "humanoid")
    for frame, bones in blender_joints(fbx, frames).items():
        x, y, z = np.array([bones[name] for name in names]).T
        ours = np.stack([x, z, -y], -1)
        assert np.linalg.norm(ours - true[int(frame)], axis=-1).max() < 0.002


# ---- bad input ----


@pytest.mark.parametrize(("save", "suffix"), [(save_bvh, ".bvh"), (save_glb, ".glb")])
def test_bad_input_leaves_nothing(tmp_path, save, suffix):
    poses = speaking(5)
    with pytest.raises(ConfigError, match=f"{suffix}.*Found: .fbx"):
        save(poses, tmp_path / "a.fbx")
    with pytest.raises(ShapeError, match="no frames"):
        save(poses[:0], tmp_path / f"a{suffix}")
    rotvecs = poses.rotvecs.copy()
    rotvecs[2, 3] = np.nan
    with pytest.raises(DataError, match=r"rotvecs.*first at 2"):
        save(poses.replace(rotvecs=rotvecs), tmp_path / f"a{suffix}")
    with pytest.raises(ConfigError, match="smplx, humanoid, vrm, mixamo"):
        save(poses, tmp_path / f"a{suffix}", bone_names="unity")
    (tmp_path / "file").write_text("")
    with pytest.raises(KtubeError, match="Cannot write"):
        save(poses, tmp_path / "file" / f"a{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_one_frame_and_other_skeletons(tmp_path):
    assert round_trip(speaking(1), tmp_path / "a.bvh")[0].max() < 0.01
    kit = Motion(skeleton=KIT_21, positions=np.cumsum(np.ones((3, 21, 3)), 1) * 100, fps=12.5)
    assert "Frames: 3" in save_bvh(kit, tmp_path / "kit.bvh").read_text()
    with pytest.raises(ConfigError, match="21 joints"):
        save_glb(kit, tmp_path / "kit.glb")
    with pytest.raises(ConfigError, match="cm, m or mm"):
        save_bvh(kit, tmp_path / "kit.bvh", unit="km")
