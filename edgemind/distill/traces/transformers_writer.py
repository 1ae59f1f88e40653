"""A teacher in a checkpoint folder, written with by torch: large batches on a CPU or a graphics card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.trace import Written

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling


class TransformersWriter:
    """Writes with a checkpoint folder."""

    def __init__(self, folder: Path, batch: int = 128) -> None:
        self.folder, self.batch = folder, batch
        self.name = folder.name

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """See ``Writer``."""
        raise NotImplementedError
