"""Blocks as lines of a width: paragraphs, headings, rules and text as it is. Tables and code have files of their own.

A view remembers what it has laid out. ``layout`` does again only what has changed since: in a paragraph that grows, the
text behind the last place that is settled; in text that is shown as it is, the last line.
Not for: which blocks there are (``blocks``), colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemind.tui.widgets.markdown import inline
from edgemind.tui.widgets.markdown.blocks import Block, Item, Quote
from edgemind.tui.widgets.markdown.lines import Guess, Line, Piece, breaks, cut, marked, merged, safe, width_of, wrap

Guesses = Callable[[], "tuple[Sequence[Guess], int]"]
"""The guessed words so far, and up to where in the source they are known."""

_LOOKS = (
    (inline.EM, "em"),
    (inline.STRONG, "strong"),
    (inline.STRIKE, "strike"),
    (inline.LINK, "link"),
    (inline.CODE, "code"),
    (inline.ADDRESS, "address"),
)
_NAMES: dict[int, str] = {}
_TASK = len("[ ] ")
WINDOW = 1500
"""Characters of a growing paragraph that are read again at most."""


def no_guesses() -> tuple[Sequence[Guess], int]:
    return (), 1 << 60


def look_of(flags: int, base: str = "") -> str:
    """The look of a run."""
    name = _NAMES.get(flags)
    if name is None:
        name = _NAMES[flags] = " ".join(look for flag, look in _LOOKS if flags & flag)
    return f"{base} {name}" if base and name else base or name


class View:
    """The lines of one block."""

    def __init__(self, block: Block, guesses: Guesses = no_guesses) -> None:
        self.block = block
        self._guesses = guesses
        self.width = 0
        """Cells of a line; 0 before the first layout."""
        self._settled = False
        self._first_prefix: tuple[Piece, ...] = ()
        self._prefix: tuple[Piece, ...] = ()
        self._room = 1
        """Cells of a line without its prefix."""

    @property
    def height(self) -> int:
        raise NotImplementedError

    def line(self, number: int) -> Line:
        """One line, from 0."""
        body = self._body(number)
        prefix = self._first_prefix if number == 0 else self._prefix
        return Line((*prefix, *body.pieces), body.fill) if prefix else body

    def layout(self, width: int) -> int:
        """Bring the lines up to date.

        Returns:
            The first line that may have changed; the height when none has.
        """
        if width != self.width:
            self.width = width
            self._settled = False
            self._set_prefix(width)
            self._reset()
        elif self._settled:
            return self.height
        first = self._update()
        self._settled = self.block.closed and self.block.starts[-1:] < [self._guesses()[1]]
        return first

    def touch(self) -> None:
        """What it was laid out from has changed in another way than by growing."""
        self.width = 0

    def _set_prefix(self, width: int) -> None:
        first: list[Piece] = []
        rest: list[Piece] = []
        room = width
        for container in self.block.containers:
            if isinstance(container, Quote):
                piece = later = Piece("▌ ", "quote-bar")
            else:
                shown = container in self.block.begins
                blank = Piece(" " * (len(container.marker) + 1))
                piece = self._marker(container) if shown else blank
                later = blank
            if room - len(piece.text) < max(8, width // 2):
                break
            room -= len(piece.text)
            first.append(piece)
            rest.append(later)
        self._first_prefix, self._prefix, self._room = tuple(first), tuple(rest), max(1, room)

    def _marker(self, item: Item) -> Piece:
        box = _box(self.block) if item is self.block.begins[-1] else ""
        return Piece((box.rjust(len(item.marker)) if box else item.marker) + " ", "bullet")

    @property
    def _base(self) -> str:
        return "quote" if any(isinstance(one, Quote) for one in self.block.containers) else ""

    def _reset(self) -> None:
        """Forget all lines."""

    def _update(self) -> int:
        raise NotImplementedError

    def _body(self, number: int) -> Line:
        raise NotImplementedError

    def pieces(self, runs: Sequence[inline.Run], base: str, offset: int = 0) -> list[Piece]:
        """Safe pieces of runs that stand ``offset`` characters into the block's text."""
        known = self._guesses()[0]
        if not known:
            return [
                Piece("\n" if run.text == "\n" else safe(run.text), look_of(run.flags, base), run.url or None)
                for run in runs
            ]
        result: list[Piece] = []
        for run in runs:
            if run.text == "\n":
                result.append(Piece("\n"))
                continue
            literal = run.end - run.start == len(run.text)
            source = self._source(offset + run.start)
            result += marked(run.text, look_of(run.flags, base), source, known if literal else (), run.url or None)
        return result

    def _source(self, place: int) -> int:
        """Where in the source a character of the block's text stands."""
        starts, lines = self.block.starts, self.block.lines
        if len(starts) == 1:
            return starts[0] + place
        for start, line in zip(starts, lines, strict=False):
            if place <= len(line):
                return start + place
            place -= len(line) + 1
        return starts[-1] + place if starts else 0


class TextView(View):
    """A paragraph or a heading."""

    def _reset(self) -> None:
        self._read = 0
        """Characters that are read for good."""
        self._lines: list[tuple[Piece, ...]] = []
        self._good = 0
        """Lines of it that are laid out for good."""
        self._carry: list[Piece] = []
        """What is read for good and stands on no good line."""

    @property
    def height(self) -> int:
        return len(self._lines)

    def _body(self, number: int) -> Line:
        return Line(self._lines[number])

    def _update(self) -> int:
        block = self.block
        base = f"h{block.level}" if block.kind == "heading" else self._base
        before = self._lines
        if block.closed:
            self._lines = wrap(self.pieces(_task(block, inline.read(block.text).runs), base), self._room)
            return _first_difference(before, self._lines)
        first = self._good
        self._settle(block.text, base)
        text = block.text[self._read :]
        growing = self.pieces(_task(block, inline.read(text, final=False).runs, self._read), base, self._read)
        good = self._lines[: self._good]
        self._lines = good + wrap(self._carry + growing, self._room)
        return first

    def _settle(self, text: str, base: str) -> None:
        """Take what no later character can change for good."""
        window = text[self._read :]
        settled = inline.read(window, final=False).settled
        if len(window) - settled > WINDOW:
            settled = max(settled, window.rfind(" ", 0, WINDOW) + 1, window.rfind("\n", 0, WINDOW) + 1) or WINDOW
        known = self._guesses()[1]
        while settled and self._source(self._read + settled) > known:
            settled = max(window.rfind(" ", 0, settled - 1), window.rfind("\n", 0, settled - 1)) + 1
        if not settled:
            return
        runs = _task(self.block, inline.read(window[:settled]).runs, self._read)
        self._carry = merged([*self._carry, *self.pieces(runs, base, self._read)])
        self._read += settled
        spans = breaks("".join(piece.text for piece in self._carry), self._room)
        if len(spans) > 1:
            self._lines = self._lines[: self._good] + cut(self._carry, spans[:-1])
            self._good = len(self._lines)
            end = sum(len(piece.text) for piece in self._carry)
            self._carry = list(cut(self._carry, [(spans[-1][0], end)])[0])


def _task(block: Block, runs: list[inline.Run], offset: int = 0) -> list[inline.Run]:
    """The runs without the ``[ ]`` of a task, which is its bullet."""
    if offset or not _box(block):
        return runs
    return [
        run if run.start >= _TASK else run._replace(text=run.text[_TASK - run.start :], start=_TASK)
        for run in runs
        if run.end > _TASK
    ]


def _box(block: Block) -> str:
    """The box of a task; empty when the block begins none."""
    if not block.begins or block.kind != "paragraph" or not block.lines:
        return ""
    return {"[ ] ": "☐", "[x] ": "☑", "[X] ": "☑"}.get(block.lines[0][:_TASK], "")


def _first_difference(before: Sequence[object], after: Sequence[object]) -> int:
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return number
    return min(len(before), len(after)) if len(before) != len(after) else len(after)


class RuleView(View):
    """A line across."""

    @property
    def height(self) -> int:
        return 1

    def _update(self) -> int:
        return 0

    def _body(self, number: int) -> Line:
        return Line((Piece("─" * self._room, "rule"),))


class VerbatimView(View):
    """Text as it is, line by line: HTML; also what a user has typed. Only the last line may still grow."""

    look = "html"

    def _reset(self) -> None:
        self._rows: list[tuple[int, int, int]] = []
        """For each line of the screen: number of the block's line, and its part of the shown text."""
        self._shown: list[str] = []
        self._last = ""
        """The last line as it was."""

    @property
    def height(self) -> int:
        return len(self._rows)

    def _update(self) -> int:
        lines = self.block.lines
        begin = max(0, len(self._shown) - 1)
        if self._shown and lines[begin] == self._last:
            begin += 1
            first = len(self._rows)
        elif self._shown and lines[begin].startswith(self._last) and "\t" not in lines[begin]:
            start = self._rows.pop()[1]
            first = len(self._rows)
            self._shown[begin] += self._text(lines[begin][len(self._last) :])
            self._break(begin, start)
            begin += 1
        else:
            while self._rows and self._rows[-1][0] >= begin:
                self._rows.pop()
            first = len(self._rows)
            del self._shown[begin:]
        for number in range(begin, len(lines)):
            self._shown.append(self._text(lines[number]))
            self._break(number, 0)
        self._last = lines[-1] if lines else ""
        return first

    def _break(self, number: int, start: int) -> None:
        """Rows of a line from a character on."""
        text = self._shown[number]
        spans = breaks(text[start:] if start else text, self._inner)
        self._rows += [(number, begin + start, end + start) for begin, end in spans]

    @property
    def _inner(self) -> int:
        return self._room

    @staticmethod
    def _text(line: str) -> str:
        return safe(line.expandtabs(4) if "\t" in line else line)

    def _body(self, number: int) -> Line:
        row, start, end = self._rows[number]
        return Line((Piece(self._shown[row][start:end], self.look),))


def plain(text: str, width: int, look: str = "") -> list[Line]:
    """A text that is no Markdown, wrapped."""
    return [Line(pieces) for pieces in wrap([Piece(safe_lines(text), look)], width)]


def safe_lines(text: str) -> str:
    """A text of several lines as a terminal may show it."""
    return "\n".join(safe(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n"))


def cells_of(pieces: Sequence[Piece]) -> int:
    """Cells that a line's pieces take."""
    return sum(width_of(piece.text) for piece in pieces)
