"""Locks of a store: one for every change of it, one for each unfinished file. Not for: reading, which needs no lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgemind.errors import StoreProblem
from edgemind.locking import locked
from edgemind.models.opening import shown
from edgemind.models.store.files import explained


@contextlib.contextmanager
def store_lock(path: Path, wait: float) -> Iterator[None]:
    """Hold the lock of a whole store; a thread that holds it already goes on at once.

    Raises:
        StoreProblem: another process held it for ``wait`` seconds, or the disk cannot be written.
    """
    with file_lock(path, wait, "change the model store") as held:
        if not held:
            raise StoreProblem(
                f"Another edgemind is changing the model store {shown(path.parent)}; waited {wait:g} seconds.",
                "Let it finish, then do this again.",
            )
        yield


@contextlib.contextmanager
def file_lock(path: Path, wait: float, doing: str = "lock a file") -> Iterator[bool]:
    """Try for ``wait`` seconds (0: once; below 0: for ever) to hold a lock; yields whether it is held.

    Raises:
        StoreProblem, NoRoom: the disk cannot be written.
    """
    with contextlib.ExitStack() as held:
        with explained(doing, path.parent):
            got = held.enter_context(locked(path, wait))
        yield got
