"""Whether a model is right as often as it is sure.

The confidence of an answer is the probability of its least sure token, given the thought: what ``run`` marks as a guess
when it is under one half. It does not shrink with the length of an answer, as the product of all would.
Not for: the probabilities themselves (``engine``).
"""

from __future__ import annotations

from collections.abc import Iterable

from edgemind.distill.evaluation.result import Bin, Calibration

BINS = 10


def calibration(answers: Iterable[tuple[float, bool]], bins: int = BINS) -> Calibration:
    """Expected calibration error over bins of equal width (Guo et al., ICML 2017, arXiv:1706.04599) and Brier score.

    Args:
        answers: confidence in [0, 1] and whether the answer was right.
    """
    found = list(answers)
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in found:
        groups[min(bins - 1, max(0, int(confidence * bins)))].append((confidence, right))
    kept = tuple(
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            count=len(group),
            right=sum(right for _, right in group),
            confidence=sum(confidence for confidence, _ in group) / len(group),
        )
        for number, group in enumerate(groups)
        if group
    )
    count = max(1, len(found))
    return Calibration(
        bins=kept,
        error=sum(one.count * abs(one.confidence - one.right / one.count) for one in kept) / count,
        brier=sum((confidence - right) ** 2 for confidence, right in found) / count,
    )
