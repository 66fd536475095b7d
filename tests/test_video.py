"""From a video file to poses: frames by time, shots, one speaker, gaps, what is finished is kept."""

import itertools
import math
import subprocess
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ktube_motion.errors import ConfigError, DataError, FormatError, MissingDependencyError
from ktube_motion.io._sound import find_ffmpeg
from ktube_motion.kinematics import Landmarks
from ktube_motion.video import (
    Region,
    SeenBody,
    estimate_landmarks,
    estimate_poses,
    find_cuts,
    find_models,
    find_shots,
    load_engine,
    probe_video,
    read_frames,
    register_engine,
)
from ktube_motion.video import _estimation as estimation
from ktube_motion.video import _models as models
from ktube_motion.video._frames import VideoInfo
from ktube_motion.video._hiding import drop_half_hidden, guessed_legs
from ktube_motion.video._people import colour_distance, torso_colour
from ktube_motion.video._regions import crop, letterbox
from ktube_motion.video._shots import Shot

pytest.importorskip("imageio_ffmpeg")
pytest.importorskip("PIL")
RED, BLUE, WALL = (200, 40, 40), (40, 60, 210), (120, 130, 120)


def ffmpeg(*arguments):
    subprocess.run([find_ffmpeg(), "-y", "-loglevel", "error", *map(str, arguments)], check=True)


def write_video(path, frames, *, fps=20, options=()):
    """Write frames ``(T, height, width, 3)`` losslessly."""
    height, width = frames[0].shape[:2]
    command = [find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
               "-s", f"{width}x{height}", "-r", str(fps), "-i", "-", "-c:v", "libx264", "-crf", "0", "-preset",
               "ultrafast", *options, str(path)]  # fmt: skip
    subprocess.run(command, input=b"".join(np.ascontiguousarray(frame).tobytes() for frame in frames), check=True)
    return path


def levels(count, *, step=4):
    """Frames that tell their number: frame k is grey k × step."""
    return [np.full((48, 64, 3), step * number, np.uint8) for number in range(count)]


def numbers(frames, *, step=4):
    return [round(float(frame.mean()) / step) for frame in frames]


class Blobs:
    """An engine for the tests: a person is a red or blue block, as wide as half its height."""

    def __init__(self, *, fail_after=None):
        self.calls, self.fail_after = 0, fail_after

    def describe(self):
        return {"engine": "blobs", "models": {}}

    def detect(self, picture, region):
        corners = region.to_picture(np.array([[0.0, 0.0], [1.0, 1.0]]))
        return [
            (0.9, found)
            for found in (self._find(picture, colour) for colour in (RED, BLUE))
            if found is not None
            and (corners[0] <= (found.x, found.y)).all()
            and (corners[1] >= (found.x, found.y)).all()
        ]

    def _find(self, picture, colour):
        hit = np.abs(picture.astype(int) - colour).max(-1) < 40
        rows, columns = np.nonzero(hit)
        if len(rows) < 50:
            return None
        return Region(float(columns.mean()), float(rows.mean()), float(np.ptp(rows) + 1))

    def body(self, picture, region):
        self.calls += 1
        if self.fail_after is not None and self.calls > self.fail_after:
            raise KeyboardInterrupt
        near = [found for _, found in self.detect(picture, letterbox(picture)) if found.distance(region) < 0.5]
        if not near:
            return None
        here = min(near, key=region.distance)
        places = np.full((33, 2), 0.5)
        places[[11, 12, 24, 23]] = [[0.6, 0.2], [0.4, 0.2], [0.4, 0.5], [0.6, 0.5]]
        world = np.concatenate([(places - (0.5, 0.5)) * 1.7, np.zeros((33, 1))], -1)
        return SeenBody(here.to_picture(places), world, np.ones(33), 1.0, here)

    def hand(self, picture, body, *, left, before):
        return None


def scene(*people, size=(120, 160)):
    """One picture with blocks of (colour, x, y, height)."""
    picture = np.full((*size, 3), WALL, np.uint8)
    for colour, x, y, height in people:
        rows, columns = np.indices(size)
        picture[(abs(rows - y) < height / 2) & (abs(columns - x) < height / 4)] = colour
    return picture


# ---- frames ----


@pytest.mark.parametrize(("rate", "expected"), [(20, range(40)), (10, range(0, 40, 2)), (40, np.arange(80) // 2)])
def test_frames_are_read_by_time(tmp_path, rate, expected):
    path = write_video(tmp_path / "a.mp4", levels(40))
    found = numbers(read_frames(path, fps=rate))
    assert len(found) == len(expected)
    assert np.abs(np.array(found) - np.array(expected)).max() <= (1 if rate == 40 else 0)


@pytest.mark.parametrize("first", [0, 1, 7, 25])
def test_frames_from_the_middle_are_the_same_frames(tmp_path, first):
    path = write_video(tmp_path / "a.mp4", levels(40), options=["-g", "9"])
    assert numbers(read_frames(path, fps=20, first=first, count=6)) == list(range(first, first + 6))


def test_an_uneven_rate_is_read_by_time(tmp_path):
    even = write_video(tmp_path / "even.mp4", levels(40))
    path = tmp_path / "uneven.mkv"  # half a second at 20 frames/s, then at 10
    ffmpeg("-i", even, "-vf", "setpts='if(lt(N,10),N/20,0.5+(N-10)/10)/TB'", "-fps_mode", "vfr", "-c:v", "libx264",
           "-crf", "0", path)  # fmt: skip
    found = numbers(read_frames(path, fps=20))
    assert found[:10] == list(range(10))
    assert found[10:20] in ([10, 10, 11, 11, 12, 12, 13, 13, 14, 14], [10, 11, 11, 12, 12, 13, 13, 14, 14, 15])


def test_a_turned_video_is_read_upright(tmp_path):
    frames = [np.full((48, 64, 3), 50, np.uint8) for _ in range(4)]
    for frame in frames:
        frame[:10] = 250
    flat = write_video(tmp_path / "flat.mp4", frames)
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation:v:0", "90", "-i", flat, "-c", "copy", path)
    turned = next(read_frames(path, fps=20))
    assert turned.shape == (64, 48, 3)
    assert min(turned[:, :8].mean(), turned[:, -8:].mean()) < 100 < max(turned[:, :8].mean(), turned[:, -8:].mean())


def test_large_pictures_are_made_smaller(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.zeros((100, 300, 3), np.uint8)] * 2)
    assert next(read_frames(path, fps=20, largest=150)).shape == (50, 150, 3)


def test_what_a_header_says(tmp_path):
    info = probe_video(write_video(tmp_path / "a.mp4", levels(30), fps=15))
    assert (info.fps, info.seconds) == (15, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no moving pictures"), (b"not a video at all" * 100, "no moving pictures")],
    ids=["empty", "text"],
)
def test_broken_files_are_named(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        estimate_landmarks(path, engine=Blobs())


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)
    with pytest.raises(FormatError, match="no moving pictures"):
        probe_video(path)


def test_a_still_picture_and_one_frame_a_second_are_refused(tmp_path):
    still = write_video(tmp_path / "still.mp4", levels(1))
    with pytest.raises(DataError, match="still picture"):
        estimate_landmarks(still, engine=Blobs())
    slow = write_video(tmp_path / "slow.mp4", levels(5), fps=1)
    with pytest.raises(DataError, match="too few frames a second"):
        estimate_landmarks(slow, engine=Blobs())


def test_many_frames_a_second_are_thinned(tmp_path):
    path = write_video(tmp_path / "fast.mp4", [scene((RED, 80, 60, 80))] * 120, fps=240)
    seen = estimate_landmarks(path, engine=Blobs())
    assert seen.fps == 30
    assert [len(shot) for shot in seen.landmarks] == [15]


def test_a_file_that_ends_early_is_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 60, (60, 120, 160, 3)).astype(np.uint8)
    whole = write_video(tmp_path / "whole.mp4", [scene((RED, 80, 60, 80)) + part // 4 for part in noise], fps=10,
                        options=["-movflags", "+faststart"])  # fmt: skip
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    seen = estimate_landmarks(cut, engine=Blobs())
    assert 10 < seen.shots[-1].last < 50
    assert "the header says 6.0 s" in seen.warnings[0]
    assert estimate_landmarks(whole, engine=Blobs()).warnings == []


# ---- shots ----


def test_cuts_are_found_and_neither_flashes_nor_fast_pans():
    assert find_cuts([]).tolist() == []
    changes = np.full(60, 2.0)
    changes[[9, 39]] = 30  # pictures 10 and 40 begin shots
    changes[[20, 21]] = 60  # a flash
    changes[50:56] = 25  # a pan
    assert find_cuts(changes).tolist() == [10, 40]


def test_shots_of_a_video(tmp_path):
    frames = [scene((RED, 60 + k, 60, 80)) for k in range(20)]
    frames += [255 - scene((RED, 60, 60, 50)) for _ in range(15)]
    frames += [scene((RED, 60, 60, 80)) // 2 for _ in range(25)]
    shots = find_shots(write_video(tmp_path / "a.mp4", frames), fps=20)
    assert [(shot.first, shot.last) for shot in shots] == [(0, 20), (20, 35), (35, 60)]


# ---- the speaker ----


def seen_colours(path, **options):
    """Give of each frame the landmarks' middle in pixels, or None."""
    seen = estimate_landmarks(path, engine=Blobs(), **options)
    weights = np.concatenate([shot.weights for shot in seen.landmarks])
    pixels = np.concatenate([shot.pixels for shot in seen.landmarks])
    return [tuple(pixels[k, 0] * 120 + (80, 60)) if weights[k, 0] > 0 else None for k in range(len(weights))]


def test_the_largest_and_most_central_speaks(tmp_path):
    frames = [scene((RED, 90, 60, 90), (BLUE, 20, 80, 50)) for _ in range(10)]
    found = seen_colours(write_video(tmp_path / "a.mp4", frames))
    assert all(abs(place[0] - 90) < 3 for place in found)


def test_who_is_seen_only_in_a_part_of_the_picture_speaks_if_larger(tmp_path):
    class SeesTheLargeInParts(Blobs):
        def detect(self, picture, region):
            found = super().detect(picture, region)
            return found if region.size < 150 else [(score, one) for score, one in found if one.size < 70]

        def body(self, picture, region):
            return Blobs().body(picture, region)

    frames = [scene((BLUE, 130, 60, 60), (RED, 75, 60, 110)) for _ in range(10)]
    assert SeesTheLargeInParts().detect(frames[0], letterbox(frames[0]))[0][1].x == pytest.approx(130, abs=1)
    (shot,) = estimate_landmarks(write_video(tmp_path / "a.mp4", frames), engine=SeesTheLargeInParts()).landmarks
    assert (shot.weights[:, 0] == 1).all()
    assert np.abs(shot.pixels[:, 0, 0] * 120 + 80 - 75).max() < 3


def test_hands_before_the_chest_change_no_clothes():
    picture = scene((RED, 80, 60, 80))
    body = Blobs().body(picture, letterbox(picture))
    plain = torso_colour(picture, body)
    picture[44:54, 72:78] = (240, 200, 170)  # of a chest from 72 to 88 and from 36 to 60
    assert colour_distance(torso_colour(picture, body), plain) == 0
    picture[36:42, 72:88] = (240, 200, 170)  # both forearms: more than half of it
    assert colour_distance(torso_colour(picture, body), plain) == 0
    picture[:, 72:88] = BLUE  # somebody else before him
    assert colour_distance(torso_colour(picture, body), plain) > 100


def test_of_two_of_equal_size_one_is_kept(tmp_path):
    frames = [scene((RED, 45, 60, 80), (BLUE, 115, 60, 80)) for _ in range(10)]
    found = seen_colours(write_video(tmp_path / "a.mp4", frames))
    assert np.ptp([place[0] for place in found]) < 3


def test_somebody_who_passes_in_front_is_not_followed(tmp_path):
    frames = [scene((RED, 80, 60, 80), (BLUE, 4 * k - 20, 60, 84)) for k in range(50)]
    found = seen_colours(write_video(tmp_path / "a.mp4", frames))
    kept = [place for place in found if place is not None]
    assert all(abs(place[0] - 80) < 18 for place in kept)  # what is seen of RED behind BLUE
    assert found[0] is not None
    assert found[-1] is not None  # found again
    assert len(kept) >= 35


def seen_shoulders(frames, gaps):
    """Shoulders that stay in their place, unseen in some stretches of frames."""
    pixels = np.tile([[0.1, -0.2], [-0.1, -0.2]], (frames, 1, 1))
    weights = np.ones((frames, 2))
    for start, stop in gaps:
        weights[start:stop] = 0
    points = np.concatenate([pixels, np.zeros((frames, 2, 1))], -1)
    return Landmarks(("left_shoulder", "right_shoulder"), points, fps=20, weights=weights, pixels=pixels)


@pytest.mark.parametrize(
    ("gaps", "moved", "dropped"),
    [
        ([(50, 60)], slice(46, 64), [*range(46, 64)]),  # both sides of a gap
        ([(50, 60)], slice(44, 47), [*range(44, 60)]),  # and what is between it and the gap
        ([(50, 60)], slice(5, 15), [*range(50, 60)]),  # far from it people may move
        ([], slice(46, 64), []),
        ([(0, 10), (90, 100)], slice(10, 13), [*range(10), *range(90, 100)]),  # who comes in moves
        ([(50, 60), (70, 80)], slice(60, 64), [*range(50, 60), *range(70, 80)]),  # too short to tell
    ],
)
@pytest.mark.parametrize("how", ["aside", "turned round"])
def test_beside_a_gap_shoulders_must_be_where_they_stay(gaps, moved, dropped, how):
    shot = seen_shoulders(100, gaps)
    pixels = shot.pixels.copy()
    pixels[moved] = pixels[moved] + (0.15, 0) if how == "aside" else pixels[moved][:, ::-1]
    found = drop_half_hidden(shot.replace(pixels=pixels))
    assert np.flatnonzero(found.require_weights().max(1) == 0).tolist() == dropped


def test_legs_below_the_picture_are_a_guess(tmp_path):
    class FromTheWaistUp(Blobs):
        def body(self, picture, region):
            found = super().body(picture, region)
            found.pixels[25:, 1] = 1.3 * len(picture)  # knees and below, of which the network says that it is sure
            found.pixels[15] = (-20.0, 60.0)  # a hand beyond the edge, too
            return found

    path = write_video(tmp_path / "a.mp4", [scene((RED, 80, 60, 60))] * 4)
    (shot,) = estimate_landmarks(path, engine=FromTheWaistUp()).landmarks
    weights = shot.require_weights()[:, :33]
    assert (weights[:, 25:] == 0).all()
    assert (weights[:, :25] == 1).all()


@pytest.mark.parametrize(
    ("below", "guessed"),
    [((), []), ((27, 28), [27, 28]), ((26, 27, 28), [25, 26, 27, 28]), ((25, 27, 28), [25, 26, 27, 28]),
     ((26, 28), [26, 28])],
    ids=["all in the picture", "both knees", "the left knee alone", "the right knee alone", "the left leg"],
)  # fmt: skip
def test_one_knee_alone_is_a_guess(below, guessed):
    """A helmet on a lap, taken for a knee: the picture of scikit-image's astronaut."""
    places = np.full((33, 2), 0.9)
    places[list(below), 1] = 1.2
    assert np.flatnonzero(guessed_legs(places)).tolist() == guessed


def test_frames_with_nobody_are_gaps(tmp_path):
    frames = [scene((RED, 80, 60, 80))] * 12 + [scene()] * 10 + [scene((RED, 84, 60, 80))] * 12
    poses = estimate_poses(write_video(tmp_path / "a.mp4", frames), engine=Blobs())
    assert poses.valid[:12].all()
    assert not poses.valid[12:22].any()
    assert poses.valid[28:].all()
    assert (poses.rotvecs[~poses.valid] == 0).all()


def test_nobody_at_all_is_an_error(tmp_path):
    path = write_video(tmp_path / "a.mp4", [scene()] * 10)
    with pytest.raises(DataError, match="Nobody is seen"):
        estimate_poses(path, engine=Blobs())


def test_a_vertical_video_is_as_good(tmp_path):
    path = write_video(tmp_path / "a.mp4", [scene((BLUE, 60, 90, 120), size=(200, 120))] * 5)
    assert estimate_poses(path, engine=Blobs()).valid.all()


def test_what_was_finished_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr("ktube_motion.video._estimation._PIECE_SECONDS", 0.5)
    path = write_video(tmp_path / "a.mp4", [scene((RED, 40 + k, 60, 80)) for k in range(60)])
    cache = tmp_path / "cache"
    cache.mkdir()
    whole = Blobs()
    expected = estimate_landmarks(path, engine=whole).landmarks[0]
    with pytest.raises(KeyboardInterrupt):
        estimate_landmarks(path, engine=Blobs(fail_after=35), cache=cache)
    steps, rest = [], Blobs()
    found = estimate_landmarks(path, engine=rest, cache=cache, progress=lambda *step: steps.append(step)).landmarks[0]
    assert rest.calls <= whole.calls - 29
    np.testing.assert_array_equal(found.points, expected.points)
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert steps == [(10 * k, 60) for k in range(1, 7)]


def test_what_a_long_video_takes_is_its_landmarks_once(tmp_path, monkeypatch):
    frames = 3000
    monkeypatch.setattr(estimation, "_PIECE_SECONDS", 5.0)
    path, picture = tmp_path / "a.mp4", scene((RED, 80, 60, 80))
    person = Blobs().body(picture, letterbox(picture))

    class Quick(Blobs):
        def body(self, picture, region):
            return person

    monkeypatch.setattr(estimation, "probe_video", lambda path: VideoInfo(20.0, frames / 20))
    monkeypatch.setattr(estimation, "find_shots", lambda path, *, fps: [Shot(0, frames)])
    monkeypatch.setattr(estimation, "read_frames", lambda path, *, fps, first, count: itertools.repeat(picture, count))
    tracemalloc.start()
    try:
        (shot,) = estimate_landmarks(path, engine=Quick(), hands=False).landmarks
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = shot.points.nbytes + shot.weights.nbytes + shot.pixels.nbytes
    assert size == frames * 75 * 6 * 4
    assert (shot.weights[[0, -1], :33] == 1).all()
    assert most < 1.5 * size


class UpsideDown(Blobs):
    """It takes everybody's feet for his head, and sees trunk and arms as clearly as is told."""

    def __init__(self, visibility):
        super().__init__()
        self.visibility = visibility

    def body(self, picture, region):
        seen = super().body(picture, region)
        turned = replace(seen.region, angle=math.pi)
        return replace(seen, region=turned, visibility=np.full(33, self.visibility))


@pytest.mark.parametrize(("visibility", "valid"), [(0.95, True), (0.5, False)])
def test_a_body_on_its_head_counts_if_it_is_seen_well(tmp_path, visibility, valid):
    path = write_video(tmp_path / "a.mp4", [scene((RED, 80, 60, 80))] * 10)
    (shot,) = estimate_landmarks(path, engine=UpsideDown(visibility)).landmarks
    assert (shot.require_weights() > 0).any() == valid


# ---- networks and engines ----


def test_without_networks_one_message_says_how_to_get_them(monkeypatch, tmp_path):
    def nothing(name):
        raise models.PackageNotFoundError(name)

    monkeypatch.setattr(models, "distribution", nothing)
    with pytest.raises(MissingDependencyError, match=r"pip install --no-deps mediapipe==0\.10\.21"):
        find_models()
    (tmp_path / "mediapipe-1.0.0-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(FormatError, match=r"pip download --no-deps mediapipe==0\.10\.21"):
        find_models(tmp_path / "mediapipe-1.0.0-py3-none-any.whl")


def test_networks_are_found_in_a_folder_and_in_a_wheel(tmp_path):
    import hashlib
    import zipfile

    for name in models._NAMES.values():
        (tmp_path / Path(name).name).write_bytes(name.encode())
    with zipfile.ZipFile(tmp_path / "mediapipe-0.10.21-x.whl", "w") as wheel:
        for name in models._NAMES.values():
            wheel.writestr(name, name.encode())
    folder, packed = find_models(tmp_path), find_models(tmp_path / "mediapipe-0.10.21-x.whl")
    for kind, name in models._NAMES.items():
        assert folder[kind].content == packed[kind].content == name.encode()
        assert folder[kind].sha256 == packed[kind].sha256 == hashlib.sha256(name.encode()).hexdigest()
    assert packed["body"].version == "0.10.21"
    (tmp_path / "hand_recrop.tflite").unlink()
    with pytest.raises(FormatError, match=r"hand_recrop\.tflite"):
        find_models(tmp_path)


def test_engines_have_names():
    register_engine("blobs for the test", lambda models: Blobs())
    assert isinstance(load_engine("blobs for the test"), Blobs)
    with pytest.raises(ConfigError, match="no such engine"):
        load_engine("nobody's")


# ---- regions ----


def test_a_region_knows_its_way_back():
    region = Region(30.0, 20.0, 12.0, 0.7)
    points = np.random.default_rng(0).random((5, 2))
    np.testing.assert_allclose(region.from_picture(region.to_picture(points)), points)
    towards = Region.between(np.array([10.0, 10.0]), np.array([10.0, 4.0]))
    assert (towards.angle, towards.size) == pytest.approx((0, 12))
    np.testing.assert_allclose(
        Region.between(np.zeros(2), np.array([3.0, 0.0])).to_picture(np.array([0.5, 0])), [3, 0], atol=1e-9
    )


def test_a_crop_stands_upright_and_is_black_outside():
    picture = np.full((100, 200, 3), 90, np.uint8)
    picture[40:60, 150:170] = (250, 0, 0)  # to the right of the middle
    turned = crop(picture, Region.between(np.array([100.0, 50.0]), np.array([160.0, 50.0])), 60)
    rows, columns = np.nonzero(turned[..., 0] > 200)
    assert rows.mean() < 6  # up
    assert abs(columns.mean() - 29.5) < 1
    assert (crop(picture, Region(0, 0, 40), 40)[:19, :19] == 0).all()
    np.testing.assert_array_equal(crop(picture, Region(160, 50, 40), 40), picture[30:70, 140:180])


@pytest.mark.parametrize(("size", "pixels"), [(37.0, 64), (150.0, 32), (401.0, 48)])
def test_a_crop_is_the_same_in_a_larger_picture(size, pixels):
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (1200, 1300, 3), np.uint8)
    small = large[240:960, 360:1080]  # by multiples of what large regions are shrunk by
    wanted = crop(small, Region(350.3, 361.8, size, 0.4), pixels)
    found = crop(large, Region(710.3, 601.8, size, 0.4), pixels)
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_beyond_the_picture_a_crop_is_black():
    assert not crop(np.full((50, 50, 3), 200, np.uint8), Region(-300, 20, 100, 0.3), 16).any()
