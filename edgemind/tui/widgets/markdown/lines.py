"""Pieces of text with a look, broken into lines of a width in cells. What comes out is safe for a terminal.

Not for: what a look is in colours (the widget's palette), Markdown.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import combining

from rich.cells import cached_cell_len, cell_len, split_graphemes

from edgemind.terminal import clean


class Piece(NamedTuple):
    """Text of one look; ``look`` names component classes, separated by blanks. ``mark`` is what a click or a hover
    on it means: an address, a guessed word."""

    text: str
    look: str = ""
    mark: object = None


class Line(NamedTuple):
    """One line of a screen. ``fill`` is the look of what is left of its width."""

    pieces: tuple[Piece, ...] = ()
    fill: str = ""


class Guess(NamedTuple):
    """A guessed word: where it stands in the source, and the number of it."""

    start: int
    end: int
    number: int


EMPTY = Line()
_NO_BREAK_BEFORE = frozenset("、。，．！？：；）」』】〕〉》・ー”’%℃")
_SPACES = re.compile(r" +")


def width_of(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def forget_widths() -> None:
    """Let go of the texts that Rich keeps because it has counted their cells."""
    cached_cell_len.cache_clear()


def safe(text: str) -> str:
    """A text without line ends as a terminal may show it."""
    return clean(text).replace("\t", " ")


def marked(text: str, look: str, source: int, guesses: Sequence[Guess], mark: object = None) -> list[Piece]:
    """``text``, which stands at ``source``, as safe pieces; guessed words are pieces of their own."""
    if not guesses:
        return [Piece(safe(text), look, mark)] if text else []
    end = source + len(text)
    pieces: list[Piece] = []
    index = bisect.bisect_right(guesses, source, key=lambda guess: guess.end)
    at = source
    while index < len(guesses) and guesses[index].start < end:
        guess = guesses[index]
        start = _whole(text, max(guess.start, at) - source) + source
        stop = _whole(text, min(guess.end, end) - source) + source
        if start > at:
            pieces.append(Piece(safe(text[at - source : start - source]), look, mark))
        if stop > start:
            pieces.append(Piece(safe(text[start - source : stop - source]), f"{look} guess".strip(), guess))
        at = max(at, stop)
        index += 1
    if at < end:
        pieces.append(Piece(safe(text[at - source :]), look, mark))
    return pieces


def _whole(text: str, place: int) -> int:
    """The place, or one after what belongs to the character before it: an accent, a style of an emoji."""
    while (
        0 < place < len(text) and text[place] > "\u02ff" and (text[place] in "\ufe0e\ufe0f" or combining(text[place]))
    ):
        place += 1
    return place


def breaks(text: str, width: int) -> list[tuple[int, int]]:
    """Where the lines of ``text`` are: ``(start, end)``, at most ``width`` cells; blanks at a break are in no line.

    A newline ends a line. There is always at least one line. A word that is longer than a line is cut.
    """
    width = max(1, width)
    spans: list[tuple[int, int]] = []
    start = 0
    for part in text.split("\n"):
        if part.isascii():
            _break_ascii(part, start, width, spans)
        else:
            _break_cells(part, start, width, spans)
        start += len(part) + 1
    return spans


def _break_ascii(part: str, base: int, width: int, spans: list[tuple[int, int]]) -> None:
    start, size, known = 0, len(part), len(spans)
    while size - start > width:
        space = part.rfind(" ", start, start + width + 1)
        lead = part[start:space].strip(" ") if space > start else ""
        if lead:
            spans.append((base + start, base + start + len(part[start:space].rstrip(" "))))
            start = space + 1
            while start < size and part[start] == " ":
                start += 1
        else:
            spans.append((base + start, base + start + width))
            start += width
    if start < size or len(spans) == known:
        spans.append((base + start, base + size))


def _break_cells(part: str, base: int, width: int, spans: list[tuple[int, int]]) -> None:
    """As ``_break_ascii``, and also before and after a wide character."""
    start = cells = cells_at_break = 0
    last_break: tuple[int, int] | None = None
    """The end of a line that could be broken here, and where the next would start."""
    inked = previous_wide = False
    for begin, end, size in split_graphemes(part)[0]:
        char = part[begin:end]
        wide = size > 1
        if inked and (wide or previous_wide) and char[:1] not in _NO_BREAK_BEFORE and char != " ":
            last_break, cells_at_break = (begin, begin), cells
        if cells + size > width and (char != " " or not inked):
            if last_break is not None:
                stop, following = last_break
                spans.append((base + start, base + start + len(part[start:stop].rstrip(" "))))
                start, cells = following, cells - cells_at_break
            else:
                spans.append((base + start, base + begin))
                start, cells = begin, 0
            last_break = None
            inked = start < begin
        cells += size
        if char != " ":
            inked = True
        elif inked:
            last_break, cells_at_break = (begin, end), cells
        previous_wide = wide
    text = part[start:]
    spans.append((base + start, base + start + len(text.rstrip(" ") if cells > width else text)))


def cut(pieces: Iterable[Piece], spans: Sequence[tuple[int, int]]) -> list[tuple[Piece, ...]]:
    """The pieces of each span of their joined text; spans rise and do not overlap."""
    result: list[tuple[Piece, ...]] = []
    iterator = iter(pieces)
    piece = next(iterator, None)
    at = 0
    for start, end in spans:
        line: list[Piece] = []
        while piece is not None and at < end:
            size = len(piece.text)
            if at + size <= start:
                at += size
                piece = next(iterator, None)
                continue
            first, last = max(0, start - at), min(size, end - at)
            if first == 0 and last == size:
                line.append(piece)
            elif last > first:
                line.append(piece._replace(text=piece.text[first:last]))
            if last < size:
                break
            at += size
            piece = next(iterator, None)
        result.append(tuple(line))
    return result


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces, with those of one kind that follow each other as one."""
    result: list[Piece] = []
    for piece in pieces:
        if result and result[-1].look == piece.look and result[-1].mark == piece.mark:
            result[-1] = piece._replace(text=result[-1].text + piece.text)
        elif piece.text:
            result.append(piece)
    return result


def wrap(pieces: Sequence[Piece], width: int) -> list[tuple[Piece, ...]]:
    """The pieces as lines of at most ``width`` cells."""
    pieces = merged(pieces)
    return cut(pieces, breaks("".join(piece.text for piece in pieces), width))


def cropped(text: str, width: int) -> str:
    """A safe text on one line of at most ``width`` cells, with an ellipsis where it was cut."""
    if width_of(text) <= width:
        return text
    if width <= 1:
        return "…"[: max(0, width)]
    kept, cells = 0, 0
    for _, end, size in split_graphemes(text[: width * 4])[0]:
        if cells + size > width - 1:
            break
        kept, cells = end, cells + size
    return text[:kept].rstrip() + "…"
