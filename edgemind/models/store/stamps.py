"""Stamps: size and time of a file when it was last hashed, so that a load can see at once whether it was changed.

A stamp is a small file in the user's own store, for blobs of shared stores too. It guards against accidents (a copy
that was cut, an editor, a disk's repair), not against someone who sets the time back: ``verify`` does.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgemind.models.store.files import Folder

STAMPS = "stamps"
MOST_BYTES = 4096

State = Literal["sound", "changed", "unknown", "damaged"]
"""Of a file against its stamp: the same, another size or time, no stamp, or found damaged by its hash."""


@dataclass(frozen=True)
class Stamp:
    """What was seen. ``size`` in bytes, ``mtime`` in nanoseconds."""

    size: int
    mtime: int
    sound: bool = True
    """Whether the hash was right."""
    hashed: bool = True
    """``False`` for a file of a shared store that was only looked at so far."""


class Stamps:
    """The stamps of one user. ``make`` is called before the first is written, to have the folder."""

    def __init__(self, root: Path, make: Callable[[], None]) -> None:
        self.root = root
        self._make = make

    def read(self, key: str) -> Stamp | None:
        """``None`` when there is none, or none that can be read: then the file is hashed again."""
        try:
            with Folder.at(self.root) as root, root.child(STAMPS) as folder:
                value = json.loads(folder.read(f"{key}.json", MOST_BYTES))
            numbers = [value[name] for name in ("size", "mtime")]
            flags = [value[name] for name in ("sound", "hashed")]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        if not all(type(number) is int for number in numbers) or not all(type(flag) is bool for flag in flags):
            return None
        return Stamp(numbers[0], numbers[1], flags[0], flags[1])

    def write(self, key: str, stamp: Stamp) -> None:
        """Raises ``OSError`` or what ``make`` raises."""
        self._make()
        value = {"size": stamp.size, "mtime": stamp.mtime, "sound": stamp.sound, "hashed": stamp.hashed}
        with Folder.at(self.root) as root, root.child(STAMPS) as folder:
            folder.write(f"{key}.json", json.dumps(value).encode())

    def note(self, key: str, status: os.stat_result, *, sound: bool = True, hashed: bool = True) -> None:
        """Stamp a file, unless that is what its stamp says already. Raises as ``write``."""
        stamp = Stamp(status.st_size, status.st_mtime_ns, sound, hashed)
        if self.read(key) != stamp:
            self.write(key, stamp)

    def can_be_kept(self) -> bool:
        """Whether a stamp could be written: not on a read-only disk, nor in the store of somebody else."""
        place = self.root / STAMPS
        while not place.exists() and place != place.parent:
            place = place.parent
        return os.access(place, os.W_OK)

    def forget(self, key: str) -> None:
        """Raises ``OSError``."""
        with Folder.at(self.root) as root, root.child(STAMPS) as folder:
            folder.remove(f"{key}.json")

    def state(self, key: str, status: os.stat_result) -> State:
        """What the stamp says of a file that looks like this now."""
        stamp = self.read(key)
        if stamp is None:
            return "unknown"
        if (stamp.size, stamp.mtime) != (status.st_size, status.st_mtime_ns):
            return "changed"
        return "sound" if stamp.sound else "damaged"


def blob_key(sha256: str) -> str:
    """Of a blob in the user's own store."""
    return f"sha256-{sha256}"


def path_key(path: Path) -> str:
    """Of a file in a shared store."""
    return f"path-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}"
