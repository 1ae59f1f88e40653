"""Text to syntax tree by tree-sitter, within a time, for the process that nobody minds losing (``parser_child``).

Grammars are C that strangers' files are fed to: some take gigabytes, abort or overflow the stack on hostile input.
Not for: being called in a process that owns a terminal (``parsers`` is).
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tree_sitter import Language, Tree
    from tree_sitter_language_pack import SupportedLanguage

PIECE = 1 << 16
"""Bytes of the text that the parser is handed at once."""


@functools.cache
def grammar_of(language: str) -> Language | None:
    """The grammar of this name; ``None`` when the package has none."""
    from tree_sitter_language_pack import get_language

    try:
        return get_language(cast("SupportedLanguage", language))
    except (LookupError, ValueError, ImportError, AttributeError):
        return None


@functools.cache
def kinds_of(language: str) -> frozenset[str]:
    """Names of the grammar's visible named nodes."""
    grammar = grammar_of(language)
    if grammar is None:
        return frozenset()
    return frozenset(
        kind
        for number in range(grammar.node_kind_count)
        if grammar.node_kind_is_named(number)
        and grammar.node_kind_is_visible(number)
        and (kind := grammar.node_kind_for_id(number))
    )


def parse(language: str, data: bytes, seconds: float) -> Tree | None:
    """The tree of a text; ``None`` when there is no such grammar or it took longer than ``seconds``."""
    from tree_sitter import Parser

    grammar = grammar_of(language)
    if grammar is None:
        return None
    end = time.monotonic() + seconds

    def piece(at: int, _: object) -> bytes:
        return data[at : at + PIECE]

    def late(*_: object) -> bool:
        return time.monotonic() > end

    try:
        return Parser(grammar).parse(piece, encoding="utf8", progress_callback=late)
    except ValueError:
        return None
