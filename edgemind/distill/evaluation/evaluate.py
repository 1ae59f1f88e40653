"""A model put through held-out problems: what it writes, what of that is right, how sure it was, what it declines.

Not for: showing it (``cli.eval_``, ``report``), comparing two (``compare``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.evaluation.result import Evaluated

if TYPE_CHECKING:
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.problems.sources import Source

MAX_TOKENS = 512
SEQUENCES = 32

Progress = Callable[[int, int, int], None]
"""Problems that are answered, of how many, and tokens written so far."""


def evaluate_gguf(
    path: Path,
    problems: Sequence[Problem],
    sources: Mapping[str, Source],
    *,
    name: str = "",
    max_tokens: int = MAX_TOKENS,
    sequences: int = SEQUENCES,
    threads: int | None = None,
    declining: bool = True,
    calibration: bool = True,
    progress: Progress | None = None,
) -> Evaluated:
    """Greedy answers of a GGUF file, through the engine that users run."""
    raise NotImplementedError


def evaluate_folder(
    folder: Path,
    problems: Sequence[Problem],
    sources: Mapping[str, Source],
    *,
    name: str = "",
    max_tokens: int = MAX_TOKENS,
    batch: int = 128,
    declining: bool = True,
    progress: Progress | None = None,
) -> Evaluated:
    """Greedy answers of a checkpoint's folder, through transformers; without calibration."""
    raise NotImplementedError
