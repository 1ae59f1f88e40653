"""A TOML file that a person wrote: its values, the line of each, and a slip in it as a sentence with its line.

Not for: what the values must be (``catalog_reading``, the recipes of ``distill``), changing a file (``settings_file``).
"""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from edgemind.errors import BadConfig
from edgemind.models.toml_lines import Lines, lines_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 1 << 20
"""Bytes of such a file; the catalog that ships has some 40 kB."""


class NotReadable(Exception):
    """The file is no TOML text.

    Args:
        message: what is wrong, without the file.
        line: where, or 0 when it is no matter of a line.
        kind: what the file is: ``catalog``.
    """

    def __init__(self, message: str, line: int = 0, kind: str = "catalog") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.kind = kind

    def told(self, file: Path) -> BadConfig:
        """As an error for the user."""
        place = f"{file}, line {self.line}: " if self.line else f"The {self.kind} {file} cannot be read: "
        return BadConfig(f"{place}{self.message}.", f"Mend or remove {file}.")


def read_toml(file: Path, kind: str) -> tuple[dict[str, Any], Lines]:
    """The values of a file, and on which lines their keys stand.

    Args:
        kind: what the file is, for the sentence: ``catalog``.

    Raises:
        NotReadable: it is missing, no text, too large, or no TOML.
    """
    try:
        text = _text(file, kind)
        lines = lines_of(text)
        try:
            return tomllib.loads(text), lines
        except tomllib.TOMLDecodeError as problem:
            raise _no_toml(problem, text, lines) from problem
        except (RecursionError, ValueError) as problem:
            raise NotReadable("it is nested too deeply, or holds a number with too many digits") from problem
    except NotReadable as problem:
        problem.kind = kind
        raise


def _text(file: Path, kind: str) -> str:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(file, flags), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise NotReadable("it is no regular file")
            data = opened.read(LARGEST + 1)
    except FileNotFoundError as problem:
        raise NotReadable("there is no such file") from problem
    except IsADirectoryError as problem:
        raise NotReadable("it is a folder") from problem
    except OSError as problem:
        raise NotReadable(problem.strerror or "it cannot be opened") from problem
    if len(data) > LARGEST:
        raise NotReadable(f"it has more than {LARGEST >> 20} MB, which no {kind} has")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise NotReadable("it is UTF-16; save it as UTF-8", 1)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise NotReadable(f"it is not UTF-8 text: the byte 0x{data[problem.start]:02x}", line) from problem


def _no_toml(problem: Exception, text: str, lines: Lines) -> NotReadable:
    """``tomllib`` stops at the first slip and says where; a key that stands there twice it finds too late."""
    said = re.sub(r"\s*\(at [^()]*\)$", "", str(problem))
    place = re.search(r"\(at line (\d+), column \d+\)$", str(problem))
    line = int(place[1]) if place else lines.lost or text.count("\n") + 1
    again = next((found for found in lines.twice if found[1] <= line), None)
    if again and re.search("(?i)overwrite|twice|duplicate|redefine", said):
        key, line, first = again
        return NotReadable(f"{key!r} stands there twice; the first is in line {first}", line)
    return NotReadable(f"not valid TOML: {said[:200]}", line)
