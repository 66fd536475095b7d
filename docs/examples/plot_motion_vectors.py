"""
Motion vectors
==============

What the models read and write: 22 joints become 263 numbers a frame, relative to where the body is and faces. Here is
what these numbers are, and what is lost on the way there and back.
"""

import matplotlib.pyplot as plt
import numpy as np

from ktube_motion.features import (
    canonicalize,
    feature_groups,
    feature_stats,
    features_to_joints,
    joints_to_features,
    root_trajectory,
)
from ktube_motion.filters import resample
from ktube_motion.kinematics import mirror, pose_to_joints
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52

speaker = make_speaker(seed=5, num_utterances=5)
motion = resample(pose_to_joints(speaker.truth), fps=20)
features = joints_to_features(motion.positions)
print(
    f"{motion.positions.shape} joints → {features.shape} vectors, because velocities need two frames"
)
for skeleton in (SMPL_22, KIT_21, SMPLH_52):
    print(f"{skeleton.name}: 12 · {skeleton.num_joints} - 1 = {skeleton.feature_size}")

# %%
# The parts
# ---------
# Divided by the standard deviation of each part, as `feature_stats` gives it. This speaker keeps his feet on the
# ground and his root in place: a part that never changes gets a deviation of 1, so that it becomes zeros and not
# noise.

stats = feature_stats([features])
groups = feature_groups(SMPL_22)
figure, ax = plt.subplots(figsize=(11, 6), layout="constrained")
image = ax.imshow(
    stats.normalize(features).T,
    aspect="auto",
    cmap="RdBu_r",
    vmin=-3,
    vmax=3,
    interpolation="nearest",
)
wide = {name: part for name, part in groups.items() if part.stop - part.start > 10}
for part in wide.values():
    ax.axhline(part.start - 0.5, color="k", linewidth=0.8)
    ax.axhline(part.stop - 0.5, color="k", linewidth=0.8)
ax.set_yticks([(part.start + part.stop) / 2 for part in wide.values()], list(wide))
ax.set(xlabel=f"frame, {motion.fps:g} a second", title="263 numbers in time, normalised")
figure.colorbar(image, label="standard deviations")
plt.show()

for name, part in groups.items():
    print(f"{name:14s} [{part.start:3d}:{part.stop:3d}]  std {stats.std[part.start]:.4f}")

# %%
# There and back
# --------------
# `joints_to_features` first brings the clip to the format's body and place, which is `canonicalize`. That is where
# the original is given up; the vectors themselves lose nothing. Both halves of them, positions and rotations, hold
# the pose.

target = canonicalize(motion.positions)[:-1]
for source in ("positions", "rotations"):
    back = features_to_joints(features, source=source)
    print(f"from {source:9s}: {1000 * np.linalg.norm(back - target, axis=-1).max():.4f} mm at most")

# %%
# The mirrored twin
# -----------------
# A corpus may hold each clip twice, once mirrored. A man who turns shows best what that does to the path.

turning = motion.positions - motion.positions[:, :1] * [1, 0, 1]
angle = np.linspace(0, 1.5 * np.pi, len(turning))[:, None]
x, z = turning[..., 0] + 0.8, turning[..., 2].copy()
turning[..., 0], turning[..., 2] = (
    np.cos(angle) * x + np.sin(angle) * z,
    np.cos(angle) * z - np.sin(angle) * x,
)
walk = motion.replace(positions=turning, rotations=None, translation=None)
figure, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
for name, clip in (("a turn", walk), ("mirrored", mirror(walk))):
    yaw, path = root_trajectory(joints_to_features(clip.positions))
    (line,) = ax.plot(
        path[:, 0], path[:, 2], label=f"{name}: yaw ends at {np.degrees(yaw[-1]):.0f}°"
    )
    arrows = slice(None, None, 25)
    ax.quiver(
        *path[arrows, ::2].T,
        np.sin(yaw[arrows]),
        np.cos(yaw[arrows]),
        color=line.get_color(),
        width=0.006,
    )
ax.set(
    xlabel="x, metres (to his left)",
    ylabel="z, metres (forward)",
    aspect="equal",
    title="root path and heading",
)
figure.legend(loc="outside lower center", ncols=2)
plt.show()
