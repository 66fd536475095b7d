"""
What the metrics see
====================

A metric is worth what it notices. Here motion is spoilt more and more, and each measure tells of it, or does not.
"""

import matplotlib.pyplot as plt
import numpy as np

from ktube_motion.features import canonicalize
from ktube_motion.filters import resample
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.metrics import (
    diversity,
    frechet_distance,
    jerk,
    l1_diversity,
    matching_score,
    mpjpe,
    r_precision,
    r_precision_chance,
)
from ktube_motion.samples import make_speaker

motions = [
    resample(pose_to_joints(make_speaker(seed=seed, num_utterances=8).truth), fps=20)
    for seed in range(6)
]
clips = np.concatenate(
    [
        canonicalize(motion.positions[: len(motion) // 40 * 40]).reshape(
            -1, 40, *motion.positions.shape[1:]
        )
        for motion in motions
    ]
)
print(f"{len(clips)} clips of two seconds, {clips.shape[2]} joints")

# %%
# A simple embedding
# ------------------
# Fréchet distances compare embeddings. A trained `MotionEvaluator` gives those of real evaluations; here 24 random
# projections of where the wrists, elbows and head are, and of how fast they move, will do.

rng = np.random.default_rng(0)
joints = [
    motions[0].skeleton.index(f"{side}_{joint}")
    for side in ("left", "right")
    for joint in ("wrist", "elbow")
]
joints.append(motions[0].skeleton.index("head"))


def numbers(clips):
    places = (clips[:, :, joints] - clips[:, :, :1]).reshape(len(clips), -1)
    speeds = np.linalg.norm(np.diff(clips[:, :, joints], axis=1), axis=-1).reshape(len(clips), -1)
    return np.concatenate([places, 20 * speeds], axis=-1)


projection = rng.normal(size=(numbers(clips).shape[1], 24)) / np.sqrt(numbers(clips).shape[1])


def embed(clips):
    return numbers(clips) @ projection


# %%
# Half of the clips stand for the truth, the other half are spoilt. Even untouched, two halves differ: that is the
# floor under every Fréchet distance, and it sinks with more samples.

order = rng.permutation(len(clips))
truth, others = clips[order[: len(clips) // 2]], clips[order[len(clips) // 2 :]]


def jitter(clips, amount):
    return clips + rng.normal(0, amount, clips.shape)


def freeze(clips, amount):
    still = clips.mean(1, keepdims=True)
    return clips + amount * (still - clips)


def rows(spoil, amounts):
    for amount in amounts:
        spoilt = spoil(others, amount)
        yield (
            frechet_distance(embed(spoilt), embed(truth)),
            diversity(embed(spoilt), rng=np.random.default_rng(0)),
            np.mean([jerk(clip, fps=20) for clip in spoilt]),
            np.mean([l1_diversity(clip) for clip in spoilt]),
            1000 * mpjpe(spoilt, others),
        )


names = ("Fréchet distance", "diversity", "jerk, m/s³", "L1 diversity", "MPJPE, mm")
figure, axes = plt.subplots(2, 5, figsize=(12, 5), layout="constrained")
for line, (title, spoil, amounts) in zip(
    axes,
    (
        ("jitter, metres", jitter, np.linspace(0, 0.05, 6)),
        ("movement lost (1 = all)", freeze, np.linspace(0, 1, 6)),
    ),
    strict=True,
):
    for ax, name, values in zip(line, names, zip(*rows(spoil, amounts), strict=True), strict=True):
        ax.plot(amounts, values, "o-")
        ax.margins(y=0.1)
        ax.set(title=name, xlabel=title, ylim=(0, None))
plt.show()

# %%
# Trembling motion is far from the truth by every measure. Motion that is frozen has no jerk at all, which looks good
# until the Fréchet distance and the L1 diversity are asked: never trust one number.

# %%
# Does motion fit its text?
# -------------------------
# R-precision asks how often the true motion is among the nearest of 32. Text vectors here are motion vectors with
# noise: as much noise as the plot says, in units of their own deviation.

motion = embed(clips)
spread = motion.std(0)
noises = np.linspace(0, 3, 7)
found = np.array(
    [
        r_precision(motion + noise * spread * rng.normal(size=motion.shape), motion)
        for noise in noises
    ]
)
scores = [
    matching_score(motion + noise * spread * rng.normal(size=motion.shape), motion)
    for noise in noises
]
chance = r_precision_chance(len(motion))
figure, axes = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
for k in range(3):
    (line,) = axes[0].plot(noises, found[:, k], "o-", label=f"top {k + 1}")
    axes[0].axhline(chance[k], color=line.get_color(), linestyle=":")
axes[0].set(
    xlabel="noise in the text vectors", title="R-precision (dotted: chance)", ylim=(0, 1.05)
)
axes[0].legend()
axes[1].plot(noises, scores, "o-")
axes[1].set(xlabel="noise in the text vectors", title="matching score", ylim=(0, None))
plt.show()
