"""
What cleaning does
==================

Pose estimators tremble, lose the person, mistake him for a frame, and let the root drift. The sample speaker can have
all these faults, and keeps the truth, so cleaning can be measured.
"""

import matplotlib.pyplot as plt
import numpy as np

from ktube_motion.filters import clean_poses, fill_gaps, fix_root, lowpass, reject_outliers
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.metrics import mpjpe
from ktube_motion.samples import FAULTS, make_speaker
from ktube_motion.skeletons import SMPLX_55

speaker = make_speaker(seed=3, num_utterances=4, faults=True)
raw, truth = speaker.poses, speaker.truth
print("faults:", ", ".join(FAULTS))
print(f"{int((~raw.valid).sum())} of {len(raw)} frames have no detection")

# %%
# The usual chain
# ---------------
# `clean_poses` is four steps, each a function of its own: frames where the estimator jumped away and back are marked
# invalid, invalid stretches are filled, the root gets one value, and a low-pass filter takes the tremble away.

step_by_step = lowpass(fix_root(fill_gaps(reject_outliers(raw)), to="median"), cutoff_hz=3.0, order=2)
clean = clean_poses(raw)
print("same result:", np.allclose(step_by_step.rotvecs, clean.rotvecs))
rejected = raw.valid & ~reject_outliers(raw).valid
print(f"rejected as outliers: frames {np.flatnonzero(rejected).tolist()}")

# %%
# One joint before and after
# --------------------------
# The elbow's rotation as the estimator gave it, cleaned, and as it was.

elbow = SMPLX_55.index("right_elbow")
times = np.arange(len(raw)) / raw.fps
angles = {name: np.linalg.norm(poses.rotvecs[:, elbow], axis=-1) for name, poses in (("raw", raw), ("clean", clean))}
angles["raw"] = np.where(raw.valid, angles["raw"], np.nan)
figure, axes = plt.subplots(2, 1, figsize=(11, 5), layout="constrained", height_ratios=(3, 2))
for ax in axes:
    ax.plot(times, np.degrees(angles["raw"]), color="0.6", label="raw")
    ax.plot(times, np.degrees(np.linalg.norm(truth.rotvecs[:, elbow], axis=-1)), "k", linewidth=1, label="truth")
    ax.plot(times, np.degrees(angles["clean"]), color="tab:red", linewidth=1.5, label="clean")
    ax.set_ylabel("right elbow, degrees")
gap = np.flatnonzero(~raw.valid)[0] / raw.fps
axes[1].set(xlim=(gap - 1, gap + 1.2), xlabel="seconds", title="around a gap")
axes[0].legend()
plt.show()

# %%
# The root
# --------
# The camera of an estimator is a guess anew in every frame, so the root wanders though the speaker stands still. In
# the raw poses, frames without a detection hold zeros.

figure, ax = plt.subplots(figsize=(11, 2.5), layout="constrained")
moved = raw.transl - np.median(raw.transl[raw.valid], axis=0)
ax.plot(times, np.where(raw.valid[:, None], moved, np.nan) * 100, label=["x", "y", "z"])
ax.plot(times, (clean.transl - clean.transl[0])[:, 0] * 100, "k", linewidth=2, label="clean")
ax.set(xlabel="seconds", ylabel="centimetres")
ax.legend(ncols=4)
plt.show()

# %%
# How near the truth
# ------------------
# Mean distance of the joints from where they were, about the root, in millimetres.


def error(poses):
    found, right = pose_to_joints(poses), pose_to_joints(truth)
    return 1000 * mpjpe(found.positions, right.positions, align="root")


for name, poses in (("gaps filled only", fill_gaps(raw)), ("cleaned", clean)):
    print(f"{name:16s} {error(poses):5.1f} mm")
