"""Which processes have this history open, known by files that the kernel locks: one that dies is no longer there.

Several may have it open at once; what needs it alone (recovery, restoring) asks here first, and ``edgemind history
lock`` finds here whom to tell. Not for: writing at the same time, which SQLite's own locks order.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from edgemind.chat.private_files import make_folder
from edgemind.locking import Held, hold

FOLDER = "running"
_NAME = re.compile(r"(?P<pid>[1-9][0-9]{0,9})-(?P<kind>app|command)-[0-9a-f]{8}")


@dataclass(frozen=True)
class Running:
    """A process that has the history open. ``app``: it locks itself when it gets SIGUSR1."""

    pid: int
    app: bool


def register(folder: Path, app: bool) -> Held:
    """Be seen until ``let_go(remove=True)``. Raises ``OSError`` where nothing can be written."""
    place = folder / FOLDER
    make_folder(place)
    while True:
        name = f"{os.getpid()}-{'app' if app else 'command'}-{uuid.uuid4().hex[:8]}"
        if (held := hold(place / name)) is not None:
            return held


def running(folder: Path, but: Held | None = None) -> list[Running]:
    """Who has it open, without the one whose registration is ``but``. Files of processes that died are taken away."""
    found = []
    try:
        names = sorted(os.listdir(folder / FOLDER))
    except OSError:
        return []
    for name in names:
        known = _NAME.fullmatch(name)
        if known is None or (but is not None and name == but.path.name):
            continue
        try:
            held = hold(folder / FOLDER / name)
        except OSError:
            continue
        if held is not None:
            held.let_go(remove=True)
        else:
            found.append(Running(int(known["pid"]), known["kind"] == "app"))
    return found


@dataclass(frozen=True)
class Told:
    """What became of asking the chat apps to lock."""

    locked: int
    deaf: tuple[int, ...]
    """Processes that still have it open."""


def lock_all(folder: Path, wait: float = 5.0) -> Told:
    """Tell every chat app that has this history open to lock, and wait until they have. Raises nothing."""
    apps = {one.pid for one in running(folder) if one.app}
    number = getattr(signal, "SIGUSR1", None)
    if number is not None:
        for pid in apps:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
    until = time.monotonic() + (wait if number is not None else 0)
    while left := apps & {one.pid for one in running(folder) if one.app}:
        if time.monotonic() >= until:
            break
        time.sleep(0.05)
    return Told(len(apps - left), tuple(sorted(left)))
