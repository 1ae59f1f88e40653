"""From a ``models.toml`` to its raw entries and to entries that are checked, each problem with its line.

Not for: laying the user's file over the one that ships (``catalog``), or whether a valid entry makes sense
(``catalog_check``).
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from edgemind.errors import BadConfig
from edgemind.models.catalog_schema import CatalogEntry, CatalogFile, SamplingDefaults, Shape
from edgemind.models.toml_lines import Lines, lines_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 1 << 20
"""Bytes of a catalog; the one that ships has some 40 kB."""


@dataclass(frozen=True)
class Problem:
    """One thing about a catalog, at one line of it."""

    line: int
    message: str
    entry: str = ""
    """Name of the model that it is about."""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.entry}: {self.message}" if self.entry else self.message


@dataclass(frozen=True)
class RawEntry:
    """One ``[[model]]`` as it is written."""

    number: int
    name: str
    values: dict[str, Any]


@dataclass(frozen=True)
class CatalogText:
    """A file that is TOML: its entries, and what cannot be one."""

    file: Path
    entries: tuple[RawEntry, ...]
    problems: tuple[Problem, ...]
    lines: Lines

    def line(self, entry: RawEntry, *keys: str | int) -> int:
        """The line of a key of an entry; of the entry's first line when the key is not written there."""
        return self.lines.find(("model", entry.number, *keys))


class NotReadable(Exception):
    """The file is no TOML text.

    Args:
        message: what is wrong, without the file.
        line: where, or 0 when it is no matter of a line.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line

    def told(self, file: Path) -> BadConfig:
        """As an error for the user."""
        place = f"{file}, line {self.line}: " if self.line else f"The catalog {file} cannot be read: "
        return BadConfig(f"{place}{self.message}.", f"Mend or remove {file}.")


def read(file: Path) -> CatalogText:
    """Read a file into its raw entries.

    Raises:
        NotReadable: it is missing, no text, too large, or no TOML.
    """
    text = _text(file)
    lines = lines_of(text)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise _no_toml(problem, text, lines) from problem
    except (RecursionError, ValueError) as problem:
        raise NotReadable("it is nested too deeply, or holds a number with too many digits") from problem
    problems: list[Problem] = []
    entries = _entries(table.pop("model", []), lines, problems)
    for key in table:
        line = lines.of.get((key,), lines.of.get((key, 0), 1))
        hint = "entries begin with [[model]]"
        problems.append(Problem(line, f"{key!r} is not known here; {hint}"))
    return CatalogText(file, tuple(entries), tuple(problems), lines)


def validate(catalog: CatalogText, entry: RawEntry, values: dict[str, Any]) -> CatalogEntry | list[Problem]:
    """The checked entry, or everything that is wrong with it.

    Args:
        values: what to check: ``entry.values``, perhaps laid over those of another file.
    """
    try:
        return CatalogEntry.model_validate(values)
    except ValidationError as problem:
        return [
            Problem(catalog.line(entry, *error["loc"]), f"{_where(error['loc'])}{_message(error)}", entry.name)
            for error in problem.errors(include_url=False)
        ]


def _text(file: Path) -> str:
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
        raise NotReadable(f"it has more than {LARGEST >> 20} MB, which no catalog has")
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


def _entries(models: Any, lines: Lines, problems: list[Problem]) -> Iterator[RawEntry]:
    if not isinstance(models, list):
        problems.append(Problem(lines.find(("model",)), "model is a table; entries begin with [[model]]"))
        return
    known: dict[str, int] = {}
    for number, values in enumerate(models):
        line = lines.find(("model", number))
        name = values.get("name") if isinstance(values, dict) else None
        if not isinstance(name, str):
            problems.append(Problem(lines.find(("model", number, "name")), "this model needs a name"))
        elif name in known:
            problems.append(Problem(line, f"this model occurs twice; the first is in line {known[name]}", name))
        else:
            known[name] = line
            yield RawEntry(number, name, values)


def _where(loc: tuple[str | int, ...]) -> str:
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") + ": "


def _message(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _fields_at(error["loc"][:-1]), n=1)
        return f"unknown key; did you mean {near[0]!r}?" if near else "unknown key"
    return str(error["msg"]).removeprefix("Value error, ")


def _fields_at(loc: tuple[str | int, ...]) -> list[str]:
    """Which keys the table at ``loc`` may have."""
    inside: dict[str | int, type[BaseModel]] = {"sampling": SamplingDefaults, "shape": Shape, "files": CatalogFile}
    return list((inside.get(loc[0], CatalogEntry) if loc else CatalogEntry).model_fields)
