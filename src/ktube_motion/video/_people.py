"""Who speaks: of the people in a shot the one who is largest, closest to the middle and there all the time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ._engines import Engine, SeenBody
from ._regions import Region, letterbox

__all__ = ["choose_speaker", "colour_distance", "find_people", "look_for_speaker", "torso_colour"]

_SAME_PLACE = 0.35  # of the region's size: how far somebody moves between two looks
_SURELY = 0.5  # the score of who is seen in a part of the picture while others are seen in the whole
_HEAD, _SAME_HEAD = np.array([0.5, 0.18]), 0.25  # where in a person's region it is
_SHOULDERS_AND_HIPS = [11, 12, 24, 23]


def find_people(engine: Engine, picture: np.ndarray, *, everybody: bool = False) -> list[tuple[float, Region]]:
    """Find people in a picture; where the whole shows none, or `everybody` is asked for, in parts of it.

    The detector was trained on people whose size is that of the picture. It misses those who fill it from the waist
    up or stand in a group, and finds them in a crop.
    """
    whole = letterbox(picture)
    people = engine.detect(picture, whole)
    if people and not everybody:
        return people
    height, width = picture.shape[:2]
    parts = [whole.grown(1.6), *_squares(width, height, min(width, height))]
    _add(people, engine, picture, parts, least=_SURELY if people else 0.0)
    if not people:
        _add(people, engine, picture, _squares(width, height, 0.6 * max(width, height)), least=0.0)
    return sorted(people, key=lambda person: -person[0])


def _squares(width: int, height: int, size: float) -> list[Region]:
    return [
        Region(float(x), float(y), float(size))
        for x in np.linspace(size / 2, width - size / 2, 1 if width <= size else 3)
        for y in np.linspace(size / 2, height - size / 2, 1 if height <= size else 2)
    ]


def _add(
    people: list[tuple[float, Region]], engine: Engine, picture: np.ndarray, parts: Iterable[Region], *, least: float
) -> None:
    """Add who is seen in parts of a picture and is not there yet."""
    for part in parts:
        for score, region in engine.detect(picture, part):
            if score >= least and all(_heads_apart(region, other) > _SAME_HEAD for _, other in people):
                people.append((score, region))


def _heads_apart(first: Region, second: Region) -> float:
    """How far apart two people's heads are, in sizes of the smaller; hips out of the picture are guessed badly."""
    heads = [person.to_picture(_HEAD) for person in (first, second)]
    return float(np.linalg.norm(heads[0] - heads[1])) / min(first.size, second.size)


@dataclass
class Candidate:
    """One person in several looks at a shot."""

    regions: list[Region] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def weight(self, width: int, height: int, looks: int) -> float:
        """How much this is the speaker: size times nearness to the middle times presence."""
        # Who is seen from the waist up would be much larger than the picture, by as much as nobody knows.
        sizes = np.minimum([region.size for region in self.regions], max(width, height)) / max(width, height)
        away = np.array([abs(region.x - width / 2) / width for region in self.regions])
        return float((sizes * np.exp(-2.0 * away) * np.array(self.scores)).sum() / looks)


def choose_speaker(looks: Sequence[list[tuple[float, Region]]], *, width: int, height: int) -> Candidate | None:
    """Follow people from look to look and choose one; None where nobody is ever seen."""
    people: list[Candidate] = []
    for found in looks:
        free = list(people)
        for score, region in found:
            near = min(free, key=lambda person: person.regions[-1].distance(region), default=None)
            if near is None or near.regions[-1].distance(region) > _SAME_PLACE:
                near = Candidate()
                people.append(near)
            else:
                free.remove(near)
            near.regions.append(region)
            near.scores.append(score)
    return max(people, key=lambda person: person.weight(width, height, len(looks)), default=None)


def look_for_speaker(engine: Engine, pictures: Iterable[np.ndarray]) -> Region | None:
    """Choose the speaker of a shot from some of its pictures; None where nobody is."""
    looks, width, height = [], 1, 1
    for picture in pictures:
        height, width = picture.shape[:2]
        looks.append(find_people(engine, picture, everybody=True))
    chosen = choose_speaker(looks, width=width, height=height)
    return None if chosen is None else chosen.regions[0]


def torso_colour(picture: np.ndarray, body: SeenBody) -> np.ndarray | None:
    """Quartiles of the colour of what the person wears, ``(3, 3)``; None where it is out of the picture."""
    height, width = picture.shape[:2]
    corners = body.pixels[_SHOULDERS_AND_HIPS]
    grid = np.stack(np.meshgrid(np.linspace(0.15, 0.85, 6), np.linspace(0.1, 0.6, 6)), -1).reshape(-1, 2)
    across, down = grid[:, :1], grid[:, 1:]
    top, bottom = corners[0] * (1 - across) + corners[1] * across, corners[3] * (1 - across) + corners[2] * across
    places = np.floor(top * (1 - down) + bottom * down).astype(int)
    inside = ((places >= 0) & (places < (width, height))).all(1)
    if inside.sum() < 6:
        return None
    return np.percentile(picture[places[inside, 1], places[inside, 0]], (25, 50, 75), axis=0)


def colour_distance(seen: np.ndarray, known: np.ndarray) -> float:
    """Distance of a torso's colour from a known one's, 0 to about 255.

    The quartile that is nearest counts: hands and forearms before the chest may cover more than half of it.
    """
    return float(np.abs(seen - known[1]).max(1).min())
