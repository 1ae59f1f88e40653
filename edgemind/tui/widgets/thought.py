"""A thought as lines: numbered steps as they form, the figures above them, folded to one line when it is over.

While it streams only the newest steps are shown, finished ones by their first line; unfolded it is all there. A step
costs what its own text costs, however many there are. Not for: the answer, keys.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edgemind.tui.widgets.markdown.lines import EMPTY, Line, Piece, breaks, cropped, width_of
from edgemind.tui.widgets.markdown.views import safe_lines

if TYPE_CHECKING:
    from edgemind.chat.live import LiveStep
    from edgemind.engine.events import Step

RECENT = 5
"""Finished steps that a streaming thought shows while it is folded."""
TAIL = 8
"""Lines of the current step that it shows then."""
Mode = Literal["line", "recent", "all"]


@dataclass
class Hit:
    """A place where what was looked for stands."""

    step: int
    start: int
    end: int


@dataclass
class _StepText:
    text: str = ""
    """Safe to show."""
    width: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    laid_out: int = 0
    """Characters that ``spans`` cover."""

    def add(self, text: str) -> None:
        if not self.text:
            text = text.lstrip()
        self.text += safe_lines(text)

    def layout(self, width: int) -> int:
        """Wrap what is new; the number of the first line that changed."""
        if width != self.width:
            self.width, self.spans, self.laid_out = width, [], 0
        if self.laid_out == len(self.text) and self.spans:
            return len(self.spans)
        start = self.spans.pop()[0] if self.spans else 0
        first = len(self.spans)
        end = len(self.text.rstrip()) if self.text else 0
        for begin, stop in breaks(self.text[start : max(end, start)], width):
            self.spans.append((begin + start, stop + start))
        self.laid_out = len(self.text)
        return first


class Thought:
    """See the module."""

    def __init__(self) -> None:
        self._steps: list[_StepText] = []
        self._numbers: list[int] = []
        self.streaming = False
        self.unfolded = False
        self.seconds = 0.0
        self.tokens = 0
        self.budget: int | None = None
        self._width = 0
        self._mode: Mode = "line"
        self._tops: list[int] = []
        self._height = 0
        self._dirty = 0
        self.hits: list[Hit] = []
        self.hit = -1
        """Number of the hit that is looked at."""
        self._needle: re.Pattern[str] | None = None
        self.step = -1
        """The step that was jumped to."""

    @property
    def is_empty(self) -> bool:
        return not self._steps and not self.streaming

    @property
    def count(self) -> int:
        """Steps so far."""
        return len(self._steps)

    @property
    def height(self) -> int:
        """Lines, after ``layout``."""
        return self._height

    @property
    def text(self) -> str:
        """All of it, as it is shown."""
        return "\n".join(step.text for step in self._steps)

    def feed(self, steps: Iterable[LiveStep]) -> None:
        """New pieces of steps."""
        grown = len(self._steps)
        for piece in steps:
            if not self._numbers or piece.number > self._numbers[-1]:
                if not piece.text.strip():
                    continue
                self._steps.append(_StepText())
                self._numbers.append(piece.number)
                self._dirty = 0 if self._mode == "recent" else min(self._dirty, max(0, len(self._steps) - 2))
            index = bisect.bisect_left(self._numbers, piece.number)
            if index < len(self._steps):
                self._steps[index].add(piece.text)
                self._dirty = min(self._dirty, index)
                grown = min(grown, index)
        if self._needle is not None:
            self._search(grown)

    def set(self, steps: Sequence[Step], reasoning: str, seconds: float, tokens: int) -> None:
        """A thought that is over. Without steps the whole text is one."""
        texts = [step.text for step in steps] or ([reasoning] if reasoning.strip() else [])
        self._steps, self._numbers = [], []
        for number, text in enumerate(texts, 1):
            if text.strip():
                self._steps.append(_StepText())
                self._steps[-1].add(text.rstrip())
                self._numbers.append(number)
        self.streaming = False
        self.seconds, self.tokens = seconds, tokens
        self._dirty = 0
        if self._needle is not None:
            self._search()

    def fold(self, unfolded: bool) -> None:
        self.unfolded, self._dirty = unfolded, 0

    # Lines

    def layout(self, width: int) -> int:
        """Lay out what is new; the first line that may have changed (the line with the figures aside)."""
        mode: Mode = "all" if self.unfolded else "recent" if self.streaming else "line"
        if self.is_empty:
            before, self._height = self._height, 0
            return min(before, 0)
        if width != self._width or mode != self._mode:
            self._width, self._mode, self._dirty = width, mode, 0
        before = self._height
        if mode == "line":
            self._height = 1
            return 0 if before != 1 or not self._dirty else 1
        if mode == "recent":
            return self._layout_recent()
        return self._layout_all()

    @property
    def _inner(self) -> int:
        return max(1, self._width - self._indent)

    @property
    def _indent(self) -> int:
        """Cells before the text of a step: its number and a bar."""
        return 6 if self._width >= 24 else 4

    def _layout_all(self) -> int:
        first_line = self._height
        del self._tops[self._dirty :]
        for number in range(self._dirty, len(self._steps)):
            step = self._steps[number]
            top = self._tops[-1] + len(self._steps[number - 1].spans) if number else 1
            self._tops.append(top)
            first_line = min(first_line, top + step.layout(self._inner))
        self._dirty = len(self._steps)
        self._height = (self._tops[-1] + len(self._steps[-1].spans)) if self._steps else 1
        return min(first_line, self._height)

    def _layout_recent(self) -> int:
        if not self._steps:
            self._height = 1
            return 1
        step = self._steps[-1]
        before = self._height, len(step.spans)
        first = step.layout(self._inner)
        earlier = min(RECENT, len(self._steps) - 1)
        hidden = len(self._steps) - 1 > RECENT
        shown = min(TAIL, len(step.spans))
        self._height = 1 + hidden + earlier + shown
        head = 1 + hidden + earlier
        changed = 0 if self._dirty < len(self._steps) - 1 or self._height < before[0] else head
        if not changed or (len(step.spans) != before[1] and len(step.spans) > TAIL):
            changed = min(changed, head)
        else:
            changed = head + max(0, first - (len(step.spans) - shown))
        self._dirty = len(self._steps) - 1
        return changed

    def line(self, number: int) -> Line:
        """One line, from 0; the first has the figures."""
        if number == 0:
            return self._title()
        if self._mode == "recent":
            return self._recent_line(number - 1)
        index = bisect.bisect_right(self._tops, number) - 1
        if index < 0 or index >= len(self._steps):
            return EMPTY
        return self._step_line(index, number - self._tops[index])

    def _recent_line(self, number: int) -> Line:
        count = len(self._steps)
        earlier = min(RECENT, count - 1)
        hidden = count - 1 - earlier
        if hidden:
            if number == 0:
                word = "step" if hidden == 1 else "steps"
                return Line((Piece(" " * (self._indent - 2) + f"⋮ {hidden} earlier {word}", "thought-faint"),))
            number -= 1
        if number < earlier:
            index = hidden + number
            text = self._steps[index].text.partition("\n")[0]
            return Line((*self._gutter(index, True), Piece(cropped(text, self._inner), "thought-faint")))
        step = self._steps[-1]
        skipped = max(0, len(step.spans) - TAIL)
        return self._step_line(count - 1, number - earlier + skipped, skipped)

    def _step_line(self, index: int, within: int, first: int = 0) -> Line:
        step = self._steps[index]
        if within >= len(step.spans):
            return EMPTY
        start, end = step.spans[within]
        current = self.streaming and index == len(self._steps) - 1
        look = "thought-current" if current else "thought"
        return Line((*self._gutter(index, within == first), *self._found(index, start, end, look)))

    def _gutter(self, index: int, numbered: bool) -> tuple[Piece, ...]:
        width = self._indent - 2
        number = str(self._numbers[index])[-width:].rjust(width - 1) if numbered else ""
        current = self.streaming and index == len(self._steps) - 1
        jumped = index == self.step
        look = "thought-here" if current or jumped else "thought-number"
        return Piece(number.ljust(width), look, ("step", index)), Piece("│ ", look)

    def _found(self, index: int, start: int, end: int, look: str) -> list[Piece]:
        text = self._steps[index].text
        pieces: list[Piece] = []
        at = start
        first = bisect.bisect_left(self.hits, (index, start), key=lambda hit: (hit.step, hit.end))
        for number in range(first, len(self.hits)):
            hit = self.hits[number]
            if hit.step != index or hit.start >= end:
                break
            begin, stop = max(hit.start, at), min(hit.end, end)
            if stop <= begin:
                continue
            if begin > at:
                pieces.append(Piece(text[at:begin], look))
            pieces.append(Piece(text[begin:stop], "hit-current" if number == self.hit else "hit"))
            at = stop
        if at < end:
            pieces.append(Piece(text[at:end], look))
        return pieces

    def _title(self) -> Line:
        arrow = "▾" if self._mode != "line" else "▸"
        if self.streaming:
            words, look = "thinking", "thought-title"
        else:
            words, look = "thought", "thought-folded"
        parts = [f"{words} for {duration(self.seconds)}"] if self.seconds or self.streaming else [words]
        count = len(self._steps)
        if count:
            parts.append(f"{count} step" + "s" * (count != 1))
        if self.tokens and (self.streaming or self._mode == "all"):
            parts.append(f"{self.tokens:,} tokens")
        if self.streaming and self.budget is not None:
            parts.append(f"{max(0, self.budget - self.tokens):,} left")
        text = cropped(f"{arrow} " + ", ".join(parts), self._width)
        pieces = [Piece(text, look, ("thought", 0))]
        hint = "  ctrl+y answers now" if self.streaming else "  ctrl+t"
        if width_of(text) + len(hint) <= self._width:
            pieces.append(Piece(hint, "thought-hint"))
        return Line(tuple(pieces))

    # Jumping and finding

    def line_of(self, step: int) -> int:
        """The line where a step begins; the thought is unfolded and laid out."""
        return self._tops[step] if 0 <= step < len(self._tops) else 0

    def find(self, words: str) -> int:
        """Look for ``words``, whatever their case; the number of hits."""
        self._needle = re.compile(re.escape(words), re.IGNORECASE) if words else None
        self._search()
        self.hit = 0 if self.hits else -1
        return len(self.hits)

    def _search(self, first: int = 0) -> None:
        """Find the hits in the steps from ``first`` on anew."""
        del self.hits[bisect.bisect_left(self.hits, first, key=lambda hit: hit.step) :]
        needle = self._needle
        if needle is not None:
            self.hits += [
                Hit(index, match.start(), match.end())
                for index in range(first, len(self._steps))
                for match in needle.finditer(self._steps[index].text)
            ]

    def next_hit(self, step: int) -> None:
        if self.hits:
            self.hit = (self.hit + step) % len(self.hits)

    def line_of_hit(self) -> int:
        """The line of the hit that is looked at."""
        if not 0 <= self.hit < len(self.hits):
            return 0
        hit = self.hits[self.hit]
        spans = self._steps[hit.step].spans
        within = bisect.bisect_right(spans, hit.start, key=lambda span: span[0]) - 1
        return self.line_of(hit.step) + max(0, within)


def duration(seconds: float) -> str:
    """``0.8 s``, ``12 s``, ``2 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
