"""The encrypted history on the disk: SQLCipher under a random data key. The one place that imports ``sqlcipher3``.

A ``Vault`` is the folder; unlocking it gives an ``OpenVault``, which holds the data key until it is locked. Several
processes may have one vault open: SQLite's write-ahead log orders them. No other file holds words of a conversation.
Not for: what the open one can do (``open_vault``), what the tables hold (``history``), the wrapped key (``keys``),
copies (``snapshots``, ``backups``).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgemind.chat import keys, tries
from edgemind.chat.private_files import explained, interrupted, make_folder
from edgemind.chat.problems import HistoryDamaged, HistoryInUse, HistoryNotSaving, NoHistory
from edgemind.errors import EdgemindError, HistoryProblem, HistoryTooNew, WrongPassphrase
from edgemind.locking import locked
from edgemind.settings import paths

if TYPE_CHECKING:
    from edgemind.chat.open_vault import OpenVault

__all__ = ["HistoryDamaged", "HistoryInUse", "HistoryNotSaving", "NoHistory", "Vault", "VaultState"]

Connection = Any
"""The DB-API of ``sqlite3``, which ``sqlcipher3`` has as well."""

DATABASE, KEY, KEY_COPY, LOCK = "history.db", "history.key", "history.key.copy", ".history.lock"
PLAIN_HEADER = b"SQLite format 3\0"
DAMAGE = ("not a database", "malformed", "vtable constructor failed")
"""What SQLite says when it meets a damaged page."""
RESTORE = "restore"
"""Ends the name of the folder in which a backup is unpacked."""
HALF_RESTORED = (
    "Restoring a backup was interrupted; what was there before is in the history's folder, in set-aside.",
    "edgemind history restore FILE, once more",
)
SNAPSHOTS = 7
LOCK_WAIT = 10.0
"""Seconds to wait for another process that changes the key or mends the history."""

FIRST_PASSPHRASE = "Set one first: edgemind history passphrase"


@dataclass(frozen=True)
class VaultState:
    """What can be said without any key."""

    kind: Literal["none", "keyring", "passphrase", "both", "damaged", "plain"]
    key_id: str | None = None
    problem: str = ""
    """For ``damaged`` and ``plain``: one sentence."""
    hint: str = ""

    @property
    def keyring(self) -> bool:
        return self.kind in ("keyring", "both")

    @property
    def passphrase(self) -> bool:
        return self.kind in ("passphrase", "both")


class Vault:
    """The folder of a history, locked.

    Args:
        folder: ``data/history`` of the user when not given.
        clinic: a passphrase is a must and a keyring is refused.
        keep: snapshots that are kept.
    """

    def __init__(self, folder: Path | None = None, *, clinic: bool = False, keep: int = SNAPSHOTS) -> None:
        self.folder = folder or paths().data / "history"
        self.clinic = clinic
        self.keep = keep

    @property
    def database(self) -> Path:
        return self.folder / DATABASE

    def state(self) -> VaultState:
        """Cheap: two small reads, nothing decrypted. Raises nothing."""
        try:
            file = self.key_file()
        except NoHistory:
            return self._without_key()
        except (HistoryProblem, HistoryTooNew) as problem:
            return VaultState("damaged", None, problem.message, problem.hint)
        if self._half_restored():
            return VaultState("damaged", file.key_id, *HALF_RESTORED)
        kinds = {slot.kind for slot in file.slots}
        if _is_plain(self.database):
            return VaultState("plain", file.key_id, *_plain_words(self.database))
        return VaultState("both" if len(kinds) == 2 else file.slots[0].kind, file.key_id)

    def _without_key(self) -> VaultState:
        if self._half_restored():
            return VaultState("damaged", None, *HALF_RESTORED)
        if not os.path.lexists(self.database):
            return VaultState("none")
        if _is_plain(self.database):
            return VaultState("plain", None, *_plain_words(self.database))
        return VaultState(
            "damaged",
            None,
            f"The history's key file {self.folder / KEY} is missing, and nothing else opens the history.",
            "edgemind history restore FILE, from a backup",
        )

    def _half_restored(self) -> bool:
        """Whether restoring a backup was interrupted between the old history and the new one."""
        with contextlib.suppress(OSError):
            return not os.path.lexists(self.database) and any(
                path.name.endswith(f"-{RESTORE}") for path in interrupted(self.folder)
            )
        return False

    def key_file(self) -> keys.KeyFile:
        """The key file, or its copy when that is damaged or gone.

        Raises:
            NoHistory: there is neither.
            HistoryProblem: they cannot be read.
            HistoryTooNew: a newer version wrote them.
        """
        first: EdgemindError | None = None
        for name in (KEY, KEY_COPY):
            try:
                return keys.read_key_file(self.folder / name)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                break
            except HistoryProblem as problem:
                first = first or problem
        raise first or NoHistory("There is no history yet.", "edgemind starts one; or: edgemind history passphrase")

    def wait_seconds(self) -> float:
        """How long until the next passphrase is looked at; 0 when it is at once."""
        return tries.wait_seconds(self.folder)

    def create(
        self,
        passphrase: str | None = None,
        keyring_secret: bytes | bytearray | None = None,
        key_id: str | None = None,
        cost: keys.Argon2 | None = None,
    ) -> OpenVault:
        """Make a new, empty vault that opens with what is given.

        Args:
            key_id: under which the keyring has the secret.
            cost: of trying a passphrase; measured on this machine when not given.

        Raises:
            WrongPassphrase: one that protects nothing, or none in clinic mode.
            HistoryProblem: there is a history, or neither way to open one is given.
            HistoryNotSaving, NoRoom: it cannot be written here.
        """
        if passphrase is None and keyring_secret is None:
            raise HistoryProblem("A history needs a passphrase or a keyring.", FIRST_PASSPHRASE)
        self.refuse_keyring(keyring_secret)
        if passphrase is not None:
            keys.check_new_passphrase(passphrase)
        key, key_id = keys.random_key(), key_id or keys.new_key_id()
        slots = []
        if passphrase is not None:
            slots.append(keys.wrap_with_passphrase(key, key_id, passphrase, cost or keys.calibrated()))
        if keyring_secret is not None:
            slots.append(keys.wrap_with_secret(key, key_id, keyring_secret))
        with self.changing():
            state = self.state()
            if state.kind != "none":
                raise HistoryProblem(
                    state.problem or "There is a history already.", state.hint or "edgemind history status"
                )
            self.write_key_file(keys.KeyFile(key_id=key_id, slots=tuple(slots)))
        from edgemind.chat.open_vault import OpenVault

        return OpenVault(self, key, key_id)

    def unlock(self, passphrase: str | None = None, keyring_secret: bytes | bytearray | None = None) -> OpenVault:
        """Open it with one of the two.

        Raises:
            WrongPassphrase: it is another one, or comes too soon after wrong ones.
            HistoryProblem: there is none, it cannot be read, or this is not a way to open it.
            OutOfMemory: trying a passphrase needs more memory than there is.
        """
        from edgemind.chat.open_vault import OpenVault

        file = self.key_file()
        state = self.state()
        if state.kind in ("damaged", "plain"):
            raise HistoryProblem(state.problem, state.hint)
        if passphrase is None:
            self.refuse_keyring(keyring_secret)
            return OpenVault(self, self._by_keyring(file, keyring_secret), file.key_id)
        if file.slot("passphrase") is None:
            raise HistoryProblem("This history has no passphrase; the keyring opens it.", FIRST_PASSPHRASE)
        with tries.counted(self.folder):
            key = keys.unwrap_with_passphrase(file, passphrase)
            if key is None:
                raise WrongPassphrase("That passphrase does not open the history.", "Nothing was changed; try again.")
        return OpenVault(self, key, file.key_id)

    def _by_keyring(self, file: keys.KeyFile, secret: bytes | bytearray | None) -> bytearray:
        if secret is None or file.slot("keyring") is None:
            raise WrongPassphrase(
                "The history needs its passphrase.", "Start edgemind on a terminal, or give --passphrase-file FILE."
            )
        key = keys.unwrap_with_secret(file, secret)
        if key is None:
            raise HistoryProblem(
                "The secret in the keyring is not this history's.", "edgemind history restore FILE, from a backup"
            )
        return key

    def refuse_keyring(self, secret: bytes | bytearray | None) -> None:
        """Raises ``WrongPassphrase`` in clinic mode."""
        if secret is not None and self.clinic:
            raise WrongPassphrase(
                "Clinic mode does not use the keyring; the history needs a passphrase.",
                "edgemind history passphrase --remove-keyring",
            )

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Alone among those who change the key file or put another database in its place.

        Raises:
            HistoryNotSaving: nothing can be written here.
            HistoryInUse: another process has been at it for too long.
        """
        with explained(self.folder):
            make_folder(self.folder)
            if self.folder.stat().st_mode & 0o077:
                self.folder.chmod(0o700)
            with locked(self.folder / LOCK, LOCK_WAIT) as held:
                if not held:
                    raise HistoryInUse(
                        f"Another edgemind is changing the history; waited {LOCK_WAIT:g} seconds.", "Let it finish."
                    )
                yield

    def mend_key_file(self, file: keys.KeyFile) -> None:
        """Have both say ``file``: a change that was interrupted, or damage, left something else in one of them, and
        a passphrase that was given up would open the history by the copy for ever. Raises ``OSError``."""
        for name in (KEY, KEY_COPY):
            try:
                same = keys.read_key_file(self.folder / name) == file
            except HistoryTooNew:
                continue
            except (FileNotFoundError, HistoryProblem):
                same = False
            if not same:
                keys.write_key_file(self.folder / name, file)

    def write_key_file(self, file: keys.KeyFile) -> None:
        """The new key file, then its copy: at every moment one of the two is whole. Raises ``OSError``."""
        keys.write_key_file(self.folder / KEY, file)
        keys.write_key_file(self.folder / KEY_COPY, file)


def encrypted(path: Path, key: bytearray, read_only: bool = False) -> Connection:
    """A connection under a raw data key.

    The key goes to SQLCipher from a buffer that is overwritten, never through SQL. What SQLCipher holds of it, and the
    pages in its cache, are in this process's memory, which other processes of the user cannot read (``privacy.jail``);
    ``cipher_memory_security`` would wipe freed pages and cost a fifth of the speed, while Python keeps the same texts.

    Raises:
        HistoryDamaged: it is no database of this key. HistoryNotSaving: it cannot be opened.
    """
    from sqlcipher3 import dbapi2

    literal = bytearray(b"x'" + bytes(key).hex().encode("ascii") + b"'")
    try:
        with translated():
            if read_only:
                connection = _read_only(path, literal)
            else:
                with explained(path.parent):
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
                connection = dbapi2.connect(str(path), isolation_level=None, check_same_thread=False, timeout=5.0)
                _keyed(connection, literal)
    finally:
        keys.wipe(literal)
    return connection


def _keyed(connection: Connection, literal: bytearray) -> None:
    try:
        connection.set_key(literal)
        connection.execute("PRAGMA cipher_log_level = NONE").fetchall()
        connection.execute("PRAGMA temp_store = MEMORY").fetchall()
        connection.execute("PRAGMA trusted_schema = OFF").fetchall()
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise


def _read_only(path: Path, literal: bytearray) -> Connection:
    """With the log beside it where SQLite can read that, else (a read-only folder) without."""
    from urllib.parse import quote

    from sqlcipher3 import dbapi2

    last: Exception | None = None
    for more in ("", "&immutable=1"):
        uri = f"file:{quote(str(path))}?mode=ro{more}"
        try:
            connection = dbapi2.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            _keyed(connection, literal)
            return connection
        except dbapi2.OperationalError as problem:
            last = problem
    assert last is not None
    raise last


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The driver's errors as ours."""
    from sqlcipher3 import dbapi2

    try:
        yield
    except dbapi2.Error as problem:
        said = str(problem).lower()
        if any(word in said for word in DAMAGE):
            raise HistoryDamaged(
                "The history is damaged.", "Start edgemind: it mends the history from its last snapshot."
            ) from None
        reason = "the disk is full" if "full" in said else said
        raise HistoryNotSaving(f"The history cannot be saved: {reason}.", "edgemind history status") from None


def _is_plain(database: Path) -> bool:
    try:
        with open(database, "rb") as file:
            return file.read(len(PLAIN_HEADER)) == PLAIN_HEADER
    except OSError:
        return False


def _plain_words(database: Path) -> tuple[str, str]:
    return (
        f"{database} is not encrypted, so it is not EdgeMind's history.",
        f"Move it away, and edgemind begins a new one: {database}",
    )
