"""
A speaker made of nothing
=========================

`ktube_motion.samples.make_speaker` makes a Korean speaker: SMPL-X poses and subtitles, licence-free, the same from the
same seed. His gestures follow his words, so there is something to learn from him.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

from ktube_motion.io import load_poses, load_transcript
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.render import find_korean_font, save_skeleton_video
from ktube_motion.samples import CONCEPTS, make_speaker
from ktube_motion.types import Motion

# Matplotlib's own font has no Hangul.
font_manager.fontManager.addfont(find_korean_font())
korean = font_manager.FontProperties(fname=find_korean_font()).get_name()
plt.rcParams["font.family"] = [korean, "DejaVu Sans"]

# %%
# Poses and words
# ---------------
# With a folder he is written as a pose JSON, the way Hand4Whole and OSX do it, and as SRT. Any room that takes files
# of real videos takes his.

folder = Path(mkdtemp())
speaker = make_speaker(folder, seed=7, num_utterances=4)
poses = load_poses(folder / "speaker_0007.json")
cues = load_transcript(folder / "speaker_0007.srt")
print(
    f"{len(poses)} frames at {poses.fps:g} fps, rotvecs {poses.rotvecs.shape}, transl {poses.transl.shape}"
)
for cue, sentence in zip(cues, speaker.sentences, strict=True):
    print(f"{cue.start:5.1f} to {cue.end:5.1f} s  {cue.text}  ({', '.join(sentence.concepts)})")

# %%
# What each of his words looks like:

for concept in sorted({concept for sentence in speaker.sentences for concept in sentence.concepts}):
    print(f"{concept:10s} {CONCEPTS[concept]}")

# %%
# When each gesture comes: its word, its stroke (the moment the first telling pose is reached), the arms in it. With
# ``transcript="TextGrid"`` the times of all words are written too. ``split="train"`` keeps to the wordings that models
# may see, ``split="new"`` to the others.

for label in speaker.labels:
    print(
        f"{label.concept:10s} {label.word} {label.start:.2f} to {label.end:.2f} s, "
        f"stroke {label.stroke:.2f} s, hand: {label.hand}"
    )

# %%
# One sentence in six pictures
# ----------------------------
# `pose_to_joints` gives 22 joints in metres; a path without a suffix makes `save_skeleton_video` write one PNG a
# frame. Orange is his left, blue his right.

motion = pose_to_joints(poses)
cue = cues[0]
moments = np.linspace(cue.start, cue.end, 6)
frames = (moments * poses.fps).round().astype(int)
stills = Motion(skeleton=motion.skeleton, positions=motion.positions[frames], fps=1)
pictures = sorted(
    save_skeleton_video(stills, folder / "stills", size=(280, 420), trail=False).iterdir()
)

figure, axes = plt.subplots(1, 6, figsize=(11, 3.2), layout="constrained")
for ax, picture, moment in zip(axes, pictures, moments, strict=True):
    ax.imshow(plt.imread(picture))
    ax.set_title(f"{moment:.1f} s")
    ax.axis("off")
figure.suptitle(cue.text)
plt.show()

# %%
# All of it in time
# -----------------
# How fast his wrists move, under what he says. Movement comes with the words it belongs to.

times = np.arange(len(motion)) / motion.fps
figure, ax = plt.subplots(figsize=(11, 3), layout="constrained")
for side, color in (("left", "#e55c33"), ("right", "#2173d1")):
    wrist = motion.positions[:, motion.skeleton.index(f"{side}_wrist")]
    speed = np.linalg.norm(np.gradient(wrist, axis=0), axis=-1) * motion.fps
    ax.plot(times, speed, color=color, label=f"{side} wrist")
top = ax.get_ylim()[1]
for cue in cues:
    ax.axvspan(cue.start, cue.end, color="0.92", zorder=0)
    ax.text((cue.start + cue.end) / 2, 1.02 * top, cue.text, ha="center", va="bottom", fontsize=8)
ax.set(xlabel="seconds", ylabel="metres per second", xlim=(0, times[-1]), ylim=(0, 1.15 * top))
ax.legend(loc="center right")  # sentences stand above
plt.show()
