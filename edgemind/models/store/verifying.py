"""Hash a model's files again and remember what was found, so that the quick check at the next load knows.

Streams: memory does not grow with the files. A file whose hash is wrong is marked, never removed. Not for: getting
the right bytes again (``pull``, ``import``).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from edgemind.errors import Damaged, EdgemindError, StoreProblem
from edgemind.models.opening import shown
from edgemind.models.store.files import SECOND_NAME, Folder, explained, flaw, sync
from edgemind.models.store.hashing import copy_file, hash_file
from edgemind.models.store.manifest import Manifest, StoredFile
from edgemind.models.store.stamps import blob_key
from edgemind.models.store.store import Progress, Store
from edgemind.models.store.view import View


@dataclass(frozen=True)
class Verified:
    """What was hashed and found right."""

    files: int
    bytes: int
    separated: tuple[str, ...] = ()
    """Files that had a second name (a hard link) and got a copy of their own."""


def verify(store: View, manifest: Manifest, progress: Progress = lambda done, total: None) -> Verified:
    """Hash every file of a model.

    Raises:
        Damaged: a file is missing or its hash is wrong; all are looked at first, and those found wrong are marked.
        StoreProblem: a file is a link or not the user's; a disk error.
    """
    work = _Work(store, manifest, progress)
    wrong = [trouble for file in manifest.files if (trouble := work.check(file))]
    if wrong:
        more = f" ({len(wrong) - 1} more of its files too)" if len(wrong) > 1 else ""
        raise Damaged(f"{wrong[0]}{more}.", store.again(manifest))
    return Verified(len(manifest.files), manifest.size, tuple(work.separated))


class _Work:
    def __init__(self, store: View, manifest: Manifest, progress: Progress) -> None:
        self.store = store
        self.manifest = manifest
        self.progress = progress
        self.done = 0
        self.separated: list[str] = []

    def step(self, count: int) -> None:
        self.done += count
        self.progress(min(self.done, self.manifest.size), self.manifest.size)

    def check(self, file: StoredFile) -> str | None:
        """What is wrong with one file, as the beginning of a sentence; ``None`` when its hash is right."""
        what = f"{shown(file.path)} of {self.manifest.name}"
        with explained(f"read {what}", self.store.root):
            try:
                with self.store.folder_of(self.manifest, file) as (folder, name):
                    return self._check(file, folder, name, what)
            except FileNotFoundError:
                return f"{what} is missing from the store"

    def _check(self, file: StoredFile, folder: Folder, name: str, what: str) -> str | None:
        trouble = flaw(folder.status(name), self.store.owners)
        if trouble and not (trouble == SECOND_NAME and isinstance(self.store, Store)):
            raise StoreProblem(f"{what} {trouble}, and is not used.", f"Put a real file there: {folder.path / name}")
        status, digest = hashed(folder, name, self.step)
        sound = digest == file.sha256
        if sound and trouble and isinstance(self.store, Store):
            _separate(self.store, file, folder, name)
            self.separated.append(file.path)
        else:
            self._stamp(file, status, sound)
        if sound:
            return None
        if status.st_size != file.size:
            return f"{what} has {status.st_size:,} bytes and should have {file.size:,}"
        return f"{what} is damaged: its hash is not the one it should have"

    def _stamp(self, file: StoredFile, status: os.stat_result, sound: bool) -> None:
        stamps = self.store.stamps
        try:
            stamps.note(self.store.stamp_key(self.manifest, file), status, sound=sound)
        except (OSError, EdgemindError):
            if stamps.can_be_kept():
                raise


def rehash(store: Store, sha256: str, size: int) -> bool:
    """Hash a blob whose stamp does not fit, and stamp it anew; whether it is sound.

    Raises:
        StoreProblem, NoRoom: the disk.
    """
    name = f"sha256-{sha256}"
    with explained("read the model store", store.root), store.folder("blobs") as folder:
        if flaw(folder.status(name), store.owners):
            return False
        status, digest = hashed(folder, name, lambda count: None)
        store.stamps.note(blob_key(sha256), status, sound=digest == sha256)
    return digest == sha256 and status.st_size == size


def hashed(folder: Folder, name: str, step: Callable[[int], None]) -> tuple[os.stat_result, str]:
    """A file's state and digest. One that is written to meanwhile gets no digest."""
    fd = folder.open(name)
    try:
        before = os.fstat(fd)
        digest, _ = hash_file(fd, folder.path / name, step)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return after, digest if unchanged else ""


def _separate(store: Store, file: StoredFile, folder: Folder, name: str) -> None:
    """Put a copy in the place of a file that has a second name, through which it could be changed."""
    key = f"copy-{uuid.uuid4().hex}"
    with store.partial_lock(key), store.folder("partial") as partial:
        part = store.partial(key)
        source = folder.open(name)
        try:
            target = partial.create(part.name)
            try:
                digest, size = copy_file(source, target, folder.path / name, lambda count: None, file.size)
                sync(target)
            finally:
                os.close(target)
            if (digest, size) == (file.sha256, file.size):
                store.adopt(part, file.sha256, file.size)
        finally:
            os.close(source)
            partial.remove(part.name)
            store.forget_lock(key)
