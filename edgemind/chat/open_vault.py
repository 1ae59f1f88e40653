"""An unlocked history: connections, ways to open it, copies, checks, locking again.

Not for: unlocking (``vault``), what the tables hold (``history``), mending (``recovery``).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.chat import keys, running, snapshots, tries
from edgemind.chat.private_files import explained, interrupted, remove
from edgemind.chat.problems import HistoryDamaged, HistoryLocked
from edgemind.chat.vault import Connection, Vault, encrypted, translated
from edgemind.errors import HistoryProblem, WrongPassphrase
from edgemind.locking import Held

if TYPE_CHECKING:
    from edgemind.chat.history import History
    from edgemind.chat.recovery import Recovery

PAGE = 4096
"""Bytes of a page of SQLCipher."""
SUSPECT = "damaged"
"""A file of this name: damage was found while the history was in use, so the next opening looks closely."""


class OpenVault:
    """An unlocked history. Holds the data key until ``lock``; safe from any thread."""

    def __init__(self, vault: Vault, key: bytearray, key_id: str) -> None:
        self.vault = vault
        self.key_id = key_id
        self.recovered: Recovery | None = None
        """What had to be mended when the history was opened; say its sentence."""
        self._key: bytearray | None = key
        self._guard = threading.RLock()
        self._history: History | None = None
        self._held: Held | None = None

    @property
    def registration(self) -> Held | None:
        """What other processes see of this one (``running``)."""
        return self._held

    @property
    def locked(self) -> bool:
        return self._key is None

    def connect(self) -> Connection:
        """One more connection to the database, which is made when there is none.

        Raises:
            HistoryLocked: it has been locked.
            HistoryDamaged: the database is not what this key encrypted.
            HistoryNotSaving: it cannot be opened for writing.
        """
        return self.connect_to(self.vault.database)

    def connect_to(self, path: Path) -> Connection:
        """The same for a copy under this key. Raises as ``connect``."""
        with self._guard:
            return encrypted(path, self._needed_key())

    def history(self, app: bool = False) -> History:
        """The chats. A damaged database is mended first, when no other process has it open; see ``recovered``.

        Args:
            app: this process locks itself when it gets SIGUSR1 (it has a handler for it by now).

        Raises:
            HistoryProblem: as ``connect``, written by a newer version, or replaced by another since it was unlocked.
            HistoryInUse: it has to be mended, and another process has it open.
        """
        with self._guard:
            if self._history is None:
                try:
                    self._enter(app)
                    self._mend_if_damaged()
                    self._snapshot_before_migration()
                    self._history = self._opened()
                except BaseException:
                    self._leave()
                    raise
            return self._history

    def _enter(self, app: bool) -> None:
        """Be seen by other processes, but not while one puts another history in the place of this; what interrupted
        ones left is tidied up."""
        with self.vault.changing():
            file = self._own_key_file()
            left = interrupted(self.vault.folder)
            self._held = running.register(self.vault.folder, app)
            if self.alone():
                self.vault.mend_key_file(file)
                for path in left:
                    remove(path)

    def _opened(self) -> History:
        from edgemind.chat import recovery
        from edgemind.chat.history import History

        try:
            return History(self.connect, on_damage=self._suspect)
        except HistoryDamaged:
            if self.recovered is not None:
                raise
            self.recovered = recovery.recover(self)
            with contextlib.suppress(OSError):
                (self.vault.folder / SUSPECT).unlink()
        return History(self.connect, on_damage=self._suspect)

    def history_in_memory(self) -> History:
        """What can be read of a history that cannot be written, in memory: nothing is saved. Raises nothing."""
        from edgemind.chat.history import History

        memory = History.in_memory()
        with contextlib.suppress(HistoryProblem, OSError):
            source = History(self.connect_for_reading)
            try:
                source.move_into(memory)
            except BaseException:
                source.close()
                raise
        return memory

    def connect_for_reading(self) -> Connection:
        """One that changes nothing, not even the log beside the database. Raises as ``connect``."""
        with self._guard:
            return encrypted(self.vault.database, self._needed_key(), read_only=True)

    def _mend_if_damaged(self) -> None:
        from edgemind.chat import recovery

        suspect = os.path.lexists(self.vault.folder / SUSPECT)
        if snapshots.listed(self.vault.folder) and _is_empty(self.vault.database):
            self.recovered = recovery.recover(self)
        try:
            connection = self.connect()
            try:
                with translated():
                    sound = not suspect or not snapshots.flaws(connection)
            finally:
                connection.close()
        except HistoryDamaged:
            sound = False
        if not sound:
            self.recovered = recovery.recover(self)
        if suspect:
            with contextlib.suppress(OSError):
                (self.vault.folder / SUSPECT).unlink()

    def _snapshot_before_migration(self) -> None:
        from edgemind.chat import migrations

        connection = self.connect()
        try:
            with translated():
                older = migrations.pending(connection)
        finally:
            connection.close()
        if older and self.vault.keep:
            self.snapshot()

    def alone(self) -> bool:
        """Whether no other process has this history open."""
        return not running.running(self.vault.folder, self._held)

    def lock(self) -> None:
        """Overwrite the key and close the history. May be called twice."""
        with self._guard:
            history, self._history = self._history, None
            if self._key is not None:
                keys.wipe(self._key)
            self._key = None
        if history is not None:  # not under the guard: a reader that is just opened waits for that, and this for it
            history.close()
        self._leave()

    def _leave(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.let_go(remove=True)

    # Ways to open it

    def change_passphrase(self, old: str, new: str, cost: keys.Argon2 | None = None) -> None:
        """Wrap the same key under another passphrase. Until the new slot is on the disk the old one opens it.

        Raises:
            WrongPassphrase: ``old`` is another one, or ``new`` protects nothing.
        """
        keys.check_new_passphrase(new)
        with tries.counted(self.vault.folder):
            key = keys.unwrap_with_passphrase(self.vault.key_file(), old)
            if key is None:
                raise WrongPassphrase("That is not the present passphrase.", "Nothing was changed; try again.")
            keys.wipe(key)
        self.set_passphrase(new, cost)

    def set_passphrase(self, new: str, cost: keys.Argon2 | None = None) -> None:
        """Have it open with this passphrase, in the place of another if it has one. Raises as ``Vault.create``."""
        self._replace_slot(self.passphrase_slot(new, cost))

    def passphrase_slot(self, passphrase: str, cost: keys.Argon2 | None = None) -> keys.Slot:
        """The key wrapped with a passphrase, written nowhere. Raises as ``Vault.create``."""
        keys.check_new_passphrase(passphrase)
        with self._copied_key() as key:
            return keys.wrap_with_passphrase(key, self.key_id, passphrase, cost or keys.calibrated())

    def set_keyring(self, secret: bytes | bytearray) -> None:
        """Have it open with this secret of the keyring, which is kept under ``key_id``. Raises as ``Vault.create``."""
        self.vault.refuse_keyring(secret)
        with self._copied_key() as key:
            self._replace_slot(keys.wrap_with_secret(key, self.key_id, secret))

    def remove(self, kind: keys.Kind) -> None:
        """Close one way. Raises ``HistoryProblem`` when it is the only one."""
        with self.vault.changing():
            self.vault.write_key_file(self._own_key_file().without(kind))

    def _replace_slot(self, slot: keys.Slot) -> None:
        with self.vault.changing():
            self.vault.write_key_file(self._own_key_file().with_slot(slot))

    def _own_key_file(self) -> keys.KeyFile:
        """As it is now: another process may have changed it, or put another history in its place."""
        file = self.vault.key_file()
        if file.key_id != self.key_id:
            raise HistoryProblem("Another history was restored meanwhile.", "Start edgemind again to open it.")
        return file

    def _needed_key(self) -> bytearray:
        """Only under the guard: ``lock`` overwrites it."""
        if self._key is None:
            raise HistoryLocked("The history is locked.", "Unlock it with its passphrase.")
        return self._key

    @contextlib.contextmanager
    def _copied_key(self) -> Iterator[bytearray]:
        """For what takes a second: a lock meanwhile would have it wrap zeros, and nothing would open the history."""
        with self._guard:
            key = bytearray(self._needed_key())
        try:
            yield key
        finally:
            keys.wipe(key)

    # Copies, deleting, checking

    def snapshot(self) -> snapshots.Snapshot | None:
        """Take one now; ``None`` when another process is taking one.

        Raises:
            HistoryDamaged: the database is damaged; the next opening mends it. Earlier snapshots stay.
            HistoryNotSaving: a snapshot cannot be written.
        """
        try:
            with explained(self.vault.folder), translated():
                return snapshots.take(self.vault.folder, self.vault.database, self.connect_to, max(1, self.vault.keep))
        except HistoryDamaged:
            self._suspect()
            raise

    def copy_to(self, path: Path) -> None:
        """A checked copy of the database as it is now, whole or not at all. Raises as ``snapshot``."""
        try:
            with explained(path.parent), translated():
                snapshots.copy_to(path, self.vault.database, self.connect_to)
        except HistoryDamaged:
            self._suspect()
            raise

    def snapshot_if_due(self, opening: bool = False) -> snapshots.Snapshot | None:
        """Cheap when it is not due. For a thread of its own; raises as ``snapshot``."""
        if not self.vault.keep or self.locked or not snapshots.due(self.vault.folder, opening):
            return None
        if self._history is None or not self._history.count():
            return None
        return self.snapshot()

    def delete_chat(self, *chats: str) -> None:
        """Delete chats, first from the snapshots, so that a chat is still there to be deleted again when that is
        interrupted. Takes as long as rewriting the snapshots that hold one of them.

        Raises:
            HistoryInUse: another process has been writing snapshots for too long; nothing was deleted.
        """
        history = self.history()
        folder = self.vault.folder
        with explained(folder), snapshots.without_chats(folder, self.connect_to, chats):
            for chat in chats:
                history.delete_chat(chat)

    def check(self) -> list[str]:
        """Read everything; what is wrong, in words. The next opening mends what is. Raises as ``connect``."""
        try:
            connection = self.connect()
            try:
                with translated():
                    found = snapshots.flaws(connection)
            finally:
                connection.close()
        except HistoryDamaged as problem:
            found = [problem.message]
        if found:
            self._suspect()
        return found

    def _suspect(self) -> None:
        with contextlib.suppress(OSError):
            os.close(os.open(self.vault.folder / SUSPECT, os.O_WRONLY | os.O_CREAT, 0o600))


def _is_empty(database: Path) -> bool:
    """Whether there is not one page in it, nor anything in the log beside it: SQLite would begin a new database."""
    return _size(database) < PAGE and not _size(Path(f"{database}-wal"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
