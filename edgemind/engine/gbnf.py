"""A grammar as data: built, measured, relieved of what can never be finished, and written as GBNF.

Not for: what llama.cpp cannot bear (``llama.grammar_limits``), and nothing here knows llama.cpp itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Text:
    """Exactly these characters."""

    text: str


@dataclass(frozen=True)
class Chars:
    """One character of these inclusive ranges, which are sorted and apart."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Ref:
    name: str


@dataclass(frozen=True)
class Seq:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One of several; none of none is what can never be written."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    item: Node
    low: int
    high: int | None


Node: TypeAlias = "Text | Chars | Ref | Seq | Choice | Repeat"

EMPTY = Seq(())
NEVER = Choice(())
BLOCK = 500
"""Longer repetitions are written in blocks, so that llama.cpp's own limit is not met."""


def seq(*parts: Node | str) -> Node:
    """One after the other; a string stands for itself."""
    flat: list[Node] = []
    for part in parts:
        node = Text(part) if isinstance(part, str) else part
        flat += node.parts if isinstance(node, Seq) else (node,)
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def choice(*options: Node | str) -> Node:
    """One of these, each once."""
    flat: list[Node] = []
    for option in options:
        node = Text(option) if isinstance(option, str) else option
        flat += node.options if isinstance(node, Choice) else (node,)
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else Choice(unique)


def optional(node: Node) -> Node:
    return Repeat(node, 0, 1)


def chars(*items: str | tuple[int, int]) -> Chars:
    """A class from single characters, pairs of first and last such as ``"az"``, or code points."""
    return Chars(merged((ord(item[0]), ord(item[-1])) if isinstance(item, str) else item for item in items))


def merged(ranges: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges of code points in order, those that touch made one."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return tuple(result)


def overlap(some: tuple[tuple[int, int], ...], others: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The code points that are in both."""
    pairs = [(max(a, c), min(b, d)) for a, b in some for c, d in others]
    return merged([(low, high) for low, high in pairs if low <= high])


def others(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The code points that are in none of the ranges."""
    edges = [-1, *(edge for pair in ranges for edge in pair), 0x110000]
    gaps = [(low + 1, high - 1) for low, high in zip(edges[::2], edges[1::2], strict=True)]
    return tuple((low, high) for low, high in gaps if low <= high)


def of_length(node: Node, low: int, high: int | None) -> Node | None:
    """What a node without references writes at a length within bounds, or a part of it; None where that is unknown."""
    if isinstance(node, Choice):
        options = [of_length(option, low, high) for option in node.options]
        return None if None in options else choice(*(option for option in options if option is not None))
    shortest, longest = lengths(node)
    if shortest >= low and (high is None or (longest is not None and longest <= high)):
        return node
    if (high is not None and shortest > high) or (longest is not None and longest < low):
        return NEVER
    parts = list(node.parts) if isinstance(node, Seq) else [node]
    free = [index for index, part in enumerate(parts) if isinstance(part, Repeat) and lengths(part.item) == (1, 1)]
    spans = [lengths(part) for index, part in enumerate(parts) if index not in free]
    if not free or any(longest is None for _, longest in spans):
        return None
    missing = max(0, low - shortest)
    budget = None if high is None else high - shortest - missing - sum((b or 0) - a for a, b in spans)
    if budget is not None and budget < 0:
        return None
    for rank, index in enumerate(free):
        part = parts[index]
        assert isinstance(part, Repeat)
        more = missing if part.high is None else min(missing, part.high - part.low)
        missing -= more
        top = part.high
        if budget is not None:
            share = budget // (len(free) - rank)
            top = part.low + more + share if top is None else min(top, part.low + more + share)
            budget -= top - part.low - more
        parts[index] = Repeat(part.item, part.low + more, top)
    return None if missing else seq(*parts)


def lengths(node: Node) -> tuple[int, int | None]:
    """The fewest and the most characters of a node without references that is the inside of a JSON string."""
    if isinstance(node, Text):
        length = len(json.loads(f'"{node.text}"'))
        return length, length
    if isinstance(node, Chars):
        return 1, 1
    if isinstance(node, Repeat):
        low, high = lengths(node.item)
        most = None if high is None or (node.high is None and high) else high * (node.high or 0)
        return low * node.low, most
    inner = [lengths(part) for part in (node.parts if isinstance(node, Seq) else getattr(node, "options", ()))]
    highs = [high for _, high in inner if high is not None]
    if isinstance(node, Seq):
        return sum(low for low, _ in inner), sum(highs) if len(highs) == len(inner) else None
    return min((low for low, _ in inner), default=0), max(highs, default=0) if len(highs) == len(inner) else None


def matches(node: Node, text: str) -> bool:
    """Whether a node without references is the whole text; in polynomial time, unlike ``re``."""
    return len(text) in _ends(node, text, {0})


def _ends(node: Node, text: str, starts: set[int]) -> set[int]:
    if isinstance(node, Text):
        return {start + len(node.text) for start in starts if text.startswith(node.text, start)}
    if isinstance(node, Chars):
        inside = (start for start in starts if start < len(text))
        return {start + 1 for start in inside if any(a <= ord(text[start]) <= b for a, b in node.ranges)}
    if isinstance(node, Seq):
        for part in node.parts:
            starts = _ends(part, text, starts)
        return starts
    if isinstance(node, Repeat):
        found = set(starts) if node.low == 0 else set()
        count = 0
        while starts and (node.high is None or count < node.high):
            count += 1
            starts = _ends(node.item, text, starts) - (found if count > node.low else set())
            found |= starts if count >= node.low else set()
        return found
    return set().union(*(_ends(option, text, starts) for option in getattr(node, "options", ())))


def finishable(rules: dict[str, Node]) -> dict[str, Node]:
    """The rules without every option from which no finite text comes; a rule without any is left out."""
    users: dict[str, list[str]] = {}
    for name, node in rules.items():
        for used in dict.fromkeys(references(node)):
            users.setdefault(used, []).append(name)
    able: set[str] = set()
    pending = list(rules)
    while pending:
        name = pending.pop()
        if name not in able and _without(rules[name], able) is not None:
            able.add(name)
            pending += users.get(name, [])
    kept = {name: _without(rules[name], able) for name in rules if name in able}
    return {name: node for name, node in kept.items() if node is not None}


def _without(node: Node, able: set[str]) -> Node | None:
    """The node without what refers to anything but ``able``; None if nothing is left."""
    if isinstance(node, Ref):
        return node if node.name in able else None
    if isinstance(node, Seq):
        parts = [_without(part, able) for part in node.parts]
        return None if None in parts else seq(*(part for part in parts if part is not None))
    if isinstance(node, Choice):
        options = [option for option in (_without(option, able) for option in node.options) if option is not None]
        return choice(*options) if options else None
    if isinstance(node, Repeat):
        item = _without(node.item, able)
        if item is None:
            return EMPTY if node.low == 0 else None
        return Repeat(item, node.low, node.high)
    return None if isinstance(node, Chars) and not node.ranges else node


class Writer:
    """Writes rules as GBNF; what is repeated becomes a rule of its own, as llama.cpp copies it otherwise."""

    def __init__(self, rules: dict[str, Node]) -> None:
        self._rules = rules
        self._names: dict[Node, str] = {}
        self._lines: list[str] = []

    def text(self, root: str) -> str:
        """The rules that ``root`` reaches, as lines; it becomes the rule ``root``."""
        lines = [f"root ::= {self._of(self._rules[root])}"]
        done: set[str] = set()
        pending = [*references(self._rules[root])]
        while pending:
            name = pending.pop()
            if name not in done:
                done.add(name)
                lines.append(f"{name} ::= {self._of(self._rules[name])}")
                pending += references(self._rules[name])
        return "\n".join(lines + self._lines) + "\n"

    def _of(self, node: Node, inside: bool = False) -> str:
        """GBNF of one node; ``inside`` of a sequence, alternatives are put in parentheses."""
        if isinstance(node, Text):
            return '"' + "".join(_escaped(ord(letter), '"\\') for letter in node.text) + '"'
        if isinstance(node, Chars):
            return f"[{''.join(_range(low, high) for low, high in node.ranges)}]"
        if isinstance(node, Ref):
            return node.name
        if isinstance(node, Seq):
            return " ".join(self._of(part, True) for part in node.parts) or '""'
        if isinstance(node, Choice):
            text = " | ".join(self._of(option, True) for option in node.options)
            return f"({text})" if inside else text
        return self._repeated(node)

    def _repeated(self, node: Repeat) -> str:
        item = node.item if isinstance(node.item, Chars | Ref) else Ref(self._rule(node.item))
        one = self._of(item)
        if node.high == 0:
            return '""'
        if node.high is None:
            blocks, rest = divmod(node.low, BLOCK)
            full = [self._rule(Repeat(item, BLOCK, BLOCK))] * blocks if blocks else []
            fixed = [f"{one}{{{rest}}}"] if rest > 1 or (rest and full) else []
            return " ".join([*full, *fixed, one + ("+" if node.low == 1 else "*")])
        if node.high <= BLOCK:
            if (node.low, node.high) == (0, 1):
                return one + "?"
            return f"{one}{{{node.low}}}" if node.low == node.high else f"{one}{{{node.low},{node.high}}}"
        full_block = Ref(self._rule(Repeat(item, BLOCK, BLOCK)))
        less = Repeat(item, max(0, node.low - BLOCK), node.high - BLOCK)
        longer: Node = seq(full_block, Ref(self._rule(less)))
        if node.low < BLOCK:
            longer = choice(longer, Repeat(item, node.low, BLOCK - 1))
        return self._rule(longer)

    def _rule(self, node: Node) -> str:
        if node not in self._names:
            self._names[node] = name = f"x{len(self._names)}"
            self._lines.append(f"{name} ::= {self._of(node)}")
        return self._names[node]


def references(node: Node) -> Iterator[str]:
    """The names of rules in a node."""
    if isinstance(node, Ref):
        yield node.name
    elif isinstance(node, Repeat):
        yield from references(node.item)
    elif isinstance(node, Seq | Choice):
        for part in node.parts if isinstance(node, Seq) else node.options:
            yield from references(part)


_IN_CLASS = "[]\\^-"


def _range(low: int, high: int) -> str:
    first = _escaped(low, _IN_CLASS)
    return first if low == high else f"{first}-{_escaped(high, _IN_CLASS)}"


def _escaped(code: int, special: str) -> str:
    if 0x20 <= code < 0x7F:
        return "\\x5E" if code == 0x5E else "\\" + chr(code) if chr(code) in special else chr(code)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
