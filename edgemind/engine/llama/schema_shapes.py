"""What a JSON schema demands, all in one place: references followed, alternatives spread out, demands combined.

A ``Shape`` is one alternative. It holds for each demand its strictest value; the schemas of what is inside (of
properties, of items) are kept as they are, as the parts that all have to hold, and looked into when their turn comes.
Not for: what is then written (``json_schema``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn, TypeVar

from edgemind.engine.gbnf import Node, matches
from edgemind.errors import BadConstraint

ALL_TYPES = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
TYPES = {name: frozenset({name}) for name in ALL_TYPES - {"fraction"}} | {"number": frozenset({"integer", "fraction"})}
"""A ``number`` is an integer or has a fraction."""


class Part(NamedTuple):
    """A schema and where it stands."""

    pointer: str
    schema: Any


Parts = tuple[Part, ...]
"""Schemas that all have to hold; without any, everything is allowed."""

Bound = tuple[Decimal, bool]
Range = tuple[int, "int | None"]
T = TypeVar("T")


def refuse(pointer: str, keyword: str, why: str) -> NoReturn:
    raise BadConstraint(f'The JSON schema cannot be used: "{keyword[:60]}" at {pointer[:200]} {why}.')


@dataclass(frozen=True)
class Shape:
    """One way to fulfil a schema."""

    pointer: str = "#"
    types: frozenset[str] | None = None
    hints: frozenset[str] = frozenset()
    """Types that keywords were given for; what is meant where no type is demanded."""
    values: tuple[Any, ...] | None = None
    low: Bound | None = None
    high: Bound | None = None
    multiple: Decimal | None = None
    length: Range = (0, None)
    patterns: tuple[tuple[str, Node], ...] = ()
    formats: tuple[str, ...] = ()
    count: Range = (0, None)
    prefix: tuple[Parts, ...] = ()
    rest: Parts | None = None
    """Of the other items; None where nothing is said."""
    unique: bool = False
    properties: dict[str, Parts] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    keyed: tuple[tuple[str, Node, Parts], ...] = ()
    """Properties by the pattern of their names."""
    extra: Parts | None = None
    """Of the other properties; None where nothing is said."""
    names: Parts = ()
    written: bool = True
    """Not where this is known only to tell what fulfils the schema as well."""
    exact: bool = True
    """Whether this is all that fulfils the schema, not merely what is written for it."""
    size: Range = (0, None)

    @property
    def written_types(self) -> frozenset[str]:
        return self.types if self.types is not None else self.hints or ALL_TYPES

    def of(self, name: str) -> Parts:
        """What this demands of the property ``name``."""
        found = self.properties.get(name)
        keyed = [parts for _, node, parts in self.keyed if matches(node, json.dumps(name, ensure_ascii=False)[1:-1])]
        if found is None and not keyed:
            return self.extra or ()
        for parts in keyed:
            found = both(found or (), parts)
        return found or ()


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def both(one: Parts, other: Parts) -> Parts:
    known = {part.pointer for part in one}
    return one + tuple(part for part in other if part.pointer not in known)


def same(value: Any) -> Any:
    """A key that equal JSON values have in common."""
    if isinstance(value, list):
        return ("list", *(same(item) for item in value))
    if isinstance(value, dict):
        return ("dict", frozenset((name, same(item)) for name, item in value.items()))
    if isinstance(value, bool) or value is None:
        return ("word", value)
    return value


def combine(one: Shape, other: Shape) -> Shape | None:
    """What fulfils both; None if their types or values have nothing in common."""
    types = one.types if other.types is None else other.types if one.types is None else one.types & other.types
    if types is not None and not types:
        return None
    values = one.values if other.values is None else other.values
    if one.values is not None and other.values is not None:
        keys = {same(value) for value in one.values}
        values = tuple(value for value in other.values if same(value) in keys)
    multiple = one.multiple or other.multiple
    if one.multiple and other.multiple and one.multiple != other.multiple:
        big, small = max(one.multiple, other.multiple), min(one.multiple, other.multiple)
        if big % small:
            refuse(one.pointer, "multipleOf", "is combined with another one")
        multiple = big
    names = dict.fromkeys([*one.properties, *other.properties])
    length = max(len(one.prefix), len(other.prefix))
    items = [both(_item(one, index), _item(other, index)) for index in range(length)]
    return replace(
        one,
        types=types,
        hints=one.hints | other.hints,
        values=values,
        low=_stricter(one.low, other.low, 1),
        high=_stricter(one.high, other.high, -1),
        multiple=multiple,
        length=_inner(one.length, other.length),
        patterns=tuple(dict.fromkeys(one.patterns + other.patterns)),
        formats=tuple(dict.fromkeys(one.formats + other.formats)),
        count=_inner(one.count, other.count),
        prefix=tuple(items),
        rest=_either(one.rest, other.rest),
        unique=one.unique or other.unique,
        properties={name: both(one.of(name), other.of(name)) for name in names},
        required=tuple(dict.fromkeys(one.required + other.required)),
        keyed=_keyed(one, other) + _keyed(other, one),
        extra=_either(one.extra, other.extra),
        names=both(one.names, other.names),
        written=one.written and other.written,
        exact=one.exact and other.exact,
        size=_inner(one.size, other.size),
    )


def _item(shape: Shape, index: int) -> Parts:
    return shape.prefix[index] if index < len(shape.prefix) else shape.rest or ()


def _keyed(shape: Shape, other: Shape) -> tuple[tuple[str, Node, Parts], ...]:
    return tuple((text, node, both(parts, other.extra or ())) for text, node, parts in shape.keyed)


def _either(one: Parts | None, other: Parts | None) -> Parts | None:
    return other if one is None else one if other is None else both(one, other)


def _inner(one: Range, other: Range) -> Range:
    highs = [high for high in (one[1], other[1]) if high is not None]
    return max(one[0], other[0]), min(highs, default=None)


def _stricter(one: Bound | None, other: Bound | None, sign: int) -> Bound | None:
    given = [bound for bound in (one, other) if bound is not None]
    return max(given, key=lambda bound: (sign * bound[0], bound[1]), default=None)


def subschemas(schema: dict[str, Any], pointer: str, keyword: str) -> Iterator[Part]:
    """The members of a keyword whose value is a list of schemas."""
    value = schema[keyword]
    if not isinstance(value, list) or not value:
        refuse(pointer, keyword, "is not a list of schemas")
    for index, item in enumerate(value):
        yield subschema(item, f"{pointer}/{keyword}/{index}", pointer, keyword)


def subschema(value: Any, at: str, pointer: str, keyword: str) -> Part:
    if not isinstance(value, dict | bool):
        refuse(pointer, keyword, "is not a schema")
    return Part(at, value)
