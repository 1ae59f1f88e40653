from __future__ import annotations

from pathlib import Path

import pytest

from edgemind.models.store.store import Store, own_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The user's own store, below a home of its own."""
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    return own_store()
