"""Where the user writes: a field that grows, chips for what is attached, completion of files and commands.

Typing never waits: files are read, tokens counted, folders walked and drafts written in threads.
Not for: talking to a model or to the history; it posts messages, and is given what it needs as plain callables.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea

from edgemind.terminal import clean_line
from edgemind.tui import keys
from edgemind.tui.widgets.chip import Chip, Held
from edgemind.tui.widgets.chips import Chips
from edgemind.tui.widgets.completion import Candidate, Popup, SlashCommand, nearest
from edgemind.tui.widgets.drafts import Draft, DraftKeeper, Drafts, draft_of
from edgemind.tui.widgets.earlier import Earlier
from edgemind.tui.widgets.editor import Editor, harmless
from edgemind.tui.widgets.files import FileIndex
from edgemind.tui.widgets.suggesting import Suggesting

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment

LARGE_LINES = 20
LARGE_CHARACTERS = 2_000
"""A paste of more than one of these becomes a chip."""
UNFOLD_CHARACTERS = 50_000
"""A pasted text longer than this stays a chip: the field is for writing."""
DRAFT_SECONDS = 0.5
READABLE_SECONDS = 1.5
"""How long a line above the field stays at least, whatever is typed."""

_COMMAND = re.compile(r"/([A-Za-z][\w-]*|\?)(?:[ \t\n]+(.*))?\Z", re.DOTALL)
_MENTION = re.compile(r'(?<!\S)@(?:"([^"\n]+)"|(\S+))')


class Composer(Widget):
    """The field at the foot of a chat.

    Args:
        commands: the table of slash commands; the app's own by default.
        read: turns a file into an attachment; called in a thread, may raise ``EdgemindError``.
        count: tokens of a text, ``None`` while no model is loaded; called in a thread.
        values: words that may follow a command, for its completion; must be quick.
        folder: where ``@`` looks for files; the current folder by default.
    """

    DEFAULT_CSS = """
    Composer { height: auto; width: 1fr; }
    Composer #field {
        height: auto;
        border: round $foreground 20%;
        padding: 0 1;
    }
    Composer #field:focus-within { border: round $border; }
    Composer #sign { width: 2; height: 1; color: $accent; }
    Composer #notice { display: none; height: auto; max-height: 2; padding: 0 2; color: $text-warning; }
    Composer Chips { margin: 0 2; }
    Composer Popup { margin: 0 1; }
    .-short Composer #field, .-short Composer #field:focus-within { border: none; padding: 0; }
    .-short Composer Chips { margin: 0; }
    .-short Composer #notice { padding: 0; max-height: 1; }
    """
    SCOPED_CSS = False

    busy: reactive[bool] = reactive(False)
    """An answer is being written: enter sends nothing then, and says how to stop it."""

    class Submitted(Message):
        """The user sends a message; the field is empty again."""

        def __init__(self, text: str, attachments: tuple[Attachment, ...]) -> None:
            super().__init__()
            self.text = text
            self.attachments = attachments

    class CommandAsked(Message):
        """A slash command of the table was entered; the name is the table's."""

        def __init__(self, name: str, argument: str) -> None:
            super().__init__()
            self.name = name
            self.argument = argument

    def __init__(
        self,
        commands: Sequence[SlashCommand] | None = None,
        *,
        read: Callable[[Path], Attachment] | None = None,
        count: Callable[[str], int | None] | None = None,
        values: Callable[[str], Iterable[str]] | None = None,
        folder: Path | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self.commands: Sequence[SlashCommand] = keys.commands() if commands is None else commands
        self.folder = folder or Path.cwd()
        self._editor = Editor(
            first=self._first, pasted=self._pasted, placeholder="Write a message · / for commands · @ for files"
        )
        self._chips = Chips(read, count)
        self._popup = Popup()
        self._suggesting = Suggesting(
            self,
            self._editor,
            self._popup,
            self.commands,
            FileIndex(self.folder),
            values or (lambda name: ()),
            self._accept,
        )
        self._earlier = Earlier()
        self._chat = ""
        self._keeper: DraftKeeper | None = None
        self._saving: Timer | None = None
        self._saved = Draft()
        self._waiting = False
        self._sent: tuple[Held, ...] = ()
        """The chips of the last message, in case it comes back."""
        self._said_at = 0.0
        self._put: str | None = None

    def compose(self) -> ComposeResult:
        yield self._popup
        yield Static("", id="notice", markup=False)
        yield self._chips
        with Horizontal(id="field"):
            yield Static("›", id="sign", markup=False)
            yield self._editor

    def focus(self, scroll_visible: bool = True) -> Composer:
        """The field gets the focus."""
        self._editor.focus(scroll_visible)
        return self

    # What the chat screen asks for

    def open_chat(self, chat: str, drafts: Drafts | None, earlier: Sequence[str] = ()) -> None:
        """Belong to another chat: its draft comes back, and up/down walk ``earlier`` (its user's messages, oldest
        first). What was unsent before is kept as the draft of the chat that is left."""
        self.save_draft(wait=False)
        if self._keeper is None or self._keeper.drafts is not drafts:
            self._end_keeper()
            self._keeper = DraftKeeper(drafts) if drafts is not None else None
        self._chat = chat
        self._earlier.open(earlier)
        self._show(self._keeper.load(chat) if self._keeper else Draft())

    def set_text(self, text: str) -> None:
        """Replace what is written; the cursor goes to the end."""
        self._editor.put(text)

    def insert(self, text: str) -> None:
        """Write at the cursor."""
        self._editor.type(text)

    def restore(self, text: str, attachments: Sequence[Attachment] = ()) -> None:
        """Put a message that was not sent back; what has been written since stays below it."""
        since = self._editor.written
        self._editor.put(f"{text}\n{since}" if since.strip() else text)
        paths = {one.name: one.path for one in self._sent}
        for attachment in attachments:
            self.attach(attachment, paths.get(attachment.name))

    def put_aside(self) -> Draft:
        """What is in the field, which is empty then; ``put_back`` shows it again."""
        draft = draft_of(self._editor.written, self._chips.held)
        self._show(Draft())
        return draft

    def put_back(self, draft: Draft) -> None:
        """In the place of what is in the field."""
        self._show(draft)
        self._draft_later()

    @property
    def draft(self) -> str:
        """What is written and not sent."""
        return self._editor.written

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What has been read of what goes along."""
        return self._chips.attachments

    @property
    def selected_text(self) -> str:
        """For ctrl+c."""
        return self._editor.selected_text

    @property
    def is_open(self) -> bool:
        """Completion shows, or a message waits for a file: escape belongs to the composer."""
        return self._popup.is_open or self._waiting

    def add_attachment(self, path: Path) -> None:
        """Read a file in a thread and show it as a chip; what cannot be read is said in the field's own line."""
        path = path.expanduser()
        path = path if path.is_absolute() else self.folder / path
        if self._chips.holds(path):
            self.say(f"{path.name} is attached already.")
        else:
            self._chips.add_file(path)

    def attach(self, attachment: Attachment, path: Path | None = None) -> None:
        """Show an attachment that has been read already."""
        self._chips.add(attachment, path)

    def recount(self) -> None:
        """Another model: count the tokens of the chips again."""
        self._chips.recount()

    def say(self, text: str) -> None:
        """One line above the field, until a later key."""
        notice = self.query_one("#notice", Static)
        notice.update(Text(clean_line(text)))
        notice.display = bool(text)
        self._said_at = time.monotonic()

    def save_draft(self, *, wait: bool = True) -> None:
        """Hand the draft to the store at once: before a lock, a switch, an end."""
        if self._saving is not None:
            self._saving.stop()
            self._saving = None
        draft = draft_of(self._editor.written, self._chips.held)
        if self._keeper is not None and draft != self._saved:
            self._saved = draft
            saved = self._keeper.save(self._chat, draft)
            if wait:
                saved.result()

    def forget(self, *, wait: bool = True) -> None:
        """Drop every text: before a lock. The draft is saved first by the caller, and waited for unless told not to."""
        self._end_keeper(wait=wait)
        self._chat = ""
        self._sent = ()
        self._earlier.open(())
        self._show(Draft())

    # Keys

    def _first(self, key: str) -> bool:
        if self._popup.is_open and self._suggesting.key(key):
            return True
        if time.monotonic() - self._said_at > READABLE_SECONDS:
            self._hush()
        if key == "enter":
            self._enter()
        elif key == "escape" and self._waiting:
            self._wait(False)
        elif key in ("up", "down"):
            return self._walk_earlier(key)
        elif key == "tab":
            return self._suggesting.ask()
        elif key == "backspace" and self._editor.cursor_location == (0, 0) and not self._editor.selected_text:
            return self._chips.focus_last()
        elif key in ("ctrl+underscore", "alt+z"):
            return self._chips.bring_back()
        else:
            return False
        return True

    def _walk_earlier(self, key: str) -> bool:
        navigator, place = self._editor.navigator, self._editor.cursor_location
        if key == "up":
            found = self._earlier.back(self._editor.written) if navigator.is_first_wrapped_line(place) else None
        else:
            found = self._earlier.forth(self._editor.written) if navigator.is_last_wrapped_line(place) else None
        if found is None:
            return False
        self._editor.put(found)
        self._put = self._editor.text
        if key == "up":
            self._editor.move_cursor((0, len(self._editor.document.get_line(0))))
        return True

    def _enter(self) -> None:
        text = self._editor.written
        command = _COMMAND.match(text)
        if command:
            self._run(command[1], (command[2] or "").strip())
        elif not text.strip() and not self._chips.held:
            return
        elif self.busy:
            self.say("The answer is still being written: esc stops it.")
        elif self._chips.failed:
            self._chips.failed = ""
            self.say("A file could not be read; enter again sends without it.")
        else:
            self._attach_mentioned(text)
            self._wait(True)
            self._send_if_ready()

    def _run(self, name: str, argument: str) -> None:
        known = {command.name for command in self.commands}
        action = keys.of_command(name) if name not in known else None
        if action is not None:
            name = action.command
        if name in known:
            self._earlier.remember(self._editor.written)
            self._editor.put("", undo=False)
            self.post_message(self.CommandAsked(name, argument))
            return
        near = nearest(name, self.commands)
        meant = f" Did you mean /{near}?" if near else " / alone lists them."
        self.say(f"There is no command /{name}.{meant} A space before the slash sends it as text.")

    def _send(self) -> None:
        text, attachments = self._editor.written.rstrip(), self.attachments
        self._wait(False)
        self._earlier.remember(text)
        self._hush()
        self._sent = self._chips.held
        self._chips.clear()
        self._editor.put("", undo=False)
        self.post_message(self.Submitted(text, attachments))

    def _wait(self, waiting: bool) -> None:
        """A message that waits for its files is sent when they have been read."""
        unread = self._chips.unread
        if waiting and unread:
            self.say(
                f"Sent as soon as {', '.join(unread)} {'has' if len(unread) == 1 else 'have'} been read; esc waits."
            )
        elif self._waiting and not waiting:
            self._hush()
        self._waiting = waiting

    def _attach_mentioned(self, text: str) -> None:
        """Files that were typed after ``@`` without completing them."""
        for quoted, plain in _MENTION.findall(text):
            for name in dict.fromkeys((quoted or plain, plain.rstrip(".,;:!?)"))):
                path = _below(self.folder, name)
                if path is not None and not self._chips.holds(path):
                    self._chips.add_file(path)
                if path is not None:
                    break

    # Paste

    def _pasted(self, text: str) -> None:
        lines = text.count("\n") + text.count("\r") - text.count("\r\n") + 1
        if lines > LARGE_LINES or len(text) > LARGE_CHARACTERS:
            text, replaced = harmless(text)
            self._chips.add_pasted(text)
        else:
            replaced = self._editor.type(text)
        if replaced:
            what = "1 control character" if replaced == 1 else f"{replaced:,} control characters"
            self.say(f"{what} in the pasted text made visible.")
        self._editor.focus()

    # Chips

    def on_chips_changed(self, message: Chips.Changed) -> None:
        message.stop()
        self._draft_later()
        self._send_if_ready()

    def on_chips_said(self, message: Chips.Said) -> None:
        message.stop()
        if message.failed:
            self._waiting = False
        self.say(message.text)

    def on_chip_taken_out(self, message: Chip.TakenOut) -> None:
        message.stop()
        held = self._chips.take_out(message.key)
        if held is not None:
            self.say(f"Took out {held.name}; ctrl+_ brings it back.")
        self._editor.focus()

    def on_chip_unfolded(self, message: Chip.Unfolded) -> None:
        message.stop()
        held = self._chips.get(message.key)
        if held is None or held.attachment is None or not held.pasted:
            self.say("Enter puts pasted text into the field; a file stays a chip. Delete takes it out.")
        elif len(held.attachment.text) > UNFOLD_CHARACTERS:
            self.say(f"{held.name} is too long for the field.")
        else:
            self._chips.take_out(message.key)
            self._editor.type(held.attachment.text)
            self._editor.focus()

    def on_chip_left(self, message: Chip.Left) -> None:
        message.stop()
        self._editor.focus()

    def on_popup_chosen(self, message: Popup.Chosen) -> None:
        message.stop()
        self._accept(message.candidate, True)
        self._editor.focus()

    def on_popup_found(self, message: Popup.Found) -> None:
        message.stop()
        self._suggesting.found(message.word, message.candidates, message.foot)

    def _accept(self, candidate: Candidate, run: bool) -> None:
        """Take a candidate of the popup: a file is attached; with ``run`` a complete command does what it does."""
        word = self._suggesting.word
        self._suggesting.write(candidate)
        if word is None or candidate.kind == "folder":
            return
        if word.kind != "command":
            self._suggesting.close()
        if word.kind == "mention" and candidate.path is not None:
            if not self._chips.holds(candidate.path):
                self._chips.add_file(candidate.path)
        elif run and not (word.kind == "command" and self._editor.text.endswith(" ")):
            self._enter()

    def _send_if_ready(self) -> None:
        if self._waiting and not (self.busy or self._chips.unread or self._chips.failed):
            self._send()

    # Text, drafts, the line above

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        message.stop()
        if self._editor.text == self._put:
            self._suggesting.close()
        else:
            self._put = None
            self._chips.forget_taken_out()
            self._wait(False)
            self._suggesting.look()
        self._draft_later()

    def watch_busy(self, busy: bool) -> None:
        if self.is_mounted:
            self.query_one("#field").border_subtitle = "esc stops" if busy else ""
            self._send_if_ready()

    def _hush(self) -> None:
        self.query_one("#notice").display = False

    def _draft_later(self) -> None:
        if self._keeper is not None and self._saving is None:
            self._saving = self.set_timer(DRAFT_SECONDS, lambda: self.save_draft(wait=False))

    def _show(self, draft: Draft) -> None:
        self._chips.clear()
        self._wait(False)
        self._hush()
        self._editor.put(draft.text, undo=False)
        self._put = self._editor.text
        self._saved = draft
        for one in draft.attached:
            if isinstance(one, Path):
                self._chips.add_file(one)
            else:
                self._chips.add_pasted(one)

    def _end_keeper(self, *, wait: bool = True) -> None:
        if self._keeper is not None:
            self._keeper.close(wait=wait)
            self._keeper = None

    def on_unmount(self) -> None:
        if self._saving is not None:
            self.save_draft()
        self._end_keeper()


def _below(folder: Path, name: str) -> Path | None:
    """The file that a name means, if there is one."""
    try:
        path = folder / Path(name).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None
