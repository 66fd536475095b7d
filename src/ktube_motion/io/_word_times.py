"""The time of every word of a clip, in a file of its own beside the text lines, which stay as others read them."""

import json
import math
from collections.abc import Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from ..errors import DataError, FormatError
from ..types import Cue, Utterance, Word
from ._files import decode_text, write_text
from ._text_lines import HALF_WIDTH

__all__ = ["check_times", "check_words", "format_words", "is_time", "parse_words", "read_words", "write_words"]

SOURCES = ("given", "aligned", "estimated")
LATEST = 1e6  # seconds, eleven days: no clip is that long


def check_times(cues: Iterable[Cue]) -> None:
    """Raise `DataError` if a cue begins or ends at no time at all, or weeks away."""
    for cue in cues:
        if not (is_time(cue.start) and is_time(cue.end)):
            raise DataError(
                "A cue has no times.", expected="seconds", found=f"{cue.start} to {cue.end} for {cue.text[:40]!r}"
            )


def is_time(value: Any) -> bool:
    """Say whether this is a number of seconds, of whatever kind: finite, and no more than eleven days."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and bool(abs(value) <= LATEST)  # NaN is not


def check_words(words: Sequence[Word], text: str) -> str | None:
    """Say what is wrong with the words of a text, or None.

    They must spell the text, white space apart; their times must be finite, not negative, and follow each other.
    No words at all are right, too: their times are unknown.
    """
    if not words:
        return None
    if "".join("".join(word.text.split()) for word in words) != "".join(text.split()):
        return "the words do not spell the text"
    if not all(word.source in SOURCES for word in words):
        return f"a source is none of {', '.join(SOURCES)}"
    times = [time for word in words for time in (word.start, word.end)]
    if not all(math.isfinite(time) and 0 <= time <= LATEST for time in times):
        return "a time is not a number of seconds"
    if times != sorted(times):
        return "the words are out of order or overlap"
    return None


def write_words(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write the words of utterances as JSON, one utterance a line, atomically; no file where no word has a time.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "a.json"
    >>> words = (Word(0, 0.4, "안녕"), Word(0.5, 1.25, "친구", "aligned"))
    >>> write_words(path, [Utterance(0, 0, "안녕 친구", words), Utterance(0, 0, "네")])
    >>> print(path.read_text(encoding="utf-8"))
    [[[0.0, 0.4, "안녕", "given"], [0.5, 1.25, "친구", "aligned"]],
    []]
    >>> [len(words) for words in read_words(path, ["안녕 친구", "네"])[0]]
    [2, 0]
    """
    told = format_words(utterances)
    if told is None:
        path.unlink(missing_ok=True)  # of an earlier clip of this name
    else:
        write_text(path, told)


def format_words(utterances: Sequence[Utterance]) -> str | None:
    """Give what `write_words` writes, None where no word has a time."""
    if not any(utterance.words for utterance in utterances):
        return None
    rows = [
        [[round(float(word.start), 3), round(float(word.end), 3), word.text, word.source] for word in utterance.words]
        for utterance in utterances
    ]
    return "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "]\n"


def read_words(path: Path, texts: Sequence[str | None]) -> tuple[list[tuple[Word, ...]], int]:
    """Read the words of a clip's text lines.

    Parameters
    ----------
    path : path
        May be missing: then no word has a time.
    texts : sequence of str or None
        What each line of the clip says; None for a malformed line.

    Returns
    -------
    words : list of tuple of Word
        One a line; ``()`` where unknown.
    malformed : int
        Lines whose words were not believed: damaged, out of order, or those of another text.
    """
    try:
        data = path.read_bytes() if path.exists() else None
    except OSError:
        return [()] * len(texts), len(texts)
    return parse_words(data, texts)


def parse_words(
    data: bytes | None, texts: Sequence[str | None], *, where: str | Path = "words"
) -> tuple[list[tuple[Word, ...]], int]:
    """Do what `read_words` does with the bytes of a file, None where there is none."""
    nothing: list[tuple[Word, ...]] = [()] * len(texts)
    if data is None:
        return nothing, 0
    try:
        rows = json.loads(decode_text(data, where=where))
    except (FormatError, ValueError, RecursionError):  # not text; not JSON; a thousand brackets
        return nothing, len(texts)
    if not isinstance(rows, list) or len(rows) != len(texts):
        return nothing, len(texts)
    found, malformed = [], 0
    for row, text in zip(rows, texts, strict=True):
        words = () if text is None else _parse(row)
        if words is None or check_words(words, text or ""):
            words = ()
            malformed += 1
        found.append(words)
    return found, malformed


def _parse(row: Any) -> tuple[Word, ...] | None:
    """Give the words of one line, or None if that is not what they are."""
    if not isinstance(row, list) or not all(isinstance(word, list) and len(word) == 4 for word in row):
        return None
    words = []
    for start, end, text, source in row:
        if not (_is_number(start) and _is_number(end) and isinstance(text, str) and isinstance(source, str)):
            return None
        words.append(Word(float(start), float(end), text.translate(HALF_WIDTH), source))
    return tuple(words)


def _is_number(value: Any) -> bool:
    # An integer of a thousand digits is JSON, but no float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LATEST
