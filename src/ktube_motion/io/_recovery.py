"""Joints from motion vectors, for a corpus that has these alone; `features.features_to_joints` knows all the ways."""

import numpy as np

__all__ = ["recover_joints"]


def recover_joints(features: np.ndarray, num_joints: int) -> np.ndarray:
    """Give joint positions, float32 ``(T, J, 3)``, as the positions in motion vectors ``(T, D)`` tell.

    Of each frame: half the yaw and the way to the next, the height, then the other joints about the root.
    """
    vectors = features.astype(np.float64)
    yaw = 2 * np.cumsum(vectors[:, 0]) - 2 * vectors[:, 0]
    ways = np.zeros((len(vectors), 3))
    ways[1:, ::2] = vectors[:-1, 1:3]
    root = np.cumsum(_turned(ways, yaw), 0)
    local = vectors[:, 4 : 1 + 3 * num_joints].reshape(len(vectors), num_joints - 1, 3)
    others = _turned(local, yaw[:, None]) + root[:, None]
    root[:, 1] = vectors[:, 3]
    return np.concatenate((root[:, None], others), 1).astype(np.float32)


def _turned(vectors: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(yaw), np.sin(yaw)
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.stack((cosine * x - sine * z, y, sine * x + cosine * z), -1)
