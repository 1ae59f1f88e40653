"""The one engine of the chat: loading, switching, unloading, failing, and being killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemind.chat.engines import Engines
from edgemind.errors import EdgemindError, WorkerDied
from edgemind.models import builtin
from edgemind.settings import Settings


@pytest.fixture
def engines() -> Iterator[Engines]:
    running = Engines(Settings())
    yield running
    running.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_loading_switching_and_unloading(engines: Engines) -> None:
    seen: list[str] = []
    changed = threading.Event()
    engines.on_change = lambda: (seen.append(engines.state), changed.set())
    end = engines.subscribe(lambda: seen.append("also told"))
    assert (engines.state, engines.pid, engines.memory(), engines.count("x")) == ("none", None, 0, None)
    engines.load()
    assert engines.state == "loading"
    info = engines.engine().wait_loaded()
    while engines.state != "ready":
        changed.wait(10)
    assert engines.info == info
    assert (engines.name, engines.loading_fraction) == (builtin.NAME, 1.0)
    assert engines.memory() > 4 << 20
    assert engines.count("48 apples") in range(2, 9)
    assert seen[:2] == ["loading", "also told"]
    assert "ready" in seen
    end()
    first = engines.pid
    assert first
    engines.load(str(builtin.path()))
    engines.engine().wait_loaded()
    assert gone(first)
    second = engines.pid
    assert second
    engines.unload()
    assert (engines.state, engines.info, engines.pid) == ("none", None, None)
    assert engines.engine().wait_loaded()
    os.kill(engines.pid or 0, signal.SIGKILL)
    while engines.state != "failed":
        time.sleep(0.01)
    assert isinstance(engines.problem, WorkerDied)
    assert engines.engine().generate is not None


def test_the_last_of_many_loads_counts(engines: Engines) -> None:
    for name in ("no-such-model", builtin.NAME, "nothing", str(builtin.path())):
        engines.load(name)
    assert engines.engine().wait_loaded()
    assert engines.has(str(builtin.path()))
    assert engines.model
    assert engines.model.path == builtin.path()


def test_what_cannot_be_loaded_is_said(engines: Engines, tmp_path: Path) -> None:
    engines.load("no-such-model")
    with pytest.raises(EdgemindError, match="no-such-model"):
        engines.engine()
    assert engines.state == "failed"
    assert engines.name == "no-such-model"
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    engines.load(str(broken))
    with pytest.raises(EdgemindError):
        engines.engine().wait_loaded()
    while engines.state == "loading":
        time.sleep(0.01)
    assert engines.state == "failed"
    engines.load()
    assert engines.engine().wait_loaded()
    assert engines.problem is None


def test_closed_is_closed(engines: Engines) -> None:
    engines.load()
    engine = engines.engine()
    engines.close()
    assert engines.pid is None
    with pytest.raises(WorkerDied):
        engine.count([])
    assert engine.pid is None
    engines.load()
    with pytest.raises(WorkerDied):
        engines.engine()


def test_installed(engines: Engines) -> None:
    first = engines.installed()[0]
    assert (first.name, first.kind, first.default, first.fits, first.trouble) == (builtin.NAME, "gguf", True, True, "")
    assert first.size_bytes == builtin.path().stat().st_size
    assert first.parameters > 4_000_000
    assert first.context >= 1024
    assert first.needs_bytes
    assert first.needs_bytes > first.size_bytes


def test_what_nobody_expected_while_loading_is_a_sentence(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("edgemind.models.names.resolve", fails)
    engines.load("anything")
    with pytest.raises(EdgemindError, match="while the model was opened"):
        engines.engine()
    assert engines.state == "failed"
