"""Traces of datasets: what is learned without a teacher, and what makes them due."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemind.distill.pipeline.stage import Run, Unseen
from edgemind.distill.pipeline.stages import evaluate, train
from edgemind.distill.pipeline.stages import problems as problems_stage
from edgemind.distill.pipeline.stages import traces as traces_stage
from edgemind.distill.problems.sources import open_sources
from edgemind.distill.recipe.schema import Recipe
from edgemind.distill.traces.trace import read_traces
from edgemind.errors import BadInput


def run_of(folder: Path, **dataset: Any) -> Run:
    rows = [{"text": f"Where is {number}?", "where": f"Box {number}"} for number in range(40)]
    file = folder / "letters.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {"name": "letters", "path": str(file), "prompt": "text", **dataset}
    recipe = {
        "name": "small",
        "teacher": {"model": "edgemind-nano"},
        "student": {"shape": {"width": 64, "layers": 2, "heads": 2}},
        "problems": {"dataset": [given], "families": [], "count": 20},
        "traces": {"source": "written"},
        "targets": {"k": 0},
        "loss": {"weight": 0.0},
        "training": {"steps": 10},
    }
    return Run(Recipe.model_validate(recipe), folder / "run")


def written(run: Run) -> Any:
    (problems,), (traces,) = problems_stage.stages(run), traces_stage.stages(run)
    for stage in (problems, traces):
        folder = run.directory / stage.folder
        folder.mkdir(parents=True)
        done = stage.work(run, folder, Unseen())
    return read_traces(traces_stage.folder_of(run, "written")), done


def test_answers_alone_are_learned_where_no_teacher_writes(tmp_path: Path) -> None:
    run = run_of(tmp_path, answer="where")
    assert not open_sources(run.recipe.problems, 1)["letters"].written
    found, done = written(run)
    assert done.figures["written"] == len(found) > 0
    assert all(trace.answer.startswith("Box ") and not trace.thought for trace in found)


def test_questions_alone_are_nothing_to_learn_without_a_teacher(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="comes with a solution of its own"):
        written(run_of(tmp_path, check="none"))


def test_another_check_makes_everything_that_is_checked_due(tmp_path: Path) -> None:
    exact = run_of(tmp_path, answer="where")
    teacher = replace(exact, recipe=exact.recipe.model_copy(update={"traces": TEACHER}))
    other = replace(teacher, recipe=with_check(teacher.recipe, "contains"))
    for kind in (traces_stage, train, evaluate):
        for one, two in zip(kind.stages(teacher), kind.stages(other), strict=True):
            assert one.inputs(teacher) != two.inputs(other), one.name


TEACHER = Recipe.model_fields["traces"].get_default(call_default_factory=True)


def with_check(recipe: Recipe, check: str) -> Recipe:
    (dataset,) = recipe.problems.dataset
    changed = recipe.problems.model_copy(update={"dataset": (dataset.model_copy(update={"check": check}),)})
    return recipe.model_copy(update={"problems": changed})
