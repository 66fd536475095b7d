"""What the made-up speaker says, and when he says every word."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..types import Cue, Word
from ._wordings import Sentence

__all__ = ["Moment", "choose", "open_some", "schedule"]

_OPENERS = {"자, ": 0.18, "[yes:네], ": 0.10, "[thinking:음], ": 0.08}  # before which share of the sentences
_ANSWERS = {"greeting", "farewell", "bow", "yes", "no", "thinking", "count", "cheer"}  # they stand first by themselves
_APART = 1.2  # seconds from one stroke to the next: who gestures more takes a pause before the word


@dataclass(frozen=True)
class Moment:
    """Words that carry a gesture: which cue, what, and from when to when (seconds)."""

    cue: int
    concept: str
    text: str
    start: float
    end: float

    @property
    def centre(self) -> float:
        """When the stroke is due: inside the word; a count begins with its first number."""
        return self.start + (0.1 if self.concept == "count" else 0.5 * min(self.end - self.start, 0.6))


def choose(wordings: Sequence[Sentence], count: int, liking: np.ndarray, rng: np.random.Generator) -> list[Sentence]:
    """Draw sentences so that concepts come in turn, mixed with some that have none.

    `liking` says for every wording how much the speaker likes it.
    """
    places: dict[str, list[int]] = {}
    for place, sentence in enumerate(wordings):
        places.setdefault(sentence.concepts[0] if sentence.marks else "", []).append(place)
    concepts = sorted(places)
    if "" in places:
        concepts += [""] * (round(0.1 * len(places)) - 1)
    turns: list[str] = []
    said: list[Sentence] = []
    while len(said) < count:
        turns = turns or [concepts[place] for place in rng.permutation(len(concepts))]
        choices = _some_or_many(places[turns.pop()], wordings, rng)
        chances = liking[choices] / liking[choices].sum()
        said.append(wordings[int(rng.choice(choices, p=chances))])
    return said


def _some_or_many(places: Sequence[int], wordings: Sequence[Sentence], rng: np.random.Generator) -> list[int]:
    """Keep the sentences with at most one gesture, or in two of five draws those with more."""
    many = [place for place in places if len(wordings[place].marks) > 1]
    few = [place for place in places if len(wordings[place].marks) < 2]
    return many if many and (not few or rng.random() < 0.4) else few


def open_some(said: Sequence[Sentence], rng: np.random.Generator, *, plainly: bool) -> list[Sentence]:
    """Open some sentences with 자; with a nod or a thought, which are gestures, where not `plainly`."""
    opened = []
    for sentence in said:
        opener = str(rng.choice([*_OPENERS, ""], p=[*_OPENERS.values(), 1 - sum(_OPENERS.values())]))
        gestures = "[" in opener
        unfit = gestures and (plainly or not 0 < len(sentence.marks) < 3 or sentence.concepts[0] in _ANSWERS)
        stands = unfit or not opener or sentence.text.startswith(("자", "네", "음"))
        opened.append(sentence if stands else sentence.opened(opener))
    return opened


def schedule(said: Sequence[Sentence], rate: float, rng: np.random.Generator) -> tuple[list[Cue], list[Moment]]:
    """Say sentences at `rate` syllables a second, unevenly as people do: cues with word times, and their gestures."""
    cues: list[Cue] = []
    moments: list[Moment] = []
    start = 1.0
    for number, sentence in enumerate(said):
        lengths = np.array([_length(sentence.text, place) for place in range(len(sentence.text))])
        lengths *= rng.lognormal(0, 0.16, len(lengths)) / (rate * rng.uniform(0.92, 1.08))
        if lengths.sum() > 6.0:
            lengths *= 6.0 / lengths.sum()  # a long sentence is said faster
        clock = start + np.concatenate([[0], lengths.cumsum()])
        moments += _moments(number, sentence, clock)
        spoken = _last_sound(sentence.text)
        end = max(clock[spoken] + rng.uniform(0.05, 0.25), start + 2.0)  # a subtitle stays on a little longer
        cues.append(_cue(sentence.text, clock, end))
        start = end + rng.uniform(0.5, 1.1)
    return cues, moments


def _length(text: str, place: int) -> float:
    """How long a character lasts, in syllables: a pause at punctuation, a longer syllable before it."""
    character, following = text[place], text[place + 1 : place + 2]
    if character in ",.!?":
        return 1.4 if character == "," else 0.5 if following else 0.0
    if character == " ":
        return 0.12
    return 1.35 if following in ("", ",", ".", "!", "?") else 1.0


def _moments(number: int, sentence: Sentence, clock: np.ndarray) -> list[Moment]:
    """Find the words of the gestures; moves `clock` on where two strokes would come too close."""
    moments: list[Moment] = []
    for concept, first, last in sentence.marks:
        moment = Moment(number, concept, sentence.text[first:last], float(clock[first]), float(clock[last]))
        if moments and (wait := moments[-1].centre + _APART - moment.centre) > 0:
            clock[first:] += wait
            moment = replace(moment, start=moment.start + wait, end=moment.end + wait)
        moments.append(moment)
    return moments


def _last_sound(text: str) -> int:
    return len(text.rstrip(" ,.!?"))


def _cue(text: str, clock: np.ndarray, end: float) -> Cue:
    words, place = [], 0
    for word in text.split(" "):
        start, stop = clock[place], clock[place + _last_sound(word)]
        words.append(Word(round(float(start), 3), round(float(stop), 3), word))
        place += len(word) + 1
    return Cue(round(float(clock[0]), 3), round(float(end), 3), text, tuple(words))
