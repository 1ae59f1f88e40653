"""The line that finds inside a thought. Not for: finding (``thought``), searching chats."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from edgemind.tui.widgets.line import Line


class FindLine(Line):
    """What is looked for inside a thought; enter and the arrows go from hit to hit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "hit(1)", "Next hit", show=False),
        Binding("up", "hit(-1)", "Hit before", show=False),
        Binding("f3", "hit(1)", "Next hit", show=False),
        Binding("escape", "leave", "Close", show=False),
    ]

    class Hit(Message):
        """Go to another hit."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class Left(Message):
        """Close the line."""

    def action_hit(self, step: int) -> None:
        self.post_message(self.Hit(step))

    def action_leave(self) -> None:
        self.post_message(self.Left())
