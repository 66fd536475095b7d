"""Files that will be mapped, written so that the system keeps them in large pages."""

import io
from pathlib import Path
from typing import Any

__all__ = ["LargePageFile"]

PAGE_BYTES = 1 << 21  # of a large page, on x86 and on most of ARM


class LargePageFile(io.BufferedIOBase):
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
        self._file = io.FileIO(path, "wb")
        self._page = memoryview(bytearray(PAGE_BYTES))
        self._filled = 0

    def writable(self) -> bool:
        """Say that it is to be written into, as files do."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes, or any C-contiguous array."""
        left = memoryview(data).cast("B")
        count = len(left)
        while len(left):
            part = left[: PAGE_BYTES - self._filled]
            self._page[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            left = left[len(part) :]
            if self._filled == PAGE_BYTES:
                self._hand_over()
        return count

    def tell(self) -> int:
        """Give how many bytes have been written."""
        return self._file.tell() + self._filled

    def _hand_over(self) -> None:
        left, self._filled = self._page[: self._filled], 0
        while len(left):
            left = left[self._file.write(left) or 0 :]

    def close(self) -> None:
        """Hand over what is left of a page; flushing alone does not, as the pages after it would be small ones."""
        if not self.closed:
            try:
                self._hand_over()
            finally:
                self._file.close()
                super().close()
