"""The numbers of lines that can be edited, as a grammar: ``12`` or ``12-14``, and only ranges without a gap.

The end of a range depends on its beginning, which no shorter grammar than one place for each beginning can hold; what
follows the same digits is shared. 2,000 lines take about 115 KB of GBNF.
Not for: which lines these are (``openings``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgemind.engine.gbnf import EMPTY, Node, Ref, Repeat, chars, choice, seq

MOST_RANGED = 3_000
"""Lines at which a range may begin; after those, lines are edited one by one."""

_DIGIT = chars("09")


class LineRules:
    """Rules of line numbers; one set for all files of a grammar, so that they share what they have in common."""

    def __init__(self, ranged: int = MOST_RANGED) -> None:
        self.rules: dict[str, Node] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._left = ranged

    def ranges(self, spans: Iterable[tuple[int, int]]) -> Node:
        """One line of the spans, or a range within one of them."""
        ends: dict[int, int] = {}
        single: list[tuple[int, int]] = []
        for first, last in spans:
            ranged = min(self._left, last - first + 1)
            self._left -= ranged
            ends.update((line, last) for line in range(first, first + ranged))
            if first + ranged <= last:
                single.append((first + ranged, last))
        options = [self._beginning("", ends)] if ends else []
        return choice(*options, self.numbers(single)) if single else options[0]

    def numbers(self, spans: Iterable[tuple[int, int]]) -> Node:
        """One number of the spans."""
        return choice(*(self._between(first, last) for first, last in spans))

    def _beginning(self, digits: str, ends: Mapping[int, int]) -> Node:
        """The first number after ``digits``, and what may follow it. ``ends``: the numbers that begin so."""
        options: list[Node] = []
        if digits and int(digits) in ends:
            options.append(self._end(int(digits), ends[int(digits)]))
        groups: dict[str, dict[int, int]] = {}
        for line, last in ends.items():
            text = str(line)
            if len(text) > len(digits):
                groups.setdefault(text[: len(digits) + 1], {})[line] = last
        options += (seq(begun[-1], self._beginning(begun, group)) for begun, group in groups.items())
        return choice(*options)

    def _end(self, first: int, last: int) -> Node:
        return choice(EMPTY, seq("-", self._between(first, last)))

    def _between(self, low: int, high: int) -> Node:
        options: list[Node] = []
        for length in range(len(str(low)), len(str(high)) + 1):
            least = str(low) if length == len(str(low)) else "1" + "0" * (length - 1)
            most = str(high) if length == len(str(high)) else "9" * length
            options.append(self._same_length(least, most))
        return choice(*options)

    def _same_length(self, low: str, high: str) -> Node:
        """Numbers of as many digits as both bounds have."""
        if len(low) == 1:
            return chars(low + high)
        if set(low) == {"0"} and set(high) == {"9"}:
            return Repeat(_DIGIT, len(low), len(low))
        if low == high:
            return seq(low)
        if (low, high) not in self._names:
            self._names[low, high] = name = f"n{len(self._names)}"
            self.rules[name] = self._by_first_digit(low, high)
        return Ref(self._names[low, high])

    def _by_first_digit(self, low: str, high: str) -> Node:
        rest = len(low) - 1
        if low[0] == high[0]:
            return seq(low[0], self._same_length(low[1:], high[1:]))
        first, last = int(low[0]), int(high[0])
        options: list[Node] = []
        if set(low[1:]) != {"0"}:
            options.append(seq(low[0], self._same_length(low[1:], "9" * rest)))
            first += 1
        if set(high[1:]) != {"9"}:
            options.append(seq(high[0], self._same_length("0" * rest, high[1:])))
            last -= 1
        if first <= last:
            options.append(seq(chars(f"{first}{last}"), Repeat(_DIGIT, rest, rest)))
        return choice(*options)
