"""A disk that fails at the n-th change: the system calls of ``os`` that write, in one thread. Not for: reading."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any

_CALLS = ("write", "fsync", "ftruncate", "rename", "replace", "mkdir", "unlink", "fchmod", "chmod")
_CREATES = os.O_CREAT | os.O_TRUNC


class FailingDisk:
    """A context manager; within it the change number ``at`` (from 1) fails, and all after it when ``for_good``.

    A write that fails may have written half of what it was given, as a full disk does.
    """

    def __init__(self, at: int, error: int, for_good: bool) -> None:
        self.at, self.error, self.for_good = at, error, for_good
        self.count = 0
        self.failed = ""
        """The first call that failed."""
        self._thread = threading.get_ident()
        self._real: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> FailingDisk:
        for name in (*_CALLS, "open"):
            self._real[name] = getattr(os, name)
            setattr(os, name, self._spoiled(name))
        return self

    def __exit__(self, *unused: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)

    def _spoiled(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(*args: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread or (name == "open" and not args[1] & _CREATES):
                return real(*args, **named)
            self.count += 1
            if self.count == self.at or (self.for_good and self.count > self.at):
                self._fail(name, real, args)
            return real(*args, **named)

        return call

    def _fail(self, name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> None:
        full = self.error == errno.ENOSPC
        if full and name in ("unlink", "ftruncate", "fchmod", "chmod"):
            return  # a full disk lets go of what it has
        if name == "write" and len(args[1]) > 1:
            real(args[0], memoryview(args[1])[: len(args[1]) // 2])
        self.failed = self.failed or name
        raise OSError(self.error, os.strerror(self.error))
