"""What holds for every test: the environment is afterwards what it was before, and the hub is not set offline."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from edgemind.privacy import jail


@pytest.fixture(autouse=True)
def _environment_as_before() -> Iterator[None]:
    """Commands that run inside the test's process set the hub offline, for themselves and their children.

    A fixture of a whole module may have run one before the first test.
    """
    os.environ.pop("HF_HUB_OFFLINE", None)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    assert jail.armed() is None, "this shut off the process in which other tests follow"
