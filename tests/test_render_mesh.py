"""Mesh videos by every renderer this machine has."""

import ctypes.util
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from ktube_motion import Motion, PoseSequence
from ktube_motion.errors import ConfigError, FormatError, MissingDependencyError, ShapeError
from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.render import save_mesh_video
from ktube_motion.render._figure import bone_matrices, make_figure
from ktube_motion.render._figure import skin as skinned
from ktube_motion.render._raster import make_renderer
from ktube_motion.render._scene import frame_camera
from ktube_motion.skeletons import KIT_21

HAVE = {"osmesa": ctypes.util.find_library("OSMesa"), "egl": ctypes.util.find_library("EGL"), "rays": True}


def waving(frames=3):
    rotvecs = np.zeros((frames, 55, 3))
    rotvecs[:, 16, 2] = -1.1  # left arm down
    rotvecs[:, 17, 2] = np.linspace(1.1, -0.8, frames)  # right arm goes up
    return PoseSequence(rotvecs=rotvecs, fps=20)


def picture(folder, frame):
    with Image.open(folder / f"frame_{frame:05}.png") as image:
        return np.asarray(image).astype(int)


def skin(image):
    """Where the picture is body: darker than paper, shadow on it apart, or coloured."""
    return (image.max(-1) < 185) | (np.ptp(image, -1) > 30)


def orange(image):
    return image[..., 0] - image[..., 2] > 90


def blue(image):
    return image[..., 2] - image[..., 0] > 70


# OpenGL is bound once in a process, so each renderer gets its own.
@pytest.mark.parametrize("kind", ["osmesa", "egl", "rays"])
def test_every_renderer_draws_body_ground_and_shadow(tmp_path, kind):
    if not HAVE[kind]:
        pytest.skip(f"no {kind} library here")
    script = (
        "import sys, numpy as np\n"
        "from ktube_motion import PoseSequence\n"
        "from ktube_motion.render import save_mesh_video\n"
        "rotvecs = np.load(sys.argv[1])\n"
        "save_mesh_video(PoseSequence(rotvecs=rotvecs, fps=20), sys.argv[2], renderer=sys.argv[3], size=(200, 200))"
    )
    np.save(tmp_path / "poses.npy", waving().rotvecs)
    folder = tmp_path / "frames"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "poses.npy"), str(folder), kind], capture_output=True, text=True
    )
    if kind == "egl" and "does not start" in done.stderr:
        pytest.skip("EGL is here but has no driver")
    assert done.returncode == 0, done.stderr
    first, last = picture(folder, 0), picture(folder, 2)
    assert 0.04 < skin(first).mean() < 0.4
    assert np.nonzero(blue(first))[1].mean() + 20 < np.nonzero(orange(first))[1].mean()  # it faces the camera
    rows, columns = np.nonzero(skin(first))
    assert rows.min() > 5
    assert rows.max() < 195
    assert abs(columns.mean() - 100) < 20  # the raised arm moves the middle
    # The right arm, on the left of the picture, goes up.
    assert skin(last)[:70, :75].sum() > skin(first)[:70, :75].sum() + 30
    np.testing.assert_allclose(first[4, 4], [246, 247, 249], atol=1)  # the paper of every picture
    assert first[190, 30].min() > 246  # the ground is lit
    below = first[100:, :80].astype(int)
    assert ((below.max(-1) < 225) & (np.ptp(below, -1) < 8)).sum() > 80  # the shadow falls away from the light


def test_rays_agree_with_the_camera():
    body = load_body()
    figure, moves = make_figure(body, np.zeros(10)), bone_matrices(body, waving(1))
    vertices = body.vertices(waving(1))[0]

    target = np.zeros(3)
    camera = frame_camera(vertices[None], target[None], size=(160, 160))
    renderer = make_renderer("rays", size=(160, 160))
    drawn = skin(renderer.draw(figure, moves[0], camera, target, -9.0).astype(int))
    pixels, _ = camera.project(vertices, target)
    rows, columns = np.nonzero(drawn)
    np.testing.assert_allclose([columns.min(), columns.max() + 1], [pixels[:, 0].min(), pixels[:, 0].max()], atol=2)
    np.testing.assert_allclose([rows.min(), rows.max() + 1], [pixels[:, 1].min(), pixels[:, 1].max()], atol=2)


def test_the_figure_is_the_body_with_a_face_that_turns():
    body = load_body()
    turned = np.zeros((2, 55, 3))
    turned[1, 15, 1] = 1.2  # the head looks to its left
    turned[:, 17, 2] = 0.7
    poses = PoseSequence(rotvecs=turned, fps=20)
    figure, moves = make_figure(body, poses.betas), bone_matrices(body, poses)
    np.testing.assert_allclose(figure.weights.sum(1), 1, atol=1e-6)
    assert len(figure.faces) < len(body.faces)
    for frame, vertices in enumerate(body.vertices(poses)):
        placed, normals = skinned(figure, moves[frame])
        own = figure.joints[:, 0] != 15  # but the head, which has a face and hair of its own
        own &= ~np.isin(figure.joints[:, 0], (23, 24))
        away, _ = cKDTree(vertices).query(placed[own])
        assert away.max() < 1e-5
        assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 0.2
        eyes = placed[np.isin(figure.joints[:, 0], (23, 24))].mean(0) - placed[figure.joints[:, 0] == 15].mean(0)
        assert np.sign(eyes[0] - 0.03) == (1 if frame else -1)


def test_joints_and_side_by_side(tmp_path):
    motion = pose_to_joints(waving())
    bare = Motion(skeleton=motion.skeleton, positions=motion.positions, fps=10)
    folder = save_mesh_video([motion, bare], tmp_path / "a", titles=["실제", "생성"], size=(96, 96), renderer="rays")
    assert len(list(folder.iterdir())) == 5  # at 20 fps, until the last frame of the one at 10 fps
    assert picture(folder, 0).shape == (96, 192, 3)


def test_bad_input_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError, match="kit_21"):
        save_mesh_video(Motion(skeleton=KIT_21, positions=np.zeros((2, 21, 3)), fps=12.5), tmp_path / "a.mp4")
    with pytest.raises(ShapeError, match="no frames"):
        save_mesh_video(waving()[:0], tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="auto, osmesa"):
        save_mesh_video(waving(), tmp_path / "a.mp4", renderer="vulkan", size=(64, 64))
    with pytest.raises(FormatError, match="SMPL-X"):
        save_mesh_video(waving(), tmp_path / "a.mp4", body=load_body(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_no_opengl_gives_advice_or_falls_back(monkeypatch):
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(MissingDependencyError, match="apt-get install libosmesa6"):
        make_renderer("osmesa", size=(64, 64))
    assert type(make_renderer("auto", size=(64, 64))).__name__ == "RayStage"


def test_the_slow_way_tells_of_the_fast_one_once(monkeypatch, caplog):
    from ktube_motion.render import _raster

    _raster._tell_faster.cache_clear()
    monkeypatch.setattr(_raster, "_platform", lambda kind: None)
    for _ in range(3):
        _raster.make_renderer("auto", size=(64, 64))
    (told,) = [record.message for record in caplog.records if "faster" in record.message]
    assert "apt-get install libosmesa6" in told
