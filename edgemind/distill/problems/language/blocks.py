"""Reading the text files of this package: blocks of marked lines, and sections of comma-separated entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files


@dataclass
class Block:
    """The lines under one ``[name]``.

    Attributes:
        name: in brackets.
        note: what follows the brackets.
        lines: the lines by their first character, without it and the blank after it.
    """

    name: str
    note: str
    lines: dict[str, list[str]] = field(default_factory=dict)

    def variants(self, mark: str) -> tuple[str, ...]:
        """The parts, separated by bars, of all lines that start with ``mark``."""
        return tuple(part for line in self.lines.get(mark, []) for part in line.split(" | "))

    def text(self, mark: str) -> str:
        """The lines that start with ``mark``, as one text."""
        return "\n".join(self.lines.get(mark, []))


def read_lines(name: str) -> list[str]:
    """Lines of a text file of this package, without comments and empty lines."""
    text = files("edgemind.distill.problems.language").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("# ")]


def read_blocks(name: str) -> list[Block]:
    """The blocks of a text file."""
    found: list[Block] = []
    for line in read_lines(name):
        if line.startswith("["):
            title, _, note = line[1:].partition("]")
            found.append(Block(title, note.strip()))
        else:
            found[-1].lines.setdefault(line[0], []).append(line[2:])
    return found


@cache
def read_sections(name: str) -> dict[str, tuple[str, ...]]:
    """The comma-separated entries of a text file by section."""
    found: dict[str, tuple[str, ...]] = {}
    section = ""
    for line in read_lines(name):
        if line.startswith("["):
            section = line.strip("[] ")
        else:
            found[section] = found.get(section, ()) + tuple(entry.strip() for entry in line.split(","))
    return found
