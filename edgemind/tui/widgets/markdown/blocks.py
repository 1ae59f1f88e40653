"""Lines into blocks, as they come: paragraphs, headings, lists, quotes, code, tables, rules; after CommonMark and GFM.

A block is a leaf that knows the quotes and list items it stands in, so a list of any length is many small blocks and
only the last block ever changes. A line that is not complete yet takes part as soon as no later character can make it
something else, and is held back until then, so that no half of a mark is ever shown as text.
Kept simple on purpose: link definitions and HTML stay text; a line end inside a paragraph is a line end.
Not for: what stands inside a block (``inline``), how it looks (``layout``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["paragraph", "heading", "code", "table", "rule", "html"]
BULLETS = "•◦▪"
DEEPEST = 50
"""Quotes and items that a block may stand in; marks of further ones are text. No narrower screen could show them, and a
model that repeats ``>`` for ever would make each line cost what its depth is."""
_BLANK = " \t"


@dataclass(eq=False, frozen=True)
class Quote:
    """A ``>``."""


@dataclass(eq=False)
class Item:
    """One item of a list."""

    marker: str
    """What stands before its first line: a bullet, ``3.``"""
    content: int
    """Columns that its further lines are indented by."""
    filled: bool = False
    """Whether a block of it has come."""
    empty: bool = False
    """Whether nothing but its marker has come."""


@dataclass(eq=False)
class Block:
    """A leaf with its raw lines."""

    kind: Kind
    containers: tuple[Quote | Item, ...] = ()
    gap: bool = False
    """Whether an empty line stood before it."""
    begins: tuple[Item, ...] = ()
    """The items whose first block this is."""
    lines: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Where in the source each line begins."""
    level: int = 0
    """Of a heading, 1 to 6."""
    info: str = ""
    """Of a code block: what follows the fence."""
    fence: str = ""
    indent: int = 0
    closed: bool = False
    growing: bool = False
    """Whether the last line is not complete."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+([^ \t].*)?)?$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_ITEM = re.compile(r"( {0,3})([-+*]|\d{1,9}[.)])(?=[ \t]|$)( *)")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_DELIMITERS = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?$")
_HTML = re.compile(
    r" {0,3}<(?:!--|/?(?:address|article|aside|base|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|"
    r"div|dl|dt|fieldset|figcaption|figure|footer|form|frame|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|"
    r"menu|nav|noframes|ol|optgroup|option|p|param|pre|script|search|section|style|summary|table|tbody|td|textarea|"
    r"tfoot|th|thead|title|tr|track|ul)(?:[\s/>]|$))",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"(?: {0,3}(?:#{1,6}|[-+*]|\d{1,9}[.)]?|`{1,2}|~{1,2}|</?[a-zA-Z0-9]{0,12}|<!-?|=+|>|(?:[*_-][ \t]*)+|`{3,}[^`]*|"
    r"~{3,}.*)|"
    r"[ \t]*|[|:\- \t]+)$"
)
_TASK = re.compile(r"\[[ xX]?\]?[ \t]*$")


def cells(row: str) -> list[str]:
    """The cells of a table's row; ``\\|`` is no edge. A missing last edge is fine."""
    row = row.strip(_BLANK).removeprefix("|")
    parts = [part.replace("\\|", "|").strip(_BLANK) for part in re.split(r"(?<!\\)\|", row)]
    return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


class BlockParser:
    """Text in, blocks out. ``blocks`` only grows, and only its last one changes, except as ``feed`` says."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._stack: list[Quote | Item] = []
        self._tail = ""
        """The line that is not complete."""
        self._tail_start = 0
        self._taken: tuple[Block, int] | None = None
        """The block that the incomplete line is a part of, and how much of the line stands before that part."""
        self._gap = False

    def feed(self, text: str) -> int:
        """Read more.

        Returns:
            The number of the first block that has changed or is new.
        """
        first = max(0, len(self.blocks) - 1)
        parts = (self._tail + text).split("\n") if "\n" in text else [self._tail + text]
        for line in parts[:-1]:
            self._complete(line)
            self._tail_start += len(line) + 1
        self._tail = parts[-1]
        if self._tail:
            self._grow()
        return first

    def finish(self) -> int:
        """There is no more text."""
        first = max(0, len(self.blocks) - 1)
        if self._tail:
            self._complete(self._tail)
            self._tail_start += len(self._tail)
            self._tail = ""
        self._close()
        return first

    def _complete(self, line: str) -> None:
        line = line.removesuffix("\r")
        if self._taken is None:
            self._line(line, self._tail_start + len(line))
            return
        block, before = self._taken
        self._taken = None
        block.growing = False
        block.lines[-1] = self._as_read(line)[before:]
        if block.kind == "heading":
            block.lines[-1] = _without_end(block.lines[-1])
            self._close()

    def _grow(self) -> None:
        tail = self._tail.removesuffix("\r")
        if self._taken is None:
            if self._is_undecided(tail):
                return
            self._line(tail, self._tail_start + len(tail), complete=False)
            block = self.blocks[-1]
            self._taken = block, len(self._as_read(tail)) - len(block.lines[-1])
            block.growing = True
        else:
            block, before = self._taken
            block.lines[-1] = self._as_read(tail)[before:]

    def _as_read(self, line: str) -> str:
        """Code that stands in nothing keeps its tabs; elsewhere leading tabs are columns."""
        leaf = self._leaf
        return line if leaf is not None and leaf.fence and not self._stack else _spaced(line)

    @property
    def _leaf(self) -> Block | None:
        return self.blocks[-1] if self.blocks and not self.blocks[-1].closed else None

    def _close(self) -> None:
        if self.blocks:
            self.blocks[-1].closed = True

    # Containers

    def _descend(self, line: str) -> tuple[int, str]:
        """How many of the open containers the line goes on in, and what is left of it."""
        for number, container in enumerate(self._stack):
            if isinstance(container, Quote):
                match = _QUOTE.match(line)
                if not match:
                    return number, line
                line = line[match.end() :]
            elif not line.strip(_BLANK):
                if container.empty:
                    return number, line
            elif _indent(line) >= container.content:
                line = line[container.content :]
            else:
                return number, line
        return len(self._stack), line

    def _line(self, raw: str, end: int, complete: bool = True) -> None:
        """A line; ``end`` is where it ends in the source."""
        matched, rest = self._descend(self._as_read(raw))
        leaf = self._leaf
        inside = matched == len(self._stack)
        if leaf is not None and leaf.kind == "code" and inside and self._code_line(leaf, rest, end):
            return
        if not rest.strip(_BLANK):
            self._empty_line(matched)
            return
        if leaf is not None and leaf.kind == "code":
            self._close()
            leaf = None
        began = False
        while True:
            paragraph = leaf is not None and leaf.kind == "paragraph" and inside and not began
            if _indent(rest) >= 4 or (len(self._stack) if began else matched) >= DEEPEST:
                break
            quote = _QUOTE.match(rest)
            item = None if quote or _RULE.match(rest) else _ITEM.match(rest)
            if item and paragraph and not self._may_interrupt(item, rest):
                item = None
            if not quote and not item:
                break
            if not began:
                self._leave(matched)
            began = True
            if quote:
                self._stack.append(Quote())
                rest = rest[quote.end() :]
            elif item:
                rest = self._begin_item(item, rest)
        if began and not rest.strip(_BLANK):
            if isinstance(self._stack[-1], Item):
                self._new("paragraph", "", end)
                self._close()
                self._stack[-1].empty = True
            return
        self._leaf_line(rest, end, inside and not began, matched, began, complete)

    def _may_interrupt(self, item: re.Match[str], rest: str) -> bool:
        if not rest[item.end() :].strip(_BLANK):
            return False
        return item[2] in "-+*" or item[2][:-1] == "1"

    def _begin_item(self, item: re.Match[str], rest: str) -> str:
        after = rest[item.end() :]
        spaces = len(item[3])
        if not after.strip(_BLANK) or spaces > 4:
            spaces = 1
        content = item.end(2) + spaces
        depth = sum(isinstance(container, Item) for container in self._stack)
        ordered = item[2][-1] in ".)"
        self._stack.append(Item(item[2] if ordered else BULLETS[min(depth, 2)], content))
        return rest[content:]

    def _leave(self, matched: int) -> None:
        self._close()
        del self._stack[matched:]

    def _empty_line(self, matched: int) -> None:
        leaf = self._leaf
        self._gap = True
        if leaf is not None:
            self._close()
        left = self._stack[matched:]
        if left and (isinstance(left[0], Quote) or left[0].empty):
            del self._stack[matched:]

    # Leaves

    def _code_line(self, leaf: Block, rest: str, end: int) -> bool:
        """Whether the line belongs to the open code block."""
        if not leaf.fence:
            if rest.strip(_BLANK) and _indent(rest) < 4:
                return False
            self._add(leaf, rest[4:], end)
            return True
        closing = rest.strip(_BLANK)
        if closing and _indent(rest) < 4 and closing.startswith(leaf.fence) and not closing.strip(leaf.fence[0]):
            self._close()
            return True
        drop = min(leaf.indent, _indent(rest))
        self._add(leaf, rest[drop:], end)
        return True

    def _leaf_line(self, rest: str, end: int, inside: bool, matched: int, began: bool, complete: bool) -> None:
        leaf = self._leaf
        paragraph = leaf is not None and leaf.kind == "paragraph" and leaf.lines[-1:] != [""]
        if leaf is not None and inside and leaf.kind == "html":
            self._add(leaf, rest, end)
            return
        if _indent(rest) >= 4:
            if paragraph and not began and leaf is not None:
                self._add(leaf, rest.lstrip(_BLANK), end)
            else:
                self._enter(matched, began)
                self._new("code", rest[4:], end)
            return
        if leaf is not None and inside and paragraph and self._paragraph_becomes(leaf, rest):
            return
        if (kind := self._begins(rest)) is not None:
            self._enter(matched, began)
            self._new_leaf(kind, rest, end, complete)
        elif leaf is not None and inside and leaf.kind == "table":
            self._add(leaf, rest, end)
        elif leaf is not None and paragraph and not began:
            self._add(leaf, rest.lstrip(_BLANK), end)
        else:
            self._enter(matched, began)
            self._new("paragraph", rest.lstrip(_BLANK), end)

    def _enter(self, matched: int, began: bool) -> None:
        """Close what the new leaf is no part of."""
        if began:
            self._close()
        else:
            self._leave(matched)

    @staticmethod
    def _begins(rest: str) -> Kind | None:
        if _HEADING.match(rest):
            return "heading"
        if _FENCE.match(rest):
            return "code"
        if _RULE.match(rest):
            return "rule"
        if _HTML.match(rest):
            return "html"
        return None

    def _new_leaf(self, kind: Kind, rest: str, end: int, complete: bool) -> None:
        if kind == "heading":
            heading = _HEADING.match(rest)
            assert heading is not None
            text = heading[2] or ""
            if complete:
                text = _without_end(text)
                at = end - len(rest) + heading.start(2) + len(text) if heading[2] is not None else end
            else:
                text = rest[heading.start(2) :] if heading[2] is not None else ""
                at = end
            self._new(kind, text, at).level = len(heading[1])
            if complete:
                self._close()
        elif kind == "code":
            fence = _FENCE.match(rest)
            assert fence is not None
            block = self._new(kind, None, end)
            block.fence, block.indent, block.info = fence[2], len(fence[1]), fence[3].strip(_BLANK)
        elif kind == "rule":
            self._new(kind, None, end)
            self._close()
        else:
            self._new(kind, rest, end)

    def _paragraph_becomes(self, leaf: Block, rest: str) -> bool:
        """A heading by the line under it, or a table."""
        edged = "|" in rest or ":" in rest or ("|" in leaf.lines[-1] and len(rest.strip(_BLANK)) > 1)
        if edged and _DELIMITERS.match(rest):
            header, count = leaf.lines[-1], len(cells(rest))
            if len(cells(header)) == count:
                if len(leaf.lines) > 1:
                    start = leaf.starts.pop()
                    leaf.lines.pop()
                    self._close()
                    leaf = self._new("table", header, start + len(header))
                leaf.kind = "table"
                self._add(leaf, rest, leaf.starts[-1] + len(leaf.lines[-1]) + 1 + len(rest))
                return True
        if underline := _UNDERLINE.match(rest):
            leaf.kind, leaf.level = "heading", 1 if underline[1][0] == "=" else 2
            self._close()
            return True
        return False

    def _new(self, kind: Kind, line: str | None, end: int) -> Block:
        begins = tuple(one for one in self._stack if isinstance(one, Item) and not one.filled)
        for one in self._stack:
            if isinstance(one, Item):
                one.filled, one.empty = True, False
        block = Block(kind, tuple(self._stack), self._gap, begins)
        self._gap = False
        self.blocks.append(block)
        if line is not None:
            self._add(block, line, end)
        return block

    def _add(self, block: Block, line: str, end: int) -> None:
        block.lines.append(line)
        block.starts.append(end - len(line))

    # The incomplete line

    def _is_undecided(self, line: str) -> bool:
        """Whether more characters can still change what the line is."""
        matched, rest = self._descend(_spaced(line))
        leaf = self._leaf
        if not rest.strip(_BLANK):
            return True
        if leaf is not None and leaf.fence and matched == len(self._stack):
            text = rest.strip(_BLANK)
            return _indent(rest) < 4 and not text.strip(leaf.fence[0])
        if _indent(rest) >= 4:
            return False
        first_in_item = False
        depth = matched
        while not _UNDECIDED.match(rest):
            depth += 1
            if depth > DEEPEST:
                break
            if match := _QUOTE.match(rest):
                first_in_item = False
            elif match := _ITEM.match(rest):
                first_in_item = True
            else:
                break
            rest = rest[match.end() :]
            if _indent(rest) >= 4:
                return False
        else:
            return True
        return bool(_HEADING.match(rest) and not rest.strip(" #\t")) or (first_in_item and bool(_TASK.match(rest)))


def _without_end(heading: str) -> str:
    """The text of a heading without the ``#`` that may close it."""
    heading = heading.rstrip(_BLANK)
    text = heading.rstrip("#")
    return text.rstrip(_BLANK) if not text or text[-1] in _BLANK else heading


def _spaced(line: str) -> str:
    """The line with its leading tabs as spaces."""
    body = line.lstrip(" \t")
    lead = line[: len(line) - len(body)]
    return lead.expandtabs(4) + body if "\t" in lead else line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
