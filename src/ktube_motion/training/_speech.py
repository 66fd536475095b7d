"""Talks with their words in time: the samples of a transformer that hears what it moves to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from ..errors import CorpusError
from ..io import Corpus
from ..text import WordEncoder, estimate_words, timed_words, word_track
from ..text._utterances import spoken_versions
from ..types import Utterance, Word
from ._datasets import step_rng

__all__ = ["SpeechSet"]


@dataclass(frozen=True)
class _Reading:
    """What is said in a clip: its words with the times given, and with times estimated from the utterances alone."""

    utterances: tuple[Utterance, ...]
    given: tuple[Word, ...]
    estimated: tuple[Word, ...]
    vectors: torch.Tensor


class SpeechSet:
    """Windows of motion tokens and of the words around them.

    Parameters
    ----------
    corpus : Corpus
    tokens : mapping of str to int64 array [shape=(L,)]
        Motion tokens of the clips to use.
    encoder : WordEncoder
    config : TransformerConfig
    tokens_per_second : float

    Raises
    ------
    CorpusError
        If no clip has words.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokens: Mapping[str, np.ndarray],
        encoder: WordEncoder,
        config: Any,
        *,
        tokens_per_second: float,
    ) -> None:
        self.config: Any
        self.rate: float
        self.config, self.rate = config, tokens_per_second
        self.tokens: dict[str, torch.Tensor]
        self.readings: dict[Any, Any]
        self.tokens, self.readings = {}, {}
        for name, row in tokens.items():
            found = [
                self._reading(spoken, encoder) for spoken in spoken_versions(corpus.texts(name), len(row) / self.rate)
            ]
            found = [reading for reading in found if reading.given]
            if found and len(row):
                self.tokens[name], self.readings[name] = torch.from_numpy(np.asarray(row)), found
        if not self.tokens:
            raise CorpusError("No clip has words.", where=corpus.root, expected="clips with texts", found=len(tokens))
        self.names: list[str] = list(self.tokens)
        self._ends = np.cumsum([len(row) for row in self.tokens.values()])

    def every_text(self) -> list[str]:
        """Give each different sentence once."""
        spoken = (u.text for readings in self.readings.values() for reading in readings for u in reading.utterances)
        return list(dict.fromkeys(spoken))

    def draw(self, size: int, *, seed: int, step: int) -> tuple[list[tuple[str, int]], np.random.Generator]:
        """Give clip and first token of each window of a step, and its random numbers; long clips come more often."""
        rng = step_rng(seed, step, stream=2)
        clips = np.searchsorted(self._ends, rng.integers(self._ends[-1], size=size), side="right")
        rooms = [max(len(self.tokens[self.names[clip]]) - self.config.max_tokens, 0) for clip in clips]
        starts = [int(rng.integers(room + 1)) for room in rooms]
        return [(self.names[clip], start) for clip, start in zip(clips, starts, strict=True)], rng

    def windows(self) -> list[tuple[str, int]]:
        """Give windows that follow each other without a gap through all clips."""
        step = self.config.max_tokens
        return [(name, start) for name, row in self.tokens.items() for start in range(0, len(row), step)]

    def batch(
        self, windows: Sequence[tuple[str, int]], seeds: Any = None, *, estimated: float = 0.0, jitter: float = 0.0
    ) -> dict[str, Any]:
        """Give tokens, lengths, words and sentences of windows.

        Parameters
        ----------
        windows : list of (clip, first token)
        seeds : sequence of int, optional
            For each window what draws among the texts of its clip, and what follows; without them the first
            text is read as it is.
        estimated : float in [0, 1]
            Share of windows that read estimated times, as if none were given.
        jitter : float
            Deviation in seconds that is added to the times of words.

        Returns
        -------
        batch : dict
            ``tokens (B, L)``, ``lengths (B,)``, ``words`` as `MotionTransformer.forward` takes them,
            and ``texts``: for each the sentence that fills the window, or None.
        """
        most = self.config.max_tokens
        rows = [self.tokens[name][start : start + most] for name, start in windows]
        lengths = torch.tensor([len(row) for row in rows])
        words, texts = [], []
        for place, (name, start) in enumerate(windows):
            readings, rng = self.readings[name], None if seeds is None else np.random.default_rng(seeds[place])
            reading = readings[0 if rng is None else rng.integers(len(readings))]
            spoken = reading.given if rng is None or rng.random() >= estimated else reading.estimated
            words.append(self._track(name, start, int(lengths.max()), _jittered(spoken, rng, jitter), reading.vectors))
            texts.append(self._sentence(reading, start, min(most, len(self.tokens[name]) - start)))
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return {"tokens": tokens, "lengths": lengths, "words": torch.stack(words), "texts": texts}

    def _reading(self, spoken, encoder):
        given = [timed_words(utterance) for utterance in spoken]
        estimated = [estimate_words(utterance.text, utterance.start, utterance.end) for utterance in spoken]
        vectors = [encoder.encode_words([word.text for word in words]) for words in given]
        return _Reading(tuple(spoken), *(tuple(chain(*words)) for words in (given, estimated)), torch.cat(vectors))

    def _track(self, name, start, count, words, vectors):
        """Give the rows that a window hears; beyond the ends of the clip nothing is known."""
        first = start - self.config.word_past
        total = self.config.hears + count
        near = [
            k for k, word in enumerate(words)
            if word.end * self.rate > first - 2 * self.rate and word.start * self.rate < first + total
        ]  # fmt: skip
        track = word_track(
            [words[k] for k in near], vectors[near], num_tokens=total, tokens_per_second=self.rate, start=first
        )
        place = first + torch.arange(total)
        track[(place < 0) | (place >= len(self.tokens[name]))] = 0
        return track

    def _sentence(self, reading, start, count):
        """Give the sentence that fills three quarters of a window, if there is one."""
        for utterance in reading.utterances:
            shared = min(utterance.end * self.rate, start + count) - max(utterance.start * self.rate, start)
            if shared >= 0.75 * count:
                return utterance.text
        return None


def _jittered(words, rng, jitter):
    """Shift each word a little, its start and end alike."""
    if rng is None or not jitter:
        return words
    shifts = rng.normal(0, jitter, len(words))
    return [replace(word, start=word.start + d, end=word.end + d) for word, d in zip(words, shifts, strict=True)]
