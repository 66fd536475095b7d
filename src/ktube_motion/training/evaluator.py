"""Training the evaluator that tells whether a motion goes with a text."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..errors import ConfigError
from ..metrics import EvaluatorConfig, MotionEvaluator, contrastive_loss, margin_loss, matching_score, r_precision
from .datasets import ClipTable, indices_of_step, step_rng
from .loop import LoopConfig, fit
from .utterances import UtteranceSet, encode_texts

__all__ = ["EvaluatorTraining", "train_evaluator"]

SHORTEST = 4  # frames; two halvings leave one step of them


@dataclass(frozen=True)
class EvaluatorTraining(LoopConfig):
    """How an evaluator is trained: the shared options of `LoopConfig`, and these.

    Attributes
    ----------
    evaluator : EvaluatorConfig
        Skeleton and fps are taken from the corpus, the text size from the encoder.
    loss : str
        ``contrastive`` (InfoNCE) or ``margin``, the original's.
    margin : float
    similarity : float
        Sentences whose vectors are this similar never count as strangers.
    max_frames : int
        Longer motions are cut.
    """

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    warmup: int = 100
    milestones: tuple[int, ...] = ()
    clip_norm: float | None = 1.0
    evaluator: EvaluatorConfig = field(default_factory=EvaluatorConfig)
    loss: str = "contrastive"
    margin: float = 10.0
    similarity: float = 0.9
    max_frames: int = 196

    def __post_init__(self):
        super().__post_init__()
        if self.loss not in ("contrastive", "margin"):
            raise ConfigError("Unknown loss.", expected="contrastive or margin", found=repr(self.loss))
        if self.batch_size // self.accumulation < 2:
            raise ConfigError("A contrast needs two pairs at least.", found=self.batch_size)


class _EvaluatorTask:
    best = {"top1": "max", "top3": "max"}  # noqa: RUF012

    def __init__(self, config, corpus, encoder, progress):
        self.config = config
        self.model = MotionEvaluator(config.evaluator, corpus.stats, text_encoder=encoder)
        self.table, self.sets, self.places = {}, {}, {}
        for split in ("train", "val"):
            names = corpus.names(split)
            self.table[split] = ClipTable.from_corpus(corpus, names)
            lengths = dict(zip(names, self.table[split].lengths.tolist(), strict=True))
            self.sets[split] = UtteranceSet.from_corpus(corpus, lengths, rate=corpus.fps, shortest=SHORTEST)
            row = {name: k for k, name in enumerate(names)}
            self.places[split] = torch.tensor([row[name] for name in self.sets[split].clips])
        self.held_out = "val"
        if len(self.sets["val"]) < 2:
            warnings.warn("val has one utterance, which cannot be ranked: measured on train.", stacklevel=4)
            self.held_out = "train"
        texts = (text for samples in self.sets.values() for choices in samples.texts for text in choices)
        self.vectors = encode_texts(encoder, texts, progress=progress)

    def batch(self, step, part):
        samples = self.sets["train"]
        chosen = indices_of_step(len(samples), self.config.batch_size, seed=self.config.seed, step=step)
        rng = step_rng(self.config.seed, step, stream=2)
        return self._collate("train", chosen[part], samples.draw_texts(chosen, rng)[part])

    def _collate(self, split, chosen, texts):
        samples = self.sets[split]
        lengths = torch.from_numpy(samples.stops[chosen] - samples.starts[chosen]).clamp(max=self.config.max_frames)
        starts = torch.from_numpy(samples.starts[chosen])
        features, _ = self.table[split].gather(self.places[split][chosen], starts, int(lengths.max()))
        vectors = torch.stack([self.vectors[text] for text in texts])
        names = [samples.clips[k] for k in chosen]
        return {"features": features, "lengths": lengths, "text": vectors, "texts": texts, "names": names}

    def loss(self, model, batch):
        pairs = model(batch["features"], batch["lengths"], batch["text"])
        alike = {"texts": batch["texts"], "text_vectors": batch["text"], "threshold": self.config.similarity}
        if self.config.loss == "margin":
            return {"loss": margin_loss(pairs.motion, pairs.text, margin=self.config.margin, **alike)}
        return {"loss": contrastive_loss(pairs.motion, pairs.text, temperature=self.model.temperature, **alike)}

    def evaluate(self, model):
        samples, table, places = self.sets[self.held_out], self.table[self.held_out], self.places[self.held_out]
        features = [
            table.gather(places[[k]], torch.tensor([start]), stop - start)[0][0]
            for k, (start, stop) in enumerate(zip(samples.starts, samples.stops, strict=True))
        ]
        motion = model.embed_motion([row[: self.config.max_frames] for row in features])
        text = model.embed_text(torch.stack([self.vectors[choices[0]] for choices in samples.texts]))
        # Clips of one kind lie side by side in a corpus; a pool of 32 must not be of one kind only.
        order = np.random.default_rng(0).permutation(len(samples))
        top = r_precision(text[order], motion[order], batch_size=32)
        return {f"top{k}": float(value) for k, value in enumerate(top, start=1)} | {
            "matching": float(matching_score(text, motion))
        }


def train_evaluator(
    config: EvaluatorTraining, corpus, output, *, text_encoder, resume: bool = False, progress: bool = True, **hooks
) -> MotionEvaluator:
    """Train an evaluator on the train split of a corpus; the best on the val split is given.

    Parameters
    ----------
    config : EvaluatorTraining
    corpus : Corpus
    output : path
        See `fit`; ``best_top3/`` holds what is returned.
    text_encoder : TextEncoder
    resume, progress : bool
    **hooks
        ``on_best``, see `fit`.

    Returns
    -------
    evaluator : MotionEvaluator
        The one with the best R-precision (top 3) on the val split, in evaluation mode.

    Raises
    ------
    CorpusError, ConfigError, DataError
        Before the first step, if the options or the corpus cannot work.
    """
    from_parts = {
        "skeleton": corpus.skeleton.name,
        "fps": corpus.fps,
        "text_size": text_encoder.dim,
        "text_encoder": text_encoder.identity,
        "normalize": config.loss == "contrastive",
    }
    config = replace(config, evaluator=replace(config.evaluator, **from_parts))
    torch.manual_seed(config.seed)
    task = _EvaluatorTask(config, corpus, text_encoder, progress)
    fit(task, config, output, resume=resume, progress=progress, **hooks)
    return MotionEvaluator.from_pretrained(f"{output}/best_top3", text_encoder=text_encoder).eval()
