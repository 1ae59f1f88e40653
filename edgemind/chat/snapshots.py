"""Encrypted copies of the whole history beside it, under the same key: a few recent ones, then one a day.

A copy is checked before it gets its name, and a chat that is deleted is taken out of the copies too.
Not for: bringing one back (``recovery``), copies for another place (``backups``).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgemind.chat.private_files import interrupted, make_folder, remove, sync_file, sync_folder, temporary_beside
from edgemind.chat.problems import HistoryInUse, HistoryLocked
from edgemind.locking import locked

FOLDER, LOCK = "snapshots", ".lock"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
DELETING_WAIT = 60.0
"""Seconds to wait for a snapshot that is being taken, before a chat is deleted."""
_NAME = re.compile(r"(\d{8}T\d{6})Z\.db")
_FORM = "%Y%m%dT%H%M%S"

Connect = Callable[[Path], Any]
"""Opens an encrypted database of this vault, which is made when there is none."""


@dataclass(frozen=True)
class Snapshot:
    path: Path
    taken: float
    """Seconds since the epoch."""
    size: int

    @property
    def name(self) -> str:
        return self.path.stem


def listed(folder: Path) -> list[Snapshot]:
    """The snapshots of a history's folder, the newest first. Raises nothing."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder / FOLDER):
            known = _NAME.fullmatch(entry.name)
            if known and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(ValueError, OSError):
                    taken = datetime.strptime(known[1], _FORM).replace(tzinfo=timezone.utc).timestamp()
                    found.append(Snapshot(Path(entry.path), taken, entry.stat().st_size))
    return sorted(found, key=lambda one: one.taken, reverse=True)


def due(folder: Path, opening: bool = False) -> bool:
    """Whether it is time for another: an hour after the last, when the history is opened a day. One from a time that
    has not come was taken by a clock that was wrong, and says nothing."""
    now = time.time()
    newest = next((one for one in listed(folder) if one.taken <= now), None)
    return newest is None or now - newest.taken >= (DAY if opening else HOUR)


def take(folder: Path, database: Path, connect: Connect, keep: int) -> Snapshot | None:
    """Copy the history as it is now; the oldest go. ``None`` when another process is at it.

    Raises:
        OSError: it cannot be written.
        The driver's ``DatabaseError``: the history, or the copy of it, is damaged; there is no new snapshot then.
    """
    place = folder / FOLDER
    make_folder(place)
    with locked(place / LOCK, 0) as held:
        if not held:
            return None
        for left in interrupted(place):
            remove(left)
        taken = now = time.time()
        for one in listed(folder):
            if now < one.taken + 1 <= now + MINUTE:  # taken within this second: the later one gets a later name
                taken = max(taken, one.taken + 1)
        while (path := place / f"{datetime.fromtimestamp(taken, timezone.utc).strftime(_FORM)}Z.db").exists():
            taken += 1
        copy_to(path, database, connect)
        for one in superseded(listed(folder), keep):
            if one.path == path:  # others have names of a time that has not come
                continue
            with contextlib.suppress(OSError):
                one.path.unlink()
        return Snapshot(path, taken, path.stat().st_size)


def copy_to(path: Path, database: Path, connect: Connect) -> None:
    """A checked copy of an open database at ``path``, whole or not at all. Raises as ``take``."""
    temporary = temporary_beside(path)
    try:
        source = connect(database)
        try:
            # The backup goes on over a page that fails its authentication, and puts an empty one in its place.
            _refuse(source, unauthentic(source))
            target = connect(temporary)
            try:
                source.backup(target)
                target.execute("PRAGMA journal_mode = DELETE").fetchall()
            finally:
                target.close()
        finally:
            source.close()
        finish(temporary, path, connect)
    except BaseException:
        _remove(temporary)
        raise


def finish(temporary: Path, path: Path, connect: Connect) -> None:
    """Check a database, put it on the disk and give it its name."""
    check(temporary, connect)
    sync_file(temporary)
    os.replace(temporary, path)
    sync_folder(path.parent)


def check(path: Path, connect: Connect) -> None:
    """Raises the driver's ``DatabaseError`` when it is not sound."""
    connection = connect(path)
    try:
        _refuse(connection, flaws(connection))
    finally:
        connection.close()


def _refuse(connection: Any, problems: Sequence[str]) -> None:
    if problems:
        raise connection.DatabaseError(f"malformed: {problems[0]}")


def duplicate(path: Path, to: Path) -> None:
    """The same bytes for a file that nobody has open. Raises ``OSError``."""
    shutil.copyfile(path, to)
    os.chmod(to, 0o600)


def flaws(connection: Any) -> list[str]:
    """What is wrong with a database: every page's authentication, then its structure. Empty when it is sound."""
    found = unauthentic(connection)
    if not found:
        try:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check").fetchall()]
        except connection.DatabaseError as problem:
            found = [str(problem)]
    return [text for text in found if text != "ok"]


def unauthentic(connection: Any) -> list[str]:
    """The pages of the file that are not what this key wrote."""
    return [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check").fetchall()]


def superseded(snapshots: Sequence[Snapshot], keep: int) -> list[Snapshot]:
    """Those that go, so that ``keep`` stay: half of them the newest, the rest the last of earlier days."""
    newest = list(snapshots[: keep - keep // 2])
    days: dict[int, Snapshot] = {}
    for one in snapshots[len(newest) :]:
        days.setdefault(int(one.taken // DAY), one)
    daily = sorted(days.values(), key=lambda one: one.taken, reverse=True)[: keep // 2]
    return [one for one in snapshots if one not in newest and one not in daily]


@contextlib.contextmanager
def without_chats(folder: Path, connect: Connect, chats: Sequence[str]) -> Iterator[None]:
    """Take chats out of every snapshot; one from which they cannot be taken goes. No snapshot is taken until this is
    left, so that the chats can be deleted from the history meanwhile.

    Raises:
        HistoryInUse: another process has been writing snapshots for too long.
        HistoryLocked: the key is gone; the snapshots that were not looked at yet stay as they are.
        OSError: nothing can be written here.
    """
    place = folder / FOLDER
    make_folder(place)
    with locked(place / LOCK, DELETING_WAIT) as held:
        if not held:
            raise HistoryInUse("Another edgemind is writing a snapshot, and does not end.", "Try again later.")
        for left in interrupted(place):
            remove(left)
        for one in listed(folder):
            try:
                if gone := _held(one.path, connect, chats):
                    _rewrite(one.path, connect, gone)
            except HistoryLocked:
                raise
            except Exception:
                with contextlib.suppress(OSError):
                    one.path.unlink()
        yield


def _held(path: Path, connect: Connect, chats: Sequence[str]) -> list[str]:
    connection = connect(path)
    try:
        return [chat for chat in chats if connection.execute("SELECT 1 FROM chats WHERE id = ?", (chat,)).fetchone()]
    finally:
        connection.close()


def _rewrite(path: Path, connect: Connect, gone: Sequence[str]) -> None:
    from edgemind.chat.history import History

    temporary = temporary_beside(path)
    try:
        duplicate(path, temporary)
        history = History(lambda: connect(temporary))
        try:
            for chat in gone:
                history.delete_chat(chat)
        finally:
            history.close()
        _plain_journal(temporary, connect)
        finish(temporary, path, connect)
    finally:
        _remove(temporary)


def _plain_journal(path: Path, connect: Connect) -> None:
    connection = connect(path)
    try:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        connection.close()


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            os.unlink(f"{path}{end}")
