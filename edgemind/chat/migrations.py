"""From the history of an older version to this one's, step by step, each in the same transaction or not at all.

The version stands in ``PRAGMA user_version``. A released step is never changed; a new one is put at the end.
Not for: copies before a migration (``snapshots``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgemind.chat import schema
from edgemind.errors import HistoryProblem, HistoryTooNew

if TYPE_CHECKING:
    from edgemind.chat.database import Connection


def _first(connection: Connection) -> None:
    for table in schema.TABLES:
        connection.execute(table)


STEPS: tuple[Callable[[Connection], None], ...] = (_first,)
"""``STEPS[n]`` makes version ``n + 1`` of version ``n``; version 0 is an empty database."""


def version(connection: Connection) -> int:
    """The version of a history; 0 when there is none in this database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def pending(connection: Connection, steps: Sequence[Callable[[Connection], None]] = STEPS) -> bool:
    """Whether ``migrate`` would change anything that is already there; a snapshot should be made before."""
    return 0 < version(connection) < len(steps)


def check(connection: Connection, steps: Sequence[Callable[[Connection], None]] = STEPS) -> int:
    """Whether this version may touch the database; it only reads.

    Returns:
        The version of the history in it.

    Raises:
        HistoryTooNew: a newer version wrote it.
        HistoryProblem: there is something else in the file.
    """
    found = version(connection)
    if found > len(steps):
        raise HistoryTooNew(
            f"A newer version of EdgeMind wrote the history (format {found}; this one knows {len(steps)}).",
            "Update EdgeMind; the history was left as it is.",
        )
    if found == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise HistoryProblem("This database holds something else than a history of chats.", "Move it away.")
    return found


def migrate(connection: Connection, steps: Sequence[Callable[[Connection], None]] = STEPS) -> None:
    """Bring the history to this version; raises as ``check`` does."""
    if version(connection) == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[check(connection, steps) :]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
