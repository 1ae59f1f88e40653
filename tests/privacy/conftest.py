"""Receivers on loopback that must hear nothing, and a way to run a script in a child of its own."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemind.privacy import seccomp

ENFORCING = seccomp.missing(seccomp.host_arch()) is None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = f"this system cannot arm the filter: {seccomp.missing(seccomp.host_arch())}"
    for item in items:
        if not ENFORCING and item.get_closest_marker("jail"):
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "jail: needs a kernel that can arm the filter")


class Receivers:
    """One TCP, one UDP and two AF_UNIX receivers."""

    def __init__(self, folder: Path) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stream.bind(str(folder / "stream"))
        self.stream.listen()
        self.datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagram.bind(str(folder / "datagram"))
        self.all = [self.tcp, self.udp, self.stream, self.datagram]
        self.targets = json.dumps(
            {
                "tcp": self.tcp.getsockname()[1],
                "udp": self.udp.getsockname()[1],
                "unix_stream": str(folder / "stream"),
                "unix_datagram": str(folder / "datagram"),
                "scratch": str(folder),
            }
        )

    def heard(self) -> bool:
        """Whether anything arrived; loopback delivers before the sender's call returns."""
        return bool(select.select(self.all, [], [], 0)[0])


@pytest.fixture
def receivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receivers]:
    found = Receivers(tmp_path_factory.mktemp("r"))
    yield found
    for sock in found.all:
        sock.close()


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python source in a fresh interpreter; the caller looks at ``returncode`` and ``stdout``."""

    def run(source: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "child.py"
        script.write_text(textwrap.dedent(source))
        command = [sys.executable, "-X", "faulthandler", str(script), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)

    return run
