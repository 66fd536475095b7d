"""Training the transformer that writes motion tokens from text."""

from collections.abc import Mapping, Sequence
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
from ..io._corpus_faults import clips_for_training
from ..io._hub import is_sharded
from ..models import load_state
from ..text import NUM_TIMES, TextAugmentation, TextEncoder, WordEncoder, vectors_per_text
from ..vq import MotionTokenizer
from ._datasets import count_clips, indices_of_step, step_rng
from ._loop import CHECKPOINT, LoopConfig, check_start, fit
from ._options import VALIDATION
from ._speaking import SpeakingTask
from ._utterances import KnownTexts, TextVariants, UtteranceSet, tokenize_corpus
from ._word_kinds import Gestures, gesture_names

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
    exchanged_words : float
        Share of the words on which no stroke falls that are exchanged for others of that kind in the corpus: so a
        gesture is learned with its word, and not with the sentences in which a small corpus has it.
    exchanged_rhythms : float
        Share of the windows with exchanged words in which all words that carry no stroke are also cut otherwise, and
        some left out: how long the words around it are is no sign of a gesture either.
    text_variants : int
        Paraphrases that an augmentation makes of each text.
    augmentation : str
        Its identity, filled in by `train_transformer`.
    evaluation : EvaluationConfig
        What the evaluator measures.

    Examples
    --------
    >>> TransformerTraining(steps=1500, text_dropout=0.1, transformer=TransformerConfig(width=192)).transformer.width
    192
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
    exchanged_words: float = 0.0
    exchanged_rhythms: float = 0.0
    text_variants: int = 32
    augmentation: str = ""
    evaluation: EvaluationConfig = VALIDATION


class _TransformerTask:
    best: Mapping[str, str] = {"fid": "min", "diversity_gap": "min", "top1": "max", "matching": "min", "loss": "min"}

    def __init__(
        self,
        config: TransformerTraining,
        corpus: Corpus,
        tokenizer: MotionTokenizer,
        encoder: TextEncoder,
        augmentation: TextAugmentation | None,
        evaluator: Evaluator | None,
        cache: str | Path | None,
        progress: bool,
    ) -> None:
        self.config, self.corpus, self.tokenizer, self.encoder = config, corpus, tokenizer, encoder
        self.evaluator = evaluator
        names = clips_for_training(corpus, spoken=True, stats=False)
        if evaluator is not None:  # before the first step, rather than at the first evaluation
            evaluator.embed_text(collect_samples(corpus, config.evaluation).texts)
        self.model: MotionTransformer = MotionTransformer(config.transformer)
        every = list(dict.fromkeys([*names["train"], *names["val"]]))
        self.tokens: Mapping[str, np.ndarray] = tokenize_corpus(
            corpus, tokenizer, every, folder=cache, progress=progress
        )
        rate = corpus.fps / tokenizer.frames_per_token
        # No motion longer than the block is cut off: it comes in windows, and ends where it ends.
        self.sets: dict[str, UtteranceSet] = {
            split: UtteranceSet.from_corpus(corpus, {n: len(self.tokens[n]) for n in members}, rate=rate).windows(
                config.transformer.max_tokens
            )
            for split, members in names.items()
        }
        self.counts: dict[str, int] = count_clips(corpus, names) | {
            f"{split}_{name}": count for split, samples in self.sets.items() for name, count in samples.counts.items()
        }
        said = [text for samples in self.sets.values() for text in samples.every_text()]
        self.variants: TextVariants = TextVariants(
            augmentation, self.sets["train"].every_text(), config.text_variants, progress=progress
        )
        folder = cache if is_sharded(corpus.root) else None
        self.known: KnownTexts = KnownTexts(
            encoder, said + self.variants.every_text(), progress=progress, folder=folder
        )

    def batch(self, step: int, part: slice) -> dict[str, Any]:
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
        return self._collate(samples, chosen[part], rows[part], texts[part])

    def _cut(self, samples: UtteranceSet, k: int, rng: np.random.Generator) -> Any:
        """Give the tokens of a sample, one time in three without the first or the last, as T2M-GPT does."""
        row = self.tokens[samples.clips[k]][samples.starts[k] : samples.stops[k]]
        dropped, head = rng.integers(3) == 0, rng.integers(2) == 0
        if dropped and len(row) > 1:
            row = row[1:] if head else row[:-1]
        return row

    def _collate(
        self, samples: UtteranceSet, chosen: Sequence[int] | np.ndarray, rows: Sequence[Any], texts: Sequence[str]
    ) -> dict[str, Any]:
        tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
        for k, row in enumerate(rows):
            tokens[k, : len(row)] = torch.from_numpy(np.asarray(row))
        lengths = torch.tensor([len(row) for row in rows])
        return {
            "tokens": tokens,
            "lengths": lengths,
            "ends": torch.from_numpy(samples.ends[chosen]),
            "text": self.known.encode(texts),
            "names": [samples.clips[k] for k in chosen],
        }

    def loss(self, model: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        result = transformer_loss(
            model,
            batch["tokens"],
            batch["lengths"],
            batch["text"],
            ends=batch["ends"],
            keep_probability=self.config.keep_probability,
            text_dropout=self.config.text_dropout,
        )
        return {"loss": result.loss, "accuracy": result.accuracy}

    def evaluate(self, model: Any) -> dict[str, float]:
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

    def _held_out_loss(self, model: Any) -> dict[str, float]:
        samples, total = self.sets["val"], {"loss": 0.0, "accuracy": 0.0}
        device = next(model.parameters()).device
        for first in range(0, len(samples), self.config.batch_size):
            chosen = np.arange(first, min(first + self.config.batch_size, len(samples)))
            rows = [self.tokens[samples.clips[k]][samples.starts[k] : samples.stops[k]] for k in chosen]
            batch = self._collate(samples, chosen, rows, [samples.texts[k][0] for k in chosen])
            result = transformer_loss(
                model,
                batch["tokens"].to(device),
                batch["lengths"].to(device),
                batch["text"].to(device),
                ends=batch["ends"],
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
    gestures: Gestures | None = None,
    resume: bool = False,
    progress: bool = True,
    **hooks: Any,
) -> MotionTransformer:
    """Train a transformer on the train split of a corpus.

    A motion longer than the block comes in windows, of which only the last one ends; ``summary.json`` counts them.

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
    gestures : mapping of str to sequence of (float, float, str), optional
        For a model that hears words as kinds of gestures (`word_kinds` of its config): in some clips, from when to
        when the words of a gesture are said, in seconds, and what it is called. There are then as many kinds as
        names, and none. Without, the strokes of the corpus are sorted by how they look. A model to `start` from
        keeps what it knows of words.
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

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.types import Utterance
    >>> corpus = Corpus.create(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     motion = np.random.default_rng(ord(name)).normal(size=(40, 263))
    ...     corpus.add_clip(name, features=motion, texts=[Utterance(0, 0, "안녕하세요")])
    >>> corpus.write_splits({"train": ["a"], "val": ["b"]})
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> from ktube_motion.vq import TokenizerConfig
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8)).eval()
    >>> small = TransformerConfig(width=32, num_layers=1, num_heads=4, block_size=21)
    >>> config = TransformerTraining(steps=1, batch_size=2, transformer=small, tracker=None)
    >>> transformer = train_transformer(
    ...     config, corpus, tempfile.mkdtemp(), tokenizer=tokenizer, text_encoder=EmbeddedTextEncoder(), progress=False
    ... )
    >>> transformer.config.num_codes, transformer.config.text_encoder
    (8, 'usem3')
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
        taught_by = start.config.word_encoder if start is not None and start.config.word_kinds else ""
        if taught_by not in ("", word_encoder.identity):
            raise ConfigError(
                "The model to start from knows what words call for by the vectors of another word encoder.",
                expected=taught_by, found=word_encoder.identity,
            )  # fmt: skip
        if gestures is not None:
            names = tuple(gesture_names(gestures))
            if start is not None and start.config.gestures not in ((), names):
                raise ConfigError(
                    "The model to start from knows other gestures.",
                    expected=list(start.config.gestures),
                    found=list(names),
                )
            from_parts |= {"word_kinds": 1 + len(names), "gestures": names}
        elif start is not None and start.config.word_kinds == config.transformer.word_kinds:
            from_parts["gestures"] = start.config.gestures
        if evaluator is not None or augmentation is not None:
            raise ConfigError(
                "Training with words in time takes neither evaluator nor augmentation.",
                fix="Leave them out; evaluate_generation measures the finished model.",
            )
    elif gestures is not None or config.transformer.word_kinds:
        raise ConfigError(
            "Kinds of gestures are heard in words, and this training has none.", fix="Give a word_encoder."
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
        taught = start is not None or (resume and (Path(output) / CHECKPOINT).exists())
        known: dict[str, Any] = {"gestures": gestures, "taught": taught}
        task = SpeakingTask(config, corpus, tokenizer, text_encoder, word_encoder, cache, progress, **known)
    if start is not None:
        load_state(task.model, start.state_dict(), where="the transformer to start from")
    fit(task, config, output, resume=resume, progress=progress, **hooks)
    return task.model.eval()
