"""Personas, system prompts saved under a name: list, use, new, edit, delete.

Not for: what a persona is (``chat.types``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.search import shortened
from edgemind.tui.screens.settings import ParametersForm, Row
from edgemind.tui.widgets.line import Line

if TYPE_CHECKING:
    from edgemind.chat.types import Parameters, Persona

NAME_CHARACTERS = 60


class PersonaStore(Protocol):
    """``History`` is one."""

    def personas(self) -> Sequence[Persona]: ...

    def save_persona(self, persona: Persona) -> None: ...

    def delete_persona(self, name: str) -> None: ...


class PersonasScreen(Dialog["Persona"]):
    """Dismissed with the persona that this chat shall use, or ``None``; changes are saved as they are made.

    Args:
        store: where they are kept.
        current: the name of the chat's persona.
        system: of the chat, what a new persona begins with.
        parameters: of the chat, likewise.
    """

    DEFAULT_CSS = """
    PersonasScreen OptionList { height: auto; border: none; padding: 0; background: $surface; }
    PersonasScreen OptionList { text-wrap: nowrap; text-overflow: ellipsis; }
    PersonasScreen OptionList:focus { border: none; }
    """

    HEADING = "Personas"
    HINTS = (
        ("enter", "uses it", "main"),
        ("n", "new", "new"),
        ("e", "edit", "edit"),
        ("d", "delete", "delete"),
        ("esc", "leaves", "leave"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", show=False),
        Binding("e", "edit", show=False),
        Binding("d,delete", "delete", show=False),
    ]

    def __init__(
        self,
        store: PersonaStore,
        current: str | None = None,
        *,
        system: str = "",
        parameters: Parameters | None = None,
    ) -> None:
        super().__init__()
        self._store = store
        self._current = current
        self._system = system
        self._parameters = parameters
        self._personas: list[Persona] = []
        self._deleting: str | None = None

    def body(self) -> ComposeResult:
        yield Static("No persona yet: n makes one of a system prompt.", id="none", classes="note", markup=False)
        yield OptionList(markup=False)

    def on_mount(self) -> None:
        self._show(self._current)

    @property
    def marked(self) -> Persona | None:
        place = self.query_one(OptionList).highlighted
        return self._personas[place] if place is not None and place < len(self._personas) else None

    def main(self) -> None:
        if self.marked is not None:
            self.dismiss(self.marked)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        self.main()

    def on_option_list_option_highlighted(self, message: OptionList.OptionHighlighted) -> None:
        if self._deleting is not None and (self.marked is None or self.marked.name != self._deleting):
            self._deleting = None
            self.complain("")

    def action_new(self) -> None:
        from edgemind.chat.types import Parameters, Persona

        fresh = Persona("", self._system, self._parameters or Parameters())
        self.app.push_screen(PersonaScreen(fresh, [one.name for one in self._personas]), self._save_new)

    def action_edit(self) -> None:
        persona = self.marked
        if persona is not None:
            others = [one.name for one in self._personas if one is not persona]
            self.app.push_screen(PersonaScreen(persona, others), lambda changed: self._save(changed, persona.name))

    def action_delete(self) -> None:
        """Twice: the first press asks."""
        persona = self.marked
        if persona is None:
            return
        if self._deleting != persona.name:
            self._deleting = persona.name
            self.complain(f"Delete {persona.name}? Press d again. Chats that use it keep their system prompt.")
            return
        self._deleting = None
        self.complain("")
        try:
            self._store.delete_persona(persona.name)
        except EdgemindError as problem:
            self.complain(f"{problem.message} {problem.hint}".strip())
        self._show(None)

    def _save_new(self, persona: Persona | None) -> None:
        self._save(persona, None)

    def _save(self, persona: Persona | None, old: str | None) -> None:
        if persona is None:
            return
        try:
            self._store.save_persona(persona)
            if old is not None and old != persona.name:
                self._store.delete_persona(old)
        except EdgemindError as problem:
            self.complain(f"{problem.message} {problem.hint}".strip())
        self._show(persona.name)

    def _show(self, marked: str | None) -> None:
        self._personas = list(self._store.personas())
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(self._row(persona)) for persona in self._personas])
        self.query_one("#none").display = not self._personas
        options.display = bool(self._personas)
        names = [persona.name for persona in self._personas]
        options.highlighted = names.index(marked) if marked in names else 0 if names else None
        options.focus()

    def _row(self, persona: Persona) -> Content:
        name = shortened(clean_line(persona.name), 30)
        words = shortened(clean_line(" ".join(persona.system.split())), 120)
        own = " (this chat's)" if persona.name == self._current else ""
        return Content.assemble((name, "bold"), own, "  ", (words, "dim"))


class PersonaScreen(Dialog["Persona"]):
    """One persona: its name, system prompt and parameters. Dismissed with it, or ``None``."""

    HEADING = "Persona"
    HINTS = (
        ("enter", "saves", "main"),
        ("↑↓", "field", ""),
        ("←→", "choice", ""),
        ("ctrl+j", "new line", ""),
        ("esc", "leaves", "leave"),
    )

    def __init__(self, persona: Persona, others: Sequence[str]) -> None:
        super().__init__()
        self._persona = persona
        self._others = set(others)
        self._called = Line(persona.name, placeholder="How it is called")
        self._form = ParametersForm(persona.system, persona.parameters, None, self)

    def body(self) -> ComposeResult:
        yield Row("Name", self._called)
        yield self._form

    def on_mount(self) -> None:
        self._called.focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        self.main()

    def on_input_changed(self, message: Input.Changed) -> None:
        if message.input is self._called:
            self.complain(self._problem())

    def _problem(self) -> str:
        name = self._called.value.strip()
        if name in self._others:
            return f"There is a persona {name} already."
        if len(name) > NAME_CHARACTERS:
            return f"A name has at most {NAME_CHARACTERS} characters."
        return ""

    def main(self) -> None:
        name = self._called.value.strip()
        problem = self._problem() or ("" if name else "A persona needs a name.")
        result = None if problem else self._form.result()
        if problem:
            self.complain(problem)
            self._called.focus()
        elif result is not None:
            system, parameters = result
            self.dismiss(replace(self._persona, name=name, system=system, parameters=parameters))
