"""Which files below a folder fit what was typed after ``@``: a bounded walk, kept for a while, and a search in it.

Everything here blocks and belongs in a thread. Links to folders are not followed, so there are no loops; hidden names,
what version control ignores by plain name, and files that cannot be text are left out.
Not for: reading files (``chat.attachments``), showing candidates (``completion``).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_JUNK = """
__pycache__ node_modules bower_components venv env site-packages target build dist out vendor
htmlcov coverage logs tmp
"""
JUNK = frozenset(_JUNK.split())
"""Folders that hold what programs made."""

_NOT_TEXT = """
.7z .a .avi .bin .bmp .bz2 .class .dll .dmg .dylib .exe .flac .gguf .gif .gz .ico .iso .jar .jpeg .jpg .lib .m4a
.mkv .mov .mp3 .mp4 .npy .npz .o .obj .ogg .onnx .otf .parquet .pickle .pkl .png .pt .pth .pyc .pyo .rar .safetensors
.so .sqlite .tar .tgz .tif .tiff .ttf .wasm .wav .webm .webp .whl .woff .woff2 .xz .zip .zst
"""
NOT_TEXT = frozenset(_NOT_TEXT.split())

ENTRIES = 150_000
"""Names that one walk looks at."""
SECONDS = 2.0
"""The longest that one walk takes."""
FRESH = 20.0
"""Seconds after which the walk is made again."""
LISTED = 3.0
"""Likewise for the one folder that is being typed."""
DIRECT = 150_000
"""Names of one folder that are looked at when it is listed by itself."""


@dataclass(frozen=True)
class FileMatch:
    """One candidate. ``typed`` is how it is written after ``@``: relative to the folder where it lies below it."""

    path: Path
    typed: str
    folder: bool


class FileIndex:
    """The files below one folder. Safe from any thread; calls from several wait for one another's walk.

    Args:
        folder: where relative paths begin.
        any_file: also those that cannot be text.
    """

    def __init__(self, folder: Path, *, any_file: bool = False) -> None:
        self.folder = folder
        self._any_file = any_file
        self.partial = False
        """The walk stopped at its bounds: there are more files than were seen."""
        self._lock = threading.Lock()
        self._names = ""
        self._lowered = ""
        self._listed: tuple[str, float, list[tuple[str, bool]]] = ("", 0.0, [])
        self._walked = -FRESH * 2

    def beside(self, typed: str, limit: int = 50) -> list[FileMatch]:
        """What lies in the one folder that ``typed`` leads to and begins like its last part. Needs no walk."""
        head, tail = _split(typed)
        base = Path(os.path.expanduser(head)) if head.startswith("~") else self.folder / head
        wanted, hidden = tail.lower(), tail.startswith(".")
        found = [
            (name, is_folder)
            for name, is_folder in self._names_in(str(base))
            if name.lower().startswith(wanted) and _shown(name, hidden=hidden)
        ]
        found.sort(key=lambda pair: (not pair[1] if head else pair[1], pair[0].lower()))
        return [FileMatch(base / name, f"{head}{name}", is_folder) for name, is_folder in found[:limit]]

    def _names_in(self, folder: str) -> list[tuple[str, bool]]:
        """Names and whether each is a folder; listed again only after a while, for whoever types on."""
        listed, at, names = self._listed
        if listed != folder or time.monotonic() - at > LISTED:
            names = []
            for entry in _entries(folder, DIRECT):
                is_folder = _is_folder(entry, links=True)
                if is_folder or ((self._any_file or _may_be_text(entry.name)) and _is_file(entry)):
                    names.append((entry.name, is_folder))
            self._listed = (folder, time.monotonic(), names)
        return names

    def below(self, typed: str, limit: int = 50) -> list[FileMatch]:
        """Files anywhere below whose path holds ``typed``; the best first: those whose name begins with it."""
        wanted = typed.removeprefix("./").lower()
        if not wanted or typed.startswith(("~", "/", "..")):
            return []
        with self._lock:
            if time.monotonic() - self._walked > FRESH:
                self._walk()
                self._walked = time.monotonic()
            names, lowered = self._names, self._lowered
        found: dict[str, None] = {}
        for needle in (f"\n{wanted}", f"/{wanted}", wanted):
            found.update(dict.fromkeys(_lines_with(names, lowered, needle, limit * 8)))
        if len(found) < 5 and len(names) < 1_000_000:
            found.update(dict.fromkeys(_scattered(names, lowered, wanted, limit)))
        best = sorted(found, key=lambda name: _rank(name, wanted))[:limit]
        return [FileMatch(self.folder / name, name, False) for name in best]

    def forget(self) -> None:
        """Walk again at the next question."""
        with self._lock:
            self._names = self._lowered = ""
            self._walked = -FRESH * 2

    def _walk(self) -> None:
        names: list[str] = []
        seen = 0
        until = time.monotonic() + SECONDS
        skipped = JUNK | _ignored_here(self.folder)
        waiting = deque([""])
        while waiting and seen < ENTRIES and time.monotonic() < until:
            below = waiting.popleft()
            folders: list[str] = []
            for entry in _entries(os.path.join(self.folder, below), ENTRIES - seen):
                seen += 1
                name = entry.name
                if not _shown(name, hidden=False) or name in skipped or not name.isprintable():
                    continue
                if _is_folder(entry, links=False):
                    folders.append(f"{below}{name}/")
                elif _may_be_text(name) and _is_file(entry):
                    names.append(f"{below}{name}")
                if not seen % 4096 and time.monotonic() > until:
                    break
            waiting.extend(sorted(folders))
        self.partial = bool(waiting) or seen >= ENTRIES
        self._names = "\n" + "\n".join(names) + "\n"
        lowered = self._names.lower()
        self._lowered = lowered if len(lowered) == len(self._names) else _ascii_lower(self._names)


def _split(typed: str) -> tuple[str, str]:
    """Folder part with its slash, and the rest; ``~`` and ``..`` alone are folders."""
    if typed in ("~", "..", "."):
        return f"{typed}/", ""
    head, slash, tail = typed.rpartition("/")
    return f"{head}{slash}", tail


def _entries(folder: str, limit: int) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(max(0, limit)), entries, strict=False):
                yield entry
    except (OSError, ValueError):
        return


def _shown(name: str, *, hidden: bool) -> bool:
    return hidden or not name.startswith(".")


def _may_be_text(name: str) -> bool:
    return os.path.splitext(name)[1].lower() not in NOT_TEXT and not name.endswith("~")


def _is_folder(entry: os.DirEntry[str], *, links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=links)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """A plain file or a link to one: no device, no pipe."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _ignored_here(folder: Path) -> frozenset[str]:
    """The plain names of the folder's ``.gitignore``; patterns are not understood, and hide nothing."""
    try:
        with open(folder / ".gitignore", encoding="utf-8", errors="replace") as file:
            lines = file.read(65_536).splitlines()
    except OSError:
        return frozenset()
    names = (line.strip().strip("/") for line in lines)
    return frozenset(name for name in names if name and not set(name) & set("*?[]!#/\\"))


def _ascii_lower(text: str) -> str:
    return text.translate({code: code + 32 for code in range(ord("A"), ord("Z") + 1)})


def _lines_with(names: str, lowered: str, needle: str, limit: int) -> Iterator[str]:
    """The lines of ``names`` in which ``needle`` stands, each once."""
    at = lowered.find(needle)
    while at >= 0 and limit:
        inside = at + needle.startswith("\n")
        begin, end = names.rfind("\n", 0, inside) + 1, names.find("\n", inside)
        yield names[begin:end]
        limit -= 1
        at = lowered.find(needle, end)


def _scattered(names: str, lowered: str, wanted: str, limit: int) -> Iterator[str]:
    """Lines that hold the characters in this order, with others between them."""
    begin = 1
    while begin < len(names) and limit:
        end = names.find("\n", begin)
        at = begin
        for character in wanted:
            at = lowered.find(character, at, end) + 1
            if not at:
                break
        else:
            yield names[begin:end]
            limit -= 1
        begin = end + 1


def _rank(name: str, wanted: str) -> tuple[int, int, int, str]:
    lowered = name.lower()
    own = lowered.rpartition("/")[2]
    if own.startswith(wanted) or lowered.startswith(wanted):
        place = 0
    elif wanted in own:
        place = 1
    else:
        place = 2 if wanted in lowered else 3
    return place, name.count("/"), len(name), name
