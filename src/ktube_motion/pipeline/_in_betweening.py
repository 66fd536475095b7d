"""The motion between two others: written from the first, and led to the second: in-betweening."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from ..skeletons import Skeleton
from ..vq import MotionTokenizer
from ._decoding import CHUNK, decode_joints
from ._joining import Neighbour
from ._placing import bend, fit_ground, move, settle

__all__ = ["write_between"]


@dataclass(frozen=True, eq=False)
class _Attempt:
    """An in-between as it goes on from `before`, and what it takes to end at `after`.

    Attributes
    ----------
    joints : tensor [shape=(frames + 1, J, 3)]
        The in-between, and where the first frame of `after` would be.
    arrived : tensor [shape=(J, 3)]
        That frame, where the path is to end.
    first, last : tensors [shape=(F, J, 3)]
        Offsets that smooth the seams, counted from them.
    cost : float
        Speed that arriving there adds to the joints, metres per frame.
    """

    joints: torch.Tensor
    arrived: torch.Tensor
    first: torch.Tensor
    last: torch.Tensor
    cost: float


def write_between(
    tokenizer: MotionTokenizer,
    skeleton: Skeleton,
    before: Neighbour,
    after: Neighbour,
    candidates: torch.Tensor,
    frames: int,
    *,
    steer: bool,
) -> np.ndarray:
    """Decode in-betweens together with their neighbours, and lay the one that fits best between them.

    The transformer reads from left to right, so it writes without knowing
    where to arrive. Of several in-betweens, the one is kept that must be
    corrected least.

    Parameters
    ----------
    before, after : joining.Neighbour
    candidates : int64 tensor [shape=(N, L)]
    frames : int
        Length; a rest that is no whole token is taken up by going a little slower or faster.
    steer : bool
        Bend the path so that it ends where `after` starts.

    Returns
    -------
    positions : array [shape=(frames, J, 3)]
    """
    attempts = _attempts(tokenizer, skeleton, before, after, candidates, frames, steer)
    best = min(attempts, key=lambda attempt: attempt.cost)
    between = bend(torch.cat((before.edge[1:], best.joints)), best.arrived, after.floor - before.floor)[1:-1]
    between[: len(best.first)] += best.first[:frames]
    between[-len(best.last) :] += best.last.flip(0)[-frames:]
    return between.numpy()


def _attempts(
    tokenizer: MotionTokenizer,
    skeleton: Skeleton,
    before: Neighbour,
    after: Neighbour,
    candidates: torch.Tensor,
    frames: int,
    steer: bool,
) -> Iterator[_Attempt]:
    """Yield an attempt for each candidate, few of which are in memory at a time."""
    start, stop = len(before.tokens), len(before.tokens) + candidates.shape[1]
    # Two known frames, the in-between, two known frames.
    times = np.linspace(start * tokenizer.frames_per_token - 1, stop * tokenizer.frames_per_token, frames + 2)
    times = np.concatenate(([times[0] - 1], times, [times[-1] + 1]))
    for some in candidates.split(max(1, CHUNK // (stop + len(after.tokens)))):
        old, new = (side.tokens.expand(len(some), -1) for side in (before, after))
        for decoded in decode_joints(tokenizer, skeleton, torch.cat((old, some, new), 1)).astype(np.float64):
            yield _attempt(CubicSpline(np.arange(len(decoded)), decoded)(times), before, after, frames, steer)


def _attempt(decoded: np.ndarray, before: Neighbour, after: Neighbour, frames: int, steer: bool) -> _Attempt:
    put, first = before.seam(decoded[:2], frames=frames)
    joints = put(decoded[2:])
    arrived = joints[frames:].clone()
    arrived[..., 1] += after.floor - before.floor
    fit = fit_ground(arrived[0], after.edge[0])
    there = move(arrived, *fit)
    error = after.edge - there
    settling = min(after.settling, frames + 1)
    cost = _size(error[0]) / settling + _size(error[1] - error[0])
    if steer:
        cost += _size(there[0] - arrived[0]) / frames
    else:
        there, error = arrived, move(after.edge, *fit_ground(after.edge[0], arrived[0])) - arrived
    last = settle(error[0], error[0] - error[1], settling)
    return _Attempt(joints[: frames + 1], there[0], first, last, cost)


def _size(vectors: torch.Tensor) -> float:
    return float(vectors.norm(dim=-1).mean())
