"""Rotations between directions, where formulas lose their digits: near a half turn and near none."""

import numpy as np
import pytest
import roma
import torch

from ktube_motion.features._chains import tables
from ktube_motion.rotations import shortest_arc, shortest_arc_quat
from ktube_motion.skeletons import SMPLH_52

ANGLES = [0.0, 1e-7, 1e-3, 1.0, np.pi - 1e-3, np.pi - 1e-5, np.pi - 1e-7, np.pi - 1e-9, np.pi]


def directions(count=500):
    """Give unit vectors, and others across them."""
    rng = np.random.default_rng(0)
    first = torch.from_numpy(rng.normal(size=(count, 3)))
    first /= first.norm(dim=-1, keepdim=True)
    across = torch.linalg.cross(first, torch.from_numpy(rng.normal(size=(count, 3))))
    return first, across / across.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(("kind", "close"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("angle", ANGLES)
def test_shortest_arc(kind, close, angle):
    source, across = directions()
    target = np.cos(angle) * source + np.sin(angle) * across
    turn = shortest_arc(source.to(kind), target.to(kind)).double()
    assert float(((turn @ source[..., None])[..., 0] - target).abs().max()) < close
    assert float((turn @ turn.mT - torch.eye(3)).abs().max()) < close
    # The shortest one: what stands across both directions stays where it is.
    axis = torch.linalg.cross(source, across)
    if abs(angle - np.pi) > 1e-3:
        assert float(((turn @ axis[..., None])[..., 0] - axis).abs().max()) < 1000 * close


@pytest.mark.parametrize("off", [0.0, 1e-8, 1e-6, 1e-3])
def test_bones_that_point_the_other_way(off):
    """Fingers at rest point anywhere; in float32 those turned by half a turn were wrong by up to another."""
    rest = tables(SMPLH_52, torch.float32, torch.device("cpu")).rest
    turned = -rest + off * torch.randn(rest.shape, generator=torch.Generator().manual_seed(0))
    turned = turned / turned.square().sum(0).sqrt()
    turn = roma.unitquat_to_rotmat(shortest_arc_quat(rest, turned, dim=0).movedim(0, -1))
    found = (turn @ rest.movedim(0, -1)[..., None])[..., 0]
    assert float((found - turned.movedim(0, -1)).abs().max()) < 1e-6
