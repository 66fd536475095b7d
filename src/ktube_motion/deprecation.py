"""Names on their way out: they work for one more minor version, and say what to write instead.

A function or class that goes away is marked with `deprecated` (PEP 702), which
editors and type checkers show as well; these two are for what it cannot mark.
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from typing_extensions import deprecated

__all__ = ["deprecated", "moved_names", "renamed_option"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def renamed_option(
    old: str, new: str, *, since: str
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Let a function take an option under its old name too, with a warning.

    Parameters
    ----------
    old, new : str
        Names of a keyword-only argument.
    since : str
        The version that renamed it.

    Returns
    -------
    decorator : callable

    Examples
    --------
    >>> @renamed_option("cutoff", "cutoff_hz", since="0.3")
    ... def smooth(*, cutoff_hz=3.0):
    ...     return cutoff_hz
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     smooth(cutoff=2.0)
    2.0
    >>> str(told[0].message)
    'smooth(cutoff=…) is smooth(cutoff_hz=…) since 0.3.'
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(function)
        def call(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
            if old in options:
                name = function.__name__
                if new in options:
                    raise TypeError(f"{name}() got {new!r} twice, once under its old name {old!r}.")
                warnings.warn(f"{name}({old}=…) is {name}({new}=…) since {since}.", DeprecationWarning, stacklevel=2)
                options[new] = options.pop(old)
            return function(*args, **options)

        return call

    return decorate


def moved_names(module: str, homes: Mapping[str, str], *, since: str) -> Callable[[str], Any]:
    """Give a module-level ``__getattr__`` that finds names where they are now, with a warning.

    Parameters
    ----------
    module : str
        ``__name__`` of the old home.
    homes : mapping of str to str
        For each old name the full new one, such as ``{"jerk": "ktube_motion.metrics.jerk"}``.
    since : str
        The version that moved them.

    Returns
    -------
    getter : callable
        Raises `AttributeError` for other names.

    Examples
    --------
    >>> import warnings
    >>> find = moved_names("ktube_motion.gpt", {"place": "ktube_motion.kinematics.mirror"}, since="0.3")
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     find("place").__name__
    'mirror'
    >>> str(told[0].message)
    'ktube_motion.gpt.place is ktube_motion.kinematics.mirror since 0.3.'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = homes[name].rpartition(".")
        warnings.warn(f"{module}.{name} is {homes[name]} since {since}.", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), new)

    return find
