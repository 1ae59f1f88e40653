"""Search over all chats: type, and the hits appear with what was found highlighted; enter opens the chat there.

Not for: how it is searched (``chat.history``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.widgets.chip import counted
from edgemind.tui.widgets.line import Line

if TYPE_CHECKING:
    from edgemind.chat.types import Hit

LIMIT = 100
"""Hits that are asked for."""


class SearchScreen(Dialog["Hit"]):
    """Dismissed with the hit to open, or ``None``. ``find(text, limit)`` runs in a thread: ``History.search``."""

    DEFAULT_CSS = """
    SearchScreen > #box { height: 100%; width: 100; }
    SearchScreen Body, SearchScreen.-high Body { height: 1fr; overflow: hidden; margin: 0; }
    SearchScreen OptionList { height: 1fr; border: none; padding: 0; background: $surface; scrollbar-size-vertical: 1; }
    SearchScreen OptionList:focus { border: none; }
    SearchScreen #said { height: 1; color: $text-muted; }
    """

    HEADING = "Search all chats"
    HINTS = (("enter", "opens the chat there", "main"), ("↑↓", "choose", ""), ("esc", "leaves", "leave"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move('cursor_down')", show=False),
        Binding("up", "move('cursor_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
    ]

    class Found(Message):
        """A thread has searched."""

        def __init__(self, text: str, hits: list[Hit], problem: str) -> None:
            super().__init__()
            self.text = text
            self.hits = hits
            self.problem = problem

    def __init__(self, find: Callable[[str, int], list[Hit]], text: str = "") -> None:
        super().__init__()
        self._find = find
        self._text = text
        self._hits: list[Hit] = []
        self._asked = ""
        self._searching = False

    def body(self) -> ComposeResult:
        yield Line(self._text, placeholder="Words to look for")
        yield Static("", id="said", markup=False)
        yield OptionList(markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self.query_one(Line).focus()
        if self._text:
            self._ask(self._text)

    def on_input_changed(self, message: Input.Changed) -> None:
        self._ask(message.value)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.main()

    def main(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._hits):
            self.dismiss(self._hits[place])

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(self._hits[message.option_index])

    def action_move(self, how: str) -> None:
        getattr(self.query_one(OptionList), f"action_{how}")()

    def on_resize(self, event: events.Resize) -> None:
        if self._hits:
            self._show(self._hits)

    def _ask(self, text: str) -> None:
        """One search at a time; the newest words are searched next."""
        self._asked = text.strip()
        if not self._asked:
            self._show([])
            self._say("")
        elif not self._searching:
            self._searching = True
            self.in_thread(self._search)

    def _search(self) -> None:
        text = self._asked
        try:
            hits, problem = self._find(text, LIMIT), ""
        except EdgemindError as error:
            hits, problem = [], f"{error.message} {error.hint}".strip()
        self.post_message(self.Found(text, hits, problem))

    def on_search_screen_found(self, message: SearchScreen.Found) -> None:
        self._searching = False
        if message.text != self._asked:
            self._ask(self._asked)
            if not self._asked:
                return
        self._show(message.hits)
        chats = len({hit.chat.id for hit in message.hits})
        if message.problem:
            self._say(message.problem)
        elif not message.hits:
            self._say("Nothing found.")
        else:
            first = "The first " if len(message.hits) == LIMIT else ""
            self._say(f"{first}{counted(len(message.hits), 'hit')} in {counted(chats, 'chat')}")

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Content(clean_line(text)))

    def _show(self, hits: list[Hit]) -> None:
        self._hits = hits
        options = self.query_one(OptionList)
        marked = options.highlighted or 0
        width = max(10, options.size.width - 3)
        options.clear_options()
        options.add_options([Option(row(hit, width)) for hit in hits])
        options.highlighted = min(marked, len(hits) - 1) if hits else None


def row(hit: Hit, width: int) -> Content:
    """Two lines: which chat and when, and the part that was found with its words highlighted."""
    chat = hit.chat
    when = time.strftime("%Y-%m-%d", time.localtime(chat.updated))
    where = f" · {clean_line(chat.folder)}" if chat.folder else ""
    title = shortened(clean_line(chat.title) or "Untitled", max(4, width - len(when) - cell_len(where) - 3))
    head = Content.assemble((title, "bold"), (f"{where} · {when}", "dim"))
    return Content("\n").join([head, Content.assemble("  ", snippet(hit, width - 2))])


def snippet(hit: Hit, width: int) -> Content:
    """The snippet from a little before its first match on, in ``width`` cells."""
    text, spans = hit.snippet, sorted(hit.spans)
    begin = 0
    if spans and spans[0][1] > width * 2 // 3:
        begin = max(0, spans[0][0] - width // 4)
        space = text.find(" ", begin, spans[0][0])
        begin = space + 1 if space >= 0 else begin
    parts: list[tuple[str, str]] = [("…", "dim")] if begin else []
    at = begin
    for first, last in spans:
        if last <= at or first >= len(text):
            continue
        parts += [(clean_line(text[at:first]), ""), (clean_line(text[max(at, first) : last]), "bold underline $accent")]
        at = last
    parts.append((clean_line(text[at:]), ""))
    room = max(1, width)
    shown: list[tuple[str, str]] = []
    for part, style in parts:
        shown.append((shortened(part, room), style))
        room -= cell_len(shown[-1][0])
        if room <= 0:
            break
    return Content.assemble(*shown)


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[: max(0, min(len(text) - 1, width))]
    return f"{text}…"
