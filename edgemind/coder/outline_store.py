"""Outlines kept between runs, in the cache folder, for the user alone: names, and the first lines of
definitions.

One small database for each folder that was looked at; those used least recently go. Whatever is wrong with one costs
nothing but reading the files again.
Not for: making outlines (``parsers``), the outlines of this process (``repo_map``).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from edgemind.coder.symbols import Definition, Outline
from edgemind.models.store.files import make_root
from edgemind.settings import paths

FORMAT = 1
"""Changes with what an outline is or how it is made; other grammars make others too (``_made_by``)."""

MOST_FOLDERS = 8
MOST_BYTES = 128 << 20
"""Of one database; one that is larger is begun anew."""

Key: TypeAlias = "tuple[str, int, int]"
"""Path, size in bytes, time of change in nanoseconds."""


def folder() -> Path:
    return paths().cache / "outlines"


def load(root: Path, keys: Iterable[Key]) -> dict[str, Outline]:
    """What is known of these files, by path; ``{}`` when nothing can be read."""
    found: dict[str, Outline] = {}
    file = _file(root)
    if not file.exists():
        return found
    with _forgiving(file), contextlib.closing(_open(file)) as database:
        for path, size, mtime_ns in keys:
            row = database.execute(
                "SELECT outline FROM outline WHERE path = ? AND state = ?", _row(path, size, mtime_ns)
            )
            for (text,) in row:
                found[path] = _decoded(text)
    return found


def save(root: Path, outlines: Mapping[Key, Outline]) -> None:
    """Keep these too. What cannot be written is not kept."""
    file = _file(root)
    with _forgiving(file):
        make_root(file.parent)
        if file.exists() and file.stat().st_size > MOST_BYTES:
            file.unlink()
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(_open(file)) as database, database:
            rows = ((*_row(*key), _encoded(outline)) for key, outline in outlines.items())
            database.executemany("INSERT OR REPLACE INTO outline VALUES (?, ?, ?)", rows)
        os.utime(file)
        others = sorted(file.parent.glob("*.db"), key=lambda other: -other.stat().st_mtime)
        for other in others[MOST_FOLDERS:]:
            other.unlink()


def _file(root: Path) -> Path:
    return folder() / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.db"


def _open(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=1.0)
    database.execute("PRAGMA synchronous = OFF")
    if database.execute("PRAGMA user_version").fetchone()[0] != _made_by():
        database.execute("DROP TABLE IF EXISTS outline")
        database.execute("CREATE TABLE outline (path BLOB PRIMARY KEY, state TEXT, outline TEXT) WITHOUT ROWID")
        database.execute(f"PRAGMA user_version = {_made_by()}")
    return database


@functools.cache
def _made_by() -> int:
    """A number for this format and the installed grammars, as SQLite keeps one: 31 bits, not 0."""
    grammars = f"{FORMAT} {metadata.version('tree-sitter-language-pack')}"
    return zlib.crc32(grammars.encode()) >> 1 or 1


@contextlib.contextmanager
def _forgiving(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as problem:
        if not isinstance(problem, sqlite3.OperationalError):  # damaged, not only in use
            with contextlib.suppress(OSError):
                file.unlink()
    except OSError:
        pass


def _row(path: str, size: int, mtime_ns: int) -> tuple[bytes, str]:
    return os.fsencode(path), f"{size}.{mtime_ns}"


def _encoded(outline: Outline) -> str:
    definitions = [(one.name, one.first, one.last, one.signature, one.level) for one in outline.definitions]
    words = [outline.language, definitions, outline.references, sorted(outline.imports), outline.problem]
    return json.dumps(words, separators=(",", ":"))


def _decoded(text: str) -> Outline:
    language, definitions, references, imports, problem = json.loads(text)
    return Outline(
        str(language),
        tuple(
            Definition(sys.intern(name), int(first), int(last), str(signature), int(level))
            for name, first, last, signature, level in definitions
        ),
        {sys.intern(name): int(count) for name, count in references.items()},
        frozenset(map(sys.intern, imports)),
        str(problem),
    )
