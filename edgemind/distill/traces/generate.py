"""Traces for a set of problems, part by part: written, checked, chosen and kept so that a killed run goes on.

Not for: the writers themselves (``engine_writer``, ``transformers_writer``, ``server``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.report import TraceReport
from edgemind.distill.traces.trace import Trace, Writer, Written

if TYPE_CHECKING:
    from edgemind.distill.problems.sources import Source
    from edgemind.distill.recipe.schema import TracesRecipe

__all__ = ["PART", "Progress", "Trace", "TraceReport", "Writer", "Written", "make_traces"]

PART = 256
"""Problems a file."""


@dataclass(frozen=True)
class Moment:
    """How far the making of traces is."""

    done: int
    """Problems."""
    total: int
    rate: float
    """Tokens a second, of what the teacher wrote in this run."""
    acceptance: float
    """The share of the teacher's texts so far that were right and whole; 0 before the first."""


Progress = Callable[[Moment], None]


def make_traces(
    problems: Sequence[Problem],
    sources: Mapping[str, Source],
    writer: Writer | None,
    recipe: TracesRecipe,
    directory: Path,
    seed: int,
    progress: Progress,
) -> TraceReport:
    """Make the traces of all problems in ``directory``; what is there already is not made again.

    Args:
        writer: ``None`` takes the written solutions.
    """
    raise NotImplementedError
