"""Speed and jerk where pieces of motion meet."""

import numpy as np
import pytest
import torch

from ktube_motion.errors import DataError, ShapeError
from ktube_motion.metrics import seam_report


def test_a_jump_shows_at_the_seam_alone():
    time = np.arange(60)[:, None, None] / 20
    smooth = np.sin(time * [1.0, 2.0, 3.0]) * np.ones((1, 5, 1))
    broken = smooth.copy()
    broken[30:] += 0.2
    found, wanted = seam_report(broken, [30], fps=20), seam_report(smooth, [30], fps=20)
    assert found.speed_inside == pytest.approx(wanted.speed_inside)
    assert found.jerk_inside == pytest.approx(wanted.jerk_inside)
    assert found.speed_at_seams[0] > 4  # 0.2 m on each of three axes in a twentieth of a second
    assert found.jerk_at_seams[0] > 20 * found.jerk_inside[1]
    assert wanted.jerk_at_seams[1] < 1.5 * wanted.jerk_inside[1]
    assert seam_report(torch.tensor(broken), (30,), fps=20) == found
    assert seam_report(broken, [30], fps=40).jerk_inside[0] == pytest.approx(8 * found.jerk_inside[0])


@pytest.mark.parametrize(
    ("positions", "seams", "error", "words"),
    [
        (np.zeros((9, 2, 3)), [], DataError, "no seams"),
        (np.zeros((9, 2, 3)), [2], DataError, "3 to 6"),
        (np.zeros((9, 2, 3)), [4, 7], DataError, "3 to 6"),
        (np.zeros((6, 2, 3)), [3], DataError, "nothing between"),
        (np.zeros((9, 2)), [4], ShapeError, "positions"),
        (np.full((9, 2, 3), np.nan), [4], DataError, "NaN"),
    ],
)
def test_bad_input(positions, seams, error, words):
    with pytest.raises(error, match=words):
        seam_report(positions, seams, fps=20)
