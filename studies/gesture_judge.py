"""Which gesture a motion shows, and when: a judge that has learned it from real motion of other people."""

from functools import cached_property

import numpy as np
import torch
from torch import nn
from tqdm import trange

from ktube_motion.metrics import gesture_strokes, stroke_lags

COLUMNS = ("lag s, median", "lag s, p90", "no stroke %", "right gesture %", "utterances with a stray gesture %")
FRAMES = np.arange(-6, 21, 2)  # around a stroke, what a gesture is recognised by
JOINTS = (15, 12, 20, 21, 18, 19, 16, 17)  # head, neck, wrists, elbows, shoulders
NEAR, AROUND = 0.3, 1.0  # seconds
WIDTH, STEPS, BATCH = 256, 6000, 256
UNSURE = 0.03  # metres, of joints


def about_root(features):
    """Give joints about the root in the frame of the heading, ``(T, 22, 3)``, as motion vectors hold them."""
    joints = np.zeros((len(features), 22, 3))
    joints[:, 0, 1] = features[:, 3]
    joints[:, 1:] = features[:, 4 : 4 + 63].reshape(-1, 21, 3)
    return joints


def due(label):
    """Give where in its words the stroke of a gesture belongs, in seconds; how much before or after, `Judge` learns."""
    return label["start"] + (0.1 if label["concept"] == "count" else 0.5 * min(label["end"] - label["start"], 0.6))


def windows(joints, moments, fps):
    """Give what is seen around moments, ``(N, 336)``: where head and arms are from 0.3 s before to 1 s after."""
    frames = np.clip(np.round(np.asarray(moments) * fps).astype(int)[:, None] + FRAMES, 0, len(joints) - 1)
    return joints[frames][:, :, JOINTS].reshape(len(frames), -1).astype(np.float32)


class Judge:
    """Knows from real motion how gestures look, and when they come."""

    def __init__(self, corpus, labels, *others):
        """Learn from a corpus and the labels of its clips, and from others, pairs of both."""
        delays, offsets, examples, concepts = {}, {}, [], []
        rng = np.random.default_rng(0)
        clips = [
            (corpus, name, marks) for corpus, labels in ((corpus, labels), *others)
            for name, marks in labels.items() if name in corpus.names("train")
        ]  # fmt: skip
        for corpus, name, marks in clips:
            joints = about_root(corpus.features(name))
            strokes = gesture_strokes(joints, fps=corpus.fps)
            for label in marks:
                lag = stroke_lags(strokes, [label["stroke"]])[0]
                delays.setdefault(label["concept"], []).append((lag, lag + label["stroke"] - due(label)))
                offsets.setdefault(label["concept"], []).append(label["stroke"] - due(label))
                # The moment of a gesture is known to a tenth of a second.
                examples.append(windows(joints, label["stroke"] + rng.uniform(-0.1, 0.1, 6), corpus.fps))
                concepts.append(label["concept"])
        # Only what moves a hand has a stroke that can be late: head and fingers are left out.
        found = {concept: np.array(rows).T for concept, rows in delays.items()}
        self.delays = {
            concept: float(np.nanmedian(delays)) for concept, (lags, delays) in found.items()
            if np.mean(np.abs(lags - np.nanmedian(lags)) < NEAR) >= 0.8
        }  # fmt: skip
        self.offsets = {concept: float(np.median(offsets)) for concept, offsets in offsets.items()}
        self.names, kinds = np.unique(concepts, return_inverse=True)
        self._examples = torch.from_numpy(np.stack(examples)), torch.from_numpy(kinds)

    @cached_property
    def network(self):
        """Give the network that names what is seen; it is trained when it is first asked."""
        return _learn(*self._examples)

    def recognise(self, joints, moments, fps):
        """Name the gesture whose stroke is at one of the moments: at that where it looks most like any gesture."""
        with torch.no_grad():
            seen = self.network(torch.from_numpy(windows(joints, moments, fps))).softmax(-1)
        return self.names[seen.amax(0).argmax()]

    def measure(self, corpus, labels, motions):
        """Give the figures of a set of talks, one motion for each clip."""
        lags, right, stray, utterances = [], [], 0, 0
        for name, features in motions.items():
            joints = about_root(features)
            strokes, marks = gesture_strokes(joints, fps=corpus.fps), labels[name]
            moments = np.array([due(label) + self.delays.get(label["concept"], 0.0) for label in marks])
            late = stroke_lags(strokes, moments)
            lags += [lag for lag, label in zip(late, marks, strict=True) if label["concept"] in self.delays]
            for label, lag in zip(marks, late, strict=True):
                expected = due(label) + self.offsets.get(label["concept"], 0.0)
                # A late gesture may still be the right one; and the nearest stroke need not be its.
                late_one = [expected + lag] if label["concept"] in self.delays and abs(lag) < 0.6 else []
                right.append(self.recognise(joints, [expected, *late_one], corpus.fps) == label["concept"])
            texts = corpus.texts(name)
            utterances += len(texts)
            for text, after in zip(texts, [*(text.start for text in texts[1:]), np.inf], strict=True):
                own = strokes[(strokes >= text.start) & (strokes < after)]
                stray += any(not _belongs(stroke, marks) for stroke in own)
        lags = np.abs(lags)
        missing = np.isnan(lags)
        quantiles = np.quantile(np.where(missing, 1.0, lags), (0.5, 0.9))  # one second, if there is none
        return *quantiles, 100 * missing.mean(), 100 * np.mean(right), 100 * stray / utterances


def _belongs(stroke, marks):
    return any(label["onset"] - AROUND / 2 <= stroke <= label["release"] + AROUND for label in marks)


@torch.enable_grad()
def _learn(examples, kinds):
    """Train a network that names the kind of a window; of examples ``(N, 6, 336)`` each batch sees others."""
    steps = min(STEPS, 10 * len(kinds))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            _Scale(examples.flatten(0, 1)),
            nn.Linear(examples.shape[-1], WIDTH), nn.GELU(), nn.Dropout(0.2),
            nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.2),
            nn.Linear(WIDTH, int(kinds.max()) + 1),
        )  # fmt: skip
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in trange(steps, desc="the judge learns", unit=" steps", delay=2, leave=False):
            chosen = torch.randint(len(kinds), (BATCH,))
            seen = examples[chosen, torch.randint(examples.shape[1], (BATCH,))]
            named = network(seen + UNSURE * torch.randn_like(seen))
            # Not to be too sure: what is said of two moments is compared.
            loss = nn.functional.cross_entropy(named, kinds[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


class _Scale(nn.Module):
    """Takes the mean away and gives all numbers about the same range."""

    def __init__(self, examples):
        super().__init__()
        self.register_buffer("mean", examples.mean(0))
        self.register_buffer("spread", examples.std(0) + 0.02)

    def forward(self, seen):
        return (seen - self.mean) / self.spread
