"""Models that say how probable the tokens of a text are: a GGUF through the engine, a checkpoint through transformers.

Not for: writing text (``traces.generate``), storing (``capture``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgemind.distill.targets.top import Floats, Ints, TopK
from edgemind.distill.targets.vocabulary import Vocabulary


class Text(Protocol):
    """Tokens of which those from ``start`` on are asked about; ``Encoded`` and ``Example`` are such."""

    @property
    def ids(self) -> Sequence[int] | Ints: ...

    @property
    def start(self) -> int: ...


class Scorer(Protocol):
    """A teacher."""

    name: str
    digest: str
    """Of its files."""
    vocabulary: Vocabulary
    context: int
    """Longest text in tokens."""

    def top(self, batch: Sequence[Text], k: int, temperature: float, size: int | None = None) -> list[TopK]:
        """For each text ``[learned tokens, k]``: row j is about what stands at ``ids[start + j]``.

        Args:
            size: cut the distribution off after so many tokens, before the softmax; the real vocabulary without it.

        Raises:
            UsageError: a text that is too long, or starts at 0.
            OutOfMemory: with what to change.
        """
        ...

    def chosen(self, batch: Sequence[Text]) -> list[Floats]:
        """For each text ``[learned tokens]``: the logarithm of the probability of ``ids[start + j]`` itself."""
        ...

    def close(self) -> None: ...


class EngineScorer:
    """A GGUF in the jailed worker, which sends ``k`` values a token rather than whole rows."""

    name: str
    digest: str
    vocabulary: Vocabulary
    context: int

    def __init__(self, path: Path, *, context: int | None = None, threads: int | None = None) -> None:
        raise NotImplementedError

    def top(self, batch: Sequence[Text], k: int, temperature: float, size: int | None = None) -> list[TopK]:
        raise NotImplementedError

    def chosen(self, batch: Sequence[Text]) -> list[Floats]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class TransformersScorer:
    """A checkpoint folder."""

    name: str
    digest: str
    vocabulary: Vocabulary
    context: int

    def __init__(
        self,
        folder: Path,
        *,
        context: int | None = None,
        dtype: str = "auto",
        device: str = "auto",
        batch_tokens: int = 4096,
    ) -> None:
        raise NotImplementedError

    def top(self, batch: Sequence[Text], k: int, temperature: float, size: int | None = None) -> list[TopK]:
        raise NotImplementedError

    def chosen(self, batch: Sequence[Text]) -> list[Floats]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def open_scorer(path: Path, *, context: int | None = None) -> Scorer:
    """An ``EngineScorer`` for a GGUF file, a ``TransformersScorer`` for a folder."""
    raise NotImplementedError
