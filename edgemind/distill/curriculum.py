"""From easy to hard: which levels a student trains on, by how it does on held-out problems of each.

Not for: training, or measuring the accuracy that it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.errors import Damaged

if TYPE_CHECKING:
    from edgemind.distill.problems.sources import Source
    from edgemind.distill.recipe.schema import CurriculumRecipe

Reason = Literal["passed", "patience", "time"]
Kind = Literal["levels", "uniform"]

PROGRESS = 0.01
"""A check is progress when accuracy is this much above the best before it."""
LATEST = 0.5
"""By this share of training every level is behind, passed or not, and the rest is trained on the whole mix."""
PATIENCE = 4


@dataclass(frozen=True)
class Check:
    """One look at held-out accuracy.

    Attributes:
        done: share of training behind it.
        tokens: read until then.
        level: the curriculum's level while it was measured; one more than there are: the whole mix.
        accuracy: by level.
        moved: why the curriculum moved on then, if it did (of several moves in one check, the last).
    """

    done: float
    tokens: int
    level: int
    accuracy: Mapping[int, float]
    moved: Reason | None = None


class _Check(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    done: float
    tokens: int
    level: int
    accuracy: dict[int, float]
    moved: Reason | None = None


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: dict[str, Annotated[int, Field(ge=1)]]
    kind: Kind
    threshold: float
    review: float
    patience: int
    level: int
    best: float
    stale: int
    log: tuple[_Check, ...]


class Curriculum:
    """The state of one curriculum: the level it has reached, and how it came there.

    Args:
        levels: how many levels each family has.
        kind: ``uniform`` trains on everything from the first step on.
        threshold: accuracy on the current level from which the next one begins.
        review: share of earlier levels.
        patience: checks in a row without progress on a level, after which the next one begins all the same.
    """

    def __init__(
        self,
        levels: Mapping[str, int],
        kind: Kind = "levels",
        threshold: float = 0.8,
        review: float = 0.25,
        patience: int = PATIENCE,
    ) -> None:
        self._levels = dict(levels)
        self._kind: Kind = kind
        self._threshold, self._review, self._patience = threshold, review, patience
        self._level = self.last + 1 if kind == "uniform" else 1
        self._best, self._stale = 0.0, 0
        self._log: list[Check] = []

    @classmethod
    def of(cls, recipe: CurriculumRecipe, sources: Mapping[str, Source]) -> Curriculum:
        """The curriculum of a recipe over the levels of its sources."""
        levels = {name: source.levels for name, source in sources.items()}
        return cls(levels, recipe.kind, recipe.threshold, recipe.review)

    @property
    def level(self) -> int:
        """The level it is at, from 1; ``last + 1`` once all are behind it and the whole mix is trained."""
        return self._level

    @property
    def last(self) -> int:
        """The highest level of any family."""
        return max(self._levels.values(), default=1)

    @property
    def log(self) -> tuple[Check, ...]:
        """Every check so far."""
        return tuple(self._log)

    def weights(self) -> dict[int, float]:
        """Share of each level in what is trained now, for a family that has all levels; they sum to 1.

        ``shares`` is the better question where families differ in the number of their levels.
        """
        return _by_level(dict.fromkeys(range(1, self.last + 1), 1.0), self._level, self.last, self._review)

    def shares(self, mix: Mapping[tuple[str, int], float]) -> dict[tuple[str, int], float]:
        """Share of each (family, level) in what is trained now; they sum to 1.

        A family keeps its share of the mix at all times. One with fewer levels than the curriculum has reached trains
        on its highest; one whose easiest level in the mix is not reached yet begins with that.

        Args:
            mix: what the whole mix has of each (family, level): numbers of examples or tokens.
        """
        total = sum(mix.values())
        families: dict[str, dict[int, float]] = {}
        for (family, level), amount in mix.items():
            if amount > 0:
                families.setdefault(family, {})[level] = amount
        shares = dict.fromkeys(mix, 0.0)
        for family, amounts in families.items():
            share = sum(amounts.values()) / total
            for level, part in _by_level(amounts, self._level, self.last, self._review).items():
                shares[family, level] = share * part
        return shares

    def report(self, accuracy: Mapping[int, float], done: float = 0.0, tokens: int = 0) -> bool:
        """Takes held-out accuracy by level; whether the curriculum moved on.

        It moves on when the current level is passed (over several at once, if they are), when ``patience`` checks in a
        row brought no progress, and when the level's part of the first half of training is over: a level never holds
        it for good.

        Args:
            done: share of training behind it.
            tokens: read until now, for the log.
        """
        at, moved = self._level, self._passed(accuracy)
        if moved is None and self._level <= self.last:
            moved = self._tired(accuracy.get(self._level))
        while self._level <= self.last and done >= LATEST * self._level / self.last:
            self._move()
            moved = "time"
        self._log.append(Check(done, tokens, at, dict(accuracy), moved))
        return moved is not None

    def _passed(self, accuracy: Mapping[int, float]) -> Reason | None:
        moved: Reason | None = None
        while self._level <= self.last and accuracy.get(self._level, -1.0) >= self._threshold:
            self._move()
            moved = "passed"
        return moved

    def _tired(self, accuracy: float | None) -> Reason | None:
        if accuracy is not None and accuracy >= self._best + PROGRESS:
            self._best, self._stale = accuracy, 0
            return None
        self._stale += 1
        if self._stale < self._patience:
            return None
        self._move()
        return "patience"

    def _move(self) -> None:
        self._level += 1
        self._best, self._stale = 0.0, 0

    def to_state(self) -> dict[str, Any]:
        """What ``from_state`` needs, as JSON knows it."""
        return {
            "levels": dict(self._levels),
            "kind": self._kind,
            "threshold": self._threshold,
            "review": self._review,
            "patience": self._patience,
            "level": self._level,
            "best": self._best,
            "stale": self._stale,
            "log": [
                {**vars(check), "accuracy": {str(level): one for level, one in check.accuracy.items()}}
                for check in self._log
            ],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Curriculum:
        """The curriculum as it was.

        Raises:
            Damaged: that is no curriculum's state.
        """
        try:
            read = _State.model_validate(dict(state))
        except (ValidationError, TypeError, ValueError) as error:
            raise Damaged("The curriculum's state is not readable.", "Start the training stage again.") from error
        made = cls(read.levels, read.kind, read.threshold, read.review, read.patience)
        made._level, made._best, made._stale = read.level, read.best, read.stale
        made._log = [Check(**dict(check)) for check in read.log]
        return made


def _by_level(amounts: Mapping[int, float], level: int, last: int, review: float) -> dict[int, float]:
    """Shares of the levels of one family when the curriculum is at ``level``."""
    whole = sum(amounts.values())
    if level > last:
        return {one: amount / whole for one, amount in amounts.items()}
    reached = [one for one in amounts if one <= level] or [min(amounts)]
    focus = max(reached)
    earlier = sum(amounts[one] for one in reached if one != focus)
    shares = dict.fromkeys(amounts, 0.0)
    for one in reached:
        shares[one] = review * (amounts[one] / earlier) if one != focus else (1 - review if earlier else 1.0)
    return shares
