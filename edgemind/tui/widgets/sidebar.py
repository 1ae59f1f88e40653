"""The list of chats: one line each, drawn from pages of the history, so ten thousand cost what forty do.

It posts what it is asked for (``Opened``, ``Asked``) and changes nothing itself.
Not for: doing it (``screens/chat.py``), searching in messages (``screens/search.py``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line
from edgemind.tui import keys

if TYPE_CHECKING:
    from edgemind.chat.history import History
    from edgemind.chat.types import ChatRow

PAGE = 100
"""Rows that are read at a time."""

KEPT_PAGES = 20


class ChatList(ScrollView, can_focus=True):
    """The rows. ``show`` says of which history, ``refresh_rows`` that it has changed."""

    DEFAULT_CSS = """
    ChatList {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        &:focus { background-tint: $foreground 3%; }
    }
    ChatList > .chats--row { color: $foreground; }
    ChatList > .chats--age { color: $foreground 45%; }
    ChatList > .chats--pin { color: $warning; }
    ChatList > .chats--current { color: $primary; text-style: bold; }
    ChatList > .chats--cursor { background: $primary 30%; }
    ChatList > .chats--resting { background: $foreground 8%; }
    ChatList > .chats--empty { color: $foreground 50%; text-style: italic; }
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chats--row",
        "chats--age",
        "chats--pin",
        "chats--current",
        "chats--cursor",
        "chats--resting",
        "chats--empty",
    }

    BINDINGS: ClassVar = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home", "move_to(0)", show=False),
        Binding("end", "move_to(-1)", show=False),
        *(
            Binding(key, action.name, action.words, show=False)
            for action in keys.ACTIONS
            if action.where == "sidebar"
            for key in action.keys
        ),
    ]

    class Opened(Message):
        """Show this chat."""

        def __init__(self, chat: str) -> None:
            super().__init__()
            self.chat = chat

    class Asked(Message):
        """Do ``action`` (a name of ``keys`` without its ``sidebar_``) with this chat."""

        def __init__(self, action: str, chat: str) -> None:
            super().__init__()
            self.action, self.chat = action, chat

    def __init__(self) -> None:
        super().__init__()
        self._history: History | None = None
        self._folder: str | None = None
        self._tag: str | None = None
        self._pages: dict[int, list[ChatRow]] = {}
        self._count = 0
        self._cursor = 0
        self._current = ""

    # What is shown

    @property
    def history(self) -> History | None:
        """Whose chats are listed."""
        return self._history

    def show(self, history: History | None, *, folder: str | None = None, tag: str | None = None) -> None:
        """List the chats of this history, or of one folder or tag of it; ``None`` drops every row."""
        self._history, self._folder, self._tag = history, folder, tag
        self._cursor = 0
        self.refresh_rows()
        self.scroll_to(y=0, animate=False)

    def refresh_rows(self) -> None:
        """The history has changed: read again what is in view."""
        self._pages.clear()
        try:
            self._count = self._history.count(self._folder, self._tag) if self._history else 0
        except EdgemindError:  # a disk that fails: the status line says that nothing is saved
            self._count = 0
        self._cursor = max(0, min(self._cursor, self._count - 1))
        self._resize()
        self.refresh()

    def mark(self, chat: str) -> None:
        """This chat is the one on the screen; the cursor goes to it when it is in the list."""
        self._current = chat
        if self._history and chat:
            place = self._history.position(chat, self._folder, self._tag)
            if place is not None:
                self._put_cursor(place)
        self.refresh()

    @property
    def row(self) -> ChatRow | None:
        """The one under the cursor."""
        return self._row(self._cursor)

    @property
    def count(self) -> int:
        """How many there are to be seen."""
        return self._count

    def _row(self, index: int) -> ChatRow | None:
        if not self._history or not 0 <= index < self._count:
            return None
        number, place = divmod(index, PAGE)
        if number not in self._pages:
            if len(self._pages) >= KEPT_PAGES:
                self._pages.pop(next(iter(self._pages)))
            try:
                self._pages[number] = self._history.rows(number * PAGE, PAGE, self._folder, self._tag)
            except EdgemindError:
                return None
        page = self._pages[number]
        return page[place] if place < len(page) else None

    # Drawing

    def on_resize(self) -> None:
        self._resize()

    def _resize(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, max(1, self._count))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        row = self._row(index)
        if row is None:
            said = " no chats yet" if index == 0 and not self._count else ""
            return Strip([Segment(set_cell_size(said, width), self.get_component_rich_style("chats--empty"))], width)
        return self._drawn(row, width, index == self._cursor)

    def _drawn(self, row: ChatRow, width: int, here: bool) -> Strip:
        back = Style()
        if here:
            name = "chats--cursor" if self.has_focus else "chats--resting"
            back = Style(bgcolor=self.get_component_rich_style(name).bgcolor)
        current = row.id == self._current
        text = self.get_component_rich_style("chats--current" if current else "chats--row")
        age = f" {_age(time.time() - row.updated)} "
        mark = "▌" if current else " "
        pin = "★ " if row.pinned else ""
        room = max(0, width - cell_len(mark) - cell_len(pin) - cell_len(age))
        title = clean_line(row.title) or "New chat"
        if cell_len(title) > room:
            title = set_cell_size(title, max(0, room - 1)) + "…"
        return Strip(
            [
                Segment(mark, text + back),
                Segment(pin, self.get_component_rich_style("chats--pin") + back),
                Segment(set_cell_size(title, room), text + back),
                Segment(age, self.get_component_rich_style("chats--age") + back),
            ]
        ).adjust_cell_length(width, back)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # Moving

    def _put_cursor(self, index: int) -> None:
        self._cursor = max(0, min(index, self._count - 1))
        top, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False)
        self.refresh()

    def action_move(self, step: int) -> None:
        self._put_cursor(self._cursor + step)

    def action_move_page(self, step: int) -> None:
        self._put_cursor(self._cursor + step * max(1, self.scrollable_content_region.height - 1))

    def action_move_to(self, index: int) -> None:
        self._put_cursor(index if index >= 0 else self._count - 1)

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if 0 <= index < self._count:
            self._put_cursor(index)
            self.action_sidebar_open()

    # What is asked for

    def _ask(self, action: str) -> None:
        row = self.row
        if row:
            self.post_message(self.Asked(action, row.id))

    def action_sidebar_open(self) -> None:
        row = self.row
        if row:
            self.post_message(self.Opened(row.id))

    def action_sidebar_pin(self) -> None:
        self._ask("pin")

    def action_sidebar_rename(self) -> None:
        self._ask("rename")

    def action_sidebar_duplicate(self) -> None:
        self._ask("duplicate")

    def action_sidebar_export(self) -> None:
        self._ask("export")

    def action_sidebar_folder(self) -> None:
        self._ask("folder")

    def action_sidebar_tags(self) -> None:
        self._ask("tags")

    def action_sidebar_delete(self) -> None:
        self._ask("delete")

    def action_sidebar_filter(self) -> None:
        self._next_filter()

    def _next_filter(self) -> None:
        """All, then each folder, then each tag, then all again."""
        if not self._history:
            return
        kinds: list[tuple[str | None, str | None]] = [(None, None)]
        kinds += [(folder, None) for folder in self._history.folders()]
        kinds += [(None, tag) for tag in self._history.tags()]
        now = (self._folder, self._tag)
        folder, tag = kinds[(kinds.index(now) + 1) % len(kinds)] if now in kinds else (None, None)
        self.show(self._history, folder=folder, tag=tag)
        parent = self.parent
        if isinstance(parent, Sidebar):
            parent.name_filter(folder, tag)


def _age(seconds: float) -> str:
    """How long ago, in at most four characters."""
    for size, letter in ((31_557_600, "y"), (604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{letter}"
    return "now"


class Sidebar(Vertical):
    """The list with its heading."""

    DEFAULT_CSS = """
    Sidebar {
        width: 30;
        background: $surface;
        border-right: vkey $foreground 12%;
        display: none;
        &.-shown { display: block; }
        #chats-heading { height: 1; padding: 0 1; color: $foreground 60%; text-style: bold; }
        &:focus-within #chats-heading { color: $primary; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.list = ChatList()
        self._heading = Static("Chats", id="chats-heading", markup=False)

    def compose(self) -> ComposeResult:
        yield self._heading
        yield self.list

    @property
    def shown(self) -> bool:
        return self.has_class("-shown")

    def name_filter(self, folder: str | None, tag: str | None) -> None:
        """Say in the heading which chats are listed."""
        what = f"Folder {folder}" if folder is not None else f"Tag #{tag}" if tag is not None else "Chats"
        self._heading.update(clean_line(what))
