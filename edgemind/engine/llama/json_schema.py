"""JSON schema to GBNF: what the grammar lets a model write, parses as JSON and validates against the schema.

The other way round it is narrower than the schema: properties come in the order in which they were declared, an
object with ``properties`` has others only where ``additionalProperties`` asks for them, and between two tokens there
is at most one space, because a small model that may write blanks sometimes writes nothing else.

``schema_reader`` tells what a schema demands, ``gbnf`` writes; here is what JSON looks like.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edgemind.engine import gbnf
from edgemind.engine.gbnf import EMPTY, NEVER, Chars, Node, Ref, Repeat, choice, optional, seq
from edgemind.engine.llama import schema_numbers
from edgemind.engine.llama.grammar_limits import MAX_CHARACTERS
from edgemind.engine.llama.schema_reader import Reader
from edgemind.engine.llama.schema_shapes import ALL_TYPES, TYPES, Parts, Shape, refuse, same
from edgemind.engine.llama.schema_strings import ANY_CHAR, ANY_PLAIN, FORMATS, PLAIN
from edgemind.errors import BadConstraint

MAX_SCHEMA_CHARACTERS = 64 * 1024
MAX_DEPTH = 48
MAX_NODES = 4000
MAX_RULES = 6000
MAX_PROPERTIES = 1000
SPACE = optional(seq(" "))

_STRING = seq('"', Repeat(Ref("char"), 0, None), '"')
_FIXED: dict[str, Node] = {
    "char": ANY_CHAR,
    "string": _STRING,
    "number": schema_numbers.NUMBER,
    "pair": seq(Ref("string"), ":", SPACE, Ref("value")),
    "object": seq("{", SPACE, optional(seq(Ref("pair"), Repeat(seq(",", SPACE, Ref("pair")), 0, None), SPACE)), "}"),
    "array": seq("[", SPACE, optional(seq(Ref("value"), Repeat(seq(",", SPACE, Ref("value")), 0, None), SPACE)), "]"),
    "value": choice(Ref("object"), Ref("array"), Ref("string"), Ref("number"), "true", "false", "null"),
}


def schema_to_grammar(schema: dict[str, Any]) -> str:
    """The GBNF of a JSON schema, root rule ``root``.

    Raises:
        BadConstraint: not a schema, larger than the limits, or it demands what no grammar here enforces; the message
            names the keyword and its place.
    """
    _check(schema)
    try:
        grammar = _Converter(schema).grammar()
    except RecursionError:
        raise BadConstraint("The JSON schema is nested too deeply.") from None
    if len(grammar) > MAX_CHARACTERS:
        raise BadConstraint(f"The JSON schema becomes a grammar of {len(grammar):,} characters, which is too large.")
    return grammar


class _Converter:
    """One schema. Every place that is reached gets a rule; the rules yet to be filled in wait in a list."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._reader = Reader(schema)
        self._root: Parts = (self._reader.settled_root(),)
        self._rules = dict(_FIXED)
        self._names: dict[tuple[str, ...], str] = {}
        self._pending: list[tuple[str, Parts]] = []

    def grammar(self) -> str:
        root = self._inner(self._root)
        while self._pending:
            name, parts = self._pending.pop()
            self._rules[name] = choice(*(self._shape(shape) for shape in self._reader.shapes(parts) if shape.written))
        rules = gbnf.finishable(self._rules)
        if root.name not in rules:
            raise BadConstraint("The JSON schema allows nothing that could be written.")
        return gbnf.Writer(rules).text(root.name)

    def _inner(self, parts: Parts) -> Ref:
        """The rule of what fulfils ``parts``."""
        settled = {part.pointer: part for part in map(self._reader.settled, parts)}
        key = tuple(sorted(settled))
        if not key:
            return Ref("value")
        if key not in self._names:
            self._names[key] = name = f"s{len(self._names)}"
            self._pending.append((name, tuple(settled.values())))
            self._rules[name] = NEVER
        return Ref(self._names[key])

    def _new(self, node: Node) -> Ref:
        if len(self._rules) >= MAX_RULES:
            raise BadConstraint(f"The JSON schema becomes a grammar of more than {MAX_RULES:,} rules, too large.")
        name = f"r{len(self._rules)}"
        self._rules[name] = node
        return Ref(name)

    def _shape(self, shape: Shape) -> Node:
        if shape.values is not None:
            return choice(*(_json(value) for value in self._reader.values(shape)))
        types = shape.written_types
        if types == ALL_TYPES and not shape.hints:
            return Ref("value")
        options: list[Node] = []
        if "null" in types:
            options.append(seq("null"))
        if "boolean" in types:
            options.append(choice("true", "false"))
        if types & TYPES["number"]:
            options.append(self._number(shape, types))
        if "string" in types:
            options.append(seq('"', self._text(shape), '"'))
        if "array" in types:
            options.append(self._array(shape))
        if "object" in types:
            options.append(self._object(shape))
        return choice(*options)

    def _number(self, shape: Shape, types: frozenset[str]) -> Node:
        if "integer" not in types:
            refuse(shape.pointer, "not", "leaves numbers without the integers, which cannot be enforced by a grammar")
        write = schema_numbers.numbers if "fraction" in types else schema_numbers.integers
        node = write(shape.low, shape.high, shape.multiple)
        if node is None:
            refuse(shape.pointer, "multipleOf", f"{shape.multiple} cannot be enforced by a grammar in this range")
        return node

    def _text(self, shape: Shape) -> Node:
        """What stands between the quotes."""
        low, high = shape.length
        known = [FORMATS[name] for name in shape.formats if name in FORMATS]
        known += [node for _, node in shape.patterns]
        if len(known) > 1:
            refuse(shape.pointer, "pattern" if shape.patterns else "format", "is combined with another one")
        if not known:
            return Repeat(Ref("char"), low, high) if high is None or low <= high else NEVER
        fitted = gbnf.of_length(known[0], low, high)
        if fitted is None:
            keyword = "minLength" if high is None else "maxLength"
            refuse(shape.pointer, keyword, "cannot be enforced beside this pattern or format")
        return fitted

    def _array(self, shape: Shape) -> Node:
        low, high = shape.count
        prefix, rest = shape.prefix, shape.rest
        if len(prefix) > MAX_PROPERTIES:
            refuse(shape.pointer, "prefixItems", f"has more than {MAX_PROPERTIES:,} schemas")
        if rest is None and prefix and low <= len(prefix):
            high = len(prefix) if high is None else min(high, len(prefix))
        if high is not None and low > high:
            return NEVER
        if shape.unique and (high is None or high > 1):
            return self._set(shape, low, high)
        if high == 0:
            return seq("[", SPACE, "]")
        item = self._inner(rest or ())
        prefix = prefix if high is None else prefix[:high]
        count = max(1, len(prefix))
        first = self._inner(prefix[0]) if prefix else item
        rest_high = None if high is None else high - count
        after: Node = Repeat(seq(",", SPACE, item), max(0, low - count), rest_high) if rest_high != 0 else EMPTY
        for index in range(len(prefix) - 1, 0, -1):
            after = self._new(seq(",", SPACE, self._inner(prefix[index]), after))
            after = optional(after) if index >= low else after
        inside = seq(first, after, SPACE)
        return seq("[", SPACE, optional(inside) if low == 0 else inside, "]")

    def _set(self, shape: Shape, low: int, high: int | None) -> Node:
        """Items that differ: in the order of an enum, each at most once."""
        shapes = self._reader.shapes(shape.rest) if shape.rest and not shape.prefix else [Shape()]
        values = {repr(same(value)): value for inner in shapes for value in self._reader.values(inner)}
        listed = all(inner.values is not None for inner in shapes)
        if not listed or low > 1 or (high is not None and high < len(values)):
            refuse(shape.pointer, "uniqueItems", "cannot be enforced by a grammar, but for items of an enum")
        entries = [(seq(_json(value)), False) for value in values.values()]
        return seq("[", SPACE, self._row(entries, low, None, None), "]")

    def _object(self, shape: Shape) -> Node:
        low, high = shape.size
        properties = {name: shape.of(name) for name in dict.fromkeys([*shape.properties, *shape.required])}
        extra, extra_key = self._others(shape, properties)
        if shape.names:
            key = self._enumerated(shape.names)
            properties = {n: parts for n, parts in properties.items() if self._reader.admits(shape.names, n)}
            if any(name not in properties for name in shape.required):
                return NEVER
            if key is not None and extra is not None:
                properties |= {name: extra for name in key if name not in properties}
                extra = None
            elif extra is not None and extra_key is not None:
                if properties or shape.keyed:
                    refuse(shape.pointer, "propertyNames", "cannot be enforced beside properties")
                shapes = [inner for inner in self._reader.shapes(shape.names) if "string" in inner.written_types]
                extra_key = choice(*(self._text(inner) for inner in shapes if inner.values is None))
        if len(properties) > MAX_PROPERTIES:
            refuse(shape.pointer, "properties", f"has {len(properties):,}, too many optional properties to write")
        entries = []
        for name, parts in properties.items():
            if any(part.schema is False for part in parts):
                if name in shape.required:
                    return NEVER
                continue
            entries.append((seq(_json(name) + ":", SPACE, self._inner(parts)), name in shape.required))
        if low > max(1, len(shape.required)):
            refuse(shape.pointer, "minProperties", "above the number of required properties cannot be enforced")
        if high is not None and len(shape.required) > high:
            return NEVER
        if high is not None and len(entries) > high:
            refuse(shape.pointer, "maxProperties", "below the number of declared properties cannot be enforced")
        pair = None
        if extra is not None and extra_key is not None and not any(part.schema is False for part in extra):
            pair = self._new(seq('"', extra_key, '":', SPACE, self._inner(extra)))
        return seq("{", SPACE, self._row(entries, low, pair, None if high is None else high - len(entries)), "}")

    def _enumerated(self, names: Parts) -> list[str] | None:
        shapes = self._reader.shapes(names)
        if any(shape.values is None for shape in shapes):
            return None
        found = [value for shape in shapes for value in self._reader.values(shape)]
        return list(dict.fromkeys(value for value in found if isinstance(value, str)))

    def _others(self, shape: Shape, properties: dict[str, Parts]) -> tuple[Parts | None, Node | None]:
        """The demands of properties that are not declared, and their names; None for none."""
        if shape.keyed:
            _, node, parts = shape.keyed[0]
            mixed = len(shape.keyed) > 1 or any(gbnf.matches(node, _json(name)[1:-1]) for name in properties)
            return (None, None) if mixed else (parts, node)
        if shape.extra is None and properties:
            return None, None
        return shape.extra or (), self._other_than([name for name in properties if gbnf.matches(ANY_PLAIN, name)])

    def _other_than(self, names: Sequence[str]) -> Node:
        """Names without escapes that are none of these."""
        if not names:
            return ANY_PLAIN
        children: dict[str, list[str]] = {}
        for name in names:
            if name:
                children.setdefault(name[0], []).append(name[1:])
        taken = gbnf.merged([(ord(letter), ord(letter)) for letter in children])
        free = seq(Chars(gbnf.overlap(PLAIN.ranges, gbnf.others(taken))), ANY_PLAIN)
        options: list[Node] = [free, *(seq(letter, self._other_than(ends)) for letter, ends in children.items())]
        return self._new(choice(*([] if "" in names else [EMPTY]), *options))

    def _row(self, entries: list[tuple[Node, bool]], low: int, other: Node | None, most: int | None) -> Node:
        """Entries in their order with commas between, some of them required, then ``most`` of ``other``."""
        only: Node = NEVER
        after: Node = EMPTY
        if other is not None and (most is None or most > 0):
            more = seq(",", SPACE, other)
            only = seq(other, Repeat(more, 0, None if most is None else most - 1))
            after = Repeat(more, 0, most)
        first = only if low else EMPTY if only == NEVER else optional(only)
        must = False
        for entry, required in reversed(entries):
            here = seq(entry, self._new(after) if after != EMPTY else EMPTY)
            only = self._new(here if required else choice(here, only))
            first = self._new(here if required else choice(here, first))
            must = must or required
            after = seq(",", SPACE, only) if must else optional(seq(",", SPACE, only))
        return seq(first, SPACE) if first != EMPTY else EMPTY


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text) else json.dumps(value)


def _check(schema: object) -> None:
    """Refuse what would be slow to read, before it is read."""
    if not isinstance(schema, dict):
        raise BadConstraint("A JSON schema must be an object.")
    nodes = 0
    pending: list[tuple[object, int]] = [(schema, 1)]
    while pending:
        node, depth = pending.pop()
        nodes += 1
        if depth > MAX_DEPTH:
            raise BadConstraint(f"The JSON schema is nested more than {MAX_DEPTH} levels deep.")
        if nodes > MAX_NODES:
            raise BadConstraint(f"The JSON schema has more than {MAX_NODES:,} parts.")
        if isinstance(node, dict):
            pending += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            pending += [(value, depth + 1) for value in node]
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise BadConstraint(f"The JSON schema is not JSON: {str(problem)[:200]}.") from None
    if size > MAX_SCHEMA_CHARACTERS:
        raise BadConstraint(f"The JSON schema has {size:,} characters; at most {MAX_SCHEMA_CHARACTERS:,} are accepted.")
