"""A small corpus for tests: smooth random motion vectors with Korean utterances."""

import numpy as np

from ktube_motion.features import feature_stats
from ktube_motion.io import Corpus
from ktube_motion.skeletons import SMPL_22
from ktube_motion.types import Utterance

DOES = ["손을 든다", "고개를 끄덕인다", "팔을 벌린다", "앞을 가리킨다", "인사한다"]
HOW = ["천천히", "크게", "두 번", "오른쪽으로"]


def smooth_clip(frames, rng, size=263):
    """Give swings in six ways around a standing pose, ``(frames, size)``."""
    ways = np.random.default_rng(0).normal(size=(6, size))
    times = np.arange(frames)[:, None] / 20
    swings = np.sin(2 * np.pi * times * rng.uniform(0.2, 1, 6) + rng.uniform(0, 6, 6)) * rng.uniform(0.2, 1, 6)
    features = 0.1 * swings @ ways
    features[:, :3] *= 0.05
    features[:, 3] += 0.9
    features[:, -4:] = features[:, -4:] > 0
    return features.astype(np.float32)


def make_small_corpus(root, *, splits=(14, 3, 3), frames=(30, 90), skeleton=SMPL_22, seed=0):
    """Write a corpus of so many train, val and test clips."""
    rng = np.random.default_rng(seed)
    corpus = Corpus.create(root, skeleton=skeleton)
    names = [f"말_{number:03d}" for number in range(sum(splits))]
    for number, name in enumerate(names):
        text = f"{HOW[number % len(HOW)]} {DOES[number % len(DOES)]} {number}번째"
        whole = Utterance(0, 0, text, tokens=(("손", "NOUN"), ("들다", "VERB")))
        features = smooth_clip(int(rng.integers(*frames)), rng, skeleton.feature_size)
        corpus.add_clip(name, features=features, texts=[whole])
    ends = np.cumsum(splits)
    parts = zip(("train", "val", "test"), (0, *ends[:2]), ends, strict=True)
    corpus.write_splits({split: names[first:last] for split, first, last in parts})
    corpus.write_stats(feature_stats([corpus.features(name) for name in names], skeleton=skeleton))
    return corpus
