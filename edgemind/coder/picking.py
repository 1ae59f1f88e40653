"""The files that a user means by what is typed: a file, lines of it, a folder, a pattern.

Not for: names inside a task, reading (``named_files``).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgemind.coder.listing import Listing
from edgemind.errors import BadInput
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.coder.workspace import Workspace

MOST = 50
"""Files that one word may stand for."""


def picked(workspace: Workspace, words: Iterable[str]) -> list[str]:
    """Paths relative to the workspace, each once; a word that is neither folder nor pattern is one, there or not.

    Raises:
        WorkspaceProblem: a word leads out of the workspace, or to what is never touched.
        BadInput: a folder or pattern has no file, or more than ``MOST``.
    """
    found: dict[str, None] = {}
    listed = functools.cache(lambda: Listing.of(workspace).paths())
    for word in words:
        pattern = _pattern(workspace, word)
        found |= dict.fromkeys([workspace.relative(word)] if pattern is None else _matching(listed(), word, pattern))
    return list(found)


def _pattern(workspace: Workspace, word: str) -> str | None:
    """What the files of a folder or a pattern match, as in a ``.gitignore``; ``None`` for a plain name."""
    whole = os.path.normpath(workspace.start / word)
    if os.path.isdir(whole) and not os.path.islink(whole):
        if whole == str(workspace.root):
            return "*"
        return f"/{_plain(workspace.relative(word))}/"
    return f"/{workspace.relative(word)}" if set(word) & set("*?[") and not os.path.lexists(whole) else None


def _plain(path: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\!# " else letter for letter in path)


def _matching(paths: Sequence[str], word: str, pattern: str) -> list[str]:
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines([pattern])
    found = [path for path in paths if spec.match_file(path)]
    if not found:
        raise BadInput(f"{clean_line(word)} has no file that could be shown.", "ls -A")
    if len(found) > MOST:
        raise BadInput(
            f"{clean_line(word)} has {len(found):,} files, more than a model can be shown.",
            f"Name some of them, at most {MOST}; the model finds others by the words of the task.",
        )
    return found
