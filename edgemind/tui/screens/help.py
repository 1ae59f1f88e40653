"""Every key and command, made from the table that binds them.

Not for: anything that is not in ``keys``.
"""

from __future__ import annotations

import itertools
import textwrap
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from edgemind.tui import keys
from edgemind.tui.screens.dialog import Body, Dialog

NARROW = 60
"""Columns under which everything stands on lines of its own."""

COMMANDS = 20
"""Columns for a slash command and what may follow it."""


class HelpScreen(Dialog[None]):
    """Left with escape, ``q`` or f1."""

    DEFAULT_CSS = """
    HelpScreen {
        #box { width: 94; }
        #help-text { height: auto; }
    }
    """

    HEADING = "Keys and commands"
    HINTS = (("↑ ↓", "scroll", ""), ("esc", "leave", "leave"), ("ctrl+p", "has them all as commands", ""))

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,f1,question_mark", "leave", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "edge(-1)", show=False),
        Binding("end,G", "edge(1)", show=False),
    ]

    def body(self) -> ComposeResult:
        yield Static(id="help-text", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one("#help-text", Static).update(content(min(self.size.width, 94) - 6))

    def _view(self) -> Body:
        return self.query_one(Body)

    def action_scroll(self, step: int) -> None:
        self._view().scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        self._view().scroll_relative(y=step * max(1, self._view().size.height - 1), animate=False)

    def action_edge(self, side: int) -> None:
        if side < 0:
            self._view().scroll_home(animate=False)
        else:
            self._view().scroll_end(animate=False)


PLACES = {"transcript": "on a message", "sidebar": "in the list of chats"}


def content(width: int) -> Content:
    """The whole table, group by group, for so many columns."""
    lines: list[Content] = []
    for group in dict.fromkeys(action.group for action in keys.ACTIONS):
        lines += (
            [Content(""), Content.styled(group, "bold $accent")] if lines else [Content.styled(group, "bold $accent")]
        )
        place = ""
        for action in keys.ACTIONS:
            if action.group != group:
                continue
            where = PLACES.get(action.where, "")
            if where and where != place:
                lines.append(Content.styled(f"  {where}:", "$foreground 60%"))
            place = where
            lines.append(_line(action, width))
    return Content("\n").join(lines)


def _line(action: keys.Action, width: int) -> Content:
    """Keys, words and command side by side, each in its column; on a narrow screen one under the other."""
    pressed = ", ".join(keys.shown(key) for key in action.keys)
    command = f"/{action.command} {action.argument}".strip() if action.command else ""
    if width < NARROW:
        ways = "  ".join(way for way in (pressed, command) if way)
        words = textwrap.wrap(action.words, max(10, width - 4))
        return Content.assemble(
            ("\n".join(f"  {line}" for line in textwrap.wrap(ways, max(10, width - 2))), "bold $primary"),
            *(f"\n    {line}" for line in words),
        )
    sizes = (18, width - 2 - 18 - 2 - 2 - COMMANDS, COMMANDS)
    columns = [textwrap.wrap(text, size) for text, size in zip((pressed, action.words, command), sizes, strict=True)]
    lines: list[Content] = []
    for parts in itertools.zip_longest(*columns, fillvalue=""):
        key, said, typed = (part.ljust(size) for part, size in zip(parts, sizes, strict=True))
        lines.append(
            Content.assemble("  ", (key, "bold $primary"), "  ", said, "  ", (typed.rstrip(), "$foreground 60%"))
        )
    return Content("\n").join(lines)
