"""Sound from arrays and files: the right stretch, in flat memory, and clear words where there is none."""

import subprocess
import tracemalloc
import wave

import numpy as np
import pytest

from ktube_motion.errors import DataError, FormatError
from ktube_motion.io._sound import SoundReader, find_ffmpeg

RATE = 8000


def save_wav(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path


def ffmpeg(*arguments):
    subprocess.run([find_ffmpeg(), "-y", "-loglevel", "error", *map(str, arguments)], check=True)


@pytest.fixture
def ramp(tmp_path):
    """Give ten seconds whose samples tell their place."""
    return save_wav(tmp_path / "소리.wav", np.arange(10 * RATE) / (10 * RATE))


def test_stretches_are_where_they_should_be(ramp):
    with SoundReader(ramp, sample_rate=RATE) as sound:
        for start, end in ((0, 0.5), (0.25, 0.75), (0.25, 3.0), (6.5, 7.0), (9.5, 12.0), (30.0, 31.0)):
            samples = sound.between(start, end)
            assert len(samples) == max(round((min(end, 10) - start) * RATE), 0)
            np.testing.assert_allclose(samples * 10, start + np.arange(len(samples)) / RATE, atol=2e-3)
        assert sound.seconds == 10
        with pytest.raises(DataError, match="front to back"):
            sound.between(1, 2)


def test_a_video_gives_its_own_sound_and_without_any_says_so(tmp_path, ramp):
    picture = ("-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=10")
    ffmpeg(*picture, "-i", ramp, "-c:a", "pcm_s16le", tmp_path / "a.mkv")
    with SoundReader(tmp_path / "a.mkv", sample_rate=RATE) as sound:
        np.testing.assert_allclose(sound.between(2, 2.5) * 10, 2 + np.arange(RATE // 2) / RATE, atol=2e-2)
    ffmpeg(*picture, tmp_path / "silent.mp4")
    with pytest.raises(FormatError, match=r"no sound in this file"):
        SoundReader(tmp_path / "silent.mp4", sample_rate=RATE)


@pytest.mark.parametrize(
    "content", [b"", b"not a sound", b"RIFF\x00\x00\x00\x00WAVE", b"#EXTM3U\nhttp://localhost/x.ts\n"]
)
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "a.m3u8"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.m3u8: There is no sound"):
        SoundReader(path, sample_rate=RATE)
    with pytest.raises(FormatError, match="no such sound"):
        SoundReader(tmp_path / "b.wav", sample_rate=RATE)


def test_arrays_are_brought_to_the_rate(tmp_path):
    tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    with SoundReader((tone, 44_100), sample_rate=22_050) as sound:
        samples = sound.between(0.2, 0.8)
    expected = np.sin(2 * np.pi * 440 * (0.2 + np.arange(len(samples)) / 22_050))
    np.testing.assert_allclose(samples, expected, atol=5e-3)
    for samples, rate in ((np.zeros((2, 5)), RATE), (np.array([np.nan]), RATE), (np.zeros(5), 0)):
        with pytest.raises(DataError, match="mono"):
            SoundReader((samples, rate), sample_rate=RATE)


def test_an_hour_takes_the_memory_of_seconds(tmp_path):
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=300:sample_rate=8000:duration=3600",
        "-c:a",
        "pcm_s16le",
        tmp_path / "a.wav",
    )
    tracemalloc.start()
    with SoundReader(tmp_path / "a.wav", sample_rate=RATE) as sound:
        assert [len(sound.between(start, start + 5)) for start in (0, 1000, 1004, 3590)] == [5 * RATE] * 4
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6
