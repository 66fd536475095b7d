"""The made-up speaker: sentences in time, gestures at their words, an estimator's files and faults."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..io._files import write_text
from ..types import Cue, PoseSequence
from ._faults import FAULTS, spoil
from ._files import CAMERA, TRANSCRIPTS, pose_json
from ._gestures import HANGING, Arm, Pose, Style, gesture, reach
from ._speech import Moment, choose, open_some, schedule
from ._tracks import Tracks, enliven
from ._wordings import Sentence, sentences

__all__ = ["Label", "Speaker", "make_speaker"]


@dataclass(frozen=True)
class Label:
    """A gesture and its word, in seconds.

    Attributes
    ----------
    concept : str
        One of `CONCEPTS`.
    cue : int
        Place of the utterance in `Speaker.cues`.
    word : str
        The words that carry the gesture, without particle or ending where these do not.
    start, end : float
        When they are said.
    onset, stroke, release : float
        When the gesture leaves what was before, when it reaches its first telling pose (a wave goes on from there),
        and when it lets go of the last one.
    hand : {"left", "right", "both", "none"}
        Which arms take part; ``"none"`` where only the head does.

    Examples
    --------
    >>> speaker = make_speaker(num_utterances=1, seed=2)
    >>> all(label.onset <= label.stroke <= label.release for label in speaker.labels)
    True
    """

    concept: str
    cue: int
    word: str
    start: float
    end: float
    onset: float
    stroke: float
    release: float
    hand: str


@dataclass(frozen=True, eq=False)
class Speaker:
    """A made-up recording.

    Attributes
    ----------
    name : str
    poses : PoseSequence
        What an estimator would have seen: with the faults that were asked
        for. Reading ``NAME.json`` gives the same.
    truth : PoseSequence
        The poses without faults.
    cues : list of Cue
        The subtitles, with the time of every word.
    sentences : list of Sentence
        What each cue says and which concepts its words belong to.
    labels : list of Label
        Every gesture in time, in the order of their words.

    Examples
    --------
    >>> speaker = make_speaker(num_utterances=2, seed=3)
    >>> len(speaker.cues), len(speaker.poses) == len(speaker.truth)
    (2, True)
    """

    name: str
    poses: PoseSequence
    truth: PoseSequence
    cues: list[Cue]
    sentences: list[Sentence]
    labels: list[Label]


def make_speaker(
    folder: str | PathLike[str] | None = None,
    *,
    seed: int = 0,
    person: int | None = None,
    num_utterances: int = 18,
    fps: float = 30.0,
    faults: bool | Collection[str] = False,
    name: str | None = None,
    wordings: Sequence[Sentence] | None = None,
    split: str | None = None,
    transcript: str = "srt",
) -> Speaker:
    """Make a speaker whose gestures follow his Korean words.

    Parameters
    ----------
    folder : path, optional
        Where to write ``NAME.json`` (poses as Hand4Whole and OSX give them, in
        a camera frame) and the transcript. By default nothing is written.
    seed : int
        Another seed, another speaker: body, hand, manner, sentences.
    person : int, optional
        Whose body and manner these are: preferred hand, rest pose, tempo, size, how far gestures lead their words,
        rate of speech, favourite wordings. Videos of one speaker share
        it and differ in `seed`; by default every seed is somebody else.
    num_utterances : int
        How many sentences he says, 2 to 8 seconds each; 18 take about 80 seconds.
    fps : float
        Frames per second.
    faults : bool or collection of str
        An estimator's faults, all or some of `FAULTS`: about 2° of jitter on
        every joint, gaps of missing frames, single-frame outliers, a drifting
        root and camera.
    name : str, optional
        Default: ``speaker_SEED``.
    wordings : sequence of Sentence, optional
        What he may say; default all `sentences` of `split`. Concepts come in turn, so that all are heard equally
        often; one sentence in ten has none where there are such.
    split : {"train", "new"}, optional
        Say only wordings for training, or only those kept from it; by default both.
    transcript : {"srt", "TextGrid"}
        What is written beside the poses: subtitles without word times, ``NAME.srt``, or utterances and words with
        theirs, ``NAME.TextGrid``.

    Returns
    -------
    speaker : Speaker

    Raises
    ------
    ConfigError
        If an option cannot work.

    Examples
    --------
    >>> speaker = make_speaker(seed=1, num_utterances=2)
    >>> speaker.poses.rotvecs.shape[1:], len(speaker.cues), speaker.cues[0].text == speaker.sentences[0].text
    ((55, 3), 2, True)

    Every gesture is told with its word:

    >>> label = make_speaker(num_utterances=1, wordings=sentences("left")).labels[0]
    >>> label.concept, label.hand, label.onset < label.start < label.release
    ('left', 'left', True)
    """
    if wordings is not None and split is not None:
        raise ConfigError(
            "Wordings have been chosen already.", fix="Give wordings=sentences(split=…), or split= alone."
        )
    given, wordings = wordings is not None, sentences(split=split) if wordings is None else tuple(wordings)
    faults = FAULTS if faults is True else tuple(faults or ())
    _check(num_utterances, fps, faults, name, wordings)
    _check_choices(seed, transcript)
    name = f"speaker_{seed:04d}" if name is None else name
    rng = np.random.default_rng(seed)
    himself = rng if person is None else np.random.default_rng((abs(person), 1 + (person < 0)))
    style, rate, liking = _style(himself), himself.uniform(4.9, 6.3), himself.gamma(1.5, size=len(wordings))
    betas = himself.normal(0, 0.6, 10).clip(-1.5, 1.5).round(5)
    said = open_some(choose(wordings, num_utterances, liking, rng), rng, plainly=given)
    cues, moments = schedule(said, rate, rng)
    tracks = Tracks(style)
    labels = [_gesticulate(tracks, moment, style, rng) for moment in moments]
    seconds = max(cues[-1].end, labels[-1].release if labels else 0.0) + 0.95
    times = np.arange(round(seconds * fps)) / fps
    rotvecs = enliven(tracks.rotations(times), times, cues, rng)
    camera = np.array([rng.normal(0, 0.05), 0.25 + rng.normal(0, 0.03), 2.6 + rng.normal(0, 0.15)])
    truth = PoseSequence(
        rotvecs,
        np.tile(CAMERA.apply(camera), (len(times), 1)),
        fps=fps,
        betas=betas,
        expression=np.zeros((len(times), 10)),
        source=name,
    )
    poses = spoil(truth, faults, rng)
    if folder is not None:
        write_text(Path(folder) / f"{name}.json", pose_json(poses))
        write_text(Path(folder) / f"{name}.{transcript}", TRANSCRIPTS[transcript](cues))
    return Speaker(name, poses, truth, cues, said, _until_next(labels))


def _check(
    num_utterances: int, fps: float, faults: Collection[str], name: str | None, wordings: Sequence[Sentence]
) -> None:
    if num_utterances < 1 or not fps > 0:
        raise ConfigError(
            "A speaker needs sentences and frames.",
            expected="num_utterances >= 1 and fps > 0",
            found=f"num_utterances={num_utterances}, fps={fps}",
        )
    unknown = sorted(set(faults) - set(FAULTS))
    if unknown:
        raise ConfigError("Unknown faults.", expected=f"some of {', '.join(FAULTS)}", found=", ".join(unknown))
    if name is not None and (not name or name in (".", "..") or set(name) & set("/\\\0")):
        raise ConfigError("A speaker's name becomes a file name.", expected="no separators", found=repr(name))
    if not wordings:
        raise ConfigError("There is no wording to say.", expected="sentences from ktube_motion.samples.sentences()")


def _check_choices(seed: int, transcript: str) -> None:
    if seed < 0:
        raise ConfigError("A seed counts from 0.", expected="seed >= 0", found=seed)
    if transcript not in TRANSCRIPTS:
        raise ConfigError("Unknown transcript format.", expected=", ".join(TRANSCRIPTS), found=repr(transcript))


def _style(rng: np.random.Generator) -> Style:
    """One person's way of moving."""
    clasped = rng.random() < 0.25
    rest: dict[str, Pose] = {}
    for part in ("left", "right"):
        base = reach((0.05, -0.42, 0.19), (-0.3, 0, -1), elbow=(1, -0.6, -0.3)) if clasped else HANGING
        change = rng.normal(0, 0.03, (2, 3)) * (0.4 if clasped else 1)
        upper, fore = np.array([base.upper, base.fore]) + change
        rest[part] = Arm(tuple(upper), tuple(fore), base.palm)
    side = "left" if rng.random() < 0.2 else "right"
    return Style(side, rng.uniform(0.88, 1.15), rng.uniform(0.88, 1.12), rng.uniform(0.0, 0.12), rest)


def _gesticulate(tracks: Tracks, moment: Moment, style: Style, rng: np.random.Generator) -> Label:
    """Play the gesture of some words, and say when it came."""
    keys = gesture(moment.concept, style, rng, moment.end - moment.start)
    due = moment.centre - style.lead + rng.normal(0, 0.025)
    onset, stroke, release = tracks.add(keys, due, style.speed)
    arms = sorted({key.part for key in keys} & {"left", "right"})
    hand = "both" if len(arms) == 2 else arms[0] if arms else "none"
    start, end, onset, stroke, release = (round(time, 3) for time in (moment.start, moment.end, onset, stroke, release))
    return Label(moment.concept, moment.cue, moment.text, start, end, onset, stroke, release, hand)


def _until_next(labels: list[Label]) -> list[Label]:
    """A gesture lets go where the next one begins."""
    cut = [replace(label, release=min(label.release, later.onset)) for label, later in pairwise(labels)]
    return cut + labels[-1:]
