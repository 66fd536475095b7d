"""Stick-figure video: numpy projects, Agg draws antialiased lines, ffmpeg encodes beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import palette
from ..palette import rgb
from ..types import FILLED_LATER, Motion
from ._fonts import draw_text, need, paste, titles_for
from ._scene import (
    Camera,
    Clips,
    Subtitles,
    as_clips,
    as_cues,
    follow_path,
    frame_camera,
    on_floor,
    reach,
    resample_positions,
    walks,
)
from ._sticks import Sticks, head_frames, make_sticks, strokes_of
from ._subtitles import SubtitleTrack
from ._video import check_fps, check_size, check_target, open_video, progress_bar, read_and_hold

__all__ = ["save_skeleton_video"]

_PAPER, _GRID, _MIDDLE = rgb(palette.PAPER), rgb(palette.GRID), rgb(palette.MIDDLE)
_SHADOW, _TRAIL = (*_MIDDLE, 0.16), (*rgb(palette.TRAIL), 0.75)
_SIDES = {"left": rgb(palette.LEFT), "right": rgb(palette.RIGHT), "middle": _MIDDLE}
_COLOURS = _SIDES | {f"finger {side}": colour for side, colour in _SIDES.items()}
_COLOURS |= {"head": _MIDDLE, "eye": _PAPER, "nose": tuple(0.55 * np.array(_MIDDLE) + 0.45 * np.array(_PAPER))}


@dataclass(frozen=True)
class _Panel:
    """One motion, ready to be drawn: everything that does not change from frame to frame."""

    positions: np.ndarray
    targets: np.ndarray
    floor: float
    sticks: Sticks
    faces: np.ndarray | None
    walks: bool
    title: np.ndarray
    camera: Camera = FILLED_LATER


def _panel(clip: Motion, title: np.ndarray, fps: float, frames: int) -> _Panel:
    positions = resample_positions(clip.require("positions"), source_fps=clip.fps, fps=fps, frames=frames)
    faces = head_frames(clip)
    return _Panel(
        positions=positions.astype(np.float64),
        targets=follow_path(positions, fps=fps),
        floor=float(positions[..., 1].min()),
        sticks=make_sticks(clip.skeleton),
        faces=None if faces is None else resample_positions(faces, source_fps=clip.fps, fps=fps, frames=frames),
        walks=walks(positions),
        title=title,
    )


class _Painter:
    """Draws one panel after another into the same pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        agg, transforms = need("matplotlib.backends.backend_agg"), need("matplotlib.transforms")
        self.size = size
        self.renderer = agg.RendererAgg(*size, 72)  # 72 dpi: one point is one pixel
        self.pixels = np.asarray(self.renderer.buffer_rgba())
        self.upright = transforms.Affine2D().scale(1, -1).translate(0, size[1])  # Agg counts rows from below
        self.path = need("matplotlib.path").Path
        self.pens: dict[tuple[float, ...], Any] = {}
        self.grids: dict[int, tuple[Any, np.ndarray]] = {}

    def pen(self, color: tuple[float, ...]) -> Any:
        """Give the pen of a colour; one is made for each, since making it takes as long as a stroke."""
        if color not in self.pens:
            pen = self.pens[color] = self.renderer.new_gc()
            pen.set_foreground(color, isRGBA=len(color) == 4)
            if len(color) == 4:
                pen.set_alpha(color[3])
            pen.set_capstyle("round")
            pen.set_joinstyle("round")
        return self.pens[color]

    def line(self, path: Any, width: float, color: tuple[float, ...], *, filled: bool = False) -> None:
        """Draw a `matplotlib.path.Path` of pixels, counted from above."""
        pen = self.pen(color)
        pen.set_linewidth(width)
        self.renderer.draw_path(pen, path, self.upright, color if filled else None)

    def segments(self, pairs: np.ndarray, width: float, color: tuple[float, ...]) -> None:
        """Draw pixels pairs ``(N, 2, 2)`` as separate strokes of one colour."""
        codes = np.tile(np.array([self.path.MOVETO, self.path.LINETO], np.uint8), len(pairs))
        self.line(self.path(pairs.reshape(-1, 2), codes), width, color)

    def paper(self, panel: _Panel, target: np.ndarray) -> None:
        """Lay down the ground grid and the title; drawn anew only when the camera moved."""
        key = np.round(target, 4).tolist()
        if self.grids.get(id(panel), (None,))[0] != key:
            self.pixels[:] = np.array([*(255 * np.array(_PAPER)), 255], np.uint8)
            self._grid(panel, target)
            paste(self.pixels, panel.title, self.size[1] // 64)
            self.grids[id(panel)] = key, self.pixels.copy()
        else:
            self.pixels[:] = self.grids[id(panel)][1]

    def _grid(self, panel: _Panel, target: np.ndarray, step: float = 0.5, reach: float = 3.0) -> None:
        middle = np.round(target[[0, 2]] / step) * step
        across = np.arange(-reach, reach + step / 2, step)
        ends = np.array([-reach, reach])
        along = np.stack(np.broadcast_arrays(across[:, None], panel.floor, ends[None]), -1)
        lines = np.add(np.concatenate([along, along[..., [2, 1, 0]]]), [middle[0], 0, middle[1]])
        pixels, depth = panel.camera.project(lines, target)
        self.segments(pixels[(depth > 0.2).all(1)], 1.2, _GRID)

    def draw(self, panel: _Panel, frame: int, *, trail: bool) -> None:
        """Draw one frame of one motion."""
        target, joints = panel.targets[frame], panel.positions[frame]
        self.paper(panel, target)
        scale = panel.camera.focal / panel.camera.distance
        ground = on_floor(joints, panel.floor)
        shade, _ = panel.camera.project(ground, target)
        bones = [bone[:2] for bone in panel.sticks.limbs]
        self.segments(shade[bones], 0.07 * scale, _SHADOW)
        if trail and panel.walks and frame > 0:
            trodden = on_floor(panel.positions[: frame + 1, 0], panel.floor)
            self.line(self.path(panel.camera.project(trodden, target)[0]), 0.014 * scale, _TRAIL)
        face = None if panel.faces is None else panel.faces[frame]
        # Far limbs first; a light rim under each makes the nearer one stand out where they cross.
        for stroke in strokes_of(panel.sticks, joints, face, panel.camera, target):
            width, points = max(stroke.width, 1.5), stroke.points
            path = self.path(np.append(points, points[:1], 0), closed=True) if stroke.filled else self.path(points)
            if stroke.role != "eye":
                self.line(path, width + min(max(1.5, 0.25 * width), 5.0), _PAPER, filled=stroke.filled)
            self.line(path, width, _COLOURS[stroke.role], filled=stroke.filled)


def save_skeleton_video(
    motions: Clips,
    path: str | Path,
    *,
    titles: str | list[str] | None = None,
    subtitles: Subtitles = None,
    fps: float | None = None,
    size: tuple[int, int] = (960, 960),
    trail: bool = True,
    azimuth: float = 0.0,
    audio: str | Path | None = None,
    source_video: str | Path | None = None,
    finish: bool = True,
    progress: bool | None = None,
) -> Path:
    """Draw motions as stick figures, side by side.

    Left limbs are orange, right limbs blue. The camera looks from +z, slightly
    above, and frames the whole motion; it goes along with a motion that walks
    away. Shorter motions hold their last frame.

    Parameters
    ----------
    motions : Motion, PoseSequence, or a list of them
        Positions in the skeleton's unit; poses are drawn with their fingers.
    path : path
        .mp4, .mov, .mkv or .gif; without suffix a folder of PNG frames.
    titles : str or list of str, optional
        One for each motion; default the motions' names.
    subtitles : str or list of Cue, optional
        Shown below, each in its time; text alone is shown all the time.
    fps : float, optional
        Frames per second of the file; default the highest of the motions.
    size : tuple of int
        Width and height of each motion's panel, pixels.
    trail : bool
        Draw the path of the root on the ground, of one who walks.
    azimuth : float
        Turn the camera around the motion to the body's left, radians.
    audio : path, optional
        Sound file, or a video whose sound is wanted.
    source_video : path, optional
        Video shown to the left of the motions.
    finish : bool
        Draw bones of one length and feet that stay where they stand, as all other files show the motion
        (`kinematics.finish`); False draws what is given.
    progress : bool, optional
        Show a bar; default only on a terminal.

    Returns
    -------
    path : Path

    Raises
    ------
    ShapeError, DataError
        If a motion has no frame, or NaN in it.
    ConfigError
        If an option or the suffix is not usable.
    KtubeError
        If the file cannot be written; no half-written file stays.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.skeletons import SMPL_22
    >>> motion = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(2, 22, 3)), fps=20)
    >>> folder = save_skeleton_video(motion, tempfile.mkdtemp(), titles="인사", size=(160, 160))
    >>> sorted(file.name for file in folder.iterdir())
    ['frame_00000.png', 'frame_00001.png']
    """
    path, size = check_target(path, audio=audio), check_size(size)
    clips, cues = as_clips(motions, finish=finish), as_cues(subtitles)
    names = titles_for(titles, clips)
    fps = check_fps(fps, clips, path)
    frames = max(max(round(clip.seconds * fps), 1) for clip in clips)
    writing = max(size[1] // 32, 12)
    headings = [draw_text(name, size[0], font_size=writing) for name in names]
    top = max(len(heading) for heading in headings) + writing // 2
    width = size[0] * len(clips)
    words = SubtitleTrack(cues, width, writing)
    bottom = words.height + writing // 2
    panels = [_panel(clip, heading, fps, frames) for clip, heading in zip(clips, headings, strict=True)]
    panels = _place_cameras(panels, size, top, bottom, azimuth)
    painter = _Painter(size)
    source = None if source_video is None else read_and_hold(source_video, fps=fps, height=size[1])
    beside = 0 if source is None else next(source)
    with open_video(path, fps=fps, size=(width + beside, size[1]), audio=audio) as write:
        for frame in progress_bar(frames, progress):
            pictures = []
            for panel in panels:
                painter.draw(panel, frame, trail=trail)
                pictures.append(painter.pixels if len(panels) == 1 else painter.pixels.copy())
            picture = pictures[0] if len(pictures) == 1 else np.concatenate(pictures, 1)
            foot = words.at(frame / fps)
            if foot is not None:
                paste(picture, foot, size[1] - len(foot) - writing // 2)
            if source is not None:
                picture = np.concatenate([next(source), picture[..., :3]], 1)
            write(picture)
    return path


def _place_cameras(
    panels: Sequence[_Panel], size: tuple[int, int], top: float, bottom: float, azimuth: float
) -> list[_Panel]:
    """Give every panel a camera at one distance and height above the ground, so that sizes can be compared."""
    height = max(panel.targets[0, 1] - panel.floor for panel in panels)
    level = [on_floor(panel.targets, panel.floor + height) for panel in panels]
    cameras = []
    for panel, targets in zip(panels, level, strict=True):
        around = reach(panel.positions, panel.floor)
        cameras.append(frame_camera(around, targets, size=size, top=top, bottom=bottom, azimuth=azimuth))
    camera = max(cameras, key=lambda camera: camera.distance)
    return [replace(panel, camera=camera, targets=targets) for panel, targets in zip(panels, level, strict=True)]
