"""From a ``models.toml`` to its raw entries and to entries that are checked, each problem with its line.

Not for: laying the user's file over the one that ships (``catalog``), or whether a valid entry makes sense
(``catalog_check``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from edgemind.models.catalog_schema import CatalogEntry, CatalogFile, SamplingDefaults, Shape
from edgemind.models.toml_lines import Lines
from edgemind.models.toml_reading import read_toml


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


def read(file: Path) -> CatalogText:
    """Read a file into its raw entries.

    Raises:
        NotReadable: it is missing, no text, too large, or no TOML.
    """
    table, lines = read_toml(file, "catalog")
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
