"""JSON schemas that strangers may bring, with texts that their grammars must accept and must not."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import pydantic


class Case(NamedTuple):
    schema: Any
    good: tuple[str, ...]
    bad: tuple[str, ...] = ()
    narrow: tuple[str, ...] = ()
    """Valid, but not written."""


def obj(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


INT, STR, NULL, BOOL = {"type": "integer"}, {"type": "string"}, {"type": "null"}, {"type": "boolean"}


class Colour(pydantic.BaseModel):
    kind: Literal["colour"]
    rgb: tuple[int, int, int]


class Size(pydantic.BaseModel):
    kind: Literal["size"]
    metres: float = pydantic.Field(gt=0, le=10.5)


class Node(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=4)
    children: list[Node] = pydantic.Field(default=[], max_length=2)


class Thing(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=1, max_length=8, description="What it is called")
    trait: Colour | Size = pydantic.Field(discriminator="kind")
    note: str | None = pydantic.Field(default=None, max_length=4)
    tags: dict[str, int] = pydantic.Field(default={}, max_length=1)


CASES: dict[str, Case] = {
    "anything": Case(
        {}, ("1", '"a"', "null", '{"a": [1, {}]}', "[]", "-1.5e10"), ("", "nul", "{a:1}", "[1,]", "01", "1.")
    ),
    "true": Case({"properties": {"a": True, "b": False}}, ('{"a": [1]}', "{}"), ('{"b": 1}', '{"a": 1, "b": 1}')),
    "title only": Case({"title": "x", "default": 5}, ("1", '"a"')),
    "string": Case(STR, ('""', '"é\\n\\u00e9☃"', '"a b"'), ('"a', "a", '"\n"', '"\\x"')),
    "lengths": Case(
        {"type": "string", "minLength": 2, "maxLength": 4}, ('"ab"', '"abcd"', '"\\n\\n"'), ('"a"', '"abcde"')
    ),
    "long": Case(
        {"type": "string", "minLength": 600, "maxLength": 1201}, (), ('"' + "a" * 599 + '"', '"' + "a" * 1202 + '"')
    ),
    "integer": Case(INT, ("0", "-12", "123456"), ("1.5", "01", "-", '"1"')),
    "number": Case({"type": "number"}, ("0", "-1.25", "1e5", "2.5E-3"), (".5", "1.", "+1", "NaN", "Infinity")),
    "boolean or null": Case({"type": ["boolean", "null"]}, ("true", "false", "null"), ("1", "True", "None")),
    "type list": Case(
        {"type": ["string", "integer"], "maxLength": 2, "minimum": 3}, ('"ab"', "3"), ('"abc"', "2", "3.5")
    ),
    "age": Case(
        {"type": "integer", "minimum": 0, "maximum": 120}, ("0", "7", "99", "120"), ("-1", "121", "1000", "1.5")
    ),
    "exclusive": Case(
        {"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": 3}, ("-2", "0", "2"), ("-3", "3", "30", "-20")
    ),
    "draft 4": Case(
        {
            "type": "integer",
            "minimum": 5,
            "exclusiveMinimum": True,
            "$schema": "http://json-schema.org/draft-04/schema#",
        },
        ("6", "50", "123456"),
        ("5", "0", "-6"),
    ),
    "at least": Case({"type": "integer", "minimum": 437}, ("437", "440", "500", "10000"), ("436", "99", "0", "-500")),
    "at most": Case({"type": "integer", "maximum": -25}, ("-25", "-30", "-1000"), ("-24", "-3", "0", "25")),
    "probability": Case(
        {"type": "number", "minimum": 0, "maximum": 1},
        ("0", "1", "0.5", "1.0", "0.0625"),
        ("1.1", "-0.1", "1.01", "2", "1e5"),
    ),
    "decimals": Case(
        {"type": "number", "exclusiveMinimum": 0.25, "maximum": 3.5},
        ("0.26", "0.2501", "1", "3", "3.5", "3.50", "2.999"),
        ("0.25", "0.250", "0.2", "0", "3.51", "3.6", "4", "0.24999"),
    ),
    "negative decimals": Case(
        {"type": "number", "minimum": -2.5, "exclusiveMaximum": -0.1},
        ("-2.5", "-1", "-0.11"),
        ("-2.51", "-0.1", "0", "1"),
    ),
    "above": Case({"type": "number", "minimum": 99.5}, ("99.5", "100", "12345.25"), ("99.4", "99", "9", "-100")),
    "positive": Case({"type": "number", "exclusiveMinimum": 0}, ("0.1", "1", "12.5"), ("0", "0.0", "-1", "-0")),
    "tens": Case(
        {"type": "integer", "multipleOf": 10, "minimum": 20}, ("20", "100", "12340"), ("10", "25", "0", "-20")
    ),
    "even": Case({"type": "integer", "multipleOf": 2}, ("0", "-4", "12", "2"), ("1", "13", "-5")),
    "few multiples": Case({"multipleOf": 7, "minimum": 1, "maximum": 30}, ("7", "28"), ("0", "8", "35", "7.5")),
    "enum": Case(
        {"enum": ["a", 1, 1.5, None, True, [1, "x"], {"b": {}}]},
        ('"a"', "1", "1.5", "null", "true", '[1, "x"]', '{"b": {}}'),
        ('"b"', "2", "false", "[1]"),
    ),
    "typed enum": Case(
        {"type": ["string", "null"], "enum": ["é", 5, None], "maxLength": 3}, ('"é"', "null"), ("5", '"e"')
    ),
    "const": Case({"const": 'quote " and \\ ^]'}, ('"quote \\" and \\\\ ^]"',), ('"quote"',)),
    "pattern": Case(
        {"type": "string", "pattern": r"^[A-Z]{2}-\d{1,3}(x|yz)?$"},
        ('"AB-1"', '"AB-123yz"'),
        ('"A-1"', '"AB-1234"', '"AB-1xx"'),
    ),
    "loose pattern": Case({"type": "string", "pattern": "b+c"}, ('"bc"', '"a bbc d"'), ('"ac"', '""')),
    "prefix pattern": Case(
        {"type": "string", "pattern": "^https?://", "maxLength": 12},
        ('"http://a"', '"https://abcd"'),
        ('"ftp://a"', '"https://abcde"'),
    ),
    "classes": Case(
        {"type": "string", "pattern": r'^[^a-z\s][\w.\-]["\\]\.$'}, ('"A-\\"."', '"A_\\\\."'), ('"a-\\"."', '"A-x."')
    ),
    "pattern of a length": Case(
        {"type": "string", "pattern": "^[a-z]+[0-9]*$", "minLength": 3, "maxLength": 6},
        ('"abc"', '"abc12"'),
        ('"ab"', '"abcdefg"'),
    ),
    "alternatives": Case({"type": "string", "pattern": "^a$|^b"}, ('"a"', '"bcd"'), ('"ab"', '"c"')),
    "date": Case(
        {"type": "string", "format": "date"},
        ('"2024-02-29"', '"1999-12-31"'),
        ('"2023-02-29"', '"2024-13-01"', '"2024-04-31"', '"1900-02-29"'),
    ),
    "date-time": Case(
        {"format": "date-time"},
        ('"2024-01-31T23:59:59Z"', '"2024-01-31T00:00:00.25+02:00"'),
        ('"2024-01-31"', '"2024-01-31T24:00:00Z"', "5"),
    ),
    "time": Case({"type": "string", "format": "time"}, ('"23:59:59Z"',), ('"24:00:00Z"', '"1:00"')),
    "uuid": Case({"type": "string", "format": "uuid"}, ('"123e4567-e89b-12d3-a456-426614174000"',), ('"123e4567"',)),
    "email": Case({"type": "string", "format": "email"}, ('"a.b@example.org"',), ('"a"', '"@"')),
    "ipv4": Case({"type": "string", "format": "ipv4"}, ('"10.0.255.1"',), ('"10.0.256.1"', '"10.0.1"')),
    "unknown format": Case({"type": "string", "format": "colour", "maxLength": 2}, ('"x"',), ('"xyz"',)),
    "object": Case(
        obj({"a": INT, "b": STR, "c": NULL}, "b"),
        ('{"a": 1, "b": "", "c": null}', '{"b":"x"}', '{"a":1,"b":""}', '{ "b": "" }'),
        ("{}", '{"a": 1}', '{"a": "x", "b": ""}', '{"b": "",}'),
        ('{"b": "", "a": 1}', '{"b": "", "d": 1}'),
    ),
    "all optional": Case(
        obj({"a": INT, "b": INT, "c": INT}),
        ("{}", '{"a": 1}', '{"c": 1}', '{"a": 1, "c": 2}', '{"b": 1, "c": 1}'),
        ('{"a": null}', '{, "a": 1}', '{"a": 1 "b": 2}'),
    ),
    "closed": Case(obj({"a": INT}, additionalProperties=False), ("{}", '{"a": 1}'), ('{"b": 1}',)),
    "open": Case(
        obj({"ab": INT, "a": INT}, additionalProperties=True),
        ('{"ab": 1, "b": "x"}', '{"abc": [], "a b": 1}'),
        ('{"ab": "x"}', '{"a": "x"}', '{"\\u0061": "x"}'),
    ),
    "map": Case({"type": "object", "additionalProperties": INT}, ("{}", '{"x": 1, "": 2}'), ('{"x": "y"}',)),
    "one at least": Case(
        {"type": "object", "minProperties": 1, "maxProperties": 2},
        ('{"x": 1}', '{"x": 1, "y": 2}'),
        ("{}", '{"x": 1, "y": 2, "z": 3}'),
    ),
    "undeclared": Case({"type": "object", "required": ["a"]}, ('{"a": 1}', '{"a": {}}'), ("{}",)),
    "names": Case(
        {"type": "object", "propertyNames": {"pattern": "^[a-c]+$"}, "additionalProperties": INT},
        ('{"ab": 1}',),
        ('{"ad": 1}', '{"": 1}'),
    ),
    "listed names": Case(
        {"type": "object", "propertyNames": {"enum": ["x", "y"]}, "additionalProperties": BOOL},
        ("{}", '{"y": true}'),
        ('{"z": true}', '{"x": 1}'),
    ),
    "pattern names": Case(
        {"type": "object", "patternProperties": {"^n_": INT}, "additionalProperties": False},
        ('{"n_a": 1}', "{}"),
        ('{"x": 1}', '{"n_": "a"}'),
    ),
    "depends": Case(
        obj({"a": INT, "b": INT}, dependentRequired={"a": ["b"]}), ("{}", '{"b": 1}', '{"a": 1, "b": 2}'), ('{"a": 1}',)
    ),
    "array": Case(
        {"type": "array", "items": INT, "minItems": 1, "maxItems": 3},
        ("[1]", "[1, 2, 3]", "[ 1,2 ]"),
        ("[]", "[1,2,3,4]", '["a"]', "[1,]"),
    ),
    "any array": Case({"type": "array"}, ("[]", '[1, "a", []]'), ("{}",)),
    "empty array": Case({"type": "array", "maxItems": 0}, ("[]", "[ ]"), ("[1]",)),
    "impossible items": Case({"type": "array", "items": False}, ("[]",), ("[1]",)),
    "tuple": Case(
        {"type": "array", "prefixItems": [INT, STR], "items": BOOL, "minItems": 1},
        ("[1]", '[1, "a"]', '[1, "a", true, false]'),
        ("[]", '["a"]', '[1, "a", 1]'),
    ),
    "closed tuple": Case(
        {"prefixItems": [INT, STR], "items": False, "minItems": 2}, ('[1, "a"]',), ("[1]", '[1, "a", 1]')
    ),
    "draft 7 tuple": Case(
        {"items": [INT, STR], "additionalItems": False, "$schema": "http://json-schema.org/draft-07/schema#"},
        ("[]", '[1, "a"]'),
        ('[1, "a", 1]', '["a"]'),
    ),
    "set": Case(
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True},
        ("[]", '["a"]', '["a", "c"]'),
        ('["a", "a"]', '["d"]'),
        ('["b", "a"]',),
    ),
    "contains": Case({"type": "array", "contains": INT}, ("[1]", '[1, "a"]'), ("[]", '["a"]'), ('["a", 1]',)),
    "anyOf": Case(
        {"anyOf": [INT, {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}]}, ("1", "[1, [2]]"), ('"a"', '["a"]')
    ),
    "anyOf beside": Case(
        obj({"a": INT, "b": INT}, anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
        ('{"a": 1}', '{"b": 1}', '{"a": 1, "b": 1}'),
        ("{}",),
    ),
    "oneOf": Case({"oneOf": [INT, {"type": "string", "maxLength": 1}, NULL]}, ("1", '"a"', "null"), ("1.5", '"ab"')),
    "oneOf enums": Case({"oneOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}, ('"a"', '"c"'), ('"b"',)),
    "oneOf required": Case(
        obj({"a": INT, "b": INT}, oneOf=[{"required": ["a"]}, {"required": ["b"]}]),
        ('{"a": 1}', '{"b": 1}'),
        ("{}", '{"a": 1, "b": 1}'),
    ),
    "oneOf ranges": Case(
        {"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 9}]}, ("3", "9", "-5"), ("4", "8")
    ),
    "allOf": Case(
        {"allOf": [obj({"a": INT}, "a"), obj({"b": STR}, "b"), {"properties": {"a": {"minimum": 5}}}]},
        ('{"a": 5, "b": ""}',),
        ('{"a": 4, "b": ""}', '{"a": 5}'),
    ),
    "allOf closed": Case(
        {"allOf": [obj({"a": INT}, additionalProperties=False), obj({"b": INT})]}, ("{}", '{"a": 1}'), ('{"b": 1}',)
    ),
    "unevaluated": Case(
        {"allOf": [obj({"a": INT})], "properties": {"b": INT}, "unevaluatedProperties": False},
        ('{"a": 1}', '{"b": 1}'),
        ('{"c": 1}',),
    ),
    "not": Case({"not": {"type": ["object", "array", "string", "number"]}}, ("null", "true"), ("1", '"a"', "{}")),
    "references": Case(
        obj(
            {"a": {"$ref": "#/$defs/x~1y%20z"}, "b": {"$ref": "#/properties/a", "maximum": 5}},
            "a",
            "b",
            **{"$defs": {"x/y z": {"type": "integer", "minimum": 2}}},
        ),
        ('{"a": 9, "b": 5}',),
        ('{"a": 1, "b": 5}', '{"a": 9, "b": 6}'),
    ),
    "recursive": Case(
        {
            "$ref": "#/$defs/n",
            "$defs": {"n": obj({"v": INT, "next": {"anyOf": [{"$ref": "#/$defs/n"}, NULL]}}, "v", "next")},
        },
        ('{"v": 1, "next": {"v": 2, "next": null}}',),
        ('{"v": 1}', '{"v": 1, "next": 2}'),
    ),
    "names to escape": Case(
        obj({'q"\\\n': INT, "^]-[": INT, "é☃": INT}, 'q"\\\n', "^]-[", "é☃"),
        ('{"q\\"\\\\\\n": 1, "^]-[": 2, "é☃": 3}',),
        ("{}",),
    ),
    "pydantic": Case(
        Thing.model_json_schema(),
        (
            '{"name": "x", "trait": {"kind": "size", "metres": 10.5}}',
            '{"name": "x", "trait": {"kind": "colour", "rgb": [1, 2, 3]}, "note": null, "tags": {"a": 1}}',
        ),
        (
            '{"name": "", "trait": {"kind": "size", "metres": 1}}',
            '{"name": "x", "trait": {"kind": "size", "metres": 0}}',
            '{"name": "x", "trait": {"kind": "colour", "metres": 1}}',
            '{"name": "x", "trait": {"kind": "colour", "rgb": [1, 2]}}',
        ),
    ),
    "pydantic tree": Case(
        Node.model_json_schema(),
        ('{"name": "a", "children": [{"name": "b"}, {"name": "c", "children": []}]}',),
        ('{"name": "a", "children": [{}]}', '{"children": []}'),
    ),
}
