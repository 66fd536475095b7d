"""Lines of text from a socket, one sender after the other."""

import socket
from collections.abc import Callable, Iterator

from ..errors import ConfigError, KtubeError

__all__ = ["listen", "parse_place", "socket_lines"]

_LONGEST = 1 << 16  # bytes of a line


def parse_place(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT``, or a port alone, which is one of this machine only.

    Raises
    ------
    ConfigError
        If it is neither.

    Examples
    --------
    >>> parse_place("39539"), parse_place("192.168.0.7:8765"), parse_place("[::1]:80")
    (('127.0.0.1', 39539), ('192.168.0.7', 8765), ('::1', 80))
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ConfigError("There is no such place.", expected="PORT or HOST:PORT", found=text)
    return (host.strip("[]") or "127.0.0.1"), int(port)


def listen(place: tuple[str, int]) -> socket.socket:
    """Open a TCP socket to be sent lines at.

    Raises
    ------
    KtubeError
        If the port is in use, or not ours.
    """
    try:
        return socket.create_server(place)
    except OSError as error:
        where, fix = f"{place[0]}:{place[1]}", "Choose another port."
        raise KtubeError("Nobody can send here.", where=where, found=error.strerror, fix=fix) from error


def socket_lines(server: socket.socket, tell: Callable[[str], None]) -> Iterator[str]:
    """Yield the lines of whoever connects, one after the other, until the socket is closed.

    A sender who goes away in the middle of a line loses that line only; one who sends a line without an end is cut off.
    """
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # closed from this side: the end
            return
        try:
            with connection, connection.makefile("rb") as file:
                while line := file.readline(_LONGEST):
                    if not line.endswith(b"\n") and len(line) >= _LONGEST:
                        tell(f"a line of over {_LONGEST} bytes is none; its sender is cut off")
                        break
                    yield line.decode("utf-8", "replace")
        except OSError as error:
            tell(f"a sender went away: {error.strerror or error}")
