"""How joints bend in living bodies: enough to tell a rotation from its inverse."""

import numpy as np

__all__ = ["HINGES", "UNSURE", "bending"]

# Hinges that bend one way only: the joint, and the axis-angle number that grows with it. Knees fold the shin back,
# elbows bring the forearm forward; SMPL-X at rest stands in a T.
_BENDS = ((4, 0, 1.0), (5, 0, 1.0), (18, 1, -1.0), (19, 1, 1.0))
HINGES = tuple(joint for joint, _, _ in _BENDS)
UNSURE = 0.05  # radians
_LOOKED_AT = 3000  # frames


def bending(rotvecs: np.ndarray) -> float:
    """Give how far knees and elbows bend the way they can, in radians; negative where all are turned round.

    Parameters
    ----------
    rotvecs : array [shape=(N, 55, 3)]

    Returns
    -------
    bend : float
        Mean over frames of the sum of four joints; 0 without frames.

    Examples
    --------
    >>> rotvecs = np.zeros((2, 55, 3)); rotvecs[:, 4, 0] = 0.5
    >>> bending(rotvecs), bending(-rotvecs)
    (0.5, -0.5)
    """
    rotvecs = rotvecs[:: max(len(rotvecs) // _LOOKED_AT, 1)]
    if not len(rotvecs):
        return 0.0
    return float(sum(sign * rotvecs[:, joint, axis].mean() for joint, axis, sign in _BENDS))
