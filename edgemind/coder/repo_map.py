"""A map of the repository for the prompt: the definitions that matter most for a task, by file, within a budget.

Outlines are kept in memory by path, size and time of change, so a second map of the same process reads only what
changed. Nothing of the files' content is written anywhere.
Not for: finding definitions (``symbols``), ranking them (``ranking``), full text (``searching``).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.coder.file_text import visible
from edgemind.coder.languages import DATA, PROSE, language_of
from edgemind.coder.parsers import shared
from edgemind.coder.ranking import Ranked, ranked, words_of
from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.coder.listing import Listing
    from edgemind.coder.symbols import Outline
    from edgemind.coder.workspace import Workspace

MOST_BYTES = 512 << 10
"""Of one file; what people write is smaller."""

LONGEST_LINES = 400
"""Bytes a line on average from which a file counts as minified."""

MOST_SECONDS = 30.0
"""For looking at files; the map is made of those that were reached, and those that the task's words name come first."""

TEXTS = (".txt", ".csv", ".tsv", ".log", ".jsonl", ".ipynb", ".lock", ".patch", ".diff", ".po", ".adoc", ".org", ".out")
"""Endings of files without definitions, beside those that ``languages`` knows as prose and data."""

MOST_KEPT = 20_000
"""Outlines that are kept in memory."""

MOST_NAMES_KEPT = 4_000_000
"""Names in all of them together."""


@dataclass(frozen=True)
class MapLine:
    """One definition on the map."""

    path: str
    line: int
    text: str
    rank: float


@dataclass(frozen=True)
class RepoMap:
    """The rendered map, and what it cost."""

    text: str
    lines: tuple[MapLine, ...]
    """In the order of the text."""
    tokens: int
    files: int
    """Files that are on it."""
    files_seen: int
    """Files whose definitions were looked at."""
    definitions: int
    """Definitions found in all of them."""
    unread: tuple[tuple[str, str], ...] = ()
    """Files that could not be looked at, and why."""
    seconds: float = 0.0


def repo_map(
    workspace: Workspace,
    listing: Listing,
    task: str,
    budget_tokens: int,
    count: Callable[[str], int],
    *,
    named: Sequence[str] = (),
    exclude: Sequence[str] = (),
    most_seconds: float = MOST_SECONDS,
) -> RepoMap:
    """The map of a workspace.

    Args:
        task: its words pull the ranking towards what they name; may be empty.
        count: tokens of a text.
        named: paths that the user named; what they refer to ranks higher.
        exclude: paths that are shown in full elsewhere and so are not on the map.
        most_seconds: for looking at files.
    """
    started = time.monotonic()
    words = words_of(task)
    outlines, unread = _outlines(workspace, listing, words, named, started + most_seconds)
    order = _once(ranked(outlines, words, frozenset(named)), frozenset(exclude))
    best = _most_that_fit(order, budget_tokens, count)
    lines = tuple(MapLine(one.path, one.definition.first, one.definition.signature, one.rank) for one in best)
    text = render(best)
    return RepoMap(
        text,
        lines,
        count(text) if text else 0,
        len({line.path for line in lines}),
        len(outlines),
        sum(len(outline.definitions) for outline in outlines.values()),
        tuple(unread),
        time.monotonic() - started,
    )


def render(definitions: Sequence[Ranked]) -> str:
    """Files with their definitions below them, each with its line and indented by what it stands in."""
    lines = []
    path = ""
    for one in definitions:
        if one.path != path:
            path = one.path
            lines.append(f"{visible(path)[0]}:")
        lines.append(f"{one.definition.first:>5}|{'  ' * one.definition.level}{one.definition.signature}")
    return "\n".join(lines)


def _once(order: Sequence[Ranked], exclude: frozenset[str]) -> list[Ranked]:
    """Without excluded files, and what says the same as a better one: methods that many classes of a file have."""
    found: dict[tuple[str, str], Ranked] = {}
    for one in order:
        if one.path not in exclude:
            found.setdefault((one.path, one.definition.signature), one)
    return list(found.values())


def _most_that_fit(order: Sequence[Ranked], budget: int, count: Callable[[str], int]) -> list[Ranked]:
    """As many of the best as the budget holds, in the order of files (best first) and lines."""
    low, high = 0, min(len(order), max(0, budget) // 4)  # no line of a map has fewer than four tokens
    while low < high:
        middle = (low + high + 1) // 2
        if count(render(_by_file(order[:middle]))) <= budget:
            low = middle
        else:
            high = middle - 1
    return _by_file(order[:low])


def _by_file(best: Sequence[Ranked]) -> list[Ranked]:
    place: dict[str, int] = {}
    for one in best:
        place.setdefault(one.path, len(place))
    return sorted(best, key=lambda one: (place[one.path], one.definition.first, one.definition.level))


class _Kept:
    """Outlines by what identifies a file's content, the most recently used; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str, int, int], Outline] = OrderedDict()
        self._names = 0

    def get(self, key: tuple[str, str, int, int]) -> Outline | None:
        with self._lock:
            outline = self._found.get(key)
            if outline is not None:
                self._found.move_to_end(key)
            return outline

    def put(self, key: tuple[str, str, int, int], outline: Outline) -> None:
        with self._lock:
            if key in self._found:
                return
            self._found[key] = outline
            self._names += _size(outline)
            while len(self._found) > MOST_KEPT or self._names > MOST_NAMES_KEPT:
                _, old = self._found.popitem(last=False)
                self._names -= _size(old)


_kept = _Kept()


def _size(outline: Outline) -> int:
    return len(outline.definitions) + len(outline.references) + 1


def _outlines(
    workspace: Workspace, listing: Listing, words: frozenset[str], named: Sequence[str], end: float
) -> tuple[dict[str, Outline], list[tuple[str, str]]]:
    found: dict[str, Outline] = {}
    unread: list[tuple[str, str]] = []
    keys: dict[str, tuple[str, str, int, int]] = {}
    for file in listing.files:
        language = language_of(file.path)
        if language in PROSE | DATA or (language is None and file.path.lower().endswith(TEXTS)):
            continue
        key = (str(workspace.root), file.path, file.size, file.mtime_ns)
        kept = _kept.get(key)
        if kept is not None:
            found[file.path] = kept
        elif file.size > MOST_BYTES:
            unread.append((file.path, f"larger than {MOST_BYTES >> 10} KiB"))
        else:
            keys[file.path] = key

    def load(path: str) -> tuple[str | None, bytes] | None:
        if time.monotonic() > end:
            unread.append((path, "no time was left"))
            return None
        try:
            data, _ = workspace.read(path, MOST_BYTES)
        except EdgemindError as problem:
            unread.append((path, problem.message))
            return None
        if len(data) > 10_000 and len(data) > LONGEST_LINES * (data.count(b"\n") + 1):
            unread.append((path, "minified"))
            return None
        if b"\0" in data[:8192]:
            unread.append((path, "binary"))
            return None
        return language_of(path, data[:200].split(b"\n", 1)[0]), data

    order = sorted(keys, key=lambda path: (path not in named, -len(words_of(path) & words), path))
    for path, outline in shared().outlines(order, load):
        if outline is None:
            continue
        found[path] = outline
        _kept.put(keys[path], outline)
        if outline.problem:
            unread.append((path, outline.problem))
    return found, sorted(unread)
