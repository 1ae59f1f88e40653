"""Where lines that somebody quotes stand in a file: in one place, or an error that says what is nearest.

Exactly is tried first, then without blanks at line ends, then with all lines indented differently by the same amount.
Not for: how quotes are written (``search_replace``, ``unified``), which of several places a line number names (there).
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from edgemind.coder.file_text import FileText, visible
from edgemind.coder.patches.problems import BadPatch
from edgemind.terminal import clean_line

MOST_COMPARED = 2_000
LONGEST_COMPARED = 200
"""Lines of a file, and characters of a line, that are compared to say which is nearest."""
MOST_PLACES = 100
"""Of one quote that are looked for."""
FEW = 4
"""Quotes of one file without an index, which costs more than it saves then."""
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Quote:
    """Lines that should be in a file. ``name`` is what an error calls them."""

    name: str
    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where they are: 0-based, and what their indentation is in the file."""

    start: int
    removed: str = ""
    added: str = ""

    def indented(self, lines: Sequence[str]) -> tuple[str, ...]:
        """New lines, indented as the file is."""
        return tuple(self.added + line.removeprefix(self.removed) if line.strip() else line for line in lines)


class Lines:
    """The lines of one file, made ready for many quotes."""

    def __init__(self, text: FileText) -> None:
        self.exact = text.lines
        self._asked = 0

    def places(self, quoted: Sequence[str], near: Sequence[int] = (), least: int = 0) -> list[Place]:
        """The places by the strictest comparison that finds any: the first ones that begin at line ``least`` (0-based)
        or after it, and those that begin ``near``."""
        self._asked += 1
        index = self._exact if self._asked > FEW else None
        places = _places(self.exact, index, quoted, near, least)
        if not places:
            places = _places(self._shown, self._by_shown, [line.rstrip() for line in quoted], near, least)
        if places or not any(line.strip() for line in quoted):
            return places
        stripped = [line.strip() for line in quoted]
        fits = partial(_shifted, wanted=quoted, shown=self._shown)
        return _places(self.stripped, self._by_stripped, stripped, near, least, fits)

    def sharing(self, wanted: Sequence[str]) -> int | None:
        """Where most of these lines, without blanks around them, stand as far apart as here; ``None`` for nowhere."""
        votes: Counter[int] = Counter()
        for at, line in enumerate(wanted):
            for place in self._by_stripped.get(line, [])[:MOST_PLACES] if line else ():
                if at <= place:
                    votes[place - at] += 1
        return max(votes, key=lambda start: (votes[start], -start)) if votes else None

    @cached_property
    def stripped(self) -> tuple[str, ...]:
        return tuple(line.strip() for line in self._shown)

    @cached_property
    def _shown(self) -> tuple[str, ...]:
        return tuple(visible(line)[0].rstrip() for line in self.exact)

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        return _index(self.exact)

    @cached_property
    def _by_shown(self) -> dict[str, list[int]]:
        return _index(self._shown)

    @cached_property
    def _by_stripped(self) -> dict[str, list[int]]:
        return _index(self.stripped)


def locate(quote: Quote, lines: Lines) -> Place:
    """The one place of a quote.

    Raises:
        BadPatch: there is none, or more than one.
    """
    places = lines.places(quote.lines)
    if len(places) == 1:
        return places[0]
    raise doubt(quote, places) if places else missing(quote, lines)


def doubt(quote: Quote, places: Sequence[Place]) -> BadPatch:
    """That there are several places."""
    listed = ", ".join(str(place.start + 1) for place in places[:4])
    more = f" and {len(places) - 4} more" if len(places) > 4 else ""
    least = "at least " if len(places) >= MOST_PLACES else ""
    return BadPatch(
        f"{quote.name} fits {_shown(quote.path)} in {least}{len(places)} places (lines {listed}{more}).",
        "Quote more of the lines around it.",
    )


def missing(quote: Quote, lines: Lines) -> BadPatch:
    """That there is no place, and which is nearest."""
    return BadPatch(
        f"{quote.name} is not in {_shown(quote.path)}{_nearest(quote, lines)}.", "Quote it as the file has it."
    )


def _index(lines: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        found.setdefault(line, []).append(at)
    return found


def _places(
    lines: tuple[str, ...],
    index: dict[str, list[int]] | None,
    quoted: Sequence[str],
    near: Sequence[int],
    least: int,
    fits: Callable[[int], Place | None] = Place,
) -> list[Place]:
    """Where all of them stand in a row, found by the rarest of them, or of the first ones when there is no index."""
    wanted, size = tuple(quoted), len(quoted)
    if not size:
        return []
    some_of = range(min(size, FEW) if index is None else size)
    counts = {at: lines.count(wanted[at]) if index is None else len(index.get(wanted[at], ())) for at in some_of}
    rarest = min(some_of, key=lambda at: counts[at])
    every = _all_of(lines, wanted[rarest]) if index is None else index.get(wanted[rarest], ())
    starts = (at - rarest for at in every)
    there = (start for start in starts if start >= least and lines[start : start + size] == wanted)
    found = (place for start in there if (place := fits(start)) is not None)
    some = list(itertools.islice(found, MOST_PLACES))
    if len(some) == MOST_PLACES:
        beyond = (start for start in near if start > some[-1].start and lines[start : start + size] == wanted)
        some += [place for start in beyond if (place := fits(start)) is not None]
    return some


def _all_of(lines: tuple[str, ...], line: str) -> Iterator[int]:
    at = -1
    with contextlib.suppress(ValueError):
        while True:
            at = lines.index(line, at + 1)
            yield at


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


def _nearest(quote: Quote, lines: Lines) -> str:
    """The lines that are most like it, as the end of a sentence."""
    wanted = [line.strip() for line in quote.lines]
    if not lines.exact:
        return ", which is empty"
    where = lines.sharing(wanted)
    if where is None:
        where = _most_like(next((line for line in wanted if line), ""), lines.stripped)
    last = min(where + max(1, len(wanted)), len(lines.exact))
    span = f"line {where + 1}" if last == where + 1 else f"lines {where + 1}-{last}"
    return f"; nearest is {span}: {_shown(lines.exact[where].strip())}"


def _most_like(line: str, lines: Sequence[str]) -> int:
    """The line that is most like another."""
    best, where = 0.0, 0
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(line[:LONGEST_COMPARED])
    for at, other in enumerate(lines[:MOST_COMPARED]):
        matcher.set_seq1(other[:LONGEST_COMPARED])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, where = ratio, at
    return where


def _shown(text: str) -> str:
    clean = clean_line(text)
    return clean if len(clean) <= LONGEST_SHOWN else clean[: LONGEST_SHOWN - 1] + "…"
