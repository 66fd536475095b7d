"""One motion is the same in every file: where videos and pages draw the joints, and where animation files have them."""

import base64
import zlib

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_finishing import generated, gesture
from test_render_export import skin_by_hand
from test_render_web import data_of

from ktube_motion.io import load_bvh
from ktube_motion.kinematics import forward_kinematics, pose_to_joints
from ktube_motion.render import (
    _mesh,
    _skeleton,
    save_bvh,
    save_gallery,
    save_glb,
    save_html,
    save_mesh_video,
    save_skeleton_video,
)
from ktube_motion.skeletons import SMPL_22

FRAMES = 40


def reach():
    """Joints as a model writes them, whose arms stretch to and fro: the body's own length on average."""
    motion = pose_to_joints(gesture(FRAMES / 20)).replace(rotations=None, translation=None, name="말")
    positions, t = motion.positions.copy(), np.arange(FRAMES)
    for wrist, elbow, side in ((20, 18, 1), (21, 19, -1)):
        stretch = 1 + 0.4 * np.sin(t / 3 * side)[:, None]
        positions[:, wrist] = positions[:, elbow] + stretch * (positions[:, wrist] - positions[:, elbow])
    positions += 0.003 * np.sin(t)[:, None, None] - [0, positions[..., 1].min(), 0]
    return motion.replace(positions=positions)


def of_bvh(clip, folder, **options):
    motion = load_bvh(save_bvh(clip, folder / "a.bvh", **options))
    names = motion.skeleton.joint_names
    points = forward_kinematics(motion.rotations, motion.translation, skeleton=motion.skeleton)
    return points[:, [names.index(name) for name in SMPL_22.joint_names]]


def of_glb(clip, folder, **options):
    path = save_glb(clip, folder / "a.glb", **options)
    return np.stack([skin_by_hand(path, frame)[0][:22] for frame in range(FRAMES)])


def of_video(clip, folder, monkeypatch, **options):
    drawn = []
    draw = _skeleton._Painter.draw
    monkeypatch.setattr(
        _skeleton._Painter, "draw",
        lambda self, panel, frame, **how: (drawn.append(panel.positions[frame]), draw(self, panel, frame, **how)),
    )  # fmt: skip
    save_skeleton_video(clip, folder / "a.gif", size=(96, 96), **options)
    return np.stack(drawn)[:, :22]


def of_mesh_video(clip, folder, monkeypatch, **options):
    actors = []
    make = _mesh._actor
    monkeypatch.setattr(_mesh, "_actor", lambda *given: actors.append(make(*given)) or actors[-1])
    monkeypatch.setattr(_mesh, "_draw", lambda *given: np.zeros((64, 64, 3), np.uint8))  # slow, and of no use here
    save_mesh_video(clip, folder / "a.gif", size=(64, 64), renderer="rays", **options)
    figure, moves = actors[0].figure, actors[0].moves  # the bones as the shader has them, not joints kept beside
    return (moves[..., :3] @ figure.rest[..., None])[..., 0][:, :22] + moves[..., 3][:, :22]


def of_page(page):
    """Joints as the page's script finds them."""
    data = data_of(page)
    clip = data["clips"][0]
    steps = np.frombuffer(zlib.decompress(base64.b64decode(clip["data"])), "<i2").reshape(clip["channels"], -1)
    numbers = np.cumsum(steps, 1, dtype=np.int16).T
    if "joints" in clip:
        return numbers[:, :66].reshape(-1, 22, 3) * clip["scale"] + np.array(clip["middle"])
    root = numbers[:, :3] * clip["scale"] + np.array(clip["middle"])
    quats = np.zeros((len(numbers), 55, 4))
    for joint, still in enumerate(clip["still"]):
        if still:
            quats[:, joint] = still
    quats[:, clip["turns"]] = (numbers[:, 3 : 3 + 4 * len(clip["turns"])] / 32767).reshape(len(numbers), -1, 4)
    rest, parents = np.array(data["shapes"][clip["shape"]]["rest"]), data["parents"]
    turned, places = [], []
    for joint in range(22):
        turn = Rotation.from_quat(quats[:, joint])
        up = parents[joint]
        turned.append(turn if up < 0 else turned[up] * turn)
        places.append(root if up < 0 else places[up] + turned[up].apply(rest[joint] - rest[up]))
    return np.stack(places, 1)


def apart(first, second):
    """Largest distance of a joint, in millimetres."""
    return 1000 * np.linalg.norm(first - second, axis=-1).max()


@pytest.fixture(scope="module")
def motion():
    return reach()


def everywhere(clip, folder, monkeypatch, **options):
    return {
        "video": of_video(clip, folder, monkeypatch, **options),
        "mesh video": of_mesh_video(clip, folder, monkeypatch, **options),
        "page": of_page(save_html(clip, folder / "a.html", **options)),
        "page of sticks": of_page(save_html(clip, folder / "b.html", look="sticks", **options)),
        "glb": of_glb(clip, folder, **options),
        "bvh": of_bvh(clip, folder, **options),
    }


def test_a_generated_motion_is_the_same_in_every_file(motion, tmp_path, monkeypatch):
    joints = everywhere(motion, tmp_path, monkeypatch)
    assert apart(joints["bvh"], motion.positions) > 50  # what stretched was made rigid
    for name, found in joints.items():
        assert apart(found, joints["bvh"]) < 0.2, name


def test_poses_are_the_same_in_every_file(tmp_path, monkeypatch):
    poses = gesture(FRAMES / 20).replace(transl=np.tile([0.3, -2.2, 3.0], (FRAMES, 1)), betas=np.array([1.0, -1, 0.5]))
    joints = everywhere(poses, tmp_path, monkeypatch)
    assert 0 < joints["bvh"][:, [10, 11], 1].min() < 0.05  # stands on the ground
    for name, found in joints.items():
        assert apart(found, joints["bvh"]) < 0.2, name


def test_bones_of_noise_are_those_of_the_nearest_body(tmp_path):
    noisy = generated(seconds=FRAMES / 20)
    assert apart(of_page(save_html(noisy, tmp_path / "a.html")), of_bvh(noisy, tmp_path)) < 0.2


def test_what_is_given_is_drawn_where_asked_for(motion, tmp_path, monkeypatch):
    assert apart(of_video(motion, tmp_path, monkeypatch, finish=False), motion.positions) < 0.01
    page = save_html(motion, tmp_path / "a.html", look="sticks", finish=False)
    assert apart(of_page(page), motion.positions) < 0.1
    body = of_page(save_html(motion, tmp_path / "b.html", finish=False))
    assert np.ptp(np.linalg.norm(body[:, 20] - body[:, 18], axis=-1)) < 0.001  # a body cannot stretch


def test_gallery_shows_the_finished_clip(motion, tmp_path):
    class Corpus:
        skeleton, fps = SMPL_22, 20

        def names(self, split):
            return ["말"]

        def joints(self, name):
            return motion.positions

        def texts(self, name):
            return "안녕하세요"

    save_gallery(Corpus(), tmp_path / "a.html")
    assert apart(of_page(tmp_path / "a.html"), of_bvh(motion, tmp_path)[::2]) < 1  # fitted anew
    save_gallery(Corpus(), tmp_path / "b.html", look="sticks", finish=False)
    assert apart(of_page(tmp_path / "b.html"), motion.positions[::2]) < 0.1
