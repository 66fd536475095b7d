"""When each word is said: joined to the words of the text, moved with a cut, estimated where nobody knows."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from numbers import Real
from typing import TypeVar

from ..errors import ConfigError, DataError
from ..types import Cue, Word
from ._reading import count_syllables, read_words_aloud

__all__ = ["estimate_words", "join_words", "shift_words", "speaking_seconds", "timed_words"]

#: Hangul syllables a second of a fluent speaker, the pauses not counted.
SYLLABLES_PER_SECOND = 5.5

SLOWEST = 2.0  # syllables per second; a subtitle that leaves more time is still shown when all is said
FASTEST = 20.0  # syllables per second; a word that would have less time than this has none of its own
LEAST = 0.2  # syllables; what a sign takes that nobody reads out, so that every word has some time

_ROUNDED = 0.01  # seconds; what rounding moves is neither out of order nor outside

# Pauses, in syllables.
_SENTENCE, _COMMA, _CLAUSE, _LAST, _SPACE = 2.0, 1.2, 0.4, 0.4, 0.1
_CLOSING = "\"'”’」』)]》〉"
# Endings that join clauses, where nouns rarely end alike: 하고, 하면서, 했는데, 하니까, 하지만, 하려고, 하거나, 하도록.
_CLAUSE_END = re.compile(
    r"[가-힣](?:고|면서|으면|하면|되면|는데|은데|니까|지만|으며|하며|거나|도록|어서|아서|해서|려면|자마자)$"
)


def speaking_seconds(text: str, *, syllables_per_second: float = SYLLABLES_PER_SECOND) -> float:
    """Estimate how long it takes to say a text.

    Parameters
    ----------
    text : str
        Numbers, units and Latin letters count as they are read aloud.
    syllables_per_second : float
        Of the speaker while he speaks; pauses come on top.

    Returns
    -------
    seconds : float
        0 for an empty text.

    Raises
    ------
    ConfigError
        If the rate is not above 0.

    Examples
    --------
    >>> round(speaking_seconds("안녕하세요, 여러분."), 2)
    1.75
    >>> round(speaking_seconds("3.5%"), 2) == round(speaking_seconds("삼점오퍼센트"), 2)
    True
    """
    if not 0 < syllables_per_second < float("inf"):
        raise ConfigError("Nobody speaks at this rate.", expected="a number above 0", found=syllables_per_second)
    return sum(said + pause for said, pause in _lengths(text.split())) / syllables_per_second


def estimate_words(text: str, start: float, end: float) -> tuple[Word, ...]:
    """Estimate when each word of a text is said, from nothing but the time that the text is shown.

    Parameters
    ----------
    text : str
    start, end : float
        Seconds.

    Returns
    -------
    words : tuple of Word
        One for each word of the text, in order, from `start` on, none after `end`; ``source="estimated"``.

    Raises
    ------
    DataError
        If `end` is not after `start`.

    Notes
    -----
    A word takes time by the syllables with which it is read aloud (`read_aloud`: 3.5% has six). After a comma, a
    sentence's end and an ending that joins clauses, as 하고 or 하지만, the speaker pauses. Where the time would make
    him slower than two syllables a second, he is taken to have finished before `end`.

    Examples
    --------
    >>> [(round(w.start, 2), round(w.end, 2), w.text) for w in estimate_words("네, 오늘은 28일이에요.", 10, 13)]
    [(10.0, 10.24, '네,'), (10.52, 11.23, '오늘은'), (11.25, 12.91, '28일이에요.')]
    """
    if not (end > start and end - start < float("inf")):
        raise DataError("There is no time to speak in.", expected="start < end", found=f"{start} to {end}")
    texts = text.split()
    lengths = _lengths(texts)
    unit = min((end - start) / max(sum(map(sum, lengths)), LEAST), 1 / SLOWEST)
    starts = [float(start), *(start + unit * length for length in accumulate(map(sum, lengths)))]
    times = ((first, first + unit * said) for first, (said, _) in zip(starts, lengths, strict=False))
    return tuple(
        Word(min(first, end), min(last, end), word, "estimated")
        for word, (first, last) in zip(texts, times, strict=True)
    )


def _lengths(texts: Sequence[str]) -> list[tuple[float, float]]:
    """Give, for each word, the syllables it takes and those of the pause after it."""
    said = [max(count_syllables(word), LEAST) for word in read_words_aloud(texts)]
    return [
        (length, _pause(word, i == len(texts) - 1)) for i, (word, length) in enumerate(zip(texts, said, strict=True))
    ]


def _pause(word: str, last: bool) -> float:
    bare = word.rstrip(_CLOSING)
    if bare.endswith((".", "?", "!", "…", "。", "？", "！")):
        return _LAST if last else _SENTENCE
    if last:
        return 0.0
    if bare.endswith((",", ";", ":", "，", "、")):
        return _COMMA
    return _CLAUSE if _CLAUSE_END.search(bare) else _SPACE


def join_words(text: str, words: Sequence[Word]) -> tuple[Word, ...]:
    """Give one timed word for each word of a text, however finely the given ones are cut.

    Parameters
    ----------
    text : str
    words : sequence of Word
        As a recogniser cuts them: 안녕 + 하세요.

    Returns
    -------
    words : tuple of Word
        From the start of its first piece to the end of its last; ``()`` where the pieces do not spell the text or
        are not in order.

    Raises
    ------
    DataError
        If what is given are no words, or their times no numbers.

    Examples
    --------
    >>> join_words("안녕하세요 여러분", [Word(0, 1, "안녕"), Word(1, 1.5, "하세요"), Word(2, 3, "여러분")])
    (Word(start=0, end=1.5, text='안녕하세요', source='given'), Word(start=2, end=3, text='여러분', source='given'))
    """
    return _joined(text, words)[0]


def _joined(text: str, words: Sequence[Word]) -> tuple[tuple[Word, ...], str | None]:
    """Do what `join_words` does, and say why there are none; `DataError` if they are no words at all."""
    for word in words:
        if not (isinstance(word, Word) and isinstance(word.text, str) and all(map(_is_number, (word.start, word.end)))):
            raise DataError("This is no word with a time.", expected="Word(start, end, text), in seconds", found=word)
    texts = text.split()
    if "".join("".join(word.text.split()) for word in words) != "".join(texts):
        return (), "do not spell their text"
    times = [time for word in words for time in (word.start, word.end)]
    risen = list(accumulate(times, max))
    if not all(math.isfinite(time) and up - time <= _ROUNDED for time, up in zip(times, risen, strict=True)):
        return (), "are out of order or overlap"
    pairs = zip(risen[::2], risen[1::2], strict=True)
    words = [replace(word, start=start, end=end) for word, (start, end) in zip(words, pairs, strict=True)]
    letters = [word for word in words for letter in word.text if not letter.isspace()]
    joined, place = [], 0
    for spoken in texts:
        first, last = letters[place], letters[place + len(spoken) - 1]
        joined.append(Word(first.start, last.end, spoken, first.source))
        place += len(spoken)
    return tuple(joined), None


def _is_number(value: object) -> bool:
    # NaN and infinity are: a recogniser's way to say that it does not know.
    return isinstance(value, Real) and not isinstance(value, bool)


def misfit_words(cue: Cue) -> str | None:
    """Say why the times that a cue has for its words are not used; None where they are, or it has none.

    Examples
    --------
    >>> misfit_words(Cue(0, 1, "네", (Word(3, 3.2, "네"),)))
    'lie outside the time of their text'
    """
    return _known_words(cue)[1]


def timed_words(cue: Cue) -> tuple[Word, ...]:
    """Give each word of a cue or utterance its time: the known one, else an estimate.

    Parameters
    ----------
    cue : Cue or Utterance
        Its ``words`` are used where they spell its text, in order and within its time.

    Returns
    -------
    words : tuple of Word
        One for each word of the text, in order and apart.

    Raises
    ------
    DataError
        If the cue lasts no time, or what it has are no words.

    Notes
    -----
    Recognisers leave some words without a time of their own (they come as words of no length): such a word is
    estimated to lie before the next one, where there is room, else to share the time of the word before it.

    Examples
    --------
    >>> known = (Word(0.2, 0.6, "오늘은"), Word(0.6, 0.6, "28일"), Word(1.8, 2.2, "토요일"))
    >>> [(round(w.start, 2), w.source) for w in timed_words(Cue(0, 2.5, "오늘은 28일 토요일", known))]
    [(0.2, 'given'), (0.6, 'estimated'), (1.8, 'given')]
    >>> [word.source for word in timed_words(Cue(0, 2.5, "오늘은 28일"))]
    ['estimated', 'estimated']
    """
    return _known_words(cue)[0] or estimate_words(cue.text, cue.start, cue.end)


def _known_words(cue: Cue) -> tuple[tuple[Word, ...], str | None]:
    """Give the words of a cue whose times can be, and why there are none."""
    words, problem = _joined(cue.text, cue.words) if cue.words else ((), None)
    if not words:
        return (), problem
    first, last = max(words[0].start, cue.start), min(words[-1].end, cue.end)
    if first - words[0].start > _ROUNDED or words[-1].end - last > _ROUNDED or first >= last:
        return (), "lie outside the time of their text"
    inside = [replace(word, start=max(word.start, first), end=min(word.end, last)) for word in words]
    return _fill_in(inside, cue.end), None


def _fill_in(words: Sequence[Word], end: float) -> tuple[Word, ...]:
    """Give words of no length some time: that before the next word, else a share of a neighbour's."""
    groups = split_where(words, lambda before, word: before.end > before.start or word.end > before.start)
    ends = [*(group[0].start for group in groups[1:]), end]
    filled: list[Word] = []
    waiting: list[Word] = []  # at the beginning, with neither room nor a neighbour yet
    for group, after in zip(groups, ends, strict=True):
        group, waiting = [*waiting, *group], []
        room = sum(map(sum, _lengths([word.text for word in group]))) / FASTEST
        if group[-1].end > group[-1].start:
            filled += group if len(group) == 1 else _share(group, group[-1].end)
        elif after - group[0].start >= room:
            filled += _share(group, after)
        elif filled:
            filled += _share([filled.pop(), *group], max(after, group[0].start))
        else:
            waiting = group
    return tuple(filled)


def _share(words: Sequence[Word], end: float) -> list[Word]:
    """Let words share the time from the start of the first to `end`; only that start is known."""
    shared = estimate_words(" ".join(word.text for word in words), words[0].start, end)
    known = words[0].source if words[0].end > words[0].start else "estimated"
    return [replace(shared[0], source=known), *shared[1:]]


T = TypeVar("T")


def split_where(items: Sequence[T], test: Callable[[T, T], bool]) -> list[list[T]]:
    """Cut a list wherever `test` (item before, item) is true."""
    parts = [list(items[:1])] if items else []
    for before, item in pairwise(items):
        if test(before, item):
            parts.append([])
        parts[-1].append(item)
    return parts


def shift_words(words: Sequence[Word], by: float, seconds: float) -> tuple[Word, ...]:
    """Move words by some seconds and keep them within a clip of `seconds`.

    Parameters
    ----------
    words : sequence of Word
    by : float
        Seconds added to each time.
    seconds : float
        What lies outside 0 to this comes to its border: all words stay, so that they still spell their text.

    Returns
    -------
    words : tuple of Word

    Examples
    --------
    >>> shift_words([Word(9.98, 10.4, "네"), Word(10.4, 12.6, "그래요")], -10, 2.5)
    (Word(start=0.0, end=0.4..., text='네', source='given'), Word(start=0.4..., end=2.5, text='그래요', source='given'))
    """

    def inside(time: float) -> float:
        return min(max(time + by, 0.0), seconds)

    return tuple(replace(word, start=inside(word.start), end=inside(word.end)) for word in words)
