"""Folders and files of a store, opened so that nothing inside can lead out of it.

Below a store's root every step is taken from an open folder (``dir_fd``) without following a symbolic link, and only
plain files with one name are read. Where the system has no ``dir_fd`` (Windows) paths are used, with the same checks.
Not for: what the files mean (``store``, ``manifest``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from edgemind.errors import EdgemindError, NoRoom, StoreProblem
from edgemind.models.opening import shown

BUFFER = 4 << 20
"""Bytes read, hashed and written at once."""

TEMPORARY = ".new-"
"""Begins the name of a file that is being written; one that is left was interrupted."""

SECOND_NAME = "has a second name (a hard link)"
"""What ``flaw`` says of a file that can be changed through another name."""

HAS_DIR_FD = {os.open, os.stat, os.mkdir, os.unlink, os.rename} <= os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")

_COMMON = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _COMMON
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_REPARSE_POINT = 0x400
"""``FILE_ATTRIBUTE_REPARSE_POINT``: a link or junction of Windows."""


class Folder:
    """An open folder. Its methods raise ``OSError`` as the system does; ``explained`` makes sentences of that."""

    def __init__(self, path: Path, fd: int | None) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def at(cls, path: Path) -> Folder:
        """The folder at this path, which may be reached through links: it is the user's own choice."""
        if not HAS_DIR_FD:
            if not stat.S_ISDIR(os.stat(path).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            return cls(path, None)
        return cls(path, os.open(path, _FOLDER))

    def child(self, name: str) -> Folder:
        """A folder inside.

        Raises:
            StoreProblem: it is a link, or no folder.
        """
        status = self.status(name)
        reparse = getattr(status, "st_file_attributes", 0) & _REPARSE_POINT
        if not stat.S_ISDIR(status.st_mode) or reparse:
            what = "a symbolic link" if stat.S_ISLNK(status.st_mode) or reparse else "no folder"
            raise StoreProblem(
                f"{shown(self.path / name)} is {what}, and a model store holds real folders only.",
                f"Put a real folder in its place: {shown(self.path / name)}",
            )
        if self.fd is None:
            return Folder(self.path / name, None)
        flags = _FOLDER | getattr(os, "O_NOFOLLOW", 0)
        return Folder(self.path / name, os.open(name, flags, dir_fd=self.fd))

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def names(self, most: int | None = None) -> list[str]:
        """Names inside, sorted; at most so many are looked at."""
        found: list[str] = []
        with os.scandir(self.path if self.fd is None else self.fd) as entries:
            for entry in entries:
                if most is not None and len(found) >= most:
                    break
                found.append(entry.name)
        return sorted(found)

    def status(self, name: str) -> os.stat_result:
        """Of the name itself: a link is not followed."""
        if self.fd is None:
            return os.lstat(self.path / name)
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def exists(self, name: str) -> bool:
        try:
            self.status(name)
        except FileNotFoundError:
            return False
        return True

    def open(self, name: str) -> int:
        """A descriptor for reading; of what kind the file is, must have been looked at before (``flaw``)."""
        return os.open(self._place(name), _READ, dir_fd=self.fd)

    def create(self, name: str) -> int:
        """A descriptor of a new file, mode 0600 under any umask."""
        fd = os.open(self._place(name), _CREATE, 0o600, dir_fd=self.fd)
        make_private(fd)
        return fd

    def make(self, name: str) -> None:
        """A folder inside, mode 0700 under any umask; fine when it is there already."""
        try:
            os.mkdir(self._place(name), 0o700, dir_fd=self.fd)
        except FileExistsError:
            return
        with contextlib.suppress(PermissionError):
            os.chmod(self._place(name), 0o700, dir_fd=self.fd)

    def move(self, name: str, to: Folder, new: str) -> None:
        """Rename, replacing what is there; never half done."""
        if self.fd is None or to.fd is None:
            os.replace(self.path / name, to.path / new)
        else:
            os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=to.fd)

    def remove(self, name: str) -> None:
        """Unlink a file; fine when it is gone already."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._place(name), dir_fd=self.fd)

    def sync(self) -> None:
        """Have the names inside on the disk."""
        if self.fd is not None:
            sync(self.fd)

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a small file.

        Raises:
            ValueError: it is longer than ``most`` bytes.
        """
        fd = self.open(name)
        try:
            parts, left = [], most + 1
            while left and (part := os.read(fd, min(left, BUFFER))):
                parts.append(part)
                left -= len(part)
        finally:
            os.close(fd)
        if not left:
            raise ValueError(f"it is longer than {most} bytes")
        return b"".join(parts)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file so that it is there whole or not at all: written, synced, renamed, folder synced."""
        temporary = f"{TEMPORARY}{uuid.uuid4().hex[:16]}"
        fd = self.create(temporary)
        try:
            try:
                write_all(fd, data)
                sync(fd)
            finally:
                os.close(fd)
            self.move(temporary, self, name)
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove(temporary)
            raise
        self.sync()

    def _place(self, name: str) -> str | Path:
        return name if self.fd is not None else self.path / name


def flaw(status: os.stat_result, owners: frozenset[int] | None = None) -> str | None:
    """Why a file must not be read as part of a store, as the end of a sentence; ``None`` when it may.

    Args:
        owners: user ids it may belong to; ``None`` for anyone.
    """
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    if status.st_nlink > 1:
        return SECOND_NAME
    if owners is not None and sys.platform != "win32" and status.st_uid not in owners:
        return "belongs to another user"
    return None


def make_private(fd: int) -> None:
    """Mode 0600, where the file system knows modes."""
    if hasattr(os, "fchmod"):
        with contextlib.suppress(PermissionError):
            os.fchmod(fd, 0o600)


def write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Have it on the disk: through the drive's own cache on macOS; nothing where a folder cannot be synced."""
    try:
        if sys.platform == "darwin":
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
                return
        os.fsync(fd)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise


def advise_once(fd: int) -> None:
    """Tell the kernel that the file is read once, from its beginning."""
    advise, sequential = getattr(os, "posix_fadvise", None), getattr(os, "POSIX_FADV_SEQUENTIAL", 0)
    if advise:
        with contextlib.suppress(OSError):
            advise(fd, 0, 0, sequential)


def make_root(path: Path) -> None:
    """Make a folder that only its owner may enter, and those above it that are missing. Raises ``OSError``."""
    missing = []
    place = path
    while not place.exists():
        missing.append(place)
        place = place.parent
    for folder in reversed(missing):
        try:
            folder.mkdir(0o700)
        except FileExistsError:
            continue
        with contextlib.suppress(PermissionError):
            folder.chmod(0o700)
    status = path.stat()
    if status.st_mode & 0o077 and sys.platform != "win32":
        with contextlib.suppress(PermissionError):
            path.chmod(0o700)


@contextlib.contextmanager
def explained(doing: str, where: Path) -> Iterator[None]:
    """Make one sentence of an ``OSError``: ``doing`` is the verb with its object, ``where`` the place."""
    try:
        yield
    except OSError as problem:
        raise as_error(problem, doing, where) from problem


def as_error(problem: OSError, doing: str, where: Path) -> EdgemindError:
    """What to tell of a system call that failed."""
    place, number = shown(where), problem.errno
    if number in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)):
        return NoRoom(
            f"Cannot {doing}: the disk of {place} is full.",
            "Make room (edgemind list shows the sizes, edgemind rm NAME removes one), then do it again.",
        )
    if number == errno.EFBIG:
        return NoRoom(
            f"Cannot {doing}: the disk of {place} does not take a file of that size (FAT ends at 4 GiB).",
            "Use a disk formatted as exFAT, NTFS, APFS or ext4.",
        )
    if number == errno.EROFS:
        return StoreProblem(f"Cannot {doing}: {place} is on a read-only disk.", "Use a disk that can be written.")
    if number in (errno.EACCES, errno.EPERM):
        return StoreProblem(f"Cannot {doing}: you may not do that in {place}.", f"Look at its owner: ls -ld {place}")
    if number == errno.EIO:
        return StoreProblem(
            f"Cannot {doing}: the disk of {place} reports an error of its own.", "Check that disk; nothing was changed."
        )
    if number == errno.ELOOP:
        return StoreProblem(f"Cannot {doing}: {place} holds a symbolic link.", "Put the real file in its place.")
    return StoreProblem(
        f"Cannot {doing} in {place}: {problem.strerror or problem}.", "Check that disk, then try again."
    )
