"""What came of a teacher's writing: how much was kept, by family and level.

Not for: drawing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from edgemind.errors import BadInput
from edgemind.models.opening import shown
from edgemind.models.store.files import Folder, explained


@dataclass(frozen=True)
class Tally:
    """Counts of one family at one level. Texts are what the teacher wrote."""

    problems: int = 0
    samples: int = 0
    """Texts; ``right + wrong + cut``."""
    right: int = 0
    wrong: int = 0
    cut: int = 0
    repeated: int = 0
    """Right, and nearly the same as one that was kept."""
    long: int = 0
    """Right, and over the limit."""
    kept: int = 0
    written: int = 0
    """Problems that got the solution they came with: nobody wrote for them, or nothing that was kept."""
    lost: int = 0
    """Problems without any trace."""

    @property
    def acceptance(self) -> float:
        """The share of the teacher's texts that were right and whole; 0 where it wrote none."""
        return self.right / self.samples if self.samples else 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Tally)))


Tallies = dict[tuple[str, int], Tally]
"""By family and level."""


@dataclass(frozen=True)
class TraceReport:
    """The whole."""

    writer: str
    """Empty when only written solutions were taken."""
    tallies: Tallies
    tokens: int
    """That the teacher wrote."""
    seconds: float
    """That it wrote for, over all runs."""

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def total(self) -> Tally:
        return added(self.tallies.values())

    def families(self) -> dict[str, Tally]:
        """All levels of each family, by name."""
        found: dict[str, Tally] = {}
        for (family, _), tally in sorted(self.tallies.items()):
            found[family] = found.get(family, Tally()) + tally
        return found

    def levels(self) -> dict[int, Tally]:
        """All families at each level, the easiest first."""
        found: dict[int, Tally] = {}
        for (_, level), tally in self.tallies.items():
            found[level] = found.get(level, Tally()) + tally
        return dict(sorted(found.items()))


def added(tallies: Iterable[Tally]) -> Tally:
    """The sum."""
    return sum(tallies, Tally())


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str
    level: int
    counts: dict[str, int]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    writer: str
    tokens: int
    seconds: float
    tallies: list[_Row]


def rows_of(tallies: Tallies) -> list[dict[str, Any]]:
    """Tallies as JSON has them."""
    return [
        {"family": family, "level": level, "counts": {one.name: getattr(tally, one.name) for one in fields(Tally)}}
        for (family, level), tally in sorted(tallies.items())
    ]


def tallies_of(rows: Iterable[dict[str, Any]]) -> Tallies:
    """The other way round.

    Raises:
        ValueError, TypeError: they are none.
    """
    return {(row.family, row.level): Tally(**row.counts) for row in map(_Row.model_validate, rows)}


def write_report(path: Path, report: TraceReport) -> None:
    """Write it as JSON, whole or not at all.

    Raises:
        NoRoom, StoreProblem: the disk does not take it.
    """
    file = _File.model_validate(
        {
            "writer": report.writer,
            "tokens": report.tokens,
            "seconds": round(report.seconds, 3),
            "tallies": rows_of(report.tallies),
        }
    )
    with explained("write the report", path.parent), Folder.at(path.parent) as place:
        place.write(path.name, file.model_dump_json(indent=1).encode())


def read_report(path: Path) -> TraceReport:
    """What ``write_report`` wrote.

    Raises:
        BadInput: it is something else.
    """
    try:
        with explained("read the report", path):
            data = path.read_bytes()
        file = _File.model_validate_json(data)
        tallies = {(row.family, row.level): Tally(**row.counts) for row in file.tallies}
    except (ValidationError, TypeError) as problem:
        raise BadInput(f"{shown(path)} is no report about traces.", "Make the traces again.") from problem
    return TraceReport(file.writer, tallies, file.tokens, file.seconds)
