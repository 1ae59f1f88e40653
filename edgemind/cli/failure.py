"""What ``--json`` prints in place of an answer. Not for: sentences for a person (``app``)."""

from __future__ import annotations

from typing import Any

from edgemind.errors import EdgemindError

INTERRUPTED = {
    "kind": "interrupted",
    "message": "Ctrl-C came before the answer was complete.",
    "hint": "Run the command again.",
}


def error_object(problem: EdgemindError) -> dict[str, str]:
    return {"kind": problem.kind, "message": problem.message, "hint": problem.hint}


def failure_object(problem: EdgemindError) -> dict[str, Any]:
    """After an error, when the command itself printed nothing."""
    return {"error": error_object(problem)}


def interrupted_object() -> dict[str, Any]:
    """After Ctrl-C, before there was any text."""
    return {"error": INTERRUPTED, "stop_reason": "cancelled"}
