"""Training the transformer that writes motion tokens from text."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ConfigError
from ..evaluation import EvaluationConfig, evaluate_generation
from ..evaluation._samples import collect_samples
from ..evaluators import Evaluator
from ..gpt import MotionTransformer, TransformerConfig, transformer_loss
from ..io import Corpus
from ..io._hub import is_sharded
from ..models import load_state
from ..text import NUM_TIMES, TextAugmentation, TextEncoder, WordEncoder, vectors_per_text
from ..vq import MotionTokenizer
from ._datasets import indices_of_step, step_rng
from ._loop import LoopConfig, check_start, fit
from ._options import VALIDATION
from ._speaking import SpeakingTask
from ._utterances import KnownTexts, TextVariants, UtteranceSet, tokenize_corpus

__all__ = ["TransformerTraining", "train_transformer"]


# What the loop calls the figures of a report, after T2M-GPT's net_best_*.pth.
_METRICS = {
    "fid": "fid",
    "diversity": "diversity",
    "top1": "r_precision_top1",
    "top3": "r_precision_top3",
    "matching": "matching_score",
}


@dataclass(frozen=True)
class TransformerTraining(LoopConfig):
    """How a transformer is trained: the shared options of `LoopConfig`, and these.

    Attributes
    ----------
    transformer : TransformerConfig
        What the tokenizer and the text encoder decide is taken from them.
    keep_probability : float
        Share of input tokens that stay as they are (T2M-GPT's pkeep).
    text_dropout : float
        Share of samples trained without text, for guidance.
    word_dropout : float
        Share of windows trained without words, likewise.
    estimated_words : float
        Share of windows in which the times of words are estimated from their utterance's, as if none were given.
    word_jitter : float
        Deviation in seconds added to the times of words.
    text_variants : int
        Paraphrases that an augmentation makes of each text.
    augmentation : str
        Its identity, filled in by `train_transformer`.
    evaluation : EvaluationConfig
        What the evaluator measures.
    """

    batch_size: int = 128
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    weight_decay: float = 1e-6
    milestones: tuple[int, ...] = (150_000,)
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    keep_probability: float = 0.5
    text_dropout: float = 0.0
    word_dropout: float = 0.1
    estimated_words: float = 0.25
    word_jitter: float = 0.03
    text_variants: int = 32
    augmentation: str = ""
    evaluation: EvaluationConfig = VALIDATION


class _TransformerTask:
    best = {"fid": "min", "diversity_gap": "min", "top1": "max", "matching": "min", "loss": "min"}  # noqa: RUF012

    def __init__(self, config, corpus, tokenizer, encoder, augmentation, evaluator, cache, progress):
        self.config, self.corpus, self.tokenizer, self.encoder = config, corpus, tokenizer, encoder
        self.evaluator = evaluator
        if evaluator is not None:  # before the first step, rather than at the first evaluation
            collect_samples(corpus, config.evaluation)
        self.model = MotionTransformer(config.transformer)
        names = {split: corpus.names(split) for split in ("train", "val")}
        every = list(dict.fromkeys(names["train"] + names["val"]))
        self.tokens = tokenize_corpus(corpus, tokenizer, every, folder=cache, progress=progress)
        rate = corpus.fps / tokenizer.frames_per_token
        self.sets = {
            split: UtteranceSet.from_corpus(corpus, {n: len(self.tokens[n]) for n in members}, rate=rate)
            for split, members in names.items()
        }
        said = [text for samples in self.sets.values() for text in samples.every_text()]
        self.variants = TextVariants(
            augmentation, self.sets["train"].every_text(), config.text_variants, progress=progress
        )
        folder = cache if is_sharded(corpus.root) else None
        self.known = KnownTexts(encoder, said + self.variants.every_text(), progress=progress, folder=folder)

    def batch(self, step, part):
        samples = self.sets["train"]
        chosen = indices_of_step(
            len(samples),
            self.config.batch_size,
            seed=self.config.seed,
            step=step,
            lengths=samples.stops - samples.starts,
        )
        rng = step_rng(self.config.seed, step, stream=2)
        texts = self.variants.draw(samples.draw_texts(chosen, rng), rng)
        rows = [self._cut(samples, k, rng) for k in chosen]
        return self._collate(rows[part], texts[part], [samples.clips[k] for k in chosen[part]])

    def _cut(self, samples, k, rng):
        """Give the tokens of a sample, one time in three without the first or the last, as T2M-GPT does."""
        row = self.tokens[samples.clips[k]][samples.starts[k] : samples.stops[k]]
        dropped, head = rng.integers(3) == 0, rng.integers(2) == 0
        if dropped and len(row) > 1:
            row = row[1:] if head else row[:-1]
        return row[: self.config.transformer.max_tokens]

    def _collate(self, rows, texts, names):
        tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
        for k, row in enumerate(rows):
            tokens[k, : len(row)] = torch.from_numpy(np.asarray(row))
        lengths = torch.tensor([len(row) for row in rows])
        return {"tokens": tokens, "lengths": lengths, "text": self.known.encode(texts), "names": names}

    def loss(self, model, batch):
        result = transformer_loss(
            model,
            batch["tokens"],
            batch["lengths"],
            batch["text"],
            keep_probability=self.config.keep_probability,
            text_dropout=self.config.text_dropout,
        )
        return {"loss": result.loss, "accuracy": result.accuracy}

    def evaluate(self, model):
        figures = self._held_out_loss(model)
        if self.evaluator is not None:
            report = evaluate_generation(
                (model, self.tokenizer, self.known),
                self.corpus,
                evaluator=self.evaluator,
                config=self.config.evaluation,
                progress=False,
            )
            figures |= {name: report["generated", metric].mean for name, metric in _METRICS.items()}
            figures["diversity_gap"] = abs(figures["diversity"] - report["real", "diversity"].mean)
        return figures

    def _held_out_loss(self, model):
        samples, total = self.sets["val"], {"loss": 0.0, "accuracy": 0.0}
        device = next(model.parameters()).device
        for first in range(0, len(samples), self.config.batch_size):
            chosen = range(first, min(first + self.config.batch_size, len(samples)))
            limit = self.config.transformer.max_tokens
            rows = [self.tokens[samples.clips[k]][samples.starts[k] : samples.stops[k]][:limit] for k in chosen]
            batch = self._collate(rows, [samples.texts[k][0] for k in chosen], [])
            result = transformer_loss(
                model,
                batch["tokens"].to(device),
                batch["lengths"].to(device),
                batch["text"].to(device),
                keep_probability=1.0,
            )
            for name, value in zip(total, result, strict=True):
                total[name] += float(value) * len(rows) / len(samples)
        return total


def train_transformer(
    config: TransformerTraining,
    corpus: Corpus,
    output: str | Path,
    *,
    tokenizer: MotionTokenizer,
    text_encoder: TextEncoder,
    word_encoder: WordEncoder | None = None,
    augmentation: TextAugmentation | None = None,
    evaluator: Evaluator | None = None,
    cache: str | Path | None = None,
    start: MotionTransformer | None = None,
    resume: bool = False,
    progress: bool = True,
    **hooks: Any,
) -> MotionTransformer:
    """Train a transformer on the train split of a corpus.

    Parameters
    ----------
    config : TransformerTraining
    corpus : Corpus
    output : path
        See `fit`; ``best_loss/`` and ``last/`` hold transformers.
    tokenizer : MotionTokenizer
    text_encoder : TextEncoder
        `text.SequenceTextEncoder` for several vectors a text.
    word_encoder : WordEncoder, optional
        Trains a model that hears the words in time (`word_dim` of its config): on windows of whole clips,
        through all utterances of a clip that has several. Words say when, so it learns no end.
    augmentation : TextAugmentation, optional
        Words the training texts otherwise, `text_variants` times each.
    evaluator : MotionEvaluator, optional
        Also measures generated motion and keeps ``best_fid/``,
        ``best_diversity_gap/``, ``best_top1/`` and ``best_matching/``.
    cache : path, optional
        Folder for the tokens of the corpus, and for the vectors of its texts where it is in shards.
    start : MotionTransformer, optional
        Weights to start from.
    resume, progress : bool
    **hooks
        ``on_best``, see `fit`.

    Returns
    -------
    transformer : MotionTransformer
        The last one, in evaluation mode.

    Raises
    ------
    CheckpointError
        If the tokenizer does not fit the corpus or is residual, or `start` does not fit.
    CorpusError, ConfigError, DataError
        Before the first step, if the options or the corpus cannot work.
    """
    if tokenizer.config.quantizer == "residual":
        raise CheckpointError(
            "A residual tokenizer gives several tokens at a time, the transformer writes one.",
            expected="a tokenizer with one codebook",
            found=tokenizer.config.quantizer,
        )
    from_parts: dict[str, Any] = {
        "num_codes": tokenizer.config.num_codes,
        "tokenizer": tokenizer.fingerprint,
        "frames_per_token": tokenizer.frames_per_token,
        "text_encoder": text_encoder.identity,
        "text_dim": text_encoder.dim,
        "text_tokens": vectors_per_text(text_encoder),
    }
    if word_encoder is not None:
        from_parts |= {"word_dim": word_encoder.dim + NUM_TIMES, "word_encoder": word_encoder.identity}
        if evaluator is not None or augmentation is not None:
            raise ConfigError(
                "Training with words in time takes neither evaluator nor augmentation.",
                fix="Leave them out; evaluate_generation measures the finished model.",
            )
    said = "" if augmentation is None else augmentation.identity
    config = replace(config, transformer=replace(config.transformer, **from_parts), augmentation=said)
    check_start(config, output, resume=resume)
    torch.manual_seed(config.seed)
    tokenizer = tokenizer.eval()
    task: Any
    if word_encoder is None:
        task = _TransformerTask(config, corpus, tokenizer, text_encoder, augmentation, evaluator, cache, progress)
    else:
        task = SpeakingTask(config, corpus, tokenizer, text_encoder, word_encoder, cache, progress)
    if start is not None:
        load_state(task.model, start.state_dict(), where="the transformer to start from")
    fit(task, config, output, resume=resume, progress=progress, **hooks)
    return task.model.eval()
