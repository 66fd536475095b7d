"""What the made-up speaker says: in the text files beside this, a sentence a line.

The words a gesture belongs to are marked ``[concept:words]``; a line that starts with ``+`` is never trained on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from ...errors import ConfigError

__all__ = ["SPLITS", "Sentence", "sentences"]

SPLITS = ("train", "new")
_TOPICS = "meeting pointing measuring doing feeling together plain".split()
_MARK = re.compile(r"\[(\w+):([^\]]+)\]")


@dataclass(frozen=True)
class Sentence:
    """A Korean sentence and the gestures that belong to its words.

    Attributes
    ----------
    text : str
    marks : tuple of (str, int, int)
        Concept, and where its words start and end in `text`.
    split : {"train", "new"}
        Whether models may be trained on it.

    Examples
    --------
    >>> sentence = Sentence.parse("[left:왼쪽]을 보세요.")
    >>> sentence.text, sentence.concepts
    ('왼쪽을 보세요.', ('left',))
    """

    text: str
    marks: tuple[tuple[str, int, int], ...] = ()
    split: str = "train"

    @staticmethod
    def parse(line: str) -> "Sentence":
        """Read a line with marked words, ``"[left:왼쪽]을 보세요."``; a leading ``+`` makes it new."""
        split, line = ("new", line[1:]) if line.startswith("+") else ("train", line)
        text, marks, end = "", [], 0
        for mark in _MARK.finditer(line):
            text += line[end : mark.start()]
            marks.append((mark[1], len(text), len(text) + len(mark[2])))
            text, end = text + mark[2], mark.end()
        return Sentence(text + line[end:], tuple(marks), split)

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts in the order they are spoken."""
        return tuple(mark[0] for mark in self.marks)

    def opened(self, opener: str) -> "Sentence":
        """Give the sentence with `opener`, which may have marks of its own, before it."""
        before = Sentence.parse(opener)
        shift = len(before.text)
        marks = tuple((concept, start + shift, end + shift) for concept, start, end in self.marks)
        return Sentence(before.text + self.text, before.marks + marks, self.split)


def _read(topic: str) -> Iterator[Sentence]:
    lines = (files(__package__) / f"{topic}.txt").read_text(encoding="utf-8").splitlines()
    return (Sentence.parse(line) for line in lines if line and not line.startswith("#"))


_SENTENCES = tuple(sentence for topic in _TOPICS for sentence in _read(topic))


def sentences(concept: str | None = None, *, split: str | None = None) -> tuple[Sentence, ...]:
    """Give everything the made-up speaker can say.

    Parameters
    ----------
    concept : str, optional
        Only sentences with this one concept; see `CONCEPTS`. By default all,
        with those that join several concepts and those without any.
    split : {"train", "new"}, optional
        Only sentences to train on, or only those kept from training. By default both.

    Returns
    -------
    sentences : tuple of Sentence

    Raises
    ------
    ConfigError
        If there is no such concept or split.

    Examples
    --------
    >>> [sentence.text for sentence in sentences("left")][0]
    '왼쪽을 보세요, 그림이 보이죠?'
    >>> [sentence.text for sentence in sentences("left", split="new")][0]
    '냉장고는 왼쪽 벽에 붙여 주세요.'
    """
    if split not in (None, *SPLITS):
        raise ConfigError("The wordings have no such split.", expected=", ".join(SPLITS), found=repr(split))
    allowed = tuple(sentence for sentence in _SENTENCES if split in (None, sentence.split))
    if concept is None:
        return allowed
    found = tuple(sentence for sentence in allowed if sentence.concepts == (concept,))
    if not found:
        known = sorted({name for sentence in _SENTENCES for name in sentence.concepts})
        raise ConfigError("The speaker has no such concept.", expected=", ".join(known), found=repr(concept))
    return found
