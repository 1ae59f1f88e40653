"""A disk that fails at the Nth change: every system call with which the store changes something goes through here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

CALLS = ("write", "fsync", "rename", "mkdir", "unlink", "open")


class Disk:
    """Counts changes; the one numbered ``fails_at`` fails with ``number``, and with ``for_good`` all after it."""

    def __init__(self, fails_at: int, number: int, *, for_good: bool, calls: tuple[str, ...] = CALLS) -> None:
        self.fails_at = fails_at
        self.number = number
        self.for_good = for_good
        self.calls = calls
        self.count = 0
        self.failed = False

    def change(self) -> None:
        self.count += 1
        if self.count == self.fails_at or (self.for_good and self.count > self.fails_at):
            self.failed = True
            raise OSError(self.number, os.strerror(self.number))


@contextlib.contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Let changes of the disk fail while the block runs. Reading goes on."""
    real = {name: getattr(os, name) for name in disk.calls}

    def wrapped(name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                disk.change()
            return real[name](*arguments, **options)

        return call

    try:
        for name in disk.calls:
            setattr(os, name, wrapped(name))
        yield disk
    finally:
        for name, function in real.items():
            setattr(os, name, function)
