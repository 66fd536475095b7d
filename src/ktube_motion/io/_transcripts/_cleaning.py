"""From what a subtitle shows to what was said: text, voices, repeats and times put right."""

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate, groupby, pairwise

from ...errors import DataError
from ...types import Cue, Word
from .._characters import normalize_text
from ._highlights import join_highlights
from ._inventions import without_inventions
from ._languages import split_languages
from ._sounds import without_sounds
from ._speaker_lines import with_heads
from ._speakers import MARK_END, MARK_START, NAMELESS, Labels, find_labels, known_labels

__all__ = ["clean_cues", "clean_text", "tell_doubts"]

TOUCHING = 0.1  # seconds; cues no further apart than this may repeat each other
OVERLAPPING = 0.05  # seconds two cues share before they count as shown together
FILLER = 0.05  # seconds; YouTube writes 10 ms cues between two rolling ones
_SHORTEST = 1e-6  # seconds; what lasts less cannot be parted
_MOVED = 0.05  # seconds; what a recogniser rounds away moves no word

_MARKUP = re.compile(r"[<>&\[\](){}:*~#♪♫♬\\\-–—•【〈《\ue000]")
_BREAK = re.compile(r"\[br\]|<br\s*/?>|\\[Nn]", re.IGNORECASE)
_NAMES = (
    "b|i|u|s|em|strong|font|span|c|v|lang|ruby|rt|rp|p|div|mark|big|small|center|body|html|sub|sup|tt|a|bold|italic"
)
_VOICE = re.compile(r"<v(?:\.[\w.-]+)*\s+([^<>]+)>")
# Known tags, with attributes as tags have them; any closing tag; YouTube's time stamps; ASS's overrides.
_TAG = re.compile(
    rf"</?(?:{_NAMES})(?:\.[\w.-]+)*(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>]+))*\s*/?>"
    r"|<lang\s+[\w-]+>|</[A-Za-z][\w.]*\s*>|<[A-Za-z]\w*(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>]+))+\s*/?>"
    r"|<[0-9:.]+>|</>|\{\\[^{}]*\}",
    re.IGNORECASE,
)
_STAMPS = re.compile("<[0-9:.]+>|</?[bcisu]>")  # by far the most frequent tags
_HIDING = re.compile(r"[<&{\\\[]")
_INDEX = re.compile(r"(?<=[A-Za-z0-9_])\[[A-Za-z0-9_,: +*-]{1,12}\]")  # a[0]: speech about programs
_SQUARE = re.compile(r"\[[^\[\]]*\]|【[^【】]*】")
_SPLIT_SAFE = str.maketrans("[]", "\ue002\ue003")


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
    Removed: HTML, VTT and ASS tags; anything in square brackets but an index (``a[0]``); sounds and
    voices in round brackets, such as ``(웃음)``; ``>>`` and ``- ``; known speaker labels (``화자1:``,
    ``MC:``, ``SPEAKER_00:``) at the start of a line. Names and other labels are found out by `clean_cues`,
    which sees the whole file. Characters are normalised as everywhere (NFC, ordinary width).

    Examples
    --------
    >>> clean_text("<v 민수>화자1: 안녕&nbsp;하세요[br](웃음) [음악]")
    '안녕 하세요'
    >>> clean_text("값이 a<b 이고 남자(여자)하고 (노래하는 법을 알려 드릴게요)")
    '값이 a<b 이고 남자(여자)하고 (노래하는 법을 알려 드릴게요)'
    """
    for _ in range(8):  # what an entity, a bracket or a line break hid may need cleaning in its turn
        lines = _spoken_lines(_voiced_lines(_plain_lines(text), known_labels(), {"notes": 0}))
        before, text = text, " ".join(filter(None, lines))
        if text == before:
            break
    return text


def _plain_lines(text: str) -> list[str]:
    """Give the lines of a subtitle without tags, entities and sounds; labels still stand in them."""
    text = _STAMPS.sub("", text) if "<" in text else text
    if not _MARKUP.search(text):
        return [" ".join(line.split()) for line in normalize_text(text).split("\n") if line.strip()]
    for _ in range(8):
        before = text
        text = _VOICE.sub(rf"{MARK_START}\1{MARK_END}", _BREAK.sub("\n", normalize_text(html.unescape(text))))
        text = _TAG.sub("", text) if "<" in text or "{" in text else text
        if text == before or not _HIDING.search(text):
            break
    # A line with a mere sound stays as an empty one: under a repeated line it shows that captions roll.
    return [" ".join(without_sounds(line).split()) for line in text.split("\n") if line.strip()]


def _voiced_lines(lines: list[str], labels: Labels, counts: dict[str, int]) -> list[list[tuple[str | None, str]]]:
    """Give (speaker, text) pieces of each line, without labels and notes in brackets, which are counted."""
    return [
        [(voice, _without_notes(piece, counts)) for voice, piece in pieces]
        for pieces in (labels.read(lines) if lines else [])
    ]


def _without_notes(text: str, counts: dict[str, int]) -> str:
    if "[" in text or "【" in text:
        text = _INDEX.sub(lambda match: match[0].translate(_SPLIT_SAFE), text)
        text, found = _SQUARE.subn(" ", text)
        counts["notes"] += found
        text = text.replace("\ue002", "[").replace("\ue003", "]")
    return " ".join(text.split())


def _spoken_lines(rows: Sequence[Sequence[tuple[str | None, str]]]) -> list[str]:
    """Give what is spoken in each line; none if the subtitle holds no speech at all."""
    lines = [" ".join(piece for _, piece in pieces if piece) for pieces in rows]
    lines = [line if any(map(str.isalnum, line)) else "" for line in lines]
    return lines if any(lines) else []


@dataclass
class _Shown:
    """A cue on its way: its lines as spoken, and for each of their words who says it (None: no label tells)."""

    cue: Cue
    lines: list[str]
    voices: list[str | None]

    @cached_property
    def words(self) -> list[str]:
        """The words of all lines."""
        return " ".join(self.lines).split()


def clean_cues(cues: Iterable[Cue], *, speaker: str | None = None) -> tuple[list[Cue], dict[str, int]]:
    """Put cues right: text cleaned, each word once, one speaker a cue, times in order and apart.

    Parameters
    ----------
    cues : iterable of Cue
        As a file has them (`read_cues`), in any order.
    speaker : str, optional
        Keep only what this one says; `io.transcripts.main_speaker` finds the one who speaks most.

    Returns
    -------
    cues : list of Cue
        Sorted, ``0 <= start < end``, none overlapping, none empty. ``words`` spell the text, in order
        and inside the cue, or are ``()``. ``speaker`` is who the label says, ``""`` where none does,
        ``"?1"`` or ``"?2"`` where a mark (``>>``, two dashes) tells voices apart without a name.
    counts : dict of str to int
        ``cues`` given; of these dropped: ``no_speech`` (nothing said in it), ``no_length``
        (ends as it starts, before that, or before 0), ``repeated`` (all of it shown before),
        ``joined`` (to a cue that starts with it), ``highlighted`` (shown once a word, joined to a sentence),
        ``other_language`` (no Korean, beside Korean), ``credits`` and ``invented`` (a recogniser's stock
        phrases over silence), ``looped`` (the same again and again), ``other_speakers`` (see `speaker`);
        ``split`` were added where two voices shared one. Also ``repeated_words``, ``labels`` and ``notes`` (in
        square brackets, no sounds: ``[중요]``) removed, ``possible_labels`` (``민수. 안녕``, too few to be sure) left
        in, ``other_lines`` (in another language, kept as ``cue.other``) and ``overlaps`` cut; of words with times
        ``moved_words`` (by more than 0.05 s, as they were out of order or outside their cue), and ``untimed``: cues
        whose words were left out, because they spell another text or lie elsewhere.

    Raises
    ------
    DataError
        If a time is NaN or infinite.

    Notes
    -----
    Rolling captions show each line again in the next cue. A repeat is removed when the next cue
    touches the last one and repeats its last lines above a new one, is shown together with it, or is a
    10 ms filler; or when most of the file repeats so. A person who says 네 twice keeps both.

    Speakers: `io.transcripts.speakers.find_labels`. Where labels mark only turns (two or more, none of them twice
    in a row as a rule), cues without one belong to the last speaker; else they belong to nobody named.
    Inventions of recognisers: `io.transcripts.inventions`.

    Examples
    --------
    >>> rolling = [Cue(0, 2, "안녕하세요"), Cue(2, 4, "안녕하세요\\n오늘은"), Cue(4, 6, "오늘은\\n날씨가")]
    >>> cues, counts = clean_cues(rolling)
    >>> [cue.text for cue in cues], counts["repeated_words"]
    (['안녕하세요', '오늘은', '날씨가'], 2)
    >>> shown = ["민수: 안녕", "영희: 네", "민수: 왜", "영희: 응"]
    >>> cues, counts = clean_cues(Cue(2 * i, 2 * i + 2, text) for i, text in enumerate(shown))
    >>> [(cue.speaker, cue.text) for cue in cues]
    [('민수', '안녕'), ('영희', '네'), ('민수', '왜'), ('영희', '응')]
    """
    counts = dict.fromkeys(COUNTS, 0)
    ordered = sorted(map(_check_times, cues), key=lambda cue: cue.start)
    counts["cues"] = len(ordered)
    ordered, counts["highlighted"] = join_highlights(ordered)
    kept, others, counts["other_lines"] = split_languages([(cue, _plain_lines(cue.text)) for cue in ordered])
    counts["other_language"] = len(others)
    kept = [(cue, lines) for (cue, _), lines in zip(kept, with_heads(lines for _, lines in kept), strict=True)]
    labels = find_labels(line for _, lines in kept for line in lines)
    shown = [piece for cue, lines in kept if (piece := _shown(cue, lines, labels, counts)) is not None]
    counts["labels"], counts["possible_labels"] = labels.removed, labels.possible
    voiced = _carried([part for piece in _without_repeats(shown, counts) for part in _by_voice(piece, counts)], labels)
    told = without_inventions(voiced, counts)
    if speaker is not None:
        counts["other_speakers"] = sum(cue.speaker != speaker for cue in told)
        told = [cue for cue in told if cue.speaker == speaker]
    apart = _separate(told, counts)
    return [replace(cue, words=_timed_words(cue, counts)) if cue.words else cue for cue in apart], counts


def tell_doubts(counts: dict[str, int]) -> list[str]:
    """Say what a user may want to put right: lines that may begin with a speaker's name, times of words left out."""
    told = []
    if counts["possible_labels"]:
        told.append(
            f"{counts['possible_labels']} lines begin with a word and a full stop that recur: speakers' names? They "
            "are kept as words; write them with a colon (민수: …) if they are"
        )
    if counts["untimed"]:
        told.append(
            f"{counts['untimed']} of {counts['cues']} cues have times for words that do not spell them or lie "
            "elsewhere: those times are left out"
        )
    if counts["moved_words"]:
        told.append(f"{counts['moved_words']} words were out of order or outside their cue, and were moved into place")
    return told


#: What `clean_cues` counts.
COUNTS = (
    *"cues no_speech no_length repeated joined highlighted other_language credits invented looped".split(),
    *"other_speakers split repeated_words labels possible_labels notes other_lines overlaps".split(),
    *"moved_words untimed".split(),
)


def _shown(cue: Cue, lines: list[str], labels: Labels, counts: dict[str, int]) -> "_Shown | None":
    """Give a cue that says something and lasts, with its voices; else count why not."""
    rows = _voiced_lines(lines, labels, counts)
    spoken = _spoken_lines(rows)
    if not spoken:
        counts["no_speech"] += 1
    elif cue.end - max(cue.start, 0) < _SHORTEST:
        counts["no_length"] += 1
    else:
        voices = [
            voice
            for line, pieces in zip(spoken, rows, strict=True)
            if line
            for voice, piece in pieces
            for _ in piece.split()
        ]
        return _Shown(cue if cue.start >= 0 else replace(cue, start=0), spoken, voices)
    return None


def _by_voice(shown: _Shown, counts: dict[str, int]) -> "list[_Part]":
    """Part a cue where its voice changes: at its words' times, or by the share of letters."""
    cue, words = shown.cue, shown.cue.text.split()
    if len(set(shown.voices)) == 1:
        return [_Part(cue, shown.voices[0])]
    cue = replace(cue, words=_matching_words(cue))
    said = [voice for voice, word in zip(shown.voices, words, strict=True) if any(map(str.isalnum, word))]
    voices: list[str | None] = []
    for voice, word in zip(shown.voices, words, strict=True):  # a sign alone has no voice of its own
        voices.append(voice if any(map(str.isalnum, word)) else voices[-1] if voices else said[0])
    runs = [list(run) for _, run in groupby(zip(voices, words, strict=True), key=lambda pair: pair[0])]
    if len(runs) == 1:
        return [_Part(cue, voices[0])]
    counts["split"] += len(runs) - 1
    parts: list[_Part] = []
    time = cue.start
    for run, end in zip(runs, _ends_of(cue, [sum(len(word) for _, word in run) for run in runs]), strict=True):
        timed = tuple(word for word in cue.words if time <= (word.start + word.end) / 2 < max(end, word.end))
        text, other = " ".join(word for _, word in run), "" if parts else cue.other
        parts.append(_Part(Cue(time, end, text, timed, speaker=cue.speaker, other=other), run[0][0]))
        time = end
    return parts


def _ends_of(cue: Cue, sizes: list[int]) -> list[float]:
    """Give where parts of so many letters end: where the next one's first word begins, or by the share of letters."""
    letters = [word for word in cue.words for letter in word.text if not letter.isspace()]
    places = list(accumulate(sizes))
    shares = [*(cue.start + cue.seconds * place / places[-1] for place in places[:-1]), cue.end]
    ends = [*(letters[place].start for place in places[:-1]), cue.end] if letters else shares
    return ends if all(before < end for before, end in pairwise([cue.start, *ends])) else shares


@dataclass(frozen=True)
class _Part:
    """What one voice says in one cue, and its label if it has one."""

    cue: Cue
    label: str | None


def _carried(parts: "Sequence[_Part]", labels: Labels) -> list[Cue]:
    """Give every cue its speaker: its label, what the format says, or the last label where labels mark turns."""
    named = [part.label for part in parts if part.label is not None and (labels.changes or part.label not in NAMELESS)]
    twice = sum(before == after for before, after in pairwise(named))
    turns = len(set(named)) > 1 and twice <= 0.2 * len(named)
    turns = turns or (len(named) == 1 and bool(parts) and parts[0].label == named[0])  # named once, at the beginning
    cues, last = [], ""
    for part in parts:
        speaker = part.label if part.label is not None else part.cue.speaker or (last if turns else "")
        if speaker not in NAMELESS or labels.changes:  # two dashes tell voices apart in one cue only
            last = speaker
        cues.append(part.cue if part.cue.speaker == speaker else replace(part.cue, speaker=speaker))
    return cues


def _check_times(cue: Cue) -> Cue:
    times = [cue.start, cue.end, *(time for word in cue.words for time in (word.start, word.end))]
    if not all(math.isfinite(time) for time in times):
        raise DataError("A cue has a time that is not a number.", where=repr(cue.text[:30]), found=times[:2])
    return cue


@dataclass(frozen=True)
class _Pair:
    """Two cues that follow each other without a pause, and how many last lines of one are the first of the other."""

    before: _Shown
    now: _Shown
    lines: int

    @property
    def rolls(self) -> bool:
        return 0 < self.lines < len(self.now.lines)

    @cached_property
    def grows(self) -> bool:
        old, new = self.before.words, self.now.words
        return len(old) < len(new) and new[: len(old)] == old


def _without_repeats(shown: list[_Shown], counts: dict[str, int]) -> list[_Shown]:
    """Drop the words of each cue that the cue before it already showed."""
    pairs = [None, *map(_touching, shown, shown[1:])]
    differing = [pair for pair in pairs if pair is not None and pair.lines < len(pair.now.lines)]
    rolling, growing = _mostly([p.rolls for p in differing]), _mostly([p.grows for p in differing])
    kept = []
    for piece, pair in zip(shown, pairs, strict=False):
        repeated = 0 if pair is None else _repeated_words(pair, rolling, growing)
        counts["repeated_words"] += repeated
        if repeated == len(piece.words):
            counts["repeated"] += 1
        else:
            text = " ".join(piece.words[repeated:])
            kept.append(_Shown(replace(piece.cue, text=text), piece.lines, piece.voices[repeated:]))
    return kept


def _touching(before: _Shown, now: _Shown) -> _Pair | None:
    """Make a pair of two cues, None where there is a pause between them."""
    if now.cue.start - before.cue.end > TOUCHING:
        return None
    old, new = before.lines, now.lines
    most = min(len(old), len(new))
    return _Pair(before, now, next((n for n in range(most, 0, -1) if old[-n:] == new[:n] and any(new[:n])), 0))


def _repeated_words(pair: _Pair, rolling: bool, growing: bool) -> int:
    """Count the words at the start of the later cue that are the earlier one shown again."""
    now, lines = pair.now, pair.lines
    together = now.cue.start - pair.before.cue.end < -OVERLAPPING
    if lines and (lines < len(now.lines) or rolling or growing or together or now.cue.seconds <= FILLER):
        return len(" ".join(now.lines[:lines]).split())
    return len(pair.before.words) if (together or growing) and pair.grows else 0


def _mostly(found: list[bool]) -> bool:
    """Is this true of at least two, and half?"""
    return sum(found) >= max(2, len(found) / 2)


def _separate(cues: Sequence[Cue], counts: dict[str, int]) -> list[Cue]:
    """End each cue where the next one starts; join those that start together."""
    apart: list[Cue] = []
    for cue in cues:
        if apart and cue.start < apart[-1].end:
            last = apart[-1]
            counts["overlaps"] += 1
            if cue.start - last.start < TOUCHING and cue.speaker == last.speaker:
                counts["joined"] += 1
                words = last.words + cue.words if last.words and cue.words else ()
                text, other = f"{last.text} {cue.text}", f"{last.other} {cue.other}".strip()
                apart[-1] = replace(last, end=max(last.end, cue.end), text=text, words=words, other=other)
                continue
            if cue.start - last.start < TOUCHING:  # two voices at once: one behind the other, by their letters
                share = len(last.text) / (len(last.text) + len(cue.text))
                end = max(last.end, cue.end)
                cue = replace(cue, start=last.start + (end - last.start) * share, end=end)
            apart[-1] = replace(last, end=cue.start)
        apart.append(cue)
    return apart


@lru_cache(maxsize=8192)  # people say the same few thousand words
def _clean_word(text: str) -> str:
    return clean_text(text) if _MARKUP.search(text) else " ".join(normalize_text(text).split())


def _are_in_order(cue: Cue) -> bool:
    times = [cue.start, *[time for word in cue.words for time in (word.start, word.end)], cue.end]
    return times == sorted(times)


def _matching_words(cue: Cue) -> tuple[Word, ...]:
    """Give the timed words that spell the cue's text, or none if they spell something else."""
    if " ".join([word.text for word in cue.words]) == cue.text and _are_in_order(cue):
        return cue.words  # as YouTube's come
    found, cursor, time = [], 0, cue.start
    for word in cue.words:
        spoken = _clean_word(word.text)
        place = cue.text.find(spoken, cursor) if spoken else -1
        if place >= 0:
            cursor = place + len(spoken)
            time = min(max(word.start, time), cue.end)
            found.append((word, time, spoken))
    # Where words overlap the earlier one ends sooner: when a word begins is what a gesture goes by.
    begins = [*(start for _, start, _ in found[1:]), cue.end]
    matched = []
    for (word, start, spoken), after in zip(found, begins, strict=False):
        end = min(max(word.end, start), after)
        same = (start, end, spoken) == (word.start, word.end, word.text)
        matched.append(word if same else replace(word, start=start, end=end, text=spoken))
    spelled = "".join(word.text for word in matched).replace(" ", "")
    return tuple(matched) if spelled == cue.text.replace(" ", "") else ()


def _timed_words(cue: Cue, counts: dict[str, int]) -> tuple[Word, ...]:
    """Give the words that spell the cue; count those that were moved, and cues that none of theirs fits."""
    words = _matching_words(cue)
    if any(word.source != "estimated" for word in cue.words) and not (words and words[0].start < words[-1].end):
        counts["untimed"] += 1
        return ()
    if len(words) == len(cue.words):
        moved = (abs(word.start - old.start) > _MOVED for word, old in zip(words, cue.words, strict=True))
        counts["moved_words"] += sum(moved)
    return words
