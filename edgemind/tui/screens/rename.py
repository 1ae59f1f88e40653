"""A chat's title, folder and tags in one dialog.

Not for: titles that the model makes (``chat.titles``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.app import ComposeResult
from textual.suggester import Suggester
from textual.widgets import Input, Static

from edgemind.terminal import clean_line
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.settings import Row
from edgemind.tui.widgets.line import Line

if TYPE_CHECKING:
    from edgemind.chat.types import Chat

LONGEST = 200
"""Characters of a title; a folder and a tag have half of it at most."""


@dataclass(frozen=True)
class Renamed:
    """What the dialog hands back."""

    title: str
    folder: str
    tags: tuple[str, ...]


def tags_of(text: str) -> tuple[str, ...]:
    """``work, letters`` and ``#work #letters`` both mean two tags; each counts once."""
    parts = (part.strip().lstrip("#").strip() for part in text.split("," if "," in text else None))
    return tuple(dict.fromkeys(part for part in parts if part))


class LastWord(Suggester):
    """Completes what stands after the last comma with words that are in use; the case of letters does not count."""

    def __init__(self, words: Sequence[str], *, several: bool) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._words = [clean_line(word) for word in words]
        self._several = several

    async def get_suggestion(self, value: str) -> str | None:
        head, comma, typed = value.rpartition(",") if self._several else ("", "", value)
        begin = len(typed) - len(typed.lstrip())
        wanted = typed[begin:].lower()
        found = next((word for word in self._words if wanted and word.lower().startswith(wanted)), None)
        return None if found is None else head + comma + typed[:begin] + typed[begin:] + found[len(wanted) :]


class RenameScreen(Dialog[Renamed]):
    """Dismissed with the new names, or ``None``. ``folders`` and ``tags`` are those in use, for completion."""

    HEADING = "Name, folder and tags"
    HINTS = (("enter", "saves", "main"), ("↑↓", "field", ""), ("→", "completes", ""), ("esc", "leaves", "leave"))

    def __init__(
        self,
        chat: Chat,
        *,
        folders: Sequence[str] = (),
        tags: Sequence[str] = (),
        begin: Literal["title", "folder", "tags"] = "title",
    ) -> None:
        super().__init__()
        self._chat = chat
        self._title = Line(chat.title, placeholder="Untitled")
        self._folder = Line(chat.folder, placeholder="none", suggester=LastWord(folders, several=False))
        self._tags = Line(", ".join(chat.tags), placeholder="none", suggester=LastWord(tags, several=True))
        self._first = {"title": self._title, "folder": self._folder, "tags": self._tags}[begin]
        self._known = [clean_line(folder) for folder in folders if folder][:20]

    def body(self) -> ComposeResult:
        for words, line in (("Title", self._title), ("Folder", self._folder), ("Tags", self._tags)):
            yield Row(words, line)
        yield Static("", classes="gap")
        used = f" Folders in use: {', '.join(self._known)}." if self._known else ""
        yield Static(f"Tags are separated by commas.{used}", classes="note", markup=False)

    def on_mount(self) -> None:
        self._first.focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.main()

    def on_input_changed(self, message: Input.Changed) -> None:
        self.complain(self._problem())

    def _problem(self) -> str:
        if len(self._title.value) > LONGEST:
            return f"A title has at most {LONGEST} characters."
        if len(self._folder.value) > LONGEST // 2 or any(len(tag) > LONGEST // 2 for tag in tags_of(self._tags.value)):
            return f"Folders and tags have at most {LONGEST // 2} characters."
        return ""

    def main(self) -> None:
        problem = self._problem()
        if problem:
            self.complain(problem)
            return
        chat = self._chat
        title, folder = self._title.value.strip(), self._folder.value.strip()
        tags = tags_of(self._tags.value)
        # What was only cleaned to be shown, and not changed, stays as it was.
        self.dismiss(
            Renamed(
                chat.title if title in (clean_line(chat.title).strip(), "") else title,
                chat.folder if folder == clean_line(chat.folder).strip() else folder,
                chat.tags if tags == tags_of(", ".join(clean_line(tag) for tag in chat.tags)) else tags,
            )
        )
