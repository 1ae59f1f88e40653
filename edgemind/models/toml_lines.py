"""On which line of a TOML text each key stands. ``tomllib`` gives the values and forgets where they were.

It follows TOML's grammar far enough to know every key: tables, arrays of tables, dotted and quoted keys, inline tables,
arrays, strings of all four kinds. A text that is no TOML is followed as far as it can be.
Not for: values (``tomllib``), or saying what is wrong with a text, but for keys that stand there twice.
"""

from __future__ import annotations

import bisect
import re
import sys
from dataclasses import dataclass, field

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path = tuple[str | int, ...]
"""Keys from the top on, with the number of the element in an array."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r"'''(?:[^']|'(?!''))*'{3,5}"
    r'|"""(?:\\.|[^\\])*?"{3,5}'
    r"|'[^'\n]*'"
    r'|"(?:\\.|[^"\\\n])*"',
    re.DOTALL,
)
_OTHER_VALUE = re.compile(r"[^\s,\]}#\[{\"'=][^,\]}#\n]*")


@dataclass
class Lines:
    """Where the keys of a text stand, counted from 1."""

    of: dict[Path, int] = field(default_factory=dict)
    twice: list[tuple[str, int, int]] = field(default_factory=list)
    """A key that is set again: its name, the line, and the line of the first."""
    lost: int = 0
    """Where the text stopped being TOML; 0 when it did not."""

    def find(self, path: Path, otherwise: int = 1) -> int:
        """The line of this key, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.of:
                return self.of[path[:length]]
        return otherwise


class _Lost(Exception):
    """This is no TOML."""


def lines_of(text: str) -> Lines:
    """The lines of all keys in ``text``, whose line ends are ``\\n`` or ``\\r\\n``."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except (_Lost, RecursionError):
        scanner.lines.lost = scanner.line()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._elements: dict[Path, int] = {}
        """How many elements each array of tables has so far."""
        self._set: dict[Path, int] = {}
        """What was given a value or a table of its own; the rest of ``lines.of`` came about on the way."""
        self.lines = Lines()

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)
            if self._at < len(self._text) and self._text[self._at] not in "\r\n#":
                raise _Lost

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the table that the following keys are in."""
        line = self.line()
        element = self._text.startswith("[[", self._at)
        self._at += 2 if element else 1
        keys = self._keys()
        self._expect("]]" if element else "]")
        path = self._resolved((), keys[:-1])
        path = (*path, keys[-1])
        if element:
            number = self._elements.get(path, 0)
            self._elements[path] = number + 1
            self._note((*path, number), line)
            return (*path, number)
        if path in self._elements:
            path = (*path, self._elements[path] - 1)
        self._note(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self.line()
        keys = self._keys()
        self._expect("=")
        path = self._resolved(table, keys[:-1])
        for length in range(len(table) + 1, len(path) + 1):
            self.lines.of.setdefault(path[:length], line)
        path = (*path, keys[-1])
        self._note(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        first = self._text[self._at : self._at + 1]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        elif first and first in "\"'":
            self._skip_over(_STRING)
        else:
            self._skip_over(_OTHER_VALUE)

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while not self._took("]"):
            element = (*path, number)
            self.lines.of[element] = self.line()
            self._value(element)
            number += 1
            self._skip(_BLANK)
            if not self._took(",") and not self._text.startswith("]", self._at):
                raise _Lost

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._took("}"):
            self._pair(path)
            self._skip(_BLANK)
            if not self._took(",") and not self._text.startswith("}", self._at):
                raise _Lost

    def _keys(self) -> tuple[str, ...]:
        keys = [self._key()]
        while self._took(".", _SPACE):
            keys.append(self._key())
        return tuple(keys)

    def _key(self) -> str:
        self._skip(_SPACE)
        bare = _BARE_KEY.match(self._text, self._at)
        if bare:
            self._at = bare.end()
            return bare[0]
        quoted = _STRING.match(self._text, self._at)
        if not quoted:
            raise _Lost
        self._at = quoted.end()
        try:
            return str(tomllib.loads(f"key = {quoted[0]}")["key"])
        except tomllib.TOMLDecodeError as problem:
            raise _Lost from problem

    def _resolved(self, table: Path, keys: tuple[str, ...]) -> Path:
        """Where ``keys`` lead: through an array of tables to its latest element."""
        path = table
        for key in keys:
            path = (*path, key)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
        return path

    def _note(self, path: Path, line: int) -> None:
        if path in self._set:
            self.lines.twice.append((str(path[-1]), line, self._set[path]))
            return
        self._set[path] = line
        self.lines.of[path] = line

    def line(self) -> int:
        return bisect.bisect_right(self._starts, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _skip_over(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if not found:
            raise _Lost
        self._at = found.end()

    def _took(self, sign: str, before: re.Pattern[str] = _BLANK) -> bool:
        self._skip(before)
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True

    def _expect(self, sign: str) -> None:
        if not self._took(sign, _SPACE):
            raise _Lost
