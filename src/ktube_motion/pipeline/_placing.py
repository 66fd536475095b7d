"""Putting motion into its place: on from a frame, and on to another."""

import torch

from ..errors import DataError
from ..features import features_to_joints
from ..skeletons import Skeleton
from ..types import Motion

__all__ = ["bend", "fit_ground", "go_on", "move", "place_after", "settle"]

# The vectors and joints of the last frame that was reached.
Reached = tuple[torch.Tensor, torch.Tensor]


def fit_ground(joints: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Find the turn about y and the shift on the ground that bring a pose nearest to another.

    Parameters
    ----------
    joints, wanted : tensor [shape=(..., J, 3)]

    Returns
    -------
    turn : float64 tensor [shape=(...)]
        Radians, positive from +x to +z.
    middle, wanted_middle : float64 tensors [shape=(..., 1, 2)]
        Where the two stand: the mean of x and z.
    """
    new, old = joints[..., [0, 2]].double(), wanted[..., [0, 2]].double()
    middle, wanted_middle = new.mean(-2, keepdim=True), old.mean(-2, keepdim=True)
    a, b = new - middle, old - wanted_middle
    turn = torch.atan2((a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(-1), (a * b).sum((-2, -1)))
    return turn, middle, wanted_middle


def move(joints: torch.Tensor, turn: torch.Tensor, middle: torch.Tensor, wanted_middle: torch.Tensor) -> torch.Tensor:
    """Turn joints ``(..., J, 3)`` about `middle` and take them to `wanted_middle`: see `fit_ground`."""
    cosine, sine = turn.cos(), turn.sin()
    matrix = torch.stack((cosine, sine, -sine, cosine), -1).unflatten(-1, (2, 2))
    ground = (joints[..., [0, 2]].double() - middle) @ matrix + wanted_middle
    return torch.stack((ground[..., 0].to(joints), joints[..., 1], ground[..., 1].to(joints)), -1)


def go_on(features: torch.Tensor, last: Reached | None, skeleton: Skeleton) -> tuple[torch.Tensor, Reached]:
    """Turn the next motion vectors into joints that go on from the last frame.

    Motion vectors say how the root moves, not where it is, so every piece
    decodes to its own start. Decoded once more together with the last frame of
    the piece before, it shows the same pose in old and in new coordinates,
    which gives the turn about y and the shift between them.

    Parameters
    ----------
    features : tensor [shape=(B, T, D)]
        Raw motion vectors, ``T >= 1``.
    last : tuple or None
        What the call before gave; ``None`` for the first piece.
    skeleton : Skeleton

    Returns
    -------
    joints : tensor [shape=(B, T, J, 3)]
    last : tuple
        The last frame, for the next call.
    """
    if last is None:
        joints = features_to_joints(features, skeleton=skeleton)
    else:
        old_features, old_joints = last
        joints = features_to_joints(torch.cat((old_features, features), 1), skeleton=skeleton)
        turn, middle, wanted = fit_ground(joints[:, 0], old_joints)
        joints = move(joints, turn[:, None], middle[:, None], wanted[:, None])[:, 1:]
    return joints, (features[:, -1:], joints[:, -1])


def place_after(before: Motion, after: Motion) -> Motion:
    """Turn a motion about y and move it on the ground, so that it goes on from where another ends.

    Parameters
    ----------
    before, after : Motion
        With positions, of one skeleton.

    Returns
    -------
    after : Motion
        Its positions moved, its heights as they were; rotations and translation are left out.

    Raises
    ------
    DataError
        If the skeletons differ, or positions are missing.

    Notes
    -----
    Its first frame is put where the next frame of `before` would be, in a
    straight line from the last two. The poses themselves may still differ:
    `UtteranceToMotion.in_between` makes a motion that leads from one to the other.

    Examples
    --------
    >>> import numpy as np
    >>> from ktube_motion.skeletons import SMPL_22
    >>> pose = np.random.default_rng(0).normal(size=(1, 22, 3)).repeat(5, 0)
    >>> before = Motion(skeleton=SMPL_22, positions=pose + [3.0, 0, 1], fps=20)
    >>> after = Motion(skeleton=SMPL_22, positions=pose * [-1, 1, -1], fps=20)  # looks the other way
    >>> np.allclose(place_after(before, after).positions, before.positions, atol=1e-5)
    True
    """
    if before.skeleton.name != after.skeleton.name:
        raise DataError("The skeletons differ.", expected=before.skeleton.name, found=after.skeleton.name)
    ends, starts = (torch.tensor(motion.require("positions")) for motion in (before, after))
    if not len(ends) or not len(starts):
        raise DataError("A motion without frames has no place.")
    wanted = ends[-1] if len(ends) == 1 else 2 * ends[-1] - ends[-2]
    moved = move(starts, *fit_ground(starts[0], wanted))
    return after.replace(positions=moved.numpy(), rotations=None, translation=None)


def bend(joints: torch.Tensor, wanted: torch.Tensor, lift: float = 0.0) -> torch.Tensor:
    """Bend a path so that its last frame stands where another pose does.

    Parameters
    ----------
    joints : tensor [shape=(T, J, 3)]
        The first frame stays as it is.
    wanted : tensor [shape=(J, 3)]
        Only where it stands and faces counts.
    lift : float
        How much higher the ground is there.

    Returns
    -------
    joints : tensor [shape=(T, J, 3)]
        The turn and the shift that the last frame needs, shared out over all
        frames: slowly at both ends, and so that who walks turns into the new way.
    """
    turn, _, target = fit_ground(joints[-1], wanted)
    share = _ease(torch.linspace(0, 1, len(joints), dtype=torch.float64))
    middles = joints[..., [0, 2]].double().mean(-2, keepdim=True)
    cosine, sine = (share * turn).cos(), (share * turn).sin()
    matrix = torch.stack((cosine, sine, -sine, cosine), -1).unflatten(-1, (2, 2))
    path = middles[:1] + torch.cat((torch.zeros_like(middles[:1]), middles.diff(dim=0) @ matrix[1:])).cumsum(0)
    path = path + share[:, None, None] * (target - path[-1])
    bent = move(joints, share * turn, middles, path)
    bent[..., 1] += (share * lift).to(bent)[:, None]
    return bent


def settle(offset: torch.Tensor, velocity: torch.Tensor, frames: int) -> torch.Tensor:
    """Let an offset die out smoothly: ``(frames, J, 3)``, the first one frame later.

    The quintic that begins with this offset and velocity (per frame) and no
    acceleration, and ends without any of the three, as in games [1]_.

    References
    ----------
    .. [1] D. Bollo, Inertialization: High-performance animation transitions in Gears of War, GDC 2018.
    """
    t = (torch.arange(1, frames + 1, dtype=offset.dtype) / frames)[:, None, None]
    return offset * (1 - _ease(t)) + velocity * frames * (t - 6 * t**3 + 8 * t**4 - 3 * t**5)


def _ease(t: torch.Tensor) -> torch.Tensor:
    return t**3 * (10 - 15 * t + 6 * t**2)
