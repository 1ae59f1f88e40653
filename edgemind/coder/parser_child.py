"""The child that parses what it is sent on standard input, one file after another, jailed before the first.

A request is a line of JSON and then the bytes of the file; the answer is a line of JSON.
Not for: being imported by anything but ``python -m`` and tests; ``parsers`` is the other end.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import IO, Any

MEMORY = 1 << 30
"""Bytes of address space; a grammar that asks for more aborts this process."""

SECONDS = 2.0
"""For parsing one file."""


def main() -> None:
    """Answer until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from edgemind.errors import EdgemindError
    from edgemind.privacy import jail

    try:
        jail.arm("worker")
    except EdgemindError:
        os._exit(1)
    _limit()
    import tree_sitter_language_pack  # noqa: F401

    _say(out, {"ready": True})
    source = sys.stdin.buffer
    while line := source.readline():
        asked = json.loads(line)
        data = source.read(asked["size"])
        if len(data) < asked["size"]:
            break
        _say(out, answer(asked["what"], asked["language"], data))
    os._exit(0)


def answer(what: str, language: str, data: bytes) -> dict[str, Any]:
    """What a file defines and refers to (``outline``), or what is wrong with it (``problems``)."""
    from edgemind.coder.parsing import grammar_of, parse
    from edgemind.coder.symbols import outline, outline_without_tree
    from edgemind.coder.syntax_errors import syntax_errors

    tree = parse(language, data, SECONDS)
    if what == "problems":
        return {"problems": [(one.line, one.column, one.message) for one in syntax_errors(data, tree)] if tree else []}
    if tree:
        found = outline(language, data, tree)
    else:
        late = grammar_of(language) is not None
        found = outline_without_tree(data, "it takes too long to parse" if late else "", language)
    definitions = [(one.name, one.first, one.last, one.signature, one.level) for one in found.definitions]
    return {
        "definitions": definitions,
        "references": found.references,
        "imports": sorted(found.imports),
        "problem": found.problem,
    }


def _say(out: IO[bytes], words: dict[str, Any]) -> None:
    out.write(json.dumps(words).encode("ascii") + b"\n")
    out.flush()


def _limit() -> None:
    """Where the system knows limits."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        for what, most in (("RLIMIT_AS", MEMORY), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0)):
            resource.setrlimit(getattr(resource, what), (most, most))


if __name__ == "__main__":
    main()
