"""Frames into files (mp4, gif, a folder of PNG) and frames out of a source video, through ffmpeg."""

import contextlib
import errno
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ..errors import ConfigError, FormatError, KtubeError
from ..io._files import atomic_path, make_folder
from ..io._pictures import read_pictures
from ..io._sound import find_ffmpeg, media_input
from ..io._writing import PREFIX_WRITING, writing
from ..types import Motion, PoseSequence
from ._fonts import need

__all__ = [
    "check_fps",
    "check_size",
    "check_target",
    "gif_fps",
    "open_video",
    "progress_bar",
    "read_and_hold",
    "read_video",
]

Write = Callable[[np.ndarray], None]
_VIDEO = (".mp4", ".mov", ".mkv")


def check_target(path: str | Path, *, audio: str | Path | None = None) -> Path:
    """Check that `path` is a kind of picture file this room can write.

    Parameters
    ----------
    path : path
        Ends in .mp4, .mov, .mkv or .gif, or has no suffix: a folder of PNG frames.
    audio : path, optional
        A sound file, or a video whose sound is wanted.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the suffix is unknown, or sound is asked where none can be.

    Examples
    --------
    >>> check_target("clip.avi")
    Traceback (most recent call last):
    ktube_motion.errors.ConfigError: clip.avi: Unknown kind of picture file. ...
    """
    path = Path(path)
    if path.suffix.lower() not in (*_VIDEO, ".gif", ""):
        raise ConfigError(
            "Unknown kind of picture file.",
            where=path,
            expected=".mp4, .mov, .mkv, .gif, or no suffix for a folder of PNG frames",
            found=path.suffix,
        )
    if audio is not None:
        if path.suffix.lower() not in _VIDEO:
            raise ConfigError("Only a video carries sound.", where=path, expected=".mp4, .mov or .mkv")
        if not os.path.isfile(audio):
            raise FormatError("There is no such sound file.", where=audio)
    return path


@contextmanager
def open_video(
    path: str | Path, *, fps: float, size: tuple[int, int], audio: str | Path | None = None
) -> Iterator[Write]:
    """Open a picture file; call what it gives once per frame.

    Parameters
    ----------
    path : path
        See `check_target`. The file appears when the block ends well, and not at all when it fails.
    fps : float
        Frames per second.
    size : tuple of int
        Width and height in pixels. An odd size gets one more row or column in a
        video, which needs even ones.
    audio : path, optional
        Sound to go with the pictures; cut or filled with silence to their length.

    Yields
    ------
    write : callable
        Takes one uint8 array [shape=(height, width, 3 or 4)]; a fourth channel is ignored.

    Raises
    ------
    ConfigError, FormatError
        See `check_target`.
    KtubeError
        If the file cannot be written or ffmpeg fails.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "black.gif"
    >>> with open_video(path, fps=10, size=(32, 32)) as write:
    ...     write(np.zeros((32, 32, 3), np.uint8))
    >>> path.stat().st_size > 0
    True
    """
    path = check_target(path, audio=audio)
    if path.suffix == "":
        with _open_folder(path) as write:
            yield write
        return
    with atomic_path(path) as temporary, _open_ffmpeg(temporary, path, fps, size, audio) as write:
        yield write


@contextmanager
def _open_folder(path: Path) -> Iterator[Write]:
    """Write frame_00000.png and so on; they replace older frames in the folder when all are there."""
    image = need("PIL.Image")
    if os.path.exists(path) and not os.path.isdir(path):
        raise KtubeError("A file is in the way.", where=path, fix="Choose another name or add a suffix, as .mp4.")
    make_folder(path.parent)
    with writing(path):
        working = Path(tempfile.mkdtemp(prefix=PREFIX_WRITING, dir=path.parent))
    count = 0

    def write(frame: np.ndarray) -> None:
        nonlocal count
        image.fromarray(np.ascontiguousarray(frame[..., :3])).save(working / f"frame_{count:05}.png", compress_level=1)
        count += 1

    try:
        with writing(path, working):
            yield write
        with writing(path):
            path.mkdir(exist_ok=True)
            for old in path.glob("frame_*.png"):
                old.unlink()
            for new in sorted(working.iterdir()):
                new.replace(path / new.name)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _command(target: Path, suffix: str, fps: float, size: tuple[int, int], audio: str | Path | None) -> list[str]:
    width, height = size
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb0", "-s", f"{width}x{height}", "-r", f"{fps:.6f}", "-i", "-"]
    command = [find_ffmpeg(), "-y", "-loglevel", "error", *raw]
    if suffix == ".gif":
        palette = "split[a][b];[a]palettegen=max_colors=128:stats_mode=diff[p];[b][p]paletteuse=dither=none"
        return [*command, "-vf", f"fps={gif_fps(fps):.6f},{palette}", f"file:{target}"]
    if audio is not None:
        command += [*media_input(audio), "-map", "0:v", "-map", "1:a", "-af", "apad", "-c:a", "aac", "-shortest"]
    # Converted by the same table that the file names, or a player shows other colours than were drawn.
    convert = "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    command += ["-vf", convert, "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"]
    for tag in ("-colorspace", "-color_primaries", "-color_trc"):
        command += [tag, "bt709"]
    return [*command, "-color_range", "tv", "-movflags", "+faststart", f"file:{target}"]


def gif_fps(fps: float) -> float:
    """Give the highest rate a GIF can hold that is not above `fps`: its frames last whole hundredths of a second.

    Players take a delay of one hundredth for a mistake and show it for ten, so 50 is the end.

    Examples
    --------
    >>> [gif_fps(fps) for fps in (10, 20, 25, 30, 60, 1000)]
    [10.0, 20.0, 25.0, 25.0, 50.0, 50.0]
    """
    return 100 / max(math.ceil(100 / fps - 1e-6), 2)


class _Pipe:
    """A running ffmpeg; while it takes one frame the caller may draw the next."""

    def __init__(self, command: list[str], size: tuple[int, int], log: IO[bytes]) -> None:
        self.size, self.log = size, log
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=log, pipesize=2**20
        )
        self.stdin = cast(IO[bytes], self.process.stdin)
        self.writer = ThreadPoolExecutor(1)
        self.pending: Future[int] | None = None

    def write(self, frame: np.ndarray) -> None:
        if frame.shape[:2] != (self.size[1], self.size[0]):
            raise ConfigError("A frame has the wrong size.", expected=self.size, found=frame.shape[1::-1])
        self.settle()
        if frame.shape[2] == 4:
            own = np.array(frame, np.uint8, order="C")  # the caller may draw over its frame while this one is sent
        else:
            own = np.zeros((*frame.shape[:2], 4), np.uint8)
            own[..., :3] = frame
        self.pending = self.writer.submit(self.stdin.write, own.data.cast("B"))

    def settle(self) -> None:
        """Wait until the last frame is taken."""
        if self.pending is not None:
            self.pending.result()

    def finish(self) -> None:
        self.settle()
        self.stdin.close()
        if self.process.wait() != 0:
            raise BrokenPipeError

    def words(self) -> str:
        """Give what ffmpeg said."""
        self.process.wait()
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace").strip() or "no message"

    def stop(self) -> None:
        self.process.kill()
        self.writer.shutdown()
        # Bytes still buffered break the pipe once more when it closes.
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.process.wait()


@contextmanager
def _open_ffmpeg(
    temporary: Path, path: Path, fps: float, size: tuple[int, int], audio: str | Path | None
) -> Iterator[Write]:
    with tempfile.TemporaryFile() as log:
        pipe = _Pipe(_command(temporary, path.suffix.lower(), fps, size, audio), size, log)
        try:
            yield pipe.write
            pipe.finish()
        except BrokenPipeError as error:
            words = pipe.words()
            for number in (errno.ENOSPC, errno.EROFS, errno.EFBIG, errno.EDQUOT):
                if os.strerror(number) in words:
                    raise OSError(number, os.strerror(number)) from error  # told by `writing`, as of any file
            raise KtubeError("ffmpeg failed.", where=path, found=words.splitlines()[-1]) from error
        finally:
            pipe.stop()


def read_video(path: str | Path, *, fps: float, height: int) -> Iterator[np.ndarray]:
    """Read a video at another rate and height.

    Parameters
    ----------
    path : path
        Anything ffmpeg reads.
    fps : float
        Frames per second to give.
    height : int
        Height in pixels; the width follows, rounded to an even number.

    Yields
    ------
    frame : uint8 array [shape=(height, width, 3)]

    Raises
    ------
    FormatError
        If this is no video.

    Examples
    --------
    >>> next(read_video("nowhere.mp4", fps=20, height=100))
    Traceback (most recent call last):
    ktube_motion.errors.FormatError: nowhere.mp4: There is no such video.
    """
    options = ["-vf", f"fps={fps:.6f},scale=-2:{height}"]
    yield from read_pictures(path, options, problem="This is no video ffmpeg can read.")


def read_and_hold(source_video: str | Path, *, fps: float, height: int) -> Iterator[Any]:
    """Give the width of the source video, then its frames; the last one is held for ever."""
    frames = read_video(source_video, fps=fps, height=height)
    last = next(frames)
    yield last.shape[1]
    yield last
    for last in frames:
        yield last
    while True:
        yield last


def check_size(size: Sequence[int]) -> tuple[int, int]:
    """Check that a picture size is two whole numbers a screen can show."""
    if len(size) != 2 or not all(isinstance(side, int | np.integer) and 64 <= side <= 8192 for side in size):
        raise ConfigError("The picture size is not usable.", expected="two whole numbers from 64 to 8192", found=size)
    return int(size[0]), int(size[1])


def check_fps(fps: float | None, clips: Sequence[Motion | PoseSequence], path: Path) -> float:
    """Give the frame rate asked for, or the highest of the clips; for a GIF the next one that it can hold."""
    fps = max(clip.fps for clip in clips) if fps is None else fps
    if not (isinstance(fps, int | float | np.integer | np.floating) and np.isfinite(fps) and 0 < fps <= 1000):
        raise ConfigError("The fps of a picture file is not usable.", expected="a number from 0 to 1000", found=fps)
    return gif_fps(fps) if path.suffix.lower() == ".gif" else float(fps)


def progress_bar(frames: int, show: bool | None) -> Any:
    """Count frames, with a bar on a terminal or where asked for."""
    from tqdm import tqdm

    # disable=None keeps quiet where the output is not a terminal.
    return tqdm(range(frames), unit="frame", disable=None if show is None else not show)
