"""Everything that a report shows, gathered by whoever ran the stages; and the training logs that its curves come from.

Not for: what it looks like (``html``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.models.store.files import explained

if TYPE_CHECKING:
    from edgemind.distill.evaluation.result import Evaluated
    from edgemind.distill.traces.report import TraceReport

POINTS = 240
"""Of a curve; more steps are averaged."""

TITLES = {
    "teacher": "teacher",
    "full": "student, distilled",
    "shipped": "student as shipped",
    "no-teacher": "student without a teacher",
    "no-start": "from random weights",
    "no-targets": "without soft targets",
    "no-traces": "without traces",
    "no-curriculum": "without a curriculum",
}
"""What subjects are called where a person reads."""


@dataclass(frozen=True)
class Point:
    """Some steps of a training, averaged."""

    tokens: float
    cross_entropy: float
    divergence: float | None
    rate: float


@dataclass(frozen=True)
class Check:
    """Held-out accuracy while training: ``(right, count)`` by level; ``level`` is what the curriculum has reached."""

    tokens: int
    level: int
    accuracy: Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Curve:
    """One training."""

    points: Sequence[Point] = ()
    checks: Sequence[Check] = ()

    @property
    def moves(self) -> list[tuple[int, int]]:
        """Where the curriculum went on: tokens, and the level that it went to."""
        found: list[tuple[int, int]] = []
        before = self.checks[0].level if self.checks else 0
        for check in self.checks:
            if check.level != before:
                found.append((check.tokens, check.level))
            before = check.level
        return found


@dataclass(frozen=True)
class Facts:
    """What is known.

    Attributes:
        recipe: the text of its file.
        curves: by subject, those that were trained.
        evaluations: by subject: ``teacher``, ``full``, ``shipped``, and variants.
        trainings: by subject, the figures of the record: ``steps``, ``tokens``, ``learned``, ``seconds``.
        stages: names and seconds, in the order in which they ran.
        provenance: names and values.
    """

    name: str
    description: str = ""
    recipe: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    evaluations: Mapping[str, Evaluated] = field(default_factory=dict)
    trainings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    traces: TraceReport | None = None
    stages: Sequence[tuple[str, float]] = ()
    provenance: Sequence[tuple[str, str]] = ()
    machine: str = ""


def title_of(subject: str) -> str:
    """What a subject is called."""
    return TITLES.get(subject, subject)


def read_log(file: Path) -> Curve:
    """The curve in a training's ``log.jsonl``; lines that are broken or strange are passed over.

    Raises:
        StoreProblem: it cannot be read.
    """
    if not file.exists():
        return Curve()
    steps: list[Point] = []
    checks: list[Check] = []
    with explained("read the training's log", file), file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                values = json.loads(line)
                if "accuracy" in values:
                    checks.append(_check(values))
                elif "cross_entropy" in values:
                    steps.append(_point(values))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
    return Curve(_averaged(steps), checks)


def _check(values: dict[str, Any]) -> Check:
    accuracy = {int(level): (int(right), int(count)) for level, (right, count) in values["accuracy"].items()}
    return Check(int(values["tokens"]), int(values["level"]), accuracy)


def _point(values: dict[str, Any]) -> Point:
    divergence = values.get("divergence")
    return Point(
        float(values["tokens"]),
        float(values["cross_entropy"]),
        None if divergence is None else float(divergence),
        float(values.get("rate", 0.0)),
    )


def _averaged(steps: Sequence[Point]) -> list[Point]:
    size = max(1, -(-len(steps) // POINTS))
    return [_mean(steps[start : start + size]) for start in range(0, len(steps), size)]


def _mean(group: Sequence[Point]) -> Point:
    divergences = [point.divergence for point in group if point.divergence is not None]
    return Point(
        group[-1].tokens,
        sum(point.cross_entropy for point in group) / len(group),
        sum(divergences) / len(divergences) if divergences else None,
        sum(point.rate for point in group) / len(group),
    )
