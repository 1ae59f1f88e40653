"""SHA-256 of files of any size through one buffer, alone or while copying. Raises ``OSError`` as the system does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from edgemind.models.store.files import BUFFER, advise_once, write_all

Step = Callable[[int], None]
"""Called with the bytes of each step."""


def hash_file(fd: int, step: Step) -> tuple[str, int]:
    """Digest and length of the file from where it stands to its end."""
    return _through(fd, None, step)


def copy_file(source: int, target: int, step: Step) -> tuple[str, int]:
    """Copy to the end; digest and length of what was copied."""
    return _through(source, target, step)


def _through(source: int, target: int | None, step: Step) -> tuple[str, int]:
    advise_once(source)
    digest, total = hashlib.sha256(), 0
    buffer = bytearray(BUFFER)
    view = memoryview(buffer)
    while count := _read_into(source, view):
        digest.update(view[:count])
        if target is not None:
            write_all(target, view[:count])
        total += count
        step(count)
    return digest.hexdigest(), total


def _read_into(fd: int, view: memoryview) -> int:
    if hasattr(os, "readv"):
        return os.readv(fd, [view])
    data = os.read(fd, len(view))
    view[: len(data)] = data
    return len(data)
