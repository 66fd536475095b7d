"""Plain text with times: a pasted transcript, notes of a meeting, LRC, MicroDVD and tables."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...types import Cue
from ._blocks import timed_words
from ._page import Page, check_times, clock_seconds, looks_like
from ._speakers import is_known_label
from ._times import guess_unit, read_time, with_ends

__all__ = ["detect_lrc", "detect_microdvd", "detect_stamped", "detect_table", "read_lrc", "read_microdvd",
           "read_stamped", "read_table"]  # fmt: skip

_CLOCK = r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{2})(?:[.,]([0-9]{1,6})|[:;]([0-9]{2}))?"
_RANGE = re.compile(
    rf"[ \t]*[\[(]?{_CLOCK}[\])]?[ \t]*(?:-->|->|[-–—~]|to)[ \t]*[\[(]?{_CLOCK}[\])]?[ \t]*[:：]?[ \t]*(.*)$"
)
_START = re.compile(rf"[ \t]*[\[(]?{_CLOCK}[\])]?(?:[ \t]*[-–—:：])?(?:[ \t]+(.*)|[ \t]*)$")
_SPOKEN_TIME = re.compile(
    r"(?=\d)(?:\d+\s?시간\s?)?(?:\d+\s?분\s?)?(?:\d+\s?초)?(?:\n|$)"
    r"|(?=\d)(?:\d+ hours?,? ?)?(?:\d+ minutes?,? ?)?(?:\d+ seconds?)?(?:\n|$)"
)
_NAMED = re.compile(rf"[ \t]*(\S.{{0,30}}?)[ \t]+[\[(]?{_CLOCK}[\])]?[ \t]*$")


# -- Times beside, above or behind the text ------------------------------------------------


def detect_stamped(page: Page) -> bool:
    """Do several lines, or the first one, begin with a clock, or is one behind a name?"""
    if detect_table(page):  # its cells may be clocks
        return False
    lines = [line for line in page.text.split("\n", 400)[:400] if line.strip()]
    heads = sum(bool(_RANGE.match(line) or _START.match(line) or _NAMED.match(line)) for line in lines)
    first = bool(lines) and bool(_RANGE.match(lines[0]) or _START.match(lines[0]))
    return heads >= 2 or (first and heads == 1)


def read_stamped(page: Page) -> list[Cue]:
    """Read text with times: YouTube's transcript as pasted, DaVinci, CLOVA Note and other notes of meetings."""
    lines = page.text.split("\n")
    # A line such as “화자 1 00:05” is a head only where lines that begin with a time are none.
    plain = any(_RANGE.match(line) or _START.match(line) for line in lines)
    blocks: list[tuple[int, list[Sequence[str | None]], str, list[str]]] = []
    frames = 0
    for number, line in enumerate(lines, 1):
        times, name, rest = _head(line, named=not plain)
        if times is not None:
            frames = max([frames, *(int(time[4] or 0) for time in times)])
            blocks.append((number, times, name, [rest] if rest else []))
        elif blocks and line.strip():
            blocks[-1][3].append(line.strip())
        # What stands before the first time is a title.
    rate = _frame_rate(page, frames) if any(time[4] for block in blocks for time in block[1]) else 1.0
    cues = []
    for number, times, name, texts in blocks:
        start, *end = (_clock_of(time[:4]) + int(time[4] or 0) / rate for time in times)
        if check_times(page, number, start, end[0] if end else start):
            cues.append(Cue(start, end[0] if end else math.nan, "\n".join(texts), speaker=name))
    if any(math.isnan(cue.end) for cue in cues):
        page.note("No ends are written: a cue ends where the next begins, at most 1 s + 0.4 s a letter later.")
    cues = _first_lines_as_speakers(_without_spoken_times(cues))
    return with_ends([cue for cue in cues if cue.text.strip()])


def _head(line: str, *, named: bool) -> tuple[list[Sequence[str | None]] | None, str, str]:
    """Give (times, name, text) of a line with a time; times are None if it has none."""
    if match := _RANGE.match(line):
        return [match.groups()[:5], match.groups()[5:10]], "", match[11].strip()
    if match := _START.match(line):
        return [match.groups()[:5]], "", (match[6] or "").strip()
    if named and (match := _NAMED.match(line)):
        return [match.groups()[1:]], match[1].strip(" []():："), ""
    return None, "", ""


def _frame_rate(page: Page, frames: int) -> float:
    rate = page.fps or next(rate for rate in (24.0, 25.0, 30.0, 60.0, 100.0) if frames < rate)
    if page.fps is None:
        page.note(f"The times count frames; {rate:g} a second are assumed (say fps= if it is another rate).")
    return rate


def _without_spoken_times(cues: list[Cue]) -> list[Cue]:
    """Take out the time in words that YouTube's pages have below the clock (1분 5초), where most cues begin so."""
    told = [bool(_SPOKEN_TIME.match(cue.text)) for cue in cues]
    if sum(told) < max(2, 0.5 * len(cues)):
        return cues
    return [replace(cue, text=_SPOKEN_TIME.sub("", cue.text, count=1)) for cue in cues]


def _first_lines_as_speakers(cues: list[Cue]) -> list[Cue]:
    """Take first lines that recur above others for names, as DaVinci writes them."""
    firsts = Counter(cue.text.split("\n")[0] for cue in cues if "\n" in cue.text)
    named = sum(count for line, count in firsts.items() if is_known_label(line) or (count > 1 and len(line) <= 30))
    if named < max(2, len(cues) / 2):
        return cues
    return [
        replace(cue, text=cue.text.partition("\n")[2], speaker=cue.text.partition("\n")[0]) if "\n" in cue.text else cue
        for cue in cues
    ]


# -- LRC -------------------------------------------------------------------------------------

_LRC_LINE = re.compile(r"[ \t]*((?:\[[0-9]{1,3}:[0-9]{2}(?:[.:][0-9]{1,3})?\])+)[ \t]*(.*)$")
_LRC_TIGHT = re.compile(r"\[[0-9]{1,3}:[0-9]{2}\.[0-9]{2,3}\](?=[^\s:-])")
_LRC_TAG = re.compile(r"[ \t]*\[(?:ti|ar|al|by|au|la|re|ve|length|offset):(.*)\]", re.IGNORECASE)
_LRC_TIME = re.compile(r"[\[<]([0-9]{1,3}):([0-9]{2})(?:[.:]([0-9]{1,3}))?[\]>]")


def detect_lrc(page: Page) -> bool:
    """Is it called so, or has it LRC's tags and times in brackets?"""
    tagged = looks_like(page, _LRC_TAG) or looks_like(page, _LRC_TIGHT) or page.suffix == "lrc"
    return tagged and looks_like(page, _LRC_LINE)


def read_lrc(page: Page) -> list[Cue]:
    """Read LRC, with word times where they are written (``<00:12.34>``)."""
    shift, rows = 0.0, []
    for number, line in enumerate(page.text.split("\n"), 1):
        if match := _LRC_LINE.match(line):
            rows += [(_lrc_seconds(time), number, match[2]) for time in _LRC_TIME.finditer(match[1])]
        elif match := _LRC_TAG.match(line):
            if "offset" in line.lower() and (time := read_time(match[1].strip().lstrip("+-"))) is not None:
                shift = time / (-1000 if "-" in match[1] else 1000)
        elif line.strip():
            page.skip(number, "There is no time such as [00:01.00].", line)
    rows.sort(key=lambda row: row[0])
    cues = []
    for i, (start, number, text) in enumerate(rows):
        start = max(start - shift, 0.0)
        end = max(rows[i + 1][0] - shift, 0.0) if i + 1 < len(rows) else math.nan
        pieces = _LRC_TIME.split(text)
        words = [(_clock_of(pieces[k : k + 3]) - shift, pieces[k + 3]) for k in range(1, len(pieces), 4)]
        plain = "".join([pieces[0], *(piece for _, piece in words)])
        if plain.strip() and check_times(page, number, start, start if math.isnan(end) else end):
            cues.append(Cue(start, end, plain, timed_words(words, end) if words and not math.isnan(end) else ()))
    return with_ends(cues)


def _lrc_seconds(match: re.Match[str]) -> float:
    return _clock_of(match.groups())


def _clock_of(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = [None, *groups][-4:]
    return clock_seconds(hours, minutes, seconds or "0", fraction)


# -- MicroDVD ----------------------------------------------------------------------------------

_FRAMES = re.compile(r"[ \t]*\{(-?[0-9]+)\}\{(-?[0-9]*)\}(.*)$")
_STYLE = re.compile(r"\{[A-Za-z]:[^{}]*\}|^/", re.MULTILINE)


def detect_microdvd(page: Page) -> bool:
    """Do lines begin with two numbers in braces?"""
    return looks_like(page, _FRAMES)


def read_microdvd(page: Page) -> list[Cue]:
    """Read MicroDVD, whose times are frames: the rate stands in its first line or is given."""
    fps, cues = page.fps, []
    for number, line in enumerate(page.text.split("\n"), 1):
        match = _FRAMES.match(line)
        if match is None:
            if line.strip():
                page.skip(number, "There are no frames such as {25}{50}.", line)
            continue
        first, last, text = int(match[1]), int(match[2]) if match[2] not in ("", "-") else None, match[3]
        if first in (0, 1) and last in (0, 1, None) and (rate := read_time(text)):
            fps = fps or rate
            continue
        if fps is None:
            fix = "Say it: fps=25, or put a first line {1}{1}25 into the file."
            raise page.error("MicroDVD counts frames, and no frame rate is known.", found=line[:40], fix=fix)
        start, end = first / fps, math.nan if last is None else last / fps
        if check_times(page, number, start, start if last is None else end):
            cues.append(Cue(start, end, _STYLE.sub("", text.replace("|", "\n"))))
    return with_ends(cues)


# -- Tables ------------------------------------------------------------------------------------

_COLUMNS = {
    "start": "start begin starttime start_time startms start_ms begintime begin_time from in timein time timestamp "
    "시작 시작시간 시작시각 시작점 시간",
    "end": "end stop finish endtime end_time endms end_ms to out timeout 끝 종료 종료시간 끝시간 종료시각 끝점",
    "duration": "duration dur length 길이",
    "text": "text sentence transcript transcription content caption subtitle utterance script line word "
    "내용 대사 자막 텍스트 발화 문장 전사 발화내용 단어",
    "speaker": "speaker name who speakerid speaker_id speakername 화자 이름 발화자 말한사람 참석자",
}
_COLUMN_OF = {name: column for column, names in _COLUMNS.items() for name in names.split()}


def _rows(page: Page) -> Iterator[list[str]]:
    """Give the delimiter and the cells of every line that has any."""
    lines = [line for line in page.text.split("\n", 20)[:20] if line.strip()]
    delimiter = max("\t,;|", key=lambda mark: min((line.count(mark) for line in lines[:2]), default=0))
    return csv.reader(io.StringIO(page.text), delimiter=delimiter)


def _header(cells: Sequence[str]) -> list[str | None] | None:
    names = [re.sub(r"[\s()\[\]]+|(?<=time)s$", "", cell.strip().lower()) for cell in cells]
    found = [
        _COLUMN_OF.get(name) or _COLUMN_OF.get(re.sub(r"(_?(?:ms|sec|seconds|s|초))$", "", name)) for name in names
    ]
    return found if {"start", "text"} <= set(found) else None


def detect_table(page: Page) -> bool:
    """Is the first line a header that names a start and a text, or three columns of which two are times?"""
    try:
        cells: list[str] = next((row for row in _rows(page) if row), [])
    except csv.Error:
        return False
    timed = len(cells) >= 3 and all(read_time(cell) is not None for cell in cells[:2]) and bool(cells[2].strip())
    return _header(cells) is not None or (timed and ("\t" in page.text or page.suffix in ("csv", "tsv")))


def read_table(page: Page) -> list[Cue]:
    """Read TSV and CSV: Whisper's, Audacity's labels, and tables with a header in English or Korean."""
    rows = []
    try:
        for number, row in enumerate(_rows(page), 1):
            if any(cell.strip() for cell in row):
                rows.append((number, row))
    except csv.Error as error:
        raise page.error("This table cannot be read.", found=error) from error
    columns = _header(rows[0][1]) if rows else None
    names = rows.pop(0)[1] if columns else []
    columns = columns or ["start", "end", "text"]
    timed = [(number, cue) for number, cells in rows if (cue := _row(page, number, columns, cells)) is not None]
    told = any(re.search(r"(?<![a-z])ms\)?$|_ms$|millis", name.strip().lower()) for name in names)
    clocks = any(":" in cells[columns.index("start")] for _, cells in rows if len(cells) > columns.index("start"))
    scale = 1e-3 if told else 1.0 if clocks else guess_unit(page, [(cue.start, cue.end, cue.text) for _, cue in timed])
    cues = []
    for number, cue in timed:
        start, end = cue.start * scale, cue.end * scale
        if check_times(page, number, start, start if math.isnan(end) else end):
            cues.append(replace(cue, start=start, end=end))
    return with_ends(cues)


def _row(page: Page, number: int, columns: Sequence[str | None], cells: Sequence[str]) -> Cue | None:
    found = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if column}
    start, end = (read_time(found.get(name, "")) for name in ("start", "end"))
    if end is None and start is not None:
        duration = read_time(found.get("duration", ""))
        end = math.nan if duration is None else start + duration
        if found.get("end") and duration is None:
            page.skip(number, "There is no end time.", found["end"])
            return None
    if start is None or end is None or not found.get("text"):
        if found.get("text") or start is not None:
            page.skip(number, "There is no start or no text.", ", ".join(cells))
        return None
    return Cue(start, end, found["text"], speaker=found.get("speaker", ""))
