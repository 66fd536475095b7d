"""A live session: words in, model, bones out."""

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import roma
import torch

from ..errors import ConfigError, FormatError, KtubeError, MissingDependencyError
from ..kinematics import inverse_kinematics
from ..pipeline import UtteranceToMotion
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55, Skeleton
from ..text import VISEMES, visemes
from ..types import Motion, Word
from ._beat import BeatOptions, Piece, keep_beat
from ._lines import Arrivals, parse_line

__all__ = ["LiveReport", "speak_live"]

_LEAD = 0.04  # seconds that the model has for a piece, beyond the look-ahead
_CALM = 0.15  # seconds in which the root's path settles; generated ones tremble
_KEPT = 64  # words of which the mouth may still speak


@dataclass(frozen=True)
class LiveReport:
    """What a live session did.

    Attributes
    ----------
    words, bad_lines, late_words : int
        Words that came; lines that could not be read; words that came after their time.
    frames : int
        Poses sent.
    delay : float
        Seconds from a word to its gesture: the look-ahead of the model, and the lead.
    first_bone : float
        Seconds from the first word to the first pose.
    jitter_median_ms, jitter_p99_ms, jitter_worst_ms : float
        How late poses were, by the clock.
    stalls : int
        How often poses had to wait for the model.
    stalled : float
        Seconds of that; what follows is played a little faster, until it is in time again.
    behind : float
        Seconds that were not made up for at the end.
    lost, skipped : int
        Datagrams that could not be sent, and frames left out for web pages that did not take them.
    """

    words: int
    bad_lines: int
    late_words: int
    frames: int
    delay: float
    first_bone: float
    jitter_median_ms: float
    jitter_p99_ms: float
    jitter_worst_ms: float
    stalls: int
    stalled: float
    behind: float
    lost: int
    skipped: int


def speak_live(
    pipeline: UtteranceToMotion,
    lines: Iterable[str],
    *,
    vmc: tuple[str, int] | None = ("127.0.0.1", 39539),
    websocket: tuple[str, int] | None = None,
    fps: float = 30.0,
    lead: float = _LEAD,
    hips_height: float | None = None,
    vrm: int = 0,
    tell: Callable[[str], None] = lambda message: None,
    ready: Callable[[int], None] = lambda port: None,
    **sampling: Any,
) -> LiveReport:
    """Drive avatars with words as they come.

    Parameters
    ----------
    pipeline : UtteranceToMotion
        One that hears words.
    lines : iterable of str
        JSON lines, as ``{"word": "손을", "start": 1.2, "end": 1.5}`` or ``{"text": "손을 들어요.", "start": 1.2}``:
        standard input, the lines of a socket. The time of the first word is now; a word should come before its
        time, and words may come out of order until theirs has come.
    vmc : (str, int), optional
        Host and port that VMC goes to; None sends none. 39539 is where receivers listen.
    websocket : (str, int), optional
        Host and port at which web pages listen; port 0 takes a free one.
    fps : float
        Poses a second.
    lead : float
        Seconds that the model has for each piece, beyond its look-ahead.
    hips_height : float, optional
        Of the avatar, metres: scales the path of the hips.
    vrm : {0, 1}
        Whose names of mouths VMC has.
    tell : callable
        Gets a sentence about each line that could not be read, and each word that came late.
    ready : callable
        Called with the WebSocket's port when poses can be received.
    **sampling
        temperature, top_k, top_p, guidance_scale, seed: see `ktube_motion.gpt.stream`.

    Returns
    -------
    report : LiveReport

    Raises
    ------
    ConfigError
        If the model hears no words, nothing would be sent, or an option cannot work.
    KtubeError
        If a port is in use, or the sender ended.
    MissingDependencyError
        If the extra ``live`` is not installed.

    Notes
    -----
    Bones have one length, that of the avatar; fingers move where the model has them. Feet are not held to the
    ground here, which needs what comes after. Where the model is too slow, the pose waits, and it is counted.
    """
    _check(pipeline, vmc, websocket, fps, lead, vrm, hips_height)
    names, offsets = _rest(pipeline.skeleton, hips_height)
    options = BeatOptions(fps, lead, names, offsets, VISEMES, vmc, websocket, vrm)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=keep_beat, args=(options, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        port = _when_ready(ours, websocket)
        _warm_up(pipeline, sampling)
        ready(port)
        arrivals = Arrivals(time.monotonic, tell, ahead=pipeline.seconds_ahead)
        bad = [0]
        reader = threading.Thread(target=_read, args=(lines, arrivals, tell, bad), daemon=True)
        reader.start()
        height = None if hips_height is None else hips_height / float(-_tall(pipeline.skeleton))
        for piece in _pieces(pipeline, arrivals, ours, lead, height, sampling):
            ours.send(piece)
        ours.send(None)
        measured = ours.recv()
    except (BrokenPipeError, EOFError, ConnectionResetError) as error:
        raise KtubeError("The process that sends poses has ended.", fix="Start again; see above why.") from error
    finally:
        ours.close()
        process.join(2)
        process.kill()
    first = measured.pop("first")
    begun = arrivals.begun
    return LiveReport(
        words=arrivals.words, bad_lines=bad[0], late_words=arrivals.late, delay=pipeline.seconds_ahead + lead,
        first_bone=float("nan") if first is None or begun is None else first - begun, **measured,
    )  # fmt: skip


def _check(
    pipeline: UtteranceToMotion,
    vmc: tuple[str, int] | None,
    websocket: tuple[str, int] | None,
    fps: float,
    lead: float,
    vrm: int,
    hips_height: float | None,
) -> None:
    if not pipeline.hears_words:
        raise ConfigError("This model hears no words.", fix="Train one with a word encoder (train-gpt --words).")
    if pipeline.skeleton not in (SMPL_22, SMPLH_52):
        raise ConfigError("Avatars need a human's joints.", expected="22 or 52", found=pipeline.skeleton.name)
    if vmc is None and websocket is None:
        raise ConfigError("Nobody would see it.", fix="Give vmc or websocket.")
    for place in (vmc, websocket):
        if place is not None and not 0 <= place[1] <= 65535:
            raise ConfigError("There is no such port.", expected="0 to 65535", found=place[1])
    for name, value in (("fps", fps), ("lead", lead), ("hips_height", hips_height)):
        if value is not None and not 0 < value < 1000:
            raise ConfigError(f"{name} must be a positive number.", found=value)
    if vrm not in (0, 1):
        raise ConfigError("Which VRM?", expected="0 or 1", found=vrm)
    try:
        import pythonosc  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("Live needs two packages.", fix='pip install "ktube_motion[live]"') from error


def _when_ready(pipe: Any, websocket: tuple[str, int] | None) -> int:
    kind, value = pipe.recv()
    if kind == "error":
        where = None if websocket is None else f"{websocket[0]}:{websocket[1]}"
        raise KtubeError("Web pages cannot be served here.", where=where, found=value, fix="Choose another port.")
    return int(value)


def _warm_up(pipeline: UtteranceToMotion, sampling: dict[str, Any]) -> None:
    """Load what is loaded when it is first used: no word shall wait for that."""
    first = pipeline.seconds_ahead
    words = [
        Word(first, first + 0.3, "안녕하세요"),
        Word(first + 0.3, first + 0.6, "2번"),
        Word(first + 0.6, first + 0.9, "AI"),
    ]
    for _ in pipeline.stream((*words, 2 * first + 1), **sampling):
        pass
    visemes(words, [first])


def _read(lines: Iterable[str], arrivals: Arrivals, tell: Callable[[str], None], bad: list[int]) -> None:
    """Put the words of all lines; a line that cannot be read is told, and left out."""
    try:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                words = parse_line(line)
            except FormatError as error:
                bad[0] += 1
                tell(f"line {number}: {error}")
                continue
            for word in words:
                arrivals.put(word)
    finally:
        arrivals.close()


def _pieces(
    pipeline: UtteranceToMotion,
    arrivals: Arrivals,
    pipe: Any,
    lead: float,
    height: float | None,
    sampling: dict[str, Any],
) -> Iterator[Piece]:
    """Yield the frames of each token as bones and mouths."""
    said: deque[Word] = deque(maxlen=_KEPT)
    frame, root = 0, None

    def heard() -> Iterator[Word | float]:
        for item in arrivals:
            if frame == 0 and arrivals.begun is not None:
                begin(arrivals.begun + lead)
            if isinstance(item, Word):
                said.append(item)
            yield item

    started = False

    def begin(moment: float) -> None:
        nonlocal started
        if not started:
            pipe.send(moment)
            started = True

    for motion in pipeline.stream(heard(), **sampling):
        quats, roots = _bones(motion)
        root, roots = _calmed(root, roots, pipeline.fps)
        times = (frame + np.arange(len(motion))) / pipeline.fps
        mouths = np.stack(list(visemes(said, times).values()), -1)
        yield Piece(frame / pipeline.fps, pipeline.fps, quats, roots * (height or 1.0), mouths)
        frame += len(motion)


def _rest(skeleton: Skeleton, hips_height: float | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and bones of the T pose that rotations start from."""
    offsets = _t_pose(skeleton)
    scale = 1.0 if hips_height is None else hips_height / -_tall(skeleton)
    return skeleton.joint_names, np.asarray(offsets * scale, np.float32)


def _t_pose(skeleton: Skeleton) -> np.ndarray:
    return SMPLX_55.offsets[:22] if skeleton is SMPL_22 else skeleton.offsets


def _tall(skeleton: Skeleton) -> float:
    """Height of the ground, seen from the hips, in the T pose."""
    return float(_t_pose(skeleton)[[1, 4, 7, 10], 1].sum())


def _bones(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations from the T pose as quaternions ``(n, J, 4)``, and roots ``(n, 3)``."""
    positions = motion.require("positions")
    rotations = inverse_kinematics(positions, skeleton=motion.skeleton, offsets=_t_pose(motion.skeleton))
    return roma.rotmat_to_unitquat(torch.from_numpy(rotations)).numpy(), positions[:, 0]


def _calmed(last: np.ndarray | None, roots: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Let the root's path settle: an exponential mean, from frame to frame."""
    share = 1 - np.exp(-1 / (_CALM * fps))
    calm = []
    for root in roots:
        last = root if last is None else last + share * (root - last)
        calm.append(last)
    return np.asarray(last), np.array(calm)
