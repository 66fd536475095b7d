"""The shapes of the mouth that speaks Korean: from the vowels and lips of Hangul syllables, in time."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import DataError
from ..types import Word
from ._reading import read_words_aloud

__all__ = ["VISEMES", "visemes"]

#: VRM's five mouths: a, i, u, e, o.
VISEMES = ("aa", "ih", "ou", "ee", "oh")

# Each of the 21 vowels, ㅏㅐㅑㅒㅓㅔㅕㅖ ㅗㅘㅙㅚㅛ ㅜㅝㅞㅟㅠ ㅡㅢㅣ: what it begins as, and what it becomes.
_A, _I, _U, _E, _O = np.eye(5)
_EO, _EU, _AE = 0.6 * _O + 0.3 * _A, 0.5 * _I + 0.2 * _U, 0.8 * _E
_VOWELS = (
    (_A, _A), (_AE, _AE), (_I, _A), (_I, _AE), (_EO, _EO), (_AE, _AE), (_I, _EO), (_I, _AE),
    (_O, _O), (_U, _A), (_U, _AE), (_U, _AE), (_I, _O), (_U, _U), (_U, _EO), (_U, _AE), (_U, _I), (_I, _U),
    (_EU, _EU), (_EU, _I), (_I, _I),
)  # fmt: skip
# Consonants for which the lips close: ㅁ ㅂ ㅃ ㅍ before the vowel; ㅁ ㅂ ㅍ and their pairs (ㄻ ㄼ ㄿ ㅄ) after it.
_LIPS_BEFORE = {6, 7, 8, 17}
_LIPS_AFTER = {10, 11, 14, 16, 17, 18, 26}
_BEGUN, _OPEN, _CLOSING = 0.2, 0.5, 0.9  # shares of a syllable: the first vowel, the second, the end
_REST = 0.08  # seconds in which the mouth closes after a word
_HALF = 0.4  # how open a mouth stays before the next syllable


def visemes(words: Iterable[Word], times: Sequence[float] | np.ndarray) -> dict[str, np.ndarray]:
    """Give the shapes of a speaking mouth at some times.

    Parameters
    ----------
    words : iterable of Word
        With their times in seconds; numbers and Latin letters are read aloud first.
    times : array-like of float [shape=(T,)]
        Seconds at which the mouth is wanted, as ``np.arange(frames) / fps``.

    Returns
    -------
    mouth : dict of str to float32 array [shape=(T,)]
        Weights from 0 to 1 of VRM's `aa`, `ih`, `ou`, `ee` and `oh`. Between words the mouth is shut.

    Raises
    ------
    DataError
        If the times of a word cannot be.

    Notes
    -----
    The syllables of a word share its time. A diphthong goes from its first vowel to its second (ㅘ: u to a);
    lips meet for ㅁ, ㅂ, ㅃ and ㅍ, and a syllable that ends in another consonant half closes the mouth.

    Examples
    --------
    >>> mouth = visemes([Word(0.0, 0.4, "아마")], [0.1, 0.2, 0.3])
    >>> mouth["aa"].round(2)
    array([1., 0., 1.], dtype=float32)
    """
    moments = np.asarray(times, np.float64)
    shapes = np.zeros((len(moments), len(VISEMES)), np.float32)
    words = list(words)
    for word, said in zip(words, read_words_aloud([word.text for word in words]), strict=True):
        if not (np.isfinite([word.start, word.end]).all() and word.start <= word.end):
            raise DataError("The time of a word cannot be.", expected="start <= end, in seconds", found=word)
        syllables = [ord(letter) - 0xAC00 for letter in said if "가" <= letter <= "힣"]
        if not syllables or word.start == word.end:
            continue
        at, keys = _keys(syllables, word.start, word.end)
        rows = slice(*np.searchsorted(moments, (at[0], at[-1]))) if (np.diff(moments) >= 0).all() else slice(None)
        for shape in range(len(VISEMES)):
            spoken = np.interp(moments[rows], at, keys[:, shape], left=0, right=0)
            shapes[rows, shape] = np.maximum(shapes[rows, shape], spoken)
    return dict(zip(VISEMES, shapes.T, strict=True))


def _keys(syllables: Sequence[int], start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Times, and shapes ``(n, 5)`` of the mouth at them, between which it moves evenly."""
    length = (end - start) / len(syllables)
    at, keys = [start - _REST], [np.zeros(5)]
    for number, syllable in enumerate(syllables):
        begin = start + number * length
        first, second = _VOWELS[syllable % 588 // 28]
        final = syllable % 28
        if syllable // 588 in _LIPS_BEFORE:
            at, keys = [*at, begin], [*keys, np.zeros(5)]
        at += [begin + share * length for share in (_BEGUN, _OPEN, _CLOSING)]
        after = 0.0 if final in _LIPS_AFTER else 1.0 if final == 0 else _HALF
        keys += [first, second, after * second]
    return np.array([*at, end + _REST]), np.array([*keys, np.zeros(5)])
