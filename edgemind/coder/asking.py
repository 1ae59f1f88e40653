"""Questions about a workspace: what the engine is asked, and whether the places that an answer names are there.

Not for: choosing what is shown (``context``), drawing (``cli``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgemind.coder.file_text import FileText
from edgemind.coder.problems import UnreadableText
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

_CITED = re.compile(
    r"(?<![\w/.:\\-])(?P<path>(?:\./)?[\w.@+-]+(?:[/][\w.@+ -]*[\w.@+-]+)*)[`*]{0,3}"
    r"(?::(?P<first>\d{1,9})(?:\s?[-–]\s?(?P<last>\d{1,9}))?"
    r"|#L(?P<first_hash>\d{1,9})(?:-L?(?P<last_hash>\d{1,9}))?"
    r"|,? \(?lines? (?P<first_word>\d{1,9})(?:\s?(?:-|–|to)\s?(?P<last_word>\d{1,9}))?)(?!\d|:\d)"
)
_FILE = re.compile(r"\.[A-Za-z]\w{0,15}$")


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
    known = {file.path for file in listing.files} | {path for path, _, _ in context.shown}
    lengths: dict[str, int] = {}
    found: dict[tuple[str, int, int], Citation] = {}
    for match in _CITED.finditer(answer):
        first = int(match["first"] or match["first_hash"] or match["first_word"])
        last = int(match["last"] or match["last_hash"] or match["last_word"] or first)
        path = _path(match["path"].removeprefix("./"), known)
        if path is None and not _looks_like_a_file(match["path"]):
            continue
        if path is None:
            path, status = match["path"], _WRONG
        else:
            status = _status(workspace, context, lengths, path, first, last)
        found.setdefault((path, first, last), Citation(path, first, last, status, match[0]))
        if len(found) == MOST_CITATIONS:
            break
    return tuple(found.values())


_WRONG: CitationStatus = "wrong"


def _path(named: str, known: set[str]) -> str | None:
    """The file that is meant; a name alone means the only file that ends so."""
    if named in known:
        return named
    ends = [path for path in known if path.endswith(f"/{named}")]
    return ends[0] if len(ends) == 1 else None


def _looks_like_a_file(named: str) -> bool:
    """``app.py`` and ``src/app`` do; ``12`` in ``12:30`` and ``localhost`` in ``localhost:80`` do not."""
    return bool(_FILE.search(named)) or "/" in named


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
