"""The user's own store: blobs by hash, manifests by name, and every change of them in the one safe order.

A change is: bytes written and synced under ``partial``, renamed to a blob, folder synced, then the manifest, which is
what makes a model visible. So a process may die anywhere and no name ever points to bytes that are not there.
Reading needs no lock; every change holds the store's lock. Not for: fetching (``download``), long work on files
(``verifying``, ``moving``, ``collect``).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.errors import Damaged, StoreProblem
from edgemind.models.opening import shown
from edgemind.models.store import leases, locks, reading
from edgemind.models.store.files import Folder, explained, flaw, make_private, make_root
from edgemind.models.store.manifest import FORMAT, SHA256, Manifest, StoredFile, is_model_name
from edgemind.models.store.reading import MANIFESTS, Unreadable
from edgemind.models.store.stamps import STAMPS, Stamps, State, blob_key
from edgemind.models.store.view import REPAIR, UPDATE, View, inside, unusable

if TYPE_CHECKING:
    from edgemind.models.store.shared import Shared

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""

BLOBS, PARTIAL, PENDING = "blobs", "partial", "pending"
FOLDERS = (BLOBS, MANIFESTS, PARTIAL, PENDING, STAMPS)
PASSING = ("import-", "copy-", "made-")
"""Begin the keys of unfinished files that cannot be taken up again: nobody needs them once their process is gone."""
KEY = re.compile(r"[a-z0-9-]{1,100}")


class Store(View):
    """A store that belongs to the user. Nothing is created by opening it."""

    label = "own"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.stamps = Stamps(root, self.prepare)

    @property
    def writable(self) -> bool:
        """Whether something can be added: the folder, or the one it would be made in, may be written."""
        place = self.root
        while not place.exists() and place != place.parent:
            place = place.parent
        return os.access(place, os.W_OK)

    @property
    def owners(self) -> frozenset[int] | None:  # type: ignore[override]
        """User ids that files here may belong to: this user, and whoever owns the folder."""
        if sys.platform == "win32":
            return None
        with contextlib.suppress(OSError):
            return frozenset((os.geteuid(), self.root.stat().st_uid))
        return frozenset((os.geteuid(),))

    def parts(self, manifest: Manifest, file: StoredFile) -> tuple[str, ...]:
        return BLOBS, _blob_name(file.sha256)

    def stamp_key(self, manifest: Manifest, file: StoredFile) -> str:
        return blob_key(file.sha256)

    def again(self, manifest: Manifest) -> str:
        return again(manifest)

    def check_format(self) -> None:
        """Refuse what a newer EdgeMind wrote.

        Raises:
            StoreProblem: its format is newer, or ``store.json`` cannot be understood.
        """
        with explained("read the model store", self.root):
            found = reading.format_of_store(self.root)
        if found is not None and found > FORMAT:
            raise StoreProblem(
                f"The model store {shown(self.root)} was written by a newer EdgeMind (format {found}; "
                f"this one knows {FORMAT}).",
                UPDATE,
            )
        if found is not None and found < FORMAT:
            raise StoreProblem(f"{shown(self.root / 'store.json')} is damaged.", REPAIR)

    def folder(self, name: str) -> contextlib.AbstractContextManager[Folder]:
        """One of the store's folders, open. Entering raises ``FileNotFoundError`` when the store was never made."""
        return inside(self.root, [name])

    def blob(self, sha256: str) -> Path:
        """Where a blob lies, or would lie."""
        return self.root / BLOBS / _blob_name(sha256)

    def state(self, sha256: str, size: int) -> State | None:
        """A blob's state by the quick check; ``None`` when there is no plain file of that size."""
        with explained("read the model store", self.root):
            try:
                with self.folder(BLOBS) as folder:
                    status = folder.status(_blob_name(sha256))
            except FileNotFoundError:
                return None
        if flaw(status, self.owners) or status.st_size != size:
            return None
        return self.stamps.state(blob_key(sha256), status)

    def has(self, sha256: str, size: int) -> bool:
        """Whether the blob is here and sound. One whose time has changed is hashed again, which takes its while."""
        state = self.state(sha256, size)
        if state in ("changed", "unknown"):
            from edgemind.models.store.verifying import rehash

            return rehash(self, sha256, size)
        return state == "sound"

    def prepare(self) -> None:
        """Make the folders (0700) and ``store.json``; fine when they are there.

        Raises:
            StoreProblem: the disk is read-only or not the user's, or the store is a newer EdgeMind's.
            NoRoom: the disk is full.
        """
        self.check_format()
        with explained("make the model store", self.root):
            make_root(self.root)
            with Folder.at(self.root) as root:
                for name in FOLDERS:
                    if not root.exists(name):
                        root.make(name)
                    root.child(name).close()
                if not root.exists("store.json"):
                    root.write("store.json", json.dumps({"format": FORMAT}).encode())

    @contextlib.contextmanager
    def locked(self, wait: float = 30.0) -> Iterator[None]:
        """Hold the store alone, across processes; a thread that holds it may do so again.

        Raises:
            StoreProblem: waited in vain for ``wait`` seconds; as ``prepare``.
        """
        self.prepare()
        with locks.store_lock(self.root / "lock", wait):
            yield

    def partial(self, key: str) -> Path:
        """Where an unfinished file lies; its folder is there after ``prepare``."""
        return self.root / PARTIAL / f"{_key(key)}.part"

    @contextlib.contextmanager
    def partial_lock(self, key: str, wait: float = -1) -> Iterator[bool]:
        """Hold an unfinished file alone, so that one process writes it and none collects it.

        Args:
            wait: seconds; 0 tries once, below 0 waits for ever.

        Yields:
            Whether it is held.
        """
        self.prepare()
        with locks.file_lock(self.root / PARTIAL / f"{_key(key)}.lock", wait) as held:
            yield held

    def forget_lock(self, key: str) -> None:
        """Remove the lock file of an unfinished file that is done with; the caller holds that lock."""
        with contextlib.suppress(OSError), self.folder(PARTIAL) as folder:
            folder.remove(f"{_key(key)}.lock")

    def adopt(self, part: Path, sha256: str, size: int) -> Path:
        """Make a blob of a finished file under ``partial`` that was hashed and synced. A sound blob there wins.

        Raises:
            Damaged: the file has another size.
            StoreProblem, NoRoom: the disk.
        """
        name = _blob_name(sha256)
        if part.parent != self.root / PARTIAL:
            raise StoreProblem(f"{shown(part)} is not an unfinished file of this store.")
        with self.locked(), explained("add a file to the model store", self.root):
            with self.folder(PARTIAL) as partial, self.folder(BLOBS) as blobs:
                if self.state(sha256, size) == "sound":
                    partial.remove(part.name)
                    return self.blob(sha256)
                _check_part(partial, part.name, size, self.owners)
                partial.move(part.name, blobs, name)
                blobs.sync()
                status = blobs.status(name)
            self.stamps.note(blob_key(sha256), status)
        return self.blob(sha256)

    def lease(self, name: str, digests: Iterable[str]) -> None:
        """Keep these blobs although no manifest names them yet; ``release`` ends it. Replaces this process's last."""
        _name(name)
        with self.locked(), explained("note the pull", self.root), self.folder(PENDING) as folder:
            leases.write(folder, name, digests)

    def release(self, name: str) -> None:
        """End this process's lease for a model, and those of processes that died over it; fine when there is none."""
        _name(name)
        with self.locked(), explained("note the pull", self.root), self.folder(PENDING) as folder:
            folder.remove(leases.file_name(name))
            leases.drop_dead(folder, name)

    def add(self, manifest: Manifest, replace: bool = False) -> None:
        """Make a model visible; its blobs must be here. Adding the same files again changes nothing.

        Raises:
            Damaged: a blob is missing or not sound.
            StoreProblem: the name is taken by other files and ``replace`` is not set; the disk.
            NoRoom: the disk is full.
        """
        name = _name(manifest.name)
        with self.locked():
            old = self.check_name(manifest, replace)
            if old is not None and not replace:
                return
            for file in manifest.files:
                if not self.has(file.sha256, file.size):
                    raise Damaged(f"{file.path} of {name} is not in the store, or is damaged.", again(manifest))
            data = manifest.model_dump_json(indent=1).encode() + b"\n"
            with explained(f"add {name}", self.root), self.folder(MANIFESTS) as folder:
                folder.write(f"{name}.json", data)
            if old is not None:
                self._drop(old)

    def check_name(self, manifest: Manifest, replace: bool = False) -> Manifest | None:
        """The model of this name that is there already: the same files, or any when it is to be replaced.

        Raises:
            StoreProblem: the name is taken by other files and ``replace`` is not set.
        """
        name = manifest.name
        old = self._replaced(name, replace)
        if old is not None and not replace and _digests(old) != _digests(manifest):
            raise StoreProblem(
                f"There is a model named {name} already, with other files.",
                f"Give another name, or remove that one first: edgemind rm {name}",
            )
        return old

    def _replaced(self, name: str, replace: bool) -> Manifest | None:
        """The manifest that an ``add`` would replace. A damaged one may be replaced, a newer EdgeMind's not."""
        try:
            return self._read(name)
        except FileNotFoundError:
            return None
        except Unreadable as problem:
            if problem.newer or not replace:
                raise unusable(name, problem) from problem
            return None

    def remove(self, name: str) -> int:
        """Remove a model, and the blobs that nothing else needs; a damaged manifest goes as well.

        Returns:
            Bytes freed: 0 when another model has the same files, or while another manifest is damaged.

        Raises:
            StoreProblem: there is none of this name, a newer EdgeMind wrote it, or the disk.
        """
        _name(name)
        with self.locked():
            manifest = self._replaced(name, replace=True)
            with explained(f"remove {name}", self.root), self.folder(MANIFESTS) as folder:
                if not folder.exists(f"{name}.json"):
                    raise StoreProblem(f"There is no model named {name} in the store.", "edgemind list")
                folder.remove(f"{name}.json")
                folder.sync()
                with self.folder(PENDING) as pending:
                    leases.drop_dead(pending, name)
            return self._drop(manifest) if manifest else 0

    def needed(self) -> frozenset[str] | None:
        """Digests that manifests and leases name; ``None`` while a manifest is damaged, since it may name any."""
        found = self.entries()
        if any(not isinstance(one, Manifest) for _, one in found):
            return None
        digests = {file.sha256 for _, one in found if isinstance(one, Manifest) for file in one.files}
        with explained("read the model store", self.root), self.folder(PENDING) as folder:
            for lease in leases.read_all(folder):
                digests |= lease.digests
        return frozenset(digests)

    def _drop(self, manifest: Manifest) -> int:
        """Remove the blobs of a model that is gone, where nothing else needs them; the bytes freed."""
        needed = self.needed()
        if needed is None:
            return 0
        return sum(self.drop_blob(digest) for digest in {file.sha256 for file in manifest.files} - needed)

    def drop_blob(self, sha256: str) -> int:
        """Remove one blob with its stamp; the bytes freed. The caller holds the lock and knows that none needs it."""
        name = _blob_name(sha256)
        with explained("remove a file from the model store", self.root), self.folder(BLOBS) as folder:
            try:
                freed = folder.status(name).st_size
                folder.remove(name)
            except FileNotFoundError:
                return 0
            except PermissionError:
                if sys.platform != "win32":
                    raise
                return 0  # in use there; the next collection takes it
            folder.sync()
            self.stamps.forget(blob_key(sha256))
        return freed


def own_store() -> Store:
    """The user's own store, made or not.

    Raises:
        StoreProblem: a newer EdgeMind wrote it, or it cannot be read.
    """
    from edgemind.settings import paths

    store = Store(paths().data / "models")
    store.check_format()
    return store


def all_stores() -> list[Store | Shared]:
    """The user's own store, then the shared ones of the settings that are there (``shared.unavailable`` has the rest).

    Raises:
        StoreProblem: as ``own_store``.
        BadConfig: the settings file is not valid.
    """
    from edgemind.settings import load_settings

    own = own_store()
    folders = load_settings().stores
    if not folders:
        return [own]
    from edgemind.models.store.shared import open_shared

    opened = [open_shared(Path(os.path.expanduser(folder)), own) for folder in folders]
    return [own, *(shared for shared in opened if shared.problem is None)]


def again(manifest: Manifest) -> str:
    """How to get a model's files again."""
    if manifest.source.kind == "hub":
        return f"edgemind pull {manifest.name}"
    file = manifest.source.file or "FILE.gguf"
    return f"Import it again: edgemind rm {manifest.name}, then edgemind import {file} --name {manifest.name}"


def _digests(manifest: Manifest) -> list[str]:
    return [file.sha256 for file in manifest.files]


def _blob_name(sha256: str) -> str:
    if not SHA256.fullmatch(sha256):
        raise StoreProblem(f"{sha256[:80]!r} is no SHA-256.")
    return f"sha256-{sha256}"


def _key(key: str) -> str:
    if not KEY.fullmatch(key):
        raise StoreProblem(f"{key[:120]!r} cannot name an unfinished file.")
    return key


def _name(name: str) -> str:
    if not is_model_name(name):
        raise StoreProblem(
            f"{name[:140]!r} cannot be the name of a model.", "Use lower-case letters, digits, and . _ - inside."
        )
    return name


def _check_part(partial: Folder, name: str, size: int, owners: frozenset[int] | None) -> None:
    """A finished file must be plain and as long as was promised; it becomes 0600."""
    trouble = flaw(partial.status(name), owners)
    if trouble:
        raise StoreProblem(f"The unfinished file {name} {trouble}.", "edgemind store gc")
    fd = partial.open(name)
    try:
        found = os.fstat(fd).st_size
        if found != size:
            raise Damaged(f"The finished file {name} has {found:,} bytes and should have {size:,}.", "Try again.")
        make_private(fd)
    finally:
        os.close(fd)
