"""Where jobs run: here, one after the other, or in processes that end at once when they shall."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

__all__ = ["Here", "given_or_own", "processes"]


class Here(Executor):
    """Runs each job when it is given, in this thread, so that Ctrl-C stops it.

    Examples
    --------
    >>> Here().submit(max, 1, 2).result()
    2
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a job; what it raises is the future's, but for what is meant for the whole program."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (it is handed on, as every executor does)
            future.set_exception(error)
        return future


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; after an error or Ctrl-C they are ended, not waited for, as no file is half written.

    Ctrl-C goes to all processes of a terminal; theirs is left to this one. Killed itself, it takes them along.
    """
    from multiprocessing import get_context

    # Forking a process that has used torch's threads can hang it.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_serve_parent)
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def given_or_own(executor: Executor | None, jobs: int) -> Iterator[Executor]:
    """Give the caller's executor as it is, or one of our own for so many jobs, which ends with us."""
    if executor is not None:
        yield executor
        return
    if jobs <= 1:  # a process of its own would only cost its start
        yield Here()
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with processes(min(jobs, cores)) as pool:
        yield pool


def _serve_parent() -> None:
    """Leave Ctrl-C to the parent, and watch it: workers of a killed one would wait for ever, or write on."""
    from multiprocessing import parent_process
    from threading import RLock, Thread

    from tqdm import tqdm

    # A bar's own lock is one between processes, which Python would tell as leaked when this one is ended.
    tqdm.set_lock(RLock())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
