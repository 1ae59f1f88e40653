"""The on-policy phase: the student's own texts, the teacher's opinion of them, and a run that goes on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_parts import NANO, SHAPE, Watching, examples, job, problems, start

from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.recipe.networks import TrainingRecipe
from edgemind.distill.recipe.schema import PolicyRecipe
from edgemind.distill.students import open_model
from edgemind.distill.training.feeding import Portioning
from edgemind.distill.training.job import Silent, StepFigures
from edgemind.distill.training.network import Network
from edgemind.distill.training.policy import Policy
from edgemind.distill.training.trainer import train
from edgemind.errors import UsageError

RECIPE = PolicyRecipe(share=0.5, max_tokens=12, prompts=8)
TRAINING = TrainingRecipe(steps=8, batch_tokens=128, checkpoint_every=2)


class Killed(Exception):
    pass


class KillsAt(Silent):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, figures: StepFigures) -> None:
        if figures.step == self.step:
            raise Killed


def policy(student: Path, teacher: Path | None, **others: Any) -> Policy:
    values: dict[str, Any] = {"problems": problems(20), "recipe": RECIPE, **others}
    return Policy(
        values["recipe"], values["problems"], ChatFormat.of_folder(student), teacher, student, 1,
        k=4, temperature=1.0, context=SHAPE.context,
    )  # fmt: skip


@pytest.mark.parametrize("gguf", [False, True])
def test_the_teacher_scores_what_the_student_wrote(tmp_path: Path, gguf: bool) -> None:
    student = start(tmp_path / "start")
    phase = policy(student, NANO if gguf else student)
    try:
        network = Network(open_model(student))
        steps = phase.round(0, network, 200, 1, Portioning(0))
        again = phase.round(0, network, 200, 1, Portioning(0))
        other = phase.round(1, network, 200, 1, Portioning(0))
    finally:
        phase.close()
    batches = [batch for step in steps for batch in step.batches]
    assert sum(batch.learned for batch in batches) == sum(step.learned for step in steps)
    for batch in batches:
        assert batch.logp is not None
        assert batch.tail is not None
        mass = batch.logp.exp().sum(1) + batch.tail.exp()
        torch.testing.assert_close(mass, torch.ones_like(mass), rtol=1e-3, atol=1e-3)
    tokens = [[batch.tokens.tolist() for batch in step.batches] for step in steps]
    assert tokens == [[batch.tokens.tolist() for batch in step.batches] for step in again]
    assert tokens != [[batch.tokens.tolist() for batch in step.batches] for step in other]


def test_a_student_that_is_the_teacher_has_nothing_to_learn(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    watching = Watching()
    asked = job(
        tmp_path,
        TrainingRecipe(steps=4, batch_tokens=128, rate=1e-9, embedding_rate=1e-9),
        student=student,
        data=examples(tmp_path / "examples", student, k=0),
        policy=RECIPE,
        teacher=student,
        problems=problems(20),
    )
    train(asked, watching)
    assert watching.steps[1].divergence is None
    assert watching.steps[3].divergence == pytest.approx(0, abs=1e-4)
    assert "policy" in watching.phases


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_a_killed_phase_goes_on_to_the_same_bits(tmp_path: Path, weight: float) -> None:
    student = start(tmp_path / "start")
    data = examples(tmp_path / "examples", student)
    others: dict[str, Any] = {
        "policy": RECIPE.model_copy(update={"weight": weight}),
        "teacher": student,
        "problems": problems(20),
    }
    watching = Watching()
    whole = train(job(tmp_path / "whole", TRAINING, student=student, data=data, **others), watching)
    assert all(figures.divergence is not None for figures in watching.steps)
    asked = job(tmp_path / "cut", TRAINING, student=student, data=data, **others)
    with pytest.raises(Killed):
        train(asked, KillsAt(7))
    cut = train(asked, Silent())
    one, other = load_file(whole.model / "model.safetensors"), load_file(cut.model / "model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (whole.tokens, whole.learned) == (cut.tokens, cut.learned)


def test_what_the_phase_needs(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    with pytest.raises(UsageError, match="needs a teacher"):
        policy(student, None)
    with pytest.raises(UsageError, match="needs a teacher"):
        policy(student, student, problems=[])
