"""The places of a syntax tree that its grammar does not accept, as sentences.

Not for: deciding whether a file is to be checked (``syntax``), parsing (``parsing``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.coder.file_text import visible
from edgemind.coder.languages import PROSE

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

MOST_PROBLEMS = 20
MOST_NODES = 2_000_000
"""Looked at on the way to the errors."""

UNCHECKED = PROSE | {"make", "properties", "ini", "sql", "vim", "dockerfile", "cmake", "html", "svelte", "vue"}
"""Languages whose grammars here refuse too much that is right (dialects, templates), or accept everything."""


@dataclass(frozen=True)
class SyntaxProblem:
    """One place that the language's grammar does not accept; lines and columns count from 1."""

    line: int
    column: int
    message: str


def syntax_errors(data: bytes, tree: Tree) -> tuple[SyntaxProblem, ...]:
    """The first problems of a parsed text, in order; an error inside another one is not told twice."""
    if not tree.root_node.has_error:
        return ()
    found = []
    for node in _broken(tree):
        row, column = node.start_point
        found.append(SyntaxProblem(row + 1, _characters(data, node.start_byte, column) + 1, _message(data, node)))
        if len(found) == MOST_PROBLEMS:
            break
    return tuple(found)


def _broken(tree: Tree) -> Iterator[Node]:
    """Errors and missing nodes from left to right, without recursion: a tree may be as deep as its text is long."""
    cursor = tree.walk()
    for _ in range(MOST_NODES):
        node = cursor.node
        if node is None:
            return
        broken = node.is_missing or node.is_error
        if broken:
            yield node
        if not broken and node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _characters(data: bytes, at: int, column: int) -> int:
    return len(data[at - column : at].decode("utf-8", "replace"))


def _message(data: bytes, node: Node) -> str:
    if node.is_missing:
        return f"{node.type if node.is_named else repr(node.type)} is missing here"
    piece = data[node.start_byte : min(node.end_byte, node.start_byte + 200)].decode("utf-8", "replace")
    shown = visible(piece.strip().split("\n", 1)[0])[0]
    if len(shown) > 40:
        shown = shown[:39] + "…"
    return f"unexpected {shown!r}" if shown else "unexpected end"
