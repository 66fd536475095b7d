"""Files that will be mapped, written so that the system keeps them in large pages."""

import io
from pathlib import Path
from typing import Any

__all__ = ["LargePageFile"]

PAGE_BYTES = 1 << 21  # of a large page, on x86 and on most of ARM


class LargePageFile(io.BufferedWriter):
    """A file to write into, whose bytes reach the system by whole large pages.

    What a program has just written, the system keeps in memory in pages that are as large as the pieces it came in,
    and can map it by megabytes only if these were, too. From other pages random windows come slower.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.bin"
    >>> with LargePageFile(path) as file:
    ...     written = file.write(b"head") + file.write(bytes(3_000_000)) + file.write(b"tail")
    >>> path.stat().st_size == written, path.read_bytes()[-4:]
    (True, b'tail')
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.FileIO(path, "wb"), PAGE_BYTES)

    def write(self, data: Any) -> int:
        """Take bytes, or any C-contiguous array."""
        left = memoryview(data).cast("B")
        count = len(left)
        while len(left):
            room = PAGE_BYTES - self.tell() % PAGE_BYTES
            super().write(left[:room])
            left = left[room:]
            if self.tell() % PAGE_BYTES == 0:
                self.flush()
        return count
