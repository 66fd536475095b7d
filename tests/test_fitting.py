"""Joints to SMPL-X poses: exact joints, natural turns, no flips, clear errors."""

import json
import logging
import time

import numpy as np
import pytest
import roma
import torch

from ktube_motion import Motion, PoseSequence
from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.kinematics import fit_poses, forward_kinematics, load_body, pose_to_joints
from ktube_motion.kinematics._fitting import fit_betas
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55


@pytest.fixture(scope="module")
def speaker(shared):
    """Give 200 frames of a real speaker."""
    record = json.loads((shared / "data/pose_json/scott_clean.json").read_text())
    frames = record["frames"][:200]
    part = lambda key, joints: np.array([frame[key] for frame in frames], np.float32).reshape(-1, joints, 3)  # noqa: E731
    parts = [part("smplx_root_pose", 1), part("smplx_body_pose", 21), part("smplx_jaw_pose", 1)]
    parts += [np.zeros((len(frames), 2, 3)), part("smplx_lhand_pose", 15), part("smplx_rhand_pose", 15)]
    return PoseSequence(
        rotvecs=np.concatenate(parts, 1), transl=part("cam_trans", 1)[:, 0], fps=30, betas=frames[0]["smplx_shape"]
    )


def joint_error(poses, motion):
    back = pose_to_joints(poses, skeleton=motion.skeleton)
    return np.linalg.norm(back.positions - motion.positions, axis=-1)


def degrees_between(first, second):
    first, second = torch.from_numpy(np.array(first)), torch.from_numpy(np.array(second))
    return np.degrees(roma.rotmat_geodesic_distance(first, second).numpy())


@pytest.mark.parametrize("skeleton", [SMPL_22, SMPLH_52, SMPLX_55], ids=lambda skeleton: skeleton.name)
def test_real_joints_are_met(speaker, skeleton):
    motion = pose_to_joints(speaker, skeleton=skeleton)
    begin = time.process_time()
    poses = fit_poses(motion)
    seconds = time.process_time() - begin
    error = joint_error(poses, motion)
    body = slice(None) if skeleton is not SMPLX_55 else [*range(22), *range(25, 55)]
    assert error[:, body].mean() < 0.001
    assert error[:, body].max() < 0.005
    assert error.mean() < 0.005  # with jaw and eyes, which ride on an unseen head
    assert seconds < 4  # two cores for two seconds, whatever else the machine does
    assert poses.fps == motion.fps
    assert len(poses) == len(motion)


def test_no_flips_and_natural_turns(speaker):
    motion = pose_to_joints(speaker)
    poses = fit_poses(motion)
    fitted = pose_to_joints(poses)
    steps = degrees_between(fitted.rotations[1:], fitted.rotations[:-1])
    true_steps = degrees_between(motion.rotations[1:], motion.rotations[:-1])
    assert steps.max() < 1.5 * true_steps.max()
    assert np.abs(np.diff(poses.rotvecs, axis=0)).max() < 0.5
    error = degrees_between(fitted.rotations, motion.rotations)
    hips_knees_shoulders = [1, 2, 4, 5, 16, 17]
    assert np.median(error[:, hips_knees_shoulders]) < 20
    assert error[:, [0, 6, 9]].mean() < 5


def test_known_shape_is_kept_and_unknown_one_is_found(speaker):
    motion = pose_to_joints(speaker)
    kept = fit_poses(motion, betas=speaker.betas, iterations=5)
    np.testing.assert_array_equal(kept.betas, speaker.betas)
    assert joint_error(kept, motion).mean() < 0.001
    found = fit_betas(motion.positions, body=load_body())
    true, ours = load_body().rest_joints(speaker.betas)[:22], load_body().rest_joints(found)[:22]
    lengths = [np.linalg.norm(rest[1:] - rest[list(SMPL_22.parents[1:])], axis=-1) for rest in (true, ours)]
    np.testing.assert_allclose(*lengths, atol=0.001)


def test_the_analytic_start_alone_is_close(speaker):
    motion = pose_to_joints(speaker)
    assert joint_error(fit_poses(motion, iterations=0), motion).mean() < 0.005


def test_other_proportions_and_turning_right_round(golden):
    joints = np.load(golden / "features/ref_012314_given.npz")["new_joints"]
    motion = Motion(skeleton=SMPL_22, positions=joints, fps=20)
    poses = fit_poses(motion)
    assert joint_error(poses, motion).mean() < 0.02  # HumanML3D's own figure: joints of another rig
    angle = np.linspace(0, 4 * np.pi, 120)
    turning = PoseSequence(rotvecs=np.zeros((120, 55, 3)), fps=20).rotvecs.copy()
    turning[:, 0, 1] = angle
    motion = pose_to_joints(PoseSequence(rotvecs=turning, fps=20))
    poses = fit_poses(motion)
    assert joint_error(poses, motion).max() < 0.002
    jumps = np.abs(np.diff(poses.rotvecs[:, 0], axis=0)).max(1) > 0.3
    assert jumps.sum() <= 2  # axis-angle must jump once in a turn; the rotation itself does not
    turns = roma.rotvec_to_rotmat(torch.from_numpy(poses.rotvecs[:, 0].copy())).numpy()
    assert degrees_between(turns[1:], turns[:-1]).max() < 8
    swaying = turning.copy()
    swaying[:, 0, 1] = np.pi + 0.3 * np.sin(angle)  # across a half turn and back
    poses = fit_poses(pose_to_joints(PoseSequence(rotvecs=swaying, fps=20)))
    assert np.abs(np.diff(poses.rotvecs[:, 0], axis=0)).max() < 0.1


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_motions(frames):
    rng = np.random.default_rng(frames)
    poses = PoseSequence(rotvecs=rng.normal(0, 0.3, (frames, 55, 3)), fps=20)
    for skeleton in (SMPL_22, SMPLH_52):
        motion = pose_to_joints(poses, skeleton=skeleton)
        assert joint_error(fit_poses(motion), motion).mean() < 0.005


def test_wild_poses_stay_finite():
    rng = np.random.default_rng(0)
    motion = Motion(skeleton=SMPL_22, positions=rng.normal(size=(5, 22, 3)), fps=20)
    assert np.isfinite(fit_poses(motion).rotvecs).all()
    folded = Motion(skeleton=SMPL_22, positions=np.zeros((3, 22, 3)), fps=20)
    assert np.isfinite(fit_poses(folded).rotvecs).all()


def test_bad_input_is_named():
    with pytest.raises(ConfigError, match="kit_21, 21 joints"):
        fit_poses(Motion(skeleton=KIT_21, positions=np.zeros((2, 21, 3)), fps=12.5))
    with pytest.raises(ShapeError, match="22"):
        Motion(skeleton=SMPL_22, positions=np.zeros((2, 21, 3)), fps=20)
    with pytest.raises(ShapeError, match="no frames"):
        fit_poses(Motion(skeleton=SMPL_22, positions=np.zeros((0, 22, 3)), fps=20))
    broken = np.zeros((4, 22, 3))
    broken[2, 5] = np.nan
    with pytest.raises(DataError, match="first at 2"):
        fit_poses(Motion(skeleton=SMPL_22, positions=broken, fps=20))
    with pytest.raises(DataError, match="no positions"):
        fit_poses(Motion(skeleton=SMPL_22, rotations=np.tile(np.eye(3), (2, 22, 1, 1)), fps=20))


def test_input_is_not_changed(speaker):
    motion = pose_to_joints(speaker[:5])
    before = motion.positions.copy()
    fit_poses(motion)
    np.testing.assert_array_equal(motion.positions, before)
    assert forward_kinematics(motion.rotations, motion.translation, skeleton=SMPL_22).shape == before.shape


def test_shape_of_foreign_proportions_is_plausible_keeps_the_height_and_is_told(caplog):
    body = load_body()
    upright = forward_kinematics(np.tile(np.eye(3), (3, 22, 1, 1)), np.zeros((3, 3)), skeleton=SMPL_22)
    betas = fit_betas(upright, body=body)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not told, "all generated motion has these bones"
    fit_betas(upright * [1.0, 1.1, 1.0], body=body)
    assert np.abs(betas).max() < 1.6
    assert 1.6 < np.ptp(body.rest_vertices(betas)[:, 1]) < 1.9

    def stature(joints):
        chain = [15, 12, 9, 6, 3, 0]
        spine = np.linalg.norm(np.diff(joints[chain], axis=0), axis=-1).sum()
        legs = [np.linalg.norm(joints[a] - joints[b]) for a, b in ((1, 4), (4, 7), (2, 5), (5, 8))]
        return spine + sum(legs) / 2

    assert abs(stature(body.rest_joints(betas)) - stature(upright[0])) < 0.02
    assert "No plausible body has these bones" in caplog.text


@pytest.mark.parametrize("shape", [[2.0, 0, 0], [0, 2, -1], [-2, 1, 1], [3, -2, 0]])
def test_shape_of_a_body_of_this_kind_is_found_and_nothing_is_told(shape, caplog):
    true = np.zeros(10, np.float32)
    true[:3] = shape
    motion = pose_to_joints(PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20, betas=true))
    assert np.abs(fit_betas(motion.positions, body=load_body()) - true).max() < 0.1
    assert not caplog.text
