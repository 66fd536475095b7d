"""Words as JSON lines: read, checked, and put in the order of their times."""

import heapq
import json
import threading
from collections.abc import Callable, Iterator
from itertools import count

from ..errors import FormatError
from ..io import normalize_text
from ..io._word_times import LATEST
from ..text import estimate_words, speaking_seconds
from ..types import Word

__all__ = ["Arrivals", "parse_line"]

_MOST = 2000  # words that wait for their time; whoever sends more waits too
_POLL = 0.005  # seconds
_AFTER = 0.5  # seconds in which gestures end, and the mouth shuts, after the last word


def parse_line(line: str) -> list[Word]:
    """Read one line: a word with its times, or a sentence, whose words get theirs estimated.

    Parameters
    ----------
    line : str
        ``{"word": "손을", "start": 1.2, "end": 1.5}`` or ``{"text": "손을 들어 주세요.", "start": 1.2}``, seconds.
        A sentence may have an ``end``; a word without one lasts as long as it takes to say it.

    Returns
    -------
    words : list of Word

    Raises
    ------
    FormatError
        If the line is no such object, or its times cannot be.

    Examples
    --------
    >>> parse_line('{"word": "손을", "start": 1.2, "end": 1.5}')
    [Word(start=1.2, end=1.5, text='손을', source='given')]
    """
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:  # not JSON; numbers of thousands of digits; a thousand brackets
        raise FormatError("This line is not JSON.", found=line.strip()[:80]) from error
    kind = "word" if isinstance(item, dict) and "word" in item else "text"
    text = item.get(kind) if isinstance(item, dict) else None
    if not isinstance(text, str) or not (text := normalize_text(text).strip()):
        expected = '{"word": "…", "start": seconds, "end": seconds} or {"text": "…", "start": seconds}'
        raise FormatError("This line has no word.", expected=expected, found=line.strip()[:80])
    start = item.get("start")
    end = item.get("end")
    if end is None and _is_time(start):
        end = start + max(0.1, speaking_seconds(text))
    if not (_is_time(start) and _is_time(end) and start <= end):
        raise FormatError("The times cannot be.", expected="0 <= start <= end, in seconds", found=line.strip()[:80])
    if kind == "word" or start == end:
        return [Word(float(start), float(end), text)]
    return list(estimate_words(text, float(start), float(end)))


def _is_time(value: object) -> bool:
    # Compared, not asked whether it is finite: an integer of a hundred digits is no float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LATEST


class Arrivals:
    """Words on their way from whoever says them to the model, each handed on when its time has come.

    Until a word's time, others may come before it: so words that come out of order are put in order. One that
    comes after its time is said at once, and told.

    Parameters
    ----------
    clock : callable
        Seconds, rising.
    tell : callable
        Gets a sentence about each word that came late.
    ahead : float
        Seconds from the first frame of the motion to the first word.
    """

    def __init__(self, clock: Callable[[], float], tell: Callable[[str], None], *, ahead: float) -> None:
        self.late = self.words = 0
        self._clock, self._tell, self._ahead = clock, tell, ahead
        self._waiting: list[tuple[float, int, Word]] = []
        self._numbers = count()
        self._change = threading.Condition()
        self._first: float | None = None
        self._begun = 0.0
        self._given, self._last = 0.0, 0.0
        self._closed = False

    def put(self, word: Word) -> None:
        """Take a word; waits while very many others wait. The first one starts the clock."""
        with self._change:
            self._change.wait_for(lambda: len(self._waiting) < _MOST or self._closed)
            if self._closed:
                return
            if self._first is None:
                self._first, self._begun = word.start, self._clock()
            shift = self._ahead - self._first
            start, end = word.start + shift, word.end + shift
            if start < self._given - 1e-9:
                self.late += 1
                self._tell(f'"{word.text}" came {self._given - start:.2f} s after its time and is said now')
                start, end = self._given, max(end, self._given + word.end - word.start)
            heapq.heappush(self._waiting, (start, next(self._numbers), Word(start, end, word.text, word.source)))
            self.words += 1
            self._change.notify_all()

    def close(self) -> None:
        """No more words will come."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    @property
    def now(self) -> float:
        """Seconds of the motion's time at this moment."""
        return self._ahead + self._clock() - self._begun

    @property
    def begun(self) -> float | None:
        """When the first word came, by the clock."""
        return None if self._first is None else self._begun

    def __iter__(self) -> Iterator[Word | float]:
        """Yield words at their times, and in between the time itself; ends when all has been said."""
        with self._change:
            self._change.wait_for(lambda: self._first is not None or self._closed)
        while True:
            with self._change:
                if not self._waiting and self._closed and self.now > self._last + _AFTER:
                    return
                now = self.now
                due = self._waiting and self._waiting[0][0] <= now
                if not due:
                    self._change.wait(_POLL)
                    now = self.now
                    due = self._waiting and self._waiting[0][0] <= now
                word = heapq.heappop(self._waiting)[2] if due else None
                self._given = max(self._given, now if word is None else word.start)
                self._last = max(self._last, 0.0 if word is None else word.end)
                self._change.notify_all()
            yield self._given if word is None else word
