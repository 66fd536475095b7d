"""The training task of a transformer that hears words in time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..gpt import MotionTransformer, transformer_loss
from ..io import Corpus
from ..io._corpus_faults import clips_for_training
from ..text import TextEncoder, WordEncoder
from ..vq import MotionTokenizer
from ._datasets import count_clips
from ._speech import SpeechSet
from ._utterances import KnownTexts, tokenize_corpus
from ._word_kinds import Gestures, teach_kinds

__all__ = ["SpeakingTask"]


class SpeakingTask:
    """Windows of talks, from any token on: what came before and what comes next is heard, whatever its sentence.

    A model that hears kinds of gestures learns what words call for before all else, unless it is `taught` already, or
    will be by the weights that it goes on from; the training leaves that as it is.
    """

    best: Mapping[str, str] = {"loss": "min"}

    def __init__(
        self,
        config: Any,
        corpus: Corpus,
        tokenizer: MotionTokenizer,
        text_encoder: TextEncoder,
        word_encoder: WordEncoder,
        cache: str | Path | None,
        progress: bool,
        *,
        gestures: Gestures | None = None,
        taught: bool = False,
    ) -> None:
        self.config = config
        self.model: MotionTransformer = MotionTransformer(config.transformer)
        names = clips_for_training(corpus, spoken=True, stats=False)
        self.counts: dict[str, int] = count_clips(corpus, names)
        every = list(dict.fromkeys([*names["train"], *names["val"]]))
        tokens = tokenize_corpus(corpus, tokenizer, every, folder=cache, progress=progress)
        rate = corpus.fps / tokenizer.frames_per_token
        self.sets: dict[str, SpeechSet] = {
            split: SpeechSet(
                corpus, {n: tokens[n] for n in members}, word_encoder, config.transformer, tokens_per_second=rate
            )
            for split, members in names.items()
        }
        kinds = None if self.model.hearing is None else self.model.hearing.kinds
        if kinds is not None:
            if not taught:
                teach_kinds(kinds, self.sets["train"], corpus, gestures=gestures, seed=config.seed, progress=progress)
            kinds.requires_grad_(False)
        said = [text for speech in self.sets.values() for text in speech.every_text()]
        self.known: KnownTexts = KnownTexts(text_encoder, said, progress=progress)

    def batch(self, step: int, part: slice) -> dict[str, Any]:
        config = self.config
        windows, rng = self.sets["train"].draw(config.batch_size, seed=config.seed, step=step)
        # Each window has its own numbers, so that a part of a batch is the same on any number of processes.
        seeds = rng.integers(2**62, size=config.batch_size)[part]
        options = {
            "estimated": config.estimated_words, "jitter": config.word_jitter, "exchanged": config.exchanged_words,
            "rhythms": config.exchanged_rhythms,
        }  # fmt: skip
        return self._with_text(self.sets["train"].batch(windows[part], seeds, **options), windows[part])

    def _with_text(self, batch: dict[str, Any], windows: Sequence[tuple[str, int]]) -> dict[str, Any]:
        texts = batch.pop("texts")
        vectors = torch.zeros(len(texts), *self.config.transformer.text_shape)
        some = [row for row, text in enumerate(texts) if text is not None]
        if some:
            vectors[some] = self.known.encode([texts[row] for row in some])
        return {**batch, "text": vectors, "names": [name for name, _ in windows]}

    def loss(self, model: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        result = transformer_loss(
            model,
            batch["tokens"],
            batch["lengths"],
            batch["text"],
            words=batch["words"],
            keep_probability=self.config.keep_probability,
            text_dropout=self.config.text_dropout,
            word_dropout=self.config.word_dropout,
        )
        return {"loss": result.loss, "accuracy": result.accuracy}

    def evaluate(self, model: Any) -> dict[str, float]:
        speech, total = self.sets["val"], {"loss": 0.0, "accuracy": 0.0}
        device, windows = next(model.parameters()).device, speech.windows()
        for first in range(0, len(windows), self.config.batch_size):
            part = windows[first : first + self.config.batch_size]
            batch = self._with_text(speech.batch(part), part)
            given = {name: batch[name].to(device) for name in ("tokens", "lengths", "text", "words")}
            result = transformer_loss(
                model, given["tokens"], given["lengths"], given["text"], words=given["words"], keep_probability=1.0
            )
            for name, value in zip(total, result, strict=True):
                total[name] += float(value) * len(part) / len(windows)
        return total
