"""Sound from any file that ffmpeg reads, a stretch at a time: an hour needs no more memory than a minute."""

import os
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..errors import DataError, FormatError, KtubeError, MissingDependencyError

__all__ = ["SoundReader", "find_ffmpeg", "media_input"]

# Files that hold sound and pictures themselves. A playlist (m3u8, concat, dash, sdp, …) would make ffmpeg open others.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,wav,w64,aiff,caf,mp3,aac,ac3,eac3,flac,amr,"
    "gif,apng,mxf,nut,rm,au,mpegvideo,h264,hevc,m4v,mjpeg,ivf,wv,ape,tta,dv,av1,obu"
)


def find_ffmpeg() -> str:
    """Find the ffmpeg that imageio-ffmpeg brings, or the system's."""
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise MissingDependencyError("This needs imageio_ffmpeg.", fix='pip install "ktube_motion[render]"') from error
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise KtubeError("No ffmpeg program was found.", fix="Run: apt-get install ffmpeg") from error


def media_input(path: str | Path) -> list[str]:
    """Give the part of an ffmpeg command that reads one local file, and nothing that the file names.

    Whatever its name is: a colon in it makes no protocol.
    """
    return ["-protocol_whitelist", "file,pipe", "-format_whitelist", _CONTAINERS, "-i", f"file:{path}"]


class SoundReader:
    """Reads sound from front to back; used as a context manager.

    Parameters
    ----------
    audio : path or (array [shape=(N,)], int)
        A sound or video file, or mono samples between -1 and 1 with their rate in hertz.
    sample_rate : int
        Hertz of what is given.

    Attributes
    ----------
    seconds : float
        How much sound has been found so far; all of it once the end is reached.

    Raises
    ------
    FormatError
        If the file is missing, ffmpeg cannot read it, or it has no sound.

    Examples
    --------
    >>> with SoundReader((np.zeros(16_000), 16_000), sample_rate=8000) as sound:
    ...     len(sound.between(0.25, 0.75)), len(sound.between(0.5, 3)), sound.seconds
    (4000, 4000, 1.0)
    """

    def __init__(self, audio: str | Path | tuple[np.ndarray, int], *, sample_rate: int) -> None:
        self.sample_rate: int
        self.sample_rate, self._start, self._ended = sample_rate, 0, False
        self._kept = np.zeros(0, np.float32)
        self._stack = ExitStack()
        if isinstance(audio, tuple):
            samples, rate = audio
            self._kept, self._ended = _resampled(samples, rate, sample_rate), True
        else:
            self._open(Path(audio))

    def _open(self, path: Path) -> Any:
        if not os.path.isfile(path):
            raise FormatError("There is no such sound file.", where=path)
        command = [find_ffmpeg(), "-loglevel", "error", *media_input(path), "-vn", "-map", "0:a:0", "-ac", "1"]
        command += ["-ar", str(self.sample_rate), "-f", "s16le", "-"]
        with ExitStack() as stack:
            log = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
            stack.enter_context(self._process)
            stack.callback(self._process.kill)
            self._kept = self._block()
            if not len(self._kept):
                log.seek(0)
                said = log.read().decode("utf-8", "replace").strip().splitlines()
                raise FormatError("There is no sound in this file.", where=path, found=said[-1] if said else "nothing")
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End ffmpeg."""
        self._stack.close()

    @property
    def seconds(self) -> float:
        return (self._start + len(self._kept)) / self.sample_rate

    def between(self, start: float, end: float) -> np.ndarray:
        """Give the samples from `start` to `end` (seconds), float32 ``(N,)``; fewer where the sound ends before.

        Raises
        ------
        DataError
            If `start` lies before that of an earlier call.
        """
        first, stop = (round(max(time, 0.0) * self.sample_rate) for time in (start, end))
        if first < self._start:
            raise DataError("Sound is read from front to back.", expected=f"from {self._start} on", found=first)
        while self._start + len(self._kept) < first and not self._ended:  # nobody wants what lies between
            self._start, self._kept = self._start + len(self._kept), self._block()
        blocks = [self._kept[first - self._start :]]
        self._start = min(first, self._start + len(self._kept))
        while self._start + sum(map(len, blocks)) < stop and not self._ended:
            blocks.append(self._block())
        self._kept = np.concatenate(blocks)
        return self._kept[: max(stop - first, 0)]

    def _block(self) -> np.ndarray:
        assert self._process.stdout is not None  # it is a pipe
        data = self._process.stdout.read(2 * self.sample_rate)
        self._ended = len(data) < 2 * self.sample_rate
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768


def _resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    from math import gcd

    from scipy.signal import resample_poly

    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not np.isfinite(samples).all() or not rate > 0:
        raise DataError(
            "These are no mono samples.", expected="finite numbers (N,), a rate above 0", found=samples.shape
        )
    common = gcd(int(rate), wanted)
    return samples if rate == wanted else resample_poly(samples, wanted // common, int(rate) // common)
