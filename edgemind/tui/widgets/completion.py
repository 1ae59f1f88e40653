"""What could be meant: candidates for a slash command, and the popup that shows candidates of any kind.

Not for: which files there are (``files``), the field itself (``composer``).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from edgemind.terminal import clean_line


class SlashCommand(Protocol):
    """What is needed of a row of the command table."""

    @property
    def name(self) -> str:
        """Without its slash."""

    @property
    def argument(self) -> str:
        """What may follow, as a word for the help line (``[TITLE]``); empty when nothing does."""

    @property
    def help(self) -> str:
        """One line."""


@dataclass(frozen=True)
class Candidate:
    """One row of the popup. ``insert`` replaces what was typed so far."""

    insert: str
    label: str
    note: str = ""
    kind: Literal["command", "value", "file", "folder", "hint"] = "command"
    """A hint only says something; it cannot be chosen."""
    path: Path | None = None


def command_candidates(typed: str, commands: Sequence[SlashCommand], limit: int = 50) -> list[Candidate]:
    """Commands that begin with ``typed``, then those that hold it in their name or help."""
    typed = typed.lower()
    begin = [command for command in commands if command.name.startswith(typed)]
    within = [command for command in commands if command not in begin and typed in command.name]
    said = [
        command
        for command in commands
        if len(typed) > 2 and command not in begin and command not in within and typed in command.help.lower()
    ]
    return [
        Candidate(f"/{command.name}", f"/{command.name} {command.argument}".rstrip(), command.help)
        for command in (*begin, *within, *said)
    ][:limit]


def value_candidates(typed: str, values: Sequence[str], limit: int = 50) -> list[Candidate]:
    """Words that may follow a command: those that begin with ``typed``, then those that hold it."""
    wanted = typed.lower()
    begin = [value for value in values if value.lower().startswith(wanted)]
    within = [value for value in values if value not in begin and wanted in value.lower()]
    return [Candidate(value, value, kind="value") for value in (*begin, *within)][:limit]


def nearest(name: str, commands: Sequence[SlashCommand]) -> str | None:
    """The command that was probably meant."""
    near = difflib.get_close_matches(name.lower(), [command.name for command in commands], n=1, cutoff=0.5)
    return near[0] if near else None


class Popup(Widget):
    """Candidates above the field (or ``below`` it), one of them marked. It takes no focus: the field hands it keys."""

    DEFAULT_CSS = """
    Popup {
        display: none;
        overlay: screen;
        constrain: inside inside;
        width: 1fr;
        height: auto;
        background: $panel;
        color: $foreground;
        padding: 0 1;
    }
    """

    class Chosen(Message):
        """A row was clicked."""

        def __init__(self, candidate: Candidate) -> None:
            super().__init__()
            self.candidate = candidate

    class Found(Message):
        """A thread has found candidates for a word."""

        def __init__(self, word: object, candidates: Sequence[Candidate], foot: str) -> None:
            super().__init__()
            self.word = word
            self.candidates = candidates
            self.foot = foot

    def __init__(self, *, below: bool = False) -> None:
        super().__init__()
        self._below = below
        self.candidates: list[Candidate] = []
        self.index = 0
        self.foot = ""
        self._top = 0
        self.rows = 8

    @property
    def is_open(self) -> bool:
        return bool(self.candidates)

    @property
    def marked(self) -> Candidate | None:
        return self.candidates[self.index] if self.candidates else None

    def offer(self, candidates: Sequence[Candidate], foot: str = "") -> None:
        """Show these; none closes the popup. The mark stays on a row that is still there."""
        before = self.marked
        self.candidates = list(candidates)
        self.foot = foot
        self.index = next((i for i, one in enumerate(self.candidates) if before and one.insert == before.insert), 0)
        if self.index and before and before.kind == "command":
            self.index = 0  # the best match comes first, whatever was best before
        self._top = 0
        self._place()

    def close(self) -> None:
        self.offer(())

    def move(self, by: int) -> None:
        """Mark another row, round the ends."""
        self.index = (self.index + by) % len(self.candidates)
        self._place()

    def _place(self) -> None:
        self.display = self.is_open
        if not self.is_open:
            return
        rows = self._visible_rows
        self._top = min(max(self._top, self.index - rows + 1), self.index)
        self.styles.offset = (0, 0 if self._below else -self._height)
        self.refresh(layout=True)

    @property
    def _visible_rows(self) -> int:
        """No more than there is room for above the field."""
        room = self.app.size.height - 3
        return max(1, min(len(self.candidates), self.rows, room // 2 if room > 8 else room - 1))

    @property
    def _height(self) -> int:
        return self._visible_rows + bool(self.foot and self.app.size.height > 12)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._height

    def render(self) -> Text:
        width = max(1, self.content_size.width)
        rows = self._visible_rows
        shown = self.candidates[self._top : self._top + rows]
        labels = [clean_line(one.label) for one in self.candidates]
        column = min(max((cell_len(label) for label in labels), default=0) + 2, max(12, width // 2))
        lines = [
            self._row(one, width, column, marked=self._top + number == self.index) for number, one in enumerate(shown)
        ]
        if self._height > rows:
            lines.append(Text(set_cell_size(self.foot, width), style="dim"))
        return Text("\n", end="", no_wrap=True).join(lines)

    def _row(self, one: Candidate, width: int, column: int, *, marked: bool) -> Text:
        note = clean_line(one.note)
        label = clean_line(one.label)
        if not note or width < 30:
            row = Text(fitted(label, width))
        else:
            row = Text(fitted(label, column))
            row.append(fitted(note, max(0, width - column)), style="" if marked else "dim")
        if marked:
            row.stylize("reverse")
        return row

    def on_click(self, event: events.Click) -> None:
        event.stop()
        row = self._top + event.y
        if row < len(self.candidates) and event.y < self._visible_rows and self.candidates[row].kind != "hint":
            self.post_message(self.Chosen(self.candidates[row]))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)


def fitted(text: str, width: int) -> str:
    """``text`` in exactly ``width`` cells, with an ellipsis where it is cut."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - 1)) + "…" if width else ""
