"""Stick-figure videos: files that play, letters that are letters, cameras that frame, errors that speak."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from ktube_motion import Motion, PoseSequence
from ktube_motion.errors import ConfigError, DataError, FormatError, KtubeError, ShapeError
from ktube_motion.io._sound import find_ffmpeg
from ktube_motion.kinematics import forward_kinematics
from ktube_motion.render import find_korean_font, save_skeleton_video
from ktube_motion.render._fonts import draw_text, embed_font, missing_glyphs, wrap_text
from ktube_motion.render._scene import as_motion, current_cue, follow_path, frame_camera
from ktube_motion.render._video import open_video, read_video
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55
from ktube_motion.types import Cue, Word

ORANGE, BLUE = (230, 92, 51), (33, 115, 209)


def standing(skeleton=SMPL_22, frames=12, fps=20, name="", path=(0, 0, 0)):
    """Give a body in its rest pose that moves along `path` metres."""
    still = np.tile(np.eye(3), (frames, skeleton.num_joints, 1, 1))
    root = np.linspace(0, 1, frames)[:, None] * np.array(path) / skeleton.metres_per_unit
    positions = forward_kinematics(still, root, skeleton=skeleton)
    return Motion(skeleton=skeleton, positions=positions, fps=fps, name=name)


def frames_of(path, fps=20, height=None):
    return list(read_video(path, fps=fps, height=height or 128))


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image)


def near(picture, color, within=40):
    return np.abs(picture.astype(int) - color).max(-1) < within


def ffmpeg(*arguments):
    subprocess.run([find_ffmpeg(), "-loglevel", "error", "-y", *map(str, arguments)], check=True)


def streams(path):
    return subprocess.run([find_ffmpeg(), "-i", str(path)], capture_output=True, text=True).stderr


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".gif"])
def test_every_frame_arrives(tmp_path, suffix):
    path = save_skeleton_video(standing(frames=12), tmp_path / f"a{suffix}", size=(128, 128))
    assert len(frames_of(path)) == 12
    assert [file.name for file in tmp_path.iterdir()] == [f"a{suffix}"]


def test_odd_sizes_are_not_resized(tmp_path):
    still = save_skeleton_video(standing(frames=1), tmp_path / "frames", size=(131, 97))
    assert opened(still / "frame_00000.png").shape[:2] == (97, 131)
    path = save_skeleton_video(standing(frames=2), tmp_path / "a.mp4", size=(131, 97))
    assert "132x98" in streams(path)


@pytest.mark.parametrize("skeleton", [SMPL_22, KIT_21, SMPLH_52, SMPLX_55], ids=lambda skeleton: skeleton.name)
def test_left_is_orange_on_the_right_of_the_picture(tmp_path, skeleton):
    folder = save_skeleton_video(standing(skeleton, frames=1), tmp_path / "a", size=(300, 300))
    picture = opened(folder / "frame_00000.png")
    left, right = np.argwhere(near(picture, ORANGE)), np.argwhere(near(picture, BLUE))
    assert len(left) > 200
    assert len(right) > 200
    assert left[:, 1].mean() > 150 > right[:, 1].mean()  # the body faces the camera
    body = np.concatenate([left, right])
    assert body.min() > 5  # the whole body is in the picture
    assert body.max() < 295
    assert np.ptp(body[:, 0]) > 130  # and fills it


def test_rotations_alone_and_poses_are_drawn(tmp_path):
    turns = np.tile(np.eye(3), (2, 22, 1, 1))
    poses = PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20)
    clips = [Motion(skeleton=SMPL_22, rotations=turns, fps=20), poses]
    folder = save_skeleton_video(clips, tmp_path / "a", size=(128, 128))
    assert opened(folder / "frame_00001.png").shape[:2] == (128, 256)


def test_side_by_side_holds_the_shorter_and_keeps_time(tmp_path):
    long, short = standing(frames=20, fps=20), standing(frames=5, fps=10)
    folder = save_skeleton_video([long, short], tmp_path / "a", titles=["실제", "생성"], size=(128, 128))
    files = sorted(folder.iterdir())
    assert len(files) == 20
    assert opened(files[0]).shape[:2] == (128, 256)
    slower = save_skeleton_video(long, tmp_path / "b", fps=10, size=(128, 128))
    assert len(list(slower.iterdir())) == 10


def test_camera_follows_who_walks_and_stays_with_who_stands():
    walking, still = standing(frames=60, path=(0, 0, 6)), standing(frames=60, path=(0.3, 0, 0))
    assert np.ptp(follow_path(still.positions, fps=20), axis=0).max() == 0
    targets = follow_path(walking.positions, fps=20)
    assert np.ptp(targets[:, 2]) > 5
    for size in ((300, 300), (600, 200), (200, 600)):
        camera = frame_camera(walking.positions, targets, size=size, top=40, bottom=30)
        for frame in (0, 30, 59):
            pixels, _ = camera.project(walking.positions[frame].astype(float), targets[frame])
            assert pixels.min() >= 0
            assert (pixels[:, 0] <= size[0]).all()
            assert (pixels[:, 1] >= 40).all()
            assert (pixels[:, 1] <= size[1] - 30).all()


def test_subtitles_come_in_their_time(tmp_path):
    cues = [Cue(0, 0.2, "하나"), Cue(0.3, 0.6, "둘")]
    folder = save_skeleton_video(standing(frames=12), tmp_path / "a", subtitles=cues, size=(200, 200))
    below = [opened(file)[170:, 60:140] for file in sorted(folder.iterdir())]
    dark = [bool(near(picture, (30, 33, 40), 35).any()) for picture in below]
    assert dark == [True] * 4 + [False] * 2 + [True] * 6
    assert current_cue([Cue(0, 0, "늘"), Cue(1, 2, "한때")], 1.5).text == "한때"
    assert current_cue([Cue(0, 0, "늘"), Cue(1, 2, "한때")], 3).text == "늘"


def test_words_light_up_as_they_are_said(tmp_path):
    words = (Word(0.0, 0.2, "하나"), Word(0.3, 0.5, "둘"))
    folder = save_skeleton_video(
        standing(frames=12), tmp_path / "a", subtitles=[Cue(0, 0.6, "하나 둘", words)], size=(300, 200)
    )
    warm = []
    for file in sorted(folder.iterdir()):
        columns = np.flatnonzero(near(opened(file)[150:], (255, 181, 156), 20).any(0))
        warm.append(columns.mean())
    assert max(warm[:6]) < 150 < min(warm[6:])  # first the left word, then the right one


def test_a_gif_keeps_its_time_at_any_rate(tmp_path):
    for fps in (12.5, 24, 30, 60):
        with Image.open(
            save_skeleton_video(standing(frames=round(fps), fps=fps), tmp_path / "a.gif", size=(64, 64))
        ) as gif:
            delays = []
            for frame in range(gif.n_frames):
                gif.seek(frame)
                delays.append(gif.info["duration"])
        assert min(delays) >= 20  # players show shorter ones for a tenth of a second
        assert abs(sum(delays) - 1000) <= 40


def test_colours_of_a_video_are_those_that_were_drawn(tmp_path):
    path = tmp_path / "a.mp4"
    with open_video(path, fps=20, size=(64, 64)) as write:
        for _ in range(3):
            write(np.full((64, 64, 3), ORANGE, np.uint8))
    assert "bt709" in streams(path).split("yuv420p(tv, ")[1][:6]
    decoded = subprocess.run(
        [find_ffmpeg(), "-loglevel", "error", "-i", path, "-vf", "scale=in_color_matrix=bt709:in_range=tv",
         "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True,
    ).stdout  # fmt: skip
    np.testing.assert_allclose(np.frombuffer(decoded, np.uint8).reshape(-1, 3).mean(0), ORANGE, atol=3)


def seen_from(azimuth, tmp_path, head=0.0):
    rotvecs = np.zeros((1, 55, 3))
    rotvecs[0, 15, 1] = head
    folder = save_skeleton_video(
        PoseSequence(rotvecs=rotvecs, fps=20), tmp_path / "a", size=(800, 800), azimuth=azimuth, trail=False
    )
    return opened(folder / "frame_00000.png")


def test_a_head_faces_somewhere_and_covers_its_neck(tmp_path):
    dark = near(seen_from(np.pi, tmp_path), (56, 64, 82), 12)
    rows, columns = np.nonzero(dark)
    across = round(np.median(columns[rows < rows.min() + 40]))
    skull = dark[rows.min() + 4 : rows.min() + 75, across]
    assert skull.all()  # from behind nothing lies over the head: no eye, no rim of the neck
    eyes = []
    for turn in (0.8, 0.0, -0.8):
        picture = seen_from(0.0, tmp_path, turn)
        rows, columns = np.nonzero(near(picture, (56, 64, 82), 12))
        top, across = rows.min(), round(np.median(columns[rows < rows.min() + 20]))
        head = picture[top + 15 : top + 45, across - 19 : across + 20]
        eyes.append(np.nonzero(near(head, (246, 247, 249), 40))[1].mean() - 19)
    assert eyes[0] > 3 > abs(eyes[1])  # its left is the right of the picture
    assert eyes[2] < -3


def test_who_stands_leaves_no_trail_and_who_walks_does(tmp_path):
    trail = (173, 155, 215)
    still = save_skeleton_video(standing(frames=30, path=(0.2, 0, 0)), tmp_path / "a", size=(200, 200))
    assert not near(opened(still / "frame_00029.png"), trail, 25).any()
    walking = save_skeleton_video(standing(frames=30, path=(2, 0, 0)), tmp_path / "b", size=(200, 200))
    assert near(opened(walking / "frame_00029.png"), trail, 25).any()


def test_the_font_has_every_hangul_syllable():
    syllables = "".join(map(chr, range(0xAC00, 0xD7A4)))
    font = find_korean_font()
    assert missing_glyphs(syllables[::37] + "ㄱㅎㅏㅣ.,?!…“”·~", font) == ""
    first, second = (draw_text(letter, 60, font_size=30) for letter in "한글")
    assert first[..., 3].any()
    assert not np.array_equal(first, second)  # two boxes would be equal


def test_letters_without_a_glyph_are_left_out_loudly():
    with pytest.warns(UserWarning, match="no glyph for '\U0001f600'"):
        picture = draw_text("안녕\U0001f600", 200, font_size=20)
    np.testing.assert_array_equal(picture, draw_text("안녕", 200, font_size=20))
    assert embed_font("") != ""  # an empty page still gets a font that loads


def test_long_titles_wrap_and_shrink():
    text = "아주 긴 제목이 여러 줄로 나뉘어야 합니다 " * 6
    assert max(map(len, wrap_text("가" * 50, 100, font_size=20))) <= 6
    assert "".join(wrap_text("가" * 50, 100, font_size=20)) == "가" * 50
    assert wrap_text("첫째\n둘째", 300, font_size=20) == ["첫째", "둘째"]
    picture = draw_text(text, 200, font_size=24, max_lines=4)
    assert not picture[:, 0, 3].any()  # nothing is cut at the edge
    assert not picture[:, -1, 3].any()
    with pytest.raises(ConfigError, match="narrow"):
        wrap_text("가나다", 5, font_size=20)


def test_sound_and_source_video(tmp_path):
    source, sound = tmp_path / "source.mp4", tmp_path / "sound.wav"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x32:d=0.3:r=20", source)
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:duration=0.2", sound)
    path = tmp_path / "out.mp4"
    save_skeleton_video(standing(frames=12), path, size=(128, 128), audio=sound, source_video=source)
    said = streams(path)
    assert "Audio: aac" in said
    assert "384x128" in said  # the source is twice as wide as high
    pictures = frames_of(path)
    assert len(pictures) == 12  # silence and the last source frame fill what is missing
    assert all(near(picture[:, :240], (254, 0, 0), 30).mean() > 0.95 for picture in pictures)


def test_a_folder_replaces_old_frames_and_leaves_the_rest(tmp_path):
    folder = tmp_path / "frames"
    save_skeleton_video(standing(frames=5), folder, size=(64, 64))
    (folder / "notes.txt").write_text("mine")
    save_skeleton_video(standing(frames=2), folder, size=(64, 64))
    assert sorted(file.name for file in folder.iterdir()) == ["frame_00000.png", "frame_00001.png", "notes.txt"]


def broken(frame=3):
    positions = standing().positions.copy()
    positions[frame, 4] = np.nan
    return Motion(skeleton=SMPL_22, positions=positions, fps=20, name="clip")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda to: save_skeleton_video(standing(), to / "a.avi"), ConfigError, r"\.mp4.*Found: \.avi"),
        (lambda to: save_skeleton_video(broken(), to / "a.mp4"), DataError, "clip: positions.*first at 3"),
        (lambda to: save_skeleton_video(standing()[:0], to / "a.mp4"), ShapeError, "no frames"),
        (lambda to: save_skeleton_video([], to / "a.mp4"), ConfigError, "no motion"),
        (lambda to: save_skeleton_video(np.zeros((5, 22, 3)), to / "a.mp4"), ConfigError, "no clip"),
        (lambda to: save_skeleton_video(standing(), to / "a.mp4", size=(10, 10)), ConfigError, "64 to 8192"),
        (lambda to: save_skeleton_video(standing(), to / "a.mp4", titles=["a", "b"]), ConfigError, "one title"),
        (lambda to: save_skeleton_video(standing(), to / "a.mp4", fps=-5), ConfigError, "fps"),
        (lambda to: save_skeleton_video(standing(), to / "a.gif", audio=__file__), ConfigError, "carries sound"),
        (lambda to: save_skeleton_video(standing(), to / "a.mp4", audio=to / "none.wav"), FormatError, "no such sound"),
        (lambda to: save_skeleton_video(standing(), to / "a.mp4", source_video=__file__), FormatError, "no video"),
        (lambda to: save_skeleton_video(standing(), to / "a.mp4", audio=__file__), KtubeError, "ffmpeg failed"),
    ],
)
def test_bad_input_speaks_and_leaves_nothing(tmp_path, call, error, words):
    with pytest.raises(error, match=words):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_targets(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(KtubeError, match="Cannot write"):
        save_skeleton_video(standing(), tmp_path / "file" / "a.mp4", size=(64, 64))
    with pytest.raises(KtubeError, match="in the way"):
        save_skeleton_video(standing(), tmp_path / "file", size=(64, 64))
    assert (tmp_path / "file").read_text() == "in the way"


def test_an_error_while_drawing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("old")

    def draw():
        with open_video(path, fps=20, size=(64, 64)) as write:
            write(np.zeros((64, 64, 3), np.uint8))
            write(np.zeros((32, 64, 3), np.uint8))

    with pytest.raises(ConfigError, match="wrong size"):
        draw()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_units_and_input_stay(tmp_path):
    motion = standing(KIT_21)
    before = motion.positions.copy()
    assert np.ptp(as_motion(motion, finish=False).positions[0, :, 1]) < 3  # metres, not millimetres
    save_skeleton_video(motion, tmp_path / "a", size=(64, 64))
    np.testing.assert_array_equal(motion.positions, before)


@pytest.mark.parametrize("size", [(96, 96), (960, 540)])
def test_a_word_of_thousands_of_letters_is_drawn_and_its_end_left_out(tmp_path, size):
    cues = [Cue(0, 1, "가" * 3000)]
    with pytest.warns(UserWarning, match="3000 letters does not fit"):
        folder = save_skeleton_video(standing(frames=2), tmp_path / "a", subtitles=cues, size=size)
    first, second = (opened(path) for path in sorted(folder.iterdir()))
    assert first.shape == second.shape == (*size[::-1], 3)
    assert near(first, (255, 255, 255), within=30).mean() > 0.02
