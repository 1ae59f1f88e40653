"""A trace, the file it is kept in, and what a writer of traces is.

Not for: how traces are made (``generate``) and which are kept (``accept``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import TypeAdapter, ValidationError

from edgemind.distill.problems.base import Problem
from edgemind.errors import BadInput, ModelNotFound
from edgemind.models.opening import shown
from edgemind.models.store.files import Folder, explained

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling

Origin = Literal["teacher", "written"]

PARTS = "part-*.jsonl"
HEAD = '{"part":'
"""How the first line of a part begins; it is no trace."""

PART = 256
"""Problems that a writer without wishes is given at once."""

MOST_LINE = 8 << 20
"""Characters; a longer line is no trace."""


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
    """What the check said; ``None`` where nothing was checked."""


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

    @property
    def notice(self) -> str:
        """What the user has to be told before it writes; empty when nothing leaves this machine."""
        ...

    @property
    def part(self) -> int:
        """Problems that it wants to be given at once; they become one file, and a kill loses no more than these."""
        ...

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """The index of each problem and its ``samples`` texts, in whatever order they are ready.

        A greedy writer (temperature 0) writes one text, since all would be the same.
        """
        ...

    def close(self) -> None:
        """Give back what it holds: a process, memory. It may be called again and again."""
        ...


def seed_of(seed: int, problem: Problem, sample: int) -> int:
    """The seed of one sample of one problem: 32 bits, whatever else is written beside it."""
    digest = hashlib.sha256(f"{seed}:{problem.id}:{sample}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 0xFFFFFFFE


def samples_of(samples: int, sampling: TraceSampling) -> int:
    """How many texts are really written."""
    return 1 if sampling.temperature == 0 else samples


def lines_of(traces: Iterable[Trace]) -> str:
    """JSON, one a line, in the same spelling everywhere."""
    return "".join(_adapter.dump_json(trace).decode() + "\n" for trace in traces)


def write_traces(path: Path, traces: Iterable[Trace]) -> None:
    """Write a JSONL file that is there whole or not at all.

    Raises:
        NoRoom, StoreProblem: the disk does not take it.
    """
    with explained("write the traces", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with Folder.at(path.parent) as place:
            place.write(path.name, lines_of(traces).encode())


def read_traces(path: Path) -> list[Trace]:
    """The traces of a file, or of every part in a folder, in order.

    Raises:
        ModelNotFound: there is neither.
        BadInput: a line is no trace; the message names it.
    """
    if not path.exists():
        raise ModelNotFound(f"There are no traces at {shown(path)}.", "Make them first: edgemind distill RECIPE")
    files = sorted(path.glob(PARTS)) if path.is_dir() else [path]
    return [trace for file in files for trace in _read(file)]


def _read(file: Path) -> Iterator[Trace]:
    with explained("read the traces", file), file.open(encoding="utf-8", newline="\n") as lines:
        number = 0
        try:
            while line := lines.readline(MOST_LINE):
                number += 1
                if not (number == 1 and line.startswith(HEAD)):
                    yield _adapter.validate_json(line)
        except (ValidationError, UnicodeDecodeError) as problem:
            raise BadInput(
                f"{shown(file)} holds no trace in line {max(number, 1)}.", "Remove that file; its part is made again."
            ) from problem


_adapter: TypeAdapter[Trace] = TypeAdapter(Trace)
