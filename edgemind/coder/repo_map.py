"""A map of the repository for the prompt: the definitions that matter most for a task, by file, within a budget.

Not for: finding definitions (``symbols``), ranking them (``ranking``), full text (``searching``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.coder.listing import Listing
    from edgemind.coder.workspace import Workspace


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
) -> RepoMap:
    """The map of a workspace.

    Args:
        task: its words pull the ranking towards what they name; may be empty.
        count: tokens of a text.
        named: paths that the user named; what they refer to ranks higher.
        exclude: paths that are shown in full elsewhere and so are not on the map.
    """
    raise NotImplementedError
