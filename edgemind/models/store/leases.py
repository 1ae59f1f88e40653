"""Leases: blobs that a pull has finished while the model's other files are still coming, so that nobody collects them.

One small file per model and process, ``pending/NAME~TOKEN.json``. A pull that was killed leaves its lease, and the
blobs wait for the next try; ``collect`` drops a lease when it is old and its process is gone.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from edgemind.models.store.files import Folder
from edgemind.models.store.manifest import SHA256

MOST_BYTES = 4 << 20

_tokens: dict[int, str] = {}


@dataclass(frozen=True)
class Lease:
    """Digests that one process keeps for one model."""

    file: str
    digests: frozenset[str]
    since: float
    """Seconds since 1970."""
    process: int
    started: float
    """When that process started, so that another of the same number is not taken for it."""

    @property
    def alive(self) -> bool:
        """Whether the process that took it still runs."""
        return self.process > 0 and abs(_started(self.process) - self.started) < 1.0


def file_name(name: str) -> str:
    """Of this process's lease for a model."""
    token = _tokens.setdefault(os.getpid(), uuid.uuid4().hex[:12])
    return f"{name}~{token}.json"


def write(folder: Folder, name: str, digests: Iterable[str]) -> None:
    """Raises ``OSError``."""
    process = os.getpid()
    value = {"digests": sorted(digests), "since": time.time(), "process": process, "started": _started(process)}
    folder.write(file_name(name), json.dumps(value).encode())


def drop_dead(folder: Folder, name: str) -> None:
    """Drop what dead processes left of their leases for a model: they would keep its blobs when it goes.

    Raises ``OSError``.
    """
    for lease in read_all(folder):
        if lease.file.startswith(f"{name}~") and not lease.alive:
            folder.remove(lease.file)


def read_all(folder: Folder) -> list[Lease]:
    """Every lease. One that cannot be understood keeps nothing and is as old as its file.

    Raises ``OSError``.
    """
    return [_read(folder, file) for file in folder.names() if file.endswith(".json")]


def _read(folder: Folder, file: str) -> Lease:
    try:
        value = json.loads(folder.read(file, MOST_BYTES))
        digests = frozenset(text for text in value["digests"] if isinstance(text, str) and SHA256.fullmatch(text))
        since, started = float(value["since"]), float(value["started"])
        return Lease(file, digests, since, int(value["process"]), started)
    except FileNotFoundError:
        return Lease(file, frozenset(), 0.0, 0, 0.0)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Lease(file, frozenset(), folder.status(file).st_mtime, 0, 0.0)


def _started(process: int) -> float:
    """When a process started, in seconds since 1970; 0 when there is none."""
    import psutil

    try:
        return float(psutil.Process(process).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return 0.0
