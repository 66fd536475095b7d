"""Mesh videos by every renderer this machine has."""

import ctypes.util
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ktube_motion import Motion, PoseSequence
from ktube_motion.errors import ConfigError, FormatError, MissingDependencyError, ShapeError
from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.render import save_mesh_video
from ktube_motion.render._raster import make_renderer
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
    """Where the picture is wood: much more red than blue."""
    return image[..., 0] - image[..., 2] > 25


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
    rows, columns = np.nonzero(skin(first))
    assert rows.min() > 5
    assert rows.max() < 195
    assert abs(columns.mean() - 100) < 20  # the raised arm moves the middle
    # The right arm, on the left of the picture, goes up.
    assert skin(last)[:70, :75].sum() > skin(first)[:70, :75].sum() + 30
    sky, floor = first[10, 10], first[185, 20]
    assert sky.min() > 225
    assert np.ptp(first[150:, :40].reshape(-1, 3), axis=0).max() > 8  # tiles
    shadow = (~skin(first)) & (first.max(-1) < floor.min() - 25)
    assert shadow[100:].sum() > 150


def test_rays_agree_with_the_camera():
    body = load_body()
    vertices = body.vertices(waving(1))[0]
    from ktube_motion.render._scene import frame_camera

    target = np.zeros(3)
    camera = frame_camera(vertices[None], target[None], size=(160, 160))
    renderer = make_renderer("rays", body.faces, size=(160, 160))
    drawn = skin(renderer.draw(vertices, camera, target, -1.3).astype(int))
    pixels, _ = camera.project(vertices, target)
    rows, columns = np.nonzero(drawn)
    np.testing.assert_allclose([columns.min(), columns.max() + 1], [pixels[:, 0].min(), pixels[:, 0].max()], atol=2)
    np.testing.assert_allclose([rows.min(), rows.max() + 1], [pixels[:, 1].min(), pixels[:, 1].max()], atol=2)


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
    faces = load_body().faces
    with pytest.raises(MissingDependencyError, match="apt-get install libosmesa6"):
        make_renderer("osmesa", faces, size=(64, 64))
    assert type(make_renderer("auto", faces, size=(64, 64))).__name__ == "RayRenderer"


def test_the_slow_way_tells_of_the_fast_one_once(monkeypatch, caplog):
    from ktube_motion.render import _raster

    _raster._tell_faster.cache_clear()
    monkeypatch.setattr(_raster, "_platform", lambda kind: None)
    faces = np.array([[0, 1, 2]])
    for _ in range(3):
        _raster.make_renderer("auto", faces, size=(32, 32))
    (told,) = [record.message for record in caplog.records if "faster" in record.message]
    assert "apt-get install libosmesa6" in told
