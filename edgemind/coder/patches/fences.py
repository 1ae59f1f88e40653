"""Code blocks in an answer, and the names of files around them.

Not for: what a block holds (``search_replace``, ``unified``, ``whole``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_OPENS = re.compile(r"( {0,3})(`{3,}|~{3,})([^`]*)$")
_NAME = re.compile(r"[\w@+.~-]+(?:[/\\][\w@+.~-]+)*\.[A-Za-z][A-Za-z0-9_+-]{0,11}(?![\w/])")
_PLAIN_NAMES = re.compile(
    r"(?:[\w.-]+/)*(?:Makefile|Dockerfile|Jenkinsfile|README|LICENSE|CHANGELOG|Rakefile|Gemfile)\b"
)
_PATH = re.compile(r"(?:[\w@+~-]*\.)?[\w@+.~-]*[\w+~-](?:[/\\][\w@+.~-]+)+|\.[A-Za-z][\w.-]+")
"""A name without an ending, or hidden, that stands alone."""
_BEFORE = re.compile(r"^\s*(?:[-*]\s+|#+\s+|\d+[.)]\s+)?[*_`\"']*(?:(?:file|filename|path)\s*[:=]\s*)?[*_`\"']*", re.I)
_AROUND = "*_`\"':"
LONGEST_PROSE = 2_000
_ABBREVIATIONS = frozenset({"e.g", "i.e", "a.k.a"})


@dataclass(frozen=True)
class Block:
    """A code block: lines ``first`` to ``last`` (0-based, half open) between its fences."""

    info: str
    """What stands behind the opening fence: a language, maybe a name."""
    lines: tuple[str, ...]
    opened: int
    """The line of the opening fence."""
    closed: bool


def blocks(lines: Sequence[str]) -> list[Block]:
    """The fenced blocks of a text, as CommonMark reads them; the last one may lack its end."""
    found: list[Block] = []
    at = 0
    while at < len(lines):
        opening = _OPENS.match(lines[at])
        if not opening:
            at += 1
            continue
        indent, fence, info = len(opening[1]), opening[2], opening[3].strip()
        ends = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*$")
        end = next((line for line in range(at + 1, len(lines)) if ends.match(lines[line])), None)
        stop = len(lines) if end is None else end
        content = tuple(_dedented(line, indent) for line in lines[at + 1 : stop])
        found.append(Block(info, content, at, end is not None))
        at = stop + 1
    return found


def line_above(lines: Sequence[str], block: Block) -> str:
    """The line before a block, over at most one that is blank; ``""`` when there is none."""
    above = [line for line in lines[max(0, block.opened - 2) : block.opened] if line.strip()]
    return above[-1] if above else ""


def name_alone(line: str) -> str:
    """What a line says beside Markdown's marks and words such as ``File:``; a name, when it says nothing else."""
    return _BEFORE.sub("", line).rstrip().rstrip(_AROUND).rstrip()


def names_in(text: str) -> list[str]:
    """What looks like a name of a file, in order, each once; nothing in a line that is too long to be prose."""
    if len(text) > LONGEST_PROSE:
        return []
    alone = name_alone(text)
    if _PATH.fullmatch(alone) and not alone.endswith((".", "/")):
        return [alone.replace("\\", "/")]
    hits = [*_NAME.finditer(text), *_PLAIN_NAMES.finditer(text)]
    ordered = (hit[0].replace("\\", "/") for hit in sorted(hits, key=lambda hit: hit.start()))
    return [name for name in dict.fromkeys(ordered) if name.lower() not in _ABBREVIATIONS]


def _dedented(line: str, indent: int) -> str:
    blank = len(line) - len(line.lstrip(" "))
    return line[min(indent, blank) :]
