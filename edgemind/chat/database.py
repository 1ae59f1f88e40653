"""Connections and transactions of the history: one writer, a few readers, errors as sentences.

A transaction is on the disk when ``writing`` is left (WAL with ``synchronous=FULL``). After a deletion the log is
emptied too, for which no reader may be under way.
Not for: what is in the tables (``schema``), opening encrypted files (``vault``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from edgemind.chat import migrations, schema
from edgemind.chat.problems import HistoryDamaged, HistoryInUse, HistoryNotSaving
from edgemind.errors import HistoryProblem

READERS = 2
"""Connections for reading: a search does not keep a list waiting."""

BUSY_MS = 5_000
"""How long another process that writes is waited for."""

BYTES_PER_CHARACTER = 750
"""Bytes of the database for which writing its index anew costs as much as taking out the words of one character:
with 100,000 messages in 125 MB, 0.9 s against 5.5 us a character."""

PATIENCE_S = 5.0
"""How long closing and emptying the log wait for a reader."""


class Connection(Protocol):
    """What the history needs of a connection of ``sqlite3`` or ``sqlcipher3``."""

    isolation_level: Any

    @property
    def in_transaction(self) -> bool: ...
    @property
    def Error(self) -> type[Exception]: ...  # noqa: N802 - the name that DB-API 2.0 gives it
    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...
    def executemany(self, sql: str, parameters: Any, /) -> Any: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...


class Database:
    """One database with a history in it.

    Args:
        connect: opens one more connection to it, usable from any thread.
        on_damage: called when the file turns out to be damaged, once, by the thread that met it.

    Raises:
        HistoryTooNew: a newer version of EdgeMind wrote it.
        HistoryProblem: it cannot be opened.
    """

    def __init__(self, connect: Callable[[], Connection], on_damage: Callable[[], None] | None = None) -> None:
        self._connect = connect
        self.lock = threading.RLock()
        self._readers = threading.Condition()
        self._idle: list[Connection] = []
        self._busy: list[Connection] = []
        self._depth = 0
        self._owner: int | None = None
        self._wipe = False
        self._closed = False
        self._emptying = False
        """Nobody may begin to read."""
        self._on_damage = on_damage
        self._after_rollback: list[Callable[[], None]] = []
        self._writer = self._open()
        try:
            with self._plainly(self._writer):
                self.on_disk = bool(self._writer.execute("PRAGMA database_list").fetchone()[2])
                migrations.check(self._writer)
                self._writer.execute("PRAGMA journal_mode = WAL")
                migrations.migrate(self._writer)
                self._forgets_words = self._ask_for_secure_deletion()
        except BaseException:
            self._writer.close()
            raise

    def _open(self) -> Connection:
        connection = self._connect()
        try:
            with self._plainly(connection):
                connection.isolation_level = None
                for pragma in (
                    f"busy_timeout = {BUSY_MS}",
                    "synchronous = FULL",
                    "fullfsync = ON",  # macOS: through the drive's own cache
                    "checkpoint_fullfsync = ON",
                    "foreign_keys = ON",
                    "secure_delete = ON",
                    "temp_store = MEMORY",
                ):
                    connection.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _ask_for_secure_deletion(self) -> bool:
        """Tell the search tables to take deleted words out at once; SQLite before 3.42 cannot."""
        known = tuple(map(int, self._writer.execute("SELECT sqlite_version()").fetchone()[0].split("."))) >= (3, 42)
        for table in schema.SEARCH_TABLES if known else ():
            asked = self._writer.execute(f"SELECT v FROM {table}_config WHERE k = 'secure-delete'").fetchone()
            if not asked or asked[0] != 1:
                self._configure(table, "secure-delete", 1)
        return known

    def _configure(self, table: str, option: str, value: int) -> None:
        self._writer.execute(f"INSERT INTO {table} ({table}, rank) VALUES (?, ?)", (option, value))

    def after_rollback(self, call: Callable[[], None]) -> None:
        """``call`` is called whenever a transaction was undone."""
        self._after_rollback.append(call)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, on the disk when it is left, undone when it is left by an error. Inside another one of the
        same thread it is a part of that."""
        with self.lock:
            self._check_open()
            if self._depth:
                self._depth += 1
                try:
                    yield self._writer
                finally:
                    self._depth -= 1
                return
            with self._plainly(self._writer):
                self._writer.execute("BEGIN IMMEDIATE")
                self._depth, self._owner, self._wipe = 1, threading.get_ident(), False
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    self._undo()
                    raise
                finally:
                    self._depth, self._owner = 0, None
            if self._wipe:
                self._empty_the_log()

    def _undo(self) -> None:
        with suppress(self._writer.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        for call in self._after_rollback:
            call()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the database, whatever is written meanwhile; inside ``writing`` of this thread, that one's."""
        if not self.on_disk or self._owner == threading.get_ident():
            with self.lock:
                self._check_open()
                with self._plainly(self._writer):
                    yield self._writer
            return
        connection = self._take()
        try:
            with self._plainly(connection):
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        finally:
            self._give(connection)

    def _take(self) -> Connection:
        with self._readers:
            while True:
                self._check_open()
                if self._emptying:
                    self._readers.wait()
                    continue
                if self._idle:
                    connection = self._idle.pop()
                    break
                if len(self._busy) < READERS:
                    connection = self._open()
                    break
                self._readers.wait()
            self._busy.append(connection)
            return connection

    def _give(self, connection: Connection) -> None:
        with self._readers:
            self._busy.remove(connection)
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)
            self._readers.notify_all()

    @contextmanager
    def forgetting(self, characters: int = 0) -> Iterator[None]:
        """Inside ``writing``: what is deleted in here shall be gone from the files when the transaction is left.

        Args:
            characters: how much text that can be searched is deleted. Taking out words one by one costs more than
                writing the whole index anew from some length on, and SQLite before 3.42 only has the second way.
        """
        self._wipe = True
        anew = not self._forgets_words or characters > self._bytes() / BYTES_PER_CHARACTER
        if anew and self._forgets_words:
            self._configure("message_words", "secure-delete", 0)
        yield
        if anew:
            for table in schema.SEARCH_TABLES:
                self._writer.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
            if self._forgets_words:
                self._configure("message_words", "secure-delete", 1)

    def _bytes(self) -> int:
        pages, size = (self._writer.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
        return int(pages) * int(size)

    def _empty_the_log(self) -> None:
        """Another process that reads can delay it; then the next deletion, or closing, does it."""
        if not self.on_disk:
            return
        with self._readers:
            self._emptying = True
            try:
                self._readers.wait_for(lambda: not self._busy, PATIENCE_S)
                with suppress(self._writer.Error):
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._emptying = False
                self._readers.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise HistoryProblem("The history is closed.", "Start edgemind again to open it.")

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """End what is being read, wait for what is being written, close everything. May be called twice."""
        with self._readers:
            if self._closed:
                return
            self._closed = True
            for connection in self._busy:
                connection.interrupt()
            for connection in self._idle:
                connection.close()
            self._idle.clear()
            self._readers.notify_all()
            self._readers.wait_for(lambda: not self._busy, PATIENCE_S)
        with self.lock:
            self._writer.close()

    @contextmanager
    def _plainly(self, connection: Connection) -> Iterator[None]:
        try:
            yield
        except connection.Error as problem:
            said = _sentence(str(problem))
            if isinstance(said, HistoryDamaged) and self._on_damage:
                call, self._on_damage = self._on_damage, None
                call()
            raise said from problem


_MEND = "Try: edgemind history status --check"
_SENTENCES: tuple[tuple[str, type[HistoryProblem], str, str], ...] = (
    (
        "full",
        HistoryNotSaving,
        "The disk is full: the history cannot be saved.",
        "Free some space; the next message is saved again.",
    ),
    (
        "readonly",
        HistoryNotSaving,
        "The history cannot be written: its disk or folder is read-only.",
        "Make it writable, or go on without saving: edgemind chat --ephemeral",
    ),
    (
        "locked",
        HistoryInUse,
        "Another program is writing to the history and does not end.",
        "Close it, and try again.",
    ),
    ("interrupted", HistoryProblem, "The history is closed.", "Start edgemind again to open it."),
    (
        "not a database",
        HistoryDamaged,
        "The history is damaged, or the key does not fit.",
        _MEND,
    ),
    ("malformed", HistoryDamaged, "The history is damaged.", _MEND),
    ("vtable constructor", HistoryDamaged, "The history is damaged.", _MEND),
    (
        "i/o error",
        HistoryNotSaving,
        "The disk does not read or write the history.",
        "Look at the disk, and keep a copy of the history's folder.",
    ),
    (
        "unable to open",
        HistoryNotSaving,
        "The history cannot be opened.",
        "Look whether its folder is there and can be written.",
    ),
)
"""What SQLite says (https://sqlite.org/rescode.html), what it is, the sentence and the hint."""


def _sentence(said: str) -> HistoryProblem:
    for word, kind, message, hint in _SENTENCES:
        if word in said.lower():
            return kind(message, hint)
    return HistoryProblem(f"The history cannot be used: {said}.", "Try: edgemind history status")
