"""Video of the body itself: any clip through the embedded mannequin or SMPL-X."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..filters import resample
from ..kinematics import Body, load_body
from ..types import Motion, PoseSequence
from ._figure import Figure, bone_matrices, make_figure, rest_points
from ._fonts import draw_text, paste, titles_for
from ._raster import Renderer, make_renderer
from ._rigs import as_poses
from ._scene import Camera, Clips, Subtitles, as_cues, follow_path, frame_camera, on_floor, reach
from ._subtitles import SubtitleTrack
from ._video import check_fps, check_size, check_target, open_video, progress_bar, read_and_hold

__all__ = ["save_mesh_video"]


@dataclass
class _Actor:
    """One clip on its way through the video."""

    figure: Figure
    joints: np.ndarray
    moves: np.ndarray
    points: Iterator[np.ndarray] | None
    targets: np.ndarray
    floor: float
    title: np.ndarray
    drawn: np.ndarray | None = None  # the last picture, which one who has finished keeps


def save_mesh_video(
    motions: Clips,
    path: str | Path,
    *,
    body: Body | None = None,
    titles: str | list[str] | None = None,
    subtitles: Subtitles = None,
    fps: float | None = None,
    size: tuple[int, int] = (720, 720),
    azimuth: float = 0.0,
    renderer: str = "auto",
    audio: str | Path | None = None,
    source_video: str | Path | None = None,
    finish: bool = True,
    progress: bool | None = None,
) -> Path:
    """Draw the skinned body of motions, side by side.

    Parameters
    ----------
    motions : Motion, PoseSequence, or a list of them
        Motions of 22, 52 or 55 joints become SMPL-X poses first.
    path : path
        .mp4, .mov, .mkv or .gif; without suffix a folder of PNG frames.
    body : Body, optional
        By default the embedded body.
    titles, subtitles, fps, size, azimuth, audio, source_video, finish, progress
        As in `save_skeleton_video`.
    renderer : {"auto", "egl", "osmesa", "rays"}
        OpenGL through pyrender, found automatically, or ray casting, which
        needs no graphics library.

    Returns
    -------
    path : Path

    Raises
    ------
    ShapeError, DataError
        If a motion has no frame, or NaN in it.
    ConfigError
        If an option, the suffix or the joints are not usable.
    MissingDependencyError
        If the renderer asked for is not installed.
    KtubeError
        If the file cannot be written; no half-written file stays.

    Examples
    --------
    >>> import tempfile
    >>> poses = PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20)
    >>> folder = save_mesh_video(poses, Path(tempfile.mkdtemp()) / "still", size=(96, 96), renderer="rays")
    >>> sorted(file.name for file in folder.iterdir())
    ['frame_00000.png', 'frame_00001.png']
    """
    path, size, cues = check_target(path, audio=audio), check_size(size), as_cues(subtitles)
    clips = [motions] if isinstance(motions, Motion | PoseSequence) else list(motions)
    body = load_body() if body is None else body
    poses = [as_poses(clip, body=body, finish=finish) for clip in clips]
    fps = check_fps(fps, poses, path)
    writing = max(size[1] // 32, 12)
    names = titles_for(titles, clips)
    headings = [draw_text(name, size[0], font_size=writing) for name in names]
    actors = [_actor(clip, body, fps, heading) for clip, heading in zip(poses, headings, strict=True)]
    width = size[0] * len(actors)
    words = SubtitleTrack(cues, width, writing)
    top = max(len(heading) for heading in headings) + writing // 2
    bottom = words.height + writing // 2
    camera = _one_camera(actors, size, top, bottom, azimuth)
    source = None if source_video is None else read_and_hold(source_video, fps=fps, height=size[1])
    beside = 0 if source is None else next(source)
    frames = max(len(actor.moves) for actor in actors)
    painter = make_renderer(renderer, size=size)
    try:
        with open_video(path, fps=fps, size=(width + beside, size[1]), audio=audio) as write:
            for frame in progress_bar(frames, progress):
                picture = np.concatenate([_draw(painter, actor, camera, frame) for actor in actors], 1)
                foot = words.at(frame / fps)
                if foot is not None:
                    paste(picture, foot, size[1] - len(foot) - writing // 2)
                write(picture if source is None else np.concatenate([next(source), picture], 1))
    finally:
        painter.close()
    return path


def _actor(poses: PoseSequence, body: Body, fps: float, title: np.ndarray) -> _Actor:
    if poses.fps != fps and len(poses) > 1:
        poses = resample(poses, fps=fps)
    joints = body.joints(poses)
    floor = float(joints[..., 1].min()) - 0.02  # soles are a little below the toe joints
    return _Actor(
        make_figure(body, poses.betas),
        joints,
        bone_matrices(body, poses),
        rest_points(body, poses),
        follow_path(joints, fps=fps),
        floor,
        title,
    )


def _one_camera(actors: Sequence[_Actor], size: tuple[int, int], top: float, bottom: float, azimuth: float) -> Camera:
    """Give all actors one camera at one height above their ground, so that sizes can be compared."""
    height = max(actor.targets[0, 1] - actor.floor for actor in actors)
    cameras = []
    for actor in actors:
        actor.targets = on_floor(actor.targets, actor.floor + height)
        around = reach(actor.joints, actor.floor)
        cameras.append(frame_camera(around, actor.targets, size=size, top=top, bottom=bottom, azimuth=azimuth))
    return max(cameras, key=lambda camera: camera.distance)


def _draw(painter: Renderer, actor: _Actor, camera: Camera, frame: int) -> np.ndarray:
    if actor.drawn is None or frame < len(actor.moves):
        points = None if actor.points is None else next(actor.points)
        target = actor.targets[frame]
        actor.drawn = np.array(painter.draw(actor.figure, actor.moves[frame], camera, target, actor.floor, points))
        paste(actor.drawn, actor.title, len(actor.drawn) // 64)
    return actor.drawn
