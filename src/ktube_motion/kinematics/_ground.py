"""Where the ground is, and bodies that stand on it."""

import numpy as np

from ..types import Motion, PoseSequence
from ._bodies import Body, load_body

__all__ = ["SOLE", "TOES", "on_ground", "rest_on_ground", "sole_height"]

TOES = [10, 11]
SOLE = 0.0165  # metres from the ground to a toe joint that stands: the embedded body's
_SAMPLES = 1000  # frames that tell where the ground is
_TOLERANCE = 0.5  # metres: a floor that is closer was meant to be there; that of a camera is a body's half below


def sole_height(clip: Motion | PoseSequence, body: Body | None = None) -> float:
    """Metres from the ground to a toe joint that stands."""
    if not isinstance(clip, PoseSequence):
        return SOLE
    body = load_body() if body is None else body
    return float(np.asarray(body.rest_joints(clip.betas))[TOES, 1].mean() + rest_on_ground(clip, body))


def rest_on_ground(poses: PoseSequence, body: Body) -> float:
    """Metres by which the body in its rest pose must rise to stand on the ground."""
    return -float(np.asarray(body.rest_vertices(poses.betas))[:, 1].min())


def on_ground(poses: PoseSequence, body: Body) -> PoseSequence:
    """Let poses stand on the ground, y = 0, if they do not: as those of a camera, whose origin is anywhere.

    Poses whose floor is within half a metre stay as they are, to the bit. Others rise or sink, and stand over the
    origin in their first frame. The floor is where the lower toe is in the lowest tenth of the frames.
    """
    some = poses[:: -(-len(poses) // _SAMPLES)]
    toes = body.joints(some)[:, TOES, 1].min(1)
    floor = float(np.percentile(toes, 10)) - sole_height(poses, body)
    if poses.trajectory and abs(floor) < _TOLERANCE:
        return poses
    root = np.asarray(body.rest_joints(poses.betas), np.float32)[0]
    path = body.root_path(poses)
    start = path[0] + root
    return poses.replace(transl=path - np.array([start[0], floor, start[2]], np.float32), trajectory=True)
