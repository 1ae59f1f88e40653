"""The sentences that a message carries besides its text: what went on, how it ended, what was left out.

Not for: where they are drawn (``message``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.chat.live import Delta
    from edgemind.chat.types import Turn
    from edgemind.engine.events import ContextTrimmed


def ending(turn: Turn) -> list[tuple[str, str, object]]:
    """What is said under an answer that did not simply end, with its look and what a click on it asks for."""
    if turn.state == "stopped":
        return [("■ stopped  (ctrl+g goes on, ctrl+r answers again)", "note", ("continue", 0))]
    if turn.state == "cut":
        return [("■ cut off: there was no room for more tokens  (ctrl+g goes on)", "note-warning", ("continue", 0))]
    if turn.state == "interrupted":
        words = "EdgeMind ended while this was written  (ctrl+g goes on, ctrl+r answers again)"
        return [(f"■ {words}", "note-warning", ("retry", 0))]
    if turn.state == "failed":
        words = turn.error or "the answer failed"
        return [(f"✗ {words}  (ctrl+r tries again)", "note-error", ("retry", 0))]
    return []


def trimmed(event: ContextTrimmed) -> str:
    """``ContextTrimmed`` as a sentence."""
    count = event.dropped_turns
    messages = "the oldest message was" if count == 1 else f"{count} of the oldest messages were"
    return (
        f"⋯ {messages} left out from here on ({event.dropped_tokens:,} tokens): "
        f"the context holds {event.context_limit:,} tokens"
    )


def status(delta: Delta) -> str:
    """What goes on before anything is said."""
    if delta.note:
        return clean_line(delta.note)
    if delta.phase == "loading":
        return f"loading the model, {delta.loading:.0%}" if delta.loading else "loading the model"
    if delta.phase == "prompt":
        if delta.prompt_total - delta.prompt_cached >= 64:
            return f"reading, {delta.prompt_done:,} of {delta.prompt_total:,} tokens"
        return "reading"
    return "writing" if delta.phase == "answer" else ""
