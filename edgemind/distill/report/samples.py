"""What teacher and students wrote to the same problems, chosen so that they show something.

Not for: counting anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.distill.evaluation.result import Evaluated, Outcome

SIDE_BY_SIDE = ("teacher", "full", "no-teacher")
MOST = 12


@dataclass(frozen=True)
class Sample:
    """One problem and what each subject made of it."""

    family: str
    level: int
    prompt: str
    written: Mapping[str, Outcome]


def samples(evaluations: Mapping[str, Evaluated], most: int = MOST) -> list[Sample]:
    """Up to ``most`` problems that every subject side by side answered.

    Half show where the distilled student is right and the one without a teacher is not, a few the other way round and
    a few where the student fails; the others are solved by all. No family comes twice before all came once.
    """
    subjects = [subject for subject in SIDE_BY_SIDE if subject in evaluations]
    if not subjects:
        return []
    marks = {subject: {one.id: one for one in evaluations[subject].outcomes} for subject in subjects}
    known = set(evaluations[subjects[0]].result.families)
    found = [
        Sample(one.family, one.level, one.prompt, {subject: marks[subject][one.id] for subject in subjects})
        for one in evaluations[subjects[0]].outcomes
        if one.family in known and all(one.id in marks[subject] for subject in subjects)
    ]
    shares = {"taught": most // 2, "lost": most // 6, "failed": most // 6, "solved": most, "other": most}
    chosen: list[Sample] = []
    for kind, share in shares.items():
        room = min(share, most - len(chosen))
        chosen += _spread([sample for sample in found if _kind(sample) == kind], room, chosen)
    return chosen


def _kind(sample: Sample) -> str:
    right = {subject: outcome.right for subject, outcome in sample.written.items()}
    if all(right.values()):
        return "solved"
    if "full" in right and "no-teacher" in right and right["full"] != right["no-teacher"]:
        return "taught" if right["full"] else "lost"
    return "failed" if not right.get("full", True) else "other"


def _spread(found: Sequence[Sample], room: int, before: Sequence[Sample]) -> list[Sample]:
    """Each time the first one of a family that has come least often."""
    counts: dict[str, int] = {}
    for sample in before:
        counts[sample.family] = counts.get(sample.family, 0) + 1
    left, chosen = list(found), list[Sample]()
    while left and len(chosen) < room:
        best = min(left, key=lambda sample: counts.get(sample.family, 0))
        left.remove(best)
        chosen.append(best)
        counts[best.family] = counts.get(best.family, 0) + 1
    return chosen
