"""Turns, deltas and an app with nothing but a transcript, for tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import Input

from edgemind.chat.live import Delta
from edgemind.chat.types import Role, Turn
from edgemind.engine.events import TokenConfidence
from edgemind.tui.widgets.transcript import Transcript

QUIET = Delta(
    thinking="",
    answer="",
    confidence=(),
    steps=(),
    phase="answer",
    loading=0.0,
    prompt_done=0,
    prompt_total=0,
    prompt_cached=0,
    tokens=0,
    thinking_tokens=0,
    budget=None,
    seconds=0.0,
    thinking_seconds=0.0,
    rate=0.0,
    context_used=0,
    context_limit=0,
    trimmed=None,
    note="",
    failed=None,
    done=None,
)


def delta(**changes: Any) -> Delta:
    return dataclasses.replace(QUIET, **changes)


def turn(id: str, role: Role = "assistant", content: str = "", **changes: Any) -> Turn:  # noqa: A002
    return Turn(id, "chat", None, role, content, model=changes.pop("model", "nano"), **changes)


def tokens(*parts: tuple[str, float]) -> tuple[TokenConfidence, ...]:
    """Tokens with their probability; each might have been `` other``."""
    return tuple(
        TokenConfidence(text=text, probability=probability, entropy=1.0, alternatives=((" other", 0.2), (text, 0.4)))
        for text, probability in parts
    )


class TranscriptApp(App[None]):
    """A transcript over a field that can have the focus."""

    CSS = "Input { height: 3; }"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def compose(self) -> ComposeResult:
        yield Transcript()
        yield Input()

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    def on_transcript_branch_asked(self, event: Transcript.BranchAsked) -> None:
        self.asked.append(("branch", event.turn.id, event.step))

    def on_transcript_copy_asked(self, event: Transcript.CopyAsked) -> None:
        self.asked.append(("copy", event.text, event.what))

    def on_transcript_retry_asked(self, event: Transcript.RetryAsked) -> None:
        self.asked.append(("retry", event.turn.id))

    def on_transcript_continue_asked(self, event: Transcript.ContinueAsked) -> None:
        self.asked.append(("continue", event.turn.id))

    def rows(self) -> list[str]:
        """What the view draws, line by line."""
        view = self.transcript.view
        return [view.render_line(y).text.rstrip() for y in range(view.size.height)]

    @property
    def hint(self) -> str:
        """The line at the lower edge; empty when it is not shown."""
        hint = self.transcript.query_one("#hint")
        return str(hint.render()) if hint.has_class("-open") else ""
