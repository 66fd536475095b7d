"""SRT, VTT, SBV and their relatives: lines of text under, or behind, a time line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...types import Cue, Word
from .._characters import normalize_text
from ._page import Page, check_times, clock_seconds, looks_like

__all__ = ["detect_bracketed", "detect_sbv", "detect_srt", "detect_vtt", "read_bracketed", "read_sbv", "read_srt",
           "read_vtt", "timed_words"]  # fmt: skip

_CLOCK = r"(-?)(?:([0-9]{1,4})\s*:\s*)?([0-9]{1,3})\s*:\s*([0-9]{1,2})(?:[.,;](?:\s?)([0-9]{1,9})|:([0-9]{3}))?"
_ARROW = r"[ \t]*(?:[-–—=]{1,3}[ \t]?>|[-–—]{1,3}&gt;|[-–—]{1,2}[ \t][-–—]?>|→)[ \t]*"
_TIMING = re.compile(rf"[ \t]*{_CLOCK}{_ARROW}{_CLOCK}(?=[ \t]|$)(.*)$")
_COMMA = re.compile(rf"[ \t]*{_CLOCK}[ \t]*[,;][ \t]*{_CLOCK}()[ \t]*$")
_BRACKETED = re.compile(rf"[ \t]*\[{_CLOCK}{_ARROW}{_CLOCK}\][ \t]*:?[ \t]*(.*)$")
# What means to be a time line: a clock before an arrow, or an arrow before a clock that ends the line.
_BROKEN = re.compile(
    r"[ \t]*\[?-?[0-9]+[ \t]*:[ \t]*[0-9].*(?:->|→)|.*-->[ \t]*-?[0-9]+:[0-9:.,]*[ \t]*$"
    r"|[ \t]*(?:[-+]?(?:nan|inf(?:inity)?)|null|none|undefined)[ \t]*-->.*"
    r"|.*-->[ \t]*(?:[-+]?(?:nan|inf)|null|none)\b.*"
    r"|[ \t]*-?[0-9][0-9hmsHMS시분초:.,; ]*-->[ \t]*-?[0-9][0-9hmsHMS시분초:.,; ]*$",
    re.IGNORECASE,
)
_WIDE = re.compile("[：，．；＞]")
_CUT_OFF = re.compile(r"[ \t]*[0-9]{1,4}:[0-9]{2}:[0-9]{2}[.,;][0-9]")
_SETTINGS = re.compile(r"(?:[A-Za-z][A-Za-z0-9]*:[^\s]+(?:\s+|$))+$")
_BEGIN = (" ", "\t", "[", "-", *"0123456789")  # how a line begins that may hold a time
_NUMBER = re.compile(r"[ \t]*[0-9]+[ \t]*$")
_OTHER_TAG = re.compile(r"<(?![0-9:.,]+>)[^<>]*>")
_STAMP = re.compile(r"<(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?>")


@dataclass(frozen=True)
class _Syntax:
    """What tells the line formats apart."""

    timing: re.Pattern[str]
    example: str
    comments: tuple[str, ...] = ()
    spaces_are_text: bool = False


_SRT = _Syntax(_TIMING, "00:00:01,000 --> 00:00:02,500")
_VTT = _Syntax(_TIMING, "00:00:01.000 --> 00:00:02.500", ("WEBVTT", "NOTE", "STYLE", "REGION"), True)
_SBV = _Syntax(_COMMA, "0:00:01.000,0:00:02.500")
_LINES = _Syntax(_BRACKETED, "[00:00:01.000 --> 00:00:02.500] …")


def _blocks(page: Page, syntax: _Syntax) -> list[tuple[float, float, list[str]]]:
    """Give (start, end, lines of text) of every cue; skip those whose time line makes no sense.

    A cue may hold an empty line; what follows it belongs to the cue unless it is a number
    or name above the next time line. A bare number alone (a file cut off) holds no words.
    """
    lines = page.text.split("\n")
    if _WIDE.search(page.text):
        lines = [normalize_text(line) if "-->" in line or _WIDE.search(line[:8]) else line for line in lines]
    blocks: list[tuple[float, float, list[str]]] = []
    lost: list[str] = []  # where the text of a skipped cue goes
    texts, outside, comment = lost, True, False
    timings = [syntax.timing.match(line) if line[:1] in _BEGIN else None for line in lines]
    for number, line in enumerate(lines, 1):
        if match := timings[number - 1]:
            texts = _open(page, number, line, match, blocks, lost)
            outside = comment = False
            continue
        following = timings[number] if number < len(lines) else None
        bare = line[:1] in _BEGIN and bool(_NUMBER.match(line))
        if comment and (line if syntax.spaces_are_text else line.strip()):
            continue
        if not (line if syntax.spaces_are_text else line.strip()):
            outside, comment = True, False
        elif outside and line.startswith(syntax.comments):
            comment = True
        elif _means_a_time(line, lines, number, outside):
            page.skip(number, f"This is no time line, which is a line like {syntax.example}.", line)
            texts, outside = lost, False
        elif following and (outside or bare):
            continue  # the number or name of the next cue
        elif bare and outside:
            continue  # a number whose time line makes no sense, or is not there
        elif texts is lost and not blocks and not page.skipped:
            page.skip(number, f"This is no time line, which is a line like {syntax.example}.", line)
        else:
            texts.append(line)
    return blocks


def _means_a_time(line: str, lines: Sequence[str], number: int, outside: bool) -> bool:
    first = outside or bool(_NUMBER.match(lines[number - 2]))
    return (bool(_BROKEN.match(line)) and (first or "-->" in line)) or (first and bool(_CUT_OFF.match(line)))


def _open(
    page: Page,
    number: int,
    line: str,
    match: re.Match[str],
    blocks: list[tuple[float, float, list[str]]],
    lost: list[str],
) -> list[str]:
    """Begin the cue of a time line; give where its text goes."""
    *clocks, rest = match.groups()
    start, end = _signed(clocks[:6]), _signed(clocks[6:])
    if not check_times(page, number, start, end):
        return lost
    rest = "" if _SETTINGS.match(rest.strip()) else rest.strip()
    blocks.append((start, end, [rest] if rest else []))
    return blocks[-1][2]


def _signed(groups: Sequence[str | None]) -> float:
    sign, hours, minutes, seconds, fraction, thousandths = groups
    time = clock_seconds(hours, minutes, seconds or "0", fraction or thousandths)
    return -max(time, 1e-9) if sign else time


def _plain(page: Page, syntax: _Syntax) -> list[Cue]:
    return [Cue(start, end, "\n".join(lines)) for start, end, lines in _blocks(page, syntax)]


def read_srt(page: Page) -> list[Cue]:
    """Read SubRip."""
    return _plain(page, _SRT)


def read_sbv(page: Page) -> list[Cue]:
    """Read YouTube's SBV."""
    return _plain(page, _SBV)


def read_bracketed(page: Page) -> list[Cue]:
    """Read what whisper.cpp prints: ``[00:00:01.000 --> 00:00:02.500]  안녕하세요``."""
    return _plain(page, _LINES)


def read_vtt(page: Page) -> list[Cue]:
    """Read WebVTT, with the word times of YouTube's automatic captions."""
    return [
        Cue(start, end, "\n".join(lines), _stamped_words(lines, start, end))
        for start, end, lines in _blocks(page, _VTT)
    ]


def detect_vtt(page: Page) -> bool:
    """Does it begin as WebVTT must?"""
    return page.text.lstrip().startswith("WEBVTT")


def detect_srt(page: Page) -> bool:
    """Is there a time line with an arrow?"""
    return looks_like(page, _TIMING)


def detect_sbv(page: Page) -> bool:
    """Is there a time line with a comma?"""
    return looks_like(page, _COMMA)


def detect_bracketed(page: Page) -> bool:
    """Is there a time line in square brackets?"""
    return looks_like(page, _BRACKETED)


def _stamped_words(lines: Sequence[str], start: float, end: float) -> tuple[Word, ...]:
    """Read the word times of YouTube's captions: ``안녕<00:00:01.200><c> 여러분</c>``."""
    pieces: list[tuple[float, str]] = []
    for line in lines:
        if "<" in line and _STAMP.search(line):  # the other lines are repeats, or have no times
            parts = _STAMP.split(_OTHER_TAG.sub("", line))
            pieces.append((start if not pieces else pieces[-1][0], parts[0]))
            pieces += [
                (_clock(hours, minutes, seconds, fraction), text)
                for hours, minutes, seconds, fraction, text in zip(*(parts[i::5] for i in range(1, 6)), strict=True)
            ]
    return timed_words(pieces, end)


def _clock(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    """Add up the times of words, of which an hour has ten thousand."""
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction or 0}")


def timed_words(pieces: Sequence[tuple[float, str]], end: float) -> tuple[Word, ...]:
    """Cut timed pieces of text at white space; a word ends where the next one starts."""
    starts: list[float] = []
    spelled: list[str] = []
    apart = True
    for i, (start, piece) in enumerate(pieces):
        texts = piece.split()
        if not texts:
            apart = apart or bool(piece)
            continue
        if apart or piece[0].isspace():
            starts.append(start)
            spelled.append(texts[0])
        else:
            spelled[-1] += texts[0]  # the piece goes on with a word
        if len(texts) > 1:
            stop = pieces[i + 1][0] if i + 1 < len(pieces) else end
            spoken, seen = sum(map(len, texts)), len(texts[0])
            for text in texts[1:]:
                starts.append(start + (stop - start) * seen / spoken)
                spelled.append(text)
                seen += len(text)
        apart = piece[-1].isspace()
    return tuple(map(Word, starts, [*starts[1:], end], spelled))
