"""Full-text search over the working tree: the passages that say most of the words of a task, by BM25.

Files are first passed over for the words as bytes; only those that hold one are cut into passages and put into an FTS5
index in memory, which lives as long as the question. Identifiers are found by their parts too.
Not for: definitions and who uses them (``repo_map``), chats (``chat.search``).
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.coder.file_text import FileText, visible
from edgemind.coder.problems import UnreadableText
from edgemind.coder.ranking import parts_of, words_of
from edgemind.coder.watching import Watch, unwatched
from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgemind.coder.listing import Listing
    from edgemind.coder.workspace import Workspace

PASSAGE = 24
"""Lines of a passage; the next one begins half way through it."""

MOST_BYTES = 1 << 20
"""Of one file."""

MOST_FILES = 200
MOST_TEXT = 4 << 20
"""Files that are indexed, and characters of all of them: those with most and with the rarest of the words."""

MOST_SECONDS = 15.0
"""For passing over the files."""

MOST_WORDS = 24
"""Of a question."""

LONGEST_LINE = 500
"""Characters of a line that are searched and shown; a minified line has no passages worth showing."""

MOST_OF_A_FILE = 3
"""Passages of one file among the results."""


@dataclass(frozen=True)
class Hit:
    """A passage; lines count from 1, both inclusive."""

    path: str
    first: int
    last: int
    excerpt: str
    score: float
    """Higher is better."""


@dataclass(frozen=True)
class Mentions:
    """Which files hold which words of a question."""

    words: tuple[str, ...]
    worth: dict[str, float]
    """By path: how much the words in the file and in its path say, rare ones more."""
    unread: int
    """Files that were not reached in time."""


def mentions(
    workspace: Workspace,
    listing: Listing,
    question: str,
    *,
    most_seconds: float = MOST_SECONDS,
    watch: Watch = unwatched,
) -> Mentions:
    """Pass over all files for the words of a question, as bytes."""
    words = sorted(words_of(question), key=lambda word: (-len(word), word))[:MOST_WORDS]
    if not words:
        return Mentions((), {}, 0)
    end = time.monotonic() + most_seconds
    needles = [word.encode() for word in words]
    held: dict[str, list[int]] = {}
    unread = 0
    for number, file in enumerate(listing.files):
        if time.monotonic() > end:
            unread = len(listing.files) - number
            break
        watch("searching", number, len(listing.files))
        if file.size > MOST_BYTES:
            continue
        data = _data(workspace, file.path).lower()
        low = file.path.lower()
        in_path = words_of(file.path) if any(word in low for word in words) else frozenset()
        in_file = [at for at, needle in enumerate(needles) if needle in data or words[at] in in_path]
        if in_file:
            held[file.path] = in_file + [at for at in in_file if words[at] in in_path]
    files_with = Counter(at for in_file in held.values() for at in set(in_file))
    rare = {at: math.log(1 + len(listing.files) / count) for at, count in files_with.items()}
    worth = {path: sum(rare[at] for at in in_file) for path, in_file in held.items()}
    return Mentions(tuple(words), worth, unread)


def search(workspace: Workspace, found: Mentions, limit: int = 10, *, exclude: Sequence[str] = ()) -> list[Hit]:
    """The passages that fit a question best, the best first; passages of one file do not overlap.

    Args:
        exclude: paths of which no passage is wanted.
    """
    if not found.worth:
        return []
    texts = _candidates(workspace, found, frozenset(exclude))
    index = sqlite3.connect(":memory:")
    try:
        index.execute(
            "CREATE VIRTUAL TABLE passage USING fts5"
            "(path, body, file UNINDEXED, first UNINDEXED, tokenize='porter unicode61')"
        )
        index.executemany("INSERT INTO passage VALUES (?, ?, ?, ?)", _rows(texts))
        asked = " OR ".join(f'"{word}"' for word in found.words)
        rows = index.execute(
            "SELECT file, first, -bm25(passage, 3.0, 1.0) FROM passage WHERE passage MATCH ?"
            " ORDER BY 3 DESC, file, first LIMIT ?",
            (asked, 20 * limit),
        ).fetchall()
    finally:
        index.close()
    return _apart(texts, rows, limit)


def _candidates(workspace: Workspace, found: Mentions, exclude: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """The lines of the files that say most."""
    order = sorted(found.worth.keys() - exclude, key=lambda path: (-found.worth[path], path))
    size = 0
    texts: dict[str, tuple[str, ...]] = {}
    for path in order[:MOST_FILES]:
        try:
            lines = FileText.read(_data(workspace, path)).lines
        except UnreadableText:
            continue
        size += sum(map(len, lines))
        if texts and size > MOST_TEXT:
            break
        texts[path] = tuple(visible(line[:LONGEST_LINE])[0] for line in lines)
    return texts


def _data(workspace: Workspace, path: str) -> bytes:
    """The bytes of a file; none when it cannot be read (it may be gone since it was listed)."""
    try:
        return workspace.read(path, MOST_BYTES)[0]
    except EdgemindError:
        return b""


def _rows(texts: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str, str, int]]:
    for path, lines in texts.items():
        names = " ".join(sorted(words_of(path)))
        for start in range(0, max(1, len(lines) - PASSAGE // 2), PASSAGE // 2):
            body = "\n".join(lines[start : start + PASSAGE])
            yield names, f"{body}\n{' '.join(parts_of(body))}", path, start + 1


def _apart(texts: dict[str, tuple[str, ...]], rows: Sequence[tuple[str, int, float]], limit: int) -> list[Hit]:
    hits: list[Hit] = []
    taken: dict[str, list[int]] = {}
    for path, first, score in rows:
        others = taken.setdefault(path, [])
        if len(others) == MOST_OF_A_FILE or any(abs(first - other) < PASSAGE for other in others):
            continue
        others.append(first)
        lines = texts[path][first - 1 : first - 1 + PASSAGE]
        hits.append(Hit(path, first, first - 1 + len(lines), "\n".join(lines), score))
        if len(hits) == limit:
            break
    return hits
