"""
Seeing motion and handing it on
===============================

From joints to a body, and from a body to files that browsers, animation programs and game engines open.
"""

import html
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np

from ktube_motion.filters import resample
from ktube_motion.io import load_bvh
from ktube_motion.kinematics import fit_poses, forward_kinematics, pose_to_joints
from ktube_motion.render import save_bvh, save_glb, save_html, save_mesh_video
from ktube_motion.samples import make_speaker

folder = Path(mkdtemp())
speaker = make_speaker(seed=7, num_utterances=3)
motion = resample(pose_to_joints(speaker.truth), fps=20)

# %%
# A page to look at
# -----------------
# `save_html` writes one file that needs no network: drag to turn, wheel to zoom, space to stop, arrow keys to step.
# It stands in a frame below, and in a notebook just so.


class Page:
    """Shows a page inside another one."""

    def __init__(self, path):
        self.text = Path(path).read_text(encoding="utf-8")

    def _repr_html_(self):
        return f'<iframe class="player" srcdoc="{html.escape(self.text)}"></iframe>'


page = save_html(motion, folder / "talk.html", utterance=speaker.cues, titles="a made-up speaker")
print(f"{page.stat().st_size / 1024:.0f} KiB for {motion.seconds:.0f} s")
Page(page)

# %%
# From joints to a body
# ---------------------
# A tokenizer gives joints, not rotations. `fit_poses` finds the SMPL-X poses whose joints lie there.

poses = fit_poses(motion)
back = pose_to_joints(poses)
error = np.linalg.norm(back.positions - motion.positions, axis=-1)
print(
    f"joints are met to {1000 * error.mean():.1f} mm on average, {1000 * error.max():.1f} mm at most"
)

# %%
# The body, drawn by ray casting, which needs no graphics library. Without a suffix the path is a folder of pictures.

moments = np.linspace(0.15, 0.85, 5) * len(poses)
stills = poses.replace(
    rotvecs=poses.rotvecs[moments.astype(int)],
    transl=poses.transl[moments.astype(int)],
    expression=None,
    valid=None,
)
pictures = sorted(
    save_mesh_video(stills, folder / "stills", size=(240, 420), fps=20, renderer="rays").iterdir()
)
figure, axes = plt.subplots(1, 5, figsize=(11, 3.9), layout="constrained")
for ax, picture in zip(axes, pictures, strict=True):
    ax.imshow(plt.imread(picture))
    ax.axis("off")
plt.show()

# %%
# Files for other programs
# ------------------------
# BVH for animation programs, in centimetres by default; GLB with a skinned body for engines. Bones may have the names
# that VRM and Mixamo expect.

bvh = save_bvh(poses, folder / "talk.bvh")
glb = save_glb(poses, folder / "talk.glb", bone_names="vrm")
for path in (bvh, glb):
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
print("\n".join(bvh.read_text().splitlines()[:8]))

# %%
# BVH comes back as rotations, whose forward kinematics are the joints again.

again = load_bvh(bvh)
joints = forward_kinematics(again.rotations, again.translation, skeleton=again.skeleton)
names = motion.skeleton.joint_names
same = joints[:, [again.skeleton.index(name) for name in names]]
print(
    f"{again.skeleton}: off by {1000 * np.linalg.norm(same - back.positions, axis=-1).max():.3f} mm at most"
)
