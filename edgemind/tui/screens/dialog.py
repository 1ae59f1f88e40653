"""The frame that every dialog shares: a title, a body, one line of keys; escape leaves, and it fits 40x12.

Not for: what a dialog asks.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.screen import ModalScreen

T = TypeVar("T")


class Dialog(ModalScreen[T | None], Generic[T]):
    """A modal box in the middle of the screen. Subclasses yield their body from ``body()`` and override ``main()``."""
