"""The text of a file as lines that can be edited, so that every byte that no edit touches stays what it is.

Encoding, byte order mark, the end of each line and whether the last line has one are kept. Bytes that are not UTF-8 are
carried through as lone surrogates (PEP 383). A line ends at LF or CRLF, as for git and compilers; a lone CR ends one
only in a file without any LF. What a model was not shown of a line stays where the line is written again.
Not for: opening files (``workspace``), how edits are written (``edit_grammar``, ``patches``).
"""

from __future__ import annotations

import codecs
import difflib
import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import ne

from edgemind.coder.problems import UnreadableText
from edgemind.coder.types import Delete, Edit, Insert, Replace, Whole
from edgemind.terminal import clean

MOST_COMPARED = 1 << 22
"""Pairs of lines, or of characters, between which equal ones are looked for."""

_LIKE = 0.6
"""How much of two lines is the same, of 1, where one may be the other, changed."""

_FOR_A_LINE = 256
"""Pairs of characters that looking at a line costs as much as."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ENDS = re.compile(r"\r?\n")
_OLD_MAC_ENDS = re.compile(r"\r")
_BROKEN_BYTE = range(0xDC80, 0xDD00)


@dataclass(frozen=True)
class FileText:
    """A text file: line ``n`` (from 1) is ``lines[n - 1]`` followed by ``newlines[n - 1]``."""

    lines: tuple[str, ...]
    newlines: tuple[str, ...]
    """As many as lines; ``""`` only for a last line without an end."""
    encoding: str = "utf-8"
    bom: bytes = b""

    @classmethod
    def read(cls, data: bytes) -> FileText:
        """Raises ``UnreadableText`` when it is no text."""
        bom, encoding = next((mark for mark in _MARKS if data.startswith(mark[0])), (b"", "utf-8"))
        try:
            text = data[len(bom) :].decode(encoding, _errors(encoding))
        except UnicodeDecodeError:
            raise UnreadableText(f"It begins as {encoding.upper()} and is none.", "Name a text file.") from None
        if "\0" in text:
            raise UnreadableText("It is a binary file.", "Name a text file.")
        lines, newlines = _split(text)
        return cls(lines, newlines, encoding, bom)

    @functools.cached_property
    def newline(self) -> str:
        """The end that most lines have; LF when there is none."""
        counts = Counter(end for end in self.newlines if end)
        return max(counts, key=lambda end: (counts[end], end == "\n")) if counts else "\n"

    @functools.cached_property
    def old_encoding(self) -> bool:
        """Whether it is of a time before UTF-8: it has bytes beyond ASCII, and none of them is UTF-8."""
        beyond = {ord(char) for line in self.lines if not line.isascii() for char in line if char > "\x7f"}
        return self.encoding == "utf-8" and bool(beyond) and all(code in _BROKEN_BYTE for code in beyond)

    @property
    def final_newline(self) -> bool:
        """Whether the last line has an end; a file without lines is given one."""
        return not self.newlines or bool(self.newlines[-1])

    def encode(self) -> bytes:
        """The bytes of the file."""
        text = "".join(part for pair in zip(self.lines, self.newlines, strict=True) for part in pair)
        return self.bom + text.encode(self.encoding, _errors(self.encoding))


def new_text(lines: Sequence[str]) -> bytes:
    """The bytes of a new file: UTF-8, LF, a final newline unless it is empty."""
    _check_lines(lines)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def with_edits(text: FileText, edits: Sequence[Edit]) -> bytes:
    """The file after edits, whose line numbers are those of ``text``.

    A new line that takes the place of an old one gets that one's end, any other the file's usual one. The last line
    has an end exactly when it had one before. In a file of an old encoding new characters are Windows-1252, if they
    can be.

    Raises:
        ValueError: edits overlap, or name lines that do not exist, or hold a line with a line end in it.
    """
    for edit in edits:
        if not isinstance(edit, Delete):
            _check_lines(edit.lines)
    if len(edits) > 1 and any(isinstance(edit, Whole) for edit in edits):
        raise ValueError("the whole file is replaced, and part of it too")
    lines, newlines = _spliced(text, edits)
    _end_last_line(newlines, text.final_newline, text.newline)
    return FileText(tuple(lines), tuple(newlines), text.encoding, text.bom).encode()


def visible(line: str) -> tuple[str, tuple[str, ...]]:
    """A line as a model may read it, and what was taken out of it: controls, what is not drawn, what turns direction.

    A byte that is no UTF-8 is replaced by U+FFFD, everything else is taken out.
    """
    if clean(line) == line:
        return line, ()
    kept: list[str] = []
    found: dict[str, None] = {}
    for char in line:
        if clean(char) == char:
            kept.append(char)
            continue
        found[_named(char)] = None
        if ord(char) in _BROKEN_BYTE:
            kept.append("\N{REPLACEMENT CHARACTER}")
    return "".join(kept), tuple(found)


def _named(char: str) -> str:
    code = ord(char)
    if code in _BROKEN_BYTE:
        return f"byte 0x{code - 0xDC00:02X}"
    name = unicodedata.name(char, "control character" if unicodedata.category(char) == "Cc" else "").lower()
    return f"U+{code:04X} {name}".rstrip()


def _split(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not text:
        return (), ()
    ends = _OLD_MAC_ENDS if "\r" in text and "\n" not in text else _ENDS
    lines, newlines, start = [], [], 0
    for match in ends.finditer(text):
        lines.append(text[start : match.start()])
        newlines.append(match[0])
        start = match.end()
    if start < len(text):
        lines.append(text[start:])
        newlines.append("")
    return tuple(lines), tuple(newlines)


def _errors(encoding: str) -> str:
    return "surrogateescape" if encoding == "utf-8" else "surrogatepass"


def _check_lines(lines: Iterable[str]) -> None:
    for line in lines:
        if "\n" in line or "\r" in line or "\0" in line:
            raise ValueError("a line holds a line end or NUL")


def _spans(edits: Iterable[Edit], count: int) -> list[tuple[int, int, int, tuple[str, ...]]]:
    """What each edit puts in place of which lines: (start, order, stop, lines), 0-based and half open, in order."""
    spans = []
    for order, edit in enumerate(edits):
        if isinstance(edit, Insert):
            start, stop, lines = edit.after, edit.after, edit.lines
        elif isinstance(edit, Replace):
            start, stop, lines = edit.first - 1, edit.last, edit.lines
        elif isinstance(edit, Delete):
            start, stop, lines = edit.first - 1, edit.last, ()
        elif isinstance(edit, Whole):
            start, stop, lines = 0, count, edit.lines
        else:
            raise ValueError("a file that exists cannot be created")
        if start < 0 or stop > count or (start >= stop and not isinstance(edit, Insert | Whole)):
            raise ValueError(f"there are no lines {start + 1} to {stop}")
        spans.append((start, order, stop, lines))
    spans.sort(key=lambda span: (span[0], span[2] > span[0], span[1]))
    end = 0
    for start, _, stop, _ in spans:
        if start < end:
            raise ValueError(f"two edits change line {start + 1}")
        end = stop
    return spans


def _spliced(text: FileText, edits: Sequence[Edit]) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    newlines: list[str] = []
    done = 0
    for start, _, stop, new in _spans(edits, len(text.lines)):
        put, ends = _put(text, start, stop, new)
        lines += (*text.lines[done:start], *put)
        newlines += (*text.newlines[done:start], *ends)
        done = stop
    return lines + list(text.lines[done:]), newlines + list(text.newlines[done:])


def _put(text: FileText, start: int, stop: int, new: Sequence[str]) -> tuple[list[str], list[str]]:
    """New lines, and their ends, in place of those from ``start`` to ``stop``. Those that say what the model was shown
    stay as they were."""
    old, ends, usual = text.lines[start:stop], text.newlines[start:stop], text.newline
    shown = [visible(line)[0] for line in old]
    lines = list(new)
    newlines = [usual] * len(lines)
    room = MOST_COMPARED // max(sum(map(ne, old, shown)), 1)
    at, to = 0, 0
    for same_at, same_to, size in (*_same(shown, new), (len(old), len(new), 0)):
        between = min(same_at - at, same_to - to)
        newlines[to : to + between] = ends[at : at + between]
        likest: dict[int, tuple[float, str, list[tuple[int, int, int]]]] = {}
        for number in range(at, same_at):
            if old[number] != shown[number]:
                near = _around((to + number - at, same_to - same_at + number), to, same_to)
                like, place, runs = _likest(shown[number], new, near, room)
                if like >= _LIKE and (place not in likest or like > likest[place][0]):
                    likest[place] = like, old[number], runs
        for place, (_, line, runs) in likest.items():
            lines[place] = _with_hidden(new[place], line, runs)
        lines[same_to : same_to + size] = old[same_at : same_at + size]
        newlines[same_to : same_to + size] = ends[same_at : same_at + size]
        at, to = same_at + size, same_to + size
    return [_in_old_encoding(line) for line in lines] if text.old_encoding else lines, newlines


def _around(places: Iterable[int], first: int, end: int) -> Iterator[int]:
    """The numbers from ``first`` to before ``end``, the nearest to ``places`` first. One may come twice."""
    within = [min(max(place, first), end - 1) for place in places]
    for far in range(end - first):
        found = dict.fromkeys(place + step for place in within for step in (-far, far))
        yield from (at for at in found if first <= at < end)


def _likest(
    shown: str, new: Sequence[str], places: Iterable[int], room: int
) -> tuple[float, int, list[tuple[int, int, int]]]:
    """How like it the likest of the new lines is, its place, and what is the same. The first two places are looked at
    in any case, the others while ``room`` pairs of characters last."""
    found: list[tuple[float, int, list[tuple[int, int, int]]]] = []
    left = room
    for place in places:
        if left <= 0 and len(found) > 1:
            break
        line = new[place]
        both = len(shown) + len(line)
        runs = list(_same(shown, line, room))
        found.append((2 * sum(size for _, _, size in runs) / max(both, 1), place, runs))
        ends = runs[0][2] + runs[-1][2]
        left -= (len(shown) - ends) * (len(line) - ends) + both + _FOR_A_LINE
    return max(found, key=lambda one: one[0], default=(0.0, 0, []))


def _with_hidden(new: str, old: str, runs: Iterable[tuple[int, int, int]]) -> str:
    """A new line with what was hidden in the old one, after characters that are as before."""
    before, pieces = "", []
    for char in old:
        if visible(char)[0]:
            pieces.append(char)
        elif pieces:
            pieces[-1] += char
        else:
            before += char
    chars = list(new)
    for same_at, same_to, size in runs:
        chars[same_to : same_to + size] = pieces[same_at : same_at + size]
        if size and same_at == same_to == 0:
            chars[0] = before + chars[0]
    return "".join(chars)


def _in_old_encoding(line: str) -> str:
    try:
        return line.encode("cp1252", "surrogateescape").decode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return line


def _same(old: Sequence[str], new: Sequence[str], most: int = MOST_COMPARED) -> Iterator[tuple[int, int, int]]:
    """Runs of equal lines or characters, in order: where in the old, where in the new, how many.

    Those at the beginning and the end only, where more than ``most`` pairs are left between them.
    """
    least = min(len(old), len(new))
    head = next((at for at in range(least) if old[at] != new[at]), least)
    tail = next((at for at in range(least - head) if old[-1 - at] != new[-1 - at]), least - head)
    yield 0, 0, head
    middle, changed = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(middle) * len(changed) <= most:
        for run in difflib.SequenceMatcher(None, middle, changed, autojunk=False).get_matching_blocks():
            yield run.a + head, run.b + head, run.size
    yield len(old) - tail, len(new) - tail, tail


def _end_last_line(newlines: list[str], final: bool, usual: str) -> None:
    """Give every line but the last an end, and the last one exactly if ``final``."""
    for at, end in enumerate(newlines):
        if not end and (at < len(newlines) - 1 or final):
            newlines[at] = usual
    if newlines and not final:
        newlines[-1] = ""
