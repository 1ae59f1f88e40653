"""Files on their way into the store: copied and hashed under ``partial``, then all made visible in one change.

A source that is read may change meanwhile or lie about its size, so what counts is what was copied. When the same bytes
are in the store already, nothing is copied. Not for: what may be imported (``importing``), downloads (``transfer``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from edgemind.errors import Damaged, EdgemindError, NoRoom
from edgemind.models.opening import shown
from edgemind.models.sizes import human_bytes
from edgemind.models.store.files import Folder, explained, sync
from edgemind.models.store.hashing import clone_file, copy_file, hash_file
from edgemind.models.store.manifest import Manifest, StoredFile
from edgemind.models.store.store import PARTIAL, Progress, Store

IMPORT = "import-"
"""Begins the keys of unfinished imports, which cannot be taken up again."""


class Incoming:
    """One model coming in; a context manager that leaves nothing behind when it fails.

    Args:
        name: of the model that is to be.
        sizes: bytes of its files, in the order in which they will be brought.
    """

    def __init__(self, store: Store, name: str, sizes: Sequence[int], progress: Progress) -> None:
        self.store = store
        self.name = name
        self.total = sum(sizes)
        self._to_come = list(sizes)
        self.progress = progress
        self.done = 0
        self.places: list[Path] = []
        """Where the bytes of each file lie now, in order."""
        self._parts: list[tuple[Path, str, int]] = []
        self._reused: list[str] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Incoming:
        self.store.prepare()
        self._sizes = {file.size for manifest in self.store.manifests() for file in manifest.files}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._reused:
                with contextlib.suppress(EdgemindError):
                    self.store.release(self.name)
        finally:
            self._open.close()

    def bring(self, source: int, where: Path, known: str | None = None) -> tuple[str, int]:
        """Take in one file, open at its beginning.

        Args:
            where: its path, for messages.
            known: the digest it should have, when that is known.

        Returns:
            Digest and size of what is in the store or under ``partial`` now.

        Raises:
            Damaged: it changed meanwhile.
            StoreProblem, NoRoom: a disk; the source's or the store's.
        """
        before = os.fstat(source)
        size, done = before.st_size, self.done
        self._to_come = self._to_come[1:]
        digest = known
        if digest is None and size in self._sizes:
            digest, _ = hash_file(source, where, self._step)
            os.lseek(source, 0, os.SEEK_SET)
        if digest and self._reuse(digest, size):
            self._at(done + size)
            return digest, size
        self._at(done)
        digest, copied = self._copy(source, where, size)
        after = os.fstat(source)
        if copied != size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Damaged(f"{shown(where)} changed while it was being read.", "Do it again when nothing writes to it.")
        return digest, size

    def finish(self, manifest: Manifest) -> None:
        """Make the files blobs and the model visible.

        Raises:
            StoreProblem: the name is taken by other files; the disk.
            NoRoom: the disk is full.
        """
        with self.store.locked():
            self.store.check_name(manifest)
            for part, digest, size in self._parts:
                self.store.adopt(part, digest, size)
            self.store.add(manifest)

    def _reuse(self, digest: str, size: int) -> bool:
        """Whether the bytes are in the store; they are kept there until the model is."""
        if size not in self._sizes:
            return False
        self.store.lease(self.name, [*self._reused, digest])
        self._reused.append(digest)
        if not self.store.has(digest, size):
            return False
        self.places.append(self.store.blob(digest))
        return True

    def _copy(self, source: int, where: Path, size: int) -> tuple[str, int]:
        key = f"{IMPORT}{uuid.uuid4().hex}"
        part = self.store.partial(key)
        self._open.enter_context(self.store.partial_lock(key))
        self._open.callback(self.store.forget_lock, key)
        with explained(f"copy {shown(where.name)}", self.store.root), self.store.folder(PARTIAL) as folder:
            self._open.callback(self._remove, part.name)  # before it is there: Ctrl-C may come in between
            target = folder.create(part.name)
            try:
                if clone_file(source, target):
                    digest, copied = self._hash_clone(folder, part.name, where)
                else:
                    self._check_room(size)
                    digest, copied = copy_file(source, target, where, self._step, size)
                sync(target)
            finally:
                os.close(target)
        self.places.append(part)
        self._parts.append((part, digest, copied))
        return digest, copied

    def _hash_clone(self, folder: Folder, name: str, where: Path) -> tuple[str, int]:
        fd = folder.open(name)
        try:
            return hash_file(fd, where, self._step)
        finally:
            os.close(fd)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError, EdgemindError), self.store.folder(PARTIAL) as folder:
            folder.remove(name)

    def _check_room(self, size: int) -> None:
        """For this file, and for those to come unless they may be in the store already."""
        free = shutil.disk_usage(self.store.root).free
        needed = size + sum(later for later in self._to_come if later not in self._sizes)
        if needed > free:
            raise NoRoom(
                f"{self.name} needs {human_bytes(needed)} more and the disk of {shown(self.store.root)} has "
                f"{human_bytes(free)} free.",
                "Make room (edgemind list shows the sizes, edgemind rm NAME removes one), then do it again.",
            )

    def _step(self, count: int) -> None:
        self._at(self.done + count)

    def _at(self, done: int) -> None:
        self.done = done
        self.progress(min(done, self.total), self.total)


def stored_file(path: str, brought: tuple[str, int]) -> StoredFile:
    """What the manifest says of a file that ``Incoming.bring`` took in."""
    return StoredFile(path=path, sha256=brought[0], size=brought[1])
