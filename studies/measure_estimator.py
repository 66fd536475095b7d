"""How well are a speaker's poses estimated from video? Films with known truth, and the errors.

    python studies/measure_estimator.py
    python studies/measure_estimator.py --poses my_estimates

Made-up speakers are filmed in eight scenes: the whole body from the front and from the side, from the waist up, poorly
compressed, upright as on a telephone, cut from camera to camera, and with somebody who walks past behind and in front.
The films lie in OUTPUT/films, at 20 frames a second and 960 to 1280 rows; the poor one has 360. By default they are
shown to the library's own estimator; with --poses, files of yours, SCENE.npz or another format that ktube_motion.io
reads, are measured instead.

The table is in estimator.csv and in docs/video.rst. Errors are in millimetres. PA: after the best turn, place and size
of each frame, of all 22 joints, and of neck, head, shoulders, elbows and wrists alone. Fingers: relative to the wrist,
in the frames in which the whole hand is in the picture and was seen, as the arms are aligned; their shape: after the
best turn of the hand. Frames a second count the time that one processor worked for the estimate, so that other
programs beside it do not matter.
"""

import argparse
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from film_speaker import Actor, Studio, View, walking, write_film
from study import run, write_table

from ktube_motion.io import read_poses, save_poses
from ktube_motion.io._files import read_json, write_json
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.metrics import joint_errors
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import SMPLH_52
from ktube_motion.video import estimate_landmarks, fit_video, load_engine, read_frames

FPS = 20.0
ARMS = [12, 15, 16, 17, 18, 19, 20, 21]  # neck, head, shoulders, elbows, wrists
HANDS = {"left": (20, slice(22, 37)), "right": (21, slice(37, 52))}
COLUMNS = (
    "frames", "missed %", "PA whole", "PA arms and head", "arms and head", "PA wrists", "fingers", "shape of fingers",
    "hands seen %", "swapped", "cuts", "false cuts", "on another %", "frames/s", "without hands",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One film: its size, its views, each for so many seconds, how poor it is, who passes."""

    size: tuple[int, int] = (1080, 1080)
    views: tuple[View, ...] = (View(),)
    crf: int = 23
    passes: str = ""


SCENES = {
    "whole body, front": Scene(),
    "whole body, 40° aside": Scene(views=(View(0.7, 0.1, False, 1),)),
    "waist up": Scene((1280, 960), (View(0.0, 0.0, True, 2),)),
    "waist up, 30° aside, poor": Scene((480, 360), (View(-0.52, 0.05, True, 3),), crf=38),
    "upright picture": Scene((720, 1280), (View(0.15, 0.1, True, 4),)),
    "four cuts": Scene(
        (1280, 960), (View(0, 0.1, False, 5), View(0.6, 0, True, 6), View(-0.3, 0, True, 7), View(0.2, 0.1, False, 8),
                     View(0, 0.05, True, 9)),
    ),
    "somebody passes behind": Scene((1280, 960), (View(0, 0.05, False, 10),), passes="behind"),
    "somebody passes in front": Scene((1280, 960), (View(0, 0.05, False, 11),), passes="in front"),
}  # fmt: skip


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/estimator"))
    parser.add_argument("--poses", type=Path, help="folder of estimates to measure instead of the library's")
    parser.add_argument("--engine", default="litert", help="of the library's estimator")
    parser.add_argument("--models", type=Path, help="its networks, by default the installed mediapipe's")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each film")
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES), metavar="SCENE")
    parser.add_argument("--films-only", action="store_true", help="make the films and stop")
    return parser.parse_args()


def file_name(scene):
    return "".join(letter if letter.isalnum() else "_" for letter in scene)


@dataclass(frozen=True)
class Film:
    """A film and its truth.

    Attributes
    ----------
    path : path
    joints : array [shape=(T, 52, 3)]
        From where the camera stands.
    chest, other : arrays [shape=(T, 2)]
        The speaker's in the picture, and that of who passes, if anybody does; pixels.
    hands : dict of bool arrays [shape=(T,)]
        Whether each is in the picture from the wrist to the fingertips' joints.
    cuts : list of int
        Where each view but the first begins.
    """

    path: Path
    joints: np.ndarray
    chest: np.ndarray
    other: np.ndarray | None
    hands: dict[str, np.ndarray]
    cuts: list[int]


def make_film(folder, name, scene, seconds):
    """Make a film, or give the one that lies there, if it is as large."""
    number = list(SCENES).index(name)
    frames = round(seconds * FPS)
    speaker = make_speaker(seed=60 + number, num_utterances=max(round(seconds / 2), 1))
    actor = Actor(speaker.truth[: round((seconds + 0.1) * speaker.truth.fps)], fps=FPS, look=number)
    parts = np.array_split(np.arange(min(frames, len(actor))), len(scene.views))
    views = [view for view, part in zip(scene.views, parts, strict=True) for _ in part]
    path = folder / f"{file_name(name)}.mp4"
    extra, other = passing(scene, actor, len(views), number)
    if not path.exists() or next(read_frames(path, fps=FPS, count=1)).shape[1::-1] != scene.size:
        with Studio(scene.size) as studio:
            write_film(path, studio.film(actor, views, **extra), fps=FPS, size=scene.size, crf=scene.crf)
    joints = pose_to_joints(actor.poses[: len(views)], skeleton=SMPLH_52).positions
    # Who is seen stands upright, whether the camera looks down or not.
    axes = {view: replace(actor.camera(view, scene.size)[0], elevation=0.0).axes for view in scene.views}
    truth = np.stack([position @ axes[view].T for position, view in zip(joints, views, strict=True)])
    cameras = [actor.camera(view, scene.size) for view in views]

    def pictured(points):
        return np.array([camera.project(place, at)[0] for place, (camera, at) in zip(points, cameras, strict=True)])

    pixels = pictured(joints)
    inside = ((pixels >= 0) & (pixels < scene.size)).all(-1)
    hands = {side: inside[:, wrist] & inside[:, fingers].all(1) for side, (wrist, fingers) in HANDS.items()}
    other = None if other is None else pictured(other)
    return Film(path, truth, pictured(joints[:, [16, 17]].mean(1)), other, hands, [int(part[0]) for part in parts[1:]])


def passing(scene, actor, frames, number):
    """Give who passes and how, and where his chest is."""
    if not scene.passes:
        return {}, None
    passer = Actor(walking(make_speaker(seed=90 + number, num_utterances=4).truth, fps=FPS), fps=FPS, look=number + 2)
    path = np.zeros((frames, 3))
    path[:, 0] = np.linspace(-2.6, 2.6, frames)
    path[:, 2] = {"behind": -0.9, "in front": 0.7}[scene.passes]
    chest = np.array([passer.joints[frame % len(passer), [16, 17]].mean(0) for frame in range(frames)])
    chest[:, 1] -= passer.place[1]
    extra = {"passer": passer, "path": path, "in_front": scene.passes == "in front"}
    return extra, path + actor.place + chest * (0, 1, 0)


def processor_seconds():
    """Time of one processor that this program and the ffmpeg it has run have taken."""
    return sum(
        usage.ru_utime + usage.ru_stime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for usage in (resource.getrusage(who),)
    )  # fmt: skip


def estimate(path, engine, *, hands):
    """Estimate poses, and say how many frames a second of one processor that is."""
    began = processor_seconds()
    seen = estimate_landmarks(path, engine=engine, fps=FPS, hands=hands)
    poses, _ = fit_video(seen, where=path)
    return poses, seen, len(poses) / (processor_seconds() - began)


def measure(found, valid, truth):
    """Give the errors of joints ``(T, 52, 3)``, both in the axes of the camera, by the names of columns."""
    frames = min(len(found), len(truth))
    ours, theirs, valid = found[:frames], truth[:frames], valid[:frames]
    across = ((ours[:, 16] - ours[:, 17]) * (theirs[:, 16] - theirs[:, 17])).sum(-1)
    swapped = int((valid & (across < 0)).sum())
    ours, theirs = ours[valid], theirs[valid]
    arms = joint_errors(ours[:, ARMS], theirs[:, ARMS], align="procrustes")
    return {
        "frames": len(truth),
        "missed %": 100 * (1 - valid.sum() / len(truth)),
        "PA whole": 1000 * joint_errors(ours[:, :22], theirs[:, :22], align="procrustes").mean(),
        "PA arms and head": 1000 * arms.mean(),
        "arms and head": 1000 * joint_errors(ours[:, ARMS], theirs[:, ARMS], align="root").mean(),
        "PA wrists": 1000 * arms[:, -2:].mean(),
        "swapped": swapped,
    }


def measure_fingers(found, truth, seen, whole):
    """Give the errors of the fingers in the frames in which each hand was `seen` and is `whole` in the picture, both
    ``(T,)`` by its side, and in how many of the latter it was seen."""
    frames = min(len(found), len(truth))
    found, truth = found[:frames], truth[:frames]
    seen = {side: seen[side][:frames] & whole[side][:frames] for side in HANDS}
    there, shape = [], []
    for side, (wrist, fingers) in HANDS.items():
        chosen = seen[side]
        if not chosen.any():
            continue
        ours, theirs = found[chosen], truth[chosen]
        turn = _turns(ours[:, ARMS], theirs[:, ARMS])
        ours, theirs = (ours[:, fingers] - ours[:, [wrist]]) @ turn, theirs[:, fingers] - theirs[:, [wrist]]
        there.append(np.linalg.norm(ours - theirs, axis=-1))
        shape.append(joint_errors(ours, theirs, align="procrustes"))
    share = sum(map(np.sum, seen.values())) / max(sum(side[:frames].sum() for side in whole.values()), 1)
    if not there:
        return {"hands seen %": 0.0}
    there, shape = (1000 * float(np.concatenate(part).mean()) for part in (there, shape))
    return {"fingers": there, "shape of fingers": shape, "hands seen %": 100 * float(share)}


def _turns(ours, theirs):
    """Give the turns ``(T, 3, 3)`` that lay one on the other best, to be multiplied from the right."""
    ours, theirs = ours - ours.mean(1, keepdims=True), theirs - theirs.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(ours.swapaxes(1, 2) @ theirs)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def measure_following(seen, chest, other, size):
    """Give the percentage of frames in which the landmarks lie on who passes."""
    weights = np.concatenate([shot.require_weights() for shot in seen.landmarks])
    places = np.concatenate([shot.pixels for shot in seen.landmarks])[:, [11, 12]].mean(1)
    places = places * size[1] + np.array(size) / 2
    frames = min(len(places), len(chest))
    there = weights[:frames, [11, 12]].min(1) > 0
    own, others = (np.linalg.norm(places[:frames] - at[:frames], axis=-1) for at in (chest, other))
    # Where they cover each other nobody can say who is meant.
    return {"on another %": 100 * float((there & (others < 0.5 * own)).mean())}


def own_estimate(made, scene, engine, options):
    """Run the library's estimator; give poses, seen hands, and the columns that only it can fill."""
    poses, seen, speed = estimate(made.path, engine, hands=True)
    draw(made.path, seen, scene.size)
    save_poses(poses, options.output / "poses" / f"{made.path.stem}.npz")
    found = [shot.first for shot in seen.shots[1:]]
    hit = [any(abs(cut - shot) <= 1 for shot in found) for cut in made.cuts]
    figures = {
        "cuts": f"{sum(hit)} of {len(made.cuts)}",
        "false cuts": len(found) - sum(hit),
        "frames/s": speed,
        "without hands": estimate(made.path, engine, hands=False)[2],
    }
    if made.other is not None:
        figures |= measure_following(seen, made.chest, made.other, scene.size)
    names, weights = seen.landmarks[0].names, np.concatenate([shot.require_weights() for shot in seen.landmarks])
    hands = {side: weights[:, names.index(f"{side}_hand_wrist")] > 0.5 for side in HANDS}
    return poses, hands, figures


def draw(path, seen, size):
    """Write a frame two thirds into a film with the landmarks that were found: body red, hands green."""
    from PIL import Image, ImageDraw

    shot = len(seen.shots) * 2 // 3
    frame = len(seen.landmarks[shot]) // 2
    image = Image.fromarray(next(read_frames(path, fps=FPS, first=seen.shots[shot].first + frame, count=1)))
    pen, found = ImageDraw.Draw(image), seen.landmarks[shot]
    places = found.pixels[frame] * size[1] + np.array(size) / 2
    for name, (x, y), weight in zip(found.names, places, found.require_weights()[frame], strict=True):
        large, colour = (0.004, (40, 220, 60)) if "_hand_" in name else (0.006, (235, 40, 40))
        radius = large * size[1]
        if weight > 0.3:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    image.save(path.with_suffix(".png"))


def lay_out(paths, target):
    """Put the drawn frames of all films beside each other, four in a row."""
    from PIL import Image

    tiles = [Image.open(path.with_suffix(".png")) for path in paths if path.with_suffix(".png").exists()]
    tiles = [tile.resize((round(tile.width * 270 / tile.height), 270)) for tile in tiles]
    rows = [tiles[first : first + 4] for first in range(0, len(tiles), 4)]
    whole = Image.new("RGB", (max(sum(tile.width for tile in row) for row in rows), 270 * len(rows)), "white")
    for number, row in enumerate(rows):
        for place, tile in enumerate(row):
            whole.paste(tile, (sum(other.width for other in row[:place]), 270 * number))
    whole.save(target)


def theirs(path, options):
    """Read poses of another estimator; every hand counts as seen."""
    file = next(iter(sorted(options.poses.glob(f"{path.stem}.*"))), None)
    if file is None:
        sys.exit(f"error: {options.poses} has no {path.stem}.npz")
    poses = read_poses(file, fps=FPS).poses
    return poses, dict.fromkeys(HANDS, poses.valid), {}


def main():
    options = read_arguments()
    films = options.output / "films"
    rows, told = [["scene", *COLUMNS]], options.output / "rows.json"
    engine = None if options.films_only or options.poses else load_engine(options.engine, options.models)
    kept = read_json(told) if told.exists() and engine is not None else {}
    for name in options.only:
        scene = SCENES[name]
        made = make_film(films, name, scene, options.seconds)
        print(f"{made.path}: {len(made.joints)} frames", flush=True)
        if options.films_only:
            continue
        if name not in kept:
            ours = theirs(made.path, options) if engine is None else own_estimate(made, scene, engine, options)
            poses, seen, figures = ours
            every = poses.replace(valid=np.ones(len(poses), bool))  # gaps are left out by `measure`
            found = pose_to_joints(every, skeleton=SMPLH_52).positions
            figures |= measure(found, poses.valid, made.joints)
            figures |= measure_fingers(found, made.joints, seen, made.hands)
            kept[name] = {key: value if isinstance(value, str) else float(value) for key, value in figures.items()}
            if any(view.waist_up for view in scene.views):
                kept[name].pop("PA whole")
            write_json(told, kept) if engine is not None else None
        rows.append([name, *(_written(kept[name].get(column, "")) for column in COLUMNS)])
        print(
            "  ".join(f"{column} {value}" for column, value in zip(COLUMNS, rows[-1][1:], strict=True) if value != "")
        )
    if not options.films_only:
        write_table(options.output / "estimator.csv", rows)
        if engine is not None:
            lay_out([films / f"{file_name(name)}.mp4" for name in options.only], options.output / "estimator.png")


def _written(value):
    return value if isinstance(value, str) else f"{value:.3g}"


if __name__ == "__main__":
    run(main)
