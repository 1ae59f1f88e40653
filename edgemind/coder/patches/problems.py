"""What is wrong with a patch, as a sentence.

Not for: what stops the assistant at the user's files (``coder.problems``).
"""

from __future__ import annotations

from edgemind.errors import BadInput


class BadPatch(BadInput):
    """A patch, or an answer in words, that says no edit, or one that has no place or several."""
