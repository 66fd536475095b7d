"""A video file becomes landmarks and poses: shot by shot, what is finished is kept."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError, FormatError
from ..io._files import atomic_path, read_json
from ..io._untrusted import DAMAGED
from ..kinematics import (
    BODY_LANDMARKS,
    HAND_LANDMARKS,
    Body,
    Landmarks,
    fit_landmarks,
    mend_swaps,
    steady_trunk,
)
from ..types import PoseSequence
from ._engines import Engine, load_engine
from ._frames import choose_rate, probe_video, read_frames
from ._hiding import drop_half_hidden, guessed_fingers, guessed_legs
from ._people import look_for_speaker
from ._shots import Shot, find_shots
from ._tracking import Follower, SeenFrame, Speaker
from ._uprightness import stand_upright

__all__ = ["VideoLandmarks", "estimate_landmarks", "estimate_poses", "fit_video"]

NAMES = BODY_LANDMARKS + tuple(f"{side}_hand_{name}" for side in ("left", "right") for name in HAND_LANDMARKS)
_LOOKS = 5  # at a shot, to choose the speaker
_PIECE_SECONDS = 60.0  # of a long shot: what a killed build loses at most

Progress = Callable[[int, int], object]


@dataclass(frozen=True, eq=False)
class VideoLandmarks:
    """What was seen in a video.

    Attributes
    ----------
    shots : list of Shot
    landmarks : list of Landmarks
        Of each shot; weights are 0 where the speaker is not seen.
    fps : float
    estimator : dict
        Engine, versions, models with their checksums.
    warnings : list of str
    """

    shots: list[Shot]
    landmarks: list[Landmarks]
    fps: float
    estimator: dict[str, object] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def estimate_landmarks(
    path: str | Path,
    *,
    engine: str | Engine = "litert",
    models: str | Path | None = None,
    fps: float | None = None,
    hands: bool = True,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> VideoLandmarks:
    """Find the speaker's landmarks in a video file.

    Parameters
    ----------
    path : path
        Anything ffmpeg reads.
    engine : str or Engine
        See `load_engine`.
    models : path, optional
        Where the networks are, see `find_models`.
    fps : float, optional
        How often to look; by default the video's own rate, at most 30.
    hands : bool
        Whether to look at the fingers.
    cache : path, optional
        A folder of this video and these options alone: what is finished, at
        most a minute at a time, is kept there and not done again.
    progress : callable, optional
        Called with the numbers of frames that are finished and that there are.

    Returns
    -------
    seen : VideoLandmarks

    Raises
    ------
    FormatError
        If the file cannot be read.
    DataError
        If it is a still picture, or has too few frames a second.
    MissingDependencyError
        If engine, networks or ffmpeg are not installed.
    """
    info = probe_video(path)
    rate = choose_rate(info, fps, path)
    eyes = load_engine(engine, models) if isinstance(engine, str) else engine
    shots = _shots_of(path, rate, cache)
    if shots[-1].last < 2:
        raise DataError("This is a still picture.", where=path, expected="2 frames or more", found=shots[-1].last)
    found = []
    for shot in shots:
        # Made once: pieces laid together at the end would be an hour twice in memory.
        whole, done = _nothing(shot.last - shot.first), 0
        for piece in _look(path, eyes, shot, rate, hands, None if cache is None else Path(cache)):
            for part, seen in zip(whole, piece, strict=True):
                part[done : done + len(seen)] = seen
            done += len(piece[0])
            if progress is not None:
                progress(shot.first + done, shots[-1].last)
        found.append(drop_half_hidden(Landmarks(NAMES, *whole, fps=rate, name=Path(path).stem)))
    warnings = []
    seconds = shots[-1].last / rate
    if info.seconds - seconds > max(1.0, 0.01 * info.seconds):
        warnings.append(f"the pictures end at {seconds:.1f} s, the header says {info.seconds:.1f} s")
    return VideoLandmarks(shots, found, rate, eyes.describe(), warnings)


def _shots_of(path: str | Path, fps: float, cache: str | Path | None) -> list[Shot]:
    kept = None if cache is None else Path(cache) / "shots.json"
    if kept is not None and os.path.isfile(kept):
        with suppress(FormatError, TypeError):  # damaged since: found again
            return [Shot(*pair) for pair in read_json(kept)]
    shots = find_shots(path, fps=fps)
    if kept is not None:
        with atomic_path(kept) as temporary:
            temporary.write_text(json.dumps([[shot.first, shot.last] for shot in shots]), encoding="utf-8")
    return shots


_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def _look(
    path: str | Path, engine: Engine, shot: Shot, fps: float, hands: bool, cache: Path | None
) -> Iterator[_Arrays]:
    """Give points, weights and pixels of a shot, piece by piece.

    Every piece begins with what is kept of the one before, place and clothes: a build that was stopped in between gives
    the same bytes.
    """
    speaker: Speaker | None = None
    length = max(round(_PIECE_SECONDS * fps), 1)
    for first in range(shot.first, shot.last, length):
        count = min(length, shot.last - first)
        kept = None if cache is None else cache / f"{first:08d}.npz"
        before = None if kept is None else _kept_piece(kept, count)
        if before is not None:
            *arrays, numbers = before
            speaker = Speaker.unpack(numbers)
            yield arrays[0], arrays[1], arrays[2]
            continue
        if speaker is None:  # at the start of a shot, or as long as nobody has come
            speaker = _choose(path, engine, Shot(first, shot.last), fps)
        seen: list[SeenFrame] = []
        if speaker is not None:
            follower = Follower(engine, speaker, fps=fps, hands=hands)
            seen = [follower.step(picture) for picture in read_frames(path, fps=fps, first=first, count=count)]
            speaker = follower.speaker
        found = _as_arrays(seen, count, path)
        if kept is not None:
            with atomic_path(kept) as temporary, temporary.open("wb") as file:
                points, weights, pixels = found
                np.savez_compressed(file, points=points, weights=weights, pixels=pixels, speaker=Speaker.pack(speaker))
        yield found


def _kept_piece(path: Path, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Give a piece that was looked at before, and the speaker; nothing where there is none, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            points, weights, pixels, speaker = (arrays[name] for name in ("points", "weights", "pixels", "speaker"))
    except (OSError, *DAMAGED):
        return None
    whole = len(points) == len(weights) == len(pixels) == frames and len(speaker) in (0, 4, 13)
    return (points, weights, pixels, speaker) if whole else None


def _choose(path: str | Path, engine: Engine, shot: Shot, fps: float) -> Speaker | None:
    chosen = np.unique(np.linspace(shot.first, shot.last - 1, _LOOKS).astype(int)).tolist()
    looks = (next(read_frames(path, fps=fps, first=frame, count=1), None) for frame in chosen)
    place = look_for_speaker(engine, (picture for picture in looks if picture is not None))
    return None if place is None else Speaker(place)


def _nothing(frames: int) -> _Arrays:
    """Give points, weights and pixels of frames in which nobody is seen."""
    points, weights, pixels = (np.zeros((frames, len(NAMES), size), np.float32) for size in (3, 1, 2))
    return points, weights[..., 0], pixels


def _as_arrays(seen: Sequence[SeenFrame], frames: int, path: str | Path) -> _Arrays:
    points, weights, pixels = _nothing(frames)
    if len(seen) > frames:
        raise FormatError("ffmpeg gave more pictures than asked for.", where=path, expected=frames, found=len(seen))
    for frame, found in enumerate(seen):
        if found.body is None:
            continue
        confidence = found.body.visibility * found.body.confidence
        confidence = np.where(guessed_legs(found.body.pixels / found.size[::-1]), 0, confidence)
        points[frame, :33], pixels[frame, :33], weights[frame, :33] = found.body.world, found.body.pixels, confidence
        for part, hand in ((slice(33, 54), found.left), (slice(54, 75), found.right)):
            if hand is not None:
                points[frame, part], pixels[frame, part] = hand.world, hand.pixels
                guessed = guessed_fingers(hand.pixels / found.size[::-1])
                weights[frame, part] = np.where(guessed, 0, hand.confidence)
        height, width = found.size
        pixels[frame] = (pixels[frame] - (width / 2, height / 2)) / height
    points *= (1, -1, -1)  # the camera's y is down and its z away; a person who faces it faces +z
    return points, weights, pixels


def estimate_poses(
    path: str | Path,
    *,
    engine: str | Engine = "litert",
    models: str | Path | None = None,
    fps: float | None = None,
    hands: bool = True,
    body: Body | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> PoseSequence:
    """Estimate the speaker's poses from a video file.

    Parameters
    ----------
    path, engine, models, fps, hands, cache, progress
        See `estimate_landmarks`.
    body : Body, optional
        By default the embedded body.

    Returns
    -------
    poses : PoseSequence
        Frame 0 is the beginning of the video. ``valid`` is False where the
        speaker is not seen. `io.save_poses` writes them as any estimator's.

    Raises
    ------
    FormatError, DataError, MissingDependencyError
        As `estimate_landmarks`; also where nobody is seen in the whole video.
    """
    seen = estimate_landmarks(path, engine=engine, models=models, fps=fps, hands=hands, cache=cache, progress=progress)
    return fit_video(seen, body=body, where=path)[0]


def fit_video(
    seen: VideoLandmarks, *, body: Body | None = None, where: str | Path | None = None
) -> tuple[PoseSequence, int]:
    """Fit one body to all shots of a video; also say in how many frames it had been seen from the wrong side."""
    if not any((shot.require_weights() > 0).any() for shot in seen.landmarks):
        raise DataError("Nobody is seen in this video.", where=where, found=f"{len(seen.shots)} shots")
    mended = [mend_swaps(shot) for shot in seen.landmarks]
    fitted = fit_landmarks([steady_trunk(shot) for shot, _ in mended], body=body)
    assert not isinstance(fitted, PoseSequence)
    fitted = [stand_upright(poses, shot, body=body) for poses, (shot, _) in zip(fitted, mended, strict=True)]
    together = {
        name: np.concatenate([getattr(shot, name) for shot in fitted]) for name in ("rotvecs", "transl", "valid")
    }
    return fitted[0].replace(**together, expression=None), int(sum(frames.sum() for _, frames in mended))
