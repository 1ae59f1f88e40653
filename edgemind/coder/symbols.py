"""What a source file defines, and which names it refers to: from its syntax tree, else from the look of its lines.

References are all identifiers outside comments and strings; whether a name means anything is decided by who defines it.
Not for: parsing within limits (``parsing``), asking for outlines (``parsers``), ranking (``ranking``).
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgemind.coder.definition_kinds import definition_kinds, shapes, unread_kinds
from edgemind.coder.file_text import visible
from edgemind.coder.parsing import grammar_of, kinds_of

if TYPE_CHECKING:
    from tree_sitter import Node, Query, Tree

MOST_DEFINITIONS = 2_000
"""Of one file; a generated file with more is cut."""

MOST_REFERENCES = 5_000
"""Different names of one file."""

LONGEST_SIGNATURE = 160
LONGEST_NAME = 80
DEEPEST = 4
"""Definitions inside that many others are not shown."""

_WORD = re.compile(rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*")
_NAMED = re.compile(r"(^|_)(identifier|name|word|constant|variable|atom|symbol)$|identifier")
_AROUND_NAME = re.compile(r"signature|head|header|call")
"""What stands around a name before anything else does."""
_LINE = re.compile(
    rb"^([ \t]*)(?:(?:export|public|private|protected|internal|static|abstract|final|async|pub|default|override|local)"
    rb"(?:\([^)\n]{0,40}\))?[ \t]+){0,5}"
    rb"(?:def|class|struct|interface|trait|enum|fn|func|fun|function|sub|proc|procedure|module|namespace|protocol|record"
    rb"|macro|type|defn|defun|define|defmodule|defmacro|defp|message|service|rpc|resource|task)[ \t]+"
    rb"[(\"']?([A-Za-z_][\w.:!?-]*)",
    re.MULTILINE,
)
_IMPORT = re.compile(
    rb"[ \t]*(?:[#@}][ \t]*)?(?:pub |export |static )?(?:import|from|include|require\w*|use|using|load|source|mod|open"
    rb"|alias)\b[^\n]{0,400}"
)
_REQUIRED = re.compile(rb"\brequire\w*[ (\"'][^\n]{0,200}")
"""Not at the beginning of a line: ``const app = require("./app")``."""
_COMMENT = re.compile(r"(?m)\s(?:#|//)\s.*$")
_MOST_IMPORTS = 500


@dataclass(frozen=True)
class Definition:
    """A thing with a name; lines count from 1, both inclusive."""

    name: str
    first: int
    last: int
    signature: str
    level: int = 0
    """How many shown definitions it stands inside."""


@dataclass(frozen=True)
class Outline:
    """What was found in one file."""

    language: str = ""
    definitions: tuple[Definition, ...] = ()
    references: dict[str, int] = field(default_factory=dict)
    """How often each name occurs, where it is defined included."""
    imports: frozenset[str] = frozenset()
    """Words of the lines that import or include: names of other files, in lower case."""
    problem: str = ""
    """Why it could not be read as its language; its definitions are then those that its lines look like."""


def outline(language: str, data: bytes, tree: Tree) -> Outline:
    """What a parsed file defines and refers to."""
    definitions, unread = _captured(language, tree)
    found = _by_tree(data, definitions) or _by_lines(data)
    return Outline(language, tuple(found), _references(_without(data, unread)), _imports(data))


def outline_without_tree(data: bytes, problem: str = "", language: str = "") -> Outline:
    """What the lines of a file look like, where there is no grammar or it failed."""
    return Outline(language, tuple(_by_lines(data)), _references(data), _imports(data), problem)


@functools.cache
def _query(language: str) -> Query | None:
    """What is a definition, and what is not read: comments and strings."""
    kinds = kinds_of(language)
    definitions = [*(f"({kind}) @definition" for kind in definition_kinds(language, kinds)), *shapes(language)]
    return _compiled(language, [*definitions, *(f"({kind}) @unread" for kind in unread_kinds(kinds))])


def _compiled(language: str, patterns: list[str]) -> Query | None:
    """One query of those patterns that the grammar knows."""
    from tree_sitter import Query, QueryError

    grammar = grammar_of(language)
    if grammar is None:
        return None
    known = []
    for pattern in patterns:
        try:
            Query(grammar, pattern)
        except QueryError:
            continue
        known.append(pattern)
    return Query(grammar, "\n".join(known)) if known else None


def _captured(language: str, tree: Tree) -> tuple[list[Node], list[Node]]:
    """Definitions and unread nodes, each in the order of the text, those around others first."""
    from tree_sitter import QueryCursor

    query = _query(language)
    found = QueryCursor(query, match_limit=4096).captures(tree.root_node) if query else {}
    definitions, unread = (
        sorted(found.get(name, ()), key=lambda node: (node.start_byte, -node.end_byte))
        for name in ("definition", "unread")
    )
    return definitions, unread


def _by_tree(data: bytes, nodes: Iterable[Node]) -> list[Definition]:
    found: list[Definition] = []
    around: list[int] = []  # last bytes of the definitions that enclose the current one
    seen: set[tuple[str, int]] = set()
    for node in nodes:
        name = _name_of(node)
        if name is None or not (node.child_by_field_name("body") or not node.type.endswith("_specifier")):
            continue
        while around and node.start_byte >= around[-1]:
            around.pop()
        text = _text(data[name.start_byte : name.end_byte])
        line = name.start_point[0] + 1
        if text and (text, line) not in seen and len(around) <= DEEPEST:
            seen.add((text, line))
            found.append(Definition(text, line, node.end_point[0] + 1, _signature(data, node, name), len(around)))
            if len(found) == MOST_DEFINITIONS:
                break
            around.append(node.end_byte)
    return found


def _name_of(node: Node) -> Node | None:
    """The node of a definition's name: by field, through C's declarators, else the first that looks like a name."""
    for field_name in ("name", "declarator", "left", "pattern"):
        child = node.child_by_field_name(field_name)
        for _ in range(8):
            inner = child.child_by_field_name("declarator") if child else None
            if inner is None:
                break
            child = inner
        if child is not None:
            return child
    first = node.named_children[:1]
    level = first if first and _AROUND_NAME.search(first[0].type) else node.named_children[:6]
    for _ in range(3):
        for child in level:
            if _NAMED.search(child.type):
                return child
        level = [inner for child in level for inner in child.named_children[:4]][:24]
    return None


def _text(name: bytes) -> str:
    text = name[: 4 * LONGEST_NAME].decode("utf-8", "replace")
    shown = visible(text.split("\n", 1)[0])[0].strip().strip("\"'`")
    return shown.rpartition("::")[2].rpartition(".")[2][:LONGEST_NAME]


def _signature(data: bytes, node: Node, name: Node) -> str:
    """From the start of the name's line to where the body begins, on one line."""
    start = min(node.start_byte, name.start_byte)
    line_start = data.rfind(b"\n", 0, name.start_byte) + 1
    start = max(start, line_start)
    body = node.child_by_field_name("body")
    if node.type == "assignment" or body is None:
        end = data.find(b"\n", name.end_byte)
        end = min(len(data) if end < 0 else end, max(node.end_byte, name.end_byte))
    else:
        end = body.start_byte
    return _one_line(data[start : max(end, name.end_byte)])


def _one_line(piece: bytes) -> str:
    code = _COMMENT.sub("", piece[: 4 * LONGEST_SIGNATURE].decode("utf-8", "replace"))
    text = " ".join(code.split())
    shown = visible(text)[0].rstrip(" {=")
    return shown if len(shown) <= LONGEST_SIGNATURE else shown[: LONGEST_SIGNATURE - 1] + "…"


def _by_lines(data: bytes) -> list[Definition]:
    found = []
    line, at = 1, 0
    for match in itertools.islice(_LINE.finditer(data), MOST_DEFINITIONS):
        line += data.count(b"\n", at, match.start(2))
        at = match.start(2)
        end = data.find(b"\n", at)
        signature = _one_line(data[match.end(1) : len(data) if end < 0 else end])
        name = visible(match[2].decode("utf-8", "replace"))[0][:LONGEST_NAME]
        found.append(Definition(name, line, line, signature, 1 if match[1] else 0))
    return found


def _without(data: bytes, nodes: Iterable[Node]) -> bytes:
    """The file with these nodes, its comments and strings, blanked out."""
    pieces, at = [], 0
    for node in nodes:
        if node.start_byte >= at:
            pieces.append(data[at : node.start_byte])
            at = node.end_byte
    return b" ".join([*pieces, data[at:]])


def _references(data: bytes) -> dict[str, int]:
    counts = Counter(word for word in _WORD.findall(data) if 2 <= len(word) <= LONGEST_NAME)
    return {word.decode("utf-8", "replace"): number for word, number in counts.most_common(MOST_REFERENCES)}


def _imports(data: bytes) -> frozenset[str]:
    lines = (found[0] for found in map(_IMPORT.match, data.split(b"\n")) if found)
    more = (found[0] for found in _REQUIRED.finditer(data))
    words = {
        word
        for line in itertools.islice(itertools.chain(lines, more), _MOST_IMPORTS)
        for word in _WORD.findall(line)
        if 2 <= len(word) <= LONGEST_NAME
    }
    return frozenset(word.decode("utf-8", "replace").lower() for word in words)
