"""Checks of answers to questions of a dataset: exactly, by the last number, by what they contain, by a letter.

Not for: our own families and reasoning-gym's, which check their own.
"""

from __future__ import annotations

from typing import Literal

Check = Literal["exact", "number", "contains", "choice", "none"]


def is_right(check: Check, answer: str, reference: str) -> bool:
    """Whether ``answer`` says what ``reference`` says, by the rule ``check``; ``none`` takes any answer but silence."""
    raise NotImplementedError
