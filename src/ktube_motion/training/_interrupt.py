"""Ctrl-C in a long job: the first one asks, the second one stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupt"]


class Interrupt:
    """While inside, the first Ctrl-C sets `asked`, so that a step ends as a whole; the second one stops at once."""

    asked: bool = False

    def __enter__(self) -> Self:
        self.main: bool = threading.current_thread() is threading.main_thread()
        self.before: Any = signal.signal(signal.SIGINT, self._ask) if self.main else None
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.before)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.before)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let the first Ctrl-C stop what is done inside: nothing of it would be lost."""
        if self.main:
            signal.signal(signal.SIGINT, self.before)
        try:
            yield
        finally:
            if self.main:
                signal.signal(signal.SIGINT, self._ask)
