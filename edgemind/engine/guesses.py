"""Where the model was guessing: words with a token that it gave less than even odds. One rule for every face.

A guess is a whole word, since half a marked name cannot be read. Punctuation is left alone: whether a comma or a full
stop follows says nothing about what is true. Not for: the numbers themselves (the worker's), how a guess is marked.
"""

from __future__ import annotations

from edgemind.engine.events import Answer, TokenConfidence

GUESSED = 0.5
"""A token under this probability was a guess: something else was more likely than not."""

_FIRST_WITHOUT_SPACES = 0x2E80
"""Scripts from here on (Chinese, Japanese, ...) put no spaces between words."""


def is_guess(token: TokenConfidence) -> bool:
    return token.probability < GUESSED and any(character.isalnum() for character in token.text)


class GuessedWords:
    """Cuts a streamed answer into words and says which were guessed."""

    def __init__(self) -> None:
        self._word = ""
        self._guessed = False

    def feed(self, piece: Answer) -> list[tuple[str, bool]]:
        """Words that are complete now, as ``(text, guessed)``; joined they are the answer."""
        ready: list[tuple[str, bool]] = []
        if self._word and piece.text and not _joins(self._word[-1], piece.text[0]):
            ready += self.finish()
        self._word += piece.text
        self._guessed = self._guessed or any(is_guess(token) for token in piece.confidence)
        return ready

    def finish(self) -> list[tuple[str, bool]]:
        """The word that was not complete yet."""
        last = [(self._word, self._guessed)] if self._word else []
        self._word, self._guessed = "", False
        return last


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and max(ord(left), ord(right)) < _FIRST_WITHOUT_SPACES
