"""Reading a large JSON file value by value, in bounded memory."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FormatError

__all__ = ["JsonStream"]

_CHUNK = 1 << 20
_LARGEST_VALUE = 1 << 26
_SPACE = re.compile(r"[ \t\n\r]*")
_NEAR_END = 16  # characters: a number, `-Infinity` or an escape cut off by the end of a chunk


class JsonStream:
    """Walk through JSON text that is too long to hold at once.

    `array` and `object` step into a container; `value` reads one value whole.

    Parameters
    ----------
    file : text file
    where : path
        What errors call it.
    most : int, optional
        Characters that are read at most, for text that was packed.

    Examples
    --------
    >>> import io
    >>> stream = JsonStream(io.StringIO('{"fps": 30, "frames": [1, [2], null]}'), "a.json")
    >>> for key in stream.object():
    ...     print(key, list(stream.array()) if key == "frames" else stream.value())
    fps 30
    frames [1, [2], None]
    """

    def __init__(self, file: Any, where: str | Path, *, most: float = math.inf) -> None:
        self._file, self._where, self._most = file, where, most
        self._text, self._at, self._before, self._ended = "", 0, 0, False
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """Give the next character that is no space, or '' at the end."""
        while True:
            self._at = self._end_of_space()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _end_of_space(self) -> int:
        if self._text[self._at : self._at + 1] > " ":  # nearly always
            return self._at
        match = _SPACE.match(self._text, self._at)
        return match.end() if match else self._at

    def value(self) -> Any:
        """Read one whole value."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                whole = end < len(self._text)  # else a number at the end of the chunk may go on in the next one
                if whole or not self._more():
                    self._at = end if whole else len(self._text)
                    return value
            except json.JSONDecodeError as error:
                ahead = error.pos - self._at
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR_END
                if not cut or not self._more():
                    raise self.error(error.msg, ahead) from error
            except (ValueError, RecursionError) as error:  # a number of thousands of digits; a thousand brackets
                raise self.error(str(error)) from error

    def array(self) -> Iterator[Any]:
        """Step into an array and yield its values."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            if self._take(",]") == "]":
                return

    def object(self) -> Iterator[str]:
        """Step into an object and yield its keys; the caller reads each value before the next key."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            key = self.value() if self.peek() == '"' else None
            if key is None:
                raise self.error("Expecting a name in double quotes")
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def end(self) -> None:
        """Check that nothing follows."""
        if self.peek():
            raise self.error("Extra text after the end")

    def error(self, problem: str, ahead: int = 0) -> FormatError:
        """Build the error for a problem `ahead` characters further on."""
        return FormatError(
            "This is not valid JSON.",
            where=f"{self._where}, character {self._before + self._at + ahead}",
            found=problem,
            fix="Was it cut off?",
        )

    def _take(self, wanted: str) -> str:
        char = self.peek()
        if not char or char not in wanted:
            raise self.error(f"Expecting {' or '.join(wanted)}, not {char or 'the end of the file'}")
        self._at += 1
        return char

    def _more(self) -> bool:
        """Read on; False at the end of the file. Twice as much each time one value stays incomplete."""
        if self._ended:
            return False
        pending = len(self._text) - self._at
        if pending > _LARGEST_VALUE:
            raise self.error(f"One value longer than {_LARGEST_VALUE:,} characters")
        try:
            chunk = self._file.read(max(_CHUNK, pending))
        except UnicodeDecodeError as error:
            raise FormatError("This is not UTF-8 text.", where=self._where, found=error.reason) from error
        except OSError as error:
            raise FormatError("Cannot read this file.", where=self._where, found=error.strerror) from error
        self._before += self._at
        if self._before + len(chunk) > self._most:
            raise FormatError(
                "This file unpacks to too much.", where=self._where, expected=f"at most {self._most:,} characters"
            )
        self._text, self._at, self._ended = self._text[self._at :] + chunk, 0, not chunk
        return bool(chunk)
