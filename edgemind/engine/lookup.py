"""Prompt lookup: what came next the last time, as a guess at what comes next now.

An answer that edits or quotes what it was shown repeats long runs of it. Where its last tokens were there before, the
token that followed them is the guess; so it is after a token or two that were changed, and nothing is guessed
otherwise. Whether a guess was right is seen at every token, drafted or not, so how sure one is costs nothing to know:
it grows with the run that was the same. A few table lookups a token, none of them a model.
Not for: how many are worth checking (``drafting``), checking them (``scheduler``).
"""

from __future__ import annotations

from collections.abc import Sequence

LONG, SHORT = 6, 3
"""Tokens that must repeat: the long run is looked for first, since it names the place more surely."""

LONGEST = 64
"""Tokens compared before a place that was found; a longer run says no more."""

PRIOR = (0.2, 0.2, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97)
"""How often a guess is right after a run of 0, 1, 2 to 3, 4 to 7, ... 64 and more tokens, until it is known."""

CLASSES = [min(run.bit_length(), len(PRIOR) - 1) for run in range(LONGEST + 1)]
"""By the length of a run, its place in ``PRIOR``."""

CHANGED = 2
"""Wrong guesses in a row after which the copy is over."""

UNLIKELY = 0.02
"""A draft ends before a token with less of a chance."""

TRIES = 6
"""Guesses that the prior counts as."""


class Lookup:
    """An index over one request's tokens, which only grow between two looks."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, ...], int] = {}
        """By a run of tokens: where the token after its last occurrence stands."""
        self._indexed = 0
        """Tokens whose runs before them are in the table."""
        self._source: int | None = None
        """Where the token stands that is guessed next, while the text follows what was there before."""
        self.run = 0
        """Tokens before the guess that were the same, up to ``LONGEST`` where it was found."""
        self._missed = 0
        """Wrong guesses since the last right one."""
        self.right = False
        """The last guess was right."""
        self._followed = 0
        """Tokens there were when that was so."""
        self._right = [TRIES * rate for rate in PRIOR]
        self._guessed = [float(TRIES)] * len(PRIOR)

    def follow(self, tokens: Sequence[int]) -> None:
        """Look at what was written since the last call: was it what was guessed, and what is the guess now?

        A wrong guess may be a word that is changed: what followed the old one is guessed to follow the new one.
        """
        self.right = False
        for index in range(self._followed, len(tokens)):
            if self._source is None:
                break
            self.right = tokens[index] == tokens[self._source]
            kind = CLASSES[min(self.run, LONGEST)]
            self._guessed[kind] += 1
            self._right[kind] += self.right
            self.run = self.run + 1 if self.right else 0
            self._missed = 0 if self.right else self._missed + 1
            self._source = self._source + 1 if self._missed <= CHANGED else None
        self._followed = len(tokens)
        self._index(tokens)
        if self._source is None or self.run < SHORT:
            place = self._find(tokens)
            if place is not None:
                self._source, self.run, self._missed = place, _same(tokens, place), 0

    @property
    def copies(self) -> bool:
        """The text follows what was there before, so there is a guess."""
        return self._source is not None

    def chances(self, most: int) -> list[float]:
        """For each of up to ``most`` tokens of a draft, how likely it is that it and all before it are right."""
        if self._source is None:
            return []
        found, chance = [], 1.0
        for run in range(self.run, self.run + most):
            kind = CLASSES[run] if run < LONGEST else -1
            chance *= self._right[kind] / self._guessed[kind]
            if chance < UNLIKELY:
                break
            found.append(chance)
        return found

    def left(self, end: int) -> int:
        """Tokens that may still be copied: to ``end``, where the prompt ends, or to where the copy itself began."""
        if self._source is None:
            return 0
        return (end if self._source < end else self._followed) - self._source

    def draft(self, tokens: Sequence[int], count: int) -> list[int]:
        """The next ``count`` tokens as they stand there; a run that reaches the end repeats itself."""
        if self._source is None:
            return []
        period = len(tokens) - self._source
        return [tokens[self._source + index % period] for index in range(count)]

    def _find(self, tokens: Sequence[int]) -> int | None:
        for length in (LONG, SHORT):
            if len(tokens) >= length:
                place = self._places.get(tuple(tokens[-length:]))
                if place is not None and place < len(tokens):
                    return place
        return None

    def _index(self, tokens: Sequence[int]) -> None:
        """Note every run that a token follows, so not the last one."""
        for place in range(max(self._indexed, SHORT), len(tokens)):
            self._places[tuple(tokens[place - SHORT : place])] = place
            if place >= LONG:
                self._places[tuple(tokens[place - LONG : place])] = place
        self._indexed = len(tokens)


def _same(tokens: Sequence[int], place: int) -> int:
    """How many tokens before ``place`` are those at the end."""
    end = len(tokens)
    for length in range(1, min(place, LONGEST) + 1):
        if tokens[place - length] != tokens[end - length]:
            return length - 1
    return min(place, LONGEST)
