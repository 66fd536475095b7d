"""Kinematics: forward and inverse, mirrors, and the bodies behind poses."""

import shutil
import time
import warnings

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError, FormatError, ShapeError
from ktube_motion.kinematics import (
    bone_offsets,
    forward_kinematics,
    global_rotations,
    inverse_kinematics,
    load_body,
    mirror,
    mirror_positions,
    pose_to_joints,
)
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55
from ktube_motion.types import Motion, PoseSequence

SKELETONS = [SMPL_22, KIT_21, SMPLH_52, SMPLX_55]
each_skeleton = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
few = settings(max_examples=15, deadline=None)


def random_rotations(*shape, seed=0, spread=1.0):
    torch.manual_seed(seed)
    return roma.rotvec_to_rotmat(spread * torch.randn(*shape, 3, dtype=torch.float64)).numpy()


def random_poses(frames, *, seed=0, **fields):
    rng = np.random.default_rng(seed)
    return PoseSequence(rng.normal(0, 0.4, (frames, 55, 3)), rng.normal(size=(frames, 3)), fps=30, **fields)


# ---- chains -------------------------------------------------------------------------------------------------------


@each_skeleton
def test_forward_kinematics_follows_the_tree(skeleton):
    rotations, root = random_rotations(4, skeleton.num_joints), np.random.default_rng(0).normal(size=(4, 3))
    expected, turned = [root], [rotations[:, 0]]
    for joint in range(1, skeleton.num_joints):
        parent = skeleton.parents[joint]
        expected.append(expected[parent] + turned[parent] @ skeleton.offsets[joint])
        turned.append(turned[parent] @ rotations[:, joint])
    positions = forward_kinematics(rotations, root, skeleton=skeleton)
    np.testing.assert_allclose(positions, np.stack(expected, 1), rtol=1e-9)
    np.testing.assert_allclose(global_rotations(rotations, skeleton=skeleton), np.stack(turned, 1), atol=1e-9)
    batch = forward_kinematics(rotations.reshape(2, 2, -1, 3, 3), root.reshape(2, 2, 3), skeleton=skeleton)
    np.testing.assert_array_equal(batch.reshape(positions.shape), positions)


def test_forward_kinematics_is_differentiable():
    rotvecs = torch.randn(1, 21, 3, dtype=torch.float64, requires_grad=True)
    root = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    offsets = torch.randn(21, 3, dtype=torch.float64, requires_grad=True)

    def run(rotvecs, root, offsets):
        rotations = roma.rotvec_to_rotmat(rotvecs)
        return forward_kinematics(rotations, root, skeleton=KIT_21, offsets=offsets)[..., [7, 15, 20], :]

    assert torch.autograd.gradcheck(run, (rotvecs, root, offsets))


def test_kind_and_dtype_are_kept():
    rotations = torch.eye(3).expand(2, 22, 3, 3)
    positions = forward_kinematics(rotations, torch.zeros(2, 3), skeleton=SMPL_22)
    assert positions.dtype == torch.float32
    assert inverse_kinematics(positions.double(), skeleton=SMPL_22).dtype == torch.float64
    assert inverse_kinematics(positions.numpy(), skeleton=SMPL_22).dtype == np.float32
    assert isinstance(bone_offsets(positions, skeleton=SMPL_22), torch.Tensor)


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match="22"):
        forward_kinematics(np.zeros((2, 21, 3, 3)), np.zeros((2, 3)), skeleton=SMPL_22)
    with pytest.raises(ShapeError, match="differ"):
        forward_kinematics(np.zeros((2, 22, 3, 3)), np.zeros((3, 3)), skeleton=SMPL_22)
    for work in (inverse_kinematics, bone_offsets, mirror_positions):
        with pytest.raises(ShapeError, match="22, 3"):
            work(np.zeros((2, 21, 3)), skeleton=SMPL_22)


@few
@given(seed=st.integers(0, 10**6), number=st.integers(0, 3))
def test_inverse_then_forward_recovers_the_joints(seed, number):
    skeleton = SKELETONS[number]
    rotations, root = random_rotations(3, skeleton.num_joints, seed=seed), np.full((3, 3), 0.5)
    lengths = np.random.default_rng(seed).uniform(0.5, 2, (skeleton.num_joints, 1))
    positions = forward_kinematics(rotations, root, skeleton=skeleton, offsets=skeleton.offsets * lengths)
    found = inverse_kinematics(positions, skeleton=skeleton)
    np.testing.assert_allclose(found @ np.swapaxes(found, -1, -2), np.broadcast_to(np.eye(3), found.shape), atol=1e-6)
    offsets = bone_offsets(positions, skeleton=skeleton)
    again = forward_kinematics(found, root, skeleton=skeleton, offsets=offsets)
    np.testing.assert_allclose(again, positions, atol=1e-4 / skeleton.metres_per_unit)


@few
@given(seed=st.integers(0, 10**6))
def test_single_bones_point_at_any_joints(seed):
    positions = np.random.default_rng(seed).normal(size=(5, 22, 3))
    found = inverse_kinematics(positions, skeleton=SMPL_22)
    offsets = bone_offsets(positions, skeleton=SMPL_22)
    again = forward_kinematics(found, positions[:, 0], skeleton=SMPL_22, offsets=offsets)
    for joint, parent in enumerate(SMPL_22.parents):
        if parent > 0 and SMPL_22.parents.count(parent) == 1:
            bone = lambda points: points[:, joint] - points[:, parent]  # noqa: B023, E731
            np.testing.assert_allclose(bone(again), bone(positions), atol=1e-5)


def test_turning_the_motion_turns_only_the_root():
    positions = np.random.default_rng(0).normal(size=(5, 22, 3))
    turn = random_rotations(1)[0]
    first = inverse_kinematics(positions, skeleton=SMPL_22)
    second = inverse_kinematics(positions @ turn.T, skeleton=SMPL_22)
    np.testing.assert_allclose(second[:, 0], turn @ first[:, 0], atol=1e-4)
    np.testing.assert_allclose(second[:, 1:], first[:, 1:], atol=1e-4)


@pytest.mark.parametrize("positions", [np.zeros((2, 22, 3)), np.tile(np.arange(22.0)[:, None], (2, 1, 3))])
def test_degenerate_joints_give_rotations(positions):
    found = inverse_kinematics(positions, skeleton=SMPL_22)
    np.testing.assert_allclose(np.linalg.det(found), 1, atol=1e-5)
    if not positions.any():
        np.testing.assert_allclose(found, np.broadcast_to(np.eye(3), found.shape), atol=1e-6)


def test_bones_on_one_line_turn_no_further_than_they_must():
    way = np.array([0.6, 0.0, -0.8])
    positions = np.zeros((1, 22, 3))
    positions[:, [1, 2, 3]] = way
    found = inverse_kinematics(positions, skeleton=SMPL_22)[0, 0]
    rest = SMPL_22.bone_directions[[1, 2, 3]].sum(0)
    np.testing.assert_allclose(found @ rest / np.linalg.norm(rest), way, atol=1e-4)
    assert np.arccos((np.trace(found) - 1) / 2) == pytest.approx(np.arccos(rest @ way / np.linalg.norm(rest)), abs=1e-3)


def test_a_hand_straight_up(golden):
    joints = np.load(golden / "features/m12_nan_wrist_straight_up_T10.npz")["src_joints"]
    found = inverse_kinematics(joints, skeleton=SMPL_22)
    offsets = bone_offsets(joints, skeleton=SMPL_22)
    again = forward_kinematics(found, joints[:, 0], skeleton=SMPL_22, offsets=offsets)
    assert np.isfinite(again).all()
    for wrist, elbow in ((20, 18), (21, 19)):
        np.testing.assert_allclose(again[:, wrist] - again[:, elbow], joints[:, wrist] - joints[:, elbow], atol=1e-4)


# ---- mirror -------------------------------------------------------------------------------------------------------


def test_mirror_matches_the_reference(golden):
    recorded = np.load(golden / "features/swap_left_right.npz")
    np.testing.assert_array_equal(mirror_positions(recorded["in22"], skeleton=SMPL_22), recorded["out22"])
    motion = Motion(skeleton=SMPL_22, positions=recorded["in22"], fps=20)
    np.testing.assert_array_equal(mirror(motion).positions, recorded["out22"])
    # The reference pairs fingers wrongly; body and pairs 22 + k, 37 + k are right here.
    ours = mirror_positions(recorded["in52"], skeleton=SMPLH_52)
    np.testing.assert_array_equal(ours[:, :22], recorded["out52"][:, :22])
    np.testing.assert_array_equal(ours[:, 37:52], recorded["in52"][:, 22:37] * [-1, 1, 1])


@each_skeleton
def test_mirror_twice_is_nothing_and_kinematics_agree(skeleton):
    offsets = (skeleton.offsets + mirror_positions(skeleton.offsets, skeleton=skeleton)) / 2
    rotations, root = random_rotations(3, skeleton.num_joints).astype(np.float32), np.ones((3, 3), np.float32)
    positions = forward_kinematics(rotations, root, skeleton=skeleton, offsets=offsets)
    motion = Motion(skeleton=skeleton, positions=positions, rotations=rotations, translation=root, fps=20, name="a")
    image = mirror(motion)
    seen = forward_kinematics(image.rotations, image.translation, skeleton=skeleton, offsets=offsets)
    np.testing.assert_allclose(seen, image.positions, atol=1e-5 / skeleton.metres_per_unit)
    assert np.abs(image.positions - positions).max() > 0.1
    for name in ("positions", "rotations", "translation"):
        np.testing.assert_array_equal(getattr(mirror(image), name), getattr(motion, name))


def test_mirrored_poses_move_like_mirrored_joints():
    poses = random_poses(5)
    body = load_body()
    np.testing.assert_allclose(
        body.rotations(mirror(poses)),
        body.rotations(poses)[:, SMPLX_55.mirror] * np.outer([-1, 1, 1], [-1, 1, 1]),
        atol=0.02,
    )
    np.testing.assert_array_equal(mirror(mirror(poses)).rotvecs, poses.rotvecs)
    image, expected = body.joints(mirror(poses)), mirror_positions(body.joints(poses), skeleton=SMPLX_55)
    assert np.linalg.norm(image - expected, axis=-1).mean() < 0.03  # the body itself is not quite symmetric


# ---- bodies -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mannequin():
    return pytest.importorskip("mannequin").Mannequin


@pytest.mark.parametrize("flat", [True, False])
def test_embedded_body_is_the_mannequin(mannequin, flat):
    betas = np.random.default_rng(1).normal(0, 0.7, 10).astype(np.float32)
    poses = random_poses(20, betas=betas, flat_hand_mean=flat)
    figure = mannequin("wooden", shape=betas, flat_hand_mean=flat)
    pose = {
        "body_pose": poses.body_pose,
        "hand_pose": poses.rotvecs[:, 25:],
        "head_pose": np.zeros((20, 3, 3), np.float32),
        "pelvis_rotation": poses.global_orient,
        "global_translation": poses.transl,
    }
    expected = figure.joint_transforms(pose)[..., :3, 3]
    body = load_body()
    joints = body.joints(poses)
    np.testing.assert_allclose(joints[:, :22], expected[:, :22], atol=1e-5)
    np.testing.assert_allclose(joints[:, 25:], expected[:, 24:], atol=1e-5)
    part = {name: value[:3] for name, value in pose.items()}
    np.testing.assert_allclose(body.vertices(poses[:3]), figure.vertices(part), atol=1e-5)
    np.testing.assert_allclose(body.weights.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(body.faces, figure.faces)


def test_vertices_come_in_chunks():
    body, poses = load_body(), random_poses(7)
    chunks = list(body.iter_vertices(poses, chunk_frames=3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    np.testing.assert_allclose(np.concatenate(chunks), body.vertices(poses), atol=1e-6)
    rest = PoseSequence(np.zeros((1, 55, 3)), fps=30, flat_hand_mean=True)
    np.testing.assert_allclose(body.vertices(rest)[0], body.rest_vertices(np.zeros(3)), atol=1e-6)
    np.testing.assert_allclose(body.joints(rest)[0], body.rest_joints(np.zeros(16)), atol=1e-6)
    assert body.vertices(poses[:0]).shape == (0, len(body.weights), 3)


def test_one_frame_as_a_mesh(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    body, poses = load_body(), random_poses(5)
    mesh = body.mesh(poses, frame=-2)
    np.testing.assert_allclose(mesh.vertices, body.vertices(poses)[3], atol=1e-6)
    np.testing.assert_array_equal(mesh.faces, body.faces)
    np.testing.assert_array_equal(body.mesh(poses, frame=3).vertices, mesh.vertices)
    mesh.export(tmp_path / "몸.ply")
    np.testing.assert_allclose(trimesh.load_mesh(tmp_path / "몸.ply", process=False).vertices, mesh.vertices, atol=1e-6)
    for frame in (5, -6):
        with pytest.raises(ConfigError, match=rf"no such frame.*0 to 4.*{frame}"):
            body.mesh(poses, frame=frame)
    with pytest.raises(DataError, match="frames are invalid"):
        body.mesh(poses.replace(valid=np.arange(5) != 3), frame=3)


@pytest.mark.parametrize("skeleton", [SMPL_22, SMPLH_52, SMPLX_55], ids=lambda skeleton: skeleton.name)
def test_pose_to_joints(skeleton):
    poses = random_poses(6)
    motion = pose_to_joints(poses, skeleton=skeleton)
    assert (motion.skeleton, motion.fps, len(motion)) == (skeleton, 30, 6)
    everything = pose_to_joints(poses, skeleton=SMPLX_55)
    where = [SMPLX_55.index(name) for name in skeleton.joint_names]
    np.testing.assert_array_equal(motion.positions, everything.positions[:, where])
    rest = load_body().rest_joints(poses.betas)[where]
    offsets = rest - rest[[0, *skeleton.parents[1:]]]
    rebuilt = forward_kinematics(motion.rotations, motion.translation, skeleton=skeleton, offsets=offsets)
    np.testing.assert_allclose(rebuilt, motion.positions, atol=1e-5)
    # The root turns about the pelvis, which stands at its rest position plus transl.
    np.testing.assert_allclose(motion.translation, rest[0] + poses.transl, atol=1e-6)


def test_pose_to_joints_is_fast_and_strict():
    poses = random_poses(1000)
    pose_to_joints(poses[:2])
    start = time.perf_counter()
    pose_to_joints(poses)
    assert time.perf_counter() - start < 0.5
    with pytest.raises(ConfigError, match=r"smpl_22.*kit_21"):
        pose_to_joints(poses, skeleton=KIT_21)
    with pytest.raises(DataError, match=r"1 of 1000 frames are invalid.*fill_gaps"):
        pose_to_joints(poses.replace(valid=np.arange(1000) != 3))


# ---- SMPL-X files -------------------------------------------------------------------------------------------------


def smplx_model(vertices, directions, seed=0):
    """A random model with the keys and shapes of SMPL-X."""
    rng = np.random.default_rng(seed)
    normal = lambda *shape, scale=1.0: scale * rng.standard_normal(shape, dtype=np.float32)  # noqa: E731
    regressor, weights = rng.random((55, vertices), np.float32) ** 8, rng.random((vertices, 55), np.float32) ** 8
    parents = np.array([SMPLX_55.parents, range(55)])
    parents[0, 0] = 2**32 - 1
    return {
        "v_template": normal(vertices, 3, scale=0.5),
        "f": rng.integers(0, vertices, (40, 3)).astype(np.uint32),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": parents.astype(np.uint32),
        "posedirs": normal(vertices, 3, 486, scale=0.001),
        "shapedirs": normal(vertices, 3, directions, scale=0.01),
        "hands_componentsl": np.eye(45, dtype=np.float32),
        "hands_componentsr": np.eye(45, dtype=np.float32),
        "hands_meanl": normal(45, scale=0.2),
        "hands_meanr": normal(45, scale=0.2),
        "lmk_faces_idx": np.zeros(51, np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3, np.float32),
    }


@pytest.fixture
def small_model(tmp_path):
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", **smplx_model(60, 20))
    return tmp_path


@pytest.fixture(scope="module")
def full_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies") / "smplx"
    folder.mkdir()
    np.savez(folder / "SMPLX_NEUTRAL.npz", **smplx_model(10475, 400))
    yield folder
    shutil.rmtree(folder)  # 100 MB


@pytest.mark.parametrize("flat", [True, False])
def test_smplx_file_matches_smplx(full_model, flat):
    smplx = pytest.importorskip("smplx")
    rng = np.random.default_rng(3)
    poses = random_poses(3, betas=rng.normal(size=16), expression=rng.normal(size=(3, 50)), flat_hand_mean=flat)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # smplx's own
        options = {"use_pca": False, "flat_hand_mean": flat, "num_betas": 16, "num_expression_coeffs": 50}
        model = smplx.SMPLX(str(full_model), ext="npz", batch_size=3, **options)
        tensor = lambda array: torch.tensor(np.asarray(array)).reshape(3, -1)  # noqa: E731
        expected = model(
            betas=tensor(np.tile(poses.betas, (3, 1))),
            expression=tensor(poses.expression),
            global_orient=tensor(poses.global_orient),
            body_pose=tensor(poses.body_pose),
            jaw_pose=tensor(poses.jaw_pose),
            leye_pose=tensor(poses.eye_pose[:, 0]),
            reye_pose=tensor(poses.eye_pose[:, 1]),
            left_hand_pose=tensor(poses.left_hand_pose),
            right_hand_pose=tensor(poses.right_hand_pose),
            transl=tensor(poses.transl),
        )
    body = load_body(full_model.parent)
    np.testing.assert_allclose(body.joints(poses), expected.joints[:, :55].detach(), atol=2e-5)
    np.testing.assert_allclose(body.vertices(poses), expected.vertices.detach(), atol=2e-4)


def test_old_smplx_files_have_ten_coefficients(small_model):
    body = load_body(small_model / "SMPLX_NEUTRAL.npz")
    assert body.num_betas == 10
    assert body.vertices(random_poses(4, expression=np.ones((4, 12)))).shape == (4, 60, 3)
    motion = pose_to_joints(random_poses(4), body=body, skeleton=SMPLH_52)
    np.testing.assert_allclose(
        motion.translation, body.rest_joints(np.zeros(10))[0] + random_poses(4).transl, atol=1e-6
    )


def test_model_files_that_are_none(small_model, tmp_path):
    with pytest.raises(FormatError, match=r"no SMPL-X model here.*SMPLX_MALE\.npz"):
        load_body(small_model, gender="male")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(FormatError, match=r"text\.npz: Cannot read"):
        load_body(tmp_path / "text.npz")
    whole = (small_model / "SMPLX_NEUTRAL.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="Cannot read"):
        load_body(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": None}, r"no SMPL-X model.*weights"),
        ({"weights": np.zeros((61, 55))}, r"weights has the wrong shape.*\(60, 55\)"),
        ({"kintree_table": np.zeros((2, 55), int)}, "joints are not those of SMPL-X"),
        ({"v_template": np.array([{"a": 1}], dtype=object)}, "Only .npz files of plain arrays"),
    ],
)
def test_models_with_a_fault(tmp_path, change, message):
    model = {key: value for key, value in (smplx_model(60, 20) | change).items() if value is not None}
    np.savez(tmp_path / "model.npz", **model)
    with pytest.raises(FormatError, match=message):
        load_body(tmp_path / "model.npz")


def test_a_motion_says_which_part_it_lacks():
    motion = Motion(skeleton=SMPL_22, positions=np.ones((2, 22, 3)), fps=20, name="wave")
    assert motion.require("positions") is motion.positions
    with pytest.raises(DataError, match=r"wave: This motion has no rotations\..*inverse_kinematics"):
        motion.require("rotations")
