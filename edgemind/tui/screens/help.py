"""Every key and command, made from the table that binds them.

Not for: anything that is not in ``keys``.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from edgemind.tui import keys

NARROW = 60
"""Columns under which the command stands on a line of its own."""


class HelpScreen(ModalScreen[None]):
    """Left with escape, ``q`` or f1."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        #help { width: 92; max-width: 96%; height: 90%; border: round $primary; background: $surface; padding: 0 1; }
        #help-title { height: 1; text-style: bold; color: $primary; }
        #help-scroll { height: 1fr; scrollbar-size-vertical: 1; }
        #help-text { height: auto; }
        #help-foot { height: 1; color: $foreground 60%; }
    }
    HelpScreen.-short #help { height: 100%; max-width: 100%; border: none; }
    HelpScreen.-narrow #help { width: 100%; max-width: 100%; }
    """

    BINDINGS: ClassVar = [
        Binding("escape,q,f1,question_mark", "dismiss", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "edge(-1)", show=False),
        Binding("end,G", "edge(1)", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(id="help"):
            yield Static("Keys and commands", id="help-title", markup=False)
            with VerticalScroll(id="help-scroll", can_focus=False):
                yield Static(id="help-text")
            yield Static("↑ ↓ scroll · esc leaves · every command is also in the palette, ctrl+p", id="help-foot",
                         markup=False)  # fmt: skip

    def on_mount(self) -> None:
        self.query_one("#help-scroll", VerticalScroll).focus()

    def on_resize(self) -> None:
        self.query_one("#help-text", Static).update(content(min(self.size.width, 92) - 4))

    def _view(self) -> VerticalScroll:
        return self.query_one("#help-scroll", VerticalScroll)

    def action_scroll(self, step: int) -> None:
        self._view().scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        self._view().scroll_relative(y=step * max(1, self._view().size.height - 1), animate=False)

    def action_edge(self, side: int) -> None:
        if side < 0:
            self._view().scroll_home(animate=False)
        else:
            self._view().scroll_end(animate=False)


PLACES = {"transcript": "with the conversation focused", "sidebar": "in the list of chats"}


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
    pressed = ", ".join(keys.shown(key) for key in action.keys)
    command = f"/{action.command} {action.argument}".strip() if action.command else ""
    if width < NARROW:
        ways = "  ".join(way for way in (pressed, command) if way)
        return Content.assemble("  ", (ways, "bold $primary"), "\n    ", action.words)
    line = [("  ", ""), (pressed.ljust(20), "bold $primary"), (" ", ""), (action.words, "")]
    room = width - 23 - len(action.words) - len(command)
    if command and room > 1:
        line += [(" " * (room - 1), ""), (command, "$foreground 60%")]
    elif command:
        line += [(f"\n{' ' * max(0, width - len(command) - 1)}", ""), (command, "$foreground 60%")]
    return Content.assemble(*line)
