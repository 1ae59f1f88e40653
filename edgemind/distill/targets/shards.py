"""Training examples in files, with or without soft targets, read through a memory map.

Not for: many shards as one set (``example_set``), making them (``capture``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from edgemind.distill.targets.top import Floats, Ints, TopK

SUFFIX = ".shard"


class ShardHeader(BaseModel):
    """What a shard says about itself; all shards of a set say the same, but for ``inputs``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int
    """Tokens of each soft target; 0: none."""
    temperature: float = 1.0
    logp: Literal["float16"] = "float16"
    vocabulary: str
    """Digest of the student's vocabulary."""
    vocabulary_size: int
    teacher: str = ""
    teacher_digest: str = ""
    spans: bool = False
    """Targets are a teacher's likelihoods of aligned spans (another tokenizer), and ``k`` is 0."""
    inputs: str = ""
    """Hash of the examples as they were encoded."""

    @property
    def bytes_per_token(self) -> float:
        """Stored for the target of one learned token."""
        raise NotImplementedError


@dataclass(frozen=True)
class Example:
    """One conversation in tokens; ``ids[start:]`` is learned."""

    problem: str
    family: str
    level: int
    ids: Ints
    start: int

    @property
    def learned(self) -> int:
        return len(self.ids) - self.start


@dataclass(frozen=True)
class Spans:
    """A teacher's log-likelihoods of pieces of the learned text. Span ``s`` is the student's learned tokens
    ``ends[s - 1]`` (0 for the first) to ``ends[s]``; tokens behind the last end have no target.

    Attributes:
        ends: ``[s]`` counted from the first learned token.
        logp: ``[s]`` natural logarithms; NaN marks a span that has no target.
    """

    ends: Ints
    logp: Floats


class ShardWriter:
    """Writes one shard, which has its name only after ``close``; a context manager that leaves nothing otherwise."""

    def __init__(self, path: Path, header: ShardHeader) -> None:
        raise NotImplementedError

    def add(self, example: Example, top: TopK | None = None, spans: Spans | None = None) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Shard:
    """One shard, memory-mapped. Every block is checked against its checksum when it is first touched.

    Raises:
        Damaged: it is no shard, cut, or changed; the sentence names it.
    """

    path: Path
    header: ShardHeader
    problems: tuple[str, ...]
    families: tuple[str, ...]
    """Of each example."""
    levels: Ints
    lengths: Ints
    """Tokens of each example."""
    starts: Ints

    def __init__(self, path: Path) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def example(self, index: int) -> Example:
        raise NotImplementedError

    def top(self, index: int) -> TopK:
        """``[learned tokens, k]``; row j is about ``ids[start + j]``."""
        raise NotImplementedError

    def top_into(self, index: int, out: TopK, row: int) -> int:
        """Decode into ``out`` from ``row`` on; returns the row behind the last."""
        raise NotImplementedError

    def spans(self, index: int) -> Spans:
        raise NotImplementedError

    def verify(self) -> None:
        """Check every block."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


Indices = NDArray[np.int64]
