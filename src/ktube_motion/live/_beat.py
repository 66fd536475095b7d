"""The process that keeps the beat: takes frames as they are made, sends poses as they are due."""

import asyncio
import contextlib
import json
import os
import socket
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ._vmc import packets, vmc_messages

__all__ = ["Beat", "BeatOptions", "Piece", "keep_beat"]

_FULL = 1 << 18  # bytes that wait for a page before frames are left out for it
_SPIN = 0.002  # seconds before a beat in which the clock is watched rather than slept
_HASTE = 0.15  # by how much faster it is played, after it had to wait, until it is in time again


@dataclass(frozen=True)
class BeatOptions:
    """Where poses go, and how often."""

    fps: float
    lead: float
    joint_names: tuple[str, ...]
    offsets: np.ndarray
    mouths: tuple[str, ...]
    vmc: tuple[str, int] | None
    websocket: tuple[str, int] | None
    vrm: int


@dataclass(frozen=True)
class Piece:
    """Some frames of motion: ``(n, J, 4)`` rotations, ``(n, 3)`` roots, ``(n, 5)`` mouths; the first is at `start`."""

    start: float
    fps: float
    quats: np.ndarray
    roots: np.ndarray
    mouths: np.ndarray


class Beat:
    """What is played now: the frames that have come, and the time that runs over them.

    For as long as a frame lasts the motion goes on as it went; where the next is not there then, the pose stays, and
    time waits for it. Then frames are played a little faster, until the motion is where it was to be.
    """

    def __init__(self, options: BeatOptions) -> None:
        self.options = options
        self.begun: float | None = None
        self.stalls = 0
        self.stalled = self.behind = 0.0
        self._last_moment = 0.0
        self._frames: deque[tuple[float, np.ndarray, np.ndarray, np.ndarray]] = deque()
        self._period = 0.0
        self.at_end = False

    def begin(self, moment: float) -> None:
        """Say when, by the clock, second 0 of the motion is due."""
        self.begun = moment

    def take(self, piece: Piece) -> None:
        """Add frames behind those that are there."""
        self._period, self.at_end = 1 / piece.fps, False
        for number in range(len(piece.roots)):
            values = piece.quats[number], piece.roots[number], piece.mouths[number]
            self._frames.append((piece.start + number / piece.fps, *values))

    @property
    def over(self) -> bool:
        """Whether all that has come is played, which may be nothing."""
        return self.at_end or self.begun is None or not self._frames

    def at(self, moment: float) -> tuple[float, np.ndarray, np.ndarray, np.ndarray] | None:
        """Give time, rotations, root and mouth at a moment of the clock; None before the first frame."""
        if self.begun is None or not self._frames or moment < self.begun:
            return None
        self._hurry(moment)
        now = moment - self.begun
        while len(self._frames) > 2 and self._frames[1][0] <= now:
            self._frames.popleft()
        first, second = self._frames[0], self._frames[min(1, len(self._frames) - 1)]
        last = second[0] + self._period
        if now > last:
            # Time waits: what comes next is played from its beginning.
            self.stalls += not self.at_end
            self.stalled += now - last
            self.behind += now - last
            self.begun += now - last
            now = last
        self.at_end = now == last
        # A pose between frames, or a little beyond the last while the next is made.
        share = 0.0 if second is first else (now - first[0]) / (second[0] - first[0])
        near = np.where((first[1] * second[1]).sum(-1, keepdims=True) < 0, -second[1], second[1])
        quats = first[1] + share * (near - first[1])
        quats = quats / np.linalg.norm(quats, axis=-1, keepdims=True)
        root, mouth = first[2] + share * (second[2] - first[2]), first[3] + share * (second[3] - first[3])
        return now, quats, root, np.clip(mouth, 0, 1)

    def _hurry(self, moment: float) -> None:
        """Make up for what was waited, as far as frames are there."""
        assert self.begun is not None
        gone, self._last_moment = moment - self._last_moment, moment
        there = self._frames[-1][0] - (moment - self.begun)
        step = max(0.0, min(self.behind, _HASTE * gone, there))
        self.begun -= step
        self.behind -= step


def keep_beat(options: BeatOptions, pipe: Connection) -> None:
    """Run until the other side of `pipe` says ``None``: the main function of the process.

    Answers ``("ready", port)`` or ``("error", text)`` first, and at the end a dict of what was measured.
    """
    _come_first()
    try:
        asyncio.run(_run(options, pipe))
    except BrokenPipeError:
        pass  # the session has ended, and nobody waits for an answer
    except OSError as error:
        pipe.send(("error", str(error.strerror or error)))
    except KeyboardInterrupt:
        pass  # the session is told to stop too, and says so


def _come_first() -> None:
    """Run before what is less urgent, where the system lets us: as root, or by a limit for ``rtprio``."""
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


async def _run(options: BeatOptions, pipe: Connection) -> None:
    pages: set[Any] = set()
    hello = json.dumps({
        "type": "hello", "fps": options.fps, "bones": list(options.joint_names), "mouths": list(options.mouths),
        "offsets": np.round(options.offsets, 5).tolist(),
    }, ensure_ascii=False)  # fmt: skip

    async def welcome(page: Any) -> None:
        await page.send(hello)
        pages.add(page)
        try:
            async for _ in page:
                pass  # pages only listen; what they say is not for us
        finally:
            pages.discard(page)

    server, port = None, 0
    if options.websocket is not None:
        from websockets.asyncio.server import serve

        server = await serve(welcome, *options.websocket, compression=None, max_size=1 << 12)
        port = next(iter(server.sockets)).getsockname()[1]
    out = None if options.vmc is None else socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pipe.send(("ready", port))
    beat = Beat(options)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def arrived() -> None:
        while pipe.poll():
            try:
                message = pipe.recv()
            except EOFError:
                message = None
            if message is None:
                ended.set()
                loop.remove_reader(pipe.fileno())
                return
            beat.begin(message) if isinstance(message, float) else beat.take(message)

    loop.add_reader(pipe.fileno(), arrived)
    measured = await _tick(beat, ended, out, pages)
    if server is not None:
        server.close()
        await server.wait_closed()
    pipe.send(measured)


async def _tick(beat: Beat, ended: asyncio.Event, out: socket.socket | None, pages: set[Any]) -> dict[str, Any]:
    """Send a pose at every beat."""
    options = beat.options
    period, late, lost, skipped, sent, first = 1 / options.fps, [0] * 1000, 0, 0, 0, None
    due = time.monotonic()
    while not (ended.is_set() and beat.over):
        due += period
        if first is None and beat.begun is not None and due - period < beat.begun <= due:
            due = beat.begun  # the first pose comes when it is due
        await asyncio.sleep(max(0.0, due - time.monotonic() - _SPIN))
        while time.monotonic() < due:
            await asyncio.sleep(0)
        pose = beat.at(due)
        if pose is None:
            continue
        late[min(999, int(10000 * (time.monotonic() - due)))] += 1  # tenths of a millisecond
        lost += _send_vmc(out, options, pose) if out is not None else 0
        skipped += _send_pages(pages, pose)
        sent += 1
        first = first if first is not None else time.monotonic()
        if time.monotonic() > due + 1:  # the machine slept: no volley of what is past
            due = time.monotonic()
    shares = np.cumsum(late) / max(1, sum(late))
    jitter = {f"jitter_{name}_ms": float(np.searchsorted(shares, share) + 1) / 10 for name, share in _SHARES.items()}
    return {"frames": sent, "lost": lost, "skipped": skipped, "first": first, "stalls": beat.stalls,
            "stalled": beat.stalled, "behind": beat.behind, **jitter}  # fmt: skip


_SHARES = {"median": 0.5, "p99": 0.99, "worst": 1.0 - 1e-12}


def _send_vmc(out: socket.socket, options: BeatOptions, pose: tuple[float, np.ndarray, np.ndarray, np.ndarray]) -> int:
    seconds, quats, root, mouth = pose
    shapes = dict(zip(options.mouths, mouth.tolist(), strict=True))
    messages = vmc_messages(
        options.joint_names, quats, options.offsets, root, mouth=shapes, seconds=seconds, vrm=options.vrm
    )
    lost = 0
    for packet in packets(messages):
        try:
            out.sendto(packet, options.vmc)  # type: ignore[arg-type]
        except OSError:  # nobody listens there at the moment, which is no reason to stop
            lost += 1
    return lost


def _send_pages(pages: set[Any], pose: tuple[float, np.ndarray, np.ndarray, np.ndarray]) -> int:
    from websockets.asyncio.server import broadcast

    ready = [page for page in pages if page.transport.get_write_buffer_size() < _FULL]
    if ready:
        seconds, quats, root, mouth = pose
        frame = {
            "t": round(seconds, 4), "q": np.round(quats, 5).tolist(), "p": np.round(root, 4).tolist(),
            "m": np.round(mouth, 3).tolist(),
        }  # fmt: skip
        broadcast(ready, json.dumps(frame, separators=(",", ":")))
    return len(pages) - len(ready)
