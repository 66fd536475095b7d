"""Ctrl-C: one line, exit code 130, and soon, whatever a library is busy with."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["STOPPED", "stoppable"]

STOPPED = 130
_PATIENCE = 1.5  # seconds


@contextmanager
def stoppable(tell: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C raises KeyboardInterrupt; if the program is still there a while later, it tells and ends.

    Files are written whole or not at all, so that nothing is lost by that. Trainings have a way of their own to
    stop, which waits until a step is finished and saved; in them, it is the second Ctrl-C that comes here.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    timers: list[threading.Timer] = []

    def give_up() -> NoReturn:
        tell()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(STOPPED)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        if _in_import(frame):
            give_up()
        timer = threading.Timer(_PATIENCE, give_up)
        timer.daemon = True
        timers.append(timer)
        timer.start()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for timer in timers:
            timer.cancel()


def _in_import(frame: FrameType | None) -> bool:
    """Tell whether a library is being loaded: an exception there can end the process with an abort of C++."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
