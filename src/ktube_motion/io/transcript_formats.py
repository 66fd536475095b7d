"""Subtitle and alignment formats: text in, cues out as the file has them."""

import json
import re
from dataclasses import dataclass

from ..errors import FormatError
from ..types import Cue, Word

__all__ = ["PARSERS", "detect_format"]

_CLOCK = r"(?:([0-9]{1,4}):)?([0-9]{1,2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
_ARROW = re.compile(rf"[ \t]*{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}(?:[ \t].*)?$")
_COMMA = re.compile(rf"[ \t]*{_CLOCK},{_CLOCK}[ \t]*$")
_BROKEN = re.compile(r"[ \t]*[0-9]{1,4}:[0-9]{2}:[0-9]{2}[.,][0-9]|.*-->")
_NUMBER = re.compile(r"[ \t]*[0-9]+[ \t]*$")
_STAMP = re.compile(rf"<{_CLOCK}>")


# -- SRT, VTT and SBV: blocks of lines under a time line --------------------------------


@dataclass(frozen=True)
class _Syntax:
    """What tells the three line formats apart."""

    timing: re.Pattern
    example: str
    comments: tuple[str, ...] = ()
    spaces_are_text: bool = False


_SRT = _Syntax(_ARROW, "00:00:01,000 --> 00:00:02,500")
_VTT = _Syntax(_ARROW, "00:00:01.000 --> 00:00:02.500", ("WEBVTT", "NOTE", "STYLE", "REGION"), True)
_SBV = _Syntax(_COMMA, "0:00:01.000,0:00:02.500")


def _blocks(text, path, syntax):
    """Give (start, end, lines of text) of every cue.

    A cue may hold an empty line; what follows it belongs to the cue unless it is a number
    or name above the next time line. A bare number alone (a file cut off) holds no words.
    """
    lines = text.split("\n")
    blocks, outside, comment = [], True, False
    for number, line in enumerate(lines, 1):
        following = lines[number] if number < len(lines) else ""
        bare = bool(_NUMBER.match(line))
        if match := syntax.timing.match(line):
            blocks.append((_clock(match.groups()[:4]), _clock(match.groups()[4:]), []))
            outside = comment = False
        elif not (line if syntax.spaces_are_text else line.strip()):
            outside, comment = True, False
        elif comment or (outside and line.startswith(syntax.comments)):
            comment = True
        elif _BROKEN.match(line) and (outside or "-->" in line or _NUMBER.match(lines[number - 2])):
            raise _no_timing(path, number, line, syntax)
        elif syntax.timing.match(following) and (outside or bare):
            continue  # the number or name of the next cue
        elif bare and outside:
            if following.strip():
                raise _no_timing(path, number + 1, following, syntax)
        elif not blocks:
            raise _no_timing(path, number, line, syntax)
        else:
            blocks[-1][2].append(line)
    return blocks


def _no_timing(path, number, line, syntax):
    return FormatError(
        "There is no time line here.",
        where=f"{path}, line {number}",
        expected=f"a line like {syntax.example}",
        found=repr(line[:60]),
    )


def _clock(groups):
    hours, minutes, seconds, fraction = groups
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")


def _parse_srt(text, path, tier):
    return [Cue(start, end, "\n".join(lines)) for start, end, lines in _blocks(text, path, _SRT)]


def _parse_sbv(text, path, tier):
    return [Cue(start, end, "\n".join(lines)) for start, end, lines in _blocks(text, path, _SBV)]


def _parse_vtt(text, path, tier):
    return [
        Cue(start, end, "\n".join(lines), _stamped_words(lines, start, end))
        for start, end, lines in _blocks(text, path, _VTT)
    ]


def _stamped_words(lines, start, end):
    """Read the word times of YouTube's captions: ``안녕<00:00:01.200><c> 여러분</c>``."""
    pieces = []
    for line in lines:
        if _STAMP.search(line):  # the other lines are repeats, or have no times
            parts = _STAMP.split(line)
            pieces.append((start if not pieces else pieces[-1][0], parts[0]))
            pieces += [(_clock(parts[i : i + 4]), parts[i + 4]) for i in range(1, len(parts), 5)]
    return _words([(time, re.sub(r"<[^<>]*>", "", piece)) for time, piece in pieces], end)


def _words(pieces, end):
    """Cut timed pieces of text at white space; a word ends where the next one starts."""
    letters = []
    for i, (start, piece) in enumerate(pieces):
        stop = pieces[i + 1][0] if i + 1 < len(pieces) else end
        spoken, seen = len("".join(piece.split())), 0
        for letter in piece:
            letters.append((start + (stop - start) * seen / max(spoken, 1), letter))
            seen += not letter.isspace()
    words = []
    for i, (time, letter) in enumerate(letters):
        if letter.isspace():
            continue
        if i and not letters[i - 1][1].isspace() and words:
            words[-1][1] += letter
        else:
            words.append([time, letter])
    ends = [*(word[0] for word in words[1:]), end][: len(words)]
    return tuple(Word(start, stop, text) for (start, text), stop in zip(words, ends, strict=True))


# -- Whisper and YouTube: JSON -----------------------------------------------------------


def _load_json(text, path):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}"
        raise FormatError("This is not valid JSON.", where=where, found=error.msg, fix="Was it cut off?") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise FormatError("This is not a transcript.", where=path, found=str(error)) from error


def _field(record, name, kind, where, default=None):
    """Give ``record[name]``, checked; numbers must be finite times."""
    value = record.get(name, default)
    number = kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
    if not (number or (kind is not float and isinstance(value, kind))):
        kinds = {float: "a number", str: "a text", list: "a list", dict: "an object"}
        raise FormatError(f"'{name}' is wrong.", where=where, expected=kinds[kind], found=repr(value)[:60])
    return float(value) if kind is float else value


def _records(data, name, path):
    """Give (record, where) of every object in the list ``data[name]``."""
    if not isinstance(data, (dict, list)):
        raise FormatError("This JSON is not a transcript.", where=path, found=type(data).__name__)
    records = data if isinstance(data, list) else _field(data, name, list, path)
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise FormatError("Not an object.", where=f"{path}, {name}[{i}]", found=repr(record)[:60])
        yield record, f"{path}, {name}[{i}]"


def _parse_whisper(text, path, tier):
    cues = []
    for segment, where in _records(_load_json(text, path), "segments", path):
        start, end = (_field(segment, name, float, where) for name in ("start", "end"))
        words, time = [], start
        timed = {"words": segment.get("words") or []}
        for word, place in _records(timed, "words", where):
            # WhisperX leaves times out where it could not align (numbers, foreign words).
            begin = _field(word, "start", float, place, time)
            time = _field(word, "end", float, place, begin)
            words.append(Word(begin, time, _field(word, "word", str, place)))
        cues.append(Cue(start, end, _field(segment, "text", str, where), tuple(words)))
    return cues


def _parse_json3(text, path, tier):
    cues = []
    for event, where in _records(_load_json(text, path), "events", path):
        if event.get("segs") is None:
            continue  # a window definition
        start = _field(event, "tStartMs", float, where) / 1000
        end = start + _field(event, "dDurationMs", float, where, 0) / 1000
        pieces = []
        for segment, place in _records(event, "segs", where):
            offset = _field(segment, "tOffsetMs", float, place, 0) / 1000
            pieces.append((start + offset, _field(segment, "utf8", str, place, "")))
        shown = "".join(piece for _, piece in pieces)
        if shown.strip():  # automatic captions roll by events that append a line break
            if cues and cues[-1][0] < start < cues[-1][1]:
                cues[-1][1] = start  # a line stays on screen while the next one is spoken
            cues.append([start, end, shown, pieces])
    return [
        Cue(start, end, shown, _words(pieces, end) if pieces[-1][0] > start else ())
        for start, end, shown, pieces in cues
    ]


# -- Praat -------------------------------------------------------------------------------

_VALUE = re.compile(r'"(?:[^"]|"")*"|(?<!\S)[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?(?!\S)|<exists>|<absent>')
UTTERANCE_TIERS = ("utterances", "utterance", "sentences", "sentence", "phrases", "transcript", "transcription", "text")
WORD_TIERS = ("words", "word")
_SILENCE = {"", "sp", "sil", "spn", "<sil>", "<eps>", "<p:>", "#"}


class _Values:
    """The values of a TextGrid in order; labels such as ``xmin =`` carry nothing, so both formats read alike."""

    def __init__(self, text, path):
        self.text, self.path, self.place = text, path, 0
        self.found = _VALUE.finditer(text)

    def next(self, kind):
        match = next(self.found, None)
        value = "the end of the file" if match is None else match.group()
        if match is not None:
            self.place = match.start()
            if kind is str and value.startswith('"'):
                return value[1:-1].replace('""', '"')
            if kind is bool and value.startswith("<"):
                return value == "<exists>"
            if kind is float and value[0] in "+-.0123456789" and abs(float(value)) < 1e9:
                return float(value)
        line = self.text.count("\n", 0, self.place) + 1
        expected = {str: 'a text in "quotes"', float: "a number", bool: "<exists>"}[kind]
        raise FormatError("Damaged TextGrid.", where=f"{self.path}, line {line}", expected=expected, found=value[:60])


def _tiers(text, path):
    """Give (name, intervals) of every interval tier; point tiers hold no speech."""
    values = _Values(text, path)
    kind, body = values.next(str), values.next(str)
    if (kind, body) != ("ooTextFile", "TextGrid"):
        raise FormatError("Not a TextGrid.", where=path, expected="ooTextFile, TextGrid", found=(kind[:30], body[:30]))
    values.next(float), values.next(float)
    tiers = []
    for _ in range(int(values.next(float)) if values.next(bool) else 0):
        intervals = values.next(str) == "IntervalTier"
        name, _, _ = values.next(str), values.next(float), values.next(float)
        rows = []
        for _ in range(int(values.next(float))):
            start = values.next(float)
            rows.append(Word(start, values.next(float) if intervals else start, values.next(str)))
        if intervals:
            tiers.append((name, rows))
    return tiers


def _pick(tiers, names):
    """Find the first tier called by one of `names`, alone or after a speaker: ``anna - words``."""
    for wanted in names:
        for name, rows in tiers:
            if wanted == re.split(r"[\s_\-:/]+", name.strip().lower())[-1]:
                return rows
    return None


def _parse_textgrid(text, path, tier):
    tiers = _tiers(text, path)
    if tier is not None:
        spoken = next((rows for name, rows in tiers if name == tier), None)
    else:
        spoken = _pick(tiers, UTTERANCE_TIERS)
    words = [row for row in _pick(tiers, WORD_TIERS) or [] if row.text.strip().lower() not in _SILENCE]
    if spoken is None and tier is None:
        if words:
            return _runs(words)
        spoken = tiers[0][1] if len(tiers) == 1 else None
    if spoken is None:
        raise FormatError(
            "No tier with speech.",
            where=path,
            expected=f"an interval tier called {tier or 'utterances or words'}",
            found=", ".join(name for name, _ in tiers) or "no interval tiers",
            fix="Name one with tier=.",
        )
    middle = lambda word: (word.start + word.end) / 2  # noqa: E731
    return [
        Cue(row.start, row.end, row.text, tuple(word for word in words if row.start <= middle(word) < row.end))
        for row in spoken
        if row.text.strip()
    ]


def _runs(words):
    """Join words that follow each other without silence into cues."""
    runs = []
    for word in words:
        if runs and word.start - runs[-1][-1].end < 0.01:
            runs[-1].append(word)
        else:
            runs.append([word])
    return [Cue(run[0].start, run[-1].end, " ".join(word.text for word in run), tuple(run)) for run in runs]


# -- Which format ------------------------------------------------------------------------

PARSERS = {
    "srt": _parse_srt,
    "vtt": _parse_vtt,
    "sbv": _parse_sbv,
    "whisper": _parse_whisper,
    "json3": _parse_json3,
    "textgrid": _parse_textgrid,
}


def detect_format(text, path):
    """Name the format of `text` by what it holds, and by the file's suffix when that does not tell."""
    head, suffix = text.lstrip()[:200], path.suffix.lower().lstrip(".")
    if head.startswith("WEBVTT"):
        return "vtt"
    if "ooTextFile" in head:
        return "textgrid"
    if head.startswith("{") or (head.startswith("[") and suffix in ("json", "json3")):
        return "json3" if re.search(r'"events"\s*:', text) and '"tStartMs"' in text else "whisper"
    for name, timing in (("srt", _ARROW), ("sbv", _COMMA)):
        if any(timing.match(line) for line in text.split("\n")):
            return name
    if suffix in PARSERS or suffix == "json":
        return "whisper" if suffix == "json" else suffix
    raise FormatError(
        "The format of this transcript is unknown.",
        where=path,
        expected=", ".join(PARSERS),
        found=repr(head[:40]),
        fix="Name it with format=.",
    )
