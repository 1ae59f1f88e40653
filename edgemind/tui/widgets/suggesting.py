"""Between the field and the popup: which word under the cursor can be completed, with what, and what a key does then.

Not for: finding files (``files``), drawing (``completion``).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from textual.widget import Widget

from edgemind.terminal import clean_line
from edgemind.tui.widgets.completion import Candidate, Popup, SlashCommand, command_candidates, value_candidates
from edgemind.tui.widgets.editor import Editor
from edgemind.tui.widgets.files import FileIndex, FileMatch

_COMMAND = re.compile(r"/([\w-]*)\Z")
_ARGUMENT = re.compile(r"/([\w-]+)[ \t]+(.*)\Z")
_MENTION = re.compile(r'(?<!\S)@(?:"([^"]*)|([^\s"]*))\Z')


@dataclass(frozen=True)
class Word:
    """What is being written. ``column`` is where its completion begins, on the cursor's line."""

    kind: Literal["command", "value", "argument_file", "mention"]
    row: int
    column: int
    typed: str
    command: str = ""


class Suggesting:
    """Looks at the field after every change. Files are looked for in one thread at a time, the newest question next."""

    def __init__(
        self,
        owner: Widget,
        editor: Editor,
        popup: Popup,
        commands: Sequence[SlashCommand],
        files: FileIndex,
        values: Callable[[str], Iterable[str]],
        accept: Callable[[Candidate, bool], None],
    ) -> None:
        self._owner = owner
        self._editor = editor
        self._popup = popup
        self._commands = commands
        self._files = files
        self._values = values
        self._accept = accept
        self._dismissed: tuple[int, int] | None = None
        self._moved = False
        self._lock = threading.Lock()
        self._asked: Word | None = None
        self._running = False

    def look(self) -> None:
        """The text changed."""
        word = self.word
        if word is None or (word.row, word.column) != self._dismissed:
            self._dismissed = None
        if word is None or self._dismissed:
            self._hide()
        else:
            self._offer(word)

    def ask(self) -> bool:
        """Tab: complete what can be completed; ``False`` when there is nothing."""
        word = self.word
        if word is None:
            return False
        self._dismissed = None
        self._offer(word)
        return True

    def close(self) -> None:
        """Until the word is another one."""
        word = self.word
        self._dismissed = (word.row, word.column) if word else None
        self._hide()

    def key(self, key: str) -> bool:
        """A key while the popup is open; ``False`` leaves it to the field."""
        marked = self._popup.marked
        if marked is None:
            return False
        if key == "escape":
            self.close()
            return True
        if marked.kind == "hint":
            return False
        if key in ("up", "down"):
            self._moved = True
            self._popup.move(-1 if key == "up" else 1)
        elif key == "tab":
            self._accept(marked, False)
        elif key == "enter":
            return self._enter(marked)
        else:
            return False
        return True

    def _enter(self, marked: Candidate) -> bool:
        """A word that is complete as it stands is left to the field, and so is an argument nobody chose."""
        word = self.word
        if word is None or (word.kind in ("value", "argument_file") and not self._moved):
            return False
        if word.kind == "command" and word.typed in {command.name for command in self._commands} and not self._moved:
            return False
        self._accept(marked, bool(word.typed) or self._moved)
        return True

    def write(self, candidate: Candidate) -> None:
        """Put a candidate where its word stands."""
        word = self.word
        if word is None:
            return
        text = candidate.insert
        if word.kind == "mention":
            spaced = " " in text
            text = f'@"{text}' if spaced else f"@{text}"
            text += "" if candidate.kind == "folder" else '" ' if spaced else " "
        elif word.kind == "command":
            text += " " if self._takes_argument(candidate.insert.lstrip("/")) else ""
        self._editor.replace(clean_line(text), (word.row, word.column), self._editor.cursor_location)

    @property
    def word(self) -> Word | None:
        """What stands before the cursor and can be completed."""
        before = self._editor.before_cursor
        row = self._editor.cursor_location[0]
        if row == 0 and (found := _COMMAND.match(before)):
            return Word("command", 0, 0, found[1])
        if row == 0 and (found := _ARGUMENT.match(before)) and self._known(found[1]):
            kind: Literal["argument_file", "value"] = "argument_file" if self._takes_file(found[1]) else "value"
            return Word(kind, 0, found.start(2), found[2], found[1])
        if found := _MENTION.search(before):
            return Word("mention", row, found.start(), found[1] if found[1] is not None else found[2])
        return None

    def _offer(self, word: Word) -> None:
        if word.kind == "command":
            self._show(command_candidates(word.typed, self._commands))
        elif word.kind == "value":
            found = value_candidates(word.typed, list(self._values(word.command)))
            self._show(found if found and found[0].insert != word.typed else self._hint(word))
        else:
            if word.kind == "argument_file" and not word.typed:
                self._show(self._hint(word))
            self._look_for_files(word)

    def _hint(self, word: Word) -> list[Candidate]:
        """One row that says what the command does and wants."""
        command = self._known(word.command)
        if command is None or not command.argument or word.typed:
            return []
        return [Candidate("", f"/{command.name} {command.argument}", command.help, "hint")]

    def _show(self, candidates: Sequence[Candidate], foot: str = "") -> None:
        self._moved = False
        self._popup.offer(candidates, foot)

    def _hide(self) -> None:
        self._asked = None
        self._moved = False
        self._popup.close()

    def _look_for_files(self, word: Word) -> None:
        with self._lock:
            self._asked = word
            if self._running:
                return
            self._running = True
        self._owner.run_worker(self._answer_questions, thread=True, exit_on_error=False, group="files")

    def _answer_questions(self) -> None:
        """In a thread: answer the newest question until there is none."""
        word: Word | None = None
        while True:
            with self._lock:
                if self._asked is None or self._asked == word:
                    self._running = False
                    return
                word = self._asked
            beside = self._files.beside(word.typed)
            self._popup.post_message(Popup.Found(word, _candidates(beside), ""))
            if self._asked != word or not word.typed:
                continue
            below = [one for one in self._files.below(word.typed) if one not in beside]
            foot = "The folder is large: not all of it was searched." if self._files.partial else ""
            self._popup.post_message(Popup.Found(word, _candidates([*beside, *below][:60]), foot))

    def found(self, word: object, candidates: Sequence[Candidate], foot: str) -> None:
        """What the thread found, if the question is still that."""
        if word == self._asked and word == self.word and isinstance(word, Word):
            exact = len(candidates) == 1 and candidates[0].insert == word.typed and candidates[0].kind == "file"
            self._show(self._hint(word) if not candidates or (exact and word.kind != "mention") else candidates, foot)

    def _known(self, name: str) -> SlashCommand | None:
        return next((command for command in self._commands if command.name == name), None)

    def _takes_argument(self, name: str) -> bool:
        command = self._known(name)
        return bool(command and command.argument)

    def _takes_file(self, name: str) -> bool:
        command = self._known(name)
        return bool(command and "FILE" in command.argument)


def _candidates(matches: Sequence[FileMatch]) -> list[Candidate]:
    return [
        Candidate(f"{one.typed}/" if one.folder else one.typed, f"{one.typed}/" if one.folder else one.typed,
                  kind="folder" if one.folder else "file", path=one.path)
        for one in matches
    ]  # fmt: skip
