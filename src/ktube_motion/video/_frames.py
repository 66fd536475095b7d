"""Pictures of a video by time, through ffmpeg: upright, at an even rate, a few in memory at once."""

import math
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError, FormatError
from ..io._pictures import last_line, read_pictures
from ..io._sound import find_ffmpeg, media_input

__all__ = ["VideoInfo", "choose_rate", "probe_video", "read_frames"]

_STREAM = re.compile(r"Stream #0:\d+.*: Video: .*")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(k?) (?:fps|tbr)")
_LENGTH = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class VideoInfo:
    """What a video's header says.

    Attributes
    ----------
    fps : float
        Frames per second, on average where the rate varies.
    seconds : float
        Its length; 0 where the header does not say it.
    """

    fps: float
    seconds: float


def probe_video(path: str | Path) -> VideoInfo:
    """Read a video's header.

    Raises
    ------
    FormatError
        If there is no such file, or no picture in it that ffmpeg can read.

    Examples
    --------
    >>> probe_video("nowhere.mp4")
    Traceback (most recent call last):
    ktube_motion.errors.FormatError: nowhere.mp4: There is no such video.
    """
    if not os.path.isfile(path):
        raise FormatError("There is no such video.", where=path)
    command = [find_ffmpeg(), "-hide_banner", *media_input(path)]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).stderr
    text = said.decode("utf-8", "replace")
    streams = [line for line in _STREAM.findall(text) if "attached pic" not in line]
    rates = [float(number) * (1000 if kilo else 1) for number, kilo in _RATE.findall(streams[0])] if streams else []
    if not rates or not rates[0] > 0:
        raise FormatError("There are no moving pictures in this file.", where=path, found=last_line(text))
    length = _LENGTH.search(text)
    hours, minutes, seconds = map(float, length.groups()) if length else (0.0, 0.0, 0.0)
    return VideoInfo(rates[0], 3600 * hours + 60 * minutes + seconds)


def read_frames(
    path: str | Path, *, fps: float, size: tuple[int, int] | None = None, largest: int = 1280, first: int = 0,
    count: int | None = None,
) -> Iterator[np.ndarray]:  # fmt: skip
    """Read the frames that stand at ``0, 1/fps, 2/fps, …`` seconds.

    Parameters
    ----------
    path : path
        Anything ffmpeg reads.
    fps : float
        Frames per second to give, whatever the video's own rate, even or not.
    size : tuple of int, optional
        Width and height; by default those of the upright video, at most `largest` the longer.
    first, count : int
        Which frames, of those that stand at this rate.

    Yields
    ------
    frame : uint8 array [shape=(height, width, 3)]
        Red, green, blue.

    Raises
    ------
    FormatError
        If nothing can be decoded.

    Examples
    --------
    >>> next(read_frames("nowhere.mp4", fps=20))
    Traceback (most recent call last):
    ktube_motion.errors.FormatError: nowhere.mp4: There is no such video.
    """
    scale = f"{size[0]}:{size[1]}:flags=area" if size else (
        f"w='min(1,{largest}/max(iw,ih))*iw':h='min(1,{largest}/max(iw,ih))*ih':flags=area"
    )  # fmt: skip
    # Half a frame early: what stands at the seconds asked for is then the first that is kept.
    start = ["-ss", f"{max(first - 0.5, 0) / fps:.6f}"] if first else []
    offset = 0.5 / fps if first else 0
    filters = f"setpts=PTS-{offset:.6f}/TB,fps={fps:.6f}:start_time=0,scale={scale}"
    length = [] if count is None else ["-frames:v", str(count)]
    options = ["-map", "0:v:0", "-vf", filters, *length, "-threads", "1"]
    problem = None if first else "No picture of this video can be decoded."
    yield from read_pictures(path, options, before=start, problem=problem)


def choose_rate(info: VideoInfo, wanted: float | None, where: str | Path) -> float:
    """Give the rate to look at a video with: its own, at most 30; too few frames a second tell nothing of hands."""
    if info.fps < 8:
        raise DataError(
            "This video has too few frames a second to follow hands.", where=where, expected="8 or more",
            found=f"{info.fps:g}",
        )  # fmt: skip
    rate = min(info.fps, 30.0) if wanted is None else wanted
    return rate if math.isfinite(rate) and rate > 0 else 30.0
