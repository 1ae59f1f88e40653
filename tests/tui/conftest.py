"""The chat app in this process with a real engine, the built-in model and a history in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.settings import Settings
from edgemind.tui.app import EdgemindApp
from edgemind.tui.household import Household


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of the test's own."""
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "home"


_shared: list[Engines] = []


@pytest.fixture
def engines() -> Engines:
    """The built-in model in its worker, loaded once for as many tests as leave it running."""
    if not _shared or _shared[0]._closed:
        _shared[:] = [Engines(Settings(threads=1))]
    loaded = _shared[0]
    if loaded.state != "ready" or loaded.name != "edgemind-nano":
        loaded.load("edgemind-nano")
    return loaded


@pytest.fixture(scope="session", autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    for loaded in _shared:
        loaded.close()


@pytest.fixture
def household(engines: Engines) -> Household:
    """Engines and a history in memory."""
    house = Household(engines, Settings(threads=1))
    house.history = History.in_memory()
    house.kept = "memory"
    return house


@pytest.fixture
def app(household: Household) -> EdgemindApp:
    return EdgemindApp(household)
