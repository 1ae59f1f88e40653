"""What the chat screen is made of, and the lines around the conversation that say how things are.

Not for: which chat is open (``chat_base``), what the keys do (``chat_answers``, ``chat_shelf``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer

from edgemind.errors import EdgemindError
from edgemind.tui import keys
from edgemind.tui.widgets.composer import Composer
from edgemind.tui.widgets.sidebar import Sidebar
from edgemind.tui.widgets.status import Heading, Hints, Status
from edgemind.tui.widgets.transcript import Transcript
from edgemind.tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment
    from edgemind.chat.history import History
    from edgemind.chat.session import Session
    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.household import Household

WIDE = 100
"""Columns from which the list of chats is open from the start."""


class ChatParts(Screen[None]):
    """See the module."""

    AUTO_FOCUS: ClassVar[str | None] = "#composer Editor"

    DEFAULT_CSS = """
    ChatParts {
        layout: vertical;
        #middle { height: 1fr; }
        #chat { width: 1fr; }
        #transcript { height: 1fr; display: none; }
        #welcome { display: block; }
        &.-talking #transcript { display: block; }
        &.-talking #welcome { display: none; }
        &.-low Hints, &.-low Heading { display: none; }
        &.-tiny Status { display: none; }
    }
    """

    def __init__(self, house: Household) -> None:
        super().__init__()
        self.house = house
        self.session: Session | None = None
        """Of the chat that is open; ``None`` while it is new and nothing has been said in it."""
        self._kept_out: History | None = None
        """Where an ephemeral chat lives."""
        self._timer: Timer | None = None
        """Runs while an answer is being written."""
        self._drawn_wide: bool | None = None

    @property
    def edgemind(self) -> EdgemindApp:
        """The app, which is always this one."""
        from edgemind.tui.app import EdgemindApp

        assert isinstance(self.app, EdgemindApp)
        return self.app

    def compose(self) -> ComposeResult:
        with Horizontal(id="middle"):
            yield Sidebar(id="sidebar")
            with Vertical(id="chat"):
                yield Heading(id="heading")
                yield Welcome(id="welcome")
                yield Transcript(id="transcript")
                yield Composer(
                    keys.commands(),
                    read=_read,
                    count=self.house.engines_count,
                    folder=Path.cwd(),
                    values=self.values_for,
                    id="composer",
                )
        yield Status(id="status")
        yield Hints(id="hints")

    def on_mount(self) -> None:
        self.sidebar = self.query_one(Sidebar)
        self.heading = self.query_one(Heading)
        self.welcome = self.query_one(Welcome)
        self.transcript = self.query_one(Transcript)
        self.composer = self.query_one(Composer)
        self.status = self.query_one(Status)
        self.hints = self.query_one(Hints)
        self.show_facts()

    def on_resize(self) -> None:
        width, height = self.size
        self.set_class(height < 14, "-low")
        self.set_class(height < 7, "-tiny")
        wide = width >= WIDE
        if wide != self._drawn_wide:
            self._drawn_wide = wide
            self.sidebar.set_class(wide, "-shown")

    def values_for(self, command: str) -> list[str]:
        """Words that may follow a slash command; called in a thread."""
        return self.house.values_for(command)

    def attempt(self, do: Callable[[], object]) -> bool:
        """Do it; an error is told. Whether it went well."""
        try:
            do()
        except EdgemindError as problem:
            self.complain(problem)
            return False
        return True

    # What the lines of facts say

    def show_facts(self) -> None:
        """Everything around the conversation, as it is now."""
        house = self.house
        self.status.know(**house.facts(ephemeral=self._kept_out is not None))
        if self._timer is None:
            self.status.know(**self._tokens())
        if self.session and self.session.not_saving:
            self.status.know(history=f"not saved: {self.session.not_saving}", saved=False)
        chat = self.session.chat if self.session else None
        marks = [*(["not kept"] if self._kept_out is not None else [])]
        if chat:
            marks += [word for word in (chat.persona or "", chat.folder, *(f"#{tag}" for tag in chat.tags)) if word]
        self.heading.name_chat(chat.title if chat else "", marks)
        self.welcome.tell(
            model=house.model_name,
            built_in=house.is_built_in,
            kept=house.kept_words(ephemeral=self._kept_out is not None),
        )
        self.show_hints()

    def _tokens(self) -> dict[str, Any]:
        """Of the branch that is shown, as its last answer left it."""
        info = self.house.engines.info
        limit = info.context_limit if info else 0
        try:
            turns = self.session.page(limit=2) if self.session else []
        except EdgemindError:  # a disk that fails: what reads more than this says so
            turns = []
        for turn in reversed(turns):
            if turn.stats:
                stats = turn.stats
                used = {"context_used": stats.context_used, "context_limit": stats.context_limit or limit}
                return {**used, "rate": stats.decode_rate}
        return {"context_used": 0, "context_limit": limit, "rate": 0.0}

    def show_hints(self) -> None:
        """The keys that matter now."""
        if self.sidebar.list.has_focus:
            self.hints.offer(keys.hints(*(a.name for a in keys.ACTIONS if a.where == "sidebar"), "help"))
        elif self.composer.busy:
            self.hints.offer(keys.hints("stop", "answer_now", "toggle_thought", "toggle_sidebar", "help"))
        else:
            self.hints.offer(
                keys.hints(
                    *("send", "new_chat", "toggle_sidebar", "search", "models", "command_palette", "help"),
                    *("settings", "toggle_thought", "regenerate", "edit_message"),
                )
            )

    def on_descendant_focus(self) -> None:
        self.show_hints()

    def complain(self, problem: EdgemindError) -> None:
        """An error as one sentence and what to do about it."""
        from edgemind.terminal import clean_line

        said = clean_line(f"{problem.message} {problem.hint}".strip())
        self.notify(said, severity="error", timeout=8, markup=False)


def _read(path: Path) -> Attachment:
    from edgemind.chat.attachments.reading import read

    return read(path)
