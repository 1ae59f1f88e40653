"""Tables that fit: columns as wide as they need while there is room, wrapped cells when there is not, and each row as a
small list of its own where even that would be unreadable.

While rows still come, widths only grow, and once the table is full they are divided anew when the number of rows has
doubled, so a long table costs what its rows cost. Not for: parsing rows (``blocks.cells``).
"""

from __future__ import annotations

import re

from edgemind.tui.widgets.markdown import inline
from edgemind.tui.widgets.markdown.blocks import cells
from edgemind.tui.widgets.markdown.lines import EMPTY, Line, Piece, wrap
from edgemind.tui.widgets.markdown.views import View, cells_of

NARROWEST = 6
"""Cells under which a column cannot be read; a table that would need narrower ones is shown row by row."""
_SEPARATOR = " │ "

Row = list[list[Piece]]


class TableView(View):
    """A table; also a first line that will probably be the head of one."""

    def _reset(self) -> None:
        self._cells: list[Row] = []
        self._ideal: list[int] = []
        self._least: list[int] = []
        self._widths: list[int] = []
        self._is_wrapped = False
        self._align: list[str] = []
        self._divided = 0
        """For how many rows the widths were divided last, when the table is full."""
        self._places: list[tuple[int, int]] = []
        """For each line of the screen: number of its row (-1 a rule), and line within the row."""
        self._wrapped: list[list[list[tuple[Piece, ...]]]] = []

    @property
    def height(self) -> int:
        return len(self._places)

    def _update(self) -> int:
        source = [self.block.lines[0], *self.block.lines[2:]]
        if len(self.block.lines) > 1:
            self._align = [_alignment(one) for one in cells(self.block.lines[1])]
        first = max(0, len(self._cells) - 1)
        known = len(self._places)
        del self._cells[first:]
        for number in range(first, len(source)):
            self._cells.append(self._row(source[number], number))
            self._measure(self._cells[-1])
        if self.block.closed:
            self._ideal, self._least = [], []
            for row in self._cells:  # rows were wider, maybe, while they grew
                self._measure(row)
        if self._divide():
            first = 0
        return min(self._place(first), known)

    def _row(self, line: str, number: int) -> Row:
        at = 0 if number == 0 else number + 1
        row: Row = []
        count = len(self._cells[0]) if number else 1 << 30
        base = "table-head" if number == 0 else self._base
        place = 0
        for cell in cells(line)[:count]:
            place = max(0, line.find(cell, place)) if cell else place
            final = self.block.closed or at < len(self.block.lines) - 1
            row.append(self._cell(cell, base, self.block.starts[at] + place, final))
            place += len(cell)
        return row

    def _cell(self, text: str, base: str, source: int, final: bool) -> list[Piece]:
        return self.pieces(inline.read(text, final=final).runs, base, source - self.block.starts[0])

    def _source(self, place: int) -> int:
        return self.block.starts[0] + place

    def _measure(self, row: Row) -> None:
        for number, cell in enumerate(row):
            if number == len(self._ideal):
                self._ideal.append(1)
                self._least.append(1)
            self._ideal[number] = max(self._ideal[number], cells_of(cell))
            text = "".join(piece.text for piece in cell)
            longest = max((len(word) for word in re.split(r"[\s]+", text)), default=1)
            self._least[number] = max(self._least[number], min(longest, 24))

    def _divide(self) -> bool:
        """Whether the widths are others now."""
        count = len(self._ideal)
        room = self._room - len(_SEPARATOR) * (count - 1)
        if sum(self._ideal) <= room:
            widths = list(self._ideal)
        elif room < NARROWEST * count:
            widths = []
        elif self._divided and not self.block.closed and len(self._cells) < self._divided * 2:
            return False
        else:
            widths = _share(self._ideal, self._least, room)
            self._divided = len(self._cells)
        wrapped = sum(self._ideal) > sum(widths)
        if widths == self._widths and wrapped == self._is_wrapped and self._places:
            return False
        self._widths, self._is_wrapped = widths, wrapped
        return True

    def _place(self, first: int) -> int:
        """Lay out the rows from ``first`` on; returns the first line that changed."""
        while self._places and (first == 0 or self._places[-1][0] >= first):
            self._places.pop()
        if first and self._places and self._places[-1][0] == -1 and first > 1:
            self._places.pop()
        changed = len(self._places)
        del self._wrapped[first:]
        for number in range(first, len(self._cells)):
            lines = self._row_lines(self._cells[number], number)
            self._wrapped.append(lines)
            height = max((len(cell) for cell in lines), default=1)
            if number > 1 and (self._is_wrapped or not self._widths):
                self._places.append((-1, 1))
            if number or self._widths or len(self._cells) == 1:
                self._places += [(number, line) for line in range(height)]
            if number == 0 and self._widths:
                self._places.append((-1, 0))
        if not self._places:
            self._places.append((0, 0))
        return changed

    def _row_lines(self, row: Row, number: int) -> list[list[tuple[Piece, ...]]]:
        if self._widths:
            return [wrap(cell, width) for cell, width in zip(row, self._widths, strict=False)]
        if not number:
            return [wrap([piece for cell in row for piece in (*cell, Piece("  "))], self._room)]
        lines: list[tuple[Piece, ...]] = []
        for title, cell in zip(self._cells[0], row, strict=False):
            label = Piece("".join(piece.text for piece in title) + ": ", "table-head")
            lines += wrap([label, *cell], self._room)
        return [lines or [()]]

    def _body(self, number: int) -> Line:
        row, line = self._places[number]
        if row == -1:
            return Line((self._rule(line),))
        wrapped = self._wrapped[row]
        if not self._widths:
            return Line(wrapped[0][line]) if wrapped and line < len(wrapped[0]) else EMPTY
        pieces: list[Piece] = []
        for column, width in enumerate(self._widths):
            if column:
                pieces.append(Piece(_SEPARATOR, "table-line"))
            cell = wrapped[column] if column < len(wrapped) else []
            content = cell[line] if line < len(cell) else ()
            space = width - cells_of(content)
            left = self._left(column, space)
            pieces += [Piece(" " * left)] * (left > 0) + [*content] + [Piece(" " * (space - left))] * (space > left)
        return Line(tuple(pieces))

    def _left(self, column: int, space: int) -> int:
        align = self._align[column] if column < len(self._align) else ""
        return space if align == "right" else space // 2 if align == "center" else 0

    def _rule(self, kind: int) -> Piece:
        if not self._widths:
            return Piece("─" * min(self._room, 24), "table-line")
        if kind:
            return Piece("┄┼┄".join("┄" * width for width in self._widths), "table-line")
        return Piece("─┼─".join("─" * width for width in self._widths), "table-line")


def _alignment(delimiter: str) -> str:
    if delimiter.endswith(":"):
        return "center" if delimiter.startswith(":") else "right"
    return ""


def _share(ideal: list[int], least: list[int], room: int) -> list[int]:
    """Widths that sum up to ``room``: each column its longest word if there is room for that, the rest by need."""
    count = len(ideal)
    fair = room // count
    widths = [min(want, max(word, 3)) for want, word in zip(ideal, least, strict=False)]
    if sum(widths) > room:
        widths = [min(width, fair) for width in widths]
    while (left := room - sum(widths)) > 0:
        need = [want - width for want, width in zip(ideal, widths, strict=False)]
        total = sum(need)
        if total <= 0:
            break
        given = 0
        for number, want in enumerate(need):
            more = min(want, left * want // total)
            widths[number] += more
            given += more
        if not given:
            widths[max(range(count), key=lambda number: need[number])] += 1
    return widths
