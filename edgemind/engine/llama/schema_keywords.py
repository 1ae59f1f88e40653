"""The keywords of JSON schema that stand for themselves, each read as the ``Shape`` that it demands.

Not for: references, alternatives, and keywords that depend on those (``schema_reader``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from edgemind.engine.llama.schema_shapes import TYPES, Part, Parts, Shape, escaped, refuse, subschema, subschemas
from edgemind.engine.llama.schema_strings import FORMATS, pattern, plain

MAX_COUNT = 20_000
MAX_MINIMUM = 1000
NO_LIMIT = 10_000_000
"""A count that no model's context reaches."""
FAR = Decimal(10) ** 25
"""A bound beyond this is none."""

ANNOTATIONS = frozenset(
    [
        "$schema",
        "$id",
        "id",
        "$comment",
        "$anchor",
        "$defs",
        "definitions",
        "$vocabulary",
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentMediaType",
        "contentEncoding",
        "contentSchema",
        "discriminator",
        "xml",
        "externalDocs",
        "enumNames",
        "propertyOrdering",
        "nullable",
        "then",
        "else",
    ]
)
_COUNTS = {
    "Length": ("length", "string"),
    "Items": ("count", "array"),
    "Properties": ("size", "object"),
}


def mapping(pointer: str, keyword: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        refuse(pointer, keyword, "is not an object")
    return value


def names_of(pointer: str, keyword: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        refuse(pointer, keyword, "is not a list of names")
    return tuple(value)


def types_of(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    found: frozenset[str] = frozenset()
    for name in value if isinstance(value, list) and value else [value]:
        if not isinstance(name, str) or name not in TYPES:
            refuse(pointer, keyword, f"is {str(name)[:60]!r}, which is no type")
        found |= TYPES[name]
    return Shape(pointer, types=found)


def _values(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    values = [value] if keyword == "const" else value
    if not isinstance(values, list) or not values:
        refuse(pointer, keyword, "is not a list of values")
    return Shape(pointer, values=tuple(values))


def _decimal(pointer: str, keyword: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        refuse(pointer, keyword, "is not a number")
    if isinstance(value, int) and value.bit_length() > 2000:
        refuse(pointer, keyword, "is too large")
    return Decimal(str(value))


def _bound(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    lower = keyword in ("minimum", "exclusiveMinimum")
    out = keyword.startswith("exclusive")
    if out and isinstance(value, bool):
        return Shape(pointer)
    out = out or schema.get("exclusiveMinimum" if lower else "exclusiveMaximum") is True
    number = _decimal(pointer, keyword, value)
    if abs(number) > FAR:
        if (number > 0) == lower:
            refuse(pointer, keyword, "is too large")
        number, out = FAR.copy_sign(number), False
    hints = TYPES["number"]
    return Shape(pointer, hints=hints, low=(number, out)) if lower else Shape(pointer, hints=hints, high=(number, out))


def _multiple(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    number = _decimal(pointer, keyword, value)
    if not Decimal(10) ** -15 <= number <= FAR:
        refuse(pointer, keyword, "is not a positive number, or too small or large")
    return Shape(pointer, hints=TYPES["number"], multiple=number)


def _count(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    name, of_type = _COUNTS[keyword[3:]]
    low = keyword.startswith("min")
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1:
        refuse(pointer, keyword, "is not a count")
    if (low and value > MAX_MINIMUM) or MAX_COUNT < value < NO_LIMIT:
        limit = MAX_MINIMUM if low else MAX_COUNT
        refuse(pointer, keyword, f"is {str(value)[:20]}; it must lie between 0 and {limit:,}")
    other = schema.get(("max" if low else "min") + keyword[3:])
    if isinstance(other, int | float) and (value > other if low else value < other):
        refuse(pointer, f"min{keyword[3:]}", f"is larger than max{keyword[3:]}")
    span: tuple[int, int | None] = (int(value), None) if low else (0, None if value >= NO_LIMIT else int(value))
    changes: dict[str, Any] = {name: span}
    return replace(Shape(pointer, hints=TYPES[of_type]), **changes)


def _pattern(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    if not isinstance(value, str):
        refuse(pointer, keyword, "is not a string")
    return Shape(pointer, hints=TYPES["string"], patterns=((value, pattern(value, pointer)),))


def _format(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    if not isinstance(value, str):
        refuse(pointer, keyword, "is not a string")
    return Shape(pointer, hints=TYPES["string"], formats=(value,)) if value in FORMATS else Shape(pointer)


def _objects(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    """The keywords that divide the properties among themselves, read together with the first of them."""
    given = [name for name in schema if name in ("properties", "patternProperties", "additionalProperties")]
    if keyword != given[0]:
        return Shape(pointer)
    inner = _properties(pointer, schema, "properties")
    keyed = _properties(pointer, schema, "patternProperties")
    extra = None
    if "additionalProperties" in schema:
        extra = _everything_or(pointer, "additionalProperties", schema["additionalProperties"])
    if keyed and not all(map(plain, inner)):
        refuse(pointer, "patternProperties", "beside properties supports only plain ASCII names")
    patterns = tuple((text, pattern(text, pointer), parts) for text, parts in keyed.items())
    shape = Shape(pointer, hints=TYPES["object"], properties=inner, keyed=patterns, extra=extra)
    return replace(shape, properties={name: shape.of(name) for name in inner})


def _properties(pointer: str, schema: dict[str, Any], keyword: str) -> dict[str, Parts]:
    return {
        name: (subschema(item, f"{pointer}/{keyword}/{escaped(name)}", pointer, keyword),)
        for name, item in mapping(pointer, keyword, schema.get(keyword, {})).items()
    }


def _everything_or(pointer: str, keyword: str, value: Any) -> Parts:
    part = subschema(value, f"{pointer}/{keyword}", pointer, keyword)
    return () if value is True or value == {} else (part,)


def _arrays(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    """The keywords that divide the items among themselves, in the way of this draft or of the earlier ones."""
    given = [name for name in schema if name in ("prefixItems", "items", "additionalItems")]
    if keyword != given[0]:
        return Shape(pointer)
    listed = "items" if isinstance(schema.get("items"), list) else "prefixItems"
    others = "additionalItems" if listed == "items" else "items"
    prefix = tuple((part,) for part in subschemas(schema, pointer, listed)) if schema.get(listed) else ()
    rest = _everything_or(pointer, others, schema[others]) if others in schema else None
    return Shape(pointer, hints=TYPES["array"], prefix=prefix, rest=rest)


def _contains(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    if "maxContains" in schema or schema.get("minContains", 1) != 1:
        refuse(pointer, keyword, "with another count than 1 cannot be enforced by a grammar")
    first: Parts = (subschema(value, f"{pointer}/{keyword}", pointer, keyword),)
    return Shape(pointer, hints=TYPES["array"], prefix=(first,), rest=(), count=(1, None), exact=False)


def _unique(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    if not isinstance(value, bool):
        refuse(pointer, keyword, "is neither true nor false")
    return Shape(pointer, hints=TYPES["array"], unique=value)


def _required(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    return Shape(pointer, hints=TYPES["object"], required=names_of(pointer, keyword, value))


def _property_names(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    part: Part = subschema(value, f"{pointer}/{keyword}", pointer, keyword)
    return Shape(pointer, hints=TYPES["object"], names=(part,))


def _nothing(pointer: str, keyword: str, schema: dict[str, Any], value: Any) -> Shape:
    return Shape(pointer)


KEYWORDS: dict[str, Callable[[str, str, dict[str, Any], Any], Shape]] = {
    "type": types_of,
    "const": _values,
    "enum": _values,
    "minimum": _bound,
    "maximum": _bound,
    "exclusiveMinimum": _bound,
    "exclusiveMaximum": _bound,
    "multipleOf": _multiple,
    "minLength": _count,
    "maxLength": _count,
    "minItems": _count,
    "maxItems": _count,
    "minProperties": _count,
    "maxProperties": _count,
    "pattern": _pattern,
    "format": _format,
    "properties": _objects,
    "patternProperties": _objects,
    "additionalProperties": _objects,
    "required": _required,
    "propertyNames": _property_names,
    "prefixItems": _arrays,
    "items": _arrays,
    "additionalItems": _arrays,
    "contains": _contains,
    "minContains": _nothing,
    "maxContains": _nothing,
    "uniqueItems": _unique,
}
"""The values are: its place, its name, the schema around it, its value. Counts beside ``contains`` are read there."""
HOPELESS = frozenset(
    ("if", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "extends", "disallow", "divisibleBy")
)
