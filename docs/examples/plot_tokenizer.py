"""
A tiny tokenizer
================

A `MotionTokenizer` writes motion as a few codes a second. This one is small and trained for 150 steps on a few sample
speakers: enough to see what it is, far from enough to be good.
"""

import json
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np

from ktube_motion.construct import add_motion, finish_corpus
from ktube_motion.features import features_to_joints
from ktube_motion.io import Corpus
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.metrics import mpjpe
from ktube_motion.samples import make_speaker
from ktube_motion.training import TokenizerTraining, train_tokenizer
from ktube_motion.types import Utterance
from ktube_motion.vq import TokenizerConfig

# %%
# A corpus
# --------
# Real corpora are made by `build_corpus`, with one clip for every utterance. Here each speaker is one long clip.
# `finish_corpus` writes splits by speaker and the statistics.

folder = Path(mkdtemp())
corpus = Corpus.create(folder / "KTubeUM", fps=20)
clips = []
for seed in range(5):
    speaker = make_speaker(seed=seed, num_utterances=8)
    texts = [Utterance(cue.start, cue.end, cue.text) for cue in speaker.cues]
    frames = add_motion(corpus, speaker.name, pose_to_joints(speaker.truth), texts)
    clips.append({"name": speaker.name, "source": speaker.name, "frames": frames})
finish_corpus(corpus, clips)
for split in ("train", "val", "test"):
    print(split, corpus.names(split))

# %%
# Training
# --------
# The output folder gets checkpoints, a log with one JSON object a line, and the best and the last model.

config = TokenizerTraining(
    steps=150,
    batch_size=24,
    learning_rate=1e-3,
    warmup=20,
    milestones=(120,),
    decay=0.2,
    log_every=5,
    tracker=None,
    evaluate_every=150,
    tokenizer=TokenizerConfig(width=40, code_dim=40, num_codes=64, depth=2),
)
tokenizer = train_tokenizer(config, corpus, folder / "tokenizer", progress=False)
print(
    f"{tokenizer.config.bits_per_second:.0f} bits a second; the vectors, as float32, have {20 * 263 * 32}"
)
for path in sorted((folder / "tokenizer").iterdir()):
    print(path.name)

# %%
# The log
# -------

lines = [json.loads(line) for line in (folder / "tokenizer" / "log.jsonl").read_text().splitlines()]
lines = [line for line in lines if "reconstruction" in line]
figure, axes = plt.subplots(1, 2, figsize=(11, 3), layout="constrained")
axes[0].plot([line["step"] for line in lines], [line["reconstruction"] for line in lines])
axes[0].set(xlabel="step", title="reconstruction loss", ylim=(0, None))
axes[1].plot([line["step"] for line in lines], [line["perplexity"] for line in lines])
axes[1].set(
    xlabel="step",
    title=f"codes in use (perplexity), of {tokenizer.config.num_codes}",
    ylim=(0, None),
)
plt.show()

# %%
# A speaker it never saw
# ----------------------
# Raw vectors in, tokens, raw vectors out; normalisation is inside.

(name,) = corpus.names("test")
features = corpus.features(name)
tokens = tokenizer.encode(features)
rebuilt = tokenizer.decode(tokens, frames=len(features))
print(f"{features.shape} vectors → {tokens.shape} tokens → {rebuilt.shape} vectors")
print("first tokens:", tokens[:20])

# sphinx_gallery_thumbnail_number = 2
given, found = features_to_joints(features), features_to_joints(rebuilt)
print(f"joints are {1000 * mpjpe(found, given, align='root'):.0f} mm off, about the root")

seconds = np.arange(len(given)) / corpus.fps
figure, axes = plt.subplots(
    3, 1, figsize=(11, 6), sharex=True, layout="constrained", height_ratios=(3, 3, 1)
)
for ax, side in zip(axes, ("left", "right"), strict=False):
    joint = corpus.skeleton.index(f"{side}_wrist")
    ax.plot(seconds, given[:, joint, 1], "k", linewidth=1, label="given")
    ax.plot(seconds, found[:, joint, 1], color="tab:red", label="from tokens")
    ax.set_ylabel(f"{side} wrist, height in m")
axes[0].legend()
axes[2].imshow(
    tokens[None],
    aspect="auto",
    cmap="turbo",
    extent=(0, seconds[-1], 0, 1),
    interpolation="nearest",
)
axes[2].set(xlabel="seconds", yticks=[], ylabel="tokens")
plt.show()
