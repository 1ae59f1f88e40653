"""Stop strings and bytes to text, both for a stream: what may be shown now, and what must wait.

Not for: end-of-generation tokens (the scheduler knows those by number), reasoning tags (``reasoning``).
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class StopStrings:
    """Finds the first stop string that completes in a stream and never shows any part of it.

    "First" is the one whose last character arrives first; of two that complete on the same character the longer
    wins. That rule can be decided while streaming, so the result does not depend on how the text was cut.
    Time is linear in the text for each stop string (Knuth, Morris and Pratt, 1977).
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._tables = tuple(_borders(stop) for stop in self._stops)
        self._matched = [0] * len(self._stops)
        self._first_characters = frozenset(stop[0] for stop in self._stops)
        self._held = ""
        self._stopped = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    def feed(self, text: str) -> tuple[str, bool]:
        """Returns the text that is certain to be no part of a stop string, and whether a stop string was found.

        Everything after a stop string is dropped, here and in later calls.
        """
        if self._stopped:
            return "", True
        if not self._held and self._first_characters.isdisjoint(text):
            return text, False
        buffer = self._held + text
        for position in range(len(self._held), len(buffer)):
            longest = self._step(buffer[position])
            if longest:
                self._stopped = True
                self._held = ""
                return buffer[: position + 1 - longest], True
        keep = max(self._matched)
        cut = len(buffer) - keep
        self._held = buffer[cut:]
        return buffer[:cut], False

    def finish(self) -> str:
        """What was held back and turned out to be ordinary text; empty after a stop string."""
        held, self._held = self._held, ""
        self._matched = [0] * len(self._stops)
        return held

    def _step(self, character: str) -> int:
        """Advances every stop string by one character; the length of the longest one that is complete, else 0."""
        complete = 0
        for index, stop in enumerate(self._stops):
            length = self._matched[index]
            table = self._tables[index]
            while length and stop[length] != character:
                length = table[length - 1]
            if stop[length] == character:
                length += 1
            if length == len(stop):
                complete = max(complete, length)
                length = 0
            self._matched[index] = length
        return complete


def _borders(word: str) -> tuple[int, ...]:
    """For every prefix of ``word`` the length of its longest proper border."""
    table = [0] * len(word)
    length = 0
    for position in range(1, len(word)):
        while length and word[position] != word[length]:
            length = table[length - 1]
        if word[position] == word[length]:
            length += 1
        table[position] = length
    return tuple(table)


class Utf8Stream:
    """Bytes to text for a stream of tokens that may end inside a character.

    At most three bytes wait for the rest of their character. Bytes that can no longer become a character turn into
    U+FFFD at once, so a broken sequence never blocks what follows.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @property
    def pending(self) -> bool:
        """Whether bytes of an unfinished character wait."""
        return bool(self._decoder.getstate()[0])

    def feed(self, data: bytes) -> str:
        return self._decoder.decode(data)

    def finish(self) -> str:
        """U+FFFD for an unfinished character, else empty."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
