"""One chat's settings: thinking, lengths, sampling, system prompt, persona; every value is checked where it stands.

Not for: settings of the program (``config.toml``), switching models (``screens.models``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from edgemind.chat.types import Chat, Parameters, Persona
    from edgemind.engine.events import Sampling


@dataclass(frozen=True)
class ChatSettings:
    """What the dialog hands back; all of it is valid."""

    parameters: Parameters
    system: str
    persona: str | None


class SettingsScreen(Dialog[ChatSettings]):
    """Dismissed with the new settings, or ``None``. ``model`` are the model's own sampling defaults, shown as hints."""

    def __init__(self, chat: Chat, personas: Sequence[Persona] = (), *, model: Sampling | None = None) -> None:
        super().__init__()
