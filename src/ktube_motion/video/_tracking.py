"""One person through one shot: detector, crop, landmarks, next crop; lost and found again, never exchanged."""

from dataclasses import dataclass

import numpy as np

from ._engines import Engine, SeenBody, SeenHand
from ._people import colour_distance, find_people, torso_colour
from ._regions import Region

__all__ = ["Follower", "SeenFrame", "Speaker"]

_JUMP = 0.3  # of the region's size, from one frame to the next
_OTHER_COLOUR, _OUR_COLOUR = 22.0, 11.0  # beyond the first it is somebody else; within the second it is learnt from
_SLOWLY = 0.02  # how fast the colour of the clothes is learnt
_FORGET_SECONDS = 2.0  # who passes is gone by then; the light has changed
_SEARCH_SECONDS = 0.25
_TRUNK_AND_ARMS = slice(11, 25)  # landmarks from the shoulders to the hips
_UPSIDE_DOWN, _CLEARLY = 2.1, 0.7  # radians; mean visibility of trunk and arms


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """What was seen of the speaker in one frame, whose height and width are `size`."""

    body: SeenBody | None
    left: SeenHand | None = None
    right: SeenHand | None = None
    size: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class Speaker:
    """Who is followed: where he was last, and the colour of his clothes if it is known."""

    place: Region
    colour: np.ndarray | None = None

    @staticmethod
    def pack(speaker: "Speaker | None") -> np.ndarray:
        """Give him as numbers: none, 4, or 4 and the 9 of the colour."""
        if speaker is None:
            return np.zeros(0)
        place = speaker.place
        colour = np.zeros(0) if speaker.colour is None else speaker.colour.ravel()
        return np.concatenate([[place.x, place.y, place.size, place.angle], colour])

    @staticmethod
    def unpack(numbers: np.ndarray) -> "Speaker | None":
        """Undo `pack`."""
        if not len(numbers):
            return None
        return Speaker(Region(*numbers[:4].tolist()), numbers[4:].reshape(3, 3) if len(numbers) == 13 else None)


class Follower:
    """Follows one person from picture to picture.

    Parameters
    ----------
    engine : Engine
    speaker : Speaker
        Where he is expected first, and in what clothes.
    fps : float
    hands : bool
    """

    def __init__(self, engine: Engine, speaker: Speaker, *, fps: float, hands: bool) -> None:
        self.engine, self.place, self.hands = engine, speaker.place, hands
        self.region: Region | None = None
        self.colour = speaker.colour
        self.fresh = True
        self.before = SeenFrame(None)
        self.pause = max(round(_SEARCH_SECONDS * fps), 1)
        self.waited = self.pause
        self.missed, self.patience = 0, round(_FORGET_SECONDS * fps)

    @property
    def speaker(self) -> Speaker:
        """What is known of him now."""
        return Speaker(self.place, self.colour)

    def step(self, picture: np.ndarray) -> SeenFrame:
        """Look at the next picture."""
        body = self._same(picture, self.region)
        if body is None:
            body = self._search(picture)
        if body is None:
            self.region, self.before = None, SeenFrame(None)
            self.missed += 1
            return self.before
        if self.missed > self.patience:
            self.colour = None
        self.missed = 0
        self.region = self.place = body.region
        self._learn(picture, body)
        left, right = self._hands(picture, body)
        self.before = SeenFrame(body, left, right, picture.shape[:2])
        return self.before

    def _same(self, picture: np.ndarray, region: Region | None) -> SeenBody | None:
        """Look where the speaker is expected; None where nobody is, or somebody else."""
        body = None if region is None else self.engine.body(picture, region)
        if body is None or region is None or _hardly_a_body(body):
            return None
        last = self.before.body
        if last is not None and body.region.distance(last.region) > _JUMP:
            return None
        ours = torso_colour(picture, body)
        other = self.missed <= self.patience and self._strange(ours) > _OTHER_COLOUR
        return None if other else body

    def _search(self, picture: np.ndarray) -> SeenBody | None:
        """Find the speaker anew, near where he was last; not in every frame, for nobody may be there."""
        self.waited += 1
        if self.waited < self.pause and self.region is None:
            return None
        self.waited = 0
        people = [region for _, region in find_people(self.engine, picture)]
        near = [region for region in people if region.distance(self.place) < 0.6]
        # At first where he was chosen: the detector may see another better.
        first = [self.place] if self.fresh else []
        self.fresh = False
        for region in [*first, *sorted(near, key=self.place.distance)]:
            self.before = SeenFrame(None)
            body = self._same(picture, region)
            if body is not None:
                return self.engine.body(picture, body.region) or body
        return None

    def _learn(self, picture: np.ndarray, body: SeenBody) -> None:
        ours = torso_colour(picture, body)
        if ours is not None and (self.colour is None or np.abs(ours - self.colour).max() < _OUR_COLOUR):
            self.colour = ours if self.colour is None else (1 - _SLOWLY) * self.colour + _SLOWLY * ours

    def _strange(self, colour: np.ndarray | None) -> float:
        """How far a torso's colour is from the speaker's; 0 where either is unknown."""
        return 0.0 if colour is None or self.colour is None else colour_distance(colour, self.colour)

    def _hands(self, picture: np.ndarray, body: SeenBody) -> tuple[SeenHand | None, SeenHand | None]:
        if not self.hands:
            return None, None
        left = self.engine.hand(picture, body, left=True, before=self.before.left)
        right = self.engine.hand(picture, body, left=False, before=self.before.right)
        return left, right


def _hardly_a_body(body: SeenBody) -> bool:
    """Say whether this stands on its head and is seen badly: a trunk whose face is hidden, taken the wrong way up."""
    return abs(body.region.angle) > _UPSIDE_DOWN and bool(body.visibility[_TRUNK_AND_ARMS].mean() < _CLEARLY)
