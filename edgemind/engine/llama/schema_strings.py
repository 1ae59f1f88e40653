"""The strings of JSON: any, matching a regular expression, or of a known format.

A regular expression becomes a grammar without the help of ``re``. What it allows is narrowed to what every reader
understands alike: no control characters, ``\\w`` and its like within ASCII.
"""

from __future__ import annotations

import re

from edgemind.engine.gbnf import (
    NEVER,
    Chars,
    Node,
    Repeat,
    Text,
    chars,
    choice,
    lengths,
    merged,
    optional,
    others,
    overlap,
    seq,
)
from edgemind.errors import BadConstraint

MAX_PATTERN = 500
MAX_REPEATS = 1000
MAX_NESTING = 40
MAX_WIDTH = 1000
"""Ways to be inside repetitions at once."""

PLAIN = chars((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0x80, 0xD7FF), (0xE000, 0x10FFFF))
"""What a JSON string may contain as it is, without the halves of surrogate pairs and without DEL."""
_HEX = chars("09", "af", "AF")
_CODE = choice(
    seq(chars("09", "ac", "AC", "ef", "EF"), Repeat(_HEX, 3, 3)), seq(chars("d", "D"), chars("07"), Repeat(_HEX, 2, 2))
)
ANY_CHAR: Node = choice(PLAIN, seq("\\", choice(chars(*'"\\/bfnrt'), seq("u", _CODE))))
ANY_PLAIN: Node = Repeat(PLAIN, 0, None)

_DOT = chars((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0x80, 0x2027), (0x202A, 0xD7FF), (0xE000, 0x10FFFF))
_ESCAPES = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x0C: "\\f", 0x08: "\\b"}
_ASCII = ((0x20, 0x7E),)
_SETS = {"d": ((48, 57),), "w": ((48, 57), (65, 90), (95, 95), (97, 122)), "s": ((32, 32),)}
_CONTROLS = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "0": 0}
Ranges = tuple[tuple[int, int], ...]


def plain(text: str) -> bool:
    """Whether a pattern's grammar judges this text as the pattern itself does."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


class Unsupported(Exception):
    """What is wrong with a pattern."""


def pattern(text: str, pointer: str) -> Node:
    """What stands between the quotes of a string that matches ``text`` somewhere, as JSON Schema has it."""
    if len(text) > MAX_PATTERN:
        raise BadConstraint(f"A pattern has {len(text):,} characters; at most {MAX_PATTERN} are accepted.")
    try:
        return _Pattern(text).whole()
    except Unsupported as problem:
        raise BadConstraint(
            f'The JSON schema cannot be used: "pattern" at {pointer}, {text[:100]!r}: {problem}.'
        ) from None


class _Pattern:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        options = []
        while True:
            open_start = not self._take("^")
            node = self._sequence(top=True)
            open_end = not self._take("$")
            if open_start or open_end:
                node = seq(*([ANY_PLAIN] if open_start else []), node, *([ANY_PLAIN] if open_end else []))
            options.append(node)
            if not self._take("|"):
                break
        if self._at < len(self._text):
            raise Unsupported(f"{self._text[self._at]!r} is not understood at character {self._at + 1}")
        node = choice(*options)
        if _width(node) > MAX_WIDTH:
            raise Unsupported("it repeats repetitions too often")
        return node

    def _take(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise Unsupported("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Unsupported(f"it nests more than {MAX_NESTING} groups")
        if self._take("?") and not self._take(":"):
            named = re.compile(r"P?<[A-Za-z_]\w*>").match(self._text, self._at)
            if not named:
                raise Unsupported("look-ahead, look-behind and flags are not supported")
            self._at = named.end()
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        if not self._take(")"):
            raise Unsupported("a parenthesis is not closed")
        self._depth -= 1
        return choice(*options)

    def _sequence(self, top: bool = False) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            letter = self._text[self._at]
            if letter == "$" and top and self._text[self._at + 1 : self._at + 2] in ("", "|"):
                break
            if letter in "^$":
                raise Unsupported(f"{letter!r} is supported only at the ends")
            if letter in "*+?{":
                raise Unsupported(f"{letter!r} has nothing to repeat")
            parts.append(self._counted(self._atom()))
        return seq(*parts)

    def _atom(self) -> Node:
        letter = self._next()
        if letter == "(":
            return self._group()
        if letter == "[":
            return self._class()
        if letter == ".":
            return _DOT
        if letter == "\\":
            return _class_of(self._escape(), broad=False)
        return _class_of(((ord(letter), ord(letter)),), broad=False)

    def _counted(self, item: Node) -> Node:
        found = re.compile(r"(?P<sign>[*+?])|\{(?P<low>\d+)(?P<comma>,)?(?P<high>\d+)?\}").match(self._text, self._at)
        if not found:
            return item
        self._at = found.end()
        self._take("?")
        if self._text[self._at : self._at + 1] in ("*", "+", "{"):
            raise Unsupported("a repetition is repeated")
        if found["sign"]:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[found["sign"]]
        else:
            digits = [number for number in (found["low"], found["high"]) if number]
            if any(len(number) > 5 or int(number) > MAX_REPEATS for number in digits):
                raise Unsupported(f"it repeats more than {MAX_REPEATS:,} times")
            low = int(found["low"])
            high = int(found["high"]) if found["high"] else None if found["comma"] else low
        if high is not None and high < low:
            raise Unsupported("it repeats at most fewer times than at least")
        if high == 0:
            return seq()
        if lengths(item)[0] == 0 and item != NEVER and (high is None or high > 1):
            if isinstance(item, Repeat) and item.high is None and item.low == 0:
                return item
            raise Unsupported("it repeats something that may be empty")
        return Repeat(item, low, high)

    def _class(self) -> Node:
        negated = self._take("^")
        begin = self._at
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            first = self._member()
            if self._text[self._at : self._at + 1] == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                last = self._member()
                if len(first) > 1 or len(last) > 1 or first[0][0] != first[0][1] or first[0][0] > last[0][0]:
                    raise Unsupported("a range in a class has no first and last character")
                ranges.append((first[0][0], last[0][0]))
            else:
                ranges += first
        found = merged(ranges)
        named = re.findall(r"\\([dwsDWS])", self._text[begin : self._at])
        if negated and named:
            if any(letter.isupper() for letter in named):
                raise Unsupported("a class excludes \\D, \\W or \\S")
            return _class_of(overlap(others(found), _ASCII), broad=True)
        return _class_of(others(found), broad=True) if negated else _class_of(found, broad=False)

    def _member(self) -> Ranges:
        letter = self._next()
        return self._escape() if letter == "\\" else ((ord(letter), ord(letter)),)

    def _escape(self) -> Ranges:
        letter = self._next()
        if letter in _SETS:
            return _SETS[letter]
        if letter.lower() in _SETS:
            return overlap(others(_SETS[letter.lower()]), overlap(_ASCII, PLAIN.ranges))
        if letter in _CONTROLS:
            return ((_CONTROLS[letter], _CONTROLS[letter]),)
        if letter in "xu":
            found = re.compile("[0-9a-fA-F]{2}" if letter == "x" else "[0-9a-fA-F]{4}").match(self._text, self._at)
            if not found:
                raise Unsupported(f"\\{letter} lacks its digits")
            self._at = found.end()
            return ((int(found[0], 16), int(found[0], 16)),)
        if letter.isalnum():
            raise Unsupported(f"\\{letter} is not supported")
        return ((ord(letter), ord(letter)),)


def _class_of(ranges: Ranges, broad: bool) -> Node:
    """One character of these; what must be escaped only where it was named, not when it was merely not excluded."""
    plain = overlap(ranges, PLAIN.ranges)
    escaped = [text for code, text in _ESCAPES.items() if not broad and any(a <= code <= b for a, b in ranges)]
    if not escaped and len(plain) == 1 and plain[0][0] == plain[0][1]:
        return Text(chr(plain[0][0]))
    return choice(*([Chars(plain)] if plain else []), *escaped)


def _width(node: Node) -> int:
    """How many places within repetitions one text can be at, at most, roughly."""
    if isinstance(node, Repeat):
        return max(1, node.high - node.low if node.high is not None else 2) * _width(node.item)
    parts = getattr(node, "parts", ()) or getattr(node, "options", ())
    return max(1, sum(_width(part) - 1 for part in parts) + 1)


def _formats() -> dict[str, Node]:
    digit = chars("09")
    two_digits = seq(digit, digit)
    day28 = choice(seq("0", chars("19")), seq("1", digit), seq("2", chars("08")))
    short = seq(choice("04", "06", "09", "11"), "-", choice(day28, "29", "30"))
    long = seq(choice("01", "03", "05", "07", "08", "10", "12"), "-", choice(day28, "29", "30", "31"))
    fourth = choice(
        seq(chars(*"2468"), chars(*"048")), seq("0", chars("4", "8")), seq(chars(*"13579"), chars("2", "6"))
    )
    leap = choice(seq(chars("19"), digit, fourth), seq(choice(*(f"{n}" for n in range(12, 100, 4))), "00"))
    year = seq(chars("19"), digit, two_digits)
    date = choice(seq(year, "-", choice(long, short, seq("02-", day28))), seq(leap, "-02-29"))
    sixty = seq(chars("05"), digit)
    hour = choice(seq(chars("01"), digit), seq("2", chars("03")))
    zone = choice("Z", seq(chars("+", "-"), hour, ":", sixty))
    time = seq(hour, ":", sixty, ":", sixty, optional(seq(".", Repeat(digit, 1, 6))), zone)
    hexes = chars("09", "af")
    uuid = seq(*(part for n in (8, 4, 4, 4, 12) for part in ("-", Repeat(hexes, n, n))))
    atom, label = chars("az", "AZ", "09", *"_%+-"), chars("az", "AZ", "09")
    inner = seq(Repeat(chars("az", "AZ", "09", "-"), 0, 30), label)
    domain = seq(label, optional(inner))
    email = seq(
        Repeat(atom, 1, 30),
        Repeat(seq(".", Repeat(atom, 1, 15)), 0, 2),
        "@",
        Repeat(seq(domain, "."), 1, 3),
        Repeat(chars("az"), 2, 10),
    )
    byte = choice(
        digit, seq(chars("19"), digit), seq("1", two_digits), seq("2", chars("04"), digit), seq("25", chars("05"))
    )
    ipv4 = seq(byte, *(part for _ in range(3) for part in (".", byte)))
    assert hasattr(uuid, "parts")
    return {
        "date": date,
        "time": time,
        "date-time": seq(date, "T", time),
        "uuid": seq(*uuid.parts[1:]),
        "email": email,
        "ipv4": ipv4,
    }


FORMATS = _formats()
"""Between the quotes; other formats are annotations, as JSON Schema has it by default."""
