"""Set or change the passphrase of the history: typed twice, never shown, its strength said in words.

Not for: unlocking (``screens.unlock``), keys (``chat.vault``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input, Static

from edgemind.errors import EdgemindError
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.settings import Row
from edgemind.tui.screens.strength import strength
from edgemind.tui.widgets.line import Line


@dataclass(frozen=True)
class Passphrases:
    """What the dialog hands back; ``old`` is empty when none was set before."""

    old: str = field(repr=False)
    new: str = field(repr=False)


class PassphraseScreen(Dialog[Passphrases]):
    """Dismissed with the passphrases, or ``None``.

    Args:
        mode: ``set`` the first one, or ``change`` it, which asks for the old one too.
        apply: when given, it is called in a thread before the dialog closes; an ``EdgemindError`` (a wrong old
            passphrase) is said in the dialog, which stays open.
    """

    DEFAULT_CSS = """
    PassphraseScreen #strength { height: auto; padding: 0 0 0 18; color: $text-muted; }
    PassphraseScreen.-narrow #strength { padding: 0; }
    """

    HEADING = "Passphrase of the history"
    HINTS = (("enter", "next field, then saves", "main"), ("↑↓", "field", ""), ("esc", "leaves", "leave"))

    class Applied(Message):
        """A thread has done it, or could not."""

        def __init__(self, passphrases: Passphrases, problem: str) -> None:
            super().__init__()
            self.passphrases = passphrases
            self.problem = problem

    def __init__(self, mode: Literal["set", "change"], *, apply: Callable[[Passphrases], None] | None = None) -> None:
        super().__init__()
        self._change = mode == "change"
        self._apply = apply
        self._old = Line(secret=True)
        self._new = Line(secret=True)
        self._again = Line(secret=True)
        self._busy = False

    def body(self) -> ComposeResult:
        yield Static("It unlocks the history. Nobody can restore a forgotten one.", classes="note", markup=False)
        yield Static("", classes="gap")
        if self._change:
            yield Row("Passphrase now", self._old)
        yield Row("New passphrase", self._new)
        yield Static("", id="strength", markup=False)
        yield Row("The same again", self._again)

    def on_mount(self) -> None:
        self._say_strength()
        (self._old if self._change else self._new).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self.complain("")
        if message.input is self._new:
            self._say_strength()

    def _say_strength(self) -> None:
        self.query_one("#strength", Static).update(strength(self._new.value).words)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.main()

    def main(self) -> None:
        """Enter goes on to the first field that is empty; with all of them filled it saves."""
        lines = ([self._old] if self._change else []) + [self._new, self._again]
        empty = next((line for line in lines if not line.value), None)
        if self._busy:
            return
        if empty is not None:
            if empty.has_focus:
                self.complain("Type the passphrase here.")
            empty.focus()
        elif (problem := self._problem()) is not None:
            self.complain(problem)
        elif self._apply is None:
            self._done(Passphrases(self._old.value, self._new.value))
        else:
            self._busy = True
            self.complain("Saving ...")
            passphrases = Passphrases(self._old.value, self._new.value)
            apply = self._apply
            self.in_thread(lambda: self._try(apply, passphrases))

    def _problem(self) -> str | None:
        """What is wrong with the new one; empties and focuses the field to mend."""
        from edgemind.chat.keys import SHORTEST

        if len(self._new.value.strip()) < SHORTEST:
            self._new.focus()
            return (
                f"A passphrase needs at least {SHORTEST} characters. Several words are easy to type and hard to guess."
            )
        if self._new.value != self._again.value:
            self._empty(self._again)
            self._again.focus()
            return "The two differ; type it again."
        if self._change and self._new.value == self._old.value:
            self._new.focus()
            return "That is the passphrase of now."
        return None

    def _try(self, apply: Callable[[Passphrases], None], passphrases: Passphrases) -> None:
        problem = ""
        try:
            apply(passphrases)
        except EdgemindError as error:
            problem = f"{error.message} {error.hint}".strip()
        self.post_message(self.Applied(passphrases, problem))

    def on_passphrase_screen_applied(self, message: PassphraseScreen.Applied) -> None:
        message.stop()
        self._busy = False
        if message.problem:
            self.complain(message.problem)
            if self._change:
                self._empty(self._old)
                self._old.focus()
        else:
            self._done(message.passphrases)

    def _done(self, passphrases: Passphrases) -> None:
        self._wipe()
        self.dismiss(passphrases)

    def action_leave(self) -> None:
        self._wipe()
        self.dismiss(None)

    def _wipe(self) -> None:
        for line in (self._old, self._new, self._again):
            self._empty(line)

    def _empty(self, line: Line) -> None:
        """Without the event of a change, which would take away what is said about it."""
        with line.prevent(Input.Changed):
            line.put("")
