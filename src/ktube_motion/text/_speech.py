"""Korean words as sound, without a neural model: eSpeak NG's voice in a process of its own."""

import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from ..errors import KtubeError, MissingDependencyError

__all__ = ["KoreanVoice"]


class KoreanVoice:
    """Speaks Korean words, one by one.

    Used as a context manager; the process that speaks ends with it. The library is that of the package
    ``espeakng-loader``, else an installed ``espeak-ng``.

    Attributes
    ----------
    sample_rate : int
        Of what is spoken.

    Raises
    ------
    MissingDependencyError
        If there is no eSpeak NG.

    Examples
    --------
    >>> with KoreanVoice() as voice:
    ...     sound = voice.say("안녕하세요")
    >>> sound.dtype, 0.5 < len(sound) / voice.sample_rate < 1.5
    (dtype('float32'), True)
    """

    def __init__(self, voice: str = "ko") -> None:
        worker = Path(__file__).with_name("_espeak_worker.py")
        command = [sys.executable, "-I", str(worker), *_find_espeak(), voice]
        with ExitStack() as stack:
            self._log = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
            assert self._process.stdin is not None  # both are pipes
            assert self._process.stdout is not None
            self._stdin, self._stdout = self._process.stdin, self._process.stdout
            stack.callback(self._end)
            self.sample_rate = int(self._line())
            self._stack = stack.pop_all()
        self.say = lru_cache(maxsize=4096)(self._say)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _end(self) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):  # what it was still to read
            self._stdin.close()
        self._stdout.close()
        self._process.wait()

    def _say(self, word: str) -> np.ndarray:
        """Give a word as sound, float32 ``(N,)``; nothing for what cannot be said."""
        try:
            self._stdin.write("".join(word.split()).encode() + b"\n")
            self._stdin.flush()
        except OSError:
            raise self._failure() from None
        size = 2 * int(self._line())
        data = self._stdout.read(size)
        if len(data) < size:
            raise self._failure()
        return np.frombuffer(data, np.int16).astype(np.float32) / 32768

    def _line(self) -> bytes:
        line = self._stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure()
        return line

    def _failure(self) -> KtubeError:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return KtubeError("eSpeak NG failed.", found=lines[-1] if lines else f"exit status {self._process.returncode}")


def _find_espeak() -> tuple[str, str]:
    """Give the paths of eSpeak NG's library and data; data "" is where the library looks by itself."""
    from ctypes.util import find_library

    try:
        import espeakng_loader

        return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    except ImportError:
        library = find_library("espeak-ng")
    if library is None:
        raise MissingDependencyError(
            "Aligning words with sound needs eSpeak NG.", fix='pip install "ktube_motion[align]", or install espeak-ng.'
        )
    return library, ""
