"""The stages of a recipe, in the order in which they run."""

from __future__ import annotations

from edgemind.distill.pipeline.stage import Run, Stage
from edgemind.distill.pipeline.stages import (
    evaluate,
    export,
    problems,
    report,
    student,
    targets,
    teacher,
    traces,
    train,
)


def stages_of(run: Run) -> list[Stage]:
    """Every stage of a run and its variants.

    Raises:
        UsageError: a variant is the recipe itself.
    """
    found: list[Stage] = []
    for part in (teacher, problems, student, traces, targets, train, evaluate, export, report):
        found += part.stages(run)
    return found
