"""Syntax errors of a file by tree-sitter, and those that an edit brought in.

Not for: building or running anything (``verifying``), parsing itself (``parsing``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SyntaxProblem:
    """One place that the language's grammar does not accept; lines and columns count from 1."""

    line: int
    column: int
    message: str


def problems(path: str, data: bytes) -> list[SyntaxProblem]:
    """What is wrong with the text as the language of ``path``; empty where no grammar is known or reading takes too long."""
    raise NotImplementedError


def new_problems(path: str, before: bytes | None, after: bytes | None) -> list[SyntaxProblem]:
    """What an edit broke: the problems of ``after`` where it has more of them than ``before`` had (``None``: no file)."""
    raise NotImplementedError
