"""What came of a teacher's writing: how much was kept, by family and level.

Not for: drawing it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """Counts of one family at one level."""

    problems: int = 0
    samples: int = 0
    """Texts that the teacher wrote."""
    right: int = 0
    wrong: int = 0
    cut: int = 0
    repeated: int = 0
    """Right, and the same as another or nearly so."""
    long: int = 0
    kept: int = 0
    written: int = 0
    """Problems that got the written solution."""
    lost: int = 0
    """Problems without any trace."""

    @property
    def acceptance(self) -> float:
        """The share of the teacher's texts that were right and whole; 0 where it wrote none."""
        return self.right / self.samples if self.samples else 0.0


@dataclass(frozen=True)
class TraceReport:
    """The whole."""

    writer: str
    tallies: dict[tuple[str, int], Tally]
    """By family and level."""
    tokens: int
    """That the teacher wrote."""
    seconds: float
    """That it wrote for, over all runs."""

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds if self.seconds else 0.0
