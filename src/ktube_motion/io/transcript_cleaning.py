"""From what a subtitle shows to what was said: text, repeats and times put right."""

import html
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from ..errors import DataError
from ..types import Cue, Word

__all__ = ["clean_cues", "clean_text"]

TOUCHING = 0.1  # seconds; cues no further apart than this may repeat each other
OVERLAPPING = 0.05  # seconds two cues share before they count as shown together
FILLER = 0.05  # seconds; YouTube writes 10 ms cues between two rolling ones

_BREAK = re.compile(r"\[br\]|<br\s*/?>|\\[Nn]", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[0-9:.]+>|</>|\{\\[^{}]*\}")
_BRACKETS = re.compile(r"\[[^\[\]]*\]|［[^［］]*］|[♪♫♬]")
_SOUND = re.compile(
    r"[(（][^()（）]{0,20}?(?:웃음|웃는|박수|음악|노래|환호|함성|한숨|기침|소리|효과음|침묵|정적|울음|흐느|비명|감탄|"
    r"남자|여자|남성|여성|화자|laugh|applau|music|cheer|sigh|cough|clap|noise|silence|inaudible)[^()（）]{0,20}[)）]",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"^\s*(?:[-–—](?:\s+|(?=[가-힣]))|(?:화자|발화자|진행자|사회자|앵커|기자|리포터|아나운서|내레이션|나레이션|내레이터|남자|여자|남성|여성|질문자|답변자|"
    r"인터뷰어|게스트|호스트|유튜버|MC|speaker|host|guest|interviewer|interviewee|narrator|man|woman|Q|A)"
    r"[ _-]?(?:[0-9]{1,3}|[A-Z])?\s*[:：])+",
    re.IGNORECASE,
)


def clean_text(text: str) -> str:
    """Keep what was said: no tags, sounds, speaker labels, entities or invisible characters.

    Parameters
    ----------
    text : str
        What a subtitle shows, line breaks included.

    Returns
    -------
    text : str
        One line, single spaces; empty when nothing was spoken.

    Notes
    -----
    Removed: HTML, VTT and ASS tags; anything in square brackets; sounds and
    voices in round brackets, such as ``(웃음)``; ``>>`` and ``- ``; known
    speaker labels (``화자1:``, ``MC:``, ``SPEAKER_00:``) at the start of a line,
    but not names, which cannot be told from speech. Decomposed Hangul is composed.

    Examples
    --------
    >>> clean_text("<v 민수>화자1: 안녕&nbsp;하세요[br](웃음) [음악]")
    '안녕 하세요'
    """
    return " ".join(filter(None, _clean_lines(text)))


def _clean_lines(text):
    """Give what is spoken in each line of a subtitle; none if it holds no speech at all.

    A line with a mere sound stays as an empty one: under a repeated line it shows that captions roll.
    """
    text = "\n".join(line for line in text.split("\n") if line.strip())
    for _ in range(8):  # what an entity or a bracket hid may need cleaning in its turn
        before, text = text, _clean_once(text)
        if text == before:
            break
    lines = [line if any(map(str.isalnum, line)) else "" for line in text.split("\n")]
    return lines if any(lines) else []


def _clean_once(text):
    text = unicodedata.normalize("NFC", "".join(map(_visible, html.unescape(text))))
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _SOUND.sub(" ", _BRACKETS.sub(" ", text))
    text = re.sub(r"[>＞]{2,}", " ", text)
    return "\n".join(" ".join(_SPEAKER.sub("", line).split()) for line in text.split("\n"))


def _visible(letter):
    if letter == "\n" or letter.isprintable():
        return letter
    if letter.isspace():
        return " "
    # Controls, zero-width marks and halves of surrogate pairs; the rest is merely rare.
    return "" if unicodedata.category(letter) in ("Cc", "Cf", "Cs") else letter


def clean_cues(cues: Iterable[Cue]) -> tuple[list[Cue], dict[str, int]]:
    """Put cues right: text cleaned, each word once, times in order and apart.

    Parameters
    ----------
    cues : iterable of Cue
        As a file has them (`read_cues`), in any order.

    Returns
    -------
    cues : list of Cue
        Sorted, ``0 <= start < end``, none overlapping, none empty. ``words``
        spell the text, in order and inside the cue, or are ``()``.
    counts : dict of str to int
        ``cues`` given; of these dropped: ``no_speech`` (nothing said in it), ``no_length``
        (ends before it starts, or before 0), ``repeated`` (all of it shown before),
        ``joined`` (to a cue that starts with it). Also ``repeated_words`` removed
        and ``overlaps`` cut.

    Raises
    ------
    DataError
        If a time is NaN or infinite.

    Notes
    -----
    Rolling captions show each line again in the next cue. A repeat is removed when the next cue
    touches the last one and repeats its last lines above a new one, is shown together with it, or is a
    10 ms filler; or when most of the file repeats so. A person who says 네 twice keeps both.

    Examples
    --------
    >>> rolling = [Cue(0, 2, "안녕하세요"), Cue(2, 4, "안녕하세요\\n오늘은"), Cue(4, 6, "오늘은\\n날씨가")]
    >>> cues, counts = clean_cues(rolling)
    >>> [cue.text for cue in cues], counts["repeated_words"]
    (['안녕하세요', '오늘은', '날씨가'], 2)
    """
    counts = dict.fromkeys(("cues", "no_speech", "no_length", "repeated", "joined", "repeated_words", "overlaps"), 0)
    shown = []
    for cue in sorted(map(_check_times, cues), key=lambda cue: cue.start):
        lines = _clean_lines(cue.text)
        counts["cues"] += 1
        if not lines:
            counts["no_speech"] += 1
        elif not cue.end > max(cue.start, 0):
            counts["no_length"] += 1
        else:
            shown.append((replace(cue, start=max(cue.start, 0)), lines))
    apart = _separate(_without_repeats(shown, counts), counts)
    return [replace(cue, words=_matching_words(cue)) for cue in apart], counts


def _check_times(cue):
    times = [cue.start, cue.end, *(time for word in cue.words for time in (word.start, word.end))]
    if not all(math.isfinite(time) for time in times):
        raise DataError("A cue has a time that is not a number.", where=repr(cue.text[:30]), found=times[:2])
    return cue


def _without_repeats(shown, counts):
    """Drop the words of each cue that the cue before it already showed."""
    rolling, growing = _mostly(shown, _rolls), _mostly(shown, _grows)
    kept, before = [], None
    for cue, lines in shown:
        words = " ".join(lines).split()
        repeated = _repeated_words(before, (cue, lines), rolling, growing) if before else 0
        before = (cue, lines)
        counts["repeated_words"] += repeated
        if repeated == len(words):
            counts["repeated"] += 1
        else:
            kept.append(replace(cue, text=" ".join(words[repeated:])))
    return kept


def _repeated_words(before, now, rolling, growing):
    """Count the words at the start of `now` that are `before` shown again."""
    gap = now[0].start - before[0].end
    if gap > TOUCHING:
        return 0
    together = gap < -OVERLAPPING
    lines = _repeated_lines(before, now)
    if lines and (lines < len(now[1]) or rolling or growing or together or now[0].seconds <= FILLER):
        return len(" ".join(now[1][:lines]).split())
    if (together or growing) and _grows(before, now):
        return len(" ".join(before[1]).split())
    return 0


def _repeated_lines(before, now):
    """Count how many last lines of `before` are the first lines of `now`."""
    most = min(len(before[1]), len(now[1]))
    return next((n for n in range(most, 0, -1) if before[1][-n:] == now[1][:n] and any(now[1][:n])), 0)


def _rolls(before, now):
    return 0 < _repeated_lines(before, now) < len(now[1])


def _grows(before, now):
    old, new = " ".join(before[1]).split(), " ".join(now[1]).split()
    return len(old) < len(new) and new[: len(old)] == old


def _mostly(shown, test):
    """Is `test` true of at least two, and half, of the neighbours that touch and differ?"""
    pairs = [
        test(before, now)
        for before, now in pairwise(shown)
        if now[0].start - before[0].end <= TOUCHING and _repeated_lines(before, now) < len(now[1])
    ]
    return sum(pairs) >= max(2, len(pairs) / 2)


def _separate(cues, counts):
    """End each cue where the next one starts; join those that start together."""
    apart = []
    for cue in cues:
        if apart and cue.start < apart[-1].end:
            last = apart[-1]
            counts["overlaps"] += 1
            if cue.start - last.start < TOUCHING:
                counts["joined"] += 1
                words = last.words + cue.words if last.words and cue.words else ()
                text = f"{last.text} {cue.text}"
                apart[-1] = Cue(last.start, max(last.end, cue.end), text, words)
                continue
            apart[-1] = replace(last, end=cue.start)
        apart.append(cue)
    return apart


def _matching_words(cue):
    """Give the timed words that spell the cue's text, or none if they spell something else."""
    found, cursor, time = [], 0, cue.start
    for word in cue.words:
        spoken = clean_text(word.text)
        place = cue.text.find(spoken, cursor) if spoken else -1
        if place >= 0:
            cursor = place + len(spoken)
            start = min(max(word.start, time), cue.end)
            time = min(max(word.end, start), cue.end)
            found.append(Word(start, time, spoken))
    spelled = "".join(word.text for word in found).replace(" ", "")
    return tuple(found) if spelled == cue.text.replace(" ", "") else ()
