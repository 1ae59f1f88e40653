"""Traces become shards: encoded, scored by the teacher, stored; goes on where it was stopped.

Not for: writing traces (``traces``), reading shards in training (``example_set``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.targets.teachers import Scorer

if TYPE_CHECKING:
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.traces.trace import Trace


@dataclass(frozen=True)
class CaptureStep:
    """How far it is."""

    done: int
    """Examples, those of kept shards included."""
    total: int
    tokens_per_second: float
    """Learned tokens that the teacher scored a second, since this run began."""


@dataclass(frozen=True)
class CaptureReport:
    """What was captured."""

    shards: int
    made: int
    """Shards that this run wrote; the others were there and whole."""
    examples: int
    tokens: int
    learned: int
    """Tokens that are learned, so that have a target."""
    too_long: int
    """Traces that were left out."""
    bytes: int
    bytes_per_token: float
    """Stored for the target of one learned token."""
    seconds: float
    tokens_per_second: float
    digest: str
    """Over everything that was captured: for a fingerprint."""


def capture(
    problems: Sequence[Problem],
    traces: Sequence[Trace],
    format: ChatFormat,  # noqa: A002
    scorer: Scorer | None,
    directory: Path,
    k: int,
    temperature: float,
    per_shard: int,
    progress: Callable[[CaptureStep], None] = lambda _: None,
    *,
    context: int | None = None,
    teacher_format: ChatFormat | None = None,
) -> CaptureReport:
    """Make the shards ``examples-00000.shard`` and so on; whole ones that are there already are kept.

    Args:
        scorer: the teacher; ``None`` for examples without soft targets.
        context: leave out examples of more tokens.
        teacher_format: of a teacher with another tokenizer: its targets are those of ``alignment``.
    """
    raise NotImplementedError
