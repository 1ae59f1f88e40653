"""A map of the repository for the prompt: the definitions that matter most for a task, by file, within a budget.

Outlines are kept by path, size and time of change, in memory and on the disk (``outline_store``), so a second map reads
only what changed. Of a large tree the files that say most of the task's words are ranked, and read first.
Not for: finding definitions (``symbols``), ranking them (``ranking``), full text (``searching``).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.coder import outline_store
from edgemind.coder.file_text import visible
from edgemind.coder.languages import DATA, PROSE, language_of
from edgemind.coder.parsers import shared
from edgemind.coder.ranking import Ranked, ranked, words_of
from edgemind.coder.searching import mentions
from edgemind.coder.watching import Watch, unwatched
from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.coder.listing import Listed, Listing
    from edgemind.coder.outline_store import Key
    from edgemind.coder.symbols import Outline
    from edgemind.coder.workspace import Workspace

MOST_BYTES = 512 << 10
"""Of one file; what people write is smaller."""

LONGEST_LINES = 400
"""Bytes a line on average from which a file counts as minified."""

MOST_SECONDS = 30.0
"""For looking at files; the map is made of those that were reached."""

MOST_RANKED = 2_000
"""Files whose definitions are ranked."""

SAVED_AT_ONCE = 500
"""Outlines that are written to the disk together."""

TEXTS = (".txt", ".csv", ".tsv", ".log", ".jsonl", ".ipynb", ".lock", ".patch", ".diff", ".po", ".adoc", ".org", ".out")
"""Endings of files without definitions, beside those that ``languages`` knows as prose and data."""

MOST_KEPT = 20_000
"""Outlines that are kept in memory."""

MOST_NAMES_KEPT = 4_000_000
"""Names in all of them together."""

_LATE = "no time was left"


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
    beyond: int = 0
    """Files with source code that were not looked at: there are too many, or no time was left."""
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
    worth: Mapping[str, float] | None = None,
    most_seconds: float = MOST_SECONDS,
    watch: Watch = unwatched,
) -> RepoMap:
    """The map of a workspace.

    Args:
        task: its words pull the ranking towards what they name; may be empty.
        count: tokens of a text.
        named: paths that the user named; what they refer to ranks higher.
        exclude: paths that are shown in full elsewhere and so are not on the map.
        worth: how much each file says of the task (``searching.mentions``); looked up when it is not given.
        most_seconds: for looking at files.
    """
    started = time.monotonic()
    words = words_of(task)
    sources = [file for file in listing.files if _is_source(file.path)]
    if words and worth is None:
        worth = mentions(workspace, listing, task, most_seconds=most_seconds / 2, watch=watch).worth
    chosen = _chosen(sources, words, named, worth or {})
    outlines, unread = _outlines(workspace, chosen, started + most_seconds, watch)
    order = _once(ranked(outlines, words, frozenset(named), worth), frozenset(exclude))
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
        len(sources) - len(chosen) + sum(reason == _LATE for _, reason in unread),
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


def _is_source(path: str) -> bool:
    language = language_of(path)
    return language not in PROSE | DATA and (language is not None or not path.lower().endswith(TEXTS))


def _chosen(
    sources: Sequence[Listed], words: frozenset[str], named: Sequence[str], worth: Mapping[str, float]
) -> list[Listed]:
    """The files that are ranked, in the order in which they are read: first what the task is about, then the newest."""

    def order(file: Listed) -> tuple[bool, float, int, int, str]:
        in_path = len(words_of(file.path) & words) if words else 0
        return file.path not in named, -worth.get(file.path, 0.0), -in_path, -file.mtime_ns, file.path

    return sorted(sources, key=order)[:MOST_RANKED]


def _outlines(
    workspace: Workspace, files: Sequence[Listed], end: float, watch: Watch
) -> tuple[dict[str, Outline], list[tuple[str, str]]]:
    found: dict[str, Outline] = {}
    unread: list[tuple[str, str]] = []
    missing: dict[str, Key] = {}
    for file in files:
        kept = _kept.get((str(workspace.root), file.path, file.size, file.mtime_ns))
        if kept is not None:
            found[file.path] = kept
        elif file.size > MOST_BYTES:
            unread.append((file.path, f"larger than {MOST_BYTES >> 10} KiB"))
        else:
            missing[file.path] = file.path, file.size, file.mtime_ns
    stored = outline_store.load(workspace.root, missing.values()) if missing else {}
    for path, outline in stored.items():
        _kept.put((str(workspace.root), *missing.pop(path)), outline)
    found |= stored

    def load(path: str) -> tuple[str | None, bytes] | None:
        if time.monotonic() > end:
            unread.append((path, _LATE))
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

    new: dict[Key, Outline] = {}
    try:
        for number, (path, made) in enumerate(shared().outlines(missing, load)):
            watch("reading definitions", number, len(missing))
            if made is None:
                continue
            found[path] = made
            if made.problem:  # perhaps only this time: the machine was busy, no child could be started
                unread.append((path, made.problem))
            else:
                _kept.put((str(workspace.root), *missing[path]), made)
                new[missing[path]] = made
            if len(new) == SAVED_AT_ONCE:
                outline_store.save(workspace.root, new)
                new = {}
    finally:
        if new:
            outline_store.save(workspace.root, new)
    return found, sorted(unread)
