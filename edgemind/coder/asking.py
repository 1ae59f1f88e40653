"""Questions about a workspace: what the engine is asked, and whether the places that an answer names are there.

Not for: choosing what is shown (``context``), drawing (``cli``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgemind.coder.file_text import FileText
from edgemind.coder.languages import language_of
from edgemind.coder.problems import UnreadableText
from edgemind.coder.repo_map import TEXTS
from edgemind.engine.events import GenerateRequest, Sampling
from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.coder.context_types import Context
    from edgemind.coder.listing import Listing
    from edgemind.coder.session import Options
    from edgemind.coder.workspace import Workspace

CitationStatus = Literal["shown", "exists", "wrong"]
"""``shown``: the model has seen these lines. ``exists``: they are there, and it was not shown them. ``wrong``: there is
no such file, or it is shorter."""

MOST_CITATIONS = 200

MOST_ODD = 2_000
"""Paths with blanks or brackets in them that are looked for."""

_PLAIN = r"(?:[A-Za-z]:(?=[\\/]))?[\\/]?[\w.@+-]+(?:[\\/][\w.@+-]+)*"
_TO = r"\s?(?:-|–|—|\.\.|to)\s?L?"
_RANGE = rf"\d{{1,9}}(?::\d{{1,5}}(?:-\d{{1,5}})?|{_TO}\d{{1,9}})?"
"""A line, perhaps with columns, or several."""
_RANGES = rf"{_RANGE}(?:(?:, | and |, and ){_RANGE})*"
_CITED = (
    r"(?<![\w/.:\\@+\])-])(?P<path>{paths})[`*\"']{0,3}"
    rf"(?:(?::L?|\#L?)(?P<at>{_RANGE}(?:,L?{_RANGE})*)|,? (?:at )?\(?lines? (?P<lines>{_RANGES}))(?!\w|:\d)"
)
_CITED_AFTER = rf"\b[Ll]ines? (?P<lines>{_RANGES}) (?:of|in) [`*\"']{{0,3}}(?P<path>{{paths}})"
_PAIR = re.compile(rf"(\d+)(?::\d+(?:-\d+)?|{_TO}(\d+))?")
_WHERE = re.compile(r"/|\.{1,2}/|[A-Za-z]:/")
_ODD = re.compile(r"[^\w.@+/-]")


@dataclass(frozen=True)
class Citation:
    """A place that an answer names; lines count from 1, both inclusive."""

    path: str
    first: int
    last: int
    status: CitationStatus
    text: str
    """As it stands in the answer."""


def request(context: Context, options: Options) -> GenerateRequest:
    """What the engine is asked for a question."""
    return GenerateRequest(
        messages=context.messages,
        thinking=options.thinking,
        sampling=options.sampling or Sampling(),
        max_tokens=options.max_tokens,
        thinking_budget=max(64, context.limit - context.tokens) // 2,
    )


def citations(answer: str, workspace: Workspace, listing: Listing, context: Context) -> tuple[Citation, ...]:
    """The places that an answer names, each once, in order, and whether they are there."""
    known = set(listing.paths()) | {path for path, _, _ in context.shown}
    root = f"{workspace.root.as_posix()}/"
    lengths: dict[str, int] = {}
    found: dict[tuple[str, int, int], Citation] = {}
    for match in _cited(answer, known):
        named = match["path"].replace("\\", "/").removeprefix(root).removeprefix("./")
        path = _path(named, known)
        if path is None and not _looks_like_a_file(named):
            continue
        for pair in _PAIR.finditer(match["lines"] or match.groupdict().get("at") or ""):
            first, last = int(pair[1]), int(pair[2] or pair[1])
            status = _status(workspace, context, lengths, path, first, last) if path else _WRONG
            found.setdefault((path or named, first, last), Citation(path or named, first, last, status, match[0]))
        if len(found) >= MOST_CITATIONS:
            break
    return tuple(found.values())[:MOST_CITATIONS]


_WRONG: CitationStatus = "wrong"


def _cited(answer: str, known: Collection[str]) -> Iterator[re.Match[str]]:
    """What looks like a place, in order. Names that only a list can tell from words are those of files that exist."""
    odd = sorted(filter(_ODD.search, known), key=lambda path: (-len(path), path))[:MOST_ODD]
    paths = "|".join([*map(re.escape, odd), _PLAIN])
    matches = [*re.finditer(_CITED.replace("{paths}", paths), answer)]
    matches += re.finditer(_CITED_AFTER.replace("{paths}", paths), answer)
    return iter(sorted(matches, key=lambda match: match.start()))


def _path(named: str, known: Collection[str]) -> str | None:
    """The file that is meant; a name alone means the only file that ends so.

    A whole path of another machine, as a traceback has it, means the file whose path it ends with.
    """
    if named in known:
        return named
    ends = [path for path in known if path.endswith(f"/{named}")]
    if len(ends) == 1:
        return ends[0]
    parts = named.split("/")
    whole = parts[0] == "" or parts[0].endswith(":")
    return (
        next((end for at in range(1, len(parts) - 1) if (end := "/".join(parts[at:])) in known), None)
        if whole
        else None
    )


def _looks_like_a_file(named: str) -> bool:
    """``app.py`` and ``../app`` do; ``localhost`` in ``localhost:80`` and ``and/or`` do not."""
    return bool(_WHERE.match(named)) or language_of(named) is not None or named.lower().endswith(TEXTS)


def _status(
    workspace: Workspace, context: Context, lengths: dict[str, int], path: str, first: int, last: int
) -> CitationStatus:
    if not 1 <= first <= last:
        return "wrong"
    shown: set[int] = set()
    for name, begin, end in context.shown:
        if name == path:
            shown.update(range(max(begin, first), min(end, last) + 1))
    if len(shown) == last - first + 1:
        return "shown"
    if path not in lengths:
        lengths[path] = _lines(workspace, path)
    return "exists" if last <= lengths[path] else "wrong"


def _lines(workspace: Workspace, path: str) -> int:
    try:
        return len(FileText.read(workspace.read(path)[0]).lines)
    except (EdgemindError, UnreadableText):
        return 0
