"""A local hub, a store and a watcher for the tests of pulling."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from localhub import Hub

from edgemind.models.download import HubClient
from edgemind.models.remote import RemoteFile
from edgemind.models.store.store import Store
from edgemind.models.transfer import Patience

QUICK = Patience(tries=4, first_wait=0.0, longest_wait=0.0)
"""Does not wait between tries."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Watching:
    """Notes everything that an observer is told."""

    events: list[str] = field(default_factory=list)
    most: int = 0

    def advanced(self, file: RemoteFile, done: int, part: Path) -> None:
        assert part.stat().st_size == done
        self.most = done

    def retrying(self, file: RemoteFile, why: str, seconds: float) -> None:
        self.events.append(f"retrying: {why}")

    def rehashing(self, file: RemoteFile, kept: int) -> None:
        self.events.append(f"rehashing: {kept}")

    def restarted(self, file: RemoteFile, why: str) -> None:
        self.events.append(f"restarted: {why}")

    def starting(self, file: RemoteFile, number: int, count: int) -> None:
        self.events.append(f"starting: {file.path}")

    def present(self, file: RemoteFile) -> None:
        self.events.append(f"present: {file.path}")

    def waiting(self, file: RemoteFile, part: Path) -> None:
        self.events.append("waiting")

    def said(self, beginning: str) -> list[str]:
        return [event for event in self.events if event.startswith(beginning)]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as opened:
        yield opened


@pytest.fixture
def client(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubClient]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with HubClient(hub.endpoint) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "models")
    made.prepare()
    return made


@pytest.fixture
def watching() -> Watching:
    return Watching()
