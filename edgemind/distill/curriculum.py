"""From easy to hard: which levels a student trains on, by how it does on held-out problems of each.

Not for: training, or measuring the accuracy that it is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from edgemind.distill.problems.sources import Source
    from edgemind.distill.recipe.schema import CurriculumRecipe

Reason = Literal["passed", "patience", "time"]


@dataclass(frozen=True)
class Check:
    """One look at held-out accuracy.

    Attributes:
        done: share of training behind it.
        tokens: read until then.
        level: the curriculum's level while it was measured; one more than there are: the whole mix.
        accuracy: by level.
        moved: why the curriculum moved on then, if it did.
    """

    done: float
    tokens: int
    level: int
    accuracy: Mapping[int, float]
    moved: Reason | None = None


class Curriculum:
    """The state of one curriculum: the level it has reached, and how it came there.

    Args:
        levels: how many levels each family has.
        kind: ``uniform`` trains on everything from the first step on.
        threshold: accuracy on the current level from which the next one begins.
        review: share of earlier levels.
        patience: checks without progress on a level after which the next one begins all the same.
    """

    def __init__(
        self,
        levels: Mapping[str, int],
        kind: Literal["levels", "uniform"] = "levels",
        threshold: float = 0.8,
        review: float = 0.25,
        patience: int = 4,
    ) -> None:
        raise NotImplementedError

    @classmethod
    def of(cls, recipe: CurriculumRecipe, sources: Mapping[str, Source]) -> Curriculum:
        """The curriculum of a recipe over the levels of its sources."""
        raise NotImplementedError

    @property
    def level(self) -> int:
        """The level it is at, from 1; ``last + 1`` once all are behind it and the whole mix is trained."""
        raise NotImplementedError

    @property
    def last(self) -> int:
        """The highest level of any family."""
        raise NotImplementedError

    @property
    def log(self) -> tuple[Check, ...]:
        """Every check so far."""
        raise NotImplementedError

    def weights(self) -> dict[int, float]:
        """Share of each level in what is trained now, for families that have all levels; they sum to 1."""
        raise NotImplementedError

    def shares(self, mix: Mapping[tuple[str, int], float]) -> dict[tuple[str, int], float]:
        """Share of each (family, level) in what is trained now; they sum to 1.

        A family keeps its share of the mix at all times; a family with fewer levels than the curriculum has reached
        trains on its highest.

        Args:
            mix: what the whole mix has of each (family, level): numbers of examples or tokens.
        """
        raise NotImplementedError

    def report(self, accuracy: Mapping[int, float], done: float = 0.0, tokens: int = 0) -> bool:
        """Takes held-out accuracy by level; whether the curriculum moved on.

        Args:
            done: share of training behind it; a level that is not passed by its share of the first half is left.
            tokens: read until now, for the log.
        """
        raise NotImplementedError

    def to_state(self) -> dict[str, Any]:
        """What ``from_state`` needs, as JSON knows it."""
        raise NotImplementedError

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Curriculum:
        """The curriculum as it was.

        Raises:
            Damaged: that is no curriculum's state.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Comparison:
    """Two curricula at the same number of tokens: mean accuracy over levels of the first and of the second."""

    tokens: int
    first: float
    second: float


def compare_logs(first: Sequence[Check], second: Sequence[Check]) -> list[Comparison]:
    """Accuracy by tokens of two runs, at every check of either, as far as both go; between checks by straight lines."""
    raise NotImplementedError
