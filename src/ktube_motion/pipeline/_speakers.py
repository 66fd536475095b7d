"""Speakers that come with the library."""

import os
from importlib.resources import files
from pathlib import Path

__all__ = ["packaged"]

_SPEAKERS = Path(str(files("ktube_motion") / "pipeline" / "speakers"))


def packaged(name: str | Path) -> str | Path:
    """Give the folder of a speaker of the package; what it is not comes back as it is, as does a folder that is here.

    Examples
    --------
    >>> packaged("output/quickstart/pipeline")
    'output/quickstart/pipeline'
    """
    ours = isinstance(name, str) and not os.path.exists(name) and Path(name).name == name
    return _SPEAKERS / name if ours and os.path.isfile(_SPEAKERS / name / "pipeline.json") else name
