"""JSON schema to GBNF, by llama-cpp-python's converter, with limits around it and its strings made JSON.

The converter is recursive, repeats text as often as a schema says, and reports problems by any exception; it is
told not to fetch remote references, and here none gets that far. It lets strings contain control characters, and
patterns quotes, so that what it allows may not parse; both are taken out here.
"""

from __future__ import annotations

import json
import re
from typing import Any

from edgemind.engine.llama.bindings import lean_import
from edgemind.engine.llama.grammar_limits import MAX_CHARACTERS
from edgemind.errors import BadConstraint

MAX_SCHEMA_CHARACTERS = 64 * 1024
MAX_DEPTH = 48
MAX_NODES = 4000
MAX_COUNT = 1000
"""Of items or characters; llama.cpp refuses a little below 2,000."""
MAX_PATTERN = 500

_NOT_PLAIN = r'"\\\x00-\x1F\x7F'
"""What a JSON string must escape, for a GBNF character class."""
_RULES = {
    "char": rf'[^{_NOT_PLAIN}] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])',
    "dot": f"[^{_NOT_PLAIN}]",
}
_CLASSES = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": " "}
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength")


def schema_to_grammar(schema: dict[str, Any]) -> str:
    """The GBNF of a JSON schema, root rule ``root``. Numeric ranges are not enforced (the converter knows none).

    Raises:
        BadConstraint: not a schema, larger than the limits, or something in it is not supported.
    """
    _check(schema)
    try:
        grammar = _convert(json.loads(json.dumps(schema)))
    except RecursionError:
        raise BadConstraint("The JSON schema is nested too deeply, or has too many optional properties.") from None
    except Exception as problem:
        raise BadConstraint(f"The JSON schema cannot be used: {_short(problem)}.") from None
    if len(grammar) > MAX_CHARACTERS:
        raise BadConstraint(f"The JSON schema becomes a grammar of {len(grammar):,} characters, which is too large.")
    return grammar


def _convert(schema: dict[str, Any]) -> str:
    """``json_schema_to_gbnf`` of the library, but for a reference at the root.

    Beside a ``$ref`` the library looks at nothing else, so the references inside ``$defs`` would stay unresolved;
    that is the form in which pydantic writes recursive models. They are resolved first, then the root.
    """
    library = lean_import("llama_cpp.llama_grammar")
    _make_patterns_plain(schema)
    converter = library.SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    root = schema.pop("$ref", None)
    converter.resolve_refs(schema, "schema")
    if root is not None:
        schema["$ref"] = root
        converter.resolve_refs(schema, "schema")
    converter.visit(schema, "")
    converter._rules |= {name: rule for name, rule in _RULES.items() if name in converter._rules}
    return str(converter.format_grammar())


def _make_patterns_plain(node: Any) -> None:
    """Rewrite every ``pattern``, in place."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            node["pattern"] = _plain_pattern(node["pattern"])
        for value in node.values():
            _make_patterns_plain(value)
    elif isinstance(node, list):
        for value in node:
            _make_patterns_plain(value)


def _plain_pattern(pattern: str) -> str:
    """A regular expression whose classes match no quote, backslash or control character, and without \\d, \\w, \\s."""
    parts: list[str] = []
    inside = False
    for part in re.findall(r"\\.|\[\^|.", pattern, re.DOTALL):
        if part in _CLASSES:
            parts.append(_CLASSES[part] if inside else f"[{_CLASSES[part]}]")
        elif part == "[^" and not inside:
            parts.append(part + _NOT_PLAIN)
        else:
            parts.append(part)
        inside = part[0] == "[" or (inside and part != "]")
    return "".join(parts)


def _check(schema: object) -> None:
    """Refuse what would make the converter slow, before it starts."""
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
            _check_keywords(node)
            pending += [(value, depth + 1) for value in node.values()]
        elif isinstance(node, list):
            pending += [(value, depth + 1) for value in node]
    try:
        size = len(json.dumps(schema))
    except (TypeError, ValueError) as problem:
        raise BadConstraint(f"The JSON schema is not JSON: {_short(problem)}.") from None
    if size > MAX_SCHEMA_CHARACTERS:
        raise BadConstraint(f"The JSON schema has {size:,} characters; at most {MAX_SCHEMA_CHARACTERS:,} are accepted.")


def _check_keywords(node: dict[Any, Any]) -> None:
    for key in _COUNTS:
        value = node.get(key)
        if isinstance(value, int | float) and not 0 <= value <= MAX_COUNT:
            raise BadConstraint(f"{key} is {value}; it must lie between 0 and {MAX_COUNT:,}.")
    for low, high in (("minItems", "maxItems"), ("minLength", "maxLength")):
        if isinstance(node.get(low), int) and isinstance(node.get(high), int) and node[low] > node[high]:
            raise BadConstraint(f"{low} is larger than {high}.")
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#/"):
        raise BadConstraint(f"The reference {reference[:100]!r} is not within the schema; only #/… is supported.")
    pattern = node.get("pattern")
    if isinstance(pattern, str):
        if len(pattern) > MAX_PATTERN:
            raise BadConstraint(f"A pattern has {len(pattern):,} characters; at most {MAX_PATTERN} are accepted.")
        if any(int(count) > MAX_COUNT for count in re.findall(r"\d+", " ".join(re.findall(r"\{([^}]*)", pattern)))):
            raise BadConstraint(f"The pattern {pattern[:100]!r} repeats more than {MAX_COUNT:,} times.")


def _short(problem: Exception) -> str:
    text = str(problem).strip() or type(problem).__name__
    return text if len(text) <= 200 else text[:200] + "…"
