"""Annotation tiers: Praat TextGrids and ELAN documents."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...types import Cue, Word
from ._markup import local_name, parse_xml
from ._page import Page, check_times
from ._times import join_words

__all__ = ["UTTERANCE_TIERS", "WORD_TIERS", "detect_elan", "detect_textgrid", "read_elan", "read_textgrid"]

_VALUE = re.compile(r'"(?:[^"]|"")*"|(?<!\S)[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?(?!\S)|<exists>|<absent>')
UTTERANCE_TIERS = (
    *"utterances utterance sentences sentence phrases phrase transcript transcription".split(),
    *"speech ipu text orthography".split(),
    *"발화 문장 전사 전사문 대사 자막 텍스트 한글 철자".split(),
)
WORD_TIERS = ("words", "word", "어절", "단어", "낱말")
_PARTS = {"phones", "phone", "phonemes", "phoneme", "syllables", "syllable", "음소", "음절", "분절음"}
_SILENCE = {"", "sp", "sil", "spn", "<sil>", "<eps>", "<p:>", "#", "묵음", "휴지"}


@dataclass
class _Tier:
    """One tier: its name, its rows with their places in the file, and who speaks."""

    name: str
    rows: list[tuple[str, Word]]
    speaker: str = ""


def _pick(tiers: Sequence[_Tier], names: Sequence[str]) -> list[_Tier]:
    """Find the tiers called by the first fitting name, alone or beside a speaker: ``anna - words``, ``발화_민수``."""
    for wanted in names:
        found = [tier for tier in tiers if wanted in _name_parts(tier.name)]
        if found:
            return found
    return []


def _name_parts(name: str) -> set[str]:
    parts = [part for part in re.split(r"[\s_\-:/@.()]+", name.strip().lower()) if part]
    return {parts[-1], parts[0]} if parts else set()


def _choose(page: Page, tiers: list[_Tier]) -> list[Cue]:
    """Take the tier that was asked for, else those that hold utterances, with the words of the words tier."""
    words = _pick(tiers, WORD_TIERS)
    if page.tier is not None:
        spoken = [tier for tier in tiers if tier.name == page.tier]
    else:
        spoken = _pick(tiers, UTTERANCE_TIERS)
        if not spoken and words:
            return [cue for tier in words for cue in _runs(page, tier)]
        if not spoken:
            whole = [
                tier
                for tier in tiers
                if not _name_parts(tier.name) & _PARTS and any(w.text.strip() for _, w in tier.rows)
            ]
            spoken = whole if len(whole) == 1 or (whole and all(tier.speaker for tier in whole)) else []
    if not spoken:
        raise page.error(
            "No tier with speech.",
            expected=f"an interval tier called {page.tier or 'utterances or words'}",
            found=", ".join(tier.name for tier in tiers) or "no interval tiers",
            fix="Name one with tier=.",
        )
    left = [tier.name for tier in tiers if tier not in spoken and tier not in words]
    if left:
        read = " and ".join(tier.name for tier in spoken)
        page.note(f"The tier {read} is read; left out: {', '.join(left)}.")
    return [cue for tier in spoken for cue in _cues(page, tier, words, several=len(spoken) > 1)]


def _cues(page: Page, tier: _Tier, words: Sequence[_Tier], *, several: bool) -> list[Cue]:
    timed = [
        word
        for other in words
        if not several or other.speaker == tier.speaker
        for _, word in other.rows
        if word.text.strip().lower() not in _SILENCE
    ]
    speaker = tier.speaker or (_speaker_in(tier.name) if several else "")
    cues, first = [], 0
    timed.sort(key=_middle)
    for place, row in tier.rows:
        if row.text.strip() and check_times(page, place, row.start, row.end):
            while first < len(timed) and _middle(timed[first]) < row.start:
                first += 1
            last = first
            while last < len(timed) and _middle(timed[last]) < row.end:
                last += 1
            cues.append(Cue(row.start, row.end, row.text, tuple(timed[first:last]), speaker=speaker))
            first = first if row.end <= row.start else last
    return cues


def _middle(word: Word) -> float:
    return (word.start + word.end) / 2


def _speaker_in(name: str) -> str:
    """Give what stands in a tier's name beside the word that says its kind."""
    parts = re.split(r"[\s_\-:/@.()]+", name.strip())
    return " ".join(part for part in parts if part.lower() not in {*UTTERANCE_TIERS, *WORD_TIERS}) or name


def _runs(page: Page, tier: _Tier) -> list[Cue]:
    """Join words that follow each other without silence into cues."""
    spoken = [(place, word) for place, word in tier.rows if word.text.strip().lower() not in _SILENCE]
    words = [word for place, word in spoken if check_times(page, place, word.start, word.end)]
    return [replace(run, speaker=tier.speaker) for run in join_words(words, pause=0.01)]


# -- Praat -----------------------------------------------------------------------------------------


class _Values:
    """The values of a TextGrid in order; labels such as ``xmin =`` carry nothing, so both formats read alike."""

    def __init__(self, page: Page) -> None:
        self.page, self.place, self.line = page, 0, 1
        self.found = _VALUE.finditer(page.text)

    def next(self, kind: type) -> Any:
        match = next(self.found, None)
        value = "the end of the file" if match is None else match.group()
        if match is not None:
            self.line += self.page.text.count("\n", self.place, match.start())
            self.place = match.start()
            if kind is str and value.startswith('"'):
                return value[1:-1].replace('""', '"')
            if kind is bool and value.startswith("<"):
                return value == "<exists>"
            if kind is float and value[0] in "+-.0123456789" and abs(float(value)) < 1e9:
                return float(value)
        expected = {str: 'a text in "quotes"', float: "a number", bool: "<exists>"}[kind]
        where = f"{self.page.path}, line {self.line}"
        raise self.page.error("Damaged TextGrid.", where=where, expected=expected, found=value[:60])


def detect_textgrid(page: Page) -> bool:
    """Does it begin as Praat's text files do?"""
    return "ooTextFile" in page.text[:400]


def read_textgrid(page: Page) -> list[Cue]:
    """Read Praat's TextGrid, long and short; point tiers hold no speech."""
    values = _Values(page)
    kind, body = values.next(str), values.next(str)
    if (kind, body) != ("ooTextFile", "TextGrid"):
        raise page.error("Not a TextGrid.", expected="ooTextFile, TextGrid", found=(kind[:30], body[:30]))
    values.next(float), values.next(float)
    tiers = []
    for _ in range(int(values.next(float)) if values.next(bool) else 0):
        intervals = values.next(str) == "IntervalTier"
        name, _, _ = values.next(str), values.next(float), values.next(float)
        rows = []
        for _ in range(int(values.next(float))):
            start = values.next(float)
            end = values.next(float) if intervals else start
            rows.append((f"line {values.line}", Word(start, end, values.next(str))))
        if intervals:
            tiers.append(_Tier(name, rows))
    for tier in tiers:
        tier.speaker = _speaker_beside(tier.name)
    return _choose(page, tiers)


def _speaker_beside(name: str) -> str:
    """Give the speaker in ``anna - words``, as aligners name tiers; none in a name of one part."""
    parts = [part for part in re.split(r"\s+-\s+|\s*[/:@]\s*", name.strip()) if part]
    kinds = {*UTTERANCE_TIERS, *WORD_TIERS, *_PARTS}
    return " ".join(part for part in parts if part.lower() not in kinds) if len(parts) > 1 else ""


# -- ELAN ------------------------------------------------------------------------------------------


def detect_elan(page: Page) -> bool:
    """Is its root ELAN's?"""
    return "<ANNOTATION_DOCUMENT" in page.text[:3000]


def read_elan(page: Page) -> list[Cue]:
    """Read ELAN's .eaf; annotations that refer to others have the times of those."""
    root = parse_xml(page)
    slots = {node.get("TIME_SLOT_ID"): node.get("TIME_VALUE") for node in root.iter("TIME_SLOT")}
    times: dict[str, tuple[float | None, float | None]] = {}
    references: dict[str, str] = {}
    tiers = []
    for tier in root.iter("TIER"):
        found = []
        for node in tier.iter():
            name, text = node.get("ANNOTATION_ID", ""), node.findtext("ANNOTATION_VALUE") or ""
            if local_name(node) == "ALIGNABLE_ANNOTATION":
                ends = [slots.get(node.get(f"TIME_SLOT_REF{side}")) for side in (1, 2)]
                start, end = (int(time) / 1000 if time and time.isdigit() else None for time in ends)
                times[name] = start, end
                found.append((name, text))
            elif local_name(node) == "REF_ANNOTATION":
                references[name] = node.get("ANNOTATION_REF", "")
                found.append((name, text))
        tiers.append((tier.get("TIER_ID", ""), tier.get("PARTICIPANT", ""), found))
    return _choose(page, [_elan_tier(page, *tier, times, references) for tier in tiers])


def _elan_tier(
    page: Page,
    tier: str,
    participant: str,
    found: Sequence[tuple[str, str]],
    times: Mapping[str, tuple[float | None, float | None]],
    references: Mapping[str, str],
) -> _Tier:
    rows = []
    for name, text in found:
        owner = name
        for _ in range(20):  # references may chain; a circle ends here
            if owner in times:
                break
            owner = references.get(owner, "")
        start, end = times.get(owner, (None, None))
        if start is None or end is None:
            if text.strip():
                page.skip(f"{tier}, {name}", "The annotation has no times.", text)
            continue
        rows.append((f"{tier}, {name}", Word(start, end, text)))
    return _Tier(tier, sorted(rows, key=lambda row: row[1].start), participant)
