"""Names on their way out still work, and say what to write instead."""

import pytest

from ktube_motion.deprecation import deprecated, moved_names, renamed_option
from ktube_motion.metrics import jerk


@renamed_option("cutoff", "cutoff_hz", since="0.3")
def smooth(values, *, cutoff_hz=3.0):
    """Smooth."""
    return values, cutoff_hz


def test_an_option_under_its_old_name():
    with pytest.warns(DeprecationWarning, match=r"smooth\(cutoff=…\) is smooth\(cutoff_hz=…\) ") as told:
        assert smooth(1, cutoff=2.0) == (1, 2.0)
    assert told[0].filename == __file__
    assert smooth(1, cutoff_hz=2.0) == (1, 2.0)  # and no warning, which would be an error here
    assert smooth(1) == (1, 3.0)
    assert (smooth.__name__, smooth.__doc__) == ("smooth", "Smooth.")
    with pytest.raises(TypeError, match="'cutoff_hz' twice"):
        smooth(1, cutoff=2.0, cutoff_hz=2.0)


def test_a_name_that_has_moved():
    find = moved_names("ktube_motion.old", {"shake": "ktube_motion.metrics.jerk"}, since="0.3")
    with pytest.warns(
        DeprecationWarning, match=r"ktube_motion\.old\.shake is ktube_motion\.metrics\.jerk since 0\.3"
    ) as told:
        assert find("shake") is jerk
    assert told[0].filename == __file__
    with pytest.raises(AttributeError, match=r"module 'ktube_motion.old' has no attribute 'jerk'"):
        find("jerk")


def test_a_function_that_goes_away_says_so():
    @deprecated("Use jerk.")
    def shake():
        return 1

    with pytest.warns(DeprecationWarning, match="Use jerk"):
        assert shake() == 1
