"""Stretches of true values; of NumPy alone, so that rooms without torch have it too."""

import numpy as np

__all__ = ["true_runs"]


def true_runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Give the stretches of true values.

    Parameters
    ----------
    mask : bool array [shape=(T,)]

    Returns
    -------
    runs : list of (int, int)
        Where each starts, and where it has ended: ``mask[start:stop]`` is true.

    Examples
    --------
    >>> true_runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
