"""Motion as one self-contained web page: play, scrub, orbit; and a gallery of a whole corpus split."""

import base64
import html
import json
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import palette
from ..errors import ConfigError, FormatError, KtubeError
from ..io import Corpus
from ..io._files import write_text
from ..io._sound import find_ffmpeg, media_input
from ..kinematics import Body, load_body
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55
from ..types import Cue, Motion, PoseSequence
from ._fonts import embed_font, titles_for
from ._packing import pack_body, pack_joints, pack_mesh, stick_sizes
from ._rigs import as_poses
from ._scene import Clips, Subtitles, as_cues, as_motion, check_clip, resample_positions
from ._stage import FILL, KEY, shader_sources
from ._subtitles import lit_words
from ._video import progress_bar

__all__ = ["save_gallery", "save_html"]

COLOURS = {name.lower(): getattr(palette, name) for name in "LEFT RIGHT MIDDLE INK SOFT PAPER GRID PLATE TRAIL".split()}
_SCRIPTS = "clips camera stage sticks player editing start".split()
_SAME_SHAPE = 0.05  # betas that differ less look alike, and share a mesh
_MOST_SHAPES = 4  # each takes some 90 kB of a page; more motions than that wear the nearest

Look = Literal["body", "sticks"]


class _Wardrobe:
    """The meshes of a page: one for each body shape in it."""

    def __init__(self, body: Body, look: Look, *, finish: bool) -> None:
        if look not in ("body", "sticks"):
            raise ConfigError("Unknown look.", expected="body or sticks", found=repr(look))
        self.body, self.look, self.finish = body, look, finish
        self.betas: list[np.ndarray] = []

    def pack(self, clip: Motion | PoseSequence) -> dict[str, Any]:
        """Give a clip as body, or as joints where it is none of SMPL-X."""
        check_clip(clip)
        known = isinstance(clip, PoseSequence) or clip.skeleton in (SMPL_22, SMPLH_52, SMPLX_55)
        about = {"source_fps": clip.fps, "source_frames": clip.num_frames}
        if self.look == "sticks" or not known:
            return pack_joints(as_motion(clip, finish=self.finish)) | about
        poses = as_poses(clip, body=self.body, finish=self.finish)
        number = self._shape(poses.betas)
        return pack_body(poses.replace(betas=self.betas[number]), body=self.body, shape=number) | about

    def _shape(self, betas: np.ndarray) -> int:
        betas = np.pad(betas[: self.body.num_betas], (0, max(self.body.num_betas - len(betas), 0)))
        away = [float(np.abs(known - betas).max()) for known in self.betas]
        if away and (min(away) < _SAME_SHAPE or len(away) >= _MOST_SHAPES):
            return int(np.argmin(away))
        self.betas.append(betas)
        return len(self.betas) - 1

    def meshes(self) -> dict[str, Any]:
        """Give what the page needs to draw the bodies, and nothing if there are none."""
        if not self.betas:
            return {"mesh": None, "shapes": [], "parents": []}
        return pack_mesh(self.body, self.betas)


def _page(data: dict[str, Any], title: str | None) -> str:
    """Put data and script into the page; nothing in a text can end the script element it stands in."""
    room = files(__package__) / "page"
    look = {
        "colors": COLOURS,
        "sticks": stick_sizes(),
        "shaders": shader_sources(),
        "lights": {"key": KEY.tolist(), "fill": FILL.tolist()},
    }
    safe = (
        json.dumps(data | look, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace("\u2028", " ")
        .replace("\u2029", " ")
    )
    parts = {
        "title": html.escape(title or "ktube_motion"),
        "data": safe,
        "style": (room / "style.css").read_text("utf-8"),
        "script": "".join((room / f"{name}.js").read_text("utf-8") for name in _SCRIPTS),
    }
    page = (room / "page.html").read_text("utf-8")
    parts |= COLOURS
    parts["font"] = embed_font("".join(sorted(set(page + safe + parts["script"]))))
    # One pass over the template, so that "{{script}}" inside a text stays text.
    pieces = page.replace("}}", "{{").split("{{")
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _sound(audio: str | Path | None) -> str | None:
    """Give sound as a data URL: MP3, which every browser plays, small enough for speech in a page."""
    if audio is None:
        return None
    if not Path(audio).is_file():
        raise FormatError("There is no such sound file.", where=audio)
    command = [find_ffmpeg(), "-loglevel", "error", *media_input(audio)]
    command += ["-vn", "-ac", "1", "-ar", "24000", "-b:a", "48k", "-f", "mp3", "-"]
    with tempfile.TemporaryFile() as log:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, check=False)
        if done.returncode or not done.stdout:
            log.seek(0)
            said = log.read().decode("utf-8", "replace").strip().splitlines()
            raise FormatError("This is no sound ffmpeg can read.", where=audio, found=said[-1:] or "no sound")
    return "data:audio/mpeg;base64," + base64.b64encode(done.stdout).decode("ascii")


def _check_page(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError("A web page ends in .html.", where=path, expected=".html", found=path.suffix or "no suffix")
    return path


def _cue_list(words: Subtitles) -> list[list[Any]]:
    def spoken(cue: Cue) -> list[list[Any]] | None:
        return [[float(word.start), float(word.end), word.text] for word in lit_words(cue)] or None

    return [[float(cue.start), float(cue.end), cue.text, spoken(cue)] for cue in as_cues(words)]


def save_html(
    motions: Clips,
    path: str | Path,
    *,
    utterance: Subtitles = None,
    title: str | None = None,
    titles: str | list[str] | None = None,
    trail: bool = True,
    look: Look = "body",
    body: Body | None = None,
    audio: str | Path | None = None,
    finish: bool = True,
) -> Path:
    """Write one page that shows motions side by side, without any network.

    Drag to orbit, wheel or pinch to zoom, space to play and stop, left and
    right to step one frame, R to reset the view, B for stick figures. E opens
    the editor: spans and sentences for them, saved as a file that
    ``ktube-motion edit`` makes into motion.

    Parameters
    ----------
    motions : Motion, PoseSequence, or a list of them
    path : path
        Ends in .html.
    utterance : str or list of Cue, optional
        Shown as subtitle in time; the words of a cue light up when they are said, at times
        estimated where it has none.
    title : str, optional
        Heading of the page.
    titles : str or list of str, optional
        One for each motion; default the motions' names.
    trail : bool
        Draw the path of the root on the ground, of a stick figure that walks.
    look : {"body", "sticks"}
        A skinned body, by WebGL 2; sticks where the browser has none, for skeletons
        that are not of SMPL-X, or when asked for.
    body : Body, optional
        By default the embedded body. The page holds its mesh: another one may not be yours to publish.
    audio : path, optional
        Sound file, or a video whose sound is wanted; the page holds it as MP3.
    finish : bool
        Show bones of one length and feet that stay where they stand, as in all other files
        (`kinematics.finish`); False shows what is given.

    Returns
    -------
    path : Path

    Raises
    ------
    ShapeError, DataError
        If a motion has no frame, or NaN in it.
    FormatError
        If the sound cannot be read.
    ConfigError
        If the suffix or an option is not usable.
    KtubeError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.skeletons import SMPL_22
    >>> motion = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(2, 22, 3)), fps=20)
    >>> page = save_html(motion, Path(tempfile.mkdtemp()) / "a.html", utterance="안녕하세요")
    >>> "안녕하세요" in page.read_text("utf-8")
    True
    """
    page, clips = _check_page(path), _listed(motions)
    wardrobe = _Wardrobe(load_body() if body is None else body, look, finish=finish)
    names = titles_for(titles, clips)
    cues, sound = _cue_list(utterance), _sound(audio)
    packed = [wardrobe.pack(clip) | {"name": name} for clip, name in zip(clips, names, strict=True)]
    data = {"title": title or "", "trail": bool(trail), "gallery": False, "cues": cues, "sound": sound, "clips": packed}
    write_text(page, _page(data | wardrobe.meshes(), title))
    return page


def _listed(motions: Clips) -> Sequence[Motion | PoseSequence]:
    clips = [motions] if isinstance(motions, Motion | PoseSequence) else list(motions)
    if not clips:
        raise ConfigError("There is no motion to show.", expected="at least one")
    return clips


def save_gallery(
    corpus: Corpus,
    path: str | Path,
    *,
    split: str = "all",
    fps: float = 10.0,
    max_clips: int | None = None,
    title: str | None = None,
    look: Look = "body",
    finish: bool = True,
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
    look : {"body", "sticks"}
        As in `save_html`; poses are fitted to every clip for a body.
    finish : bool
        As in `save_html`.
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
    >>> joints = np.random.default_rng(0).normal(size=(9, 22, 3))
    >>> corpus = SimpleNamespace(names=lambda split: ["a"], joints=lambda name: joints,
    ...     texts=lambda name: "안녕하세요", skeleton=SMPL_22, fps=20)
    >>> save_gallery(corpus, Path(tempfile.mkdtemp()) / "all.html", split="val")
    {}
    """
    path = _check_page(path)
    names = list(corpus.names(split))[:max_clips]
    clips, skipped = [], {}
    wardrobe = _Wardrobe(load_body(), look, finish=False)  # whole clips are, before frames are left out
    for number in progress_bar(len(names), progress):
        name = names[number]
        try:
            motion = Motion(skeleton=corpus.skeleton, positions=corpus.joints(name), fps=corpus.fps, name=name)
            packed = wardrobe.pack(_thin(as_motion(motion, finish=finish), fps))
            clips.append(packed | {"name": name, "cues": _cue_list(corpus.texts(name))})
        except KtubeError as error:
            skipped[name] = str(error)
    if not clips:
        raise ConfigError("This split has no clip that can be shown.", found=next(iter(skipped.values()), repr(split)))
    title = title or f"{split}: {len(clips)}"
    data = {"title": title, "trail": True, "gallery": True, "cues": [], "sound": None, "clips": clips}
    write_text(path, _page(data | wardrobe.meshes(), title))
    return skipped


def _thin(clip: Motion, fps: float) -> Motion:
    if clip.fps <= fps:
        return clip
    frames = max(round(clip.seconds * fps), 1)
    positions = resample_positions(clip.require("positions"), source_fps=clip.fps, fps=fps, frames=frames)
    return Motion(skeleton=clip.skeleton, positions=positions, fps=fps, name=clip.name)
