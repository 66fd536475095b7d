"""Saying the same otherwise, so that a model does not learn sentences by heart."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, FormatError
from ..io._files import read_text
from ._conjugation import ENDINGS, droppable_particles, droppable_words, may_move, with_ending, without_particle
from ._encoders import clean_texts

__all__ = ["TextAugmentation"]

_CLAUSE = ", "


class TextAugmentation:
    """Word an utterance otherwise: paraphrases, endings, particles, order, missing words.

    Each change is drawn by itself, so many utterances stay as they are.

    Parameters
    ----------
    paraphrases : iterable of sequences of str
        Paraphrases: texts that mean the same. A text, or its clause before or behind a comma, that is one of
        them is replaced by another of its group.
    paraphrase, ending, particle, order, missing : float in [0, 1]
        Chance of a paraphrase for each clause that has one; of another ending of the last verb
        (하세요, 해요, 합니다, 해, 한다; questions stay); of leaving out each particle that speech leaves
        out; of the clause before the first comma going to the end; of one word missing.

    Attributes
    ----------
    identity : str
        Hash of all settings and paraphrases, which checkpoints of training record.

    Raises
    ------
    ConfigError
        If a chance is outside [0, 1], or a group of paraphrases has one text only.

    Examples
    --------
    >>> same = [("손을 흔든다", "손 인사를 한다")]
    >>> say = TextAugmentation(same, paraphrase=1, ending=0, particle=0, order=0, missing=0)
    >>> say("신나게, 손을 흔든다", np.random.default_rng(0))
    '신나게, 손 인사를 한다'
    """

    def __init__(
        self,
        paraphrases: Iterable[Sequence[str]] = (),
        *,
        paraphrase: float = 0.7,
        ending: float = 0.3,
        particle: float = 0.2,
        order: float = 0.2,
        missing: float = 0.1,
    ) -> None:
        chances = {"paraphrase": paraphrase, "ending": ending, "particle": particle, "order": order, "missing": missing}
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise ConfigError(f"{name} is no chance.", expected="a number from 0 to 1", found=chance)
        self.chances = chances
        self.groups: dict[str, list[str]] = {}
        for group in paraphrases:
            alike = sorted(set(clean_texts(list(group))))
            if len(alike) < 2:
                raise ConfigError("One text has no paraphrase.", expected="two or more", found=list(group))
            self.groups |= dict.fromkeys(alike, alike)
        table = "\n".join(f"{text}\t{group[0]}" for text, group in sorted(self.groups.items()))
        self.identity: str = hashlib.sha256(f"{chances}\n{table}".encode()).hexdigest()[:16]

    @classmethod
    def from_table(cls, path: str | Path, *, also: Iterable[tuple[str, str, str]] = (), **chances: Any) -> Self:
        """Read paraphrases from a table with tabs and the columns ``kind``, ``label`` and ``wording``.

        Parameters
        ----------
        path : path
        also : iterable of (kind, label, wording)
            More rows, as the corpus's own texts.
        **chances
            See the class.

        Raises
        ------
        FormatError
            If a column is missing.
        """
        rows = list(csv.DictReader(read_text(path).splitlines(), delimiter="\t"))
        columns = ("kind", "label", "wording")
        if not rows or any(row.get(column) in (None, "") for row in rows for column in columns):
            raise FormatError("These are no paraphrases.", where=path, expected=f"columns {', '.join(columns)}")
        groups: dict[tuple[str, str], list[str]] = {}
        for kind, label, wording in (*(tuple(row[column] for column in columns) for row in rows), *also):
            groups.setdefault((kind, label), []).append(wording)
        return cls(groups.values(), **chances)

    def __call__(self, text: str, rng: np.random.Generator) -> str:
        """Give `text` as it might also be said."""
        (text,) = clean_texts([text])
        text = self._paraphrase(text, rng)
        if rng.random() < self.chances["ending"]:
            text = with_ending(text, ENDINGS[rng.integers(len(ENDINGS))])
        if self.chances["particle"]:
            text = self._drop_particles(text, rng)
        if rng.random() < self.chances["order"]:
            text = _turned(text)
        words = text.split()
        if rng.random() < self.chances["missing"] and len(words) > 2 and (free := droppable_words(text)):
            del words[free[rng.integers(len(free))]]
        return " ".join(words)

    def _paraphrase(self, text: str, rng: np.random.Generator) -> str:
        if text in self.groups:
            return self._choose(text, rng)
        commas = [place for place in range(len(text)) if text.startswith(_CLAUSE, place)]
        for place in commas:
            first, rest = text[:place], text[place + len(_CLAUSE) :]
            if first in self.groups or rest in self.groups:
                return f"{self._choose(first, rng)}{_CLAUSE}{self._choose(rest, rng)}"
        return text

    def _choose(self, text: str, rng: np.random.Generator) -> str:
        """Give a paraphrase, if there is one and chance wants it."""
        if text not in self.groups or rng.random() >= self.chances["paraphrase"]:
            return text
        others = [other for other in self.groups[text] if other != text]
        return others[rng.integers(len(others))]

    def _drop_particles(self, text: str, rng: np.random.Generator) -> str:
        for place in reversed(droppable_particles(text)):
            if rng.random() < self.chances["particle"]:
                text = without_particle(text, place)
        return text


def _turned(text: str) -> str:
    """Put the clause before the first comma last; what closes the sentence stays at its end."""
    body = text.rstrip(".!?…~ ")
    first, comma, rest = body.partition(_CLAUSE)
    return f"{rest}{_CLAUSE}{first}{text[len(body) :]}" if comma and rest and may_move(first) else text
