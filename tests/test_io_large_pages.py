"""Files that are written by large pages: the same bytes, and mapped by megabytes where the system can."""

import errno
import mmap
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from system_maps import map_at

from ktube_motion.io import _large_pages
from ktube_motion.io._large_pages import PAGE_BYTES, LargePageFile
from ktube_motion.training import _maps


@settings(deadline=None)
@given(parts=st.lists(st.binary(max_size=40)))
def test_any_pieces_come_out_as_they_were_written(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "a.bin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_large_pages, "PAGE_BYTES", 16)
        with LargePageFile(path) as file:
            for part in parts:
                before = file.tell()
                assert file.write(part) == len(part) == file.tell() - before
    assert path.read_bytes() == b"".join(parts)


def test_bytes_reach_the_system_by_whole_aligned_pages(tmp_path, monkeypatch):
    told = []

    class Watched(_large_pages.io.FileIO):
        def write(self, data):
            told.append((self.tell(), len(data)))
            return super().write(data)

    monkeypatch.setattr(_large_pages.io, "FileIO", Watched)
    with LargePageFile(tmp_path / "a.bin") as file:
        file.write(b"head")
        file.write(np.arange(700_000, dtype=np.float64).reshape(700, 1000))  # an array counts in bytes
    whole, rest = divmod(4 + 5_600_000, PAGE_BYTES)
    assert told == [*((number * PAGE_BYTES, PAGE_BYTES) for number in range(whole)), (whole * PAGE_BYTES, rest)]
    found = np.frombuffer((tmp_path / "a.bin").read_bytes()[4:], np.float64)
    assert np.array_equal(found, np.arange(700_000))


def test_a_system_that_takes_less_than_it_was_given_is_given_the_rest(tmp_path, monkeypatch):
    class Slow(_large_pages.io.FileIO):
        def write(self, data):
            return super().write(data[:1000])

    monkeypatch.setattr(_large_pages.io, "FileIO", Slow)
    with LargePageFile(tmp_path / "a.bin") as file:
        file.write(bytes(range(256)) * 20)
    assert (tmp_path / "a.bin").read_bytes() == bytes(range(256)) * 20


def test_a_full_disk_is_told_also_when_it_comes_with_the_last_page(tmp_path, monkeypatch):
    class Full(_large_pages.io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_large_pages.io, "FileIO", Full)
    file = LargePageFile(tmp_path / "a.bin")
    file.write(b"few")
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert file.closed


def _mapped_by_megabytes(path):
    """Give the share of a mapped file whose pages are large, as Linux tells it."""
    frames = np.memmap(path, np.float32, "r")
    _maps.bring_in([frames]).join(60)
    return 1024 * int(map_at(frames.ctypes.data)["FilePmdMapped"][0]) / frames.nbytes


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(mmap, "MADV_HUGEPAGE"), reason="only Linux tells of pages")
def test_what_was_just_written_is_mapped_by_megabytes(tmp_path):
    rows, page = np.zeros((1000, 263), np.float32), bytes(PAGE_BYTES)
    with (tmp_path / "whole.bin").open("wb", buffering=0) as whole, LargePageFile(tmp_path / "large.bin") as large:
        for _ in range(32):
            whole.write(page)
            large.write(rows)
    if (best := _mapped_by_megabytes(tmp_path / "whole.bin")) < 0.5:
        pytest.skip("this file system has no large pages, or they are used up")
    assert _mapped_by_megabytes(tmp_path / "large.bin") > best / 2
