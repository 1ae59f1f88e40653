"""Shares of right answers and how sure one may be of them.

Not for: differences of two models (``compare``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

Z = 1.959963984540054
"""Of a two-sided interval of 95 %."""


def wilson(right: int, count: int, z: float = Z) -> tuple[float, float]:
    """The score interval of a share (E. B. Wilson, JASA 22, 1927); (0, 1) of nothing.

    It stays within 0 and 1 and is honest near both, where right answers of a good model are.
    """
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, z * z
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count * count)) / (1 + square / count)
    low = 0.0 if right == 0 else max(0.0, centre - half)
    return low, 1.0 if right == count else min(1.0, centre + half)


def average(shares: Iterable[tuple[int, int]], z: float = Z) -> tuple[float, float, float]:
    """The unweighted mean of the shares ``(right, count)`` of several families, with its interval.

    Families are strata of independent problems: variances add up. Each is taken at the centre of its Wilson
    interval, so that a family without a mistake is not taken for certain.
    """
    kept = [(right, count) for right, count in shares if count]
    if not kept:
        return 0.0, 0.0, 1.0
    mean = sum(right / count for right, count in kept) / len(kept)
    variance = 0.0
    for right, count in kept:
        centre = (right + z * z / 2) / (count + z * z)
        variance += centre * (1 - centre) / count
    half = z * math.sqrt(variance) / len(kept)
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def tallied(marks: Iterable[tuple[int, bool]]) -> dict[int, tuple[int, int]]:
    """``(right, count)`` by level, from ``(level, right)`` pairs, the easiest first."""
    found: dict[int, tuple[int, int]] = {}
    for level, right in marks:
        before = found.get(level, (0, 0))
        found[level] = (before[0] + right, before[1] + 1)
    return dict(sorted(found.items()))


def together(levels: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """``(right, count)`` over all levels."""
    return sum(right for right, _ in levels.values()), sum(count for _, count in levels.values())
