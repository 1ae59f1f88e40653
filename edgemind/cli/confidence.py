"""How guessed words are marked on the command line, and what is said about a whole answer.

Not for: which words are guessed (``engine.guesses``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgemind.engine.guesses import GUESSED, GuessedWords, is_guess

if TYPE_CHECKING:
    from edgemind.engine.events import TokenConfidence

__all__ = ["GUESSED", "GuessedWords", "is_guess", "marked", "summary"]

MARK = "[?]"


def marked(word: str, colour: str, reset: str) -> str:
    """A guessed word: between ``colour`` and ``reset``, or followed by ``[?]`` when there is no colour."""
    body = word.strip()
    if not body:
        return word
    before, after = word[: word.index(body)], word[word.index(body) + len(body) :]
    return f"{before}{colour}{body}{reset}{after}" if colour else f"{before}{body}{MARK}{after}"


def summary(tokens: Sequence[TokenConfidence]) -> str:
    """One line about a whole answer."""
    if not tokens:
        return "no answer token was measured"
    mean = sum(token.probability for token in tokens) / len(tokens)
    lowest = min(tokens, key=lambda token: token.probability)
    guesses = sum(map(is_guess, tokens))
    return f"mean {mean:.2f}, lowest {lowest.probability:.2f} at {lowest.text.strip()!r}, {guesses} guessed"
