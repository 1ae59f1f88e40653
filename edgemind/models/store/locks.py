"""Locks between processes: one for every change of a store, one for each unfinished file.

Both are files that the kernel locks, so a process that dies lets go of them. Not for: reading, which needs no lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.errors import StoreProblem
from edgemind.models.opening import shown
from edgemind.models.store.files import explained

if TYPE_CHECKING:
    from filelock import FileLock

_known: dict[str, FileLock] = {}
_guard = threading.Lock()


def _lock(path: Path) -> FileLock:
    """One object per file and process; each thread counts its own holds, so that a thread may lock again."""
    from filelock import FileLock

    key = os.path.realpath(path)
    with _guard:
        if key not in _known:
            _known[key] = FileLock(key, mode=0o600, thread_local=True)
        return _known[key]


@contextlib.contextmanager
def store_lock(path: Path, wait: float) -> Iterator[None]:
    """Hold the lock of a whole store; a thread that holds it already goes on at once.

    Raises:
        StoreProblem: another process held it for ``wait`` seconds, or the disk cannot be written.
    """
    if not _acquire(path, wait, "change the model store"):
        raise StoreProblem(
            f"Another edgemind is changing the model store {shown(path.parent)}; waited {wait:g} seconds.",
            "Let it finish, then do this again.",
        )
    try:
        yield
    finally:
        _lock(path).release()


@contextlib.contextmanager
def file_lock(path: Path, wait: float) -> Iterator[bool]:
    """Try for ``wait`` seconds (0: once; below 0: for ever) to hold a lock; yields whether it is held."""
    held = _acquire(path, wait, "lock a file")
    try:
        yield held
    finally:
        if held:
            _lock(path).release()


def _acquire(path: Path, wait: float, doing: str) -> bool:
    from filelock import Timeout

    if path.is_symlink():
        raise StoreProblem(f"{shown(path)} is a symbolic link.", f"Remove it: {shown(path)}")
    with explained(doing, path.parent):
        try:
            _lock(path).acquire(timeout=wait, poll_interval=0.02)
        except Timeout:
            return False
    return True
