"""What holds for every test: the environment is afterwards what it was before."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _environment_as_before() -> Iterator[None]:
    """Commands that run inside the test's process set the hub offline, for themselves and their children."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
