"""What one training is asked for, what it tells while it runs, and what comes out of it.

Not for: doing it (``trainer``). Imports no torch, so that a command line can look at it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict

from edgemind.distill.problems.base import Problem
from edgemind.distill.recipe.networks import TrainingRecipe
from edgemind.distill.recipe.schema import CurriculumRecipe, LossRecipe, PolicyRecipe, ProblemsRecipe
from edgemind.errors import BadInput, UsageError
from edgemind.models.opening import shown

if TYPE_CHECKING:
    from edgemind.distill.problems.sources import Source
    from edgemind.distill.training.batches import Examples


@dataclass(frozen=True)
class TrainJob:
    """Everything that decides what a training produces.

    Attributes:
        model: checkpoint folder that it starts from.
        examples: what is learned, with or without stored targets.
        teacher: a checkpoint folder (online, on-policy) or GGUF file (on-policy); not needed for stored targets.
        online: ask the teacher for its whole distribution while training, in place of stored targets.
        sources: by family name, to check answers with; empty: no accuracy is measured.
        problems: training problems that the on-policy phase takes its prompts from.
        held_out: problems to measure accuracy by level with, for the curriculum and the log.
        directory: checkpoints, logs and the finished model; a training goes on from what is there.
    """

    model: Path
    examples: Examples
    recipe: TrainingRecipe
    loss: LossRecipe
    curriculum: CurriculumRecipe
    directory: Path
    seed: int
    policy: PolicyRecipe | None = None
    teacher: Path | None = None
    online: bool = False
    sources: Mapping[str, Source] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    held_out: Sequence[Problem] = ()


@dataclass(frozen=True)
class StepFigures:
    """One step of the optimizer.

    Attributes:
        step: from 1; ``steps`` is how many there are in all.
        loss: what was made small: the two below, mixed.
        cross_entropy: nats a token, over learned tokens.
        divergence: nats a token, times the temperature's square; ``None`` without a teacher's targets.
        tokens: read so far, with prompts and without padding; ``learned`` of them so far.
        rate: tokens a second in this step.
        learning_rate: of the matrices.
        norm: of the gradient, before clipping.
        seconds: spent training so far, over all resumptions; ``left`` is an estimate.
        busy: share of that time in which no batch was waited for.
    """

    step: int
    steps: int
    loss: float
    cross_entropy: float
    divergence: float | None
    tokens: int
    learned: int
    rate: float
    learning_rate: float
    norm: float
    seconds: float
    left: float
    busy: float


class Observer(Protocol):
    """Whoever watches: the live view, a test, nobody."""

    def on_phase(self, name: str) -> None:
        """A new part of the work begins: ``compile``, ``train``, ``policy``, ``save``; or a sentence of note."""
        ...

    def on_step(self, figures: StepFigures) -> None:
        """A step is done."""
        ...

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None:
        """Held-out ``(right, count)`` by level was measured; ``level`` is where the curriculum is now."""
        ...


class JobFile(BaseModel):
    """A job as it is handed to other processes: everything by its path."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: Path
    examples: Path
    recipe: TrainingRecipe
    loss: LossRecipe
    curriculum: CurriculumRecipe
    directory: Path
    seed: int
    policy: PolicyRecipe | None = None
    teacher: Path | None = None
    online: bool = False
    sources: ProblemsRecipe | None = None
    sources_seed: int = 0
    problems: Path | None = None
    held_out: Path | None = None


def refuse_many_processes(job: Path) -> None:
    """For what only one process may do.

    Raises:
        UsageError: torchrun started this one beside others.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) > 1 and "RANK" in os.environ:
        raise UsageError(
            "torchrun started several processes, and each of them would carry out the whole recipe.",
            "Run it in one process until training begins, then: torchrun --nproc-per-node N "
            f"-m edgemind.distill.training.distributed {job}",
        )


def read_job(path: Path) -> TrainJob:
    """The job of a file, its examples and sources opened.

    Raises:
        BadInput: it is none.
    """
    from edgemind.distill.problems.sources import open_sources, read_problems
    from edgemind.distill.targets.example_set import ExampleSet

    try:
        found = JobFile.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise BadInput(f"{shown(path)} is no training job: {str(problem).splitlines()[0]}") from problem
    return TrainJob(
        model=found.model,
        examples=ExampleSet(found.examples),
        recipe=found.recipe,
        loss=found.loss,
        curriculum=found.curriculum,
        directory=found.directory,
        seed=found.seed,
        policy=found.policy,
        teacher=found.teacher,
        online=found.online,
        sources=open_sources(found.sources, found.sources_seed) if found.sources else {},
        problems=read_problems(found.problems) if found.problems else (),
        held_out=read_problems(found.held_out) if found.held_out else (),
    )


class Silent:
    """An observer that does not look."""

    def on_phase(self, name: str) -> None:
        pass

    def on_step(self, figures: StepFigures) -> None:
        pass

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None:
        pass


@dataclass(frozen=True)
class TrainResult:
    """What came out.

    Attributes:
        model: a whole checkpoint folder, with the tokenizer.
        adapter: LoRA's factors alone, if that was trained; ``model`` has them merged.
        seconds: of training, over all resumptions.
    """

    model: Path
    steps: int
    tokens: int
    learned: int
    seconds: float
    loss: float
    cross_entropy: float
    divergence: float | None
    busy: float
    levels: Mapping[int, tuple[int, int]]
    adapter: Path | None = None
    notes: tuple[str, ...] = ()
