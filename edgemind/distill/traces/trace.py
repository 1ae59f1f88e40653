"""A trace, the file it is kept in, and what a writer of traces is.

Not for: how traces are made (``generate``) and which are kept (``accept``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from edgemind.distill.problems.base import Problem

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling

Origin = Literal["teacher", "written"]


@dataclass(frozen=True)
class Trace:
    """One way to think about one problem, with its answer."""

    problem: str
    """``Problem.id``."""
    family: str
    level: int
    thought: str
    answer: str
    source: Origin
    sample: int
    """Which of the teacher's samples; 0 for a written solution."""
    tokens: int
    """Thought and answer in the teacher's tokens; 0 for a written solution."""
    right: bool | None
    """What the check said; ``None`` where there is nothing to check."""


@dataclass(frozen=True)
class Written:
    """What a teacher wrote once."""

    thought: str
    answer: str
    tokens: int
    ended: bool
    """It came to its end by itself, and was not cut."""


class Writer(Protocol):
    """A teacher that writes."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """The index of each problem and its ``samples`` texts, in whatever order they are ready."""
        ...


def write_traces(path: Path, traces: Iterable[Trace]) -> None:
    """Write a JSONL file in one step."""
    raise NotImplementedError


def read_traces(path: Path) -> list[Trace]:
    """The traces of a file, or of every part in a folder."""
    raise NotImplementedError
