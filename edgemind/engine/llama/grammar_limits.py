"""What makes a grammar dangerous before llama.cpp has seen it: size, nesting, and its search for left recursion.

llama.cpp's parser recurses once per open parenthesis, and ``llama_grammar_detect_left_recursion`` walks every path
along first symbols without remembering where it has been: thirty rules of the form ``a ::= b | b`` take minutes.
Not for: whether a grammar is right; llama.cpp says that.
"""

from __future__ import annotations

import re

from edgemind.errors import BadConstraint

MAX_CHARACTERS = 256 * 1024
MAX_NESTING = 2500
"""A string of at most 1,000 characters becomes 1,000 nested groups."""
MAX_OPTIONAL = 400
"""Items in a row that may all be left out; llama.cpp's time for a token grows with their third power."""
MAX_RULES = 10_000
MAX_PATHS = 1_000_000
"""Of first symbols; llama.cpp walks that many in 0.02 s."""

_TOKEN = re.compile(
    r'(?P<terminal>"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|!?<[^>\n]*>|\.)|#[^\n]*|(?P<name>[A-Za-z0-9-]+)'
    r"|(?P<sign>::=|[|()*+?]|\{[^}]*\})",
    re.DOTALL,
)


def check(gbnf: str) -> None:
    """Raise BadConstraint for a grammar that llama.cpp would choke on."""
    if not gbnf.strip():
        raise BadConstraint("The grammar is empty.", "Give a GBNF grammar with a rule named `root`.")
    if "\0" in gbnf:
        raise BadConstraint("The grammar contains a NUL character.")
    if len(gbnf) > MAX_CHARACTERS:
        raise BadConstraint(f"The grammar has {len(gbnf):,} characters; at most {MAX_CHARACTERS:,} are accepted.")
    rules, deepest, longest = _first_symbols(gbnf)
    if len(rules) > MAX_RULES:
        raise BadConstraint(f"The grammar has {len(rules):,} rules; at most {MAX_RULES:,} are accepted.")
    if deepest > MAX_NESTING:
        raise BadConstraint(f"The grammar nests {deepest:,} groups; at most {MAX_NESTING:,} are accepted.")
    if longest > MAX_OPTIONAL:
        raise BadConstraint(
            f"The grammar has {longest:,} optional items in a row; at most {MAX_OPTIONAL} are accepted."
        )
    if _paths(rules) > MAX_PATHS:
        raise BadConstraint("The grammar is too ambiguous: too many ways lead to the first symbols of its rules.")


def names_tokens(gbnf: str) -> bool:
    """Whether a grammar has tokens beside characters, such as ``<|im_start|>``."""
    return any(match["terminal"] and match[0][0] in "<!" for match in _TOKEN.finditer(gbnf))


def _first_symbols(gbnf: str) -> tuple[dict[str, list[str]], int, int]:
    """For every rule the names it can begin with, one for each place; the deepest nesting; the most optional items."""
    tokens = [(match.lastgroup, match[0]) for match in _TOKEN.finditer(gbnf) if match.lastgroup]
    rules: dict[str, list[str]] = {}
    names: list[str] = []
    groups: list[tuple[bool, int]] = []
    first = before = True
    deepest = longest = row = 0
    waiting = False
    """Whether the last item may still turn out to be optional, with ``row`` before it."""
    for index, (kind, text) in enumerate(tokens):
        if kind == "name" and index + 1 < len(tokens) and tokens[index + 1][1] == "::=":
            names = rules.setdefault(text, [])
            groups, first, row, waiting = [], True, 0, False
        elif kind == "name" or kind == "terminal" or text == "(":
            row, waiting = 0 if waiting else row, True
            if text == "(" and kind == "sign":
                groups.append((first, row))
                deepest = max(deepest, len(groups))
                row, waiting = 0, False
                continue
            if first and kind == "name":
                names.append(text)
            before, first = first, False
        elif text == ")" and groups:
            before, row = groups.pop()
            first, waiting = False, True
        elif text == "|":
            first = groups[-1][0] if groups else True
            row, waiting = 0, False
        elif text in "*?" or re.match(r"\{\s*0?\s*[,}]", text):
            first = before
            row, waiting = row + waiting, False
            longest = max(longest, row)
    return rules, deepest, longest


def _paths(rules: dict[str, list[str]]) -> int:
    """How many paths of first symbols there are from the rule that has most; a loop ends a path."""
    known: dict[str, int] = {}
    for start in rules:
        pending = [start]
        while pending:
            rule = pending[-1]
            if rule not in known:
                known[rule] = 1
                pending += [name for name in rules[rule] if name in rules and name not in known]
            else:
                pending.pop()
                known[rule] = min(1 + sum(known.get(name, 0) for name in rules[rule]), 2 * MAX_PATHS)
    return max(known.values(), default=0)
