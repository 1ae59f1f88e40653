"""Small files that only their owner may read, written whole or not at all, and the folders they lie in.

Not for: the database (``vault``), exports that a user asks for (``export``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from edgemind.chat.problems import HistoryNotSaving
from edgemind.models.store.files import TEMPORARY, sync, write_all

NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", -1))


def make_folder(folder: Path) -> None:
    """Make it and those above it that are missing, 0700. Raises ``OSError``."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
        folder.chmod(0o700)
        sync_folder(folder.parent)


def read_small(file: Path, most: int) -> bytes:
    """A small plain file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is larger than ``most`` bytes, or no plain file.
        OSError: it cannot be read.
    """
    fd = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
            raise ValueError("it is not such a file")
        data = b""
        while part := os.read(fd, most + 1 - len(data)):
            data += part
        return data
    finally:
        os.close(fd)


def write_whole(file: Path, data: bytes) -> None:
    """Under a temporary name, synced, then renamed: whoever looks sees the old or the new one. Raises ``OSError``."""
    temporary = temporary_beside(file)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            write_all(fd, data)
            sync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(file.parent)


def temporary_beside(file: Path) -> Path:
    return file.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{file.name}")


def interrupted(folder: Path) -> list[Path]:
    """What is being written there, or was left by a process that was killed: a copy may hold what was deleted since."""
    return [folder / name for name in os.listdir(folder) if name.startswith(TEMPORARY)]


def remove(path: Path) -> None:
    """A file or folder that nobody needs. Raises nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def sync_file(file: Path) -> None:
    """Its bytes are on the disk when this returns. Raises ``OSError``."""
    fd = os.open(file, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        sync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Its names are on the disk, where the system has a way to say so."""
    if hasattr(os, "O_DIRECTORY"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):
                sync(fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Make ``HistoryNotSaving`` of an ``OSError`` that writing into the history's folder meets."""
    try:
        yield
    except OSError as problem:
        if problem.errno in NO_ROOM:
            raise HistoryNotSaving(
                "The history cannot be saved: the disk is full.", f"Make room on the disk of {folder}."
            ) from None
        reason = (problem.strerror or type(problem).__name__).lower()
        raise HistoryNotSaving(f"The history cannot be saved: {reason}.", f"ls -ld {folder}") from None
