"""Opening things below one folder so that nothing inside can lead out of it, whoever changes the tree meanwhile.

On Linux ``openat2`` does it in the kernel: no ``..``, no absolute path, no symbolic or magic link, no other mount.
Elsewhere every component is opened from the one before (``O_NOFOLLOW``) and must lie on the same device.
Source: ``openat2(2)``, ``include/uapi/linux/openat2.h``.
Not for: which files may be written (``workspace``, ``protection``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgemind.privacy.seccomp import libc

SUPPORTED = {os.open, os.stat, os.mkdir, os.unlink, os.rename, os.rmdir} <= os.supports_dir_fd and hasattr(
    os, "O_NOFOLLOW"
)
"""Whether this system opens from an open folder at all."""

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _CLOEXEC | _NOFOLLOW

_OPENAT2 = 437
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08
"""``RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH``."""
_TRIES = 16


class Beneath:
    """An open folder and what lies below it. Methods raise ``OSError``: ``ELOOP`` at a link, ``EXDEV`` at a mount."""

    def __init__(self, root: Path, kernel: bool = True) -> None:
        """``kernel``: use ``openat2`` where there is one."""
        self.fd = os.open(root, FOLDER)
        self._device = os.fstat(self.fd).st_dev
        self._kernel = kernel and sys.platform == "linux"

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """A descriptor of a folder; ``""`` is the root."""
        fd = self._open(path, FOLDER) if path else os.dup(self.fd)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def file(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        """A descriptor for reading a regular file. Never blocks, and opens no device.

        Raises:
            OSError: ``EINVAL`` when it is no regular file.
        """
        regular(self.status(path))
        fd = self._open(path, FILE)
        try:
            yield fd, regular(os.fstat(fd))
        finally:
            os.close(fd)

    def status(self, path: str) -> os.stat_result:
        """Of the name itself: a link at its end is not followed."""
        parent, name = split(path)
        with self.folder(parent) as fd:
            return os.stat(name, dir_fd=fd, follow_symlinks=False)

    def _open(self, path: str, flags: int) -> int:
        if self._kernel:
            try:
                return _openat2(self.fd, path, flags)
            except OSError as problem:
                if problem.errno not in (errno.ENOSYS, errno.EPERM):
                    raise
                self._kernel = False  # an old kernel, or a container's filter from before openat2
        return self._walk(path, flags)

    def _walk(self, path: str, flags: int) -> int:
        names = path.split("/")
        if path.startswith("/") or ".." in names:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        fd = os.dup(self.fd)
        try:
            for at, name in enumerate(names):
                following = _step(fd, name, flags if at == len(names) - 1 else FOLDER)
                os.close(fd)
                fd = following
                if os.fstat(fd).st_dev != self._device:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
            fd, opened = -1, fd
            return opened
        finally:
            if fd >= 0:
                os.close(fd)


def split(path: str) -> tuple[str, str]:
    """The folder and the name of a relative path; the folder of a path without a slash is ``""``."""
    parent, _, name = path.rpartition("/")
    return parent, name


def read_most(fd: int, most: int) -> bytes:
    """What follows in an open file, at most so many bytes."""
    parts = []
    while most and (part := os.read(fd, min(most, 1 << 20))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def regular(status: os.stat_result) -> os.stat_result:
    """That of a regular file. Raises ``OSError`` for any other: ``ELOOP``, ``EISDIR``, else ``EINVAL``."""
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return status


def _step(fd: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | _NOFOLLOW, dir_fd=fd)
    except OSError as problem:
        if problem.errno == errno.ENOTDIR and stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise


def _openat2(fd: int, path: str, flags: int) -> int:
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    how = ctypes.create_string_buffer(struct.pack("=QQQ", flags, 0, _RESOLVE), 24)
    call = libc().syscall
    call.restype = ctypes.c_long
    for _ in range(_TRIES):
        opened = call(
            ctypes.c_long(_OPENAT2), ctypes.c_int(fd), ctypes.c_char_p(name), how, ctypes.c_size_t(ctypes.sizeof(how))
        )
        if opened >= 0:
            return int(opened)
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):  # EAGAIN: somebody renamed on the way
            break
    raise OSError(number, os.strerror(number), path)
