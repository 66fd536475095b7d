"""Talks with their words in time: the samples of a transformer that hears what it moves to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch

from ..errors import CorpusError
from ..features import features_to_joints
from ..io import Corpus
from ..metrics.functional import gesture_strokes
from ..text import WordEncoder, estimate_words, timed_words, word_track
from ..text._utterances import spoken_versions
from ..types import Utterance, Word
from ._datasets import step_rng

__all__ = ["SpeechSet"]

_BEFORE, _AFTER, _LONGEST = 0.25, 0.3, 0.6  # seconds: where the stroke of a word's gesture may lie, from start to end
_NOD = 0.03  # metres
_FORMS = 0.3  # of the words are read in their dictionary form, where others are exchanged
_LIKELIER = 0.7  # of the best score of a stroke; words below it do not carry the stroke's gesture
_SILENT = 0.6  # of the words around gestures are left out at most, where others are exchanged
_PAUSE = 0.3  # seconds


@dataclass(frozen=True)
class _Reading:
    """What is said in a clip: its words with the times given, and with times estimated from the utterances alone."""

    utterances: tuple[Utterance, ...]
    given: tuple[Word, ...]
    estimated: tuple[Word, ...]
    vectors: torch.Tensor
    plain: np.ndarray  # which words have no stroke near them
    idle: np.ndarray  # which words carry none: those, and words beside likelier ones
    near: tuple[np.ndarray, ...]  # the places of the strokes that each word may carry


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
        self._vary: Any = getattr(encoder, "vary", None)
        self.tokens: dict[str, torch.Tensor]
        self.readings: dict[Any, Any]
        self.tokens, self.readings = {}, {}
        self.strokes: dict[str, np.ndarray]
        self.strokes = strokes = {name: _strokes(corpus, name) for name in tokens}
        versions = {name: spoken_versions(corpus.texts(name), len(row) / self.rate) for name, row in tokens.items()}
        carried = _scores((spoken, strokes[name]) for name, found in versions.items() for spoken in found)
        for name, row in tokens.items():
            found = [self._reading(spoken, encoder, strokes[name], carried) for spoken in versions[name]]
            found = [reading for reading in found if reading.given]
            if found and len(row):
                self.tokens[name], self.readings[name] = torch.from_numpy(np.asarray(row)), found
        if not self.tokens:
            raise CorpusError("No clip has words.", where=corpus.root, expected="clips with texts", found=len(tokens))
        self.names: list[str] = list(self.tokens)
        self._ends = np.cumsum([len(row) for row in self.tokens.values()])
        every = [reading for found in self.readings.values() for reading in found]
        self._plain: torch.Tensor = torch.cat([reading.vectors[reading.plain] for reading in every])

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
        self,
        windows: Sequence[tuple[str, int]],
        seeds: Any = None,
        *,
        estimated: float = 0.0,
        jitter: float = 0.0,
        exchanged: float = 0.0,
        rhythms: float = 0.0,
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
        exchanged : float in [0, 1]
            Share of the words without a stroke near them that are exchanged for others of the corpus that have
            none; such windows have no sentence.
        rhythms : float in [0, 1]
            Share of these windows in which words that carry no stroke are cut otherwise too.

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
            other = None if rng is None or not exchanged or not len(self._plain) else rng
            vectors = reading.vectors
            if other is not None:
                exchange = self._reworded if rhythms and other.random() < rhythms else self._exchanged
                spoken, vectors = exchange(reading, spoken, exchanged, other)
            words.append(self._track(name, start, int(lengths.max()), _jittered(spoken, rng, jitter), vectors))
            texts.append(
                None
                if other and rng is not None
                else self._sentence(reading, start, min(most, len(self.tokens[name]) - start))
            )
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return {"tokens": tokens, "lengths": lengths, "words": torch.stack(words), "texts": texts}

    def _exchanged(
        self, reading: _Reading, spoken: Sequence[Word], share: float, rng: np.random.Generator
    ) -> tuple[Sequence[Word], torch.Tensor]:
        """Say other words around the same gestures: a gesture is its word's, not its sentence's."""
        places = np.flatnonzero(reading.plain & (rng.random(len(reading.plain)) < share))
        vectors = reading.vectors.clone() if self._vary is None else self._vary(reading.vectors, _FORMS, rng)
        vectors[places] = self._plain[rng.integers(len(self._plain), size=len(places))]
        return spoken, vectors

    def _reworded(
        self, reading: _Reading, spoken: Sequence[Word], share: float, rng: np.random.Generator
    ) -> tuple[Sequence[Word], torch.Tensor]:
        """Say other words, in another rhythm: else a model knows the sentence by how long its words are."""
        vectors = reading.vectors if self._vary is None else self._vary(reading.vectors, _FORMS, rng)
        silent = rng.uniform(0, _SILENT)
        words: list[Word] = []
        rows: list[torch.Tensor] = []
        for plain, run in groupby(_runs(spoken, reading.idle), key=itemgetter(0)):
            places = [place for _, place in run]
            if plain is None:
                words += [spoken[place] for place in places]
                rows.append(vectors[places])
                continue
            others = _recut(spoken[places[0]].start, spoken[places[-1]].end, len(places), rng, silent=silent)
            said = vectors[rng.choice(places, size=len(others))]
            other = torch.from_numpy(rng.random(len(others)) < share)[:, None]
            drawn = self._plain[rng.integers(len(self._plain), size=len(others))]
            words += others
            rows.append(torch.where(other, drawn, said))
        return words, torch.cat(rows)

    def _reading(
        self, spoken: Sequence[Utterance], encoder: WordEncoder, strokes: np.ndarray, carried: Mapping[str, float]
    ) -> _Reading:
        given = [timed_words(utterance) for utterance in spoken]
        estimated = [estimate_words(utterance.text, utterance.start, utterance.end) for utterance in spoken]
        vectors = [encoder.encode_words([word.text for word in words]) for words in given]
        told = tuple(chain(*given))
        near = tuple(_near(word, strokes) for word in told)
        plain = np.array([not len(places) for places in near], bool)
        idle = np.array([not carries for carries in _carriers(told, near, carried)], bool)
        return _Reading(tuple(spoken), told, tuple(chain(*estimated)), torch.cat(vectors), plain, idle, near)

    def _track(self, name: str, start: int, count: int, words: Sequence[Word], vectors: torch.Tensor) -> torch.Tensor:
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

    def _sentence(self, reading: _Reading, start: int, count: int) -> str | None:
        """Give the sentence that fills three quarters of a window, if there is one."""
        for utterance in reading.utterances:
            shared = min(utterance.end * self.rate, start + count) - max(utterance.start * self.rate, start)
            if shared >= 0.75 * count:
                return utterance.text
        return None


def _runs(words: Sequence[Word], plain: np.ndarray) -> Iterator[tuple[int | None, int]]:
    """Give for each word the number of its run of plain words without a pause, None for others; and its place."""
    number = 0
    for place, word in enumerate(words):
        if place and word.start - words[place - 1].end > _PAUSE:
            number += 1
        if not plain[place]:
            number += 1
        yield (number if plain[place] else None), place


def _recut(start: float, end: float, count: int, rng: np.random.Generator, *, silent: float) -> list[Word]:
    """Cut a stretch of speech into about as many words of other lengths, a share of them silent."""
    cuts = np.cumsum(rng.uniform(0.4, 1.6, max(count + int(rng.integers(-1, 2)), 1)))
    cuts = start + (end - start) * np.concatenate(([0.0], cuts / cuts[-1]))
    spoken = rng.random(len(cuts) - 1) >= silent
    return [Word(float(a), float(b), "…") for a, b in zip(cuts[:-1][spoken], cuts[1:][spoken], strict=True)]


def _strokes(corpus: Corpus, name: str) -> np.ndarray:
    """Give when hands or head of a clip make a stroke, in seconds."""
    joints = features_to_joints(np.asarray(corpus.features(name)), skeleton=corpus.skeleton)
    if len(joints) < 4:
        return np.zeros(0)
    find = partial(gesture_strokes, joints, fps=corpus.fps, skeleton=corpus.skeleton)
    return np.concatenate((find(), find(joint="head", least=_NOD)))


def _near(word: Word, strokes: np.ndarray) -> np.ndarray:
    """Give the places of the strokes that a word may carry."""
    last = word.start + min(word.end - word.start, _LONGEST) + _AFTER
    return np.flatnonzero((strokes >= word.start - _BEFORE) & (strokes <= last))


def _scores(talks: Iterable[tuple[Sequence[Utterance], np.ndarray]]) -> dict[str, float]:
    """Give how surely each word carries a stroke: one that has a stroke near it in many sentences, and never none.

    The words beside it have strokes near them too; but the rare ones in few sentences, and the common ones not always.
    """
    met: dict[str, dict[str, list[bool]]] = {}
    for spoken, strokes in talks:
        for utterance in spoken:
            for word in timed_words(utterance):
                near = met.setdefault(_bare(word.text), {}).setdefault(utterance.text, [])
                near.append(bool(len(_near(word, strokes))))
    return {
        text: sum(sum(near) / len(near) for near in sentences.values()) / (len(sentences) + 1)
        for text, sentences in met.items()
    }


def _carriers(words: Sequence[Word], near: Sequence[np.ndarray], scores: Mapping[str, float]) -> list[bool]:
    """Tell which words carry a stroke: of those near it, `near` by their places, the likeliest and nearly as likely."""
    own = [scores[_bare(word.text)] for word in words]
    best = np.zeros(1 + max((int(places.max()) for places in near if len(places)), default=-1))
    for places, score in zip(near, own, strict=True):
        best[places] = np.maximum(best[places], score)
    return [bool((score >= _LIKELIER * best[places]).any()) for places, score in zip(near, own, strict=True)]


def _bare(text: str) -> str:
    return text.strip(".,?!…~'\"")


def _jittered(words: Sequence[Word], rng: np.random.Generator | None, jitter: float) -> Sequence[Word]:
    """Shift each word a little, its start and end alike."""
    if rng is None or not jitter:
        return words
    shifts = rng.normal(0, jitter, len(words))
    return [replace(word, start=word.start + d, end=word.end + d) for word, d in zip(words, shifts, strict=True)]
