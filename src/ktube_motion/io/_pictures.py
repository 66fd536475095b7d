"""Pictures out of a video file, through ffmpeg, one at a time."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np

from ..errors import FormatError
from ._sound import find_ffmpeg, media_input

__all__ = ["last_line", "read_pictures"]


def read_pictures(
    path: str | Path, options: Sequence[str], *, before: Sequence[str] = (), problem: str | None
) -> Iterator[np.ndarray]:
    """Decode a video; each picture is uint8 ``(height, width, 3)``.

    Parameters
    ----------
    path : path
    options, before : sequence of str
        What ffmpeg does with it: which pictures, how large; and what stands before its input.
    problem : str or None
        What is wrong where there is no picture; None where that may be.

    Raises
    ------
    FormatError
        With `problem`, and ffmpeg's last word; or if there is no such file.
    """
    if not os.path.isfile(path):  # never raises, as Path.is_file does for a name too long
        raise FormatError("There is no such video.", where=path)
    # A stream of PPM pictures says its own size, so that the file need not be asked first.
    command = [find_ffmpeg(), "-loglevel", "error", *before, *media_input(path), *options]
    command += ["-f", "image2pipe", "-c:v", "ppm", "-"]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, pipesize=2**20
        ) as process,
    ):
        try:
            found = False
            for picture in _pictures(cast(IO[bytes], process.stdout)):
                found = True
                yield picture
            if not found and problem is not None:
                log.seek(0)
                raise FormatError(problem, where=path, found=last_line(log.read().decode("utf-8", "replace")))
        finally:
            process.kill()


def _pictures(stream: IO[bytes]) -> Iterator[np.ndarray]:
    while stream.readline().strip() == b"P6":
        width, rows = (int(number) for number in stream.readline().split())
        stream.readline()
        data = stream.read(width * rows * 3)
        if len(data) < width * rows * 3:
            return
        yield np.frombuffer(data, np.uint8).reshape(rows, width, 3)


def last_line(text: str) -> str:
    """Give ffmpeg's last word on a file."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and "output file" not in line]
    return lines[-1] if lines else "nothing"
