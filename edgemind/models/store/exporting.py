"""Writing a model into a folder that can be carried to another machine.

``DIR/NAME/`` holds the files under their real names, the manifest and ``SHA256SUMS``, which ``sha256sum -c`` checks
without EdgeMind. It is written beside under another name, synced, and renamed when it is whole.
Not for: reading such a folder (``importing``, ``shared``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgemind.errors import Damaged, NoRoom, StoreProblem
from edgemind.models.opening import shown
from edgemind.models.sizes import human_bytes
from edgemind.models.store.files import Folder, explained, flaw, sync, write_all
from edgemind.models.store.hashing import copy_file, hash_file
from edgemind.models.store.locks import file_lock
from edgemind.models.store.manifest import Manifest, StoredFile
from edgemind.models.store.shared import MANIFEST
from edgemind.models.store.store import Progress
from edgemind.models.store.view import View

SUMS = "SHA256SUMS"
FAT_LIMIT = (4 << 30) - 1
"""Bytes of the largest file that FAT can hold."""
_FAT = ("vfat", "msdos", "fat", "fat16", "fat32")


def export(
    store: View,
    manifest: Manifest,
    folder: str | os.PathLike[str],
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write a model to ``folder/NAME`` and return that path. Every file is hashed while it is copied.

    A folder that holds this very model already is left as it is.

    Raises:
        StoreProblem: there is something else of that name; a disk.
        NoRoom: too little room there, or a file system that takes no such large files.
        Damaged: a file of the store is not what it should be.
    """
    work = _Export(store, manifest, Path(folder), progress)
    return work.run()


class _Export:
    def __init__(self, store: View, manifest: Manifest, folder: Path, progress: Progress) -> None:
        self.store = store
        self.manifest = manifest
        self.folder = folder
        self.target = folder / manifest.name
        self.unfinished = f".{manifest.name}.unfinished"
        self.progress = progress
        self.done = 0
        self.data = manifest.model_dump_json(indent=1).encode() + b"\n"

    def run(self) -> Path:
        with explained(f"export {self.manifest.name}", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(self.target):
                self._check_same()
                return self.target
            self._check_room()
            with self._alone(), self._fresh() as unfinished:
                self._fill(unfinished)
                if os.path.lexists(self.target):
                    raise self._in_the_way()
                with Folder.at(self.folder) as parent:
                    parent.move(self.unfinished, parent, self.manifest.name)
                    parent.sync()
        return self.target

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One export of a name into a folder at a time; what a killed one left is begun anew."""
        path = self.folder / f".{self.manifest.name}.lock"
        with file_lock(path, 0, f"export {self.manifest.name}") as held:
            if not held:
                raise StoreProblem(
                    f"{self.manifest.name} is being exported to {shown(self.folder)} by another edgemind.",
                    "Let it finish, then look there.",
                )
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()

    @contextlib.contextmanager
    def _fresh(self) -> Iterator[Folder]:
        """An empty folder beside the target; gone again when something fails."""
        path = self.folder / self.unfinished
        if os.path.lexists(path):
            _remove(path)
        path.mkdir()
        try:
            with Folder.at(self.folder) as parent, parent.child(self.unfinished) as unfinished:
                yield unfinished
        except BaseException:
            _remove(path)
            raise

    def _fill(self, unfinished: Folder) -> None:
        sums = []
        for file in self.manifest.files:
            self._copy(file, unfinished)
            sums.append(f"{file.sha256}  {file.path}\n")
        _write(unfinished, MANIFEST, self.data)
        _write(unfinished, SUMS, "".join(sums).encode())
        unfinished.sync()

    def _copy(self, file: StoredFile, unfinished: Folder) -> None:
        what = f"{shown(file.path)} of {self.manifest.name}"
        source = self._open(file, what)
        try:
            with _made(unfinished, file.path.split("/")) as (folder, name):
                target = _create(folder, name)
                try:
                    where = self.store.root / file.path
                    digest, _ = copy_file(source, target, where, self._step, file.size)
                    sync(target)
                finally:
                    os.close(target)
                folder.sync()
        finally:
            os.close(source)
        if digest != file.sha256:
            raise Damaged(
                f"{what} is damaged: its hash is not the one it should have.", self.store.again(self.manifest)
            )

    def _open(self, file: StoredFile, what: str) -> int:
        with explained(f"read {what}", self.store.root):
            try:
                with self.store.folder_of(self.manifest, file) as (folder, name):
                    trouble = flaw(folder.status(name), self.store.owners)
                    if trouble:
                        hint = f"edgemind verify {self.manifest.name}"
                        raise StoreProblem(f"{what} {trouble}, and is not used.", hint)
                    return folder.open(name)
            except FileNotFoundError:
                raise Damaged(f"{what} is missing from the store.", self.store.again(self.manifest)) from None

    def _step(self, count: int) -> None:
        self.done += count
        self.progress(min(self.done, self.manifest.size), self.manifest.size)

    def _check_room(self) -> None:
        largest = max(file.size for file in self.manifest.files)
        if largest > FAT_LIMIT and file_system(self.folder) in _FAT:
            raise NoRoom(
                f"{shown(self.folder)} is on a FAT file system, which holds no file over 4 GiB, and the largest of "
                f"{self.manifest.name} has {human_bytes(largest)}.",
                "Use a stick formatted as exFAT, NTFS or ext4.",
            )
        free = shutil.disk_usage(self.folder).free
        if self.manifest.size > free:
            raise NoRoom(
                f"{self.manifest.name} has {human_bytes(self.manifest.size)} and {shown(self.folder)} has "
                f"{human_bytes(free)} free.",
                "Make room there, or name another folder.",
            )

    def _check_same(self) -> None:
        """The target is there: fine when it is this model, proven by its hashes."""
        try:
            with Folder.at(self.folder) as parent, parent.child(self.manifest.name) as target:
                same = target.read(MANIFEST, len(self.data)) == self.data
                same = same and all(self._is_there(target, file) for file in self.manifest.files)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            same = False
        if not same:
            raise self._in_the_way()

    def _is_there(self, target: Folder, file: StoredFile) -> bool:
        *above, name = file.path.split("/")
        with contextlib.ExitStack() as opened:
            folder = target
            for part in above:
                folder = opened.enter_context(folder.child(part))
            status = folder.status(name)
            if flaw(status) or status.st_size != file.size:
                return False
            fd = folder.open(name)
            opened.callback(os.close, fd)
            return hash_file(fd, folder.path / name, self._step)[0] == file.sha256

    def _in_the_way(self) -> StoreProblem:
        return StoreProblem(
            f"{shown(self.target)} is there already, and is not this model as it is in the store.",
            "Remove it, or name another folder.",
        )


def file_system(path: Path) -> str:
    """The name of the file system that holds a path, in lower case; empty when the system does not say."""
    import psutil

    real = os.path.realpath(path)
    found = ""
    longest = -1
    try:
        partitions = psutil.disk_partitions(all=True)
    except (OSError, RuntimeError):
        return ""
    for partition in partitions:
        mount = partition.mountpoint
        below = os.path.normcase(real + os.sep).startswith(os.path.normcase(mount.rstrip(os.sep) + os.sep))
        if below and len(mount) >= longest:
            longest, found = len(mount), partition.fstype.lower()
    return found


@contextlib.contextmanager
def _made(root: Folder, parts: list[str]) -> Iterator[tuple[Folder, str]]:
    """The folder for a file below ``root``, made where it is missing, and the file's name in it."""
    with contextlib.ExitStack() as opened:
        folder = root
        for name in parts[:-1]:
            if not folder.exists(name):
                os.mkdir(folder.path / name if folder.fd is None else name, dir_fd=folder.fd)
                folder.sync()
            folder = opened.enter_context(folder.child(name))
        yield folder, parts[-1]


def _create(folder: Folder, name: str) -> int:
    """A new file with the usual mode: an exported model is there to be read by others."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(folder.path / name if folder.fd is None else name, flags, 0o666, dir_fd=folder.fd)


def _write(folder: Folder, name: str, data: bytes) -> None:
    fd = _create(folder, name)
    try:
        write_all(fd, data)
        sync(fd)
    finally:
        os.close(fd)


def _remove(path: Path) -> None:
    """Remove an unfinished export. Links inside are removed, not followed."""
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)
