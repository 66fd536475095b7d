"""From subtitles to sentences a motion can accompany, and from texts to data set entries."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..errors import ConfigError, DataError
from ..types import Cue, Utterance, Word
from ._timing import shift_words, split_where, timed_words
from ._words import load_kiwi, readable

__all__ = ["CaptionEntry", "caption_entries", "spoken_versions", "utterances"]


@dataclass(frozen=True)
class _Spoken:
    """A word on its way into an utterance, until when that would last, and if a cue starts with it."""

    word: Word
    end: float
    first: bool

    @property
    def start(self) -> float:
        return self.word.start

    @property
    def text(self) -> str:
        return self.word.text


def utterances(
    cues: Iterable[Cue], *, min_seconds: float = 2.0, max_seconds: float = 9.8, max_pause: float = 1.0
) -> list[Utterance]:
    """Merge and split cues into sentence-like utterances.

    Parameters
    ----------
    cues : iterable of Cue
        Sorted and apart, as `load_transcript` gives them.
    min_seconds, max_seconds : float
        Wanted length. The defaults give clips of 40 to 196 frames at 20 fps.
    max_pause : float
        Seconds of silence that end an utterance.

    Returns
    -------
    utterances : list of Utterance
        In order; together they hold every word of the cues, once. ``words`` holds the time of each, as
        `timed_words` gives it: that of the cue, or an estimate marked as such.

    Raises
    ------
    MissingDependencyError
        If kiwipiepy is not installed.
    DataError
        If cues are not sorted, overlap, or last no time.
    ConfigError
        If the limits cannot work.

    Notes
    -----
    Long pauses, then Kiwi's sentence ends, cut the words. A sentence longer than `max_seconds` is cut at its
    longest pause, by preference between two cues and near the middle, so that no part is below `min_seconds`
    if that can be; unknown word times are estimated by syllables. An utterance shorter than `min_seconds`
    joins the neighbour that is nearer in time, if the pause and `max_seconds` allow. What cannot join stays
    short, and one word that lasts longer than `max_seconds` stays long: whoever cuts clips counts those.

    Examples
    --------
    >>> cues = [Cue(0, 2, "안녕하세요 여러분 오늘은 손을"), Cue(2, 4.5, "들어 볼게요. 먼저 오른손을 들어 주세요.")]
    >>> [(round(u.start, 1), round(u.end, 1), u.text) for u in utterances(cues, min_seconds=1.0)]
    [(0.0, 2.9, '안녕하세요 여러분 오늘은 손을 들어 볼게요.'), (2.9, 4.5, '먼저 오른손을 들어 주세요.')]
    """
    if not (0 <= min_seconds < max_seconds and max_pause >= 0):
        found = f"{min_seconds}, {max_seconds}, {max_pause}"
        raise ConfigError("Impossible limits.", expected="0 <= min_seconds < max_seconds, max_pause >= 0", found=found)
    # Two voices never share an utterance: each turn is cut by itself.
    turns = [list(turn) for _, turn in groupby(_in_order(cues), key=lambda cue: cue.speaker)]
    return [
        replace(utterance, speaker=turn[0].speaker)
        for turn in turns
        for utterance in _turn_utterances(turn, min_seconds, max_seconds, max_pause)
    ]


def _turn_utterances(cues: Sequence[Cue], min_seconds: float, max_seconds: float, max_pause: float) -> list[Utterance]:
    """Cut what one speaker says without a break by others."""
    words = [word for cue in cues for word in _spoken_words(cue)]
    parts = []
    for run in split_where(words, lambda before, word: word.start - before.end > max_pause):
        for sentence in _sentences(run):
            parts += _shorten(sentence, min_seconds, max_seconds)
    return [_utterance(part) for part in _merge_short(parts, min_seconds, max_seconds, max_pause)]


def _in_order(cues: Iterable[Cue]) -> Iterator[Cue]:
    time = -math.inf
    for number, cue in enumerate(cues, 1):
        if not (time <= cue.start < cue.end < math.inf):
            raise DataError(
                "The cues are not in order.",
                where=f"cue {number}",
                expected="start < end, at or after the end of the cue before",
                found=f"{cue.start} to {cue.end}",
                fix="Run ktube_motion.io.clean_cues first.",
            )
        time = cue.end
        yield cue


def _spoken_words(cue: Cue) -> list[_Spoken]:
    """Give every word of a cue its time, and until when it can be taken to be heard."""
    words = timed_words(cue)
    ends = [*(word.start for word in words[1:]), cue.end]
    return [
        # What an estimate calls a pause is none for certain, so that it cuts no utterance.
        _Spoken(word, max(word.end, end) if word.source == "estimated" else word.end, i == 0)
        for i, (word, end) in enumerate(zip(words, ends, strict=False))
    ]


def _sentences(words: Sequence[_Spoken]) -> list[list[_Spoken]]:
    """Cut words at Kiwi's sentence ends; a word that holds one goes to the sentence it starts in."""
    sentences = load_kiwi().split_into_sents(readable(" ".join(word.text for word in words)))
    starts = [sentence.start for sentence in sentences[1:]]
    parts: list[list[_Spoken]] = [[]]
    place = 0
    for word in words:
        if starts and place >= starts[0]:
            while starts and place >= starts[0]:
                starts.pop(0)
            parts.append([])
        parts[-1].append(word)
        place += len(word.text) + 1
    return [part for part in parts if part]


def _seconds(words: Sequence[_Spoken]) -> float:
    return words[-1].end - words[0].start


def _shorten(words: list[_Spoken], min_seconds: float, max_seconds: float) -> list[list[_Spoken]]:
    """Cut a sentence at its best pauses until no part is too long."""
    todo, done = [words], []
    while todo:
        part = todo.pop()
        if _seconds(part) <= max_seconds or len(part) == 1:
            done.append(part)
            continue
        cut = max(range(1, len(part)), key=lambda i: _cut_value(part, i, min_seconds))
        todo += [part[cut:], part[:cut]]
    return done


def _cut_value(words: Sequence[_Spoken], i: int, min_seconds: float) -> tuple[bool, float, bool, float]:
    """Say how good a cut before word `i` is: sides long enough, longest pause, between cues, near the middle."""
    before, after = words[i - 1], words[i]
    shorter = min(before.end - words[0].start, words[-1].end - after.start)
    return shorter >= min_seconds, round(after.start - before.word.end, 1), after.first, shorter


def _merge_short(
    parts: Iterable[list[_Spoken]], min_seconds: float, max_seconds: float, max_pause: float
) -> list[list[_Spoken]]:
    """Join parts that are too short to the nearer neighbour that has room."""
    parts, i = list(parts), 0
    while i < len(parts):
        joins = []
        if _seconds(parts[i]) < min_seconds:
            for left in (i - 1, i):
                if left >= 0 and left + 1 < len(parts):
                    pause = parts[left + 1][0].start - parts[left][-1].end
                    whole = parts[left + 1][-1].end - parts[left][0].start
                    if pause <= max_pause and whole <= max_seconds:
                        joins.append((round(pause, 1), whole, left))
        if joins:
            left = min(joins)[2]
            parts[left : left + 2] = [parts[left] + parts[left + 1]]
            i = left
        else:
            i += 1
    return parts


def _utterance(words: Sequence[_Spoken]) -> Utterance:
    text = " ".join(word.text for word in words)
    return Utterance(words[0].start, words[-1].end, text, tuple(word.word for word in words))


def spoken_versions(texts: Sequence[Utterance], seconds: float) -> list[list[Utterance]]:
    """Give what may be said in a clip: all texts with times together, and each of those that are about the whole.

    Parameters
    ----------
    texts : sequence of Utterance
    seconds : float
        Length of the clip, which a text about the whole fills.

    Examples
    --------
    >>> both = [Utterance(0, 0, "손을 든다"), Utterance(1, 2, "네"), Utterance(3, 4, "좋아요")]
    >>> [[(text.text, text.end) for text in version] for version in spoken_versions(both, 5.0)]
    [[('네', 2), ('좋아요', 4)], [('손을 든다', 5.0)]]
    """
    timed = [text for text in texts if text.end > text.start]
    whole = [[replace(text, start=0.0, end=seconds)] for text in texts if text.end <= text.start]
    return ([timed] if timed else []) + whole


@dataclass(frozen=True)
class CaptionEntry:
    """One entry of a data set: frames ``start`` to ``stop`` of a clip, and the texts that tell of them."""

    start: int
    stop: int
    texts: tuple[Utterance, ...]

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.stop - self.start


def caption_entries(
    texts: Sequence[Utterance],
    num_frames: int,
    *,
    min_frames: int,
    max_frames: int | None,
    fps: float = 20.0,
    limit_clip: bool = True,
) -> tuple[list[CaptionEntry], dict[str, int]]:
    """List what a clip adds to a text-to-motion data set, by the published protocol.

    Parameters
    ----------
    texts : sequence of Utterance
        Texts of one clip, times in seconds from its start; 0 to 0 (or NaN) is the whole clip.
    num_frames : int
        Length of the clip's motion.
    min_frames, max_frames : int
        Limits of the clip and of each part; `evaluation.EvaluationConfig` knows those of the data sets. Training on
        tokens takes 1 and None.
    fps : float
        Frames per second. For motion tokens: tokens per second, ``fps / frames_per_token``.
    limit_clip : bool
        Whether a clip outside the limits loses its texts about parts of it too, as published.

    Returns
    -------
    entries : list of CaptionEntry
        One for each text with times, then one for all texts of the whole clip. Word times count from the entry's
        start, and lie within it.
    counts : dict of str to int
        Texts left out: ``too_short``, ``too_long``. A clip outside the limits loses all its texts.

    Examples
    --------
    >>> texts = [Utterance(0, 0, "걷는다"), Utterance(2.0, 7.5, "돈다"), Utterance(1.0, 2.0, "선다")]
    >>> entries, counts = caption_entries(texts, 199, min_frames=40, max_frames=199)
    >>> [(entry.start, entry.stop, len(entry.texts)) for entry in entries], counts
    ([(40, 150, 1), (0, 199, 1)], {'too_short': 1, 'too_long': 0})
    """
    counts = {"too_short": 0, "too_long": 0}
    most = math.inf if max_frames is None else max_frames
    fits = min_frames <= num_frames <= most
    if limit_clip and not fits:
        counts["too_short" if num_frames < min_frames else "too_long"] = len(texts)
        return [], counts
    entries, whole = [], []
    for text in texts:
        start, end = (0.0 if math.isnan(time) else time for time in (text.start, text.end))
        if start == end == 0:
            whole.append(text)
            continue
        first, stop = min(int(start * fps), num_frames), min(int(end * fps), num_frames)
        if stop - first < max(min_frames, 1):
            counts["too_short"] += 1
        elif stop - first > most:
            counts["too_long"] += 1
        else:
            entries.append(_entry(first, stop, [text], fps))
    if whole and fits:
        entries.append(_entry(0, num_frames, whole, fps))
    elif whole:
        counts["too_short" if num_frames < min_frames else "too_long"] += len(whole)
    return entries, counts


def _entry(start: int, stop: int, texts: Iterable[Utterance], fps: float) -> CaptionEntry:
    seconds = (stop - start) / fps
    return CaptionEntry(
        start, stop, tuple(replace(text, words=shift_words(text.words, -start / fps, seconds)) for text in texts)
    )
