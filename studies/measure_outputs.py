"""Measure what is written for others: bodies, bones, feet, files, pictures; of an older source beside this one.

    python studies/measure_outputs.py
    git worktree add ../older COMMIT; python studies/measure_outputs.py --before ../older/src
    python studies/measure_outputs.py --only shape feet files

Seconds are those of one processor. The motion is the made-up speaker's, shaken as a model shakes it; `--motion` takes
one of yours, a .npy of 22 joints at 20 fps.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from study import run

from ktube_motion import Motion, PoseSequence
from ktube_motion.io import load_bvh, save_poses
from ktube_motion.kinematics import fit_betas, forward_kinematics, load_body, pose_to_joints
from ktube_motion.render import save_bvh, save_glb, save_html, save_mesh_video, save_skeleton_video
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import SMPL_22, SMPLX_55

TOES, FPS = [10, 11], 20


def spoken(given):
    """Joints as a model writes them: bones that stretch, a root that trembles and drifts."""
    if given is not None:
        return Motion(skeleton=SMPL_22, positions=np.load(given), fps=FPS, name=given.stem)
    rng = np.random.default_rng(0)
    truth = make_speaker(num_utterances=5).truth[:450]
    motion = pose_to_joints(truth)
    shake = rng.normal(0, 0.004, motion.positions.shape)
    walk = np.cumsum(rng.normal(0, 0.003, (len(motion), 1, 3)), 0) * (1, 0, 1)
    positions = motion.positions + shake + walk
    for wrist, elbow in ((20, 18), (21, 19)):
        stretch = 1 + 0.3 * np.sin(np.arange(len(positions)) / 9 + wrist)[:, None]
        positions[:, wrist] = positions[:, elbow] + stretch * (positions[:, wrist] - positions[:, elbow])
    return Motion(skeleton=SMPL_22, positions=positions, fps=motion.fps, name="말")


def shape(motion, folder):
    """A child's proportions: long head, short legs."""
    offsets = SMPLX_55.offsets[:22].copy()
    offsets[[4, 5, 7, 8]] *= 0.75
    offsets[[12, 15]] *= 1.5
    offsets[[16, 17, 18, 19, 20, 21]] *= 0.85
    upright = np.tile(np.eye(3), (2, 22, 1, 1))
    joints = forward_kinematics(upright, np.zeros((2, 3)), skeleton=SMPL_22, offsets=offsets).astype(np.float32)
    body = load_body()
    betas = fit_betas(joints, body=body)
    vertices = np.asarray(body.rest_vertices(betas))
    height = lambda points: float(np.ptp(points[:, 1]))  # noqa: E731
    meant = (
        height(joints[0])
        + height(np.asarray(body.rest_vertices(np.zeros(10, np.float32))))
        - height(np.asarray(body.rest_joints(np.zeros(10, np.float32)))[:22])
    )
    return {"largest |beta|": float(np.abs(betas).max()), "height m": height(vertices), "height meant m": meant}


def joints_of(path):
    """Where a BVH has the joints."""
    motion = load_bvh(path)
    order = [motion.skeleton.joint_names.index(name) for name in SMPL_22.joint_names]
    return forward_kinematics(motion.rotations, motion.translation, skeleton=motion.skeleton)[:, order]


def drawn(motion, folder):
    """Where a video draws the joints: taken from the painter."""
    from ktube_motion.render import _skeleton

    panels, make = [], _skeleton._panel
    _skeleton._panel = lambda *given: panels.append(make(*given)) or panels[-1]
    try:
        save_skeleton_video(motion, folder / "frames", size=(64, 64))
    finally:
        _skeleton._panel = make
    return panels[0].positions


def feet(motion, folder):
    """Bones and feet, as pictures and as BVH have them."""
    seen, written = drawn(motion, folder), joints_of(save_bvh(motion, folder / "a.bvh"))
    lengths = lambda points: np.linalg.norm(points[:, 20] - points[:, 18], axis=-1) * 100  # noqa: E731

    def slide(points):
        toes = points[:, TOES]
        low = (toes[1:, :, 1] < np.percentile(toes[..., 1].min(1), 10) + 0.05) & (toes[:-1, :, 1] < 9)
        speed = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * motion.fps
        still = low & (speed < 0.6)
        return 100 * float(speed[still].mean())

    return {
        "forearm drawn cm": [float(lengths(seen).min()), float(lengths(seen).max())],
        "forearm in BVH cm": [float(lengths(written).min()), float(lengths(written).max())],
        "toes slide, drawn cm/s": slide(seen),
        "toes slide, BVH cm/s": slide(written),
        "drawn from BVH, farthest mm": 1000 * float(np.linalg.norm(seen - written, axis=-1).max()),
    }


def files(motion, folder):
    """What programs look for in files."""
    poses = PoseSequence(rotvecs=np.zeros((30, 55, 3)), fps=20, transl=np.tile([0, -2.2, 3.0], (30, 1)))
    found = {}
    try:
        path = save_poses(poses, folder / "a.npz", fps=30)
    except TypeError:  # an older source has no fps
        path = save_poses(poses, folder / "a.npz")
    with np.load(path or folder / "a.npz", allow_pickle=False) as data:
        wanted = "root_orient pose_body mocap_framerate mocap_frame_rate".split()
        found["AMASS keys of four"] = sum(key in data for key in wanted)
        found["fps for Blender"] = next((float(data[key]) for key in wanted[2:] if key in data), None)
    save_bvh(poses, folder / "b.bvh", bone_names="mixamo")
    found["colons in mixamo BVH"] = (folder / "b.bvh").read_text("utf-8").count(":") - 2  # those of Frames, Time
    found["toes of camera poses m"] = float(joints_of(save_bvh(poses, folder / "c.bvh"))[:, TOES, 1].min())
    try:
        from ktube_motion.render import save_vrma
    except ImportError:
        found["hips at rest m"] = None
    else:
        written = save_vrma(poses, folder / "a.vrma").read_bytes()
        document = json.loads(written[20 : 20 + int.from_bytes(written[12:16], "little")])
        bones = document["extensions"]["VRMC_vrm_animation"]["humanoid"]["humanBones"]
        found["hips at rest m"] = float(document["nodes"][bones["hips"]["node"]]["translation"][1])
        found["VRM bones"] = len(bones)
    return found


def pictures(motion, folder):
    """Time of GIFs and colour of MP4."""
    from PIL import Image

    from ktube_motion.io._sound import find_ffmpeg

    second = motion[: round(motion.fps)]
    save_skeleton_video(second, folder / "a.gif", fps=60, size=(96, 96))
    with Image.open(folder / "a.gif") as picture:
        shown = 0
        for frame in range(picture.n_frames):
            picture.seek(frame)
            # Browsers show what is shorter than 20 ms for 100 ms.
            shown += picture.info["duration"] if picture.info["duration"] >= 20 else 100
    save_skeleton_video(second, folder / "a.mp4", size=(96, 96))
    told = subprocess.run([find_ffmpeg(), "-i", folder / "a.mp4"], capture_output=True, text=True, check=False).stderr
    return {"seconds that 1 s of GIF at 60 fps takes": shown / 1000, "MP4 says bt709": "bt709" in told}


def speed(motion, folder):
    """An hour as GLB, a page, a video of the mesh."""
    frames = 3600 * 20
    rotvecs = np.zeros((frames, 55, 3), np.float32)
    rotvecs[:, 3:, 0] = 0.2 * np.sin(np.arange(frames) / 20)[:, None]
    began = time.process_time()
    save_glb(PoseSequence(rotvecs=rotvecs, fps=20), folder / "hour.glb")
    hour = time.process_time() - began
    page = save_html(motion, folder / "a.html") or folder / "a.html"
    some = PoseSequence(rotvecs=rotvecs[:60], fps=20)
    save_mesh_video(some[:2], folder / "warm.mp4")
    began = time.process_time()
    save_mesh_video(some, folder / "a.mp4")
    return {
        "hour as GLB s": hour,
        "hour as GLB MB": (folder / "hour.glb").stat().st_size / 1e6,
        "page MB": page.stat().st_size / 1e6,
        "mesh video 720² s a frame": (time.process_time() - began) / 60,
    }


MEASURES = {"shape": shape, "feet": feet, "files": files, "pictures": pictures, "speed": speed}


def measure(options):
    """Give every figure by its name."""
    motion, found = spoken(options.motion), {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            found |= MEASURES[name](motion, Path(folder))
    return found


def shown(value):
    """Write a figure short."""
    if isinstance(value, list):
        return " to ".join(map(shown, value))
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)


def main():
    """Measure, here and in the older source, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="the src folder of an older checkout")
    parser.add_argument("--motion", type=Path, help="joints to measure, .npy")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--json", action="store_true", help="print figures for another program")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(options)))
        return
    before = {}
    if options.before is not None:
        command = [sys.executable, __file__, *sys.argv[1:], "--json"]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(options.before)}, capture_output=True,
                              text=True, check=True)  # fmt: skip
        before = json.loads(done.stdout.splitlines()[-1])
    print(f"{'figure':42} {'before':>16} {'now':>16}")
    for name, value in measure(options).items():
        print(f"{name:42} {shown(before[name]) if name in before else '':>16} {shown(value):>16}", flush=True)


if __name__ == "__main__":
    run(main)
