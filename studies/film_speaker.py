"""Films of made-up speakers, with known truth: dressed, in a room, from any side, with cuts and people who pass.

What `measure_estimator.py` and `compare_corpora.py` show to an estimator.
"""

import subprocess
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.transform import Rotation

from ktube_motion import palette
from ktube_motion.filters import resample
from ktube_motion.io._files import atomic_path
from ktube_motion.io._sound import find_ffmpeg
from ktube_motion.kinematics import load_body
from ktube_motion.palette import rgb
from ktube_motion.render._figure import bone_matrices, make_figure
from ktube_motion.render._raster import make_renderer
from ktube_motion.render._scene import frame_camera, on_floor

SKINS = ((0.93, 0.76, 0.65), (0.87, 0.68, 0.54), (0.72, 0.52, 0.40), (0.52, 0.36, 0.27))
CLOTHES = ((0.16, 0.20, 0.33), (0.60, 0.16, 0.17), (0.20, 0.38, 0.28), (0.85, 0.82, 0.76), (0.35, 0.35, 0.38))
TRUNK, ARMS, LEGS, SHOES = (0, 3, 6, 9), (13, 14, 16, 17, 18, 19), (1, 2, 4, 5), (7, 8, 10, 11)
UPPER = [0, 1, 2, 12, 15, 16, 17, 18, 19, 20, 21]
NOBODY = 1e4  # where the ground is put so that it is not seen: only the figure is wanted


@dataclass(frozen=True)
class View:
    """Where the camera stands: radians about the speaker, whether his legs are seen, and which room he is in."""

    azimuth: float = 0.0
    elevation: float = 0.1
    waist_up: bool = False
    room: int = 0


class Actor:
    """Somebody who is filmed: poses at the film's rate, a body, clothes of one choice in `look`."""

    def __init__(self, poses, *, fps, look=0):
        self.poses = resample(poses, fps=fps)
        self.body = load_body()
        self.joints = self.body.joints(self.poses)
        self.place = on_floor(self.joints[0, 0], float(self.joints[..., 1].min()))
        self.moves = bone_matrices(self.body, self.poses)
        self.figure = _dressed(make_figure(self.body, self.poses.betas), look)

    def __len__(self):
        return len(self.joints)

    def camera(self, view, size):
        """Give a camera that has this person in the picture all the time, and what it looks at."""
        joints = self.joints[:, UPPER] if view.waist_up else self.joints
        floor = float(self.joints[..., 1].min())
        around = joints if view.waist_up else np.concatenate([joints, on_floor(joints, floor)], 1)
        around = np.concatenate([around, self.joints[:, 15:16] + (0, 0.2, 0)], 1)  # the top of the head
        target = (around.min((0, 1)) + around.max((0, 1))) / 2
        camera = frame_camera(around, target[None], size=size, azimuth=view.azimuth, elevation=view.elevation)
        return camera, target


def _dressed(figure, look):
    """Give a figure skin, sleeves to the wrists, trousers and shoes; face and hair stay."""
    rng = np.random.default_rng(look)
    skin = np.array(SKINS[look % len(SKINS)])
    shirt, trousers = np.array(CLOTHES)[rng.permutation(len(CLOTHES))[:2]]
    first = figure.joints[np.arange(len(figure.joints)), figure.weights.argmax(1)]
    colours = figure.colours.copy()
    colours[np.isin(first, (*TRUNK, *ARMS))] = shirt
    colours[np.isin(first, LEGS)] = 0.8 * trousers
    colours[np.isin(first, SHOES)] = 0.12
    hands = np.isin(first, (20, 21)) | (first >= 25)
    pale = np.abs(colours - rgb(palette.SKIN)).max(1) < 0.02
    colours[hands | pale] = skin
    return replace(figure, colours=colours.astype(np.float32))


def walking(poses, *, fps, to_the_right=True):
    """Give poses whose legs walk, turned to where they go in the picture of a camera in front."""
    poses = resample(poses, fps=fps)
    turned, swing = poses.rotvecs.copy(), 0.5 * np.sin(2 * np.pi * np.arange(len(poses)) / fps)
    side = Rotation.from_rotvec([0, np.pi / 2 if to_the_right else -np.pi / 2, 0])
    turned[:, 0] = (side * Rotation.from_rotvec(turned[:, 0])).as_rotvec()
    turned[:, 1, 0], turned[:, 2, 0] = swing, -swing
    turned[:, 4, 0], turned[:, 5, 0] = 0.3 + swing.clip(0), 0.3 + (-swing).clip(0)
    return poses.replace(rotvecs=turned)


class Studio:
    """Films people in pictures of `size` (width, height)."""

    def __init__(self, size, *, renderer="auto"):
        self.size, self.painter, self.rooms = size, make_renderer(renderer, size=size), {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.painter.close()

    def film(self, actor, views, *, passer=None, path=None, in_front=True):
        """Go through the pictures of an actor; `views` has one view a frame.

        `passer` is somebody whose root follows `path` ``(T, 3)``, metres from where the actor stands on the floor,
        behind him or in front.
        """
        cameras = {view: actor.camera(view, self.size) for view in set(views)}
        for frame, view in enumerate(views):
            camera, target = cameras[view]
            picture = self._room(view.room).copy()
            people = [self._seen(actor.figure, actor.moves[frame], camera, target)]
            if passer is not None:
                moves = passer.moves[frame % len(passer)].copy()
                moves[..., 3] += path[frame] + actor.place - passer.joints[frame % len(passer), 0] * (1, 0, 1)
                moves[..., 1, 3] -= passer.place[1]
                people.insert(len(people) if in_front else 0, self._seen(passer.figure, moves, camera, target))
            for drawn, there in people:
                picture[there] = drawn[there]
            yield picture

    def _seen(self, figure, moves, camera, target):
        drawn = self.painter.draw(figure, moves.astype(np.float32), camera, target, NOBODY)
        paper = np.round(255 * np.array(rgb(palette.PAPER))).astype(np.int16)
        red, green, blue = np.moveaxis(np.abs(drawn - paper) > 4, -1, 0)
        # The outermost pixels are half paper.
        return drawn, binary_erosion(red | green | blue, np.ones((3, 3)))

    def _room(self, number):
        """Give a wall with a floor, a window and shelves, out of focus."""
        if number not in self.rooms:
            width, height = self.size
            rng = np.random.default_rng((number, 7))
            picture = np.empty((height, width, 3))
            picture[:] = rng.uniform(90, 190) + rng.uniform(0, 30, 3)
            picture[round(0.82 * height) :] *= 0.6
            for _ in range(9):
                x, y = rng.uniform(0, width), rng.uniform(0, 0.7 * height)
                w, h = rng.uniform(0.05, 0.3, 2) * (width, height)
                picture[int(y) : int(y + h), int(x) : int(x + w)] = rng.uniform(50, 200) + rng.uniform(0, 50, 3)
            picture = gaussian_filter(picture, (0.006 * height, 0.006 * height, 0))
            self.rooms[number] = (picture + rng.normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8)
        return self.rooms[number]


def write_film(path, pictures, *, fps, size, crf=23):
    """Write pictures as H.264, the more compressed the larger `crf`; 23 is ffmpeg's own choice, 38 is poor."""
    width, height = size
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        command = [find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
                   "-s", f"{width}x{height}", "-r", str(fps), "-i", "-", "-c:v", "libx264", "-crf", str(crf),
                   "-pix_fmt", "yuv420p", "-threads", "1", "-f", path.suffix[1:], str(temporary)]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            for picture in pictures:
                process.stdin.write(np.ascontiguousarray(picture).tobytes())
            process.stdin.close()
        if process.returncode:
            raise OSError(f"ffmpeg could not write {path}")
    return path
