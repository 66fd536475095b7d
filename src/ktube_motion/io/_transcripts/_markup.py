"""SAMI, ASS/SSA, TTML and YouTube's XML: subtitles in mark-up."""

import html
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from ...types import Cue, Word
from ._blocks import timed_words
from ._json_layouts import roll
from ._page import Page, check_times
from ._times import read_time, with_ends

__all__ = ["detect_ass", "detect_sami", "detect_ttml", "detect_youtube_xml", "parse_xml", "read_ass", "read_sami",
           "read_ttml", "read_youtube_xml"]  # fmt: skip

_LARGEST_XML = 200_000_000  # letters
_HANGUL = re.compile("[가-힣]")


def parse_xml(page: Page) -> ElementTree.Element:
    """Parse XML without entities of its own: no bombs, no other files."""
    if re.search("<!DOCTYPE|<!ENTITY", page.text):
        problem = "This XML declares entities, which are not read."
        raise page.error(problem, found="<!DOCTYPE", fix="Remove that line.")
    if len(page.text) > _LARGEST_XML:
        raise page.error("This file is too large for a transcript.", found=f"{len(page.text)} letters")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", page.text)  # it names the encoding, which is read by now
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        line = getattr(error, "position", (None,))[0]
        where = f"{page.path}, line {line}" if line else page.path
        raise page.error("This is not valid XML.", where=where, found=error, fix="Was it cut off?") from error


def local_name(element: Any) -> str:
    """Give an element's or attribute's name without its namespace."""
    name = element.tag if isinstance(element, ElementTree.Element) else element
    return name.rpartition("}")[2] if isinstance(name, str) else ""


# -- SAMI ------------------------------------------------------------------------------------------

_SYNC = re.compile(r"<sync\b[^>]*?start\s*=\s*[\"']?\s*(-?[0-9.]+)[^>]*>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"<p\b([^>]*)>", re.IGNORECASE)
_CLASS = re.compile(r"class\s*=\s*[\"']?([^\s\"'>]+)", re.IGNORECASE)
_LANGUAGE = re.compile(r"\.([\w-]+)\s*\{[^{}]*lang\s*:\s*([a-z]{2})", re.IGNORECASE)


def detect_sami(page: Page) -> bool:
    """Does it begin with SAMI, or hold its syncs?"""
    return page.text.lstrip()[:40].lower().startswith("<sami") or _SYNC.search(page.text[:20_000]) is not None


def read_sami(page: Page) -> list[Cue]:
    """Read SAMI. Of several classes the Korean one: by the language of its style, else by its letters."""
    text = re.sub(r"</(?:p|sync|body|sami)\s*>", "", page.text, flags=re.IGNORECASE)
    pieces = _SYNC.split(text)
    shown: dict[str, list[tuple[int, float, str]]] = defaultdict(list)
    line = pieces[0].count("\n") + 1
    for time, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        start = read_time(time.strip())
        if start is None:
            page.skip(line, "This is no time.", time)
        else:
            parts = _PARAGRAPH.split(piece)
            for attributes, words in zip(parts[1::2], parts[2::2], strict=True):
                named = _CLASS.search(attributes)
                shown[named[1].upper() if named else ""].append((line, start / 1000, words))
            if len(parts) == 1:  # a sync without a paragraph
                shown[next(iter(shown), "")].append((line, start / 1000, piece))
        line += piece.count("\n")
    name = _korean_class(page, shown, dict(_LANGUAGE.findall(pieces[0])))
    return _sami_cues(page, shown.get(name, []))


def _korean_class(page: Page, shown: Mapping[str, Any], languages: Mapping[str, str]) -> str:
    languages = {name.upper(): language.lower() for name, language in languages.items()}
    if len(shown) < 2:
        return next(iter(shown), "")
    letters = {name: len(_HANGUL.findall("".join(words for *_, words in rows))) for name, rows in shown.items()}
    chosen = max(shown, key=lambda name: (languages.get(name) == "ko" and letters[name] > 0, letters[name]))
    others = [f"{name or 'no class'} ({len(rows)} cues)" for name, rows in shown.items() if name != chosen]
    page.note(f"Of its classes {chosen or 'the nameless one'} is read; left out: {', '.join(others)}.")
    return chosen


def _sami_cues(page: Page, rows: Sequence[Any]) -> list[Cue]:
    cues = []
    rows = sorted(rows, key=lambda row: row[1])
    for i, (line, start, words) in enumerate(rows):
        spoken = re.sub(r"\s+", " ", re.sub(r"<!--.*?-->|<[A-Za-z/][^<>]*$", "", words, flags=re.DOTALL))
        if not html.unescape(re.sub("<[^>]*>", "", spoken)).strip():
            continue  # where the text before it ends
        later = next((row[1] for row in rows[i + 1 :] if row[1] > start), math.nan)
        if check_times(page, line, start, start if math.isnan(later) else later):
            cues.append(Cue(start, later, re.sub(r"\s*<br\s*/?>\s*", "\n", spoken, flags=re.IGNORECASE).strip()))
    return with_ends(cues)


# -- ASS and SSA -----------------------------------------------------------------------------------

_ASS_FIELDS = ["marked", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?=\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_KARAOKE = re.compile(r"\{[^{}]*?\\[kK][fo]?([0-9]+)[^{}]*\}")


def detect_ass(page: Page) -> bool:
    """Does it have the sections of ASS or SSA, or their lines?"""
    return (
        re.search(r"^\s*(?:\[script info\]|\[v4\+? styles\]|dialogue:[^\n]*,)", page.text[:20_000], re.I | re.M)
        is not None
    )


def read_ass(page: Page) -> list[Cue]:
    r"""Read ASS and SSA: dialogue lines, their speakers' names, without drawings and notes in braces."""
    fields, cues = _ASS_FIELDS, []
    events = True
    for number, line in enumerate(page.text.split("\n"), 1):
        key, _, rest = line.strip().partition(":")
        key = key.strip().lower()
        if key.startswith("["):
            events = "event" in key
        elif key == "format" and events and "text" in rest.lower():
            fields = [name.strip().lower() for name in rest.split(",")]
        elif key == "dialogue":
            cells = dict(zip(fields, rest.lstrip().split(",", len(fields) - 1), strict=False))
            start, end = (read_time(cells.get(name, "").replace(";", ":")) for name in ("start", "end"))
            if "text" not in cells or start is None or end is None:
                page.skip(number, "This is no line of dialogue.", rest.strip())
            elif check_times(page, number, start, end):
                text = re.sub(r"\{[^{}\\]*\}", "", _DRAWING.sub("", cells["text"])).replace("\\h", " ")
                name = cells.get("name", cells.get("actor", "")).strip()
                cues.append(Cue(start, end, text, _karaoke_words(text, start, end), speaker=name))
    return cues


def _karaoke_words(text: str, start: float, end: float) -> tuple[Word, ...]:
    r"""Read the word times of karaoke, ``{\k20}노{\k30}래``, in hundredths of a second."""
    parts = _KARAOKE.split(text)
    if len(parts) < 3:
        return ()
    time, pieces = start, []
    for length, piece in zip(parts[1::2], parts[2::2], strict=True):
        pieces.append((time, re.sub(r"\{[^{}]*\}", "", piece).replace("\\N", " ").replace("\\n", " ")))
        time = min(time + int(length[:6]) / 100, end)
    return timed_words(pieces, time)


# -- TTML ------------------------------------------------------------------------------------------

_OFFSET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|f|t)\s*$")
_BREAK = "\ue00f"  # private: no text has it
_TTML_CLOCK = re.compile(r"\s*([0-9]{2,4}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+)|:([0-9]{2,3}(?:\.[0-9]+)?))?\s*$")


def detect_ttml(page: Page) -> bool:
    """Is its root tt?"""
    return (
        re.match(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:\w+:)?tt[\s>]", page.text[:5000], re.DOTALL) is not None
    )


def read_ttml(page: Page) -> list[Cue]:
    """Read TTML and DFXP: clocks, offsets, frames and ticks; times of parents are added."""
    root = parse_xml(page)
    names = {local_name(name): value for name, value in root.attrib.items()}
    rate = _ttml_rate(page, names)
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "f": 1 / rate}
    units["t"] = 1 / (_positive(names.get("tickRate")) or (rate if "frameRate" in names else 1.0))
    cues: list[Cue] = []
    for body in root:
        if local_name(body) == "body":
            _collect(page, body, 0.0, math.inf, units, cues)
    return with_ends(cues)


def _ttml_rate(page: Page, names: Mapping[str, str]) -> float:
    parts = (names.get("frameRateMultiplier") or "1 1").replace(":", " ").split()
    ratio = [number for part in parts if (number := _positive(part)) is not None]
    factor = ratio[0] / ratio[1] if len(parts) == len(ratio) == 2 else 1.0
    return (_positive(names.get("frameRate")) or page.fps or 30.0) * factor


def _positive(text: str | None) -> float | None:
    try:
        number = float(text) if isinstance(text, str) else 0.0
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def _ttml_time(text: str | None, units: Mapping[str, float]) -> float | None:
    if text is None:
        return None
    if match := _OFFSET.match(text):
        return float(match[1][:20]) * units[match[2]]
    if match := _TTML_CLOCK.match(text):
        hours, minutes, seconds, fraction, frames = match.groups()
        return (
            int(hours) * 3600
            + int(minutes) * 60
            + int(seconds)
            + float(f"0.{fraction or 0}")
            + float(frames or 0) * units["f"]
        )
    return None


def _collect(page: Page, element: Any, begin: float, end: float, units: Mapping[str, float], cues: list[Cue]) -> None:
    """Walk divisions and paragraphs; a paragraph without times of its own has those of its spans."""
    stack = [(element, begin, end)]
    while stack:
        node, begin, end = stack.pop()
        times = {name: _ttml_time(node.get(name), units) for name in ("begin", "end", "dur")}
        wrong = [node.get(name) for name, time in times.items() if node.get(name) is not None and time is None]
        if wrong:
            page.skip(f"<{local_name(node)}>", "This is no time.", wrong[0])
            continue
        start = begin + (times["begin"] or 0.0)
        if times["dur"] is not None:
            stop = start + times["dur"]
        else:
            stop = end if times["end"] is None else begin + times["end"]
        kind, timed = local_name(node), any(time is not None for time in times.values())
        if kind in ("p", "span") and (timed or begin > 0 or end < math.inf) and not _has_timed_child(node):
            text = _flat_text(node)
            if text.strip() and check_times(page, f"<{kind}>", start, start if math.isinf(stop) else stop):
                cues.append(Cue(start, math.nan if math.isinf(stop) else stop, text))
        else:
            stack += [(child, start, stop) for child in reversed(node)]


def _has_timed_child(node: Any) -> bool:
    return any(
        child.get("begin") is not None or child.get("end") is not None for child in node.iter() if child is not node
    )


def _flat_text(node: Any) -> str:
    """Give the text of an element, a line break for ``<br/>``; white space of the source is one space."""
    for child in node.iter():
        if local_name(child) == "br":
            child.text = _BREAK
    return re.sub(r"\s+", " ", "".join(node.itertext())).replace(_BREAK, "\n")


# -- YouTube's XML ---------------------------------------------------------------------------------


def detect_youtube_xml(page: Page) -> bool:
    """Is its root a transcript or a timed text?"""
    return re.match(r"\s*(?:<\?xml[^>]*>\s*)?<(?:transcript|timedtext)[\s>]", page.text[:2000]) is not None


def read_youtube_xml(page: Page) -> list[Cue]:
    """Read srv1, srv2 and srv3: seconds under ``start`` and ``dur``, milliseconds under ``t`` and ``d``."""
    events = []
    for number, node in enumerate(parse_xml(page).iter()):
        if local_name(node) not in ("p", "text"):
            continue
        scale, begin, length = (1e-3, "t", "d") if node.get("t") is not None else (1.0, "start", "dur")
        start, duration = read_time(node.get(begin)), read_time(node.get(length, "0"))
        if start is None or duration is None:
            page.skip(f"<{local_name(node)}> {number}", "There is no time.", node.attrib)
            continue
        start, end = start * scale, (start + duration) * scale
        if check_times(page, f"<{local_name(node)}> {number}", start, end):
            pieces = [(start, html.unescape(node.text or ""))]
            for child in node:
                offset = (read_time(child.get("t", "0")) or 0.0) * scale
                pieces += [
                    (start + offset, html.unescape("".join(child.itertext()))),
                    (start + offset, child.tail or ""),
                ]
            events.append((start, end, [piece for piece in pieces if piece[1]] or [(start, "")]))
    return roll(events)
