"""A Markdown text that grows, as lines of a width: the blocks, their views, and the empty lines between them.

Not for: widgets, colours.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from edgemind.tui.widgets.code import CodeView, is_any_loading
from edgemind.tui.widgets.markdown.blocks import Block, BlockParser, Item, Quote
from edgemind.tui.widgets.markdown.lines import EMPTY, Guess, Line, Piece
from edgemind.tui.widgets.markdown.tables import TableView
from edgemind.tui.widgets.markdown.views import RuleView, TextView, VerbatimView, View

_VIEWS: dict[str, type[View]] = {
    "paragraph": TextView,
    "heading": TextView,
    "code": CodeView,
    "table": TableView,
    "rule": RuleView,
    "html": VerbatimView,
}
_APART = ("heading", "code", "table", "rule")
"""Blocks with an empty line around them, whether the source has one or not."""


class Document:
    """See the module. ``feed`` and ``layout`` cost what is new, not what is there."""

    def __init__(self, text: str = "", *, finished: bool = True) -> None:
        self._parser = BlockParser()
        self._views: list[View] = []
        self._tops: list[int] = []
        """The first line of each block."""
        self._changed = 0
        """The first block that has to be laid out again."""
        self._width = 0
        self._height = 0
        self._guesses: list[Guess] = []
        self._known = 1 << 60
        if text:
            self.feed(text)
            if finished:
                self.finish()

    def feed(self, text: str) -> None:
        """More of the text."""
        self._changed = min(self._changed, self._parser.feed(text))

    def finish(self) -> None:
        """The text is complete."""
        self._changed = min(self._changed, self._parser.finish())

    def guess(self, guesses: Sequence[Guess], known: int) -> None:
        """Guessed words, in order, that were not known yet; up to ``known`` in the source there are no others."""
        self._known = known
        if not guesses:
            return
        self._guesses += guesses
        first = guesses[0].start
        for number in range(len(self._views) - 1, -1, -1):
            starts = self._views[number].block.starts
            if self._views[number].block.closed or number < len(self._views) - 1:
                self._views[number].touch()
            self._changed = min(self._changed, number)
            if starts and starts[0] <= first:
                break

    @property
    def guesses(self) -> Sequence[Guess]:
        return self._guesses

    @property
    def height(self) -> int:
        """Lines, after ``layout``."""
        return self._height

    @property
    def blocks(self) -> Sequence[Block]:
        return self._parser.blocks

    @property
    def code(self) -> list[str]:
        """The code blocks, as the model wrote them."""
        return [block.text for block in self._parser.blocks if block.kind == "code"]

    def line_of_code(self, number: int) -> int:
        """The line where a code block begins, after ``layout``."""
        tops = [top for top, view in zip(self._tops, self._views, strict=False) if isinstance(view, CodeView)]
        return tops[number] if number < len(tops) else 0

    @property
    def is_waiting(self) -> bool:
        """Whether a code block gets its colours later."""
        return is_any_loading() and any(isinstance(view, CodeView) and view.is_waiting for view in self._views)

    def layout(self, width: int) -> int:
        """Lay out what is new for lines of ``width`` cells.

        Returns:
            The first line that may be another than before.
        """
        if width != self._width:
            self._width, self._changed = width, 0
        blocks = self._parser.blocks
        first_line = self._height
        for number in range(self._changed, len(blocks)):
            view = self._view(number, blocks[number])
            top = self._tops[number - 1] + self._views[number - 1].height if number else 0
            top += self._gap(number)
            if number == len(self._tops):
                self._tops.append(top)
                first_line = min(first_line, top - self._gap(number))
            elif self._tops[number] != top:
                self._tops[number] = top
                first_line = min(first_line, top - self._gap(number))
            first_line = min(first_line, top + view.layout(width))
        self._changed = len(blocks)
        if blocks and not (blocks[-1].closed and self._known > blocks[-1].starts[-1] if blocks[-1].starts else False):
            self._changed -= 1
        height = self._tops[-1] + self._views[-1].height if self._views else 0
        first_line = min(first_line, height)
        self._height = height
        return first_line

    def line(self, number: int) -> Line:
        """One line, from 0."""
        if not 0 <= number < self._height:
            return EMPTY
        index = bisect.bisect_right(self._tops, number) - 1
        if index < 0:
            return EMPTY
        view = self._views[index]
        within = number - self._tops[index]
        if within >= view.height:
            return self._between(index)
        return view.line(within)

    def _between(self, index: int) -> Line:
        """The empty line after block ``index``: quotes that go on are drawn through."""
        shared: list[Piece] = []
        for one, other in zip(
            self._views[index].block.containers, self._views[index + 1].block.containers, strict=False
        ):
            if one is not other or not isinstance(one, Quote):
                break
            shared.append(Piece("▌ ", "quote-bar"))
        return Line(tuple(shared)) if shared else EMPTY

    def _view(self, number: int, block: Block) -> View:
        kind = _shape(block)
        wanted = _VIEWS[kind]
        if number < len(self._views):
            view = self._views[number]
            if view.block is block and type(view) is wanted:
                return view
            self._views[number] = wanted(block, self._marks)
            return self._views[number]
        view = wanted(block, self._marks)
        self._views.append(view)
        return view

    def _marks(self) -> tuple[Sequence[Guess], int]:
        return self._guesses, self._known

    def _gap(self, number: int) -> int:
        """Empty lines before a block."""
        if not number:
            return 0
        block, before = self._parser.blocks[number], self._parser.blocks[number - 1]
        if block.gap:
            return 1
        apart = _shape(block) in _APART or _shape(before) in _APART
        in_item = any(isinstance(one, Item) for one in block.containers)
        return int(apart and not in_item)


def _shape(block: Block) -> str:
    """The kind of a block; a first line between bars is shown as what it will most probably be, the head of a table."""
    if block.kind == "paragraph" and not block.closed and len(block.lines) == 1 and block.lines[0].startswith("|"):
        return "table"
    return block.kind
