"""Emphasis, code spans, links and line ends inside a block of text: CommonMark 0.31 with ``~~`` and bare addresses.

``read`` turns text into runs that know where they stand in it. With ``final=False`` the text is still growing: what is
opened and not closed yet is shown as if it were closed at the end, and marks that may still become something else wait.
Time grows linearly with the text, whatever it holds. Not for: reference links and HTML, which stay text; making text
safe for a terminal (``layout``).
"""

from __future__ import annotations

import bisect
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

EM, STRONG, CODE, STRIKE, LINK, ADDRESS = 1, 2, 4, 8, 16, 32

OPTIMISM = 1000
"""Characters after which a mark that is still open is taken for text while the rest streams."""


class Run(NamedTuple):
    """A piece of text of one kind. A newline is a run of its own."""

    text: str
    start: int
    """Where it stands in the block's text; text from elsewhere (an address) stands where its link ends."""
    end: int
    flags: int = 0
    url: str = ""


class Reading(NamedTuple):
    runs: list[Run]
    settled: int
    """Up to here (a run's edge) no text that follows can change what has been read."""


_SPECIAL = re.compile(r"[\\`*_~\[\]<&\n]|!\[|https?://|www\.")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TICKS = re.compile(r"`+")
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_ANGLE_LINK = re.compile(r"<([a-zA-Z][a-zA-Z0-9+.-]{1,31}:[^\s<>]{0,2000})>")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,500}>|<!--.{0,500}?-->")
_TARGET = re.compile(
    r"\(\s{0,9}(?:<((?:[^<>\n\\]|\\.){0,2000})>|((?:[^\s()\\<]|\\.|\((?:[^\s()\\]|\\.){0,500}\)){0,2000}))"
    r"(?:\s{1,9}(?:\"(?:[^\"\\]|\\.){0,500}\"|'(?:[^'\\]|\\.){0,500}'|\((?:[^()\\]|\\.){0,500}\)))?\s{0,9}\)"
)
_BARE = re.compile(r"(?:https?://|www\.)[^\s<>\[\]`\"]{1,2000}")
_WAITING_TARGET = re.compile(r"\]\((?:[^()\n]|\([^()\n]{0,500}\)){0,2000}(?:\([^()\n]{0,500})?\Z")
_WAITING_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{0,7}|[a-zA-Z][a-zA-Z0-9]{0,31})?\Z")


class _Node:
    """A run in the making, with the emphasis that begins after it and ends before it."""

    __slots__ = ("closes", "end", "flags", "opens", "start", "text", "url")

    def __init__(self, text: str, start: int, end: int, flags: int, url: str) -> None:
        self.text, self.start, self.end, self.flags, self.url = text, start, end, flags, url
        self.opens: tuple[int, ...] = ()
        self.closes: tuple[int, ...] = ()


@dataclass
class _Mark:
    """A run of ``*``, ``_`` or ``~`` that may open or close emphasis."""

    node: int
    char: str
    count: int
    length: int
    opens: bool
    closes: bool


@dataclass
class _Bracket:
    node: int
    marks: int
    """How many marks were open when it came."""
    active: bool = True


def read(text: str, *, final: bool = True) -> Reading:
    """The runs of ``text``, in order."""
    return _Reader(text, final).read()


class _Reader:
    def __init__(self, text: str, final: bool) -> None:
        self._text, self._final = text, final
        self._nodes: list[_Node] = []
        self._marks: list[_Mark] = []
        self._brackets: list[_Bracket] = []
        self._ticks: dict[int, list[int]] = {}
        for match in _TICKS.finditer(text):
            self._ticks.setdefault(len(match[0]), []).append(match.start())
        self._open_code = -1

    def read(self) -> Reading:
        text = self._text
        end = len(text) if self._final else self._shown_end()
        position = 0
        while position < end:
            match = _SPECIAL.search(text, position, end)
            if match is None:
                self._add(text[position:end], position, end)
                break
            if match.start() > position:
                self._add(text[position : match.start()], position, match.start())
            position = self._special(match, end)
        self._pair(0)
        settled = end
        if not self._final:
            settled = self._settled(end)
            self._close_what_is_open(end)
        return Reading(self._runs(), settled)

    def _add(self, text: str, start: int, end: int, flags: int = 0, url: str = "") -> None:
        self._nodes.append(_Node(text, start, end, flags, url))

    def _special(self, match: re.Match[str], end: int) -> int:
        text, start, char = self._text, match.start(), match[0]
        if char == "\n":
            return self._newline(start)
        if char == "\\":
            return self._escape(start)
        if char == "`":
            return self._code(start, end)
        if char in "*_~":
            return self._mark(start, end)
        if char in ("[", "!["):
            self._add(char, start, match.end())
            self._brackets.append(_Bracket(len(self._nodes) - 1, len(self._marks)))
            return match.end()
        if char == "]":
            return self._close_bracket(start)
        if char == "&" and (entity := _ENTITY.match(text, start)):
            self._add(html.unescape(entity[0]).replace("\n", " "), start, entity.end())
            return entity.end()
        if char == "<" and (link := _ANGLE_LINK.match(text, start)):
            self._add(link[1], start, link.end(), LINK, link[1])
            return link.end()
        if char == "<" and (tag := _TAG.match(text, start)):
            for part in re.finditer(r"\n|[^\n]+", tag[0]):
                self._add(part[0], start + part.start(), start + part.end())
            return tag.end()
        if len(char) > 2 and (start == 0 or not text[start - 1].isalnum()) and (bare := _BARE.match(text, start, end)):
            return self._bare(bare)
        self._add(char, start, match.end())
        return match.end()

    def _newline(self, start: int) -> int:
        if self._nodes and not self._nodes[-1].flags & CODE:
            last = self._nodes[-1]
            last.text = last.text.rstrip(" ") if last.end == start else last.text
        self._add("\n", start, start + 1)
        after = start + 1
        while after < len(self._text) and self._text[after] in " \t":
            after += 1
        return after

    def _escape(self, start: int) -> int:
        following = self._text[start + 1 : start + 2]
        if following == "\n":
            return start + 1
        if following in _PUNCTUATION and following:
            self._add(following, start, start + 2)
            return start + 2
        self._add("\\", start, start + 1)
        return start + 1

    def _code(self, start: int, end: int) -> int:
        ticks = _TICKS.match(self._text, start)
        assert ticks is not None
        length, inside = len(ticks[0]), ticks.end()
        places = self._ticks.get(length, [])
        index = bisect.bisect_left(places, inside)
        if index < len(places) and places[index] < end:
            close = places[index]
            self._add_code(inside, close, start, close + length)
            return close + length
        if not self._final and self._open_code < 0:
            self._open_code = start
            if end - inside < OPTIMISM and inside < end and (start == 0 or not self._text[start - 1].isalnum()):
                self._add_code(inside, end, start, end)
                return end
        self._add(ticks[0], start, min(inside, end))
        return inside

    def _add_code(self, inside: int, close: int, start: int, end: int) -> None:
        code = self._text[inside:close]
        shift = 0
        if code[:1] in " \n" and code[-1:] in " \n" and code.strip(" \n"):
            code, shift = code[1:-1], 1
        at = inside + shift
        for part in re.finditer(r"\n|[^\n]+", code):
            char_flags = 0 if part[0] == "\n" else CODE
            self._add(part[0] if char_flags else " ", at + part.start(), at + part.end(), CODE)
        if not code:
            self._add("", start, end, CODE)

    def _mark(self, start: int, end: int) -> int:
        text, char = self._text, self._text[start]
        stop = start
        while stop < end and text[stop] == char:
            stop += 1
        count = stop - start
        self._add(text[start:stop], start, stop)
        if char == "~" and count != 2:
            return stop
        before = text[start - 1] if start else " "
        after = text[stop] if stop < len(text) else " "
        left = not after.isspace() and (not _is_punctuation(after) or before.isspace() or _is_punctuation(before))
        right = not before.isspace() and (not _is_punctuation(before) or after.isspace() or _is_punctuation(after))
        opens, closes = left, right
        if char == "_":
            opens = left and (not right or _is_punctuation(before))
            closes = right and (not left or _is_punctuation(after))
        if opens or closes:
            self._marks.append(_Mark(len(self._nodes) - 1, char, count, count, opens, closes))
        return stop

    def _close_bracket(self, start: int) -> int:
        bracket = self._brackets.pop() if self._brackets else None
        target = _TARGET.match(self._text, start + 1) if bracket and bracket.active else None
        if bracket is None or target is None:
            self._add("]", start, start + 1)
            return start + 1
        opener = self._nodes[bracket.node]
        image = opener.text == "!["
        url = _unescape(target[1] if target[1] is not None else target[2])
        self._pair(bracket.marks)
        inside = "".join(node.text for node in self._nodes[bracket.node + 1 :])
        opener.text = "[image: " if image else ""
        opener.flags = 0 if image else LINK
        for node in self._nodes[bracket.node + 1 :]:
            node.flags |= LINK
            node.url = node.url or url
        if image:
            self._add("]", start, start + 1, LINK, url)
        if url and url != inside and url != "mailto:" + inside:
            self._add(f" ({url})", target.end(), target.end(), ADDRESS, url)
        else:
            self._add("", start, target.end())
        if not image:
            for earlier in reversed(self._brackets):
                if not earlier.active:
                    break
                earlier.active = False
        return target.end()

    def _bare(self, match: re.Match[str]) -> int:
        address = match[0].rstrip("?!.,:*_~'\"")
        while address.endswith(")") and address.count(")") > address.count("("):
            address = address[:-1].rstrip("?!.,:*_~'\"")
        if ("." not in address[4:] and "://" not in address) or len(address) <= len("www."):
            self._add(match[0][:4], match.start(), match.start() + 4)
            return match.start() + 4
        stop = match.start() + len(address)
        self._add(address, match.start(), stop, LINK, address)
        return stop

    # What is still growing

    def _shown_end(self) -> int:
        """Where the text ends without the marks at its end that the next characters decide about."""
        text = self._text
        end = len(text)
        while end and end > len(text) - 200 and text[end - 1] in "*_~`\\ ":
            end -= 1
        tail_start = max(0, end - 40)
        if entity := _WAITING_ENTITY.search(text, tail_start, end):
            end = entity.start()
        if end and text[end - 1] == "<":
            end -= 1
        place = text.rfind("](", max(0, end - 2100), end)
        if place >= 0 and text.rfind("[", 0, place) >= 0 and _WAITING_TARGET.match(text[:end], place):
            return place
        if end and text[end - 1] == "]" and text.rfind("[", max(0, end - 200), end) >= 0:
            end -= 1
        opening = text.rfind("[", max(0, end - 60), end)
        if opening >= 0 and "]" not in text[opening:end] and (end - opening < 3 or text[opening + 1 : end].isdigit()):
            end = opening - (opening > 0 and text[opening - 1] == "!")
        return end

    def _settled(self, end: int) -> int:
        """The last place before everything that later text may change; a word is not settled before it has ended."""
        places = [self._nodes[mark.node].start for mark in self._marks if mark.opens]
        places += [self._nodes[bracket.node].start for bracket in self._brackets]
        if self._open_code >= 0:
            places.append(self._open_code)
        for mark in "<&":
            place = self._text.rfind(mark, max(0, end - 500), end)
            if place >= 0 and not _closed(self._text, place, end):
                places.append(place)
        return self._last_gap(min(places, default=end))

    def _last_gap(self, limit: int) -> int:
        """After the last blank before ``limit`` that stands in nothing."""
        gap = depth = 0
        for node in self._nodes:
            if node.start >= limit:
                break
            depth -= len(node.closes)
            if not depth and not node.flags and not node.url and node.end - node.start == len(node.text):
                place = max(node.text.rfind(" ", 0, limit - node.start), node.text.rfind("\n", 0, limit - node.start))
                if place >= 0:
                    gap = node.start + place + 1
            depth += len(node.opens)
        return gap

    def _close_what_is_open(self, end: int) -> None:
        """Pretend that what is open ends here, so that it has its looks from its first letter on."""
        for mark in self._marks:
            node = self._nodes[mark.node]
            if mark.count and mark.opens and not mark.closes and end - node.end < OPTIMISM and node.end < end:
                node.text = ""
                node.opens += (
                    (STRIKE,) if mark.char == "~" else (EM,) * (mark.count % 2) + (STRONG,) * (mark.count >= 2)
                )
        self._marks.clear()
        for bracket in self._brackets:
            node = self._nodes[bracket.node]
            closing = self._text.find("]", node.end)
            waiting = closing < 0 or closing + 1 >= end
            if bracket.active and waiting and end - node.end < 200 and "\n" not in self._text[node.end : end]:
                node.text = "[image: " if node.text == "![" else ""
                node.opens += (LINK,)
                break

    # Emphasis

    def _pair(self, bottom: int) -> None:
        """CommonMark's ``process emphasis`` over the marks from ``bottom`` on; they are gone afterwards if final."""
        marks = self._marks[bottom:]
        before = list(range(-1, len(marks) - 1))
        after = [*range(1, len(marks)), -1]
        floors: dict[tuple[str, bool, int], int] = {}

        def unlink(index: int) -> None:
            if before[index] >= 0:
                after[before[index]] = after[index]
            if after[index] >= 0:
                before[after[index]] = before[index]

        closer = 0 if marks else -1
        while closer >= 0:
            mark = marks[closer]
            if not mark.closes:
                closer = after[closer]
                continue
            key = (mark.char, mark.opens, mark.length % 3)
            floor = floors.get(key, -1)
            opener = before[closer]
            while opener > floor and not _fits(marks[opener], mark):
                opener = before[opener]
            if opener <= floor:
                floors[key] = before[closer]
                following = after[closer]
                if not mark.opens:
                    unlink(closer)
                closer = following
                continue
            between = before[closer]
            while between > opener:
                unlink(between)
                between = before[between]
            used = 2 if mark.char == "~" or (marks[opener].count >= 2 and mark.count >= 2) else 1
            flag = STRIKE if mark.char == "~" else STRONG if used == 2 else EM
            self._join(marks[opener], mark, used, flag)
            if not marks[opener].count:
                unlink(opener)
            if not mark.count:
                following = after[closer]
                unlink(closer)
                closer = following
        if self._final or bottom:
            del self._marks[bottom:]
        else:
            self._marks[bottom:] = [mark for mark in marks if mark.count]

    def _join(self, opener: _Mark, closer: _Mark, used: int, flag: int) -> None:
        opener.count -= used
        closer.count -= used
        first, last = self._nodes[opener.node], self._nodes[closer.node]
        first.text = first.text[: opener.count]
        last.text = last.text[: closer.count]
        first.opens += (flag,)
        last.closes += (flag,)

    def _runs(self) -> list[Run]:
        depth = {EM: 0, STRONG: 0, STRIKE: 0, LINK: 0}
        flags = 0
        runs: list[Run] = []
        for node in self._nodes:
            if node.closes:
                for flag in node.closes:
                    depth[flag] -= 1
                flags = sum(flag for flag, count in depth.items() if count > 0)
            if node.text:
                runs.append(Run(node.text, node.start, node.end, node.flags | flags, node.url))
            if node.opens:
                for flag in node.opens:
                    depth[flag] += 1
                flags = sum(flag for flag, count in depth.items() if count > 0)
        return runs


def _fits(opener: _Mark, closer: _Mark) -> bool:
    if opener.char != closer.char or not opener.opens or not opener.count:
        return False
    if opener.char == "~":
        return True
    odd = (opener.closes or closer.opens) and (opener.length + closer.length) % 3 == 0
    return not odd or (opener.length % 3 == 0 and closer.length % 3 == 0)


def _closed(text: str, place: int, end: int) -> bool:
    """Whether a ``<`` or ``&`` can no longer begin a tag or an entity."""
    stop = ">" if text[place] == "<" else ";"
    rest = text[place + 1 : end]
    return stop in rest or (stop == ";" and not rest.replace("#", "").isalnum() and rest != "") or rest[:1].isspace()


def _unescape(address: str) -> str:
    """The address without escapes; a control, which an entity can bring (``&#10;``), is percent-encoded."""
    plain = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", address))
    return _CONTROL.sub(lambda match: quote(match[0]), plain)


def _is_punctuation(char: str) -> bool:
    if char in _PUNCTUATION:
        return True
    if char.isascii() or char.isalnum():
        return False
    import unicodedata

    return unicodedata.category(char)[0] in "PS"


def lines(runs: list[Run]) -> Iterator[list[Run]]:
    """The runs line by line, without the newlines."""
    line: list[Run] = []
    for run in runs:
        if run.text == "\n":
            yield line
            line = []
        else:
            line.append(run)
    yield line
