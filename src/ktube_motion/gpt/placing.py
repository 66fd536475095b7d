"""Putting motion that was decoded in pieces back into one place."""

import torch

from ..features import features_to_joints

__all__ = ["go_on"]


def go_on(features: torch.Tensor, last, skeleton):
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
        new, old = joints[:, 0][..., [0, 2]].double(), old_joints[..., [0, 2]].double()
        new_middle, old_middle = new.mean(1, keepdim=True), old.mean(1, keepdim=True)
        a, b = new - new_middle, old - old_middle
        turn = torch.atan2((a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1), (a * b).sum((1, 2)))
        cosine, sine = turn.cos(), turn.sin()
        matrix = torch.stack((cosine, sine, -sine, cosine), -1).view(-1, 1, 2, 2)
        ground = (joints[..., [0, 2]].double() - new_middle[:, None]) @ matrix + old_middle[:, None]
        joints = torch.stack((ground[..., 0].to(joints), joints[..., 1], ground[..., 1].to(joints)), -1)[:, 1:]
    return joints, (features[:, -1:], joints[:, -1])
