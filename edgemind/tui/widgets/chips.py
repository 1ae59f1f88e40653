"""The row of chips above the field: what goes along with the message; files are read and tokens counted in threads.

Not for: how a file is read (``chat.attachments``), when a message is sent (``composer``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.containers import Horizontal
from textual.message import Message

from edgemind.errors import EdgemindError
from edgemind.tui.widgets.chip import Chip, Held

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment


class Chips(Horizontal):
    """The row; it takes no room while it is empty, and scrolls sideways when it is full.

    Args:
        read: turns a file into an attachment; called in a thread, may raise ``EdgemindError``.
        count: tokens of a text, ``None`` while no model is loaded; called in a thread.
    """

    DEFAULT_CSS = """
    Chips {
        display: none;
        height: 1;
        width: 1fr;
        overflow: auto hidden;
        scrollbar-size: 0 0;
    }
    """

    class Changed(Message):
        """Something came, went, or has been read."""

    class Said(Message):
        """What the user should know: a file that cannot be read, a page without text."""

        def __init__(self, text: str, *, failed: bool = False) -> None:
            super().__init__()
            self.text = text
            self.failed = failed

    class Read(Message):
        """A thread has read a file."""

        def __init__(self, key: int, result: Attachment | EdgemindError) -> None:
            super().__init__()
            self.key = key
            self.result = result

    class Counted(Message):
        """A thread has counted tokens, by the keys of the chips."""

        def __init__(self, counts: dict[int, int]) -> None:
            super().__init__()
            self.counts = counts

    def __init__(
        self, read: Callable[[Path], Attachment] | None = None, count: Callable[[str], int | None] | None = None
    ) -> None:
        super().__init__()
        self.held: tuple[Held, ...] = ()
        self._read_file = read or _read
        self._count = count
        self.failed = ""
        """Why a file could not be read, until somebody has taken note; no message goes without it unasked."""
        self._keys = itertools.count(1)
        self._taken_out: tuple[int, Held] | None = None

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All that has been read."""
        return tuple(one.attachment for one in self.held if one.attachment is not None)

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of files that are still being read."""
        return tuple(one.name for one in self.held if one.attachment is None)

    def holds(self, path: Path) -> bool:
        return any(one.path == path for one in self.held)

    def get(self, key: int) -> Held | None:
        return next((one for one in self.held if one.key == key), None)

    def add_file(self, path: Path) -> None:
        """Read a file; its chip shows at once."""
        held = Held(next(self._keys), path.name, path)
        self._hold((*self.held, held))
        self._in_thread(lambda: self._read_in_thread(held.key, path))

    def add(self, attachment: Attachment, path: Path | None = None) -> None:
        """Show what has been read already."""
        self._hold((*self.held, Held(next(self._keys), attachment.name, path, attachment)))
        self._count_missing()

    def add_pasted(self, text: str) -> None:
        """Show a pasted text."""
        from edgemind.chat.attachments import reading

        names = {one.name for one in self.held}
        name = next(n for n in itertools.chain(["pasted text"], (f"pasted text {i}" for i in itertools.count(2)))
                    if n not in names)  # fmt: skip
        self.add(reading.pasted(text, name))

    def take_out(self, key: int) -> Held | None:
        """Remove one; ``bring_back`` undoes it until something else changes."""
        place = next((i for i, one in enumerate(self.held) if one.key == key), None)
        if place is None:
            return None
        held = self.held[place]
        self._hold(tuple(one for one in self.held if one is not held))
        self._taken_out = (place, held)
        return held

    def bring_back(self) -> bool:
        """Undo ``take_out``; ``False`` when there is nothing to undo."""
        if self._taken_out is None:
            return False
        place, held = self._taken_out
        self._hold((*self.held[:place], held, *self.held[place:]))
        return True

    def forget_taken_out(self) -> None:
        self._taken_out = None

    def clear(self) -> None:
        """Remove all, for good."""
        self.failed = ""
        self._hold(())

    def recount(self) -> None:
        """Another model: count again."""
        self._hold(tuple(one.with_tokens(None) for one in self.held))
        self._count_missing()

    def focus_last(self) -> bool:
        """Whether there was one to focus."""
        chips = list(self.query_children(Chip))
        if chips:
            chips[-1].focus()
        return bool(chips)

    def on_mount(self) -> None:
        self._show()

    def _hold(self, held: tuple[Held, ...]) -> None:
        self.held = held
        self._taken_out = None
        if self.is_mounted:
            self._show()
        self.post_message(self.Changed())

    def _show(self) -> None:
        self.display = bool(self.held)
        old = {chip.held.key: chip for chip in self.query_children(Chip)}
        for key in old.keys() - {one.key for one in self.held}:
            old.pop(key).remove()
        for place, one in enumerate(self.held):
            if one.key not in old:
                after = self.held[place - 1].key if place else None
                chip = Chip(one)
                self.mount(chip, after=old[after]) if after in old else self.mount(chip, before=0 if old else None)
                old[one.key] = chip
            elif old[one.key].held is not one:
                old[one.key].show(one)

    def _in_thread(self, work: Callable[[], None]) -> None:
        self.run_worker(work, thread=True, exit_on_error=False, group="chips")

    def _read_in_thread(self, key: int, path: Path) -> None:
        result: Attachment | EdgemindError
        try:
            result = self._read_file(path)
            tokens = self._count(result.text) if self._count and result.tokens is None else result.tokens
            result = result.with_info(tokens=tokens)
        except EdgemindError as problem:
            result = problem
        except OSError as problem:
            result = EdgemindError(f"{path.name} cannot be read: {problem.strerror}.")
        self.post_message(self.Read(key, result))

    def on_chips_read(self, message: Chips.Read) -> None:
        message.stop()
        if self.get(message.key) is None:
            return
        if isinstance(message.result, EdgemindError):
            self.failed = message.result.message
            self.post_message(self.Said(f"{message.result.message} {message.result.hint}".strip(), failed=True))
            self._hold(tuple(one for one in self.held if one.key != message.key))
            return
        found = message.result
        self._hold(tuple(replace(one, attachment=found) if one.key == message.key else one for one in self.held))
        if found.info.note:
            self.post_message(self.Said(f"{found.name}: {found.info.note}"))

    def _count_missing(self) -> None:
        missing = [(one.key, one.attachment.text) for one in self.held if one.attachment and one.tokens is None]
        count = self._count
        if missing and count is not None:
            self._in_thread(lambda: self._count_in_thread(missing, count))

    def _count_in_thread(self, missing: list[tuple[int, str]], count: Callable[[str], int | None]) -> None:
        counts: dict[int, int] = {}
        for key, text in missing:
            try:
                tokens = count(text)
            except EdgemindError:  # the estimate stays
                return
            if tokens is not None:
                counts[key] = tokens
        self.post_message(self.Counted(counts))

    def on_chips_counted(self, message: Chips.Counted) -> None:
        message.stop()
        counts, taken_out = message.counts, self._taken_out
        self._hold(tuple(one.with_tokens(counts[one.key]) if one.key in counts else one for one in self.held))
        self._taken_out = taken_out


def _read(path: Path) -> Attachment:
    from edgemind.chat.attachments import reading

    return reading.read(path)
