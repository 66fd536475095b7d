"""The text lines of a clip: ``sentence#word/POS word/POS …#from#to``, as HumanML3D's readers know them."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import FormatError
from ..types import Utterance
from ._files import read_text, write_text

__all__ = ["format_lines", "numbered_lines", "parse_lines", "read_text_file", "write_text_file"]

# Signs that separate fields in a text line are kept as their full-width twins, which read the same.
_FULL_WIDTH = str.maketrans({"#": "＃", "/": "／"})
HALF_WIDTH = str.maketrans({"＃": "#", "／": "/"})


def _seconds(text: str) -> float:
    value = float(text)
    return 0.0 if math.isnan(value) else value


def _parse_line(line: str) -> Utterance:
    parts = line.split("#")
    if len(parts) != 4:
        raise FormatError("Malformed text line.", expected="sentence#word/POS …#from#to", found=f"{len(parts)} parts")
    text, tokens, *times = parts
    pairs = []
    for token in tokens.split():
        word, slash, tag = token.rpartition("/")
        if not slash:
            raise FormatError("A token has no part of speech.", expected="word/POS", found=repr(token))
        pairs.append((word.translate(HALF_WIDTH), tag))
    try:
        start, end = map(_seconds, times)
    except ValueError as error:
        raise FormatError("The times are not numbers.", expected="from#to in seconds", found=tuple(times)) from error
    text = text.translate(HALF_WIDTH).strip()
    if not text:
        raise FormatError("The sentence is empty.", expected="sentence#word/POS …#from#to", found=repr(line[:80]))
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0 and (end > start or end == start == 0)):
        raise FormatError("The times are out of order.", expected="0 <= from < to, or 0#0", found=(start, end))
    return Utterance(start, end, text, tokens=tuple(pairs))


def read_text_file(path: str | Path, *, on_error: Callable[[FormatError], None] | None = None) -> list[Utterance]:
    """Read the utterances of a clip, ``sentence#word/POS …#from#to`` a line.

    Parameters
    ----------
    path : path
    on_error : callable, optional
        Gets the `FormatError` of each malformed line, which is left out. By
        default it becomes a warning.

    Returns
    -------
    utterances : list of Utterance
        Times in seconds from the start of the clip; ``0, 0`` is the whole clip.

    Raises
    ------
    FormatError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_text_file(path, [Utterance(0, 2.5, "1/2 #번", tokens=(("1/2", "NUM"), ("#번", "NOUN")))])
    >>> read_text_file(path)[0].tokens
    (('1/2', 'NUM'), ('#번', 'NOUN'))
    """
    utterances: list[Utterance] = []
    for line in numbered_lines(path):
        if isinstance(line, Utterance):
            utterances.append(line)
        elif on_error is None:
            warnings.warn(f"{line} The line is left out.", stacklevel=2)
        else:
            on_error(line)
    return utterances


def numbered_lines(path: str | Path) -> Iterator[Utterance | FormatError]:
    """Give an utterance, or what is wrong with it, for every line that is not blank."""
    return parse_lines(read_text(path), where=path)


def parse_lines(text: str, *, where: str | Path) -> Iterator[Utterance | FormatError]:
    """Do what `numbered_lines` does with the text of a file."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield _parse_line(line)
            except FormatError as error:
                place = f"{where}, line {number}"
                yield FormatError(error.problem, where=place, expected=error.expected, found=error.found)


def write_text_file(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write utterances in the format of `read_text_file`, atomically.

    ``#`` in words and ``/`` in tokens are written full-width, so that other
    readers of the format, which know no escapes, split lines rightly.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_text_file(path, [Utterance(0, 0, "네, 맞아요.")])
    >>> path.read_text(encoding="utf-8")
    '네, 맞아요.##0#0\\n'
    """
    write_text(path, format_lines(utterances))


def format_lines(utterances: Iterable[Utterance]) -> str:
    """Give what `write_text_file` writes."""
    lines = []
    for utterance in utterances:
        text = " ".join(utterance.text.replace("#", "＃").split())
        tokens = " ".join(
            f"{''.join(word.split()).translate(_FULL_WIDTH)}/{tag.translate(_FULL_WIDTH)}"
            for word, tag in utterance.tokens
        )
        lines.append(f"{text}#{tokens}#{utterance.start:.6g}#{utterance.end:.6g}\n")
    return "".join(lines)
