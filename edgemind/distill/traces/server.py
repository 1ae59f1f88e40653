"""A teacher behind an address that speaks OpenAI's chat completions, such as a cluster's vLLM.

The only part of distillation that sends anything anywhere; nothing uses it unless a recipe names an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.trace import Written

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling


class ServerWriter:
    """Writes through a server."""

    def __init__(
        self, url: str, model: str, key_variable: str | None = None, *, allow_network: bool = False, requests: int = 16
    ) -> None:
        self.url, self.model, self.key_variable = url, model, key_variable
        self.name = model

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """See ``Writer``."""
        raise NotImplementedError
