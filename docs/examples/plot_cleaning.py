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

step_by_step = lowpass(
    fix_root(fill_gaps(reject_outliers(raw)), to="median"), cutoff_hz=3.0, order=2
)
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


def angle(poses):
    return np.degrees(np.linalg.norm(poses.rotvecs[:, elbow], axis=-1))


figure, (whole, gap, outlier) = plt.subplots(3, 1, figsize=(11, 8), layout="constrained")
for ax in (whole, gap, outlier):
    ax.plot(times, np.where(raw.valid, angle(raw), np.nan), color="0.6", label="raw")
    ax.plot(times, angle(truth), "k", linewidth=1, label="truth")
    ax.plot(times, angle(clean), color="tab:red", label="clean")
    ax.set_ylabel("right elbow, degrees")
    missing = {"where": ~raw.valid, "transform": ax.get_xaxis_transform()}
    ax.fill_between(times, 0, 1, color="0.9", label="no detection", **missing)
    ax.margins(x=0)
whole.legend(ncols=4)
for ax, title, frame in (
    (gap, "around a gap", np.flatnonzero(~raw.valid)[0]),
    (outlier, "around an outlier", np.flatnonzero(rejected)[-1]),
):
    near = (np.abs(times - times[frame]) < 0.8) & raw.valid
    low, high = angle(raw)[near].min(), angle(raw)[near].max()
    ax.set(
        title=title,
        xlim=(times[frame] - 0.8, times[frame] + 0.8),
        ylim=(low - 0.1 * (high - low), high + 0.1 * (high - low)),
    )
outlier.set_xlabel("seconds")
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
ax.margins(x=0)
ax.legend(ncols=4)
plt.show()

# %%
# How near the truth
# ------------------
# Mean distance of the joints from where they were, about the root, in millimetres. Most of what cleaning leaves is in
# the one rotation of the root, which turns everything: with the true root it is much less.


def error(poses):
    found, right = pose_to_joints(poses), pose_to_joints(truth)
    return 1000 * mpjpe(found.positions, right.positions, align="root")


def with_true_root(poses):
    rotvecs = poses.rotvecs.copy()
    rotvecs[:, 0] = truth.rotvecs[:, 0]
    return poses.replace(rotvecs=rotvecs)


for name, poses in (("gaps filled only", fill_gaps(raw)), ("cleaned", clean)):
    print(
        f"{name:16s} {error(poses):5.1f} mm, with the true root {error(with_true_root(poses)):5.1f} mm"
    )
