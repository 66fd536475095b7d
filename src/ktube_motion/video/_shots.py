"""Shots: where a video cuts from one camera to another."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._frames import read_frames

__all__ = ["Shot", "find_cuts", "find_shots"]

_THUMBNAIL = (64, 48)
_LEAST_CHANGE, _LEAST_RATIO, _AROUND = 10.0, 3.0, 3
_SHORTEST = 0.3  # seconds: flashes and the frames of a fade are no shots


@dataclass(frozen=True)
class Shot:
    """Frames `first` to `last`, which is the first of the next."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first


def find_shots(path: str | Path, *, fps: float) -> list[Shot]:
    """Find the shots of a video.

    Parameters
    ----------
    path : path
    fps : float
        The rate at which frames are counted.

    Returns
    -------
    shots : list of Shot
        Without holes; the last ends where the last frame is.

    Raises
    ------
    FormatError
        If nothing can be decoded.

    Notes
    -----
    The video is read once, 64 × 48 pixels small; see `find_cuts`.
    """
    changes = list(_changes(read_frames(path, fps=fps, size=_THUMBNAIL)))
    cuts = [0, *find_cuts(np.array(changes[1:])).tolist(), len(changes)]
    kept = [cuts[0]]
    for cut in cuts[1:-1]:
        if cut - kept[-1] >= _SHORTEST * fps and cuts[-1] - cut >= _SHORTEST * fps:
            kept.append(cut)
    return [Shot(first, last) for first, last in zip(kept, [*kept[1:], cuts[-1]], strict=True)]


def _changes(pictures: Iterable[np.ndarray]) -> Iterable[float]:
    """Give how much each picture differs from the one before, in grey levels; 0 for the first."""
    before = None
    for picture in pictures:
        now = picture.astype(np.float32)
        yield 0.0 if before is None else float(np.abs(now - before).mean())
        before = now


def find_cuts(changes: npt.ArrayLike) -> np.ndarray:
    """Find cuts among the changes from picture to picture.

    Parameters
    ----------
    changes : array [shape=(T - 1,)]
        Mean absolute difference of two small pictures, grey levels 0 to 255.

    Returns
    -------
    cuts : int array
        Numbers of the pictures that begin a shot: where the change is at
        least 10 levels and three times any other within three frames.

    Notes
    -----
    A camera that pans and a speaker who moves fast change many pictures in a
    row; a flash changes two; a cut changes one. This is the idea of
    PySceneDetect's adaptive detector, on thumbnails.

    Examples
    --------
    >>> find_cuts([1, 2, 1, 40, 2, 1, 1, 30, 30, 1])
    array([4])
    """
    values = np.asarray(changes, float)
    padded = np.pad(values, _AROUND)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1).copy() if len(values) else padded[None]
    around[:, _AROUND] = 0
    return np.flatnonzero((values >= _LEAST_CHANGE) & (values >= _LEAST_RATIO * around.max(1)[: len(values)])) + 1
