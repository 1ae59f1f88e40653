"""Where a chat is exported to, and as what: the path is completed, nothing is overwritten unasked.

Not for: writing the file (``chat.export``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.settings import Row
from edgemind.tui.widgets.line import Choice
from edgemind.tui.widgets.path_field import PathField

Format = Literal["markdown", "json", "html"]
FORMATS: dict[Format, tuple[str, tuple[str, ...]]] = {
    "markdown": ("Markdown", (".md", ".markdown")),
    "json": ("JSON", (".json",)),
    "html": ("HTML", (".html", ".htm")),
}
PLAIN = "The file is not encrypted: whoever can read it can read the chat."
NOTES: dict[Format, str] = {
    "markdown": "The branch that is shown, for reading and editing.",
    "json": "All of it with every branch; can be imported again.",
    "html": "The branch that is shown, one file for a browser; it loads nothing.",
}


@dataclass(frozen=True)
class ExportTo:
    """What the dialog hands back."""

    path: Path
    format: Format
    overwrite: bool
    """The file exists, and the user said that it may go."""


class ExportScreen(Dialog[ExportTo]):
    """Dismissed with where to, or ``None``. ``title`` gives the suggested file name."""

    HEADING = "Export this chat"
    HINTS = (
        ("enter", "exports", "main"),
        ("tab", "completes", ""),
        ("↑↓", "field", ""),
        ("←→", "format", ""),
        ("esc", "leaves", "leave"),
    )

    def __init__(self, title: str, *, folder: Path | None = None) -> None:
        super().__init__()
        from edgemind.chat.export import file_name

        self._form = Choice([(key, words) for key, (words, _) in FORMATS.items()], "markdown")
        self._path = PathField(file_name(title, "markdown"), folder=folder or Path.cwd(), any_file=True)
        self._asked: Path | None = None

    def body(self) -> ComposeResult:
        yield Row("File", self._path)
        yield Row("Format", self._form)
        yield Static("", classes="gap")
        yield Static(NOTES["markdown"], id="what", classes="note", markup=False)
        yield Static(PLAIN, classes="warning", markup=False)

    def on_mount(self) -> None:
        self._path.focus()

    @property
    def format(self) -> Format:
        return next(key for key in FORMATS if key == self._form.value)

    def on_choice_changed(self, message: Choice.Changed) -> None:
        """The name's ending follows the format."""
        self.query_one("#what", Static).update(NOTES[self.format])
        root, ending = os.path.splitext(self._path.value)
        if root and (not ending or any(ending.lower() in endings for _, endings in FORMATS.values())):
            self._path.put(root + FORMATS[self.format][1][0])
        self._ask_again()

    def on_path_field_changed(self, message: PathField.Changed) -> None:
        """The format follows the name's ending."""
        ending = os.path.splitext(self._path.value)[1].lower()
        found = next((key for key, (_, endings) in FORMATS.items() if ending in endings), None)
        if found is not None and found != self._form.value:
            self._form.value = found
            self.query_one("#what", Static).update(NOTES[found])
        self._ask_again()

    def on_path_field_submitted(self, message: PathField.Submitted) -> None:
        self.main()

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            self.main()

    def _ask_again(self) -> None:
        if self._path.path != self._asked:
            self._asked = None
            self.complain("")

    def main(self) -> None:
        path = self._path.path
        problem = "Write the name of a file." if path is None else problem_with(path)
        if path is None or problem:
            self.complain(problem)
            self._path.focus()
        elif os.path.lexists(path) and self._asked != path:
            self._asked = path
            self.complain(f"{path.name} exists. Enter again replaces it; another name keeps it.")
        else:
            self.dismiss(ExportTo(path, self.format, os.path.lexists(path)))


def problem_with(path: Path) -> str:
    """Why nothing can be written there, in one sentence; empty when it can."""
    if path.is_dir():
        return f"{path} is a folder; add a file name."
    if not path.parent.is_dir():
        return f"There is no folder {path.parent}."
    if os.path.lexists(path) and not path.is_file():
        return f"{path.name} is no plain file."
    if not os.access(path if path.is_file() else path.parent, os.W_OK):
        return f"You may not write {path}."
    return ""


class PathScreen(Dialog[Path]):
    """Asks for one existing file, with completion: what to import, what to attach."""

    HEADING = "Choose a file"
    HINTS = (("enter", "takes it", "main"), ("tab", "completes", ""), ("esc", "leaves", "leave"))

    def __init__(self, title: str, *, folder: Path | None = None, note: str = "", any_file: bool = False) -> None:
        super().__init__()
        self._words = title
        self._note = note
        self._path = PathField(folder=folder or Path.cwd(), placeholder="Path of the file", any_file=any_file)

    def body(self) -> ComposeResult:
        yield Static(self._words, markup=False)
        yield Row("File", self._path)
        if self._note:
            yield Static("", classes="gap")
            yield Static(self._note, classes="note", markup=False)

    def on_mount(self) -> None:
        self._path.focus()

    def on_path_field_changed(self, message: PathField.Changed) -> None:
        self.complain("")

    def on_path_field_submitted(self, message: PathField.Submitted) -> None:
        self.main()

    def main(self) -> None:
        path = self._path.path
        if path is None:
            self.complain("Write the path of a file.")
        elif path.is_dir():
            self.complain(f"{path} is a folder.")
        elif not path.exists():
            self.complain(f"There is no file {path}.")
        else:
            self.dismiss(path)
