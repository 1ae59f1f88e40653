"""The grammar of one edit, made of what the model was shown: whatever is written under it parses and applies.

Not for: reading what was written (``edit_reading``), asking the model (``editing``).
"""

from __future__ import annotations

from edgemind.coder.types import EditState


def grammar(state: EditState) -> str:
    """GBNF of the next edit of an answer, or of ``done``."""
    raise NotImplementedError


def instructions(state: EditState) -> str:
    """How an edit is written, for the prompt."""
    raise NotImplementedError
