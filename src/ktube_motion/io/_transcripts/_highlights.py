"""Subtitles that light up one word after another: many cues, one sentence, and the times of its words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...types import Cue
from ._times import fill_word_times

__all__ = ["join_highlights"]

_APART = 1.0  # seconds between two words of a sentence
_MARKED = re.compile(
    r"<(u|b|i|em|strong|mark|font|c)\b[^<>]*>(?P<html>[^<>]*)</\1\s*>"
    r"|\{\\(?:1?c&H[0-9A-F]+&|b1|u1|i1)[^{}]*\}(?P<ass>[^{}]*)\{\\(?:1?c|b0|u0|i0|r)[^{}]*\}",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


@dataclass(frozen=True)
class _Lit:
    """A cue, its plain text, and which of its letters (white space not counted) are lit; None if none or all are."""

    cue: Cue
    plain: str
    lit: tuple[int, int] | None

    @property
    def letters(self) -> str:
        return "".join(self.plain.split())


def _has_light(text: str) -> bool:
    """Is there a mark, and one only?"""
    first = _MARKED.search(text) if "<" in text or "{" in text else None
    return first is not None and _MARKED.search(text, first.end()) is None


def _look(cue: Cue) -> _Lit:
    text = cue.text.replace("\\N", "\n")
    plain = _TAG.sub("", text)
    found = list(_MARKED.finditer(text)) if "<" in text or "{" in text else []
    if len(found) != 1:
        return _Lit(cue, plain, None)
    inner = len("".join((found[0]["html"] or found[0]["ass"] or "").split()))
    before = len("".join(_TAG.sub("", text[: found[0].start()]).split()))
    whole = len("".join(plain.split()))
    return _Lit(cue, plain, (before, before + inner) if 0 < inner <= whole else None)


def join_highlights(cues: Sequence[Cue]) -> tuple[list[Cue], int]:
    """Make one cue with word times of each sentence that is shown once a word.

    Parameters
    ----------
    cues : sequence of Cue
        In order of time, with their tags (``<u>``, ``<b>``, ``<font>``, ``<c>``, ASS colours).

    Returns
    -------
    cues : list of Cue
    joined : int
        How many fewer they are.

    Examples
    --------
    >>> cues, joined = join_highlights([Cue(0, 1, "<u>손을</u> 들어요"), Cue(1, 2, "손을 <u>들어요</u>")])
    >>> [(word.start, word.text) for word in cues[0].words], joined
    ([(0, '손을'), (1, '들어요')], 1)
    """
    if sum(_has_light(cue.text) for cue in cues) < 2:
        return list(cues), 0
    looks, result = [_look(cue) for cue in cues], []
    i = 0
    while i < len(looks):
        run = [looks[i]]
        while i + len(run) < len(looks) and _goes_on(run, looks[i + len(run)]):
            run.append(looks[i + len(run)])
        lit = {look.lit for look in run if look.lit}
        result.append(_sentence(run) if len(lit) > 1 else looks[i].cue)
        if len(lit) < 2:
            run = run[:1]
        i += len(run)
    return result, len(cues) - len(result)


def _goes_on(run: Sequence[_Lit], look: _Lit) -> bool:
    before = run[-1]
    if look.letters != run[0].letters or not look.letters or look.cue.start - before.cue.end > _APART:
        return False
    lit = [other.lit for other in run if other.lit]
    # The light moves on, or, where it grows, ends later; back to the first word it is said again.
    return look.lit is None or not lit or look.lit > lit[-1]


def _sentence(run: Sequence[_Lit]) -> Cue:
    """Time each word by the light on its letters; words that were never lit lie between their neighbours."""
    spans, reached = [], 0
    for look in run:
        if look.lit:
            fresh = max(look.lit[0], reached if look.lit[0] == 0 else 0)  # a light that grows: only what is new
            spans.append((fresh, look.lit[1], look.cue))
            reached = look.lit[1]
    words: list[tuple[float | None, float | None, str]] = []
    place = 0
    for text in run[0].plain.split():
        behind = place + len(text)
        over = [cue for first, last, cue in spans if first < behind and last > place]
        words.append((over[0].start, over[-1].end, text) if over else (None, None, text))
        place = behind
    start, end = run[0].cue.start, max(look.cue.end for look in run)
    return Cue(start, end, run[0].plain, fill_word_times(words, start, end), speaker=run[0].cue.speaker)
