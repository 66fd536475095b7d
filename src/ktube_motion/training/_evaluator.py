"""Training the evaluator that tells whether a motion goes with a text."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError, CorpusError
from ..evaluators import EvaluatorConfig, MotionEvaluator, contrastive_loss, margin_loss
from ..io import Corpus
from ..io._corpus_faults import clips_for_training
from ..metrics import matching_score, r_precision
from ..models import load_state
from ..text import TextAugmentation, TextEncoder, vectors_per_text
from ._datasets import ClipTable, count_clips, indices_of_step, step_rng
from ._loop import LoopConfig, check_start, fit
from ._utterances import KnownTexts, TextVariants, UtteranceSet

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
        Sentences whose vectors are this similar never count as strangers; with `lock_motion`, motions
        that are, whatever is said with them.
    max_frames : int
        Longer motions are cut.
    lock_motion : bool
        Leave the motion side as it was at the start and train the text side alone: far less work a
        step, for more words and longer training [1]_.
    text_variants : int
        Paraphrases that an augmentation makes of each text.
    augmentation : str
        Its identity, filled in by `train_evaluator`.

    References
    ----------
    .. [1] X. Zhai et al., LiT: Zero-shot transfer with locked-image text tuning, CVPR 2022.

    Examples
    --------
    >>> EvaluatorTraining(steps=600, lock_motion=True).steps
    600
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
    lock_motion: bool = False
    text_variants: int = 32
    augmentation: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss not in ("contrastive", "margin"):
            raise ConfigError("Unknown loss.", expected="contrastive or margin", found=repr(self.loss))
        if self.batch_size // self.accumulation < 2:
            raise ConfigError("A contrast needs two pairs at least.", found=self.batch_size)


class _EvaluatorTask:
    best: Mapping[str, str] = {"top1": "max", "top3": "max"}

    def __init__(
        self,
        config: EvaluatorTraining,
        corpus: Corpus,
        encoder: TextEncoder,
        augmentation: TextAugmentation | None,
        start: MotionEvaluator | None,
        progress: bool,
        folder: Path,
    ) -> None:
        self.config = config
        found = clips_for_training(corpus, spoken=True, stats=True)
        self.model: MotionEvaluator = MotionEvaluator(config.evaluator, corpus.stats, text_encoder=encoder)
        if start is not None:
            load_state(self.model, start.state_dict(), where="the evaluator to start from")
        self.table: dict[str, ClipTable] = {}
        self.sets: dict[str, UtteranceSet] = {}
        self.places: dict[str, torch.Tensor] = {}
        for split, names in found.items():
            self.table[split] = ClipTable.for_training(corpus, names, file=folder / f"clips_{split}.npy")
            lengths = dict(zip(names, self.table[split].lengths.tolist(), strict=True))
            self.sets[split] = UtteranceSet.from_corpus(corpus, lengths, rate=corpus.fps, shortest=SHORTEST)
            row = {name: k for k, name in enumerate(names)}
            self.places[split] = torch.tensor([row[name] for name in self.sets[split].clips])
        self.counts: dict[str, int] = count_clips(corpus, found) | {
            f"{split}_{name}": count for split, samples in self.sets.items() for name, count in samples.counts.items()
        }
        if len(self.sets["train"]) < 2:
            raise CorpusError(
                "train has one utterance, and an evaluator learns what tells utterances apart.",
                where=corpus.root,
                expected="two utterances at least",
                fix="Add clips to train.",
            )
        self.held_out: str = "val"
        if len(self.sets["val"]) < 2:
            warnings.warn("val has one utterance, which cannot be ranked: measured on train.", stacklevel=4)
            self.held_out = "train"
        said = [text for samples in self.sets.values() for text in samples.every_text()]
        self.variants: TextVariants = TextVariants(
            augmentation, self.sets["train"].every_text(), config.text_variants, progress=progress
        )
        self.known: KnownTexts = KnownTexts(encoder, said + self.variants.every_text(), progress=progress)
        self.motion: torch.Tensor | None = None
        if config.lock_motion:
            self.model.motion_side().requires_grad_(False)
            self.motion = self.model.embed_motion(self._clips("train"))
            self._check_locked(self.motion[:: max(1, len(self.motion) // 512)])

    def _check_locked(self, motion: torch.Tensor) -> None:
        """Warn when the locked motion side leaves few strangers to learn from."""
        unit = torch.nn.functional.normalize(motion, dim=-1)
        alike = float((unit @ unit.T > self.config.similarity).float().mean())
        if alike > 0.5:
            warnings.warn(
                f"{alike:.0%} of all pairs of motions count as alike: train the motion side longer.",
                stacklevel=5,
            )

    def _clips(self, split: str) -> list[torch.Tensor]:
        """Give the features of every sample."""
        samples, table, places = self.sets[split], self.table[split], self.places[split]
        return [
            table.gather(places[[k]], torch.tensor([start]), min(stop - start, self.config.max_frames))[0][0]
            for k, (start, stop) in enumerate(zip(samples.starts, samples.stops, strict=True))
        ]

    def batch(self, step: int, part: slice) -> dict[str, Any]:
        samples = self.sets["train"]
        chosen = indices_of_step(len(samples), self.config.batch_size, seed=self.config.seed, step=step)
        rng = step_rng(self.config.seed, step, stream=2)
        texts = samples.draw_texts(chosen, rng)
        worded = self.variants.draw(texts, rng)
        return self._collate("train", chosen[part], texts[part], worded[part])

    def _collate(self, split: str, chosen: np.ndarray, texts: Sequence[str], worded: Sequence[str]) -> dict[str, Any]:
        samples = self.sets[split]
        batch: dict[str, Any] = {
            "text": self.known.encode(worded),
            "texts": texts,
            "names": [samples.clips[k] for k in chosen],
        }
        if self.motion is not None:
            return batch | {"motion": self.motion[chosen], "alike": self.motion[chosen]}
        lengths = torch.from_numpy(samples.stops[chosen] - samples.starts[chosen]).clamp(max=self.config.max_frames)
        starts = torch.from_numpy(samples.starts[chosen])
        features, _ = self.table[split].gather(self.places[split][chosen], starts, int(lengths.max()))
        # What is alike is told by the texts themselves, whatever their wording here.
        own = self.known.encode(texts)
        return batch | {"features": features, "lengths": lengths, "alike": own if own.ndim == 2 else own[:, 0]}

    def loss(self, model: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        pairs = model(batch.get("features"), batch.get("lengths"), batch["text"], motion=batch.get("motion"))
        alike: dict[str, Any] = {
            "texts": batch["texts"],
            "text_vectors": batch["alike"],
            "threshold": self.config.similarity,
        }
        if self.config.loss == "margin":
            return {"loss": margin_loss(pairs.motion, pairs.text, margin=self.config.margin, **alike)}
        return {"loss": contrastive_loss(pairs.motion, pairs.text, temperature=self.model.temperature, **alike)}

    def evaluate(self, model: Any) -> dict[str, float]:
        samples = self.sets[self.held_out]
        motion = model.embed_motion(self._clips(self.held_out))
        text = model.embed_text(self.known.encode([choices[0] for choices in samples.texts]))
        # Clips of one kind lie side by side in a corpus; a pool of 32 must not be of one kind only.
        order = np.random.default_rng(0).permutation(len(samples))
        top = r_precision(text[order], motion[order], batch_size=32)
        return {f"top{k}": float(value) for k, value in enumerate(top, start=1)} | {
            "matching": float(matching_score(text, motion))
        }


def train_evaluator(
    config: EvaluatorTraining,
    corpus: Corpus,
    output: str | Path,
    *,
    text_encoder: TextEncoder,
    augmentation: TextAugmentation | None = None,
    start: MotionEvaluator | None = None,
    resume: bool = False,
    progress: bool = True,
    **hooks: Any,
) -> MotionEvaluator:
    """Train an evaluator on the train split of a corpus; the best on the val split is given.

    Parameters
    ----------
    config : EvaluatorTraining
    corpus : Corpus
    output : path
        See `fit`; ``best_top3/`` holds what is returned.
    text_encoder : TextEncoder
        With a `text.SequenceTextEncoder` the evaluator reads a text's parts too.
    augmentation : TextAugmentation, optional
        Words the training texts otherwise, `text_variants` times each.
    start : MotionEvaluator, optional
        Weights and statistics to start from.
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
    CheckpointError
        If `start` is of another size.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.features import feature_stats
    >>> from ktube_motion.types import Utterance
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> for name in "abcd":
    ...     motion = np.random.default_rng(ord(name)).normal(size=(40, 263))
    ...     corpus.add_clip(name, features=motion, texts=[Utterance(0, 0, "안녕하세요")])
    >>> corpus.write_splits({"train": ["a", "b"], "val": ["c", "d"]})
    >>> corpus.write_stats(feature_stats(clip["features"] for clip in corpus))
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> config = EvaluatorTraining(steps=1, batch_size=2, tracker=None)
    >>> evaluator = train_evaluator(
    ...     config, corpus, tempfile.mkdtemp(), text_encoder=EmbeddedTextEncoder(), progress=False
    ... )
    >>> evaluator.embed_text(["안녕하세요"]).shape[0]
    1
    """
    if config.lock_motion and start is None:
        raise ConfigError("There is no motion side to lock.", fix="Pass start=, an evaluator that knows motion.")
    from_parts: dict[str, Any] = {
        "skeleton": corpus.skeleton.name,
        "fps": corpus.fps,
        "text_dim": text_encoder.dim,
        "text_encoder": text_encoder.identity,
        "normalize": config.loss == "contrastive",
    }
    if vectors_per_text(text_encoder) > 1:
        from_parts["text_input"] = "sequence"
    said = "" if augmentation is None else augmentation.identity
    config = replace(config, evaluator=replace(config.evaluator, **from_parts), augmentation=said)
    check_start(config, output, resume=resume)
    torch.manual_seed(config.seed)
    task = _EvaluatorTask(config, corpus, text_encoder, augmentation, start, progress, Path(output))
    fit(task, config, output, resume=resume, progress=progress, **hooks)
    return MotionEvaluator.from_pretrained(f"{output}/best_top3", text_encoder=text_encoder).eval()
