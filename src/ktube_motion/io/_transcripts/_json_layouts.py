"""Transcripts in JSON: one table of the names that recognisers and corpora give the same things."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ...types import Cue, Word
from ._blocks import timed_words
from ._page import Page, check_times
from ._times import fill_word_times, guess_unit, join_words, read_time, says_seconds, with_ends

__all__ = ["detect_json", "detect_json3", "read_json3", "read_json_layout"]

# What each field is called; the first name that a record has counts, a dot goes into an object, a number into a list.
# Whisper (openai, faster, cpp, timestamped, X), Hugging Face, OpenAI, Vosk, CLOVA Speech, Premiere, Deepgram,
# AssemblyAI, youtube-transcript-api, AI-Hub and the corpora of the National Institute of Korean Language.
FIELDS = {
    "start": "start start_at startAt startTime start_time starttime startMs start_ms begin beginTime begin_time bg "
    "offsets.from timestamp.0 timestamps.from timestamp.start time.0 time.start interval.0 from start_sec "
    "startSec startOffset offsetMilliseconds offset Offset offsetInTicks st ts 시작 시작시간",
    "end": "end end_at endAt endTime end_time endtime endMs end_ms finish stop ed offsets.to timestamp.1 timestamps.to "
    "timestamp.end time.1 time.end interval.1 to end_sec endSec endOffset et end_ts 끝 종료 종료시간",
    "duration": "duration dur dDurationMs durationMs durationMilliseconds duration_ms Duration durationInTicks 길이",
    "text": "textEdited text punctuated_word form sentence transcript word content transcription utterance caption "
    "subtitle script line value utf8 stt orgtext standard_form norm msg display "
    "nbest.0.display nBest.0.display DisplayText NBest.0.Display Word "
    "alternatives.0.transcript alternatives.0.content 발화 내용 텍스트 자막 대사",
    "words": "words tokens_words word_timestamps wordTimestamps alternatives.0.words "
    "nbest.0.words nBest.0.words NBest.0.Words result 어절",
    "speaker": "speaker.name speaker.label speaker speaker_id speakerId speakerName speaker_label speakerLabel "
    "speaker_name speakerTag spk who role diarization.label 화자 발화자",
}
Row = tuple[str, dict[str, Any], float, float, str]  # where, record, start, end, text
_NAMES = {field: [name.split(".") for name in names.split()] for field, names in FIELDS.items()}
# Fields that say milliseconds or ticks of 100 ns themselves.
_MILLISECONDS = re.compile(r"(?<![A-Za-z])ms$|Ms$|_ms$|[Mm]illiseconds$|^offsets\.")
_WORDS = re.compile(r"word|token|item|단어|어절", re.IGNORECASE)
_MASKED = re.compile(r"&[a-z]+(?:-[a-z]+)*[0-9]*&")  # &name1&: the corpora of the National Institute hide names so
_DEPTH = 8


def _load(page: Page) -> Any:
    try:
        return json.loads(page.text)
    except json.JSONDecodeError as error:
        where = f"{page.path}, line {error.lineno}"
        fix = "Was it cut off?"
        if error.msg == "Extra data" and (lines := _json_lines(page.text)):
            return lines
        raise page.error("This is not valid JSON.", where=where, found=error.msg, fix=fix) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise page.error("This is not a transcript.", found=error) from error


def _json_lines(text: str) -> list[Any]:
    """Read one object a line; an empty list if that fails."""
    try:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        return []


def detect_json(page: Page) -> bool:
    """Does it begin like JSON?"""
    named = page.suffix.startswith("json")
    return re.match(r'\s*(?:\{\s*["}]|\[\s*[{\[])', page.text) is not None or (named and page.text.lstrip()[:1] in "{[")


def detect_json3(page: Page) -> bool:
    """Is it JSON with YouTube's events?"""
    return detect_json(page) and re.search(r'"events"\s*:', page.text) is not None and '"tStartMs"' in page.text


# -- Any layout --------------------------------------------------------------------------------


def read_json_layout(page: Page) -> list[Cue]:
    """Read the outermost list whose objects have a start and a text or words, whatever they are called."""
    data = _load(page)
    found = _find_records(data)
    if found is None:
        top = ", ".join(list(data)[:8]) if isinstance(data, dict) else type(data).__name__
        raise page.error(
            "This JSON is not a transcript: no list of timed texts is in it.",
            expected="a list of objects with start, end and text (Whisper's segments, CLOVA, AssemblyAI, …)",
            found=top or "nothing",
            fix="Name the fields so, or save it as .srt.",
        )
    name, records = found
    rows = [row for i, record in enumerate(records) if (row := _row(record, f"{name}[{i}]", page)) is not None]
    known = [row for row in rows if math.isfinite(row[2])]
    scale = _scale(page, records, known)
    names = _speaker_names(data)
    if (_WORDS.search(name) and _are_single(known)) or _are_words(known) or _call_words(known):
        cues = _from_words(page, rows, scale)
    else:
        cues = [cue for row in known if (cue := _cue(page, row, scale, names)) is not None]
        cues = _with_loose_words(data, cues, scale)
    return with_ends(cues)


def _find_records(data: Any) -> tuple[str, list[Any]] | None:
    """Give (name, objects) of the outermost list of timed texts; a list of words only if there is no other."""
    level: list[tuple[str, object]] = [("", data)]
    for _ in range(_DEPTH):
        lists: dict[str, list[Any]] = {}
        for name, value in level:
            if isinstance(value, list) and any(isinstance(item, dict) for item in value):
                lists.setdefault(name, []).extend(value)
        timed = {name: items for name, items in lists.items() if _are_timed(items)}
        if timed:
            name = min(timed, key=lambda name: bool(_WORDS.search(name)))
            if not _WORDS.search(name) or not (deeper := _find_deeper(level, name)):
                return name or "records", timed[name]
            return deeper
        level = [child for name, value in level for child in _children(name, value)]
    return None


def _find_deeper(level: Sequence[tuple[str, object]], words: str) -> tuple[str, list[Any]] | None:
    """Look for sentences in what stands beside a list of words."""
    beside = [child for name, value in level if name != words for child in _children(name, value)]
    found = _find_records(dict(enumerate(value for _, value in beside))) if beside else None
    return found if found and not _WORDS.search(found[0]) else None


def _children(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((str(key), child) for key, child in value.items() if isinstance(child, (dict, list)))
    elif isinstance(value, list):
        yield from ((name, child) for child in value if isinstance(child, (dict, list)))


def _are_timed(items: Iterable[Any]) -> bool:
    objects = [item for item in items if isinstance(item, dict)]
    timed = [item for item in objects if _get(item, "start")[1] is not None and (_says(item) or _get(item, "words")[1])]
    return bool(timed) and 2 * len(timed) >= len(objects)


def _says(record: Any) -> bool:
    return isinstance(_get(record, "text")[1], str)


def _get(record: Any, field: str) -> tuple[str, Any]:
    """Give (name, value) of the first name of a field that `record` has; (``""``, None) if it has none."""
    for path in _NAMES[field]:
        value = record
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, (list, tuple)) and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                value = None
        if isinstance(value, dict) and value.keys() and value.keys() <= {"seconds", "nanos"}:
            value = _period(value)
        fits = isinstance(value, (int, float, str)) if field in ("start", "end", "duration") else value is not None
        if fits and not isinstance(value, bool) and not (field == "text" and (not isinstance(value, str) or not value)):
            return ".".join(path), value
    return "", None


def _period(value: dict[str, Any]) -> str | None:
    """Give ``{"seconds": "1", "nanos": 500000000}`` as text that says its unit."""
    seconds, nanos = (read_time(value.get(name, 0)) for name in ("seconds", "nanos"))
    return None if seconds is None or nanos is None else f"{seconds + nanos * 1e-9:.6f}s"


def _row(record: Any, where: str, page: Page) -> Row | None:
    """Give (where, record, start, end, text) in the file's unit; NaN for an end that is not written."""
    if not isinstance(record, dict):
        page.skip(where, "This is no object.", repr(record))
        return None
    start, end, duration = (read_time(_get(record, field)[1]) for field in ("start", "end", "duration"))
    if start is None:
        words = _word_rows(record)
        start = next((row[0] for row in words if row[0] is not None), None)
    if start is None and _is_sign(text := _get(record, "text")[1]):
        return where, record, math.nan, math.nan, text  # Amazon's full stops have no time
    if start is None or math.isnan(start):
        page.skip(where, "There is no start time.", _get(record, "start")[1])
        return None
    if end is None:
        end = math.nan if duration is None else start + duration
    text = _get(record, "text")[1]
    return where, record, start, end, text if isinstance(text, str) else ""


def _is_sign(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= 3 and not any(map(str.isalnum, text))


def _are_single(rows: Sequence[Row]) -> bool:
    """Are most of these texts one word?"""
    texts = [text.split() for *_, text in rows if text.strip()]
    return not texts or sum(len(words) == 1 for words in texts) >= 0.7 * len(texts)


def _scale(page: Page, records: Iterable[Any], rows: Sequence[Row]) -> float:
    """Say how many seconds the unit of the times is: told by a field's name or form, else found by plausibility."""
    for record in records:
        name, value = _get(record, "start") if isinstance(record, dict) else ("", None)
        if name and _MILLISECONDS.search(name):
            return 1e-3
        if name and name.endswith("InTicks"):
            return 1e-7
        if name and says_seconds(value):
            return 1.0
    texts = [
        (start, end, text or "".join(word[2] for word in _word_rows(record))) for _, record, start, end, text in rows
    ]
    return guess_unit(page, texts)


def _speaker_names(data: Any) -> dict[str, str]:
    """Give the names that a list of speakers beside the segments gives to ids."""
    speakers = data.get("speakers") if isinstance(data, dict) else None
    if not isinstance(speakers, list):
        return {}
    pairs = [(item.get("id", item.get("label")), item.get("name")) for item in speakers if isinstance(item, dict)]
    return {str(key): name for key, name in pairs if key is not None and isinstance(name, str)}


def _cue(page: Page, row: Row, scale: float, names: Mapping[str, str]) -> Cue | None:
    where, record, start, end, text = row
    start, end = start * scale, end * scale
    if not check_times(page, where, start, start if math.isnan(end) else end):
        return None
    speaker = _get(record, "speaker")[1]
    speaker = str(speaker) if isinstance(speaker, (str, int)) and not isinstance(speaker, bool) else ""
    timed = [
        (None if a is None else a * scale, None if b is None else b * scale, spoken)
        for a, b, spoken in _word_rows(record)
    ]
    if math.isnan(end) and timed and timed[-1][1] is not None:
        end = max(start, timed[-1][1])
    words = fill_word_times(timed, start, start if math.isnan(end) else end)
    if not text:
        text = " ".join(word.text.strip() for word in words)
    return Cue(start, end, _MASKED.sub("○○", text), words, speaker=names.get(speaker, speaker))


def _word_rows(record: Any) -> list[tuple[float | None, float | None, str]]:
    """Give (start, end, text) of a record's words; None for a time that is not there or no number."""
    words = _get(record, "words")[1]
    rows = []
    for word in words if isinstance(words, list) else []:
        if isinstance(word, list) and len(word) >= 3 and isinstance(word[2], str):  # CLOVA: [400, 1200, "안녕하세요"]
            start, end, text = read_time(word[0]), read_time(word[1]), word[2]
        elif isinstance(word, dict):
            start, end, text = read_time(_get(word, "start")[1]), read_time(_get(word, "end")[1]), _get(word, "text")[1]
            duration = read_time(_get(word, "duration")[1])
            if start is not None and end is None and duration is not None:
                end = start + duration
        else:
            continue
        if isinstance(text, str) and text.strip():
            numbers = start is not None and end is not None and math.isfinite(start) and math.isfinite(end)
            rows.append((start if numbers else None, end if numbers else None, text))
    return rows


def _are_words(rows: Sequence[Row]) -> bool:
    """Are these objects single words, as Hugging Face gives them if asked for words?"""
    texts = [text.strip() for *_, text in rows if text.strip()]
    plain = not any(_word_rows(record) for _, record, *_ in rows)
    return plain and len(texts) > 3 and sum(" " not in text for text in texts) > 0.95 * len(texts) and _gapless(rows)


def _call_words(rows: Sequence[Row]) -> bool:
    """Is the text of each called a word, as Vosk does?"""
    return bool(rows) and all(_get(record, "text")[0] in ("word", "punctuated_word") for _, record, *_ in rows)


def _gapless(rows: Sequence[Row]) -> bool:
    """Does most of it begin where the one before it ends?"""
    steps = [later[2] - row[3] for row, later in pairwise(rows)]
    lengths = [row[3] - row[2] for row in rows]
    return sum(0 <= step <= max(lengths) for step in steps) > 0.7 * len(steps)


def _from_words(page: Page, rows: Iterable[Row], scale: float) -> list[Cue]:
    words: list[Word] = []
    speakers: list[str] = []
    for where, record, start, end, text in rows:
        if math.isnan(start):
            words[-1:] = [replace(word, text=word.text + text) for word in words[-1:]]
            continue
        end = start if math.isnan(end) else end
        if text.strip() and check_times(page, where, start * scale, end * scale):
            words.append(Word(start * scale, end * scale, _MASKED.sub("○○", text)))
            speaker = _get(record, "speaker")[1]
            speakers.append(str(speaker) if isinstance(speaker, (str, int)) else "")
    return join_words(words, speakers=speakers)


def _with_loose_words(data: Any, cues: list[Cue], scale: float) -> list[Cue]:
    """Give the cues the words of a list beside them, as OpenAI writes them; those whose middle lies in a cue."""
    if not isinstance(data, dict) or any(cue.words for cue in cues) or not isinstance(data.get("words"), list):
        return cues
    words = [
        Word(start * scale, end * scale, text)
        for start, end, text in _word_rows(data)
        if start is not None and end is not None
    ]
    return [
        replace(cue, words=tuple(word for word in words if cue.start <= (word.start + word.end) / 2 < cue.end))
        for cue in cues
    ]


# -- YouTube's json3 -----------------------------------------------------------------------------


def read_json3(page: Page) -> list[Cue]:
    """Read YouTube's json3, with the word times of automatic captions."""
    data = _load(page)
    events = data.get("events") if isinstance(data, dict) else None
    if not isinstance(events, list):
        raise page.error("'events' is wrong.", expected="a list", found=repr(events)[:60])
    rolling = []
    for i, event in enumerate(events):
        segments = event.get("segs") if isinstance(event, dict) else None
        if not isinstance(segments, list):
            continue  # a window definition
        start, length = read_time(event.get("tStartMs")), read_time(event.get("dDurationMs", 0))
        if (
            start is None
            or length is None
            or not check_times(page, f"events[{i}]", start / 1e3, (start + length) / 1e3)
        ):
            if start is None or length is None:
                page.skip(f"events[{i}]", "There is no time.", event.get("tStartMs"))
            continue
        start, end = start / 1000, (start + length) / 1000
        pieces = [
            (start + (read_time(segment.get("tOffsetMs", 0)) or 0) / 1000, segment["utf8"])
            for segment in segments
            if isinstance(segment, dict) and isinstance(segment.get("utf8"), str)
        ]
        rolling.append((start, end, pieces))
    return roll(rolling)


def roll(events: Any) -> list[Cue]:
    """Make cues of YouTube's events, (start, end, timed pieces); a line stays while the next one is spoken."""
    cues: list[list[Any]] = []
    for start, end, pieces in events:
        shown = "".join(piece for _, piece in pieces)
        if shown.strip():  # automatic captions roll by events that append a line break
            if cues and cues[-1][0] < start < cues[-1][1]:
                cues[-1][1] = start
            cues.append([start, end, shown, pieces])
    return [
        Cue(start, end, shown, timed_words(pieces, end) if pieces[-1][0] > start else ())
        for start, end, shown, pieces in cues
    ]
