"""Words aligned with the sound in which they are said: a synthetic voice reads the text, time is warped to fit."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import zip_longest
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import ConfigError, MissingDependencyError
from ..io._sound import SoundReader
from ..types import Cue, Word
from ._reading import read_aloud
from ._speech import KoreanVoice
from ._timing import estimate_words, join_words, shift_words, timed_words

__all__ = ["Aligner", "Alignment", "align_words", "find_aligner"]

#: A real aligner that a user has: samples float32 ``(N,)``, their rate in hertz and the text that is said in them go
#: in, words with seconds from the first sample come out; none where it cannot tell.
Aligner = Callable[[np.ndarray, int, str], Sequence[Word]]

SAMPLE_RATE = 22_050  # hertz: eSpeak's own
HOP = 0.01  # seconds between frames
MOST_FRAMES = 3000  # of a cue; the frames of a longer one than half a minute lie farther apart
LEAST = 0.1  # seconds of sound in which words can be found
QUIET = 1e-3  # root mean square (-60 dB of full scale) below which nobody speaks
MIN_CONFIDENCE = 0.35


@dataclass(frozen=True)
class Alignment:
    """What came of aligning.

    Attributes
    ----------
    cues : list of Cue
        The given ones, each with a time for every word.
    confidences : list of float
        One a cue: 0 where nothing was heard, nan where the words were given.
    counts : dict of str to int
        Cues whose words were ``given``, ``aligned``, or estimated because of ``low_confidence``, because there was
        ``no_sound`` at that time, or because the aligner's words were ``refused``.
    seconds : float
        How much sound was found.

    Examples
    --------
    >>> found = Alignment([Cue(0, 1, "네")], [0.8], {"aligned": 1}, 1.0)
    >>> found.counts["aligned"], found.confidences
    (1, [0.8])
    """

    cues: list[Cue]
    confidences: list[float]
    counts: dict[str, int]
    seconds: float = field(default=0.0)


def find_aligner(name: str) -> Aligner:
    """Import a real aligner by its name.

    Parameters
    ----------
    name : str
        ``"package.module:function"``.

    Raises
    ------
    ConfigError
        If it cannot be imported, or is none.

    Examples
    --------
    >>> find_aligner("aligners")
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: There is no such aligner. Expected: package.module:function. Found: aligners.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function) if function else None
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError("There is no such aligner.", where=name, found=error) from error
    if not callable(found):
        raise ConfigError("There is no such aligner.", expected="package.module:function", found=name)
    return found


def align_words(
    cues: Iterable[Cue],
    audio: Any,
    *,
    aligner: Aligner | None = None,
    margin: float = 0.5,
    min_confidence: float = MIN_CONFIDENCE,
) -> Alignment:
    """Find out from the sound when each word of some cues is said.

    Parameters
    ----------
    cues : iterable of Cue or Utterance
        In order and apart, as `load_transcript` gives them. Words whose time is given are left as they are.
    audio : path or (array [shape=(N,)], int)
        A sound or video file in any format that ffmpeg reads; or samples and their rate in hertz.
    aligner : callable, optional
        A real aligner, see `Aligner`. By default eSpeak NG's Korean voice reads the words, and dynamic time warping
        on cepstra lays them over the sound.
    margin : float
        Seconds that a cue may be early or late: its words are looked for so far before and after it.
    min_confidence : float
        Cues below this keep the estimate.

    Returns
    -------
    alignment : Alignment
        With as many cues as before, in order and apart. A cue may begin earlier or end later than before, where its
        words do.

    Raises
    ------
    FormatError
        If the file cannot be read or has no sound.
    MissingDependencyError
        If librosa, eSpeak NG or ffmpeg is not installed.
    ConfigError
        If an option cannot work.

    Notes
    -----
    Confidence is ``1 - d / b``, within 0 and 1: ``d`` is the mean cosine distance along the path between the voice's
    frames and the sound's, ``b`` the same for the voice played backwards, which has the same sounds in the wrong
    order. Noise, silence and another text fit either way equally badly: about 0.1. An aligner of the user's counts
    as 1. Sound is read once, from front to back, a cue at a time.

    The method is that of aeneas [1]_.

    References
    ----------
    .. [1] A. Pettarin, aeneas: automatically synchronize audio and text, 2017. https://www.readbeyond.it/aeneas

    Examples
    --------
    >>> with KoreanVoice() as voice:
    ...     said = [voice.say(word) for word in ("오늘은", "날씨가", "좋아요")]
    ...     rate = voice.sample_rate
    >>> sound = np.concatenate([np.zeros(rate), *said, np.zeros(rate)])
    >>> found = align_words([Cue(0.8, 2.9, "오늘은 날씨가 좋아요")], (sound, rate))
    >>> [word.source for word in found.cues[0].words], found.counts["aligned"]
    (['aligned', 'aligned', 'aligned'], 1)
    >>> abs(found.cues[0].words[0].start - 1.0) < 0.05
    True
    """
    cues = list(cues)
    if not (0 <= margin <= 10 and 0 <= min_confidence <= 1):
        found = f"{margin}, {min_confidence}"
        raise ConfigError("Words cannot be aligned so.", expected="margin 0 to 10, min_confidence 0 to 1", found=found)
    counts = dict.fromkeys(("given", "aligned", "low_confidence", "no_sound", "refused"), 0)
    done: list[Cue] = []
    confidences: list[float] = []
    with ExitStack() as opened:
        sound = opened.enter_context(SoundReader(audio, sample_rate=SAMPLE_RATE))
        align = _VoiceAligner(opened.enter_context(KoreanVoice())) if aligner is None else _asked(aligner)
        for cue, after in zip_longest(cues, cues[1:]):
            begin = max(cue.start - margin, done[-1].words[-1].end if done and done[-1].words else 0.0)
            end = min(cue.end + margin, _reserved(after))
            words, confidence, kind = _align_cue(cue, begin, end, sound, align, min_confidence)
            counts[kind] += 1
            confidences.append(confidence)
            done.append(replace(cue, words=words))
    return Alignment(_apart(done), confidences, counts, sound.seconds)


def _is_given(cue: Cue) -> bool:
    return any(word.source == "given" for word in join_words(cue.text, cue.words))


def _reserved(cue: Cue | None) -> float:
    """Say from when on the words before a cue must have ended: half of its time is its own, whatever they take."""
    if cue is None:
        return float("inf")
    return timed_words(cue)[0].start if _is_given(cue) else (cue.start + cue.end) / 2


def _align_cue(
    cue: Cue,
    begin: float,
    end: float,
    sound: SoundReader,
    align: Callable[[np.ndarray, Cue], tuple[Sequence[Word], float]],
    min_confidence: float,
) -> tuple[tuple[Word, ...], float, str]:
    """Give the words of one cue, the confidence in them, and what kind of times they have."""
    if _is_given(cue):
        return timed_words(cue), float("nan"), "given"
    estimate = estimate_words(cue.text, max(cue.start, begin), cue.end)
    samples = sound.between(begin, end)
    enough = max(cue.seconds / 2, LEAST)
    if len(samples) < enough * SAMPLE_RATE or np.sqrt(np.mean(np.square(samples))) < QUIET:
        return estimate, 0.0, "no_sound"
    found, confidence = align(samples, cue)
    if confidence < min_confidence:
        return estimate, confidence, "low_confidence"
    inside = shift_words(join_words(cue.text, found), 0.0, end - begin)
    if not inside or inside[0].start >= inside[-1].end:
        return estimate, 0.0, "refused"
    words = tuple(replace(word, source="aligned") for word in inside)
    return shift_words(words, begin, end), confidence, "aligned"


def _apart(cues: Sequence[Cue]) -> list[Cue]:
    """Stretch cues to hold their words, and end each where the next one starts."""
    held: list[Cue] = []
    for cue in cues:
        start = min([cue.start, *(word.start for word in cue.words)])
        start = max([start, *(word.end for before in held[-1:] for word in before.words[-1:])])
        held.append(replace(cue, start=start, end=max([cue.end, *(word.end for word in cue.words)])))
    ends = [*(cue.start for cue in held[1:]), float("inf")]
    return [replace(cue, end=min(cue.end, end)) for cue, end in zip(held, ends, strict=False)]


def _asked(aligner: Callable[..., Sequence[Word]]) -> Callable[[np.ndarray, Cue], tuple[Sequence[Word], float]]:
    """Ask the user's aligner as one would ask ours."""
    return lambda samples, cue: (aligner(samples, SAMPLE_RATE, cue.text), 1.0)


# -- The synthetic voice, laid over the sound ------------------------------------------------

_HOP = round(HOP * SAMPLE_RATE)  # samples
_LONG_PAUSE = 0.2  # seconds
_SILENCE, _PAUSE = 0.2, 0.15  # seconds that the voice is silent around a text, and after a comma or full stop
# How far voice and sound may go on in one step of the path: neither ever goes three times as fast as the other.
_STEPS, _WEIGHTS = np.array([[1, 1], [1, 2], [2, 1], [1, 3], [3, 1]]), np.array([1.0, 1.0, 2.0, 1.5, 3.0])
_THROATS = (0.85, 1.0, 1.18)  # the voice is a man's; the one that fits best is taken, cue by cue
_SLOWEST, _FASTEST = 0.5, 4.0  # of the voice, to bring it to the length of the cue


class _VoiceAligner:
    """Lays words of a synthetic voice over samples of speech."""

    def __init__(self, voice: KoreanVoice) -> None:
        self.voice = voice

    def __call__(self, samples: np.ndarray, cue: Cue) -> tuple[list[Word], float]:
        """Give the words in seconds from the first sample, and how well they fit."""
        spoken, times = self._read(cue.text)
        hop = HOP * max(len(samples) / SAMPLE_RATE / HOP / MOST_FRAMES, 1.0)
        tempo = min(max(len(spoken) / SAMPLE_RATE / cue.seconds, _SLOWEST), _FASTEST)
        heard = _features(samples, hop)
        tries = [_lay(_features(spoken, hop * tempo, throat=throat), heard) for throat in _THROATS]
        path, confidence = max(tries, key=lambda tried: tried[1])
        if path is None:
            return [], 0.0
        found = np.interp(np.array(times) / (hop * tempo), path[:, 0], path[:, 1]) * hop
        loud = _loud(samples)
        times = [_without_silence(start, end, loud) for start, end in found]
        words = [Word(start, end, text) for (start, end), text in zip(times, cue.text.split(), strict=True)]
        return words, confidence

    def _read(self, text: str) -> tuple[np.ndarray, list[tuple[float, float]]]:
        """Read a text aloud: samples, and start and end of each word in seconds."""
        parts, times = [np.zeros(round(_SILENCE * SAMPLE_RATE), np.float32)], []
        length = len(parts[0])
        for word in text.split():
            said = self.voice.say(_sounding(read_aloud(word)))
            times.append((length / SAMPLE_RATE, (length + len(said)) / SAMPLE_RATE))
            pause = _PAUSE if word.rstrip("\"'”’」』)").endswith((",", ".", "?", "!", "…", ";", ":")) else 0.0
            parts += [said, np.zeros(round(pause * SAMPLE_RATE), np.float32)]
            length += len(said) + len(parts[-1])
        return np.concatenate([*parts, parts[0]]), times


def _loud(samples: np.ndarray) -> np.ndarray:
    """Say of each `HOP` whether somebody speaks in it."""
    frames = samples[: len(samples) // _HOP * _HOP].reshape(-1, _HOP)
    level = np.log(np.sqrt(np.mean(np.square(frames), axis=1)) + 1e-6)
    low, high = np.quantile(level, (0.05, 0.95))
    return level >= low + 0.2 * (high - low)


def _without_silence(start: float, end: float, loud: np.ndarray) -> tuple[float, float]:
    """Let a word begin and end with its sound: the path has stretched its first or last frame over a long pause."""
    inside = np.flatnonzero(loud[int(start / HOP) : int(np.ceil(end / HOP))])
    if len(inside) == 0:
        return float(start), float(end)
    first, last = (int(start / HOP) + inside[k] for k in (0, -1))
    # A shorter silence may be the closure of a consonant.
    begin = first * HOP if first * HOP - start > _LONG_PAUSE else start
    return float(begin), float(max((last + 1) * HOP if end - (last + 1) * HOP > _LONG_PAUSE else end, begin))


def _sounding(word: str) -> str:
    return "".join(letter for letter in word if letter.isalnum())


def _features(samples: np.ndarray, hop: float, *, throat: float = 1.0) -> np.ndarray:
    """Give cepstra and their slopes, float ``(26, T)``, each frame of length 1; normalised over the loud frames.

    `throat` shortens the vocal tract: it moves all frequencies up by this factor.
    """
    librosa = _librosa()
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=SAMPLE_RATE * throat,
        n_fft=550,
        hop_length=max(round(hop * SAMPLE_RATE), 1),
        n_mels=40,
        fmin=60,
        fmax=7000,
    )
    cepstra = librosa.feature.mfcc(S=librosa.power_to_db(mel, ref=np.max, top_db=50), n_mfcc=13)
    low, high = np.quantile(cepstra[0], (0.05, 0.95))
    loud = cepstra[:, cepstra[0] >= low + 0.35 * (high - low)]
    cepstra = (cepstra - loud.mean(1, keepdims=True)) / (loud.std(1, keepdims=True) + 1e-3)
    slopes = librosa.feature.delta(cepstra, width=5, mode="nearest")
    frames = np.concatenate([cepstra, 2 * slopes])
    return frames / (np.linalg.norm(frames, axis=0) + 1e-9)


def _lay(voiced: np.ndarray, heard: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Lay the voice's frames over the sound's: the path, and how sure it is; no path where the voice has no room."""
    if voiced.shape[1] >= heard.shape[1]:
        return None, 0.0
    distances = 1 - voiced.T @ heard
    path, fit = _warp(distances)
    _, backwards = _warp(distances[::-1].copy())
    return path, float(np.clip(1 - fit / max(backwards, 1e-9), 0, 1))


def _warp(distances: np.ndarray) -> tuple[np.ndarray, float]:
    """Give the best path (voice frame, sound frame) ``(L, 2)`` and the mean distance along it."""
    _, path = _librosa().sequence.dtw(C=distances, subseq=True, step_sizes_sigma=_STEPS, weights_mul=_WEIGHTS)
    path = path[::-1]
    return path, distances[path[:, 0], path[:, 1]].mean()


def _librosa() -> ModuleType:
    try:
        import librosa
    except ImportError as error:
        raise MissingDependencyError(
            "Aligning words with sound needs librosa.", fix='pip install "ktube_motion[align]"'
        ) from error
    return librosa
