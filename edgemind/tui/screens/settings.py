"""One chat's settings: thinking, lengths, sampling, system prompt, persona; every value is checked where it stands.

Not for: settings of the program (``config.toml``), switching models (``screens.models``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from edgemind.tui.screens import fields
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.fields import LENGTHS, SAMPLING
from edgemind.tui.widgets.editor import Editor
from edgemind.tui.widgets.line import Choice, Line

if TYPE_CHECKING:
    from edgemind.chat.types import Chat, Parameters, Persona
    from edgemind.engine.events import Sampling

THINKING = (("auto", "auto"), ("on", "on"), ("off", "off"))
ON_OFF = (("off", "off"), ("on", "on"))
OWN = "model's own"
NO_PERSONA = "\x00"


@dataclass(frozen=True)
class ChatSettings:
    """What the dialog hands back; all of it is valid."""

    parameters: Parameters
    system: str
    persona: str | None


class Rows(Horizontal):
    """Fields below each other, each with a label and in a wide terminal a few words beside it.

    Three columns and not a widget for each word: a screen of twenty fields shall open at once.
    """

    DEFAULT_CSS = """
    Rows { height: auto; }
    Rows > .labels { width: 18; max-width: 45%; height: auto; padding: 0 1 0 0; }
    Rows > .fields { width: 20; height: auto; }
    Rows > .beside { width: 1fr; height: auto; padding: 0 0 0 2; color: $text-muted; }
    Rows > .labels, Rows > .beside { text-wrap: nowrap; text-overflow: ellipsis; }
    Rows.-long > .fields { width: 1fr; }
    .-narrow Rows > .beside { display: none; }
    .-narrow Rows > .fields { width: 1fr; }
    """
    SCOPED_CSS = False

    def __init__(self, *rows: tuple[str, Widget, str]) -> None:
        super().__init__(classes="" if any(note for _, _, note in rows) else "-long")
        self._rows = rows

    def compose(self) -> ComposeResult:
        yield Static("\n".join(words for words, _, _ in self._rows), classes="labels", markup=False)
        yield Vertical(*(field for _, field, _ in self._rows), classes="fields")
        if not self.has_class("-long"):
            yield Static("\n".join(note for _, _, note in self._rows), classes="beside", markup=False)


class Row(Rows):
    """One of them, as wide as there is room."""

    def __init__(self, words: str, field: Widget) -> None:
        super().__init__((words, field, ""))


class ParametersForm(Vertical):
    """System prompt and parameters, for a chat and for a persona."""

    DEFAULT_CSS = """
    ParametersForm { height: auto; }
    ParametersForm .head { color: $primary; height: 1; }
    ParametersForm Editor { background: $panel; min-height: 2; }
    ParametersForm Editor:focus { background: $primary 20%; }
    """

    def __init__(self, system: str, parameters: Parameters, model: Sampling | None, dialog: Dialog[Any]) -> None:
        super().__init__()
        self._before = parameters
        self._dialog = dialog
        self._system_before = system
        self.system = Editor(first=self._first, placeholder="What the model is told first", lines=5)
        self.thinking = Choice(THINKING, parameters.thinking)
        self.confidence = Choice(ON_OFF, "on" if parameters.confidence else "off")
        self.lines = {
            number: Line(
                fields.text_of(number, parameters), placeholder=fields.default_of(number, model) or "model's own"
            )
            for number in (*LENGTHS, *SAMPLING)
        }
        for number in LENGTHS:
            self.lines[number].placeholder = "no limit"
        self.lines[SAMPLING[-1]].placeholder = "random"

    def compose(self) -> ComposeResult:
        yield Static("System prompt", classes="head", markup=False)
        yield self.system
        yield Static("", classes="gap")
        lengths = [(number.words, self.lines[number], number.note) for number in LENGTHS]
        yield Rows(("Thinking", self.thinking, " "), *lengths, ("Show confidence", self.confidence, " "))
        yield Static("", classes="gap")
        yield Static("Sampling; an empty field leaves it to the model", classes="head", markup=False)
        yield Rows(*((number.words, self.lines[number], number.note) for number in SAMPLING))

    def on_mount(self) -> None:
        self.system.put(self._system_before, undo=False)

    def fill(self, system: str, parameters: Parameters) -> None:
        """Show other values: those of a persona."""
        self._before = parameters
        self.system.put(system)
        self.thinking.value = parameters.thinking
        self.confidence.value = "on" if parameters.confidence else "off"
        for number, line in self.lines.items():
            line.put(fields.text_of(number, parameters))

    def on_input_changed(self, message: Input.Changed) -> None:
        """Say what is wrong while it is typed."""
        message.stop()
        self._dialog.complain(self.problem(message.input))

    def problem(self, last: Widget | None = None) -> str:
        """What is wrong: with ``last`` if anything is, else with the first that is; marks every wrong field."""
        said = ""
        for number, line in self.lines.items():
            _, wrong = fields.check(number, line.value)
            line.set_class(bool(wrong), "-invalid")
            if wrong and (not said or line is last):
                said = wrong
        return said

    def result(self) -> tuple[str, Parameters] | None:
        """System prompt and parameters; ``None`` when something is wrong, which then has the focus and is said."""
        problem = self.problem()
        if problem:
            self._dialog.complain(problem)
            next(line for line in self.lines.values() if line.has_class("-invalid")).focus()
            return None
        values = {number: fields.check(number, line.value)[0] for number, line in self.lines.items()}
        return self.system.written, fields.built(
            values, self._before, self.thinking.value, self.confidence.value == "on"
        )

    def _first(self, key: str) -> bool:
        """In the system prompt enter does what it does in the whole dialog; tab and the edges lead out."""
        place, navigator = self.system.cursor_location, self.system.navigator
        if key == "enter":
            self._dialog.main()
        elif key == "up" and navigator.is_first_wrapped_line(place):
            self.screen.focus_previous()
        elif key == "down" and navigator.is_last_wrapped_line(place):
            self.screen.focus_next()
        else:
            return False
        return True


class SettingsScreen(Dialog[ChatSettings]):
    """Dismissed with the new settings, or ``None``. ``model`` are the model's own sampling defaults, shown as hints."""

    HEADING = "Settings of this chat"
    HINTS = (
        ("enter", "saves", "main"),
        ("↑↓", "field", ""),
        ("←→", "choice", ""),
        ("ctrl+j", "new line", ""),
        ("esc", "leaves", "leave"),
    )

    def __init__(self, chat: Chat, personas: Sequence[Persona] = (), *, model: Sampling | None = None) -> None:
        super().__init__()
        self._personas = {persona.name: persona for persona in personas}
        names = [(NO_PERSONA, "none"), *((name, name) for name in self._personas)]
        if chat.persona and chat.persona not in self._personas:
            names.append((chat.persona, f"{chat.persona} (deleted)"))
        self._persona = Choice(names, chat.persona or NO_PERSONA, id="persona")
        self._form = ParametersForm(chat.system, chat.parameters, model, self)

    def body(self) -> ComposeResult:
        yield Row("Persona", self._persona)
        yield self._form

    def on_mount(self) -> None:
        self._persona.focus()

    def on_choice_changed(self, message: Choice.Changed) -> None:
        persona = self._personas.get(message.value) if message.choice is self._persona else None
        if persona is not None:
            self._form.fill(persona.system, persona.parameters)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.main()

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            self.main()

    def main(self) -> None:
        result = self._form.result()
        if result is not None:
            system, parameters = result
            persona = self._persona.value
            self.dismiss(ChatSettings(parameters, system, None if persona == NO_PERSONA else persona))
