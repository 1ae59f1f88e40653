"""When the database is damaged: it is set aside, never deleted; what can be read of it and the newest good snapshot
become a new one.

Every page is authenticated, so what can be read is what was written. Chat by chat the damaged database is asked first,
which is newer, and the snapshot for what is missing there.
Not for: a lost key (nothing helps), taking snapshots (``snapshots``).
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.chat import running, snapshots
from edgemind.chat.private_files import make_folder, sync_file, sync_folder, temporary_beside
from edgemind.chat.problems import HistoryInUse
from edgemind.chat.salvage import Damaged, Salvaged, fill
from edgemind.chat.vault import DATABASE, translated

if TYPE_CHECKING:
    from edgemind.chat.open_vault import OpenVault

ASIDE = "set-aside"
PARTS = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Recovery:
    """What was done, to be said plainly."""

    aside: Path | None
    """The folder with the damaged files; ``None`` when there was none left."""
    snapshot: float | None
    """When the snapshot that helped was taken; ``None`` when there was no good one."""
    salvaged: Salvaged

    @property
    def sentence(self) -> str:
        found = self.salvaged
        lines = [f"The history was damaged and has been mended: {_count(found.chats, 'chat')} are here again."]
        if self.snapshot is not None and (found.from_snapshot or found.chats_from_snapshot):
            when = datetime.fromtimestamp(self.snapshot).strftime("%Y-%m-%d %H:%M")
            lines.append(f"What could not be read came from the snapshot of {when}.")
        if found.lost:
            lines.append(f"{_count(found.lost, 'message')} could not be read and are missing.")
        if found.incomplete:
            lines.append("Newer chats may be missing.")
        if self.aside is not None:
            lines.append(f"The damaged files are kept in {self.aside}.")
        return " ".join(lines)


def recover(vault: OpenVault) -> Recovery:
    """Mend the database of an unlocked vault. No connection to it may be open in this process.

    Raises:
        HistoryInUse: another process has it open.
        HistoryNotSaving: nothing can be written here; nothing was changed.
    """
    folder = vault.vault.folder
    with vault.vault.changing():
        in_use(vault)
        return _recovered(vault, folder)


def in_use(vault: OpenVault) -> None:
    """Raises ``HistoryInUse`` when another process has it open."""
    if not vault.alone():
        pids = ", ".join(str(one.pid) for one in running.running(vault.vault.folder, vault.registration))
        raise HistoryInUse(
            f"The history has to be mended, and another edgemind has it open (process {pids}).",
            "Close that one, and start edgemind again.",
        )


def _recovered(vault: OpenVault, folder: Path) -> Recovery:
    from edgemind.chat.history import History

    database = vault.vault.database
    good, snapshot = _newest_good(vault, folder)
    fresh = temporary_beside(database)
    try:
        target = History(lambda: vault.connect_to(fresh))
        try:
            with contextlib.ExitStack() as stack:
                source = None
                if good is not None:
                    copy = good
                    source = History(lambda: vault.connect_to(copy))
                    stack.callback(source.close)
                salvaged = fill(target, Damaged(vault.connect_for_reading), source)
        finally:
            target.close()
        with translated():
            settle(vault, fresh)
            snapshots.check(fresh, vault.connect_to)
        sync_file(fresh)
        aside = set_aside(folder, "damaged")
        os.replace(fresh, database)
        sync_folder(folder)
    finally:
        for path in (fresh, *([good] if good else [])):
            for end in PARTS:
                with contextlib.suppress(OSError):
                    os.unlink(f"{path}{end}")
    return Recovery(aside, snapshot, salvaged)


def _newest_good(vault: OpenVault, folder: Path) -> tuple[Path | None, float | None]:
    """A copy, to be removed, of the newest snapshot that is sound, and when that was taken."""
    for one in snapshots.listed(folder):
        temporary = temporary_beside(vault.vault.database)
        try:
            snapshots.duplicate(one.path, temporary)
            snapshots.check(temporary, vault.connect_to)
        except Exception:
            for end in PARTS:
                with contextlib.suppress(OSError):
                    os.unlink(f"{temporary}{end}")
            continue
        return temporary, one.taken
    return None, None


def settle(vault: OpenVault, path: Path) -> None:
    """Bring everything of a closed database into its one file."""
    connection = vault.connect_to(path)
    try:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        connection.close()


def set_aside(folder: Path, why: str) -> Path | None:
    """Move the database with what belongs to it into a folder of its own; nothing is deleted. Raises ``OSError``."""
    parts = [f"{DATABASE}{end}" for end in PARTS if os.path.lexists(folder / f"{DATABASE}{end}")]
    if not parts:
        return None
    aside = new_aside(folder, why)
    for name in parts:
        os.replace(folder / name, aside / name)
    sync_folder(aside)
    sync_folder(folder)
    return aside


def new_aside(folder: Path, why: str) -> Path:
    """An empty folder for what is set aside now."""
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{why}"
    aside, number = folder / ASIDE / name, 1
    while aside.exists():
        number += 1
        aside = folder / ASIDE / f"{name}-{number}"
    make_folder(aside)
    return aside


def _count(number: int, one: str) -> str:
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
