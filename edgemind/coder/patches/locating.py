"""Where lines that somebody quotes stand in a file: in one place, or an error that says what is nearest.

Exactly is tried first, then without blanks at line ends, then with all lines indented differently by the same amount.
Two places are none, unless a line number names one of them.
Not for: how quotes are written (``search_replace``, ``unified``).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgemind.coder.file_text import FileText, visible
from edgemind.coder.patches.problems import BadPatch
from edgemind.terminal import clean_line

MOST_COMPARED = 2_000
"""Places in a file that are compared to say which is nearest."""
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Quote:
    """Lines that should be in a file. ``name`` is what an error calls them."""

    name: str
    path: str
    lines: tuple[str, ...]
    at: int | None = None
    """The line, from 1, where they are said to begin."""


@dataclass(frozen=True)
class Place:
    """Where they are: 0-based, and what their indentation is in the file."""

    start: int
    removed: str = ""
    added: str = ""

    def indented(self, lines: Sequence[str]) -> tuple[str, ...]:
        """New lines, indented as the file is."""
        return tuple(self.added + line.removeprefix(self.removed) if line.strip() else line for line in lines)


def locate(quote: Quote, text: FileText) -> Place:
    """The one place of a quote.

    Raises:
        BadPatch: there is none, or more than one.
    """
    places = find(quote, text)
    if len(places) == 1:
        return places[0]
    if places:
        lines = ", ".join(str(place.start + 1) for place in places[:4])
        more = f" and {len(places) - 4} more" if len(places) > 4 else ""
        raise BadPatch(
            f"{quote.name} fits {_shown(quote.path)} in {len(places)} places (lines {lines}{more}).",
            "Quote more of the lines around it.",
        )
    raise BadPatch(
        f"{quote.name} is not in {_shown(quote.path)}{_nearest(quote, text)}.", "Quote it as the file has it."
    )


def find(quote: Quote, text: FileText) -> list[Place]:
    """Its places by the strictest comparison that finds any; one only when a line number names it."""
    exact = text.lines
    shown = [visible(line)[0].rstrip() for line in exact]
    for same in (_equal(exact, quote.lines), _equal(shown, [line.rstrip() for line in quote.lines])):
        places = [Place(start) for start in range(len(exact) - len(quote.lines) + 1) if same(start)]
        if places:
            return [place for place in places if place.start + 1 == quote.at] or places
    stripped = [line.strip() for line in quote.lines]
    same = _equal([line.strip() for line in shown], stripped)
    starts = [start for start in range(len(exact) - len(quote.lines) + 1) if same(start)]
    shifted = [_shifted(start, quote.lines, shown) for start in starts if any(stripped)]
    places = [place for place in shifted if place is not None]
    return [place for place in places if place.start + 1 == quote.at] or places


def _equal(lines: Sequence[str], wanted: Sequence[str]) -> Callable[[int], bool]:
    size = len(wanted)
    return lambda start: all(lines[start + at] == wanted[at] for at in range(size))


def _shifted(start: int, wanted: Sequence[str], shown: Sequence[str]) -> Place | None:
    """The place if every line is indented differently by the same."""
    pairs = {(_indent(line), _indent(shown[start + at])) for at, line in enumerate(wanted) if line.strip()}
    least, theirs = min(pairs, key=lambda pair: len(pair[0]))
    common = 0
    while common < min(len(least), len(theirs)) and least[-1 - common] == theirs[-1 - common]:
        common += 1
    removed, added = least[: len(least) - common], theirs[: len(theirs) - common]
    fits = all(own.startswith(removed) and added + own[len(removed) :] == there for own, there in pairs)
    return Place(start, removed, added) if fits else None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _nearest(quote: Quote, text: FileText) -> str:
    """The lines that are most like it, as the end of a sentence."""
    wanted = [line.strip() for line in quote.lines]
    size = max(1, len(wanted))
    lines = [line.strip() for line in text.lines]
    if not lines:
        return ", which is empty"
    best, where = 0.0, 0
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2("\n".join(wanted))
    for start in range(min(max(1, len(lines) - size + 1), MOST_COMPARED)):
        matcher.set_seq1("\n".join(lines[start : start + size]))
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, where = ratio, start
    last = min(where + size, len(lines))
    span = f"line {where + 1}" if last == where + 1 else f"lines {where + 1}-{last}"
    return f"; nearest is {span}: {_shown(text.lines[where].strip())}"


def _shown(text: str) -> str:
    clean = clean_line(text)
    return clean if len(clean) <= LONGEST_SHOWN else clean[: LONGEST_SHOWN - 1] + "…"
