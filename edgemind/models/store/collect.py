"""Garbage collection: blobs that nothing names, downloads that nobody came back for, and what a killed process left.

It holds the store's lock, takes no unfinished file whose lock another process holds, and takes no blob at all while a
manifest is damaged, since that may name any. Not for: removing a model (``Store.remove``).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from edgemind.models.store import leases
from edgemind.models.store.files import TEMPORARY, Folder, explained
from edgemind.models.store.reading import MANIFESTS
from edgemind.models.store.stamps import STAMPS
from edgemind.models.store.store import BLOBS, KEY, PARTIAL, PASSING, PENDING, Store

WEEK = 7 * 86_400.0
HOUR = 3600.0
"""Seconds after which a small file that is still being written was certainly left by a killed process."""

_BLOB = re.compile(r"sha256-([0-9a-f]{64})")


@dataclass(frozen=True)
class Collected:
    """What went. ``bytes_freed`` counts blobs and unfinished files."""

    bytes_freed: int
    blobs: int
    partials: int
    kept_because: str | None = None
    """Why no blob was looked at, in one sentence: a damaged manifest."""


def collect(store: Store, unfinished_older_than: float = WEEK) -> Collected:
    """Free what nothing needs.

    Args:
        unfinished_older_than: seconds since an unfinished download was last written to.

    Raises:
        StoreProblem: the store is busy, read-only or a newer EdgeMind's; a disk error.
    """
    with store.locked(), explained("clean the model store", store.root):
        _drop_old_leases(store, unfinished_older_than)
        partials, freed = _drop_partials(store, unfinished_older_than)
        _drop_leftovers(store)
        needed = store.needed()
        if needed is None:
            name, reason = store.damaged()[0]
            return Collected(freed, 0, partials, f"The manifest of {name} cannot be used ({reason}), so no blob went.")
        blobs = 0
        for digest in sorted(_digests(store) - needed):
            freed += store.drop_blob(digest)
            blobs += 1
        _drop_orphan_stamps(store)
    return Collected(freed, blobs, partials)


def _digests(store: Store) -> set[str]:
    with store.folder(BLOBS) as folder:
        return {found[1] for name in folder.names() if (found := _BLOB.fullmatch(name))}


def _drop_old_leases(store: Store, age: float) -> None:
    with store.folder(PENDING) as folder:
        for lease in leases.read_all(folder):
            if time.time() - lease.since >= age and not lease.alive:
                folder.remove(lease.file)


def _drop_partials(store: Store, age: float) -> tuple[int, int]:
    """How many unfinished files went, and their bytes."""
    count = freed = 0
    with store.folder(PARTIAL) as folder:
        for key, names in _by_key(folder).items():
            with store.partial_lock(key, 0) as held:
                if not held:
                    continue
                resumable = not key.startswith(PASSING)
                if resumable and _age(folder, names) < age:
                    continue
                for name in names:
                    if not name.endswith(".lock"):
                        freed += _size(folder, name)
                        count += ".part" in name
                        folder.remove(name)
                store.forget_lock(key)
        folder.sync()
    return count, freed


def _by_key(folder: Folder) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in folder.names():
        key = name.partition(".")[0]
        if KEY.fullmatch(key) and not stat.S_ISDIR(folder.status(name).st_mode):
            found.setdefault(key, []).append(name)
    return found


def _age(folder: Folder, names: list[str]) -> float:
    """Seconds since one of these files was last written to; a lock file alone is as old as can be."""
    times = [status.st_mtime for name in names if not name.endswith(".lock") for status in _status(folder, name)]
    return time.time() - max(times, default=0.0)


def _status(folder: Folder, name: str) -> Iterator[os.stat_result]:
    with contextlib.suppress(FileNotFoundError):
        yield folder.status(name)


def _size(folder: Folder, name: str) -> int:
    return sum(status.st_size for status in _status(folder, name))


def _drop_leftovers(store: Store) -> None:
    """Small files that were being written when their process was killed."""
    with Folder.at(store.root) as root:
        _drop_temporary(root)
        for name in (MANIFESTS, PENDING, STAMPS):
            with root.child(name) as folder:
                _drop_temporary(folder)


def _drop_temporary(folder: Folder) -> None:
    for name in folder.names():
        if name.startswith(TEMPORARY) and _age(folder, [name]) >= HOUR:
            folder.remove(name)


def _drop_orphan_stamps(store: Store) -> None:
    there = _digests(store)
    with store.folder(STAMPS) as folder:
        for name in folder.names():
            found = _BLOB.fullmatch(name.removesuffix(".json"))
            if found and found[1] not in there:
                folder.remove(name)
