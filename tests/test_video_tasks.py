"""MediaPipe's Tasks as an engine, on stand-ins that see a dot for each landmark; the real ones where they are given.

KTUBE_TASKS names a folder with pose_landmarker*.task and hand_landmarker*.task for the last test.
"""

import os
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from ktube_motion.errors import ConfigError, FormatError, MissingDependencyError
from ktube_motion.samples import make_speaker
from ktube_motion.video import Region, load_engine
from ktube_motion.video._regions import letterbox

HIPS, SHOULDERS, WRISTS = [23, 24], [11, 12], (15, 16)


def dots(places, size=(200, 300)):
    """Draw a picture with a dot of its own colour for each place ``(N, 2)``, pixels."""
    picture = np.zeros((*size, 3), np.uint8)
    for number, (x, y) in enumerate(np.round(places).astype(int)):
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255 - 7 * number, 3 + 7 * number, 200
    return picture


class Landmarker:
    """Sees people, or hands, whose landmarks are dots; of people the first four and what the engine asks for."""

    closed = 0

    def __init__(self, options):
        self.options = options

    @classmethod
    def create_from_options(cls, options):
        if options.base_options.model_asset_buffer == b"broken":
            raise ValueError("this is no zip file")
        return cls(options)

    def close(self):
        type(self).closed += 1

    def find(self, image, number):
        """Give the middle of a dot, from 0 to 1, or nothing."""
        apart = np.abs(image.data.astype(int) - (255 - 7 * number, 3 + 7 * number, 200)).max(-1)
        rows, columns = np.nonzero(apart < 4)
        if len(rows) == 0:
            return None
        return (columns.mean() + 0.5) / image.data.shape[1], (rows.mean() + 0.5) / image.data.shape[0]


def point(place, **more):
    return SimpleNamespace(x=place[0], y=place[1], **{"z": 0.0, "visibility": 0.9, "presence": 0.8} | more)


class PoseLandmarker(Landmarker):
    def detect(self, image):
        found = [self.find(image, number) for number in range(6)]
        if any(place is None for place in found):
            return SimpleNamespace(pose_landmarks=[], pose_world_landmarks=[])
        places = dict(zip((*SHOULDERS, *HIPS, *WRISTS), found, strict=True))
        fingers = {number: np.add(places[15 if number % 2 else 16], (0, 0.02)) for number in range(17, 23)}
        points = [point((places | fingers).get(number, found[0])) for number in range(33)]
        world = [point((p.x - 0.5, p.y - 0.5)) for p in points]
        return SimpleNamespace(pose_landmarks=[points], pose_world_landmarks=[world])


class HandLandmarker(Landmarker):
    def detect(self, image):
        seen = [place for place in (self.find(image, number) for number in (4, 5)) if place is not None]
        hands = [[point((x + 0.002 * number, y)) for number in range(21)] for x, y in seen]
        sides = [[SimpleNamespace(category_name="Left", score=0.9)] for _ in hands]
        return SimpleNamespace(hand_landmarks=hands, hand_world_landmarks=hands, handedness=sides)


@pytest.fixture
def tasks(monkeypatch, tmp_path):
    """Install stand-ins for mediapipe and for its files; give their folder."""
    vision = ModuleType("mediapipe.tasks.python.vision")
    for landmarker in (PoseLandmarker, HandLandmarker):
        setattr(vision, landmarker.__name__, landmarker)
        setattr(vision, f"{landmarker.__name__}Options", SimpleNamespace)
    python = ModuleType("mediapipe.tasks.python")
    python.BaseOptions, python.vision = SimpleNamespace, vision
    mediapipe = ModuleType("mediapipe")
    mediapipe.__version__, mediapipe.Image, mediapipe.ImageFormat = "1.2", SimpleNamespace, SimpleNamespace(SRGB=1)
    for name, module in (
        ("mediapipe", mediapipe), ("mediapipe.tasks", ModuleType("mediapipe.tasks")),
        ("mediapipe.tasks.python", python), ("mediapipe.tasks.python.vision", vision),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("pose_landmarker_heavy", "pose_landmarker_full", "hand_landmarker"):
        (tmp_path / f"{name}.task").write_bytes(name.encode())
    return tmp_path


PLACES = np.array([[180, 60], [120, 60], [170, 120], [130, 120], [200, 100], [100, 100]], float)


@pytest.mark.parametrize("region", [Region(150, 100, 260), Region(150, 100, 260, 0.4)])
def test_landmarks_lie_where_the_picture_has_them(tasks, region):
    engine, picture = load_engine("tasks", tasks), dots(PLACES)
    body = engine.body(picture, region)
    np.testing.assert_allclose(
        body.pixels[[*SHOULDERS, *HIPS, *WRISTS]], PLACES + 0.5, atol=0.5
    )  # the middle of a pixel
    across = body.world[11] - body.world[12]  # upright in the picture, however the region is turned
    assert abs(across[1]) < 0.01 < across[0]
    assert (body.confidence, body.visibility[0]) == pytest.approx((0.8, 0.9))
    # As far around the hips as MediaPipe's own networks say.
    assert (body.region.x, body.region.y) == pytest.approx((150, 120), abs=1)
    assert body.region.size == pytest.approx(2 * 1.74 * 60 * 1.25, rel=0.03)
    ((score, place),) = engine.detect(picture, letterbox(picture))
    assert score == pytest.approx(0.8)
    assert place.distance(body.region) < 0.02
    assert engine.body(np.zeros_like(picture), region) is None


def test_each_wrist_has_its_own_hand(tasks):
    engine, picture = load_engine("tasks", tasks), dots(PLACES)
    body = engine.body(picture, letterbox(picture))
    for left, number in ((True, 4), (False, 5)):
        hand = engine.hand(picture, body, left=left, before=None)
        np.testing.assert_allclose(hand.pixels[0], PLACES[number] + 0.5, atol=1.0)
        assert (hand.pixels.shape, hand.world.shape) == ((21, 2), (21, 3))
        assert hand.confidence == pytest.approx(0.9)
    hidden = picture.copy()
    hidden[95:106, 195:206] = 0
    assert engine.hand(hidden, body, left=True, before=None) is None


def test_what_a_manifest_says(tasks):
    said = load_engine("tasks", tasks).describe()
    assert (said["engine"], said["mediapipe"]) == ("tasks", "1.2")
    assert said["models"]["body"]["path"].endswith("pose_landmarker_full.task")
    assert len(said["models"]["hand"]["sha256"]) == 64


def test_landmarkers_are_closed(tasks):
    before = PoseLandmarker.closed, HandLandmarker.closed
    engine = load_engine("tasks", tasks)
    del engine
    assert (PoseLandmarker.closed, HandLandmarker.closed) == (before[0] + 1, before[1] + 1)


def test_what_is_missing_is_told(tasks, monkeypatch):
    with pytest.raises(ConfigError, match=r"pose_landmarker\*\.task.*--models"):
        load_engine("tasks")
    (tasks / "hand_landmarker.task").write_bytes(b"broken")
    with pytest.raises(FormatError, match=r"hand_landmarker\.task.*cannot be used.*no zip file"):
        load_engine("tasks", tasks)
    (tasks / "hand_landmarker.task").unlink()
    with pytest.raises(FormatError, match=r"missing.*hand_landmarker\*\.task"):
        load_engine("tasks", tasks)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    with pytest.raises(MissingDependencyError, match="pip install mediapipe"):
        load_engine("tasks", tasks)


@pytest.mark.skipif("KTUBE_TASKS" not in os.environ, reason="KTUBE_TASKS names no folder of landmarkers")
def test_a_speaker_is_seen_by_the_real_ones(tmp_path):
    from ktube_motion.render import save_mesh_video
    from ktube_motion.video import estimate_poses

    path = save_mesh_video(make_speaker(seed=5, num_utterances=1).truth[:60], tmp_path / "a.mp4", size=(480, 480))
    poses = estimate_poses(path, engine="tasks", models=os.environ["KTUBE_TASKS"])
    assert poses.valid.mean() > 0.9
