"""What the model is shown for a task, within the tokens that it can read: files, excerpts, the map of the repository.

Everything that is shown is counted by the model's own tokenizer, and what was left out is said.
Not for: choosing what is worth showing (``repo_map``, ``searching``), generating (``editing``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgemind.engine.events import Message

if TYPE_CHECKING:
    from edgemind.coder.listing import Listing
    from edgemind.coder.types import EditState
    from edgemind.coder.workspace import Workspace
    from edgemind.engine import Engine

Style = Literal["bare", "edits"]
"""``bare``: the task as it is, for models with a small context: one whole file in a code block. ``edits``: with
instructions, numbered lines, and edits under a grammar."""

PartKind = Literal["instructions", "task", "file", "excerpt", "map", "result"]


@dataclass(frozen=True)
class Part:
    """Something that went into the prompt, or was left out of it."""

    kind: PartKind
    tokens: int
    used: bool
    path: str = ""
    first: int = 0
    last: int = 0
    """Lines from 1, both inclusive; 0 where it has no lines."""
    note: str = ""
    """Why it was left out, or only in part."""


@dataclass(frozen=True)
class Hidden:
    """Invisible or control characters in a line that was shown; the model did not see them."""

    path: str
    line: int
    what: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """An earlier round of the same task: what the model answered, and what came of it (the tail of a failed test)."""

    answer: str
    result: str


@dataclass(frozen=True)
class Context:
    """The prompt, and what it is made of."""

    messages: tuple[Message, ...]
    state: EditState
    style: Style
    parts: tuple[Part, ...]
    tokens: int
    """Of the whole prompt in the model's template."""
    limit: int
    """Of the model's context; what is left of it is room for thought and answer."""
    hidden: tuple[Hidden, ...] = ()


def gather(
    workspace: Workspace,
    listing: Listing,
    engine: Engine,
    task: str,
    files: Sequence[str] = (),
    *,
    ask: bool = False,
    max_files: int | None = None,
    style: Style | None = None,
    attempts: Sequence[Attempt] = (),
) -> Context:
    """The context for a task.

    Args:
        files: paths relative to the workspace that the user named; those that do not exist may be created.
        ask: for a question that is answered in words with citations, not with edits.
        max_files: most files of which anything is shown.
        style: by what the model can take when not given.
        attempts: earlier rounds, oldest first; the files are shown as they are now.

    Raises:
        PromptTooLong: a named file does not fit the context.
        BadInput: a named file holds conflict markers of a merge, or is no text.
    """
    raise NotImplementedError
