"""Parts of a long text that seem to matter for a question, by full-text relevance (SQLite FTS5, BM25), with places.

The index lives in memory and goes with the call. Not for: searching the history (``chat.search``).
"""

from __future__ import annotations

import bisect
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from edgemind.chat.attachments.types import Attachment, Passage

CHUNK = 900
"""Characters of a chunk, about 200 tokens: large enough to be understood alone, small enough to choose among."""

SMALLEST = 48
"""Tokens of room below which no more passages are looked for."""

MISSES = 16
"""Passages one after the other that are too long for the room that is left; then no smaller one is looked for."""

MOST_WORDS = 256
"""Of a question: a long message is asked with its first and its last ones."""

LONGEST_LINE = 1200
"""A line beyond this is cut into pieces at spaces."""

_WORD = re.compile(r"\w+")
COMMON = frozenset(
    _WORD.findall(
        "a an and are as at be by can do does for from has have how i in is it its me my of on or our please tell that "
        "the their this to was we were what when where which who why will with you your about der die das und ist ein "
        "eine le la les des est un une et que qui"
    )
)
"""Words that say nothing about what a question is about."""


@dataclass(frozen=True)
class Chunk:
    """A piece of one attachment: whole lines where they are not too long."""

    file: int
    """Index of the attachment."""
    text: str
    lines: tuple[int, int]
    pages: tuple[int, int] | None


def choose(
    attachments: Sequence[Attachment], question: str, room: int, count: Callable[[str], int]
) -> list[tuple[int, Passage]]:
    """The best passages that fit, each with the index of its attachment, in the order of the text; neighbours are
    joined. Empty when no word of the question is found.

    Args:
        room: tokens for all of them together.
        count: tokens of a text.
    """
    pieces = [chunk for index, attachment in enumerate(attachments) for chunk in chunks(index, attachment)]
    headings = [count(_heading(attachment.name)) for attachment in attachments]
    taken: dict[int, float] = {}
    misses = 0
    for number, score in ranked(pieces, question):
        if room < SMALLEST or misses == MISSES:
            break
        cost = count(pieces[number].text) + headings[pieces[number].file]
        if cost > room:
            misses += 1
            continue
        misses = 0
        room -= cost
        taken[number] = score
    return _joined(attachments, pieces, taken)


def ranked(pieces: Sequence[Chunk], question: str) -> list[tuple[int, float]]:
    """``(number, BM25)`` of the chunks that have a word of the question, best first."""
    words = dict.fromkeys(word.casefold() for word in _WORD.findall(question))
    wanted = [word for word in words if word not in COMMON] or list(words)
    if len(wanted) > MOST_WORDS:
        wanted = wanted[: MOST_WORDS // 2] + wanted[-MOST_WORDS // 2 :]
    if not wanted:
        return []
    index = sqlite3.connect(":memory:")
    try:
        index.execute("CREATE VIRTUAL TABLE chunks USING fts5(text, tokenize = 'porter unicode61 remove_diacritics 2')")
        index.executemany("INSERT INTO chunks (rowid, text) VALUES (?, ?)", enumerate(piece.text for piece in pieces))
        query = " OR ".join(f'"{word}"' for word in wanted)
        found = index.execute("SELECT rowid, -bm25(chunks) FROM chunks WHERE chunks MATCH ? ORDER BY 2 DESC", (query,))
        return [(int(number), float(score)) for number, score in found]
    finally:
        index.close()


def chunks(file: int, attachment: Attachment) -> list[Chunk]:
    """The text in pieces of about ``CHUNK`` characters; a blank line ends one that is half full."""
    found: list[Chunk] = []
    held: list[str] = []
    first = 1
    pages = list(accumulate((page.count("\n") for page in attachment.text.split("\f")), initial=1))
    paged = attachment.info.pages is not None

    def flush(last: int) -> None:
        nonlocal first
        text = "\n".join(held).replace("\f", "\n").strip("\n")
        if text.strip():
            span = (_page(pages, first), _page(pages, last)) if paged else None
            found.append(Chunk(file, text, (first, last), span))
        held.clear()
        first = last + 1

    size = 0
    number = 0
    for number, line in enumerate(attachment.text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            if held:
                flush(number - 1)
            for piece in _pieces(line):
                first = number
                held.append(piece)
                flush(number)
            size = 0
            continue
        held.append(line)
        size += len(line) + 1
        if size >= CHUNK or (size >= CHUNK // 2 and not line.strip()):
            flush(number)
            size = 0
    if held:
        flush(number)
    return found


def given(passages: Sequence[Passage]) -> str:
    """What the model reads of one attachment: its passages, each under its place."""
    return "\n\n".join(f"{_heading(passage.source)}\n{passage.text}" for passage in passages)


def _heading(source: str) -> str:
    return f"[{source}]"


def _page(starts: Sequence[int], line: int) -> int:
    """The page on which a line begins. ``starts`` are the lines of the pages' beginnings."""
    return max(1, bisect.bisect_right(starts[:-1], line))


def _pieces(line: str) -> list[str]:
    found = []
    start = 0
    while len(line) - start > CHUNK:
        cut = line.rfind(" ", start + CHUNK // 2, start + CHUNK) + 1 or start + CHUNK
        found.append(line[start:cut])
        start = cut
    return [*found, line[start:]]


def _joined(
    attachments: Sequence[Attachment], pieces: Sequence[Chunk], taken: dict[int, float]
) -> list[tuple[int, Passage]]:
    found: list[tuple[int, Passage]] = []
    before = -2
    for number in sorted(taken):
        chunk, score = pieces[number], taken[number]
        name = attachments[chunk.file].name
        if found and before == number - 1 and pieces[before].file == chunk.file:
            last = found[-1][1]
            pages = (last.pages[0], chunk.pages[1]) if last.pages and chunk.pages else None
            same_line = last.lines[1] == chunk.lines[0]
            text = last.text + ("" if same_line else "\n") + chunk.text
            lines = (last.lines[0], chunk.lines[1])
            best = max(last.score, score)
            found[-1] = (chunk.file, Passage(name=name, text=text, lines=lines, pages=pages, score=best))
        else:
            passage = Passage(name=name, text=chunk.text, lines=chunk.lines, pages=chunk.pages, score=score)
            found.append((chunk.file, passage))
        before = number
    return found
