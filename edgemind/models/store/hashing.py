"""SHA-256 of files of any size through one buffer, alone or while copying.

What goes wrong with reading is a ``StoreProblem`` that names the file; what goes wrong with writing is the ``OSError``
that the system gives, for the caller knows where it writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from edgemind.models.opening import shown
from edgemind.models.store.files import BUFFER, advise_once, as_error, write_all

Step = Callable[[int], None]
"""Called with the bytes of each step."""

_FICLONE = 0x40049409
"""Of ``linux/fs.h``: let two files share their blocks, where the file system can."""


def hash_file(fd: int, where: Path, step: Step) -> tuple[str, int]:
    """Digest and length of the file ``where``, open at its beginning, to its end."""
    return _through(fd, None, where, None, step)


def copy_file(source: int, target: int, where: Path, step: Step, most: int | None = None) -> tuple[str, int]:
    """Copy the file ``where``, open at its beginning, to its end; digest and length of what was copied.

    Args:
        most: bytes at which to stop, so that a file that grows cannot fill the disk; the length is then larger.
    """
    return _through(source, target, where, most, step)


def clone_file(source: int, target: int) -> bool:
    """Let the empty ``target`` share the blocks of ``source``; ``False`` where that cannot be done."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.ioctl(target, _FICLONE, source)
        return True
    return False


def _through(source: int, target: int | None, where: Path, most: int | None, step: Step) -> tuple[str, int]:
    advise_once(source)
    digest, total = hashlib.sha256(), 0
    view = memoryview(bytearray(BUFFER))
    while count := _read_into(source, view, where):
        digest.update(view[:count])
        total += count
        if most is not None and total > most:
            break
        if target is not None:
            write_all(target, view[:count])
        step(count)
    return digest.hexdigest(), total


def _read_into(fd: int, view: memoryview, where: Path) -> int:
    try:
        if hasattr(os, "readv"):
            count: int = os.readv(fd, [view])
            return count
        data = os.read(fd, len(view))
    except OSError as problem:
        raise as_error(problem, f"read {shown(where.name)}", where.parent) from problem
    view[: len(data)] = data
    return len(data)
