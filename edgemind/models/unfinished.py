"""A file that another process writes, and that gets its name only when it is complete.

On Linux it has no name at all until then, so a kill at any moment leaves nothing; elsewhere, and on disks that cannot
do that, it is a hidden file beside the target whose name says which process made it, and the next run removes what a
dead one left. Not for: the store's own files (``store``), which are renamed under its lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from pathlib import Path
from types import TracebackType

from edgemind.errors import NoRoom, UsageError
from edgemind.models.opening import shown
from edgemind.models.sizes import human_bytes
from edgemind.models.store.files import as_error, explained, sync

_LEFT = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d{1,10})-[0-9a-f]{8}\.part", re.DOTALL)


class Unfinished:
    """One file to be; a context manager that leaves nothing unless ``publish`` was called.

    Args:
        target: what it will be called; its folder must exist.
        mode: permissions, before the umask.

    Raises:
        StoreProblem, NoRoom: the folder cannot be written.
    """

    def __init__(self, target: Path, *, mode: int = 0o666) -> None:
        self.target = target
        self._named: Path | None = None
        with explained(f"write {shown(target.name)}", target.parent):
            _sweep(target)
            self._fd = self._open(mode)

    @property
    def path(self) -> str:
        """Where a process that has ``descriptors`` finds it."""
        return str(self._named) if self._named else f"/proc/self/fd/{self._fd}"

    @property
    def files(self) -> list[str]:
        """What is to be written: here the one ``path``."""
        return [self.path]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What such a process must be given."""
        return () if self._named else (self._fd,)

    @property
    def targets(self) -> list[Path]:
        """What it will be called."""
        return [self.target]

    def publish(self, *, replace: bool = False) -> None:
        """Give it its name, once everything is on the disk.

        Raises:
            UsageError: something has that name by now, and ``replace`` is not set.
            StoreProblem, NoRoom: the disk.
        """
        folder = self.target.parent
        with explained(f"write {shown(self.target.name)}", folder):
            sync(self._fd)
            try:
                self._name(replace)
            except FileExistsError as problem:
                raise taken(self.target) from problem
            self._named = None
            with contextlib.suppress(OSError):
                fd = os.open(folder, os.O_RDONLY)
                try:
                    sync(fd)
                finally:
                    os.close(fd)

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
        if self._named:
            with contextlib.suppress(OSError):
                self._named.unlink()

    def _open(self, mode: int) -> int:
        if hasattr(os, "O_TMPFILE") and os.path.exists("/proc/self/fd"):
            try:
                return os.open(self.target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode)
            except OSError as problem:
                if problem.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
                    raise
        self._named = _hidden(self.target)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(self._named, flags, mode)

    def _name(self, replace: bool) -> None:
        if self._named is None:
            if not replace:
                _link(self._fd, self.target)
                return
            named = _hidden(self.target)
            _link(self._fd, named)
            self._named = named
        elif not replace and os.path.lexists(self.target):
            raise FileExistsError
        os.replace(self._named, self.target)


def check_target(target: Path, sources: list[Path], *, replace: bool) -> None:
    """Refuse a place that cannot be written to, before any work is done.

    Raises:
        UsageError: it is one of the sources, a folder, or there already.
        StoreProblem: its folder is missing or not a folder.
    """
    for source in sources:
        with contextlib.suppress(OSError):
            if os.path.samefile(source, target):
                raise UsageError(f"{shown(target)} is the file that is read.", "Give another name: -o FILE")
    if target.is_dir():
        raise UsageError(f"{shown(target)} is a folder.", "Name a file in it: -o FOLDER/model.gguf")
    if os.path.lexists(target) and not replace:
        raise taken(target)
    if not target.parent.is_dir():
        missing = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise as_error(missing, f"write {shown(target.name)}", target.parent)


def check_room(folder: Path, needed: int) -> None:
    """Refuse what the disk has no room for.

    Raises:
        NoRoom: with the numbers.
        StoreProblem: the disk cannot be asked.
    """
    with explained("look at the disk", folder):
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoRoom(
            f"The file will have {human_bytes(needed)} and the disk of {shown(folder)} has {human_bytes(free)} free.",
            "Make room, or write it to another disk: -o FILE",
        )


class UnfinishedParts:
    """The files of a split model, which must be found by their names: in a hidden folder beside the target.

    Args:
        target: what stands before ``-00001-of-00003.gguf``.
        count: how many there will be.
    """

    descriptors: tuple[int, ...] = ()

    def __init__(self, target: Path, count: int) -> None:
        self._folder = _hidden(target)
        self.targets = [target.with_name(name) for name in split_names(target.name, count)]
        with explained(f"write {shown(target.name)}", target.parent):
            _sweep(target)
            self._folder.mkdir(0o700)
            self.files = [self._folder / one.name for one in self.targets]
            for part in self.files:
                part.touch(0o666)
        self.path = str(self._folder / target.name)

    def publish(self, *, replace: bool = False) -> None:
        """Give all their names, the first one last, since that is what one opens.

        Raises: as ``Unfinished.publish``.
        """
        if not replace:
            for target in self.targets:
                if os.path.lexists(target):
                    raise taken(target)
        with explained(f"write {shown(self.targets[0].name)}", self.targets[0].parent):
            for part in self.files:
                fd = os.open(part, os.O_RDWR)
                try:
                    sync(fd)
                finally:
                    os.close(fd)
            for part, target in reversed(list(zip(self.files, self.targets, strict=True))):
                os.replace(part, target)

    def __enter__(self) -> UnfinishedParts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def split_names(stem: str, count: int) -> list[str]:
    """The names that llama.cpp gives the files of a split model."""
    return [f"{stem}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]


def taken(target: Path) -> UsageError:
    """What to say when there is a file of that name already."""
    return UsageError(f"{shown(target)} is there already.", "Give another name, or --force to replace it.")


def _hidden(target: Path) -> Path:
    return target.with_name(f".{target.name[:200]}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")


def _sweep(target: Path) -> None:
    """Remove what dead processes of this user left of the same target."""
    for left in target.parent.glob(".*.part"):
        found = _LEFT.fullmatch(left.name)
        if found and found["name"] == target.name[:200] and not _lives(int(found["pid"])):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
                continue
            with contextlib.suppress(OSError):
                left.unlink()


def _link(fd: int, name: Path) -> None:
    """Give a file without a name its first one; with a folder's descriptor, or Python would link the link in /proc."""
    folder = os.open(name.parent, os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{fd}", name.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _lives(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))
