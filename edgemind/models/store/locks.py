"""Locks between processes: one for every change of a store, one for each unfinished file.

A lock is a file that the kernel locks (``flock``, on Windows ``msvcrt.locking``), so a process that dies lets go of it.
A lock file may be removed by whoever holds it: each new holder looks whether what it locked still has the name. That
look is why this is not the filelock package: some releases of it remove the file, others never notice that it was
removed, and two processes then hold one lock (https://github.com/tox-dev/filelock/issues/574).
Not for: reading, which needs no lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edgemind.errors import StoreProblem
from edgemind.models.opening import shown
from edgemind.models.store.files import explained, make_private

POLL = 0.02
"""Seconds between two tries."""

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_HELD_ELSEWHERE = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class _Lock:
    """One lock file in this process: one thread at a time, which may lock again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.thread = threading.RLock()
        self.depth = 0
        self.fd = -1

    def acquire(self, wait: float) -> bool:
        deadline = None if wait < 0 else time.monotonic() + wait
        if not self.thread.acquire(timeout=min(wait, threading.TIMEOUT_MAX) if wait >= 0 else -1):
            return False
        try:
            while not self.depth and not self._try():
                if deadline is not None and time.monotonic() >= deadline:
                    self.thread.release()
                    return False
                time.sleep(POLL)
        except BaseException:
            self.thread.release()
            raise
        self.depth += 1
        return True

    def release(self) -> None:
        self.depth -= 1
        if not self.depth:
            fd, self.fd = self.fd, -1
            try:
                _unlock(fd)
            finally:
                os.close(fd)
        self.thread.release()

    def _try(self) -> bool:
        fd = os.open(self.path, _FLAGS, 0o600)
        try:
            if _lock(fd) and self._still_named(fd):
                make_private(fd)
                self.fd, fd = fd, -1
                return True
        finally:
            if fd >= 0:
                os.close(fd)
        return False

    def _still_named(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.lstat(self.path))
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as problem:
            if problem.errno in _HELD_ELSEWHERE:
                return False
            raise
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            if problem.errno in _HELD_ELSEWHERE:
                return False
            raise
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


_known: dict[str, _Lock] = {}
_guard = threading.Lock()


def _forget_all() -> None:
    """A forked child holds nothing: what its parent holds is the parent's."""
    global _guard
    _guard = threading.Lock()
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _of(path: Path) -> _Lock:
    key = os.path.join(os.path.realpath(path.parent), path.name)
    with _guard:
        return _known.setdefault(key, _Lock(key))


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
    lock = _of(path)
    with explained(doing, path.parent):
        held = lock.acquire(wait)
    try:
        yield held
    finally:
        if held:
            lock.release()
