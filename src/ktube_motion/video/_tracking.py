"""One person through one shot: detector, crop, landmarks, next crop; lost and found again, never exchanged."""

from dataclasses import dataclass

import numpy as np

from ._engines import Engine, SeenBody, SeenHand
from ._people import colour_distance, find_people, torso_colour
from ._regions import Region

__all__ = ["Follower", "SeenFrame"]

_JUMP = 0.3  # of the region's size, from one frame to the next
_OTHER_COLOUR, _OUR_COLOUR = 22.0, 11.0  # beyond the first it is somebody else; within the second it is learnt from
_SLOWLY = 0.02  # how fast the colour of the clothes is learnt
_FORGET_SECONDS = 2.0  # who passes is gone by then; the light has changed
_SEARCH_SECONDS = 0.25


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """What was seen of the speaker in one frame, whose height and width are `size`."""

    body: SeenBody | None
    left: SeenHand | None = None
    right: SeenHand | None = None
    size: tuple[int, int] = (1, 1)


class Follower:
    """Follows one person from picture to picture.

    Parameters
    ----------
    engine : Engine
    place : Region
        Where the speaker is expected first.
    fps : float
    hands : bool
    """

    def __init__(self, engine: Engine, place: Region, *, fps: float, hands: bool) -> None:
        self.engine, self.place, self.hands = engine, place, hands
        self.region: Region | None = None
        self.colour: np.ndarray | None = None
        self.before = SeenFrame(None)
        self.pause = max(round(_SEARCH_SECONDS * fps), 1)
        self.waited = self.pause
        self.missed, self.patience = 0, round(_FORGET_SECONDS * fps)

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
        if body is None or region is None:
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
        for region in sorted(near, key=self.place.distance):
            self.before = SeenFrame(None)
            body = self._same(picture, region)
            if body is not None:
                return self.engine.body(picture, body.region) or body
        return None

    def _learn(self, picture: np.ndarray, body: SeenBody) -> None:
        ours = torso_colour(picture, body)
        if ours is not None and self._strange(ours) < _OUR_COLOUR:
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
