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


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """The built-in model in its worker, loaded once for all tests."""
    loaded = Engines(Settings(threads=1))
    loaded.load("edgemind-nano")
    yield loaded
    loaded.close()


@pytest.fixture
def household(engines: Engines) -> Household:
    """Engines and a history in memory."""
    if engines.state == "none":
        engines.load("edgemind-nano")
    house = Household(engines, Settings(threads=1))
    house.history = History.in_memory()
    house.kept = "memory"
    return house


@pytest.fixture
def app(household: Household) -> EdgemindApp:
    return EdgemindApp(household)
