"""The made-up speaker: sentences in time, gestures at their words, an estimator's files and faults."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import ConfigError
from ..io.files import write_text
from ..types import Cue, PoseSequence, Word
from .gestures import HANGING, JOINTS, Arm, Style, gesture, part_rotvecs
from .wordings import Sentence, sentences

__all__ = ["FAULTS", "Speaker", "make_speaker"]

FAULTS = ("jitter", "gaps", "outliers", "drift")
_CAMERA = Rotation.from_rotvec([np.pi, 0, 0])  # y down, z forward


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
    """

    name: str
    poses: PoseSequence
    truth: PoseSequence
    cues: list[Cue]
    sentences: list[Sentence]


def make_speaker(
    folder: str | PathLike | None = None,
    *,
    seed: int = 0,
    person: int | None = None,
    num_utterances: int = 18,
    fps: float = 30.0,
    faults: bool | Collection[str] = False,
    name: str | None = None,
    wordings: Sequence[Sentence] | None = None,
) -> Speaker:
    """Make a speaker whose gestures follow his Korean words.

    Parameters
    ----------
    folder : path, optional
        Where to write ``NAME.json`` (poses as Hand4Whole and OSX give them, in
        a camera frame) and ``NAME.srt``. By default nothing is written.
    seed : int
        Another seed, another speaker: body, hand, tempo, size, sentences.
    person : int, optional
        Whose body, hand, tempo and size these are. Videos of one speaker share
        it and differ in `seed`; by default every seed is somebody else.
    num_utterances : int
        How many sentences he says, 2 to 5 seconds each; 18 take about 75 seconds.
    fps : float
        Frames per second.
    faults : bool or collection of str
        An estimator's faults, all or some of `FAULTS`: about 2° of jitter on
        every joint, gaps of missing frames, single-frame outliers, a drifting
        root and camera.
    name : str, optional
        Default: ``speaker_SEED``.
    wordings : sequence of Sentence, optional
        What he may say; default all `sentences`. Concepts come in turn, so that all are heard equally often.

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
    """
    wordings = sentences() if wordings is None else tuple(wordings)
    faults = FAULTS if faults is True else tuple(faults or ())
    _check(num_utterances, fps, faults, name, wordings)
    name = f"speaker_{seed:04d}" if name is None else name
    rng = np.random.default_rng(seed)
    himself = rng if person is None else np.random.default_rng((person, 1))
    style = _style(himself)
    said = _choose(wordings, num_utterances, rng)
    cues, marks = _schedule(said, rng)
    tracks = _Tracks(style)
    for concept, stroke, span in marks:
        tracks.add(gesture(concept, style, rng, span), stroke, style.speed)
    seconds = cues[-1].end + 0.95
    times = np.arange(round(seconds * fps)) / fps
    rotvecs = _alive(tracks.rotations(times), times, cues, rng)
    camera = np.array([rng.normal(0, 0.05), 0.25 + rng.normal(0, 0.03), 2.6 + rng.normal(0, 0.15)])
    truth = PoseSequence(
        rotvecs,
        np.tile(_CAMERA.apply(camera), (len(times), 1)),
        fps=fps,
        betas=himself.normal(0, 0.6, 10).clip(-1.5, 1.5).round(5),
        expression=np.zeros((len(times), 10)),
        source=name,
    )
    poses = _spoil(truth, faults, rng)
    if folder is not None:
        write_text(Path(folder) / f"{name}.json", _pose_json(poses))
        write_text(Path(folder) / f"{name}.srt", _srt(cues))
    return Speaker(name, poses, truth, cues, said)


def _check(num_utterances, fps, faults, name, wordings):
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
    if not wordings or not all(sentence.marks for sentence in wordings):
        raise ConfigError("Every wording needs a concept.", expected="sentences from ktube_motion.samples.sentences()")


def _style(rng):
    """One person's way of moving."""
    rest = {}
    for part in ("left", "right"):
        change = rng.normal(0, 0.03, (2, 3))
        upper, fore = np.array([HANGING.upper, HANGING.fore]) + change
        rest[part] = Arm(tuple(upper), tuple(fore), HANGING.palm)
    side = "left" if rng.random() < 0.2 else "right"
    return Style(side, rng.uniform(0.88, 1.15), rng.uniform(0.9, 1.1), rest)


def _choose(wordings, count, rng):
    """Draw sentences so that concepts come in turn; one in five opens with 자."""
    by_concept = {}
    for sentence in wordings:
        by_concept.setdefault(sentence.concepts[0], []).append(sentence)
    names, turns, said = sorted(by_concept), [], []
    while len(said) < count:
        turns = turns or [names[place] for place in rng.permutation(len(names))]
        choices = by_concept[turns.pop()]
        sentence = choices[int(rng.integers(len(choices)))]
        opens = rng.random() < 0.2 and not sentence.text.startswith("자")
        said.append(sentence.opened("자, ") if opens else sentence)
    return said


def _schedule(said, rng):
    """Give cues with word times, and (concept, time of the stroke, length of its words)."""
    rate = rng.uniform(5.0, 6.2)  # syllables per second
    cues, marks, start = [], [], 1.0
    for sentence in said:
        weights = np.array([_length(character) for character in sentence.text])
        seconds = float(np.clip(weights.sum() / rate + 0.25, 2.0, 5.0))
        clock = start + np.concatenate([[0], weights.cumsum() / weights.sum()]) * seconds
        cues.append(_cue(sentence.text, clock))
        for concept, first, last in sentence.marks:
            span = clock[last] - clock[first]
            stroke = clock[first] + (0.1 if concept == "count" else 0.5 * min(span, 0.6))
            marks.append((concept, float(stroke), float(span)))
        start += seconds + rng.uniform(0.5, 1.1)
    return cues, marks


def _length(character):
    """How long a character sounds, in syllables."""
    if character in ",.!?":
        return 1.2 if character == "," else 0.4
    return 0.1 if character == " " else 1.0


def _cue(text, clock):
    words, place = [], 0
    for word in text.split(" "):
        start, end = clock[place], clock[place + len(word.rstrip(",.!?"))]
        words.append(Word(round(float(start), 3), round(float(end), 3), word))
        place += len(word) + 1
    return Cue(round(float(clock[0]), 3), round(float(clock[-1]), 3), text, tuple(words))


class _Tracks:
    """Key poses in time for torso, head and both arms."""

    def __init__(self, style):
        self.rest = {part: _quat(part, style.rest.get(part, (0, 0, 0))) for part in JOINTS}
        self.keys = {part: [(0.0, rest, None)] for part, rest in self.rest.items()}
        self.stroke = -10.0

    def add(self, keys, stroke, speed):
        """Put a gesture's keys at `stroke`: the way there before, the way back after."""
        reach, back = 0.62 / speed, 0.75 / speed
        begin = max(stroke + min(key.time for key in keys) - reach, self.stroke + 0.2, 0.0)
        for part in JOINTS:
            mine = [key for key in keys if key.part == part]
            if not mine:
                if self.keys[part][-1][0] > begin:  # the gesture before lets go of what this one leaves alone
                    self._take_over(part, begin).append((begin + back, self.rest[part], None))
                continue
            first = max(stroke + mine[0].time, begin + 0.3)
            late = first - (stroke + mine[0].time)
            track = self._take_over(part, max(first - reach, begin))
            for key in mine:
                via = None if key.via is None else _quat(part, key.via)
                track.append((stroke + key.time + late, _quat(part, key.pose), via))
            via = None if mine[0].via is None else _quat(part, mine[0].via)
            track.append((track[-1][0] + back, self.rest[part], via))
        self.stroke = stroke

    def _take_over(self, part, start):
        """Drop what a part would do after `start`; until then it keeps its last pose."""
        track = self.keys[part]
        while len(track) > 1 and track[-1][0] > start:
            track.pop()
        if track[-1][0] < start:
            track.append((start, track[-1][1], None))
        return track

    def rotations(self, times):
        """Sample all tracks: quaternions xyzw ``(T, 55, 4)``."""
        quats = np.zeros((len(times), 55, 4))
        quats[..., 3] = 1
        for part, track in self.keys.items():
            joints = list(JOINTS[part])
            quats[:, joints] = track[-1][1]
            for (start, before, _), (end, after, via) in pairwise(track):
                frames = np.flatnonzero((times >= start) & (times < end))
                s = _ease((times[frames] - start) / (end - start))[:, None, None]
                if via is None:
                    quats[np.ix_(frames, joints)] = _slerp(before, after, s)
                else:  # a quadratic Bézier curve of rotations: it bends towards `via` without stopping there
                    quats[np.ix_(frames, joints)] = _slerp(_slerp(before, via, s), _slerp(via, after, s), s)
        return quats


def _quat(part, pose):
    return Rotation.from_rotvec(part_rotvecs(part, pose)).as_quat()


def _ease(s):
    """Minimum-jerk progress from 0 to 1."""
    return s**3 * (10 - 15 * s + 6 * s**2)


def _slerp(a, b, s):
    """Turn the shorter way from `a` to `b` ``(..., 4)``."""
    cosine = (a * b).sum(-1, keepdims=True)
    b, cosine = np.where(cosine < 0, -b, b), np.abs(cosine)
    angle = np.arccos(np.clip(cosine, 0, 1))
    near = angle < 1e-6
    sine = np.where(near, 1, np.sin(angle))
    mixed = np.where(near, 1 - s, np.sin((1 - s) * angle) / sine) * a + np.where(near, s, np.sin(s * angle) / sine) * b
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def _alive(quats, times, cues, rng):
    """Add what never stops: swaying, breathing, small looks, and the jaw while he talks."""

    def wander(size, slowest, fastest):
        rates, phases = rng.uniform(slowest, fastest, 4), rng.uniform(0, 2 * np.pi, 4)
        return size / 2 * np.sin(2 * np.pi * rates * times[:, None] + phases).sum(1)

    extra = np.zeros((len(times), 55, 3))
    breath = np.sin(2 * np.pi * rng.uniform(0.22, 0.30) * times + rng.uniform(0, 6))
    extra[:, 6, 0] = -0.012 * breath
    extra[:, 9, 0] = 0.010 * breath
    extra[:, 13, 2], extra[:, 14, 2] = 0.010 * breath, -0.010 * breath
    for axis, size in enumerate((0.012, 0.020, 0.014)):
        extra[:, 3, axis] += wander(size, 0.05, 0.25)
        extra[:, 12, axis] += wander(1.5 * size, 0.08, 0.4)
    for joint in (16, 17, 18, 19):
        extra[:, joint] += np.stack([wander(0.02, 0.08, 0.35) for _ in range(3)], -1)
    for cue in cues:
        inside = (times >= cue.start) & (times <= cue.end)
        fade = np.clip((cue.end - times[inside]) / 0.2, 0, 1)
        extra[inside, 22, 0] = 0.16 * fade * np.sin(np.pi * 2.6 * (times[inside] - cue.start)) ** 2
    local = Rotation.from_quat(quats.reshape(-1, 4)) * Rotation.from_rotvec(extra.reshape(-1, 3))
    rotvecs = local.as_rotvec().reshape(len(times), 55, 3)
    rotvecs[:, 0] = rng.normal(0, (0.03, 0.08, 0.02))  # the camera does not stand exactly before him
    return rotvecs


def _spoil(truth, faults, rng):
    """Give the poses as an estimator would: each fault draws from its own generator."""
    frames, seconds = len(truth), truth.seconds
    draws = dict(zip(FAULTS, rng.spawn(len(FAULTS)), strict=True))
    turns, transl, valid = np.zeros((frames, 55, 3)), truth.transl.copy(), truth.valid.copy()
    if "jitter" in faults:
        turns += draws["jitter"].normal(0, np.radians(2) / np.sqrt(3), turns.shape)
        turns[:, 23:25] = 0  # the format has no eyes
    if "outliers" in faults:
        for frame in draws["outliers"].integers(1, frames - 1, max(1, round(seconds / 10))):
            joints = draws["outliers"].choice(np.arange(1, 22), 6, replace=False)
            turns[frame, joints] += draws["outliers"].normal(0, 0.7, (6, 3))
    if "drift" in faults:
        path = draws["drift"].normal(size=(frames, 6)).cumsum(0) / np.sqrt(frames)
        path -= np.linspace(0, 1, frames)[:, None] * path[-1] * 0.3
        turns[:, 0] += 0.12 * path[:, :3]
        transl += 0.15 * path[:, 3:]
    if "gaps" in faults:
        for start in draws["gaps"].integers(1, max(frames - 8, 2), max(1, round(seconds / 7))):
            valid[start : start + int(draws["gaps"].integers(2, 7))] = False
    rotvecs = Rotation.from_rotvec(truth.rotvecs.reshape(-1, 3)) * Rotation.from_rotvec(turns.reshape(-1, 3))
    rotvecs = rotvecs.as_rotvec().reshape(frames, 55, 3)
    rotvecs[~valid], transl[~valid] = 0, 0
    return truth.replace(rotvecs=rotvecs if faults else truth.rotvecs, transl=transl, valid=valid)


def _pose_json(poses):
    """The raw dictionary of Hand4Whole and OSX, frame by frame, in a camera frame."""
    root = (_CAMERA * Rotation.from_rotvec(poses.rotvecs[:, 0])).as_rotvec()
    camera = _CAMERA.apply(poses.transl)
    rows = []
    for frame in np.flatnonzero(poses.valid):
        parts = {
            "smplx_root_pose": root[frame],
            "smplx_body_pose": poses.body_pose[frame],
            "smplx_lhand_pose": poses.left_hand_pose[frame],
            "smplx_rhand_pose": poses.right_hand_pose[frame],
            "smplx_jaw_pose": poses.jaw_pose[frame],
            "smplx_shape": poses.betas,
            "smplx_expr": poses.expression[frame],
            "cam_trans": camera[frame],
        }
        row = {key: [round(float(number), 5) for number in values.reshape(-1)] for key, values in parts.items()}
        rows.append(json.dumps({"frame": int(frame), **row}, separators=(",", ":")))
    return f'{{"fps":{poses.fps},"frames":[\n' + ",\n".join(rows) + "\n]}\n"


def _srt(cues):
    blocks = (
        f"{number}\n{_clock(cue.start)} --> {_clock(cue.end)}\n{cue.text}\n" for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def _clock(seconds):
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"
