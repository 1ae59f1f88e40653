"""Personas, system prompts saved under a name: list, use, new, edit, delete.

Not for: what a persona is (``chat.types``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from edgemind.tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from edgemind.chat.types import Persona


class PersonaStore(Protocol):
    """``History`` is one."""

    def personas(self) -> Sequence[Persona]: ...

    def save_persona(self, persona: Persona) -> None: ...

    def delete_persona(self, name: str) -> None: ...


class PersonasScreen(Dialog["Persona"]):
    """Dismissed with the persona that this chat shall use, or ``None``; changes are saved as they are made."""

    def __init__(self, store: PersonaStore, current: str | None = None) -> None:
        super().__init__()
