"""Two models on the same problems: the difference of their accuracies and how sure one may be of it.

Both answered the same problems, so they are compared problem by problem: what is hard for both adds no doubt. Not for:
one model alone (``accuracy``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemind.distill.evaluation.result import Evaluated

RESAMPLES = 10_000
SEED = 1


@dataclass(frozen=True)
class Difference:
    """The first model's accuracy minus the second's.

    Attributes:
        mean: of the families' differences, each family counted once; ``low`` and ``high`` bound it to 95 %.
        families: by name, the difference of each.
        only_first: problems that only the first solved; ``only_second`` the other way round.
        chance: probability of a split as uneven as that one if both were equally good (exact McNemar test).
    """

    problems: int
    mean: float
    low: float
    high: float
    families: Mapping[str, float]
    only_first: int
    only_second: int
    chance: float

    @property
    def is_sure(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low > 0 or self.high < 0


def compare(first: Evaluated, second: Evaluated, resamples: int = RESAMPLES, seed: int = SEED) -> Difference:
    """The difference over the problems that both answered.

    The interval is the 2.5th to 97.5th percentile of a stratified paired bootstrap: within each family, problems
    are drawn again with replacement, each with both models' marks (B. Efron, R. Tibshirani, An Introduction to the
    Bootstrap, 1993, chapter 13).
    """
    pairs = _pairs(first, second)
    differences = {
        family: np.array([one - other for one, other in marks], dtype=np.int8) for family, marks in pairs.items()
    }
    problems = sum(len(marks) for marks in differences.values())
    only_first = sum(int((marks > 0).sum()) for marks in differences.values())
    only_second = sum(int((marks < 0).sum()) for marks in differences.values())
    families = {family: float(marks.mean()) for family, marks in differences.items()}
    mean = sum(families.values()) / len(families) if families else 0.0
    means = _resampled(list(differences.values()), resamples, np.random.default_rng(seed))
    low, high = (float(each) for each in np.percentile(means, (2.5, 97.5)))
    return Difference(problems, mean, low, high, families, only_first, only_second, mcnemar(only_first, only_second))


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact probability that fair coins fall this unevenly (Q. McNemar, Psychometrika 12, 1947)."""
    count = only_first + only_second
    if not count:
        return 1.0
    ways = tail = 1
    for number in range(min(only_first, only_second)):
        ways = ways * (count - number) // (number + 1)
        tail += ways
    return float(min(1.0, 2 * tail / 2**count))


def _pairs(first: Evaluated, second: Evaluated) -> dict[str, list[tuple[int, int]]]:
    known = set(first.result.families)
    marks = {one.id: one.right for one in second.outcomes if one.family in known}
    pairs: dict[str, list[tuple[int, int]]] = {}
    for one in first.outcomes:
        if one.family in known and one.id in marks:
            pairs.setdefault(one.family, []).append((int(one.right), int(marks[one.id])))
    return pairs


def _resampled(families: Sequence[NDArray[np.int8]], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means over families of as many resampled sets.

    A resample of a family needs only how many +1 and -1 it holds, which are multinomial.
    """
    total = np.zeros(resamples)
    for marks in families:
        count = len(marks)
        up, down = int((marks > 0).sum()), int((marks < 0).sum())
        drawn = rng.multinomial(count, [up / count, down / count, (count - up - down) / count], size=resamples)
        total += (drawn[:, 0] - drawn[:, 1]) / count
    return total / max(1, len(families))
