"""A lock between processes: a file that the kernel locks, so that a process that dies lets go of it.

``flock``, on Windows ``msvcrt.locking``. A lock file may be removed by whoever holds it: each new holder looks whether
what it locked still has the name. That look is why this is not the filelock package: some releases of it remove the
file, others never notice that it was removed, and two processes then hold one lock
(https://github.com/tox-dev/filelock/issues/574).
Not for: sentences about it (``models.store.locks``, ``settings_file``).
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
                if hasattr(os, "fchmod"):
                    with contextlib.suppress(PermissionError):
                        os.fchmod(fd, 0o600)
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


class Held:
    """A lock that is held until it is let go, by whichever thread."""

    def __init__(self, lock: _Lock) -> None:
        self._lock: _Lock | None = lock
        self.path = Path(lock.path)

    def let_go(self, remove: bool = False) -> None:
        """May be called twice. ``remove``: take the lock file away, while it is still held."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        if remove:
            with contextlib.suppress(OSError):
                os.unlink(lock.path)
        fd, lock.fd = lock.fd, -1
        with contextlib.suppress(OSError):
            _unlock(fd)
        os.close(fd)


def hold(path: Path) -> Held | None:
    """Hold a lock without a ``with``; ``None`` when it is held, here or in another process. Raises ``OSError``."""
    lock = _Lock(str(path))
    return Held(lock) if lock._try() else None


@contextlib.contextmanager
def locked(path: Path, wait: float) -> Iterator[bool]:
    """Try for ``wait`` seconds (0: once; below 0: for ever) to hold a lock; yields whether it is held.

    Mode 0600 under any umask. A thread that holds it already may hold it again. Raises ``OSError``.
    """
    lock = _of(path)
    held = lock.acquire(wait)
    try:
        yield held
    finally:
        if held:
            lock.release()
