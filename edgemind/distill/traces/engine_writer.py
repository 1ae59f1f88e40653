"""A teacher in a GGUF file, written with by the engine that users run: many sequences at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.trace import Written

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling


class EngineWriter:
    """Writes with a GGUF file."""

    def __init__(self, path: Path, sequences: int = 16) -> None:
        self.path, self.sequences = path, sequences
        self.name = path.stem

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """See ``Writer``."""
        raise NotImplementedError
