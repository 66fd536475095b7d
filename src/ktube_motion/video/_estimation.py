"""A video file becomes landmarks and poses: shot by shot, what is finished is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..kinematics import BODY_LANDMARKS, HAND_LANDMARKS, Body, Landmarks, fit_landmarks, mend_swaps
from ..types import PoseSequence
from ._engines import Engine, load_engine
from ._frames import choose_rate, probe_video, read_frames
from ._shots import Shot, find_shots
from ._tracking import SeenFrame, follow_speaker, look_for_speaker

__all__ = ["VideoLandmarks", "estimate_landmarks", "estimate_poses"]

NAMES = BODY_LANDMARKS + tuple(f"{side}_hand_{name}" for side in ("left", "right") for name in HAND_LANDMARKS)
_LOOKS = 5  # at a shot, to choose the speaker


@dataclass(frozen=True, eq=False)
class VideoLandmarks:
    """What was seen in a video.

    Attributes
    ----------
    shots : list of Shot
    landmarks : list of Landmarks
        Of each shot; weights are 0 where nobody is seen.
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
    progress: Callable[[int], object] | None = None,
) -> VideoLandmarks:
    """See `estimate_poses`, of which this is the first half."""
    info = probe_video(path)
    rate = choose_rate(info, fps, path)
    eyes = load_engine(engine, models) if isinstance(engine, str) else engine
    shots = find_shots(path, fps=rate)
    found = []
    for shot in shots:
        seen = _look(path, eyes, shot, rate, hands)
        found.append(_as_landmarks(seen, rate, Path(path).stem))
        if progress is not None:
            progress(len(shot))
    warnings = []
    seconds = shots[-1].last / rate
    if info.seconds - seconds > max(1.0, 0.01 * info.seconds):
        warnings.append(f"the pictures end at {seconds:.1f} s, the header says {info.seconds:.1f} s")
    return VideoLandmarks(shots, found, rate, eyes.describe(), warnings)


def _look(path: str | Path, engine: Engine, shot: Shot, fps: float, hands: bool) -> list[SeenFrame]:
    chosen = np.unique(np.linspace(shot.first, shot.last - 1, _LOOKS).astype(int)).tolist()
    looks = ((frame, next(read_frames(path, fps=fps, first=frame, count=1), None)) for frame in chosen)
    place = look_for_speaker(engine, ((frame, picture) for frame, picture in looks if picture is not None))
    if place is None:
        return [SeenFrame(None)] * len(shot)
    pictures = read_frames(path, fps=fps, first=shot.first, count=len(shot))
    seen = follow_speaker(engine, pictures, place, fps=fps, hands=hands)
    return seen + [SeenFrame(None)] * (len(shot) - len(seen))


def _as_landmarks(seen: Sequence[SeenFrame], fps: float, name: str) -> Landmarks:
    points = np.zeros((len(seen), len(NAMES), 3), np.float32)
    weights = np.zeros((len(seen), len(NAMES)), np.float32)
    for frame, found in enumerate(seen):
        if found.body is None:
            continue
        points[frame, :33], weights[frame, :33] = found.body.world, found.body.visibility * found.body.confidence
        for hand, part in ((found.left, slice(33, 54)), (found.right, slice(54, 75))):
            if hand is not None:
                points[frame, part], weights[frame, part] = hand.world, hand.confidence
    points *= (1, -1, -1)  # the camera's y is down and its z away; a person who faces it faces +z
    return Landmarks(NAMES, points, weights, fps=fps, name=name)


def estimate_poses(
    path: str | Path,
    *,
    engine: str | Engine = "litert",
    models: str | Path | None = None,
    fps: float | None = None,
    hands: bool = True,
    body: Body | None = None,
    progress: Callable[[int], object] | None = None,
) -> PoseSequence:
    """Estimate the speaker's poses from a video file.

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
    body : Body, optional
        By default the embedded body.
    progress : callable, optional
        Called with the number of frames that were finished.

    Returns
    -------
    poses : PoseSequence
        Frame 0 is the beginning of the video. ``valid`` is False where the speaker is not seen.

    Raises
    ------
    FormatError
        If the file cannot be read.
    DataError
        If nobody is seen in it, or it has too few frames a second.
    MissingDependencyError
        If engine, networks or ffmpeg are not installed.
    """
    seen = estimate_landmarks(path, engine=engine, models=models, fps=fps, hands=hands, progress=progress)
    if not any((landmarks.require_weights() > 0).any() for landmarks in seen.landmarks):
        raise DataError("Nobody is seen in this video.", where=path, found=f"{len(seen.shots)} shots")
    return join_shots(fit_landmarks([mend_swaps(shot)[0] for shot in seen.landmarks], body=body))


def join_shots(shots: Sequence[PoseSequence]) -> PoseSequence:
    """Put the poses of a video's shots one after another."""
    first = shots[0]
    together = {name: np.concatenate([getattr(shot, name) for shot in shots]) for name in ("rotvecs", "transl", "valid")}
    return first.replace(**together, expression=None)
