"""Shared by tests and doctests: the recorded reference data, where a checkout has it beside it."""

import os
from pathlib import Path

# Small tensors gain nothing from threads, and threads of parallel workers get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parent.parent / "shared"


@pytest.fixture(scope="session")
def shared():
    """Give the folder of recorded outputs and real data; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared):
    """Give the folder of outputs recorded from the reference implementations."""
    return shared / "golden"


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["np"] = np
