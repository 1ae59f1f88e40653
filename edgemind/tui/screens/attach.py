"""What is attached does not fit: the numbers, and the choice to cut, to summarise in parts, or to pick passages.

Not for: doing it (``chat.attachments.fitting``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgemind.terminal import clean_line
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.search import shortened
from edgemind.tui.widgets.chip import counted

Choice = Literal["cut", "summarise", "passages"]
CHOICES: tuple[Choice, ...] = ("passages", "cut", "summarise")
WORDS: dict[Choice, str] = {"passages": "Pick passages", "cut": "Cut", "summarise": "Summarise in parts"}


class FitScreen(Dialog[Choice]):
    """Dismissed with the choice, or ``None``: the message goes back into the composer.

    Args:
        names: the attachments that do not fit, cleaned or not.
        tokens: of the attachments together.
        room: tokens that are free for them.
        parts: requests that summarising in parts would take.
    """

    DEFAULT_CSS = """
    FitScreen OptionList { height: auto; border: none; padding: 0; background: $surface; }
    FitScreen OptionList:focus { border: none; }
    """

    HEADING = "It does not fit"
    HINTS = (("enter", "takes this", "main"), ("1 2 3", "too", ""), ("esc", "back to the message", "leave"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "take(0)", show=False),
        Binding("2", "take(1)", show=False),
        Binding("3", "take(2)", show=False),
    ]

    def __init__(self, names: tuple[str, ...], *, tokens: int, room: int, parts: int | None = None) -> None:
        super().__init__()
        self._names = tuple(shortened(clean_line(name), 40) for name in names)
        self._tokens = tokens
        self._room = max(0, room)
        self._parts = parts

    def body(self) -> ComposeResult:
        names = ", ".join(self._names) if len(self._names) <= 3 else f"{counted(len(self._names), 'attachment')}"
        have = "has" if len(self._names) == 1 else "have"
        yield Static(
            f"{names} {have} {counted(self._tokens, 'token')}; there is room for {self._room:,}.",
            markup=False,
        )
        yield Static("", classes="gap")
        yield OptionList(*(Option(f"{number} {WORDS[one]}") for number, one in enumerate(CHOICES, 1)), markup=False)
        yield Static("", classes="gap")
        yield Static("", id="what", classes="note", markup=False)

    def _said(self, choice: Choice) -> str:
        share = f"{min(100, 100 * self._room // max(1, self._tokens))} %"
        requests = f"{self._parts:,} requests" if self._parts else "several requests"
        return {
            "passages": "The parts that fit your question best go along; their sources stand beside the answer.",
            "cut": f"Only the beginning goes along: {share} of it.",
            "summarise": f"The model reads all of it first, in {requests}; that takes a while.",
        }[choice]

    def on_option_list_option_highlighted(self, message: OptionList.OptionHighlighted) -> None:
        self.query_one("#what", Static).update(self._said(CHOICES[message.option_index]))

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = 0
        options.focus(scroll_visible=False)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(CHOICES[message.option_index])

    def main(self) -> None:
        self.action_take(self.query_one(OptionList).highlighted or 0)

    def action_take(self, place: int) -> None:
        self.dismiss(CHOICES[place])
