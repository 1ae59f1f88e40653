"""Small students, examples and observers for the tests of training."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.problems.base import Problem
from edgemind.distill.recipe.networks import ShapeRecipe, StudentRecipe, TrainingRecipe
from edgemind.distill.recipe.schema import CurriculumRecipe, LossRecipe
from edgemind.distill.students import start_student
from edgemind.distill.targets.example_set import ExampleSet
from edgemind.distill.targets.layout import ShardHeader
from edgemind.distill.targets.shards import Example, ShardWriter
from edgemind.distill.targets.top import TopK
from edgemind.distill.training.job import Silent, StepFigures, TrainJob

torch.set_num_threads(1)
NANO = Path(__file__).parents[2] / "edgemind" / "data" / "edgemind-nano.gguf"
VOCAB = 2048
SHAPE = ShapeRecipe(width=32, layers=2, heads=2, kv_heads=1, head_dim=16, ffn=64, context=256)


def start(folder: Path, shape: ShapeRecipe = SHAPE) -> Path:
    return start_student(StudentRecipe(shape=shape), 1, folder, NANO)


def problems(count: int, seed: int = 1) -> list[Problem]:
    """Sums of small numbers on two levels."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        level = rng.randint(1, 2)
        a, b = rng.randint(1, 9 * level), rng.randint(1, 9)
        made.append(
            Problem(
                "sums" if b > 3 else "plus",
                f"{a}+{b}",
                f"What is {a} plus {b}?",
                f"{a} + {b}",
                str(a + b),
                str(a + b),
                level,
            )
        )
    return made


def examples(folder: Path, student: Path, count: int = 60, k: int = 4, temperature: float = 1.0) -> ExampleSet:
    """Stored examples, with a made-up teacher that is fairly sure of the right token."""
    chat = ChatFormat.of_folder(student)
    folder.mkdir(parents=True, exist_ok=True)
    header = ShardHeader(k=k, temperature=temperature, vocabulary="test", vocabulary_size=VOCAB)
    with ShardWriter(folder / "0.shard", header) as writer:
        for number, problem in enumerate(problems(count)):
            made = chat.encode(problem, problem.thought, problem.answer)
            ids = np.array(made.ids, np.int32)
            example = Example(problem.id, problem.family, problem.level, ids, made.start)
            writer.add(example, sure(ids[made.start :], k, number) if k else None)
    return ExampleSet(folder)


def sure(labels: Sequence[int], k: int, seed: int) -> TopK:
    """0.7 on the label, the rest on others and the tail."""
    rng = np.random.default_rng(seed)
    top = TopK.empty(len(labels), k)
    for row, label in enumerate(labels):
        others = [one for one in rng.permutation(VOCAB)[: k + 1].tolist() if one != label][: k - 1]
        top.ids[row] = [label, *others]
    top.logp[:] = np.log(np.array([0.7, *[0.2 / max(1, k - 1)] * (k - 1)]))
    top.tail[:] = np.log(1 - np.exp(top.logp).sum(1))
    return top


def job(
    folder: Path,
    recipe: TrainingRecipe,
    *,
    student: Path | None = None,
    data: ExampleSet | None = None,
    loss: LossRecipe | None = None,
    curriculum: CurriculumRecipe | None = None,
    **others: object,
) -> TrainJob:
    """A job in ``folder`` from a student and examples that are made there unless given."""
    student = student or start(folder / "start")
    data = data or examples(folder / "examples", student)
    return TrainJob(
        student,
        data,
        recipe,
        loss or LossRecipe(),
        curriculum or CurriculumRecipe(),
        folder / "run",
        1,
        **others,  # type: ignore[arg-type]
    )


class Watching(Silent):
    """Keeps what it is told; may do something after a step."""

    def __init__(self) -> None:
        self.steps: list[StepFigures] = []
        self.phases: list[str] = []
        self.levels: list[tuple[int, dict[int, tuple[int, int]], int]] = []

    def on_phase(self, name: str) -> None:
        self.phases.append(name)

    def on_step(self, figures: StepFigures) -> None:
        self.steps.append(figures)

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None:
        self.levels.append((step, dict(accuracy), level))

    @property
    def losses(self) -> list[float]:
        return [figures.loss for figures in self.steps]
