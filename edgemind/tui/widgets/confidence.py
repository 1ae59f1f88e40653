"""Guessed words of an answer that streams: where each stands, and what the model might have said in its place.

Which words are guesses is ``engine.guesses``'s rule. Not for: drawing (a guess is a look of a piece).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgemind.engine.events import Answer
from edgemind.engine.guesses import GuessedWords, is_guess
from edgemind.terminal import clean_line
from edgemind.tui.widgets.markdown.lines import Guess

if TYPE_CHECKING:
    from edgemind.engine.events import TokenConfidence

_MARKS = " *_`~#>|"
"""Markdown's own, which are no part of a word that is named."""
_SLACK = 64
"""Characters within which a token is looked for when it is not where it should be."""


class Guesses:
    """Tokens in, guessed words out."""

    def __init__(self) -> None:
        self._words = GuessedWords()
        self._tokens: list[TokenConfidence] = []
        """Of the word that is not complete."""
        self._at = 0
        """Where in the answer the first of them stands."""
        self._end = 0
        self.words: list[tuple[TokenConfidence, ...]] = []
        """The tokens of each guessed word, by its number."""

    @property
    def known(self) -> int:
        """Up to here in the answer no other guess will come."""
        return self._at

    def feed(self, tokens: Iterable[TokenConfidence], answer: str) -> list[Guess]:
        """More tokens of ``answer``, which is at least as long as they are.

        Returns:
            The guessed words that are complete now, in order.
        """
        found: list[Guess] = []
        for token in tokens:
            if not token.text:
                continue
            if not answer.startswith(token.text, self._end):
                place = answer.find(token.text, self._end, self._end + len(token.text) + _SLACK)
                if place < 0:
                    continue
                found += self.finish()
                self._at = self._end = place
            for word, guessed in self._words.feed(Answer(text=token.text, confidence=(token,))):
                found += self._word(word, guessed)
            self._tokens.append(token)
            self._end += len(token.text)
        return found

    def finish(self) -> list[Guess]:
        """The answer is complete."""
        return [guess for word, guessed in self._words.finish() for guess in self._word(word, guessed)]

    def _word(self, word: str, guessed: bool) -> list[Guess]:
        tokens, self._tokens = self._tokens, []
        start = self._at
        self._at += len(word)
        body = word.strip()
        if not guessed or not body:
            return []
        start += word.index(body)
        self.words.append(tuple(tokens))
        return [Guess(start, start + len(body), len(self.words) - 1)]

    def alternatives(self, number: int) -> list[tuple[str, float]]:
        """What a guessed word said and might have said, each with its probability; the first is what it said. Empty
        for a number from before the answer was read anew."""
        return alternatives(self.words[number]) if number < len(self.words) else []


def alternatives(tokens: Sequence[TokenConfidence]) -> list[tuple[str, float]]:
    """Of the token of a word that was the likeliest to be wrong: itself, then the runners-up, safe to show."""
    guess = min((token for token in tokens if is_guess(token)), key=lambda token: token.probability)
    position = tokens.index(guess)
    before = "".join(token.text for token in tokens[:position])
    after = "".join(token.text for token in tokens[position + 1 :])
    others = [
        (f"{before}{text}".strip() or "(nothing)", probability)
        for text, probability in guess.alternatives
        if text != guess.text
    ]
    said = (before + guess.text + after).strip()
    return [
        (clean_line(text.strip(_MARKS) or text), probability)
        for text, probability in [(said, guess.probability), *others]
    ]
