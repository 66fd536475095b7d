"""Motion as one self-contained web page: play, scrub, orbit; and a gallery of a whole corpus split."""

import base64
import html
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .. import palette
from ..errors import ConfigError, KtubeError
from ..io import Corpus
from ..io._files import write_text
from ..types import Motion
from ._fonts import embed_font, titles_for
from ._scene import (
    Clips,
    Subtitles,
    as_clips,
    as_cues,
    follow_path,
    frame_camera,
    head_of,
    is_fine,
    reach,
    resample_positions,
    side_of,
)
from ._video import progress_bar

__all__ = ["save_gallery", "save_html"]

COLOURS = {name.lower(): getattr(palette, name) for name in "LEFT RIGHT MIDDLE INK SOFT PAPER GRID PLATE TRAIL".split()}


def _clip(clip: Motion, *, name: str, distance: float | None = None) -> dict[str, Any]:
    """Give one motion as the viewer reads it; the camera's target rides along as one more point."""
    positions = clip.require("positions").astype(np.float64)
    targets = follow_path(positions, fps=clip.fps)
    floor = float(positions[..., 1].min())
    if distance is None:
        distance = frame_camera(reach(positions, floor), targets, size=(1000, 1000), top=90, bottom=90).distance
    points = np.concatenate([positions, targets[:, None]], 1)
    middle = (points.min((0, 1)) + points.max((0, 1))) / 2
    scale = max(float(np.abs(points - middle).max()), 1e-3) / 32767
    numbers = np.round((points - middle) / scale).astype("<i2")
    names = clip.skeleton.joint_names
    return {
        "name": name,
        "fps": clip.fps,
        "frames": clip.num_frames,
        "parents": list(clip.skeleton.parents),
        "sides": [side_of(joint) for joint in names],
        "fine": [is_fine(joint) for joint in names],
        "head": -1 if (head := head_of(names)) is None else head,
        "floor": floor,
        "distance": distance,
        "middle": middle.tolist(),
        "scale": scale,
        "data": base64.b64encode(numbers.tobytes()).decode("ascii"),
    }


def _page(data: dict[str, Any], title: str | None) -> str:
    """Put data and script into the page; nothing in a text can end the script element it stands in."""
    room = files(__package__)
    safe = (
        json.dumps(data | {"colors": COLOURS}, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace("\u2028", " ")
        .replace("\u2029", " ")
    )
    parts = {
        "title": html.escape(title or "ktube_motion"),
        "data": safe,
        "script": (room / "viewer.js").read_text("utf-8"),
    }
    page = (room / "viewer.html").read_text("utf-8")
    parts |= COLOURS
    parts["font"] = embed_font("".join(sorted(set(page + safe))))
    # One pass over the template, so that "{{script}}" inside a text stays text.
    pieces = page.replace("}}", "{{").split("{{")
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _check_page(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError("A web page ends in .html.", where=path, expected=".html", found=path.suffix or "no suffix")
    return path


def _cue_list(words: Subtitles) -> list[list[Any]]:
    return [[float(cue.start), float(cue.end), cue.text] for cue in as_cues(words)]


def save_html(
    motions: Clips,
    path: str | Path,
    *,
    utterance: Subtitles = None,
    title: str | None = None,
    titles: str | list[str] | None = None,
    trail: bool = True,
) -> Path:
    """Write one page that shows motions side by side, without any network.

    Drag to orbit, wheel or pinch to zoom, space to play and stop, left and
    right to step one frame, R to reset the view. Positions are stored with a
    resolution better than 0.1 mm.

    Parameters
    ----------
    motions : Motion, PoseSequence, or a list of them
    path : path
        Ends in .html.
    utterance : str or list of Cue, optional
        Shown as subtitle in time.
    title : str, optional
        Heading of the page.
    titles : str or list of str, optional
        One for each motion; default the motions' names.
    trail : bool
        Draw the path of the root on the ground.

    Returns
    -------
    path : Path

    Raises
    ------
    ShapeError, DataError
        If a motion has no frame, or NaN in it.
    ConfigError
        If the suffix or an option is not usable.
    KtubeError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.skeletons import SMPL_22
    >>> motion = Motion(skeleton=SMPL_22, positions=np.zeros((2, 22, 3)), fps=20)
    >>> page = save_html(motion, Path(tempfile.mkdtemp()) / "a.html", utterance="안녕하세요")
    >>> "안녕하세요" in page.read_text("utf-8")
    True
    """
    page, clips = _check_page(path), as_clips(motions)
    titles = titles_for(titles, clips)
    first = [_clip(clip, name=name) for clip, name in zip(clips, titles, strict=True)]
    distance = max(clip["distance"] for clip in first)
    data = {
        "title": title or "",
        "trail": bool(trail),
        "gallery": False,
        "cues": _cue_list(utterance),
        "clips": [{**clip, "distance": distance} for clip in first],
    }
    write_text(page, _page(data, title))
    return page


def save_gallery(
    corpus: Corpus,
    path: str | Path,
    *,
    split: str = "all",
    fps: float = 10.0,
    max_clips: int | None = None,
    title: str | None = None,
    progress: bool | None = None,
) -> dict[str, str]:
    """Write one page with every clip of a corpus split: moving tiles, search, a player.

    Parameters
    ----------
    corpus : io.Corpus
        Or anything with ``names(split)``, ``joints(name)``, ``texts(name)``, ``skeleton`` and ``fps``.
    path : path
        Ends in .html.
    split : str
        Which clips.
    fps : float
        Rate of the stored positions; the page draws between them. 10 keeps an
        hour of 22 joints near 7 MB.
    max_clips : int, optional
        Take only the first ones.
    title : str, optional
        Heading; default the split's name and number of clips.
    progress : bool, optional
        Show a bar; default only on a terminal.

    Returns
    -------
    skipped : dict of str to str
        Clips that could not be shown, and why.

    Raises
    ------
    ConfigError
        If the suffix is not .html or nothing could be shown.
    KtubeError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from ktube_motion.skeletons import SMPL_22
    >>> corpus = SimpleNamespace(names=lambda split: ["a"], joints=lambda name: np.zeros((9, 22, 3)),
    ...     texts=lambda name: "안녕하세요", skeleton=SMPL_22, fps=20)
    >>> save_gallery(corpus, Path(tempfile.mkdtemp()) / "all.html", split="val")
    {}
    """
    path = _check_page(path)
    names = list(corpus.names(split))[:max_clips]
    clips, skipped = [], {}
    for number in progress_bar(len(names), progress):
        name = names[number]
        try:
            motion = Motion(skeleton=corpus.skeleton, positions=corpus.joints(name), fps=corpus.fps, name=name)
            clips.append({**_clip(_thin(as_clips(motion)[0], fps), name=name), "cues": _cue_list(corpus.texts(name))})
        except KtubeError as error:
            skipped[name] = str(error)
    if not clips:
        raise ConfigError("This split has no clip that can be shown.", found=next(iter(skipped.values()), repr(split)))
    title = title or f"{split}: {len(clips)}"
    data = {"title": title, "trail": True, "gallery": True, "cues": [], "clips": clips}
    write_text(path, _page(data, title))
    return skipped


def _thin(clip: Motion, fps: float) -> Motion:
    if clip.fps <= fps:
        return clip
    frames = max(round(clip.seconds * fps), 1)
    positions = resample_positions(clip.require("positions"), source_fps=clip.fps, fps=fps, frames=frames)
    return Motion(skeleton=clip.skeleton, positions=positions, fps=fps, name=clip.name)
