"""What the transcript asks of the app. Not for: what its own parts tell each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from edgemind.chat.types import Turn


class BranchAsked(Message, namespace="transcript"):
    """Show the sibling of ``turn`` that is ``step`` further."""

    def __init__(self, turn: Turn, step: int) -> None:
        super().__init__()
        self.turn, self.step = turn, step


class EditAsked(Message, namespace="transcript"):
    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn


class RetryAsked(Message, namespace="transcript"):
    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn


class ContinueAsked(Message, namespace="transcript"):
    """Go on with an answer that was cut."""

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.turn = turn


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class CopyAsked(Message, namespace="transcript"):
    """Put ``text``, as the model or the user wrote it, on the clipboard; ``what`` names it in one word or two.

    Controls are left out: what is pasted into a terminal must not end the paste and go on as a command.
    """

    def __init__(self, text: str, what: str) -> None:
        super().__init__()
        self.text, self.what = _CONTROLS.sub("", text), what


class SelectionChanged(Message, namespace="transcript"):
    """Another message is selected, or none."""

    def __init__(self, turn: Turn | None) -> None:
        super().__init__()
        self.turn = turn
