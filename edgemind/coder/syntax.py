"""Syntax errors of a file by tree-sitter, and those that an edit brought in.

Not for: building or running anything (``verifying``), parsing itself (``parsers``, ``syntax_errors``).
"""

from __future__ import annotations

from edgemind.coder.languages import language_of
from edgemind.coder.parsers import shared
from edgemind.coder.syntax_errors import UNCHECKED, SyntaxProblem

__all__ = ["SyntaxProblem", "new_problems", "problems"]

MOST_BYTES = 4 << 20
"""Larger files are not checked."""


def problems(path: str, data: bytes) -> list[SyntaxProblem]:
    """What is wrong with the text as the language of ``path``, in order.

    Empty where no grammar is known, for prose, and for what is too large or takes too long.
    """
    language = language_of(path, data[:200].split(b"\n", 1)[0])
    if language is None or language in UNCHECKED or len(data) > MOST_BYTES:
        return []
    return list(shared().problems(language, data))


def new_problems(path: str, before: bytes | None, after: bytes | None) -> list[SyntaxProblem]:
    """What an edit broke: those problems of ``after`` that ``before`` did not have (``None``: there is no file).

    A problem is taken for an old one when its message was there as often before the edit.
    """
    if after is None:
        return []
    now = problems(path, after)
    if not now or before is None:
        return now
    old = [problem.message for problem in problems(path, before)]
    new = []
    for problem in now:
        if problem.message in old:
            old.remove(problem.message)
        else:
            new.append(problem)
    return new
