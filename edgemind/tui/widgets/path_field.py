"""A field for a path, with completion below it: tab completes, up and down choose.

Not for: what is done with the path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from edgemind.tui.widgets.completion import Candidate, Popup
from edgemind.tui.widgets.files import FileIndex, FileMatch
from edgemind.tui.widgets.line import Line


class PathLine(Line):
    """The field's own line: keys go to the popup first."""

    def __init__(self, value: str, first: Callable[[str], bool], placeholder: str) -> None:
        super().__init__(value, placeholder=placeholder)
        self._first = first

    async def _on_key(self, event: events.Key) -> None:
        if self._first(event.key):
            event.stop()
            event.prevent_default()


class PathField(Widget):
    """One path; relative ones are meant from ``folder``.

    Args:
        value: what stands in it at first.
        folder: where relative paths begin.
        any_file: offer files that cannot be text, too.
    """

    DEFAULT_CSS = """
    PathField { height: 1; width: 1fr; }
    PathField Popup { margin: 0; padding: 0; }
    """

    class Changed(Message):
        """Another path stands there."""

    class Submitted(Message):
        """Enter."""

    class Found(Message):
        """A thread has listed a folder."""

        def __init__(self, typed: str, matches: list[FileMatch], open_popup: bool) -> None:
            super().__init__()
            self.typed = typed
            self.matches = matches
            self.open_popup = open_popup

    def __init__(self, value: str = "", *, folder: Path, placeholder: str = "", any_file: bool = False) -> None:
        super().__init__()
        self.folder = folder
        self._files = FileIndex(folder, any_file=any_file)
        self._line = PathLine(value, self._first, placeholder)
        self._popup = Popup(below=True)
        self._listing = False
        self._put: str | None = None

    def compose(self) -> ComposeResult:
        yield self._line
        yield self._popup

    def focus(self, scroll_visible: bool = True) -> PathField:
        self._line.focus(scroll_visible)
        return self

    @property
    def value(self) -> str:
        return self._line.value

    @property
    def path(self) -> Path | None:
        """What is meant; ``None`` for an empty field and for what cannot be a path."""
        text = self._line.value.strip()
        if not text:
            return None
        try:
            return Path(os.path.normpath(self.folder / Path(text).expanduser()))
        except (ValueError, RuntimeError):
            return None

    def put(self, value: str) -> None:
        """Write another path without asking for completion."""
        self._put = value
        self._line.put(value)

    def close(self) -> bool:
        """Close the popup; whether it was open."""
        was_open = self._popup.is_open
        self._popup.close()
        return was_open

    def _first(self, key: str) -> bool:
        marked = self._popup.marked
        if key == "tab":
            if marked is None:
                self._ask(open_popup=True)
            else:
                self._take(marked)
        elif marked is not None and key in ("up", "down"):
            self._popup.move(-1 if key == "up" else 1)
        elif marked is not None and key == "escape":
            self.close()
        else:
            return False
        return True

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if message.value != self._put:
            self._ask(open_popup=False)
        self._put = None
        self.post_message(self.Changed())

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.close()
        self.post_message(self.Submitted())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self.close()

    def on_popup_chosen(self, message: Popup.Chosen) -> None:
        message.stop()
        self._take(message.candidate)
        self._line.focus()

    def _take(self, candidate: Candidate) -> None:
        self.put(candidate.insert)
        self.close()
        if candidate.kind == "folder":
            self._ask(open_popup=True)

    def _ask(self, *, open_popup: bool) -> None:
        if self._listing:
            return
        self._listing = True
        typed = self._line.value
        self.run_worker(lambda: self._list(typed, open_popup), thread=True, exit_on_error=False)

    def _list(self, typed: str, open_popup: bool) -> None:
        self.post_message(self.Found(typed, self._files.beside(typed), open_popup))

    def on_path_field_found(self, message: PathField.Found) -> None:
        message.stop()
        self._listing = False
        if message.typed != self._line.value:
            self._ask(open_popup=message.open_popup)
        elif not self._line.has_focus:
            self.close()
        elif message.open_popup and len(message.matches) == 1 and message.matches[0].typed != message.typed:
            self._take(_candidate(message.matches[0]))
        elif message.open_popup or (message.typed.strip() and not _is_exact(message)):
            self._popup.offer([_candidate(one) for one in message.matches])
        else:
            self.close()


def _is_exact(message: PathField.Found) -> bool:
    return [one.typed for one in message.matches] == [message.typed]


def _candidate(one: FileMatch) -> Candidate:
    text = f"{one.typed}/" if one.folder else one.typed
    return Candidate(text, text, kind="folder" if one.folder else "file", path=one.path)
