"""Reading a JSON schema, keyword by keyword; none is passed over in silence.

What no grammar can hold is narrowed where that is sound (``contains`` becomes the first item, a closed object stays
closed), and refused with its place where it is not.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from edgemind.engine.gbnf import matches
from edgemind.engine.llama.schema_keywords import ANNOTATIONS, HOPELESS, KEYWORDS, mapping, names_of, types_of
from edgemind.engine.llama.schema_shapes import (
    ALL_TYPES,
    TYPES,
    Part,
    Parts,
    Shape,
    combine,
    escaped,
    refuse,
    same,
    subschema,
    subschemas,
)
from edgemind.engine.llama.schema_strings import FORMATS, plain
from edgemind.errors import BadConstraint

MAX_SHAPES = 200
"""Alternatives of one place."""
MAX_WORK = 40_000
"""Alternatives combined, in all."""
MAX_CHAIN = 60
"""References and alternatives within one another that stand for the same place."""
_DEPENDENT = ("dependentRequired", "dependentSchemas", "dependencies")
_SPECIAL = {"$ref", "allOf", "anyOf", "oneOf", "not", "unevaluatedProperties", "unevaluatedItems", *_DEPENDENT}
NOTHING: Parts = (Part("(nothing)", False),)


class Reader:
    """Of one schema, which must be JSON and of a bearable depth."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._known: dict[str, list[Shape]] = {}
        self._open: list[str] = []
        self._work = 0

    def shapes(self, parts: Parts) -> list[Shape]:
        """The ways to fulfil all of ``parts``."""
        result = [Shape(parts[0].pointer if parts else "#")]
        for part in parts:
            result = self._product(result, self._of(part))
        return result

    def settled_root(self) -> Part:
        return self.settled(Part("#", self._root))

    def settled(self, part: Part) -> Part:
        """The part that a mere reference leads to."""
        seen = set()
        while isinstance(part.schema, dict) and "$ref" in part.schema and set(part.schema) - ANNOTATIONS == {"$ref"}:
            if part.pointer in seen:
                refuse(part.pointer, "$ref", "leads back to itself")
            seen.add(part.pointer)
            part = self._target(part)
        return part

    def admits(self, parts: Parts, value: Any) -> bool:
        """Whether a value that is known fulfils ``parts``."""
        return any(self.fits(shape, value) for shape in self.shapes(parts))

    def values(self, shape: Shape) -> list[Any]:
        """Those of a shape's ``values`` that its other demands allow."""
        others = replace(shape, values=None)
        return [value for value in shape.values or () if self.fits(others, value)]

    def fits(self, shape: Shape, value: Any) -> bool:
        """Whether a value that is known fulfils one shape."""
        if shape.types is not None and _type(value) not in shape.types:
            return False
        if shape.values is not None and same(value) not in {same(allowed) for allowed in shape.values}:
            return False
        if isinstance(value, bool) or value is None:
            return True
        if isinstance(value, int | float):
            return _in_bounds(shape, Decimal(str(value)))
        size = len(value)
        low, high = shape.length if isinstance(value, str) else shape.count if isinstance(value, list) else shape.size
        if size < low or (high is not None and size > high):
            return False
        if isinstance(value, str):
            text = json.dumps(value, ensure_ascii=False)[1:-1]
            known = [FORMATS[name] for name in shape.formats]
            return all(matches(node, text) for node in [*(node for _, node in shape.patterns), *known])
        if isinstance(value, list):
            if shape.unique and len({same(item) for item in value}) < size:
                return False
            given = itertools.zip_longest(value, shape.prefix[:size], fillvalue=shape.rest or ())
            return all(self.admits(parts, item) for item, parts in given)
        return all(name in value for name in shape.required) and all(
            self.admits(shape.of(name), item) and self.admits(shape.names, name) for name, item in value.items()
        )

    def _of(self, part: Part) -> list[Shape]:
        part = self.settled(part)
        if part.pointer in self._open:
            refuse(part.pointer, "$ref", "leads back to itself")
        if part.pointer not in self._known:
            if len(self._open) >= MAX_CHAIN:
                raise BadConstraint(f"The JSON schema follows more than {MAX_CHAIN} references for one place.")
            self._open.append(part.pointer)
            self._known[part.pointer] = self._read(part)
            self._open.pop()
        return self._known[part.pointer]

    def _read(self, part: Part) -> list[Shape]:
        pointer, schema = part
        if isinstance(schema, bool):
            return [Shape(pointer)] if schema else []
        result = [self._own(pointer, schema)]
        if "$ref" in schema:
            result = self._product(result, self._of(self._target(part)))
        for keyword in _DEPENDENT:
            for options in _dependencies(pointer, schema, keyword):
                result = self._product(result, self._options(options))
        for inner in subschemas(schema, pointer, "allOf") if "allOf" in schema else ():
            result = self._product(result, self._of(inner))
        if "anyOf" in schema:
            found = [self._of(inner) for inner in subschemas(schema, pointer, "anyOf")]
            result = self._product(result, [shape for shapes in found for shape in shapes])
        if "oneOf" in schema:
            branches = [self._product(result, self._of(inner)) for inner in subschemas(schema, pointer, "oneOf")]
            result = self._exactly_one(pointer, branches)
        if "not" in schema:
            result = self._product(result, self._negated(pointer, schema["not"]))
        for keyword, name, of_type in (
            ("unevaluatedProperties", "extra", "object"),
            ("unevaluatedItems", "rest", "array"),
        ):
            if keyword in schema:
                if not all(shape.exact for shape in result):
                    refuse(pointer, keyword, "cannot be enforced beside contains, oneOf or what depends on a property")
                rest = (subschema(schema[keyword], f"{pointer}/{keyword}", pointer, keyword),)
                changes: dict[str, Any] = {name: rest}
                result = [
                    replace(shape, hints=shape.hints | {of_type}, **changes) if getattr(shape, name) is None else shape
                    for shape in result
                ]
        return result

    def _options(self, options: Iterable[Shape | Part]) -> list[Shape]:
        return [shape for item in options for shape in ([item] if isinstance(item, Shape) else self._of(item))]

    def _product(self, some: list[Shape], others: list[Shape]) -> list[Shape]:
        self._work += len(some) * sum(1 + len(shape.properties) // 10 for shape in others)
        if self._work > MAX_WORK or len(some) * len(others) > MAX_SHAPES**2:
            raise BadConstraint("The JSON schema has too many alternatives to combine.")
        pairs = (combine(one, other) for one in some for other in others)
        result = [shape for shape in pairs if shape is not None]
        if len(result) > MAX_SHAPES:
            raise BadConstraint(f"The JSON schema has more than {MAX_SHAPES} alternatives at {some[0].pointer[:200]}.")
        return result

    def _target(self, part: Part) -> Part:
        reference = part.schema["$ref"]
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            shown = str(reference)[:100]
            raise BadConstraint(
                f"The reference {shown!r} at {part.pointer[:200]} is not within the schema; only #/… is supported."
            )
        target: Any = self._root
        pointer = "#"
        for step in reference.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and name in target:
                target = target[name]
            elif isinstance(target, list) and name.isdecimal() and len(name) < 6 and int(name) < len(target):
                target = target[int(name)]
            else:
                refuse(part.pointer, "$ref", f"leads nowhere: {reference[:100]}")
            pointer += "/" + escaped(name)
        if not isinstance(target, dict | bool):
            refuse(part.pointer, "$ref", f"leads to no schema: {reference[:100]}")
        return Part(pointer, target)

    def _own(self, pointer: str, schema: dict[str, Any]) -> Shape:
        """The demands of a schema's own keywords, those that stand for themselves."""
        shape = Shape(pointer)
        for keyword, value in schema.items():
            if keyword in ANNOTATIONS or keyword in _SPECIAL or keyword.startswith("x-"):
                continue
            read = KEYWORDS.get(keyword)
            if read is None:
                known = keyword in HOPELESS
                refuse(pointer, keyword, "cannot be enforced by a grammar" if known else "is no keyword known here")
            combined = combine(shape, read(pointer, keyword, schema, value))
            if combined is None:
                return replace(shape, types=frozenset(), values=())
            shape = combined
        return shape

    def _negated(self, pointer: str, schema: Any) -> list[Shape]:
        if schema is False:
            return [Shape(pointer)]
        if schema is True or schema == {}:
            return []
        if isinstance(schema, dict) and set(schema) == {"type"}:
            excluded = types_of(f"{pointer}/not", "type", schema, schema["type"]).types or frozenset()
            return [Shape(pointer, types=ALL_TYPES - excluded)]
        names = schema.get("required") if isinstance(schema, dict) and set(schema) == {"required"} else None
        if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str):
            return [Shape(pointer, types=TYPES["object"], properties={names[0]: NOTHING})]
        return refuse(pointer, "not", "cannot be enforced by a grammar, but for a type or a single required name")

    def _exactly_one(self, pointer: str, branches: list[list[Shape]]) -> list[Shape]:
        """What is written for a branch must fit no other branch."""
        result = []
        for index, branch in enumerate(branches):
            others = [shape for number, shapes in enumerate(branches) if number != index for shape in shapes]
            for shape in branch:
                for other in others:
                    kept = self._apart(shape, other, 0)
                    if kept is not shape and kept is not None:
                        kept = replace(kept, exact=False)
                    if kept is None:
                        why = "has alternatives that one value may fulfil together; use anyOf, or a const that differs"
                        refuse(pointer, "oneOf", why)
                    shape = kept
                result.append(shape)
        return result

    def _apart(self, shape: Shape, other: Shape, depth: int) -> Shape | None:
        """The shape, if need be narrowed, so that nothing written for it fits ``other``; None if unknown."""
        self._work += 1 + len(shape.required)
        if self._work > MAX_WORK:
            raise BadConstraint("The JSON schema has too many alternatives to combine.")
        if shape.values is not None:
            if not other.exact or not all(_judged(value, other) for value in shape.values):
                return None
            return replace(shape, values=tuple(value for value in shape.values if not self.fits(other, value)))
        types = shape.written_types & (ALL_TYPES if other.types is None else other.types)
        if not types:
            return shape
        if not other.exact:
            return None
        if types <= TYPES["number"] and not _in_bounds_of(shape, other):
            return shape
        if types == TYPES["object"] and shape.written_types == types:
            for name in other.required:
                if name not in shape.required:
                    return replace(shape, properties=shape.properties | {name: NOTHING})
            for name in shape.required:
                if depth < 3 and self._all_apart(shape.of(name), other.of(name), depth):
                    return shape
        return None

    def _all_apart(self, some: Parts, others: Parts, depth: int) -> bool:
        if {part.pointer for part in others} <= {part.pointer for part in some}:
            return False
        pairs = itertools.product(self.shapes(some), self.shapes(others))
        return all(self._apart(one, other, depth + 1) is one or self._no_values(one, other) for one, other in pairs)

    def _no_values(self, shape: Shape, other: Shape) -> bool:
        if shape.values is None or not other.exact or not all(_judged(value, other) for value in shape.values):
            return False
        return not any(self.fits(other, value) for value in shape.values)


def _type(value: Any) -> str:
    names = {bool: "boolean", type(None): "null", str: "string", list: "array", dict: "object", int: "integer"}
    found = names.get(type(value))
    return found if found else "integer" if value == int(value) else "fraction"


def _judged(value: Any, shape: Shape) -> bool:
    """Whether ``Reader.fits`` is as good at telling that this value does not fit as that it does."""
    if isinstance(value, str):
        return not shape.formats and (not shape.patterns or plain(value))
    return not isinstance(value, list | dict)


def _in_bounds(shape: Shape, number: Decimal) -> bool:
    low, high = shape.low, shape.high
    if low and (number < low[0] or (low[1] and number == low[0])):
        return False
    if high and (number > high[0] or (high[1] and number == high[0])):
        return False
    return not shape.multiple or number % shape.multiple == 0


def _in_bounds_of(one: Shape, other: Shape) -> bool:
    """Whether the ranges of two shapes have a number in common."""
    for low, high in ((one.low, other.high), (other.low, one.high)):
        if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
            return False
    return True


def _dependencies(pointer: str, schema: dict[str, Any], keyword: str) -> Iterable[list[Shape | Part]]:
    """For each name: it is left out, or it or what depends on it is there and holds; or it is no object at all."""
    other = Shape(pointer, types=ALL_TYPES - TYPES["object"], written=False)
    for name, value in mapping(pointer, keyword, schema.get(keyword, {})).items():
        absent = Shape(pointer, types=TYPES["object"], properties={name: NOTHING})
        if isinstance(value, list) and keyword != "dependentSchemas":
            needed = names_of(pointer, keyword, value)
            yield [other, absent, Shape(pointer, types=TYPES["object"], required=needed)]
        else:
            there = Part(
                f"{pointer}/{keyword}/{escaped(name)} where given",
                {"type": "object", "allOf": [value], "required": [name]},
            )
            subschema(value, there.pointer, pointer, keyword)
            yield [other, absent, there]
